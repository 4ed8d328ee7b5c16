//! Components of the types that keep all their keys.

use std::sync::Arc;

use super::{
    Instance,
    derived::{Who, finish},
    full,
    sections::{Job, Parts},
    selectors,
};
use crate::atmos::{
    merge::{ListStrategy, merge_all},
    node::{Key, Map, Node, Pos, Value},
};

/// Container and emulator components keep all their keys.
pub(super) fn custom(
    job: &mut Job<'_>,
    kind: &'static str,
    all: &Map,
    globals: &Parts,
    metadata: &Node,
    stack_name: Option<&str>,
    instances: &mut Vec<Arc<Instance>>,
) {
    for (name, node) in all.entries() {
        if job.only.is_some_and(|only| name.as_str() != only) {
            continue;
        }
        if node.map().is_none() {
            let message = format!(
                "invalid component map type: custom component '{}' in type '{kind}' must be a map",
                name.as_str()
            );
            let problem = job.refuse("invalid-component", message, node.pos());
            job.of_components.push((*name, *problem));
            continue;
        }
        if let Some(inherits) = node.at_path(&["metadata", "inherits"])
            && inherits.list().is_none_or(|list| list.iter().any(|item| item.str().is_none()))
        {
            let must = if inherits.list().is_none() { "be a list" } else { "contain only strings" };
            let message = format!(
                "invalid component metadata.inherits section: custom component metadata.inherits must {must}: '{}'",
                name.as_str()
            );
            let problem = job.refuse("invalid-inherits", message, inherits.pos());
            job.of_components.push((*name, *problem));
            continue;
        }
        let mut order = Vec::new();
        let resolved = inherit_custom(job.engine.lists, node, all, &mut vec![], &mut order);
        let mut out: Vec<(Key, Node)> = resolved.map().map(|m| m.entries().to_vec()).unwrap_or_default();
        let shallow = |key: &str| -> Node {
            let mut map = globals.get(key).and_then(Node::map).cloned().unwrap_or_default();
            for (k, v) in resolved.get(key).and_then(Node::map).into_iter().flat_map(Map::entries) {
                map = map.with(*k, v.clone());
            }
            Node::new(Value::Map(map), node.pos())
        };
        for key in ["vars", "settings", "env"] {
            let section = shallow(key);
            if key == "vars" || full(&section) {
                out.push((Key::new(key), section));
            }
        }
        let own = resolved.get("metadata").filter(|n| n.map().is_some()).cloned().unwrap_or_else(Node::empty);
        let own = merge_all(&[metadata, &own], job.engine.lists);
        if full(&own) {
            out.push((Key::new("metadata"), own.clone()));
        }
        out.push((Key::new("component"), Node::text(name.as_str())));
        out.push((Key::new("component_type"), Node::text(kind)));
        let vars = shallow("vars");
        let is_abstract = own.get("type").and_then(Node::str) == Some("abstract");
        let who =
            Who { kind, name: name.as_str(), stack_name, vars: &vars, metadata: &own, backend_type: "", is_abstract };
        let mut problems: Vec<_> = selectors::refused(job, &own).into_iter().collect();
        let stack = finish(job, &who, &mut out, &mut problems, node);
        let count = u32::try_from(problems.len()).unwrap_or(u32::MAX);
        job.of_components.extend(problems.into_iter().map(|problem| (*name, problem)));
        instances.push(Arc::new(Instance {
            name: *name,
            kind,
            stack,
            sections: Map::from_entries(out),
            bases: order.into_boxed_slice(),
            is_abstract,
            problems: count,
        }));
    }
}

fn inherit_custom(lists: ListStrategy, node: &Node, all: &Map, visited: &mut Vec<Key>, order: &mut Vec<Key>) -> Node {
    let bases = node.at_path(&["metadata", "inherits"]).and_then(Node::list).unwrap_or_default();
    let mut merged = Node::empty();
    for base in bases.iter().filter_map(Node::str).filter(|b| !b.is_empty()) {
        let key = Key::new(base);
        let Some(found) = all.get(base).filter(|n| n.map().is_some()).filter(|_| !visited.contains(&key)) else {
            continue;
        };
        visited.push(key);
        let resolved = inherit_custom(lists, found, all, visited, order);
        visited.pop();
        order.push(key);
        let Some(map) = resolved.map() else { continue };
        let clean = match map.get("metadata").and_then(Node::map) {
            Some(m) => {
                let left = m.without(&["type", "inherits", "component"]);
                if left.is_empty() {
                    map.without(&["metadata"])
                } else {
                    map.with(Key::new("metadata"), Node::new(Value::Map(left), Pos::none()))
                }
            }
            None => map.clone(),
        };
        merged = merge_all(&[&merged, &Node::new(Value::Map(clean), resolved.pos())], lists);
    }
    if full(&merged) { merge_all(&[&merged, node], lists) } else { node.clone() }
}
