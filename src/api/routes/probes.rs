//! For whoever watches the process: alive, ready, counted.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::{AppState, Problem, metrics};

/// Returns the routes outside of `/api/v1`.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", tag = "probes",
    responses((status = 200, description = "It lives", content_type = "text/plain", body = String)))]
async fn healthz(_: Viewer) -> &'static str {
    "ok\n"
}

/// Says whether the process can answer: the store does, and the estate is loaded.
#[utoipa::path(get, path = "/readyz", tag = "probes",
    responses((status = 200, description = "It is ready", content_type = "text/plain", body = String)))]
async fn readyz(_: Viewer, State(state): State<AppState>) -> Result<&'static str, Problem> {
    if let Ok(runs) = state.platform.runs() {
        runs.live().await?;
    }
    if state.platform.estate().last().is_none() {
        let detail = "the estate is not loaded, or cannot be";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", detail).hint("terrace check"));
    }
    Ok("ok\n")
}

/// Returns what is counted, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "probes",
    responses((status = 200, description = "OpenMetrics", content_type = "application/openmetrics-text", body = String)))]
async fn metrics(_: Viewer, State(state): State<AppState>) -> Result<Response, Problem> {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and these counts are far below 2^52")]
    fn number(count: usize) -> f64 {
        count as f64
    }
    let up = jiff::Timestamp::now().duration_since(state.platform.started_at()).as_secs_f64();
    let mut gauges = vec![
        ("connections", "Open connections".to_owned(), number(state.platform.lifecycle().connections())),
        ("uptime_seconds", "Time since the process began".to_owned(), up),
    ];
    let mut counts = Vec::new();
    if let Ok(runs) = state.platform.runs() {
        counts = runs.counts().await?;
        gauges.push(("runs_live", "Runs that have not ended".to_owned(), number(runs.live().await?.len())));
    }
    let gauges: Vec<(&str, &str, f64)> =
        gauges.iter().map(|(name, help, value)| (*name, help.as_str(), *value)).collect();
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], state.metrics.text(&gauges, &counts)).into_response())
}
