//! Questions about runs, and decisions on them.

use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use bytes::Bytes;
use futures::stream::BoxStream;

use super::{Client, ClientError, segment};
use crate::api::extract::IDEMPOTENCY_KEY;
use crate::api::types::{Confirmation, LogLines, Resolution, RetryRequest, Unlock};
use crate::domain::id::{Digest, RunRef};
use crate::domain::run::since::Since;
use crate::domain::run::{Run, RunRequest, RunSet, SetRequest, TerminalSize};

impl Client {
    /// Lists the newest runs, newest first.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub async fn recent_runs(&self, count: u32) -> Result<Vec<Run>, ClientError> {
        self.newest("/runs", &[], count).await
    }

    /// Shows one run.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn run(&self, run: RunRef) -> Result<Run, ClientError> {
        self.get(&format!("/runs/{run}"), &[]).await
    }

    /// Asks for a run; with a key, asking twice makes one run.
    ///
    /// # Errors
    ///
    /// Whatever configuration or rules refuse.
    pub async fn start_run(&self, request: &RunRequest, key: Option<&str>) -> Result<Run, ClientError> {
        let mut post = self.post("/runs", request)?;
        if let Some(key) = key {
            let value = HeaderValue::from_str(key).map_err(|e| ClientError::Protocol(e.to_string()))?;
            post.headers_mut().insert(IDEMPOTENCY_KEY, value);
        }
        let response = self.send(post).await?;
        self.read(response).await
    }

    /// Asks for several runs in the order of their dependencies.
    ///
    /// # Errors
    ///
    /// As [`Client::start_run`]; nothing is queued where one is refused.
    pub async fn start_set(&self, request: &SetRequest) -> Result<RunSet, ClientError> {
        self.change("/sets", request).await
    }

    /// Shows the runs of a set.
    ///
    /// # Errors
    ///
    /// Where there is none of that id.
    pub async fn set(&self, id: &str) -> Result<RunSet, ClientError> {
        self.get(&format!("/sets/{}", segment(id)), &[]).await
    }

    /// Says yes to the plan of a run; `digest` is the one that was looked at.
    ///
    /// # Errors
    ///
    /// Where it does not wait for a yes, or its plan is another.
    pub async fn confirm(&self, run: RunRef, digest: Option<Digest>) -> Result<Run, ClientError> {
        self.change(&format!("/runs/{run}/confirm"), &Confirmation { plan_digest: digest }).await
    }

    /// Cancels a run; asked again, it goes one step further.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub async fn cancel(&self, run: RunRef) -> Result<Run, ClientError> {
        let request = self.request(Method::POST, &format!("/api/v1/runs/{run}/cancel"), &[])?;
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// Asks for the same again, as a new run.
    ///
    /// # Errors
    ///
    /// Where the run has not ended, or is `unknown`.
    pub async fn retry(&self, run: RunRef, with: &RetryRequest) -> Result<Run, ClientError> {
        self.change(&format!("/runs/{run}/retry"), with).await
    }

    /// Settles an `unknown` run.
    ///
    /// # Errors
    ///
    /// Where it is not `unknown`, or no refresh-only plan has looked into it yet.
    pub async fn resolve(&self, run: RunRef, resolution: &Resolution) -> Result<Run, ClientError> {
        self.change(&format!("/runs/{run}/resolve"), resolution).await
    }

    /// Says what changed between the last successful apply of a run's instance, and that run.
    ///
    /// # Errors
    ///
    /// Where there is no such run, or it is not about one instance.
    pub async fn since(&self, run: RunRef) -> Result<Since, ClientError> {
        self.get(&format!("/runs/{run}/since"), &[]).await
    }

    /// Says what changed between the last successful apply of an instance, and the files as they are.
    ///
    /// # Errors
    ///
    /// Where there is no such instance.
    pub async fn since_applied(&self, component: &str, stack: &str) -> Result<Since, ClientError> {
        self.get("/since", &[("component", Some(component)), ("stack", Some(stack))]).await
    }

    /// Undoes the lock of a state on which a run failed, as a new run.
    ///
    /// # Errors
    ///
    /// Where the run found no lock, the typed id is another, or its holder lives.
    pub async fn unlock(&self, run: RunRef, unlock: &Unlock) -> Result<Run, ClientError> {
        self.change(&format!("/runs/{run}/unlock"), unlock).await
    }

    /// Cancels what has not ended of a set.
    ///
    /// # Errors
    ///
    /// Where there is none of that id.
    pub async fn cancel_set(&self, id: &str) -> Result<RunSet, ClientError> {
        let request = self.request(Method::POST, &format!("/api/v1/sets/{}/cancel", segment(id)), &[])?;
        let response = self.send(request).await?;
        self.read(response).await
    }

    /// Types into a run that has a terminal.
    ///
    /// # Errors
    ///
    /// Where nothing reads it.
    pub async fn input(&self, run: RunRef, bytes: impl Into<Bytes>) -> Result<(), ClientError> {
        let mut request = self.request(Method::POST, &format!("/api/v1/runs/{run}/input"), &[])?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        *request.body_mut() = Body::from(bytes.into());
        self.send(request).await.map(drop)
    }

    /// Gives the terminal of a run another size.
    ///
    /// # Errors
    ///
    /// Where the run has ended.
    pub async fn resize(&self, run: RunRef, size: TerminalSize) -> Result<(), ClientError> {
        let mut request = self.post(&format!("/runs/{run}/terminal"), &size)?;
        *request.method_mut() = Method::PUT;
        self.send(request).await.map(drop)
    }

    /// Streams the bytes of a run's log from an offset on, up to `length` of them; followed, until the run has ended.
    ///
    /// # Errors
    ///
    /// Where there is no such run.
    pub async fn log(
        &self,
        run: RunRef,
        offset: u64,
        length: Option<u64>,
        follow: bool,
    ) -> Result<BoxStream<'static, Result<Bytes, ClientError>>, ClientError> {
        let (offset, length) = (offset.to_string(), length.map(|length| length.to_string()));
        let follow = if follow { "true" } else { "false" };
        let parameters = [("offset", Some(offset.as_str())), ("length", length.as_deref()), ("follow", Some(follow))];
        let request = self.request(Method::GET, &format!("/api/v1/runs/{run}/log"), &parameters)?;
        let response = self.send(request).await?;
        Ok(self.transport.pieces(response))
    }

    /// Returns lines of a run's log with the times at which they came.
    ///
    /// # Errors
    ///
    /// Where there is no such run.
    pub async fn log_lines(&self, run: RunRef, from: u64, count: usize) -> Result<LogLines, ClientError> {
        let (from, count) = (from.to_string(), count.to_string());
        self.get(&format!("/runs/{run}/lines"), &[("from", Some(&from)), ("count", Some(&count))]).await
    }
}
