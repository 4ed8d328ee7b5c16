//! Decisions on recommendations in SQL.

use async_trait::async_trait;

use super::{SqlStore, SqlTx};
use crate::platform::PlatformError;
use crate::platform::store::{Decided, RecommendReads, RecommendWrites};

fn unreadable(error: &serde_json::Error) -> PlatformError {
    PlatformError::Unreadable { what: "decision on a recommendation".to_owned(), message: error.to_string() }
}

#[async_trait]
impl RecommendReads for SqlStore {
    async fn recommendation_decisions(&self) -> Result<Vec<Decided>, PlatformError> {
        let sql = "select decided from recommendation_decisions order by id";
        let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter().map(|text| serde_json::from_str(text).map_err(|e| unreadable(&e))).collect()
    }
}

#[async_trait]
impl RecommendWrites for SqlTx {
    async fn put_recommendation_decision(&mut self, decided: &Decided) -> Result<(), PlatformError> {
        let text = serde_json::to_string(decided).map_err(|e| unreadable(&e))?;
        let sql = "insert into recommendation_decisions (id, decided) values ($1, $2) \
                   on conflict (id) do update set decided = excluded.decided";
        let query = sqlx::query(sql).bind(&decided.recommendation.id).bind(text);
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }
}
