//! Questions about the platform process.

use axum::http::Method;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::{Client, ClientError};
use crate::api::types::{PlatformCard, StopRequest, Stopped};

impl Client {
    /// Shows who answers, for whom, since when, and how it is.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn platform(&self) -> Result<PlatformCard, ClientError> {
        self.get("/platform", &[]).await
    }

    /// Stops the platform process; returns the runs that go on without it.
    ///
    /// # Errors
    ///
    /// `busy` where the request says unless.
    pub async fn stop(&self, request: StopRequest) -> Result<Stopped, ClientError> {
        self.change("/platform/stop", &request).await
    }

    /// Returns the OpenAPI document.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn openapi(&self) -> Result<Value, ClientError> {
        self.get("/openapi.json", &[]).await
    }

    /// Says whether the process lives.
    ///
    /// # Errors
    ///
    /// Where it does not.
    pub async fn healthz(&self) -> Result<(), ClientError> {
        self.send(self.request(Method::GET, "/healthz", &[])?).await.map(drop)
    }

    /// Says whether the process can answer.
    ///
    /// # Errors
    ///
    /// Where it cannot.
    pub async fn readyz(&self) -> Result<(), ClientError> {
        self.send(self.request(Method::GET, "/readyz", &[])?).await.map(drop)
    }

    /// Returns what is counted, in the format of Prometheus.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let response = self.send(self.request(Method::GET, "/metrics", &[])?).await?;
        let body = response.into_body().collect().await.map_err(|e| self.transport.broken(&e))?.to_bytes();
        Ok(String::from_utf8_lossy(&body).into_owned())
    }
}
