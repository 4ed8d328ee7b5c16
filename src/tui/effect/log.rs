//! Following a log: its bytes from an offset on, in pieces that the screen can keep up with.

use futures::StreamExt as _;
use tokio::sync::mpsc;

use crate::domain::id::RunId;
use crate::tui::message::{Answer, Message};

use super::Connection;

/// The largest piece, in bytes: one costs the screen about a millisecond.
const PIECE: usize = 256 * 1024;

/// Sends a log from an offset on until it ends; waits where the screen is busy, and drops nothing.
pub(super) async fn follow(
    platform: Connection,
    run: RunId,
    mut offset: u64,
    live: bool,
    messages: mpsc::Sender<Message>,
) {
    let mut bytes = platform.log(run, offset, live);
    let mut outcome = Ok(());
    while let Some(piece) = bytes.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(trouble) => {
                outcome = Err(trouble);
                break;
            }
        };
        for part in piece.chunks(PIECE) {
            let answer = Answer::Log { run, offset, bytes: part.to_vec() };
            offset += part.len() as u64;
            if messages.send(Message::Answer(Box::new(answer))).await.is_err() {
                return;
            }
        }
    }
    drop(messages.send(Message::Answer(Box::new(Answer::LogEnded(run, outcome)))).await);
}
