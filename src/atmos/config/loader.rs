//! Files of configuration: read, their functions and imports done, merged.

use std::path::{Path, PathBuf};

use super::{clean, display, inside};
use crate::{
    atmos::{
        LoadOptions,
        files::{Files, Kind},
        glob,
        import::CHANGED,
        locals::{run, words},
        merge::{ListStrategy, merge_two},
        node::{Key, Map, Node, Pos, Value},
        yaml::{Fault, Includes, Reader, foreign},
    },
    domain::stack::{Diagnostic, Severity, Source},
};

/// Reads files of configuration for one estate.
pub(super) struct Loader<'a> {
    pub(super) root: &'a Path,
    pub(super) options: &'a LoadOptions,
    pub(super) read: Vec<PathBuf>,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) git_root: Option<PathBuf>,
    /// Whether the place that is read now belongs to the person who asks, not to the estate.
    pub(super) own: bool,
}

impl Loader<'_> {
    pub(super) fn files(&self) -> &dyn Files {
        self.options.files.as_ref()
    }

    pub(super) fn problem(&mut self, code: &str, message: String, hint: Option<&str>, source: Option<Source>) {
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
    pub(super) fn file(&mut self, path: &Path) -> Node {
        let name = display(self.root, path);
        if !self.options.trusted && !self.own && !inside(self.files(), self.root, path) {
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
        if !self.own && !self.options.accepts(self.root, path, &bytes) {
            let message = format!("'{name}' lies outside of the estate, {CHANGED}");
            self.problem("untrusted-read", message, Some("run `terrace trust` if you trust this estate"), None);
            return Node::empty();
        }
        self.read.push(path.to_path_buf());
        let file = Key::new(&name);
        let mut includes = ConfigIncludes { root: self.root, options: self.options, own: self.own, found: Vec::new() };
        let mut reader = Reader { file, key_delimiter: "", includes: &mut includes };
        let read = reader.read(&bytes);
        for found in includes.found {
            match found {
                Ok(path) => self.read.push(path),
                Err(problem) => self.problems.push(problem),
            }
        }
        match read {
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
                        let words = words(rest);
                        let name = words.first().map_or("", String::as_str);
                        let found = self.options.env.get(name).or_else(|| words.get(1));
                        found.map(|text| text.trim().to_owned()).unwrap_or_default()
                    }
                    "!repo-root" | "!git.root" => {
                        self.git_root.as_deref().unwrap_or(self.root).to_string_lossy().into_owned()
                    }
                    "!cwd" => clean(&self.root.join(rest.trim())).to_string_lossy().into_owned(),
                    "!exec" if self.options.trusted => return self.executed(rest, node),
                    "!exec" => {
                        self.problem(
                            "untrusted-exec",
                            format!("failed to preprocess YAML functions: '{s}' was not executed"),
                            Some("run `terrace trust` if you trust this estate"),
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

    /// Runs a command that a trusted configuration asks for.
    fn executed(&mut self, command: &str, node: &Node) -> Node {
        match run(command, self.root) {
            Ok(text) => match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(json) => Node::from_json(&json, node.pos()),
                Err(_) => Node::new(Value::Str(text.into()), node.pos()),
            },
            Err(why) => {
                let message = format!("failed to preprocess YAML functions: '!exec {command}' failed: {why}");
                self.problem("config-exec-failed", message, Some("correct the command"), node.pos().source());
                node.clone()
            }
        }
    }

    /// Merges a folder of configuration files, shallow ones first, `.yaml` before `.yml` of the same name.
    pub(super) fn folder(&mut self, folder: &Path, imports: bool) -> Node {
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

    pub(super) fn import_base(&self, node: &Node, path: &Path) -> PathBuf {
        let written = node.get("base_path").and_then(Node::str).unwrap_or("");
        self.resolve(written, path.parent().unwrap_or(self.root), None)
    }

    /// Merges what a file imports over `merged`, in list order.
    pub(super) fn imports(&mut self, node: &Node, base: &Path, mut merged: Node, depth: usize) -> Node {
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
    pub(super) fn resolve(&self, path: &str, config: &Path, probe: Option<&str>) -> PathBuf {
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

/// Includes of a file of configuration: sought where Atmos starts, not beside the file.
struct ConfigIncludes<'a> {
    root: &'a Path,
    options: &'a LoadOptions,
    own: bool,
    /// The files read, and what could not be.
    found: Vec<Result<PathBuf, Diagnostic>>,
}

impl Includes for ConfigIncludes<'_> {
    fn include(&mut self, tag: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        let files = self.options.files.as_ref();
        let (file, query) = foreign::arguments(value);
        let path = clean(&self.root.join(&file));
        let refuse = |message: String| Fault { code: "config-syntax", message, line: pos.line, column: pos.column };
        let problem = |severity, code: &str, message: String, hint: &str| Diagnostic {
            severity,
            code: code.to_owned(),
            message,
            hint: Some(hint.to_owned()),
            source: pos.source(),
            stack: None,
        };
        if query.is_some() || file.contains("://") || file.contains("::") {
            let message = format!("'{tag} {value}' in the configuration was not evaluated");
            self.found.push(Err(problem(
                Severity::Warning,
                "config-include",
                message,
                "only Atmos can resolve this value",
            )));
            return Ok(Node::new(Value::Null, pos));
        }
        if files.kind(&path) != Some(Kind::File) {
            return Err(refuse(format!("the !include function references a file that does not exist: '{file}'")));
        }
        let untrusted = |why: &str| {
            let message = format!("{tag} '{file}' leads out of the estate{why}");
            let hint = "run `terrace trust` if you trust this estate";
            Err(problem(Severity::Error, "untrusted-include", message, hint))
        };
        if !self.options.trusted && !self.own && !inside(files, self.root, &path) {
            self.found.push(untrusted(" and was not read"));
            return Ok(Node::new(Value::Null, pos));
        }
        let bytes = files.read(&path).map_err(|e| refuse(format!("{file}: {e}")))?;
        if !self.own && !self.options.accepts(self.root, &path, &bytes) {
            self.found.push(untrusted(&format!(", {CHANGED}")));
            return Ok(Node::new(Value::Null, pos));
        }
        self.found.push(Ok(path.clone()));
        let name = Key::new(&display(self.root, &path));
        foreign::read(&path, &bytes, tag == "!include.raw", name).map_err(|why| refuse(format!("{file}: {why}")))
    }
}

/// Leaves out what a configuration unsets.
pub(super) fn without_unset(node: &Node) -> Node {
    match node.value() {
        Value::Map(map) => {
            let kept = map.entries().iter().filter(|(_, value)| value.str() != Some("!unset"));
            Node::new(Value::Map(Map::sorted(kept.map(|(k, v)| (*k, without_unset(v))).collect())), node.pos())
        }
        _ => node.clone(),
    }
}

/// Lower-cases keys, as Atmos' configuration library does, except where it keeps them.
fn fold_case(node: &Node, path: &str) -> Node {
    match node.value() {
        Value::Map(m) => {
            let keep = matches!(path, "env" | "templates.settings.env")
                || path.starts_with("commands")
                || path.starts_with("auth.identities.");
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
