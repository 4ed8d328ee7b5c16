//! Files that are included: read by their extension, as Atmos does.

use std::path::Path;

use super::{Fault, Includes, Reader};
use crate::atmos::node::{Key, Map, Node, Pos, Value};

/// Reads an included file as a value, or as one text where it is asked for raw.
///
/// # Errors
/// Where the text is not what the extension says.
pub fn read(path: &Path, bytes: &[u8], raw: bool, name: Key) -> Result<Node, String> {
    let at = Pos { file: name, line: 1, column: 1 };
    let text = String::from_utf8_lossy(bytes);
    let whole = |text: &str| Node::new(Value::Str(text.into()), at);
    if raw {
        return Ok(whole(&text));
    }
    let file_name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
    let extension = file_name.rsplit_once('.').map_or("", |(_, e)| e).to_lowercase();
    match extension.as_str() {
        "json" | "yaml" | "yml" => {
            let node = Reader { file: name, key_delimiter: "", includes: &mut Untagged }.read(bytes);
            let node = node.map_err(|fault| fault.message)?;
            Ok(strip_tags(&node.unwrap_or_else(|| Node::new(Value::Null, at))))
        }
        "env" => Ok(dotenv(&text, name)),
        "hcl" | "tf" | "tfvars" => {
            let json: serde_json::Value = hcl::from_str(&text).map_err(|e| e.to_string())?;
            Ok(Node::from_json(&whole_numbers(json), at))
        }
        _ => Ok(whole(&text)),
    }
}

/// Cuts the arguments of an include into the file and the query.
#[must_use]
pub fn arguments(value: &str) -> (String, Option<String>) {
    let value = value.trim();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let end = match quote {
        Some(quote) => value[1..].find(quote).map_or(value.len(), |at| at + 2),
        None => value.find(|c: char| c.is_whitespace() || c == '|').unwrap_or(value.len()),
    };
    let (file, query) = value.split_at(end);
    let query = unquoted(query.trim());
    (unquoted(file).to_owned(), (!query.is_empty()).then(|| query.to_owned()))
}

fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

struct Untagged;

impl Includes for Untagged {
    fn include(&mut self, _: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        Ok(Node::new(Value::Str(value.into()), pos))
    }
}

/// An included YAML file is read without Atmos' tags: they fall away.
fn strip_tags(node: &Node) -> Node {
    match node.value() {
        Value::Str(s) if s.starts_with('!') && s.contains(' ') => {
            let rest = s.split_once(' ').map_or("", |(_, r)| r);
            Node::new(Value::Str(rest.into()), node.pos())
        }
        Value::Map(m) => Node::new(
            Value::Map(Map::sorted(m.entries().iter().map(|(k, v)| (*k, strip_tags(v))).collect())),
            node.pos(),
        ),
        Value::List(l) => Node::new(Value::List(l.iter().map(strip_tags).collect()), node.pos()),
        _ => node.clone(),
    }
}

/// Cuts numbers to whole ones, as Atmos does with those of HCL.
fn whole_numbers(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        #[expect(clippy::cast_possible_truncation, reason = "to cut is what it is for")]
        Json::Number(n) => n.as_f64().filter(|_| n.is_f64()).map_or(Json::Number(n), |f| Json::from(f as i64)),
        Json::Array(items) => items.into_iter().map(whole_numbers).collect(),
        Json::Object(map) => map.into_iter().map(|(k, v)| (k, whole_numbers(v))).collect(),
        other => other,
    }
}

fn dotenv(text: &str, file: Key) -> Node {
    let entries = text.lines().enumerate().filter_map(|(i, line)| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        if line.starts_with('#') {
            return None;
        }
        let (key, value) = line.split_once('=')?;
        let value = value.trim();
        let value = match value.chars().next() {
            Some(q @ ('"' | '\'')) => value[1..].split(q).next().unwrap_or(""),
            _ => value.split(" #").next().unwrap_or("").trim(),
        };
        let pos = Pos { file, line: u32::try_from(i).ok()? + 1, column: 1 };
        Some((Key::new(key.trim()), Node::new(Value::Str(value.into()), pos)))
    });
    Node::new(Value::Map(Map::from_entries(entries.collect())), Pos { file, line: 1, column: 1 })
}
