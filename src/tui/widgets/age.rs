//! Ages and durations, short enough for a column.

use jiff::Timestamp;

/// Returns the seconds from one time to another; 0 where a clock jumped back.
#[must_use]
pub fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    to.as_second().saturating_sub(from.as_second()).max(0).unsigned_abs()
}

/// Writes how long ago something was: `now`, `12s ago`, `3m ago`, `5h ago`, `9d ago`.
#[must_use]
pub fn ago(from: Timestamp, now: Timestamp) -> String {
    match seconds(from, now) {
        0..=1 => "now".into(),
        s => format!("{} ago", short(s)),
    }
}

/// Writes seconds in their largest unit: `12s`, `3m`, `5h`, `9d`.
#[must_use]
pub fn short(seconds: u64) -> String {
    match seconds {
        0..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m", seconds / 60),
        3600..=86_399 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Writes how long something took: `0:42`, `12:07`, `1:02:03`.
#[must_use]
pub fn clock(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short_and_survive_a_clock_that_jumps() {
        let at = |s| Timestamp::from_second(s).unwrap();
        assert_eq!(ago(at(1000), at(1001)), "now");
        assert_eq!(ago(at(1000), at(1012)), "12s ago");
        assert_eq!(ago(at(1000), at(4700)), "1h ago");
        assert_eq!(ago(at(5000), at(1000)), "now");
        assert_eq!(clock(42), "0:42");
        assert_eq!(clock(3723), "1:02:03");
    }
}
