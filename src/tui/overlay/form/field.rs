//! One input of a form: what may be filled in, and what is.

use serde_json::Value;
use tui_textarea::{CursorMove, TextArea};

use crate::tui::widgets::text;

/// Choices that fit beside each other are shown at once; of more, one is picked from a list.
const BESIDE: usize = 46;

/// How an input is filled in.
#[derive(Debug)]
pub enum Kind {
    /// One of some values.
    Choice {
        /// The values, as texts.
        options: Vec<String>,
        /// Which one.
        at: Option<usize>,
    },
    /// A line.
    Line(Box<TextArea<'static>>),
    /// A text of several lines.
    Text(Box<TextArea<'static>>),
}

/// An input of a form.
#[derive(Debug)]
pub struct Field {
    /// Its name in what is sent.
    pub name: String,
    /// What it is called on screen.
    pub title: String,
    /// What it is, and what it may be.
    pub about: String,
    /// Under which heading it stands.
    pub group: Option<String>,
    /// Whether it is shown first.
    pub simple: bool,
    /// Whether it must be given.
    pub required: bool,
    /// What it is where nothing is filled in.
    pub default: Option<String>,
    /// How it is filled in.
    pub kind: Kind,
    /// Whether somebody has filled it in.
    pub touched: bool,
}

fn area(content: &str) -> Box<TextArea<'static>> {
    let mut area = TextArea::new(content.split('\n').map(str::to_owned).collect());
    area.move_cursor(CursorMove::Bottom);
    area.move_cursor(CursorMove::End);
    area.set_cursor_line_style(ratatui::style::Style::default());
    Box::new(area)
}

/// Writes a value as somebody would type it.
fn typed(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// Says in words what a schema asks for.
fn bounds(schema: &Value) -> String {
    let number = |key: &str| schema.get(key).filter(|value| value.is_number()).map(ToString::to_string);
    let range = |low: Option<String>, high: Option<String>, unit: &str| match (low, high) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
        (Some(low), None) => Some(format!("at least {low}{unit}")),
        (None, Some(high)) => Some(format!("at most {high}{unit}")),
        (None, None) => None,
    };
    let mut parts: Vec<String> = Vec::new();
    parts.extend(range(number("minimum"), number("maximum"), ""));
    parts.extend(range(number("minLength"), number("maxLength"), " characters"));
    if let Some(pattern) = schema["pattern"].as_str() {
        parts.push(format!("like {pattern}"));
    }
    if schema["type"] == "array" {
        parts.push("several, with commas between them".into());
    }
    parts.join(", ")
}

impl Field {
    /// Makes an input of its JSON Schema.
    #[must_use]
    pub fn new(name: &str, schema: &Value, required: bool) -> Self {
        let default = schema.get("default").filter(|value| !value.is_null()).map(typed);
        let begin = default.clone().unwrap_or_default();
        let options: Option<Vec<String>> = match &schema["enum"] {
            Value::Array(values) => Some(values.iter().map(typed).collect()),
            _ if schema["type"] == "boolean" => Some(vec!["no".into(), "yes".into()]),
            _ => None,
        };
        let long = schema["maxLength"].as_u64().is_some_and(|most| most > 120) || schema["format"] == "text";
        let kind = match options {
            Some(options) => {
                let only = (options.len() == 1).then_some(0);
                let at = options.iter().position(|option| Some(option) == default.as_ref()).or(only);
                Kind::Choice { options, at }
            }
            None if long => Kind::Text(area(&begin)),
            None => Kind::Line(area(&begin)),
        };
        let word = |key: &str| schema[key].as_str().map(str::to_owned);
        let said = [word("description").unwrap_or_default(), bounds(schema)];
        let said: Vec<&str> =
            said.iter().map(|part| part.trim_end_matches('.')).filter(|part| !part.is_empty()).collect();
        Field {
            name: name.to_owned(),
            title: word("title").unwrap_or_else(|| name.replace(['_', '-'], " ")),
            about: said.join("; "),
            group: word("group"),
            simple: schema["simple"] == true,
            required,
            default,
            kind,
            touched: false,
        }
    }

