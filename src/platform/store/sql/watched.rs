//! Statements under watch: whoever waits for the database gives up where it does not answer any more.
//!
//! Owns passing statements on; when a wait is over is for `dialect::watch` to say. A statement that was given up leaves its
//! connection in the middle of an answer: a transaction takes it along ([`super::writer`]), the pool tries it before it lends
//! it again.

use std::fmt;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use sqlx::{Database, Describe, Either, Execute, Executor, SqlStr};

use super::dialect::{self, Db, Place};

/// Runs statements by another executor, under watch.
pub(super) struct Watched<E> {
    pub(super) by: E,
    pub(super) place: Arc<Place>,
}

impl<E> fmt::Debug for Watched<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("place", &self.place).finish_non_exhaustive()
    }
}

type Step = Either<<Db as Database>::QueryResult, <Db as Database>::Row>;
type Steps<'e> = BoxStream<'e, Result<Step, sqlx::Error>>;

impl<'c, E: Executor<'c, Database = Db>> Executor<'c> for Watched<E> {
    type Database = Db;

    fn fetch_many<'e, 'q: 'e, X>(self, query: X) -> Steps<'e>
    where
        'c: 'e,
        X: 'q + Execute<'q, Db>,
    {
        let steps = self.by.fetch_many(query);
        let next = |open: Option<(Steps<'e>, Arc<Place>)>| async move {
            let (mut steps, place) = open?;
            match dialect::watch(&place, async { steps.next().await.transpose() }).await {
                Ok(Some(step)) => Some((Ok(step), Some((steps, place)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        };
        stream::unfold(Some((steps, self.place)), next).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, X>(
        self,
        query: X,
    ) -> BoxFuture<'e, Result<Option<<Db as Database>::Row>, sqlx::Error>>
    where
        'c: 'e,
        X: 'q + Execute<'q, Db>,
    {
        let row = self.by.fetch_optional(query);
        let place = self.place;
        Box::pin(async move { dialect::watch(&place, row).await })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<Db as Database>::TypeInfo],
    ) -> BoxFuture<'e, Result<<Db as Database>::Statement, sqlx::Error>>
    where
        'c: 'e,
    {
        self.by.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Db>, sqlx::Error>>
    where
        'c: 'e,
    {
        self.by.describe(sql)
    }
}
