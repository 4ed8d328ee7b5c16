//! Deciding on requests: what waits for whom, yes and no, broken glass, second looks, on with it or back.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::requests::{changed, checked, number, within};
use crate::api::auth::{Approver, Developer, Operator, Viewer};
use crate::api::etag::{Conditions, Tagged};
use crate::api::extract::{Json, Path};
use crate::api::types::{GlassRequest, RequestWord, ReviewRequest, SubmitRequest};
use crate::api::{AppState, Problem};
use crate::domain::request::Request;
use crate::platform::audit::Actor;
use crate::platform::requests::{Deciding, InboxItem, RequestService};

/// Returns the routes of decisions.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(inbox))
        .routes(routes!(deciding))
        .routes(routes!(approve))
        .routes(routes!(reject))
        .routes(routes!(break_glass))
        .routes(routes!(review))
        .routes(routes!(seen))
        .routes(routes!(go_on))
        .routes(routes!(revert))
}

/// Returns the request that is meant and the service; refuses where `If-Match` names another version, or whoever acts is
/// bound to other teams.
async fn permitted<'a>(
    state: &'a AppState,
    actor: &Actor,
    text: &str,
    conditions: &Conditions,
) -> Result<(u64, &'a RequestService), Problem> {
    let (which, requests) = checked(state, text, conditions).await?;
    if let Some(wish) = requests.get(which).await?.wish() {
        within(state, actor, wish).await?;
    }
    Ok((which, requests))
}

/// Lists what waits for whoever asks: what only they can move first.
#[utoipa::path(get, path = "/requests/inbox", tag = "requests", operation_id = "inbox",
    responses((status = 200, description = "What waits, the most urgent first", body = Vec<InboxItem>)))]
async fn inbox(Viewer(actor): Viewer, State(state): State<AppState>) -> Result<Json<Vec<InboxItem>>, Problem> {
    Ok(Json(state.platform.requests()?.inbox(&actor).await?))
}

/// Says how a request stands towards whoever asks: what they can do, who else has to agree, what they have not read.
#[utoipa::path(get, path = "/requests/{number}/deciding", tag = "requests", operation_id = "request_deciding",
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "How it stands", body = Deciding)))]
async fn deciding(
    Viewer(actor): Viewer,
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Json<Deciding>, Problem> {
    Ok(Json(state.platform.requests()?.deciding(&actor, number(&text)?).await?))
}

/// Agrees to a request; where that is enough, it is carried out.
#[utoipa::path(post, path = "/requests/{number}/approve", tag = "requests", operation_id = "approve_request", request_body = RequestWord,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn approve(
    Approver(actor): Approver,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(word): Json<RequestWord>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = permitted(&state, &actor, &text, &conditions).await?;
    Ok(changed(requests.approve(&actor, which, word.digest.as_ref(), word.reason, word.env).await?))
}

/// Refuses a request, and says why.
#[utoipa::path(post, path = "/requests/{number}/reject", tag = "requests", operation_id = "reject_request", request_body = RequestWord,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn reject(
    Approver(actor): Approver,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(word): Json<RequestWord>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = permitted(&state, &actor, &text, &conditions).await?;
    let reason = word.reason.unwrap_or_default();
    Ok(changed(requests.reject(&actor, which, word.digest.as_ref(), &reason).await?))
}

/// Sets the rules of approvals aside: any second person's yes is then enough. It is on record, and a second look is due.
#[utoipa::path(post, path = "/requests/{number}/break-glass", tag = "requests", operation_id = "break_glass", request_body = GlassRequest,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn break_glass(
    Operator(actor): Operator,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(why): Json<GlassRequest>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = permitted(&state, &actor, &text, &conditions).await?;
    Ok(changed(requests.break_glass(&actor, which, &why.reason).await?))
}

/// Notes that somebody else looked at what had gone ahead with less than the usual approvals.
#[utoipa::path(post, path = "/requests/{number}/review", tag = "requests", operation_id = "review_request", request_body = ReviewRequest,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn review(
    Approver(actor): Approver,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(word): Json<ReviewRequest>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = permitted(&state, &actor, &text, &conditions).await?;
    Ok(changed(requests.review(&actor, which, word.comment).await?))
}

/// Notes what whoever asks has looked at, so that they need only read what differs; the request stays as it is.
#[utoipa::path(post, path = "/requests/{number}/seen", tag = "requests", operation_id = "seen_request",
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "How it stands now", body = Deciding)))]
async fn seen(
    Developer(actor): Developer,
    State(state): State<AppState>,
    Path(text): Path<String>,
) -> Result<Json<Deciding>, Problem> {
    let (which, requests) = (number(&text)?, state.platform.requests()?);
    requests.mark_seen(&actor, which).await?;
    Ok(Json(requests.deciding(&actor, which).await?))
}

/// Goes on with what is partially applied: the rest is planned, judged and approved.
#[utoipa::path(post, path = "/requests/{number}/continue", tag = "requests", operation_id = "continue_request", request_body = SubmitRequest,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn go_on(
    Developer(actor): Developer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(with): Json<SubmitRequest>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = permitted(&state, &actor, &text, &conditions).await?;
    Ok(changed(requests.go_on(&actor, which, with.env).await?))
}

/// Has what was applied of a request undone: that is planned, judged and approved as everything else.
#[utoipa::path(post, path = "/requests/{number}/revert", tag = "requests", operation_id = "revert_request", request_body = SubmitRequest,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn revert(
    Developer(actor): Developer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(with): Json<SubmitRequest>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = permitted(&state, &actor, &text, &conditions).await?;
    Ok(changed(requests.revert(&actor, which, with.env).await?))
}
