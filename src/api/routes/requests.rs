//! Requests: ask, look, decide; and the golden paths that they begin with.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{self, Developer, Viewer};
use crate::api::etag::{Conditions, Etag, Tagged};
use crate::api::extract::{IdempotencyKey, Json, Path, Query};
use crate::api::page::{self, Page};
use crate::api::types::{NewComment, NewRequest, PreviewRequest, SubmitRequest};
use crate::api::{AppState, Problem};
use crate::domain::golden_path::GoldenPath;
use crate::domain::request::{Request, RequestForm, RequestKind, RequestState, Wish};
use crate::platform::audit::Actor;
use crate::platform::golden_paths;
use crate::platform::requests::{Preview, RequestService, Times};
use crate::platform::store::RequestQuery;
use crate::platform::{PlatformError, requests};

/// Returns the routes of requests and golden paths.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(golden_path_list))
        .routes(routes!(golden_path))
        .routes(routes!(list, create))
        .routes(routes!(form))
        .routes(routes!(preview))
        .routes(routes!(times))
        .routes(routes!(show))
        .routes(routes!(revise))
        .routes(routes!(submit))
        .routes(routes!(withdraw))
        .routes(routes!(comment))
        .merge(super::decisions::router())
}

/// Which requests.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichRequests {
    /// Only those in this state.
    #[param(inline)]
    state: Option<RequestState>,
    /// Only those of this kind.
    #[param(inline)]
    kind: Option<RequestKind>,
    /// Only those of this person.
    requester: Option<String>,
    /// Only those at which a second look is still owed.
    review_open: Option<bool>,
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Reads a request's number, with or without `#`.
pub(super) fn number(text: &str) -> Result<u64, Problem> {
    let bare = text.strip_prefix('#').unwrap_or(text);
    bare.parse().map_err(|_| Problem::not_found("not-found", format!("'{text}' is no request's number (such as 57)")))
}

fn tagged(conditions: &Conditions, request: Request) -> Tagged<Json<Request>> {
    Tagged::new(Etag::version(request.version), conditions, Json(request))
}

/// Answers with a request as it is after a change.
pub(super) fn changed(request: Request) -> Tagged<Json<Request>> {
    tagged(&Conditions::default(), request)
}

/// Returns the request that is meant and the service; refuses where `If-Match` names another version than it has.
pub(super) async fn checked<'a>(
    state: &'a AppState,
    text: &str,
    conditions: &Conditions,
) -> Result<(u64, &'a RequestService), Problem> {
    let (which, requests) = (number(text)?, state.platform.requests()?);
    if conditions.has_if_match() {
        conditions.check(&Etag::version(requests.get(which).await?.version))?;
    }
    Ok((which, requests))
}

/// Refuses what is not for whoever acts for some teams only.
pub(super) async fn within(state: &AppState, actor: &Actor, wish: &Wish) -> Result<(), Problem> {
    let team = wish.inputs.get("team").and_then(serde_json::Value::as_str);
    match &wish.instance {
        Some(at) => auth::within(state, actor, vec![(Some(&at.component), Some(&at.stack))]).await,
        None if team.is_some_and(|team| actor.teams.iter().any(|own| own == team)) => Ok(()),
        None => auth::within(state, actor, vec![(None, None)]).await,
    }
}

/// Lists the golden paths by name, each with its form.
#[utoipa::path(get, path = "/golden-paths", tag = "requests", operation_id = "golden_paths",
    responses((status = 200, description = "The golden paths; one whose form cannot be made is left out, and `check` says why", body = Vec<GoldenPath>)))]
async fn golden_path_list(_: Viewer, State(state): State<AppState>) -> Result<Json<Vec<GoldenPath>>, Problem> {
    let snapshot = state.snapshot().await?;
    let reading = tokio::task::spawn_blocking(move || {
        let (templates, _) = golden_paths::read(snapshot.estate().root(), &crate::atmos::files::Disk);
        let ground = requests::ground(&snapshot);
        templates.iter().filter_map(|template| template.form(&ground).ok()).collect()
    });
    Ok(Json(reading.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?))
}

/// Shows one golden path with its form.
#[utoipa::path(get, path = "/golden-paths/{name}", tag = "requests", operation_id = "golden_path",
    params(("name" = String, Path, description = "The folder's name below platform/golden-paths")),
    responses((status = 200, description = "The golden path", body = GoldenPath)))]
async fn golden_path(
    _: Viewer,
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Json<GoldenPath>, Problem> {
    let snapshot = state.snapshot().await?;
    let reading = tokio::task::spawn_blocking(move || requests::form(&snapshot, &name));
    Ok(Json(reading.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??))
}

/// Lists requests, newest first.
#[utoipa::path(get, path = "/requests", tag = "requests", operation_id = "requests", params(WhichRequests),
    responses((status = 200, description = "A page of requests", body = Page<Request>)))]
