//! The audit trail.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::extract::{Json, Query};
use crate::api::page::{self, Page};
use crate::api::{AppState, Problem};
use crate::domain::audit::{AuditRecord, Verification};
use crate::platform::audit::verify::{self, Ending};
use crate::platform::store::{AuditQuery, Order, Store};

/// Returns the routes of the audit trail.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(audit)).routes(routes!(export)).routes(routes!(verification))
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

/// How many records are read at a time.
const BATCH: u32 = 1000;

/// Returns the whole trail, oldest first, for whoever verifies it elsewhere.
///
/// Each line is one record as canonical JSON (RFC 8785), whose SHA-256 the next one holds in `previous`; the last line is
/// the signed checkpoint of the last record.
#[utoipa::path(get, path = "/audit/export", tag = "record",
    responses((status = 200, description = "One JSON document a line", content_type = "application/x-ndjson", body = String)))]
async fn export(_: Viewer, State(state): State<AppState>) -> Result<Response, Problem> {
    let store = Arc::clone(state.platform.store("audit records")?);
    // What is committed while this is read belongs to the next export.
    let head = store.audit_head().await?;
    let end = head.as_ref().map_or(u64::MAX, |head| head.sequence);
    let ending = head.map(|checkpoint| Ending { checkpoint });
    let body = stream::try_unfold((store, 0, Some(ending)), move |(store, after, ending)| async move {
        let Some(ending) = ending else { return Ok::<_, io::Error>(None) };
        let (mut text, mut last) = (String::new(), after);
        if after < end {
            for record in store.audit_lines(after, BATCH).await.map_err(io::Error::other)? {
                if record.sequence <= end {
                    text.push_str(&record.line);
                    text.push('\n');
                    last = record.sequence;
                }
            }
        }
        if last > after {
            return Ok(Some((Bytes::from(text), (store, last, Some(ending)))));
        }
        let line = ending.map(|ending| serde_json::to_string(&ending)).transpose()?;
        let line = line.map(|line| format!("{line}\n")).unwrap_or_default();
        Ok(Some((Bytes::from(line), (store, last, None))))
    });
    let mut response = Body::from_stream(body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// Reads the whole trail and says whether it is as it was written. `terrace audit verify` does the same without the platform.
#[utoipa::path(get, path = "/audit/verification", tag = "record",
    responses((status = 200, description = "Whether it is whole, and the first record that is not", body = Verification)))]
async fn verification(_: Viewer, State(state): State<AppState>) -> Result<Json<Verification>, Problem> {
    let store: &Arc<dyn Store> = state.platform.store("audit records")?;
    let checkpoints = state.platform.paths().map(|paths| verify::kept(&paths.checkpoints())).transpose()?;
    Ok(Json(verify::of_store(&**store, checkpoints.unwrap_or_default(), state.platform.public_key().as_deref()).await?))
}
