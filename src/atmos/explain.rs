//! Where each leaf of an instance comes from: its winning line, and every level that set it.
//!
//! Nodes carry their places through merging; chains are computed on demand by looking the path up in each file's own part,
//! level by level, in the order in which they were applied.

use super::{
    AtmosConfig,
    node::{Node, Pos, Value},
    resolve::{Instance, Stack},
};
use crate::domain::stack::{ChainEntry, ExplainedValue, Explanation, PathSegment, Source, Via};

const SECTIONS: [&str; 9] =
    ["vars", "settings", "env", "backend", "remote_state_backend", "providers", "metadata", "overrides", "hooks"];

pub(super) fn explain(
    stack: &Stack,
    instance: &Instance,
    config: &AtmosConfig,
    only: Option<&[PathSegment]>,
) -> Explanation {
    let mut job = Job { parts: stack.merged.parts(), instance, config, only, values: Vec::new() };
    for section in SECTIONS {
        if let Some(node) = instance.sections.get(section) {
            job.walk(node, &mut vec![PathSegment::Key(section.to_owned())]);
        }
    }
    Explanation {
        component: instance.name.as_str().to_owned(),
        stack: instance.stack.as_str().to_owned(),
        values: job.values,
    }
}

struct Job<'a> {
    /// What each file says itself, in the order of application.
    parts: Vec<&'a Node>,
    instance: &'a Instance,
    config: &'a AtmosConfig,
    only: Option<&'a [PathSegment]>,
    values: Vec<ExplainedValue>,
}

struct Found {
    node: Node,
    entry: ChainEntry,
}

