//! Questions about what happened: events and audit records.

use axum::http::{HeaderValue, Method, header};
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;

use super::{Client, ClientError, sse};
use crate::domain::audit::{AuditRecord, Verification};
use crate::domain::event::Event;

impl Client {
    /// Lists the newest events, newest first.
    ///
    /// # Errors
    ///
    /// In a command that runs without the platform process.
    pub async fn recent_events(&self, count: u32) -> Result<Vec<Event>, ClientError> {
        self.newest("/events", &[], count).await
    }

    /// Lists the newest audit records, newest first.
    ///
    /// # Errors
    ///
    /// As [`Client::recent_events`].
    pub async fn recent_audit(&self, count: u32) -> Result<Vec<AuditRecord>, ClientError> {
        self.newest("/audit", &[], count).await
    }

    /// Lists the newest audit records of one person, object or action, newest first.
    ///
    /// # Errors
    ///
    /// As [`Client::recent_events`].
    pub async fn audit(
        &self,
        actor: Option<&str>,
        object: Option<&str>,
        action: Option<&str>,
        count: u32,
    ) -> Result<Vec<AuditRecord>, ClientError> {
        self.newest("/audit", &[("actor", actor), ("object", object), ("action", action)], count).await
    }

    /// Reads the whole audit trail as it comes: one record a line, the signed checkpoint in the last.
    ///
    /// # Errors
    ///
    /// As [`Client::recent_events`].
    pub async fn audit_export(&self) -> Result<BoxStream<'static, Result<Bytes, ClientError>>, ClientError> {
        let response = self.send(self.request(Method::GET, "/api/v1/audit/export", &[])?).await?;
        Ok(self.transport.pieces(response))
    }

    /// Asks the platform whether its audit trail is whole.
    ///
    /// # Errors
    ///
    /// As [`Client::recent_events`].
    pub async fn audit_verification(&self) -> Result<Verification, ClientError> {
        self.get("/audit/verification", &[]).await
    }

    /// Streams the events after the one with this sequence (0: all), or from now on; ends with the connection.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn events(
        &self,
        after: Option<u64>,
    ) -> Result<BoxStream<'static, Result<Event, ClientError>>, ClientError> {
        let mut request = self.request(Method::GET, "/api/v1/events", &[])?;
        let headers = request.headers_mut();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(after) = after {
            headers.insert("last-event-id", HeaderValue::from(after));
        }
        let response = self.send(request).await?;
        let events = sse::messages(self.transport.pieces(response)).map(|message| {
            let unread = |e: serde_json::Error| ClientError::Protocol(format!("an event cannot be read: {e}"));
            serde_json::from_str(&message?).map_err(unread)
        });
        Ok(events.boxed())
    }
}
