//! What is compared with what, what differs, and which instances a change reaches.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::stack::{InstanceRef, PathSegment};

/// One side of a comparison: `stack:NAME`, `COMPONENT@STACK`, `ref:GITREF`, or `worktree` for the files as they are.
///
/// Where several stack files make one stack name, `COMPONENT@STACK#FILE` says which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// Every instance of one stack.
    Stack(String),
    /// One instance.
    Instance(InstanceRef),
    /// One instance of several that share a stack name, with its stack file.
    InFile(InstanceRef, String),
    /// The whole estate as a Git ref has it.
    Ref(String),
    /// The whole estate as its files are now.
    Worktree,
}

/// A text that is no side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of stack:NAME, COMPONENT@STACK, ref:GITREF and worktree")]
pub struct NotASide(pub String);

impl FromStr for Side {
    type Err = NotASide;

    fn from_str(text: &str) -> Result<Self, NotASide> {
        let named = |rest: &str| if rest.is_empty() { Err(NotASide(text.to_owned())) } else { Ok(rest.to_owned()) };
        if let Some(rest) = text.strip_prefix("stack:") {
            return named(rest).map(Self::Stack);
        }
        if let Some(rest) = text.strip_prefix("ref:") {
            return named(rest).map(Self::Ref);
        }
        if text == "worktree" {
            return Ok(Self::Worktree);
        }
        match text.rsplit_once('@') {
            Some((component, stack)) if !component.is_empty() && !stack.is_empty() => {
                let of = |stack: &str| InstanceRef { component: component.to_owned(), stack: stack.to_owned() };
                Ok(match stack.split_once('#') {
                    Some((stack, file)) if !stack.is_empty() && !file.is_empty() => {
                        Self::InFile(of(stack), file.to_owned())
                    }
                    _ => Self::Instance(of(stack)),
                })
            }
            _ => Err(NotASide(text.to_owned())),
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(name) => write!(f, "stack:{name}"),
            Self::Instance(instance) => instance.fmt(f),
            Self::InFile(instance, file) => write!(f, "{instance}#{file}"),
            Self::Ref(name) => write!(f, "ref:{name}"),
            Self::Worktree => f.write_str("worktree"),
        }
    }
}

/// What tells which instance it is, for `atmos describe affected` and `describe dependents`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstanceCard {
    /// The component's name in the stack.
    pub component: String,
    /// `terraform`, `helmfile`, …
    pub component_type: String,
    /// The component's folder, relative to the base path.
    pub component_path: String,
    /// Its `vars.namespace`; of an affected one only where it is deleted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its `vars.tenant`, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tenant: String,
    /// Its `vars.environment`, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// Its `vars.stage`, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stage: String,
    /// The stack's name.
    pub stack: String,
    /// The stack and the component in one word.
    pub stack_slug: String,
    /// The stack of Spacelift, where `settings.spacelift.workspace_enabled`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub spacelift_stack: String,
    /// The project of Atlantis, where `settings.atlantis` names a template.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub atlantis_project: String,
}

/// An instance that a change reaches: the keys of `atmos describe affected`, and what caused it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Affected {
    /// Which one.
    #[serde(flatten)]
    pub instance: InstanceCard,
    /// The first reason: `stack.vars`, `component`, `component.module`, `file`, `deleted`, …
    pub affected: String,
    /// Every reason.
    pub affected_all: Vec<String>,
    /// The file of `dependencies` that changed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The folder of `dependencies` in which a file changed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub folder: String,
    /// What needs it, where asked for.
    pub dependents: Option<Vec<Dependent>>,
    /// Whether another one's dependents name it.
    pub included_in_dependents: bool,
    /// Its settings, where asked for.
    pub settings: Option<Value>,
    /// Whether it is gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// `component` or `stack`, where it is gone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub deletion_type: String,
    /// The lines that caused it. Atmos has no such key.
    #[serde(default)]
    pub causes: Vec<Cause>,
}

/// An instance that needs an affected one: the keys of `atmos describe dependents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dependent {
    /// Which one.
    #[serde(flatten)]
    pub instance: InstanceCard,
    /// What needs it in turn.
    #[schema(no_recursion)]
    pub dependents: Option<Vec<Dependent>>,
    /// Whether another one's dependents name it.
    pub included_in_dependents: bool,
    /// Its settings, where asked for.
    pub settings: Option<Value>,
}

/// Why an instance is affected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// The reason of [`Affected::affected_all`] that it belongs to.
    pub reason: String,
    /// The file that changed, or that sets the value; relative to the estate's root.
    pub file: Option<String>,
    /// The line, where a value changed.
    pub line: Option<u32>,
    /// The column, where a value changed.
    pub column: Option<u32>,
    /// The value that changed.
    pub path: Option<Vec<PathSegment>>,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_read_as_they_are_written() {
        for text in ["stack:plat-ue2-dev", "orders-db@plat-ue2-prod", "ref:origin/main~2", "worktree", "a@b@c"] {
            assert_eq!(text.parse::<Side>().map(|side| side.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "stack:", "ref:", "orders-db", "@stack", "component@"] {
            assert_eq!(text.parse::<Side>(), Err(NotASide(text.to_owned())));
        }
    }
}
