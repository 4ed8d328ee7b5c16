//! A list of rows of which only those on the screen are made.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::id::RunId;
use crate::domain::stack::Source;
use crate::tui::message::InstanceKey;
use crate::tui::theme::{Meaning, Theme};

use super::text;

/// Some text with a look.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The text; control characters never reach the terminal.
    pub text: String,
    /// What it means.
    pub meaning: Meaning,
    /// A look of its own, such as that of highlighted code.
    pub style: Option<Style>,
}

/// Makes a piece.
#[must_use]
pub fn piece(text: impl Into<String>, meaning: Meaning) -> Piece {
    Piece { text: text.into(), meaning, style: None }
}

/// Where a row leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Go {
    /// To an instance.
    Instance(InstanceKey),
    /// To a run.
    Run(RunId),
    /// To a file of the estate, in the import graph.
    File(String),
    /// To a service.
    Service(String),
}

/// A row of a pane.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// What stands on the left.
    pub left: Vec<Piece>,
    /// What stands on the right, and gives way.
    pub right: Vec<Piece>,
    /// A second line, where there is something to say.
    pub below: Vec<Piece>,
    /// The column where `right` begins, so that sources stand below each other; flush right without.
    pub right_at: Option<u16>,
    /// The line of a file that it stands for.
    pub source: Option<Source>,
    /// What copying it gives; its text without.
    pub copy: Option<String>,
    /// Where it leads.
    pub go: Option<Go>,
    /// Whether it is a heading, which the selection passes over.
    pub heading: bool,
}

impl Row {
    /// Makes a row of pieces.
    #[must_use]
    pub fn of(left: Vec<Piece>) -> Self {
        Row { left, ..Row::default() }
    }

    /// Makes a row of one piece.
    #[must_use]
    pub fn text(text: impl Into<String>, meaning: Meaning) -> Self {
        Row::of(vec![piece(text, meaning)])
    }

    /// Makes an empty row.
    #[must_use]
    pub fn blank() -> Self {
        Row { heading: true, ..Row::default() }
    }

    /// Makes a heading.
    #[must_use]
    pub fn head(text: impl Into<String>) -> Self {
        Row { heading: true, ..Row::text(text, Meaning::Strong) }
    }

    /// Sets what stands on the right.
    #[must_use]
    pub fn right(mut self, right: Vec<Piece>) -> Self {
        self.right = right;
        self
    }

    /// Sets the line it stands for.
    #[must_use]
    pub fn at(mut self, source: Option<Source>) -> Self {
        self.source = source;
        self
    }

    /// Sets where it leads.
    #[must_use]
    pub fn to(mut self, go: Go) -> Self {
        self.go = Some(go);
        self
    }

    /// Sets what copying it gives.
    #[must_use]
    pub fn copied(mut self, copy: impl Into<String>) -> Self {
        self.copy = Some(copy.into());
        self
    }

    /// Returns its text, for copies and filters.
    #[must_use]
    pub fn plain(&self) -> String {
        self.left.iter().map(|p| p.text.as_str()).collect()
    }

    fn height(&self) -> usize {
        1 + usize::from(!self.below.is_empty())
    }
}

/// A selection in a list, and what part of the list is on the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The selected row.
    pub at: usize,
    /// The first row on the screen.
    pub top: usize,
}

impl Cursor {
    /// Moves by so many rows, within a list of `len`.
    pub fn step(&mut self, by: isize, len: usize) {
        self.at = self.at.saturating_add_signed(by).min(len.saturating_sub(1));
    }

    /// Scrolls so far that the selected row is on the screen; rows are `height` of them high.
    pub fn reveal(&mut self, len: usize, lines: usize, height: impl Fn(usize) -> usize) {
        self.at = self.at.min(len.saturating_sub(1));
        self.top = self.top.min(self.at);
        // A jump far down: what lies between need not be measured.
        self.top = self.top.max((self.at + 1).saturating_sub(lines.max(1)));
        while self.top < self.at && (self.top..=self.at).map(&height).sum::<usize>() > lines.max(1) {
            self.top += 1;
        }
        // No empty space below the end while rows are hidden above.
        while self.top > 0 && (self.top - 1..len).take(lines + 1).map(&height).sum::<usize>() <= lines {
            self.top -= 1;
        }
    }
}

