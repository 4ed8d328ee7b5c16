//! Runs in SQL.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::{QueryBuilder, Row as _};

use super::{Db, Row, SqlStore, SqlTx, whole};
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::lock::LockKey;
use crate::platform::PlatformError;
use crate::platform::store::{HeldLock, KeptRun, RunCount, RunQuery, RunReads, RunWrites};

const COLUMNS: &str = "select document, request, locks, taken, parallel from runs";

#[async_trait]
impl RunReads for SqlStore {
    async fn run(&self, which: &RunRef) -> Result<KeptRun, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new(COLUMNS);
        match which {
            RunRef::Number(number) => sql.push(" where number = ").push_bind(whole(*number)),
            RunRef::Id(id) => sql.push(" where id = ").push_bind(id.to_string()),
        };
        let row = sql.build().fetch_optional(self.reader()).await.map_err(|e| self.error(e))?;
        row.as_ref().map_or_else(|| Err(missing(which)), kept)
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<KeptRun>, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new(COLUMNS);
        sql.push(" where 1 = 1");
        if let Some(before) = query.before {
            sql.push(" and number < ").push_bind(whole(before));
        }
        let names = [
            (" and state = ", query.state.map(|state| state.name().to_owned())),
            (" and kind = ", query.kind.map(|kind| kind.name().to_owned())),
            (" and component = ", query.component.clone()),
            (" and stack = ", query.stack.clone()),
            (" and set_id = ", query.set.clone()),
        ];
        for (condition, value) in names {
            if let Some(value) = value {
                sql.push(condition).push_bind(value);
            }
        }
        sql.push(" order by number desc limit ").push_bind(i64::from(query.limit));
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter().map(kept).collect()
    }

    async fn live_runs(&self) -> Result<Vec<KeptRun>, PlatformError> {
        let sql = format!("{COLUMNS} where ended = 0 order by number");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter().map(kept).collect()
    }

    async fn run_counts(&self) -> Result<Vec<RunCount>, PlatformError> {
        let sql = "select kind, state, count(*) as runs, count(seconds) as timed, coalesce(sum(seconds), 0.0) as seconds from runs \
                   group by kind, state";
        let rows = sqlx::query(sql).fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        let number = |row: &Row, name: &str| u64::try_from(row.get::<i64, _>(name)).unwrap_or_default();
        let count = |row: &Row| RunCount {
            kind: row.get("kind"),
            state: row.get("state"),
            count: number(row, "runs"),
            timed: number(row, "timed"),
            seconds: row.get("seconds"),
        };
        Ok(rows.iter().map(count).collect())
    }

    async fn run_locks(&self) -> Result<Vec<HeldLock>, PlatformError> {
        let sql = "select key, run, token, taken_at from run_locks order by token";
        let rows = sqlx::query(sql).fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        let held = |row: &Row| {
            Ok(HeldLock {
                key: row.get("key"),
                run: parse_id(row.get("run"))?,
                token: u64::try_from(row.get::<i64, _>("token")).unwrap_or_default(),
                since: row.get::<&str, _>("taken_at").parse().map_err(|e| unreadable("lock", &e))?,
            })
        };
        rows.iter().map(held).collect()
    }
}

