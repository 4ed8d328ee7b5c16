//! The view of runs: what runs and what ran, and the log of the selected one.

pub mod head;
pub mod list;
pub mod log;
pub mod progress;
pub mod seek;

use std::collections::HashMap;

use jiff::Timestamp;

use crate::domain::id::{RunId, RunRef};
use crate::domain::run::{PlanSummary, Run, RunKind, RunState};
use crate::domain::stack::InstanceSummary;
use crate::tui::app::{App, Kept, View};
use crate::tui::memory::Memory;
use crate::tui::theme::Meaning;
use crate::tui::widgets::age;
use crate::tui::widgets::list::Cursor;

use list::Item;
use log::LogView;

/// What the view keeps.
#[derive(Debug, Default)]
pub struct Runs {
    /// The runs, newest first.
    pub list: Kept<Vec<Run>>,
    /// The rows: runs, and sets with theirs below.
    pub items: Vec<Item>,
    /// The selection.
    pub cursor: Cursor,
    /// What is selected, so that it stays so when runs arrive.
    pub selected: Option<Item>,
    /// What the list is filtered by.
    pub filter: String,
    /// The log of the selected run.
    pub log: LogView,
    latest: HashMap<(String, String), RunState>,
    activity: HashMap<RunId, (u64, Timestamp)>,
}

impl Runs {
    /// Makes the view as it was left.
    #[must_use]
    pub fn from_memory(memory: &Memory) -> Self {
        let mut runs = Runs::default();
        runs.log.wrap = memory.wrap;
        runs.log.gutter = memory.gutter;
        runs
    }

    /// Writes down what is remembered.
    pub fn remember(&self, memory: &mut Memory) {
        memory.wrap = self.log.wrap;
        memory.gutter = self.log.gutter;
    }

    /// Takes the newest runs; those known and not among them stay.
    pub fn take(&mut self, outcome: Result<Vec<Run>, crate::tui::message::Trouble>, now: Timestamp) {
        match outcome {
            Ok(runs) => {
                for run in runs {
                    self.put(run, now);
                }
                let list = self.list.value.take().unwrap_or_default();
                self.list.take(Ok(list), now);
            }
            Err(trouble) => self.list.trouble = Some(trouble),
        }
        self.arrange();
    }

    /// Takes one run; an older version than the one known is left aside.
    pub fn put(&mut self, run: Run, now: Timestamp) {
        let seen = self.activity.entry(run.id).or_insert((run.log_bytes, now));
        if seen.0 < run.log_bytes {
            *seen = (run.log_bytes, now);
        }
        let list = self.list.value.get_or_insert_default();
        match list.iter().position(|known| known.id == run.id) {
            Some(at) if list[at].version <= run.version => list[at] = run,
            Some(_) => {}
            None => {
                let at = list.partition_point(|known| known.number > run.number);
                list.insert(at, run);
            }
        }
    }

    /// Makes the rows anew and keeps the selection where it is.
    pub fn arrange(&mut self) {
        self.items = list::items(self.list.items(), &self.filter);
        self.latest.clear();
        // What only priced a form says nothing of the instance.
        for run in self.list.items().iter().filter(|run| !run.preview) {
            for target in &run.targets {
                self.latest.entry((target.component.clone(), target.stack.clone())).or_insert(run.state);
            }
        }
        if let Some(at) = self.selected.as_ref().and_then(|item| self.items.iter().position(|i| i.same(item))) {
            self.cursor.at = at;
        }
        self.cursor.at = self.cursor.at.min(self.items.len().saturating_sub(1));
    }

    /// Returns the state of the newest run of an instance.
    #[must_use]
    pub fn latest(&self, instance: &InstanceSummary) -> Option<RunState> {
        if self.latest.is_empty() {
            return None;
        }
        self.latest.get(&(instance.component.clone(), instance.stack.clone())).copied()
    }

    /// Notes that a run wrote something.
    pub fn heard(&mut self, run: RunId, bytes: u64, now: Timestamp) {
        let seen = self.activity.entry(run).or_insert((bytes, now));
        if seen.0 < bytes {
            *seen = (bytes, now);
        }
    }

    /// Returns since when a run under way has been silent, where that is worth a word.
    #[must_use]
    pub fn silence(&self, run: &Run, now: Timestamp) -> Option<u64> {
        let (_, heard) = self.activity.get(&run.id)?;
        let silent = age::seconds(*heard, now);
        (is_working(run.state) && silent >= 10).then_some(silent)
    }

    /// Finds a run by its id.
    #[must_use]
    pub fn find(&self, id: RunId) -> Option<&Run> {
        self.list.items().iter().find(|run| run.id == id)
    }

