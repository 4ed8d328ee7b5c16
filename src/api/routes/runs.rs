//! Runs and sets of runs: ask for, look at, decide on.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{self, Developer, Operator, Viewer};
use crate::api::etag::{Conditions, Etag, Tagged};
use crate::api::extract::{IdempotencyKey, Json, Path, Query, Raw};
use crate::api::page::{self, Page};
use crate::api::types::{Confirmation, Resolution, RetryRequest, Unlock};
use crate::api::{AppState, Problem};
use crate::atmos::affected::Options;
use crate::domain::id::RunRef;
use crate::domain::run::since::Since;
use crate::domain::run::{Run, RunKind, RunRequest, RunSet, RunState, SetRequest, TerminalSize};
use crate::domain::stack::{InstanceRef, InstanceSummary};
use crate::domain::team::Role;
use crate::platform::audit::Actor;
use crate::platform::store::RunQuery;

/// Returns the routes of runs.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(runs, create))
        .routes(routes!(run))
        .routes(routes!(confirm))
        .routes(routes!(cancel))
        .routes(routes!(retry))
        .routes(routes!(resolve))
        .routes(routes!(input))
        .routes(routes!(resize))
        .routes(routes!(unlock))
        .routes(routes!(since))
        .routes(routes!(since_applied))
        .routes(routes!(create_set))
        .routes(routes!(set))
        .routes(routes!(cancel_set))
}

/// Which runs.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichRuns {
    /// Only those in this state.
    #[param(inline)]
    state: Option<RunState>,
    /// Only those of this kind.
    #[param(inline)]
    kind: Option<RunKind>,
    /// Only those of this component.
    component: Option<String>,
    /// Only those of this stack.
    stack: Option<String>,
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Reads a run's number or id.
pub(super) fn reference(text: &str) -> Result<RunRef, Problem> {
    text.parse().map_err(|error: String| Problem::not_found("not-found", error))
}

fn tagged(conditions: &Conditions, run: Run) -> Tagged<Json<Run>> {
    Tagged::new(Etag::version(run.version), conditions, Json(run))
}

/// Refuses where `If-Match` names another version than the run has, or where the run is none of the caller's teams'.
async fn check(state: &AppState, actor: &Actor, which: &RunRef, conditions: &Conditions) -> Result<Run, Problem> {
    let run = state.platform.runs()?.get(which).await?;
    auth::within(state, actor, vec![(run.component.as_deref(), run.stack.as_deref())]).await?;
    conditions.check(&Etag::version(run.version))?;
    Ok(run)
}

/// Returns the role that it takes to ask for a run: to plan and to propose is one thing, to change without a further yes
/// another. Nobody knows what a workflow or a command changes.
fn role_for(kind: RunKind, yes: bool) -> Role {
    match kind {
        RunKind::Plan | RunKind::Drift => Role::Developer,
        RunKind::Apply | RunKind::Destroy if !yes => Role::Developer,
        RunKind::Apply | RunKind::Destroy | RunKind::Workflow | RunKind::Command => Role::Operator,
    }
}

/// Lists runs, newest first.
#[utoipa::path(get, path = "/runs", tag = "runs", params(WhichRuns),
    responses((status = 200, description = "A page of runs", body = Page<Run>)))]
async fn runs(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichRuns>,
) -> Result<Json<Page<Run>>, Problem> {
    let limit = page::limit(which.limit)?;
    let query = RunQuery {
        before: which.cursor.as_deref().map(|cursor| page::decode("runs", 0, cursor)).transpose()?,
        state: which.state,
        kind: which.kind,
        component: which.component,
        stack: which.stack,
        set: None,
        limit: limit + 1,
    };
    let runs = state.platform.runs()?.list(&query).await?;
    Ok(Json(page::grown("runs", limit, runs, |run| run.number)))
}

/// Asks for a run. What it may change waits for a confirmation unless `yes` says so ahead.
#[utoipa::path(post, path = "/runs", tag = "runs", request_body = RunRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes it safe to send twice")),
    responses((status = 201, description = "The run, queued", body = Run)))]
async fn create(
    Developer(actor): Developer,
    State(state): State<AppState>,
    key: IdempotencyKey,
    Json(request): Json<RunRequest>,
) -> Result<Response, Problem> {
    if request.request.is_some() {
        return Err(Problem::bad_request("request-mark", "only the platform says which request a run is a part of"));
    }
    auth::needs(&state, &actor, role_for(request.kind, request.yes)).await?;
    auth::within(&state, &actor, vec![(request.component.as_deref(), request.stack.as_deref())]).await?;
    // The environment is no part of what is asked: the same request from another shell is the same request.
    let asked = RunRequest { env: Default::default(), set_env: Default::default(), ..request.clone() };
    let key = key.bind(&actor.name, &asked);
    let run = state.platform.runs()?.create(&actor, request, key.as_ref()).await?;
    Ok((StatusCode::CREATED, tagged(&Conditions::default(), run)).into_response())
}

