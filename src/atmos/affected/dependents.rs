//! What needs an instance, as `atmos describe dependents` tells it: read in Atmos' `internal/exec/describe_dependents*.go`
//! and `describe_affected_utils_2.go` (2026-08).

use std::collections::HashMap;

use super::{Options, card, settings, var};
use crate::atmos::{
    depends::{self, Need},
    estate::Estate,
    node::Node,
    resolve::Instance,
};
use crate::domain::comparison::{Affected, Dependent};

/// What a stack's context is made of.
const PARTS: [&str; 4] = ["namespace", "tenant", "environment", "stage"];

/// Who needs a component of that name.
type Index<'e> = HashMap<String, Vec<(&'e Instance, Need)>>;

/// Adds to each what needs it, and marks those that stand below another one.
pub(super) fn add(estate: &Estate, out: &mut [Affected], options: &Options) {
    let index = index(estate, options.stack.as_deref());
    for affected in out.iter_mut() {
        let at = (affected.component.clone(), affected.stack.clone());
        affected.dependents = Some(match affected.deleted {
            true => Vec::new(),
            false => of(estate, &index, &at, options.include_settings, &mut vec![at.clone()]),
        });
    }
    let below: Vec<bool> = (0..out.len())
        .map(|at| {
            let others = out.iter().enumerate().filter(|(other, _)| *other != at);
            others.into_iter().any(|(_, other)| names(other.dependents.as_deref(), &out[at].stack_slug))
        })
        .collect();
    for (affected, below) in out.iter_mut().zip(below) {
        affected.included_in_dependents = below;
        if let (false, Some(dependents)) = (below, &mut affected.dependents) {
            mark(dependents);
        }
    }
}

fn index<'e>(estate: &'e Estate, only: Option<&str>) -> Index<'e> {
    let mut out = Index::new();
    for (_, instance) in estate.all() {
        let metadata = instance.sections.get("metadata");
        let enabled = metadata.and_then(|m| m.get("enabled")).and_then(Node::bool);
        let elsewhere = only.is_some_and(|stack| stack != instance.stack.as_str());
        if instance.is_abstract || enabled == Some(false) || elsewhere {
            continue;
        }
        for need in depends::needs(instance, &|instance, text| estate.rendered(instance, text)) {
            out.entry(need.component.clone()).or_default().push((instance, need));
        }
    }
    out
}

/// Returns what needs an instance, and what needs that in turn; who stands above is not told again.
fn of(
    estate: &Estate,
    index: &Index<'_>,
    at: &(String, String),
    include: bool,
    trail: &mut Vec<(String, String)>,
) -> Vec<Dependent> {
    let (component, stack) = at;
    // Atmos asks for Terraform's component first.
    let mut named: Vec<&Instance> =
        estate.all().map(|(_, i)| i).filter(|i| i.name.as_str() == component && i.stack.as_str() == stack).collect();
    named.sort_by_key(|i| ["terraform", "helmfile"].iter().position(|kind| *kind == i.kind).unwrap_or(2));
    let Some(needed) = named.first() else { return Vec::new() };
    let mut out = Vec::new();
    for (from, need) in index.get(component).into_iter().flatten() {
        if from.name == needed.name || !fits(need, from, needed) {
            continue;
        }
        let here = (from.name.as_str().to_owned(), from.stack.as_str().to_owned());
        if trail.contains(&here) {
            continue;
        }
        trail.push(here.clone());
        let inner = of(estate, index, &here, include, trail);
        trail.pop();
        let card = card(estate, from);
        out.push(Dependent {
            component: card.component,
            component_type: card.component_type,
            component_path: card.component_path,
            namespace: var(from, "namespace"),
            tenant: var(from, "tenant"),
            environment: var(from, "environment"),
            stage: var(from, "stage"),
            stack: card.stack,
            stack_slug: card.stack_slug,
            spacelift_stack: card.spacelift_stack,
            atlantis_project: card.atlantis_project,
            dependents: Some(inner),
            included_in_dependents: false,
            settings: include.then(|| settings(estate, from)),
        });
    }
    out.sort_by(|a, b| (&a.stack_slug, &a.component, &a.stack).cmp(&(&b.stack_slug, &b.component, &b.stack)));
    out
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

/// Tells whether a slug stands among dependents, at any depth.
fn names(dependents: Option<&[Dependent]>, slug: &str) -> bool {
    dependents.unwrap_or_default().iter().any(|d| d.stack_slug == slug || names(d.dependents.as_deref(), slug))
}

/// Marks the dependents that stand below, or beside, one of their own.
fn mark(dependents: &mut [Dependent]) {
    let below: Vec<bool> = (0..dependents.len())
        .map(|at| {
            let slug = &dependents[at].stack_slug;
            let others = dependents.iter().enumerate().filter(|(other, _)| *other != at);
            others.into_iter().any(|(_, d)| d.stack_slug == *slug || names(d.dependents.as_deref(), slug))
        })
        .collect();
    for (dependent, below) in dependents.iter_mut().zip(below) {
        dependent.included_in_dependents = below;
        mark(dependent.dependents.as_deref_mut().unwrap_or_default());
    }
}
