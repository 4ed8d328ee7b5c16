//! Edits a YAML text in place: one value set, inserted or removed, every other byte as it was.
//!
//! Comments, order, anchors, quotes, block or flow style and indentation stay. What cannot be done without touching
//! something shared (an anchor that is used elsewhere, what an alias or a merge key brings, an included file) is refused.
//! Every edit is read back: where the text would mean anything else than the value before with exactly this change, it
//! is refused too, so that a wrong edit cannot leave this module.

use serde_json::{Map, Value};

use super::outline::{Entry, Part, Shape, outline};
use super::parser::Style;
use super::print::{self, Habits, Quotes};
use super::{Fault, Includes, Reader};
use crate::atmos::node::{APPEND, Key, Node, Pos};
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

    fn insert(&self, root: &Part, part: &Part, entries: &[Entry], flow: bool, name: &str, value: &Value) -> String {
        let habits = self.habits(root);
        let quoted = !self.delimiter.is_empty() && name.contains(self.delimiter);
        let name = if quoted { print::flow(&name.into(), Quotes::Double, true) } else { print::key(name, flow) };
        let Some(last) = entries.last().filter(|_| !flow) else {
            let text = format!("{name}: {}", print::flow(value, Quotes::Plain, true));
            return match entries.last() {
                Some(last) => self.splice(last.value.end, last.value.end, &format!(", {text}")),
                None => {
                    let at = self.text[part.start..].find('{').map_or(part.end, |found| part.start + found + 1);
                    self.splice(at, at, &text)
                }
            };
        };
        let column = entries[0].key.column;
        let indent = " ".repeat(column);
        // Where its neighbours stand apart, so does it.
        let apart = entries.len() > 1 && {
            let between = &self.text[entries[entries.len() - 2].value.end..last.key.start];
            let lines: Vec<&str> = between.split('\n').collect();
            lines.len() > 2 && lines[1..lines.len() - 1].iter().any(|line| line.trim().is_empty())
        };
        let gap = if apart { habits.line_end } else { "" };
        let lines = format!("{gap}{indent}{name}:{}", print::below(value, column, habits));
        self.add_lines(last.value.end, &lines, habits)
    }

    fn push(&self, root: &Part, part: &Part, items: &[Part], flow: bool, value: &Value) -> String {
        let habits = self.habits(root);
        match items.last() {
            Some(last) if flow => {
                let text = format!(", {}", print::flow(value, Quotes::Plain, true));
                self.splice(last.end, last.end, &text)
            }
            None => {
                let at = self.text[part.start..].find('[').map_or(part.end, |found| part.start + found + 1);
                self.splice(at, at, &print::flow(value, Quotes::Plain, true))
            }
            Some(last) => {
                let column = self.dash_column(part);
                let text = format!("{}- {}", " ".repeat(column), print::item(value, column + 2, habits));
                self.add_lines(last.end, &text, habits)
            }
        }
    }

    /// Returns the column of a block list's dashes, also where an anchor or tag stands before them.
    fn dash_column(&self, list: &Part) -> usize {
        let dash = self.first_dash(list);
        self.text[self.line_start(dash)..dash].chars().filter(|c| *c != '\u{feff}').count()
    }

    fn first_dash(&self, list: &Part) -> usize {
        if list.anchor.is_none() && list.tag.is_empty() {
            return list.start;
        }
        let from = self.line_end(list.start);
        self.text[from..].find('-').map_or(list.start, |found| from + found)
    }

    fn replace(
        &self,
        root: &Part,
        part: &Part,
        seat: Seat,
        path: &[PathSegment],
        value: &Value,
    ) -> Result<String, Fault> {
        self.must_be_alone(root, part, path)?;
        match (&part.shape, value) {
            // What both have stays as it is written.
            (Shape::Map { entries, .. }, Value::Object(new)) if !entries.iter().any(|entry| entry.merge) => {
                return self.refill(part, path, new);
            }
            (Shape::List { items, .. }, Value::Array(new)) if !items.is_empty() && !new.is_empty() => {
                return self.relist(path, items.len(), new);
            }
            _ => {}
        }
        self.must_not_be_needed(root, part, path)?;
        let habits = self.habits(root);
        let was_flow = matches!(part.shape, Shape::Map { flow: true, .. } | Shape::List { flow: true, .. });
        let collection = value.is_object() || value.is_array();
        let end = if part.is_block() { self.tail(part) } else { self.stop(part) };
        let rest = &self.text[end..self.line_end(end)];
        // A literal block ends its line, so a comment that stands there would become a part of it.
        let crowded = value.is_string() && !rest.trim().is_empty();
        let inline = print::is_inline(value) || self.in_flow(root, part) || (was_flow && collection) || crowded;
        let quotes = match &part.shape {
            Shape::Scalar { style: Style::Quoted, .. } if self.text[part.start..part.end].ends_with('\'') => {
                Quotes::Single
            }
            Shape::Scalar { style: Style::Quoted, .. } => Quotes::Double,
            _ => Quotes::Plain,
        };
        let flat = || print::flow(value, quotes, self.in_flow(root, part));
        Ok(match seat {
            _ if inline && !part.is_block() && part.start < part.end => self.splice(part.start, end, &flat()),
            Seat::Entry { colon, .. } if inline => {
                let key_line = self.line_end(colon);
                if part.is_block() && part.start > key_line {
                    let comment = &self.text[colon..key_line];
                    format!("{} {}{comment}{}", &self.text[..colon], flat(), &self.text[end..])
                } else if part.is_block() {
                    self.splice(part.start, end, &flat())
                } else {
                    self.splice(colon, colon, &format!(" {}", flat()))
                }
            }
            Seat::Entry { colon, column } => {
                let body = print::below(value, column, habits);
                let key_line = self.line_end(colon);
                if part.is_block() && part.start > key_line {
                    format!("{}{body}{}", &self.text[..key_line], &self.text[end..])
                } else {
                    let head = self.text[..part.start].trim_end_matches(' ');
                    let head = if head.len() < colon { &self.text[..colon] } else { head };
                    format!("{head}{rest}{body}{}", &self.text[self.line_end(end)..])
                }
            }
            Seat::Item => {
                let column = self.text[self.line_start(part.start)..part.start].chars().count();
                if part.start == part.end {
                    let text = format!(" {}", print::item(value, column + 1, habits));
                    self.splice(part.start, end, &text)
                } else {
                    self.splice(part.start, end + rest.len(), &below_comment(rest, value, column, habits))
                }
            }
            Seat::Root if part.start == part.end => {
                let gap = if self.text.ends_with('\n') { "" } else { habits.line_end };
                format!("{}{gap}{}", self.text, print::item(value, 0, habits))
            }
            Seat::Root if inline => self.splice(part.start, end, &flat()),
            Seat::Root => self.splice(part.start, end + rest.len(), &below_comment(rest, value, 0, habits)),
        })
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

    /// Makes a map hold exactly these entries, edit by edit.
    fn refill(&self, part: &Part, path: &[PathSegment], new: &Map<String, Value>) -> Result<String, Fault> {
        let Shape::Map { entries, .. } = &part.shape else { return Ok(self.text.to_owned()) };
        let below = |name: &str| {
            let mut below = path.to_vec();
            below.push(PathSegment::Key(name.to_owned()));
            below
        };
        let mut edits: Vec<Edit> = new.iter().map(|(name, value)| Edit::Set(below(name), value.clone())).collect();
        let gone = entries.iter().filter_map(|entry| entry.name.as_ref()).filter(|name| !new.contains_key(*name));
        edits.extend(gone.map(|name| Edit::Remove(below(name))));
        apply(self.file, self.text, &edits, self.delimiter)
    }

    /// Makes a list hold exactly these items, edit by edit.
    fn relist(&self, path: &[PathSegment], count: usize, new: &[Value]) -> Result<String, Fault> {
        let below = |at: usize| {
            let mut below = path.to_vec();
            below.push(PathSegment::Index(at));
            below
        };
        let mut edits: Vec<Edit> =
            new.iter().enumerate().map(|(at, value)| Edit::Set(below(at), value.clone())).collect();
        edits.extend((new.len()..count).rev().map(|at| Edit::Remove(below(at))));
        apply(self.file, self.text, &edits, self.delimiter)
    }

    fn remove(&self, root: &Part, path: &[PathSegment]) -> Result<String, Fault> {
        let Some((last, above)) = path.split_last() else {
            return Err(self.refuse(Some(root), path, "a whole file is not removed this way"));
        };
        let (mut part, mut seat) = (root, Seat::Root);
        for (done, segment) in above.iter().enumerate() {
            self.must_be_alone(root, part, path)?;
            (part, seat) = match (&part.shape, segment) {
                (Shape::Map { entries, .. }, PathSegment::Key(name)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.name.as_ref() == Some(name)) else {
                        let why = format!("'{}' is brought by a merge key", shown(&path[..=done]));
                        return Err(self.refuse(Some(part), path, &why));
                    };
                    (&entry.value, self.seat(entry, path)?)
                }
                (Shape::List { items, .. }, PathSegment::Index(at)) if *at < items.len() => (&items[*at], Seat::Item),
                (Shape::Alias(name), _) => {
                    let why = format!("line {} takes it from '&{name}', which others use", part.line);
                    return Err(self.refuse(Some(part), path, &why));
                }
                _ => return Err(self.refuse(Some(part), path, "it is not written there")),
            };
        }
        self.must_be_alone(root, part, path)?;
        match (&part.shape, last) {
            (Shape::Map { entries, flow }, PathSegment::Key(name)) => {
                let Some(at) = entries.iter().position(|entry| entry.name.as_ref() == Some(name)) else {
                    let why = format!("a merge key or alias brings '{}'", shown(path));
                    return Err(self.refuse(Some(part), path, &why));
                };
                let entry = &entries[at];
                self.seat(entry, path)?;
                self.must_not_be_needed(root, &entry.value, path)?;
                self.must_not_be_needed(root, &entry.key, path)?;
                if entries.len() == 1 && !flow {
                    return Ok(self.emptied(part, seat, "{}"));
                }
                let spans: Vec<(usize, usize)> = entries.iter().map(|e| (e.key.start, e.value.end)).collect();
                Ok(self.cut(&spans, at, *flow, None))
            }
            (Shape::List { items, flow }, PathSegment::Index(at)) if *at < items.len() => {
                self.must_not_be_needed(root, &items[*at], path)?;
                if items.len() == 1 && !flow {
                    return Ok(self.emptied(part, seat, "[]"));
                }
                let spans: Vec<(usize, usize)> = items.iter().map(|item| (item.start, item.end)).collect();
                Ok(self.cut(&spans, *at, *flow, (!flow).then(|| self.first_dash(part))))
            }
            _ => Err(self.refuse(Some(part), path, "it is not written there")),
        }
    }

    /// A block that loses its last entry becomes the empty collection.
    fn emptied(&self, part: &Part, seat: Seat, empty: &str) -> String {
        let until = self.tail(part);
        match seat {
            Seat::Entry { colon, .. } if part.start > self.line_end(colon) => {
                let key_line = self.line_end(colon);
                format!("{} {empty}{}{}", &self.text[..colon], &self.text[colon..key_line], &self.text[until..])
            }
            _ => self.splice(part.start, until, empty),
        }
    }

    /// Cuts one of several neighbours out; `dash` is the first one's dash in a block list.
    fn cut(&self, spans: &[(usize, usize)], at: usize, flow: bool, dash: Option<usize>) -> String {
        let (start, end) = spans[at];
        if flow {
            return match (at.checked_sub(1), spans.get(at + 1)) {
                (_, Some((next, _))) => self.splice(start, *next, ""),
                (Some(before), None) => self.splice(spans[before].1, end, ""),
                (None, None) => self.splice(start, end, ""),
            };
        }
        let begin = match dash {
            Some(first) if at == 0 => first,
            Some(_) => {
                // Behind the item before, the next dash is this one's.
                let from = self.line_end(spans[at - 1].1.saturating_sub(1).max(spans[at - 1].0));
                let lines = self.text[from..start.max(from)].char_indices();
                let mut fresh = true;
                let mut comment = false;
                let mut found = start;
                for (offset, c) in lines {
                    match c {
                        '\n' => (fresh, comment) = (true, false),
                        '#' if fresh => comment = true,
                        '-' if fresh && !comment => {
                            found = from + offset;
                            break;
                        }
                        ' ' => {}
                        _ => fresh = false,
                    }
                }
                found
            }
            None => start,
        };
        let line = self.line_start(begin);
        if self.text[line..begin].chars().any(|c| c != ' ') {
            // It shares its line with what holds it: the next one takes its place.
            let next = spans.get(at + 1).map_or(end, |(next, _)| *next);
            let next = if dash.is_some() { self.text[..next].rfind('-').unwrap_or(next) } else { next };
            return self.splice(begin, next, "");
        }
        let stop = self.line_end(end.max(begin));
        let stop = if self.text[..end].ends_with('\n') { end } else { stop };
        let rest = &self.text[stop..];
        let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix('\n')).unwrap_or(rest);
        let rest = if self.text[..end].ends_with('\n') { &self.text[end..] } else { rest };
        format!("{}{rest}", &self.text[..line])
    }
}

