//! What needs what: `dependencies.components`, `settings.depends_on`, references inside values.

use std::collections::HashMap;

use super::{
    node::{Key, Map, Node, Value},
    resolve::Instance,
};
use crate::domain::stack::{Dependency, DependencyKind, InstanceRef};

/// Renders a text that an instance writes, where that can be done without Atmos.
pub(super) type Render<'r> = &'r dyn Fn(&Instance, &str) -> String;

/// All instances by the component's name, in the order of the estate.
type Named<'a> = HashMap<Key, Vec<&'a Instance>>;

/// What a stack's context is made of.
pub(super) const PARTS: [&str; 4] = ["namespace", "tenant", "environment", "stage"];

pub(super) fn dependencies(all: &[&Instance], render: Render<'_>) -> Vec<Dependency> {
    let mut out = Vec::new();
    let mut named = Named::new();
    for instance in all {
        named.entry(instance.name).or_default().push(instance);
    }
    for instance in all {
        let listed = instance.sections.get("dependencies").and_then(|d| d.get("components"));
        let listed: Vec<&Node> =
            listed.and_then(Node::list).unwrap_or_default().iter().filter(|item| is_component(item)).collect();
        for item in &listed {
            out.extend(edge(&named, instance, item, DependencyKind::Dependencies, render));
        }
        let depends = instance.sections.get("settings").and_then(|s| s.get("depends_on"));
        let items: Vec<&Node> = match depends.map(Node::value) {
            // Atmos orders by what is deprecated only where `dependencies` names no component.
            _ if !listed.is_empty() => Vec::new(),
            Some(Value::List(l)) => l.iter().collect(),
            Some(Value::Map(m)) => m.entries().iter().map(|(_, item)| item).collect(),
            _ => Vec::new(),
        };
        out.extend(items.into_iter().filter_map(|i| edge(&named, instance, i, DependencyKind::DependsOn, render)));
        for section in ["vars", "env", "settings"] {
            if let Some(node) = instance.sections.get(section) {
                inferred(&mut out, &named, instance, node);
            }
        }
    }
    out
}

/// A component that an instance says it needs, as `describe dependents` reads it.
#[derive(Debug)]
pub(super) struct Need {
    pub(super) component: String,
    /// The stack, where one is named.
    pub(super) stack: Option<String>,
    /// Namespace, tenant, environment and stage of `settings.depends_on`; none of `dependencies`, which compares stacks.
    pub(super) parts: Option<[String; 4]>,
}

/// Returns what an instance says it needs: `dependencies.components`, and `settings.depends_on` where that names none.
pub(super) fn needs(instance: &Instance, render: Render<'_>) -> Vec<Need> {
    let section = instance.sections.get("dependencies").filter(|d| is_readable(d));
    let listed = section.and_then(|d| d.get("components")).and_then(Node::list).unwrap_or_default();
    let need = |item: &Node| {
        let text = |key: &str| item.get(key).and_then(Node::str).filter(|text| !text.is_empty());
        let component = text("component").or_else(|| text("name"))?;
        let is_file = matches!(text("kind"), Some("file" | "folder"));
        (!is_file).then(|| Need {
            component: render(instance, component),
            stack: text("stack").map(|stack| render(instance, stack)),
            parts: None,
        })
    };
    let out: Vec<Need> = listed.iter().filter_map(need).collect();
    if !out.is_empty() {
        return out;
    }
    let of = |(_, item): &(Key, Node)| {
        let text = |key: &str| render(instance, item.get(key).and_then(Node::str).unwrap_or_default());
        Need {
            component: text("component"),
            stack: Some(text("stack")).filter(|stack| !stack.is_empty()),
            parts: Some(PARTS.map(text)),
        }
    };
    depends_on(instance).iter().map(of).filter(|need| !need.component.is_empty()).collect()
}

/// Returns the entries of `settings.depends_on`; Atmos takes none of them where one is not as it must be.
fn depends_on(instance: &Instance) -> &[(Key, Node)] {
    let section = instance.sections.get("settings").and_then(|s| s.get("depends_on"));
    let entries = section.and_then(Node::map).map(Map::entries).unwrap_or_default();
    let keys = ["component", "stack", "namespace", "tenant", "environment", "stage", "file", "folder"];
    let fits = entries.iter().all(|(_, item)| match item.value() {
        Value::Map(_) => keys.iter().all(|key| is_text(item.get(key))),
        Value::Null => true,
        _ => false,
    });
    if fits { entries } else { &[] }
}

/// Tells whether an entry of `dependencies.components` names a component, and not a file or folder.
fn is_component(item: &Node) -> bool {
    let text = |key: &str| item.get(key).and_then(Node::str).filter(|text| !text.is_empty());
    let is_path = matches!(text("kind"), Some("file" | "folder"));
    !is_path && (item.str().is_some() || text("component").or_else(|| text("name")).is_some())
}

