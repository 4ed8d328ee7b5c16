//! The view of requests: what waits for whoever looks, then everything that was asked for, and a page about each.
//!
//! Owns what is shown. Who may decide is for the platform to say: what stands under "Waiting for me" is what it will
//! most likely take a word on, and a refusal of its is shown as it comes.

pub mod columns;
pub mod money;
pub mod page;
pub mod plan;
pub mod story;
pub mod verdict;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::types::{Deciding, InboxCause, InboxItem};
use crate::domain::golden_path::GoldenPath;
use crate::domain::id::{Digest, RunId};
use crate::domain::request::{Request, RequestState};
use crate::domain::scan::ScanFinding;
use crate::domain::team::Team;
use crate::tui::app::{App, Kept};
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Cursor, Row, piece};
use crate::tui::widgets::{age, text};

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The name of a part of the list.
    Head(&'static str),
    /// A request, by its place in the answer.
    Request(usize),
}

/// What the view keeps.
#[derive(Debug, Default)]
pub struct Requests {
    /// The requests, newest first.
    pub list: Kept<Vec<Request>>,
    /// The rows.
    pub items: Vec<Item>,
    /// What they are filtered by.
    pub filter: String,
    /// The selection.
    pub cursor: Cursor,
    /// The number of the selected request.
    pub selected: Option<u64>,
    /// Whether somebody selected it; else the first one is, once it is known what waits.
    pub chosen: bool,
    /// The place in the page beside the list.
    pub detail: Cursor,
    /// What can be asked for.
    pub paths: Kept<Vec<GoldenPath>>,
    /// The teams, for who decides.
    pub teams: Kept<Vec<Team>>,
    /// What scanners found about a run that planned for a request.
    pub findings: BTreeMap<RunId, Kept<Vec<ScanFinding>>>,
    /// The run whose findings were asked for and have not come.
    pub asked: Option<RunId>,
    /// What waits for whoever looks, the most urgent first.
    pub inbox: Kept<Vec<InboxItem>>,
    /// How a request stands towards whoever looks: of the one that was asked about last.
    pub deciding: Option<(u64, Kept<Box<Deciding>>)>,
    /// Whether that was asked and has not come.
    pub asked_deciding: bool,
    /// Since when the selected request is looked at, and as what, so that what differs later can be said.
    pub looking: Option<(u64, Digest, Timestamp)>,
}

impl Requests {
    /// Takes one request; an older version than the one known is left aside.
    pub fn put(&mut self, request: Request) {
        let list = self.list.value.get_or_insert_default();
        match list.iter().position(|known| known.number == request.number) {
            Some(at) if list[at].version <= request.version => list[at] = request,
            Some(_) => {}
            None => {
                let at = list.partition_point(|known| known.number > request.number);
                list.insert(at, request);
            }
        }
    }

    /// Makes the rows anew and keeps the selection where it is.
    pub fn arrange(&mut self) {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let fits = |request: &Request| {
            let text = || {
                let (number, kind, state) = (request.number, request.kind, state_name(request.state));
                format!("#{number} {kind} {state} {} {}", request.requester, request.title).to_lowercase()
            };
            words.is_empty() || words.iter().all(|word| text().contains(word))
        };
        let list = self.list.items();
        let (mut mine, others): (Vec<usize>, Vec<usize>) =
            (0..list.len()).filter(|at| fits(&list[*at])).partition(|at| self.waits(&list[*at]));
        // As urgent as the platform says.
        mine.sort_by_key(|at| self.inbox.items().iter().position(|item| item.request.number == list[*at].number));
        let mut items = Vec::new();
        for (name, part) in [("Waiting for me", mine), ("All", others)] {
            if !part.is_empty() {
                items.push(Item::Head(name));
                items.extend(part.into_iter().map(Item::Request));
            }
        }
        self.items = items;
        let number = |item: &Item| match item {
            Item::Request(at) => self.list.items().get(*at).map(|request| request.number),
            Item::Head(_) => None,
        };
        let same = |item: &Item| self.selected.is_some() && number(item) == self.selected;
        let first = || self.items.iter().position(|item| matches!(item, Item::Request(_)));
        let at = self.items.iter().position(same).or_else(first).unwrap_or(0);
        let found = self.items.get(at).and_then(number);
        if found != self.selected {
            self.selected = found;
            self.detail = Cursor::default();
        }
        self.cursor.at = at;
    }

    /// Returns the selected request.
    #[must_use]
    pub fn current(&self) -> Option<&Request> {
        match self.items.get(self.cursor.at)? {
            Item::Request(at) => self.list.items().get(*at),
            Item::Head(_) => None,
        }
    }

