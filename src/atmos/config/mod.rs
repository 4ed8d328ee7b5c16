//! `atmos.yaml`, found and merged: what it says about folders, names and component types.
//!
//! [`sources`] knows where files lie, [`loader`] reads and merges them, [`build`] makes typed values of them, [`auth`]
//! writes `auth` as Atmos does, [`stores`] says which of them it refuses.

mod auth;
mod build;
mod edition;
mod loader;
mod sources;
mod stores;

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use loader::Loader;
use serde_json::Value as Json;
pub use sources::load;

use super::{files::Files, node::Node};

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
    /// The same as written, for `component_path` of what is affected.
    pub base_path_text: String,
    /// The folder of the stacks, absolute.
    pub stacks_path: PathBuf,
    /// The folder of the workflows, absolute; `None` where none is configured.
    pub workflows_path: Option<PathBuf>,
    /// By component type.
    pub components: BTreeMap<String, ComponentType>,
    /// `stacks.included_paths`.
    pub included_paths: Vec<String>,
    /// `stacks.excluded_paths`.
    pub excluded_paths: Vec<String>,
    /// `stacks.name_pattern`, empty where not set.
    pub name_pattern: String,
    /// `stacks.name_template`, empty where not set.
    pub name_template: String,
    /// `settings.list_merge_strategy`, empty where not set.
    pub list_merge_strategy: String,
    /// `settings.yaml.key_delimiter`, empty where not set.
    pub key_delimiter: String,
    /// `stacks.inherit.metadata`, true unless it says otherwise.
    pub inherit_metadata: bool,
    /// `stacks.inherit.source`, true unless it says otherwise.
    pub inherit_source: bool,
    /// The folder of the Git repository around the estate, absolute.
    pub git_root: Option<PathBuf>,
    /// `components.terraform.workspaces_enabled`, true unless it says otherwise.
    pub workspaces_enabled: bool,
    /// `components.terraform.workspace.prefix_separator`, `-` where not set.
    pub prefix_separator: String,
    /// `templates.settings.enabled`.
    pub templates_enabled: bool,
    /// `templates.settings.ignore_missing_template_values`.
    pub ignore_missing: bool,
    /// `templates.settings.delimiters`, or Go's.
    pub delimiters: (String, String),
    /// `describe.settings.include_empty`, true unless it says otherwise.
    pub include_empty: bool,
    /// Whether `describe component` shows every key, computed ones too.
    pub describe_full: bool,
    /// `env` as texts.
    pub env: Option<Node>,
    /// `auth` as Atmos hands it to terraform components.
    pub auth: Option<Node>,
    /// `integrations.github`.
    pub github: Option<Node>,
    /// `schemas.atmos.manifest`, empty where not set.
    pub manifest_schema: String,
    /// The files that made it, the lowest first, absolute.
    pub files: Vec<PathBuf>,
    /// The whole of it, merged.
    pub raw: Json,
}

/// Makes a path without `.` and `..` where that can be done by looking at it.
#[must_use]
pub fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if matches!(out.components().next_back(), Some(Component::Normal(_))) {
                    out.pop();
                } else if !out.has_root() {
                    out.push("..");
                }
            }
            other => out.push(other),
        }
    }
    out
}

/// Returns a path as people read it: relative to the root where it lies inside.
#[must_use]
pub fn display(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

/// Tells whether a path, links resolved, lies inside the root.
#[must_use]
pub fn inside(files: &dyn Files, root: &Path, path: &Path) -> bool {
    let root = files.real(root).unwrap_or_else(|_| root.to_path_buf());
    inside_real(files, &root, path)
}

/// The same for a root whose links are resolved.
pub(super) fn inside_real(files: &dyn Files, root: &Path, path: &Path) -> bool {
    let mut path = clean(path);
    loop {
        match files.real(&path) {
            Ok(real) => return real.starts_with(root),
            Err(_) => {
                if !path.pop() {
                    return false;
                }
            }
        }
    }
}
