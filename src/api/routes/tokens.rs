//! Tokens: made, listed, revoked; by admins only.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ulid::Ulid;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::stacks::Part;
use crate::api::auth::Admin;
use crate::api::extract::{Json, Path, Query};
use crate::api::page::{Page, cut};
use crate::api::{AppState, Problem};
use crate::domain::token::{NewToken, Token, TokenRequest};
use crate::platform::tokens;

/// Returns the routes of tokens.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

/// Lists tokens without their secrets, the newest first.
#[utoipa::path(get, path = "/tokens", tag = "access", operation_id = "tokens", params(Part),
    responses((status = 200, description = "A page of tokens", body = Page<Token>)))]
async fn list(_: Admin, State(state): State<AppState>, Query(part): Query<Part>) -> Result<Json<Page<Token>>, Problem> {
    let tokens = state.platform.store("tokens")?.tokens().await?;
    // A list that grew since is another one.
    let revision = tokens.len() as u64;
    Ok(Json(cut("tokens", revision, tokens, part.limit, part.cursor.as_deref())?))
}

/// Makes a token; its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/tokens", tag = "access", operation_id = "create_token", request_body = TokenRequest,
    responses((status = 201, description = "The token with its secret", body = NewToken)))]
async fn create(
    Admin(actor): Admin,
    State(state): State<AppState>,
    Json(request): Json<TokenRequest>,
) -> Result<Response, Problem> {
    let invalid = |detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-token-request", detail);
    request.check().map_err(invalid)?;
    if !actor.teams.is_empty() {
        let detail = "a token that is bound to teams makes no others";
        return Err(Problem::new(StatusCode::FORBIDDEN, "team-missing", detail));
    }
    let store = state.platform.store("tokens")?;
    let key = state.platform.public_key().unwrap_or_default();
    let made = tokens::mint(&**store, state.platform.clock(), &key, &actor, &request).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Revokes a token at once; one that is revoked already stays as it is.
#[utoipa::path(post, path = "/tokens/{id}/revoke", tag = "access", operation_id = "revoke_token",
    params(("id" = String, Path, description = "The token's id, a ULID")),
    responses((status = 200, description = "The token", body = Token)))]
async fn revoke(
    Admin(actor): Admin,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Token>, Problem> {
    let id: Ulid = id.parse().map_err(|_| Problem::not_found("not-found", format!("there is no token {id}")))?;
    let store = state.platform.store("tokens")?;
    Ok(Json(tokens::revoke(&**store, state.platform.clock(), &actor, id).await?))
}
