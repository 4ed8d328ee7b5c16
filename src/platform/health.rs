//! Health: what is wrong with the platform itself, or soon will be.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Platform, PlatformError};
use crate::domain::delivery::DeliveryState;
use crate::domain::run::RunState;

/// Below so much free space a person is warned: logs of a large run fit into it.
const LOW_SPACE: u64 = 512 * 1024 * 1024;
/// A jump of the wall clock against the steady one beyond which times in lists cannot be trusted.
const CLOCK_JUMP: Duration = Duration::from_secs(120);

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// A person should look when there is time.
    Warning,
    /// Something does not work.
    Error,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// How grave it is.
    pub gravity: Gravity,
    /// A stable code in kebab case.
    pub code: String,
    /// What it is, in one sentence.
    pub message: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
}

impl Finding {
    fn warning(code: &str, message: String, hint: Option<String>) -> Self {
        Self { gravity: Gravity::Warning, code: code.to_owned(), message, hint }
    }

    fn error(error: &PlatformError) -> Self {
        Self { gravity: Gravity::Error, code: error.code().to_owned(), message: error.to_string(), hint: error.hint() }
    }
}

/// Both clocks at one moment, so that a jump of the wall clock is seen later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    steady: Instant,
    wall: SystemTime,
}

impl Clocks {
    pub(super) fn now() -> Self {
        Self { steady: Instant::now(), wall: SystemTime::now() }
    }

    /// Returns by how much the wall clock has jumped since, forwards or backwards; `None` where it has not.
    fn jump(self, now: Self) -> Option<Duration> {
        let expected = self.wall + now.steady.duration_since(self.steady);
        let off = now.wall.duration_since(expected).unwrap_or_else(|behind| behind.duration());
        (off >= CLOCK_JUMP).then_some(off)
    }
}

impl Platform {
    /// Looks at store, disk, clock, runs and the session; the gravest first. A reading command has nothing to look at.
    pub async fn health(&self) -> Vec<Finding> {
        let Some(kept) = &self.kept else { return Vec::new() };
        let mut findings = Vec::new();
        match kept.runs.live().await {
            Err(error) => {
                let hint = error.hint();
                let (code, message) = (error.code().to_owned(), error.to_string());
                findings.push(Finding { gravity: Gravity::Error, code, message, hint });
            }
            Ok(runs) => {
                for run in runs.iter().filter(|run| run.state == RunState::Unknown) {
                    findings.push(Finding::warning(
                        "run-unknown",
                        format!("run #{} was lost while it changed the world, and keeps its locks", run.number),
                        Some(format!("terrace runs resolve {}", run.number)),
                    ));
                }
                let overdue = |at: Option<Timestamp>| at.is_some_and(|at| at < Timestamp::now());
                for run in runs.iter().filter(|run| overdue(run.expires_at)) {
                    findings.push(Finding::warning(
                        "run-stuck",
                        format!("run #{} should have expired by now and has not", run.number),
                        Some(format!("terrace runs cancel {}", run.number)),
                    ));
                }
            }
        }
        match kept.store.deliveries(Some(DeliveryState::Dead), None, 1).await {
            Ok(dead) => findings.extend(dead.first().map(|(_, delivery)| {
                let message =
                    format!("an event did not reach the webhook '{}', and is no longer tried", delivery.webhook);
                let hint = "terrace events deliveries --state dead, terrace events redeliver ID".to_owned();
                Finding::warning("webhook-dead", message, Some(hint))
            })),
            Err(error) => findings.push(Finding::error(&error)),
        }
        match rustix::fs::statvfs(kept.paths.folder()) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < LOW_SPACE => {
                let free = disk.f_bavail.saturating_mul(disk.f_frsize) / (1024 * 1024);
                findings.push(Finding::warning(
                    "disk-low",
                    format!("{free} MiB are left on the disk that holds {}", kept.paths.folder().display()),
                    Some("free some space: logs are lost first, and said to be lost".to_owned()),
                ));
            }
            Ok(_) => {}
            Err(error) => {
                findings.push(Finding::error(&PlatformError::io("look at", kept.paths.folder())(error.into())));
            }
        }
        if let Some(off) = self.clocks.jump(Clocks::now()) {
            findings.push(Finding::warning(
                "clock-jumped",
                format!("the clock has jumped by {} s since the platform began", off.as_secs()),
                Some("times before the jump may not be comparable; sequences are".to_owned()),
            ));
        }
        if super::session::ends_with_login() {
            findings.push(Finding::warning(
                "killed-at-logout",
                "this system ends your processes when you log out, runs included".to_owned(),
                Some("loginctl enable-linger, or `terrace serve --install` with it".to_owned()),
            ));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.gravity));
        findings
    }

    /// Checks the whole database; slow for a large one.
    ///
    /// # Errors
    ///
    /// What is damaged.
    pub async fn check_store(&self) -> Result<(), PlatformError> {
        match &self.kept {
            Some(kept) => kept.store.check().await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_clock_is_seen_both_ways_and_running_time_is_none() {
        let began = Clocks::now();
        let later = Duration::from_secs(3600);
        let at = |off: i64| {
            let wall = began.wall + later;
            let by = Duration::from_secs(off.unsigned_abs());
            Clocks { steady: began.steady + later, wall: if off < 0 { wall - by } else { wall + by } }
        };
        assert_eq!(began.jump(at(0)), None);
        assert_eq!(began.jump(at(60)), None);
        assert_eq!(began.jump(at(7200)), Some(Duration::from_secs(7200)));
        assert_eq!(began.jump(at(-7200)), Some(Duration::from_secs(7200)));
    }
}
