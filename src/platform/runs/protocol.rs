//! What the platform and a supervisor say to each other: JSON lines over the run's control socket.
//!
//! Every request that changes something carries the platform's fencing token, which grows with each start of the
//! platform; a supervisor that has seen a higher one refuses, so an old platform that wakes up late can do no harm.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::atmos::driver::script::Script;
use crate::domain::id::Digest;
use crate::domain::run::TerminalSize;

/// What a supervisor is given on its standard input when it is started; held in memory only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The environment of the person who asked for the run.
    pub env: BTreeMap<String, String>,
    /// How patient it is.
    #[serde(default)]
    pub patience: Patience,
    /// How many files its commands may have open; as many as it may itself where nothing is said.
    #[serde(default)]
    pub files: Option<u64>,
}

/// How long a supervisor waits for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patience {
    /// After an interrupt, before it terminates, in milliseconds.
    pub interrupt: u64,
    /// After terminating, before it kills, in milliseconds.
    pub terminate: u64,
    /// After a command ended, for processes that still hold its output, in milliseconds.
    pub linger: u64,
}

impl Default for Patience {
    /// A minute for Terraform to finish what is under way, 15 seconds more, 3 seconds for late writers.
    fn default() -> Self {
        Self { interrupt: 60_000, terminate: 15_000, linger: 3_000 }
    }
}

/// What the platform asks of a supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Ask {
    /// Tell me whenever there is more; also takes over from older platforms.
    Attach {
        /// The platform's token.
        token: u64,
    },
    /// It is your turn.
    Start {
        /// The platform's token.
        token: u64,
        /// What to do.
        script: Box<Script>,
    },
    /// A person said yes to this plan.
    Confirm {
        /// The platform's token.
        token: u64,
        /// The plan.
        digest: Digest,
        /// The person.
        by: String,
    },
    /// Others have to agree: wait for so long, and leave the plan to the platform, which encrypts it.
    Park {
        /// The platform's token.
        token: u64,
        /// For how many seconds.
        seconds: u64,
    },
    /// End: interrupt, wait, terminate, wait, kill. Asked again, it goes one step further at once.
    Cancel {
        /// The platform's token.
        token: u64,
        /// The person, or why.
        by: String,
    },
    /// Type this into the command's terminal.
    Input {
        /// The platform's token.
        token: u64,
        /// The bytes, in base64.
        data: String,
    },
    /// The terminal that the command is typed into is as large as this; also one that is opened later.
    Resize {
        /// The platform's token.
        token: u64,
        /// How large.
        size: TerminalSize,
    },
}

impl Ask {
    /// Returns the token it carries.
    #[must_use]
    pub fn token(&self) -> u64 {
        match self {
            Ask::Attach { token }
            | Ask::Start { token, .. }
            | Ask::Confirm { token, .. }
            | Ask::Park { token, .. }
            | Ask::Cancel { token, .. }
            | Ask::Input { token, .. }
            | Ask::Resize { token, .. } => *token,
        }
    }
}

/// What a supervisor says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "say")]
pub enum Say {
    /// Done as asked.
    Done,
    /// Not done, and why.
    Refused {
        /// Why.
        why: String,
    },
    /// There is more: how much there is now.
    Progress(Progress),
}

/// How much there is of a run's journal and log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes of the journal.
    pub journal: u64,
    /// Bytes of the log.
    pub log: u64,
    /// Lines of the log.
    pub lines: u64,
    /// Bytes of output that are missing in the log.
    pub lost: u64,
}
