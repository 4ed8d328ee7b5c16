//! The form of a request: what may be filled in before it is sent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{RequestKind, Wish};
use crate::domain::golden_path::{GoldenPath, Inputs};

/// A form that asks for something, of whichever kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RequestForm {
    /// One line: what is asked for.
    pub title: String,
    /// What comes of it, in a sentence or two.
    pub description: String,
    /// What may be filled in, as JSON Schema; a default is what it is now.
    #[schema(value_type = Object)]
    pub inputs: Inputs,
    /// What is sent, once what was filled in stands in its inputs.
    pub wish: Wish,
}

impl From<GoldenPath> for RequestForm {
    fn from(path: GoldenPath) -> Self {
        let wish = Wish { golden_path: Some(path.name), ..Wish::new(RequestKind::Provision) };
        RequestForm { title: path.title, description: path.description, inputs: path.inputs, wish }
    }
}
