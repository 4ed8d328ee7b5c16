//! Policy, golden paths and requests, held from outside the library.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod bundle;
mod command;
mod dialects;
