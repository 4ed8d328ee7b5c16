//! The lists to choose from, made from what is known.

use crate::domain::comparison::Affected;
use crate::domain::request::{RequestKind, Wish, WorkflowRef};
use crate::domain::run::RunKind;
use crate::domain::stack::{InstanceRef, Severity};
use crate::tui::app::{App, View};
use crate::tui::message::{Effect, Hit, WorkflowCard};
use crate::tui::overlay::{Choice, Overlay, Picker, PickerKind, Then};
use crate::tui::panes::budgets::Item;
use crate::tui::panes::stacks::source_text;
use crate::tui::theme::Meaning;

use super::{form, start};

/// Returns the workflows.
pub(super) fn workflows(app: &App) -> Picker {
    let choice = |(i, workflow): (usize, &crate::tui::message::WorkflowCard)| Choice {
        label: workflow.name.clone(),
        about: match &workflow.description {
            Some(description) => description.lines().next().unwrap_or_default().to_owned(),
            None => workflow.steps.join(" · "),
        },
        right: workflow.file.clone(),
        enabled: Ok(()),
        meaning: Meaning::Text,
        then: Then::Workflow(i),
    };
    Picker::new(PickerKind::Workflows, app.workflows.items().iter().enumerate().map(choice).collect())
}

/// Returns the estate's problems, errors first.
pub(super) fn problems(app: &App) -> Picker {
    let mut found: Vec<_> = app.diagnostics.items().iter().collect();
    found.sort_by_key(|d| (d.severity, d.source.clone()));
    let choice = |d: &crate::domain::stack::Diagnostic| {
        let (mark, meaning) = match d.severity {
            Severity::Error => ("✗", Meaning::Failed),
            Severity::Warning => ("⚠", Meaning::Warning),
        };
        let hint = d.hint.as_ref().map(|hint| format!("  {hint}")).unwrap_or_default();
        Choice {
            label: format!("{mark} {}", d.message),
            about: format!("{}{hint}", d.code),
            right: d.source.as_ref().map(source_text).unwrap_or_default(),
            enabled: Ok(()),
            meaning,
            then: d.source.clone().map_or(Then::Nothing, Then::Edit),
        }
    };
    Picker::new(PickerKind::Problems, found.into_iter().map(choice).collect())
}

/// Returns an empty search.
pub(super) fn search() -> Picker {
    Picker::new(PickerKind::Search, Vec::new())
}

/// Returns what a search found as choices.
pub(super) fn hits(hits: Vec<Hit>) -> Vec<Choice> {
    let choice = |hit: Hit| Choice {
        label: format!("{}: {}", hit.path, hit.value),
        about: hit.instance.to_string(),
        right: hit.source.as_ref().map(source_text).unwrap_or_default(),
        enabled: Ok(()),
        meaning: Meaning::Text,
        then: Then::Go(hit.instance),
    };
    hits.into_iter().map(choice).collect()
}

/// Returns what a change reaches as choices.
pub(super) fn affected(found: Vec<Affected>) -> Vec<Choice> {
    let choice = |one: Affected| {
        let cause = one.causes.iter().find(|cause| cause.file.is_some());
        let place = cause.and_then(|cause| Some((cause.file.clone()?, cause.line)));
        Choice {
            label: format!(
                "{}@{}{}",
                one.instance.component,
                one.instance.stack,
                if one.deleted { "  is gone" } else { "" }
            ),
            about: one.affected_all.join(", "),
            right: place
                .map(|(file, line)| line.map_or(file.clone(), |line| format!("{file}:{line}")))
                .unwrap_or_default(),
            enabled: Ok(()),
            meaning: if one.deleted { Meaning::Removed } else { Meaning::Text },
            then: Then::Go(InstanceRef { component: one.instance.component, stack: one.instance.stack }),
        }
    };
    found.into_iter().map(choice).collect()
}

/// Returns the steps of a workflow run that it can go on from.
pub(super) fn steps(run: &crate::domain::run::Run) -> Picker {
    use crate::domain::run::StepState;
    let mut choices = vec![Choice {
        label: "the beginning".into(),
        about: String::new(),
        right: String::new(),
        enabled: Ok(()),
        meaning: Meaning::Text,
        then: Then::Resume(run.id, None),
    }];
    let failed = run.steps.iter().position(|step| step.state == StepState::Failed);
    for (i, step) in run.steps.iter().enumerate() {
        let here = failed == Some(i);
        let choice = Choice {
            label: format!("step {}{}", step.name, if here { ", which failed" } else { "" }),
            about: step.command.clone(),
            right: String::new(),
            enabled: Ok(()),
            meaning: if here { Meaning::Accent } else { Meaning::Text },
            then: Then::Resume(run.id, Some(step.name.clone())),
        };
        // What failed is what one most likely goes on from.
        if here { choices.insert(0, choice) } else { choices.push(choice) }
    }
    Picker::new(PickerKind::Steps, choices)
}

/// Returns what can be said of a run that was lost.
pub(super) fn resolutions(run: &crate::domain::run::Run) -> Picker {
    let choice = |label: &str, about: &str, done: bool| Choice {
        label: label.to_owned(),
        about: about.to_owned(),
        right: format!("terrace runs resolve {} --{}", run.number, if done { "done" } else { "not-done" }),
        enabled: Ok(()),
        meaning: Meaning::Text,
        then: Then::Resolve(run.id, done),
    };
    let choices = vec![
        choice("It is done", "what it was to do is there; its lock is given back", true),
        choice("It is not done", "its lock is given back, and it can be started again", false),
    ];
    Picker::new(PickerKind::Resolutions, choices)
}