/// Says what an edit comes to, with the text as it is: an append is a set behind the last item, or nothing.
fn settled(edit: &Edit, whole: &Value) -> Option<Edit> {
    let Edit::Append(path, value) = edit else { return Some(edit.clone()) };
    Some(match at(whole, path) {
        Some(Value::Array(items)) if items.contains(value) => return None,
        Some(Value::Array(items)) => {
            let mut behind = path.clone();
            behind.push(PathSegment::Index(items.len()));
            Edit::Set(behind, value.clone())
        }
        Some(Value::Null) | None => Edit::Set(path.clone(), Value::Array(vec![value.clone()])),
        // One text in the place of a list of one, as imports may be.
        Some(other) => Edit::Set(path.clone(), Value::Array(vec![other.clone(), value.clone()])),
    })
}

/// Writes a value that fills lines where a comment stood behind the old one: the comment goes before it.
fn below_comment(rest: &str, value: &Value, column: usize, habits: Habits) -> String {
    let body = print::item(value, column, habits);
    match rest.trim() {
        "" => body,
        comment => format!("{comment}{}{}{body}", habits.line_end, " ".repeat(column)),
    }
}

fn nested(path: &[PathSegment], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |inner, segment| match segment {
        PathSegment::Key(name) => Value::Object(Map::from_iter([(name.clone(), inner)])),
        PathSegment::Index(_) => Value::Array(vec![inner]),
    })
}

