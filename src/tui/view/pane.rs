//! The two panes of a view.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::run::Run;
use crate::tui::action::{Action, Place};
use crate::tui::app::{App, Focus, Kept, Link, View};
use crate::tui::panes::{budgets, catalog, events, requests, runs, stacks};
use crate::tui::theme::Meaning;
use crate::tui::widgets::frame::{self as border, Top};
use crate::tui::widgets::list::{self, Piece, Row};
use crate::tui::widgets::{age, text};

/// Draws the list of the view.
pub fn list(app: &App, frame: &mut Frame<'_>, area: Rect) {
    if area.area() == 0 {
        return;
    }
    let focused = app.focus == Focus::List;
    let theme = &*app.theme;
    let (top, filter, at, trouble) = match app.view {
        View::Stacks => {
            let title = Top::Title(app.stacks.grouping.title().into());
            (title, &app.stacks.filter, app.instances.at, app.instances.trouble.as_ref())
        }
        View::Catalog => {
            let title = Top::Title(format!("Services by {}", app.catalog.grouping.name()));
            (title, &app.catalog.filter, app.catalog.list.at, app.catalog.list.trouble.as_ref())
        }
        View::Runs => (Top::Title("Runs".into()), &app.runs.filter, app.runs.list.at, app.runs.list.trouble.as_ref()),
        View::Requests => {
            let title = Top::Title("Requests".into());
            (title, &app.requests.filter, app.requests.list.at, app.requests.list.trouble.as_ref())
        }
        View::Budgets => {
            let title = Top::Title(budgets::title(app));
            (title, &app.budgets.filter, app.budgets.list.at, app.budgets.list.trouble.as_ref())
        }
        View::Events => {
            let tab = app.events.tab as usize;
            let top = Top::Tabs(events::Tab::ALL.iter().map(|t| t.title()).collect(), tab);
            let kept = match app.events.tab {
                events::Tab::Live => (app.events.live.at, app.events.live.trouble.as_ref()),
                events::Tab::Audit => (app.events.audit.at, app.events.audit.trouble.as_ref()),
            };
            (top, &app.events.filter, kept.0, kept.1)
        }
    };
    let mut side = String::new();
    if !filter.is_empty() {
        side = format!("/{filter}");
    } else if let Some(at) = at.filter(|_| app.link != Link::Live) {
        side = format!("as of {}", age::ago(at, app.now));
    }
    let inner = border::draw(frame, area, &top, &side, focused, theme);
    let len = match app.view {
        View::Stacks => app.stacks.tree.rows().len(),
        View::Catalog => app.catalog.items.len(),
        View::Runs => app.runs.items.len(),
        View::Requests => app.requests.items.len(),
        View::Budgets => app.budgets.items.len(),
        View::Events => app.events.shown.len(),
    };
    if len == 0 {
        let lines = nothing(app, at.is_some(), !filter.is_empty(), trouble);
        border::empty(frame, inner, &lines, theme);
        return;
    }
    match app.view {
        View::Stacks => {
            let cursor = Some(app.stacks.cursor);
            list::draw(frame, inner, len, cursor, focused, theme, |i| stacks::tree_row(app, i));
        }
        View::Catalog => {
            let cursor = Some(app.catalog.cursor);
            list::draw(frame, inner, len, cursor, focused, theme, |i| catalog::row(app, i));
        }
        View::Runs => {
            let cursor = Some(app.runs.cursor);
            list::draw(frame, inner, len, cursor, focused, theme, |i| runs::list::row(app, i));
        }
        View::Requests => {
            let cursor = Some(app.requests.cursor);
            list::draw(frame, inner, len, cursor, focused, theme, |i| requests::row(app, i));
        }
        View::Budgets => {
            let cursor = Some(app.budgets.cursor);
            let room = inner.width.saturating_sub(1);
            list::draw(frame, inner, len, cursor, focused, theme, budgets::rows(app, room));
        }
        View::Events => {
            let cursor = Some(app.events.cursor);
            list::draw(frame, inner, len, cursor, focused, theme, |i| events::row(app, i));
        }
    }
}

