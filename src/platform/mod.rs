//! Services over a store: the estate, events, audit, teams, catalog, health, and the process that holds them.
//!
//! Owns the order of steps, what is kept and where it lies. Leaves rules to [`crate::domain`], what Atmos says to
//! `crate::atmos`, URLs and status codes to `crate::api`.

pub mod audit;
pub mod error;
pub mod estimates;
pub mod events;
pub mod policies;
pub mod prices;
pub mod runs;
pub mod store;

pub use error::PlatformError;
