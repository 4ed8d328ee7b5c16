//! The line at the bottom: what works now, with which key; or what was just said.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::action::{Action, Place};
use crate::tui::app::App;
use crate::tui::keymap::write_sequence;
use crate::tui::layout::PORTRAIT;
use crate::tui::theme::Meaning;
use crate::tui::widgets::text;

/// The actions that show a view.
const VIEWS: [Action; 7] = [
    Action::ViewStacks,
    Action::ViewCatalog,
    Action::ViewRuns,
    Action::ViewRequests,
    Action::ViewBudgets,
    Action::ViewEvents,
    Action::ViewHealth,
];

/// Which actions are hinted at in a place, the most wanted first.
fn wanted(place: Place) -> &'static [(Action, &'static str)] {
    use Action::*;
    match place {
        Place::Stacks => &[
            (Plan, "plan"),
            (Apply, "apply"),
            (NewRequest, "ask for something new"),
            (Workflow, "workflow"),
            (Command, "command"),
            (Filter, "filter"),
            (Mark, "mark"),
            (Diff, "diff"),
            (AskChange, "ask for a change"),
            (AskRun, "ask for a run"),
            (Edit, "edit"),
            (Group, "group"),
            (NextTab, "tab"),
            (Copy, "copy"),
        ],
        Place::Catalog => &[
            (NewRequest, "ask for one"),
            (Filter, "filter"),
            (Group, "group"),
            (NextTab, "tab"),
            (Plan, "plan"),
            (Edit, "edit"),
            (NextPane, "other pane"),
            (Copy, "copy"),
        ],
        Place::Runs => &[
            (Confirm, "confirm"),
            (Resolve, "resolve"),
            (Cancel, "cancel"),
            (Apply, "apply"),
            (Retry, "retry"),
            (Filter, "filter"),
            (NextPane, "log"),
            (NextError, "next error"),
            (Follow, "follow"),
            (CopyCommand, "copy command"),
            (Save, "save"),
        ],
        Place::Log => &[
            (Confirm, "confirm"),
            (Cancel, "cancel"),
            (FindInLog, "search"),
            (NextMatch, "next"),
            (NextError, "next error"),
            (FilterLog, "only"),
            (Follow, "follow"),
            (Wrap, "wrap"),
            (Times, "times"),
            (NextStep, "step"),
            (Copy, "copy"),
            (Save, "save"),
            (Retry, "retry"),
        ],
        Place::Requests => &[
            (Approve, "approve"),
            (Reject, "reject"),
            (Submit, "send"),
            (SecondReview, "second look"),
            (Continue, "go on"),
            (Revert, "revert"),
            (Revise, "revise"),
            (Comment, "comment"),
            (RequestRun, "log"),
            (NewRequest, "new"),
            (Withdraw, "withdraw"),
            (BreakGlass, "break glass"),
            (Filter, "filter"),
            (NextPane, "page"),
            (CopyCommand, "copy command"),
        ],
        Place::Form => &[],
        Place::Budgets => &[
            (Open, "open"),
            (Unallocated, "unallocated"),
            (Savings, "to save"),
            (Accept, "accept"),
            (Dismiss, "dismiss"),
            (Snooze, "put off"),
            (AskBudget, "ask for more"),
            (Export, "export"),
            (Filter, "filter"),
            (CopyCommand, "copy command"),
        ],
        Place::Events => {
            &[(Open, "open the run"), (Filter, "filter"), (NextTab, "live/audit"), (CopyCommand, "copy command")]
        }
        Place::Anywhere => &[],
    }
}

/// Draws the line.
pub fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = &*app.theme;
    if let Some(notice) = &app.notice {
        let (mark, meaning) = if notice.failed { (" ✗ ", Meaning::Failed) } else { (" ", Meaning::Accent) };
        let line = Line::styled(format!("{mark}{}", notice.text), theme.style(meaning));
        frame.buffer_mut().set_line(area.x, area.y, &text::fit(line, area.width), area.width);
        return;
    }
    let place = app.place();
    let tail = [(Action::Palette, "palette"), (Action::Help, "help")];
    let hint = |action: Action, word: &str| -> Option<(String, String)> {
        Some((app.keymap.key(action, place)?, word.to_owned()))
    };
    let mut fixed: Vec<_> = tail.iter().filter_map(|(action, word)| hint(*action, word)).collect();
    if app.size.0 >= PORTRAIT {
        let keys: Vec<String> =
            VIEWS.iter().filter(|view| view.is_built()).filter_map(|view| app.keymap.key(*view, place)).collect();
        fixed.insert(0, (keys.join(" "), "views".to_owned()));
    }
    let mut room = usize::from(area.width).saturating_sub(1);
    room = room.saturating_sub(fixed.iter().map(|(k, w)| text::width(k) + w.len() + 3).sum());
    let mut shown = Vec::new();
    if !app.pressed.is_empty() {
        shown.push((write_sequence(&app.pressed), "…".to_owned()));
    }
    for (action, word) in wanted(place) {
        if action.enabled(app).is_err() {
            continue;
        }
        if let Some(hint) = hint(*action, word) {
            let wide = text::width(&hint.0) + hint.1.len() + 3;
            if wide > room {
                break;
            }
            room -= wide;
            shown.push(hint);
        }
    }
    shown.extend(fixed);
    let mut spans = vec![Span::raw(" ")];
    for (key, word) in shown {
        spans.push(Span::styled(key, theme.style(Meaning::Key)));
        spans.push(Span::styled(format!(" {word}  "), theme.style(Meaning::Dim)));
    }
    frame.buffer_mut().set_line(area.x, area.y, &Line::from(spans), area.width);
}
