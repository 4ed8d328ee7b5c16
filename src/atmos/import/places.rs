//! Lines of what a template rendered: those of the text that it was rendered from.

use crate::atmos::node::{Map, Node, Pos, Value};

/// Gives a rendered tree the places of the tree it was rendered from, by path.
pub(in crate::atmos) fn replace_places(new: &Node, old: Option<&Node>, above: Pos) -> Node {
    let pos = old.map_or(above, Node::pos);
    let value = match new.value() {
        Value::Map(m) => Value::Map(Map::sorted(
            m.entries()
                .iter()
                .map(|(k, v)| (*k, replace_places(v, old.and_then(|o| o.get(k.as_str())), pos)))
                .collect(),
        )),
        Value::List(l) => Value::List(
            l.iter()
                .enumerate()
                .map(|(i, v)| replace_places(v, old.and_then(|o| o.list()).and_then(|o| o.get(i)), pos))
                .collect(),
        ),
        other => other.clone(),
    };
    Node::new(value, pos)
}

/// Gives a tree from a rendered text the lines of the template, found by equal lines in order.
pub(super) fn align(node: &Node, rendered: &str, template: &str) -> Node {
    let lines: Vec<&str> = template.lines().collect();
    let mut map: Vec<u32> = Vec::new();
    let mut at = 0usize;
    for line in rendered.lines() {
        let key = line.split(':').next().unwrap_or(line);
        let found = (at..lines.len()).find(|i| lines[*i] == line).or_else(|| {
            (!key.trim().is_empty()).then(|| (at..lines.len()).find(|i| lines[*i].split(':').next() == Some(key)))?
        });
        if let Some(found) = found {
            at = found;
        }
        map.push(u32::try_from(at).unwrap_or(0) + 1);
        if found.is_some() && at + 1 < lines.len() {
            at += 1;
        }
    }
    fn walk(node: &Node, map: &[u32]) -> Node {
        let pos = node.pos();
        let line = map.get(pos.line as usize - 1).copied().unwrap_or(pos.line);
        let pos = Pos { line, ..pos };
        let value = match node.value() {
            Value::Map(m) => Value::Map(Map::sorted(m.entries().iter().map(|(k, v)| (*k, walk(v, map))).collect())),
            Value::List(l) => Value::List(l.iter().map(|n| walk(n, map)).collect()),
            other => other.clone(),
        };
        Node::new(value, pos)
    }
    walk(node, &map)
}
