//! Asking for things, looking at what was asked; and what plans cost and policy says of them.

use axum::body::Body;
use axum::http::{HeaderValue, Method, header};

use super::{Client, ClientError, segment};
use crate::api::types::{NewComment, NewRequest, Preview, PreviewRequest, SubmitRequest, Times};
use crate::domain::estimate::Estimate;
use crate::domain::golden_path::GoldenPath;
use crate::domain::id::RunRef;
use crate::domain::policy::Verdict;
use crate::domain::request::{Request, RequestForm, RequestState, Wish};
use crate::domain::review::Replay;
use crate::domain::scan::ScanFinding;

impl Client {
    /// Lists the golden paths, each with its form.
    ///
    /// # Errors
    ///
    /// As [`Client::estate`].
    pub async fn golden_paths(&self) -> Result<Vec<GoldenPath>, ClientError> {
        self.get("/golden-paths", &[]).await
    }

    /// Shows one golden path with its form.
    ///
    /// # Errors
    ///
    /// Where there is none of that name, or its form cannot be made.
    pub async fn golden_path(&self, name: &str) -> Result<GoldenPath, ClientError> {
        self.get(&format!("/golden-paths/{}", segment(name)), &[]).await
    }

    /// Lists the newest requests, newest first; only those in a state where one is given.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn requests(&self, state: Option<RequestState>, count: u32) -> Result<Vec<Request>, ClientError> {
        let state = state.map(RequestState::name);
        self.newest("/requests", &[("state", state)], count).await
    }

    /// Shows one request.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub async fn show_request(&self, number: u64) -> Result<Request, ClientError> {
        self.get(&format!("/requests/{number}"), &[]).await
    }

    /// Asks for something.
    ///
    /// # Errors
    ///
    /// Where what was filled in is wrong.
    pub async fn new_request(&self, asked: &NewRequest) -> Result<Request, ClientError> {
        self.change("/requests", asked).await
    }

    /// Returns the form of a request: what may be filled in, and what it is now.
    ///
    /// # Errors
    ///
    /// Where what it is about is not there.
    pub async fn request_form(&self, wish: &Wish) -> Result<RequestForm, ClientError> {
        self.change("/requests/form", wish).await
    }

    /// Says what a request would come to.
    ///
    /// # Errors
    ///
    /// As [`Client::new_request`].
    pub async fn preview_request(&self, asked: &PreviewRequest) -> Result<Preview, ClientError> {
        self.change("/requests/preview", asked).await
    }

    /// Says how long requests took.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn request_times(&self) -> Result<Times, ClientError> {
        self.get("/requests/times", &[]).await
    }

    /// Writes a new revision.
    ///
    /// # Errors
    ///
    /// Where its state does not allow it.
    pub async fn revise_request(&self, number: u64, wish: &Wish) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/revise"), wish).await
    }

    /// Sends a draft, or one that came back.
    ///
    /// # Errors
    ///
    /// Where its state does not allow it.
    pub async fn submit_request(&self, number: u64, with: &SubmitRequest) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/submit"), with).await
    }

    /// Takes a request back.
    ///
    /// # Errors
    ///
    /// Where its state does not allow it.
    pub async fn withdraw_request(&self, number: u64) -> Result<Request, ClientError> {
        self.change(&format!("/requests/{number}/withdraw"), &serde_json::json!({})).await
    }

    /// Says something about a request.
    ///
    /// # Errors
    ///
    /// Where nothing is said.
    pub async fn comment_request(&self, number: u64, text: &str) -> Result<Request, ClientError> {
        let comment = NewComment { text: text.to_owned() };
        self.change(&format!("/requests/{number}/comment"), &comment).await
    }

    /// Shows what a run's plan costs a month.
    ///
    /// # Errors
    ///
    /// Where the run has made no plan.
    pub async fn run_estimate(&self, run: RunRef) -> Result<Estimate, ClientError> {
        self.get(&format!("/runs/{run}/estimate"), &[]).await
    }

    /// Shows what policy says of a run's plan.
    ///
    /// # Errors
    ///
    /// Where the run has made no plan.
    pub async fn run_verdict(&self, run: RunRef) -> Result<Verdict, ClientError> {
        self.get(&format!("/runs/{run}/verdict"), &[]).await
    }

    /// Judges past plans again, by the rules as they are written now.
    ///
    /// # Errors
    ///
    /// Where the platform cannot be reached.
    pub async fn replay_policies(&self, limit: u32) -> Result<Replay, ClientError> {
        let limit = limit.to_string();
        self.get("/policies/replay", &[("limit", Some(limit.as_str()))]).await
    }

    /// Shows what scanners found about a run's code.
    ///
    /// # Errors
    ///
    /// Where there is no such run.
    pub async fn run_findings(&self, run: RunRef) -> Result<Vec<ScanFinding>, ClientError> {
        self.get(&format!("/runs/{run}/findings"), &[]).await
    }

    /// Attaches what a scanner found (SARIF) to a run.
    ///
    /// # Errors
    ///
    /// Where the text is no SARIF.
    pub async fn attach_findings(&self, run: RunRef, sarif: Vec<u8>) -> Result<Vec<ScanFinding>, ClientError> {
        let mut request = self.request(Method::POST, &format!("/api/v1/runs/{run}/findings"), &[])?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/sarif+json"));
        *request.body_mut() = Body::from(sarif);
        let response = self.send(request).await?;
        self.read(response).await
    }
}
