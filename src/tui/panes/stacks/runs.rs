//! What was done to one instance, the newest first, and what changed since it was last applied.

use serde_json::Value;

use crate::domain::run::since::{RunBrief, Since};
use crate::tui::app::App;
use crate::tui::message::InstanceKey;
use crate::tui::panes::runs::{kind_name, state_mark, state_name, summary_text};
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Row, piece};
use crate::tui::widgets::{age, text};

use super::{path_text, short_source};

/// Returns the rows of the tab.
#[must_use]
pub fn rows(app: &App) -> Vec<Row> {
    let Some(instance) = app.tree_instance() else { return Vec::new() };
    let own = |run: &&crate::domain::run::Run| {
        !run.preview && run.targets.iter().any(|t| t.component == instance.component && t.stack == instance.stack)
    };
    let runs = app.runs.list.items().iter().filter(own).map(|run| {
        let (mark, meaning) = state_mark(run.state);
        let left = vec![
            piece(format!("{mark} "), meaning),
            piece(format!("#{:<5}", run.number), Meaning::Strong),
            piece(format!("{:<9}", kind_name(run.kind)), Meaning::Text),
            piece(format!("{:<22}", state_name(run.state)), meaning),
            piece(summary_text(run), Meaning::Text),
        ];
        let right = vec![
            piece(format!("{}  ", run.actor), Meaning::Dim),
            piece(format!("{:>8}", age::ago(run.queued_at, app.now)), Meaning::Dim),
        ];
        Row::of(left).right(right).to(Go::Run(run.id)).copied(run.command.clone())
    });
    let mut rows: Vec<Row> = runs.collect();
    let key = InstanceKey::of(instance);
    if let Some((_, kept)) = app.stacks.since.as_ref().filter(|(own, _)| *own == key) {
        match (&kept.value, &kept.trouble) {
            (Some(told), _) => {
                let told = since(app, told, !rows.is_empty());
                if !rows.is_empty() && !told.is_empty() {
                    rows.push(Row::blank());
                }
                rows.extend(told);
            }
            (None, Some(trouble)) => {
                rows.extend([Row::blank(), Row::text(trouble.message.clone(), Meaning::Warning)]);
            }
            (None, None) => {}
        }
    }
    rows
}

/// Returns what changed since the last successful apply; `ran` tells whether something ran at all.
#[must_use]
pub fn since(app: &App, since: &Since, ran: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    match &since.applied {
        None if !ran => {}
        None => rows.push(Row::head("It has never been applied from here")),
        Some(run) => {
            let ago = age::ago(run.ended_at.unwrap_or(run.queued_at), app.now);
            rows.push(Row::head(format!("Since #{} applied it, {ago}", run.number)));
            if since.values.is_empty() && since.commits.is_empty() {
                rows.push(Row::text("  no value and no file of it changed", Meaning::Done));
            }
        }
    }
    for value in &since.values {
        let shown = |value: &Option<Value>| value.as_ref().map_or_else(|| "nothing".into(), text::value);
        let left = vec![
            piece("  ~ ", Meaning::Changed),
            piece(format!("{}: ", path_text(&value.path)), Meaning::Name),
            piece(shown(&value.before), Meaning::Removed),
            piece(" → ", Meaning::Dim),
            piece(shown(&value.after), Meaning::Added),
        ];
        let mut row = Row::of(left).at(value.source.clone()).copied(path_text(&value.path));
        if let Some(source) = &value.source {
            row = row.right(vec![piece(short_source(app, source), Meaning::Source)]);
        }
        if let Some(author) = &value.author {
            let when = value.time.map(|time| age::ago(time, app.now)).unwrap_or_default();
            row.below = vec![piece(format!("      by {author} {when}"), Meaning::Dim)];
        }
        rows.push(row);
    }
    for commit in &since.commits {
        let short = commit.id.get(..8).unwrap_or(&commit.id);
        let left = vec![piece(format!("  {short} "), Meaning::Accent), piece(commit.subject.clone(), Meaning::Text)];
        let right = vec![piece(format!("{}  {:>8}", commit.author, age::ago(commit.time, app.now)), Meaning::Dim)];
        rows.push(Row::of(left).right(right).copied(commit.id.clone()));
    }
    if since.other_commits > 0 {
        let others = text::count(since.other_commits as usize, "other commit");
        rows.push(Row::text(format!("  {others} that do not touch it"), Meaning::Dim));
    }
    rows.extend(since.notes.iter().map(|note| Row::text(format!("  {note}"), Meaning::Dim)));
    let others: Vec<&RunBrief> =
        since.lately.iter().filter(|run| run.component.as_deref() != Some(since.component.as_str())).collect();
    if !others.is_empty() {
        rows.extend([Row::blank(), Row::head("Lately in the same stack")]);
    }
    rows.extend(others.into_iter().map(|run| {
        let (mark, meaning) = state_mark(run.state);
        let what = run.component.as_deref().unwrap_or(&run.command);
        let left = vec![
            piece(format!("{mark} "), meaning),
            piece(format!("#{:<5}", run.number), Meaning::Strong),
            piece(format!("{:<9}{what}", kind_name(run.kind)), Meaning::Text),
        ];
        let right = vec![piece(format!("{}  {:>8}", run.actor, age::ago(run.queued_at, app.now)), Meaning::Dim)];
        Row::of(left).right(right).to(Go::Run(run.id)).copied(run.command.clone())
    }));
    rows
}
