//! Newtypes for identities and digests: no bare strings for them anywhere.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use ulid::Ulid;
use utoipa::ToSchema;

/// The identity of a run: a ULID, so that ids sort by the time of their making.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "01K9QZ4W9E3N3Y0M7R6Q5T8V2A")]
pub struct RunId(pub Ulid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = ulid::DecodeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ulid::from_str(text).map(RunId)
    }
}

/// How a person names a run: by its number in the estate (`214`, `#214`) or by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunRef {
    /// The number that counts in the estate, from 1.
    Number(u64),
    /// The ULID.
    Id(RunId),
}

impl FromStr for RunRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.strip_prefix('#').unwrap_or(text);
        if let Ok(number) = bare.parse::<u64>() {
            return Ok(RunRef::Number(number));
        }
        bare.parse::<RunId>().map(RunRef::Id).map_err(|_| {
            format!("'{text}' is neither a run's number (such as 214) nor its id (a ULID of 26 characters)")
        })
    }
}

impl fmt::Display for RunRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunRef::Number(number) => number.fmt(f),
            RunRef::Id(id) => id.fmt(f),
        }
    }
}

/// A SHA-256 digest, shown as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Returns the digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Digest(hex::encode(Sha256::digest(bytes)))
    }

    /// Wraps a digest that was computed elsewhere; `None` unless it is 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let right = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        right.then(|| Digest(text.to_ascii_lowercase()))
    }

    /// Returns the 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the first 12 digits, enough to tell two apart on a screen.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
