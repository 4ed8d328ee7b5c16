//! The log of one run as it is looked at: where, how, and what is searched in it.

use std::collections::BTreeMap;
use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::id::RunId;
use crate::tui::app::App;
use crate::tui::log::{LogBuffer, Wanted};
use crate::tui::memory::Gutter;
use crate::tui::message::Trouble;
use crate::tui::theme::{Meaning, Theme};
use crate::tui::widgets::{ansi, list, text};

use super::progress::Progress;
use super::seek::{Filter, Search, Seek};

/// The log pane's state.
#[derive(Debug, Default)]
pub struct LogView {
    /// Whose log it is.
    pub run: Option<RunId>,
    /// The log.
    pub buffer: LogBuffer,
    /// Whether the stream came to the end of a run that ended.
    pub ended: bool,
    /// Why the stream broke.
    pub trouble: Option<Trouble>,
    /// Whether the end is followed.
    pub follow: bool,
    /// Whether long lines wrap.
    pub wrap: bool,
    /// What stands before the lines.
    pub gutter: Gutter,
    /// When lines came, in milliseconds since 1970, as far as they were asked for.
    pub times: BTreeMap<u64, i64>,
    /// The first of the lines whose times were asked for.
    pub asked_times: Option<u64>,
    /// The first row on the screen, among those shown.
    pub top: u64,
    /// The selected row, among those shown.
    pub at: u64,
    /// How many columns are scrolled away, where lines do not wrap.
    pub left: usize,
    /// What is searched.
    pub search: Option<Search>,
    /// A search under way.
    pub seek: Option<Seek>,
    /// What lines are filtered by.
    pub filter: Option<Filter>,
    /// How far an apply has come.
    pub progress: Progress,
    /// A part that was asked for again.
    pub fetching: Option<Wanted>,
}

impl LogView {
    /// Turns to the log of another run; how it is looked at stays.
    pub fn turn_to(&mut self, run: Option<RunId>) {
        let (wrap, gutter) = (self.wrap, self.gutter);
        *self = LogView { run, follow: true, wrap, gutter, ..LogView::default() };
    }

    /// Returns how many rows are shown.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.filter.as_ref().map_or(self.buffer.rows(), |filter| filter.shown.len() as u64)
    }

    /// Tells whether no row is shown.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the row of the log that is shown at a place.
    #[must_use]
    pub fn row(&self, place: u64) -> u64 {
        match &self.filter {
            Some(filter) => filter.shown.get(place as usize).copied().unwrap_or(0),
            None => place,
        }
    }

    /// Returns the place where a row of the log is shown, or the one before it.
    #[must_use]
    pub fn place(&self, row: u64) -> u64 {
        match &self.filter {
            Some(filter) => (filter.shown.partition_point(|shown| *shown <= row) as u64).max(1) - 1,
            None => row,
        }
    }

    /// Goes to a row of the log, and stops following.
    pub fn go(&mut self, row: u64) {
        self.at = self.place(row);
        self.follow = false;
    }

    /// Moves the selection; at the last row the end is followed again.
    pub fn step(&mut self, by: i64) {
        let last = self.len().saturating_sub(1);
        self.at = self.at.saturating_add_signed(by).min(last);
        self.follow = self.at == last && by > 0;
    }

    /// Returns how many columns the text has in a pane of this width.
    #[must_use]
    pub fn columns(&self, width: u16) -> usize {
        usize::from(width).saturating_sub(1 + self.gutter_width()).max(1)
    }

    fn gutter_width(&self) -> usize {
        match self.gutter {
            Gutter::None => 0,
            Gutter::Times => "00:00:00 ".len(),
            Gutter::Numbers => self.buffer.rows().to_string().len().max(4) + 1,
        }
    }

    /// Returns the first of the lines on a screen of so many whose time is not known, and the last line.
    #[must_use]
    pub fn wanted_times(&self, lines: usize) -> Option<(u64, u64)> {
        if self.gutter != Gutter::Times {
            return None;
        }
        let shown = self.shown(lines);
        let line = |row: u64| self.buffer.row(row).map(|row| row.line);
        let (first, last) = (line(shown.start)?, line(shown.end)?);
        let missing = (first..=last).find(|line| !self.times.contains_key(line))?;
        Some((missing, last))
    }

    /// Takes the times of lines; those far from what is shown are forgotten.
    pub fn take_times(&mut self, times: Vec<(u64, i64)>) {
        const KEPT: usize = 20_000;
        if self.times.len() > KEPT {
            self.times.clear();
        }
        self.times.extend(times);
    }

    /// Returns how many lines of the screen a row takes.
    fn height(&self, place: u64, columns: usize) -> usize {
        if !self.wrap {
            return 1;
        }
        let Some(row) = self.buffer.row(self.row(place)) else { return 1 };
        if row.bytes.len() <= columns {
            return 1; // no character is wider than its bytes, but for tabs
        }
        let wide = ansi::styled(row.bytes, Style::new(), Style::new(), false).width();
        wide.div_ceil(columns).max(1)
    }

    /// Scrolls so far that the selected row is on a screen of so many lines.
    pub fn reveal(&mut self, lines: usize, width: u16) {
        let lines = lines.max(1);
        let columns = self.columns(width);
        let last = self.len().saturating_sub(1);
        if self.follow {
            self.at = last;
        }
        self.at = self.at.min(last);
        self.top = self.top.min(self.at).max((self.at + 1).saturating_sub(lines as u64));
        let mut used: usize = (self.top..=self.at).map(|place| self.height(place, columns)).sum();
        while self.top < self.at && used > lines {
            used -= self.height(self.top, columns);
            self.top += 1;
        }
        // Fill the screen from above where the end is reached.
        let below: usize = (self.at + 1..self.len()).take(lines).map(|place| self.height(place, columns)).sum();
        let mut total = used + below;
        while self.top > 0 {
            let above = self.height(self.top - 1, columns);
            if total + above > lines {
                break;
            }
            total += above;
            self.top -= 1;
        }
        let shown = self.shown(lines);
        self.buffer.touch(shown.start, shown.end);
    }

    /// Returns the rows of the log between the first and the last that a screen of so many lines may show.
    #[must_use]
    pub fn shown(&self, lines: usize) -> Range<u64> {
        let end = (self.top + lines as u64).min(self.len().saturating_sub(1));
        self.row(self.top)..self.row(end)
    }

    /// Returns the text of a shown row, for a copy.
    #[must_use]
    pub fn copied(&self, place: u64) -> Option<String> {
        let row = self.buffer.row(self.row(place))?;
        Some(String::from_utf8_lossy(&ansi::plain(row.bytes)).into_owned())
    }
}

