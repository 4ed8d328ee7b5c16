//! Deps: what must be there first, what needs this, and the order in which they are applied.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::stack::{Dependency, DependencyKind, InstanceRef};
use crate::tui::app::App;
use crate::tui::message::InstanceKey;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Row, piece};
use crate::tui::widgets::text;

use super::source_text;

/// Returns the rows of the tab.
#[must_use]
pub fn rows(app: &App) -> Vec<Row> {
    let Some(instance) = app.tree_instance() else { return Vec::new() };
    let here = InstanceKey::of(instance).reference();
    let all = app.dependencies.items();
    let mut rows = vec![Row::head("Needs first")];
    let before = rows.len();
    walk(app, &mut rows, &here, all, true, 1, &mut vec![here.clone()]);
    if rows.len() == before {
        rows.push(Row::text("  nothing", Meaning::Dim));
    }
    rows.push(Row::blank());
    rows.push(Row::head("Needed by"));
    let before = rows.len();
    walk(app, &mut rows, &here, all, false, 1, &mut vec![here.clone()]);
    if rows.len() == before {
        rows.push(Row::text("  nothing", Meaning::Dim));
    }
    rows.push(Row::blank());
    match order(&here, all) {
        Ok(order) if order.len() > 1 => {
            rows.push(Row::head("Order of application"));
            for (i, instance) in order.iter().enumerate() {
                let meaning = if *instance == here { Meaning::Accent } else { Meaning::Text };
                let row = Row::text(format!("  {:>2}. {instance}", i + 1), meaning);
                rows.push(leads_to(app, row, instance));
            }
        }
        Ok(_) => {}
        Err(cycle) => {
            let text = format!("⚠ They need each other: {}", text::clip(&cycle, 200));
            rows.push(Row::text(text, Meaning::Warning));
        }
    }
    rows
}

fn leads_to(app: &App, row: Row, to: &InstanceRef) -> Row {
    let found = app.instances.items().iter().find(|i| i.component == to.component && i.stack == to.stack);
    let row = row.copied(to.to_string());
    match found {
        Some(instance) => row.to(Go::Instance(InstanceKey::of(instance))),
        None => row,
    }
}

fn walk(
    app: &App,
    rows: &mut Vec<Row>,
    from: &InstanceRef,
    all: &[Dependency],
    up: bool,
    depth: usize,
    way: &mut Vec<InstanceRef>,
) {
    for edge in all.iter().filter(|edge| (if up { &edge.from } else { &edge.to }) == from) {
        let other = if up { &edge.to } else { &edge.from };
        let looped = way.contains(other);
        let kind = match edge.kind {
            DependencyKind::Dependencies => "dependencies",
            DependencyKind::DependsOn => "depends_on",
            DependencyKind::Inferred => "inferred from a value",
        };
        let known = app.instances.items().iter().any(|i| i.component == other.component && i.stack == other.stack);
        let mut left = vec![piece("  ".repeat(depth), Meaning::Text), piece(other.to_string(), Meaning::Text)];
        if !known && app.instances.value.is_some() {
            left.push(piece("  ✗ there is no such instance", Meaning::Failed));
        }
        if looped {
            left.push(piece("  ↻ a loop", Meaning::Warning));
        }
        let mut right = vec![piece(kind, Meaning::Dim)];
        if let Some(source) = &edge.source {
            right.push(piece(format!("  {}", source_text(source)), Meaning::Source));
        }
        rows.push(leads_to(app, Row::of(left).right(right).at(edge.source.clone()), other));
        if !looped && depth < 12 && rows.len() < 2_000 {
            way.push(other.clone());
            walk(app, rows, other, all, up, depth + 1, way);
            way.pop();
        }
    }
}

/// Returns everything an instance needs, and itself, in an order in which they can be applied.
///
/// # Errors
///
/// The loop, where they need each other.
fn order(of: &InstanceRef, all: &[Dependency]) -> Result<Vec<InstanceRef>, String> {
    let mut needs: BTreeMap<&InstanceRef, Vec<&InstanceRef>> = BTreeMap::new();
    for edge in all {
        needs.entry(&edge.from).or_default().push(&edge.to);
    }
    let mut done = BTreeSet::new();
    let mut order = Vec::new();
    // Depth first by hand: a chain may be longer than the stack is deep.
    let mut way: Vec<(&InstanceRef, usize)> = vec![(of, 0)];
    while let Some((at, next)) = way.last_mut() {
        let (at, index) = (*at, *next);
        *next += 1;
        match needs.get(at).and_then(|needs| needs.get(index)) {
            Some(need) if done.contains(*need) => {}
            Some(need) => {
                if let Some(start) = way.iter().position(|(on_way, _)| on_way == need) {
                    let names: Vec<String> = way[start..].iter().map(|(i, _)| i.to_string()).collect();
                    return Err(format!("{} → {need}", names.join(" → ")));
                }
                way.push((need, 0));
            }
            None => {
                done.insert(at);
                order.push(at.clone());
                way.pop();
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    #[test]
    fn what_is_needed_comes_first_and_loops_are_named() {
        let mut all = fixtures::estate().dependencies;
        let orders = InstanceRef { component: "orders".into(), stack: "plat-ue2-prod".into() };
        let names: Vec<String> = order(&orders, &all).unwrap().iter().map(|i| i.component.clone()).collect();
        assert_eq!(names, ["network", "orders-db", "orders"]);
        all.push(Dependency { from: all[0].to.clone(), to: orders.clone(), ..all[0].clone() });
        assert!(order(&orders, &all).unwrap_err().contains("network@plat-ue2-prod → orders@plat-ue2-prod"));
    }
}
