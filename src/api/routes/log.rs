//! The log of a run: its bytes as they came, from any offset, while it grows; and its lines.

use std::io;

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

use super::runs::reference;
use crate::api::auth::Viewer;
use crate::api::extract::{Json, Path, Query};
use crate::api::types::{LogLine, LogLines};
use crate::api::{AppState, Problem};
use crate::domain::id::RunRef;
use crate::platform::PlatformError;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::runs::{FollowedLog, RunService};

/// How many bytes are read at a time.
const CHUNK: usize = 256 * 1024;
/// A line is shown up to so many bytes; the log has them all.
const LINE: usize = 64 * 1024;
/// How many lines one answer has at most.
const LINES: usize = 10_000;

/// Returns the routes of logs.
pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(log)).routes(routes!(lines))
}

/// Which bytes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichBytes {
    /// Where to begin.
    #[serde(default)]
    offset: u64,
    /// How many at most; all there are unless given.
    length: Option<u64>,
    /// Whether to go on until the run has ended.
    #[serde(default)]
    follow: bool,
}

/// Returns the bytes of a run's log as they came.
#[utoipa::path(get, path = "/runs/{id}/log", tag = "runs",
    params(("id" = String, Path, description = "Number or ULID"), WhichBytes),
    responses((status = 200, description = "The bytes", content_type = "application/octet-stream", body = String)))]
async fn log(
    _: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(which): Query<WhichBytes>,
) -> Result<Response, Problem> {
    let run = reference(&id)?;
    let runs = state.platform.runs()?.clone();
    let log = runs.log(&run).await?;
    let reading = Reading {
        runs,
        run,
        log,
        offset: which.offset,
        left: which.length.unwrap_or(u64::MAX),
        follow: which.follow,
        lifecycle: state.platform.lifecycle().clone(),
    };
    let body = stream::try_unfold(reading, |reading| async move { reading.next().await });
    let mut response = Body::from_stream(body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    Ok(response)
}

/// A log that is being read.
struct Reading {
    runs: RunService,
    run: RunRef,
    log: FollowedLog,
    offset: u64,
    left: u64,
    follow: bool,
    lifecycle: Lifecycle,
}

impl Reading {
    /// Returns the next piece; nothing at the end.
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        loop {
            // Before reading: what comes meanwhile wakes again.
            let alive = self.log.progress.as_mut().map(|progress| {
                progress.borrow_and_update();
                progress.has_changed().is_ok()
            });
            let piece;
            (piece, self) = self.read().await?;
            if !piece.is_empty() {
                self.offset += piece.len() as u64;
                self.left -= piece.len() as u64;
                return Ok(Some((piece, self)));
            }
            let Some(progress) = &mut self.log.progress else { return Ok(None) };
            // Once more after the supervisor has gone: it wrote everything before.
            if !self.follow || self.left == 0 || alive == Some(false) {
                return Ok(None);
            }
            tokio::select! {
                () = self.lifecycle.stopping() => return Ok(None),
                _ = progress.changed() => {}
            }
            if self.log.reader.bytes()? == 0 {
                // The log was not there when it was opened.
                self.log.reader = self.runs.log(&self.run).await.map_err(io::Error::other)?.reader;
            }
        }
    }

    async fn read(self) -> io::Result<(Bytes, Self)> {
        let read = tokio::task::spawn_blocking(move || {
            let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK);
            let mut buffer = vec![0; wanted];
            let got = self.log.reader.read_at(&mut buffer, self.offset)?;
            buffer.truncate(got);
            Ok((Bytes::from(buffer), self))
        });
        read.await.map_err(io::Error::other)?
    }
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct WhichLines {
    /// The first line, from 1.
    #[serde(default)]
    from: u64,
    /// How many at most, up to 10000; 1000 unless given.
    count: Option<usize>,
}

/// Returns lines of a run's log with the times at which they came.
#[utoipa::path(get, path = "/runs/{id}/lines", tag = "runs",
    params(("id" = String, Path, description = "Number or ULID"), WhichLines),
    responses((status = 200, description = "The lines", body = LogLines)))]
async fn lines(
    _: Viewer,
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(which): Query<WhichLines>,
) -> Result<Json<LogLines>, Problem> {
    let log = state.platform.runs()?.log(&reference(&id)?).await?;
    let count = which.count.unwrap_or(1000).min(LINES);
    let read = tokio::task::spawn_blocking(move || log.reader.lines(which.from, count, LINE)).await;
    let failed =
        |error: io::Error| Problem::from(PlatformError::Interrupted(format!("the log cannot be read: {error}")));
    let found = read.map_err(io::Error::other).and_then(|found| found).map_err(failed)?;
    let time = |millis: Option<u64>| {
        millis.and_then(|millis| jiff::Timestamp::from_millisecond(i64::try_from(millis).ok()?).ok())
    };
    let lines = found.lines.into_iter().map(|line| LogLine {
        number: line.number,
        offset: line.offset,
        text: String::from_utf8_lossy(&line.bytes).into_owned(),
        length: line.length,
        time: time(line.millis),
        lost: line.lost,
        complete: line.complete,
    });
    Ok(Json(LogLines { lines: lines.collect(), next_offset: found.next_offset }))
}
