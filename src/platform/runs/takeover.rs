//! Takes over what a supervisor noted: journal entries become changes of the run, in one transaction with event and
//! audit record and with the count of entries taken.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::findings;
use super::folder::RunFolder;
use super::journal::{Entry, Note, Outcome};
use super::log::LogReader;
use crate::domain::id::Digest;
use crate::domain::run::machine::{Ending, Happening, Transition};
use crate::domain::run::{ExecutedCommand, LogFinding, Run, RunState, StepState};
use crate::platform::audit::{Actor, AuditDraft};
use crate::platform::events::EventDraft;
use crate::platform::store::Change;

/// Changes of one run on their way into one transaction.
pub(super) struct Telling {
    change: Option<Change>,
    time: Timestamp,
    actor: Actor,
}

impl Telling {
    /// Begins to tell of what this person (or the platform) did.
    pub(super) fn new(time: Timestamp, actor: Actor) -> Self {
        Self { change: None, time, actor }
    }

    /// Tells of a change of state: event and audit record.
    pub(super) fn transition(&mut self, run: &Run, transition: Transition, detail: Value) {
        let event = event(run, transition.verb);
        let action = format!("run.{}", transition.verb);
        let mut detail = detail;
        if let Some(detail) = detail.as_object_mut() {
            detail.insert("from".to_owned(), json!(transition.from.name()));
            detail.insert("to".to_owned(), json!(transition.to.name()));
        }
        let audit =
            AuditDraft::new(self.actor.clone(), action, format!("run/{}", run.id), detail).digests(None, digest(run));
        self.change = Some(match self.change.take() {
            Some(change) => change.and(event, audit),
            None => Change::new(self.time, event, audit),
        });
    }

    /// Tells of something that was seen and is no change of state: a step, a wait.
    pub(super) fn observed(&mut self, run: &Run, verb: &str) {
        let event = event(run, verb);
        self.change = Some(match self.change.take() {
            Some(change) => change.and_observed(event),
            None => Change::observed(self.time, event),
        });
    }

    /// Says what the run was before all of this: each record has the digest before its change and after it.
    pub(super) fn begin_from(&mut self, before: &Run) {
        let object = format!("run/{}", before.id);
        if let Some(change) = &mut self.change {
            change.begin_from(&object, digest(before));
        }
    }

    /// Tells of what changed beside the run in the same transaction.
    pub(super) fn beside(&mut self, other: Change) {
        self.change = Some(match self.change.take() {
            Some(change) => change.join(other),
            None => other,
        });
    }

    /// Returns what is to be committed, where there is anything.
    pub(super) fn into_change(self) -> Option<Change> {
        self.change
    }
}

fn digest(run: &Run) -> Option<Digest> {
    serde_json::to_vec(run).ok().map(|bytes| Digest::of(&bytes))
}

/// Drafts the event of a run: enough to draw its row without asking.
fn event(run: &Run, verb: &str) -> EventDraft {
    let data = json!({
        "id": run.id, "number": run.number, "kind": run.kind, "state": run.state, "version": run.version,
        "driver": run.driver, "component": run.component, "stack": run.stack, "actor": run.actor, "reason": run.reason,
        "waiting_for": run.waiting_for, "exit_code": run.exit_code, "summary": run.summary, "set": run.set,
    });
    EventDraft::about("run", verb, &run.id.to_string(), data)
}

/// Moves a run by the rules; returns what to tell, or nothing where the rules refuse.
pub(super) fn step(run: &mut Run, happening: &Happening) -> Option<Transition> {
    match run.facts().after(happening) {
        Ok(transition) => {
            run.state = transition.to;
            Some(transition)
        }
        Err(refusal) => {
            tracing::warn!(run = %run.id, ?happening, %refusal, "a supervisor noted what the rules refuse");
            None
        }
    }
}

/// Leaves out a plan of which is not noted yet what becomes of it: a yes given ahead, or the wait for one.
///
/// The two are noted one behind the other and taken together, so that nobody finds a plan that only seems to wait, and
/// decides on it.
pub(super) fn whole(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.pop_if(|last| matches!(last.note, Note::Planned { .. }));
    entries
}

