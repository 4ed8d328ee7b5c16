//! `update`: a message comes in, the state changes, effects go out. Nothing here reads a clock, a file or a socket.

mod act;
mod answers;
mod asking;
mod form;
mod keys;
mod navigate;
mod overlay;
mod requests;
mod settle;
mod start;

use crossterm::event::{MouseEvent, MouseEventKind};

pub(crate) use requests::newest_run;

use super::action::Action;
use super::app::{App, Focus, View};
use super::layout;
use super::message::{Answer, Effect, Message};

/// Changes the state by one message and returns what is wanted from outside.
pub fn update(app: &mut App, message: Message) -> Vec<Effect> {
    // A log that goes on behind another view moves nothing that is shown.
    let unseen =
        matches!(&message, Message::Answer(answer) if matches!(**answer, Answer::Log { .. })) && app.view != View::Runs;
    let before = app.view;
    let mut effects = match message {
        Message::Key(event) => keys::key(app, event),
        Message::Paste(text) => keys::paste(app, &text),
        Message::Mouse(event) => mouse(app, event),
        Message::Resize(width, height) => {
            app.size = (width, height);
            Vec::new()
        }
        Message::Do(action) => act::act(app, action),
        Message::Tick(now) => {
            app.now = now;
            answers::tick(app)
        }
        Message::Continue => Vec::new(),
        Message::Rested { serial, plan } => form::rested(app, serial, plan),
        Message::Answer(answer) => answers::take(app, *answer),
    };
    if !unseen {
        settle::settle(app, &mut effects);
    }
    // Smaller things wait for the next second; where one is must outlive a kill right after it.
    if app.view != before {
        answers::remember(app, &mut effects);
    }
    effects
}

/// The wheel scrolls the pane below it, a click selects the row.
fn mouse(app: &mut App, event: MouseEvent) -> Vec<Effect> {
    if !app.overlays.is_empty() {
        return Vec::new();
    }
    let Some(panes) = layout::panes(app) else { return Vec::new() };
    let here = ratatui::layout::Position { x: event.column, y: event.row };
    let pane = if panes.list.contains(here) {
        Focus::List
    } else if panes.detail.contains(here) {
        Focus::Detail
    } else {
        return Vec::new();
    };
    match event.kind {
        MouseEventKind::ScrollUp | MouseEventKind::ScrollDown => {
            app.focus = pane;
            let by = if event.kind == MouseEventKind::ScrollUp { -3 } else { 3 };
            navigate::step(app, by);
            Vec::new()
        }
        MouseEventKind::Down(_) => {
            let again = app.focus == pane && navigate::click(app, pane, event.row);
            app.focus = pane;
            navigate::click(app, pane, event.row);
            if again { act::act(app, Action::Open) } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
