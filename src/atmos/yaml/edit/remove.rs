//! Takes entries and items out of the text, with the comments that belong to them.

use super::{Editor, Seat, shown};
use crate::atmos::yaml::Fault;
use crate::atmos::yaml::outline::{Part, Shape};
use crate::domain::stack::PathSegment;

impl Editor<'_> {
    pub(super) fn remove(&self, root: &Part, path: &[PathSegment]) -> Result<String, Fault> {
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
