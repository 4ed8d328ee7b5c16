//! What time it is: never earlier than what was seen before, so that what ended does not come back when a clock jumps.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// Tells the time; cheap to clone, and clones agree.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<Mutex<Wall>>,
    /// The latest time that was told, in microseconds.
    latest: Arc<AtomicI64>,
}

type Wall = Arc<dyn Fn() -> Timestamp + Send + Sync>;

impl Default for Clock {
    fn default() -> Self {
        Self::of(Timestamp::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.latest).finish()
    }
}

impl Clock {
    /// Returns a clock over what tells the wall's time.
    pub fn of(wall: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { wall: Arc::new(Mutex::new(Arc::new(wall))), latest: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// Returns the time; where the wall's clock was put back, the latest time that was told before.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let tell = Arc::clone(&self.wall.lock().unwrap_or_else(PoisonError::into_inner));
        let wall = tell();
        let before = self.latest.fetch_max(wall.as_microsecond(), Ordering::AcqRel);
        if before <= wall.as_microsecond() { wall } else { Timestamp::from_microsecond(before).unwrap_or(wall) }
    }

    /// Tells the time of another clock from now on, and so do the clones.
    pub fn becomes(&self, other: &Self) {
        let tell = Arc::clone(&other.wall.lock().unwrap_or_else(PoisonError::into_inner));
        *self.wall.lock().unwrap_or_else(PoisonError::into_inner) = tell;
        self.latest.store(other.latest.load(Ordering::Acquire), Ordering::Release);
    }

    /// Notes a time that is known to have been, such as that of the last audit record.
    pub fn has_been(&self, time: Timestamp) {
        self.latest.fetch_max(time.as_microsecond(), Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let wall = Arc::new(Mutex::new(at(100)));
        let shown = Arc::clone(&wall);
        let clock = Clock::of(move || *shown.lock().expect("unpoisoned"));
        assert_eq!(clock.now(), at(100));
        *wall.lock().expect("unpoisoned") = at(50);
        assert_eq!(clock.now(), at(100));
        clock.has_been(at(120));
        assert_eq!(clock.clone().now(), at(120));
        *wall.lock().expect("unpoisoned") = at(130);
        assert_eq!(clock.now(), at(130));
    }
}