    /// Tells whether a request waits for whoever looks: for their word, a second look, or a new revision of their own.
    #[must_use]
    pub fn waits(&self, request: &Request) -> bool {
        self.inbox.items().iter().any(|item| item.request.number == request.number && item.cause != InboxCause::Waiting)
    }

    /// Returns how the selected request stands towards whoever looks, where that is known of what it is now.
    #[must_use]
    pub fn deciding(&self) -> Option<&Deciding> {
        let request = self.current()?;
        let kept = self.deciding.as_ref().filter(|(number, _)| *number == request.number)?;
        kept.1.value.as_deref().filter(|deciding| deciding.version == request.version)
    }

    /// Returns how many wait for whoever looks.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.inbox.items().iter().filter(|item| item.cause != InboxCause::Waiting).count()
    }

    /// Returns the golden paths that provision a service.
    pub fn paths_of(&self, service: &str) -> impl Iterator<Item = (usize, &GoldenPath)> {
        let of = move |path: &GoldenPath| path.service.as_deref() == Some(service);
        self.paths.items().iter().enumerate().filter(move |(_, path)| of(path))
    }
}

/// Returns the shape and the meaning of a state.
#[must_use]
pub fn state_mark(state: RequestState) -> (&'static str, Meaning) {
    use RequestState as State;
    match state {
        State::Draft => ("✎", Meaning::Idle),
        State::Submitted | State::Checking | State::Approved | State::Executing => ("●", Meaning::Running),
        State::PendingApproval => ("⚠", Meaning::Accent),
        State::NeedsChanges | State::PartiallyApplied => ("⚠", Meaning::Warning),
        State::Fulfilled => ("✓", Meaning::Done),
        State::Rejected | State::Failed => ("✗", Meaning::Failed),
        State::Withdrawn | State::Expired | State::Reverted => ("─", Meaning::Idle),
    }
}

/// Writes a state for people.
#[must_use]
pub fn state_name(state: RequestState) -> &'static str {
    use RequestState as State;
    match state {
        State::Draft => "draft",
        State::Submitted => "sent",
        State::Checking => "being checked",
        State::PendingApproval => "waits for approval",
        State::Approved => "approved",
        State::Executing => "being carried out",
        State::Fulfilled => "fulfilled",
        State::PartiallyApplied => "partially applied",
        State::NeedsChanges => "needs changes",
        State::Rejected => "rejected",
        State::Withdrawn => "withdrawn",
        State::Expired => "expired",
        State::Failed => "failed",
        State::Reverted => "reverted",
    }
}

/// Returns a row of the list.
#[must_use]
pub fn row(app: &App, at: usize) -> Row {
    let requests = &app.requests;
    let request = match requests.items.get(at) {
        Some(Item::Head(name)) => return Row::head(*name),
        Some(Item::Request(index)) => requests.list.items().get(*index),
        None => None,
    };
    let Some(request) = request else { return Row::default() };
    let (mark, meaning) = state_mark(request.state);
    let price = request.check.as_ref().and_then(|check| check.price.as_ref());
    let destroys = request.check.iter().flat_map(|check| &check.plans).map(|plan| plan.summary.destroy).sum::<u32>();
    let mut right = Vec::new();
    if destroys > 0 && !request.state.is_final() {
        right.push(piece(format!("-{destroys} ⚠"), Meaning::Removed));
    }
    let since = request.ended_at.or(request.waiting_since).or(request.submitted_at);
    let since = since.or_else(|| request.revisions.last().map(|revision| revision.written_at));
    let mut row = Row::of(vec![
        piece(format!("{mark} "), meaning),
        piece(format!("#{} ", request.number), Meaning::Dim),
        piece(request.title.clone(), Meaning::Strong),
    ])
    .right(right)
    .copied(format!("request/{}", request.number));
    let when = since.map(|since| format!(" · {}", age::ago(since, app.now))).unwrap_or_default();
    row.below = vec![piece("  ", Meaning::Text)];
    // While it waits its price says most; afterwards what became of it.
    let price = price.map(|price| money::delta(&price.delta)).filter(|_| !request.state.is_final());
    row.below.extend(price.map(|price| piece(format!("{price} · "), Meaning::Value)));
    row.below.push(piece(state_name(request.state), meaning));
    row.below.push(piece(format!(" · {}{when}", request.requester), Meaning::Dim));
    row
}

/// Returns how many lines a row takes.
#[must_use]
pub fn height(app: &App, at: usize) -> usize {
    if matches!(app.requests.items.get(at), Some(Item::Request(_))) { 2 } else { 1 }
}

/// Returns what stands on the frame of a page.
#[must_use]
pub fn title(request: &Request) -> String {
    let revision = if request.revision() > 1 { format!(" · rev {}", request.revision()) } else { String::new() };
    format!("#{} {} · {}{revision}", request.number, request.kind, text::clip(&request.title, 60))
}

#[cfg(test)]
mod tests;
