//! What changes the world: each asks first, and says what is at stake.

use crate::domain::recommend::DecisionWord;
use crate::domain::run::{Run, RunKind, RunState, SetRequest};
use crate::tui::app::{App, Kept, Marked};
use crate::tui::commands;
use crate::tui::message::{Effect, InstanceKey, Sides};
use crate::tui::overlay::{Dialog, Overlay, Picker, PickerKind, Prompt, PromptKind};
use crate::tui::panes::budgets;
use crate::tui::panes::runs::{head, kind_name, plan_text, subject};
use crate::tui::panes::stacks::diff::Comparison;
use crate::tui::panes::stacks::{Tab, tree::Of};
use crate::tui::theme::Meaning;
use crate::tui::widgets::text;

use super::asking;

/// Tells whether an instance is one whose loss would hurt: its stage is a production one, or it is locked.
pub(super) fn is_protected(app: &App, key: &InstanceKey) -> bool {
    let production = |part: &str| ["prod", "production", "prd", "live"].contains(&part.to_ascii_lowercase().as_str());
    let stack = app.stack_list.items().iter().find(|stack| stack.stack == key.stack);
    let parts = stack.is_some_and(|stack| stack.parts.iter().any(|part| production(part)));
    let named = key.stack.split(['-', '_', '/', '.']).any(production);
    let locked = app.instances.items().iter().any(|i| i.locked && InstanceKey::of(i) == *key);
    parts || named || locked
}

fn ask(app: &mut App, dialog: Dialog) -> Vec<Effect> {
    app.overlays.push(Overlay::Dialog(dialog));
    Vec::new()
}

fn set(kind: RunKind, keys: &[InstanceKey]) -> Effect {
    Effect::StartSet(Box::new(SetRequest {
        kind,
        targets: keys.iter().map(InstanceKey::reference).collect(),
        stack: None,
        affected_since: None,
        parallel: None,
        yes: false,
        driver: None,
        env: Default::default(),
        set_env: Default::default(),
    }))
}

fn list(dialog: &mut Dialog, keys: &[InstanceKey]) {
    for key in keys.iter().take(8) {
        dialog.line(format!("  {} in {}", key.component, key.stack), Meaning::Strong);
    }
    if keys.len() > 8 {
        dialog.line(format!("  … and {} more", text::thousands(keys.len() as u64 - 8)), Meaning::Dim);
    }
}

fn driver_line(app: &App, dialog: &mut Dialog) {
    dialog.line("", Meaning::Text);
    match &app.card().driver {
        Some(driver) => dialog.line(format!("{driver} drives."), Meaning::Dim),
        None => dialog.line("Neither atmos nor terraform is there: this will be refused.", Meaning::Warning),
    }
    if let Some(note) = &app.card().driver_note {
        dialog.line(note.clone(), Meaning::Dim);
    }
}

/// Plans: at once for one instance, since nothing changes; asks first where it is many.
pub(super) fn plan(app: &mut App) -> Vec<Effect> {
    let keys = app.targets();
    match keys.as_slice() {
        [] => Vec::new(),
        [key] => {
            let request = commands::request(app, RunKind::Plan, key);
            app.say(format!("planning {} in {}", key.component, key.stack));
            vec![Effect::Start(Box::new(request))]
        }
        keys => {
            let effects = vec![set(RunKind::Plan, keys)];
            let mut dialog = Dialog::new(format!("Plan {}", text::count(keys.len(), "instance")), "plan them", effects);
            list(&mut dialog, keys);
            dialog.line("", Meaning::Text);
            dialog.line("In the order of their dependencies. A plan changes nothing.", Meaning::Text);
            driver_line(app, &mut dialog);
            ask(app, dialog)
        }
    }
}

/// Asks whether a suggestion is to be done.
pub(super) fn accept(app: &mut App) -> Vec<Effect> {
    let Some(one) = budgets::recommendation(app).cloned() else { return Vec::new() };
    let effects = vec![Effect::Decide(one.id.clone(), DecisionWord::Accepted, None, None)];
    let mut dialog = Dialog::new("Accept a suggestion", "accept it", effects);
    dialog.line(format!("{} in {}", one.component, one.stack), Meaning::Strong);
    dialog.line(one.title.clone(), Meaning::Text);
    dialog.line(format!("saves {} a month", one.saving), Meaning::Text);
    dialog.line("", Meaning::Text);
    dialog.line(one.edit.clone(), Meaning::Text);
    dialog.command = Some(format!("terrace recommend accept {}", one.id));
    ask(app, dialog)
}

