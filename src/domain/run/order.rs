//! The order of a set: which runs must succeed before which, and what a failure stops.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::stack::{Dependency, InstanceRef};

/// A set whose dependencies lead back to themselves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the instances {} need one another in a circle", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" → "))]
pub struct Circle(pub Vec<InstanceRef>);

/// Returns for each member, in an order that can be run, the members that must succeed first.
///
/// A dependency through instances outside the set still orders those inside it. With `reverse` (destroy) what
/// depends goes first.
///
/// # Errors
///
/// Fails where the dependencies form a circle through members of the set.
pub fn order(
    members: &[InstanceRef],
    dependencies: &[Dependency],
    reverse: bool,
) -> Result<Vec<(InstanceRef, Vec<InstanceRef>)>, Circle> {
    let mut needs: BTreeMap<&InstanceRef, BTreeSet<&InstanceRef>> = BTreeMap::new();
    for dependency in dependencies {
        let (from, to) = if reverse { (&dependency.to, &dependency.from) } else { (&dependency.from, &dependency.to) };
        needs.entry(from).or_default().insert(to);
    }
    let members: BTreeSet<&InstanceRef> = members.iter().collect();
    let direct: BTreeMap<&InstanceRef, BTreeSet<&InstanceRef>> =
        members.iter().map(|member| (*member, nearest(member, &members, &needs))).collect();
    let mut done: BTreeSet<&InstanceRef> = BTreeSet::new();
    let mut ordered = Vec::with_capacity(members.len());
    while ordered.len() < members.len() {
        let ready: Vec<&InstanceRef> =
            members.iter().copied().filter(|m| !done.contains(m) && direct[m].is_subset(&done)).collect();
        if ready.is_empty() {
            return Err(Circle(members.iter().copied().filter(|m| !done.contains(m)).cloned().collect()));
        }
        for member in ready {
            done.insert(member);
            ordered.push((member.clone(), direct[member].iter().copied().cloned().collect()));
        }
    }
    Ok(ordered)
}

/// The members reached first on each way down from `start`.
fn nearest<'a>(
    start: &'a InstanceRef,
    members: &BTreeSet<&'a InstanceRef>,
    needs: &BTreeMap<&'a InstanceRef, BTreeSet<&'a InstanceRef>>,
) -> BTreeSet<&'a InstanceRef> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<&InstanceRef> = needs.get(start).into_iter().flatten().copied().collect();
    while let Some(next) = open.pop() {
        if !seen.insert(next) {
            continue;
        }
        if members.contains(next) {
            if next != start {
                found.insert(next);
            }
        } else {
            open.extend(needs.get(next).into_iter().flatten().copied());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::stack::DependencyKind;

    fn at(component: &str) -> InstanceRef {
        InstanceRef { component: component.to_owned(), stack: "dev".to_owned() }
    }

    fn needs(from: &str, to: &str) -> Dependency {
        Dependency { from: at(from), to: at(to), kind: DependencyKind::DependsOn, source: None }
    }

    #[test]
    fn what_is_needed_goes_first_and_destroy_goes_backwards() {
        let all = [at("app"), at("db"), at("net")];
        let deps = [needs("app", "db"), needs("db", "net")];
        let up = order(&all, &deps, false).expect("no circle");
        assert_eq!(up.iter().map(|(m, _)| m.component.as_str()).collect::<Vec<_>>(), ["net", "db", "app"]);
        assert_eq!(up[2].1, [at("db")]);
        let down = order(&all, &deps, true).expect("no circle");
        assert_eq!(down.iter().map(|(m, _)| m.component.as_str()).collect::<Vec<_>>(), ["app", "db", "net"]);
    }

    #[test]
    fn order_reaches_through_instances_outside_the_set() {
        let deps = [needs("app", "db"), needs("db", "net")];
        let ordered = order(&[at("app"), at("net")], &deps, false).expect("no circle");
        assert_eq!(ordered, [(at("net"), vec![]), (at("app"), vec![at("net")])]);
    }

    #[test]
    fn a_circle_is_refused_by_name() {
        let deps = [needs("a", "b"), needs("b", "a")];
        let circle = order(&[at("a"), at("b"), at("c")], &deps, false).expect_err("a circle");
        assert_eq!(circle.0, [at("a"), at("b")]);
    }
}
