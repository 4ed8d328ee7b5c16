//! What a request does: each instance with its plan, each resource with what it costs.

use crate::domain::estimate::ResourceEstimate;
use crate::domain::golden_path::InstanceAction;
use crate::domain::plan::ResourceAction;
use crate::domain::request::{Check, CheckedPlan, Request, RequestState};
use crate::domain::run::PlanSummary;
use crate::tui::panes::runs::plan_text;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Row, piece};

use super::money;

/// How many resources of one plan stand on the page; the log of the run has them all.
const SHOWN: usize = 12;

/// Returns the sum of all plans.
#[must_use]
pub fn sum(check: &Check) -> PlanSummary {
    check.plans.iter().fold(PlanSummary { add: 0, change: 0, destroy: 0, replace: 0 }, |sum, plan| PlanSummary {
        add: sum.add + plan.summary.add,
        change: sum.change + plan.summary.change,
        destroy: sum.destroy + plan.summary.destroy,
        replace: sum.replace + plan.summary.replace,
    })
}

/// Returns the mark of what happens to an instance.
#[must_use]
pub fn instance_mark(action: InstanceAction) -> (&'static str, Meaning) {
    match action {
        InstanceAction::Create => ("+", Meaning::Added),
        InstanceAction::Change => ("~", Meaning::Changed),
        InstanceAction::Remove => ("-", Meaning::Removed),
    }
}

fn resource_mark(action: ResourceAction) -> (&'static str, Meaning) {
    match action {
        ResourceAction::Create => ("+", Meaning::Added),
        ResourceAction::Update => ("~", Meaning::Changed),
        ResourceAction::Replace => ("±", Meaning::Removed),
        ResourceAction::Delete => ("-", Meaning::Removed),
        ResourceAction::Forget => ("×", Meaning::Changed),
        ResourceAction::NoOp => ("=", Meaning::Dim),
    }
}

/// Tells whether something is lost by it.
#[must_use]
pub fn destroys(action: ResourceAction) -> bool {
    matches!(action, ResourceAction::Delete | ResourceAction::Replace)
}

/// Returns what a request does.
#[must_use]
pub fn rows(request: &Request) -> Vec<Row> {
    let Some(check) = &request.check else {
        let what = match request.state {
            RequestState::Draft => "made when it is sent",
            RequestState::Submitted | RequestState::Checking => "being made …",
            _ => "none was made",
        };
        return vec![Row::of(vec![piece("Plan  ", Meaning::Strong), piece(what, Meaning::Dim)])];
    };
    let sum = sum(check);
    let mut head = vec![piece("Plan  ", Meaning::Strong)];
    if check.plans.is_empty() {
        head.push(piece("nothing is planned", Meaning::Dim));
    } else {
        let meaning = if sum.destroy > 0 { Meaning::Removed } else { Meaning::Text };
        head.push(piece(plan_text(&sum), meaning));
        if sum.destroy > 0 {
            head.push(piece("  ⚠ destroys", Meaning::Removed));
        }
    }
    let mut rows = vec![Row::of(head)];
    for one in &check.instances {
        let (mark, meaning) = instance_mark(one.action);
        let plan = check.plans.iter().find(|plan| plan.instance == one.instance);
        let mut row = Row::of(vec![
            piece(format!(" {mark} "), meaning),
            piece(one.instance.component.clone(), Meaning::Strong),
            piece(format!(" in {}", one.instance.stack), Meaning::Text),
        ])
        .copied(one.instance.to_string());
        match plan {
            Some(plan) => {
                row = row.to(Go::Run(plan.run)).right(vec![piece(format!("run #{}", plan.number), Meaning::Dim)]);
                rows.push(row);
                resources(&mut rows, plan);
            }
            None => rows.push(row.right(vec![piece("not planned", Meaning::Unknown)])),
        }
    }
    rows
}

fn resources(rows: &mut Vec<Row>, plan: &CheckedPlan) {
    let changed: Vec<&ResourceEstimate> =
        plan.estimate.resources.iter().filter(|resource| resource.action != ResourceAction::NoOp).collect();
    for resource in changed.iter().take(SHOWN) {
        let (mark, meaning) = resource_mark(resource.action);
        let cost = match resource.action {
            _ if resource.free.is_some() => piece("free", Meaning::Dim),
            ResourceAction::Update | ResourceAction::Replace => piece(money::delta(&resource.delta), Meaning::Value),
            ResourceAction::Delete | ResourceAction::Forget => piece(money::delta(&resource.delta), Meaning::Value),
            _ => piece(money::amount(&resource.monthly), Meaning::Value),
        };
        rows.push(
            Row::of(vec![piece(format!("   {mark} "), meaning), piece(resource.address.clone(), Meaning::Text)])
                .right(vec![cost])
                .to(Go::Run(plan.run))
                .copied(resource.address.clone()),
        );
    }
    if changed.len() > SHOWN {
        let more = format!("   … {} more: enter shows the plan", changed.len() - SHOWN);
        rows.push(Row::text(more, Meaning::Dim).to(Go::Run(plan.run)));
    }
}
