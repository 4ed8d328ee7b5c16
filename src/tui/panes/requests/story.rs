//! What was asked for and why, what was said, what happened when, and what came of it.

use jiff::Timestamp;

use crate::domain::golden_path::FileChange;
use crate::domain::request::Request;
use crate::domain::stack::Source;
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Row, piece};
use crate::tui::widgets::{age, text};

use super::columns::wrapped;

/// Returns what is asked for: the golden path or the instance, each input, and why.
#[must_use]
pub fn asked(request: &Request, columns: usize) -> Vec<Row> {
    let Some(wish) = request.wish() else { return Vec::new() };
    let what = match (&wish.golden_path, &wish.instance) {
        (Some(path), _) => path.clone(),
        (None, Some(instance)) => {
            let run = wish.run.map(|run| format!("{} ", crate::tui::panes::runs::kind_name(run))).unwrap_or_default();
            format!("{run}{instance}")
        }
        (None, None) => wish.kind.to_string(),
    };
    let mut rows = vec![Row::of(vec![piece("Asked for  ", Meaning::Strong), piece(what, Meaning::Text)])];
    if let Some(reason) = &wish.reason {
        rows.extend(wrapped("  why  ", reason, Meaning::Text, columns));
    }
    rows.extend(wish.inputs.iter().map(|(name, value)| {
        let value = text::value(value);
        Row::of(vec![piece(format!("  {name}: "), Meaning::Name), piece(value.clone(), Meaning::Value)]).copied(value)
    }));
    rows
}

/// Returns what was said.
#[must_use]
pub fn comments(app: &App, request: &Request, columns: usize) -> Vec<Row> {
    if request.comments.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![Row::head("Comments")];
    for comment in &request.comments {
        rows.push(Row::of(vec![
            piece(format!("  {}", comment.actor), Meaning::Name),
            piece(format!("  {}", age::ago(comment.at, app.now)), Meaning::Dim),
        ]));
        rows.extend(wrapped("    ", &comment.text, Meaning::Text, columns));
    }
    rows
}

/// Returns what happened when, the newest first.
#[must_use]
pub fn history(app: &App, request: &Request, columns: usize) -> Vec<Row> {
    let mut told: Vec<(Timestamp, &str, String, Meaning, Option<Go>)> = Vec::new();
    for (at, revision) in request.revisions.iter().enumerate() {
        let what = if at == 0 { "written".to_owned() } else { format!("revision {} written", at + 1) };
        told.push((revision.written_at, "✎", format!("{what} by {}", request.requester), Meaning::Text, None));
    }
    if let Some(at) = request.submitted_at {
        told.push((at, "→", "sent".into(), Meaning::Text, None));
    }
    if let Some(check) = &request.check {
        told.push((check.checked_at, "●", "planned, priced and judged".into(), Meaning::Text, None));
    }
    if let Some(at) = request.waiting_since {
        told.push((at, "⚠", "waits for approval".into(), Meaning::Text, None));
    }
    for decision in &request.decisions {
        let (mark, word, meaning) =
            if decision.approved { ("✓", "agreed", Meaning::Done) } else { ("✗", "refused", Meaning::Failed) };
        let own = if decision.self_attested { " (self-attested)" } else { "" };
        let why = decision.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        told.push((decision.at, mark, format!("{} {word}{own}{why}", decision.actor), meaning, None));
        if let Some(why) = &decision.voided {
            told.push((
                decision.at,
                "─",
                format!("{}'s word counts no more: {why}", decision.actor),
                Meaning::Warning,
                None,
            ));
        }
    }
    for run in request.runs.iter().filter_map(|id| app.runs.find(*id)) {
        let words = format!("run #{} {}", run.number, crate::tui::panes::runs::subject(run));
        told.push((run.queued_at, "▸", words, Meaning::Text, Some(Go::Run(run.id))));
    }
    if let Some(at) = request.ended_at {
        let (mark, meaning) = super::state_mark(request.state);
        let merged = request.merged.as_deref().map(|commit| format!(", merged as {}", text::clip(commit, 9)));
        told.push((
            at,
            mark,
            format!("{}{}", super::state_name(request.state), merged.unwrap_or_default()),
            meaning,
            None,
        ));
    }
    told.sort_by_key(|(at, ..)| *at);
    let mut rows = vec![Row::head("History")];
    for (at, mark, words, meaning, go) in told.into_iter().rev() {
        let lead = format!("  {:>7} {mark} ", age::ago(at, app.now));
        rows.extend(wrapped(&lead, &words, meaning, columns).into_iter().map(|row| Row { go: go.clone(), ..row }));
    }
    rows
}

/// Returns what the owner of something new needs to use it.
#[must_use]
pub fn outputs(request: &Request) -> Vec<Row> {
    if request.outputs.is_empty() {
        return Vec::new();
    }
    let mut rows = vec![Row::head("To use it")];
    for output in &request.outputs {
        let value = match (&output.read_it, &output.value) {
            (Some(how), _) => format!("sensitive; {how}"),
            (None, serde_json::Value::String(value)) => value.clone(),
            (None, value) => text::value(value),
        };
        let copy = output.read_it.clone().unwrap_or_else(|| value.clone());
        rows.push(
            Row::of(vec![
                piece(format!("  {}: ", output.name), Meaning::Name),
                piece(value, if output.sensitive { Meaning::Warning } else { Meaning::Value }),
            ])
            .right(vec![piece(output.instance.to_string(), Meaning::Dim)])
            .copied(copy),
        );
    }
    rows
}

/// Returns the difference of every file.
#[must_use]
pub fn files(changes: &[FileChange]) -> Vec<Row> {
    let mut rows = Vec::new();
    if !changes.is_empty() {
        rows.push(Row::head(format!("Files  {}", text::count(changes.len(), "file"))));
    }
    for change in changes {
        let place = Source { file: change.path.clone(), line: 1, column: 1 };
        for line in change.diff.lines() {
            let meaning = match line.chars().next() {
                Some('+') => Meaning::Added,
                Some('-') => Meaning::Removed,
                Some('@') => Meaning::Dim,
                _ => Meaning::Text,
            };
            rows.push(Row::text(format!("  {line}"), meaning).copied(line).at(Some(place.clone())));
        }
    }
    rows
}
