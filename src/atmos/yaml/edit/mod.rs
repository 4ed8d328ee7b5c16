//! Edits a YAML text in place: one value set, inserted or removed, every other byte as it was.
//!
//! Comments, order, anchors, quotes, block or flow style and indentation stay. What cannot be done without touching
//! something shared (an anchor that is used elsewhere, what an alias or a merge key brings, an included file) is refused.
//! Every edit is read back: where the text would mean anything else than the value before with exactly this change, it
//! is refused too, so that a wrong edit cannot leave this module.

mod place;
mod remove;
mod values;

use serde_json::Value;

use self::values::{at, change, nested, settled};
use crate::atmos::node::{Key, Node, Pos};
use crate::atmos::yaml::outline::{Entry, Part, Shape, outline};
use crate::atmos::yaml::print::{self, Habits};
use crate::atmos::yaml::{Fault, Includes, Reader};
use crate::domain::stack::PathSegment;

/// One change of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// The value at the path becomes this one; maps that are missing on the way are made.
    Set(Vec<PathSegment>, Value),
    /// The list at the path gets this item at its end, unless it has it; the list is made where it is missing.
    Append(Vec<PathSegment>, Value),
    /// The value at the path goes; nothing happens where there is none.
    Remove(Vec<PathSegment>),
}

impl Edit {
    /// Returns the path it is about.
    #[must_use]
    pub fn path(&self) -> &[PathSegment] {
        match self {
            Edit::Set(path, _) | Edit::Append(path, _) | Edit::Remove(path) => path,
        }
    }
}

/// Returns the text after these edits, made one after the other.
///
/// `delimiter` is `settings.yaml.key_delimiter` of the estate, empty where there is none.
///
/// # Errors
/// Where the text is no YAML, or an edit cannot be made without changing something else; the text is then as it was.
pub fn apply(file: &str, text: &str, edits: &[Edit], delimiter: &str) -> Result<String, Fault> {
    let mut now = text.to_owned();
    for edit in edits {
        let edit = match edit {
            Edit::Set(path, value) => Edit::Set(path.clone(), as_atmos(value)),
            Edit::Append(path, value) => Edit::Append(path.clone(), as_atmos(value)),
            Edit::Remove(_) => edit.clone(),
        };
        now = Editor { file, text: &now, delimiter }.apply(&edit)?;
    }
    Ok(now)
}

/// Returns a value with numbers as Atmos has them: `2.0` is `2`.
fn as_atmos(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_atmos).collect(),
        Value::Object(entries) => {
            Value::Object(entries.iter().map(|(key, value)| (key.clone(), as_atmos(value))).collect())
        }
        other => Node::from_json(other, Pos::none()).to_json(),
    }
}

/// Reads a text as the editor's promises see it: includes as texts, aliases followed.
///
/// # Errors
/// Where the text is no YAML as Atmos takes it.
pub fn value_of(file: &str, text: &str, delimiter: &str) -> Result<Value, Fault> {
    let mut reader = Reader { file: Key::new(file), key_delimiter: delimiter, includes: &mut Unread };
    Ok(reader.read(text.as_bytes())?.map_or(Value::Null, |node| node.to_json()))
}

/// Returns the path of the value that stands at a place, as [`crate::domain::stack::Source`] names it.
///
/// # Errors
/// Where the text is no YAML.
pub fn path_at(text: &str, line: u32, column: u32) -> Result<Option<Vec<PathSegment>>, Fault> {
    fn seek(part: &Part, wanted: (u32, u32), path: &mut Vec<PathSegment>) -> bool {
        match &part.shape {
            Shape::Map { entries, .. } => entries.iter().any(|entry| {
                let Some(name) = &entry.name else { return false };
                path.push(PathSegment::Key(name.clone()));
                let found = seek(&entry.value, wanted, path);
                if !found {
                    path.pop();
                }
                found
            }),
            Shape::List { items, .. } if !items.is_empty() => items.iter().enumerate().any(|(at, item)| {
                path.push(PathSegment::Index(at));
                let found = seek(item, wanted, path);
                if !found {
                    path.pop();
                }
                found
            }),
            _ => part.line == wanted.0 && u32::try_from(part.column + 1) == Ok(wanted.1),
        }
    }
    let Some(root) = outline(text)? else { return Ok(None) };
    let mut path = Vec::new();
    Ok(seek(&root, (line, column), &mut path).then_some(path))
}

/// Keeps includes as the texts they are.
struct Unread;

impl Includes for Unread {
    fn include(&mut self, tag: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        Ok(Node::new(crate::atmos::node::Value::Str(format!("{tag} {value}").into()), pos))
    }
}

struct Editor<'a> {
    file: &'a str,
    text: &'a str,
    delimiter: &'a str,
}

