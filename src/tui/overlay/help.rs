//! Help: what works here and with which key, computed from the live keymap and the table of actions.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::tui::action::{Action, Place};
use crate::tui::app::App;
use crate::tui::theme::Meaning;

use super::boxed;

/// Returns the lines of help: keys, description; a name of a place has no keys.
#[must_use]
pub fn lines(app: &App) -> Vec<(String, String)> {
    let here = app.place();
    let mut lines = Vec::new();
    for place in here.chain() {
        let own = Action::ALL.iter().filter(|a| a.is_built());
        let listed: Vec<_> = own
            .filter(|action| action.places().contains(place))
            .filter_map(|action| {
                let keys = app.keymap.keys(*action, here);
                (!keys.is_empty()).then(|| (keys.join("  "), action.about().to_owned()))
            })
            .collect();
        if listed.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push((String::new(), String::new()));
        }
        lines.push((String::new(), heading(*place).to_owned()));
        lines.extend(listed);
    }
    lines
}

fn heading(place: Place) -> &'static str {
    match place {
        Place::Anywhere => "Everywhere",
        Place::Stacks => "In stacks",
        Place::Catalog => "In the catalog",
        Place::Runs => "On a run",
        Place::Log => "In the log",
        Place::Requests => "On a request",
        Place::Form => "In a form",
        Place::Budgets => "In budgets",
        Place::Events => "In events",
    }
}

/// Draws help, scrolled by so many lines.
pub fn draw(app: &App, top: usize, frame: &mut Frame<'_>) {
    let lines = lines(app);
    let title = format!("Help: {}", app.view.title());
    let area = boxed(frame, 84, lines.len() as u16 + 4, &title, &app.theme, Meaning::BorderFocused);
    let room = usize::from(area.height).saturating_sub(1);
    let top = top.min(lines.len().saturating_sub(room));
    let wide = lines.iter().map(|(keys, _)| keys.chars().count()).max().unwrap_or(0).min(22);
    for (i, (keys, about)) in lines.iter().skip(top).take(room).enumerate() {
        let line = if keys.is_empty() {
            Line::styled(about.clone(), app.theme.style(Meaning::Strong))
        } else {
            Line::from(vec![
                Span::styled(format!("  {keys:<wide$}  "), app.theme.style(Meaning::Key)),
                Span::styled(about.clone(), app.theme.style(Meaning::Overlay)),
            ])
        };
        frame.buffer_mut().set_line(area.x, area.y + i as u16, &line, area.width);
    }
    if area.height > 0 {
        let more = if top + room < lines.len() { "↓ more · " } else { "" };
        let foot = Line::styled(format!("{more}esc closes · : finds any action"), app.theme.style(Meaning::Dim));
        frame.buffer_mut().set_line(area.x, area.bottom() - 1, &foot, area.width);
    }
}