/// Asks whether to apply.
pub(super) fn apply(app: &mut App) -> Vec<Effect> {
    let keys = app.targets();
    let what = "Each is planned first and shows its plan. Nothing is applied before you confirm that plan, and then exactly it.";
    match keys.as_slice() {
        [] => Vec::new(),
        [key] => {
            let request = commands::request(app, RunKind::Apply, key);
            let mut dialog = Dialog::new(format!("Apply {}", key.component), "plan it, then ask me", Vec::new());
            dialog.line(format!("{} in {}", key.component, key.stack), Meaning::Strong);
            dialog.line("", Meaning::Text);
            dialog.line(
                "It is planned first and shows its plan. Nothing is applied before you confirm that plan, and then exactly it.",
                Meaning::Text,
            );
            protected_line(app, &mut dialog, key);
            driver_line(app, &mut dialog);
            dialog.command = Some(commands::text(&request));
            dialog.effects = vec![Effect::Start(Box::new(request))];
            ask(app, dialog)
        }
        keys => {
            let effects = vec![set(RunKind::Apply, keys)];
            let title = format!("Apply {}", text::count(keys.len(), "instance"));
            let mut dialog = Dialog::new(title, "plan them, then ask me", effects);
            list(&mut dialog, keys);
            dialog.line("", Meaning::Text);
            dialog.line(what, Meaning::Text);
            driver_line(app, &mut dialog);
            ask(app, dialog)
        }
    }
}

fn protected_line(app: &App, dialog: &mut Dialog, key: &InstanceKey) {
    if is_protected(app, key) {
        dialog.line("", Meaning::Text);
        dialog.line(format!("⚠ {} is protected.", key.stack), Meaning::Warning);
    }
}

/// Asks whether to destroy; in a protected stage, and for more than one, something must be typed.
pub(super) fn destroy(app: &mut App) -> Vec<Effect> {
    let keys = app.targets();
    let protected = keys.iter().any(|key| is_protected(app, key));
    let effects = match keys.as_slice() {
        [] => return Vec::new(),
        [key] => vec![Effect::Start(Box::new(commands::request(app, RunKind::Destroy, key)))],
        keys => vec![set(RunKind::Destroy, keys)],
    };
    let title = match keys.as_slice() {
        [key] => format!("Destroy {}", key.component),
        keys => format!("Destroy {}", text::count(keys.len(), "instance")),
    };
    let mut dialog = Dialog::new(title, "plan its end, then ask me again", effects);
    dialog.danger = true;
    list(&mut dialog, &keys);
    dialog.line("", Meaning::Text);
    dialog.line("The end of all its resources is planned first; you see that plan and are asked again.", Meaning::Text);
    let needed: Vec<_> =
        app.dependencies.items().iter().filter(|d| keys.iter().any(|k| k.reference() == d.to)).collect();
    if !needed.is_empty() {
        let names: Vec<String> = needed.iter().take(4).map(|d| d.from.to_string()).collect();
        dialog.line(format!("⚠ needed by {}", names.join(", ")), Meaning::Warning);
    }
    if protected {
        dialog.line("⚠ This is a protected stage.", Meaning::Failed);
    }
    driver_line(app, &mut dialog);
    if let [key] = keys.as_slice() {
        dialog.command = Some(commands::text(&commands::request(app, RunKind::Destroy, key)));
    }
    if protected || keys.len() > 1 {
        let wanted = match keys.as_slice() {
            [key] => key.component.clone(),
            keys => format!("destroy {}", keys.len()),
        };
        dialog.typed = Some((wanted, String::new()));
    }
    ask(app, dialog)
}

