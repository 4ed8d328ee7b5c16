//! One stack file with everything it imports, merged: what is shared by all files of one load.
//!
//! [`mod@file`] makes one file, [`find`] finds what it imports, [`mod@include`] reads what it includes, [`overrides`] travel along
//! imports, [`places`] keeps the lines of what templates rendered, [`remote`] knows what is not a file here.

mod file;
mod find;
pub(super) mod hints;
mod include;
mod overrides;
mod places;
mod query;
mod remote;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, RwLock},
};

use file::Known;
use include::EstateIncludes;
use overrides::Overrides;
pub(super) use places::replace_places;

use super::{
    AtmosConfig, LoadOptions,
    config::{display, inside_real},
    manifest::own::Rules,
    merge::ListStrategy,
    node::{Key, Map, Node, Pos},
    resolve::Common,
    template::{MissingKey, TemplateOptions},
    yaml::{Fault, Reader},
};
use crate::domain::stack::{Diagnostic, ImportEdge, Severity};

/// What is said of a file outside of the estate that is not what was trusted.
pub(super) const CHANGED: &str = "holds something else than when it was trusted, and was not read";

/// The longest chain of imports that is followed.
const MAX_CHAIN: usize = 200;
/// The most files that are merged for one stack.
const MAX_MERGED: usize = 20_000;

/// One file as read.
#[derive(Debug)]
pub(super) struct Doc {
    pub(super) name: Key,
    pub(super) text: Arc<[u8]>,
    pub(super) parsed: Result<Option<Node>, Fault>,
    pub(super) extra: Vec<Diagnostic>,
    pub(super) includes: Vec<PathBuf>,
    /// What is wrong with it by itself, once somebody asked.
    pub(super) judged: OnceLock<Vec<Diagnostic>>,
}

impl Doc {
    /// Stands for a file that was not read.
    fn unread(name: Key, fault: Fault) -> Self {
        Doc {
            name,
            text: Arc::from([]),
            parsed: Err(fault),
            extra: Vec::new(),
            includes: Vec::new(),
            judged: OnceLock::new(),
        }
    }
}

/// A file, and what it includes.
pub(super) type Files = Arc<[PathBuf]>;

/// A file with its imports, merged.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) config: Node,
    /// The file's own part after templates, and those of its imports, in the order of application (a file may recur).
    pub(super) layers: Vec<Layer>,
    pub(super) files: Files,
    pub(super) edges: Arc<[ImportEdge]>,
    pub(super) problems: Vec<Diagnostic>,
    overrides: Overrides,
    /// Whether an import in it, or below, is found by a template: what was imported before decides then.
    templated: bool,
}

/// What one file adds.
#[derive(Debug, Clone)]
pub(super) enum Layer {
    Own(Node),
    Import(Arc<Merged>),
}

impl Merged {
    /// Visits this and all imported ones, each once.
    pub(super) fn each<'m>(&'m self, seen: &mut HashSet<usize>, see: &mut dyn FnMut(&'m Self)) {
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

    /// Returns every file's own part, the lowest first; of a file that comes in several times only where it counts last.
    pub(super) fn parts(&self) -> Vec<&Node> {
        fn collect<'m>(merged: &'m Merged, seen: &mut HashSet<*const Merged>, out: &mut Vec<&'m Node>) {
            if !seen.insert(merged) {
                return;
            }
            for layer in merged.layers.iter().rev() {
                match layer {
                    Layer::Own(node) => out.push(node),
                    Layer::Import(merged) => collect(merged, seen, out),
                }
            }
        }
        let mut out = Vec::new();
        collect(self, &mut HashSet::new(), &mut out);
        out.reverse();
        out
    }

    /// Returns the problems of all its files.
    pub(super) fn all_problems(&self) -> Vec<&Diagnostic> {
        fn collect<'m>(merged: &'m Merged, seen: &mut HashSet<*const Merged>, out: &mut Vec<&'m Diagnostic>) {
            if !seen.insert(merged) {
                return;
            }
            out.extend(&merged.problems);
            merged.imported().for_each(|m| collect(m, seen, out));
        }
        let mut out = Vec::new();
        collect(self, &mut HashSet::new(), &mut out);
        out
    }

    /// Returns what this file imports itself.
    pub(super) fn imported(&self) -> impl DoubleEndedIterator<Item = &Arc<Self>> {
        self.layers.iter().filter_map(|l| if let Layer::Import(merged) = l { Some(merged) } else { None })
    }
}

/// Which merged files stand on something that changed; each, and each list of files, is looked at once.
pub(super) struct Touched<'c> {
    changed: &'c HashSet<PathBuf>,
    lists: HashMap<*const PathBuf, bool, foldhash::fast::RandomState>,
    merged: HashMap<*const Merged, bool, foldhash::fast::RandomState>,
}

impl<'c> Touched<'c> {
    pub(super) fn new(changed: &'c HashSet<PathBuf>) -> Self {
        Self { changed, lists: HashMap::default(), merged: HashMap::default() }
    }

