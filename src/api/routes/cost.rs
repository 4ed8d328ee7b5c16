//! Billed cost: bringing it in.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Operator, Viewer};
use crate::api::extract::{Json, Query};
use crate::api::{AppState, Problem};
use crate::domain::cost::{Anomaly, ImportReport};
use crate::platform::costs::ImportRequest;

/// Returns the routes of billed cost.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(import_cost)).routes(routes!(cost_anomalies))
}

/// Lists the days on which a service cost far more than expected, newest first; each became an event when it was found.
#[utoipa::path(get, path = "/cost/anomalies", tag = "cost",
    responses((status = 200, description = "The newest thousand", body = Vec<Anomaly>)))]
async fn cost_anomalies(_: Viewer, State(state): State<AppState>) -> Result<Json<Vec<Anomaly>>, Problem> {
    Ok(Json(state.platform.costs()?.anomalies(1000).await?))
}

/// What is imported, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HowToImport {
    /// The file's name, for people.
    file: Option<String>,
    /// Whether the file is all there is for its days, so that what it lacks is removed.
    #[serde(default)]
    replace: bool,
}

/// Imports a FOCUS export (1.0 to 1.2) as CSV, plain or gzip. The same file a second time changes nothing; an
/// overlapping one adds what is new; one that contradicts a bill takes the place of what the bill has on its days.
#[utoipa::path(post, path = "/cost/imports", tag = "cost", params(HowToImport),
    request_body(content = String, content_type = "text/csv", description = "The file's bytes"),
    responses((status = 201, description = "What the import did", body = ImportReport)))]
async fn import_cost(
    Operator(actor): Operator,
    State(state): State<AppState>,
    Query(how): Query<HowToImport>,
    body: Body,
) -> Result<(StatusCode, Json<ImportReport>), Problem> {
    let costs = state.platform.costs()?;
    let snapshot = state.snapshot().await?;
    let request = ImportRequest { name: how.file.unwrap_or_default(), replace: how.replace };
    let bytes = body.into_data_stream().map_err(io::Error::other).boxed();
    let report = costs.import(&actor, &snapshot, &request, bytes).await?;
    Ok((StatusCode::CREATED, Json(report)))
}
