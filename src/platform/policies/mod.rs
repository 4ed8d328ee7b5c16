//! Policy: which rules are in force in an estate, and what they say.
//!
//! Owns reading Rego (with regorus), its limits and its dialects, the rules that Terrace brings along, and their
//! tests. Leaves to others what a verdict leads to: a request that is sent back, a run that is denied.
//!
//! # What a policy sees and says
//!
//! A rule of package `terrace.<gate>` (or below it, `terrace.plan.databases`) is asked at that gate; the input
//! documents are `schemas/policy-input-<gate>.json`. `deny` and `warn` answer with texts or with objects (`message`,
//! and where known `code`, `address`, `fix`, `location`), `approvals` with objects (`count`, `group`, `message`).
//!
//! # What never means yes
//!
//! A file that does not parse, a rule that fails, recurses or takes too long, an answer in an unknown shape, a
//! configuration that cannot be read: each is a finding that denies. The network, the clock and randomness are refused
//! by name when a file is read, and again when it is evaluated.

mod answer;
mod builtin;
mod bundle;
mod config;
mod dialect;
mod evaluate;
mod input;
mod sandbox;
mod syntax;
mod testing;

pub use bundle::{Bundle, POLICIES_FOLDER, PolicyFile};
pub use config::{CONFIG_FILE, Config, LIMIT, SelfApproval, Settings, Switch, Unbound};
pub use evaluate::TIME_LIMIT;
pub use input::{
    ActorFacts, InstanceFacts, PlanError, PlanInput, RequestInput, RunInput, TeamFacts, document, read_plan,
};
