//! `data`: JSON and YAML, read and written, and base64; also the environment.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use serde_json::{Map, Number, Value as Json};

use super::string;
use crate::atmos::{
    node::Key,
    template::{
        budget::Bounded,
        functions::{
            Answer, Call, Function,
            Param::{Any, Str},
            fixed, variadic,
        },
        print,
        sprig::{Style, write_json},
        value::{MAX_DEPTH, Value, from_json},
    },
    yaml::{self, NoIncludes, Reader},
};

pub(super) const TABLE: &[Function] = &[
    fixed("json", &[Any], |call, a| read(call, a, "map[string]interface {}")),
    fixed("data.JSON", &[Any], |call, a| read(call, a, "map[string]interface {}")),
    fixed("yaml", &[Any], |call, a| read(call, a, "map[string]interface {}")),
    fixed("data.YAML", &[Any], |call, a| read(call, a, "map[string]interface {}")),
    fixed("jsonArray", &[Any], |call, a| read(call, a, "[]interface {}")),
    fixed("data.JSONArray", &[Any], |call, a| read(call, a, "[]interface {}")),
    fixed("yamlArray", &[Any], |call, a| read(call, a, "[]interface {}")),
    fixed("data.YAMLArray", &[Any], |call, a| read(call, a, "[]interface {}")),
    fixed("toJSON", &[Any], |call, a| to_json(call, &a[0], Style::Codec)),
    fixed("data.ToJSON", &[Any], |call, a| to_json(call, &a[0], Style::Codec)),
    fixed("toJSONPretty", &[Str, Any], pretty),
    fixed("data.ToJSONPretty", &[Str, Any], pretty),
    fixed("toYAML", &[Any], to_yaml),
    fixed("data.ToYAML", &[Any], to_yaml),
    fixed("base64.Encode", &[Any], |call, a| {
        let text = if a[0].is_nil() { String::new() } else { string(call, &a[0])? };
        Ok(Value::str(STANDARD.encode(text)))
    }),
    fixed("base64.Decode", &[Any], |call, a| {
        let text = string(call, &a[0])?.replace(['\r', '\n'], "");
        let bytes = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text));
        let bytes = bytes.map_err(|error| format!("failed to base64 decode string: {error}"))?;
        Ok(Value::str(String::from_utf8_lossy(&bytes)))
    }),
    variadic("getenv", &[Any], Str, getenv),
];

/// Reads a document by the rules of YAML, which JSON is a part of.
fn read(call: &mut Call<'_>, args: &[Value], wanted: &str) -> Answer {
    let text = string(call, &args[0])?;
    call.budget.bytes(text.len().saturating_mul(4))?;
    let mut includes = NoIncludes;
    let mut reader = Reader { file: Key::new("t.yaml"), key_delimiter: "", includes: &mut includes };
    let node = reader.read(text.as_bytes()).map_err(|fault| format!("yaml: line {}: {}", fault.line, fault.message))?;
    let json = node.map_or(Json::Null, |node| node.to_json());
    let value = from_json(&json, 0).ok_or("the value is nested too deeply to be read")?;
    match (&value, wanted) {
        (Value::Nil, "[]interface {}") => Ok(Value::list(Vec::new())),
        (Value::Nil, _) => Ok(Value::map([])),
        (value, wanted) if value.type_name() == wanted => Ok(value.clone()),
        (other, wanted) => Err(format!("yaml: unmarshal errors: cannot unmarshal {} into {wanted}", other.type_name())),
    }
}

fn to_json(call: &mut Call<'_>, value: &Value, style: Style<'_>) -> Answer {
    let mut out = Bounded::new(call.budget.text());
    write_json(&mut out, value, style, 0)?;
    Ok(Value::str(out.into_string()))
}

fn pretty(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let indent = args[0].as_str().unwrap_or_default();
    to_json(call, &args[1], Style::CodecPretty(indent))
}

/// Writes YAML that reads back as the value, indented by two as gomplate does.
fn to_yaml(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let json = plain(call, &args[0], 0)?;
    let text = yaml::write(&json);
    call.budget.bytes(text.len())?;
    Ok(Value::str(text))
}

fn plain(call: &mut Call<'_>, value: &Value, depth: usize) -> Result<Json, String> {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deeply to be encoded".into());
    }
    call.budget.steps(1)?;
    call.budget.bytes(value.weight())?;
    Ok(match value {
        Value::Missing | Value::Nil => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Json::from(*value),
        Value::Uint(value) => Json::from(*value),
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, checked in the guard")]
        Value::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => Json::from(*value as i64),
        Value::Float(value) => Number::from_f64(*value).map_or_else(|| special(*value), Json::Number),
        Value::Str(text) => Json::from(&**text),
        Value::Version(version) => Json::from(version.to_string()),
        Value::List(list) => {
            Json::Array(list.items().iter().map(|item| plain(call, item, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let entries = map.entries().into_iter();
            let entries = entries.map(|(key, value)| Ok((key.to_string(), plain(call, &value, depth + 1)?)));
            Json::Object(entries.collect::<Result<Map<_, _>, String>>()?)
        }
    })
}

/// Names what JSON has no number for.
fn special(value: f64) -> Json {
    Json::from(print::float_g(value, None, false))
}

/// Answers `getenv`: the variable, or a default; a variable that names a file is read by nobody here.
fn getenv(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let key = string(call, &args[0])?;
    let set = |name: &str| call.env.get(name).filter(|value| !value.is_empty());
    if let Some(value) = set(&key) {
        return Ok(Value::str(value));
    }
    if set(&format!("{key}_FILE")).is_some() {
        return Err(format!("the value of {key} stands in the file that {key}_FILE names, which isn't read"));
    }
    Ok(args.get(1).cloned().unwrap_or_else(|| Value::str("")))
}
