//! The dashboard without a terminal: keys are pressed one after the other, each once everything has come.

use std::io;
use std::time::Duration;

use crossterm::event::KeyEvent;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::app::App;
use super::dashboard::{self, Opening};
use super::effect::Runner;
use super::message::{Effect, Message};
use super::snapshot;
use super::update::update;
use super::view::view;

/// How long answers may take before the frame is drawn as it is.
const PATIENCE: Duration = Duration::from_secs(30);

/// A frame.
#[derive(Debug)]
pub struct Drawn {
    buffer: Buffer,
    light: bool,
}

impl Drawn {
    /// Returns the frame as text, as many lines as it is high.
    #[must_use]
    pub fn text(&self) -> String {
        snapshot::text(&self.buffer)
    }

    /// Returns the frame as an SVG picture.
    #[must_use]
    pub fn svg(&self) -> String {
        snapshot::svg(&self.buffer, self.light)
    }
}

/// Opens a dashboard, presses keys, waits until it has settled, and draws it.
///
/// # Errors
///
/// Where drawing fails.
pub async fn draw(opening: Opening, size: (u16, u16), keys: &[KeyEvent]) -> io::Result<Drawn> {
    let mut app = opening.app(size);
    let (sender, messages) = mpsc::channel(64);
    let mut head = Headless { runner: Runner::new(opening.outside, sender), messages };
    head.runner.carry_out(Effect::Connect);
    head.settle(&mut app).await;
    for key in keys {
        head.take(&mut app, Message::Key(*key));
        head.settle(&mut app).await;
    }
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).map_err(io::Error::other)?;
    terminal.draw(|frame| view(&app, frame)).map_err(io::Error::other)?;
    Ok(Drawn { buffer: terminal.backend().buffer().clone(), light: dashboard::is_light(&app) })
}

struct Headless {
    runner: Runner,
    messages: mpsc::Receiver<Message>,
}

impl Headless {
    fn take(&mut self, app: &mut App, message: Message) {
        for effect in update(app, message) {
            // There is no terminal to copy to, no editor to open, nobody to leave.
            drop(self.runner.carry_out(effect));
        }
    }

    /// Takes answers until none is to come.
    async fn settle(&mut self, app: &mut App) {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match timeout(Duration::from_millis(10), self.messages.recv()).await {
                Ok(Some(message)) => self.take(app, message),
                Ok(None) => return,
                // A task counts until its answer is in the queue: none pending and none queued is settled.
                Err(_) if self.runner.pending() == 0 && self.messages.is_empty() => return,
                Err(_) => {}
            }
        }
    }
}
