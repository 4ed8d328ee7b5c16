//! From the parser's events to nodes: anchors, aliases, tags, places, bounds.

use std::collections::HashMap;

use super::{
    Fault, MAX_DEPTH, Reader, fault,
    map::{Entry, Pending, finish_map},
    parser::{Event, Mark, Parser, Problem, Style},
    scalar::{self, Scalar},
    short_tag,
};
use crate::atmos::node::{APPEND, Key, Map, Node, Pos, Value};

/// The most values a text may expand to through aliases.
const MAX_VALUES: u64 = 4_000_000;

/// Tags that Atmos knows besides `!include`, `!include.raw`, `!append` and `!literal`.
const FUNCTIONS: [&str; 34] = [
    "!exec",
    "!secret",
    "!store",
    "!store.get",
    "!template",
    "!terraform.output",
    "!terraform.state",
    "!env",
    "!cel",
    "!repo-root",
    "!git.root",
    "!git.sha",
    "!git.branch",
    "!git.ref",
    "!git.repository",
    "!git.owner",
    "!git.name",
    "!git.host",
    "!git.url",
    "!cwd",
    "!unset",
    "!random",
    "!aws.account_id",
    "!aws.caller_identity_arn",
    "!aws.caller_identity_user_id",
    "!aws.region",
    "!aws.organization_id",
    "!emulator",
    "!version",
    "!tags",
    "!labels",
    "!labels.keys",
    "!labels.values",
    "!literal",
];

struct Frame {
    list: Vec<Node>,
    entries: Vec<Entry>,
    is_map: bool,
    pending: Option<Pending>,
    anchor: Option<String>,
    append: bool,
    pos: Pos,
    /// Values below, aliases expanded; and how many of them came by aliases.
    values: u64,
    aliased: u64,
}

/// An anchored value with its expanded size.
#[derive(Clone)]
struct Anchored {
    node: Option<Node>,
    values: u64,
    key: Option<Pending>,
}

/// Builds the tree of one text.
pub(super) struct Builder<'a, 'b> {
    reader: &'a mut Reader<'b>,
    text: &'a [u8],
    lines: Vec<usize>,
    stack: Vec<Frame>,
    anchors: HashMap<String, Anchored>,
    has_slash: bool,
}

impl<'a, 'b> Builder<'a, 'b> {
    pub(super) fn new(reader: &'a mut Reader<'b>, text: &'a [u8]) -> Self {
        let has_slash = memchr::memmem::find(text, b"\\/").is_some();
        Self { reader, text, lines: Vec::new(), stack: Vec::new(), anchors: HashMap::new(), has_slash }
    }

    pub(super) fn run(&mut self) -> Result<Option<Node>, Fault> {
        match self.build() {
            // yaml.v3 reads the whole document before it looks at keys: a syntax error further down comes first.
            Err(fault) if fault.code == "yaml-invalid-key" => Err(self.syntax().unwrap_or(fault)),
            built => built,
        }
    }

    fn syntax(&self) -> Option<Fault> {
        let mut parser = Parser::new(self.text)?;
        loop {
            match parser.next() {
                Ok((Event::StreamEnd | Event::DocumentEnd, ..)) => return None,
                Ok(_) => {}
                Err(problem) => return Some(syntax(&problem)),
            }
        }
    }

    fn build(&mut self) -> Result<Option<Node>, Fault> {
        let mut parser =
            Parser::new(self.text).ok_or_else(|| fault("yaml-syntax", "out of memory", Mark::default()))?;
        loop {
            let (event, start, end) = parser.next().map_err(|problem| syntax(&problem))?;
            let done = match event {
                Event::StreamStart | Event::DocumentStart => None,
                Event::StreamEnd | Event::DocumentEnd => return Ok(None),
                Event::Alias(name) => self.alias(&name, start)?,
                Event::Scalar { value, style, double_quoted, anchor, tag } => {
                    if double_quoted && self.has_slash {
                        self.refuse_slash(start, end)?;
                    }
                    self.scalar(&value, style, anchor, tag.as_deref(), start)?
                }
                Event::ListStart { anchor, tag, .. } => {
                    self.open(false, anchor, tag.as_deref(), start)?;
                    None
                }
                Event::MapStart { anchor, tag, .. } => {
                    self.open(true, anchor, tag.as_deref(), start)?;
                    None
                }
                Event::ListEnd | Event::MapEnd => self.close()?,
            };
            if let Some(root) = done {
                return Ok(Some(root));
            }
        }
    }

