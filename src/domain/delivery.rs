//! Deliveries of events to webhooks: what waits, what arrived, what never will.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

/// How long is waited after each failure, in seconds: some 28 hours in all, so that a target that is down for a day misses
/// nothing (the schedule that Standard Webhooks gives as its example).
const WAITS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 18_000, 10_800, 7_200];

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is tried, or waits to be tried again.
    Pending,
    /// The target took it.
    Delivered,
    /// It was tried often enough, or the target wants no more: a dead letter.
    Dead,
}

impl DeliveryState {
    /// Returns the name that it has on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }
}

/// One event on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its identity: a ULID.
    #[schema(value_type = String)]
    pub id: Ulid,
    /// The webhook's name.
    pub webhook: String,
    /// The event's sequence.
    pub sequence: u64,
    /// The event's type.
    pub event_type: String,
    /// What the event is about.
    pub subject: String,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// When the event happened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it arrived or was given up.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The target took it.
    Taken,
    /// It did not, and may the next time.
    Failed(String),
    /// It wants no more (410 Gone).
    Gone(String),
}

impl Delivery {
    /// Notes an attempt that ended at this time.
    pub fn tried(&mut self, attempt: Attempt, now: Timestamp) {
        self.attempts = self.attempts.saturating_add(1);
        let wait = WAITS.get(self.attempts as usize - 1).copied();
        let (state, error) = match attempt {
            Attempt::Taken => (DeliveryState::Delivered, None),
            Attempt::Gone(error) => (DeliveryState::Dead, Some(error)),
            Attempt::Failed(error) if wait.is_none() => (DeliveryState::Dead, Some(error)),
            Attempt::Failed(error) => (DeliveryState::Pending, Some(error)),
        };
        self.state = state;
        self.error = error;
        let pending = state == DeliveryState::Pending;
        let later = SignedDuration::from_secs(wait.unwrap_or_default());
        self.next_at = pending.then(|| now.saturating_add(later).unwrap_or(Timestamp::MAX));
        self.ended_at = (!pending).then_some(now);
    }

    /// Waits until then without having been tried: its target does not answer others.
    pub fn rests(&mut self, until: Timestamp) {
        self.next_at = Some(until);
    }

    /// Begins anew: a person asks for it.
    pub fn again(&mut self, now: Timestamp) {
        self.state = DeliveryState::Pending;
        self.attempts = 0;
        self.next_at = Some(now);
        self.ended_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_down_for_a_day_misses_nothing_and_one_that_stays_down_is_given_up() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut delivery = Delivery {
            id: Ulid::nil(),
            webhook: "chat".to_owned(),
            sequence: 1,
            event_type: String::new(),
            subject: String::new(),
            state: DeliveryState::Pending,
            attempts: 0,
            next_at: Some(now),
            error: None,
            created_at: now,
            ended_at: None,
        };
        let mut after_a_day = 0;
        while let Some(at) = delivery.next_at {
            assert!(at >= now);
            now = at;
            if now.as_second() > 24 * 3600 {
                after_a_day += 1;
            }
            delivery.tried(Attempt::Failed("500".to_owned()), now);
        }
        assert!(after_a_day >= 1);
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Dead, 10));
        assert_eq!(delivery.error.as_deref(), Some("500"));
        delivery.again(now);
        delivery.tried(Attempt::Taken, now);
        assert_eq!((delivery.state, delivery.error, delivery.ended_at), (DeliveryState::Delivered, None, Some(now)));
    }
}
