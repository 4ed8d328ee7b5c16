//! One stack file with everything it imports, merged: files, templates of files, overrides that travel along imports.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};

use super::{
    AtmosConfig, LoadOptions,
    config::{clean, display, inside},
    files::Kind,
    glob,
    locals::{self, Context},
    merge::{ListStrategy, merge_files},
    node::{Key, Map, Node, Pos, Value},
    template::{self, MissingKey, TemplateOptions},
    yaml::{Fault, Includes, Reader},
};
use crate::domain::stack::{Diagnostic, ImportEdge, Severity, Source};

const MAX_CHAIN: usize = 200;

/// One file as read.
#[derive(Debug)]
pub(super) struct Doc {
    pub(super) name: Key,
    pub(super) text: Arc<[u8]>,
    pub(super) parsed: Result<Option<Node>, Fault>,
    pub(super) extra: Vec<Diagnostic>,
    pub(super) includes: Vec<PathBuf>,
}

/// A file with its imports, merged.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) config: Node,
    /// The file's own part after templates, and those of its imports, in the order of application (a file may recur).
    pub(super) layers: Vec<Layer>,
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) edges: Vec<ImportEdge>,
    pub(super) problems: Vec<Diagnostic>,
    overrides: Overrides,
}

/// What one file adds.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    Own(Node),
    Import(Arc<Merged>),
}

impl Merged {
    /// Visits this and all imported ones, each once.
    pub(super) fn each(&self, seen: &mut std::collections::HashSet<usize>, see: &mut dyn FnMut(&Self)) {
        if !seen.insert(std::ptr::from_ref(self) as usize) {
            return;
        }
        see(self);
        for layer in &self.layers {
            if let Layer::Import(merged) = layer {
                merged.each(seen, see);
            }
        }
    }

