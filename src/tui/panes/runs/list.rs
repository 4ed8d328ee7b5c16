//! The list of runs: newest first, the runs of a set as a tree below it.

use std::collections::HashMap;

use crate::domain::id::RunId;
use crate::domain::run::{Run, RunState};
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Row, piece};
use crate::tui::widgets::{age, text};

use super::{duration, is_alive, kind_name, needs_person, plan_text, state_mark, state_name, subject};

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A set of runs.
    Set {
        /// Its identity.
        id: String,
        /// Its runs.
        runs: Vec<RunId>,
    },
    /// A run.
    Run {
        /// Its identity.
        id: RunId,
        /// How deep it lies below its set.
        depth: u16,
    },
}

impl Item {
    /// Tells whether both stand for the same, wherever it stands.
    #[must_use]
    pub fn same(&self, other: &Item) -> bool {
        match (self, other) {
            (Item::Set { id: a, .. }, Item::Set { id: b, .. }) => a == b,
            (Item::Run { id: a, .. }, Item::Run { id: b, .. }) => a == b,
            _ => false,
        }
    }
}

/// The word that has previews listed.
const PREVIEW: &str = "preview";

/// Returns the rows of the list; every word of the filter must be in a run. What only priced a form is listed where it is
/// asked for.
#[must_use]
pub fn items(runs: &[Run], filter: &str) -> Vec<Item> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let fits = |run: &Run| {
        let text = || {
            let (number, state, kind) = (run.number, state_name(run.state), kind_name(run.kind));
            let preview = if run.preview { PREVIEW } else { "" };
            format!("#{number} {kind} {preview} {state} {} {} {}", subject(run), run.actor, run.command).to_lowercase()
        };
        let wanted = words.iter().any(|word| word == PREVIEW || *word == format!("#{}", run.number));
        if run.preview && !wanted {
            return false;
        }
        words.is_empty() || words.iter().all(|word| text().contains(word))
    };
    let mut items = Vec::new();
    let mut sets: HashMap<&str, Vec<&Run>> = HashMap::new();
    for run in runs {
        if let Some(set) = &run.set {
            sets.entry(set).or_default().push(run);
        }
    }
    let mut shown: Vec<&str> = Vec::new();
    for run in runs.iter().filter(|run| fits(run)) {
        let Some(set) = &run.set else {
            items.push(Item::Run { id: run.id, depth: 0 });
            continue;
        };
        if shown.contains(&set.as_str()) {
            continue;
        }
        shown.push(set);
        let mut members = sets.remove(set.as_str()).unwrap_or_default();
        members.sort_by_key(|run| run.number);
        items.push(Item::Set { id: set.clone(), runs: members.iter().map(|run| run.id).collect() });
        for (member, depth) in tree(&members) {
            if fits(member) {
                items.push(Item::Run { id: member.id, depth });
            }
        }
    }
    items
}

/// Returns the runs of a set, the oldest first, each with how deep it lies below what must succeed first.
fn tree<'a>(members: &[&'a Run]) -> Vec<(&'a Run, u16)> {
    let mut depths: HashMap<RunId, u16> = HashMap::new();
    let mut placed = Vec::with_capacity(members.len());
    for member in members.iter().copied() {
        let depth = member.after.iter().filter_map(|id| depths.get(id)).max().map_or(1, |above| (above + 1).min(8));
        depths.insert(member.id, depth);
        placed.push((member, depth));
    }
    placed
}

/// Returns how many lines a row takes.
#[must_use]
pub fn height(app: &App, index: usize) -> usize {
    match app.runs.items.get(index) {
        Some(Item::Run { id, .. }) => match app.runs.find(*id) {
            Some(run) if note(app, run).is_some() => 2,
            _ => 1,
        },
        _ => 1,
    }
}

