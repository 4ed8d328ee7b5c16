//! Reads YAML as Atmos reads it (Go's yaml.v3), each value with its line and column.
//!
//! Anchors and aliases share nodes; merge keys, duplicate keys, tags and odd keys follow yaml.v3 and Atmos' own tag pass.
//! Only the first document of a text counts. Depth, size and expansion by aliases are bounded.

mod builder;
pub mod edit;
pub mod foreign;
mod map;
mod outline;
mod parser;
mod print;
mod scalar;

use builder::Builder;
use parser::Mark;

use super::node::{Key, Node, Pos};

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 1_000;
/// The largest text that is read, in bytes.
pub const MAX_BYTES: usize = 32 << 20;

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A stable code in kebab case.
    pub code: &'static str,
    /// One sentence, as yaml.v3 or Atmos would say it.
    pub message: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// Does what `!include` and `!include.raw` ask for.
pub trait Includes {
    /// Returns the included value, or why it cannot be had.
    ///
    /// # Errors
    /// Where the file is missing, not readable, or outside of what may be read.
    fn include(&mut self, tag: &str, value: &str, pos: Pos) -> Result<Node, Fault>;
}

/// Refuses includes (for texts that have none).
pub struct NoIncludes;

impl Includes for NoIncludes {
    fn include(&mut self, tag: &str, _: &str, pos: Pos) -> Result<Node, Fault> {
        Err(Fault {
            code: "include-not-possible",
            message: format!("{tag} is not possible here"),
            line: pos.line,
            column: pos.column,
        })
    }
}

/// How a text is read.
pub struct Reader<'a> {
    /// The file's name for places.
    pub file: Key,
    /// `settings.yaml.key_delimiter`: unquoted keys with it in them become nested maps; not where empty.
    pub key_delimiter: &'a str,
    /// What includes do.
    pub includes: &'a mut dyn Includes,
}

impl Reader<'_> {
    /// Reads the first document of a text; `None` where there is none at all (an empty text, or only comments).
    ///
    /// # Errors
    /// Where the text is not YAML as yaml.v3 and Atmos take it, or passes a bound.
    pub fn read(&mut self, text: &[u8]) -> Result<Option<Node>, Fault> {
        if text.len() > MAX_BYTES {
            let message = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
            return Err(Fault { code: "file-too-large", message, line: 1, column: 1 });
        }
        Builder::new(self, text).run()
    }
}

/// Writes a value as a text of its own that reads back as the same: block style, everything indented by two.
pub(super) fn write(value: &serde_json::Value) -> String {
    let habits = print::Habits { step: 2, list_step: 2, line_end: "\n" };
    match value {
        serde_json::Value::Object(_) | serde_json::Value::Array(_) => format!("{}\n", print::item(value, 0, habits)),
        other => format!("{}\n", print::flow(other, print::Quotes::Plain, false)),
    }
}

fn short_tag(tag: &str) -> String {
    let tag = tag.trim();
    tag.strip_prefix("tag:yaml.org,2002:").map_or_else(|| tag.to_owned(), |rest| format!("!!{rest}"))
}

fn fault(code: &'static str, message: impl Into<String>, mark: Mark) -> Fault {
    Fault { code, message: message.into(), line: mark.line + 1, column: mark.column + 1 }
}
