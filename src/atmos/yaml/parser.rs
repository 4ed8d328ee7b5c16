//! A small safe wrapper over libyaml's event parser.

#![expect(unsafe_code, reason = "libyaml-rs has a C interface; this module is the only one that touches it")]

use std::{ffi::CStr, marker::PhantomData, mem::MaybeUninit};

use libyaml_rs as sys;

/// A place in the text: line and column from 0, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) line: u32,
    pub(super) column: u32,
    /// In bytes from the start of the text, a byte order mark not counted.
    pub(super) index: usize,
}

/// What the parser found wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
    Block,
}

#[derive(Debug)]
pub(super) enum Event {
    StreamStart,
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar { value: String, style: Style, double_quoted: bool, anchor: Option<String>, tag: Option<String> },
    ListStart { anchor: Option<String>, tag: Option<String>, flow: bool },
    ListEnd,
    MapStart { anchor: Option<String>, tag: Option<String>, flow: bool },
    MapEnd,
}

/// A parser over a text.
pub(super) struct Parser<'a> {
    raw: Box<MaybeUninit<sys::yaml_parser_t>>,
    text: PhantomData<&'a [u8]>,
}

impl<'a> Parser<'a> {
    /// Returns a parser, `None` where memory is short.
    pub(super) fn new(text: &'a [u8]) -> Option<Self> {
        let mut raw = Box::new(MaybeUninit::<sys::yaml_parser_t>::uninit());
        // SAFETY: `raw` is a valid place for a parser and stays where it is (boxed); initialising it is the first use. The
        // text outlives the parser by the lifetime 'a.
        unsafe {
            if sys::yaml_parser_initialize(raw.as_mut_ptr()).fail {
                return None;
            }
            sys::yaml_parser_set_input_string(raw.as_mut_ptr(), text.as_ptr(), text.len() as u64);
        }
        Some(Self { raw, text: PhantomData })
    }

    /// Returns the next event with the places of its start and end.
    pub(super) fn next(&mut self) -> Result<(Event, Mark, Mark), Problem> {
        let mut event = MaybeUninit::<sys::yaml_event_t>::uninit();
        // SAFETY: the parser was initialised in `new`; parsing initialises `event` where it succeeds, and only then it is read
        // and deleted. Texts are copied out before that.
        unsafe {
            if sys::yaml_parser_parse(self.raw.as_mut_ptr(), event.as_mut_ptr()).fail {
                return Err(self.problem());
            }
            let raw = event.assume_init_mut();
            let (start, end) = (mark(raw.start_mark), mark(raw.end_mark));
            let out = read(raw);
            sys::yaml_event_delete(event.as_mut_ptr());
            out.map(|e| (e, start, end)).ok_or_else(|| Problem { message: "invalid UTF-8".to_owned(), mark: start })
        }
    }

    fn problem(&self) -> Problem {
        // SAFETY: initialised in `new`; `problem` is null or a static C text, as libyaml documents.
        unsafe {
            let raw = &*self.raw.as_ptr();
            let message = if raw.problem.is_null() {
                "invalid YAML".to_owned()
            } else {
                CStr::from_ptr(raw.problem.cast()).to_string_lossy().into_owned()
            };
            // The reader (encoding) gives an offset only; scanner and parser give a mark.
            Problem { message, mark: mark(raw.problem_mark) }
        }
    }
}

impl Drop for Parser<'_> {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, deleted once.
        unsafe { sys::yaml_parser_delete(self.raw.as_mut_ptr()) }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "texts are bounded far below 4 GiB by the caller")]
fn mark(m: sys::yaml_mark_t) -> Mark {
    Mark { line: m.line as u32, column: m.column as u32, index: m.index as usize }
}

/// Copies an event out; `None` where a text is not UTF-8.
///
/// # Safety
/// `raw` must be an event that the parser filled in.
unsafe fn read(raw: &sys::yaml_event_t) -> Option<Event> {
    // SAFETY: the caller vouches for the event; each arm reads the union's field of that type, and texts are null or
    // zero-ended C texts, or have their length beside them.
    unsafe {
        let text = |p: *const u8| -> Option<String> {
            if p.is_null() { None } else { CStr::from_ptr(p.cast()).to_str().ok().map(str::to_owned) }
        };
        Some(match raw.type_ {
            sys::YAML_STREAM_START_EVENT => Event::StreamStart,
            sys::YAML_DOCUMENT_START_EVENT => Event::DocumentStart,
            sys::YAML_DOCUMENT_END_EVENT => Event::DocumentEnd,
            sys::YAML_ALIAS_EVENT => Event::Alias(text(raw.data.alias.anchor)?),
            sys::YAML_SCALAR_EVENT => {
                let s = raw.data.scalar;
                let bytes = std::slice::from_raw_parts(s.value.cast_const(), usize::try_from(s.length).ok()?);
                let value = std::str::from_utf8(bytes).ok()?.to_owned();
                let style = match s.style {
                    sys::YAML_SINGLE_QUOTED_SCALAR_STYLE | sys::YAML_DOUBLE_QUOTED_SCALAR_STYLE => Style::Quoted,
                    sys::YAML_LITERAL_SCALAR_STYLE | sys::YAML_FOLDED_SCALAR_STYLE => Style::Block,
                    _ => Style::Plain,
                };
                Event::Scalar {
                    value,
                    style,
                    double_quoted: s.style == sys::YAML_DOUBLE_QUOTED_SCALAR_STYLE,
                    anchor: text(s.anchor),
                    tag: text(s.tag),
                }
            }
            sys::YAML_SEQUENCE_START_EVENT => Event::ListStart {
                anchor: text(raw.data.sequence_start.anchor),
                tag: text(raw.data.sequence_start.tag),
                flow: raw.data.sequence_start.style == sys::YAML_FLOW_SEQUENCE_STYLE,
            },
            sys::YAML_SEQUENCE_END_EVENT => Event::ListEnd,
            sys::YAML_MAPPING_START_EVENT => {
                let flow = raw.data.mapping_start.style == sys::YAML_FLOW_MAPPING_STYLE;
                let (anchor, tag) = (text(raw.data.mapping_start.anchor), text(raw.data.mapping_start.tag));
                Event::MapStart { anchor, tag, flow }
            }
            sys::YAML_MAPPING_END_EVENT => Event::MapEnd,
            _ => Event::StreamEnd,
        })
    }
}