async fn list(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichRequests>,
) -> Result<Json<Page<Request>>, Problem> {
    let limit = page::limit(which.limit)?;
    let query = RequestQuery {
        before: which.cursor.as_deref().map(|cursor| page::decode("requests", 0, cursor)).transpose()?,
        state: which.state,
        kind: which.kind,
        requester: which.requester,
        review_open: which.review_open.unwrap_or_default(),
        limit: limit + 1,
    };
    let requests = state.platform.requests()?.list(&query).await?;
    Ok(Json(page::grown("requests", limit, requests, |request| request.number)))
}

/// Asks for something; it is submitted at once unless it is to stay a draft.
#[utoipa::path(post, path = "/requests", tag = "requests", operation_id = "create_request", request_body = NewRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send twice")),
    responses((status = 201, description = "The request", body = Request)))]
async fn create(
    Developer(actor): Developer,
    State(state): State<AppState>,
    key: IdempotencyKey,
    Json(asked): Json<NewRequest>,
) -> Result<Response, Problem> {
    within(&state, &actor, &asked.wish).await?;
    let key = key.bind(&actor.name, &(&asked.wish, asked.draft));
    let requests = state.platform.requests()?;
    let request = requests.create(&actor, asked.wish, asked.draft, asked.env, key.as_ref()).await?;
    Ok((StatusCode::CREATED, changed(request)).into_response())
}

/// Returns the form of a request of any kind: what may be filled in, and what it is now.
#[utoipa::path(post, path = "/requests/form", tag = "requests", operation_id = "request_form", request_body = Wish,
    responses((status = 200, description = "The form", body = RequestForm)))]
async fn form(
    _: Developer,
    State(state): State<AppState>,
    Json(wish): Json<Wish>,
) -> Result<Json<RequestForm>, Problem> {
    let snapshot = state.snapshot().await?;
    let making = tokio::task::spawn_blocking(move || requests::form_of(&snapshot, wish));
    Ok(Json(making.await.map_err(|error| PlatformError::Interrupted(error.to_string()))??))
}

/// Says what a request would come to, without sending it: files, price, verdict.
#[utoipa::path(post, path = "/requests/preview", tag = "requests", operation_id = "preview_request", request_body = PreviewRequest,
    responses((status = 200, description = "What it would come to", body = Preview)))]
async fn preview(
    Developer(actor): Developer,
    State(state): State<AppState>,
    Json(asked): Json<PreviewRequest>,
) -> Result<Json<Preview>, Problem> {
    within(&state, &actor, &asked.wish).await?;
    let requests = state.platform.requests()?;
    Ok(Json(requests.preview(&actor, &asked.wish, asked.plan, asked.env).await?))
}

/// Says how long requests took from being sent to being usable.
#[utoipa::path(get, path = "/requests/times", tag = "requests", operation_id = "request_times",
    responses((status = 200, description = "Percentiles over the newest 1000 that were fulfilled", body = Times)))]
async fn times(_: Viewer, State(state): State<AppState>) -> Result<Json<Times>, Problem> {
    Ok(Json(state.platform.requests()?.times().await?))
}

/// Shows one request with everything that was found out about it.
#[utoipa::path(get, path = "/requests/{number}", tag = "requests", operation_id = "request",
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn show(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let request = state.platform.requests()?.get(number(&text)?).await?;
    Ok(tagged(&conditions, request))
}

/// Writes a new revision; what was said about the one before counts no more.
#[utoipa::path(post, path = "/requests/{number}/revise", tag = "requests", operation_id = "revise_request", request_body = Wish,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request, a draft again", body = Request)))]
async fn revise(
    Developer(actor): Developer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(wish): Json<Wish>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = checked(&state, &text, &conditions).await?;
    within(&state, &actor, &wish).await?;
    Ok(changed(requests.revise(&actor, which, wish).await?))
}

/// Sends a draft, or one that came back.
#[utoipa::path(post, path = "/requests/{number}/submit", tag = "requests", operation_id = "submit_request", request_body = SubmitRequest,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn submit(
    Developer(actor): Developer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
    Json(with): Json<SubmitRequest>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = checked(&state, &text, &conditions).await?;
    Ok(changed(requests.submit(&actor, which, with.env).await?))
}

/// Takes a request back.
#[utoipa::path(post, path = "/requests/{number}/withdraw", tag = "requests", operation_id = "withdraw_request",
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn withdraw(
    Developer(actor): Developer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(text): Path<String>,
) -> Result<Tagged<Json<Request>>, Problem> {
    let (which, requests) = checked(&state, &text, &conditions).await?;
    Ok(changed(requests.withdraw(&actor, which).await?))
}

/// Says something about a request.
#[utoipa::path(post, path = "/requests/{number}/comment", tag = "requests", operation_id = "comment_request", request_body = NewComment,
    params(("number" = String, Path, description = "Its number")),
    responses((status = 200, description = "The request", body = Request)))]
async fn comment(
    Developer(actor): Developer,
    State(state): State<AppState>,
    Path(text): Path<String>,
    Json(comment): Json<NewComment>,
) -> Result<Tagged<Json<Request>>, Problem> {
    Ok(changed(state.platform.requests()?.comment(&actor, number(&text)?, &comment.text).await?))
}