    /// Tells whether one of a file and what it includes changed.
    pub(super) fn has(&mut self, files: &Files) -> bool {
        *self.lists.entry(files.as_ptr()).or_insert_with(|| files.iter().any(|f| self.changed.contains(f)))
    }

    /// The same for all files that a merged file is made of.
    pub(super) fn any<'f>(&mut self, merged: &Merged, files: impl IntoIterator<Item = &'f Files>) -> bool {
        let touched = files.into_iter().any(|files| self.has(files));
        self.merged.insert(merged, touched);
        touched
    }

    /// Tells whether a file, or any that it imports or includes, changed.
    pub(super) fn is(&mut self, merged: &Merged) -> bool {
        let at = std::ptr::from_ref(merged);
        if let Some(known) = self.merged.get(&at) {
            return *known;
        }
        let touched = self.has(&merged.files) || merged.imported().any(|m| self.is(m));
        self.merged.insert(at, touched);
        touched
    }
}

/// Visits the components of a file, whatever their type.
pub(super) fn each_component(file: &Node, see: &mut dyn FnMut(Key, &Node)) {
    let kinds = file.get("components").and_then(Node::map);
    for (_, components) in kinds.into_iter().flat_map(Map::entries) {
        for (name, component) in components.map().into_iter().flat_map(Map::entries) {
            see(*name, component);
        }
    }
}

/// Returns what a component says it inherits from.
pub(super) fn named_bases(component: &Node) -> impl Iterator<Item = Key> {
    let pointer = component.get("component").and_then(Node::str);
    let inherits = component.at_path(&["metadata", "inherits"]).and_then(Node::list).unwrap_or_default();
    inherits.iter().filter_map(Node::str).chain(pointer).map(Key::new)
}

type MemoKey = (OsString, [usize; 4]);
/// The files read, by path.
pub(super) type Docs = HashMap<PathBuf, Arc<Doc>, foldhash::fast::RandomState>;

/// What is known of each file by itself, by path.
type KnownFiles = HashMap<OsString, Arc<Known>, foldhash::fast::RandomState>;

/// The merged files, by path and by the overrides in force; these are kept so that their addresses stay theirs.
type Memo = HashMap<MemoKey, (Overrides, Arc<Merged>), foldhash::fast::RandomState>;

/// What a load leaves for the next one.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) docs: Docs,
    known: KnownFiles,
    memo: Memo,
}

impl Kept {
    /// Returns what still holds after some files changed: what was read of the others, and where `merged` is, what was
    /// planned and merged of nothing but them.
    pub(super) fn after(&self, stale: &dyn Fn(&Doc, &Path) -> bool, touched: &mut Touched<'_>, merged: bool) -> Self {
        let docs = self.docs.iter().filter(|(path, doc)| !stale(doc, path)).map(|(p, d)| (p.clone(), d.clone()));
        let known = self.known.iter().filter(|(_, known)| merged && !touched.has(&known.files));
        let known = known.map(|(path, known)| (path.clone(), Arc::clone(known))).collect();
        // Under overrides each load merges under other addresses: kept, they would only pile up.
        let memo = self.memo.iter().filter(|((_, under), (_, found))| merged && *under == [0; 4] && !touched.is(found));
        Self { docs: docs.collect(), known, memo: memo.map(|(key, value)| (key.clone(), value.clone())).collect() }
    }
}

/// What all files of one load share.
pub(super) struct Engine<'a> {
    pub(super) root: &'a Path,
    pub(super) config: &'a AtmosConfig,
    pub(super) options: &'a LoadOptions,
    /// The environment of the options, for templates.
    pub(super) env: Arc<BTreeMap<String, String>>,
    pub(super) lists: ListStrategy,
    pub(super) listing: &'a [String],
    pub(super) rules: &'a Rules,
    /// What may be read of an estate that is not trusted, links resolved: the root, and where the environment points.
    open: Arc<[PathBuf]>,
    docs: Arc<RwLock<Docs>>,
    /// The listing, to look single files up.
    listed: Arc<HashSet<&'a str, foldhash::fast::RandomState>>,
    known: Mutex<KnownFiles>,
    memo: Mutex<Memo>,
    pub(super) common: Common,
    /// Only these components are merged; all where there is none.
    only: Option<HashSet<Key>>,
}