/// Takes one entry over.
pub(super) fn take(run: &mut Run, entry: &Entry, place: &RunFolder, root: &str, telling: &mut Telling) {
    match &entry.note {
        Note::Ready { .. } | Note::Drained { .. } => {}
        Note::Started { .. } => run.started_at = Some(run.started_at.unwrap_or(entry.at)),
        Note::Step { step: at, argv, folder: at_folder, log_offset, .. } => {
            if let Some(step) = run.steps.get_mut(*at) {
                step.state = StepState::Running;
                step.log_offset = step.log_offset.or(Some(*log_offset));
            }
            let name = run.steps.get(*at).map(|step| step.name.clone()).unwrap_or_default();
            run.commands.push(ExecutedCommand {
                step: name,
                argv: argv.clone(),
                folder: shown(at_folder, place, root),
            });
            telling.observed(run, "step_started");
        }
        Note::StepEnded { step: at, code, success, log_bytes, .. } => {
            if let Some(step) = run.steps.get_mut(*at) {
                step.state = if *success { StepState::Succeeded } else { StepState::Failed };
                step.exit_code = *code;
            }
            run.log_bytes = *log_bytes;
            telling.observed(run, "step_ended");
        }
        Note::Planned { digest, workspace, summary, changes } => {
            run.plan_digest = Some(digest.clone());
            run.summary = Some(*summary);
            run.workspace = Some(workspace.clone());
            if *changes
                && run.kind.applies()
                && let Some(transition) = step(run, &Happening::Planned { digest: digest.clone() })
            {
                run.version += 1;
                telling.transition(run, transition, json!({"plan": digest, "summary": summary}));
            } else {
                telling.observed(run, "planned");
            }
        }
        Note::Awaiting { seconds } => {
            let wait = SignedDuration::from_secs(i64::try_from(*seconds).unwrap_or(i64::MAX));
            run.expires_at = entry.at.checked_add(wait).ok();
            run.next = Some(format!("terrace runs confirm {}", run.number));
            telling.observed(run, "awaiting_confirmation");
        }
        Note::Confirmed { digest, .. } => {
            if run.confirmed_by.is_none()
                && let Some(transition) = step(run, &Happening::Confirmed { digest: digest.clone() })
            {
                run.confirmed_by = Some(run.actor.clone());
                run.version += 1;
                telling.transition(run, transition, json!({"plan": digest, "ahead": true}));
            }
        }
        Note::Applying { digest } => {
            if let Some(transition) = step(run, &Happening::Applying { digest: digest.clone() }) {
                run.expires_at = None;
                run.next = None;
                run.waiting_for = None;
                telling.transition(run, transition, json!({"plan": digest}));
            }
        }
        Note::Signaled { signal, why } => {
            run.reason = Some(format!("{signal} sent: {why}"));
            telling.observed(run, "signaled");
        }
        Note::Again { .. } => telling.observed(run, "step_again"),
        Note::LeftBehind { .. } => telling.observed(run, "left_behind"),
        Note::Gap { bytes, .. } => {
            run.log_lost += bytes;
            telling.observed(run, "log_gap");
        }
        Note::Ended { outcome, code, reason, log_bytes, log_lines, log_lost, login } => {
            (run.log_bytes, run.log_lines, run.log_lost) = (*log_bytes, *log_lines, *log_lost);
            run.exit_code = *code;
            end(run, *outcome, reason.clone(), login.as_deref(), entry, place, telling);
        }
    }
    if matches!(entry.note, Note::Drained { .. }) {
        count(run, entry, telling);
    }
}

/// Takes over only what an entry says of the log: of a run that ended before its supervisor did.
pub(super) fn count(run: &mut Run, entry: &Entry, telling: &mut Telling) {
    if let Note::Drained { log_bytes, log_lines, log_lost } | Note::Ended { log_bytes, log_lines, log_lost, .. } =
        &entry.note
    {
        (run.log_bytes, run.log_lines, run.log_lost) = (*log_bytes, *log_lines, *log_lost);
        telling.observed(run, "log_drained");
    }
}