    fn pos(&self, mark: Mark) -> Pos {
        Pos { file: self.reader.file, line: mark.line + 1, column: mark.column + 1 }
    }

    /// Returns the place of the value behind its anchor (and its tag, where that is dropped).
    fn value_pos(&mut self, mark: Mark, skip_tag: bool) -> Pos {
        let fallback = self.pos(mark);
        if self.lines.is_empty() {
            self.lines.push(0);
            self.lines.extend(memchr::memchr_iter(b'\n', self.text).map(|i| i + 1));
        }
        let (mut line, mut column) = (mark.line as usize, mark.column as usize);
        loop {
            let Some(&from) = self.lines.get(line) else { return fallback };
            let to = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
            let Ok(text) = std::str::from_utf8(&self.text[from..to]) else { return fallback };
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let rest: Vec<char> = text.chars().collect();
            let mut at = column;
            while rest.get(at).is_some_and(|c| c.is_whitespace()) {
                at += 1;
            }
            match rest.get(at) {
                Some('&') => {}
                Some('!') if skip_tag => {}
                Some('#') | None => {
                    if line + 1 >= self.lines.len() {
                        return fallback;
                    }
                    line += 1;
                    column = 0;
                    continue;
                }
                Some(_) => {
                    let (line, column) = (u32::try_from(line), u32::try_from(at));
                    return match (line, column) {
                        (Ok(line), Ok(column)) => Pos { file: self.reader.file, line: line + 1, column: column + 1 },
                        _ => fallback,
                    };
                }
            }
            while rest.get(at).is_some_and(|c| !c.is_whitespace()) {
                at += 1;
            }
            column = at;
        }
    }

    /// yaml.v3 does not know the escape `\/`; libyaml does.
    fn refuse_slash(&mut self, start: Mark, end: Mark) -> Result<(), Fault> {
        if self.lines.is_empty() {
            self.lines.push(0);
            self.lines.extend(memchr::memchr_iter(b'\n', self.text).map(|i| i + 1));
        }
        let byte = |mark: Mark| -> Option<usize> {
            let from = *self.lines.get(mark.line as usize)?;
            let text = std::str::from_utf8(&self.text[from..]).ok()?;
            Some(from + text.char_indices().nth(mark.column as usize).map_or(text.len(), |(i, _)| i))
        };
        let (Some(from), Some(to)) = (byte(start), byte(end)) else { return Ok(()) };
        let mut bytes = self.text[from..to.max(from)].iter();
        while let Some(b) = bytes.next() {
            if *b == b'\\' && bytes.next() == Some(&b'/') {
                let message = format!("yaml: line {}: found unknown escape character", start.line + 1);
                return Err(fault("yaml-syntax", message, start));
            }
        }
        Ok(())
    }

    fn open(&mut self, is_map: bool, anchor: Option<String>, tag: Option<&str>, mark: Mark) -> Result<(), Fault> {
        if self.stack.len() >= MAX_DEPTH {
            let message = format!("yaml: line {}: nested deeper than {MAX_DEPTH} levels", mark.line + 1);
            return Err(fault("yaml-too-deep", message, mark));
        }
        let tag = tag.map(short_tag).unwrap_or_default();
        self.check_tag(&tag, mark)?;
        if tag.starts_with("!include") && !self.stack.is_empty() {
            let message = format!("yaml: line {}: {tag} takes a text, not a map or list", mark.line + 1);
            return Err(fault("include-invalid", message, mark));
        }
        if let Some(name) = &anchor {
            self.anchors.insert(name.clone(), Anchored { node: None, values: 0, key: None });
        }
        let pos = if anchor.is_some() || !tag.is_empty() { self.value_pos(mark, true) } else { self.pos(mark) };
        self.stack.push(Frame {
            list: Vec::new(),
            entries: Vec::new(),
            is_map,
            pending: None,
            anchor,
            append: tag == "!append" && !is_map && !self.stack.is_empty(),
            pos,
            values: 1,
            aliased: 0,
        });
        Ok(())
    }

