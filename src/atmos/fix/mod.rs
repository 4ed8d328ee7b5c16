//! Edits that mend a diagnostic and change nothing else: proposed from the diagnostic's place, proved by resolving again.
//!
//! [`propose`] says what is proposed. Whatever resolves to something else is not done; what moved from a deprecated key to
//! the one that took its place must leave everything needing the same.

mod propose;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Kind};
use super::node::Node;
use super::resolve::Instance;
use super::{AtmosError, Estate, LoadOptions, depends};
use crate::domain::stack::{Diagnostic, InstanceRef, Severity};

/// An edit of one file: the text between two bytes becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The file, relative to the estate's root.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is done, for a person.
    pub what: String,
    from: usize,
    to: usize,
    text: String,
}

/// Files with some of them replaced.
#[derive(Debug)]
struct Overlay {
    below: Arc<dyn Files>,
    texts: BTreeMap<PathBuf, String>,
}

impl Files for Overlay {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        match self.texts.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => self.below.read(path),
        }
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        self.below.kind(path)
    }

    fn list(&self, folder: &Path) -> std::io::Result<Vec<(String, Kind)>> {
        self.below.list(folder)
    }

    fn real(&self, path: &Path) -> std::io::Result<PathBuf> {
        self.below.real(path)
    }
}

/// Returns the edits that are safe, and the texts of the files that they make, by path relative to the root.
///
/// # Errors
///
/// Where nothing can be said of the estate.
pub fn safe(root: &Path, options: &LoadOptions) -> Result<(Vec<Edit>, BTreeMap<String, String>), AtmosError> {
    let before = Estate::load(root, options)?;
    let proposed = before.diagnostics().iter().filter_map(|problem| propose::edit(&before, options, problem));
    let mut left: Vec<Edit> = proposed.collect();
    let mut mending = Mending::of(&before, root, options);
    while !left.is_empty() {
        let (mut apart, mut later): (Vec<Edit>, Vec<Edit>) = (Vec::new(), Vec::new());
        for edit in left {
            if apart.iter().any(|other| other.overlaps(&edit)) { &mut later } else { &mut apart }.push(edit);
        }
        mending.keep(&apart);
        later.retain(|edit| !mending.kept.iter().any(|other| other.overlaps(edit)));
        left = later;
    }
    mending.kept.sort_by(|a, b| (&a.file, a.from).cmp(&(&b.file, b.from)));
    Ok((mending.kept, mending.texts))
}

impl Edit {
    /// Tells whether both touch the same bytes, or stand at the same one.
    fn overlaps(&self, other: &Self) -> bool {
        let end = |edit: &Self| edit.to.max(edit.from + 1);
        self.file == other.file && self.from < end(other) && other.from < end(self)
    }
}

/// What is said of a diagnostic wherever it stands in its file.
type Told<'e> = (&'e str, &'e str, Option<&'e str>);

fn told(problem: &Diagnostic) -> Told<'_> {
    (&problem.code, &problem.message, problem.source.as_ref().map(|source| source.file.as_str()))
}

/// The edits that are kept, and what must hold after each further one.
struct Mending<'e> {
    root: &'e Path,
    options: &'e LoadOptions,
    before: &'e Estate,
    told: HashSet<Told<'e>>,
    needed: HashSet<(InstanceRef, InstanceRef)>,
    /// How many errors, and how many problems in all, are left.
    left: (usize, usize),
    kept: Vec<Edit>,
    texts: BTreeMap<String, String>,
}

impl<'e> Mending<'e> {
    fn of(before: &'e Estate, root: &'e Path, options: &'e LoadOptions) -> Self {
        let told = before.diagnostics().iter().map(told).collect();
        let (needed, left) = (needed(before), count(before));
        Self { root, options, before, told, needed, left, kept: Vec::new(), texts: BTreeMap::new() }
    }

    /// Keeps those edits that are safe: all at once where that proves, else the halves of them.
    fn keep(&mut self, edits: &[Edit]) {
        let mut all = self.kept.clone();
        all.extend_from_slice(edits);
        let proved = texts(self.root, self.options, &all)
            .and_then(|texts| self.proves(&texts, edits.len()).map(|left| (texts, left)));
        if let Some((texts, left)) = proved {
            (self.kept, self.texts, self.left) = (all, texts, left);
        } else if edits.len() > 1 {
            let (first, second) = edits.split_at(edits.len() / 2);
            self.keep(first);
            self.keep(second);
        }
    }

