//! Teams: who they are and what they own. `platform/teams.yaml` in the estate.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A team and what it owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Team {
    /// Its name, unique in the estate.
    pub name: String,
    /// One line on what it does.
    #[serde(default)]
    pub description: Option<String>,
    /// The people in it, by the names that the operating system or a token gives them.
    #[serde(default)]
    pub members: Vec<String>,
    /// Who of them may approve.
    #[serde(default)]
    pub approvers: Vec<String>,
    /// Globs of the components it owns.
    #[serde(default)]
    pub components: Vec<String>,
    /// Globs of the stacks it owns.
    #[serde(default)]
    pub stacks: Vec<String>,
    /// Names that it had before: what is billed under one of them is its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formerly: Vec<String>,
}

/// What somebody may do; each role may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Asks and plans.
    Developer,
    /// Decides on what others ask.
    Approver,
    /// Applies, confirms, cancels, resolves.
    Operator,
    /// Everything, the platform process included.
    Admin,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Viewer => "viewer",
            Role::Developer => "developer",
            Role::Approver => "approver",
            Role::Operator => "operator",
            Role::Admin => "admin",
        })
    }
}
