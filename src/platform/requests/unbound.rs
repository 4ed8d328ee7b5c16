//! What no plan binds: scripts, and commands whose effect nobody can read beforehand.
//!
//! Owns reading a workflow as what it would do (plans where every step is understood, else a script that is shown in the
//! place of a plan), and saying where a script may not run. Leaves running it to the runs.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use super::error::RequestError;
use crate::atmos::Estate;
use crate::atmos::driver::commands;
use crate::atmos::driver::workflow::{self, Step, Workflow};
use crate::domain::golden_path::{ConcernedInstance, InstanceAction};
use crate::domain::id::Digest;
use crate::domain::policy::{Gate, Verdict};
use crate::domain::request::{ScriptStep, WorkflowRef};
use crate::domain::run::RunKind;
use crate::domain::stack::InstanceRef;
use crate::domain::team::Role;
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;
use crate::platform::policies::{ActorFacts, Bundle, RunInput, SelfApproval, Unbound, document};
use crate::platform::reviews;
use crate::platform::runs::configuration::{Configuration, UnboundRun};
use crate::platform::runs::{self, NEEDED, RunError};

/// What a workflow would do.
#[derive(Debug)]
pub(super) enum Reading {
    /// Every step that changes something is an apply or a destroy that is planned first.
    Plans(Vec<ConcernedInstance>),
    /// Something of it can only be read.
    Script(Script),
}

/// A script that is read in the place of a plan.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Its steps.
    pub(super) steps: Vec<ScriptStep>,
    /// The instances that its steps name.
    pub(super) touches: Vec<InstanceRef>,
    /// The stacks that it names.
    pub(super) stacks: BTreeSet<String>,
    /// The digest of the workflow as it is written.
    pub(super) digest: Digest,
}

/// Reads a workflow.
pub(super) fn read(estate: &Estate, which: &WorkflowRef) -> Result<Reading, RequestError> {
    let folder = Configuration::workflows(estate);
    let read = workflow::read(estate.root(), &folder, &which.file, &which.name).map_err(PlatformError::from)?;
    let stack = which.stack.as_deref();
    let mut planned: Option<Vec<ConcernedInstance>> = Some(Vec::new());
    let (mut steps, mut touches) = (Vec::new(), BTreeSet::new());
    for (index, step) in read.steps.iter().enumerate() {
        steps.push(ScriptStep { name: read.step_name(index), command: step.command.clone().unwrap_or_default() });
        let understood = understood(step, &read, stack);
        if let Some((instance, _)) = named(step, &read, stack) {
            touches.insert(instance);
        }
        match understood {
            Some(Some(one)) => {
                if let Some(planned) = &mut planned
                    && !planned.iter().any(|other| other.instance == one.instance)
                {
                    planned.push(one);
                }
            }
            Some(None) => {}
            None => planned = None,
        }
    }
    Ok(match planned.filter(|planned| read.is_plain() && !planned.is_empty()) {
        Some(planned) => Reading::Plans(planned),
        None => {
            let named = read.steps.iter().filter_map(|step| workflow::stack_of(step, &read, stack));
            let stacks = named.chain(stack.map(str::to_owned)).collect();
            let touches = touches.into_iter().collect();
            Reading::Script(Script { steps, touches, stacks, digest: read.digest(stack) })
        }
    })
}

/// Returns the instance that a step names, and the words of its command.
fn named(step: &Step, read: &Workflow, stack: Option<&str>) -> Option<(InstanceRef, Vec<String>)> {
    if step.kind() != "atmos" {
        return None;
    }
    let mut words = workflow::split(step.command.as_deref()?);
    if let Some(stack) = workflow::stack_of(step, read, stack) {
        words = runs::without_stack(words);
        words.extend(["-s".to_owned(), stack]);
    }
    let (component, stack) = commands::instance(&words)?;
    Some((InstanceRef { component, stack }, words))
}

/// Says what a step would do, where that can be planned; `Some(None)` where it changes nothing.
fn understood(step: &Step, read: &Workflow, stack: Option<&str>) -> Option<Option<ConcernedInstance>> {
    let (instance, words) = named(step, read, stack)?;
    // What comes with words of its own (a target, a variable) is not what a plan of the instance shows.
    let plain = |word: &str| {
        word == "-auto-approve"
            || word == "--auto-approve"
            || word == instance.component
            || word == "-s"
            || word == instance.stack
    };
    let verb = match words.first().map(String::as_str) {
        Some("terraform" | "tf") => words.get(1)?.clone(),
        _ => return None,
    };
    if !step.env.is_empty() || !read.env.is_empty() || !words.iter().skip(2).all(|word| plain(word)) {
        return None;
    }
    if matches!(verb.as_str(), "plan" | "validate") {
        return Some(None);
    }
    let (kind, instance) = commands::planned(&words)?;
    let action = if kind == RunKind::Destroy { InstanceAction::Remove } else { InstanceAction::Change };
    Some(Some(ConcernedInstance { instance, action }))
}