/// Draws the rows of the log that are on the screen.
pub fn draw(frame: &mut Frame<'_>, area: Rect, app: &App, focused: bool) {
    let view = &app.runs.log;
    let theme = &*app.theme;
    let columns = view.columns(area.width);
    let mut y = area.y;
    for place in view.top..view.len() {
        if y >= area.bottom() {
            break;
        }
        let number = view.row(place);
        let selected = place == view.at && focused;
        let Some(row) = view.buffer.row(number) else {
            let note = Line::from(Span::styled("  … comes again", theme.style(Meaning::Dim)));
            frame.buffer_mut().set_line(area.x, y, &note, area.width);
            y += 1;
            continue;
        };
        let mut line = ansi::styled(row.bytes, Style::new(), theme.style(Meaning::Dim), app.colors);
        if let Some(search) = &view.search {
            line = mark_matches(line, search, theme);
        }
        let gap = view.filter.as_ref().is_some_and(|_| place > 0 && view.row(place - 1) + 1 < number);
        let gap = if gap { "┈" } else { " " };
        let lead = lead(app, row.line, row.continues, gap, selected);
        let pieces = if view.wrap { break_line(line, columns) } else { vec![scrolled(line, view.left)] };
        for (i, piece) in pieces.into_iter().enumerate() {
            if y >= area.bottom() {
                break;
            }
            let ground = if selected { theme.style(Meaning::Selected) } else { Style::default() };
            let strip = Rect { y, height: 1, ..area };
            frame.buffer_mut().set_style(strip, ground);
            let width = lead.width() as u16;
            if i == 0 {
                frame.buffer_mut().set_line(area.x, y, &lead, width);
            }
            let room = area.width.saturating_sub(width);
            let piece = if view.wrap { piece } else { text::fit(piece, room) };
            frame.buffer_mut().set_line(area.x + width, y, &piece, room);
            y += 1;
        }
    }
    let (top, len) = (view.top as usize, view.len() as usize);
    list::scrollbar(frame, area, top, len, theme);
}

