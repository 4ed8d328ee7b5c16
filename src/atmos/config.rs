//! `atmos.yaml`, found and merged: what it says about folders, names and component types.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::{
    AtmosError, LoadOptions,
    files::{Files, Kind},
    glob,
    merge::{ListStrategy, merge_two},
    node::{Key, Map, Node, Pos, Value},
    yaml::{NoIncludes, Reader},
};
use crate::domain::stack::{Diagnostic, Severity, Source};

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

struct Loader<'a> {
    root: &'a Path,
    options: &'a LoadOptions,
    read: Vec<PathBuf>,
    problems: Vec<Diagnostic>,
    git_root: Option<PathBuf>,
}

impl Loader<'_> {
    fn files(&self) -> &dyn Files {
        self.options.files.as_ref()
    }

    fn problem(&mut self, code: &str, message: String, hint: Option<&str>, source: Option<Source>) {
        self.problems.push(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message,
            hint: hint.map(str::to_owned),
            source,
            stack: None,
        });
    }

    /// Reads one file; a broken one is a problem and counts as empty.
    fn file(&mut self, path: &Path) -> Node {
        let name = display(self.root, path);
        if !self.options.trusted && !inside(self.files(), self.root, path) {
            self.problem(
                "untrusted-read",
                format!("'{name}' lies outside of the estate and was not read"),
                Some("run `terrace trust` if you trust this estate"),
                None,
            );
            return Node::empty();
        }
        let bytes = match self.files().read(path) {
            Ok(bytes) => bytes,
            Err(e) => {
                self.problem("unreadable-file", format!("failed to read config: {name}: {e}"), None, None);
                return Node::empty();
            }
        };
        self.read.push(path.to_path_buf());
        let file = Key::new(&name);
        let mut reader = Reader { file, key_delimiter: "", includes: &mut NoIncludes };
        match reader.read(&bytes) {
            Ok(Some(node)) if node.map().is_some() => {
                let node = self.functions(&node);
                fold_case(&node, "")
            }
            Ok(_) => Node::empty(),
            Err(fault) => {
                let source = Source { file: name.clone(), line: fault.line, column: fault.column };
                let message = format!("failed to read config: {name}: While parsing config: {}", fault.message);
                self.problem("config-syntax", message, None, Some(source));
                Node::empty()
            }
        }
    }

    /// Evaluates the functions that only look at the environment and the repository.
    fn functions(&mut self, node: &Node) -> Node {
        match node.value() {
            Value::Str(s) if s.starts_with('!') => {
                let (tag, rest) = s.split_once(' ').unwrap_or((s, ""));
                let text = match tag {
                    "!env" => {
                        let (name, default) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
                        self.options
                            .env
                            .get(name)
                            .cloned()
                            .unwrap_or_else(|| default.trim().trim_matches('"').to_owned())
                    }
                    "!repo-root" | "!git.root" => {
                        self.git_root.as_deref().unwrap_or(self.root).to_string_lossy().into_owned()
                    }
                    "!cwd" => self.root.to_string_lossy().into_owned(),
                    "!exec" => {
                        self.problem(
                            "untrusted-exec",
                            format!("failed to preprocess YAML functions: '{s}' was not executed"),
                            Some("Terrace runs nothing when it opens an estate"),
                            node.pos().source(),
                        );
                        return node.clone();
                    }
                    _ => return node.clone(),
                };
                Node::new(Value::Str(text.into()), node.pos())
            }
            Value::Map(m) => {
                let entries = m.entries().iter().map(|(k, v)| (*k, self.functions(v))).collect();
                Node::new(Value::Map(Map::sorted(entries)), node.pos())
            }
            Value::List(l) => Node::new(Value::List(l.iter().map(|n| self.functions(n)).collect()), node.pos()),
            _ => node.clone(),
        }
    }

    /// Merges a folder of configuration files, shallow ones first, `.yaml` before `.yml` of the same name.
    fn folder(&mut self, folder: &Path, imports: bool) -> Node {
        let mut merged = Node::empty();
        if self.files().kind(folder) != Some(Kind::Folder) {
            return merged;
        }
        let mut names: Vec<String> = glob::list(self.files(), folder)
            .into_iter()
            .filter(|n| n.ends_with(".yaml") || n.ends_with(".yml"))
            .collect();
        let all = names.clone();
        names.retain(|n| n.strip_suffix(".yml").is_none_or(|stem| !all.contains(&format!("{stem}.yaml"))));
        names.sort_by_key(|n| (n.matches('/').count(), n.clone()));
        for name in names {
            let path = folder.join(&name);
            let node = self.file(&path);
            if imports {
                let base = self.import_base(&node, &path);
                merged = self.imports(&node, &base, merged, 1);
            }
            merged = merge_two(&merged, &node, ListStrategy::Replace);
        }
        merged
    }

    fn import_base(&self, node: &Node, path: &Path) -> PathBuf {
        let written = node.get("base_path").and_then(Node::str).unwrap_or("");
        self.resolve(written, path.parent().unwrap_or(self.root), None)
    }

    /// Merges what a file imports over `merged`, in list order.
    fn imports(&mut self, node: &Node, base: &Path, mut merged: Node, depth: usize) -> Node {
        let list: Vec<(String, Option<Source>)> = match node.get("import").map(Node::value) {
            Some(Value::List(l)) => {
                l.iter().filter_map(|n| n.str().map(|s| (s.to_owned(), n.pos().source()))).collect()
            }
            Some(Value::Str(s)) => vec![(s.to_string(), node.pos().source())],
            _ => Vec::new(),
        };
        if depth > 10 {
            self.problem("config-import-depth", "imports of atmos.yaml nest deeper than 10".to_owned(), None, None);
            return merged;
        }
        for (import, source) in list {
            if import.contains("://") || import.starts_with("git::") || import.starts_with("github.com/") {
                self.problem(
                    "remote-import",
                    format!("'{import}' is remote: Terrace fetches nothing by itself"),
                    Some("vendor the file into the repository"),
                    source,
                );
                continue;
            }
            let named = |folder: &Path| {
                let path = folder.join(&import);
                let with = |e: &str| PathBuf::from(format!("{}{e}", path.display()));
                [path.clone(), with(".yaml"), with(".yml")].iter().any(|p| self.files().kind(p).is_some())
            };
            // A base path that is sought from the Git root may miss what lies beside atmos.yaml.
            let base = if glob::is_pattern(&import) || named(base) || !named(self.root) { base } else { self.root };
            let path = clean(&base.join(&import));
            let found: Vec<PathBuf> = if self.files().kind(&path) == Some(Kind::File) {
                vec![path]
            } else if self.files().kind(&path) == Some(Kind::Folder) {
                self.search(&path, "**/*.{yaml,yml}")
            } else if glob::is_pattern(&import) {
                let pattern = if Path::new(&import).extension().is_some() {
                    import.clone()
                } else {
                    format!("{import}.{{yaml,yml}}")
                };
                self.search(base, pattern.trim_start_matches("./"))
            } else {
                [".yaml", ".yml"]
                    .iter()
                    .map(|e| PathBuf::from(format!("{}{e}", path.display())))
                    .filter(|p| self.files().kind(p) == Some(Kind::File))
                    .take(1)
                    .collect()
            };
            if found.is_empty() {
                self.problems.push(Diagnostic {
                    severity: Severity::Warning,
                    code: "config-import-not-found".to_owned(),
                    message: format!("failed to resolve import '{import}' of atmos.yaml"),
                    hint: None,
                    source,
                    stack: None,
                });
            }
            for path in found {
                let node = self.file(&path);
                let nested =
                    if node.get("base_path").is_some() { self.import_base(&node, &path) } else { base.to_path_buf() };
                merged = merge_two(
                    &merged,
                    &node.map().map_or_else(Node::empty, |m| Node::new(Value::Map(m.without(&["import"])), node.pos())),
                    ListStrategy::Replace,
                );
                merged = self.imports(&node, &nested, merged, depth + 1);
            }
        }
        merged
    }

    fn search(&self, base: &Path, pattern: &str) -> Vec<PathBuf> {
        let listing = glob::list(self.files(), base);
        let mut found: Vec<&str> = glob::matching(&listing, pattern);
        found.sort_by_key(|n| (n.matches('/').count(), (*n).to_owned()));
        found.into_iter().map(|n| base.join(n)).collect()
    }

    /// Resolves `base_path`; `probe` is a folder below it that tells a good guess from a bad one.
    fn resolve(&self, path: &str, config: &Path, probe: Option<&str>) -> PathBuf {
        if Path::new(path).is_absolute() {
            return clean(Path::new(path));
        }
        if path == "." || path == ".." || path.starts_with("./") || path.starts_with("../") {
            return clean(&config.join(path));
        }
        let fits = |folder: &Path| {
            self.files().kind(folder).is_some()
                && probe.is_none_or(|p| p.is_empty() || self.files().kind(&folder.join(p)) == Some(Kind::Folder))
        };
        let git = self.git_root.as_deref().map(|g| clean(&g.join(path)));
        let own = clean(&config.join(path));
        let here = clean(&self.root.join(path));
        match git {
            Some(g) if fits(&g) => g,
            _ if fits(&own) => own,
            _ if fits(&here) => here,
            Some(g) if self.files().kind(&g).is_some() && probe.is_none() => g,
            _ => own,
        }
    }
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

