//! Keys of a map: duplicates, merge keys, keys that are no texts, keys that stand for nested maps.

use super::Fault;
use crate::atmos::{
    merge::{ListStrategy, merge_two},
    node::{Key, Map, Node, Pos, Value},
};

/// An entry as written.
pub(super) struct Entry {
    pub(super) key: Pending,
    pub(super) node: Node,
}
/// A key as written.
#[derive(Clone)]
pub(super) struct Pending {
    /// The text as written.
    pub(super) raw: Key,
    /// The text that it becomes as a JSON key.
    pub(super) key: Key,
    pub(super) merge: bool,
    pub(super) quoted: bool,
    pub(super) pos: Pos,
}

/// Makes a map of its entries in the order written.
pub(super) fn finish_map(written: Vec<Entry>, delimiter: &str) -> Result<Map, Fault> {
    let mut entries: Vec<(Key, Node)> = Vec::with_capacity(written.len());
    let mut merges: Vec<Node> = Vec::new();
    let mut seen: Vec<(Key, u32)> = Vec::with_capacity(written.len());
    let mut odd = false;
    for Entry { key, node } in written {
        if delimiter.is_empty() {
            seen.push((key.raw, key.pos.line));
        }
        if key.merge {
            merges.push(node);
            continue;
        }
        if key.key.as_str() == "\u{0}null" {
            return Err(Fault {
                code: "yaml-null-key",
                message: format!("yaml: line {}: a key is null (Atmos crashes on it)", key.pos.line),
                line: key.pos.line,
                column: key.pos.column,
            });
        }
        odd |= key.key != key.raw;
        if delimiter.is_empty() {
            entries.push((key.key, node));
        } else {
            expand(&mut entries, &key, node, delimiter);
        }
    }
    seen.sort();
    if let Some(pair) = seen.windows(2).find(|w| w[0].0 == w[1].0) {
        let (key, first, line) = (pair[0].0.as_str(), pair[0].1, pair[1].1);
        return Err(Fault {
            code: "yaml-duplicate-key",
            message: format!("yaml: line {line}: mapping key \"{key}\" already defined at line {first}"),
            line,
            column: 1,
        });
    }
    entries.sort_by_key(|e| e.0);
    if odd {
        entries = join_colliding(entries)?;
    }
    for merge in merges {
        merge_key(&mut entries, &merge)?;
    }
    Ok(Map::sorted(entries))
}

/// Keys that become equal as texts (`0755` and `"493"`) are one where both hold maps, otherwise Atmos refuses.
fn join_colliding(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, Fault> {
    let mut out: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
    for (key, node) in entries {
        match out.last_mut() {
            Some((last, under)) if *last == key => {
                if under.map().is_none() || node.map().is_none() {
                    let pos = node.pos();
                    return Err(Fault {
                        code: "yaml-key-collision",
                        message: format!(
                            "multiple keys normalize to \"{}\" but are not both maps, so they cannot be merged safely",
                            key.as_str()
                        ),
                        line: pos.line,
                        column: pos.column,
                    });
                }
                *under = merge_two(under, &node, ListStrategy::Replace);
            }
            _ => out.push((key, node)),
        }
    }
    Ok(out)
}

/// Adds what a merge key brings and no explicit key has; of several maps the first wins.
fn merge_key(entries: &mut Vec<(Key, Node)>, merge: &Node) -> Result<(), Fault> {
    let refuse = |node: &Node| Fault {
        code: "yaml-merge-key",
        message: format!("yaml: line {}: map merge requires map or sequence of maps as the value", node.pos().line),
        line: node.pos().line,
        column: node.pos().column,
    };
    let maps: Vec<&Map> = match merge.value() {
        Value::Map(m) => vec![m],
        Value::List(l) => l.iter().map(|n| n.map().ok_or_else(|| refuse(n))).collect::<Result<_, _>>()?,
        _ => return Err(refuse(merge)),
    };
    for map in maps {
        for (key, node) in map.entries() {
            if let Err(at) = entries.binary_search_by(|(k, _)| k.cmp(key)) {
                entries.insert(at, (*key, node.clone()));
            }
        }
    }
    Ok(())
}

/// Adds an entry whose unquoted key may stand for nested maps (`settings.yaml.key_delimiter`).
fn expand(entries: &mut Vec<(Key, Node)>, key: &Pending, node: Node, delimiter: &str) {
    let parts: Vec<&str> = key.key.as_str().split(delimiter).collect();
    if key.quoted || parts.len() < 2 || parts.iter().any(|p| p.is_empty()) {
        return set_or_join(entries, key.key, node);
    }
    let pos = node.pos();
    let nested = parts[1..]
        .iter()
        .rev()
        .fold(node, |inner, part| Node::new(Value::Map(Map::sorted(vec![(Key::new(part), inner)])), pos));
    set_or_join(entries, Key::new(parts[0]), nested);
}

fn set_or_join(entries: &mut Vec<(Key, Node)>, key: Key, node: Node) {
    match entries.iter_mut().find(|(k, _)| *k == key) {
        Some((_, old)) if old.map().is_some() && node.map().is_some() => {
            *old = merge_two(old, &node, ListStrategy::Replace);
        }
        Some((_, old)) => *old = node,
        None => entries.push((key, node)),
    }
}