/// Shows one run.
#[utoipa::path(get, path = "/runs/{id}", tag = "runs", params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "The run", body = Run)))]
async fn run(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(id): Path<String>,
) -> Result<Tagged<Json<Run>>, Problem> {
    let run = state.platform.runs()?.get(&reference(&id)?).await?;
    Ok(tagged(&conditions, run))
}

/// Says yes to the plan that a run shows.
#[utoipa::path(post, path = "/runs/{id}/confirm", tag = "runs", request_body = Confirmation,
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "The run", body = Run)))]
async fn confirm(
    Operator(actor): Operator,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(id): Path<String>,
    Json(yes): Json<Confirmation>,
) -> Result<Tagged<Json<Run>>, Problem> {
    let which = reference(&id)?;
    check(&state, &actor, &which, &conditions).await?;
    let run = state.platform.runs()?.confirm(&actor, &which, yes.plan_digest.as_ref()).await?;
    Ok(tagged(&Conditions::default(), run))
}

/// Cancels a run; asked again, it goes one step further at once.
#[utoipa::path(post, path = "/runs/{id}/cancel", tag = "runs",
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "The run", body = Run)))]
async fn cancel(
    Operator(actor): Operator,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(id): Path<String>,
) -> Result<Tagged<Json<Run>>, Problem> {
    let which = reference(&id)?;
    check(&state, &actor, &which, &conditions).await?;
    let run = state.platform.runs()?.cancel(&actor, &which).await?;
    Ok(tagged(&Conditions::default(), run))
}

/// Asks for the same again, as a new run.
#[utoipa::path(post, path = "/runs/{id}/retry", tag = "runs", request_body = RetryRequest,
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 201, description = "The new run", body = Run)))]
async fn retry(
    Developer(actor): Developer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(with): Json<RetryRequest>,
) -> Result<Response, Problem> {
    let which = reference(&id)?;
    let before = check(&state, &actor, &which, &Conditions::default()).await?;
    auth::needs(&state, &actor, role_for(before.kind, with.yes)).await?;
    let run = state.platform.runs()?.retry(&actor, &which, with.env, with.set_env, with.yes).await?;
    Ok((StatusCode::CREATED, tagged(&Conditions::default(), run)).into_response())
}

/// Settles an `unknown` run: without `done` by starting a refresh-only plan, with it by a person's word.
#[utoipa::path(post, path = "/runs/{id}/resolve", tag = "runs", request_body = Resolution,
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "The refresh-only plan's run, or the settled run", body = Run)))]
async fn resolve(
    Operator(actor): Operator,
    State(state): State<AppState>,
    conditions: Conditions,
    Path(id): Path<String>,
    Json(resolution): Json<Resolution>,
) -> Result<Tagged<Json<Run>>, Problem> {
    let which = reference(&id)?;
    check(&state, &actor, &which, &conditions).await?;
    let run = state.platform.runs()?.resolve(&actor, &which, &resolution).await?;
    Ok(tagged(&Conditions::default(), run))
}

/// Undoes the lock of a state on which a run failed, as a new run; the lock's id is typed.
#[utoipa::path(post, path = "/runs/{id}/unlock", tag = "runs", request_body = Unlock,
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 201, description = "The run that undoes the lock", body = Run)))]
async fn unlock(
    Operator(actor): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(typed): Json<Unlock>,
) -> Result<Response, Problem> {
    let which = reference(&id)?;
    check(&state, &actor, &which, &Conditions::default()).await?;
    let run = state.platform.runs()?.unlock(&actor, &which, &typed).await?;
    Ok((StatusCode::CREATED, tagged(&Conditions::default(), run)).into_response())
}

/// Types into a run that has a terminal.
#[utoipa::path(post, path = "/runs/{id}/input", tag = "runs",
    request_body(content = String, content_type = "application/octet-stream"),
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 204, description = "Typed")))]
async fn input(
    Operator(actor): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Raw(bytes): Raw,
) -> Result<StatusCode, Problem> {
    let which = reference(&id)?;
    check(&state, &actor, &which, &Conditions::default()).await?;
    state.platform.runs()?.input(&which, &bytes).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives the terminal of a run the size of the one that it is seen on.
#[utoipa::path(put, path = "/runs/{id}/terminal", tag = "runs", request_body = TerminalSize,
    params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 204, description = "As large")))]