    fn check_tag(&self, tag: &str, mark: Mark) -> Result<(), Fault> {
        let known = tag.is_empty()
            || self.stack.is_empty()
            || tag.starts_with("!!")
            || matches!(tag, "!append" | "!include" | "!include.raw")
            || FUNCTIONS.contains(&tag);
        if known {
            return Ok(());
        }
        let message = format!("unsupported YAML tag: '{tag}' found in file '{}'", self.reader.file.as_str());
        Err(fault("yaml-unknown-tag", message, mark))
    }

    fn close(&mut self) -> Result<Option<Node>, Fault> {
        let Some(frame) = self.stack.pop() else { return Ok(None) };
        let (pos, values, aliased, anchor) = (frame.pos, frame.values, frame.aliased, frame.anchor.clone());
        let node = if frame.is_map {
            Node::new(Value::Map(finish_map(frame.entries, self.reader.key_delimiter)?), pos)
        } else {
            let list = Node::new(Value::List(frame.list.into_boxed_slice()), pos);
            if frame.append { Node::new(Value::Map(Map::sorted(vec![(Key::new(APPEND), list)])), pos) } else { list }
        };
        if values > MAX_VALUES || excessive(aliased, values) {
            return Err(Fault {
                code: "yaml-alias-bomb",
                message: "yaml: document contains excessive aliasing".to_owned(),
                line: pos.line,
                column: pos.column,
            });
        }
        if let Some(name) = anchor {
            self.anchors.insert(name, Anchored { node: Some(node.clone()), values, key: None });
        }
        self.put(node, None, values, aliased)
    }

    fn alias(&mut self, name: &str, mark: Mark) -> Result<Option<Node>, Fault> {
        let Some(found) = self.anchors.get(name).cloned() else {
            return Err(fault("yaml-unknown-anchor", format!("yaml: unknown anchor '{name}' referenced"), mark));
        };
        let Some(node) = found.node else {
            return Err(fault("yaml-recursive-anchor", format!("yaml: anchor '{name}' value contains itself"), mark));
        };
        let key = found.key.map(|k| Pending { merge: false, ..k });
        self.put(node, key, found.values, found.values)
    }

    fn scalar(
        &mut self,
        value: &str,
        style: Style,
        anchor: Option<String>,
        tag: Option<&str>,
        mark: Mark,
    ) -> Result<Option<Node>, Fault> {
        let tag = tag.map(short_tag).unwrap_or_default();
        self.check_tag(&tag, mark)?;
        let in_key = self.stack.last().is_some_and(|f| f.is_map && f.pending.is_none());
        let function = FUNCTIONS.contains(&tag.as_str()) && tag != "!literal" && !self.stack.is_empty();
        let pos = if anchor.is_some() || (!tag.is_empty() && !function && !tag.starts_with("!include")) {
            self.value_pos(mark, !function)
        } else {
            self.pos(mark)
        };
        let quoted = style != Style::Plain;
        let mut resolved = Scalar::Str;
        let node = if function {
            Node::new(Value::Str(format!("{tag} {}", value.trim()).trim().into()), pos)
        } else if tag == "!include" || tag == "!include.raw" {
            self.reader.includes.include(&tag, value.trim(), pos)?
        } else {
            resolved = self.typed(value, quoted, &tag, mark)?;
            Node::new(
                match &resolved {
                    Scalar::Null => Value::Null,
                    Scalar::Bool(b) => Value::Bool(*b),
                    Scalar::Int(i) => Value::Int(*i),
                    Scalar::UInt(u) => Value::UInt(*u),
                    Scalar::Float(f) => Value::Float(*f),
                    // Atmos' deep copy turns a time, whose fields it cannot see, into an empty map.
                    Scalar::Time(_) if !in_key => Value::Map(Map::default()),
                    Scalar::Time(_) | Scalar::Str if tag == "!!binary" => decode_binary(value, mark)?,
                    Scalar::Time(_) | Scalar::Str => Value::Str(value.into()),
                },
                pos,
            )
        };
        let key = if in_key || anchor.is_some() {
            let written = node.str().unwrap_or(value);
            let key = match &resolved {
                Scalar::Null => Key::new("\u{0}null"),
                Scalar::Bool(b) => Key::new(if *b { "true" } else { "false" }),
                Scalar::Int(i) => Key::new(&i.to_string()),
                Scalar::UInt(u) => Key::new(&u.to_string()),
                Scalar::Float(f) => Key::new(&scalar::print_float(*f)),
                Scalar::Time(t) => Key::new(t),
                Scalar::Str => Key::new(written),
            };
            let merge = value == "<<" && (tag == "!!merge" || (tag.is_empty() && !quoted) || tag == "!");
            Some(Pending { raw: Key::new(written), key, merge, quoted: style == Style::Quoted, pos })
        } else {
            None
        };
        if let Some(name) = anchor {
            self.anchors.insert(name, Anchored { node: Some(node.clone()), values: 1, key: key.clone() });
        }
        self.put(node, key, 1, 0)
    }

