//! The documents that policies are asked about: `schemas/policy-input-<gate>.json`; that of the gate `approval` is made
//! where the words are.

use serde::Serialize;
use serde_json::{Map, Value};

use super::config::Settings;
use crate::domain::golden_path::ConcernedInstance;
use crate::domain::request::Price;
use crate::domain::scan::ScanFinding;
use crate::domain::stack::InstanceRef;

/// The largest plan that is read, in bytes; Terraform's own for tens of thousands of resources are below it.
const MAX_PLAN: usize = 512 << 20;

/// Why a file is no plan that can be judged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// A stable code in kebab case.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
    /// The next step.
    pub hint: String,
}

/// Reads what `terraform show -json` printed for a plan.
///
/// # Errors
///
/// Where it is no JSON (a plan file as Terraform wrote it, say), no plan (a state), of a format that this Terrace does
/// not know, or a plan that ended with an error and so does not show everything.
pub fn read_plan(bytes: &[u8]) -> Result<Value, PlanError> {
    let error = |code, message: String, hint: &str| PlanError { code, message, hint: hint.to_owned() };
    let show = "terraform show -json PLANFILE > plan.json";
    if bytes.starts_with(b"PK") {
        return Err(error("plan-binary", "this is a plan file as Terraform wrote it, not its JSON".to_owned(), show));
    }
    if bytes.len() > MAX_PLAN {
        let message = format!("the plan has {} bytes, {MAX_PLAN} are the most", bytes.len());
        return Err(error("plan-too-large", message, "plan fewer resources at a time"));
    }
    let plan: Value = serde_json::from_slice(bytes)
        .map_err(|cause| error("plan-not-json", format!("the plan is not JSON: {cause}"), show))?;
    let Some(format) = plan.get("format_version").and_then(Value::as_str) else {
        return Err(error("plan-unknown", "the file has no format_version, so it is no plan".to_owned(), show));
    };
    let is_plan = plan.get("planned_values").or_else(|| plan.get("resource_changes")).is_some();
    if !is_plan {
        let message = "the file has neither planned_values nor resource_changes: it is no plan, perhaps a state";
        return Err(error("plan-unknown", message.to_owned(), show));
    }
    if !format.starts_with("1.") {
        let message = format!("the plan is of format {format}; this terrace reads format 1 (Terraform 1.0 and later)");
        return Err(error("plan-format", message, "make the plan with a Terraform that this terrace knows"));
    }
    if plan.get("errored").and_then(Value::as_bool) == Some(true) {
        let message = "the plan ended with an error, so it does not show everything it would do";
        return Err(error("plan-errored", message.to_owned(), "mend the error and plan again"));
    }
    Ok(plan)
}

/// The instance that a plan belongs to; what is not known is null, and rules see that it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct InstanceFacts {
    /// The component's name in the stack.
    pub component: Option<String>,
    /// The stack's name.
    pub stack: Option<String>,
    /// `vars.stage`.
    pub stage: Option<String>,
    /// The owning team.
    pub team: Option<String>,
    /// `settings.protected`.
    pub protected: bool,
    /// The resolved variables.
    pub vars: Map<String, Value>,
    /// The resolved settings.
    pub settings: Map<String, Value>,
}

/// Who asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ActorFacts {
    /// The name that the operating system or a token gives.
    pub name: Option<String>,
    /// As which role.
    pub role: Option<String>,
    /// The teams the person is in.
    pub teams: Vec<String>,
}

/// Everything that a rule of the gate `plan` may look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlanInput {
    /// As `terraform show -json` prints it.
    pub plan: Value,
    /// What it belongs to.
    pub instance: InstanceFacts,
    /// As `terrace estimate --format json` prints it; null where no price was looked for.
    pub estimate: Option<Value>,
    /// The team's limit and what is in use; null where no limit is set.
    pub budget: Option<Value>,
    /// The request that the plan is for; null for a run that nobody requested.
    pub request: Option<Value>,
    /// Who asks.
    pub actor: ActorFacts,
    /// The run that made the plan; null where a file was handed in.
    pub run: Option<Value>,
    /// What scanners found about the code.
    pub findings: Vec<ScanFinding>,
    /// The instance's newest runs before this one, the newest first.
    pub history: Vec<Value>,
    /// The settings of platform/policies.yaml.
    pub config: Settings,
}

/// Everything that a rule of the gate `request` may look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestInput {
    /// Number, kind, title, requester, revision, and the wish as it was asked for.
    pub request: Value,
    /// The instances that it concerns, in the order in which they are applied.
    pub instances: Vec<ConcernedInstance>,
    /// The files that it changes.
    pub files: Vec<String>,
    /// What its plans cost a month; null where nothing is planned.
    pub price: Option<Price>,
    /// Who asks.
    pub actor: ActorFacts,
    /// Whose it is, where the wish says so.
    pub instance: TeamFacts,
    /// The settings of platform/policies.yaml.
    pub config: Settings,
}

/// Whose something is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TeamFacts {
    /// The team.
    pub team: Option<String>,
}

/// Everything that a rule of the gate `run` may look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunInput {
    /// Kind, command, steps and stacks of what would run.
    pub run: Value,
    /// The first instance that it names; null where it names none.
    pub instance: Option<InstanceFacts>,
    /// Every instance that it names.
    pub instances: Vec<InstanceRef>,
    /// Whether it may touch something that is protected.
    pub protected: bool,
    /// Who starts it.
    pub actor: ActorFacts,
    /// The settings of platform/policies.yaml.
    pub config: Settings,
}

/// Returns the document of an input.
#[must_use]
pub fn document<T: Serialize>(input: &T) -> Value {
    // A struct of strings, lists and JSON has no way to fail; null would be denied by the rules' own failure.
    serde_json::to_value(input).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> &'static str {
        read_plan(text.as_bytes()).map_or_else(|error| error.code, |_| "read")
    }

    #[test]
    fn only_a_whole_plan_of_a_known_format_is_read() {
        assert_eq!(code(r#"{"format_version": "1.2", "resource_changes": []}"#), "read");
        assert_eq!(code(r#"{"format_version": "2.0", "resource_changes": []}"#), "plan-format");
        assert_eq!(code(r#"{"format_version": "0.1", "planned_values": {}}"#), "plan-format");
        assert_eq!(code(r#"{"format_version": "1.0", "values": {}}"#), "plan-unknown");
        assert_eq!(code(r#"{"format_version": "1.2", "planned_values": {}, "errored": true}"#), "plan-errored");
        assert_eq!(code("[]"), "plan-unknown");
        assert_eq!(code("{"), "plan-not-json");
        assert_eq!(code("PK\u{3}\u{4}"), "plan-binary");
        assert_eq!(code(""), "plan-not-json");
    }
}
