//! Tokens: who may act as whom through the network, as which role, for which teams, until when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;
use utoipa::ToSchema;

use super::team::Role;

/// How long a token lives unless asked otherwise, in days.
pub const DEFAULT_DAYS: u32 = 30;
/// How long a token lives at most, in days.
pub const MAX_DAYS: u32 = 366;

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// Its identity: a ULID.
    #[schema(value_type = String)]
    pub id: Ulid,
    /// Whom it acts as.
    pub name: String,
    /// As which role.
    pub role: Role,
    /// The teams whose instances it may touch; empty where it is bound to none.
    pub teams: Vec<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// Its time is over.
    Expired(Timestamp),
    /// Somebody revoked it.
    Revoked(Timestamp),
}

impl Token {
    /// Returns why it is not accepted at this time; `None` where it is.
    #[must_use]
    pub fn spent(&self, now: Timestamp) -> Option<Spent> {
        if let Some(at) = self.revoked_at {
            return Some(Spent::Revoked(at));
        }
        (now >= self.expires_at).then_some(Spent::Expired(self.expires_at))
    }
}

/// What a token is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Whom it acts as: letters, digits, `.`, `_`, `-`, `@`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._@-]+$")]
    pub name: String,
    /// As which role.
    pub role: Role,
    /// The teams whose instances it may touch; none binds it to none.
    #[serde(default)]
    pub teams: Vec<String>,
    /// After how many days it ends, from 1 to 366; 30 unless given.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 366)]
    pub days: Option<u32>,
}

impl TokenRequest {
    /// Says what is wrong with it.
    ///
    /// # Errors
    ///
    /// A name or a number of days that is out of bounds.
    pub fn check(&self) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(fits) {
            return Err(format!("'{}' is no name: 1 to 64 letters, digits, '.', '_', '-', '@'", self.name));
        }
        match self.days {
            Some(days) if !(1..=MAX_DAYS).contains(&days) => {
                Err(format!("a token lives 1 to {MAX_DAYS} days, not {days}"))
            }
            _ => Ok(()),
        }
    }
}

/// A token that was made, with its secret: this is the only time that it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The token.
    pub token: Token,
    /// What `TERRACE_TOKEN` takes.
    pub secret: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_ends_by_time_or_by_word() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let mut token = Token {
            id: Ulid::nil(),
            name: "ann".to_owned(),
            role: Role::Viewer,
            teams: Vec::new(),
            created_by: "root".to_owned(),
            created_at: at(0),
            expires_at: at(10),
            revoked_at: None,
            revoked_by: None,
        };
        assert_eq!(token.spent(at(9)), None);
        assert_eq!(token.spent(at(10)), Some(Spent::Expired(at(10))));
        token.revoked_at = Some(at(5));
        assert_eq!(token.spent(at(6)), Some(Spent::Revoked(at(5))));
    }

    #[test]
    fn a_request_is_bounded() {
        let request =
            |name: &str, days| TokenRequest { name: name.to_owned(), role: Role::Viewer, teams: Vec::new(), days };
        assert!(request("ann.b@example.com", Some(366)).check().is_ok());
        for (name, days) in [("", None), ("a b", None), ("a\u{1b}[2J", None), ("ann", Some(0)), ("ann", Some(367))] {
            assert!(request(name, days).check().is_err(), "{name} {days:?}");
        }
    }
}
