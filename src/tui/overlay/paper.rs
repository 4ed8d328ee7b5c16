//! A text to read and scroll, over a view: what lines a request would change.

use ratatui::Frame;
use ratatui::text::Line;

use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{self, Cursor, Row};

use super::boxed;

/// A text to read.
#[derive(Debug)]
pub struct Paper {
    /// What it is.
    pub title: String,
    /// Its lines.
    pub rows: Vec<Row>,
    /// What part of it is shown.
    pub cursor: Cursor,
}

impl Paper {
    /// Returns how many lines fit on a screen of this height.
    #[must_use]
    pub fn room(screen: u16) -> usize {
        usize::from(screen.saturating_sub(6)).max(1)
    }
}

/// Draws the text.
pub fn draw(app: &App, paper: &Paper, frame: &mut Frame<'_>) {
    let screen = frame.area();
    let theme = &*app.theme;
    let area = boxed(frame, screen.width, screen.height, &paper.title, theme, Meaning::BorderFocused);
    if area.height < 2 {
        return;
    }
    let space = ratatui::layout::Rect { height: area.height - 1, ..area };
    list::draw(frame, space, paper.rows.len(), Some(paper.cursor), true, theme, |i| paper.rows[i].clone());
    let foot = Line::styled("↑ ↓ scroll · esc closes", theme.style(Meaning::Dim));
    frame.buffer_mut().set_line(area.x, area.bottom() - 1, &foot, area.width);
}
