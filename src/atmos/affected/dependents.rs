//! What needs an instance, as `atmos describe dependents` tells it: read in Atmos' `internal/exec/describe_dependents*.go`
//! and `describe_affected_utils_2.go` (2026-08).

use std::collections::{HashMap, HashSet};

use super::{Options, card, settings, var};
use crate::atmos::{
    depends::{self, Need, PARTS},
    estate::Estate,
    node::{Key, Node},
    resolve::Instance,
};
use crate::domain::comparison::{Affected, Dependent};

/// The name of a component, and its stack.
type At = (Key, Key);

/// Who needs what in an estate.
struct Needs<'e> {
    estate: &'e Estate,
    /// The instances by name and stack; of those that differ in type, the one that Atmos asks for first.
    instances: HashMap<At, &'e Instance>,
    /// Who needs a component of that name.
    by: HashMap<String, Vec<(&'e Instance, Need)>>,
    with_settings: bool,
}

/// Adds to each what needs it, and marks those that stand below another one.
pub(super) fn add(estate: &Estate, out: &mut [Affected], options: &Options) {
    let needs = Needs::of(estate, options);
    for affected in out.iter_mut() {
        let at = (Key::new(&affected.instance.component), Key::new(&affected.instance.stack));
        affected.dependents = Some(match affected.deleted {
            true => Vec::new(),
            false => needs.dependents(at, &mut vec![at]),
        });
    }
    let below = elsewhere(out.iter().map(|affected| {
        let mut slugs = HashSet::new();
        collect(affected.dependents.as_deref().unwrap_or_default(), &mut slugs);
        (affected.instance.stack_slug.as_str(), slugs)
    }));
    for (affected, below) in out.iter_mut().zip(below) {
        affected.included_in_dependents = below;
        if let (false, Some(dependents)) = (below, &mut affected.dependents) {
            mark(dependents);
        }
    }
}

impl<'e> Needs<'e> {
    fn of(estate: &'e Estate, options: &Options) -> Self {
        let rank = |i: &Instance| ["terraform", "helmfile"].iter().position(|kind| *kind == i.kind).unwrap_or(2);
        let (mut instances, mut by) = (HashMap::<At, &Instance>::new(), HashMap::<String, Vec<_>>::new());
        for (_, instance) in estate.all() {
            let first = instances.entry((instance.name, instance.stack)).or_insert(instance);
            if rank(instance) < rank(first) {
                *first = instance;
            }
            let metadata = instance.sections.get("metadata");
            let enabled = metadata.and_then(|m| m.get("enabled")).and_then(Node::bool);
            let elsewhere = options.stack.as_deref().is_some_and(|stack| stack != instance.stack.as_str());
            if instance.is_abstract || enabled == Some(false) || elsewhere {
                continue;
            }
            for need in depends::needs(instance, &|instance, text| estate.rendered(instance, text)) {
                by.entry(need.component.clone()).or_default().push((instance, need));
            }
        }
        Self { estate, instances, by, with_settings: options.include_settings }
    }

    /// Returns what needs an instance, and what needs that in turn; who stands above is not told again.
    fn dependents(&self, at: At, trail: &mut Vec<At>) -> Vec<Dependent> {
        let Some(needed) = self.instances.get(&at) else { return Vec::new() };
        let mut out = Vec::new();
        for (from, need) in self.by.get(needed.name.as_str()).into_iter().flatten() {
            let here = (from.name, from.stack);
            if from.name == needed.name || !fits(need, from, needed) || trail.contains(&here) {
                continue;
            }
            trail.push(here);
            let inner = self.dependents(here, trail);
            trail.pop();
            out.push(Dependent {
                instance: card(self.estate, from, true),
                dependents: Some(inner),
                included_in_dependents: false,
                settings: self.with_settings.then(|| settings(self.estate, from)),
            });
        }
        out.sort_by(|a, b| {
            let (a, b) = (&a.instance, &b.instance);
            (&a.stack_slug, &a.component, &a.stack).cmp(&(&b.stack_slug, &b.component, &b.stack))
        });
        out
    }
}

/// Tells whether a need means that instance. `dependencies` names a stack, or means its own; `settings.depends_on` compares
/// the context too, part by part: what it does not say must be alike in both.
fn fits(need: &Need, from: &Instance, needed: &Instance) -> bool {
    let stack = needed.stack.as_str();
    let Some(parts) = &need.parts else {
        return need.stack.as_deref().unwrap_or(from.stack.as_str()) == stack;
    };
    let placed = match &need.stack {
        Some(named) => named == stack,
        None => parts.iter().any(|part| !part.is_empty()) || from.stack == needed.stack,
    };
    placed
        && PARTS.iter().zip(parts).all(|(name, part)| {
            let there = var(needed, name);
            if part.is_empty() { there == var(from, name) } else { there == *part }
        })
}

/// Gathers the slugs of dependents, at any depth.
fn collect<'d>(dependents: &'d [Dependent], slugs: &mut HashSet<&'d str>) {
    for dependent in dependents {
        slugs.insert(&dependent.instance.stack_slug);
        collect(dependent.dependents.as_deref().unwrap_or_default(), slugs);
    }
}

/// Tells of each whether its slug stands among those of another one.
fn elsewhere<'d>(all: impl Iterator<Item = (&'d str, HashSet<&'d str>)>) -> Vec<bool> {
    let all: Vec<_> = all.collect();
    let mut holders: HashMap<&str, usize> = HashMap::new();
    for slug in all.iter().flat_map(|(_, slugs)| slugs) {
        *holders.entry(slug).or_default() += 1;
    }
    let others = |(slug, slugs): &(&str, HashSet<&str>)| {
        holders.get(slug).is_some_and(|count| *count > usize::from(slugs.contains(slug)))
    };
    all.iter().map(others).collect()
}

/// Marks the dependents that stand below, or beside, one of their own.
fn mark(dependents: &mut [Dependent]) {
    let below = elsewhere(dependents.iter().map(|dependent| {
        let mut slugs = HashSet::new();
        collect(std::slice::from_ref(dependent), &mut slugs);
        (dependent.instance.stack_slug.as_str(), slugs)
    }));
    for (dependent, below) in dependents.iter_mut().zip(below) {
        dependent.included_in_dependents = below;
        mark(dependent.dependents.as_deref_mut().unwrap_or_default());
    }
}