async fn resize(
    Operator(actor): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Json(size): Json<TerminalSize>,
) -> Result<StatusCode, Problem> {
    let which = reference(&id)?;
    check(&state, &actor, &which, &Conditions::default()).await?;
    state.platform.runs()?.resize(&which, size).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what changed between the last successful apply of a run's instance, and that run.
#[utoipa::path(get, path = "/runs/{id}/since", tag = "runs", params(("id" = String, Path, description = "Number or ULID")),
    responses((status = 200, description = "Commits, values with their lines, and runs beside it", body = Since)))]
async fn since(_: Viewer, State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<Since>, Problem> {
    Ok(Json(state.platform.runs()?.since(&reference(&id)?).await?))
}

/// Which instance.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichInstance {
    /// The component.
    pub(super) component: String,
    /// The stack.
    pub(super) stack: String,
}

/// Says what changed between the last successful apply of an instance, and the files as they are.
#[utoipa::path(get, path = "/since", tag = "runs", params(WhichInstance),
    responses((status = 200, description = "Commits, values with their lines, and runs beside it", body = Since)))]
async fn since_applied(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichInstance>,
) -> Result<Json<Since>, Problem> {
    Ok(Json(state.platform.runs()?.since_applied(&which.component, &which.stack).await?))
}

/// Asks for several runs in the order of their dependencies.
#[utoipa::path(post, path = "/sets", tag = "runs", request_body = SetRequest,
    responses((status = 201, description = "The runs of the set", body = RunSet)))]
async fn create_set(
    Developer(actor): Developer,
    State(state): State<AppState>,
    Json(mut request): Json<SetRequest>,
) -> Result<Response, Problem> {
    auth::needs(&state, &actor, role_for(request.kind, request.yes)).await?;
    // Every instance of a stack, or whatever is affected, may be anybody's.
    let whole = request.stack.is_some() || request.affected_since.is_some();
    let mut instances = Vec::new();
    for at in &request.targets {
        instances.push((Some(at.component.as_str()), Some(at.stack.as_str())));
    }
    if whole {
        instances.push((None, None));
    }
    auth::within(&state, &actor, instances).await?;
    if let Some(base) = request.affected_since.take() {
        let options =
            Options { stack: request.stack.take(), exclude_locked: request.kind.applies(), ..Options::default() };
        let affected = state.platform.affected(base.clone(), options).await?;
        // What is gone since cannot be run any more.
        let names =
            affected.into_iter().filter(|one| !one.deleted).map(|one| (one.instance.component, one.instance.stack));
        let names: BTreeSet<(String, String)> = names.collect();
        let runnable = state.snapshot().await?.instances().into_iter().filter(|instance| {
            let name = (instance.component.clone(), instance.stack.clone());
            instance.component_type == "terraform" && instance.enabled && !instance.is_abstract && names.contains(&name)
        });
        let before = request.targets.len();
        let reference =
            |instance: InstanceSummary| InstanceRef { component: instance.component, stack: instance.stack };
        request.targets.extend(runnable.map(reference));
        if request.targets.len() == before {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "nothing-affected",
                format!("nothing that can be run is affected since {base}"),
            )
            .hint("terrace affected REF shows what is"));
        }
    }
    let set = state.platform.runs()?.create_set(&actor, &request).await?;
    Ok((StatusCode::CREATED, Json(set)).into_response())
}

/// Shows the runs of a set in the order in which they were queued.
#[utoipa::path(get, path = "/sets/{id}", tag = "runs", params(("id" = String, Path, description = "The set")),
    responses((status = 200, description = "The runs of the set", body = RunSet)))]
async fn set(_: Viewer, State(state): State<AppState>, Path(id): Path<String>) -> Result<Json<RunSet>, Problem> {
    Ok(Json(state.platform.runs()?.set(&id).await?))
}

/// Cancels what has not ended of a set.
#[utoipa::path(post, path = "/sets/{id}/cancel", tag = "runs", params(("id" = String, Path, description = "The set")),
    responses((status = 200, description = "The runs of the set", body = RunSet)))]
async fn cancel_set(
    Operator(actor): Operator,
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<RunSet>, Problem> {
    for run in state.platform.runs()?.set(&id).await?.runs {
        check(&state, &actor, &RunRef::Id(run.id), &Conditions::default()).await?;
    }
    Ok(Json(state.platform.runs()?.cancel_set(&actor, &id).await?))
}
