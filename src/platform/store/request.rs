//! What the store keeps of requests, and of the reviews of runs' plans.

use async_trait::async_trait;

use crate::domain::id::RunId;
use crate::domain::request::{Request, RequestKind, RequestState};
use crate::domain::review::Review;
use crate::domain::scan::ScanFinding;
use crate::platform::PlatformError;

/// Which requests are asked for; newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Only requests with a smaller number.
    pub before: Option<u64>,
    /// Only those in this state.
    pub state: Option<RequestState>,
    /// Only those of this kind.
    pub kind: Option<RequestKind>,
    /// Only those of this person.
    pub requester: Option<String>,
    /// Only those at which a second look is still owed.
    pub review_open: bool,
    /// How many at most.
    pub limit: u32,
}

/// Reads of requests.
#[async_trait]
pub trait RequestReads {
    /// Returns one request.
    async fn request(&self, number: u64) -> Result<Request, PlatformError>;

    /// Lists requests.
    async fn requests(&self, query: &RequestQuery) -> Result<Vec<Request>, PlatformError>;

    /// Lists the requests that have not ended, oldest first.
    async fn live_requests(&self) -> Result<Vec<Request>, PlatformError>;

    /// Returns the review of a run's plan; `None` where there is none.
    async fn run_review(&self, run: RunId) -> Result<Option<Review>, PlatformError>;

    /// Returns what scanners found about a run; empty where nothing was attached.
    async fn run_scans(&self, run: RunId) -> Result<Vec<ScanFinding>, PlatformError>;
}

/// Writes of requests.
#[async_trait]
pub trait RequestWrites {
    /// Returns one request under the write lock.
    async fn request(&mut self, number: u64) -> Result<Request, PlatformError>;

    /// Adds a request and gives it its number.
    async fn add_request(&mut self, request: &mut Request) -> Result<(), PlatformError>;

    /// Writes a request that was at version `expected`; fails with [`PlatformError::Stale`] where it is not.
    async fn save_request(&mut self, request: &Request, expected: u64) -> Result<(), PlatformError>;

    /// Keeps the review of a run's plan; a later one takes its place.
    async fn save_run_review(&mut self, run: RunId, review: &Review) -> Result<(), PlatformError>;

    /// Keeps what scanners found about a run, in the place of what was kept.
    async fn save_run_scans(&mut self, run: RunId, scans: &[ScanFinding]) -> Result<(), PlatformError>;
}