/// Lower-cases keys, as Atmos' configuration library does, except where it keeps them.
fn fold_case(node: &Node, path: &str) -> Node {
    match node.value() {
        Value::Map(m) => {
            let keep = matches!(path, "env" | "templates.settings.env") || path.starts_with("commands");
            let entries = m
                .entries()
                .iter()
                .map(|(k, v)| {
                    let lower = k.as_str().to_lowercase();
                    let below = if path.is_empty() { lower.clone() } else { format!("{path}.{lower}") };
                    (if keep { *k } else { Key::new(&lower) }, fold_case(v, &below))
                })
                .collect();
            Node::new(Value::Map(Map::from_entries(entries)), node.pos())
        }
        Value::List(l) => Node::new(Value::List(l.iter().map(|n| fold_case(n, path)).collect()), node.pos()),
        _ => node.clone(),
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
    let config = build(&mut loader, &merged, &main_node)?;
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

fn build(loader: &mut Loader<'_>, merged: &Node, main: &Node) -> Result<AtmosConfig, AtmosError> {
    let (root, env) = (loader.root, &loader.options.env);
    let mut wrong: Vec<(String, Pos, &'static str)> = Vec::new();
    let mut text = |path: &[&str], name: &str| -> String {
        if let Some(v) = env.get(name).filter(|v| !v.is_empty()) {
            return v.clone();
        }
        match merged.at_path(path) {
            Some(n) => match n.value() {
                Value::Str(s) => s.to_string(),
                Value::Null => String::new(),
                Value::Bool(b) => if *b { "1" } else { "0" }.to_owned(),
                Value::Map(_) | Value::List(_) => {
                    let what = if n.map().is_some() { "map[string]interface {}" } else { "[]interface {}" };
                    wrong.push((path.join("."), n.pos(), what));
                    String::new()
                }
                _ => n.to_json().to_string(),
            },
            None => String::new(),
        }
    };
    let list = |path: &[&str], name: &str| -> Vec<String> {
        if let Some(v) = env.get(name).filter(|v| !v.is_empty()) {
            return v.split(',').map(str::to_owned).collect();
        }
        match merged.at_path(path).map(Node::value) {
            Some(Value::List(l)) => l.iter().filter_map(|n| n.str().map(str::to_owned)).collect(),
            Some(Value::Str(s)) => s.split(',').map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let flag = |path: &[&str], default: bool| match merged.at_path(path).map(Node::value) {
        Some(Value::Bool(b)) => *b,
        Some(Value::Str(s)) => !matches!(&**s, "false" | "0" | "F" | "f" | "False" | "FALSE"),
        _ => default,
    };
    let base_text = text(&["base_path"], "ATMOS_BASE_PATH");
    let stacks_text = text(&["stacks", "base_path"], "ATMOS_STACKS_BASE_PATH");
    let name_pattern = text(&["stacks", "name_pattern"], "ATMOS_STACKS_NAME_PATTERN");
    let name_template = text(&["stacks", "name_template"], "ATMOS_STACKS_NAME_TEMPLATE");
    let list_merge_strategy = text(&["settings", "list_merge_strategy"], "ATMOS_SETTINGS_LIST_MERGE_STRATEGY");
    let key_delimiter = text(&["settings", "yaml", "key_delimiter"], "");
    let prefix_separator = text(&["components", "terraform", "workspace", "prefix_separator"], "");
    let workflows_text = text(&["workflows", "base_path"], "ATMOS_WORKFLOWS_BASE_PATH");
    let manifest_schema = text(&["schemas", "atmos", "manifest"], "ATMOS_SCHEMAS_ATMOS_MANIFEST");
    let mut types: Vec<(String, String, String)> = Vec::new();
    let mut names: Vec<&str> = vec!["terraform", "helmfile", "packer", "ansible", "kubernetes", "helm"];
    if let Some(m) = merged.get("components").and_then(Node::map) {
        names.extend(m.entries().iter().filter(|(_, v)| v.map().is_some()).map(|(k, _)| k.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        let upper = name.to_uppercase();
        let base = text(&["components", name, "base_path"], &format!("ATMOS_COMPONENTS_{upper}_BASE_PATH"));
        let command = text(&["components", name, "command"], &format!("ATMOS_COMPONENTS_{upper}_COMMAND"));
        types.push((name.to_owned(), base, command));
    }
    if let Some((path, pos, what)) = wrong.first() {
        let message = format!(
            "decoding failed due to the following error(s): '{path}' expected type 'string', got unconvertible type '{what}'"
        );
        loader.problem("config-wrong-type", message, Some("write a text there"), pos.source());
    }
    if stacks_text.is_empty() {
        let wrong = loader.problems.iter().find(|p| p.code == "config-wrong-type").cloned();
        if let Some(wrong) = wrong {
            let mut error = AtmosError::new("config-wrong-type", wrong.message);
            error.source_at = wrong.source;
            return Err(error);
        }
        let at = main.pos();
        let error = AtmosError::new(
            "no-stacks-base-path",
            "stack base path must be provided in 'stacks.base_path' config or ATMOS_STACKS_BASE_PATH' ENV variable",
        )
        .hint("add `stacks: {base_path: stacks, included_paths: [\"**/*\"]}` to atmos.yaml");
        return Err(at.source().map_or(error.clone(), |s| error.at(s)));
    }
    let included_paths = list(&["stacks", "included_paths"], "ATMOS_STACKS_INCLUDED_PATHS");
    let missing = loader.files().kind(&clean(&loader.resolve(&base_text, root, Some(&stacks_text)).join(&stacks_text)))
        != Some(Kind::Folder);
    if included_paths.is_empty() && !missing {
        return Err(AtmosError::new(
            "no-included-paths",
            "at least one path must be provided in 'stacks.included_paths' config or ATMOS_STACKS_INCLUDED_PATHS' ENV variable",
        ));
    }
    let config_dir = root.to_path_buf();
    let base_path = loader.resolve(&base_text, &config_dir, Some(&stacks_text));
    let stacks_path = clean(&base_path.join(&stacks_text));
    if loader.files().kind(&stacks_path) != Some(Kind::Folder) {
        return Err(AtmosError::new(
            "no-stacks-folder",
            format!(
                "Missing Configuration: the atmos.yaml CLI config file specifies the directory for Atmos stacks as {stacks_text}, but the directory does not exist"
            ),
        )
        .hint(format!("create {} or correct stacks.base_path", display(root, &stacks_path))));
    }
    let components = types
        .into_iter()
        .map(|(name, base, command)| {
            let folder = (!base.is_empty()).then(|| clean(&base_path.join(&base)));
            let command = (!command.is_empty()).then_some(command);
            (name, ComponentType { base_path: folder, base_path_text: base, command })
        })
        .collect();
    let delimiters = list(&["templates", "settings", "delimiters"], "");
    let env_texts = merged.get("env").and_then(Node::map).map(|m| {
        let entries = m.entries().iter().map(|(k, v)| {
            let text = match v.value() {
                Value::Str(s) => s.to_string(),
                Value::Null => String::new(),
                _ => v.to_json().to_string(),
            };
            (*k, Node::new(Value::Str(text.into()), v.pos()))
        });
        Node::new(Value::Map(Map::sorted(entries.collect())), Pos::none())
    });
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let auth = auth(merged.get("auth"), env, root);
    Ok(AtmosConfig {
        workflows_path: (!workflows_text.is_empty()).then(|| clean(&base_path.join(&workflows_text))),
        stacks_path,
        base_path,
        components,
        included_paths,
        excluded_paths: list(&["stacks", "excluded_paths"], "ATMOS_STACKS_EXCLUDED_PATHS"),
        name_pattern,
        name_template,
        list_merge_strategy,
        key_delimiter,
        inherit_metadata: flag(&["stacks", "inherit", "metadata"], true),
        inherit_source: flag(&["stacks", "inherit", "source"], true),
        workspaces_enabled: flag(&["components", "terraform", "workspaces_enabled"], true),
        prefix_separator: or(prefix_separator, "-"),
        templates_enabled: flag(&["templates", "settings", "enabled"], false),
        ignore_missing: flag(&["templates", "settings", "ignore_missing_template_values"], false),
        delimiters: match delimiters.as_slice() {
            [l, r] => (l.clone(), r.clone()),
            _ => ("{{".to_owned(), "}}".to_owned()),
        },
        include_empty: flag(&["describe", "settings", "include_empty"], true),
        env: env_texts,
        auth,
        github: merged.at_path(&["integrations", "github"]).filter(|n| n.map().is_some_and(|m| !m.is_empty())).cloned(),
        manifest_schema,
        files: loader.read.clone(),
        raw: merged.to_json(),
    })
}

/// Keys of a provider and an identity that Atmos' types have; of others it knows nothing.
const PROVIDER: [&str; 17] = [
    "kind",
    "start_url",
    "url",
    "region",
    "username",
    "password",
    "driver",
    "provider_type",
    "download_browser_driver",
    "browser_type",
    "browser_executable_path",
    "auto_provision_identities",
    "session",
    "console",
    "default",
    "spec",
    "tags",
];
const IDENTITY: [&str; 14] = [
    "kind",
    "default",
    "required",
    "provider",
    "via",
    "principal",
    "credentials",
    "spec",
    "alias",
    "env",
    "session",
    "emulator",
    "tags",
    "console",
];

/// Returns `auth` as Atmos writes its own type out again.
fn auth(auth: Option<&Node>, env: &BTreeMap<String, String>, root: &Path) -> Option<Node> {
    let auth = auth?;
    let (providers, identities) = (auth.get("providers"), auth.get("identities"));
    if providers.and_then(Node::map).is_none() && identities.and_then(Node::map).is_none() {
        return None;
    }
    let keep = |section: Option<&Node>, keys: &[&str]| -> Node {
        let Some(map) = section.and_then(Node::map) else { return Node::new(Value::Null, Pos::none()) };
        let entries = map.entries().iter().map(|(name, item)| {
            let fields = item.map().map(|m| {
                let kept = m
                    .entries()
                    .iter()
                    .filter(|(k, v)| keys.contains(&k.as_str()) && (k.as_str() == "kind" || !is_zero(v)));
                kept.cloned().collect()
            });
            let mut fields: Vec<(Key, Node)> = fields.unwrap_or_default();
            if !fields.iter().any(|(k, _)| k.as_str() == "kind") {
                fields.push((Key::new("kind"), Node::text("")));
            }
            (*name, Node::new(Value::Map(Map::from_entries(fields)), item.pos()))
        });
        Node::new(Value::Map(Map::sorted(entries.collect())), Pos::none())
    };
    let realm = env
        .get("ATMOS_AUTH_REALM")
        .filter(|r| !r.is_empty())
        .cloned()
        .or_else(|| auth.get("realm").and_then(Node::str).filter(|r| !r.is_empty()).map(str::to_owned))
        .unwrap_or_else(|| {
            let path = root.to_string_lossy().to_lowercase();
            hex::encode(&Sha256::digest(path.as_bytes())[..8])
        });
    let text = |path: &[&str]| auth.at_path(path).and_then(Node::str).unwrap_or("").to_owned();
    let logs = Node::map_of(vec![
        (Key::new("file"), Node::text(&text(&["logs", "file"]))),
        (Key::new("level"), Node::text(&text(&["logs", "level"]))),
    ]);
    let keyring = auth.get("keyring").filter(|n| n.map().is_some()).cloned().unwrap_or_else(Node::empty);
    let mut entries = vec![
        (Key::new("realm"), Node::text(&realm)),
        (Key::new("logs"), logs),
        (Key::new("keyring"), keyring),
        (Key::new("providers"), keep(providers, &PROVIDER)),
        (Key::new("identities"), keep(identities, &IDENTITY)),
    ];
    for key in ["console", "integrations"] {
        if let Some(node) = auth.get(key).filter(|n| !is_zero(n)) {
            entries.push((Key::new(key), node.clone()));
        }
    }
    Some(Node::map_of(entries))
}

fn is_zero(node: &Node) -> bool {
    match node.value() {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Int(i) => *i == 0,
        Value::UInt(u) => *u == 0,
        Value::Float(f) => *f == 0.0,
        Value::Str(s) => s.is_empty(),
        Value::List(l) => l.is_empty(),
        Value::Map(m) => m.is_empty(),
    }
}
