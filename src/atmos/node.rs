//! The tree that everything resolves to: shared, immutable nodes, each with the place that wrote it.
//!
//! Maps are sorted by key (bytes), as Atmos prints them, so that merging is one pass over two sorted lists and shares every
//! subtree that only one side has. Keys and file names are interned for the life of the process: comparing them is
//! comparing pointers, and cloning them costs nothing.

use std::{
    borrow::Borrow,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, LazyLock, OnceLock, RwLock},
};

use serde_json::Value as Json;

use crate::domain::stack::Source;

/// An interned text: a map's key, or a file's name.
#[derive(Clone, Copy)]
pub struct Key(&'static Text);

struct Text {
    text: Box<str>,
    /// The text as a node that no line wrote, made once.
    node: OnceLock<Node>,
}

impl Borrow<str> for &'static Text {
    fn borrow(&self) -> &str {
        &self.text
    }
}
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl Eq for Text {}
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

static TEXTS: LazyLock<RwLock<HashSet<&'static Text, foldhash::fast::RandomState>>> =
    LazyLock::new(|| RwLock::new(HashSet::default()));

impl Key {
    /// Returns the key of that text; equal texts give the same key.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let find = |set: &HashSet<&'static Text, _>| set.get(text).copied();
        if let Some(found) = TEXTS.read().ok().and_then(|set| find(&set)) {
            return Self(found);
        }
        let mut set = TEXTS.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(found) = find(&set) {
            return Self(found);
        }
        let text: &'static Text = Box::leak(Box::new(Text { text: text.into(), node: OnceLock::new() }));
        set.insert(text);
        Self(text)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        &self.0.text
    }

    /// Returns the text as a node that no line wrote; all who ask share it.
    #[must_use]
    pub fn node(self) -> Node {
        self.0.node.get_or_init(|| Node::text(self.as_str())).clone()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for Key {}
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.0).hash(state);
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self == other { std::cmp::Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Where a value was written; line 0 where no line wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pos {
    /// The file, relative to the estate's root (absolute outside of it).
    pub file: Key,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

static NOWHERE: LazyLock<Key> = LazyLock::new(|| Key::new(""));

impl Pos {
    /// Returns the place of what no line wrote.
    #[must_use]
    pub fn none() -> Self {
        Self { file: *NOWHERE, line: 0, column: 0 }
    }

    /// Tells whether a line wrote it.
    #[must_use]
    pub fn is_some(&self) -> bool {
        self.line != 0
    }

    /// Returns it as the domain says it, `None` where no line wrote it.
    #[must_use]
    pub fn source(&self) -> Option<Source> {
        self.is_some().then(|| Source { file: self.file.as_str().to_owned(), line: self.line, column: self.column })
    }
}

impl fmt::Debug for Pos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.as_str(), self.line, self.column)
    }
}

/// A value with its place. Cloning shares.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    pos: Pos,
    value: Value,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number that fits 64 bits with sign.
    Int(i64),
    /// A whole number that only fits 64 bits without sign.
    UInt(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Str(Box<str>),
    /// A list.
    List(Box<[Node]>),
    /// A map, sorted by key.
    Map(Map),
}

/// The key under which `!append` keeps a list until it is merged.
pub const APPEND: &str = "__atmos_append__";

/// YAML functions that Atmos runs after merging; while merging, their texts stand aside.
const DEFERRED: [&str; 11] = [
    "!template",
    "!terraform.output",
    "!terraform.state",
    "!store.get",
    "!store",
    "!exec",
    "!env",
    "!labels",
    "!labels.keys",
    "!labels.values",
    "!tags",
];

/// Tells whether a text is a YAML function that stands aside while layers merge.
#[must_use]
pub fn is_deferred(text: &str) -> bool {
    text.starts_with('!') && DEFERRED.iter().any(|f| text.starts_with(f))
}

/// A map, sorted by key, that knows whether `!append` or deferred functions are somewhere below.
#[derive(Clone, Debug, Default)]
pub struct Map {
    entries: Box<[(Key, Node)]>,
    /// A map below (this one included) is an `!append`.
    pub has_append: bool,
    /// A text below (through maps only) is a deferred function.
    pub has_deferred: bool,
}

impl Map {
    /// Returns the map of entries that are sorted and unique.
    #[must_use]
    pub fn sorted(entries: Vec<(Key, Node)>) -> Self {
        debug_assert!(entries.windows(2).all(|w| w[0].0.as_str() < w[1].0.as_str()));
        let mut map = Self { entries: entries.into_boxed_slice(), has_append: false, has_deferred: false };
        for (key, node) in &map.entries {
            match node.value() {
                Value::Map(m) => {
                    map.has_append |= m.has_append;
                    map.has_deferred |= m.has_deferred;
                }
                Value::Str(s) => map.has_deferred |= is_deferred(s),
                Value::List(_) => map.has_append |= key.as_str() == APPEND,
                _ => {}
            }
        }
        map
    }

    /// Returns the map of any entries; of equal keys the last wins.
    #[must_use]
    pub fn from_entries(mut entries: Vec<(Key, Node)>) -> Self {
        entries.sort_by_key(|e| e.0);
        let mut out: Vec<(Key, Node)> = Vec::with_capacity(entries.len());
        for (k, v) in entries {
            match out.last_mut() {
                Some(last) if last.0 == k => last.1 = v,
                _ => out.push((k, v)),
            }
        }
        Self::sorted(out)
    }

