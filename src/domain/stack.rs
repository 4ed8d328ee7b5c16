//! What stacks resolve to: instances, values with their sources, diagnostics, imports, dependencies.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A place in a file of the estate; `line` and `column` count from 1 and stand at the value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The file, relative to the estate's root.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// One step of a path to a value; list items count from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PathSegment {
    /// An item of a list.
    Index(usize),
    /// A key of a map, dots and all.
    Key(String),
}

/// Through which level a value came, from the lowest to the highest in the order of application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// `atmos.yaml`.
    Config,
    /// The top level of a stack file.
    Global,
    /// `terraform:`, `helmfile:` and the like.
    Type,
    /// A base component.
    Inherits,
    /// The component's own section.
    Component,
    /// An `overrides` section.
    Overrides,
}

/// One level's word on a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChainEntry {
    /// What this level set.
    pub value: Value,
    /// Where it stands.
    pub source: Source,
    /// The path in the file, such as `components.terraform.orders-db.vars.size`.
    pub section: String,
    /// The level.
    pub via: Via,
}

/// A leaf of an instance's configuration: its value, the line that set it, and what it overrode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplainedValue {
    /// The path, its first segment the section (`vars`, `settings`, …).
    pub path: Vec<PathSegment>,
    /// The resolved value.
    pub value: Value,
    /// The line a person edits to change it; `None` where no line wrote it.
    pub source: Option<Source>,
    /// What computed the value where no line wrote it, such as `workspace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub computed: Option<String>,
    /// Whether the value holds a template or YAML function that was left as written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unevaluated: bool,
    /// Every level that set it, in order of application; the last entry is the winner.
    pub chain: Vec<ChainEntry>,
}

/// Where each value of an instance comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The component.
    pub component: String,
    /// The stack.
    pub stack: String,
    /// The leaves, in the order of the document.
    pub values: Vec<ExplainedValue>,
}

/// How bad a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is not resolved, or Atmos would refuse the estate.
    Error,
    /// Everything is resolved, and yet a person should look.
    Warning,
}

/// A problem of the estate: what, where, and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// A stable code in kebab case, such as `import-not-found`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// The next step, where one is known.
    pub hint: Option<String>,
    /// Where it stands.
    pub source: Option<Source>,
    /// The stack it belongs to, where it is one stack's problem.
    pub stack: Option<String>,
}

/// One component in one stack: what Atmos plans and applies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct InstanceRef {
    /// The component's name in the stack.
    pub component: String,
    /// The stack's name.
    pub stack: String,
}

impl std::fmt::Display for InstanceRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.component, self.stack)
    }
}

/// A row of the list of instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstanceSummary {
    /// The component's name in the stack.
    pub component: String,
    /// The stack's name.
    pub stack: String,
    /// `terraform`, `helmfile`, …
    #[serde(rename = "type")]
    pub component_type: String,
    /// Whether it is there only to be inherited from.
    #[serde(rename = "abstract")]
    pub is_abstract: bool,
    /// The stack file, relative to the estate's root.
    pub file: String,
    /// The component folder's name (`metadata.component` or the instance's own name).
    pub folder: String,
    /// `metadata.enabled`, true unless it says otherwise.
    pub enabled: bool,
    /// `metadata.locked`.
    pub locked: bool,
    /// The workspace a run would use; `None` for types other than terraform.
    pub workspace: Option<String>,
    /// The bases, the most recently merged first.
    pub inherits: Vec<String>,
    /// The owning team, where one is known.
    pub team: Option<String>,
    /// How many diagnostics of severity error concern it.
    pub errors: u32,
}

/// A row of the list of stacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StackSummary {
    /// The stack's name.
    pub stack: String,
    /// The stack files that make it, relative to the estate's root.
    pub files: Vec<String>,
    /// `vars.namespace`, `tenant`, `environment`, `stage` where the stack sets them, in that order.
    pub parts: Vec<String>,
    /// How many instances it has, abstract ones left out.
    pub instances: u32,
}

/// One `import` of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportEdge {
    /// The importing file, relative to the estate's root.
    pub from: String,
    /// The imported file, likewise.
    pub to: String,
    /// Where the import is written.
    pub source: Source,
}

/// How a dependency is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DependencyKind {
    /// `dependencies.components`.
    Dependencies,
    /// `settings.depends_on`.
    DependsOn,
    /// A reference inside a value to another component's outputs.
    Inferred,
}

/// One instance needs another first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dependency {
    /// Who needs.
    pub from: InstanceRef,
    /// What is needed.
    pub to: InstanceRef,
    /// How it is known.
    pub kind: DependencyKind,
    /// Where it is written, where one line says it.
    pub source: Option<Source>,
}

/// What happened to a leaf between two configurations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiffEntry {
    /// The instance on the left side (or on the right, where the left has none).
    pub instance: InstanceRef,
    /// The leaf.
    pub path: Vec<PathSegment>,
    /// Its value on the left; `None` where it is added.
    pub before: Option<Value>,
    /// Its value on the right; `None` where it is removed.
    pub after: Option<Value>,
    /// The line on the left.
    pub before_source: Option<Source>,
    /// The line on the right.
    pub after_source: Option<Source>,
}
