//! `atmos.yaml`, found and merged: what it says about folders, names and component types.
//!
//! [`loader`] reads and merges the files, [`build`] makes typed values of them, [`auth`] writes `auth` as Atmos does.

mod auth;
mod build;
mod loader;

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use loader::Loader;
use serde_json::Value as Json;

use super::{
    AtmosError, LoadOptions,
    files::{Files, Kind},
    merge::{ListStrategy, merge_two},
    node::{Node, Pos},
};
use crate::domain::stack::Diagnostic;

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
    let mut path = clean(path);
    loop {
        match files.real(&path) {
            Ok(real) => return real.starts_with(&root),
            Err(_) => {
                if !path.pop() {
                    return false;
                }
            }
        }
    }
}

/// Reads the configuration of the estate at `root`.
///
/// # Errors
/// Where there is none, or no stacks can be found by it.
pub fn load(root: &Path, options: &LoadOptions) -> Result<(AtmosConfig, Vec<Diagnostic>), AtmosError> {
    let files = options.files.as_ref();
    let main = ["atmos.yaml", "atmos.yml"].iter().map(|n| root.join(n)).find(|p| files.kind(p) == Some(Kind::File));
    let hidden = files.kind(&root.join(".atmos.yaml")) == Some(Kind::File);
    if main.is_none() && !hidden {
        return Err(AtmosError::new("no-atmos-yaml", format!("no atmos.yaml in {}", root.display()))
            .hint("go to an Atmos repository, or name one with -C DIR; `terrace demo` writes one to try"));
    }
    let git_root = if options.env.get("ATMOS_GIT_ROOT_BASEPATH").is_some_and(|v| v == "false") {
        None
    } else {
        root.ancestors().find(|p| files.kind(&p.join(".git")).is_some()).map(Path::to_path_buf)
    };
    let mut loader = Loader { root, options, read: Vec::new(), problems: Vec::new(), git_root };
    let mut merged = Node::empty();
    let mut main_node = Node::empty();
    if let Some(main) = &main {
        main_node = loader.file(main);
        if let Some(fatal) = loader.problems.iter().find(|p| p.code == "config-syntax") {
            let mut error = AtmosError::new("config-syntax", fatal.message.clone());
            error.source_at.clone_from(&fatal.source);
            return Err(error);
        }
        if let Some(git) = loader.git_root.clone().filter(|g| g != root) {
            for name in ["atmos.d", ".atmos.d"] {
                let node = loader.folder(&git.join(name), false);
                merged = merge_two(&merged, &node, ListStrategy::Replace);
            }
        }
        for name in ["atmos.d", ".atmos.d"] {
            let node = loader.folder(&root.join(name), false);
            merged = merge_two(&merged, &node, ListStrategy::Replace);
        }
        let base = loader.import_base(&main_node, main);
        let with_main = merge_two(&merged, &main_node, ListStrategy::Replace);
        merged = loader.imports(&main_node, &base, with_main, 1);
        merged = merge_two(&merged, &main_node, ListStrategy::Replace);
    } else {
        merged = defaults();
    }
    for profile in profiles(&merged, options) {
        let base = merged.at_path(&["profiles", "base_path"]).and_then(Node::str).map(|b| clean(&root.join(b)));
        let places = [base, Some(root.join(".atmos/profiles")), Some(root.join("profiles"))];
        let found =
            places.into_iter().flatten().map(|p| p.join(&profile)).find(|p| files.kind(p) == Some(Kind::Folder));
        match found {
            Some(folder) => {
                let node = loader.folder(&folder, true);
                merged = merge_two(&merged, &node, ListStrategy::Replace);
            }
            None => loader.problem("profile-not-found", format!("profile '{profile}' does not exist"), None, None),
        }
    }
    let config = build::build(&mut loader, &merged, &main_node)?;
    Ok((config, loader.problems))
}

fn profiles(merged: &Node, options: &LoadOptions) -> Vec<String> {
    let named = options.env.get("ATMOS_PROFILE").map(String::as_str).filter(|s| !s.trim().is_empty());
    let named = named.or_else(|| merged.at_path(&["profiles", "default"]).and_then(Node::str)).unwrap_or("");
    named.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// What Atmos takes where no `atmos.yaml` is read.
fn defaults() -> Node {
    let json = serde_json::json!({
        "base_path": ".",
        "stacks": {
            "base_path": "stacks", "name_pattern": "{tenant}-{environment}-{stage}",
            "included_paths": ["orgs/**/*"], "excluded_paths": ["**/_defaults.yaml"]
        },
        "components": {
            "terraform": {"base_path": "components/terraform"}, "helmfile": {"base_path": "components/helmfile"},
            "packer": {"base_path": "components/packer", "command": "packer"},
            "kubernetes": {"base_path": "components/kubernetes"}
        },
        "templates": {"settings": {"enabled": true}},
        "workflows": {"base_path": "stacks/workflows"}
    });
    Node::from_json(&json, Pos::none())
}
