//! What differs, what a change reaches, and where something is written: differences, affected instances, search.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::{Operator, Viewer};
use crate::api::extract::{Json, Query};
use crate::api::page::{self, Page};
use crate::api::{AppState, Problem};
use crate::atmos::affected::Options;
use crate::atmos::diff::Narrow;
use crate::atmos::search;
use crate::domain::comparison::{Affected, Side};
use crate::domain::search::Hit;
use crate::domain::stack::DiffEntry;
use crate::platform::PlatformError;
use crate::platform::revisions::fix::Fixed;

/// Returns the routes of comparisons.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(diff)).routes(routes!(affected)).routes(routes!(find)).routes(routes!(fix))
}

/// What is compared.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Sides {
    /// The left side: `stack:NAME`, `COMPONENT@STACK`, `ref:GITREF` or `worktree`.
    a: String,
    /// The right side, likewise.
    b: String,
    /// Of whole estates, only this stack.
    stack: Option<String>,
    /// Of whole estates, only this component.
    component: Option<String>,
}

/// Compares two stacks, two instances, or the estate at two Git refs, leaf by leaf. The working tree is not touched.
#[utoipa::path(get, path = "/diff", tag = "estate", params(Sides),
    responses((status = 200, description = "Every leaf that differs, with its lines", body = Vec<DiffEntry>)))]
async fn diff(
    _: Viewer,
    State(state): State<AppState>,
    Query(sides): Query<Sides>,
) -> Result<Json<Vec<DiffEntry>>, Problem> {
    let side = |text: &str| {
        let bad = |e: crate::domain::comparison::NotASide| Problem::bad_request("bad-side", e.to_string());
        text.parse::<Side>().map_err(bad)
    };
    let narrow = Narrow { stack: sides.stack, component: sides.component };
    Ok(Json(state.platform.diff(side(&sides.a)?, side(&sides.b)?, narrow).await?))
}

/// Since when, and how much is told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Since {
    /// The Git ref that the files are compared with.
    base: String,
    /// Only instances of this stack.
    stack: Option<String>,
    /// Leaves out locked ones.
    #[serde(default)]
    exclude_locked: bool,
    /// Their settings too.
    #[serde(default)]
    include_settings: bool,
    /// What needs them too.
    #[serde(default)]
    include_dependents: bool,
}

/// Lists the instances that differ from a Git ref, as `atmos describe affected` does, with the lines that caused it.
#[utoipa::path(get, path = "/affected", tag = "estate", params(Since),
    responses((status = 200, description = "The affected instances", body = Vec<Affected>)))]
async fn affected(
    _: Viewer,
    State(state): State<AppState>,
    Query(since): Query<Since>,
) -> Result<Json<Vec<Affected>>, Problem> {
    let Since { base, stack, exclude_locked, include_settings, include_dependents } = since;
    let options = Options { stack, exclude_locked, include_settings, include_dependents };
    Ok(Json(state.platform.affected(base, options).await?))
}

/// What is searched for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// The words, such as `payments` or `vars.tags.team=payments`; a leaf is found where all of them hold.
    q: String,
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Searches the path and value of every leaf of every instance.
#[utoipa::path(get, path = "/search", tag = "estate", operation_id = "search", params(Wanted),
    responses((status = 200, description = "A page of hits", body = Page<Hit>)))]
async fn find(
    _: Viewer,
    State(state): State<AppState>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Page<Hit>>, Problem> {
    let query = search::Query::parse(&wanted.q)
        .map_err(|e| Problem::bad_request(e.code, e.message).hint(e.hint.unwrap_or_default()))?;
    let snapshot = state.snapshot().await?;
    let limit = page::limit(wanted.limit)? as usize;
    let start = wanted.cursor.as_deref().map(|text| page::decode("search", snapshot.revision(), text)).transpose()?;
    let start = usize::try_from(start.unwrap_or_default()).unwrap_or(usize::MAX);
    let revision = snapshot.revision();
    let range = start..start.saturating_add(limit + 1);
    let searching = tokio::task::spawn_blocking(move || search::search(snapshot.estate(), &query, range));
    let mut items = searching.await.map_err(|e| PlatformError::Interrupted(e.to_string()))?;
    let more = items.len() > limit;
    items.truncate(limit);
    Ok(Json(Page { items, next: more.then(|| page::encode("search", revision, (start + limit) as u64)) }))
}

/// Commits edits that mend problems of the last commit, and change nothing else, on a new branch.
#[utoipa::path(post, path = "/fixes", tag = "estate",
    responses((status = 200, description = "What was mended", body = Fixed)))]
async fn fix(_: Operator, State(state): State<AppState>) -> Result<Json<Fixed>, Problem> {
    Ok(Json(state.platform.fix().await?))
}