/// The way from a stack file to one of its imports.
#[derive(Default)]
struct Trail {
    files: Vec<PathBuf>,
    /// How many files were merged for this stack, one that comes in several times counted as often.
    merged: usize,
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
        rules: &'a Rules,
        kept: Kept,
    ) -> Self {
        let lists = ListStrategy::parse(&config.list_merge_strategy).unwrap_or_default();
        let based = options.env.get("ATMOS_BASE_PATH").is_some_and(|v| !v.is_empty());
        let open = std::iter::once(root).chain(based.then_some(config.base_path.as_path()));
        Self {
            root,
            config,
            options,
            env: Arc::new(options.env.clone()),
            lists,
            listing,
            rules,
            open: open.map(|p| options.files.real(p).unwrap_or_else(|_| p.to_path_buf())).collect(),
            docs: Arc::new(RwLock::new(kept.docs)),
            listed: Arc::new(listing.iter().map(String::as_str).collect()),
            known: Mutex::new(kept.known),
            memo: Mutex::new(kept.memo),
            common: Common::default(),
            only: None,
        }
    }

    /// Returns one that leaves all components out but these, and shares the files read.
    pub(super) fn narrowed(&self, only: HashSet<Key>) -> Self {
        Self {
            env: Arc::clone(&self.env),
            open: Arc::clone(&self.open),
            docs: Arc::clone(&self.docs),
            listed: Arc::clone(&self.listed),
            known: Mutex::default(),
            memo: Mutex::default(),
            common: Common::default(),
            only: Some(only),
            ..*self
        }
    }

    /// Returns a component with all that it may inherit from, by what the files read say; templates may add to it.
    pub(super) fn related(&self, component: Key) -> HashSet<Key> {
        let mut bases: HashMap<Key, HashSet<Key>> = HashMap::new();
        for doc in self.docs.read().iter().flat_map(|docs| docs.values()) {
            let Ok(Some(node)) = &doc.parsed else { continue };
            each_component(node, &mut |name, node| bases.entry(name).or_default().extend(named_bases(node)));
        }
        let (mut found, mut todo) = (HashSet::from([component]), vec![component]);
        while let Some(name) = todo.pop() {
            todo.extend(bases.get(&name).into_iter().flatten().copied().filter(|base| found.insert(*base)));
        }
        found
    }

    /// Returns what the next load may use.
    pub(super) fn into_kept(self) -> Kept {
        let docs = self.docs.write().map(|mut docs| std::mem::take(&mut *docs)).unwrap_or_default();
        let known = self.known.into_inner().unwrap_or_default();
        Kept { docs, known, memo: self.memo.into_inner().unwrap_or_default() }
    }

    /// Tells whether a file may be read: links resolved, it lies inside of the estate, or the estate is trusted.
    pub(super) fn may_read(&self, path: &Path) -> bool {
        self.options.trusted || self.open.iter().any(|open| inside_real(self.options.files.as_ref(), open, path))
    }

    /// Returns a file, read once; `None` where there is none.
    pub(super) fn doc(&self, path: &Path) -> Option<Arc<Doc>> {
        if let Some(doc) = self.docs.read().ok().and_then(|d| d.get(path).cloned()) {
            return Some(doc);
        }
        let name = display(self.root, path);
        let key = Key::new(&name);
        if !self.may_read(path) {
            let fault = Fault {
                code: "untrusted-read",
                message: format!("'{name}' lies outside of the estate and was not read"),
                line: 1,
                column: 1,
            };
            return Some(self.keep(path, Doc::unread(key, fault)));
        }
        let bytes = match self.options.files.read(path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return None,
            Err(e) => {
                let large = e.kind() == std::io::ErrorKind::FileTooLarge;
                let code = if large { "file-too-large" } else { "unreadable-file" };
                let fault = Fault { code, message: format!("{name}: {e}"), line: 1, column: 1 };
                return Some(self.keep(path, Doc::unread(key, fault)));
            }
        };
        if !self.options.accepts(self.root, path, &bytes) {
            let message = format!("'{name}' lies outside of the estate, {CHANGED}");
            return Some(
                self.keep(path, Doc::unread(key, Fault { code: "untrusted-read", message, line: 1, column: 1 })),
            );
        }
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
        Doc { name, text, parsed, extra, includes, judged: OnceLock::new() }
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
        self.merged(path, &call, &mut Trail::default())
    }

    fn merged(&self, path: &Path, call: &Call<'_>, trail: &mut Trail) -> Arc<Merged> {
        let plain = call.context.is_none() && !call.skip_templates && call.ignore_missing == self.config.ignore_missing;
        // What was imported before matters only to paths that are templates.
        let first = call.path_context.map().is_none_or(Map::is_empty);
        let memo_key = plain.then(|| (path.as_os_str().to_owned(), call.overrides.key()));
        if let Some(key) = &memo_key
            && let Some((_, found)) = self.memo.lock().ok().and_then(|m| m.get(key).cloned())
            && (!found.templated || first)
        {
            return found;
        }
        trail.files.push(path.to_path_buf());
        trail.merged += 1;
        let merged = Arc::new(self.file(path, call, trail));
        trail.files.pop();
        if let Some(key) = memo_key.filter(|_| first || !merged.templated)
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
            env: Arc::clone(&self.env),
            ..TemplateOptions::default()
        }
    }

    /// Returns the name of a file relative to the folder of stacks, as Atmos' messages have it.
    pub(super) fn relative(&self, path: &Path) -> String {
        display(&self.config.stacks_path, path)
    }
}
