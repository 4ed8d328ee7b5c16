//! `atmos.yaml`, found and merged: what it says about folders, names and component types.

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

/// What `atmos.yaml` says of one component type.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComponentType {
    /// The folder of its components, absolute; `None` where none is configured.
    pub base_path: Option<PathBuf>,
    /// The same as written, for `component_info.component_path`.
    pub base_path_text: String,
    /// The executable, where set.
    pub command: Option<String>,
}

/// The merged configuration of an estate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AtmosConfig {
    /// The folder everything else is relative to, absolute.
    pub base_path: PathBuf,
    /// The folder of the stacks, absolute.
    pub stacks_path: PathBuf,
    /// The folder of the workflows, absolute; `None` where none is configured.
    pub workflows_path: Option<PathBuf>,
    /// By component type.
    pub components: BTreeMap<String, ComponentType>,
    /// `stacks.name_pattern`, empty where not set.
    pub name_pattern: String,
    /// `stacks.name_template`, empty where not set.
    pub name_template: String,
    /// The files that made it, the lowest first, absolute.
    pub files: Vec<PathBuf>,
    /// The whole of it, merged.
    pub raw: Value,
}
