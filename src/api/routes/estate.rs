//! The estate as a whole: its card, its problems, the text of its files.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::stacks::{ListAnswer, Part, answer};
use crate::api::auth::Viewer;
use crate::api::etag::{Conditions, Etag, Tagged};
use crate::api::extract::{Json, Query};
use crate::api::page::{Page, cut};
use crate::api::types::EstateCard;
use crate::api::{AppState, Problem};
use crate::domain::stack::{Diagnostic, Severity};

/// Returns the routes of the estate as a whole.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(estate)).routes(routes!(diagnostics)).routes(routes!(file))
}

/// Shows the estate as it is now.
#[utoipa::path(get, path = "/estate", tag = "estate",
    responses((status = 200, description = "The estate", body = EstateCard)))]
async fn estate(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
) -> Result<Tagged<Json<EstateCard>>, Problem> {
    let snapshot = state.snapshot().await?;
    let identity = state.platform.identity();
    let count = |severity| snapshot.diagnostics().iter().filter(|problem| problem.severity == severity).count();
    let stacks = snapshot.estate().stacks();
    let card = EstateCard {
        key: identity.key.clone(),
        name: identity.name.clone(),
        root: identity.root.clone(),
        revision: snapshot.revision(),
        loaded_at: snapshot.loaded_at(),
        instances: stacks.iter().map(|stack| stack.instances as usize).sum(),
        stacks: stacks.len(),
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        trusted: snapshot.is_trusted(),
        needs: snapshot.needs().to_vec(),
    };
    let etag = Etag::revision(state.platform.started_at(), snapshot.revision());
    Ok(Tagged::new(etag, &conditions, Json(card)))
}

/// Which problems.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichDiagnostics {
    /// Only those of the files that make an instance of this component, and of it; needs the stack.
    component: Option<String>,
    /// Only those of the files that make an instance in this stack, and of it; needs the component.
    stack: Option<String>,
    /// The stack file, where two make one stack name.
    stack_file: Option<String>,
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists every problem of the estate, or those of one instance.
#[utoipa::path(get, path = "/diagnostics", tag = "estate", params(WhichDiagnostics),
    responses((status = 200, description = "A page of diagnostics", body = Page<Diagnostic>)))]
async fn diagnostics(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(which): Query<WhichDiagnostics>,
) -> ListAnswer<Diagnostic> {
    let part = Part { limit: which.limit, cursor: which.cursor };
    match (&which.component, &which.stack) {
        (Some(component), Some(stack)) => {
            let (estate, id, revision) = state.instance(component, stack, which.stack_file.as_deref()).await?;
            let found = estate.diagnostics_of(id);
            let page = cut("diagnostics", revision, found, part.limit, part.cursor.as_deref())?;
            let etag = Etag::revision(state.platform.started_at(), revision);
            return Ok(Tagged::new(etag, &conditions, Json(page)));
        }
        (None, None) if which.stack_file.is_none() => {}
        _ => {
            let message = "component and stack name an instance together, and stack_file only with them";
            return Err(Problem::bad_request("bad-instance", message));
        }
    }
    let snapshot = state.snapshot().await?;
    let reading = tokio::task::spawn_blocking({
        let snapshot = std::sync::Arc::clone(&snapshot);
        move || {
            let mut found = crate::platform::catalog::problems(&snapshot);
            found.extend(crate::platform::problems::problems(&snapshot));
            found
        }
    });
    let mut problems = snapshot.diagnostics().to_vec();
    problems.extend(reading.await.map_err(|e| crate::platform::PlatformError::Interrupted(e.to_string()))?);
    answer(&state, &snapshot, &conditions, "diagnostics", problems, (part.limit, part.cursor.as_deref()))
}

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichFile {
    /// The file, relative to the estate's root.
    path: String,
}

/// Returns the bytes of one file of the estate.
#[utoipa::path(get, path = "/files", tag = "estate", params(WhichFile),
    responses((status = 200, description = "The file's bytes", content_type = "text/plain", body = String)))]
async fn file(_: Viewer, State(state): State<AppState>, Query(which): Query<WhichFile>) -> Result<Response, Problem> {
    let platform = std::sync::Arc::clone(&state.platform);
    let read = tokio::task::spawn_blocking(move || platform.read_file(&which.path)).await;
    let bytes = read.map_err(|e| crate::platform::PlatformError::Interrupted(e.to_string()))??;
    let mut response = Bytes::from(bytes).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}