    /// Visits every file's own part, the lowest first.
    pub(super) fn visit(&self, see: &mut dyn FnMut(&Node)) {
        for layer in &self.layers {
            match layer {
                Layer::Own(node) => see(node),
                Layer::Import(merged) => merged.visit(see),
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Overrides {
    terraform_inline: Node,
    terraform_imports: Node,
    helmfile_inline: Node,
    helmfile_imports: Node,
}

impl Overrides {
    fn none() -> Self {
        let e = Node::empty;
        Self { terraform_inline: e(), terraform_imports: e(), helmfile_inline: e(), helmfile_imports: e() }
    }

    fn key(&self) -> [usize; 4] {
        [&self.terraform_inline, &self.terraform_imports, &self.helmfile_inline, &self.helmfile_imports]
            .map(|n| if n.map().is_some_and(Map::is_empty) { 0 } else { n.address() })
    }
}

type MemoKey = (PathBuf, [usize; 4]);

/// What all files of one load share.
pub(super) struct Engine<'a> {
    pub(super) root: &'a Path,
    pub(super) config: &'a AtmosConfig,
    pub(super) options: &'a LoadOptions,
    pub(super) lists: ListStrategy,
    pub(super) listing: &'a [String],
    pub(super) docs: RwLock<HashMap<PathBuf, Arc<Doc>>>,
    memo: Mutex<HashMap<MemoKey, (Overrides, Arc<Merged>)>>,
}

struct Call<'c> {
    context: Option<&'c Node>,
    path_context: &'c Node,
    skip_templates: bool,
    ignore_missing: bool,
    overrides: &'c Overrides,
}

impl<'a> Engine<'a> {
    pub(super) fn new(
        root: &'a Path,
        config: &'a AtmosConfig,
        options: &'a LoadOptions,
        listing: &'a [String],
        docs: HashMap<PathBuf, Arc<Doc>>,
    ) -> Self {
        let lists = ListStrategy::parse(&config.list_merge_strategy).unwrap_or_default();
        Self { root, config, options, lists, listing, docs: RwLock::new(docs), memo: Mutex::default() }
    }

    /// Returns a file, read once; `None` where there is none.
    pub(super) fn doc(&self, path: &Path) -> Option<Arc<Doc>> {
        if let Some(doc) = self.docs.read().ok().and_then(|d| d.get(path).cloned()) {
            return Some(doc);
        }
        let name = display(self.root, path);
        let key = Key::new(&name);
        if !self.options.trusted && !inside(self.options.files.as_ref(), self.root, path) {
            let fault = Fault {
                code: "untrusted-read",
                message: format!("'{name}' lies outside of the estate and was not read"),
                line: 1,
                column: 1,
            };
            let doc =
                Doc { name: key, text: Arc::from([]), parsed: Err(fault), extra: Vec::new(), includes: Vec::new() };
            return Some(self.keep(path, doc));
        }
        let bytes = match self.options.files.read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => {
                let fault = Fault { code: "unreadable-file", message: format!("{name}: {e}"), line: 1, column: 1 };
                let doc =
                    Doc { name: key, text: Arc::from([]), parsed: Err(fault), extra: Vec::new(), includes: Vec::new() };
                return Some(self.keep(path, doc));
            }
        };
        let doc = self.parse(path, key, bytes.into());
        Some(self.keep(path, doc))
    }

    fn keep(&self, path: &Path, doc: Doc) -> Arc<Doc> {
        let doc = Arc::new(doc);
        match self.docs.write() {
            Ok(mut docs) => docs.entry(path.to_path_buf()).or_insert(doc).clone(),
            Err(_) => doc,
        }
    }

    fn parse(&self, path: &Path, name: Key, text: Arc<[u8]>) -> Doc {
        let mut includes = EstateIncludes { engine: self, path, problems: Vec::new(), read: Vec::new(), depth: 0 };
        let mut reader = Reader { file: name, key_delimiter: &self.config.key_delimiter, includes: &mut includes };
        let parsed = reader.read(&text);
        let (extra, includes) = (includes.problems, includes.read);
        Doc { name, text, parsed, extra, includes }
    }

    fn reparse(&self, path: &Path, name: Key, text: &str) -> Result<Option<Node>, Fault> {
        let mut includes = EstateIncludes { engine: self, path, problems: Vec::new(), read: Vec::new(), depth: 0 };
        Reader { file: name, key_delimiter: &self.config.key_delimiter, includes: &mut includes }.read(text.as_bytes())
    }

    /// Returns a stack file with all its imports.
    pub(super) fn stack(&self, path: &Path) -> Arc<Merged> {
        let none = Overrides::none();
        let empty = Node::empty();
        let call = Call {
            context: None,
            path_context: &empty,
            skip_templates: false,
            ignore_missing: self.config.ignore_missing,
            overrides: &none,
        };
        self.merged(path, &call, &mut Vec::new())
    }

    fn merged(&self, path: &Path, call: &Call<'_>, chain: &mut Vec<PathBuf>) -> Arc<Merged> {
        let plain = call.context.is_none()
            && (!self.config.templates_enabled || call.path_context.map().is_some_and(Map::is_empty))
            && !call.skip_templates
            && call.ignore_missing == self.config.ignore_missing;
        let memo_key = plain.then(|| (path.to_path_buf(), call.overrides.key()));
        if let Some(key) = &memo_key
            && let Some((_, found)) = self.memo.lock().ok().and_then(|m| m.get(key).cloned())
        {
            return found;
        }
        chain.push(path.to_path_buf());
        let merged = Arc::new(self.file(path, call, chain));
        chain.pop();
        if let Some(key) = memo_key
            && let Ok(mut memo) = self.memo.lock()
        {
            // The overrides are kept so that their addresses stay theirs.
            memo.insert(key, (call.overrides.clone(), merged.clone()));
        }
        merged
    }

    fn problem(&self, out: &mut Vec<Diagnostic>, code: &str, message: String, hint: Option<String>, pos: Pos) {
        out.push(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message,
            hint,
            source: pos.source(),
            stack: None,
        });
    }

    fn template_options(&self, ignore_missing: bool) -> TemplateOptions {
        TemplateOptions {
            missing_key: if ignore_missing { MissingKey::NoValue } else { MissingKey::Error },
            // Atmos' custom delimiters hold for the values of components only, which stay as written here.
            env: Arc::new(self.options.env.clone()),
            ..TemplateOptions::default()
        }
    }