/// Asks whether a workflow shall run.
pub(super) fn workflow(
    app: &mut App,
    index: usize,
    stack: Option<String>,
    given: Vec<(String, String)>,
) -> Vec<Effect> {
    let Some(workflow) = app.workflows.items().get(index).cloned() else { return Vec::new() };
    if let Some(name) = workflow.asks.iter().find(|name| !given.iter().any(|(other, _)| other == *name)) {
        let kind = PromptKind::WorkflowVariable { index, stack, given, name: name.clone() };
        app.overlays.push(Overlay::Prompt(Box::new(Prompt::new(kind, ""))));
        return Vec::new();
    }
    let mut request = commands::empty(RunKind::Workflow);
    request.workflow = Some(workflow.name.clone());
    request.workflow_file = Some(workflow.file.clone());
    request.stack = stack.filter(|stack| !stack.is_empty());
    request.set_env = given.into_iter().collect();
    let mut dialog = Dialog::new(format!("Run workflow {}", workflow.name), "run it", Vec::new());
    if let Some(description) = &workflow.description {
        dialog.line(description.trim(), Meaning::Text);
        dialog.line("", Meaning::Text);
    }
    for (i, step) in workflow.steps.iter().enumerate().take(10) {
        dialog.line(format!("{}. {}", i + 1, step.lines().next().unwrap_or_default()), Meaning::Name);
    }
    if workflow.steps.len() > 10 {
        dialog.line(format!("… and {} more steps", workflow.steps.len() - 10), Meaning::Dim);
    }
    dialog.line("", Meaning::Text);
    dialog.line("Its steps run one after the other; no plan binds them.", Meaning::Warning);
    driver_line(app, &mut dialog);
    dialog.command = Some(commands::text(&request));
    dialog.effects = vec![Effect::Start(Box::new(request))];
    ask(app, dialog)
}

/// Asks whether an Atmos command shall run.
pub(super) fn command(app: &mut App, arguments: Vec<String>) -> Vec<Effect> {
    let mut request = commands::empty(RunKind::Command);
    request.args = arguments;
    let mut dialog = Dialog::new("Run an Atmos command", "run it", Vec::new());
    dialog.line("It runs as it stands; no plan binds it. Its log is kept like any other.", Meaning::Text);
    driver_line(app, &mut dialog);
    dialog.command = Some(commands::text(&request));
    dialog.effects = vec![Effect::Start(Box::new(request))];
    ask(app, dialog)
}

/// Asks whether exactly the plan that a run shows shall be applied; the question grows with what it destroys.
pub(super) fn confirm(app: &mut App) -> Vec<Effect> {
    let Some(run) = app.run().cloned() else { return Vec::new() };
    let verb = if run.kind == RunKind::Destroy { "Destroy" } else { "Apply" };
    let effects = vec![Effect::Confirm(run.id, run.plan_digest.clone())];
    let mut dialog =
        Dialog::new(format!("{verb} #{}: {}", run.number, subject(&run)), "apply exactly this plan", effects);
    let destroyed = run.summary.as_ref().map_or(0, |plan| plan.destroy);
    match &run.summary {
        Some(plan) => {
            dialog.line(format!("Plan: {}", plan_text(plan)), Meaning::Strong);
            if plan.destroy > 0 {
                let what = text::count(plan.destroy as usize, "resource");
                dialog.line(format!("⚠ {what} will be destroyed."), Meaning::Failed);
            }
        }
        None => dialog.line("The plan could not be summed up: read it in the log first.", Meaning::Warning),
    }
    if let Some(review) = app.reviews.get(run.id) {
        let line: String = head::review(review).into_iter().map(|piece| piece.text).collect();
        let denied = review.verdict.as_ref().is_ok_and(|verdict| verdict.denials().next().is_some());
        dialog.line(line, if denied { Meaning::Failed } else { Meaning::Text });
    }
    if let Some(digest) = &run.plan_digest {
        dialog.line(format!("Plan file {}", digest.short()), Meaning::Dim);
    }
    let keys: Vec<InstanceKey> = targets_of(app, &run);
    let protected = keys.iter().any(|key| is_protected(app, key));
    if protected {
        dialog.line(format!("⚠ {} is protected.", run.stack.clone().unwrap_or_default()), Meaning::Warning);
    }
    dialog.danger = destroyed > 0 || run.kind == RunKind::Destroy || run.summary.is_none();
    if dialog.danger && (protected || run.kind == RunKind::Destroy) {
        let name = run.component.clone().unwrap_or_else(|| format!("#{}", run.number));
        dialog.typed = Some((name, String::new()));
    }
    dialog.command = Some(format!("terrace runs confirm {}", run.number));
    ask(app, dialog)
}

