//! Recommendations: what could be saved, and what is decided on it.

use axum::extract::State;
use jiff::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Developer, Viewer};
use crate::api::extract::{Json, Path};
use crate::api::types::DecisionRequest;
use crate::api::{AppState, Problem};
use crate::domain::recommend::{DecisionWord, Recommendation};
use crate::platform::recommend::RecommendService;

/// Returns the routes of recommendations.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(recommendations)).routes(routes!(decide_recommendation))
}

/// Lists what could be saved, the largest first, with what was decided on it and what came of it.
#[utoipa::path(get, path = "/recommendations", tag = "cost",
    responses((status = 200, description = "The recommendations", body = Vec<Recommendation>)))]
async fn recommendations(_: Viewer, State(state): State<AppState>) -> Result<Json<Vec<Recommendation>>, Problem> {
    let recommend = state.platform.recommend()?;
    let snapshot = state.snapshot().await?;
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    Ok(Json(recommend.list(&snapshot, today).await?))
}

/// Accepts, dismisses (with a reason) or snoozes a recommendation; to accept one with a ready request sends that request.
#[utoipa::path(post, path = "/recommendations/{id}/decision", tag = "cost", request_body = DecisionRequest,
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, description = "The recommendation", body = Recommendation)))]
async fn decide_recommendation(
    Developer(actor): Developer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(request): Json<DecisionRequest>,
) -> Result<Json<Recommendation>, Problem> {
    let recommend = state.platform.recommend()?;
    let snapshot = state.snapshot().await?;
    if let Some(until) = &request.until {
        until
            .parse::<jiff::civil::Date>()
            .map_err(|error| Problem::bad_request("bad-body", format!("until: {error}")))?;
    }
    let mut decision = RecommendService::decision(request.word, request.reason, request.until, &actor);
    if request.word == DecisionWord::Accepted {
        let today = decision.at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let found = recommend.get(&snapshot, &id, today).await?;
        // Accepted twice, it is asked for once.
        decision.request = found.decision.and_then(|before| before.request);
        if let (None, Some(wish)) = (decision.request, found.request) {
            let asked = state.platform.requests()?.create(&actor, wish, false, request.env, None).await?;
            decision.request = Some(asked.number);
        }
    }
    Ok(Json(recommend.decide(&actor, &snapshot, &id, decision).await?))
}
