//! `!include` and `!include.raw`: done while a file is read, and never out of an estate that is not trusted.

use std::path::{Path, PathBuf};

use super::{Engine, find::is_remote, query};
use crate::{
    atmos::{
        config::{clean, display},
        files::Kind,
        node::{Key, Map, Node, Pos, Value},
        yaml::{Fault, Includes, Reader},
    },
    domain::stack::{Diagnostic, Severity},
};

/// Includes for one file of the estate.
pub(super) struct EstateIncludes<'e, 'a> {
    pub(super) engine: &'e Engine<'a>,
    pub(super) path: &'e Path,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) read: Vec<PathBuf>,
    pub(super) depth: usize,
}

impl Includes for EstateIncludes<'_, '_> {
    fn include(&mut self, tag: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        let refuse = |code: &'static str, message: String| Fault { code, message, line: pos.line, column: pos.column };
        let mut words = value.splitn(2, char::is_whitespace);
        let file = words.next().unwrap_or("").trim_matches(['"', '\'']);
        let asked = words.next().map(|q| q.trim().trim_matches(['"', '\''])).filter(|q| !q.is_empty());
        if file.is_empty() || self.depth > 8 {
            return Err(refuse("include-invalid", format!("invalid {tag}: '{value}'")));
        }
        let as_text = || Node::new(Value::Str(format!("{tag} {value}").into()), pos);
        if is_remote(file) {
            self.problems.push(Diagnostic {
                severity: Severity::Error,
                code: "remote-include".to_owned(),
                message: format!("{tag} '{file}' is remote: Terrace fetches nothing by itself"),
                hint: Some("vendor the file into the repository".to_owned()),
                source: pos.source(),
                stack: None,
            });
            return Ok(as_text());
        }
        let engine = self.engine;
        let beside = clean(&self.path.parent().unwrap_or(engine.root).join(file));
        let based = clean(&engine.config.base_path.join(file));
        let found = [beside, based].into_iter().find(|p| engine.options.files.kind(p) == Some(Kind::File));
        let Some(found) = found else {
            return Err(refuse(
                "include-not-found",
                format!(
                    "the !include function references a file that does not exist: could not find local file '{file}'"
                ),
            ));
        };
        if !engine.may_read(&found) {
            self.problems.push(Diagnostic {
                severity: Severity::Error,
                code: "untrusted-include".to_owned(),
                message: format!("{tag} '{file}' leads out of the estate and was not read"),
                hint: Some("run `terrace trust` if you trust this estate".to_owned()),
                source: pos.source(),
                stack: None,
            });
            return Ok(as_text());
        }
        let bytes = engine.options.files.read(&found).map_err(|e| refuse("unreadable-file", format!("{file}: {e}")))?;
        self.read.push(found.clone());
        let name = Key::new(&display(engine.root, &found));
        let extension = found.extension().and_then(|e| e.to_str()).unwrap_or("").to_lowercase();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let at = Pos { file: name, line: 1, column: 1 };
        let file_name = found.file_name().and_then(|n| n.to_str()).unwrap_or("");
        let node = if tag == "!include.raw" {
            Node::new(Value::Str(text.into()), at)
        } else if extension == "json" || extension == "yaml" || extension == "yml" {
            let path = found.clone();
            let mut nested = Untagged { file: path };
            let node = Reader { file: name, key_delimiter: "", includes: &mut nested }
                .read(&bytes)
                .map_err(|f| refuse("include-invalid", format!("{}: {}", name.as_str(), f.message)))?;
            strip_tags(&node.unwrap_or_else(|| Node::new(Value::Null, at)))
        } else if extension == "env" || file_name == ".env" {
            dotenv(&text, name)
        } else if matches!(extension.as_str(), "hcl" | "tf" | "tfvars") {
            let json: serde_json::Value =
                hcl::from_str(&text).map_err(|e| refuse("include-invalid", format!("{}: {e}", name.as_str())))?;
            Node::from_json(&json, at)
        } else {
            Node::new(Value::Str(text.into()), at)
        };
        match asked {
            None => Ok(node),
            Some(asked) => Ok(query::evaluate(&node, asked).unwrap_or_else(|| {
                self.problems.push(Diagnostic {
                    severity: Severity::Error,
                    code: "include-query".to_owned(),
                    message: format!("the query '{asked}' of {tag} is more than Terrace evaluates"),
                    hint: Some("only Atmos can resolve this value".to_owned()),
                    source: pos.source(),
                    stack: None,
                });
                as_text()
            })),
        }
    }
}

struct Untagged {
    file: PathBuf,
}

impl Includes for Untagged {
    fn include(&mut self, _: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        let _ = &self.file;
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
