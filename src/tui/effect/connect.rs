//! Staying connected: the platform is found or started, its events are followed, and both again when it was lost.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::tui::message::{Answer, Message, Trouble};

use super::{Connection, Outside, gone};

/// How long is waited before the next attempt, the shortest first.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// Connects, follows the events, and starts over when either ends; a snapshot connects once.
pub(super) async fn stay(
    outside: Outside,
    messages: mpsc::Sender<Message>,
    platform: watch::Sender<Option<Connection>>,
) {
    let mut attempt = 0u32;
    let mut last = None;
    loop {
        let lost = match (outside.connector)().await {
            Ok(connection) => {
                platform.send_replace(Some(connection.clone()));
                if send(&messages, Answer::Connected).await.is_err() || !outside.live {
                    return;
                }
                attempt = 0;
                let lost = follow(&connection, &messages, &mut last).await;
                platform.send_replace(None);
                match lost {
                    Some(lost) => lost,
                    None => return,
                }
            }
            Err(trouble) => trouble,
        };
        attempt += 1;
        if send(&messages, Answer::Lost(lost, attempt)).await.is_err() || !outside.live {
            return;
        }
        sleep(PAUSES[(attempt as usize - 1).min(PAUSES.len() - 1)]).await;
    }
}

/// Follows the events until the connection ends, and returns why; `None` where nobody listens any more.
async fn follow(
    connection: &Connection,
    messages: &mpsc::Sender<Message>,
    last: &mut Option<String>,
) -> Option<Trouble> {
    let mut events = connection.events(last.clone());
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                *last = Some(event.sequence.clone());
                send(messages, Answer::Event(Box::new(event))).await.ok()?;
            }
            Err(trouble) => return Some(trouble),
        }
    }
    Some(gone())
}

async fn send(messages: &mpsc::Sender<Message>, answer: Answer) -> Result<(), ()> {
    messages.send(Message::Answer(Box::new(answer))).await.map_err(drop)
}