    fn typed(&self, value: &str, quoted: bool, tag: &str, mark: Mark) -> Result<Scalar, Fault> {
        let refuse = || {
            let message = format!("yaml: line {}: cannot decode `{value}` as a {tag}", mark.line + 1);
            Err(fault("yaml-wrong-tag", message, mark))
        };
        match tag {
            "" | "!" | "!literal" if quoted => Ok(Scalar::Str),
            "" | "!" | "!literal" => Ok(scalar::resolve(value, true)),
            "!!float" => match scalar::resolve(value, false) {
                #[expect(clippy::cast_precision_loss, reason = "what !!float asks for")]
                Scalar::Int(i) => Ok(Scalar::Float(i as f64)),
                #[expect(clippy::cast_precision_loss, reason = "what !!float asks for")]
                Scalar::UInt(u) => Ok(Scalar::Float(u as f64)),
                f @ Scalar::Float(_) => Ok(f),
                _ => refuse(),
            },
            "!!int" => match scalar::resolve(value, false) {
                i @ (Scalar::Int(_) | Scalar::UInt(_)) => Ok(i),
                _ => refuse(),
            },
            "!!bool" => match scalar::resolve(value, false) {
                b @ Scalar::Bool(_) => Ok(b),
                _ => refuse(),
            },
            "!!null" => match scalar::resolve(value, false) {
                Scalar::Null => Ok(Scalar::Null),
                _ => refuse(),
            },
            "!!timestamp" => match scalar::resolve(value, true) {
                t @ Scalar::Time(_) => Ok(t),
                _ => refuse(),
            },
            _ => Ok(Scalar::Str),
        }
    }

    /// Puts a finished value where it belongs; returns it where it is the root.
    fn put(&mut self, node: Node, key: Option<Pending>, values: u64, aliased: u64) -> Result<Option<Node>, Fault> {
        let Some(frame) = self.stack.last_mut() else { return Ok(Some(node)) };
        frame.values = frame.values.saturating_add(values);
        frame.aliased = frame.aliased.saturating_add(aliased);
        if !frame.is_map {
            frame.list.push(node);
            return Ok(None);
        }
        match frame.pending.take() {
            Some(key) => frame.entries.push(Entry { key, node }),
            None => {
                let Some(key) = key else {
                    let pos = node.pos();
                    let what = node.type_name();
                    return Err(Fault {
                        code: "yaml-invalid-key",
                        message: format!("yaml: line {}: invalid map key: a key cannot be an {what}", pos.line),
                        line: pos.line,
                        column: pos.column,
                    });
                };
                frame.pending = Some(key);
            }
        }
        Ok(None)
    }
}

fn syntax(problem: &Problem) -> Fault {
    let line = problem.mark.line + 1;
    Fault {
        code: "yaml-syntax",
        message: format!("yaml: line {line}: {}", problem.message),
        line,
        column: problem.mark.column + 1,
    }
}

/// yaml.v3's bound on aliases: the more values, the smaller the share that may come by aliases.
fn excessive(aliased: u64, values: u64) -> bool {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    if aliased <= 100 || values <= 1_000 {
        return false;
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let (aliased, values) = (aliased as f64, values as f64);
    let allowed = if values <= LOW {
        0.99
    } else if values >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * (values - LOW) / (HIGH - LOW)
    };
    aliased / values > allowed
}

fn decode_binary(value: &str, mark: Mark) -> Result<Value, Fault> {
    use base64::Engine as _;
    let text: String = value.chars().filter(|c| !c.is_whitespace()).collect();
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()
        .map(|bytes| Value::Str(String::from_utf8_lossy(&bytes).into()))
        .ok_or_else(|| fault("yaml-wrong-tag", "yaml: !!binary value contains invalid base64 data", mark))
}
