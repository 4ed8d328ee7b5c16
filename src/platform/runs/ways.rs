//! Ways on: what can be done with a run that did not do what it was asked to, each with its command.

use super::error::RunError;
use super::service::RunService;
use crate::atmos::driver::quote;
use crate::domain::run::{Run, RunKind, RunState, StepState, WayOn};
use crate::domain::stack::InstanceRef;

impl RunService {
    /// Finds the ways on from a run that has ended.
    pub(super) async fn ways(&self, run: &Run) -> Result<Vec<WayOn>, RunError> {
        let mut ways = own(run);
        let failed = matches!(run.state, RunState::Failed | RunState::Canceled) && run.kind.applies();
        if let (true, true, Some(component), Some(stack)) =
            (failed, run.started_at.is_some(), &run.component, &run.stack)
        {
            let at = InstanceRef { component: component.clone(), stack: stack.clone() };
            if let Some(last) = self.last_applied(&at, Some(run.number)).await? {
                ways.extend(last_configuration(run, &last));
            }
        }
        Ok(ways)
    }
}

/// Offers to plan the configuration that was applied last, where its commit has it and a copy can reach the state.
fn last_configuration(run: &Run, last: &Run) -> Option<WayOn> {
    let commit = last.stood_on.commit.as_deref().filter(|_| !last.stood_on.dirty)?;
    let (component, stack) = (run.component.as_deref()?, run.stack.as_deref()?);
    if run.local_state || Some(commit) == run.stood_on.commit.as_deref().filter(|_| !run.stood_on.dirty) {
        return None;
    }
    let short: String = commit.chars().take(12).collect();
    let what = format!("plan the configuration that was applied last (#{}, commit {short})", last.number);
    Some(WayOn {
        what,
        command: quote(&["terrace", "plan", component, "-s", stack, "--commit", &short].map(str::to_owned)),
    })
}

/// Ways that the run itself tells of.
fn own(run: &Run) -> Vec<WayOn> {
    let way = |what: &str, command: String| WayOn { what: what.to_owned(), command };
    let again = format!("terrace runs retry {}", run.number);
    let mut ways = Vec::new();
    for lock in run.findings.iter().filter_map(|finding| finding.lock.as_ref()) {
        let what = format!("unlock the state, once {} is known to be gone", lock.who);
        ways.push(way(&what, format!("terrace runs unlock {} {}", run.number, lock.id)));
    }
    match run.state {
        RunState::Unknown => {
            ways.push(way(
                "look by a refresh-only plan, then settle it",
                format!("terrace runs resolve {}", run.number),
            ));
        }
        // Its request goes on with a plan of its own.
        RunState::Stale if run.request.is_some() => {}
        RunState::Stale => ways.push(way("plan again on the state as it is now", again)),
        RunState::Denied => {
            if let (true, Some(component), Some(stack)) = (run.has_plan(), &run.component, &run.stack) {
                let check = quote(&["terrace", "policy", "check", component, "-s", stack].map(str::to_owned));
                ways.push(way("see which rules stand against it", check));
            }
            ways.push(way("once it is allowed, ask for the same again", again));
        }
        RunState::NeedsCredentials => ways.push(way("once logged in, ask for the same again", again)),
        RunState::Failed | RunState::Canceled | RunState::Expired => {
            ways.extend(resume(run));
            ways.push(way(if run.kind.plans() { "plan again" } else { "ask for the same again" }, again));
        }
        _ => {}
    }
    ways
}

/// Offers to resume a workflow from the step that failed.
fn resume(run: &Run) -> Option<WayOn> {
    let step = run.steps.iter().find(|step| step.state == StepState::Failed)?;
    let later = run.kind == RunKind::Workflow && run.steps.len() > 1;
    let command = format!("{} --from-step {}", run.command, quote(std::slice::from_ref(&step.name)));
    later.then(|| WayOn { what: format!("resume from step {}", step.name), command })
}
