//! What differs between two resolved configurations, leaf by leaf, with the line of each side.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::error::AtmosError;
use super::estate::Estate;
use super::node::{Key, Map, Node, Value};
use super::resolve::{Instance, Stack};
use super::{InstanceId, did_you_mean};
use crate::domain::stack::{DiffEntry, InstanceRef, PathSegment};

/// What names the instance itself: it differs wherever the names do, and says nothing.
const NAMES: [&str; 6] =
    ["atmos_component", "atmos_stack", "stack", "atmos_stack_file", "atmos_manifest", "component_info"];

/// Which instances of two whole estates are compared; all where nothing is given.
#[derive(Debug, Clone, Default)]
pub struct Narrow {
    /// Only this stack.
    pub stack: Option<String>,
    /// Only this component.
    pub component: Option<String>,
}

/// Compares two instances.
#[must_use]
pub fn instances(a: (&Estate, InstanceId), b: (&Estate, InstanceId)) -> Vec<DiffEntry> {
    pair(a.0.at(a.1).map(|(_, i)| i), b.0.at(b.1).map(|(_, i)| i))
}

/// Compares two stacks, component by component; abstract ones are left out.
///
/// # Errors
///
/// Where an estate has no such stack.
pub fn stacks(a: (&Estate, &str), b: (&Estate, &str)) -> Result<Vec<DiffEntry>, AtmosError> {
    let left = of_stack(a.0, a.1)?;
    let right = of_stack(b.0, b.1)?;
    let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    Ok(names.into_iter().flat_map(|name| pair(left.get(name).copied(), right.get(name).copied())).collect())
}

/// Compares two whole estates, instance by instance; abstract ones are left out.
#[must_use]
pub fn estates(a: &Estate, b: &Estate, narrow: &Narrow) -> Vec<DiffEntry> {
    let (left, right) = (all(a, narrow), all(b, narrow));
    let names: BTreeSet<&Named> = left.keys().chain(right.keys()).collect();
    let names: Vec<&Named> = names.into_iter().collect();
    let of = |side: &BTreeMap<Named, Vec<(Key, usize)>>, name: &Named| side.get(name).cloned().unwrap_or_default();
    let (in_a, in_b): (Vec<_>, Vec<_>) = (a.all().collect(), b.all().collect());
    let compared: Vec<Vec<DiffEntry>> = names
        .par_iter()
        .map(|name| {
            let (lefts, rights) = (of(&left, name), of(&right, name));
            if let ([(_, l)], [(_, r)]) = (lefts.as_slice(), rights.as_slice()) {
                return pair(Some(in_a[*l].1), Some(in_b[*r].1));
            }
            // Several files make one stack name: the file tells them apart.
            let files: BTreeSet<Key> = lefts.iter().chain(&rights).map(|(file, _)| *file).collect();
            let find = |side: &[(Key, usize)], file| side.iter().find(|(f, _)| *f == file).map(|(_, at)| *at);
            files
                .into_iter()
                .flat_map(|file| {
                    let (l, r) = (find(&lefts, file), find(&rights, file));
                    pair(l.map(|at| in_a[at].1), r.map(|at| in_b[at].1))
                })
                .collect()
        })
        .collect();
    compared.into_iter().flatten().collect()
}