/// Draws the rows of a list that are on the screen.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    len: usize,
    cursor: Option<Cursor>,
    focused: bool,
    theme: &Theme,
    row: impl Fn(usize) -> Row,
) {
    let top = cursor.map_or(0, |c| c.top);
    let mut y = area.y;
    for index in top..len {
        if y >= area.bottom() {
            break;
        }
        let selected = cursor.is_some_and(|c| c.at == index);
        let row = row(index);
        let height = row.height() as u16;
        let space = Rect { y, height: height.min(area.bottom() - y), ..area };
        draw_row(frame, space, &row, selected, focused, theme);
        y += height;
    }
    scrollbar(frame, area, top, len, theme);
}

/// Draws a scroll bar over the right edge where not everything fits.
pub fn scrollbar(frame: &mut Frame<'_>, area: Rect, top: usize, len: usize, theme: &Theme) {
    let height = usize::from(area.height);
    if len <= height || height == 0 || area.width == 0 {
        return;
    }
    let thumb = (height * height / len).max(1);
    let at = (height - thumb) * top.min(len - height) / (len - height).max(1);
    for y in 0..height {
        let inside = (at..at + thumb).contains(&y);
        if let Some(cell) = frame.buffer_mut().cell_mut((area.right(), area.y + y as u16)).filter(|_| inside) {
            cell.set_symbol("▐").set_style(theme.style(Meaning::Dim));
        }
    }
}

fn draw_row(frame: &mut Frame<'_>, area: Rect, row: &Row, selected: bool, focused: bool, theme: &Theme) {
    let ground = match (selected, focused) {
        (true, true) => theme.style(Meaning::Selected),
        (true, false) => theme.style(Meaning::SelectedElsewhere),
        _ => Style::default(),
    };
    let buffer = frame.buffer_mut();
    buffer.set_style(area, ground);
    let bar = if selected { "▌" } else { " " };
    let bar_style = if focused { theme.style(Meaning::Accent) } else { theme.style(Meaning::Dim) };
    if area.width == 0 || area.height == 0 {
        return;
    }
    // On a reversed selection the bar would be a hole: the ground says it.
    let reversed = ground.add_modifier.contains(ratatui::style::Modifier::REVERSED);
    buffer.set_string(area.x, area.y, bar, if reversed { ground } else { ground.patch(bar_style) });
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let style = |piece: &Piece| {
        let own = piece.style.unwrap_or_else(|| theme.style(piece.meaning));
        let mut style = own.patch(ground);
        // The selection changes the ground and keeps what the text means.
        if own.fg.is_some() && !(selected && focused && matches!(piece.meaning, Meaning::Text | Meaning::Dim)) {
            style.fg = own.fg;
        }
        if reversed {
            style = ground;
        }
        style
    };
    let line = |pieces: &[Piece]| {
        Line::from(pieces.iter().map(|p| Span::styled(p.text.clone(), style(p))).collect::<Vec<_>>())
    };
    let left = line(&row.left);
    let right = line(&row.right);
    let right_width = right.width() as u16;
    let x = match row.right_at {
        _ if right_width == 0 => inner.right(),
        Some(at) if at + right_width <= inner.width => inner.x + at,
        _ => (inner.right().saturating_sub(right_width)).max(inner.x + inner.width / 3),
    };
    let room = if right_width == 0 { inner.width } else { (x - inner.x).saturating_sub(1) };
    let left = text::fit(left, room);
    buffer.set_line(inner.x, inner.y, &left, room);
    if right_width > 0 && x < inner.right() {
        let right = text::fit_start(right, inner.right() - x);
        buffer.set_line(x, inner.y, &right, inner.right() - x);
    }
    if !row.below.is_empty() && area.height > 1 {
        let below = text::fit(line(&row.below), inner.width);
        buffer.set_line(inner.x, inner.y + 1, &below, inner.width);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_on_the_screen() {
        let mut cursor = Cursor::default();
        for (at, lines) in [(0, 5), (9_999, 5), (4_000, 5), (4_003, 5), (9_999, 1), (0, 0)] {
            cursor.at = at;
            cursor.reveal(10_000, lines, |_| 1);
            assert!(cursor.top <= at && at < cursor.top + lines.max(1), "{cursor:?} {lines}");
        }
        cursor.at = 9_999;
        cursor.reveal(10_000, 5, |_| 2);
        assert_eq!(cursor.top, 9_998);
        cursor.reveal(3, 5, |_| 1);
        assert_eq!(cursor, Cursor { at: 2, top: 0 });
        cursor.reveal(0, 5, |_| 1);
        assert_eq!(cursor, Cursor { at: 0, top: 0 });
    }
}
