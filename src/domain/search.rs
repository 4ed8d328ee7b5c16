//! What a search over every value of an estate finds.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::stack::{InstanceRef, PathSegment, Source};

/// A leaf that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// The instance.
    pub instance: InstanceRef,
    /// The stack file, relative to the estate's root.
    pub file: String,
    /// The path, its first segment the section.
    pub path: Vec<PathSegment>,
    /// The value.
    pub value: Value,
    /// The line that sets it; `None` where no line does.
    pub source: Option<Source>,
}
