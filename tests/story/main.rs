//! Stories through the real binary: supervisors, platform, API, store.

mod runs_killed;
mod runs_supervisor;
mod runs_terraform;
mod runs_workflow;
mod support;
