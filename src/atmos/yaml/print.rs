//! Writes JSON values as YAML that reads back as the same, in block or flow style.

use serde_json::{Map, Value};

use super::scalar::{self, Scalar};

/// How a file is written, so that what is added looks like what is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    /// By how many columns a map below a key is indented.
    pub(super) step: usize,
    /// By how many columns a list below a key is indented.
    pub(super) list_step: usize,
    /// `\n` or `\r\n`.
    pub(super) line_end: &'static str,
}

/// How a text was quoted before, so that it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    Plain,
    Single,
    Double,
}

/// Whether a value is written on one line whatever stands around it.
pub(super) fn is_inline(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::String(text) => literal(text).is_none(),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Writes a value on one line.
pub(super) fn flow(value: &Value, quotes: Quotes, in_flow: bool) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text_inline(text, quotes, in_flow),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, quotes, true)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(name, value)| format!("{}: {}", key(name, true), flow(value, quotes, true)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Writes a map's key.
pub(super) fn key(name: &str, in_flow: bool) -> String {
    text_inline(name, Quotes::Plain, in_flow)
}

/// Writes `key: value` in block style; `column` is the key's, the first line is not indented.
pub(super) fn entry(name: &str, value: &Value, column: usize, habits: Habits) -> String {
    format!("{}:{}", key(name, false), below(value, column, habits))
}

/// Writes what follows a key's colon: a space and a value, or lines of their own.
pub(super) fn below(value: &Value, column: usize, habits: Habits) -> String {
    let line_end = habits.line_end;
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let column = column + habits.step;
            format!("{line_end}{}{}", " ".repeat(column), map(entries, column, habits))
        }
        Value::Array(items) if !items.is_empty() => {
            let column = column + habits.list_step;
            format!("{line_end}{}{}", " ".repeat(column), list(items, column, habits))
        }
        Value::String(text) => match literal(text) {
            Some(header) => format!(" {}", block_text(text, header, column + habits.step, habits)),
            None => format!(" {}", text_inline(text, Quotes::Plain, false)),
        },
        other => format!(" {}", flow(other, Quotes::Plain, false)),
    }
}

/// Writes the entries of a map in block style; the first line is not indented.
pub(super) fn map(entries: &Map<String, Value>, column: usize, habits: Habits) -> String {
    let lines: Vec<String> = entries.iter().map(|(name, value)| entry(name, value, column, habits)).collect();
    lines.join(&format!("{}{}", habits.line_end, " ".repeat(column)))
}

/// Writes the items of a list in block style; the first line is not indented.
pub(super) fn list(items: &[Value], column: usize, habits: Habits) -> String {
    let lines: Vec<String> = items.iter().map(|value| format!("- {}", item(value, column + 2, habits))).collect();
    lines.join(&format!("{}{}", habits.line_end, " ".repeat(column)))
}

/// Writes a list's item behind its dash; `column` is where it begins.
pub(super) fn item(value: &Value, column: usize, habits: Habits) -> String {
    match value {
        Value::Object(entries) if !entries.is_empty() => map(entries, column, habits),
        Value::Array(items) if !items.is_empty() => list(items, column, habits),
        Value::String(text) => match literal(text) {
            Some(header) => block_text(text, header, column, habits),
            None => text_inline(text, Quotes::Plain, false),
        },
        other => flow(other, Quotes::Plain, false),
    }
}

/// Returns the header of the literal block that holds a text; `None` where it is better quoted.
fn literal(text: &str) -> Option<&'static str> {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let plain = body.contains('\n')
        && !body.ends_with('\n')
        && !body.starts_with([' ', '\n', '\t'])
        && body.lines().all(|line| !line.ends_with([' ', '\t']))
        && !text.chars().any(|c| c != '\n' && c != '\t' && !printable(c));
    plain.then(|| if text.ends_with('\n') { "|" } else { "|-" })
}

fn block_text(text: &str, header: &str, column: usize, habits: Habits) -> String {
    let indent = " ".repeat(column);
    let mut out = header.to_owned();
    for line in text.lines() {
        out.push_str(habits.line_end);
        if !line.is_empty() {
            out.push_str(&indent);
            out.push_str(line);
        }
    }
    out
}

/// Writes a text on one line, plain where it reads back as that text and nobody takes it for anything else.
fn text_inline(text: &str, quotes: Quotes, in_flow: bool) -> String {
    let simple = text.chars().all(printable);
    match quotes {
        Quotes::Plain if plain(text, in_flow) => text.to_owned(),
        Quotes::Single if simple => format!("'{}'", text.replace('\'', "''")),
        Quotes::Plain if simple && text.contains(['"', '\\']) && !text.contains('\'') => format!("'{text}'"),
        Quotes::Plain | Quotes::Single | Quotes::Double => double(text),
    }
}

fn double(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if printable(c) => out.push(c),
            c if u32::from(c) <= 0xffff => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Whether a character stands for itself in a quoted text of one line.
fn printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Words that older readers take for booleans.
const OLD_BOOLEANS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

fn plain(text: &str, in_flow: bool) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let second = text.chars().nth(1);
    let opens_badly = match first {
        '-' | '?' | ':' => second.is_none_or(|c| c == ' ') || in_flow,
        _ => " \t,[]{}#&*!|>'\"%@`=<".contains(first),
    };
    let times = text.contains(':') && text.chars().all(|c| c.is_ascii_digit() || matches!(c, ':' | '.' | '+' | '-'));
    !opens_badly
        && !times
        && text.chars().all(printable)
        && !text.ends_with([' ', ':', '\t'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !(in_flow && text.contains([',', '[', ']', '{', '}', ':']))
        && !OLD_BOOLEANS.contains(&text.to_ascii_lowercase().as_str())
        && scalar::resolve(text, true) == Scalar::Str
}
