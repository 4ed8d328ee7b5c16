//! The same edits on the value that the text stands for: what an edited text must read back as.

use serde_json::{Map, Value};

use super::Edit;
use crate::atmos::node::APPEND;
use crate::domain::stack::PathSegment;

/// Says what an edit comes to, with the text as it is: an append is a set behind the last item, or nothing.
pub(super) fn settled(edit: &Edit, whole: &Value) -> Option<Edit> {
    let Edit::Append(path, value) = edit else { return Some(edit.clone()) };
    Some(match at(whole, path) {
        Some(Value::Array(items)) if items.contains(value) => return None,
        Some(Value::Array(items)) => {
            let mut behind = path.clone();
            behind.push(PathSegment::Index(items.len()));
            Edit::Set(behind, value.clone())
        }
        Some(Value::Null) | None => Edit::Set(path.clone(), Value::Array(vec![value.clone()])),
        // One text in the place of a list of one, as imports may be.
        Some(other) => Edit::Set(path.clone(), Value::Array(vec![other.clone(), value.clone()])),
    })
}

/// Wraps a value into the maps and lists that a path leads through.
pub(super) fn nested(path: &[PathSegment], value: &Value) -> Value {
    path.iter().rev().fold(value.clone(), |inner, segment| match segment {
        PathSegment::Key(name) => Value::Object(Map::from_iter([(name.clone(), inner)])),
        PathSegment::Index(_) => Value::Array(vec![inner]),
    })
}

/// Returns the list inside where a map is an `!append`.
fn through_append(value: &Value) -> &Value {
    value.get(APPEND).unwrap_or(value)
}

/// Returns the value at a path, with each `!append` passed through.
pub(super) fn at<'v>(value: &'v Value, path: &[PathSegment]) -> Option<&'v Value> {
    path.iter()
        .try_fold(value, |value, segment| match segment {
            PathSegment::Key(name) => value.get(name),
            PathSegment::Index(at) => through_append(value).get(at),
        })
        .map(through_append)
}

/// Makes the change in the value that the text stands for; false where something else stands in its way.
pub(super) fn change(value: &mut Value, edit: &Edit) -> bool {
    match edit {
        Edit::Set(path, new) => set(value, path, new),
        Edit::Remove(path) => {
            unset(value, path);
            true
        }
        Edit::Append(..) => false,
    }
}

fn set(value: &mut Value, path: &[PathSegment], new: &Value) -> bool {
    let Some((first, rest)) = path.split_first() else {
        *value = new.clone();
        return true;
    };
    match first {
        PathSegment::Key(name) => {
            if value.is_null() {
                *value = Value::Object(Map::new());
            }
            match value {
                Value::Object(map) => set(map.entry(name.clone()).or_insert(Value::Null), rest, new),
                _ => false,
            }
        }
        PathSegment::Index(at) => {
            if let Some(list) = value.get_mut(APPEND) {
                return set(list, path, new);
            }
            if value.is_null() {
                *value = Value::Array(Vec::new());
            }
            let Value::Array(list) = value else { return false };
            if *at == list.len() {
                list.push(Value::Null);
            }
            list.get_mut(*at).is_some_and(|item| set(item, rest, new))
        }
    }
}

fn unset(value: &mut Value, path: &[PathSegment]) {
    let Some((first, rest)) = path.split_first() else { return };
    if let (PathSegment::Index(_), true) = (first, value.get(APPEND).is_some()) {
        if let Some(list) = value.get_mut(APPEND) {
            unset(list, path);
        }
        return;
    }
    match (value, first) {
        (Value::Object(map), PathSegment::Key(name)) if rest.is_empty() => drop(map.shift_remove(name)),
        (Value::Array(list), PathSegment::Index(at)) if rest.is_empty() && *at < list.len() => drop(list.remove(*at)),
        (Value::Object(map), PathSegment::Key(name)) => {
            if let Some(inner) = map.get_mut(name) {
                unset(inner, rest);
            }
        }
        (Value::Array(list), PathSegment::Index(at)) => {
            if let Some(inner) = list.get_mut(*at) {
                unset(inner, rest);
            }
        }
        _ => {}
    }
}
