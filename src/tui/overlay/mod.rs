//! What lies over a view: palette, help, dialogs, prompts, forms, lists to choose from.
//!
//! While one is open it has the keys. Owns their state and pictures; what their answers do is in
//! [`crate::tui::update`].

pub mod dialog;
pub mod form;
pub mod help;
pub mod paper;
pub mod picker;
pub mod prompt;

pub use dialog::Dialog;
pub use picker::{Choice, Picker, PickerKind, Then};
pub use prompt::{Prompt, PromptKind};

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, BorderType, Clear};

use super::app::App;
use super::theme::{Meaning, Theme};

/// What lies over a view.
#[derive(Debug)]
pub enum Overlay {
    /// What works here; scrolled by so many lines.
    Help(usize),
    /// A question.
    Dialog(Dialog),
    /// A list to choose from: palette, workflows, problems, what a search found.
    Picker(Picker),
    /// A line or a text to type.
    Prompt(Box<Prompt>),
    /// The form of a request.
    Form(Box<form::Form>),
    /// A text to read.
    Paper(paper::Paper),
}

/// Draws what lies over the view.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    for overlay in &app.overlays {
        match overlay {
            Overlay::Help(top) => help::draw(app, *top, frame),
            Overlay::Dialog(dialog) => dialog::draw(app, dialog, frame),
            Overlay::Picker(picker) => picker::draw(app, picker, frame),
            Overlay::Prompt(prompt) => prompt::draw(app, prompt, frame),
            Overlay::Form(form) => form::draw::draw(app, form, frame),
            Overlay::Paper(paper) => paper::draw(app, paper, frame),
        }
    }
}

/// Draws the ground and the frame of a box in the middle of the screen, and returns the space inside.
fn boxed(frame: &mut Frame<'_>, width: u16, height: u16, title: &str, theme: &Theme, meaning: Meaning) -> Rect {
    let screen = frame.area();
    let width = width.min(screen.width.saturating_sub(2)).max(screen.width.min(10));
    let height = height.min(screen.height.saturating_sub(2)).max(screen.height.min(3));
    let area = Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 3, width, height };
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.style(Meaning::Text));
    frame.buffer_mut().set_style(area, theme.style(Meaning::Overlay));
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(theme.style(meaning))
        .title(ratatui::text::Line::styled(format!(" {title} "), theme.style(Meaning::Title)));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    Rect {
        x: inner.x + u16::from(inner.width > 4),
        width: inner.width.saturating_sub(2).max(inner.width.min(1)),
        ..inner
    }
}
