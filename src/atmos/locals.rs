//! `locals` of a stack file, and the context that its templates and its imports see.

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use regex::Regex;

use super::{
    merge::{ListStrategy, merge_files},
    node::{Key, Map, Node, Value},
    template::{self, TemplateOptions},
};
use crate::domain::stack::{Diagnostic, Severity};

/// What a file's templates see: the importer's context, and `locals`, `settings`, `vars`, `env` of a file with locals.
#[derive(Debug, Clone, Default)]
pub(super) struct Context {
    values: BTreeMap<&'static str, Node>,
    other: Option<Node>,
}

/// The functions that Atmos evaluates in locals, and that are answered by more than the files.
const ASKING: [&str; 27] = [
    "!exec",
    "!secret",
    "!store",
    "!store.get",
    "!terraform.output",
    "!terraform.state",
    "!unset",
    "!git.sha",
    "!git.ref",
    "!git.branch",
    "!git.repository",
    "!git.owner",
    "!git.name",
    "!git.host",
    "!git.url",
    "!aws.account_id",
    "!aws.caller_identity_arn",
    "!aws.caller_identity_user_id",
    "!aws.region",
    "!aws.organization_id",
    "!emulator",
    "!version",
    "!tags",
    "!labels",
    "!labels.keys",
    "!labels.values",
    "!cel",
];

/// What locals may look at besides their file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) options: &'a TemplateOptions,
    /// The folder in which commands run, where they may.
    pub(super) trusted: Option<&'a Path>,
    /// The repository's folder.
    pub(super) git_root: Option<&'a Path>,
}

/// The types that may have locals of their own.
const KINDS: [&str; 3] = ["terraform", "helmfile", "packer"];
const SECTIONS: [&str; 4] = ["locals", "vars", "settings", "env"];