fn lead(app: &App, line: u64, continues: bool, gap: &'static str, selected: bool) -> Line<'static> {
    let (view, theme) = (&app.runs.log, &*app.theme);
    let bar = if selected {
        Span::styled("▌", theme.style(Meaning::Accent))
    } else {
        Span::styled(gap, theme.style(Meaning::Dim))
    };
    let wide = view.gutter_width().saturating_sub(1);
    let text = match view.gutter {
        Gutter::None => return Line::from(bar),
        _ if continues => "⋮".to_owned(),
        Gutter::Numbers => line.to_string(),
        Gutter::Times => {
            let time = view.times.get(&line).and_then(|millis| jiff::Timestamp::from_millisecond(*millis).ok());
            time.map(|time| time.to_zoned(app.zone.clone()).strftime("%H:%M:%S").to_string()).unwrap_or_default()
        }
    };
    Line::from(vec![bar, Span::styled(format!("{text:>wide$} "), theme.style(Meaning::Dim))])
}

/// Breaks a line into lines of so many columns.
fn break_line(line: Line<'static>, columns: usize) -> Vec<Line<'static>> {
    use unicode_segmentation::UnicodeSegmentation as _;
    if line.width() <= columns {
        return vec![line];
    }
    let mut lines = Vec::new();
    let (mut spans, mut used) = (Vec::new(), 0);
    for span in line.spans {
        let mut part = String::new();
        for grapheme in span.content.graphemes(true) {
            let wide = text::width(grapheme);
            if used + wide > columns {
                spans.push(Span::styled(std::mem::take(&mut part), span.style));
                lines.push(Line::from(std::mem::take(&mut spans)));
                used = 0;
            }
            part.push_str(grapheme);
            used += wide;
        }
        if !part.is_empty() {
            spans.push(Span::styled(part, span.style));
        }
    }
    lines.push(Line::from(spans));
    lines
}

/// Drops the columns that are scrolled away.
fn scrolled(line: Line<'static>, left: usize) -> Line<'static> {
    use unicode_segmentation::UnicodeSegmentation as _;
    if left == 0 {
        return line;
    }
    let mut skip = left;
    let spans = line.spans.into_iter().filter_map(|span| {
        let mut kept = String::new();
        for grapheme in span.content.graphemes(true) {
            if skip > 0 {
                skip = skip.saturating_sub(text::width(grapheme).max(1));
            } else {
                kept.push_str(grapheme);
            }
        }
        (!kept.is_empty()).then(|| Span::styled(kept, span.style))
    });
    Line::from(spans.collect::<Vec<_>>())
}

/// Marks what a search found in a line.
fn mark_matches(line: Line<'static>, search: &Search, theme: &Theme) -> Line<'static> {
    let plain: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
    let found: Vec<Range<usize>> = search.pattern.find_iter(plain.as_bytes()).map(|m| m.range()).collect();
    let aligned = |at: usize| plain.is_char_boundary(at);
    if found.iter().all(Range::is_empty) || !found.iter().all(|m| aligned(m.start) && aligned(m.end)) {
        return line;
    }
    let mut spans = Vec::new();
    let mut begun = 0;
    for span in line.spans {
        let end = begun + span.content.len();
        let mut at = begun;
        for hit in found.iter().filter(|hit| hit.start < end && hit.end > begun) {
            let (from, to) = (hit.start.max(begun), hit.end.min(end));
            if from > at {
                spans.push(Span::styled(plain[at..from].to_owned(), span.style));
            }
            spans.push(Span::styled(plain[from..to].to_owned(), theme.style(Meaning::Match)));
            at = to;
        }
        if at < end {
            spans.push(Span::styled(plain[at..end].to_owned(), span.style));
        }
        begun = end;
    }
    Line::from(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn following_shows_the_end_and_a_step_up_stays() {
        let mut view = LogView { follow: true, wrap: true, ..LogView::default() };
        for i in 0..100 {
            let bytes = format!("line {i}\n");
            let offset = view.buffer.received();
            view.buffer.take(offset, bytes.as_bytes());
            view.reveal(10, 40);
        }
        assert_eq!((view.top, view.at), (90, 99));
        view.step(-1);
        assert!(!view.follow);
        let offset = view.buffer.received();
        view.buffer.take(offset, b"more\n");
        view.reveal(10, 40);
        assert_eq!(view.at, 98);
        view.step(1);
        view.step(1);
        assert!(view.follow);
    }

    #[test]
    fn wrapped_rows_take_their_lines() {
        let mut view = LogView { follow: true, wrap: true, ..LogView::default() };
        let long = format!("{}\nend\n", "x".repeat(95));
        view.buffer.take(0, long.as_bytes());
        view.reveal(3, 11);
        assert_eq!((view.top, view.at), (1, 1));
        view.reveal(20, 11);
        assert_eq!(view.top, 0);
        assert_eq!(break_line(Line::from("abcdef"), 4).len(), 2);
        assert_eq!(scrolled(Line::from("abcdef"), 2).to_string(), "cdef");
    }
}
