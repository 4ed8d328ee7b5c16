//! Teams, as `platform/teams.yaml` lists them.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::stacks::{ListAnswer, Part, answer};
use crate::api::AppState;
use crate::api::auth::Viewer;
use crate::api::etag::Conditions;
use crate::api::extract::Query;
use crate::api::page::Page;
use crate::domain::team::Team;

/// Returns the routes of teams.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(teams))
}

/// Lists the teams in the order of the file.
#[utoipa::path(get, path = "/teams", tag = "estate", params(Part),
    responses((status = 200, description = "A page of teams", body = Page<Team>)))]
async fn teams(
    _: Viewer,
    State(state): State<AppState>,
    conditions: Conditions,
    Query(part): Query<Part>,
) -> ListAnswer<Team> {
    let snapshot = state.snapshot().await?;
    let teams = snapshot.teams().all().to_vec();
    answer(&state, &snapshot, &conditions, "teams", teams, (part.limit, part.cursor.as_deref()))
}
