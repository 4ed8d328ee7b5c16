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
    // What is of a request goes on with it.
    let again = |what: &str| (!run.of_request).then(|| way(what, run.again()));
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
        RunState::Stale => ways.extend(again("plan again on the state as it is now")),
        RunState::Denied => {
            if let (true, Some(component), Some(stack)) = (run.has_plan(), &run.component, &run.stack) {
                let check = quote(&["terrace", "policy", "check", component, "-s", stack].map(str::to_owned));
                ways.push(way("see which rules stand against it", check));
            }
            ways.extend(again("once it is allowed, ask for the same again"));
        }
        RunState::NeedsCredentials => ways.extend(again("once logged in, ask for the same again")),
        RunState::Failed | RunState::Canceled | RunState::Expired => {
            ways.extend(resume(run));
            ways.extend(again(if run.kind.plans() { "plan again" } else { "ask for the same again" }));
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

#[cfg(test)]
mod tests {
    use super::super::takeover::tests::run;
    use super::*;

    #[test]
    fn only_ways_that_are_open_are_shown() {
        let commands = |run: &Run| own(run).into_iter().map(|way| way.command).collect::<Vec<_>>();
        let mut plain = run("apply", "failed");
        assert_eq!(
            (commands(&plain), plain.again()),
            (vec!["terrace runs retry 1".to_owned()], "terrace runs retry 1".into())
        );
        // It asked others: its request has ended with it.
        plain.request = Some(4);
        assert_eq!(commands(&plain), ["terrace runs retry 1"]);
        // Its request had it made, and goes on by itself.
        plain.of_request = true;
        for state in ["failed", "stale", "canceled", "expired", "needs_credentials"] {
            let part = Run { state: run("apply", state).state, ..plain.clone() };
            assert_eq!((commands(&part), part.again()), (Vec::new(), "terrace request show 4".to_owned()), "{state}");
        }
    }
}
