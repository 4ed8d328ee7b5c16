//! The view of events: the live stream and the audit trail, each entry linked to what it is about.

use crate::domain::audit::AuditRecord;
use crate::domain::event::Event;
use crate::domain::id::RunRef;
use crate::tui::app::{App, Kept, View};
use crate::tui::theme::Meaning;
use crate::tui::widgets::age;
use crate::tui::widgets::list::{Cursor, Row, piece};
use crate::tui::widgets::text;

/// How many events of the stream are kept on the screen; the platform keeps all.
const KEPT: usize = 5_000;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// The stream.
    #[default]
    Live,
    /// The audit trail.
    Audit,
}

impl Tab {
    /// Both tabs.
    pub const ALL: [Tab; 2] = [Tab::Live, Tab::Audit];

    /// Returns the title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Tab::Live => "Live",
            Tab::Audit => "Audit",
        }
    }
}

/// What the view keeps.
#[derive(Debug, Default)]
pub struct Events {
    /// The events, newest first.
    pub live: Kept<Vec<Event>>,
    /// The audit records, newest first.
    pub audit: Kept<Vec<AuditRecord>>,
    /// Which of them is listed.
    pub tab: Tab,
    /// The places in that list that the filter leaves.
    pub shown: Vec<usize>,
    /// What they are filtered by.
    pub filter: String,
    /// The selection.
    pub cursor: Cursor,
    /// The identity of what is selected, unless it is the first: that follows the stream.
    pub selected: Option<String>,
    /// The place in the facts beside the list.
    pub detail: Cursor,
}

impl Events {
    /// Takes an event of the stream; one that is known already is left aside.
    pub fn put(&mut self, event: Event) {
        let live = self.live.value.get_or_insert_default();
        let number = |event: &Event| event.sequence.parse::<u64>().unwrap_or(0);
        let at = live.partition_point(|known| number(known) > number(&event));
        if live.get(at).is_some_and(|known| known.id == event.id) {
            return;
        }
        live.insert(at, event);
        live.truncate(KEPT);
    }

    /// Makes the rows anew and keeps the selection where it is.
    pub fn arrange(&mut self) {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let fits = |text: String| words.is_empty() || words.iter().all(|w| text.to_lowercase().contains(w));
        self.shown = match self.tab {
            Tab::Live => {
                let text = |e: &Event| format!("{} {} {}", e.event_type, e.subject, e.data);
                let list = self.live.items();
                (0..list.len()).filter(|i| words.is_empty() || fits(text(&list[*i]))).collect()
            }
            Tab::Audit => {
                let text = |r: &AuditRecord| format!("{} {} {} {}", r.actor, r.action, r.object, r.detail);
                let list = self.audit.items();
                (0..list.len()).filter(|i| words.is_empty() || fits(text(&list[*i]))).collect()
            }
        };
        if let Some(at) =
            self.selected.as_ref().and_then(|id| (0..self.shown.len()).find(|at| self.id(*at).as_ref() == Some(id)))
        {
            self.cursor.at = at;
        }
        self.cursor.at = self.cursor.at.min(self.shown.len().saturating_sub(1));
    }

    /// Returns the identity of what stands at a place.
    #[must_use]
    pub fn id(&self, at: usize) -> Option<String> {
        let index = *self.shown.get(at)?;
        match self.tab {
            Tab::Live => self.live.items().get(index).map(|e| e.id.clone()),
            Tab::Audit => self.audit.items().get(index).map(|r| r.sequence.to_string()),
        }
    }
}

impl App {
    /// Returns the run that the selected event or record is about.
    #[must_use]
    pub fn event_run(&self) -> Option<RunRef> {
        self.event_subject()?.strip_prefix("run/")?.split('/').next()?.parse().ok()
    }

    fn event_subject(&self) -> Option<&str> {
        if self.view != View::Events {
            return None;
        }
        let index = *self.events.shown.get(self.events.cursor.at)?;
        Some(match self.events.tab {
            Tab::Live => &self.events.live.items().get(index)?.subject,
            Tab::Audit => &self.events.audit.items().get(index)?.object,
        })
    }

    /// Returns the request that the selected event or record is about.
    #[must_use]
    pub fn event_request(&self) -> Option<u64> {
        self.event_subject()?.strip_prefix("request/")?.parse().ok()
    }
}

