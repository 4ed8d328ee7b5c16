//! The platform process: its card, its end, its own description.

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Admin, Viewer};
use crate::api::extract::Json;
use crate::api::types::{LiveRun, PlatformCard, StopRequest, Stopped};
use crate::api::{AppState, Problem};
use crate::atmos::driver::tools::Tools;
use crate::domain::run::Run;

/// Returns the routes of the platform process.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(platform)).routes(routes!(stop)).routes(routes!(document))
}

/// Shows who answers, for whom, since when, and how it is.
#[utoipa::path(get, path = "/platform", tag = "platform",
    responses((status = 200, description = "The platform process", body = PlatformCard)))]
async fn platform(viewer: Viewer, State(state): State<AppState>) -> Result<Json<PlatformCard>, Problem> {
    let platform = &state.platform;
    let identity = platform.identity();
    let setting = platform.estate().last().and_then(|snapshot| snapshot.settings().atmos_bin.clone());
    let tools = Tools::find(&|name| std::env::var(name).ok(), setting.as_deref());
    let driver = tools.atmos.or(tools.terraform).map(|path| path.display().to_string());
    Ok(Json(PlatformCard {
        name: identity.name.clone(),
        root: identity.root.clone(),
        pid: std::process::id(),
        build: platform.build().clone(),
        started_at: platform.started_at(),
        user: viewer.0.name.clone(),
        role: viewer.0.role,
        solo: platform.is_solo(),
        connections: platform.lifecycle().connections(),
        state_folder: platform.paths().map(|paths| paths.folder().to_owned()),
        runs: live(&state).await?,
        health: platform.health().await,
        driver,
    }))
}

/// Stops the platform process. Runs go on under their supervisors, and the next platform takes them over.
#[utoipa::path(post, path = "/platform/stop", tag = "platform", request_body = StopRequest,
    responses((status = 200, description = "It stops", body = Stopped)))]
async fn stop(
    Admin(actor): Admin,
    State(state): State<AppState>,
    Json(request): Json<StopRequest>,
) -> Result<Json<Stopped>, Problem> {
    let runs = live(&state).await?;
    let refuse = |detail: String| Problem::new(StatusCode::CONFLICT, "busy", detail);
    if (request.unless_runs || request.unless_busy) && !runs.is_empty() {
        let names: Vec<String> = runs.iter().map(|run| format!("#{} {}", run.number, run.command)).collect();
        return Err(refuse(format!("{} runs live: {}", runs.len(), names.join("; "))).hint("they would go on: --force"));
    }
    let others = state.platform.lifecycle().connections().saturating_sub(1);
    if request.unless_busy && others > 0 {
        return Err(refuse(format!("{others} others are connected")));
    }
    tracing::info!(by = actor.name, from = actor.origin, "asked to stop");
    // Who asked gets the answer: the server lets open requests end.
    state.platform.lifecycle().stop();
    Ok(Json(Stopped { runs }))
}

/// Returns this description of the API.
#[utoipa::path(get, path = "/openapi.json", tag = "platform",
    responses((status = 200, description = "OpenAPI 3.1", body = Value)))]
async fn document(_: Viewer) -> Json<utoipa::openapi::OpenApi> {
    Json(crate::api::openapi())
}

async fn live(state: &AppState) -> Result<Vec<LiveRun>, Problem> {
    let Ok(runs) = state.platform.runs() else { return Ok(Vec::new()) };
    Ok(runs.live().await?.iter().map(card).collect())
}

fn card(run: &Run) -> LiveRun {
    LiveRun { id: run.id, number: run.number, kind: run.kind, state: run.state, command: run.command.clone() }
}
