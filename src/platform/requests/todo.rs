//! What of a request is planned now, and what only after that is applied.

use std::collections::BTreeSet;

use super::proposal::Proposal;
use crate::domain::golden_path::{ConcernedInstance, InstanceAction};
use crate::domain::request::Request;
use crate::domain::request::wave::next_wave;
use crate::domain::stack::InstanceRef;

/// An instance that is planned now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Todo {
    /// Which, and what becomes of it.
    pub(super) concerned: ConcernedInstance,
    /// Whether the configuration on the request's branch counts; the estate's own otherwise.
    pub(super) on_branch: bool,
}

/// Returns what is planned now, and what comes later.
///
/// Forward, that is what needs nothing that is still open. What is undone goes the other way round, and each as the
/// opposite of what was done to it: what is new is destroyed with the configuration that made it, everything else gets
/// the configuration back that the estate still has.
pub(super) fn todo(request: &Request, proposal: &Proposal) -> (Vec<Todo>, Vec<ConcernedInstance>) {
    if proposal.script.is_some() {
        return (Vec::new(), Vec::new());
    }
    let written = !proposal.changes.is_empty();
    let live: Vec<(InstanceRef, InstanceAction)> =
        request.live().map(|applied| (applied.instance.clone(), applied.action)).collect();
    let all: Vec<Todo> = if request.reverting {
        live.iter().rev().map(|(instance, action)| undo(instance, *action, written)).collect()
    } else {
        let forward = |concerned: &ConcernedInstance| Todo {
            concerned: concerned.clone(),
            // What goes is planned with the configuration that still has it.
            on_branch: written && concerned.action != InstanceAction::Remove,
        };
        proposal.instances.iter().map(forward).collect()
    };
    let needs = |at: &InstanceRef| -> Vec<InstanceRef> {
        if request.reverting {
            let needed = proposal.needs.iter().filter(|(_, needs)| needs.contains(at));
            needed.map(|(dependent, _)| dependent.clone()).collect()
        } else {
            proposal.needs.iter().find(|(member, _)| member == at).map(|(_, needs)| needs.clone()).unwrap_or_default()
        }
    };
    let ordered: Vec<(InstanceRef, Vec<InstanceRef>)> =
        all.iter().map(|todo| (todo.concerned.instance.clone(), needs(&todo.concerned.instance))).collect();
    let done: BTreeSet<InstanceRef> =
        if request.reverting { BTreeSet::new() } else { live.into_iter().map(|(instance, _)| instance).collect() };
    let wave = next_wave(&ordered, &done);
    let (now, rest): (Vec<Todo>, Vec<Todo>) = all
        .into_iter()
        .filter(|todo| !done.contains(&todo.concerned.instance))
        .partition(|todo| wave.contains(&todo.concerned.instance));
    (now, rest.into_iter().map(|todo| todo.concerned).collect())
}

fn undo(instance: &InstanceRef, action: InstanceAction, written: bool) -> Todo {
    let action = match action {
        InstanceAction::Create => InstanceAction::Remove,
        InstanceAction::Change => InstanceAction::Change,
        InstanceAction::Remove => InstanceAction::Create,
    };
    let concerned = ConcernedInstance { instance: instance.clone(), action };
    Todo { concerned, on_branch: written && action == InstanceAction::Remove }
}
