//! The catalog's words: services, their inputs and outputs.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::stack::{Diagnostic, InstanceRef, Source};

/// A fact about a service and where it was read, so that a person can correct it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Attribute {
    /// The value as written.
    pub value: String,
    /// The file and line it was read from; `None` for a default.
    pub source: Option<Source>,
}

/// A variable of a Terraform component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its type as written, such as `list(string)`; `any` where none is.
    #[serde(rename = "type")]
    pub type_expression: String,
    /// Its description.
    pub description: Option<String>,
    /// Its default; `None` where a value must be given.
    pub default: Option<Value>,
    /// Whether a value must be given.
    pub required: bool,
    /// Whether Terraform masks it.
    pub sensitive: bool,
    /// Whether null may be given.
    pub nullable: bool,
    /// The conditions and messages of its `validation` blocks.
    pub validations: Vec<Validation>,
    /// Where it is declared.
    pub source: Source,
}

/// A `validation` block of a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// The condition as written.
    pub condition: String,
    /// What Terraform says when it does not hold.
    pub error_message: String,
}

/// An output of a Terraform component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its description.
    pub description: Option<String>,
    /// Whether Terraform masks it.
    pub sensitive: bool,
    /// Where it is declared.
    pub source: Source,
}

/// A catalog entry: every component is one, whether a stack uses it or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Service {
    /// The component folder's name below the base path of its type.
    pub name: String,
    /// `terraform`, `helmfile`, …
    #[serde(rename = "type")]
    pub component_type: String,
    /// The folder, relative to the estate's root.
    pub folder: String,
    /// Whether the folder is there.
    pub exists: bool,
    /// One line on what it is.
    pub description: Option<Attribute>,
    /// The owning team.
    pub owner: Option<Attribute>,
    /// How important it is, such as `1`.
    pub tier: Option<Attribute>,
    /// `experimental`, `production`, `deprecated`.
    pub lifecycle: Option<Attribute>,
    /// The text of its README, Markdown.
    pub readme: Option<String>,
    /// Its variables.
    pub inputs: Vec<Input>,
    /// Its outputs.
    pub outputs: Vec<Output>,
    /// Where it is deployed; empty for a component that no stack uses.
    pub instances: Vec<InstanceRef>,
    /// What of it cannot be read, or is missing.
    pub problems: Vec<Diagnostic>,
}