/// Says why a list is empty, and what to do about it.
fn nothing(
    app: &App,
    came: bool,
    filtered: bool,
    trouble: Option<&crate::tui::message::Trouble>,
) -> Vec<(String, Meaning)> {
    if filtered && came {
        return vec![("Nothing fits the filter.".into(), Meaning::Text), ("esc shows everything".into(), Meaning::Dim)];
    }
    if let Some(trouble) = trouble {
        let hint = trouble.hint.clone().unwrap_or_default();
        return vec![(trouble.message.clone(), Meaning::Failed), (hint, Meaning::Text)];
    }
    if !came {
        return match &app.link {
            Link::Lost { trouble, .. } => {
                let hint = trouble.hint.clone().unwrap_or_else(|| "It is tried again by itself.".into());
                vec![(trouble.message.clone(), Meaning::Failed), (hint, Meaning::Dim)]
            }
            Link::Connecting => vec![("Connecting to the platform …".into(), Meaning::Dim)],
            Link::Live => vec![("Reading …".into(), Meaning::Dim)],
        };
    }
    let (what, next) = match app.view {
        View::Stacks => ("This estate has no stacks.", "! lists what is wrong with it"),
        View::Catalog => ("This estate has no components.", ""),
        View::Runs => ("Nothing has run yet.", "1, select an instance, p plans it"),
        View::Requests if app.requests.paths.items().is_empty() => {
            ("Nothing was asked for yet.", "golden paths, by which one asks, stand in platform/golden-paths")
        }
        View::Requests => {
            let key = app.keymap.key(Action::NewRequest, Place::Requests).unwrap_or_else(|| ":".into());
            let next = format!("{key} asks for something, by a golden path");
            return vec![("Nothing was asked for yet.".into(), Meaning::Text), (next, Meaning::Dim)];
        }
        View::Budgets => ("There are no budgets.", "they stand in platform/teams.yaml, below their team"),
        View::Events => ("Nothing has happened yet.", ""),
    };
    vec![(what.into(), Meaning::Text), (next.into(), Meaning::Dim)]
}

/// Draws what stands beside the list.
pub fn detail(app: &App, frame: &mut Frame<'_>, area: Rect) {
    if area.area() == 0 {
        return;
    }
    if app.view == View::Runs {
        run_pane(app, frame, area);
        return;
    }
    let focused = app.focus == Focus::Detail;
    let theme = &*app.theme;
    let (top, side) = match app.view {
        View::Stacks => {
            let tabs = stacks::Tab::ALL.iter().map(|t| t.title()).collect();
            (Top::Tabs(tabs, app.stacks.tab as usize), stacks_side(app))
        }
        View::Catalog => {
            let tabs = catalog::Tab::ALL.iter().map(|t| t.title()).collect();
            (Top::Tabs(tabs, app.catalog.tab as usize), String::new())
        }
        View::Requests => match app.requests.current() {
            Some(request) => (Top::Title(requests::title(request)), String::new()),
            None => (Top::Title("Request".into()), String::new()),
        },
        _ => (Top::Title("Facts".into()), String::new()),
    };
    let inner = border::draw(frame, area, &top, &side, focused, theme);
    let rows = app.detail_rows(inner.width);
    if rows.is_empty() {
        border::empty(frame, inner, &no_detail(app), theme);
        return;
    }
    let footer = detail_footer(app, &rows, focused);
    let foot = u16::from(!footer.is_empty() && inner.height > 4) * 2;
    let space = Rect { height: inner.height - foot, ..inner };
    let cursor = Some(app.detail_cursor());
    list::draw(frame, space, rows.len(), cursor, focused, theme, |i| rows[i].clone());
    if foot > 0 {
        pieces(app, frame, Rect { x: inner.x + 1, y: inner.bottom() - 1, width: inner.width - 1, height: 1 }, &footer);
    }
}

fn stacks_side(app: &App) -> String {
    if app.stacks.tab == stacks::Tab::Config && !app.stacks.leaf_filter.is_empty() {
        return format!("/{}", app.stacks.leaf_filter);
    }
    let Some(kept) = app.explanation() else { return String::new() };
    match (&kept.trouble, kept.at) {
        (Some(_), _) => "could not be asked again".into(),
        (None, Some(at)) if age::seconds(at, app.now) >= 5 || app.link != Link::Live => {
            format!("as of {}", age::ago(at, app.now))
        }
        _ => String::new(),
    }
}

fn detail_footer(app: &App, rows: &[Row], focused: bool) -> Vec<Piece> {
    if app.view != View::Stacks || app.stacks.tab != stacks::Tab::Config || !focused {
        return Vec::new();
    }
    rows.get(app.detail_cursor().at).map(|row| stacks::config::footer(app, row)).unwrap_or_default()
}

/// Says why there is nothing beside the list.
fn no_detail(app: &App) -> Vec<(String, Meaning)> {
    let text = |text: &str| vec![(text.to_owned(), Meaning::Dim)];
    if app.view != View::Stacks {
        return Vec::new();
    }
    if let Some(Kept { trouble: Some(trouble), value: None, .. }) = app.explanation() {
        let hint = trouble.hint.clone().unwrap_or_default();
        return vec![(trouble.message.clone(), Meaning::Failed), (hint, Meaning::Text)];
    }
    if app.node().is_none() {
        return Vec::new();
    }
    match app.stacks.tab {
        stacks::Tab::Diff => match &app.stacks.comparison {
            Some(comparison) => match &comparison.entries.trouble {
                Some(trouble) => vec![
                    (trouble.message.clone(), Meaning::Failed),
                    (trouble.hint.clone().unwrap_or_default(), Meaning::Text),
                ],
                None => text("Comparing …"),
            },
            None => vec![
                ("Nothing is compared yet.".into(), Meaning::Text),
                ("space marks one, D compares it with the other; R compares with a Git ref".into(), Meaning::Dim),
            ],
        },
        stacks::Tab::Runs => match app.tree_instance() {
            Some(_) => vec![("It has not run yet.".into(), Meaning::Text), ("p plans it".into(), Meaning::Dim)],
            None => text("Select an instance to see its runs."),
        },
        stacks::Tab::Cost | stacks::Tab::Findings if app.tree_instance().is_some() => vec![
            ("It was not planned from here.".into(), Meaning::Text),
            ("p plans it, and shows its price and what policy says".into(), Meaning::Dim),
        ],
        stacks::Tab::Cost | stacks::Tab::Findings | stacks::Tab::Deps | stacks::Tab::Sources
            if app.tree_instance().is_none() =>
        {
            text("Select an instance.")
        }
        stacks::Tab::Imports if app.tree_file().is_none() => text("Select a stack, an instance or a file."),
        _ if !app.stacks.leaf_filter.is_empty() => text("Nothing fits the filter."),
        _ => text("Reading …"),
    }
}