    /// Returns what is left where the texts only mend: no new problem, one less for each edit, and every instance as it was.
    fn proves(&self, texts: &BTreeMap<String, String>, edits: usize) -> Option<(usize, usize)> {
        let texts = texts.iter().map(|(file, text)| (self.root.join(file), text.clone())).collect();
        let files = Overlay { below: Arc::clone(&self.options.files), texts };
        let options = LoadOptions { files: Arc::new(files), ..self.options.clone() };
        let after = Estate::load(self.root, &options).ok()?;
        let left = count(&after);
        let mends = left.0 <= self.left.0
            && left.1 + edits <= self.left.1
            && after.diagnostics().iter().all(|problem| self.told.contains(&told(problem)));
        (mends && is_same(self.before, &after) && self.needed == needed(&after)).then_some(left)
    }
}

/// Counts the errors, and the problems in all.
fn count(estate: &Estate) -> (usize, usize) {
    let problems = estate.diagnostics();
    (problems.iter().filter(|problem| problem.severity == Severity::Error).count(), problems.len())
}

/// Says whether every instance is as it was, but for where it says what it needs.
fn is_same(before: &Estate, after: &Estate) -> bool {
    let now: HashMap<_, _> = after.all().map(|(stack, i)| ((stack.path.as_path(), i.kind, i.name), i)).collect();
    before.all().all(|(stack, i)| {
        let now = now.get(&(stack.path.as_path(), i.kind, i.name));
        now.is_some_and(|j| i.stack == j.stack && (i.sections.entries() == j.sections.entries() || is_moved(i, j)))
    })
}

fn read(root: &Path, options: &LoadOptions, file: &str) -> Option<String> {
    String::from_utf8(options.files.read(&root.join(file)).ok()?).ok()
}

/// Returns the files with their edits done; `None` where one cannot be read.
fn texts(root: &Path, options: &LoadOptions, edits: &[Edit]) -> Option<BTreeMap<String, String>> {
    let mut ordered: Vec<&Edit> = edits.iter().collect();
    ordered.sort_by_key(|edit| std::cmp::Reverse(edit.from));
    let mut texts = BTreeMap::new();
    for edit in ordered {
        let text = match texts.entry(edit.file.clone()) {
            Entry::Occupied(text) => text.into_mut(),
            Entry::Vacant(none) => none.insert(read(root, options, &edit.file)?),
        };
        text.replace_range(edit.from..edit.to, &edit.text);
    }
    Some(texts)
}

/// Says whether two differ in nothing but where they say what they need.
fn is_moved(before: &Instance, after: &Instance) -> bool {
    let rest = |instance: &Instance| {
        let settings = instance.sections.get("settings").and_then(Node::map);
        let settings = settings.map(|map| map.without(&["depends_on"]).entries().to_vec());
        (settings, instance.sections.without(&["settings", "dependencies"]).entries().to_vec())
    };
    let other = |instance: &Instance| {
        let section = instance.sections.get("dependencies").and_then(Node::map);
        section.map(|map| map.without(&["components"]).entries().to_vec()).unwrap_or_default()
    };
    rest(before) == rest(after) && other(before) == other(after) && depends::files(before) == depends::files(after)
}