/// Names a folder below the estate's root, or below the root of the run's working copy.
fn shown(folder: &str, place: &RunFolder, root: &str) -> String {
    let copy = place.copy().display().to_string();
    let below = folder.strip_prefix(&copy).or_else(|| folder.strip_prefix(root));
    below.map_or(folder, |below| below.trim_start_matches('/')).to_owned()
}

/// Ends a run as its supervisor saw it, with what the log tells of a failure.
fn end(
    run: &mut Run,
    outcome: Outcome,
    reason: Option<String>,
    login: Option<&str>,
    entry: &Entry,
    place: &RunFolder,
    telling: &mut Telling,
) {
    if outcome == Outcome::Failed {
        run.findings = look(place, run, entry.at);
    }
    let found = |code: &str| run.findings.iter().any(|finding: &LogFinding| finding.code == code);
    let before_change = matches!(
        run.state,
        RunState::Planning | RunState::AwaitingConfirmation | RunState::Checking | RunState::AwaitingApproval
    );
    let ending = match outcome {
        Outcome::Succeeded => Ending::Succeeded,
        Outcome::NoChanges => Ending::NoChanges,
        Outcome::Canceled => Ending::Canceled,
        Outcome::Expired => Ending::Expired,
        Outcome::NeedsCredentials => Ending::NeedsCredentials,
        Outcome::Stale => Ending::Stale,
        Outcome::Failed if run.state == RunState::Applying && found("stale-plan") => Ending::Stale,
        Outcome::Failed if before_change && found("missing-credentials") => Ending::NeedsCredentials,
        Outcome::Failed => Ending::Failed,
    };
    if let Some(transition) = step(run, &Happening::Ended(ending)) {
        let finding = run.findings.first();
        run.reason = finding.map(|finding| finding.message.clone()).or(reason);
        run.next = finding.and_then(|finding| finding.next.clone()).or_else(|| next(run, ending));
        if let (Ending::NeedsCredentials, Some(login)) = (ending, login) {
            run.next = Some(format!("{login}, then {}", run.again()));
        }
        finish(run, entry.at);
        let detail = json!({"reason": run.reason, "exit_code": run.exit_code, "driver": run.driver});
        telling.transition(run, transition, detail);
    }
}

/// Ends a run whose supervisor is gone without a word.
pub(super) fn lose(run: &mut Run, at: Timestamp, folder: &RunFolder, telling: &mut Telling) {
    let before = run.state;
    let Some(transition) = step(run, &Happening::Lost) else {
        return;
    };
    if let Ok(reader) = LogReader::open(&folder.log(), &folder.index()) {
        run.log_bytes = reader.bytes().unwrap_or(run.log_bytes);
    }
    run.reason = Some(match (run.state, before) {
        (RunState::Unknown, _) => {
            "its supervisor was lost while it changed something: nobody knows how far it came".to_owned()
        }
        (_, RunState::Queued) => {
            "its supervisor was lost while it waited, and with it the environment it was to use".to_owned()
        }
        _ => "its supervisor was lost; nothing was changed".to_owned(),
    });
    run.next = Some(match run.state {
        RunState::Unknown => format!("terrace runs resolve {}", run.number),
        _ => run.again(),
    });
    finish(run, at);
    telling.transition(run, transition, json!({"reason": run.reason}));
}

/// Closes what an end closes. Clocks are put back, and two processes tell the time: no run ends before it began.
pub(super) fn finish(run: &mut Run, at: Timestamp) {
    run.ended_at = Some(at.max(run.started_at.unwrap_or(run.queued_at)));
    run.expires_at = None;
    run.waiting_for = None;
    for step in &mut run.steps {
        match step.state {
            StepState::Pending => step.state = StepState::Skipped,
            StepState::Running => step.state = StepState::Failed,
            _ => {}
        }
    }
}