    /// Returns the name of a file relative to the folder of stacks, as Atmos' messages have it.
    pub(super) fn relative(&self, path: &Path) -> String {
        display(&self.config.stacks_path, path)
    }
    fn file(&self, path: &Path, call: &Call<'_>, chain: &mut Vec<PathBuf>) -> Merged {
        let mut out = Merged {
            config: Node::empty(),
            layers: Vec::new(),
            files: BTreeSet::from([path.to_path_buf()]),
            edges: Vec::new(),
            problems: Vec::new(),
            overrides: call.overrides.clone(),
        };
        let Some(doc) = self.doc(path) else { return out };
        out.files.extend(doc.includes.iter().cloned());
        out.problems.extend(doc.extra.iter().cloned());
        if doc.text.is_empty() && doc.parsed.is_ok() {
            return out;
        }
        let relative = self.relative(path);
        let is_template = relative.ends_with(".tmpl");
        let here = Pos { file: doc.name, line: 1, column: 1 };
        let fault_problem = |fault: &Fault, out: &mut Vec<Diagnostic>| {
            let hint = match fault.code {
                "yaml-syntax" if !is_template && memchr::memmem::find(&doc.text, b"{{").is_some() => {
                    Some("if this file contains Go template directives, rename it to .yaml.tmpl".to_owned())
                }
                "untrusted-read" => Some("run `terrace trust` if you trust this estate".to_owned()),
                _ => None,
            };
            let pos = Pos { file: doc.name, line: fault.line, column: fault.column };
            self.problem(out, fault.code, format!("invalid stack manifest '{relative}': {}", fault.message), hint, pos);
        };
        let mut context = Context::from_importer(call.context);
        if !call.skip_templates {
            match &doc.parsed {
                Ok(node) => {
                    if let Some(node) = node.as_ref().filter(|n| n.map().is_some()) {
                        let options = self.template_options(false);
                        match locals::extract(node, &mut context, &relative, &options, self.options.trusted) {
                            Ok(warnings) => out.problems.extend(warnings),
                            Err(problem) => {
                                out.problems.push(*problem);
                                return out;
                            }
                        }
                    }
                }
                Err(fault) if !is_template => {
                    fault_problem(fault, &mut out.problems);
                    return out;
                }
                Err(_) => {}
            }
        }
        let own = if !call.skip_templates && (is_template || !context.is_empty()) {
            match self.render(path, &doc, &context, call, &relative) {
                Ok(node) => Ok(node),
                Err(RenderError::Template(e)) if call.context.is_none() && !context.is_empty() && !is_template => {
                    tracing::debug!("templates of {relative} stay as written: {e}");
                    doc.parsed.clone().map(|n| n.map(|n| locals::structured(&n, &context)))
                }
                Err(RenderError::Template(e)) => {
                    let hint = e.function.as_ref().filter(|_| e.unknown_function).map(|f| {
                        format!("the function '{f}' is not built into Terrace; only Atmos can render this file")
                    });
                    let pos = Pos { file: doc.name, line: e.line.max(1), column: e.column.max(1) };
                    let message = format!("invalid stack manifest '{relative}': {}", e.message);
                    self.problem(&mut out.problems, "template-error", message, hint, pos);
                    return out;
                }
                Err(RenderError::Yaml(fault)) => Err(fault),
            }
        } else {
            doc.parsed.clone()
        };
        let own = match own {
            Ok(Some(node)) if node.map().is_some() => node,
            Ok(None) => return out,
            Ok(Some(node)) if node.is_null() => return out,
            Ok(Some(node)) => {
                let message = format!(
                    "invalid stack manifest '{relative}': yaml: line {}: cannot unmarshal {} into a map",
                    node.pos().line,
                    if node.list().is_some() { "!!seq" } else { "!!str" }
                );
                self.problem(&mut out.problems, "stack-not-a-map", message, None, node.pos());
                return out;
            }
            Err(fault) => {
                fault_problem(&fault, &mut out.problems);
                return out;
            }
        };
        let own = context.put_into(&own);
        self.finish(path, &own, &context, call, chain, &mut out, here, &relative);
        out
    }

