//! Typing into a run that has a terminal: keys go to it as they come, what it writes goes to this terminal as it came.

use std::io::{self, IsTerminal as _, Read as _};

use tokio::sync::mpsc;

use crate::api::client::Client;
use crate::cli::Failure;
use crate::domain::id::RunRef;
use crate::domain::run::Run;

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

/// Sends keys to a run until the person leaves, the run no longer reads, or the input ends.
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
    while let Some(mut bytes) = typed.recv().await {
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
    Ok(false)
}
