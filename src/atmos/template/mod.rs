//! Go's `text/template` with sprig's functions, for what Atmos renders even in static mode: stack names, `.tmpl` files,
//! imports with `context`, files with `locals`.
//!
//! Rendering is pure: it reads the data and the environment that it is given and nothing else, takes a bounded number
//! of steps and bytes, and fails with Go's words, the place, and the name of the function where one is to blame.
//! Functions that ask the world (`atmos.Component`, gomplate's data sources) or answer otherwise each time (dates,
//! random values) don't exist here; whoever needs them asks Atmos.

mod budget;
mod builtins;
mod exec;
mod functions;
mod gomplate;
mod lex;
mod literal;
mod node;
mod parse;
mod print;
mod printf;
mod sprig;
#[cfg(test)]
mod tests;
mod value;
mod version;

use std::{collections::BTreeMap, sync::Arc};

/// How large a template may be, in bytes.
const MAX_SIZE: usize = 16 << 20;

/// What a key that the data doesn't have means (Go's option `missingkey`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingKey {
    /// An error.
    #[default]
    Error,
    /// No value, printed as `<no value>` (`missingkey=default`).
    NoValue,
}

/// How a template is rendered.
#[derive(Debug, Clone)]
pub struct TemplateOptions {
    /// What a missing key means.
    pub missing_key: MissingKey,
    /// The delimiters of actions.
    pub delimiters: (String, String),
    /// The environment that `env` and `expandenv` read.
    pub env: Arc<BTreeMap<String, String>>,
    /// Whether gomplate's functions are there beside sprig's: everywhere but in `locals`, in paths of secrets, and in values
    /// of components unless `templates.settings.gomplate` switches them on.
    pub gomplate: bool,
}

impl Default for TemplateOptions {
    /// Missing keys are errors, `{{` and `}}`, no environment, all functions.
    fn default() -> Self {
        let delimiters = ("{{".into(), "}}".into());
        Self { missing_key: MissingKey::Error, delimiters, env: Arc::default(), gomplate: true }
    }
}

/// Why a template can't be parsed or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Go's text, with `template: NAME:LINE…` in front.
    pub message: String,
    /// The line in the template, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The function that doesn't exist or failed, with its namespace (`atmos.Component`).
    pub function: Option<String>,
    /// Whether that function doesn't exist here, so that Atmos may know it.
    pub unknown_function: bool,
}

/// A parsed template; rendering it many times parses it once.
#[derive(Debug)]
pub struct Template {
    name: String,
    text: String,
    parsed: parse::Parsed,
}

impl Template {
    /// Parses a template; its name stands in errors.
    ///
    /// # Errors
    ///
    /// Returns what Go's parser refuses, functions that don't exist among it.
    pub fn parse(name: &str, text: &str, options: &TemplateOptions) -> Result<Self, TemplateError> {
        if text.len() > MAX_SIZE {
            let message = format!("template: {name}:1: the template is larger than 16 MiB");
            return Err(TemplateError { message, line: 1, column: 1, function: None, unknown_function: false });
        }
        let or = |given: &str, default: &'static str| {
            if given.is_empty() { default.to_owned() } else { given.to_owned() }
        };
        let (left, right) = (or(&options.delimiters.0, "{{"), or(&options.delimiters.1, "}}"));
        match parse::parse(name, text, (&left, &right), options.gomplate) {
            Ok(parsed) => Ok(Self { name: name.to_owned(), text: text.to_owned(), parsed }),
            Err(error) => {
                let (line, column) = place(text, error.pos);
                Err(TemplateError {
                    message: format!("template: {name}:{line}: {}", error.message),
                    line,
                    column,
                    unknown_function: error.function.is_some(),
                    function: error.function,
                })
            }
        }
    }

    /// Renders the template over data.
    ///
    /// # Errors
    ///
    /// Returns what Go's execution refuses, and what takes too many steps or too much memory.
    pub fn render(&self, data: &serde_json::Value, options: &TemplateOptions) -> Result<String, TemplateError> {
        let Some(data) = value::from_data(data, &self.parsed.uses) else {
            let message = format!("template: {}: the data is nested too deeply", self.name);
            return Err(TemplateError { message, line: 1, column: 1, function: None, unknown_function: false });
        };
        exec::execute(&self.parsed.templates, &self.name, data, options).map_err(|error| {
            let (line, column) = place(&self.text, error.pos);
            let start = self.text[..error.pos].rfind('\n').map_or(0, |at| at + 1);
            let (name, template) = (&self.name, print::quote(&error.template));
            let message = format!(
                "template: {name}:{line}:{}: executing {template} at <{}>: {}",
                error.pos - start,
                error.context,
                error.message
            );
            TemplateError { message, line, column, function: error.function, unknown_function: false }
        })
    }
}

/// Parses and renders a template once.
///
/// # Errors
///
/// Returns what [`Template::parse`] and [`Template::render`] refuse.
pub fn render(
    name: &str,
    text: &str,
    data: &serde_json::Value,
    options: &TemplateOptions,
) -> Result<String, TemplateError> {
    Template::parse(name, text, options)?.render(data, options)
}

/// Returns whether a text may hold an action: it contains the default opening delimiter.
#[must_use]
pub fn contains_action(text: &str) -> bool {
    text.contains("{{")
}

/// Returns the names that the actions of a text mention: functions, and fields with their dot, in order.
pub(super) fn words(text: &str, left: &str, right: &str) -> Vec<String> {
    let named = |token: &lex::Token<'_>| matches!(token.kind, lex::Kind::Identifier | lex::Kind::Field);
    lex::tokens(text, left, right).into_iter().filter(named).map(|token| token.text.into_owned()).collect()
}

/// Returns the names of all functions, sorted.
#[must_use]
pub fn function_names() -> Vec<&'static str> {
    functions::names()
}

/// Returns line and column (in characters) of a byte offset, both from 1.
fn place(text: &str, pos: usize) -> (u32, u32) {
    let before = &text[..text.floor_char_boundary(pos)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}
