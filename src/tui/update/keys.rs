//! Keys: the one on top has them, an overlay or the view's keymap.

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::tui::app::App;
use crate::tui::keymap::{Found, combination};
use crate::tui::message::Effect;
use crate::tui::overlay::Overlay;

use super::{act, overlay};

/// Takes a key.
pub(super) fn key(app: &mut App, event: KeyEvent) -> Vec<Effect> {
    if event.kind == KeyEventKind::Release {
        return Vec::new();
    }
    app.notice = None;
    if !app.overlays.is_empty() {
        return overlay::key(app, event);
    }
    let key = combination(event);
    app.pressed.push(key);
    let place = app.place();
    let mut found = app.keymap.find(place, &app.pressed);
    if found == Found::Nothing && app.pressed.len() > 1 {
        // The sequence led nowhere: the last key stands for itself.
        app.pressed = vec![key];
        found = app.keymap.find(place, &app.pressed);
    }
    match found {
        Found::Prefix => Vec::new(),
        Found::Action(action) => {
            app.pressed.clear();
            act::act(app, action)
        }
        Found::Nothing => {
            app.pressed.clear();
            Vec::new()
        }
    }
}

/// Takes pasted text: only where something is typed; never as keys.
pub(super) fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    match app.overlays.last_mut() {
        Some(Overlay::Prompt(prompt)) => {
            let text = if prompt.kind.tall() { text.to_owned() } else { text.lines().next().unwrap_or("").to_owned() };
            prompt.area.insert_str(text);
            overlay::typed(app)
        }
        Some(Overlay::Picker(picker)) => {
            picker.input.push_str(text.lines().next().unwrap_or(""));
            overlay::narrowed(app)
        }
        Some(Overlay::Form(_)) => super::form::paste(app, text),
        _ => Vec::new(),
    }
}
