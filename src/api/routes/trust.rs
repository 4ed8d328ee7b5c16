//! Whether the estate is trusted, and with what.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Admin, Viewer};
use crate::api::extract::Json;
use crate::api::types::{Trust, TrustRequest};
use crate::api::{AppState, Problem};

/// Returns the routes of trust.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show, grant, revoke))
}

async fn card(state: &AppState) -> Result<Json<Trust>, Problem> {
    let snapshot = state.snapshot().await?;
    let granted_at = state.platform.estate().grant().map(|grant| grant.granted_at);
    let root = state.platform.identity().root.clone();
    Ok(Json(Trust {
        path: root,
        trusted: snapshot.estate().options().trusted,
        granted_at,
        needs: snapshot.needs().to_vec(),
    }))
}

/// Shows whether the estate is trusted, and what it needs trust for.
#[utoipa::path(get, path = "/trust", tag = "estate", operation_id = "trust",
    responses((status = 200, description = "Trust", body = Trust)))]
async fn show(_: Viewer, State(state): State<AppState>) -> Result<Json<Trust>, Problem> {
    card(&state).await
}

/// Trusts the estate with the needs that were looked at; what it needs beyond them stays unevaluated.
#[utoipa::path(post, path = "/trust", tag = "estate", operation_id = "grant_trust", request_body = TrustRequest,
    responses((status = 200, description = "Trust", body = Trust)))]
async fn grant(
    Admin(actor): Admin,
    State(state): State<AppState>,
    Json(request): Json<TrustRequest>,
) -> Result<Json<Trust>, Problem> {
    state.platform.trust(&actor, request.needs).await?;
    card(&state).await
}

/// Forgets that the estate is trusted.
#[utoipa::path(delete, path = "/trust", tag = "estate", operation_id = "revoke_trust",
    responses((status = 200, description = "Trust", body = Trust)))]
async fn revoke(Admin(actor): Admin, State(state): State<AppState>) -> Result<Json<Trust>, Problem> {
    state.platform.distrust(&actor).await?;
    card(&state).await
}
