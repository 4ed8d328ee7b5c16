//! Makes an input of a Terraform variable: type, default, description, and those validations that a form can check.
//!
//! What a condition says beyond the shapes read here is left to Terraform, which checks every one when it plans.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::domain::service::Input;

/// Returns the JSON Schema of a variable.
#[must_use]
pub fn schema_of(input: &Input) -> Value {
    let mut schema = type_schema(input.type_expression.trim(), 0);
    let Some(keys) = schema.as_object_mut() else { return schema };
    if let Some(description) = &input.description {
        keys.insert("description".to_owned(), json!(description));
    }
    if let Some(default) = input.default.as_ref().filter(|default| !default.is_null()) {
        keys.insert("default".to_owned(), default.clone());
    }
    for validation in &input.validations {
        for (keyword, value) in checks(&input.name, &validation.condition) {
            keys.insert(keyword, value);
        }
    }
    schema
}

/// Reads a type constraint; what is not known may be anything.
fn type_schema(text: &str, depth: usize) -> Value {
    let text = text.trim();
    let inner = |name: &str| text.strip_prefix(name)?.trim_start().strip_prefix('(')?.trim_end().strip_suffix(')');
    if depth > 20 {
        return json!({});
    }
    match text {
        "string" => return json!({"type": "string"}),
        "number" => return json!({"type": "number"}),
        "bool" => return json!({"type": "boolean"}),
        _ => {}
    }
    if let Some(of) = inner("optional") {
        let first = split(of).into_iter().next().unwrap_or_default();
        return type_schema(&first, depth + 1);
    }
    if let Some(of) = inner("list") {
        return json!({"type": "array", "items": type_schema(of, depth + 1)});
    }
    if let Some(of) = inner("set") {
        return json!({"type": "array", "uniqueItems": true, "items": type_schema(of, depth + 1)});
    }
    if let Some(of) = inner("map") {
        return json!({"type": "object", "additionalProperties": type_schema(of, depth + 1)});
    }
    let Some(body) = inner("object").and_then(|body| body.trim().strip_prefix('{')?.strip_suffix('}')) else {
        return json!({});
    };
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for entry in split(body) {
        let Some((name, kind)) = entry.split_once('=') else { continue };
        let name = name.trim().trim_matches('"').to_owned();
        if !kind.trim().starts_with("optional") {
            required.push(Value::from(name.clone()));
        }
        properties.insert(name, type_schema(kind, depth + 1));
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// Splits at commas and line ends outside of brackets and quotes.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut depth, mut quoted) = (Vec::new(), String::new(), 0_usize, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' | '{' | '[' if !quoted => depth += 1,
            ')' | '}' | ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if !quoted && depth == 0 && matches!(c, ',' | '\n') {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(c);
        }
    }
    parts.push(part);
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

static CONTAINS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^contains\(\s*\[(.*)\]\s*,\s*([\w.]+)\s*\)$").ok());
static MATCHES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"^can\(\s*regex\(\s*"((?:[^"\\]|\\.)*)"\s*,\s*([\w.]+)\s*\)\s*\)$"#).ok());
static COMPARES: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(length\()?\s*([\w.]+)\s*\)?\s*(>=|<=|>|<)\s*(-?[0-9]+(?:\.[0-9]+)?)$").ok());

/// Reads a condition whose every part has a known shape; of any other one nothing is taken.
fn checks(name: &str, condition: &str) -> Vec<(String, Value)> {
    let own = format!("var.{name}");
    let mut found = Vec::new();
    for part in condition.split("&&").map(str::trim) {
        let part = part.strip_prefix('(').and_then(|part| part.strip_suffix(')')).unwrap_or(part);
        let Some(check) = check(&own, part) else { return Vec::new() };
        found.push(check);
    }
    found
}

fn check(own: &str, part: &str) -> Option<(String, Value)> {
    if let Some(found) = CONTAINS.as_ref()?.captures(part).filter(|found| &found[2] == own) {
        let items: Value = serde_json::from_str(&format!("[{}]", found[1].trim().trim_end_matches(','))).ok()?;
        return Some(("enum".to_owned(), items));
    }
    if let Some(found) = MATCHES.as_ref()?.captures(part).filter(|found| &found[2] == own) {
        let pattern: String = serde_json::from_str(&format!("\"{}\"", &found[1])).ok()?;
        return Some(("pattern".to_owned(), json!(pattern)));
    }
    let found = COMPARES.as_ref()?.captures(part).filter(|found| &found[2] == own)?;
    let number: Value = serde_json::from_str(&found[4]).ok()?;
    let keyword = match (found.get(1).is_some(), &found[3]) {
        (false, ">=") => "minimum",
        (false, "<=") => "maximum",
        (false, ">") => "exclusiveMinimum",
        (false, _) => "exclusiveMaximum",
        (true, ">=") => "minLength",
        (true, "<=") => "maxLength",
        (true, _) => return None,
    };
    Some((keyword.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service::Validation;
    use crate::domain::stack::Source;

    fn schema(kind: &str, conditions: &[&str]) -> Value {
        let validation =
            |condition: &&str| Validation { condition: (*condition).to_owned(), error_message: String::new() };
        schema_of(&Input {
            name: "size".into(),
            type_expression: kind.into(),
            description: None,
            default: None,
            required: true,
            sensitive: false,
            nullable: true,
            validations: conditions.iter().map(validation).collect(),
            source: Source { file: String::new(), line: 1, column: 1 },
        })
    }

    #[test]
    fn types_become_schemas() {
        assert_eq!(schema("list(string)", &[]), json!({"type": "array", "items": {"type": "string"}}));
        let nested = "object({\n  gb = number\n  tags = optional(map(string), {})\n})";
        let expected = json!({"type": "object", "additionalProperties": false, "required": ["gb"], "properties": {
            "gb": {"type": "number"}, "tags": {"type": "object", "additionalProperties": {"type": "string"}}}});
        assert_eq!(schema(nested, &[]), expected);
        assert_eq!(schema("any", &[]), json!({}));
        assert_eq!(schema("tuple([string])", &[]), json!({}));
    }

    #[test]
    fn conditions_that_a_form_can_check_become_keywords_and_others_none() {
        let with = |condition| schema("string", &[condition]);
        assert_eq!(with(r#"contains(["small", "large"], var.size)"#)["enum"], json!(["small", "large"]));
        assert_eq!(with(r#"can(regex("^[a-z]\\d+$", var.size))"#)["pattern"], json!(r"^[a-z]\d+$"));
        let range = with("var.size >= 1 && var.size <= 50");
        assert_eq!((&range["minimum"], &range["maximum"]), (&json!(1), &json!(50)));
        assert_eq!(with("length(var.size) >= 3")["minLength"], json!(3));
        for other in ["var.other >= 1", "var.size >= 1 || var.size == 0", "var.size >= 1 && startswith(var.size, 1)"] {
            assert_eq!(with(other), json!({"type": "string"}), "{other}");
        }
    }
}
