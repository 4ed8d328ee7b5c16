//! Which edits are proposed for which diagnostic.
//!
//! A section without a value becomes an empty one, a list without a value an empty list, a file of comments an empty map; a
//! key that is written twice with the same value goes once; a number where a text must stand, and a template without
//! quotes, become texts; `settings.depends_on` that names components alone becomes `dependencies.components`.

use serde_json::{Value, json};

use super::{Edit, read};
use crate::atmos::manifest::deprecated_in;
use crate::atmos::yaml::edit::{self, Edit as Change};
use crate::atmos::{Estate, LoadOptions};
use crate::domain::stack::{Diagnostic, PathSegment, Source};

/// One diagnostic, and the text that it is about.
struct Problem<'a> {
    source: &'a Source,
    text: &'a str,
    /// The bytes before its line.
    start: usize,
    line: &'a str,
}

/// Returns the edit that would mend a problem, where there is one.
pub(super) fn edit(estate: &Estate, options: &LoadOptions, problem: &Diagnostic) -> Option<Edit> {
    let source = problem.source.as_ref().filter(|source| !source.file.starts_with('/'))?;
    let text = read(estate.root(), options, &source.file)?;
    let start: usize = text.split_inclusive('\n').take(source.line as usize - 1).map(str::len).sum();
    let line = text[start..].lines().next().unwrap_or("");
    let about = Problem { source, text: &text, start, line };
    let message = problem.message.as_str();
    match problem.code.as_str() {
        "stack-null" => Some(about.emptied()),
        "deprecated-key" => about.moved(message, &estate.config().key_delimiter),
        "yaml-duplicate-key" => about.once(),
        "yaml-invalid-key" => about.quoted_template(),
        _ if message.ends_with("but got null") || message.starts_with("invalid ") => about.valued(message),
        _ if message.contains(": expected string, but got ") => about.quoted_scalar(),
        _ => None,
    }
}