/// Returns the one thing worth saying below a run.
fn note(app: &App, run: &Run) -> Option<(String, Meaning)> {
    if let (RunState::Queued, Some(waits)) = (run.state, &run.waiting_for) {
        return Some((format!("waits for {waits}"), Meaning::Dim));
    }
    if let Some(finding) = run.findings.first() {
        return Some((finding.message.clone(), Meaning::Failed));
    }
    if needs_person(run.state) {
        let plan = run.summary.as_ref().map(plan_text).unwrap_or_default();
        let next =
            match (run.state, app.keymap.key(crate::tui::action::Action::Confirm, crate::tui::action::Place::Runs)) {
                (RunState::AwaitingConfirmation, Some(key)) => format!(" · {key} confirms"),
                _ => run.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default(),
            };
        return Some((format!("{plan} {}{next}", state_name(run.state)).trim().to_owned(), Meaning::Accent));
    }
    if !is_alive(run.state) && run.state != RunState::Succeeded && run.state != RunState::NoChanges {
        let name = state_name(run.state);
        let text = match &run.reason {
            Some(reason) if reason.to_lowercase().contains(name) => reason.clone(),
            Some(reason) => format!("{name}: {reason}"),
            None => name.to_owned(),
        };
        return Some((text, Meaning::Dim));
    }
    if let Some(silent) = app.runs.silence(run, app.now) {
        return Some((format!("silent for {}", age::short(silent)), Meaning::Warning));
    }
    let plan = run.summary.as_ref()?;
    Some((plan_text(plan), Meaning::Text))
}

/// Returns a row of the list.
#[must_use]
pub fn row(app: &App, index: usize) -> Row {
    match app.runs.items.get(index) {
        Some(Item::Set { id, runs }) => set_row(app, id, runs),
        Some(Item::Run { id, depth }) => match app.runs.find(*id) {
            Some(run) => run_row(app, run, *depth),
            None => Row::default(),
        },
        None => Row::default(),
    }
}

fn set_row(app: &App, id: &str, runs: &[RunId]) -> Row {
    let runs: Vec<&Run> = runs.iter().filter_map(|id| app.runs.find(*id)).collect();
    let worst = [RunState::Unknown, RunState::Failed, RunState::AwaitingConfirmation, RunState::Applying]
        .into_iter()
        .find(|state| runs.iter().any(|run| run.state == *state))
        .or_else(|| runs.iter().find(|run| is_alive(run.state)).map(|run| run.state))
        .or_else(|| runs.first().map(|run| run.state))
        .unwrap_or(RunState::Queued);
    let (mark, meaning) = state_mark(worst);
    let mut counts = Vec::new();
    for state in [
        RunState::Succeeded,
        RunState::NoChanges,
        RunState::Failed,
        RunState::Canceled,
        RunState::Unknown,
        RunState::AwaitingConfirmation,
        RunState::Planning,
        RunState::Applying,
        RunState::Queued,
    ] {
        let n = runs.iter().filter(|run| run.state == state).count();
        if n > 0 {
            let (mark, meaning) = state_mark(state);
            counts.push(piece(format!(" {n} {mark}"), meaning));
        }
    }
    let kind = runs.first().map(|run| kind_name(run.kind)).unwrap_or_default();
    Row::of(vec![
        piece(format!("{mark} "), meaning),
        piece(format!("{kind} of {}", text::count(runs.len(), "instance")), Meaning::Strong),
    ])
    .right(counts)
    .copied(id)
}

