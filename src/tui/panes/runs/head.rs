//! What stands above and below the log: the command, the steps, what it waits for, what was found, how it goes.

use crate::domain::run::{ExecutedCommand, Run, StepState};
use crate::tui::action::{Action, Place};
use crate::tui::app::App;
use crate::tui::commands;
use crate::tui::panes::requests::money;
use crate::tui::panes::requests::verdict::counts;
use crate::tui::reviews::Review;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, piece};
use crate::tui::widgets::{age, text};

use super::{duration, is_working, kind_name, plan_text, state_mark, state_name, subject};
use crate::domain::run::RunState;

/// Returns the pane's title.
#[must_use]
pub fn title(run: &Run) -> String {
    let (mark, _) = state_mark(run.state);
    format!("{mark} #{} {} {}", run.number, kind_name(run.kind), subject(run))
}

/// Returns what stands at the right of the title.
#[must_use]
pub fn side(app: &App) -> String {
    let log = &app.runs.log;
    let mut parts = Vec::new();
    if let Some(filter) = &log.filter {
        parts.push(format!(
            "only /{}/ {}",
            filter.search.query,
            text::count(filter.matches as usize, "match").replace("matchs", "matches")
        ));
    }
    if log.follow {
        parts.push("following".into());
    }
    if log.wrap {
        parts.push("wrap".into());
    }
    parts.join(" ─ ")
}

/// Returns the lines above the log, at most `room` of them.
#[must_use]
pub fn above(app: &App, run: &Run, room: usize) -> Vec<Vec<Piece>> {
    let (mark, meaning) = state_mark(run.state);
    let mut lines = vec![vec![piece("$ ", Meaning::Dim), piece(run.command.clone(), Meaning::Name)]];
    let mut state = vec![piece(format!("{mark} {}", state_name(run.state)), meaning)];
    if let Some(waits) = &run.waiting_for {
        state.push(piece(format!(" · waits for {waits}"), Meaning::Warning));
    }
    if let Some(reason) = &run.reason {
        state.push(piece(format!(" · {reason}"), Meaning::Text));
    }
    if let Some(code) = run.exit_code.filter(|code| *code != 0) {
        state.push(piece(format!(" · exit code {code}"), Meaning::Dim));
    }
    lines.push(state);
    if run.state == RunState::AwaitingConfirmation {
        let key = app.keymap.key(Action::Confirm, Place::Runs).unwrap_or_default();
        let plan = run.summary.as_ref().map(plan_text).unwrap_or_default();
        lines.push(vec![
            piece(format!("▸ {plan}  "), Meaning::Strong),
            piece(format!("{key} applies exactly this plan"), Meaning::Accent),
        ]);
    }
    if let (RunState::AwaitingApproval, Some(number)) = (run.state, run.request) {
        let plan = run.summary.as_ref().map(plan_text).unwrap_or_default();
        let asks = format!("request #{number} asks others to agree; then exactly this plan is applied");
        lines.push(vec![piece(format!("▸ {plan}  "), Meaning::Strong), piece(asks, Meaning::Accent)]);
    }
    if !run.steps.is_empty() {
        lines.push(steps(run));
    }
    lines.extend(app.reviews.get(run.id).filter(|_| run.has_plan()).map(review));
    if let Some(last) = run.last_command() {
        let at =
            if last.folder.is_empty() || last.folder == "." { String::new() } else { format!("  in {}", last.folder) };
        lines.push(vec![
            piece(format!("{} $ ", last.step), Meaning::Dim),
            piece(exact(last), Meaning::Text),
            piece(at, Meaning::Dim),
        ]);
    }
    for said in &run.differs {
        lines.push(vec![piece("≠ ", Meaning::Changed), piece(said.clone(), Meaning::Dim)]);
    }
    for finding in &run.findings {
        lines.push(vec![
            piece("✗ ", Meaning::Failed),
            piece(finding.message.clone(), Meaning::Failed),
            piece(format!("  line {}", finding.line), Meaning::Dim),
        ]);
        if let Some(next) = &finding.next {
            lines.push(vec![piece("  → ", Meaning::Accent), piece(next.clone(), Meaning::Strong)]);
        }
    }
    if let Some(next) = run.next.as_ref().filter(|next| !run.findings.iter().any(|f| f.next.as_ref() == Some(next))) {
        lines.push(vec![piece("→ ", Meaning::Accent), piece(next.clone(), Meaning::Strong)]);
    }
    let shown = |command: &str| {
        let in_finding = run.findings.iter().filter_map(|finding| finding.next.as_deref());
        run.next.as_deref().into_iter().chain(in_finding).any(|next| next == command)
    };
    for way in run.ways.iter().filter(|way| !shown(&way.command)) {
        lines.push(vec![
            piece("→ ", Meaning::Accent),
            piece(way.command.clone(), Meaning::Strong),
            piece(format!("  {}", way.what), Meaning::Dim),
        ]);
    }
    if let Some(commit) = &run.stood_on.commit {
        let mut stood = format!("at {}", commit.get(..8).unwrap_or(commit));
        if run.stood_on.dirty {
            stood.push_str(" with changes that are not committed");
        }
        if !run.stood_on.tools.is_empty() {
            stood.push_str(&format!(" · {}", run.stood_on.tools.join(", ")));
        }
        lines.push(vec![piece(stood, Meaning::Dim)]);
    }
    lines.truncate(room);
    lines
}