/// Tells whether Atmos can read a section of dependencies: where one entry is not as it must be, it takes none.
fn is_readable(section: &Node) -> bool {
    let texts = |name: &str| match section.get(name).map(Node::value) {
        Some(Value::List(list)) => list.iter().all(|item| is_text(Some(item))),
        Some(Value::Null) | None => true,
        _ => false,
    };
    let components = match section.get("components").map(Node::value) {
        Some(Value::List(list)) => list.iter().all(|item| {
            let keys = ["component", "name", "stack", "kind", "path"];
            item.map().is_some() && keys.iter().all(|key| is_text(item.get(key)))
        }),
        Some(Value::Null) | None => true,
        _ => false,
    };
    components && texts("files") && texts("folders")
}

fn is_text(node: Option<&Node>) -> bool {
    node.is_none_or(|node| matches!(node.value(), Value::Str(_) | Value::Null))
}

/// Returns the files and folders that an instance depends on, each with `file` or `folder`, paths as written.
pub(super) fn files(instance: &Instance) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let dependencies = instance.sections.get("dependencies").filter(|d| is_readable(d));
    let items = dependencies.and_then(|d| d.get("components")).and_then(Node::list).unwrap_or_default();
    let text = |item: &Node, key: &str| item.get(key).and_then(Node::str).unwrap_or_default().to_owned();
    let inline = items.iter().map(|item| (text(item, "kind"), text(item, "path")));
    let inline: Vec<(String, String)> = inline.filter(|(kind, _)| matches!(kind.as_str(), "file" | "folder")).collect();
    // Atmos takes none where one lacks its path.
    if inline.iter().all(|(_, path)| !path.is_empty()) {
        out.extend(inline);
        for (section, kind) in [("files", "file"), ("folders", "folder")] {
            let listed = dependencies.and_then(|d| d.get(section)).and_then(Node::list).unwrap_or_default();
            for path in listed.iter().filter_map(Node::str).filter(|path| !path.is_empty()) {
                let one = (kind.to_owned(), path.to_owned());
                if !out.contains(&one) {
                    out.push(one);
                }
            }
        }
    }
    if out.is_empty() {
        for (_, item) in depends_on(instance) {
            let named = ["file", "folder"].map(|kind| (kind.to_owned(), text(item, kind)));
            out.extend(named.into_iter().filter(|(_, path)| !path.is_empty()));
        }
    }
    out
}

/// Returns the instance that a reference means: in the named stack, or in one whose context parts say the same. What stays a
/// template names nobody.
fn target<'a>(named: &Named<'a>, from: &Instance, item: &Node, render: Render<'_>) -> Option<&'a Instance> {
    let text = |key: &str| item.get(key).and_then(Node::str).map(|text| render(from, text));
    let component = item.str().map(|text| render(from, text)).or_else(|| text("component")).or_else(|| text("name"))?;
    let all = named.get(&Key::new(&component))?;
    if let Some(stack) = text("stack") {
        return all.iter().find(|i| i.stack.as_str() == stack).copied();
    }
    if !PARTS.iter().any(|p| text(p).is_some()) {
        return all.iter().find(|i| i.stack == from.stack).copied();
    }
    let part =
        |i: &Instance, p: &str| i.sections.get("vars").and_then(|v| v.get(p)).and_then(Node::str).map(str::to_owned);
    all.iter().find(|i| PARTS.iter().all(|p| text(p).or_else(|| part(from, p)) == part(i, p))).copied()
}

fn refer(i: &Instance) -> InstanceRef {
    InstanceRef { component: i.name.as_str().to_owned(), stack: i.stack.as_str().to_owned() }
}

fn edge(
    named: &Named<'_>,
    from: &Instance,
    item: &Node,
    kind: DependencyKind,
    render: Render<'_>,
) -> Option<Dependency> {
    let to = target(named, from, item, render)?;
    Some(Dependency { from: refer(from), to: refer(to), kind, source: item.pos().source() })
}

fn inferred(out: &mut Vec<Dependency>, named: &Named<'_>, from: &Instance, node: &Node) {
    match node.value() {
        Value::Map(m) => Map::entries(m).iter().for_each(|(_, v)| inferred(out, named, from, v)),
        Value::List(l) => l.iter().for_each(|v| inferred(out, named, from, v)),
        Value::Str(s) => {
            let Some(rest) = s.strip_prefix("!terraform.output ").or_else(|| s.strip_prefix("!terraform.state "))
            else {
                return;
            };
            let words: Vec<&str> = rest.split_whitespace().collect();
            let Some(component) = words.first() else { return };
            let stack = (words.len() > 2).then(|| words[1]);
            let stack = stack.unwrap_or(from.stack.as_str());
            let found = named.get(&Key::new(component)).and_then(|all| all.iter().find(|i| i.stack.as_str() == stack));
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