fn pieces(app: &App, frame: &mut Frame<'_>, area: Rect, pieces: &[Piece]) {
    let spans = pieces.iter().map(|p| Span::styled(p.text.clone(), app.theme.style(p.meaning)));
    let line = text::fit(Line::from(spans.collect::<Vec<_>>()), area.width);
    frame.buffer_mut().set_line(area.x, area.y, &line, area.width);
}

/// Returns how many lines above the log tell of the run, on a pane of so many lines inside.
#[must_use]
pub fn head_lines(app: &App, run: &Run, inside: u16) -> u16 {
    runs::head::above(app, run, usize::from(inside / 3).max(1)).len() as u16
}

/// Returns the space that the log has inside its pane.
#[must_use]
pub fn log_area(app: &App, run: &Run, inner: Rect) -> Rect {
    let above = head_lines(app, run, inner.height) + 1;
    Rect { y: inner.y + above.min(inner.height), height: inner.height.saturating_sub(above + 2), ..inner }
}

fn run_pane(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let focused = app.focus == Focus::Detail;
    let theme = &*app.theme;
    let Some(run) = app.run() else {
        let inner = border::draw(frame, area, &Top::Title("Log".into()), "", focused, theme);
        let rows = runs::list::set_rows(app);
        list::draw(frame, inner, rows.len(), None, false, theme, |i| rows[i].clone());
        return;
    };
    let side = runs::head::side(app);
    let inner = border::draw(frame, area, &Top::Title(runs::head::title(run)), &side, focused, theme);
    let log = log_area(app, run, inner);
    let above = runs::head::above(app, run, usize::from(log.y - inner.y).saturating_sub(1));
    for (i, line) in above.iter().enumerate() {
        pieces(app, frame, Rect { x: inner.x + 1, y: inner.y + i as u16, width: inner.width - 1, height: 1 }, line);
    }
    let rule = "─".repeat(usize::from(inner.width));
    if log.y > inner.y {
        frame.buffer_mut().set_string(inner.x, log.y - 1, &rule, theme.style(Meaning::Border));
    }
    if app.runs.log.is_empty() {
        let what = match (&app.runs.log.filter, &app.runs.log.trouble) {
            (Some(_), _) => "No line fits.",
            (_, Some(trouble)) => &trouble.message,
            _ if app.runs.log.ended || run.ended_at.is_some() => "It wrote nothing.",
            _ => "No output yet.",
        };
        border::empty(frame, log, &[(what.to_owned(), Meaning::Dim)], theme);
    } else {
        runs::log::draw(frame, log, app, focused);
    }
    if log.bottom() + 1 < area.bottom() {
        frame.buffer_mut().set_string(inner.x, log.bottom(), &rule, theme.style(Meaning::Border));
        let below = runs::head::below(app, run);
        pieces(app, frame, Rect { x: inner.x + 1, y: log.bottom() + 1, width: inner.width - 1, height: 1 }, &below);
    }
}

impl App {
    /// Returns the rows of the tab that is shown beside the list, for a pane of this width inside.
    #[must_use]
    pub fn detail_rows(&self, width: u16) -> Vec<Row> {
        match self.view {
            View::Stacks => stacks::detail_rows(self, width),
            View::Catalog => catalog::detail::rows(self, width),
            View::Runs => Vec::new(),
            View::Requests => requests::page::rows(self, width),
            View::Budgets => budgets::detail_rows(self),
            View::Events => events::detail_rows(self),
        }
    }

    /// Returns the selection beside the list.
    #[must_use]
    pub fn detail_cursor(&self) -> list::Cursor {
        match self.view {
            View::Stacks => self.stacks.details[self.stacks.tab as usize],
            View::Catalog => self.catalog.details[self.catalog.tab as usize],
            View::Runs => list::Cursor::default(),
            View::Requests => self.requests.detail,
            View::Budgets => self.budgets.detail,
            View::Events => self.events.detail,
        }
    }

    /// Returns the selected row beside the list.
    #[must_use]
    pub fn detail_row(&self) -> Option<Row> {
        let width = crate::tui::layout::panes(self).map_or(80, |panes| panes.detail.width.saturating_sub(2));
        self.detail_rows(width).into_iter().nth(self.detail_cursor().at)
    }
}
