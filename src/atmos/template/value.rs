//! The values that templates compute with: Go's `any` as YAML and sprig make it.
//!
//! Maps and lists are shared and, as in Go, maps change in place (`set`, `unset`), so they may hold themselves:
//! whoever walks a value counts the depth, and [`Map`] and [`List`] are taken apart without recursion.

use std::{cell::RefCell, collections::BTreeMap, mem, rc::Rc};

use serde_json::Value as Json;

use super::version::Version;

/// How deep a value may nest before it is refused (printing, copying, comparing, encoding).
pub(super) const MAX_DEPTH: usize = 500;

/// A value in a template; numbers keep the Go type that decides how they print, compare and match parameters.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// No value at all: a missing key, an unset variable. Prints as `<no value>`.
    Missing,
    /// A `nil` interface: a null in the data.
    Nil,
    Bool(bool),
    /// Go's `int`.
    Int(i64),
    /// Go's `int64`, which sprig's arithmetic returns.
    Int64(i64),
    /// Go's `uint64`: whole numbers of the data above the range of `int`; also the bytes of a string.
    Uint(u64),
    Float(f64),
    Str(Rc<str>),
    List(Rc<List>),
    Map(Rc<Map>),
    /// What `semver` answers: a pointer with methods in Go.
    Version(Rc<Version>),
}

/// The items of a list; never changed once made.
#[derive(Debug, Default)]
pub(super) struct List(Vec<Value>);

/// The entries of a map in the order of their keys, as Go's templates visit them.
#[derive(Debug, Default)]
pub(super) struct Map(RefCell<BTreeMap<Rc<str>, Value>>);

impl List {
    pub(super) fn items(&self) -> &[Value] {
        &self.0
    }
}

impl Map {
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        self.0.borrow().get(key).cloned()
    }

    pub(super) fn insert(&self, key: Rc<str>, value: Value) {
        let old = self.0.borrow_mut().insert(key, value);
        drop(old);
    }

    pub(super) fn remove(&self, key: &str) {
        let old = self.0.borrow_mut().remove(key);
        drop(old);
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Returns a copy of the entries, so that no borrow is held while they are walked.
    pub(super) fn entries(&self) -> Vec<(Rc<str>, Value)> {
        self.0.borrow().iter().map(|(key, value)| (Rc::clone(key), value.clone())).collect()
    }

    pub(super) fn keys(&self) -> Vec<Rc<str>> {
        self.0.borrow().keys().cloned().collect()
    }
}

impl Drop for List {
    fn drop(&mut self) {
        dismantle(mem::take(&mut self.0));
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        dismantle(mem::take(self.0.get_mut()).into_values().collect());
    }
}

/// Drops values without recursion, however deep they nest.
fn dismantle(mut pending: Vec<Value>) {
    while let Some(value) = pending.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    pending.append(&mut list.0);
                }
            }
            Value::Map(map) => {
                if let Some(mut map) = Rc::into_inner(map) {
                    pending.extend(mem::take(map.0.get_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

impl Value {
    pub(super) fn str(text: impl AsRef<str>) -> Self {
        Self::Str(Rc::from(text.as_ref()))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(List(items)))
    }

    pub(super) fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Self {
        Self::list(items.into_iter().map(Self::str).collect())
    }

    pub(super) fn map(entries: impl IntoIterator<Item = (Rc<str>, Self)>) -> Self {
        Self::Map(Rc::new(Map(RefCell::new(entries.into_iter().collect()))))
    }

    /// Returns whether there is neither a value nor a nil.
    pub(super) fn is_nil(&self) -> bool {
        matches!(self, Self::Missing | Self::Nil)
    }

    /// Returns what `if` and sprig's `empty` make of it.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Uint(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(value) => !value.is_empty(),
            Self::List(value) => !value.items().is_empty(),
            Self::Map(value) => value.len() > 0,
            Self::Version(_) => true,
        }
    }

    /// Returns the name of the Go type, as error texts and `typeOf` show it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint(_) => "uint64",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::List(_) => "[]interface {}",
            Self::Map(_) => "map[string]interface {}",
            Self::Version(_) => "*semver.Version",
        }
    }

    /// Returns the name of the Go kind, as `kindOf` shows it.
    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "invalid",
            Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Version(_) => "ptr",
            other => other.type_name(),
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the rough number of bytes it holds by itself, for the budget.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Str(text) => text.len() + 16,
            Self::List(list) => size_of_val(list.items()) + 32,
            Self::Map(map) => map.len() * 64 + 32,
            _ => 0,
        }
    }
}

/// Which parts of the data a template can reach; the rest isn't converted.
#[derive(Debug, Default)]
pub(super) struct Uses {
    /// The template looks at the data as a whole.
    pub(super) all: bool,
    /// The field paths that it names.
    pub(super) paths: Vec<Vec<Box<str>>>,
}

/// Converts data for a template that only looks at `uses`; `None` where it nests too deeply.
pub(super) fn from_data(data: &Json, uses: &Uses) -> Option<Value> {
    if data.is_null() {
        return Some(Value::Missing);
    }
    if uses.all {
        return from_json(data, 0);
    }
    let paths: Vec<&[Box<str>]> = uses.paths.iter().map(Vec::as_slice).collect();
    pruned(data, &paths, 0)
}

fn pruned(data: &Json, paths: &[&[Box<str>]], depth: usize) -> Option<Value> {
    let Json::Object(entries) = data else { return from_json(data, depth) };
    if depth >= MAX_DEPTH {
        return None;
    }
    if paths.iter().any(|path| path.is_empty()) {
        return from_json(data, depth);
    }
    let mut kept = Vec::new();
    for (key, value) in entries {
        let below: Vec<&[Box<str>]> =
            paths.iter().filter(|path| &*path[0] == key.as_str()).map(|path| &path[1..]).collect();
        if !below.is_empty() {
            kept.push((Rc::from(key.as_str()), pruned(value, &below, depth + 1)?));
        }
    }
    Some(Value::map(kept))
}

/// Converts JSON as YAML would have been read by Go: whole numbers are `int`, larger ones `uint64`.
pub(super) fn from_json(data: &Json, depth: usize) -> Option<Value> {
    if depth >= MAX_DEPTH {
        return None;
    }
    Some(match data {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => {
            if let Some(value) = number.as_i64() {
                Value::Int(value)
            } else if let Some(value) = number.as_u64() {
                Value::Uint(value)
            } else {
                Value::Float(number.as_f64().unwrap_or(f64::NAN))
            }
        }
        Json::String(text) => Value::str(text),
        Json::Array(items) => Value::list(items.iter().map(|item| from_json(item, depth + 1)).collect::<Option<_>>()?),
        Json::Object(entries) => Value::map(
            entries
                .iter()
                .map(|(key, value)| Some((Rc::from(key.as_str()), from_json(value, depth + 1)?)))
                .collect::<Option<Vec<_>>>()?,
        ),
    })
}
