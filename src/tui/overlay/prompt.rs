//! A line, or a text, to type.

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use tui_textarea::TextArea;

use crate::domain::id::RunId;
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::text;

use super::boxed;

/// What is typed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PromptKind {
    /// The filter of the list, or of the values; follows each key.
    Filter,
    /// What is searched in the log.
    Find,
    /// What the log's lines are filtered by; follows each key.
    FilterLog,
    /// Where a log is saved.
    Save(RunId),
    /// The Git reference to compare with.
    Ref,
    /// The Git reference since which changes count.
    Affected,
    /// A line for a run that asks.
    Type(RunId),
    /// An Atmos command.
    Command,
    /// Why a recommendation is dismissed, by its id.
    Dismiss(String),
    /// Until which day a recommendation is put off, by its id.
    Snooze(String),
    /// Where the report of a period is written.
    Export(String),
    /// Why a request is refused.
    Reject(u64),
    /// What is said about a request.
    Comment(u64),
    /// Why the rules of approvals are set aside for a request.
    BreakGlass(u64),
    /// What is said after a second look at a request.
    Review(u64),
    /// The stack a workflow runs on, by the workflow's place in the list.
    WorkflowStack(usize),
    /// A variable that a workflow reads and nothing sets.
    WorkflowVariable {
        /// The workflow's place in the list.
        index: usize,
        /// The stack it runs on.
        stack: Option<String>,
        /// What was given already.
        given: Vec<(String, String)>,
        /// The variable.
        name: String,
    },
}

impl PromptKind {
    /// Returns what stands before the line.
    #[must_use]
    pub fn label(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            PromptKind::WorkflowVariable { name, .. } => return Cow::Owned(format!("its steps read ${name}")),
            PromptKind::Filter => "filter",
            PromptKind::Find => "search",
            PromptKind::FilterLog => "only lines with",
            PromptKind::Save(_) => "save to",
            PromptKind::Ref => "compare with Git ref",
            PromptKind::Affected => "affected since Git ref",
            PromptKind::Type(_) => "type into the run",
            PromptKind::Command => "atmos",
            PromptKind::Dismiss(_) => "dismiss, because",
            PromptKind::Snooze(_) => "put off until",
            PromptKind::Export(_) => "write to (.html, .csv, .json)",
            PromptKind::Reject(_) => "reject, because",
            PromptKind::Comment(_) => "comment",
            PromptKind::BreakGlass(_) => "break the glass: it cannot wait, because",
            PromptKind::Review(_) => "looked at it (a word, if any)",
            PromptKind::WorkflowStack(_) => "on stack",
        })
    }

    /// Tells whether it is a text of several lines, in a box.
    #[must_use]
    pub fn tall(&self) -> bool {
        matches!(self, PromptKind::Command | PromptKind::Comment(_))
    }
}

/// A line, or a text, to type.
#[derive(Debug)]
pub struct Prompt {
    /// What for.
    pub kind: PromptKind,
    /// What is typed.
    pub area: TextArea<'static>,
    /// Why it was not taken.
    pub trouble: Option<String>,
}

impl Prompt {
    /// Makes a prompt with something typed already.
    #[must_use]
    pub fn new(kind: PromptKind, typed: &str) -> Self {
        let lines = typed.split('\n').map(str::to_owned).collect();
        let mut area = TextArea::new(lines);
        area.move_cursor(tui_textarea::CursorMove::Bottom);
        area.move_cursor(tui_textarea::CursorMove::End);
        area.set_cursor_line_style(ratatui::style::Style::default());
        Prompt { kind, area, trouble: None }
    }

    /// Returns what is typed.
    #[must_use]
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }
}

/// Draws the prompt: on the hint line, or in a box where it is a text.
pub fn draw(app: &App, prompt: &Prompt, frame: &mut Frame<'_>) {
    let theme = &*app.theme;
    if prompt.kind.tall() {
        let lines = prompt.area.lines().len() as u16;
        let (title, about, lead) = match prompt.kind {
            PromptKind::Comment(number) => {
                (format!("Comment on #{number}"), "Everybody who sees the request reads it; it stays.", "")
            }
            _ => (
                "Run an Atmos command".to_owned(),
                "What you type after `atmos`; Terrace runs it and keeps its log.",
                "$ atmos ",
            ),
        };
        let area = boxed(frame, 90, lines.clamp(1, 12) + 7, &title, theme, Meaning::BorderFocused);
        if area.height < 3 {
            return;
        }
        let about = Line::styled(about, theme.style(Meaning::Dim));
        frame.buffer_mut().set_line(area.x, area.y, &about, area.width);
        let input = Rect { y: area.y + 2, height: area.height.saturating_sub(4), ..area };
        frame.buffer_mut().set_string(input.x, input.y, lead, theme.style(Meaning::Dim));
        let typed =
            Rect { x: input.x + lead.len() as u16, width: input.width.saturating_sub(lead.len() as u16), ..input };
        frame.render_widget(&prompt.area, typed);
        let foot = match &prompt.trouble {
            Some(trouble) => Line::styled(trouble.clone(), theme.style(Meaning::Failed)),
            None => Line::from(vec![
                Span::styled("enter ", theme.style(Meaning::Key)),
                Span::styled("go on    ", theme.style(Meaning::Text)),
                Span::styled("alt-enter ", theme.style(Meaning::Key)),
                Span::styled("new line    ", theme.style(Meaning::Text)),
                Span::styled("esc ", theme.style(Meaning::Key)),
                Span::styled("leave it", theme.style(Meaning::Text)),
            ]),
        };
        frame.buffer_mut().set_line(area.x, area.bottom() - 1, &foot, area.width);
        return;
    }
    let screen = frame.area();
    if screen.height == 0 {
        return;
    }
    let y = screen.bottom() - 1;
    let label = format!(" {}: ", prompt.kind.label());
    let wide = (text::width(&label) as u16).min(screen.width);
    let line = Rect { y, height: 1, ..screen };
    frame.render_widget(ratatui::widgets::Clear, line);
    frame.buffer_mut().set_style(line, theme.style(Meaning::Text));
    frame.buffer_mut().set_string(0, y, &label, theme.style(Meaning::Accent));
    let note = match &prompt.trouble {
        Some(trouble) => trouble.clone(),
        None => "enter keeps it · esc leaves".to_owned(),
    };
    let note_width = text::width(&note) as u16 + 1;
    let room = screen.width.saturating_sub(wide);
    let keep = if room > note_width + 20 { note_width } else { 0 };
    frame.render_widget(&prompt.area, Rect { x: wide, width: room - keep, ..line });
    if keep > 0 {
        let meaning = if prompt.trouble.is_some() { Meaning::Failed } else { Meaning::Dim };
        frame.buffer_mut().set_string(screen.width - note_width, y, note, theme.style(meaning));
    }
}
