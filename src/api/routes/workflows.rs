//! Workflows, as their files write them.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::stacks::{ListAnswer, Part, answer};
use crate::api::auth::Viewer;
use crate::api::etag::Conditions;
use crate::api::extract::Query;
use crate::api::page::Page;
use crate::api::types::{WorkflowCard, WorkflowStep};
use crate::api::{AppState, Problem};
use crate::atmos::driver::variables;
use crate::atmos::driver::workflow::{Step, Workflow};

/// Returns the routes of workflows.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(workflows))
}

/// Lists the workflows by file; one whose file cannot be read is a diagnostic.
#[utoipa::path(get, path = "/workflows", tag = "estate", params(Part),
    responses((status = 200, description = "A page of workflows", body = Page<WorkflowCard>)))]
async fn workflows(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(part): Query<Part>,
) -> Result<impl axum::response::IntoResponse, Problem> {
    let snapshot = state.snapshot().await?;
    let cards = snapshot.workflows().iter().map(|(file, name, workflow)| card(file, name, workflow)).collect();
    let page: ListAnswer<WorkflowCard> =
        answer(&state, &snapshot, &conditions, "workflows", cards, (part.limit, part.cursor.as_deref()));
    page
}

/// Returns what a shell step reads that neither it nor its workflow sets.
fn reads(workflow: &Workflow, step: &Step) -> Vec<String> {
    let is_set = |name: &str| workflow.env.contains_key(name) || step.env.contains_key(name);
    let command = step.command.as_deref().filter(|_| step.kind() == "shell");
    command.map(|command| variables::unset(command, &is_set)).unwrap_or_default()
}

fn card(file: &str, name: &str, workflow: &Workflow) -> WorkflowCard {
    let step = |(index, step): (usize, &Step)| WorkflowStep {
        name: workflow.step_name(index),
        kind: step.kind().to_owned(),
        command: step.command.clone(),
        stack: step.stack.clone(),
        reads: reads(workflow, step),
    };
    WorkflowCard {
        name: name.to_owned(),
        file: file.to_owned(),
        description: workflow.description.clone(),
        stack: workflow.stack.clone(),
        steps: workflow.steps.iter().enumerate().map(step).collect(),
    }
}
