//! The variables and outputs of a Terraform module, read from its files.
//!
//! A file that cannot be parsed becomes a diagnostic, and the others are read all the same. What Terraform would evaluate
//! (a condition, a default that is no literal) stays as written.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey, UnaryOperator};
use hcl_edit::structure::{Block, Body};
use hcl_edit::template::{Element, Template};
use serde_json::{Map, Value};

use super::super::config::clean;
use super::super::files::{Files, Kind};
use super::below;
use crate::domain::service::{Input, Output, Validation};
use crate::domain::stack::{Diagnostic, Severity, Source};

/// What a module declares.
#[derive(Debug, Default)]
pub struct Module {
    /// Its variables, by file and line.
    pub inputs: Vec<Input>,
    /// Its outputs, by file and line.
    pub outputs: Vec<Output>,
    /// The modules that it calls by a path of its own, as written.
    pub local_modules: Vec<String>,
    /// The files that cannot be parsed.
    pub problems: Vec<Diagnostic>,
}

/// Says whether a file of that name is read by Terraform or OpenTofu.
#[must_use]
pub fn is_source(name: &str) -> bool {
    [".tf", ".tf.json", ".tofu", ".tofu.json"].iter().any(|end| name.ends_with(end)) && !name.starts_with('.')
}

/// Reads the module in a folder; `shown` is how the folder is named in sources.
#[must_use]
pub fn read(files: &dyn Files, folder: &Path, shown: &str) -> Module {
    let mut module = Module::default();
    let names = files.list(folder).unwrap_or_default();
    for (name, _) in names.iter().filter(|(name, kind)| *kind == Kind::File && is_source(name)) {
        let file = below(shown, name);
        match files.read(&folder.join(name)) {
            Ok(bytes) if name.ends_with(".json") => module.json(&file, &bytes),
            Ok(bytes) => module.hcl(&file, &String::from_utf8_lossy(&bytes)),
            Err(error) => module.problem(&file, 1, 1, &error.to_string()),
        }
    }
    module
}

/// Returns the folder and those of all modules that it calls by a path, and that these call.
#[must_use]
pub fn reach(files: &dyn Files, folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![clean(folder)];
    while let Some(folder) = left.pop() {
        if found.insert(folder.clone()) {
            let called = read(files, &folder, "").local_modules;
            left.extend(called.iter().map(|source| clean(&folder.join(source))));
        }
    }
    found
}

impl Module {
    fn problem(&mut self, file: &str, line: usize, column: usize, message: &str) {
        self.problems.push(Diagnostic {
            severity: Severity::Warning,
            code: "terraform-syntax".to_owned(),
            message: format!("{file} cannot be read: {message}"),
            hint: Some(
                "`terraform fmt` and `terraform validate` say more; what it declares is missing here".to_owned(),
            ),
            source: Some(Source { file: file.to_owned(), line: number(line), column: number(column) }),
            stack: None,
        });
    }

    fn hcl(&mut self, file: &str, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let body: Body = match hcl_edit::parser::parse_body(text) {
            Ok(body) => body,
            Err(error) => {
                let at = error.location();
                let (line, column, message) = (at.line(), at.column(), error.message().trim().replace('\n', "; "));
                return self.problem(file, line, column, &message);
            }
        };
        for block in body.blocks() {
            let Some(name) = block.labels.first().map(|label| label.as_str().to_owned()) else { continue };
            let place = |span: Option<Range<usize>>| source(file, text, span.map_or(0, |span| span.start));
            match block.ident.as_str() {
                "variable" => self.inputs.push(input(name, block, text, place(block.ident.span()))),
                "output" => self.outputs.push(Output {
                    name,
                    description: attribute(&block.body, "description").and_then(literal),
                    sensitive: flag(&block.body, "sensitive").unwrap_or(false),
                    source: place(block.ident.span()),
                }),
                "module" => {
                    let called = attribute(&block.body, "source").and_then(literal);
                    self.local_modules.extend(called.filter(|source| is_local(source)));
                }
                _ => {}
            }
        }
    }

    /// Reads Terraform's JSON syntax; it has no places below the file's own.
    fn json(&mut self, file: &str, bytes: &[u8]) {
        let value: Value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => return self.problem(file, error.line(), error.column(), &error.to_string()),
        };
        let text = String::from_utf8_lossy(bytes);
        let place = |name: &str| source(file, &text, text.find(&format!("\"{name}\"")).unwrap_or(0));
        // A block may be a map, or a list of maps.
        let blocks = |kind: &str| -> Vec<(String, Value)> {
            let lists = match value.get(kind) {
                Some(Value::Array(list)) => list.clone(),
                Some(one) => vec![one.clone()],
                None => Vec::new(),
            };
            lists
                .into_iter()
                .filter_map(|v| if let Value::Object(map) = v { Some(map) } else { None })
                .flatten()
                .collect()
        };
        let text_of = |block: &Value, key: &str| block.get(key).and_then(Value::as_str).map(str::to_owned);
        let flag = |block: &Value, key: &str| block.get(key).and_then(Value::as_bool);
        for (name, block) in blocks("variable") {
            let checks = match block.get("validation") {
                Some(Value::Array(list)) => list.clone(),
                Some(one) => vec![one.clone()],
                None => Vec::new(),
            };
            self.inputs.push(Input {
                source: place(&name),
                name,
                type_expression: text_of(&block, "type").unwrap_or_else(|| "any".to_owned()),
                description: text_of(&block, "description"),
                required: block.get("default").is_none(),
                default: block.get("default").cloned(),
                sensitive: flag(&block, "sensitive").unwrap_or(false),
                nullable: flag(&block, "nullable").unwrap_or(true),
                validations: checks
                    .iter()
                    .map(|check| Validation {
                        condition: text_of(check, "condition").unwrap_or_default(),
                        error_message: text_of(check, "error_message").unwrap_or_default(),
                    })
                    .collect(),
            });
        }
        let called = blocks("module").into_iter().filter_map(|(_, block)| text_of(&block, "source"));
        self.local_modules.extend(called.filter(|source| is_local(source)));
        for (name, block) in blocks("output") {
            self.outputs.push(Output {
                source: place(&name),
                name,
                description: text_of(&block, "description"),
                sensitive: flag(&block, "sensitive").unwrap_or(false),
            });
        }
    }
}