/// Returns what the plan costs and what policy and scanners say of it, in a line.
#[must_use]
pub fn review(review: &Review) -> Vec<Piece> {
    let mut line = vec![piece("price ", Meaning::Dim)];
    match &review.price {
        Ok(estimate) => {
            let meaning = if estimate.after.is_known() { Meaning::Value } else { Meaning::Warning };
            line.push(piece(format!("{} a month", money::delta(&estimate.delta)), meaning));
        }
        Err(trouble) => line.push(piece(format!("unknown: {}", trouble.message), Meaning::Unknown)),
    }
    line.push(piece(" · policy ", Meaning::Dim));
    match &review.verdict {
        Ok(verdict) => line.extend(counts(verdict)),
        Err(trouble) => line.push(piece(format!("unknown: {}", trouble.message), Meaning::Unknown)),
    }
    if let Some(found) = review.scanned.as_ref().ok().filter(|found| !found.is_empty()) {
        line.push(piece(format!(" · scanners {}", found.len()), Meaning::Warning));
    }
    line
}

/// Writes the arguments of a command as a shell reads them back.
#[must_use]
pub fn exact(command: &ExecutedCommand) -> String {
    command.argv.iter().map(|argument| commands::quote(argument)).collect::<Vec<_>>().join(" ")
}

fn steps(run: &Run) -> Vec<Piece> {
    let done = run.steps.iter().filter(|s| s.state == StepState::Succeeded).count();
    let mut line = vec![piece(format!("{done}/{} ", run.steps.len()), Meaning::Dim)];
    for step in &run.steps {
        let (mark, meaning) = match step.state {
            StepState::Pending => ("○", Meaning::Idle),
            StepState::Running => ("●", Meaning::Running),
            StepState::Succeeded => ("✓", Meaning::Done),
            StepState::Failed => ("✗", Meaning::Failed),
            StepState::Skipped => ("─", Meaning::Idle),
        };
        line.push(piece(format!(" {mark} "), meaning));
        let name = if step.state == StepState::Running { Meaning::Strong } else { Meaning::Text };
        line.push(piece(step.name.clone(), name));
    }
    line
}

/// Returns the line below the log.
#[must_use]
pub fn below(app: &App, run: &Run) -> Vec<Piece> {
    let log = &app.runs.log;
    let mut parts: Vec<Piece> = Vec::new();
    let mut say = |text: String, meaning| {
        if !parts.is_empty() {
            parts.push(piece(" · ", Meaning::Dim));
        }
        parts.push(piece(text, meaning));
    };
    if let Some(taken) = duration(run, app.now) {
        say(age::clock(taken), Meaning::Text);
    }
    let planned = run.summary.as_ref().map(|plan| plan.add + plan.change + plan.destroy);
    if let Some(progress) = log.progress.text(planned) {
        say(progress, Meaning::Strong);
    }
    if let Some(plan) = &run.summary {
        say(plan_text(plan), Meaning::Text);
    }
    let received = log.buffer.received();
    if run.log_bytes > received && run.log_bytes > 0 {
        say(format!("{} % of the log is here", received * 100 / run.log_bytes), Meaning::Warning);
    } else {
        say(text::count(log.buffer.lines() as usize, "line"), Meaning::Dim);
    }
    if run.log_lost > 0 {
        say(format!("{} bytes lost: the disk was full", text::thousands(run.log_lost)), Meaning::Failed);
    }
    if let Some(silent) = app.runs.silence(run, app.now) {
        say(format!("silent for {}", age::short(silent)), Meaning::Warning);
    } else if is_working(run.state) {
        say("live".into(), Meaning::Running);
    }
    if let Some(search) = &log.search {
        let what = if log.seek.is_some() { "searching" } else { "search" };
        say(format!("{what} /{}/", search.query), Meaning::Accent);
    }
    if let Some(trouble) = &log.trouble {
        say(trouble.message.clone(), Meaning::Failed);
    }
    parts
}