/// Stack, component, type.
type Named = (Key, Key, &'static str);

fn all(estate: &Estate, narrow: &Narrow) -> BTreeMap<Named, Vec<(Key, usize)>> {
    let mut out: BTreeMap<Named, Vec<(Key, usize)>> = BTreeMap::new();
    for (at, (stack, i)) in estate.all().enumerate() {
        let wanted = !i.is_abstract
            && narrow.stack.as_deref().is_none_or(|stack| stack == i.stack.as_str())
            && narrow.component.as_deref().is_none_or(|component| component == i.name.as_str());
        if wanted {
            out.entry((i.stack, i.name, i.kind)).or_default().push((stack.file, at));
        }
    }
    out
}

fn of_stack<'e>(estate: &'e Estate, name: &str) -> Result<BTreeMap<(Key, &'static str), &'e Instance>, AtmosError> {
    let is = |(stack, i): &(&Stack, &Instance)| i.stack.as_str() == name || stack.file.as_str() == name;
    let mut found = BTreeMap::new();
    let mut known = false;
    for (_, i) in estate.all().filter(is) {
        known = true;
        if !i.is_abstract {
            found.insert((i.name, i.kind), i);
        }
    }
    if known {
        return Ok(found);
    }
    let error = AtmosError::new("unknown-stack", format!("there is no stack '{name}'"));
    Err(match did_you_mean(name, estate.all().map(|(_, i)| i.stack.as_str().to_owned())) {
        Some(best) => error.hint(format!("did you mean '{best}'?")),
        None => error.hint("`terrace list stacks` names them"),
    })
}

/// Compares two instances, or one with nothing.
fn pair(a: Option<&Instance>, b: Option<&Instance>) -> Vec<DiffEntry> {
    let Some(named) = a.or(b) else { return Vec::new() };
    let one_name = a.is_none_or(|a| b.is_none_or(|b| a.stack == b.stack && a.name == b.name));
    let skip = |key: &str| NAMES.contains(&key) || (!one_name && key == "workspace");
    let mut walk = Walk { out: Vec::new(), path: Vec::new() };
    let empty = Map::default();
    walk.maps(a.map_or(&empty, |i| &i.sections), b.map_or(&empty, |i| &i.sections), &skip);
    let instance = InstanceRef { component: named.name.as_str().to_owned(), stack: named.stack.as_str().to_owned() };
    walk.out.into_iter().map(|leaf| leaf.entry(instance.clone())).collect()
}

/// Compares one section of two instances.
pub(super) fn section(a: Option<&Node>, b: Option<&Node>, name: &str) -> Vec<Leaf> {
    let mut walk = Walk { out: Vec::new(), path: vec![PathSegment::Key(name.to_owned())] };
    walk.nodes(a, b);
    walk.out
}

/// A leaf that differs.
pub(super) struct Leaf {
    pub(super) path: Vec<PathSegment>,
    pub(super) before: Option<Node>,
    pub(super) after: Option<Node>,
}

impl Leaf {
    fn entry(self, instance: InstanceRef) -> DiffEntry {
        let source = |node: &Option<Node>| node.as_ref().and_then(|node| node.pos().source());
        DiffEntry {
            instance,
            path: self.path,
            before_source: source(&self.before),
            after_source: source(&self.after),
            before: self.before.map(|node| node.to_json()),
            after: self.after.map(|node| node.to_json()),
        }
    }
}

struct Walk {
    out: Vec<Leaf>,
    path: Vec<PathSegment>,
}

impl Walk {
    fn nodes(&mut self, a: Option<&Node>, b: Option<&Node>) {
        if let (Some(a), Some(b)) = (a, b)
            && a.same(b)
        {
            return;
        }
        let empty = Map::default();
        match (a.map(Node::value), b.map(Node::value)) {
            (Some(Value::Map(x)), Some(Value::Map(y))) => self.maps(x, y, &|_| false),
            (Some(Value::Map(x)), None) if !x.is_empty() => self.maps(x, &empty, &|_| false),
            (None, Some(Value::Map(y))) if !y.is_empty() => self.maps(&empty, y, &|_| false),
            (Some(Value::List(x)), Some(Value::List(y))) if x.len() == y.len() && holds_maps(x, y) => {
                for (i, (x, y)) in x.iter().zip(y).enumerate() {
                    self.path.push(PathSegment::Index(i));
                    self.nodes(Some(x), Some(y));
                    self.path.pop();
                }
            }
            _ if a == b => {}
            _ => self.out.push(Leaf { path: self.path.clone(), before: a.cloned(), after: b.cloned() }),
        }
    }

    fn maps(&mut self, a: &Map, b: &Map, skip: &dyn Fn(&str) -> bool) {
        let (mut a, mut b) = (a.entries().iter().peekable(), b.entries().iter().peekable());
        loop {
            let order = match (a.peek(), b.peek()) {
                (Some((x, _)), Some((y, _))) => x.cmp(y),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            let left = if order == Ordering::Greater { None } else { a.next() };
            let right = if order == Ordering::Less { None } else { b.next() };
            let Some((key, _)) = left.or(right) else { return };
            if skip(key.as_str()) {
                continue;
            }
            self.path.push(PathSegment::Key(key.as_str().to_owned()));
            self.nodes(left.map(|(_, node)| node), right.map(|(_, node)| node));
            self.path.pop();
        }
    }
}

fn holds_maps(a: &[Node], b: &[Node]) -> bool {
    a.iter().chain(b).any(|node| node.map().is_some())
}