fn targets_of(app: &App, run: &Run) -> Vec<InstanceKey> {
    let of = |target: &crate::domain::stack::InstanceRef| {
        let known = app.instances.items().iter().find(|i| i.component == target.component && i.stack == target.stack);
        known.map_or_else(
            || InstanceKey { component: target.component.clone(), stack: target.stack.clone(), file: String::new() },
            InstanceKey::of,
        )
    };
    run.targets.iter().map(of).collect()
}

/// Asks whether a run shall be interrupted, and says what that means where it stands.
pub(super) fn cancel(app: &mut App) -> Vec<Effect> {
    let Some(run) = app.run().cloned() else { return Vec::new() };
    let title = format!("Cancel #{} {} {}", run.number, kind_name(run.kind), subject(&run));
    let mut dialog = Dialog::new(title, "interrupt it", vec![Effect::Cancel(run.id)]);
    match run.state {
        RunState::Applying => {
            dialog.danger = true;
            dialog.line("It is changing the world now.", Meaning::Failed);
            dialog.line(
                "Terraform gets an interrupt: it finishes what it has begun, saves the state and stops. What is done stays done; plan again afterwards.",
                Meaning::Text,
            );
        }
        RunState::Running => {
            dialog.danger = run.kind == RunKind::Workflow || run.changing_command;
            dialog.line(
                "The running step gets an interrupt; later steps do not run. What is done stays done.",
                Meaning::Text,
            );
        }
        RunState::AwaitingConfirmation => {
            dialog.line("Its plan is dropped and its lock given back. Nothing was changed.", Meaning::Text)
        }
        RunState::Queued => dialog.line("It leaves the queue. Nothing was changed.", Meaning::Text),
        _ => dialog.line("Nothing was changed so far, and nothing will be.", Meaning::Text),
    }
    if run.cancel_asked {
        dialog.line("It was asked already, and warned; another time ends it hard.", Meaning::Warning);
    }
    dialog.command = Some(format!("terrace runs cancel {}", run.number));
    ask(app, dialog)
}

/// Starts the same again: a plan at once, anything else after a question, a workflow from a step.
pub(super) fn retry(app: &mut App) -> Vec<Effect> {
    let Some(run) = app.run().cloned() else { return Vec::new() };
    if run.kind == RunKind::Workflow && run.steps.len() > 1 {
        app.overlays.push(Overlay::Picker(asking::steps(&run)));
        return Vec::new();
    }
    if matches!(run.kind, RunKind::Plan | RunKind::Drift) {
        return vec![Effect::Retry(run.id)];
    }
    ask_retry(app, &run, None)
}

/// Asks whether a run shall start again.
pub(super) fn ask_retry(app: &mut App, run: &Run, from: Option<String>) -> Vec<Effect> {
    let title = format!("Start #{} again", run.number);
    let (effect, command) = match &from {
        None => (Effect::Retry(run.id), format!("terrace runs retry {}", run.number)),
        Some(step) => match commands::from_step(&run.command, step) {
            Some(request) => (Effect::Start(Box::new(request.clone())), commands::text(&request)),
            None => {
                app.complain(format!("the workflow cannot be read from: {}", run.command));
                return Vec::new();
            }
        },
    };
    let mut dialog = Dialog::new(title, "start it", vec![effect]);
    dialog.line(format!("{} {}", kind_name(run.kind), subject(run)), Meaning::Strong);
    if let Some(from) = from {
        dialog.line(format!("from step {from} on"), Meaning::Text);
    }
    if matches!(run.kind, RunKind::Apply | RunKind::Destroy) {
        dialog.line("It is planned anew, and waits for your yes again.", Meaning::Text);
    }
    dialog.command = Some(command);
    ask(app, dialog)
}