impl Job<'_> {
    fn walk(&mut self, node: &Node, path: &mut Vec<PathSegment>) {
        if let Some(only) = self.only {
            let n = only.len().min(path.len());
            if only[..n] != path[..n] {
                return;
            }
        }
        match node.value() {
            Value::Map(m) if !m.is_empty() => {
                for (key, child) in m.entries() {
                    path.push(PathSegment::Key(key.as_str().to_owned()));
                    self.walk(child, path);
                    path.pop();
                }
            }
            Value::List(items) if !items.is_empty() => {
                let found = self.levels(path);
                // Lists that merge item by item may come out as the highest one stands, and are no single value all the same.
                let joined = self.merges_lists() && found.iter().filter(|f| f.node.list().is_some()).count() > 1;
                let same = |f: &Found| f.node.same(node) || (f.node.pos() == node.pos() && f.node == *node);
                let whole = !joined && found.iter().any(same);
                if whole || path.iter().any(|p| matches!(p, PathSegment::Index(_))) {
                    return self.leaf(node, path, found);
                }
                for (i, item) in items.iter().enumerate() {
                    path.push(PathSegment::Index(i));
                    if item.map().is_some_and(|m| !m.is_empty()) {
                        self.walk(item, path);
                    } else {
                        self.leaf(item, path, Vec::new());
                    }
                    path.pop();
                }
            }
            _ => {
                let found = self.levels(path);
                self.leaf(node, path, found);
            }
        }
    }

    /// Tells whether lists of this instance merge item by item.
    fn merges_lists(&self) -> bool {
        let own = self.instance.sections.get("settings").and_then(|s| s.get("list_merge_strategy")).and_then(Node::str);
        [Some(self.config.list_merge_strategy.as_str()), own].contains(&Some("merge"))
    }

    fn leaf(&mut self, node: &Node, path: &[PathSegment], found: Vec<Found>) {
        let source = node.pos().source();
        let mut chain: Vec<ChainEntry> = Vec::new();
        if let Some(winner) = &source {
            let last = found.iter().rposition(|f| f.entry.source == *winner);
            for f in found.into_iter().take(last.map_or(0, |l| l + 1)) {
                if chain.last().is_none_or(|c| c.source != f.entry.source) {
                    chain.push(f.entry);
                }
            }
            if chain.is_empty() {
                chain.push(ChainEntry {
                    value: node.to_json(),
                    source: winner.clone(),
                    section: text(path),
                    via: if matches!(path.first(), Some(PathSegment::Key(k)) if k == "overrides") {
                        Via::Overrides
                    } else {
                        Via::Component
                    },
                });
            }
        }
        let computed = source.is_none().then(|| match path.first() {
            Some(PathSegment::Key(k)) if k == "backend" || k == "remote_state_backend" => "backend".to_owned(),
            _ => "default".to_owned(),
        });
        let unevaluated = node.str().is_some_and(|s| s.contains("{{") || s.starts_with('!'));
        self.values.push(ExplainedValue {
            path: path.to_vec(),
            value: node.to_json(),
            source,
            computed,
            unevaluated,
            chain,
        });
    }

    /// Returns what each level says at a path, in the order of application.
    fn levels(&self, path: &[PathSegment]) -> Vec<Found> {
        let mut keys: Vec<&str> = Vec::with_capacity(path.len() + 1);
        for segment in path {
            match segment {
                PathSegment::Key(k) => keys.push(k),
                PathSegment::Index(_) => return Vec::new(),
            }
        }
        let section = keys[0];
        let sections: Vec<(&str, Vec<&str>)> = match section {
            "backend" => vec![("backend", self.typed("backend_type", &keys))],
            "remote_state_backend" => vec![
                ("backend", self.typed("remote_state_backend_type", &keys)),
                ("remote_state_backend", self.typed("remote_state_backend_type", &keys)),
            ],
            _ => vec![(section, keys[1..].to_vec())],
        };
        let mut out = Vec::new();
        if section == "env"
            && let Some(node) = self.config.env.as_ref().and_then(|e| e.at_path(&keys[1..]))
        {
            push(&mut out, node, keys.join("."), Via::Config);
        }
        if section == "settings"
            && keys.get(1..3) == Some(&["integrations", "github"])
            && let Some(node) = self.config.github.as_ref().and_then(|g| g.at_path(&keys[3..]))
        {
            push(&mut out, node, format!("integrations.github.{}", keys[3..].join(".")), Via::Config);
        }
        let (kind, name) = (self.instance.kind, self.instance.name.as_str());
        for (section, rest) in sections {
            let mut level = |prefix: &[&str], via: Via| {
                let full: Vec<&str> = prefix.iter().copied().chain([section]).chain(rest.iter().copied()).collect();
                for own in &self.parts {
                    if let Some(node) = own.at_path(&full) {
                        let node = node.map().and_then(|m| m.get(super::node::APPEND)).unwrap_or(node);
                        push(&mut out, node, full.join("."), via);
                    }
                }
            };
            if section == "overrides" {
                level(&["components", kind, name], Via::Overrides);
                continue;
            }
            let no_global = matches!(section, "backend" | "remote_state_backend" | "providers");
            if !no_global {
                level(&[], Via::Global);
            }
            if section != "metadata" {
                level(&[kind], Via::Type);
            }
            let own_only = section == "metadata" && matches!(rest.first(), Some(&("inherits" | "type")));
            if !own_only && (section != "metadata" || self.config.inherit_metadata) {
                for base in &self.instance.bases {
                    level(&["components", kind, base.as_str()], Via::Inherits);
                }
            }
            level(&["components", kind, name], Via::Component);
            if !matches!(section, "metadata" | "backend" | "remote_state_backend") {
                level(&["components", kind, name, "overrides"], Via::Overrides);
            }
        }
        out
    }

    fn typed<'k>(&'k self, key: &str, keys: &[&'k str]) -> Vec<&'k str> {
        let kind = self.instance.sections.get(key).and_then(Node::str).unwrap_or("");
        std::iter::once(kind).chain(keys[1..].iter().copied()).collect()
    }
}

fn push(out: &mut Vec<Found>, node: &Node, section: String, via: Via) {
    if node.map().is_some_and(|m| !m.is_empty()) {
        return;
    }
    let Pos { file, line, column } = node.pos();
    if line == 0 {
        return;
    }
    let source = Source { file: file.as_str().to_owned(), line, column };
    out.push(Found { node: node.clone(), entry: ChainEntry { value: node.to_json(), source, section, via } });
}

fn text(path: &[PathSegment]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|p| match p {
            PathSegment::Key(k) => k.clone(),
            PathSegment::Index(i) => i.to_string(),
        })
        .collect();
    parts.join(".")
}