    fn render(
        &self,
        path: &Path,
        doc: &Doc,
        context: &Context,
        call: &Call<'_>,
        relative: &str,
    ) -> Result<Option<Node>, RenderError> {
        let text = String::from_utf8_lossy(&doc.text);
        let original = doc.parsed.as_ref().ok().and_then(Option::as_ref);
        if !text.contains("{{") {
            return doc.parsed.clone().map_err(RenderError::Yaml);
        }
        let options = self.template_options(call.ignore_missing);
        let data = context.to_json();
        let input = match original.filter(|_| !context.is_empty()) {
            Some(node) => {
                let filled = locals::structured(node, context);
                let text = serde_yaml::to_string(&filled.to_json()).unwrap_or_else(|_| text.to_string());
                if !text.contains("{{") {
                    return Ok(Some(filled));
                }
                text
            }
            None => text.to_string(),
        };
        let rendered = template::render(relative, &input, &data, &options).map_err(RenderError::Template)?;
        let same_lines = original.is_none() && rendered.lines().count() == text.lines().count();
        let node = self.reparse(path, doc.name, &rendered).map_err(RenderError::Yaml)?;
        Ok(node.map(|n| match original {
            Some(original) => replace_places(&n, Some(original), Pos { file: doc.name, line: 1, column: 1 }),
            None if same_lines => n,
            None => align(&n, &rendered, &text),
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one file")]
    fn finish(
        &self,
        path: &Path,
        own: &Node,
        context: &Context,
        call: &Call<'_>,
        chain: &mut Vec<PathBuf>,
        out: &mut Merged,
        here: Pos,
        relative: &str,
    ) {
        let section =
            |node: &Node, key: &str, code: &str, what: &str, problems: &mut Vec<Diagnostic>| match node.get(key) {
                Some(n) if n.map().is_none() => {
                    let message = format!("invalid {what} section in the stack manifest '{relative}'");
                    self.problem(problems, code, message, Some("a map is needed here".to_owned()), n.pos());
                    Node::empty()
                }
                Some(n) => n.clone(),
                None => Node::empty(),
            };
        let global = section(own, "overrides", "invalid-overrides-section", "'overrides'", &mut out.problems);
        let terraform = section(own, "terraform", "invalid-terraform-section", "'terraform'", &mut out.problems);
        let terraform =
            section(&terraform, "overrides", "invalid-overrides-section", "'terraform.overrides'", &mut out.problems);
        let helmfile = section(own, "helmfile", "invalid-helmfile-section", "'helmfile'", &mut out.problems);
        let helmfile =
            section(&helmfile, "overrides", "invalid-overrides-section", "'helmfile.overrides'", &mut out.problems);
        let join = |layers: &[&Node]| merge_files(layers, self.lists);
        out.overrides.terraform_inline = join(&[&global, &terraform, &call.overrides.terraform_inline]);
        out.overrides.helmfile_inline = join(&[&global, &helmfile, &call.overrides.helmfile_inline]);
        let mut accumulated = call.path_context.clone();
        let mut imported: Vec<Arc<Merged>> = Vec::new();
        for import in self.imports(own, relative, &mut out.problems) {
            let Some(found) = self.find_import(path, &import, &accumulated, relative, out) else { continue };
            let context_node = context.for_imports(import.context.as_ref(), self.lists);
            let path_context = accumulated.clone();
            let before = out.overrides.clone();
            for file in found {
                out.edges.push(ImportEdge {
                    from: here.file.as_str().to_owned(),
                    to: display(self.root, &file),
                    source: import.pos.source().unwrap_or(Source {
                        file: here.file.as_str().to_owned(),
                        line: 1,
                        column: 1,
                    }),
                });
                if chain.contains(&file) || chain.len() > MAX_CHAIN {
                    let message = format!(
                        "import cycle: '{relative}' imports '{}', which leads back to it",
                        self.relative(&file)
                    );
                    let hint = Some("remove one import of the cycle; Atmos runs out of memory on it".to_owned());
                    self.problem(&mut out.problems, "import-cycle", message, hint, import.pos);
                    continue;
                }
                let child = Call {
                    context: context_node.as_ref(),
                    path_context: &path_context,
                    skip_templates: import.skip_templates,
                    ignore_missing: import.ignore_missing || self.config.ignore_missing,
                    overrides: &before,
                };
                let merged = self.merged(&file, &child, chain);
                let o = &mut out.overrides;
                o.terraform_imports = join(&[
                    &o.terraform_imports,
                    &merged.overrides.terraform_imports,
                    &merged.overrides.terraform_inline,
                ]);
                o.helmfile_imports =
                    join(&[&o.helmfile_imports, &merged.overrides.helmfile_imports, &merged.overrides.helmfile_inline]);
                if self.config.templates_enabled {
                    let sections: Vec<(Key, Node)> = ["env", "settings", "vars"]
                        .iter()
                        .filter_map(|s| Some((Key::new(s), merged.config.get(s).filter(|n| !n.is_null())?.clone())))
                        .collect();
                    if !sections.is_empty() {
                        accumulated = join(&[&accumulated, &Node::map_of(sections)]);
                    }
                }
                imported.push(merged);
            }
        }
        let o = &out.overrides;
        let final_terraform = join(&[&o.terraform_imports, &o.terraform_inline]);
        let final_helmfile = join(&[&o.helmfile_imports, &o.helmfile_inline]);
        let own = with_overrides(own, "terraform", &final_terraform);
        let own = with_overrides(&own, "helmfile", &final_helmfile);
        let mut layers: Vec<&Node> = imported.iter().map(|m| &m.config).collect();
        layers.push(&own);
        out.config = merge_files(&layers, self.lists);
        for merged in imported {
            out.files.extend(merged.files.iter().cloned());
            for problem in &merged.problems {
                if !out.problems.contains(problem) {
                    out.problems.push(problem.clone());
                }
            }
            out.layers.push(Layer::Import(merged));
        }
        out.layers.push(Layer::Own(own));
    }

    fn imports(&self, own: &Node, relative: &str, problems: &mut Vec<Diagnostic>) -> Vec<Import> {
        let Some(section) = own.get("import").filter(|n| !n.is_null()) else { return Vec::new() };
        let Some(list) = section.list() else {
            let message = format!("invalid import section in the file '{relative}'");
            self.problem(
                problems,
                "invalid-import-section",
                message,
                Some("write a list of paths".into()),
                section.pos(),
            );
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in list {
            let path = item.str().or_else(|| item.get("path").and_then(Node::str));
            let Some(written) = path.filter(|p| !p.is_empty()) else {
                let message = format!("invalid import in the file '{relative}'");
                self.problem(problems, "invalid-import", message, None, item.pos());
                continue;
            };
            let flag = |key: &str| item.get(key).and_then(Node::bool).unwrap_or(false);
            let first = written.split('/').next().unwrap_or("");
            let path = if first == "." || first == ".." {
                let folder = Path::new(relative).parent().unwrap_or(Path::new(""));
                clean(&folder.join(written)).to_string_lossy().into_owned()
            } else {
                written.to_owned()
            };
            out.push(Import {
                path,
                context: item.get("context").filter(|n| n.map().is_some_and(|m| !m.is_empty())).cloned(),
                skip_if_missing: flag("skip_if_missing"),
                skip_templates: flag("skip_templates_processing"),
                ignore_missing: flag("ignore_missing_template_values"),
                pos: item.get("path").map_or_else(|| item.pos(), Node::pos),
            });
        }
        out
    }

    /// Returns the files that an import names; `None` where there are none (and says so, where that is a fault).
    fn find_import(
        &self,
        importer: &Path,
        import: &Import,
        accumulated: &Node,
        relative: &str,
        out: &mut Merged,
    ) -> Option<Vec<PathBuf>> {
        let mut path = import.path.clone();
        if !import.skip_templates && path.contains("{{") && self.config.templates_enabled {
            let context = import.context.clone().unwrap_or_else(Node::empty);
            let data = merge_files(&[accumulated, &context], self.lists).to_json();
            let options = self.template_options(import.ignore_missing || self.config.ignore_missing);
            match template::render(&format!("import-path({relative})"), &path, &data, &options) {
                Ok(text) => path = text,
                Err(e) => {
                    let message = format!("import path '{path}' in file '{relative}': {}", e.message);
                    let hint = Some("define the variable in an earlier import or in this import's context".to_owned());
                    self.problem(&mut out.problems, "import-path-template", message, hint, import.pos);
                    return None;
                }
            }
        }
        if is_remote(&path) {
            let message = format!("import '{path}' in file '{relative}' is remote: Terrace fetches nothing by itself");
            let hint = Some("vendor the file into the repository".to_owned());
            self.problem(&mut out.problems, "remote-import", message, hint, import.pos);
            return None;
        }
        let base = &self.config.stacks_path;
        let exists = |p: &str| self.options.files.kind(&base.join(p)) == Some(Kind::File);
        let last = path.rsplit('/').next().unwrap_or("");
        let extension = last.rsplit_once('.').map(|(_, e)| e);
        let full = match extension {
            None => [".yaml", ".yml", ".yaml.tmpl", ".yml.tmpl"]
                .iter()
                .map(|e| format!("{path}{e}"))
                .find(|p| exists(p))
                .unwrap_or_else(|| format!("{path}.yaml")),
            Some("yaml" | "yml") if exists(&format!("{path}.tmpl")) => format!("{path}.tmpl"),
            Some(_) => path.clone(),
        };
        let target = clean(&base.join(&full));
        if target == importer {
            let message = format!("stack manifest imports itself: manifest '{relative}' imports itself via '{path}'");
            self.problem(&mut out.problems, "import-self", message, Some("remove this import".into()), import.pos);
            return None;
        }
        let found: Vec<PathBuf> = if glob::is_pattern(&full) {
            match clean(Path::new(&full)).to_str() {
                Some(pattern) if !pattern.starts_with("..") && !Path::new(pattern).is_absolute() => {
                    glob::matching(self.listing, pattern).into_iter().map(|f| base.join(f)).collect()
                }
                _ => Vec::new(),
            }
        } else if self.options.files.kind(&target) == Some(Kind::File) {
            vec![target]
        } else {
            Vec::new()
        };
        if found.is_empty() {
            if path.contains("{{") || import.skip_if_missing {
                return None;
            }
            let message =
                format!("stack import not found: import '{path}' in file '{relative}': failed to find import");
            self.problem(&mut out.problems, "import-not-found", message, self.guess(&path), import.pos);
            return None;
        }
        Some(found)
    }

    fn guess(&self, path: &str) -> Option<String> {
        let stem = |f: &str| f.trim_end_matches(".tmpl").trim_end_matches(".yaml").trim_end_matches(".yml").to_owned();
        let best = super::did_you_mean(path, self.listing.iter().map(|f| stem(f)))?;
        Some(format!("did you mean '{best}'?"))
    }
}

enum RenderError {
    Template(template::TemplateError),
    Yaml(Fault),
}

struct Import {
    path: String,
    context: Option<Node>,
    skip_if_missing: bool,
    skip_templates: bool,
    ignore_missing: bool,
    pos: Pos,
}

fn is_remote(path: &str) -> bool {
    path.contains("://") || path.contains("::") || path.starts_with("github.com/") || path.starts_with("git@")
}

/// Sets `overrides` of every component of a type in one file.
fn with_overrides(own: &Node, kind: &str, overrides: &Node) -> Node {
    if overrides.map().is_none_or(Map::is_empty) {
        return own.clone();
    }
    let Some((root, components)) = own.map().and_then(|m| Some((m, m.get("components")?))) else { return own.clone() };
    let Some((kinds, of_kind)) = components.map().and_then(|m| Some((m, m.get(kind)?))) else { return own.clone() };
    let Some(list) = of_kind.map() else { return own.clone() };
    let key = Key::new("overrides");
    let entries = list
        .entries()
        .iter()
        .map(|(name, node)| match node.map() {
            Some(m) => (*name, Node::new(Value::Map(m.with(key, overrides.clone())), node.pos())),
            None => (*name, node.clone()),
        })
        .collect();
    let of_kind = Node::new(Value::Map(Map::sorted(entries)), of_kind.pos());
    let components = Node::new(Value::Map(kinds.with(Key::new(kind), of_kind)), components.pos());
    Node::new(Value::Map(root.with(Key::new("components"), components)), own.pos())
}

/// Gives a rendered tree the places of the tree it was rendered from, by path.
pub(super) fn replace_places(new: &Node, old: Option<&Node>, above: Pos) -> Node {
    let pos = old.map_or(above, Node::pos);
    let value = match new.value() {
        Value::Map(m) => Value::Map(Map::sorted(
            m.entries()
                .iter()
                .map(|(k, v)| (*k, replace_places(v, old.and_then(|o| o.get(k.as_str())), pos)))
                .collect(),
        )),
        Value::List(l) => Value::List(
            l.iter()
                .enumerate()
                .map(|(i, v)| replace_places(v, old.and_then(|o| o.list()).and_then(|o| o.get(i)), pos))
                .collect(),
        ),
        other => other.clone(),
    };
    Node::new(value, pos)
}

/// Gives a tree from a rendered text the lines of the template, found by equal lines in order.
fn align(node: &Node, rendered: &str, template: &str) -> Node {
    let lines: Vec<&str> = template.lines().collect();
    let mut map: Vec<u32> = Vec::new();
    let mut at = 0usize;
    for line in rendered.lines() {
        let key = line.split(':').next().unwrap_or(line);
        let found = (at..lines.len()).find(|i| lines[*i] == line).or_else(|| {
            (!key.trim().is_empty()).then(|| (at..lines.len()).find(|i| lines[*i].split(':').next() == Some(key)))?
        });
        if let Some(found) = found {
            at = found;
        }
        map.push(u32::try_from(at).unwrap_or(0) + 1);
        if found.is_some() && at + 1 < lines.len() {
            at += 1;
        }
    }
    fn walk(node: &Node, map: &[u32]) -> Node {
        let pos = node.pos();
        let line = map.get(pos.line as usize - 1).copied().unwrap_or(pos.line);
        let pos = Pos { line, ..pos };
        let value = match node.value() {
            Value::Map(m) => Value::Map(Map::sorted(m.entries().iter().map(|(k, v)| (*k, walk(v, map))).collect())),
            Value::List(l) => Value::List(l.iter().map(|n| walk(n, map)).collect()),
            other => other.clone(),
        };
        Node::new(value, pos)
    }
    walk(node, &map)
}

struct EstateIncludes<'e, 'a> {
    engine: &'e Engine<'a>,
    path: &'e Path,
    problems: Vec<Diagnostic>,
    read: Vec<PathBuf>,
    depth: usize,
}

impl Includes for EstateIncludes<'_, '_> {
    fn include(&mut self, tag: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        let refuse = |code: &'static str, message: String| Fault { code, message, line: pos.line, column: pos.column };
        let mut words = value.splitn(2, char::is_whitespace);
        let file = words.next().unwrap_or("").trim_matches(['"', '\'']);
        let query = words.next().map(|q| q.trim().trim_matches(['"', '\''])).filter(|q| !q.is_empty());
        if file.is_empty() || self.depth > 8 {
            return Err(refuse("include-invalid", format!("invalid {tag}: '{value}'")));
        }
        let as_text = || Node::new(Value::Str(format!("{tag} {value}").into()), pos);
        if is_remote(file) {
            self.problems.push(Diagnostic {
                severity: Severity::Error,
                code: "remote-include".to_owned(),
                message: format!("{tag} '{file}' is remote: Terrace fetches nothing by itself"),
                hint: Some("vendor the file into the repository".to_owned()),
                source: pos.source(),
                stack: None,
            });
            return Ok(as_text());
        }
        let engine = self.engine;
        let beside = clean(&self.path.parent().unwrap_or(engine.root).join(file));
        let based = clean(&engine.config.base_path.join(file));
        let found = [beside, based].into_iter().find(|p| engine.options.files.kind(p) == Some(Kind::File));
        let Some(found) = found else {
            return Err(refuse(
                "include-not-found",
                format!(
                    "the !include function references a file that does not exist: could not find local file '{file}'"
                ),
            ));
        };
        if !engine.options.trusted && !inside(engine.options.files.as_ref(), engine.root, &found) {
            self.problems.push(Diagnostic {
                severity: Severity::Error,
                code: "untrusted-include".to_owned(),
                message: format!("{tag} '{file}' leads out of the estate and was not read"),
                hint: Some("run `terrace trust` if you trust this estate".to_owned()),
                source: pos.source(),
                stack: None,
            });
            return Ok(as_text());
        }
        let bytes = engine.options.files.read(&found).map_err(|e| refuse("unreadable-file", format!("{file}: {e}")))?;
        self.read.push(found.clone());
        let name = Key::new(&display(engine.root, &found));
        let extension = found.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = Pos { file: name, line: 1, column: 1 };
        let file_name = found.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let node = if tag == "!include.raw" {
            Node::new(Value::Str(text.into()), at)
        } else if extension == "json" || extension == "yaml" || extension == "yml" {
            let path = found.clone();
            let mut nested = Untagged { file: path };
            let node = Reader { file: name, key_delimiter: "", includes: &mut nested }
                .read(&bytes)
                .map_err(|f| refuse("include-invalid", format!("{}: {}", name.as_str(), f.message)))?;
            strip_tags(&node.unwrap_or_else(|| Node::new(Value::Null, at)))
        } else if extension == "env" || file_name == ".env" {
            dotenv(&text, name)
        } else if matches!(extension.as_str(), "hcl" | "tf" | "tfvars") {
            let json: serde_json::Value =
                hcl::from_str(&text).map_err(|e| refuse("include-invalid", format!("{}: {e}", name.as_str())))?;
            Node::from_json(&json, at)
        } else {
            Node::new(Value::Str(text.into()), at)
        };
        match query {
            None => Ok(node),
            Some(query) => Ok(simple_query(&node, query).unwrap_or_else(|| {
                self.problems.push(Diagnostic {
                    severity: Severity::Error,
                    code: "include-query".to_owned(),
                    message: format!("the query '{query}' of {tag} is more than Terrace evaluates"),
                    hint: Some("only Atmos can resolve this value".to_owned()),
                    source: pos.source(),
                    stack: None,
                });
                as_text()
            })),
        }
    }
}

struct Untagged {
    file: PathBuf,
}

impl Includes for Untagged {
    fn include(&mut self, _: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        let _ = &self.file;
        Ok(Node::new(Value::Str(value.into()), pos))
    }
}

/// An included YAML file is read without Atmos' tags: they fall away.
fn strip_tags(node: &Node) -> Node {
    match node.value() {
        Value::Str(s) if s.starts_with('!') && s.contains(' ') => {
            let rest = s.split_once(' ').map_or("", |(_, r)| r);
            Node::new(Value::Str(rest.into()), node.pos())
        }
        Value::Map(m) => Node::new(
            Value::Map(Map::sorted(m.entries().iter().map(|(k, v)| (*k, strip_tags(v))).collect())),
            node.pos(),
        ),
        Value::List(l) => Node::new(Value::List(l.iter().map(strip_tags).collect()), node.pos()),
        _ => node.clone(),
    }
}

fn dotenv(text: &str, file: Key) -> Node {
    let entries = text.lines().enumerate().filter_map(|(i, line)| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        if line.starts_with('#') {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let value = value.trim();
        let value = match value.chars().next() {
            Some(q @ ('"' | '\'')) => value[1..].split(q).next().unwrap_or(""),
            _ => value.split(" #").next().unwrap_or("").trim(),
        };
        let pos = Pos { file, line: u32::try_from(i).ok()? + 1, column: 1 };
        Some((Key::new(key.trim()), Node::new(Value::Str(value.into()), pos)))
    });
    Node::new(Value::Map(Map::from_entries(entries.collect())), Pos { file, line: 1, column: 1 })
}

/// Evaluates a query that is only a path: `.a.b[0]`.
fn simple_query(node: &Node, query: &str) -> Option<Node> {
    if query == "." {
        return Some(node.clone());
    }
    let mut at = node.clone();
    let mut rest = query.strip_prefix('.')?;
    while !rest.is_empty() {
        if let Some(index) = rest.strip_prefix('[') {
            let (inner, after) = index.split_once(']')?;
            at = match inner.parse::<usize>() {
                Ok(i) => at.list()?.get(i).cloned(),
                Err(_) => at.get(inner.trim_matches(['"', '\''])).cloned(),
            }
            .unwrap_or_else(|| Node::new(Value::Null, node.pos()));
            rest = after.strip_prefix('.').unwrap_or(after);
            continue;
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let key = rest[..end].trim_matches('"');
        if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
            return None;
        }
        at = at.get(key).cloned().unwrap_or_else(|| Node::new(Value::Null, node.pos()));
        rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
    }
    Some(at)
}
