//! Golden paths: what somebody may ask for without knowing how it is built, and the form that asks for it.
//!
//! The words are here, and how a Terraform variable becomes an input. Reading templates, filling them in and editing
//! files belong to `platform::golden_paths`.

mod inputs;
mod variable;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stack::InstanceRef;

pub use inputs::Inputs;
pub use variable::schema_of;

/// A way to something that works: a template with inputs, and the files it writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GoldenPath {
    /// The folder's name below `platform/golden-paths`.
    pub name: String,
    /// A few words.
    pub title: String,
    /// One paragraph on what one gets.
    pub description: String,
    /// The team that looks after it.
    pub owner: Option<String>,
    /// How important what it makes is, such as `2`.
    pub tier: Option<String>,
    /// The component folder (a service of the catalog) that it provisions, where it provisions one.
    pub service: Option<String>,
    /// What is filled in, as JSON Schema.
    #[schema(value_type = Object)]
    pub inputs: Inputs,
    /// The template, relative to the estate's root.
    pub file: String,
}

/// What is wrong with one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputProblem {
    /// The input; empty where it is about several.
    pub input: String,
    /// One sentence.
    pub message: String,
}

/// What a request does to one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    /// The file, relative to the estate's root.
    pub path: String,
    /// Its text before; null where it is new.
    pub before: Option<String>,
    /// Its text after; null where it goes.
    pub after: Option<String>,
    /// The difference, unified.
    pub diff: String,
}

/// How an instance differs after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceAction {
    /// It is new.
    Create,
    /// Its configuration differs.
    Change,
    /// It is no longer there.
    Remove,
}

/// An instance that a request concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConcernedInstance {
    /// Which.
    #[serde(flatten)]
    pub instance: InstanceRef,
    /// How.
    pub action: InstanceAction,
}
