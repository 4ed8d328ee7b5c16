//! The HTTP API: wire types, server, typed client.
//!
//! Owns URLs, status codes, problem documents, cursors, ETags, permissions and the OpenAPI document. Leaves rules and
//! the order of steps to [`crate::platform`]. Adding a route is one handler in `routes/<noun>.rs` with its
//! `#[utoipa::path]`, listed in that file's `router()`, and one method in `client/<noun>.rs`.

pub mod auth;

pub mod client;
pub mod etag;
pub mod extract;
pub mod listen;
pub mod metrics;
mod needs;
pub mod page;
pub mod problem;
pub mod routes;
pub mod server;
pub mod state;
pub mod types;

pub use problem::Problem;
pub use server::{openapi, router};
pub use state::AppState;
