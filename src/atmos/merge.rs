//! Deep merge as Atmos does it: maps key by key, lists by strategy, everything else replaced by the higher layer.
//!
//! What only one side has is shared, never copied. The rules were observed in the recorded answers and read in Atmos'
//! `pkg/merge` (2026-08); the places of leaves go along with the leaves.

use super::node::{APPEND, Key, Map, Node, Value, is_deferred};

/// What happens where both sides have a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListStrategy {
    /// The higher list replaces the lower one.
    #[default]
    Replace,
    /// The higher list follows the lower one.
    Append,
    /// Item by item: maps merge, of anything else the lower item stays; the longer tail is kept.
    Merge,
}

impl ListStrategy {
    /// Returns the strategy of that name; the empty name is `replace`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "" | "replace" => Some(Self::Replace),
            "append" => Some(Self::Append),
            "merge" => Some(Self::Merge),
            _ => None,
        }
    }
}

/// Merges two nodes, the second the higher one.
#[must_use]
pub fn merge_two(low: &Node, high: &Node, lists: ListStrategy) -> Node {
    match (low.value(), high.value()) {
        (Value::Map(a), Value::Map(b)) => {
            if a.is_empty() || low.same(high) {
                return high.clone();
            }
            if b.is_empty() {
                return low.clone();
            }
            Node::new(Value::Map(merge_maps(a, b, lists)), high.pos())
        }
        (Value::List(a), Value::List(b)) => match lists {
            ListStrategy::Replace => high.clone(),
            ListStrategy::Append => Node::new(Value::List(a.iter().chain(b.iter()).cloned().collect()), high.pos()),
            ListStrategy::Merge => {
                let items = (0..a.len().max(b.len()))
                    .filter_map(|i| match (a.get(i), b.get(i)) {
                        (Some(x), Some(y)) if x.map().is_some() && y.map().is_some() => Some(merge_two(x, y, lists)),
                        (Some(x), _) => Some(x.clone()),
                        (None, y) => y.cloned(),
                    })
                    .collect();
                Node::new(Value::List(items), high.pos())
            }
        },
        _ => high.clone(),
    }
}

fn merge_maps(a: &Map, b: &Map, lists: ListStrategy) -> Map {
    let (a, b) = (a.entries(), b.entries());
    let mut out: Vec<(Key, Node)> = Vec::with_capacity(a.len().max(b.len()) + 4);
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let ((ka, va), (kb, vb)) = (&a[i], &b[j]);
        match ka.cmp(kb) {
            std::cmp::Ordering::Less => {
                out.push((*ka, va.clone()));
                i += 1;
            }
            std::cmp::Ordering::Greater => {
                out.push((*kb, vb.clone()));
                j += 1;
            }
            std::cmp::Ordering::Equal => {
                out.push((*ka, merge_two(va, vb, lists)));
                i += 1;
                j += 1;
            }
        }
    }
    out.extend_from_slice(&a[i..]);
    out.extend_from_slice(&b[j..]);
    Map::sorted(out)
}

/// Merges layers of maps, the lowest first; the result is a map.
///
/// `!append` lists join the list below them; in the lowest layer, and where lists append anyway, they become plain lists.
#[must_use]
pub fn merge_all(layers: &[&Node], lists: ListStrategy) -> Node {
    let mut layers = layers.iter().filter(|n| n.map().is_some_and(|m| !m.is_empty()));
    let Some(first) = layers.next() else { return Node::empty() };
    let mut merged = resolve_appends(first, None, lists);
    for layer in layers {
        let layer = resolve_appends(layer, Some(&merged), lists);
        merged = merge_two(&merged, &layer, lists);
    }
    merged
}

/// Merges the contents of files: as [`merge_all`], but a single layer keeps its `!append` marks.
#[must_use]
pub fn merge_files(layers: &[&Node], lists: ListStrategy) -> Node {
    let mut full = layers.iter().filter(|n| n.map().is_some_and(|m| !m.is_empty()));
    match (full.next(), full.next()) {
        (None, _) => Node::empty(),
        (Some(only), None) => (*only).clone(),
        _ => merge_all(layers, lists),
    }
}

