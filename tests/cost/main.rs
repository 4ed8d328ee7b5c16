//! What plans cost: the worked example, own rules, unknown prices, bad input.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod command;
mod estimates;
mod support;