/// Settles a run that was lost while it applied: first by looking, then by a person's word.
pub(super) fn resolve(app: &mut App) -> Vec<Effect> {
    let Some(run) = app.run().cloned() else { return Vec::new() };
    let looked = app.runs.list.items().iter().any(|other| other.resolves == Some(run.id) && other.state.is_success());
    let looks = run.component.is_some() && run.kind != RunKind::Workflow;
    if looks && !looked {
        let mut dialog = Dialog::new(format!("Settle #{}", run.number), "look", vec![Effect::Resolve(run.id, None)]);
        dialog.line("It was lost while it changed the world, and keeps its lock.", Meaning::Unknown);
        dialog.line("A refresh-only plan compares the state with what is there. It changes nothing.", Meaning::Text);
        dialog.line("Then say whether what it was to do is done.", Meaning::Text);
        dialog.command = Some(format!("terrace runs resolve {}", run.number));
        return ask(app, dialog);
    }
    app.overlays.push(Overlay::Picker(asking::resolutions(&run)));
    Vec::new()
}

/// Has Atmos evaluate the selected instance, in the background.
pub(super) fn evaluate(app: &mut App) -> Vec<Effect> {
    let Some(key) = app.tree_instance().map(InstanceKey::of) else { return Vec::new() };
    app.stacks.evaluating = Some(key.clone());
    app.stacks.tab = Tab::Config;
    app.say(format!("Atmos evaluates {} in {} …", key.component, key.stack));
    vec![Effect::Evaluate(key)]
}

/// Asks whether the estate is trusted with what it needs.
pub(super) fn trust(app: &mut App) -> Vec<Effect> {
    let needs = app.trust.value.as_ref().map(|trust| trust.needs.clone()).unwrap_or_default();
    let mut dialog = Dialog::new("Trust this estate", "trust it", vec![Effect::Trust(needs.clone())]);
    dialog.line("Without trust these stay as they are written. With it they are evaluated:", Meaning::Text);
    for need in needs.iter().take(10) {
        dialog.line(format!("  {need}"), Meaning::Strong);
    }
    if needs.len() > 10 {
        dialog.line(format!("  … and {} more", needs.len() - 10), Meaning::Dim);
    }
    dialog.line("", Meaning::Text);
    dialog.line("Commands run as you. It is remembered for this folder and for exactly these.", Meaning::Warning);
    dialog.command = Some("terrace trust".into());
    ask(app, dialog)
}

/// Asks what a change since a Git reference reaches.
pub(super) fn affected(app: &mut App, base: &str) -> Vec<Effect> {
    let base = base.trim();
    if base.is_empty() {
        return Vec::new();
    }
    let mut picker = Picker::new(PickerKind::Affected, Vec::new());
    picker.waiting = true;
    app.overlays.push(Overlay::Picker(picker));
    vec![Effect::Affected(base.to_owned())]
}

/// Compares what is marked or selected.
pub(super) fn compare(app: &mut App) -> Vec<Effect> {
    let Some(sides) = app.sides() else { return Vec::new() };
    let mut effects = compare_sides(app, sides);
    // What is equal can be shown too once both sides' values are here.
    let marked: Vec<InstanceKey> = app
        .marks
        .iter()
        .filter_map(|mark| match mark {
            Marked::Instance(key) => Some(key.clone()),
            Marked::Stack(_) => None,
        })
        .collect();
    effects.extend(marked.into_iter().filter(|key| !app.stacks.explanations.contains_key(key)).map(Effect::Explain));
    effects
}

/// Compares the estate with a Git reference: the selected stack, or everything.
pub(super) fn compare_ref(app: &mut App, reference: &str) -> Vec<Effect> {
    let reference = reference.trim();
    if reference.is_empty() {
        return Vec::new();
    }
    compare_sides(app, Sides { a: format!("ref:{reference}"), b: "worktree".into() })
}

fn compare_sides(app: &mut App, sides: Sides) -> Vec<Effect> {
    app.stacks.comparison = Some(Comparison { sides: sides.clone(), entries: Kept::default(), all: false });
    app.stacks.tab = Tab::Diff;
    app.stacks.details[Tab::Diff as usize] = Default::default();
    vec![Effect::Compare(sides)]
}

/// Returns the stack that a workflow most likely runs on: the selected one.
pub(super) fn likely_stack(app: &App) -> String {
    if let Some(instance) = app.tree_instance() {
        return instance.stack.clone();
    }
    match app.node().map(|(node, _)| &node.of) {
        Some(Of::Stack(name)) => name.clone(),
        _ => String::new(),
    }
}
