//! Where configuration comes from: the system, the home folder, the estate, `ATMOS_CLI_CONFIG_PATH`, profiles.
//!
//! The order, and what each place may do, were read in Atmos' `pkg/config/load.go` (2026-08): later places win key by key.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{AtmosConfig, Loader, build::build, clean, loader::without_unset};
use crate::{
    atmos::{
        AtmosError, LoadOptions,
        files::Kind,
        merge::{ListStrategy, merge_two},
        node::{Node, Pos, Value},
    },
    domain::stack::Diagnostic,
};

/// Where a machine's administrator configures Atmos.
const SYSTEM: &str = "/usr/local/etc/atmos";

/// What was found in all places together.
pub(super) struct Found {
    pub(super) merged: Node,
    /// What the last file says by itself, for places in messages.
    pub(super) main: Node,
    /// The folder of the last file: what relative paths of the configuration are relative to.
    pub(super) folder: PathBuf,
    /// The environment, with the `ATMOS_*` variables of the configuration's `env` below it.
    pub(super) env: BTreeMap<String, String>,
}

/// Reads the configuration of the estate at `root`.
///
/// # Errors
/// Where there is none, or no stacks can be found by it.
pub fn load(root: &Path, options: &LoadOptions) -> Result<(AtmosConfig, Vec<Diagnostic>), AtmosError> {
    let files = options.files.as_ref();
    let set = |name: &str| options.env.get(name).filter(|v| !v.is_empty());
    let selected = Selected::of(root, &options.env);
    let named = set("ATMOS_CLI_CONFIG_PATH").map(|p| clean(&root.join(p))).filter(|p| p != root);
    let hidden = files.kind(&root.join(".atmos.yaml")) == Some(Kind::File);
    let mut loader = Loader {
        root,
        options,
        read: Vec::new(),
        problems: Vec::new(),
        git_root: if options.env.get("ATMOS_GIT_ROOT_BASEPATH").is_some_and(|v| v == "false") {
            None
        } else {
            root.ancestors().find(|p| files.kind(&p.join(".git")).is_some()).map(Path::to_path_buf)
        },
        own: true,
    };
    if selected.is_empty()
        && main_file(&loader, root).is_none()
        && !hidden
        && named.as_ref().is_none_or(|n| main_file(&loader, n).is_none())
    {
        return Err(AtmosError::new("no-atmos-yaml", format!("no atmos.yaml in {}", root.display()))
            .hint("go to an Atmos repository, or name one with -C DIR; `terrace demo` writes one to try"));
    }
    let mut found =
        Found { merged: Node::empty(), main: Node::empty(), folder: root.to_path_buf(), env: options.env.clone() };
    if selected.is_empty() {
        let home = set("HOME").map(|home| Path::new(home).join(".atmos"));
        discovered(&mut loader, &mut found, home, named)?;
    } else {
        selected.read(&mut loader, &mut found)?;
    }
    for (key, value) in found.merged.get("env").and_then(Node::map).into_iter().flat_map(|m| m.entries()) {
        if let (true, Some(text)) = (key.as_str().starts_with("ATMOS_"), plain(value)) {
            found.env.entry(key.as_str().to_owned()).or_insert(text);
        }
    }
    for name in profiles(&found) {
        profile(&mut loader, &mut found, &name);
    }
    let config = build(&mut loader, &found)?;
    Ok((config, loader.problems))
}

/// Reads what lies where Atmos looks by itself, and `ATMOS_CLI_CONFIG_PATH`.
fn discovered(
    loader: &mut Loader<'_>,
    found: &mut Found,
    home: Option<PathBuf>,
    named: Option<PathBuf>,
) -> Result<(), AtmosError> {
    let root = loader.root;
    let mut any = false;
    // What lies in these places was put there by the person who asks, not by the estate: it is read without trust.
    any |= source(loader, found, Path::new(SYSTEM), false);
    if let Some(home) = home.filter(|h| h != root) {
        any |= source(loader, found, &home, true);
    }
    loader.own = false;
    let before = loader.problems.len();
    any |= source(loader, found, root, true);
    broken(loader, before)?;
    if let Some(named) = named {
        loader.own = true;
        any |= source(loader, found, &named, true);
        loader.own = false;
    }
    if !any {
        found.merged = defaults();
    }
    Ok(())
}

/// Fails where a file that was read since then is no YAML.
fn broken(loader: &Loader<'_>, before: usize) -> Result<(), AtmosError> {
    let Some(fatal) = loader.problems.iter().skip(before).find(|p| p.code == "config-syntax") else { return Ok(()) };
    Err(AtmosError { source_at: fatal.source.clone(), ..AtmosError::new("config-syntax", &fatal.message) })
}

/// The files and folders that `ATMOS_CONFIG` and `ATMOS_CONFIG_PATH` name: where there are any, Atmos looks nowhere else.
struct Selected {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Selected {
    fn of(root: &Path, env: &BTreeMap<String, String>) -> Self {
        let listed = |name: &str| -> Vec<PathBuf> {
            let names = env.get(name).map_or("", String::as_str).split(',').map(str::trim);
            names.filter(|name| !name.is_empty()).map(|name| clean(&root.join(name))).collect()
        };
        Self { files: listed("ATMOS_CONFIG"), folders: listed("ATMOS_CONFIG_PATH") }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty()
    }