/// Replaces `!append` marks of a layer by lists joined to those below.
fn resolve_appends(layer: &Node, below: Option<&Node>, lists: ListStrategy) -> Node {
    let Some(map) = layer.map().filter(|m| m.has_append) else { return layer.clone() };
    let entries = map
        .entries()
        .iter()
        .map(|(key, value)| {
            let under = below.and_then(|b| b.get(key.as_str()));
            let Some(inner) = value.map().filter(|m| m.has_append) else { return (*key, value.clone()) };
            if let Some(list) = inner.append_list() {
                let low = match lists {
                    ListStrategy::Append => None,
                    _ => under.and_then(Node::list),
                };
                let joined = low.unwrap_or_default().iter().chain(list).cloned().collect();
                let pos = inner.get(APPEND).map_or_else(|| value.pos(), Node::pos);
                (*key, Node::new(Value::List(joined), pos))
            } else {
                (*key, resolve_appends(value, under.filter(|n| n.map().is_some()), lists))
            }
        })
        .collect();
    Node::new(Value::Map(Map::sorted(entries)), layer.pos())
}

/// A deferred function stands below something that is no map: Atmos refuses to put it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotNavigate {
    /// The path of the function.
    pub path: Vec<String>,
}

/// Merges layers whose YAML functions stand aside while merging, as Atmos does for the sections of components.
///
/// # Errors
/// Where a function of a lower layer lies below a key that a higher layer made something else than a map.
pub fn merge_deferred(layers: &[&Node], lists: ListStrategy) -> Result<Node, CannotNavigate> {
    if !layers.iter().any(|n| n.map().is_some_and(|m| m.has_deferred)) {
        return Ok(merge_all(layers, lists));
    }
    let mut paths: Vec<Vec<Key>> = Vec::new();
    let stripped: Vec<Node> = layers.iter().map(|n| strip(n, &mut Vec::new(), &mut paths)).collect();
    paths.sort_by_key(Vec::len);
    paths.dedup();
    let mut seen = std::collections::HashSet::new();
    paths.retain(|p| seen.insert(p.clone()));
    let refs: Vec<&Node> = stripped.iter().collect();
    let mut merged = merge_all(&refs, lists);
    for path in &paths {
        let keys: Vec<&str> = path.iter().map(|k| k.as_str()).collect();
        let values: Vec<&Node> = layers
            .iter()
            .zip(&stripped)
            .filter_map(|(full, bare)| {
                let written = full.at_path(&keys)?;
                if written.str().is_some_and(is_deferred) {
                    return Some(written);
                }
                bare.at_path(&keys).filter(|n| !n.is_null())
            })
            .collect();
        let Some(value) = join_deferred(&values, lists) else { continue };
        merged = set_path(&merged, path, value)
            .ok_or_else(|| CannotNavigate { path: keys.iter().map(|k| (*k).to_owned()).collect() })?;
    }
    Ok(merged)
}

fn strip(node: &Node, path: &mut Vec<Key>, paths: &mut Vec<Vec<Key>>) -> Node {
    let Some(map) = node.map().filter(|m| m.has_deferred) else { return node.clone() };
    let entries = map
        .entries()
        .iter()
        .map(|(key, value)| {
            path.push(*key);
            let bare = match value.value() {
                Value::Str(s) if is_deferred(s) => {
                    paths.push(path.clone());
                    Node::new(Value::Null, value.pos())
                }
                Value::Map(_) => strip(value, path, paths),
                _ => value.clone(),
            };
            path.pop();
            (*key, bare)
        })
        .collect();
    Node::new(Value::Map(Map::sorted(entries)), node.pos())
}

fn join_deferred(values: &[&Node], lists: ListStrategy) -> Option<Node> {
    let (first, last) = (values.first()?, values.last()?);
    match first.value() {
        Value::List(_) => match lists {
            ListStrategy::Replace => Some((*last).clone()),
            ListStrategy::Append => {
                let items = values.iter().filter_map(|v| v.list()).flatten().cloned().collect();
                Some(Node::new(Value::List(items), last.pos()))
            }
            ListStrategy::Merge => {
                let mut merged = (*first).clone();
                for value in &values[1..] {
                    if value.list().is_none() {
                        return Some((*value).clone());
                    }
                    merged = merge_two(&merged, value, lists);
                }
                Some(merged)
            }
        },
        Value::Map(_) => {
            let mut merged = (*first).clone();
            for value in &values[1..] {
                if value.map().is_none() {
                    return Some((*value).clone());
                }
                merged = merge_two(&merged, value, ListStrategy::Replace);
            }
            Some(merged)
        }
        _ => Some((*last).clone()),
    }
}

/// Returns the tree with a value set at a path, making maps on the way; `None` where something else is in the way.
fn set_path(node: &Node, path: &[Key], value: Node) -> Option<Node> {
    let Some((key, rest)) = path.split_first() else { return Some(value) };
    let map = node.map()?;
    let child = match map.get(key.as_str()) {
        _ if rest.is_empty() => value,
        Some(child) => set_path(child, rest, value)?,
        None => set_path(&Node::empty(), rest, value)?,
    };
    Some(Node::new(Value::Map(map.with(*key, child)), node.pos()))
}
