//! Edits that mend a diagnostic and change nothing else: proposed from the diagnostic's place, proved by resolving again.
//!
//! What is proposed is small: a section without a value becomes an empty one, a list without a value an empty list, a file of
//! comments an empty map. Whatever resolves to something else is not done.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Files, Kind};
use super::{AtmosError, Estate, LoadOptions};
use crate::domain::stack::{Diagnostic, Severity};

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
    let mut kept: Vec<Edit> = Vec::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for edit in before.diagnostics().iter().filter_map(|problem| propose(&before, options, problem)) {
        let mut tried: Vec<Edit> = kept.iter().filter(|k| k.file == edit.file).cloned().collect();
        if tried.iter().any(|k| k.from < edit.to.max(edit.from + 1) && edit.from < k.to.max(k.from + 1)) {
            continue;
        }
        tried.push(edit.clone());
        let Some(text) = apply(root, options, &edit.file, &mut tried) else { continue };
        let mut all = texts.clone();
        all.insert(edit.file.clone(), text);
        if proves(&before, root, options, &all) {
            texts = all;
            kept.push(edit);
        }
    }
    Ok((kept, texts))
}

fn read(root: &Path, options: &LoadOptions, file: &str) -> Option<String> {
    String::from_utf8(options.files.read(&root.join(file)).ok()?).ok()
}

fn apply(root: &Path, options: &LoadOptions, file: &str, edits: &mut [Edit]) -> Option<String> {
    let mut text = read(root, options, file)?;
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.from));
    for edit in edits {
        text.replace_range(edit.from..edit.to, &edit.text);
    }
    Some(text)
}

fn propose(estate: &Estate, options: &LoadOptions, problem: &Diagnostic) -> Option<Edit> {
    let source = problem.source.as_ref().filter(|source| !source.file.starts_with('/'))?;
    let text = read(estate.root(), options, &source.file)?;
    let edit = |from: usize, to: usize, new: &str, what: &str| Edit {
        file: source.file.clone(),
        line: source.line,
        what: what.to_owned(),
        from,
        to,
        text: new.to_owned(),
    };
    if problem.code == "stack-null" {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        return Some(edit(
            text.len(),
            text.len(),
            &format!("{gap}{{}}\n"),
            "a file without content becomes an empty map",
        ));
    }
    let start: usize = text.split_inclusive('\n').take(source.line as usize - 1).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or("");
    if problem.message.ends_with("but got null") || problem.message.starts_with("invalid ") {
        // The key stands on the line, and nothing after it but space and a comment.
        let code = line.split(" #").next().unwrap_or("").trim_end();
        let empty = code.ends_with(':') && !line.trim_start().starts_with('#');
        let next = text[start + line.len()..].lines().skip(1).find(|line| !line.trim().is_empty());
        let indent = |line: &str| line.len() - line.trim_start().len();
        let ends = next.is_none_or(|next| indent(next) <= indent(line) && !next.trim_start().starts_with("- "));
        if !empty || !ends {
            return None;
        }
        let list = problem.message.contains("array") && !problem.message.contains("object");
        let (new, what) = if list {
            (" []", "a list without a value becomes an empty list")
        } else {
            (" {}", "a section without a value becomes an empty one")
        };
        let at = start + code.len();
        return Some(edit(at, at, new, what));
    }
    None
}

/// Says whether the texts only mend: no new problem, fewer errors, and every instance as it was.
fn proves(before: &Estate, root: &Path, options: &LoadOptions, texts: &BTreeMap<String, String>) -> bool {
    let texts = texts.iter().map(|(file, text)| (root.join(file), text.clone())).collect();
    let files = Overlay { below: Arc::clone(&options.files), texts };
    let Ok(after) = Estate::load(root, &LoadOptions { files: Arc::new(files), ..options.clone() }) else {
        return false;
    };
    let errors = |estate: &Estate| estate.diagnostics().iter().filter(|d| d.severity == Severity::Error).count();
    let told = |d: &Diagnostic| (d.code.clone(), d.message.clone(), d.source.as_ref().map(|s| s.file.clone()));
    let known: Vec<_> = before.diagnostics().iter().map(told).collect();
    let none_new = after.diagnostics().iter().all(|d| known.contains(&told(d)));
    let now: HashMap<_, _> = after.all().map(|(stack, i)| ((stack.path.as_path(), i.kind, i.name), i)).collect();
    let same = before.all().all(|(stack, i)| {
        let now = now.get(&(stack.path.as_path(), i.kind, i.name));
        now.is_some_and(|j| i.stack == j.stack && i.sections.entries() == j.sections.entries())
    });
    none_new && errors(&after) < errors(before) && same
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

        let typo = "vars: {stage: dev}\ncomponents: {terraform: {it: {varz: {a: 1}}}}\n";
        assert_eq!(mended(typo), (vec![], None), "what was meant is for a person to say");
    }
}
