//! Stacks, instances, and what links them: imports and dependencies.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::etag::{Conditions, Etag, Tagged};
use crate::api::extract::{Json, Query};
use crate::api::page::{Page, cut};
use crate::api::{AppState, Problem};
use crate::domain::stack::{Dependency, ImportEdge, InstanceSummary, StackSummary};
use crate::platform::estate::Snapshot;

/// Returns the routes of stacks and instances.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(stacks))
        .routes(routes!(instances))
        .routes(routes!(imports))
        .routes(routes!(dependencies))
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Part {
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    pub(super) limit: Option<u32>,
    /// `next` of the page before.
    pub(super) cursor: Option<String>,
}

/// Which instances.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichInstances {
    /// Abstract ones too.
    #[serde(default, rename = "abstract")]
    with_abstract: bool,
    /// Only those of this stack.
    stack: Option<String>,
    /// Only those of this component.
    component: Option<String>,
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// The answer to a list of the estate: a page with the ETag of the revision.
pub(super) type ListAnswer<T> = Result<Tagged<Json<Page<T>>>, Problem>;

/// Cuts a page out of a list of a snapshot and tags it.
pub(super) fn answer<T>(
    state: &AppState,
    snapshot: &Snapshot,
    conditions: &Conditions,
    list: &str,
    items: Vec<T>,
    part: (Option<u32>, Option<&str>),
) -> ListAnswer<T> {
    let page = cut(list, snapshot.revision(), items, part.0, part.1)?;
    Ok(Tagged::new(Etag::revision(state.platform.started_at(), snapshot.revision()), conditions, Json(page)))
}

/// Lists the stacks by name.
#[utoipa::path(get, path = "/stacks", tag = "estate", params(Part),
    responses((status = 200, description = "A page of stacks", body = Page<StackSummary>)))]
async fn stacks(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(part): Query<Part>,
) -> ListAnswer<StackSummary> {
    let snapshot = state.snapshot().await?;
    let stacks = snapshot.estate().stacks();
    answer(&state, &snapshot, &conditions, "stacks", stacks, (part.limit, part.cursor.as_deref()))
}

/// Lists the instances by stack and name.
#[utoipa::path(get, path = "/instances", tag = "estate", params(WhichInstances),
    responses((status = 200, description = "A page of instances", body = Page<InstanceSummary>)))]
async fn instances(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(which): Query<WhichInstances>,
) -> ListAnswer<InstanceSummary> {
    let snapshot = state.snapshot().await?;
    let mut instances = snapshot.instances();
    instances.retain(|instance| {
        (which.with_abstract || !instance.is_abstract)
            && which.stack.as_ref().is_none_or(|stack| *stack == instance.stack)
            && which.component.as_ref().is_none_or(|component| *component == instance.component)
    });
    answer(&state, &snapshot, &conditions, "instances", instances, (which.limit, which.cursor.as_deref()))
}

/// Lists every import of every file.
#[utoipa::path(get, path = "/imports", tag = "estate", params(Part),
    responses((status = 200, description = "A page of imports", body = Page<ImportEdge>)))]
async fn imports(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(part): Query<Part>,
) -> ListAnswer<ImportEdge> {
    let snapshot = state.snapshot().await?;
    let imports = snapshot.estate().imports();
    answer(&state, &snapshot, &conditions, "imports", imports, (part.limit, part.cursor.as_deref()))
}

/// Lists what needs what.
#[utoipa::path(get, path = "/dependencies", tag = "estate", params(Part),
    responses((status = 200, description = "A page of dependencies", body = Page<Dependency>)))]
async fn dependencies(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(part): Query<Part>,
) -> ListAnswer<Dependency> {
    let snapshot = state.snapshot().await?;
    let dependencies = snapshot.estate().dependencies();
    answer(&state, &snapshot, &conditions, "dependencies", dependencies, (part.limit, part.cursor.as_deref()))
}
