//! Events: a list, or a stream (SSE) that begins where a client left.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream, StreamExt as _};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::auth::Viewer;
use crate::api::extract::{Json, Query};
use crate::api::page::{self, Page};
use crate::api::{AppState, Problem};
use crate::domain::event::Event;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::store::{EventQuery, Order, Store};

/// How many events are read from the store at a time.
const BATCH: u32 = 256;
/// A comment is sent so often, so that both ends notice a lost connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Returns the routes of events.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Which events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichEvents {
    /// Only types that begin so, such as `dev.terrace.run.`.
    #[serde(rename = "type")]
    type_prefix: Option<String>,
    /// Only what is about this, such as `run/01K9…`.
    subject: Option<String>,
    /// How many items at most, from 1 to 10000; 200 unless given. A stream has no limit.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists events, newest first; with `Accept: text/event-stream` streams them, oldest first.
///
/// A stream begins after the event that `Last-Event-ID` names (0 begins with the first), without it with what comes next.
/// No event is left out or repeated, however slow the reader.
#[utoipa::path(get, path = "/events", tag = "record",
    params(WhichEvents, ("Last-Event-ID" = Option<u64>, Header, description = "The sequence of the last event seen")),
    responses((status = 200, description = "A page of events, or the stream", content(
        (Page<Event> = "application/json"), (String = "text/event-stream")))))]
async fn events(
    _: Viewer,
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(which): Query<WhichEvents>,
) -> Result<Response, Problem> {
    let store = state.platform.store("events")?;
    // A place that is none is refused, also where a list has no use for it.
    let after = last_event_id(&headers, store.bell().latest())?;
    if accepts_stream(&headers) {
        let query = EventQuery {
            order: Order::Oldest,
            after: Some(after),
            type_prefix: which.type_prefix,
            subject: which.subject,
            limit: BATCH,
        };
        let stream = follow(Arc::clone(store), state.platform.lifecycle().clone(), query);
        return Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response());
    }
    let limit = page::limit(which.limit)?;
    let query = EventQuery {
        order: Order::Newest,
        after: which.cursor.as_deref().map(|cursor| page::decode("events", 0, cursor)).transpose()?,
        type_prefix: which.type_prefix,
        subject: which.subject,
        limit: limit + 1,
    };
    let events = store.events(&query).await?;
    let page: Page<Event> = page::grown("events", limit, events, sequence);
    Ok(Json(page).into_response())
}

fn sequence(event: &Event) -> u64 {
    event.sequence.parse().unwrap_or_default()
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"))
}

/// Reads where the client left; an id from the future (another database's) counts as now.
fn last_event_id(headers: &HeaderMap, latest: u64) -> Result<u64, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(latest) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok());
    let id = id.ok_or_else(|| {
        Problem::bad_request("bad-last-event-id", "Last-Event-ID is not the sequence of an event, such as 214")
    })?;
    Ok(id.min(latest))
}

/// What the stream is about to do.
struct Following {
    store: Arc<dyn Store>,
    lifecycle: Lifecycle,
    query: EventQuery,
    bell: tokio::sync::watch::Receiver<u64>,
    ready: std::vec::IntoIter<Event>,
}

/// Streams events from the store, waiting for the bell where there are none; ends when the platform stops.
fn follow(
    store: Arc<dyn Store>,
    lifecycle: Lifecycle,
    query: EventQuery,
) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    let bell = store.bell().subscribe();
    let following = Following { store, lifecycle, query, bell, ready: Vec::new().into_iter() };
    stream::unfold(following, |mut following| async move {
        loop {
            if let Some(event) = following.ready.next() {
                return Some((event, following));
            }
            // Marked as seen before the store is read: what is committed meanwhile wakes again.
            let latest = *following.bell.borrow_and_update();
            match following.store.events(&following.query).await {
                Ok(events) if events.is_empty() => {
                    // All up to here was looked at and filtered out, or has been sent.
                    following.query.after = following.query.after.max(Some(latest));
                }
                Ok(events) => {
                    following.query.after = events.last().map(sequence);
                    following.ready = events.into_iter();
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends");
                    return None;
                }
            }
            tokio::select! {
                () = following.lifecycle.stopping() => return None,
                rung = following.bell.changed() => rung.ok()?,
            }
        }
    })
    .map(|event| {
        let data = serde_json::to_string(&event).unwrap_or_default();
        Ok(sse::Event::default().id(event.sequence).event(event.event_type).data(data))
    })
}
