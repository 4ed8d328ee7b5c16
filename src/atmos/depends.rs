//! What needs what: `dependencies.components`, `settings.depends_on`, references inside values.

use super::{
    node::{Map, Node, Value},
    resolve::Instance,
};
use crate::domain::stack::{Dependency, DependencyKind, InstanceRef};

pub(super) fn dependencies(all: &[&Instance]) -> Vec<Dependency> {
    let mut out = Vec::new();
    for instance in all {
        let listed = instance.sections.get("dependencies").and_then(|d| d.get("components"));
        for item in listed.and_then(Node::list).unwrap_or_default() {
            add(&mut out, all, instance, item, DependencyKind::Dependencies);
        }
        let depends = instance.sections.get("settings").and_then(|s| s.get("depends_on"));
        match depends.map(Node::value) {
            Some(Value::List(l)) => l.iter().for_each(|i| add(&mut out, all, instance, i, DependencyKind::DependsOn)),
            Some(Value::Map(m)) => {
                m.entries().iter().for_each(|(_, i)| add(&mut out, all, instance, i, DependencyKind::DependsOn));
            }
            _ => {}
        }
        for section in ["vars", "env", "settings"] {
            if let Some(node) = instance.sections.get(section) {
                inferred(&mut out, all, instance, node);
            }
        }
    }
    out
}

/// Returns the files and folders that an instance depends on, each with `file` or `folder`, paths as written.
pub(super) fn files(instance: &Instance) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let dependencies = instance.sections.get("dependencies");
    for item in dependencies.and_then(|d| d.get("components")).and_then(Node::list).unwrap_or_default() {
        let text = |key: &str| item.get(key).and_then(Node::str);
        if let (Some(kind @ ("file" | "folder")), Some(path)) = (text("kind"), text("path")) {
            out.push((kind.to_owned(), path.to_owned()));
        }
    }
    for (section, kind) in [("files", "file"), ("folders", "folder")] {
        let listed = dependencies.and_then(|d| d.get(section)).and_then(Node::list).unwrap_or_default();
        out.extend(listed.iter().filter_map(Node::str).map(|path| (kind.to_owned(), path.to_owned())));
    }
    if !out.is_empty() {
        return out;
    }
    let depends = instance.sections.get("settings").and_then(|s| s.get("depends_on"));
    for (_, item) in depends.and_then(Node::map).map(Map::entries).unwrap_or_default() {
        for kind in ["file", "folder"] {
            out.extend(item.get(kind).and_then(Node::str).map(|path| (kind.to_owned(), path.to_owned())));
        }
    }
    out
}

/// Returns the instance that a reference means: in the named stack, or in one whose context parts say the same.
fn target<'a>(all: &[&'a Instance], from: &Instance, component: &str, item: Option<&Node>) -> Option<&'a Instance> {
    let text = |key: &str| item.and_then(|i| i.get(key)).and_then(Node::str);
    let named = |i: &&&Instance| i.name.as_str() == component;
    if let Some(stack) = text("stack").filter(|s| !s.contains("{{")) {
        return all.iter().filter(named).find(|i| i.stack.as_str() == stack).copied();
    }
    let parts = ["namespace", "tenant", "environment", "stage"];
    if !parts.iter().any(|p| text(p).is_some()) {
        return all.iter().filter(named).find(|i| i.stack == from.stack).copied();
    }
    let part =
        |i: &Instance, p: &str| i.sections.get("vars").and_then(|v| v.get(p)).and_then(Node::str).map(str::to_owned);
    all.iter()
        .filter(named)
        .find(|i| parts.iter().all(|p| text(p).map(str::to_owned).or_else(|| part(from, p)) == part(i, p)))
        .copied()
}

fn refer(i: &Instance) -> InstanceRef {
    InstanceRef { component: i.name.as_str().to_owned(), stack: i.stack.as_str().to_owned() }
}

fn add(out: &mut Vec<Dependency>, all: &[&Instance], from: &Instance, item: &Node, kind: DependencyKind) {
    let component = item.str().or_else(|| item.get("component").or_else(|| item.get("name")).and_then(Node::str));
    let Some(component) = component else { return };
    if let Some(to) = target(all, from, component, Some(item)) {
        out.push(Dependency { from: refer(from), to: refer(to), kind, source: item.pos().source() });
    }
}

fn inferred(out: &mut Vec<Dependency>, all: &[&Instance], from: &Instance, node: &Node) {
    match node.value() {
        Value::Map(m) => Map::entries(m).iter().for_each(|(_, v)| inferred(out, all, from, v)),
        Value::List(l) => l.iter().for_each(|v| inferred(out, all, from, v)),
        Value::Str(s) => {
            let Some(rest) = s.strip_prefix("!terraform.output ").or_else(|| s.strip_prefix("!terraform.state "))
            else {
                return;
            };
            let words: Vec<&str> = rest.split_whitespace().collect();
            let Some(component) = words.first() else { return };
            let stack = (words.len() > 2).then(|| words[1]);
            let found = all
                .iter()
                .find(|i| i.name.as_str() == *component && i.stack.as_str() == stack.unwrap_or(from.stack.as_str()));
            if let Some(to) = found {
                out.push(Dependency {
                    from: refer(from),
                    to: refer(to),
                    kind: DependencyKind::Inferred,
                    source: node.pos().source(),
                });
            }
        }
        _ => {}
    }
}
