//! Billed cost.

use std::path::Path;

use axum::body::Body;
use axum::http::{HeaderValue, Method, header};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use super::{Client, ClientError};
use crate::domain::cost::{Anomaly, ImportReport};

/// How much of a file is sent at a time.
const PIECE: usize = 256 * 1024;

impl Client {
    /// Lists the days on which a service cost far more than expected, newest first.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub async fn cost_anomalies(&self) -> Result<Vec<Anomaly>, ClientError> {
        self.get("/cost/anomalies", &[]).await
    }

    /// Imports a FOCUS export; its bytes are sent as they are read.
    ///
    /// # Errors
    ///
    /// A file that cannot be used: then nothing was imported.
    pub async fn import_cost(
        &self,
        name: &Path,
        replace: bool,
        bytes: impl AsyncRead + Send + 'static,
    ) -> Result<ImportReport, ClientError> {
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned());
        let parameters = [("file", name.as_deref()), ("replace", replace.then_some("true"))];
        let mut request = self.request(Method::POST, "/api/v1/cost/imports", &parameters)?;
        *request.body_mut() = Body::from_stream(ReaderStream::with_capacity(bytes, PIECE));
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv"));
        let response = self.send(request).await?;
        self.read(response).await
    }
}
