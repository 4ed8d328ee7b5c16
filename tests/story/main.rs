//! Stories through the real binary: supervisors, platform, API, store.

mod access;
mod api_contract;
mod api_runs;
mod api_stream;
mod approvals;
mod asking;
mod audit;
mod cost_budget;
mod cost_gate;
mod cost_import;
mod cost_report;
mod cost_runs;
mod crashes;
mod lifecycle;
mod postgres;
#[path = "../common/program.rs"]
mod program;
mod requests;
mod requests_kinds;
mod reviews;
mod runs_full_disk;
mod runs_killed;
mod runs_random;
mod runs_remote;
mod runs_secrets;
mod runs_served;
mod runs_supervisor;
mod runs_terraform;
mod runs_together;
mod runs_watched;
mod runs_workflow;
mod support;
mod trouble;
mod waves;
mod webhooks;
