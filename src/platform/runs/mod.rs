//! Runs: accepting, ordering, locking, executing, taking over, ending.
//!
//! Each run has a supervisor of its own ([`supervisor`], a process) that needs nobody. It writes a [`journal`] and a
//! [`log`] into the run's [`folder`]; the platform copies the journal into its store and speaks to the supervisor by
//! [`protocol`]. Rules of states are in [`crate::domain::run`], commands and files in [`crate::atmos::driver`].

mod accept;
mod ahead;
mod approved;
mod attend;
pub mod configuration;
mod copy;
pub mod credentials;
mod decide;
pub mod error;
mod executor;
pub mod findings;
pub mod folder;
mod gate;
mod git;
mod hand;
pub mod journal;
mod leftover;
pub mod log;
mod mask;
pub mod protocol;
mod resolve;
mod retry;
pub mod scanners;
pub mod service;
mod set;
mod since;
pub mod states;
pub mod supervisor;
mod takeover;
mod unlock;
mod vault;
mod ways;
mod work;
mod workflow;

pub use error::RunError;
pub(crate) use gate::NEEDED;
pub(in crate::platform) use git::{files_of, tree};
pub use resolve::Resolution;
pub use service::{FollowedLog, RunService, RunSettings};
pub use unlock::Unlock;
pub(in crate::platform) use work::without_stack;
