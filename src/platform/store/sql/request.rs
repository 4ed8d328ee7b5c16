//! Requests in SQL.

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row as _};

use super::{Db, Row, SqlStore, SqlTx, whole};
use crate::domain::id::RunId;
use crate::domain::request::Request;
use crate::domain::review::Review;
use crate::domain::scan::ScanFinding;
use crate::platform::PlatformError;
use crate::platform::store::{RequestQuery, RequestReads, RequestWrites};

#[async_trait]
impl RequestReads for SqlStore {
    async fn request(&self, number: u64) -> Result<Request, PlatformError> {
        let found = sqlx::query("select document from requests where number = $1").bind(whole(number));
        let row = found.fetch_optional(self.reader()).await.map_err(|e| self.error(e))?;
        row.as_ref().map_or_else(|| Err(missing(number)), read)
    }

    async fn requests(&self, query: &RequestQuery) -> Result<Vec<Request>, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new("select document from requests where 1 = 1");
        if let Some(before) = query.before {
            sql.push(" and number < ").push_bind(whole(before));
        }
        let names = [
            (" and state = ", query.state.map(|state| state.name().to_owned())),
            (" and kind = ", query.kind.map(|kind| kind.name().to_owned())),
            (" and requester = ", query.requester.clone()),
        ];
        for (condition, value) in names {
            if let Some(value) = value {
                sql.push(condition).push_bind(value);
            }
        }
        if query.review_open {
            sql.push(" and review_due is not null");
        }
        sql.push(" order by number desc limit ").push_bind(i64::from(query.limit));
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter().map(read).collect()
    }

    async fn live_requests(&self) -> Result<Vec<Request>, PlatformError> {
        let found = sqlx::query("select document from requests where ended = 0 order by number");
        let rows = found.fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter().map(read).collect()
    }

    async fn run_review(&self, run: RunId) -> Result<Option<Review>, PlatformError> {
        let found = sqlx::query("select document from run_reviews where run = $1").bind(run.to_string());
        let row = found.fetch_optional(self.reader()).await.map_err(|e| self.error(e))?;
        row.as_ref().map(|row| parse(row.get("document"), "review")).transpose()
    }

    async fn run_scans(&self, run: RunId) -> Result<Vec<ScanFinding>, PlatformError> {
        let found = sqlx::query("select document from run_scans where run = $1").bind(run.to_string());
        let row = found.fetch_optional(self.reader()).await.map_err(|e| self.error(e))?;
        row.as_ref().map_or_else(|| Ok(Vec::new()), |row| parse(row.get("document"), "finding"))
    }
}

#[async_trait]
impl RequestWrites for SqlTx {
    async fn request(&mut self, number: u64) -> Result<Request, PlatformError> {
        let found = sqlx::query("select document from requests where number = $1").bind(whole(number));
        let row = found.fetch_optional(self.connection()).await;
        row.map_err(|e| self.error(e))?.as_ref().map_or_else(|| Err(missing(number)), read)
    }

    async fn add_request(&mut self, request: &mut Request) -> Result<(), PlatformError> {
        let next = sqlx::query_scalar::<_, i64>("select coalesce(max(number), 0) + 1 from requests")
            .fetch_one(self.connection())
            .await;
        request.number = u64::try_from(next.map_err(|e| self.error(e))?).unwrap_or_default();
        let done = sqlx::query(
            "insert into requests (number, version, state, ended, kind, requester, review_due, document) values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(whole(request.number))
        .bind(whole(request.version))
        .bind(request.state.name())
        .bind(i64::from(request.state.is_final()))
        .bind(request.kind.name())
        .bind(&request.requester)
        .bind(review_due(request))
        .bind(json(request)?)
        .execute(self.connection())
        .await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn save_request(&mut self, request: &Request, expected: u64) -> Result<(), PlatformError> {
        let done = sqlx::query(
            "update requests set version = $1, state = $2, ended = $3, kind = $4, review_due = $5, document = $6 where number = $7 and version = $8",
        )
        .bind(whole(request.version))
        .bind(request.state.name())
        .bind(i64::from(request.state.is_final()))
        .bind(request.kind.name())
        .bind(review_due(request))
        .bind(json(request)?)
        .bind(whole(request.number))
        .bind(whole(expected))
        .execute(self.connection())
        .await;
        if done.map_err(|e| self.error(e))?.rows_affected() == 1 {
            return Ok(());
        }
        let found = RequestWrites::request(self, request.number).await?.version;
        Err(PlatformError::Stale { what: format!("request/{}", request.number), expected, found })
    }

    async fn save_run_review(&mut self, run: RunId, review: &Review) -> Result<(), PlatformError> {
        let done = sqlx::query(
            "insert into run_reviews (run, document) values ($1, $2) on conflict (run) do update set document = excluded.document",
        )
        .bind(run.to_string())
        .bind(json(review)?)
        .execute(self.connection())
        .await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn save_run_scans(&mut self, run: RunId, scans: &[ScanFinding]) -> Result<(), PlatformError> {
        let done = sqlx::query(
            "insert into run_scans (run, document) values ($1, $2) on conflict (run) do update set document = excluded.document",
        )
        .bind(run.to_string())
        .bind(json(&scans)?)
        .execute(self.connection())
        .await;
        done.map(drop).map_err(|e| self.error(e))
    }
}

/// Returns until when a second look is owed; none where none is.
fn review_due(request: &Request) -> Option<String> {
    request.review.as_ref().filter(|review| review.done.is_none()).map(|review| review.due_at.to_string())
}

fn read(row: &Row) -> Result<Request, PlatformError> {
    parse(row.get("document"), "request")
}

fn parse<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, PlatformError> {
    let unreadable =
        |error: serde_json::Error| PlatformError::Unreadable { what: what.to_owned(), message: error.to_string() };
    serde_json::from_str(text).map_err(unreadable)
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, PlatformError> {
    let unreadable =
        |error: serde_json::Error| PlatformError::Unreadable { what: "request".to_owned(), message: error.to_string() };
    serde_json::to_string(value).map_err(unreadable)
}

fn missing(number: u64) -> PlatformError {
    PlatformError::NotFound { what: format!("request #{number}") }
}
