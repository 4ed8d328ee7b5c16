//! Who may come in: users of the machine by `platform/teams.yaml`, tokens by their hash; sign-ins and refusals on record.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use super::audit::{Actor, AuditDraft};
use super::events::EventDraft;
use super::store::Change;
use super::teams::{self, Teams};
use super::tokens::{self, Unaccepted};
use super::{Platform, PlatformError, user};
use crate::domain::team::Role;
use crate::domain::token::Token;

/// A person who comes back within this time has not signed in anew.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);
/// Refusals of callers without a name: so many a minute are recorded one by one, the rest are counted.
const REFUSALS_A_MINUTE: u32 = 60;

/// A user of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// One who has a role.
    Known {
        /// The name of the user.
        name: String,
        /// The role.
        role: Role,
    },
    /// One who has none.
    Unknown {
        /// The name of the user.
        name: String,
    },
}

/// Who came in, and who was not let in, lately.
#[derive(Debug, Default)]
pub(super) struct Access {
    sessions: Mutex<HashMap<String, Instant>>,
    refusals: Mutex<Refusals>,
}

#[derive(Debug, Default)]
struct Refusals {
    minute: Option<Instant>,
    recorded: u32,
    left_out: u64,
}

impl Refusals {
    /// Says whether one more is recorded by itself, and how many were not since the last.
    fn record(&mut self, now: Instant) -> Option<u64> {
        if self.minute.is_none_or(|minute| now.duration_since(minute) >= Duration::from_secs(60)) {
            self.minute = Some(now);
            self.recorded = 0;
        }
        if self.recorded >= REFUSALS_A_MINUTE {
            self.left_out += 1;
            return None;
        }
        self.recorded += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Platform {
    /// Recognises a token by its secret.
    ///
    /// # Errors
    ///
    /// Why it is not accepted.
    pub async fn token(&self, secret: &str) -> Result<Token, Unaccepted> {
        let store = self.store("tokens").map_err(Unaccepted::Failed)?;
        tokens::recognise(&**store, self.clock(), &self.public_key().unwrap_or_default(), secret).await
    }

    /// Returns which role a user of the machine has on a shared platform, by the teams as they are now.
    ///
    /// # Errors
    ///
    /// An estate that cannot be read: then nobody has a role.
    pub async fn user(&self, uid: u32) -> Result<Caller, PlatformError> {
        let name = tokio::task::spawn_blocking(move || user::name_of(uid)).await;
        let name = name.map_err(|e| PlatformError::Interrupted(e.to_string()))?;
        let snapshot = self.estate().current().await?;
        let name = snapshot.teams().person(&name).to_owned();
        Ok(match snapshot.teams().role(&name) {
            Some(role) => Caller::Known { name, role },
            None => Caller::Unknown { name },
        })
    }

    /// Returns who the holder of a token, or the owner of the platform, is by the teams as they were read last.
    pub async fn person(&self, name: &str) -> String {
        if let Some(snapshot) = self.estate().last() {
            return snapshot.teams().person(name).to_owned();
        }
        // The estate is being loaded, or cannot be: the file says it all the same.
        let (path, name) = (self.estate().root().join(teams::FILE), name.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            let teams = std::fs::read(path).ok().and_then(|text| Teams::parse(&text).ok()).unwrap_or_default();
            teams.person(&name).to_owned()
        });
        reading.await.unwrap_or_else(|_| "unknown".to_owned())
    }

    /// Records that somebody came in, once a session.
    ///
    /// # Errors
    ///
    /// A store that fails: whoever cannot be recorded does not come in.
    pub async fn signed_in(&self, actor: &Actor, how: &str) -> Result<(), PlatformError> {
        let key = format!("{how} {}", actor.origin.split(':').next().unwrap_or_default());
        let now = Instant::now();
        {
            let sessions = self.access.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            if sessions.get(&key).is_some_and(|since| now.duration_since(*since) < SESSION) {
                return Ok(());
            }
        }
        self.told("signed_in", actor, json!({"by": how})).await?;
        let mut sessions = self.access.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, since| now.duration_since(*since) < SESSION);
        sessions.insert(key, now);
        Ok(())
    }

    /// Records that somebody was refused. Of callers without a name only so many a minute are recorded one by one.
    ///
    /// # Errors
    ///
    /// A store that fails.
    pub async fn refused(
        &self,
        what: &str,
        origin: &str,
        actor: &Actor,
        code: &str,
        why: &str,
    ) -> Result<(), PlatformError> {
        let mut detail = json!({"what": what, "code": code, "why": why, "from": origin});
        if actor.name == "unknown" {
            let recorded = self.access.refusals.lock().unwrap_or_else(PoisonError::into_inner).record(Instant::now());
            match recorded {
                None => return Ok(()),
                Some(0) => {}
                Some(count) => detail["left_out_before"] = json!(count),
            }
        }
        self.told("refused", actor, detail).await
    }

    /// Trusts the estate with these needs, and records who did.
    ///
    /// # Errors
    ///
    /// Where that cannot be recorded or remembered.
    pub async fn trust(&self, actor: &Actor, needs: Vec<String>) -> Result<(), PlatformError> {
        self.trust_told("trusted", actor, json!({"needs": needs})).await?;
        self.estate().trust(needs).await.map(drop)
    }

    /// Forgets that the estate is trusted, and records who did.
    ///
    /// # Errors
    ///
    /// As [`Platform::trust`].
    pub async fn distrust(&self, actor: &Actor) -> Result<(), PlatformError> {
        self.trust_told("distrusted", actor, json!({})).await?;
        self.estate().distrust().map(drop)
    }

    async fn trust_told(&self, verb: &str, actor: &Actor, detail: serde_json::Value) -> Result<(), PlatformError> {
        // A command that runs without the platform process keeps no record: the file says when it was.
        let Ok(store) = self.store("audit records") else { return Ok(()) };
        let event = EventDraft::about("estate", verb, &self.identity().key, detail.clone());
        let record =
            AuditDraft::new(actor.clone(), format!("estate.{verb}"), format!("estate/{}", self.identity().key), detail);
        store.begin().await?.commit(Change::new(self.clock().now(), event, record)).await.map(drop)
    }

    async fn told(&self, verb: &str, actor: &Actor, detail: serde_json::Value) -> Result<(), PlatformError> {
        // A reading command keeps nothing, and lets nobody in but itself.
        let Ok(store) = self.store("audit records") else { return Ok(()) };
        let mut event = EventDraft::about("access", verb, &actor.name, detail.clone());
        "terrace audit list".clone_into(&mut event.command);
        let record = AuditDraft::new(actor.clone(), format!("access.{verb}"), format!("access/{}", actor.name), detail);
        store.begin().await?.commit(Change::new(self.clock().now(), event, record)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_refusals_is_counted_and_not_written() {
        let mut refusals = Refusals::default();
        let now = Instant::now();
        let recorded = (0..1000).filter(|_| refusals.record(now).is_some()).count();
        assert_eq!(recorded, REFUSALS_A_MINUTE as usize);
        assert_eq!(refusals.record(now + Duration::from_secs(61)), Some(940));
        assert_eq!(refusals.record(now + Duration::from_secs(61)), Some(0));
    }
}
