//! Where each part of a YAML text stands, in bytes: what an edit in place needs to know.
//!
//! The reader next door keeps values and drops how they were written; this keeps how they were written and drops what
//! they mean. Aliases and merge keys stay what they are.

use super::parser::{Event, Mark, Parser, Style};
use super::{Fault, MAX_BYTES, MAX_DEPTH, fault, scalar, short_tag};

/// A value as it is written.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// The first byte, its anchor and tag included.
    pub(super) start: usize,
    /// The byte behind it. For a block collection: behind its last value, comments not included.
    pub(super) end: usize,
    /// The line, from 1.
    pub(super) line: u32,
    /// The column in characters, from 0.
    pub(super) column: usize,
    pub(super) anchor: Option<String>,
    pub(super) tag: String,
    pub(super) shape: Shape,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Scalar { value: String, style: Style },
    Alias(String),
    Map { flow: bool, entries: Vec<Entry> },
    List { flow: bool, items: Vec<Part> },
}

/// An entry of a map.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Part,
    /// The key as JSON has it; `None` for keys that are no texts.
    pub(super) name: Option<String>,
    pub(super) merge: bool,
    /// The byte behind the colon; `None` for a key without one.
    pub(super) colon: Option<usize>,
    /// Written with a question mark, or its colon on another line.
    pub(super) odd: bool,
    pub(super) value: Part,
}

impl Part {
    /// Whether it is written over lines of its own: a block map or a block list.
    pub(super) fn is_block(&self) -> bool {
        matches!(self.shape, Shape::Map { flow: false, .. } | Shape::List { flow: false, .. })
    }

    /// Whether it is null and carries nothing that would be lost.
    pub(super) fn is_plain_null(&self) -> bool {
        self.anchor.is_none()
            && self.tag.is_empty()
            && matches!(&self.shape, Shape::Scalar { value, style: Style::Plain }
                if scalar::resolve(value, true) == scalar::Scalar::Null)
    }

    /// Visits this part and every part below it, keys included.
    pub(super) fn each(&self, see: &mut dyn FnMut(&Part)) {
        see(self);
        match &self.shape {
            Shape::Map { entries, .. } => entries.iter().for_each(|entry| {
                entry.key.each(see);
                entry.value.each(see);
            }),
            Shape::List { items, .. } => items.iter().for_each(|item| item.each(see)),
            Shape::Scalar { .. } | Shape::Alias(_) => {}
        }
    }
}

/// Reads the first document of a text; `None` where there is none.
pub(super) fn outline(text: &str) -> Result<Option<Part>, Fault> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(Fault { code: "file-too-large", message, line: 1, column: 1 });
    }
    let bare = text.strip_prefix('\u{feff}').unwrap_or(text);
    let skipped = text.len() - bare.len();
    let parser = Parser::new(text.as_bytes()).ok_or_else(|| fault("yaml-syntax", "out of memory", Mark::default()))?;
    let mut reader = Outliner { text, skipped, parser };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart, ..) => {}
            (Event::StreamEnd | Event::DocumentEnd, ..) => return Ok(None),
            (event, start, end) => return reader.part(event, start, end, 0).map(Some),
        }
    }
}

struct Outliner<'a> {
    text: &'a str,
    /// The bytes of a byte order mark, which the parser does not count.
    skipped: usize,
    parser: Parser<'a>,
}

impl Outliner<'_> {
    fn next(&mut self) -> Result<(Event, Mark, Mark), Fault> {
        self.parser.next().map_err(|problem| fault("yaml-syntax", format!("yaml: {}", problem.message), problem.mark))
    }

    fn byte(&self, mark: Mark) -> usize {
        let at = (mark.index + self.skipped).min(self.text.len());
        // A mark always stands before a character; should it ever not, the edit is refused when it is read back.
        (0..=at).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    fn part(&mut self, event: Event, start: Mark, end: Mark, depth: usize) -> Result<Part, Fault> {
        if depth > MAX_DEPTH {
            return Err(fault("yaml-too-deep", format!("nested deeper than {MAX_DEPTH} levels"), start));
        }
        let (from, to) = (self.byte(start), self.byte(end));
        let place = |anchor, tag: Option<String>, end, shape| Part {
            start: from,
            end,
            line: start.line + 1,
            column: start.column as usize,
            anchor,
            tag: tag.as_deref().map(short_tag).unwrap_or_default(),
            shape,
        };
        match event {
            Event::Alias(name) => Ok(place(None, None, to, Shape::Alias(name))),
            Event::Scalar { value, style, anchor, tag, .. } => {
                let end = if style == Style::Block { self.block_end(from, to) } else { to };
                Ok(place(anchor, tag, end, Shape::Scalar { value, style }))
            }
            Event::ListStart { anchor, tag, flow } => {
                let mut items = Vec::new();
                let closed = loop {
                    match self.next()? {
                        (Event::ListEnd, _, end) => break end,
                        (event, start, end) => items.push(self.part(event, start, end, depth + 1)?),
                    }
                };
                let end = if flow { self.byte(closed) } else { items.last().map_or(to, |item| item.end) };
                Ok(place(anchor, tag, end, Shape::List { flow, items }))
            }
            Event::MapStart { anchor, tag, flow } => {
                let mut entries = Vec::new();
                let closed = loop {
                    match self.next()? {
                        (Event::MapEnd, _, end) => break end,
                        (event, start, end) => {
                            let key = self.part(event, start, end, depth + 1)?;
                            let (event, start, end) = self.next()?;
                            let value = self.part(event, start, end, depth + 1)?;
                            entries.push(self.entry(key, value));
                        }
                    }
                };
                let end = if flow { self.byte(closed) } else { entries.last().map_or(to, |entry| entry.value.end) };
                Ok(place(anchor, tag, end, Shape::Map { flow, entries }))
            }
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart
            | Event::DocumentEnd
            | Event::ListEnd
            | Event::MapEnd => Err(fault("yaml-syntax", "a value is missing", start)),
        }
    }

    fn entry(&self, key: Part, mut value: Part) -> Entry {
        let rest = &self.text[key.end..];
        let gap = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        let colon = rest[gap..].starts_with(':').then_some(key.end + gap + 1);
        let before = self.text[..key.start].trim_end_matches(' ');
        let odd = before.ends_with('?') || rest[..gap].contains('\n');
        if let (true, Some(colon)) = (value.start == value.end, colon) {
            // Nothing was written: the value stands right behind the colon.
            (value.start, value.end) = (colon, colon);
        }
        let (name, merge) = match &key.shape {
            Shape::Scalar { value, style } => {
                let plain = *style == Style::Plain;
                let merge = value == "<<" && plain && matches!(key.tag.as_str(), "" | "!" | "!!merge");
                (scalar::key_text(value, plain && key.tag.is_empty()), merge)
            }
            Shape::Alias(_) | Shape::Map { .. } | Shape::List { .. } => (None, false),
        };
        Entry { key, name, merge, colon, odd, value }
    }

    /// Returns where a block scalar's content ends; its last line break belongs to what follows, unless it is kept.
    fn block_end(&self, from: usize, to: usize) -> usize {
        let written = &self.text[from..to];
        let header = written.find(['|', '>']).map_or("", |at| &written[at..]);
        let header = header.lines().next().unwrap_or_default();
        if header.split('#').next().unwrap_or_default().contains('+') {
            return to;
        }
        from + written.trim_end().len()
    }
}
