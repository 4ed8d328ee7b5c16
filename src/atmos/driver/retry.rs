//! How often a workflow's step is tried, and how long is waited in between (`retry`), as Atmos does it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// When a step that failed is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// How often it is tried in all; none means without end.
    pub attempts: Option<u32>,
    /// How the wait grows.
    pub growth: Growth,
    /// The first wait, in milliseconds.
    pub initial: u64,
    /// The longest wait, in milliseconds.
    pub longest: Option<u64>,
    /// By which part of itself a wait varies at random, from 0 to 1.
    pub jitter: f64,
    /// How long it is tried at most, in milliseconds.
    pub elapsed: Option<u64>,
}

/// How a wait grows from one try to the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Growth {
    /// Not at all.
    Constant,
    /// By the first wait each time.
    Linear,
    /// By this factor each time.
    Exponential(f64),
}

impl Retry {
    /// Reads the `retry` section of a step.
    ///
    /// # Errors
    ///
    /// What is wrong with it: an unknown key, a value out of bounds, a duration that is none.
    pub fn parse(value: &Value) -> Result<Option<Self>, String> {
        let Some(map) = value.as_object().filter(|map| !map.is_empty()) else {
            return if value.is_null() || value.is_object() { Ok(None) } else { Err("retry is no map".to_owned()) };
        };
        const KEYS: [&str; 8] = [
            "max_attempts",
            "backoff_strategy",
            "initial_delay",
            "max_delay",
            "random_jitter",
            "multiplier",
            "max_elapsed_time",
            "conditions",
        ];
        if let Some(unknown) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("retry has an unknown key '{unknown}'"));
        }
        let positive = |name: &str| number(map, name, &|number| number > 0.0, "must be greater than zero");
        let jitter = number(map, "random_jitter", &|part| (0.0..=1.0).contains(&part), "must be between 0 and 1")?;
        let growth = match map.get("backoff_strategy").and_then(Value::as_str) {
            Some("exponential") => Growth::Exponential(positive("multiplier")?.unwrap_or(2.0)),
            Some("linear") => Growth::Linear,
            _ => Growth::Constant,
        };
        let attempts = positive("max_attempts")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be positive; `as` saturates"
        )]
        let attempts = attempts.map(|attempts| attempts as u32);
        Ok(Some(Self {
            attempts,
            growth,
            initial: millis(map, "initial_delay")?.unwrap_or(0),
            longest: millis(map, "max_delay")?,
            jitter: jitter.unwrap_or(0.0),
            elapsed: millis(map, "max_elapsed_time")?,
        }))
    }

    /// Returns the wait after the `attempt`th failure (from 1), with `chance` from -1 to 1 for the jitter; none where it
    /// is not tried again.
    #[must_use]
    pub fn wait(&self, attempt: u32, since: Duration, chance: f64) -> Option<Duration> {
        let spent = self.elapsed.is_some_and(|elapsed| since > Duration::from_millis(elapsed));
        if spent || self.attempts.is_some_and(|attempts| attempt >= attempts) {
            return None;
        }
        let initial = Duration::from_millis(self.initial).as_secs_f64();
        let wait = match self.growth {
            Growth::Constant => initial,
            Growth::Linear => initial * f64::from(attempt),
            Growth::Exponential(factor) => initial * factor.powf(f64::from(attempt) - 1.0),
        };
        let wait = self.longest.map_or(wait, |longest| wait.min(Duration::from_millis(longest).as_secs_f64()));
        let wait = wait + wait * self.jitter * chance;
        Some(Duration::try_from_secs_f64(wait.max(0.0)).unwrap_or(Duration::MAX))
    }
}

fn number(
    map: &Map<String, Value>,
    name: &str,
    is_right: &dyn Fn(f64) -> bool,
    must: &str,
) -> Result<Option<f64>, String> {
    match map.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value.as_f64().ok_or_else(|| format!("retry.{name} is no number"))?;
            if is_right(number) { Ok(Some(number)) } else { Err(format!("retry.{name} {must}")) }
        }
    }
}

/// Reads a duration as Go writes it: `1m30s`, `500ms`; a bare number counts nanoseconds.
fn millis(map: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    let wrong = || format!("retry.{name} is no duration such as 500ms, 2s or 1m30s");
    let Some(value) = map.get(name).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    if let Some(nanos) = value.as_u64() {
        return Ok(Some(nanos / 1_000_000));
    }
    let mut rest = value.as_str().ok_or_else(wrong)?.trim();
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let units = [("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("ns", 1e-6), ("h", 3.6e6), ("m", 6e4), ("s", 1e3)];
        let unit = units.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit)).ok_or_else(wrong)?;
        total += number * unit.1;
        rest = &rest[digits + unit.0.len()..];
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no sign can be written; `as` saturates"
    )]
    let total = total as u64;
    Ok(Some(total))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn waits(retry: Value) -> Vec<Option<u128>> {
        let retry = Retry::parse(&retry).expect("understood").expect("a retry");
        (1..=4).map(|at| retry.wait(at, Duration::ZERO, 0.0).map(|wait| wait.as_millis())).collect()
    }

    #[test]
    fn waits_grow_as_atmos_lets_them() {
        assert_eq!(waits(json!({"max_attempts": 3})), [Some(0), Some(0), None, None]);
        let linear =
            json!({"max_attempts": 9, "backoff_strategy": "linear", "initial_delay": "100ms", "max_delay": "250ms"});
        assert_eq!(waits(linear), [Some(100), Some(200), Some(250), Some(250)]);
        let exponential = json!({"backoff_strategy": "exponential", "initial_delay": "1s"});
        assert_eq!(waits(exponential), [Some(1000), Some(2000), Some(4000), Some(8000)]);
        let retry = Retry::parse(&json!({"initial_delay": "1m30s", "max_elapsed_time": "2s", "random_jitter": 0.5}));
        let retry = retry.expect("understood").expect("a retry");
        assert_eq!(retry.wait(1, Duration::ZERO, -1.0), Some(Duration::from_secs(45)));
        assert_eq!(retry.wait(1, Duration::from_secs(3), 0.0), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in [json!({"max_attempts": 0}), json!({"tries": 1}), json!({"initial_delay": "soon"}), json!("x")] {
            assert!(Retry::parse(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(Retry::parse(&json!({})), Ok(None));
    }
}
