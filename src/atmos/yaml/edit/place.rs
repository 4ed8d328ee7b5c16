//! Writes values into the text: an entry or item that is new, one that takes another's place, and the bytes around them.

use serde_json::{Map, Value};

use super::{Edit, Editor, Seat, apply};
use crate::atmos::yaml::Fault;
use crate::atmos::yaml::outline::{Entry, Part, Shape};
use crate::atmos::yaml::parser::Style;
use crate::atmos::yaml::print::{self, Habits, Quotes};
use crate::domain::stack::PathSegment;

impl Editor<'_> {
    pub(super) fn insert(
        &self,
        root: &Part,
        part: &Part,
        entries: &[Entry],
        flow: bool,
        name: &str,
        value: &Value,
    ) -> String {
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

    pub(super) fn push(&self, root: &Part, part: &Part, items: &[Part], flow: bool, value: &Value) -> String {
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

    pub(super) fn first_dash(&self, list: &Part) -> usize {
        if list.anchor.is_none() && list.tag.is_empty() {
            return list.start;
        }
        let from = self.line_end(list.start);
        self.text[from..].find('-').map_or(list.start, |found| from + found)
    }

    pub(super) fn replace(
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
}

/// Writes a value that fills lines where a comment stood behind the old one: the comment goes before it.
fn below_comment(rest: &str, value: &Value, column: usize, habits: Habits) -> String {
    let body = print::item(value, column, habits);
    match rest.trim() {
        "" => body,
        comment => format!("{comment}{}{}{body}", habits.line_end, " ".repeat(column)),
    }
}