/// Where a value sits.
#[derive(Clone, Copy)]
enum Seat {
    Root,
    /// Behind a key's colon; the key's column.
    Entry {
        colon: usize,
        column: usize,
    },
    /// Behind a dash.
    Item,
}

impl Editor<'_> {
    fn apply(&self, edit: &Edit) -> Result<String, Fault> {
        let before = value_of(self.file, self.text, self.delimiter)?;
        let mut expected = before.clone();
        let Some(edit) = &settled(edit, &before) else { return Ok(self.text.to_owned()) };
        if change(&mut expected, edit) && expected == before {
            return Ok(self.text.to_owned());
        }
        let root = outline(self.text)?;
        let after = match (edit, &root) {
            (Edit::Append(..), _) => self.text.to_owned(),
            (Edit::Set(path, value), None) => self.begin(&nested(path, value)),
            (Edit::Set(path, value), Some(root)) => self.set(root, root, Seat::Root, path, 0, value)?,
            (Edit::Remove(_), None) => self.text.to_owned(),
            (Edit::Remove(path), Some(root)) => self.remove(root, path)?,
        };
        match value_of(self.file, &after, self.delimiter) {
            Ok(found) if found == expected => Ok(after),
            Ok(_) => {
                let why = "the lines there mean more than this one value";
                Err(self.refuse(root.as_ref(), edit.path(), why))
            }
            Err(fault) => Err(self.refuse(root.as_ref(), edit.path(), &fault.message)),
        }
    }

    fn refuse(&self, at: Option<&Part>, path: &[PathSegment], why: &str) -> Fault {
        let (line, column) = at.map_or((1, 1), |part| (part.line, part.column + 1));
        Fault {
            code: "edit-not-possible",
            message: format!("'{}' cannot be edited in {}: {why}", shown(path), self.file),
            line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }

    fn habits(&self, root: &Part) -> Habits {
        let (mut step, mut list_step) = (None, None);
        root.each(&mut |part| {
            let Shape::Map { flow: false, entries } = &part.shape else { return };
            for entry in entries.iter().filter(|entry| entry.value.is_block() && entry.value.anchor.is_none()) {
                let by = entry.value.column.checked_sub(entry.key.column);
                match entry.value.shape {
                    Shape::Map { .. } => step = step.or(by.filter(|by| *by > 0)),
                    _ => list_step = list_step.or(by),
                }
            }
        });
        let step = step.unwrap_or(2);
        let first = self.text.find('\n').unwrap_or(0);
        let line_end = if self.text[..first].ends_with('\r') { "\r\n" } else { "\n" };
        Habits { step, list_step: list_step.unwrap_or(step), line_end }
    }

    /// Writes into a text without a document.
    fn begin(&self, value: &Value) -> String {
        let first = self.text.find('\n').unwrap_or(0);
        let line_end = if self.text[..first].ends_with('\r') { "\r\n" } else { "\n" };
        let habits = Habits { step: 2, list_step: 2, line_end };
        let gap = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { line_end };
        format!("{}{gap}{}{line_end}", self.text, print::item(value, 0, habits))
    }

    /// Refuses where what is below a part is used elsewhere too.
    fn must_be_alone(&self, root: &Part, part: &Part, path: &[PathSegment]) -> Result<(), Fault> {
        let Some(anchor) = &part.anchor else { return Ok(()) };
        let mut used = None;
        root.each(&mut |other| {
            if matches!(&other.shape, Shape::Alias(name) if name == anchor) {
                used = used.or(Some(other.line));
            }
        });
        used.map_or(Ok(()), |line| {
            let why = format!("it is shared as '&{anchor}', and '*{anchor}' in line {line} would change with it");
            Err(self.refuse(Some(part), path, &why))
        })
    }

    /// Refuses where something outside of a part uses an anchor inside of it.
    fn must_not_be_needed(&self, root: &Part, part: &Part, path: &[PathSegment]) -> Result<(), Fault> {
        let mut anchors = Vec::new();
        part.each(&mut |inner| anchors.extend(inner.anchor.clone()));
        let mut used = None;
        root.each(&mut |other| {
            let inside = other.start >= part.start && other.end <= part.end;
            if let Shape::Alias(name) = &other.shape
                && !inside
                && anchors.contains(name)
            {
                used = used.take().or(Some((name.clone(), other.line)));
            }
        });
        used.map_or(Ok(()), |(name, line)| {
            let why = format!("it holds '&{name}', which '*{name}' in line {line} needs");
            Err(self.refuse(Some(part), path, &why))
        })
    }

    fn set(
        &self,
        root: &Part,
        part: &Part,
        seat: Seat,
        path: &[PathSegment],
        done: usize,
        value: &Value,
    ) -> Result<String, Fault> {
        let Some(next) = path.get(done) else { return self.replace(root, part, seat, path, value) };
        self.must_be_alone(root, part, path)?;
        let rest = nested(&path[done + 1..], value);
        match (&part.shape, next) {
            _ if part.is_plain_null() => self.replace(root, part, seat, path, &nested(&path[done..], value)),
            (Shape::Alias(name), _) => {
                let why = format!("line {} takes it from '&{name}', which others use", part.line);
                Err(self.refuse(Some(part), path, &why))
            }
            (Shape::Map { entries, flow }, PathSegment::Key(name)) => {
                match entries.iter().find(|entry| entry.name.as_ref() == Some(name)) {
                    Some(entry) => {
                        let seat = self.seat(entry, path)?;
                        self.set(root, &entry.value, seat, path, done + 1, value)
                    }
                    None => {
                        self.must_not_be_merged(part, entries, path, done)?;
                        Ok(self.insert(root, part, entries, *flow, name, &rest))
                    }
                }
            }
            (Shape::List { items, flow }, PathSegment::Index(at)) => match items.get(*at) {
                Some(item) => self.set(root, item, Seat::Item, path, done + 1, value),
                None if *at == items.len() => Ok(self.push(root, part, items, *flow, &rest)),
                None => {
                    let why = format!("the list in line {} has {} items", part.line, items.len());
                    Err(self.refuse(Some(part), path, &why))
                }
            },
            (Shape::Scalar { .. }, _) if part.tag.starts_with("!include") => {
                let why = format!("line {} includes it from another file", part.line);
                Err(self.refuse(Some(part), path, &why))
            }
            (shape, _) => {
                let what = match shape {
                    Shape::Map { .. } => "a map",
                    Shape::List { .. } => "a list",
                    _ => "a single value",
                };
                let why = format!("'{}' in line {} is {what}", shown(&path[..done]), part.line);
                Err(self.refuse(Some(part), path, &why))
            }
        }
    }

    fn seat(&self, entry: &Entry, path: &[PathSegment]) -> Result<Seat, Fault> {
        match entry.colon {
            Some(colon) if !entry.odd => Ok(Seat::Entry { colon, column: entry.key.column }),
            _ => Err(self.refuse(Some(&entry.key), path, "its key is written with a question mark or without a colon")),
        }
    }

    /// A key that a merge key brings can be overridden as a whole, not in part.
    fn must_not_be_merged(
        &self,
        part: &Part,
        entries: &[Entry],
        path: &[PathSegment],
        done: usize,
    ) -> Result<(), Fault> {
        let deeper = done + 1 < path.len();
        let Some(merge) = entries.iter().find(|entry| entry.merge).filter(|_| deeper) else { return Ok(()) };
        let whole = value_of(self.file, self.text, self.delimiter)?;
        match at(&whole, &path[..=done]) {
            Some(Value::Null) | None => Ok(()),
            Some(_) => {
                let why = format!("the merge key in line {} brings '{}'", merge.key.line, shown(&path[..=done]));
                Err(self.refuse(Some(part), path, &why))
            }
        }
    }

    /// Returns where the line ends that holds this byte, its comment included.
    fn line_end(&self, at: usize) -> usize {
        let end = self.text[at..].find('\n').map_or(self.text.len(), |found| at + found);
        if end > at && self.text[..end].ends_with('\r') { end - 1 } else { end }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |found| found + 1)
    }

    fn in_flow(&self, root: &Part, part: &Part) -> bool {
        let mut inside = false;
        root.each(&mut |other| {
            let flow = matches!(other.shape, Shape::Map { flow: true, .. } | Shape::List { flow: true, .. });
            inside |= flow && other.start < part.start && part.end < other.end;
        });
        inside
    }

    fn splice(&self, from: usize, to: usize, with: &str) -> String {
        format!("{}{with}{}", &self.text[..from], &self.text[to..])
    }

    /// Adds lines behind the line that ends a block.
    fn add_lines(&self, end: usize, lines: &str, habits: Habits) -> String {
        if self.text[..end].ends_with('\n') {
            return self.splice(end, end, &format!("{lines}{}", habits.line_end));
        }
        let at = self.line_end(end);
        self.splice(at, at, &format!("{}{lines}", habits.line_end))
    }

    /// Returns where a value ends, the line break that a block scalar keeps not included.
    fn stop(&self, part: &Part) -> usize {
        let written = &self.text[part.start..part.end];
        let written = written.strip_suffix('\n').unwrap_or(written);
        part.start + written.strip_suffix('\r').unwrap_or(written).len()
    }

    /// Returns where a block ends, the comment in its last line included.
    fn tail(&self, part: &Part) -> usize {
        if self.text[..part.end].ends_with('\n') { part.end - 1 } else { self.line_end(part.end) }
    }
}

/// Writes a path as people do: `components.terraform.orders-db.vars.size`.
#[must_use]
pub fn shown(path: &[PathSegment]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|segment| match segment {
            PathSegment::Key(name) => name.clone(),
            PathSegment::Index(at) => at.to_string(),
        })
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests;
