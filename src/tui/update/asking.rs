//! The lists to choose from, made from what is known.

use crate::domain::comparison::Affected;
use crate::domain::stack::{InstanceRef, Severity};
use crate::tui::app::App;
use crate::tui::message::Hit;
use crate::tui::overlay::{Choice, Picker, PickerKind, Then};
use crate::tui::panes::stacks::source_text;
use crate::tui::theme::Meaning;

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
            label: format!("{}@{}{}", one.component, one.stack, if one.deleted { "  is gone" } else { "" }),
            about: one.affected_all.join(", "),
            right: place
                .map(|(file, line)| line.map_or(file.clone(), |line| format!("{file}:{line}")))
                .unwrap_or_default(),
            enabled: Ok(()),
            meaning: if one.deleted { Meaning::Removed } else { Meaning::Text },
            then: Then::Go(InstanceRef { component: one.component, stack: one.stack }),
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