/// Names the command that leads on from an end.
pub(super) fn next(run: &Run, ending: Ending) -> Option<String> {
    match ending {
        Ending::Failed | Ending::Expired | Ending::Stale | Ending::NeedsCredentials => Some(run.again()),
        Ending::Canceled if run.started_at.is_some() && run.kind.applies() => Some(run.again()),
        _ => None,
    }
}

/// Looks for known errors at the end of the log.
fn look(folder: &RunFolder, run: &Run, now: Timestamp) -> Vec<LogFinding> {
    let Ok(reader) = LogReader::open(&folder.log(), &folder.index()) else {
        return Vec::new();
    };
    let begin = run.log_bytes.saturating_sub(findings::LOOKED_AT);
    let mut text = vec![0; usize::try_from(run.log_bytes - begin).unwrap_or_default()];
    let mut read = 0;
    while read < text.len() {
        match reader.read_at(&mut text[read..], begin + read as u64) {
            Ok(more) if more > 0 => read += more,
            _ => break,
        }
    }
    text.truncate(read);
    let newlines = memchr::memchr_iter(b'\n', &text).count() as u64;
    let first = run.log_lines.saturating_sub(newlines + u64::from(text.last() != Some(&b'\n'))) + 1;
    findings::find(&text, first, run, now)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::run::PlanSummary;

    /// A run of an instance as it begins.
    pub(in crate::platform::runs) fn run(kind: &str, state: &str) -> Run {
        let text = json!({
            "id": "01M84H4N2YJJBVF6ZJAY11Y66H", "number": 1, "kind": kind, "state": state, "version": 1,
            "driver": "terraform", "command": "terrace apply a -s b", "commands": [], "component": "a", "stack": "b",
            "waiting_for": null, "reason": null, "next": null, "exit_code": null, "summary": null,
            "plan_digest": null, "steps": [], "findings": [], "stood_on": {"commit": null, "dirty": false,
            "tree_digest": null, "config_digest": null, "tools": []}, "actor": "alice", "retry_of": null,
            "set": null, "after": [], "resolves": null, "workspace": null, "confirmed_by": null,
            "cancel_asked": false, "changing_command": false, "targets": [], "log_bytes": 0, "log_lines": 0,
            "log_lost": 0, "queued_at": "2026-11-23T09:00:00Z", "started_at": null, "expires_at": null,
            "ended_at": null
        });
        serde_json::from_value(text).expect("a run")
    }

    #[test]
    fn a_plan_is_taken_together_with_what_becomes_of_it() {
        let digest = Digest::of(b"the plan");
        let at = |note| Entry { at: Timestamp::UNIX_EPOCH, note };
        let planned = at(Note::Planned {
            digest: digest.clone(),
            workspace: "w".to_owned(),
            summary: PlanSummary::default(),
            changes: true,
        });
        let started = at(Note::Started { token: 1 });
        let confirmed = at(Note::Confirmed { by: "ahead".to_owned(), digest: digest.clone() });
        assert_eq!(whole(vec![started.clone(), planned.clone()]), std::slice::from_ref(&started), "alone it is left");
        let all = vec![planned, confirmed];
        assert_eq!(whole(all.clone()), all);

        let mut run = run("apply", "planning");
        let mut take = |entry: &Entry| {
            let place = RunFolder::new("nowhere");
            take(&mut run, entry, &place, "/", &mut Telling::new(entry.at, Actor::platform()));
            (run.state, run.confirmed_by.clone())
        };
        assert_eq!(take(&all[0]), (RunState::AwaitingConfirmation, None));
        assert_eq!(take(&all[1]), (RunState::AwaitingConfirmation, Some("alice".to_owned())));
        let other = at(Note::Applying { digest: Digest::of(b"another") });
        assert_eq!(take(&other).0, RunState::AwaitingConfirmation, "only those very bytes");
        assert_eq!(take(&at(Note::Applying { digest })).0, RunState::Applying);
    }
}