impl Context {
    /// Starts from what the importer hands over; its locals stay in its file.
    pub(super) fn from_importer(context: Option<&Node>) -> Self {
        let other = context
            .and_then(Node::map)
            .map(|m| Node::new(Value::Map(m.without(&["locals"])), super::node::Pos::none()));
        Self { values: BTreeMap::new(), other: other.filter(|n| n.map().is_some_and(|m| !m.is_empty())) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.other.is_none()
    }

    fn node(&self) -> Node {
        let mut map = self.other.as_ref().and_then(Node::map).cloned().unwrap_or_default();
        for (key, node) in &self.values {
            map = map.with(Key::new(key), node.clone());
        }
        Node::new(Value::Map(map), super::node::Pos::none())
    }

    fn get(&self, key: &str) -> Option<Node> {
        self.values.get(key).cloned().or_else(|| self.other.as_ref()?.get(key).cloned())
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        self.node().to_json()
    }

    /// Sections of the context replace the file's own ones.
    pub(super) fn put_into(&self, own: &Node) -> Node {
        let Some(map) = own.map() else { return own.clone() };
        let mut map = map.clone();
        let mut changed = false;
        for section in SECTIONS {
            if let Some(node) = self.get(section).filter(|n| n.map().is_some_and(|m| !m.is_empty())) {
                map = map.with(Key::new(section), node);
                changed = true;
            }
        }
        if changed { Node::new(Value::Map(map), own.pos()) } else { own.clone() }
    }

    /// Returns what imports see: their own context below this one.
    pub(super) fn for_imports(&self, own: Option<&Node>, lists: ListStrategy) -> Option<Node> {
        if self.is_empty() && own.is_none() {
            return None;
        }
        let empty = Node::empty();
        Some(merge_files(&[own.unwrap_or(&empty), &self.node()], lists))
    }
}

static PLAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\s*\{\{-?\s*\.([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*-?\}\}\s*$").ok());
static LOCAL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\.locals\.([A-Za-z_]\w*)").ok());

/// Fills in texts that are nothing but a reference, types kept; they stand where the reference stands.
pub(super) fn structured(node: &Node, context: &Context) -> Node {
    fill(node, &context.node())
}

fn fill(node: &Node, context: &Node) -> Node {
    match node.value() {
        Value::Map(m) => Node::new(
            Value::Map(Map::sorted(m.entries().iter().map(|(k, v)| (*k, fill(v, context))).collect())),
            node.pos(),
        ),
        Value::List(l) => Node::new(Value::List(l.iter().map(|n| fill(n, context)).collect()), node.pos()),
        Value::Str(s) if s.contains("{{") => match reference(s, context) {
            Some(found) => stand_at(&found, node.pos()),
            None => node.clone(),
        },
        _ => node.clone(),
    }
}

fn stand_at(node: &Node, pos: super::node::Pos) -> Node {
    let value = match node.value() {
        Value::Map(m) => Value::Map(Map::sorted(m.entries().iter().map(|(k, v)| (*k, stand_at(v, pos))).collect())),
        Value::List(l) => Value::List(l.iter().map(|n| stand_at(n, pos)).collect()),
        other => other.clone(),
    };
    Node::new(value, pos)
}

fn reference(text: &str, context: &Node) -> Option<Node> {
    let path = PLAIN.as_ref()?.captures(text)?.get(1)?.as_str();
    path.split('.').try_fold(context.clone(), |node, key| node.get(key).cloned())
}

/// Tells whether a file has locals, its own or those of a type.
pub(super) fn has_any(file: &Node) -> bool {
    let has = |n: Option<&Node>| n.and_then(|n| n.get("locals")).is_some();
    has(Some(file)) || KINDS.iter().any(|k| has(file.get(k)))
}

/// Resolves the locals of a file, where it has any, and adds them and the file's sections to the context.
///
/// Returns what was left unevaluated as problems.
pub(super) fn extract(
    file: &Node,
    context: &mut Context,
    relative: &str,
    around: Surroundings<'_>,
) -> Result<Vec<Diagnostic>, Box<Diagnostic>> {
    if !has_any(file) {
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    let base: BTreeMap<&str, Node> = ["settings", "vars", "env"]
        .iter()
        .filter_map(|s| Some((*s, file.get(s).filter(|n| n.map().is_some())?.clone())))
        .collect();
    let Surroundings { options, trusted, git_root } = around;
    let mut job = Job { relative, options, trusted, git_root, problems: &mut problems };
    let global = job.resolve(file.get("locals"), &BTreeMap::new(), &base)?;
    let mut all = global.clone();
    for kind in KINDS {
        let Some(section) = file.get(kind).filter(|s| s.get("locals").is_some()) else { continue };
        let mut sections = base.clone();
        for name in ["settings", "vars", "env"] {
            if let Some(map) = section.get(name).and_then(Node::map) {
                let mut joined = sections.get(name).and_then(Node::map).cloned().unwrap_or_default();
                for (k, v) in map.entries() {
                    joined = joined.with(*k, v.clone());
                }
                sections.insert(name, Node::new(Value::Map(joined), section.pos()));
            }
        }
        all.extend(job.resolve(section.get("locals"), &global, &sections)?);
    }
    let locals = Node::map_of(all.into_iter().map(|(k, v)| (Key::new(&k), v)).collect());
    context.values.insert("locals", locals);
    for name in ["settings", "vars", "env"] {
        let Some(section) = base.get(name) else { continue };
        let rendered = render_section(section, context, relative, options).unwrap_or_else(|| section.clone());
        context.values.insert(name, rendered);
    }
    Ok(problems)
}

/// Renders a whole section; `None` where one of its templates fails, and then all of it stays as written.
fn render_section(section: &Node, context: &Context, relative: &str, options: &TemplateOptions) -> Option<Node> {
    let filled = structured(section, context);
    let text = serde_yaml::to_string(&filled.to_json()).ok()?;
    if !text.contains("{{") {
        return Some(filled);
    }
    let rendered = template::render(relative, &text, &context.to_json(), options).ok()?;
    let pos = section.pos();
    let mut reader = super::yaml::Reader { file: pos.file, key_delimiter: "", includes: &mut super::yaml::NoIncludes };
    let node = reader.read(rendered.as_bytes()).ok()??;
    Some(super::import::replace_places(&node, Some(section), pos))
}

struct Job<'a> {
    relative: &'a str,
    options: &'a TemplateOptions,
    trusted: Option<&'a Path>,
    git_root: Option<&'a Path>,
    problems: &'a mut Vec<Diagnostic>,
}

impl Job<'_> {
    fn refuse(&self, code: &str, message: String, hint: &str, at: &Node) -> Box<Diagnostic> {
        Box::new(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message,
            hint: Some(hint.to_owned()),
            source: at.pos().source(),
            stack: None,
        })
    }

    fn resolve(
        &mut self,
        locals: Option<&Node>,
        above: &BTreeMap<String, Node>,
        sections: &BTreeMap<&str, Node>,
    ) -> Result<BTreeMap<String, Node>, Box<Diagnostic>> {
        let mut done = above.clone();
        let Some(locals) = locals else { return Ok(done) };
        let Some(map) = locals.map() else {
            let message = format!("locals must be a map in {}", self.relative);
            return Err(self.refuse("invalid-locals", message, "write a map", locals));
        };
        let mut todo: BTreeMap<String, Node> =
            map.entries().iter().map(|(k, v)| (k.as_str().to_owned(), v.clone())).collect();
        while let Some(first) = todo.keys().next().cloned() {
            let mut trail = vec![first];
            while let Some(name) = trail.last().cloned() {
                let Some(node) = todo.get(&name).cloned() else {
                    trail.pop();
                    continue;
                };
                let mut needs = Vec::new();
                needed(&node, &mut needs);
                if let Some(next) = needs.into_iter().find(|n| todo.contains_key(n)) {
                    if let Some(at) = trail.iter().position(|t| *t == next) {
                        let mut cycle = trail[at..].to_vec();
                        cycle.push(next);
                        let message = format!(
                            "circular dependency in locals at {}: dependency cycle detected: {}",
                            self.relative,
                            cycle.join(" → ")
                        );
                        return Err(self.refuse(
                            "locals-cycle",
                            message,
                            "locals must not reference each other in a cycle",
                            &node,
                        ));
                    }
                    trail.push(next);
                    continue;
                }
                let value = self.value(&node, &name, &done, sections)?;
                done.insert(name.clone(), value);
                todo.remove(&name);
                trail.pop();
            }
        }
        Ok(done)
    }

    fn value(
        &mut self,
        node: &Node,
        name: &str,
        done: &BTreeMap<String, Node>,
        sections: &BTreeMap<&str, Node>,
    ) -> Result<Node, Box<Diagnostic>> {
        match node.value() {
            Value::Map(m) => {
                let mut entries = Vec::with_capacity(m.len());
                for (k, v) in m.entries() {
                    entries.push((*k, self.value(v, name, done, sections)?));
                }
                Ok(Node::new(Value::Map(Map::sorted(entries)), node.pos()))
            }
            Value::List(l) => {
                let items = l.iter().map(|n| self.value(n, name, done, sections)).collect::<Result<Vec<_>, _>>()?;
                Ok(Node::new(Value::List(items.into_boxed_slice()), node.pos()))
            }
            Value::Str(s) if s.starts_with('!') => Ok(self.function(s, node)),
            Value::Str(s) if s.contains("{{") => {
                let mut entries: Vec<(Key, Node)> = sections.iter().map(|(k, v)| (Key::new(k), v.clone())).collect();
                let locals = done.iter().map(|(k, v)| (Key::new(k), v.clone())).collect();
                entries.push((Key::new("locals"), Node::map_of(locals)));
                let context = Node::map_of(entries);
                if let Some(found) = reference(s, &context) {
                    return Ok(found);
                }
                // Of gomplate's functions Atmos has none here.
                let options = TemplateOptions { gomplate: false, ..self.options.clone() };
                match template::render(name, s, &context.to_json(), &options) {
                    Ok(text) => Ok(Node::new(Value::Str(text.into()), node.pos())),
                    Err(e) => {
                        let message = format!("failed to resolve local \"{name}\" in {}: {}", self.relative, e.message);
                        Err(self.refuse(
                            "locals-error",
                            message,
                            "locals see locals, vars, settings and env of their own file",
                            node,
                        ))
                    }
                }
            }
            _ => Ok(node.clone()),
        }
    }

    /// Runs what only looks at the environment and the repository; anything else stays as written and is said.
    fn function(&mut self, text: &str, node: &Node) -> Node {
        let (tag, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let plain = |text: &str| Node::new(Value::Str(text.into()), node.pos());
        match tag {
            "!env" => {
                let words = words(rest);
                let name = words.first().map_or("", String::as_str);
                let found = self.options.env.get(name).or_else(|| words.get(1));
                plain(found.map_or("", String::as_str))
            }
            "!template" => match serde_json::from_str::<serde_json::Value>(rest.trim()) {
                Ok(json) => Node::from_json(&json, node.pos()),
                Err(_) => plain(rest.trim()),
            },
            "!repo-root" | "!git.root" => match (self.git_root, rest.trim()) {
                (Some(root), _) => plain(&root.to_string_lossy()),
                (None, default) if !default.is_empty() => plain(default),
                _ => {
                    self.left(format!("'{text}' in locals: there is no Git repository"), "locals-function", "", node);
                    node.clone()
                }
            },
            "!exec" if self.trusted.is_some() => match run(rest, self.trusted.unwrap_or(Path::new("."))) {
                Ok(text) => match serde_json::from_str::<serde_json::Value>(&text) {
                    Ok(json) => Node::from_json(&json, node.pos()),
                    Err(_) => plain(&text),
                },
                Err(e) => {
                    self.left(format!("'{text}' failed: {e}"), "locals-function-failed", "correct the command", node);
                    node.clone()
                }
            },
            // What Atmos does not evaluate here stays as it is written with it, too.
            tag if !ASKING.contains(&tag) => node.clone(),
            _ => {
                let hint = if tag == "!exec" {
                    "run `terrace trust` if you trust this estate"
                } else {
                    "only Atmos can evaluate this function"
                };
                let code = if tag == "!exec" { "untrusted-exec" } else { "locals-function" };
                self.left(format!("'{text}' in locals was not evaluated"), code, hint, node);
                node.clone()
            }
        }
    }

    fn left(&mut self, message: String, code: &str, hint: &str, node: &Node) {
        let mut problem = self.refuse(code, message, hint, node);
        problem.severity = Severity::Warning;
        problem.hint = problem.hint.filter(|hint| !hint.is_empty());
        self.problems.push(*problem);
    }
}

fn needed(node: &Node, out: &mut Vec<String>) {
    match node.value() {
        Value::Map(m) => m.entries().iter().for_each(|(_, v)| needed(v, out)),
        Value::List(l) => l.iter().for_each(|v| needed(v, out)),
        Value::Str(s) if s.contains("{{") => {
            let Some(regex) = LOCAL.as_ref() else { return };
            out.extend(regex.captures_iter(s).filter_map(|c| Some(c.get(1)?.as_str().to_owned())));
        }
        _ => {}
    }
}

/// Cuts the arguments of a function at blanks; quotes hold blanks together, a doubled one is itself.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' || first == '\'' {
            let mut word = String::new();
            let mut chars = rest[1..].char_indices().peekable();
            let mut end = rest.len();
            while let Some((at, c)) = chars.next() {
                if c != first {
                    word.push(c);
                } else if chars.peek().is_some_and(|(_, next)| *next == first) {
                    chars.next();
                    word.push(c);
                } else {
                    end = at + 2;
                    break;
                }
            }
            out.push(word);
            rest = rest[end..].trim_start();
        } else {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            out.push(rest[..end].to_owned());
            rest = rest[end..].trim_start();
        }
    }
    out
}

/// Runs a command of a trusted estate.
pub(super) fn run(command: &str, folder: &Path) -> Result<String, String> {
    let out = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err(format!("it ended with {}", out.status));
    }
    Ok(String::from_utf8_lossy(&out.stdout).trim_end_matches('\n').to_owned())
}
