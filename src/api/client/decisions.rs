//! Deciding on requests.

use super::{Client, ClientError};
use crate::api::types::{Deciding, GlassRequest, InboxItem, RequestWord, ReviewRequest, SubmitRequest};
use crate::domain::request::Request;

impl Client {
    /// Lists what waits for whoever asks, the most urgent first.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn inbox(&self) -> Result<Vec<InboxItem>, ClientError> {
        self.get("/requests/inbox", &[]).await
    }

    /// Says how a request stands towards whoever asks.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn deciding(&self, number: u64) -> Result<Deciding, ClientError> {
        self.get(&format!("/requests/{number}/deciding"), &[]).await
    }

    /// Agrees to a request.
    ///
    /// # Errors
    ///
    /// Where one may not, or it is not what was looked at any more.
    pub async fn approve_request(&self, number: u64, word: &RequestWord) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/approve"), word).await
    }

    /// Refuses a request.
    ///
    /// # Errors
    ///
    /// As [`Client::approve_request`]; without a reason.
    pub async fn reject_request(&self, number: u64, word: &RequestWord) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/reject"), word).await
    }

    /// Sets the rules of approvals aside, because it cannot wait.
    ///
    /// # Errors
    ///
    /// Without a reason; where policy forbids it.
    pub async fn break_glass(&self, number: u64, reason: &str) -> Result<Request, ClientError> {
        let why = GlassRequest { reason: reason.to_owned() };
        self.change(&format!("/requests/{number}/break-glass"), &why).await
    }

    /// Notes that one looked at what had gone ahead with less than the usual approvals.
    ///
    /// # Errors
    ///
    /// Where no look is owed, or one was a part of it.
    pub async fn review_request(&self, number: u64, comment: Option<String>) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/review"), &ReviewRequest { comment }).await
    }

    /// Notes what one has looked at; says how the request stands now.
    ///
    /// # Errors
    ///
    /// Where nothing was found out yet.
    pub async fn seen_request(&self, number: u64) -> Result<Deciding, ClientError> {
        self.change(&format!("/requests/{number}/seen"), &serde_json::json!({})).await
    }

    /// Goes on with what is partially applied.
    ///
    /// # Errors
    ///
    /// Where nothing is.
    pub async fn continue_request(&self, number: u64, with: &SubmitRequest) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/continue"), with).await
    }

    /// Has what was applied of a request undone.
    ///
    /// # Errors
    ///
    /// Where nothing is.
    pub async fn revert_request(&self, number: u64, with: &SubmitRequest) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/revert"), with).await
    }
}
