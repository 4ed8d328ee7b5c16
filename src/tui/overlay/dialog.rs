//! A question that says what is at stake: what, where, with which command; what cannot be taken back means typing a name.

use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::tui::app::App;
use crate::tui::message::Effect;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, piece};
use crate::tui::widgets::text;

use super::boxed;

/// A question.
#[derive(Debug)]
pub struct Dialog {
    /// What is asked.
    pub title: String,
    /// What is at stake, line by line.
    pub body: Vec<Vec<Piece>>,
    /// The exact command.
    pub command: Option<String>,
    /// What must be typed before yes counts, and what is typed.
    pub typed: Option<(String, String)>,
    /// What yes does, in a word.
    pub yes: &'static str,
    /// What yes does.
    pub effects: Vec<Effect>,
    /// Whether it cannot be taken back.
    pub danger: bool,
}

impl Dialog {
    /// Makes a question with nothing at stake yet.
    #[must_use]
    pub fn new(title: impl Into<String>, yes: &'static str, effects: Vec<Effect>) -> Self {
        Dialog { title: title.into(), body: Vec::new(), command: None, typed: None, yes, effects, danger: false }
    }

    /// Adds a line.
    pub fn line(&mut self, text: impl Into<String>, meaning: Meaning) {
        self.body.push(vec![piece(text, meaning)]);
    }

    /// Tells whether yes counts now.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.typed.as_ref().is_none_or(|(wanted, typed)| wanted == typed)
    }
}

/// Draws the question.
pub fn draw(app: &App, dialog: &Dialog, frame: &mut Frame<'_>) {
    let theme = &*app.theme;
    let width = 76.min(frame.area().width.saturating_sub(2)).max(20);
    let columns = usize::from(width).saturating_sub(4).max(8);
    let mut lines: Vec<Line<'_>> = vec![Line::default()];
    for pieces in &dialog.body {
        if let [only] = pieces.as_slice() {
            let style = theme.style(only.meaning);
            lines.extend(text::wrap(&only.text, columns).into_iter().map(|l| Line::styled(l, style)));
            if only.text.is_empty() {
                lines.push(Line::default());
            }
        } else {
            let spans = pieces.iter().map(|p| Span::styled(p.text.clone(), theme.style(p.meaning)));
            lines.push(text::fit(Line::from(spans.collect::<Vec<_>>()), columns as u16));
        }
    }
    if let Some(command) = &dialog.command {
        lines.push(Line::default());
        for (i, part) in text::wrap(command, columns.saturating_sub(2)).into_iter().enumerate() {
            let lead = if i == 0 { "$ " } else { "  " };
            lines.push(Line::from(vec![
                Span::styled(lead, theme.style(Meaning::Dim)),
                Span::styled(part, theme.style(Meaning::Name)),
            ]));
        }
    }
    lines.push(Line::default());
    let mut foot = Vec::new();
    if let Some((wanted, typed)) = &dialog.typed {
        lines.push(Line::from(vec![
            Span::styled("Type ", theme.style(Meaning::Text)),
            Span::styled(wanted.clone(), theme.style(Meaning::Failed)),
            Span::styled(" to go on: ", theme.style(Meaning::Text)),
            Span::styled(format!("{typed}▏"), theme.style(Meaning::Strong)),
        ]));
        lines.push(Line::default());
        if dialog.ready() {
            foot.push(Span::styled("enter ", theme.style(Meaning::Key)));
            foot.push(Span::styled(dialog.yes, theme.style(Meaning::Failed)));
        } else {
            foot.push(Span::styled("the name is not typed yet", theme.style(Meaning::Dim)));
        }
    } else {
        foot.push(Span::styled("y ", theme.style(Meaning::Key)));
        foot.push(Span::styled(dialog.yes, theme.style(Meaning::Strong)));
    }
    foot.push(Span::styled("    esc ", theme.style(Meaning::Key)));
    foot.push(Span::styled("leave it", theme.style(Meaning::Text)));
    if dialog.command.is_some() {
        foot.push(Span::styled("    ctrl-y ", theme.style(Meaning::Key)));
        foot.push(Span::styled("copy the command", theme.style(Meaning::Text)));
    }
    let meaning = if dialog.danger { Meaning::Failed } else { Meaning::BorderFocused };
    let title = if dialog.danger { format!("⚠ {}", dialog.title) } else { dialog.title.clone() };
    let area = boxed(frame, width, lines.len() as u16 + 3, &title, theme, meaning);
    // The answer keys stay on the screen, however small it is.
    let room = usize::from(area.height).saturating_sub(1);
    let skipped = lines.len().saturating_sub(room);
    for (i, line) in lines.into_iter().skip(skipped).enumerate() {
        frame.buffer_mut().set_line(area.x, area.y + i as u16, &line, area.width);
    }
    if area.height > 0 {
        frame.buffer_mut().set_line(area.x, area.bottom() - 1, &Line::from(foot), area.width);
    }
}
