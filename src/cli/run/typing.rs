//! Typing into a run that has a terminal: keys go to it as they come, what it writes goes to this terminal as it came.

use std::io::{self, IsTerminal as _, Read as _};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::api::client::Client;
use crate::cli::Failure;
use crate::domain::id::RunRef;
use crate::domain::run::{Run, TerminalSize};

/// ctrl-] leaves, as in telnet: every other key may mean something to the run.
const LEAVE: u8 = 0x1d;
/// How many keys are sent at a time.
const KEYS: usize = 1024;

/// Says whether this process has a terminal to type at and to see on.
pub(crate) fn can_type() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The terminal in raw mode; as before when dropped.
pub(crate) struct RawMode;

impl RawMode {
    /// Switches the terminal over.
    pub(crate) fn begin() -> Result<Self, Failure> {
        let cannot = |error: io::Error| Failure::failed(format!("the terminal cannot be typed at: {error}"));
        crossterm::terminal::enable_raw_mode().map_err(cannot)?;
        Ok(RawMode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // There is nothing else that could be tried.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// Sends keys to a run until the person leaves, the run no longer reads, or the input ends; its terminal is as large as
/// this one, also when this one changes.
///
/// Returns whether the person left.
pub(crate) async fn forward(client: &Client, run: &Run) -> Result<bool, Failure> {
    let (keys, mut typed) = mpsc::channel::<Vec<u8>>(4);
    // A thread of its own: a read of the terminal cannot be taken back, and nothing waits for this one.
    std::thread::spawn(move || {
        let mut buffer = [0; KEYS];
        while let Ok(count @ 1..) = io::stdin().read(&mut buffer) {
            if keys.blocking_send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let cannot = |error: io::Error| Failure::failed(format!("the terminal's size cannot be followed: {error}"));
    let mut changed = signal(SignalKind::window_change()).map_err(cannot)?;
    fit(client, run).await;
    loop {
        let mut bytes = tokio::select! {
            bytes = typed.recv() => match bytes {
                Some(bytes) => bytes,
                None => return Ok(false),
            },
            _ = changed.recv() => {
                fit(client, run).await;
                continue;
            }
        };
        let leave = bytes.iter().position(|byte| *byte == LEAVE);
        bytes.truncate(leave.unwrap_or(bytes.len()));
        if !bytes.is_empty() {
            match client.input(RunRef::Id(run.id), bytes).await {
                Ok(()) => {}
                // It has not begun yet, or is about to end: what follows of it says so.
                Err(error) if error.code() == Some("invalid-run") => {}
                Err(error) => return Err(error.into()),
            }
        }
        if leave.is_some() {
            return Ok(true);
        }
    }
}

/// Makes the run's terminal as large as this one.
async fn fit(client: &Client, run: &Run) {
    if let Ok((columns, rows)) = crossterm::terminal::size() {
        // One that cannot be told keeps its size; whether the run goes on is seen by what follows it.
        drop(client.resize(RunRef::Id(run.id), TerminalSize { columns, rows }).await);
    }
}
