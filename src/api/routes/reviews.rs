//! Reviews: the price and the verdict of a run's plan.

use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::runs::reference;
use crate::api::auth::{Developer, Viewer};
use crate::api::extract::{Json, Path, Query};
use crate::api::{AppState, Problem, page};
use crate::domain::estimate::Estimate;
use crate::domain::policy::Verdict;
use crate::domain::review::Replay;
use crate::domain::scan::ScanFinding;

/// Returns the routes of reviews.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(estimate))
        .routes(routes!(verdict))
        .routes(routes!(findings, attach))
        .routes(routes!(replay))
}

/// Shows what a run's plan costs a month. It is made once, and kept with the run.
#[utoipa::path(get, path = "/runs/{id}/estimate", tag = "runs", operation_id = "run_estimate",
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "The estimate", body = Estimate)))]
async fn estimate(_: Viewer, State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<Estimate>, Problem> {
    Ok(Json(state.platform.review(&reference(&id)?).await?.estimate))
}

/// Shows what policy says of a run's plan. It is made once, and kept with the run.
#[utoipa::path(get, path = "/runs/{id}/verdict", tag = "runs", operation_id = "run_verdict",
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "The verdict", body = Verdict)))]
async fn verdict(_: Viewer, State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<Verdict>, Problem> {
    Ok(Json(state.platform.review(&reference(&id)?).await?.verdict))
}

/// How far to look back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LookBack {
    /// How many of the newest runs, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
}

/// Judges past plans again, by the rules as they are written now, and says which would differ.
#[utoipa::path(get, path = "/policies/replay", tag = "runs", operation_id = "replay_policies", params(LookBack),
    responses((status = 200, description = "What would differ", body = Replay)))]
async fn replay(
    _: Viewer,
    State(state): State<AppState>,
    Query(back): Query<LookBack>,
) -> Result<Json<Replay>, Problem> {
    Ok(Json(state.platform.replay(page::limit(back.limit)?).await?))
}

/// Shows what scanners found about a run's code, the gravest first.
#[utoipa::path(get, path = "/runs/{id}/findings", tag = "runs", operation_id = "run_findings",
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "The findings", body = Vec<ScanFinding>)))]
async fn findings(
    _: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Vec<ScanFinding>>, Problem> {
    Ok(Json(state.platform.findings(&reference(&id)?).await?))
}

/// Attaches what a scanner found (SARIF 2.1.0) to a run; what the same scanner found before gives way.
#[utoipa::path(post, path = "/runs/{id}/findings", tag = "runs", operation_id = "attach_findings",
    request_body(content = String, content_type = "application/sarif+json"),
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "All findings of the run", body = Vec<ScanFinding>)))]
async fn attach(
    Developer(actor): Developer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    sarif: Bytes,
) -> Result<Json<Vec<ScanFinding>>, Problem> {
    Ok(Json(state.platform.attach_findings(&actor, &reference(&id)?, &sarif).await?))
}
