//! What a run's supervisor executes: a list of actions that needs nobody.
//!
//! A driver writes it, the supervisor follows it to the end, even while no platform runs. It holds variables and
//! other resolved values, so it travels through a socket and is never stored.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::retry::Retry;
use crate::domain::id::Digest;

/// A whole run, ready to be executed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The steps a person sees, in order.
    pub steps: Vec<StepTitle>,
    /// What is done, in order; the first failure ends the run.
    pub actions: Vec<Action>,
    /// What is done at the end, however the run ended.
    pub at_last: Vec<Action>,
    /// The command that logs in, where credentials turn out to be missing.
    #[serde(default)]
    pub login: Option<String>,
}

/// A step as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTitle {
    /// `init`, `plan`, or a workflow step's name.
    pub name: String,
    /// The command as a person would type it.
    pub command: String,
    /// Whether it is left out, because the run resumes after it.
    #[serde(default)]
    pub skipped: bool,
}

/// One thing the supervisor does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Action {
    /// Makes a folder (mode 0700) with those above it.
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// Writes a file whole.
    Write {
        /// The file.
        path: PathBuf,
        /// Its text.
        text: String,
        /// Its mode, such as 0o644.
        mode: u32,
    },
    /// Remembers what a tracked file holds now, and puts it back at the end where it changed.
    Keep {
        /// The file.
        path: PathBuf,
    },
    /// Removes a file where it is there.
    Remove {
        /// The file.
        path: PathBuf,
    },
    /// Waits for a lock file that runs share, and takes it.
    Lock {
        /// The file.
        path: PathBuf,
    },
    /// Gives the lock file back.
    Unlock,
    /// Runs a command.
    Exec(Exec),
    /// Reads the plan that was made, checks that it is the instance's, and tells its digest and summary.
    Accept(Accept),
    /// Compares the state that a plan was made from with the one that is there now, and removes what was pulled.
    SameState {
        /// The plan file.
        plan: PathBuf,
        /// The answer of `terraform state pull`.
        state: PathBuf,
    },
    /// Waits for a person's yes to the plan that was accepted.
    Confirm {
        /// Whether the yes was given ahead.
        ahead: bool,
        /// For how many seconds it waits.
        seconds: u64,
    },
}

/// One command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// The index of its step in [`Script::steps`].
    pub step: usize,
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The working folder.
    pub folder: PathBuf,
    /// What is set or (`None`) taken out of the requester's environment.
    #[serde(default)]
    pub env: BTreeMap<String, Option<String>>,
    /// Where its output goes.
    pub output: Output,
    /// The exit codes that mean success.
    pub success: Vec<i32>,
    /// What is run instead where it fails (`workspace new` after `workspace select`).
    #[serde(default)]
    pub otherwise: Option<Box<Exec>>,
    /// The plan file that this command applies: its digest is compared right before.
    #[serde(default)]
    pub applies: Option<PathBuf>,
    /// Whether it gets a terminal, so that its operator can type into it.
    #[serde(default)]
    pub terminal: bool,
    /// Whether it checks credentials: where it fails nothing was changed, and somebody has to log in.
    #[serde(default)]
    pub guards: bool,
    /// When it is tried again where it fails.
    #[serde(default)]
    pub retry: Option<Retry>,
}

impl Exec {
    /// Moves its step by one: another one was put before it.
    pub fn later(&mut self) {
        self.step += 1;
        if let Some(otherwise) = &mut self.otherwise {
            otherwise.later();
        }
    }
}

/// Where a command's output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Into the run's log: both outputs in order.
    Log,
    /// Nowhere; into the log only where the command fails.
    Hidden,
    /// Standard output into a file (mode 0600), standard error as with [`Output::Hidden`].
    File(PathBuf),
}

/// How a plan is looked at before it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accept {
    /// The plan file.
    pub plan: PathBuf,
    /// The workspace it must have been made in.
    pub workspace: String,
    /// The answer of `terraform show -json`.
    pub json: PathBuf,
    /// Whether a plan without changes ends the run here.
    pub end_without_changes: bool,
    /// Whether what changed outside Terraform counts as a change (drift).
    pub count_drift: bool,
    /// The digest that it must have: that of the plan that was approved.
    #[serde(default)]
    pub expected: Option<Digest>,
}
