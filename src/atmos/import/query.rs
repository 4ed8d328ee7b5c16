//! The query of an `!include`: the part of yq's language that reads one value, and nothing whose order or result is in doubt.
//!
//! Paths (`.a."b c"[0][-1]`), parts of lists (`[1:3]`), all items (`[]`), `select(.a == "x")`, `first`, `length`, a default
//! (`// "x"`), lists of results (`[…]`) and pipes. Anything else, and a query with several results, is not evaluated here.

use crate::atmos::node::{Node, Pos, Value};

/// Evaluates a query; `None` where it is more than is evaluated here.
pub(super) fn evaluate(node: &Node, query: &str) -> Option<Node> {
    let mut found = expression(std::slice::from_ref(node), query.trim(), 0)?;
    match found.len() {
        0 => Some(Node::new(Value::Null, node.pos())),
        1 => found.pop(),
        _ => None,
    }
}

fn expression(input: &[Node], text: &str, depth: usize) -> Option<Vec<Node>> {
    if depth > 32 {
        return None;
    }
    let mut current = input.to_vec();
    for stage in split(text, "|")? {
        current = alternative(&current, stage.trim(), depth)?;
    }
    Some(current)
}

/// `a // b`: b where a gives nothing but null and false.
fn alternative(input: &[Node], text: &str, depth: usize) -> Option<Vec<Node>> {
    let parts = split(text, "//")?;
    let (first, rest) = parts.split_first()?;
    let mut found = stage(input, first.trim(), depth)?;
    for other in rest {
        let says = |node: &Node| !node.is_null() && node.bool() != Some(false);
        if found.iter().any(says) {
            found.retain(says);
            return Some(found);
        }
        found = stage(input, other.trim(), depth)?;
    }
    Some(found)
}

fn stage(input: &[Node], text: &str, depth: usize) -> Option<Vec<Node>> {
    let pos = input.first().map_or_else(Pos::none, Node::pos);
    if let Some(literal) = literal(text, pos) {
        return Some(vec![literal]);
    }
    if let Some(inner) = text.strip_prefix("select(").and_then(|rest| rest.strip_suffix(')')) {
        let (sides, equal) = match (split(inner, "==")?.as_slice(), split(inner, "!=")?.as_slice()) {
            ([a, b], _) => ([*a, *b], true),
            (_, [a, b]) => ([*a, *b], false),
            _ => return None,
        };
        let mut kept = Vec::new();
        for node in input {
            let one = std::slice::from_ref(node);
            let (a, b) = (expression(one, sides[0], depth + 1)?, expression(one, sides[1], depth + 1)?);
            let ([a], [b]) = (a.as_slice(), b.as_slice()) else { return None };
            if (a == b) == equal {
                kept.push(node.clone());
            }
        }
        return Some(kept);
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let items = expression(input, inner, depth + 1)?;
        return Some(vec![Node::new(Value::List(items.into_boxed_slice()), pos)]);
    }
    if text == "length" {
        let length = |node: &Node| {
            let length = match node.value() {
                Value::Null => 0,
                Value::Str(text) => text.chars().count(),
                Value::List(items) => items.len(),
                Value::Map(map) => map.len(),
                _ => return None,
            };
            Some(Node::new(Value::Int(i64::try_from(length).ok()?), node.pos()))
        };
        return input.iter().map(length).collect();
    }
    if text == "first" {
        let first = |node: &Node| node.list().map(|items| items.first().cloned().unwrap_or_else(|| null(node)));
        return input.iter().map(first).collect();
    }
    path(input, text)
}

fn null(node: &Node) -> Node {
    Node::new(Value::Null, node.pos())
}

fn literal(text: &str, pos: Pos) -> Option<Node> {
    let quoted =
        text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|inner| !inner.contains(['"', '\\']));
    let value = match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        "null" => Value::Null,
        _ => match (quoted, text.parse::<i64>()) {
            (Some(text), _) => Value::Str(text.into()),
            (None, Ok(number)) => Value::Int(number),
            (None, Err(_)) => return None,
        },
    };
    Some(Node::new(value, pos))
}