/// Returns what needs what, however it is written.
fn needed(estate: &Estate) -> HashSet<(InstanceRef, InstanceRef)> {
    estate.dependencies().into_iter().map(|dependency| (dependency.from, dependency.to)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::files::Memory;
    use super::*;

    fn mended(stack: &str) -> (Vec<String>, Option<String>) {
        let mut files = Memory::default();
        let atmos = "base_path: .\nstacks: {base_path: stacks, included_paths: ['**/*'], name_pattern: '{stage}'}\n\
                     components: {terraform: {base_path: components/terraform}}\n";
        files.put("/estate/atmos.yaml", atmos);
        files.put("/estate/stacks/dev.yaml", stack);
        files.put("/estate/stacks/prod.yaml", "vars: {stage: prod}\ncomponents: {terraform: {it: {}}}\n");
        let options = LoadOptions { files: Arc::new(files), ..LoadOptions::default() };
        let (edits, mut texts) = safe(Path::new("/estate"), &options).expect("the estate");
        (
            edits.into_iter().map(|edit| format!("{}: {}", edit.line, edit.what)).collect(),
            texts.remove("stacks/dev.yaml"),
        )
    }

    #[test]
    fn only_what_changes_nothing_is_mended() {
        let (edits, text) = mended(
            "import: # later\nvars: {stage: dev}\ncomponents:\n  terraform:\n    it:\n      metadata: {inherits: [base, base]}\n    base: {}\n",
        );
        assert_eq!(edits, ["1: a list without a value becomes an empty list"]);
        let text = text.expect("a text");
        assert!(text.starts_with("import: [] # later\n") && text.contains("inherits: [base, base]}"), "{text}");

        let (edits, text) = mended("# nothing yet\n");
        assert_eq!((edits.len(), text.as_deref()), (1, Some("# nothing yet\n{}\n")));

        let twice = "vars: {stage: dev}\ncomponents:\n  terraform:\n    it:\n      vars:\n        a: 1\n        b: 2\n        a: 1\n";
        let (edits, text) = mended(twice);
        assert_eq!(edits, ["8: a key that is written twice with the same value goes"]);
        assert_eq!(text.as_deref(), Some(twice.replace("b: 2\n        a: 1\n", "b: 2\n").as_str()));
        assert_eq!(mended(&twice.replace("b: 2\n        a: 1", "b: 2\n        a: 3")), (vec![], None));

        let (edits, text) = mended("vars: {stage: dev}\nworkflows:\n  up:\n    steps:\n      - command: true # yes\n");
        assert_eq!(edits, ["5: what must be a text becomes one"]);
        assert!(text.expect("a text").contains("command: 'true' # yes\n"));

        let (edits, text) =
            mended("vars:\n  stage: dev\n  a: {{ .vars.b }} # what b's is\ncomponents: {terraform: {it: {}}}\n");
        assert_eq!(edits, ["3: a template becomes a text"]);
        assert!(text.expect("a text").contains("  a: '{{ .vars.b }}' # what b's is\n"));

        let typo = "vars: {stage: dev}\ncomponents: {terraform: {it: {varz: {a: 1}}}}\n";
        assert_eq!(mended(typo), (vec![], None), "what was meant is for a person to say");
    }

    #[test]
    fn a_deprecated_key_is_moved_where_everything_needs_the_same_afterwards() {
        let stack = |rest: &str| {
            format!(
                "vars: {{stage: dev}}\ncomponents:\n  terraform:\n    a: {{}}\n    b: {{}}\n    it:\n      settings:\n        depends_on:\n{rest}"
            )
        };
        let (edits, text) =
            mended(&stack("          1: {component: a}\n          2: {component: b}\n      vars: {x: 1}\n"));
        assert_eq!(edits, ["9: settings.depends_on becomes dependencies.components"]);
        let text = text.expect("a text");
        assert!(
            !text.contains("depends_on") && text.contains("dependencies:") && text.contains("vars: {x: 1}"),
            "{text}"
        );
        // A context is compared otherwise, and a list is what Atmos ignores.
        assert_eq!(mended(&stack("          1: {component: a, stage: dev}\n")), (vec![], None));
        assert_eq!(mended(&stack("          - component: a\n")), (vec![], None));
    }

    #[test]
    fn what_is_not_safe_keeps_nothing_else_from_being_mended() {
        let (edits, text) = mended(
            "vars: {stage: dev}\ncomponents:\n  terraform:\n    a: {}\n    b: {}\n    base: {metadata: {type: abstract}, dependencies: {components: [{component: a}]}}\n    \
             one:\n      settings: {depends_on: {1: {component: a}}}\n    \
             two:\n      metadata: {inherits: [base]}\n      settings: {depends_on: {1: {component: b}}}\n    \
             three:\n      settings: {depends_on: {1: {component: b}}}\n",
        );
        let what = "settings.depends_on becomes dependencies.components";
        // What the second one inherits counts before what is deprecated, and would be replaced.
        assert_eq!(edits, [format!("8: {what}"), format!("13: {what}")]);
        assert_eq!(text.expect("a text").matches("depends_on").count(), 1);
    }
}
