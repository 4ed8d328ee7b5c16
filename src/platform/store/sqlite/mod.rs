//! The embedded store: SQLite in one file, in WAL mode.
//!
//! One connection writes (`begin immediate`), a few read. Every commit is synced to the disk before it is answered
//! (`synchronous = full`), because what Terrace says it did must survive a power failure.

mod dialect;
mod open;
#[path = "../sql/mod.rs"]
mod sql;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(super) use open::MIGRATIONS;
pub use sql::SqlStore as SqliteStore;
