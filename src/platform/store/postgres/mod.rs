//! The store of a platform that outgrows one machine: PostgreSQL 15 or later.
//!
//! One connection writes, a few read, as with SQLite. The connection that writes holds an advisory lock for as long as
//! it lives, so of two platforms on one database only one can write; and each opening takes the next epoch, so a
//! platform that lost its connection, and meanwhile its place to another one, is refused ([`lease`]).

mod dialect;
mod lease;
mod open;
mod server;
#[path = "../sql/mod.rs"]
#[expect(clippy::duplicate_mod, reason = "compiled once for each database; `super::dialect` differs")]
mod sql;
#[cfg(test)]
mod tests;

pub use server::Server;
pub use sql::SqlStore as PostgresStore;
