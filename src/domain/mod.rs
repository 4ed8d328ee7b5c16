//! Plain data and rules.
//!
//! Nothing here knows of tokio, axum, ratatui, sqlx, the file system, a clock or randomness: time and ids come
//! in as arguments. The types derive `serde` and `utoipa::ToSchema`, because the wire shows them as they are.

pub mod allocation;
pub mod audit;
pub mod budget;
pub mod comparison;
pub mod cost;
pub mod delivery;
pub mod estimate;
pub mod event;
pub mod forecast;
pub mod golden_path;
pub mod id;
pub mod money;
pub mod period;
pub mod plan;
pub mod policy;
pub mod price;
pub mod recommend;
pub mod request;
pub mod review;
pub mod run;
pub mod scan;
pub mod search;
pub mod service;
pub mod showback;
pub mod stack;
pub mod team;
pub mod token;
pub mod usage;