    /// Merges the files in their order, what each imports over it, and then the folders as any other place.
    ///
    /// Relative paths start at the last one that sets `base_path`, or at the first.
    fn read(&self, loader: &mut Loader<'_>, found: &mut Found) -> Result<(), AtmosError> {
        let missing = |path: &Path, what: &str, variable: &str| {
            let message = format!("{what} '{}' does not exist", path.display());
            AtmosError::new("no-such-config", message).hint(format!("correct {variable}"))
        };
        let before = loader.problems.len();
        loader.own = true;
        let mut anchor: Option<PathBuf> = None;
        for path in &self.files {
            if loader.files().kind(path) != Some(Kind::File) {
                return Err(missing(path, "--config file", "ATMOS_CONFIG"));
            }
            let node = loader.file(path);
            let base = loader.import_base(&node, path);
            let merged = merge_two(&found.merged, &node, ListStrategy::Replace);
            found.merged = without_unset(&loader.imports(&node, &base, merged, 1));
            let folder = path.parent().unwrap_or(loader.root);
            if anchor.is_none() || node.get("base_path").is_some() {
                anchor = Some(folder.to_path_buf());
            }
            found.main = node;
        }
        for folder in &self.folders {
            if loader.files().kind(folder) != Some(Kind::Folder) {
                return Err(missing(folder, "--config-path directory", "ATMOS_CONFIG_PATH"));
            }
            if !source(loader, found, folder, true) {
                return Err(missing(&folder.join("atmos.yaml"), "the configuration", "ATMOS_CONFIG_PATH"));
            }
            if anchor.is_none() || found.main.get("base_path").is_some() {
                anchor = Some(folder.clone());
            }
        }
        loader.own = false;
        found.folder = anchor.unwrap_or_else(|| loader.root.to_path_buf());
        broken(loader, before)
    }
}

fn main_file(loader: &Loader<'_>, folder: &Path) -> Option<PathBuf> {
    let names = ["atmos.yaml", "atmos.yml"];
    names.iter().map(|n| folder.join(n)).find(|p| loader.options.files.kind(p) == Some(Kind::File))
}

/// Merges a folder's `atmos.yaml` over what was found, with `atmos.d` and imports below it; tells whether there was one.
fn source(loader: &mut Loader<'_>, found: &mut Found, folder: &Path, imports: bool) -> bool {
    let Some(main) = main_file(loader, folder) else { return false };
    let node = loader.file(&main);
    let mut merged = Node::empty();
    if imports {
        let git = loader.git_root.clone().filter(|g| g != folder);
        for place in git.into_iter().chain([folder.to_path_buf()]) {
            for name in ["atmos.d", ".atmos.d"] {
                let below = loader.folder(&place.join(name), false);
                merged = merge_two(&merged, &below, ListStrategy::Replace);
            }
        }
        let base = loader.import_base(&node, &main);
        let with_main = merge_two(&merged, &node, ListStrategy::Replace);
        merged = loader.imports(&node, &base, with_main, 1);
    }
    merged = without_unset(&merge_two(&merged, &node, ListStrategy::Replace));
    found.merged = merge_two(&found.merged, &merged, ListStrategy::Replace);
    found.main = node;
    found.folder = folder.to_path_buf();
    true
}

/// Merges a profile's files over what was found.
fn profile(loader: &mut Loader<'_>, found: &mut Found, name: &str) {
    let set = |name: &str| found.env.get(name).filter(|v| !v.is_empty());
    let folder = &found.folder;
    let base = found.merged.at_path(&["profiles", "base_path"]).and_then(Node::str).filter(|b| !b.is_empty());
    let user = set("ATMOS_XDG_CONFIG_HOME")
        .or_else(|| set("XDG_CONFIG_HOME"))
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(home).join(".config")))
        .map(|config| config.join("atmos/profiles"));
    let places = [
        (base.map(|b| clean(&folder.join(b))), false),
        (Some(folder.join(".atmos/profiles")), false),
        (user, true),
        (Some(folder.join("profiles")), false),
    ];
    let there = places.into_iter().find_map(|(place, own)| {
        let path = place?.join(name);
        (loader.options.files.kind(&path) == Some(Kind::Folder)).then_some((path, own))
    });
    let Some((path, own)) = there else {
        let message = format!("profile '{name}' does not exist in any configured location");
        loader.problem("profile-not-found", message, Some("check ATMOS_PROFILE and profiles.default"), None);
        return;
    };
    loader.own = own;
    let node = without_unset(&loader.folder(&path, true));
    loader.own = false;
    found.merged = merge_two(&found.merged, &node, ListStrategy::Replace);
}

/// Returns the profiles in force, the lowest first.
fn profiles(found: &Found) -> Vec<String> {
    let named: Vec<String> = found.env.get("ATMOS_PROFILE").map_or_else(Vec::new, |names| {
        names.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect()
    });
    if !named.is_empty() {
        return named;
    }
    let default = found.merged.at_path(&["profiles", "default"]).and_then(Node::str).map(str::trim);
    default.filter(|n| !n.is_empty()).map(str::to_owned).into_iter().collect()
}

fn plain(node: &Node) -> Option<String> {
    match node.value() {
        Value::Str(s) => Some(s.to_string()),
        Value::Null => Some(String::new()),
        Value::Map(_) | Value::List(_) => None,
        _ => Some(node.to_json().to_string()),
    }
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
