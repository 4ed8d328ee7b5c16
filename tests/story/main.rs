//! Stories through the real binary: supervisors, platform, API, store.

mod runs_supervisor;
mod support;