    /// Makes the last input of every form: why it is needed.
    #[must_use]
    pub fn reason() -> Self {
        Field {
            name: String::new(),
            title: "Why".into(),
            about: "For those who decide; enter begins a new line".into(),
            group: None,
            simple: true,
            required: false,
            default: None,
            kind: Kind::Text(area("")),
            touched: false,
        }
    }

    /// Returns what is filled in, as text; empty where nothing is.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.kind {
            Kind::Choice { options, at } => at.and_then(|at| options.get(at)).cloned().unwrap_or_default(),
            Kind::Line(area) | Kind::Text(area) => area.lines().join("\n").trim().to_owned(),
        }
    }

    /// Tells whether it differs from what it was, or from the default.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.text() != self.default.as_deref().unwrap_or_default().trim()
    }

    /// Fills it in.
    pub fn fill(&mut self, content: &str) {
        match &mut self.kind {
            Kind::Choice { options, at } => {
                if let Some(found) = options.iter().position(|option| option == content) {
                    *at = Some(found);
                }
            }
            Kind::Line(old) | Kind::Text(old) => *old = area(content),
        }
    }

    /// Goes to the next or the previous choice, around; nothing else has any.
    pub fn turn(&mut self, by: isize) -> bool {
        let Kind::Choice { options, at } = &mut self.kind else { return false };
        let len = options.len().cast_signed();
        if len == 0 {
            return false;
        }
        let next = match (*at, by) {
            (Some(at), by) => (at.cast_signed() + by).rem_euclid(len),
            (None, 1..) => 0,
            (None, _) => len - 1,
        };
        *at = Some(next.cast_unsigned());
        self.touched = true;
        true
    }

    /// Goes to the next choice that begins with a letter.
    pub fn seek(&mut self, letter: char) -> bool {
        let Kind::Choice { options, at } = &mut self.kind else { return false };
        let begins = |option: &String| option.to_lowercase().starts_with(letter.to_ascii_lowercase());
        let after = at.map_or(0, |at| at + 1);
        let found = (after..options.len()).chain(0..after.min(options.len())).find(|at| begins(&options[*at]));
        if found.is_some() {
            *at = found;
            self.touched = true;
        }
        found.is_some()
    }

    /// Tells whether its choices stand beside each other.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        match &self.kind {
            Kind::Choice { options, .. } => {
                options.iter().map(|option| text::width(option) + 6).sum::<usize>() <= BESIDE
            }
            _ => false,
        }
    }

    /// Returns how many lines it has.
    #[must_use]
    pub fn lines(&self) -> u16 {
        if matches!(self.kind, Kind::Text(_)) { 3 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_says_how_an_input_is_filled_in() {
        let size = json!({"title": "Size", "enum": ["small", "large"], "default": "small", "simple": true});
        let mut size = Field::new("size", &size, false);
        assert_eq!((size.text().as_str(), size.is_inline(), size.simple), ("small", true, true));
        assert!(size.turn(1) && size.text() == "large" && size.turn(1) && size.text() == "small");
        assert!(size.seek('L') && size.text() == "large" && !size.seek('x'));

        let gb =
            Field::new("storage_gb", &json!({"type": "integer", "minimum": 10, "maximum": 40, "default": 20}), false);
        assert_eq!((gb.title.as_str(), gb.about.as_str(), gb.text().as_str()), ("storage gb", "10 to 40", "20"));
        let public = Field::new("public", &json!({"type": "boolean", "default": false}), false);
        assert_eq!(public.text(), "no");
        let stack = Field::new("stack", &json!({"enum": ["a", "b"]}), true);
        assert_eq!(stack.text(), "");
        let only = Field::new("stack", &json!({"enum": ["a"]}), true);
        assert_eq!(only.text(), "a");
        let members = Field::new("members", &json!({"type": "array", "default": ["a", "b"]}), true);
        assert_eq!(members.text(), "a, b");
        let text = Field::new("what", &json!({"type": "string", "maxLength": 200}), true);
        assert!(matches!(text.kind, Kind::Text(_)) && text.about == "at most 200 characters");
    }
}