fn is_local(source: &str) -> bool {
    source.starts_with("./") || source.starts_with("../")
}

fn input(name: String, block: &Block, text: &str, source: Source) -> Input {
    let body = &block.body;
    let default = attribute(body, "default");
    let written = |key: &str| attribute(body, key).map(|value| as_written(value, text));
    let check = |check: &Block| Validation {
        condition: attribute(&check.body, "condition").map(|value| as_written(value, text)).unwrap_or_default(),
        error_message: attribute(&check.body, "error_message")
            .map(|value| literal(value).unwrap_or_else(|| as_written(value, text)))
            .unwrap_or_default(),
    };
    Input {
        name,
        // Terraform 0.11 wrote types in quotes.
        type_expression: attribute(body, "type")
            .and_then(literal)
            .or_else(|| written("type"))
            .unwrap_or_else(|| "any".to_owned()),
        description: attribute(body, "description").and_then(literal),
        required: default.is_none(),
        default: default.map(|value| json(value).unwrap_or_else(|| Value::String(as_written(value, text)))),
        sensitive: flag(body, "sensitive").unwrap_or(false),
        nullable: flag(body, "nullable").unwrap_or(true),
        validations: body.get_blocks("validation").map(check).collect(),
        source,
    }
}

fn attribute<'a>(body: &'a Body, key: &str) -> Option<&'a Expression> {
    body.get_attribute(key).map(|attribute| &attribute.value)
}

fn flag(body: &Body, key: &str) -> Option<bool> {
    match attribute(body, key)? {
        Expression::Bool(value) => Some(*value.value()),
        _ => None,
    }
}

/// Returns the text of an expression as the file writes it.
fn as_written(expression: &Expression, text: &str) -> String {
    let written = expression.span().and_then(|span| text.get(span)).map(str::trim);
    written.map_or_else(|| expression.to_string().trim().to_owned(), str::to_owned)
}

/// Returns a text without interpolation.
fn literal(expression: &Expression) -> Option<String> {
    match json(expression)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Returns an expression that needs no evaluation as JSON.
fn json(expression: &Expression) -> Option<Value> {
    Some(match expression {
        Expression::Null(_) => Value::Null,
        Expression::Bool(value) => Value::Bool(*value.value()),
        Expression::Number(value) => number_json(value.value()),
        Expression::String(value) => Value::String(value.value().to_owned()),
        Expression::Array(items) => Value::Array(items.iter().map(json).collect::<Option<_>>()?),
        Expression::Object(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = match key {
                    ObjectKey::Ident(ident) => ident.as_str().to_owned(),
                    ObjectKey::Expression(key) => match json(key)? {
                        Value::String(text) => text,
                        other => other.to_string(),
                    },
                };
                map.insert(key, json(value.expr())?);
            }
            Value::Object(map)
        }
        Expression::Parenthesis(inner) => json(inner.inner())?,
        Expression::UnaryOp(operation) if *operation.operator.value() == UnaryOperator::Neg => {
            let text = format!("-{}", json(&operation.expr)?);
            serde_json::from_str(&text).ok()?
        }
        Expression::StringTemplate(template) => Value::String(template.iter().map(plain).collect::<Option<_>>()?),
        Expression::HeredocTemplate(heredoc) => {
            let mut heredoc = (**heredoc).clone();
            heredoc.dedent();
            Value::String(heredoc_text(&heredoc.template)?)
        }
        _ => return None,
    })
}

fn heredoc_text(template: &Template) -> Option<String> {
    template.iter().map(plain).collect()
}

fn plain(element: &Element) -> Option<String> {
    match element {
        Element::Literal(text) => Some(text.value().to_owned()),
        _ => None,
    }
}

fn number_json(number: &hcl_edit::Number) -> Value {
    if let Some(whole) = number.as_i64() {
        return Value::from(whole);
    }
    number.as_u64().map(Value::from).or_else(|| number.as_f64().map(Value::from)).unwrap_or(Value::Null)
}

/// Returns the place of a byte.
fn source(file: &str, text: &str, offset: usize) -> Source {
    let before = text.get(..offset).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    Source { file: file.to_owned(), line: number(line), column: number(column) }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX).max(1)
}