    /// Finds a run as a person names it.
    #[must_use]
    pub fn named(&self, reference: RunRef) -> Option<&Run> {
        self.list.items().iter().find(|run| match reference {
            RunRef::Number(number) => run.number == number,
            RunRef::Id(id) => run.id == id,
        })
    }

    /// Returns how many runs are under way or queued.
    #[must_use]
    pub fn alive(&self) -> usize {
        self.list.items().iter().filter(|run| is_alive(run.state) && !needs_person(run.state)).count()
    }

    /// Returns how many runs wait for a person.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.list.items().iter().filter(|run| needs_person(run.state)).count()
    }
}

impl App {
    /// Returns the run that is selected in the view of runs.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        if self.view != View::Runs {
            return None;
        }
        match self.runs.items.get(self.runs.cursor.at)? {
            Item::Run { id, .. } => self.runs.find(*id),
            Item::Set { .. } => None,
        }
    }
}

/// Tells whether a run has not ended.
#[must_use]
pub fn is_alive(state: RunState) -> bool {
    use RunState::*;
    matches!(state, Queued | Planning | AwaitingConfirmation | Checking | AwaitingApproval | Applying | Running)
}

/// Tells whether a process of it is at work.
#[must_use]
pub fn is_working(state: RunState) -> bool {
    matches!(state, RunState::Planning | RunState::Applying | RunState::Running | RunState::Checking)
}

/// Tells whether it goes on only when a person does something.
#[must_use]
pub fn needs_person(state: RunState) -> bool {
    matches!(state, RunState::AwaitingConfirmation | RunState::AwaitingApproval | RunState::Unknown)
}

/// Returns the shape and the meaning of a state: neither alone says it.
#[must_use]
pub fn state_mark(state: RunState) -> (&'static str, Meaning) {
    use RunState::*;
    match state {
        Queued => ("◌", Meaning::Idle),
        Planning | Checking | Applying | Running => ("●", Meaning::Running),
        AwaitingConfirmation | AwaitingApproval => ("⚠", Meaning::Accent),
        Succeeded => ("✓", Meaning::Done),
        NoChanges => ("=", Meaning::Done),
        Failed | Denied | Rejected => ("✗", Meaning::Failed),
        NeedsCredentials => ("⚿", Meaning::Failed),
        Canceled | Expired | Stale => ("─", Meaning::Idle),
        Unknown => ("?", Meaning::Unknown),
    }
}

/// Returns a state in words.
#[must_use]
pub fn state_name(state: RunState) -> &'static str {
    use RunState::*;
    match state {
        Queued => "queued",
        Planning => "planning",
        AwaitingConfirmation => "waits for your yes",
        Checking => "checking",
        AwaitingApproval => "waits for approval",
        Applying => "applying",
        Running => "running",
        Succeeded => "succeeded",
        NoChanges => "no changes",
        Failed => "failed",
        Canceled => "canceled",
        Denied => "denied",
        Rejected => "rejected",
        Expired => "expired",
        Stale => "stale",
        Unknown => "unknown",
        NeedsCredentials => "needs credentials",
    }
}

/// Returns a kind in words.
#[must_use]
pub fn kind_name(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Plan => "plan",
        RunKind::Apply => "apply",
        RunKind::Destroy => "destroy",
        RunKind::Workflow => "workflow",
        RunKind::Command => "command",
        RunKind::Drift => "drift",
    }
}

/// Returns what a run is about: the instance, or the command without the words everyone knows.
#[must_use]
pub fn subject(run: &Run) -> String {
    match (&run.component, &run.stack, run.kind) {
        (Some(component), Some(stack), _) => format!("{component} {stack}"),
        (Some(component), None, _) => component.clone(),
        _ => run
            .command
            .trim_start_matches("terrace ")
            .trim_start_matches("workflow ")
            .trim_start_matches("atmos ")
            .to_owned(),
    }
}

/// Writes what a plan holds: `+1 ~0 -2`.
#[must_use]
pub fn plan_text(plan: &PlanSummary) -> String {
    let mut text = format!("+{} ~{} -{}", plan.add, plan.change, plan.destroy);
    if plan.replace > 0 {
        text.push_str(&format!(" ({} replaced)", plan.replace));
    }
    text
}

/// Writes what the plan of a run holds, where there is one.
#[must_use]
pub fn summary_text(run: &Run) -> String {
    run.summary.as_ref().map(plan_text).unwrap_or_default()
}

/// Returns how long a run has taken, or took, in seconds; `None` before it began.
#[must_use]
pub fn duration(run: &Run, now: Timestamp) -> Option<u64> {
    Some(age::seconds(run.started_at?, run.ended_at.unwrap_or(now)))
}