impl Problem<'_> {
    fn edit(&self, from: usize, to: usize, new: &str, what: &str) -> Edit {
        let Source { file, line, .. } = self.source;
        Edit { file: file.clone(), line: *line, what: what.to_owned(), from, to, text: new.to_owned() }
    }

    fn emptied(&self) -> Edit {
        let (text, end) = (self.text, self.text.len());
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        self.edit(end, end, &format!("{gap}{{}}\n"), "a file without content becomes an empty map")
    }

    fn valued(&self, message: &str) -> Option<Edit> {
        let Self { text, start, line, .. } = *self;
        // The key stands on the line, and nothing after it but space and a comment.
        let code = line.split(" #").next().unwrap_or("").trim_end();
        let empty = code.ends_with(':') && !line.trim_start().starts_with('#');
        let next = text[start + line.len()..].lines().skip(1).find(|line| !line.trim().is_empty());
        let ends = next.is_none_or(|next| indent(next) <= indent(line) && !next.trim_start().starts_with("- "));
        if !empty || !ends {
            return None;
        }
        let list = message.contains("array") && !message.contains("object");
        let (new, what) = if list {
            (" []", "a list without a value becomes an empty list")
        } else {
            (" {}", "a section without a value becomes an empty one")
        };
        let at = start + code.len();
        Some(self.edit(at, at, new, what))
    }

    /// Takes out the second of two lines that say the same of one map.
    fn once(&self) -> Option<Edit> {
        let line = self.line.trim_end();
        let has_value = line.split_once(": ").is_some_and(|(_, value)| !value.trim_start().is_empty());
        let above = self.text[..self.start].lines().rev();
        let same = above.take_while(|other| other.trim().is_empty() || indent(other) >= indent(line));
        if !has_value || line.trim_start().starts_with('-') || !same.into_iter().any(|other| other.trim_end() == line) {
            return None;
        }
        // A value that goes on below its line is more than the line.
        let end = self.start + self.line.len();
        let goes_on = self.text[end..].lines().skip(1).find(|line| !line.trim().is_empty());
        if goes_on.is_some_and(|next| indent(next) > indent(line)) {
            return None;
        }
        let end = (end + 1).min(self.text.len());
        Some(self.edit(self.start, end, "", "a key that is written twice with the same value goes"))
    }

    /// Quotes a number or a boolean where a text must stand.
    fn quoted_scalar(&self) -> Option<Edit> {
        let column = self.source.column as usize - 1;
        let at = self.line.char_indices().nth(column)?.0;
        let rest = &self.line[at..];
        let length = rest.find([' ', ',', ']', '}']).unwrap_or(rest.trim_end().len());
        let word = &rest[..length];
        let plain =
            !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_'));
        let from = self.start + at;
        plain.then(|| self.edit(from, from + length, &format!("'{word}'"), "what must be a text becomes one"))
    }

    /// Quotes a value that is one template and looks like two maps.
    fn quoted_template(&self) -> Option<Edit> {
        let open = self.line.find(": {{").or_else(|| self.line.find("- {{"))? + 2;
        let close = self.line.rfind("}}")? + 2;
        let value = self.line.get(open..close)?;
        let after = self.line[close..].trim_start();
        if !(after.is_empty() || after.starts_with('#')) {
            return None;
        }
        let quoted = format!("'{}'", value.replace('\'', "''"));
        Some(self.edit(self.start + open, self.start + close, &quoted, "a template becomes a text"))
    }

    /// Says by `dependencies.components` what `settings.depends_on` of a component says, where it names components alone.
    fn moved(&self, message: &str, delimiter: &str) -> Option<Edit> {
        let Self { source, text, .. } = self;
        let (kind, name) = deprecated_in(message)?;
        let path: Vec<PathSegment> =
            ["components", kind, name, "settings", "depends_on"].map(|key| PathSegment::Key(key.to_owned())).into();
        let whole = edit::value_of(&source.file, text, delimiter).ok()?;
        let value = |path: &[PathSegment]| {
            path.iter().try_fold(&whole, |value, segment| match segment {
                PathSegment::Key(key) => value.get(key),
                PathSegment::Index(at) => value.get(at),
            })
        };
        let entries = value(&path)?.as_object()?;
        let mut named = Vec::new();
        for entry in entries.values() {
            let entry = entry.as_object().filter(|entry| entry.len() == 1)?;
            named.push(entry.get("component").and_then(Value::as_str).filter(|name| !name.contains("{{"))?.to_owned());
        }
        let component = &path[..3];
        let below = |names: &[&str]| -> Vec<PathSegment> {
            component.iter().cloned().chain(names.iter().map(|name| PathSegment::Key((*name).to_owned()))).collect()
        };
        if named.is_empty() || value(&below(&["dependencies"])).is_some() {
            return None;
        }
        let alone = value(&below(&["settings"])).and_then(Value::as_object).is_some_and(|settings| settings.len() == 1);
        let gone = if alone { below(&["settings"]) } else { path.clone() };
        let list: Vec<Value> = named.iter().map(|name| json!({"component": name})).collect();
        let changes = [Change::Remove(gone), Change::Set(below(&["dependencies"]), json!({"components": list}))];
        let new = edit::apply(&source.file, text, &changes, delimiter).ok()?;
        let (from, to, lines) = difference(text, &new);
        Some(self.edit(from, to, lines, "settings.depends_on becomes dependencies.components"))
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Returns the lines in which two texts differ: the bytes in the first one, and what stands there in the second.
fn difference<'n>(old: &str, new: &'n str) -> (usize, usize, &'n str) {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (old.split_inclusive('\n').collect(), new.split_inclusive('\n').collect());
    let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let rest = before[head..].iter().rev().zip(after[head..].iter().rev());
    let tail = rest.take_while(|(a, b)| a == b).count();
    let from: usize = before[..head].iter().map(|line| line.len()).sum();
    let end: usize = before[before.len() - tail..].iter().map(|line| line.len()).sum();
    (from, old.len() - end, &new[from..new.len() - end])
}