#[async_trait]
impl RunWrites for SqlTx {
    async fn run(&mut self, id: RunId) -> Result<KeptRun, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new(COLUMNS);
        sql.push(" where id = ").push_bind(id.to_string());
        let row = sql.build().fetch_optional(self.connection()).await.map_err(|e| self.error(e))?;
        row.as_ref().map_or_else(|| Err(missing(&RunRef::Id(id))), kept)
    }

    async fn add_run(&mut self, kept: &mut KeptRun) -> Result<(), PlatformError> {
        let next = sqlx::query_scalar::<_, i64>("select coalesce(max(number), 0) + 1 from runs")
            .fetch_one(self.connection())
            .await;
        kept.run.number = u64::try_from(next.map_err(|e| self.error(e))?).unwrap_or_default();
        let run = &kept.run;
        let done = sqlx::query(
            "insert into runs (id, number, version, state, ended, kind, component, stack, set_id, taken, document, \
             request, locks, parallel) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        )
        .bind(run.id.to_string())
        .bind(whole(run.number))
        .bind(whole(run.version))
        .bind(run.state.name())
        .bind(i64::from(run.state.is_end()))
        .bind(run.kind.name())
        .bind(&run.component)
        .bind(&run.stack)
        .bind(&run.set)
        .bind(whole(kept.taken))
        .bind(json(run)?)
        .bind(json(&kept.request)?)
        .bind(json(&kept.locks)?)
        .bind(kept.parallel.map(i64::from))
        .execute(self.connection())
        .await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn save_run(&mut self, kept: &KeptRun, expected: u64) -> Result<(), PlatformError> {
        let run = &kept.run;
        let done = sqlx::query(
            "update runs set version = $1, state = $2, ended = $3, taken = $4, document = $5, request = $6, locks = $7 where id = $8 and version = $9",
        )
        .bind(whole(run.version))
        .bind(run.state.name())
        .bind(i64::from(run.state.is_end()))
        .bind(whole(kept.taken))
        .bind(json(run)?)
        .bind(json(&kept.request)?)
        .bind(json(&kept.locks)?)
        .bind(run.id.to_string())
        .bind(whole(expected))
        .execute(self.connection())
        .await;
        if done.map_err(|e| self.error(e))?.rows_affected() == 1 {
            return Ok(());
        }
        let found = RunWrites::run(self, run.id).await?.run.version;
        Err(PlatformError::Stale { what: format!("run/{}", run.id), expected, found })
    }

    async fn take_locks(
        &mut self,
        run: RunId,
        keys: &[LockKey],
        time: Timestamp,
    ) -> Result<Result<u64, (LockKey, RunId)>, PlatformError> {
        let mut wanted = Vec::new();
        for key in keys {
            let holder: Option<String> = sqlx::query_scalar("select run from run_locks where key = $1")
                .bind(key.to_string())
                .fetch_optional(self.connection())
                .await
                .map_err(|e| self.error(e))?;
            match holder.as_deref().map(parse_id).transpose()? {
                Some(holder) if holder != run => return Ok(Err((key.clone(), holder))),
                Some(_) => {}
                None => wanted.push(key),
            }
        }
        let token = sqlx::query_scalar::<_, i64>("update run_counters set token = token + 1 returning token")
            .fetch_one(self.connection())
            .await
            .map_err(|e| self.error(e))?;
        for key in wanted {
            let done =
                sqlx::query("insert into run_locks (key, run, on_state, token, taken_at) values ($1, $2, $3, $4, $5)")
                    .bind(key.to_string())
                    .bind(run.to_string())
                    .bind(i64::from(key.is_state()))
                    .bind(token)
                    .bind(time.to_string())
                    .execute(self.connection())
                    .await;
            done.map_err(|e| self.error(e))?;
        }
        Ok(Ok(u64::try_from(token).unwrap_or_default()))
    }

    async fn release_locks(&mut self, run: RunId, keys: &[LockKey]) -> Result<(), PlatformError> {
        for key in keys {
            let done = sqlx::query("delete from run_locks where key = $1 and run = $2")
                .bind(key.to_string())
                .bind(run.to_string())
                .execute(self.connection())
                .await;
            done.map_err(|e| self.error(e))?;
        }
        Ok(())
    }

    async fn next_platform(&mut self) -> Result<u64, PlatformError> {
        let next = sqlx::query_scalar::<_, i64>("update run_counters set platform = platform + 1 returning platform")
            .fetch_one(self.connection())
            .await
            .map_err(|e| self.error(e))?;
        Ok(u64::try_from(next).unwrap_or_default())
    }
}

fn kept(row: &Row) -> Result<KeptRun, PlatformError> {
    Ok(KeptRun {
        run: parse(row.get("document"))?,
        request: parse(row.get("request"))?,
        locks: parse(row.get("locks"))?,
        taken: u64::try_from(row.get::<i64, _>("taken")).unwrap_or_default(),
        parallel: row.get::<Option<i64>, _>("parallel").and_then(|parallel| u32::try_from(parallel).ok()),
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, PlatformError> {
    serde_json::from_str(text).map_err(|error| unreadable("run", &error))
}

fn parse_id(text: &str) -> Result<RunId, PlatformError> {
    text.parse().map_err(|error| unreadable("run's id", &error))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, PlatformError> {
    serde_json::to_string(value).map_err(|error| unreadable("run", &error))
}

fn unreadable(what: &str, error: &dyn std::fmt::Display) -> PlatformError {
    PlatformError::Unreadable { what: what.to_owned(), message: error.to_string() }
}

fn missing(which: &RunRef) -> PlatformError {
    let what = match which {
        RunRef::Number(number) => format!("run #{number}"),
        RunRef::Id(id) => format!("run {id}"),
    };
    PlatformError::NotFound { what }
}