/// Returns the digest that an approval of a script is bound to: the workflow, the commit and whatever differs from it.
pub(super) fn bound(root: &std::path::Path, script: &Script) -> Digest {
    let tree = runs::tree(root);
    Digest::of(json!([script.digest, tree.commit, tree.changes]).to_string().as_bytes())
}

/// Names something protected that a script may touch; `None` where there is nothing.
fn protected(
    snapshot: &Snapshot,
    bundle: &Bundle,
    touches: &[InstanceRef],
    stacks: &BTreeSet<String>,
) -> Option<String> {
    let stages = &bundle.config().settings.protected_stages;
    let is_protected = |component: &str, stack: &str| {
        let facts = reviews::facts(snapshot.estate(), snapshot.teams(), component, stack);
        facts.protected || facts.stage.is_some_and(|stage| stages.contains(&stage))
    };
    if let Some(one) = touches.iter().find(|one| is_protected(&one.component, &one.stack)) {
        return Some(one.to_string());
    }
    let whole = snapshot.instances().into_iter().filter(|one| !one.is_abstract && stacks.contains(&one.stack));
    whole.into_iter().find(|one| is_protected(&one.component, &one.stack)).map(|one| one.stack)
}

/// Asks policy about what no plan binds (gate `run`).
fn judge(
    snapshot: &Snapshot,
    bundle: &Arc<Bundle>,
    (actor, role): (&str, Role),
    run: &UnboundRun,
    protected: bool,
) -> Verdict {
    let teams = snapshot.teams();
    let first = run.targets.first();
    let input = document(&RunInput {
        run: json!({"kind": run.kind, "command": run.command, "steps": run.steps, "stacks": run.stacks}),
        instance: first.map(|at| reviews::facts(snapshot.estate(), teams, &at.component, &at.stack)),
        instances: run.targets.clone(),
        protected,
        actor: ActorFacts { role: Some(role.to_string()), ..reviews::actor(teams, actor) },
        config: bundle.config().settings.clone(),
    });
    bundle.judge(Gate::Run, &input)
}

/// Judges a script that a request asks for: what policy says of it, or why it may not wait at all.
pub(super) fn review(
    snapshot: &Snapshot,
    bundle: &Arc<Bundle>,
    (actor, role): (&str, Role),
    which: &WorkflowRef,
    script: &Script,
) -> Result<Verdict, RequestError> {
    let protected = protected(snapshot, bundle, &script.touches, &script.stacks);
    if let Some(protected) = &protected
        && snapshot.has_gates()
        && bundle.config().settings.unbound == Unbound::Deny
    {
        let message = format!("no plan binds this workflow, and {protected} is in a protected stage");
        let hint = "settings.unbound of platform/policies.yaml may let it wait for approvals";
        return Err(RequestError::invalid("unbound", message, Some(hint)));
    }
    let run = UnboundRun {
        kind: RunKind::Workflow,
        command: workflow::typed(&which.name, &which.file, which.stack.as_deref()),
        steps: script.steps.iter().map(|step| step.command.clone()).collect(),
        targets: script.touches.clone(),
        stacks: script.stacks.clone(),
        request: None,
    };
    Ok(judge(snapshot, bundle, (actor, role), &run, protected.is_some()))
}

/// Says whether a run that no plan binds may begin, without a request.
pub(super) fn may_run(
    snapshot: &Snapshot,
    bundle: &Arc<Bundle>,
    actor: &Actor,
    run: &UnboundRun,
    solo: bool,
) -> Result<(), RunError> {
    let settings = &bundle.config().settings;
    let protected = protected(snapshot, bundle, &run.targets, &run.stacks);
    let verdict = judge(snapshot, bundle, (&actor.name, actor.role), run, protected.is_some());
    if let Some(denial) = verdict.denials().next() {
        return Err(RunError::Denied {
            code: "denied-by-policy",
            message: format!("denied by policy: {}", denial.message),
            hint: denial.fix.clone(),
        });
    }
    let own = match settings.self_approval {
        SelfApproval::Never => false,
        SelfApproval::Solo => solo,
        SelfApproval::Always => true,
    };
    let Some(protected) = protected else {
        return match verdict.approvals.first().filter(|_| !own) {
            Some(need) => Err(needs_word(run, &need.message)),
            None => Ok(()),
        };
    };
    match settings.unbound {
        Unbound::Deny => Err(RunError::Denied {
            code: "unbound",
            message: format!("no plan binds `{}`, and {protected} is in a protected stage", run.command),
            hint: Some(match run.kind {
                RunKind::Workflow => "terrace request new --workflow … plans the steps that are understood; settings.unbound of platform/policies.yaml may let the rest wait for approvals".to_owned(),
                _ => "settings.unbound of platform/policies.yaml may let it wait for approvals".to_owned(),
            }),
        }),
        Unbound::Approve if own => Ok(()),
        Unbound::Approve => Err(needs_word(run, &format!("no plan binds it, and {protected} is in a protected stage"))),
    }
}

fn needs_word(run: &UnboundRun, why: &str) -> RunError {
    let hint = run.request.clone().map(|request| format!("terrace request new {request}"));
    RunError::Denied { code: NEEDED, message: format!("somebody else must agree: {why}"), hint }
}