fn path(input: &[Node], text: &str) -> Option<Vec<Node>> {
    let mut rest = text.strip_prefix('.')?;
    let mut current = input.to_vec();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, after) = inner.split_once(']')?;
            current = subscript(&current, inside.trim())?;
            rest = after;
        } else if let Some(quoted) = rest.strip_prefix('"') {
            let (key, after) = quoted.split_once('"')?;
            current = key_of(&current, key)?;
            rest = after;
        } else {
            let end = rest.find(['.', '[', '?']).unwrap_or(rest.len());
            let key = &rest[..end];
            if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) {
                return None;
            }
            current = key_of(&current, key)?;
            rest = &rest[end..];
        }
        rest = rest.strip_prefix('?').unwrap_or(rest);
        rest = match rest.strip_prefix('.') {
            Some("") => return None,
            Some(after) => after,
            None if rest.is_empty() || rest.starts_with('[') => rest,
            None => return None,
        };
    }
    Some(current)
}

fn key_of(input: &[Node], key: &str) -> Option<Vec<Node>> {
    let of = |node: &Node| match node.value() {
        Value::Map(map) => Some(map.get(key).cloned().unwrap_or_else(|| null(node))),
        Value::Null => Some(null(node)),
        _ => None,
    };
    input.iter().map(of).collect()
}

fn subscript(input: &[Node], inside: &str) -> Option<Vec<Node>> {
    if let Some(key) = inside.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\''])) {
        return key_of(input, key);
    }
    let at = |items: &[Node], index: i64| {
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        usize::try_from(if index < 0 { index + length } else { index }).ok()
    };
    let mut out = Vec::new();
    for node in input {
        let Some(items) = node.list() else {
            if node.is_null() {
                out.push(null(node));
                continue;
            }
            return None;
        };
        if inside.is_empty() {
            out.extend(items.iter().cloned());
        } else if let Some((from, to)) = inside.split_once(':') {
            let bound = |text: &str, default: usize| match text.trim() {
                "" => Some(default),
                text => Some(at(items, text.parse().ok()?).unwrap_or(0).min(items.len())),
            };
            let (from, to) = (bound(from, 0)?, bound(to, items.len())?);
            let part = items.get(from..to.max(from)).unwrap_or_default();
            out.push(Node::new(Value::List(part.into()), node.pos()));
        } else {
            let index = at(items, inside.parse().ok()?);
            out.push(index.and_then(|index| items.get(index)).cloned().unwrap_or_else(|| null(node)));
        }
    }
    Some(out)
}

/// Splits where the separator stands outside of quotes and brackets; `None` where these do not match.
fn split<'t>(text: &'t str, separator: &str) -> Option<Vec<&'t str>> {
    let (mut parts, mut from, mut depth, mut quote) = (Vec::new(), 0, 0_u32, None);
    let mut skip = 0;
    for (at, c) in text.char_indices() {
        if at < skip {
            continue;
        }
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[') => depth += 1,
            (None, ')' | ']') => depth = depth.checked_sub(1)?,
            (None, _) if depth == 0 && text[at..].starts_with(separator) => {
                parts.push(&text[from..at]);
                from = at + separator.len();
                skip = from;
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (depth == 0 && quote.is_none()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn queries_read_one_value_or_are_left_to_atmos() {
        let document = json!({
            "a": {"b c": [1, 2, 3], "d": null},
            "users": [{"name": "ann", "id": 7}, {"name": "bob", "id": 8}],
        });
        let node = Node::from_json(&document, Pos::none());
        let cases = [
            (".", Some(document.clone())),
            (".a.\"b c\"[0]", Some(json!(1))),
            (".a[\"b c\"][-1]", Some(json!(3))),
            (".a.\"b c\"[1:]", Some(json!([2, 3]))),
            (".a.missing", Some(json!(null))),
            (".a.d // \"none\"", Some(json!("none"))),
            (".users[] | select(.name == \"bob\") | .id", Some(json!(8))),
            ("[.users[].name]", Some(json!(["ann", "bob"]))),
            (".users | length", Some(json!(2))),
            (".users | first | .name", Some(json!("ann"))),
            (".users[].name", None),
            (".a | keys", None),
            (".a | with_entries(.value += 1)", None),
            (".a.", None),
            ("[.users", None),
        ];
        for (query, expected) in cases {
            assert_eq!(evaluate(&node, query).map(|node| node.to_json()), expected, "{query}");
        }
    }
}