/// Returns what there is to know of the selected set: each run with its state, and what it waits for.
#[must_use]
pub fn set_rows(app: &App) -> Vec<Row> {
    let Some(Item::Set { runs, .. }) = app.runs.items.get(app.runs.cursor.at) else { return Vec::new() };
    let members: Vec<&Run> = runs.iter().filter_map(|id| app.runs.find(*id)).collect();
    let row = |(run, depth): (&Run, u16)| {
        let indent = "  ".repeat(usize::from(depth - 1));
        let (mark, meaning) = state_mark(run.state);
        let after: Vec<String> =
            run.after.iter().filter_map(|id| app.runs.find(*id)).map(|run| format!("#{}", run.number)).collect();
        let mut row = Row::of(vec![
            piece(format!("{indent}{mark} #{:<4} ", run.number), meaning),
            piece(subject(run), Meaning::Strong),
            piece(format!("  {}", state_name(run.state)), meaning),
            piece(run.summary.as_ref().map(|plan| format!("  {}", plan_text(plan))).unwrap_or_default(), Meaning::Text),
        ]);
        let taken = duration(run, app.now).map(|taken| format!("{}  ", age::clock(taken))).unwrap_or_default();
        let ago = age::ago(run.ended_at.or(run.started_at).unwrap_or(run.queued_at), app.now);
        row = row.right(vec![piece(format!("{taken}{ago}"), Meaning::Dim)]);
        let why = run.waiting_for.as_ref().map(|waits| format!("waits for {waits}"));
        let why = why.or_else(|| run.reason.clone());
        let after = (!after.is_empty()).then(|| format!("after {}", after.join(", ")));
        let below: Vec<String> = [after, why].into_iter().flatten().collect();
        if !below.is_empty() {
            row.below = vec![piece(format!("{indent}    {}", below.join(" · ")), Meaning::Dim)];
        }
        row
    };
    let mut rows =
        vec![Row::text("Runs in the order of their dependencies; what fails stops only what needs it.", Meaning::Dim)];
    rows.push(Row::blank());
    rows.extend(tree(&members).into_iter().map(row));
    rows
}

fn run_row(app: &App, run: &Run, depth: u16) -> Row {
    let (mark, meaning) = state_mark(run.state);
    let indent = "  ".repeat(usize::from(depth));
    let left = vec![
        piece(indent.clone(), Meaning::Text),
        piece(format!("{mark} "), meaning),
        piece(format!("{:<4} ", run.number), Meaning::Dim),
        piece(format!("{:<8} ", if run.preview { PREVIEW } else { kind_name(run.kind) }), Meaning::Text),
        piece(subject(run), Meaning::Strong),
    ];
    let time = match (run.ended_at, duration(run, app.now)) {
        (None, Some(taken)) => age::clock(taken),
        (Some(ended), _) => age::ago(ended, app.now),
        (None, None) => age::ago(run.queued_at, app.now),
    };
    let mut right = Vec::new();
    if run.actor != app.card().user {
        right.push(piece(format!("{} ", run.actor), Meaning::Dim));
    }
    right.push(piece(time, if is_alive(run.state) { Meaning::Text } else { Meaning::Dim }));
    let mut row = Row::of(left).right(right).to(Go::Run(run.id)).copied(format!("#{}", run.number));
    if let Some((note, meaning)) = note(app, run) {
        row.below = vec![piece(format!("{indent}  "), Meaning::Text), piece(note, meaning)];
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    #[test]
    fn the_runs_of_a_set_are_a_tree_below_it() {
        let mut runs: Vec<Run> = (1..=4).rev().map(|n| fixtures::run(n, RunState::Running)).collect();
        for run in &mut runs[..3] {
            run.set = Some("S".into());
        }
        let first = runs[2].id;
        runs[1].after = vec![first];
        runs[0].after = vec![runs[1].id];
        let rows: Vec<String> = items(&runs, "")
            .iter()
            .map(|item| match item {
                Item::Set { runs, .. } => format!("set of {}", runs.len()),
                Item::Run { id, depth } => {
                    format!("{} {}", depth, runs.iter().find(|r| r.id == *id).map_or(0, |r| r.number))
                }
            })
            .collect();
        assert_eq!(rows, ["set of 3", "1 2", "2 3", "3 4", "0 1"]);
        runs[3].preview = true;
        assert_eq!(items(&runs, "").len(), 4, "what only priced a form is in nobody's way");
        assert_eq!((items(&runs, "preview").len(), items(&runs, "#1").len()), (1, 1));
        assert!(items(&runs, "nothing has this").is_empty());
        assert_eq!(items(&runs, "#3").len(), 2);
    }
}