/// Lets choose what is asked for; there may be nothing.
pub(super) fn ask_for(app: &mut App, choices: Vec<Choice>) {
    app.overlays.push(Overlay::Picker(Picker::new(PickerKind::Paths, choices)));
}

/// Returns what can be asked for with what is selected: of an instance, or of a team's budget.
pub(super) fn about(app: &App) -> Vec<Choice> {
    if app.view == View::Budgets {
        return budgets(app);
    }
    let Some(at) = selected(app) else { return Vec::new() };
    let values = format!("Other values for {at}");
    let change = asked(values, "edit what it is configured with", of_instance(RequestKind::Change, &at));
    let end = "destroy it, and remove its configuration";
    let retire = asked(format!("Retire {at}"), end, of_instance(RequestKind::Retire, &at));
    std::iter::once(change).chain(instance_runs(&at)).chain([retire]).collect()
}

/// Asks for the form of a change of the selected instance.
pub(super) fn change(app: &mut App) -> Vec<Effect> {
    selected(app).map_or_else(Vec::new, |at| form::ask(app, of_instance(RequestKind::Change, &at)))
}

/// Asks for the form of the end of the selected instance.
pub(super) fn retire(app: &mut App) -> Vec<Effect> {
    selected(app).map_or_else(Vec::new, |at| form::ask(app, of_instance(RequestKind::Retire, &at)))
}

/// Returns the runs that can be asked for: of the selected instance, and the workflows.
pub(super) fn runs(app: &App) -> Vec<Choice> {
    let stack = Some(start::likely_stack(app)).filter(|stack| !stack.is_empty());
    let workflow = |card: &WorkflowCard| {
        let stack = stack.clone().filter(|_| card.needs_stack);
        let of = stack.as_ref().map(|stack| format!(" for {stack}")).unwrap_or_default();
        let which = WorkflowRef { name: card.name.clone(), file: card.file.clone(), stack };
        let what = card
            .description
            .as_ref()
            .and_then(|text| text.lines().next())
            .map_or_else(|| card.steps.join(" · "), str::to_owned);
        let wish = Wish { workflow: Some(which), ..Wish::new(RequestKind::Run) };
        let mut choice = asked(format!("Workflow {} of {}{of}", card.name, card.file), &what, wish);
        if card.needs_stack && of.is_empty() {
            choice.enabled = Err("select a stack: its steps name none");
        }
        choice
    };
    let instance = selected(app);
    instance.iter().flat_map(instance_runs).chain(app.workflows.items().iter().map(workflow)).collect()
}

/// Returns what can be asked for of budgets, those of the selected team first.
pub(super) fn budgets(app: &App) -> Vec<Choice> {
    let known = app.budgets.list.value.as_ref().map(|card| card.budgets.as_slice()).unwrap_or_default();
    let (team, budget) = match (app.view, app.budgets.selected()) {
        (View::Budgets, Some(Item::Budget(at))) => {
            known.get(at).map(|one| (Some(one.budget.team.clone()), Some(one.budget.name.clone()))).unwrap_or_default()
        }
        (View::Requests, _) => {
            let wish = app.requests.current().and_then(crate::domain::request::Request::wish);
            (wish.and_then(|wish| wish.inputs.get("team")?.as_str().map(str::to_owned)), None)
        }
        _ => (None, None),
    };
    let wish = |inputs: serde_json::Value| Wish {
        inputs: inputs.as_object().cloned().unwrap_or_default(),
        ..Wish::new(RequestKind::Budget)
    };
    let mut names: Vec<&String> = app.requests.teams.items().iter().map(|team| &team.name).collect();
    names.sort_by_key(|name| Some(*name) != team.as_ref());
    let mut choices = Vec::new();
    for name in names {
        let mut own: Vec<_> = known.iter().filter(|one| one.budget.team == *name).collect();
        own.sort_by_key(|one| Some(&one.budget.name) != budget.as_ref());
        for one in &own {
            let label = if one.budget.name == *name {
                format!("Another amount for the budget of {name}")
            } else {
                format!("Another amount for budget {} of {name}", one.budget.name)
            };
            let inputs = serde_json::json!({"team": name, "budget": one.budget.name});
            choices.push(asked(label, &format!("now {}", one.budget.amount), wish(inputs)));
        }
        if own.is_empty() {
            let inputs = serde_json::json!({"team": name});
            choices.push(asked(format!("Another amount for the budget of {name}"), "", wish(inputs)));
        }
        let label = format!("An exception from the limit for {name}");
        let what = "lifts the rule cost-limit for the team, with a reason";
        choices.push(asked(label, what, wish(serde_json::json!({"team": name, "exception": true}))));
    }
    choices
}

/// Returns the instance that something can be asked for, where one is selected.
fn selected(app: &App) -> Option<InstanceRef> {
    match app.targets().as_slice() {
        [key] => Some(key.reference()),
        _ => None,
    }
}

fn of_instance(kind: RequestKind, at: &InstanceRef) -> Wish {
    Wish { instance: Some(at.clone()), ..Wish::new(kind) }
}

fn instance_runs(at: &InstanceRef) -> [Choice; 2] {
    let run = |kind| Wish { run: Some(kind), ..of_instance(RequestKind::Run, at) };
    [
        asked(format!("Apply {at}"), "as it is configured, once its plan is agreed to", run(RunKind::Apply)),
        asked(format!("Destroy {at}"), "what it deployed; its configuration stays", run(RunKind::Destroy)),
    ]
}

fn asked(label: String, about: &str, wish: Wish) -> Choice {
    Choice {
        label,
        about: about.to_owned(),
        right: wish.kind.to_string(),
        enabled: Ok(()),
        meaning: Meaning::Strong,
        then: Then::AskFor(Box::new(wish)),
    }
}
