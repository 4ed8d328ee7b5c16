//! Events: how one is drafted, and how those who follow the stream learn that there is more.
//!
//! Owns the names of event types and the wake-up of followers. Leaves sequence and storage to the store, which
//! writes an event in the transaction of the change it tells of.

use serde_json::Value;
use tokio::sync::watch;

/// The prefix of every event type.
pub const TYPE_PREFIX: &str = "dev.terrace.";

/// An event before the store has given it identity and sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDraft {
    /// `dev.terrace.<noun>.<verb>`.
    pub event_type: String,
    /// What it is about, such as `run/01K9…`.
    pub subject: String,
    /// The command that opens the screen it is about.
    pub command: String,
    /// The facts.
    pub data: Value,
}

impl EventDraft {
    /// Drafts `dev.terrace.<noun>.<verb>` about `<noun>/<id>`, opened by `terrace open <noun>/<id>`.
    #[must_use]
    pub fn about(noun: &str, verb: &str, id: &str, data: Value) -> Self {
        let subject = format!("{noun}/{id}");
        Self {
            event_type: format!("{TYPE_PREFIX}{noun}.{verb}"),
            command: format!("terrace open {subject}"),
            subject,
            data,
        }
    }
}

/// Tells followers of the stream that events up to some sequence are committed.
///
/// It carries only the number: followers read the events themselves from the store, from where they are. So a slow
/// follower loses nothing, and replay and live reading are one path.
#[derive(Debug, Clone)]
pub struct Bell {
    latest: watch::Sender<u64>,
}

impl Bell {
    /// Makes a bell that stands at this sequence.
    #[must_use]
    pub fn new(latest: u64) -> Self {
        Self { latest: watch::Sender::new(latest) }
    }

    /// Announces that all events up to `sequence` are committed; going backwards is ignored.
    pub fn ring(&self, sequence: u64) {
        self.latest.send_if_modified(|latest| {
            let forward = sequence > *latest;
            if forward {
                *latest = sequence;
            }
            forward
        });
    }

    /// Returns a receiver that wakes on each announcement.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Returns the latest committed sequence, 0 where there is no event.
    #[must_use]
    pub fn latest(&self) -> u64 {
        *self.latest.borrow()
    }
}

/// Names the `source` attribute of the events of one estate.
#[must_use]
pub fn source_of(estate_key: &str) -> String {
    format!("/terrace/estates/{estate_key}")
}
