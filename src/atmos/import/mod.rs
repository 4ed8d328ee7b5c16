//! One stack file with everything it imports, merged: what is shared by all files of one load.
//!
//! [`file`] makes one file, [`find`] finds what it imports, [`include`] reads what it includes, [`overrides`] travel along
//! imports, [`places`] keeps the lines of what templates rendered.

mod file;
mod find;
pub(super) mod hints;
mod include;
mod overrides;
mod places;
mod query;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};

use include::EstateIncludes;
use overrides::Overrides;
pub(super) use places::replace_places;

use super::{
    AtmosConfig, LoadOptions,
    config::{display, inside},
    manifest::own::Rules,
    merge::ListStrategy,
    node::{Key, Map, Node, Pos},
    template::{MissingKey, TemplateOptions},
    yaml::{Fault, Reader},
};
use crate::domain::stack::{Diagnostic, ImportEdge, Severity};

/// The longest chain of imports that is followed.
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

type MemoKey = (PathBuf, [usize; 4]);

/// What all files of one load share.
pub(super) struct Engine<'a> {
    pub(super) root: &'a Path,
    pub(super) config: &'a AtmosConfig,
    pub(super) options: &'a LoadOptions,
    pub(super) lists: ListStrategy,
    pub(super) listing: &'a [String],
    pub(super) rules: Rules,
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
        rules: Rules,
        docs: HashMap<PathBuf, Arc<Doc>>,
    ) -> Self {
        let lists = ListStrategy::parse(&config.list_merge_strategy).unwrap_or_default();
        Self { root, config, options, lists, listing, rules, docs: RwLock::new(docs), memo: Mutex::default() }
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
}
