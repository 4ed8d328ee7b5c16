//! The audit trail.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::extract::{Json, Query};
use crate::api::page::{self, Page};
use crate::api::{AppState, Problem};
use crate::domain::audit::AuditRecord;
use crate::platform::store::{AuditQuery, Order};

/// Returns the routes of the audit trail.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(audit))
}

/// Which records.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichRecords {
    /// Only what this person did.
    actor: Option<String>,
    /// Only what was done to this, such as `run/01K9…`.
    object: Option<String>,
    /// Only this action, such as `run.confirm`.
    action: Option<String>,
    /// How many items at most, from 1 to 10000; 200 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists audit records, newest first.
#[utoipa::path(get, path = "/audit", tag = "record", params(WhichRecords),
    responses((status = 200, description = "A page of audit records", body = Page<AuditRecord>)))]
async fn audit(
    _: Viewer,
    State(state): State<AppState>,
    Query(which): Query<WhichRecords>,
) -> Result<Json<Page<AuditRecord>>, Problem> {
    let limit = page::limit(which.limit)?;
    let query = AuditQuery {
        order: Order::Newest,
        after: which.cursor.as_deref().map(|cursor| page::decode("audit", 0, cursor)).transpose()?,
        actor: which.actor,
        object: which.object,
        action: which.action,
        limit: limit + 1,
    };
    let records = state.platform.store("audit records")?.audit(&query).await?;
    Ok(Json(page::grown("audit", limit, records, |record| record.sequence)))
}