    /// Returns the value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok().map(|i| &self.entries[i].1)
    }

    /// Returns the entries, sorted by key.
    #[must_use]
    pub fn entries(&self) -> &[(Key, Node)] {
        &self.entries
    }

    /// Returns how many entries it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns a copy with that entry set.
    #[must_use]
    pub fn with(&self, key: Key, node: Node) -> Self {
        let mut entries = self.entries.to_vec();
        match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(i) => entries[i].1 = node,
            Err(i) => entries.insert(i, (key, node)),
        }
        Self::sorted(entries)
    }

    /// Returns a copy without those keys.
    #[must_use]
    pub fn without(&self, keys: &[&str]) -> Self {
        Self::sorted(self.entries.iter().filter(|(k, _)| !keys.contains(&k.as_str())).cloned().collect())
    }

    /// Returns the list inside where this map is an `!append`.
    #[must_use]
    pub fn append_list(&self) -> Option<&[Node]> {
        if !self.has_append {
            return None;
        }
        self.get(APPEND).and_then(Node::list)
    }
}

static EMPTY: LazyLock<Node> = LazyLock::new(|| Node::new(Value::Map(Map::default()), Pos::none()));

impl Node {
    /// Returns a node.
    #[must_use]
    pub fn new(value: Value, pos: Pos) -> Self {
        Self(Arc::new(Inner { pos, value }))
    }

    /// Returns the empty map that no line wrote.
    #[must_use]
    pub fn empty() -> Self {
        EMPTY.clone()
    }

    /// Returns a text that no line wrote.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::new(Value::Str(text.into()), Pos::none())
    }

    /// Returns a map that no line wrote.
    #[must_use]
    pub fn map_of(entries: Vec<(Key, Self)>) -> Self {
        Self::new(Value::Map(Map::from_entries(entries)), Pos::none())
    }

    /// Returns what it holds.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.0.value
    }

    /// Returns where it was written.
    #[must_use]
    pub fn pos(&self) -> Pos {
        self.0.pos
    }

    /// Returns the same value at another place.
    #[must_use]
    pub fn at(&self, pos: Pos) -> Self {
        Self::new(self.0.value.clone(), pos)
    }

    /// Tells whether two nodes are one and the same.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns an address that is the node's own as long as it lives.
    #[must_use]
    pub fn address(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Returns the map it holds.
    #[must_use]
    pub fn map(&self) -> Option<&Map> {
        if let Value::Map(m) = &self.0.value { Some(m) } else { None }
    }

    /// Returns the list it holds.
    #[must_use]
    pub fn list(&self) -> Option<&[Self]> {
        if let Value::List(l) = &self.0.value { Some(l) } else { None }
    }

    /// Returns the text it holds.
    #[must_use]
    pub fn str(&self) -> Option<&str> {
        if let Value::Str(s) = &self.0.value { Some(s) } else { None }
    }

    /// Returns the boolean it holds.
    #[must_use]
    pub fn bool(&self) -> Option<bool> {
        if let Value::Bool(b) = &self.0.value { Some(*b) } else { None }
    }

    /// Tells whether it is null.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self.0.value, Value::Null)
    }

    /// Returns the value of a key, where it is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.map()?.get(key)
    }

    /// Returns the value at the end of a path of keys.
    #[must_use]
    pub fn at_path<'a>(&'a self, path: &[&str]) -> Option<&'a Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Names its type as Go's YAML and JSON do in messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self.value() {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Int(_) | Value::UInt(_) | Value::Float(_) => "number",
            Value::Str(_) => "string",
            Value::List(_) => "array",
            Value::Map(_) => "object",
        }
    }

    /// Returns it as JSON; infinities and not-a-number, which JSON lacks, as texts.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self.value() {
            Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(i) => Json::from(*i),
            Value::UInt(u) => Json::from(*u),
            Value::Float(f) => float_json(*f),
            Value::Str(s) => Json::String(s.to_string()),
            Value::List(l) => Json::Array(l.iter().map(Self::to_json).collect()),
            Value::Map(m) => {
                Json::Object(m.entries().iter().map(|(k, v)| (k.as_str().to_owned(), v.to_json())).collect())
            }
        }
    }

    /// Returns JSON as nodes that all stand at `pos`.
    #[must_use]
    pub fn from_json(json: &Json, pos: Pos) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => n
                .as_i64()
                .map(Value::Int)
                .or_else(|| n.as_u64().map(Value::UInt))
                .unwrap_or_else(|| Value::Float(n.as_f64().unwrap_or(f64::NAN))),
            Json::String(s) => Value::Str(s.as_str().into()),
            Json::Array(a) => Value::List(a.iter().map(|v| Self::from_json(v, pos)).collect()),
            Json::Object(o) => {
                Value::Map(Map::from_entries(o.iter().map(|(k, v)| (Key::new(k), Self::from_json(v, pos))).collect()))
            }
        };
        Self::new(value, pos)
    }
}

/// Returns a float as JSON: whole ones lose their point, as in Go.
fn float_json(f: f64) -> Json {
    if f.fract() == 0.0 && f.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and far inside the range")]
        return Json::from(f as i64);
    }
    serde_json::Number::from_f64(f).map_or_else(|| Json::String(f.to_string()), Json::Number)
}

impl PartialEq for Node {
    /// Compares values; places do not count.
    fn eq(&self, other: &Self) -> bool {
        if self.same(other) {
            return true;
        }
        match (self.value(), other.value()) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::UInt(a), Value::UInt(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Value::Str(a), Value::Str(b)) => a == b,
            (Value::List(a), Value::List(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a.entries() == b.entries(),
            _ => false,
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}
