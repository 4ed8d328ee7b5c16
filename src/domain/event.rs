//! Events: each change is one, as a CloudEvent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// An event in the JSON format of CloudEvents 1.0, with two extension attributes: `sequence` and `command`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// A ULID.
    pub id: String,
    /// The platform and estate it comes from: `/terrace/estates/<id>`.
    pub source: String,
    /// `dev.terrace.<noun>.<verb>`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about, such as `run/01K9…`.
    pub subject: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Always `application/json`.
    pub datacontenttype: String,
    /// The position in the stream, from 1, without gaps, as a decimal number.
    pub sequence: String,
    /// The command that opens the screen it is about, such as `terrace open run/01K9…`.
    pub command: String,
    /// The facts.
    pub data: Value,
}
