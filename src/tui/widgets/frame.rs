//! The frame of a pane, with its title or tabs.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType};

use crate::tui::theme::{Meaning, Theme};

use super::text;

/// What stands on the upper edge of a frame.
#[derive(Debug, Clone)]
pub enum Top {
    /// A title.
    Title(String),
    /// Tabs, and which one is shown.
    Tabs(Vec<&'static str>, usize),
}

/// Draws a frame and returns the space inside it.
///
/// `side` stands at the right end of the upper edge, and gives way.
pub fn draw(frame: &mut Frame<'_>, area: Rect, top: &Top, side: &str, focused: bool, theme: &Theme) -> Rect {
    let border = theme.style(if focused { Meaning::BorderFocused } else { Meaning::Border });
    let block = Block::bordered().border_type(BorderType::Plain).border_style(border);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if area.width < 6 || area.height == 0 {
        return inner;
    }
    let room = area.width - 4;
    let line = match top {
        Top::Title(title) => {
            Line::from(vec![Span::raw(" "), Span::styled(title.clone(), theme.style(Meaning::Title)), Span::raw(" ")])
        }
        Top::Tabs(tabs, shown) => tabs_line(tabs, *shown, room, theme),
    };
    let line = text::fit(line, room);
    let width = line.width() as u16;
    frame.buffer_mut().set_line(area.x + 1, area.y, &line, room);
    let side_width = text::width(side) as u16 + 2;
    if !side.is_empty() && width + side_width < room {
        let x = area.right() - 1 - side_width;
        let side = Line::from(Span::styled(format!(" {side} "), theme.style(Meaning::Dim)));
        frame.buffer_mut().set_line(x, area.y, &side, side_width);
    }
    inner
}

/// Returns the tabs; where not all fit, those around the shown one.
fn tabs_line(tabs: &[&'static str], shown: usize, room: u16, theme: &Theme) -> Line<'static> {
    let wide = |range: std::ops::Range<usize>| tabs[range].iter().map(|t| text::width(t) + 3).sum::<usize>();
    let mut first = 0;
    while first < shown && wide(first..shown + 1) + 1 > usize::from(room) {
        first += 1;
    }
    let mut spans = vec![Span::raw(" ")];
    for (i, tab) in tabs.iter().enumerate().skip(first) {
        if i > first {
            spans.push(Span::styled(" ─ ", theme.style(Meaning::Border)));
        }
        // The brackets say it where colours do not.
        let selected = i == shown;
        let style = theme.style(if selected { Meaning::TabSelected } else { Meaning::Tab });
        spans.push(Span::styled(if selected { format!("[{tab}]") } else { (*tab).to_owned() }, style));
    }
    spans.push(Span::raw(" "));
    Line::from(spans)
}

/// Draws text in the middle of an empty pane: what is missing, and what to do about it.
pub fn empty(frame: &mut Frame<'_>, area: Rect, lines: &[(String, Meaning)], theme: &Theme) {
    let mut wrapped = Vec::new();
    for (line, meaning) in lines {
        if line.is_empty() {
            wrapped.push((String::new(), *meaning));
        }
        let columns = usize::from(area.width.saturating_sub(4));
        wrapped.extend(text::wrap(line, columns).into_iter().map(|line| (line, *meaning)));
    }
    let top = area.y + (area.height.saturating_sub(wrapped.len() as u16)) / 3;
    for (i, (line, meaning)) in wrapped.iter().enumerate() {
        let y = top + i as u16;
        if y >= area.bottom() {
            break;
        }
        let x = area.x + area.width.saturating_sub(text::width(line) as u16) / 2;
        frame.buffer_mut().set_stringn(
            x,
            y,
            line,
            usize::from(area.right() - x.min(area.right())),
            theme.style(*meaning),
        );
    }
}