/// Names what an event is about: a run by its number and what it runs, where it is known.
fn subject_text(app: &App, subject: &str) -> String {
    let run = subject.strip_prefix("run/").and_then(|id| id.parse().ok()).and_then(|id| app.runs.named(id));
    match run {
        Some(run) => format!("#{} {}", run.number, crate::tui::panes::runs::subject(run)),
        None => subject.to_owned(),
    }
}

fn meaning_of(text: &str) -> (&'static str, Meaning) {
    let ends = |words: &[&str]| words.iter().any(|word| text.ends_with(word));
    if ends(&["failed", "refused", "denied", "rejected", "lost"]) {
        ("✗", Meaning::Failed)
    } else if ends(&["succeeded", "confirmed", "approved", "resolved", "no_changes"]) {
        ("✓", Meaning::Done)
    } else if ends(&["unknown"]) {
        ("?", Meaning::Unknown)
    } else if ends(&["awaiting_confirmation", "awaiting_approval"]) {
        ("⚠", Meaning::Accent)
    } else if ends(&["started", "running", "planning", "applying"]) {
        ("●", Meaning::Running)
    } else {
        ("·", Meaning::Dim)
    }
}

/// Returns a row of the list.
#[must_use]
pub fn row(app: &App, at: usize) -> Row {
    let Some(index) = app.events.shown.get(at) else { return Row::default() };
    match app.events.tab {
        Tab::Live => {
            let Some(event) = app.events.live.items().get(*index) else { return Row::default() };
            let name = event.event_type.strip_prefix("dev.terrace.").unwrap_or(&event.event_type);
            let state = event.data.get("state").and_then(|s| s.as_str()).unwrap_or_default();
            let (mark, meaning) = meaning_of(if state.is_empty() { name } else { state });
            let mut left = vec![
                piece(format!("{mark} "), meaning),
                piece(format!("{name}  "), Meaning::Text),
                piece(subject_text(app, &event.subject), Meaning::Strong),
            ];
            if !state.is_empty() {
                left.push(piece(format!("  {}", state.replace('_', " ")), meaning));
            }
            Row::of(left)
                .right(vec![piece(format!("{:>7}", age::ago(event.time, app.now)), Meaning::Dim)])
                .copied(event.command.clone())
        }
        Tab::Audit => {
            let Some(record) = app.events.audit.items().get(*index) else { return Row::default() };
            let (mark, meaning) = meaning_of(&record.action);
            Row::of(vec![
                piece(format!("{:>5} ", record.sequence), Meaning::Dim),
                piece(format!("{mark} "), meaning),
                piece(format!("{} ", record.actor), Meaning::Strong),
                piece(format!("{}  ", record.action), Meaning::Text),
                piece(subject_text(app, &record.object), Meaning::Dim),
            ])
            .right(vec![piece(format!("{:>7}", age::ago(record.time, app.now)), Meaning::Dim)])
            .copied(record.object.clone())
        }
    }
}

/// Returns everything that is known of the selected entry.
#[must_use]
pub fn detail_rows(app: &App) -> Vec<Row> {
    let Some(index) = app.events.shown.get(app.events.cursor.at) else { return Vec::new() };
    let value = match app.events.tab {
        Tab::Live => app.events.live.items().get(*index).and_then(|e| serde_json::to_value(e).ok()),
        Tab::Audit => app.events.audit.items().get(*index).and_then(|r| serde_json::to_value(r).ok()),
    };
    let mut rows = Vec::new();
    if let Some(value) = value {
        lay(&mut rows, &value, 0);
    }
    rows
}

fn lay(rows: &mut Vec<Row>, value: &serde_json::Value, depth: usize) {
    let Some(map) = value.as_object() else { return };
    for (name, value) in map {
        let indent = "  ".repeat(depth);
        match value {
            serde_json::Value::Object(inner) if !inner.is_empty() => {
                rows.push(Row::text(format!("{indent}{name}"), Meaning::Name));
                lay(rows, value, depth + 1);
            }
            value => rows.push(
                Row::of(vec![
                    piece(format!("{indent}{name}: "), Meaning::Name),
                    piece(text::value(value), Meaning::Value),
                ])
                .copied(text::value(value)),
            ),
        }
    }
}