/// Returns the list inside where a map is an `!append`.
fn through_append(value: &Value) -> &Value {
    value.get(APPEND).unwrap_or(value)
}

fn at<'v>(value: &'v Value, path: &[PathSegment]) -> Option<&'v Value> {
    path.iter()
        .try_fold(value, |value, segment| match segment {
            PathSegment::Key(name) => value.get(name),
            PathSegment::Index(at) => through_append(value).get(at),
        })
        .map(through_append)
}

/// Makes the change in the value that the text stands for; false where something else stands in its way.
fn change(value: &mut Value, edit: &Edit) -> bool {
    match edit {
        Edit::Set(path, new) => set(value, path, new),
        Edit::Remove(path) => {
            unset(value, path);
            true
        }
        Edit::Append(..) => false,
    }
}

fn set(value: &mut Value, path: &[PathSegment], new: &Value) -> bool {
    let Some((first, rest)) = path.split_first() else {
        *value = new.clone();
        return true;
    };
    match first {
        PathSegment::Key(name) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            match value {
                Value::Object(map) => set(map.entry(name.clone()).or_insert(Value::Null), rest, new),
                _ => false,
            }
        }
        PathSegment::Index(at) => {
            if let Some(list) = value.get_mut(APPEND) {
                return set(list, path, new);
            }
            if value.is_null() {
                *value = Value::Array(Vec::new());
            }
            let Value::Array(list) = value else { return false };
            if *at == list.len() {
                list.push(Value::Null);
            }
            list.get_mut(*at).is_some_and(|item| set(item, rest, new))
        }
    }
}

fn unset(value: &mut Value, path: &[PathSegment]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let (PathSegment::Index(_), true) = (first, value.get(APPEND).is_some()) {
        if let Some(list) = value.get_mut(APPEND) {
            unset(list, path);
        }
        return;
    }
    match (value, first) {
        (Value::Object(map), PathSegment::Key(name)) if rest.is_empty() => drop(map.shift_remove(name)),
        (Value::Array(list), PathSegment::Index(at)) if rest.is_empty() && *at < list.len() => drop(list.remove(*at)),
        (Value::Object(map), PathSegment::Key(name)) => {
            if let Some(inner) = map.get_mut(name) {
                unset(inner, rest);
            }
        }
        (Value::Array(list), PathSegment::Index(at)) => {
            if let Some(inner) = list.get_mut(*at) {
                unset(inner, rest);
            }
        }
        _ => {}
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
#[path = "edit_tests.rs"]
mod tests;
