//! Terrace: an Internal Developer Platform on top of Atmos and Terraform, seen and driven from a terminal.
//!
//! The modules stand in dependency order: each may use those above it, never those below or beside it
//! (`tests/layers.rs` holds that).
//!
//! | layer | owns | leaves to others |
//! |---|---|---|
//! | [`domain`] | plain data and rules | clocks, files, processes, networks, screens |
//! | [`atmos`] | what Atmos says (configuration, stacks, workflows) and does (drivers) | what happened before: the store |
//! | [`platform`] | services over a store: runs, events, audit, catalog, teams | URLs and screens |
//! | [`api`] | wire types, server, typed client | rules and order of steps |
//! | [`tui`] | the dashboard | everything that is not a picture, a key or a colour |
//! | [`cli`] | one file a command; the composition root | |

pub mod api;
pub mod atmos;
pub mod cli;
pub mod domain;
pub mod platform;
pub mod tui;
