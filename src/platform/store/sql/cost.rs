//! Billed cost in SQL.

use std::collections::HashMap;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{QueryBuilder, Row as _};

use super::{Db, Row, SqlStore, SqlTx};
use crate::domain::cost::cell::{self, Comparison};
use crate::domain::cost::{Anomaly, Bill, BillLine, Charge, ImportReport};
use crate::domain::money::Exact;
use crate::platform::PlatformError;
use crate::platform::store::{ChargeSum, Closing, CostReads, CostWrites, DaySum, KeptImport, Settled, StagedCell};

/// How many rows go into one statement.
const CHUNK: usize = 500;
/// How many cells are held while staged ones are compared.
const PAGE: i64 = 4_000;

#[async_trait]
impl CostReads for SqlStore {
    async fn cost_bills(&self, from: &str, to: &str) -> Result<Vec<(i64, Bill)>, PlatformError> {
        let sql = "select id, provider, account, period, currency from cost_bills where period >= $1 and period < $2 \
                   order by period, provider, account, id";
        let rows = sqlx::query(sql).bind(from).bind(to).fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        let bill = |row: &Row| {
            let currency = row.get::<&str, _>("currency").parse().map_err(|e: String| unreadable(&e))?;
            let bill = Bill {
                provider: row.get("provider"),
                account: row.get("account"),
                period: row.get("period"),
                currency,
            };
            Ok((row.get("id"), bill))
        };
        rows.iter().map(bill).collect()
    }

    async fn cost_sums(&self, bills: &[i64]) -> Result<Vec<ChargeSum>, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new("select bill, charge, lines, billed, effective from cost_sums");
        within(&mut sql, bills);
        sql.push(" order by bill, charge");
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter()
            .map(|row| {
                Ok(ChargeSum {
                    bill: row.get(0),
                    charge: row.get(1),
                    lines: row.get::<i64, _>(2).unsigned_abs(),
                    billed: exact(row, 3)?,
                    effective: exact(row, 4)?,
                })
            })
            .collect()
    }

    async fn cost_day_sums(&self, bills: &[i64]) -> Result<Vec<DaySum>, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new("select charge, day, billed, effective from cost_days");
        within(&mut sql, bills);
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        rows.iter()
            .map(|row| {
                let (billed, effective) = (exact(row, 2)?, exact(row, 3)?);
                Ok(DaySum { charge: row.get(0), day: row.get(1), billed, effective })
            })
            .collect()
    }

    async fn cost_charges(&self, ids: &[i64]) -> Result<Vec<(i64, Charge)>, PlatformError> {
        let mut charges = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(CHUNK) {
            let mut sql = QueryBuilder::<Db>::new("select id, document from cost_charges where id in (");
            let mut list = sql.separated(", ");
            for id in chunk {
                list.push_bind(*id);
            }
            sql.push(")");
            let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
            for row in &rows {
                let charge = serde_json::from_str(row.get(1)).map_err(|e| unreadable(&e))?;
                charges.push((row.get(0), charge));
            }
        }
        Ok(charges)
    }

    async fn cost_lines(
        &self,
        bills: &[i64],
        charge: i64,
        limit: usize,
    ) -> Result<Vec<(i32, BillLine)>, PlatformError> {
        let mut sql = QueryBuilder::<Db>::new("select day, rows from cost_days");
        within(&mut sql, bills);
        sql.push(" and charge = ").push_bind(charge).push(" order by day");
        let rows = sql.build().fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        let mut lines = Vec::new();
        for row in &rows {
            let day: i32 = row.get(0);
            for line in cell::unpack(row.get(1)).map_err(|e| unreadable(&e))? {
                if lines.len() == limit {
                    return Ok(lines);
                }
                lines.push((day, line));
            }
        }
        Ok(lines)
    }

    async fn cost_import_of(&self, digest: &str) -> Result<Option<KeptImport>, PlatformError> {
        let sql = format!("{IMPORTS} where digest = $1 order by id desc limit 1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(digest).fetch_optional(self.reader()).await;
        row.map_err(|e| self.error(e))?.as_ref().map(kept).transpose()
    }

    async fn cost_closings(&self) -> Result<Vec<Closing>, PlatformError> {
        let sql = "select period, closed_at, actor, document from cost_closings order by period";
        let rows = sqlx::query(sql).fetch_all(self.reader()).await.map_err(|e| self.error(e))?;
        let closing = |row: &Row| {
            Ok(Closing {
                period: row.get(0),
                closed_at: row.get::<&str, _>(1).parse().map_err(|e| unreadable(&e))?,
                actor: row.get(2),
                closed: serde_json::from_str(row.get(3)).map_err(|e| unreadable(&e))?,
            })
        };
        rows.iter().map(closing).collect()
    }

    async fn cost_anomalies(&self, limit: u32) -> Result<Vec<Anomaly>, PlatformError> {
        let sql = "select anomaly from cost_anomalies order by day desc, service limit $1";
        let rows = sqlx::query_scalar::<_, String>(sql).bind(i64::from(limit)).fetch_all(self.reader()).await;
        let rows = rows.map_err(|e| self.error(e))?;
        rows.iter().map(|text| serde_json::from_str(text).map_err(|e| unreadable(&e))).collect()
    }

    async fn cost_imports(&self, limit: u32) -> Result<Vec<KeptImport>, PlatformError> {
        let sql = format!("{IMPORTS} order by id desc limit $1");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(i64::from(limit)).fetch_all(self.reader()).await;
        rows.map_err(|e| self.error(e))?.iter().map(kept).collect()
    }
}

const IMPORTS: &str = "select id, name, actor, imported_at, report from cost_imports";

fn kept(row: &Row) -> Result<KeptImport, PlatformError> {
    Ok(KeptImport {
        id: row.get(0),
        name: row.get(1),
        actor: row.get(2),
        imported_at: row.get::<&str, _>(3).parse().map_err(|e| unreadable(&e))?,
        report: serde_json::from_str(row.get(4)).map_err(|e| unreadable(&e))?,
    })
}

/// Adds `where bill in (…)`; an empty list is none for PostgreSQL.
fn within(sql: &mut QueryBuilder<Db>, bills: &[i64]) {
    if bills.is_empty() {
        sql.push(" where 1 = 0");
        return;
    }
    sql.push(" where bill in (");
    let mut list = sql.separated(", ");
    for bill in bills {
        list.push_bind(*bill);
    }
    sql.push(")");
}

fn exact(row: &Row, column: usize) -> Result<Exact, PlatformError> {
    row.get::<&str, _>(column).parse().map_err(|e| unreadable(&e))
}

fn unreadable(error: &dyn std::fmt::Display) -> PlatformError {
    PlatformError::Unreadable { what: "billed cost".to_owned(), message: error.to_string() }
}

#[async_trait]
impl CostWrites for SqlTx {
    async fn clear_staged_costs(&mut self) -> Result<(), PlatformError> {
        let done = sqlx::query("delete from cost_staged").execute(self.connection()).await;
        done.map(drop).map_err(|e| self.error(e))
    }

    async fn cost_bill(&mut self, bill: &Bill) -> Result<i64, PlatformError> {
        let sql = "insert into cost_bills (provider, account, period, currency) values ($1, $2, $3, $4) \
                   on conflict (provider, account, period, currency) do update set provider = excluded.provider returning id";
        let query = sqlx::query_scalar(sql).bind(&bill.provider).bind(&bill.account).bind(&bill.period);
        query.bind(bill.currency.code()).fetch_one(self.connection()).await.map_err(|e| self.error(e))
    }

    async fn cost_charge_ids(&mut self, charges: &[([u8; 16], String)]) -> Result<Vec<i64>, PlatformError> {
        let mut ids = Vec::with_capacity(charges.len());
        for chunk in charges.chunks(CHUNK) {
            let mut sql = QueryBuilder::<Db>::new("insert into cost_charges (hash, document) ");
            sql.push_values(chunk, |mut row, (hash, document)| {
                row.push_bind(hash.as_slice()).push_bind(document);
            });
            sql.push(" on conflict do nothing");
            sql.build().execute(self.connection()).await.map_err(|e| self.error(e))?;
            let mut sql = QueryBuilder::<Db>::new("select id, hash from cost_charges where hash in (");
            let mut list = sql.separated(", ");
            for (hash, _) in chunk {
                list.push_bind(hash.as_slice());
            }
            sql.push(")");
            let rows = sql.build().fetch_all(self.connection()).await.map_err(|e| self.error(e))?;
            let found: HashMap<&[u8], i64> = rows.iter().map(|row| (row.get(1), row.get(0))).collect();
            for (hash, _) in chunk {
                ids.push(*found.get(hash.as_slice()).ok_or_else(|| unreadable(&"a charge was not written"))?);
            }
        }
        Ok(ids)
    }

    async fn stage_costs(&mut self, cells: &[StagedCell]) -> Result<(), PlatformError> {
        let into = "insert into cost_staged (bill, charge, day, part, lines, billed, effective, rows) ";
        for chunk in cells.chunks(CHUNK) {
            let mut sql = QueryBuilder::<Db>::new(into);
            sql.push_values(chunk, |mut row, cell| {
                row.push_bind(cell.bill)
                    .push_bind(cell.charge)
                    .push_bind(cell.day)
                    .push_bind(i64::from(cell.part))
                    .push_bind(i64::from(cell.lines))
                    .push_bind(cell.billed.to_string())
                    .push_bind(cell.effective.to_string())
                    .push_bind(cell.rows.as_slice());
            });
            sql.build().execute(self.connection()).await.map_err(|e| self.error(e))?;
        }
        Ok(())
    }

    async fn settle_costs(&mut self, name: &str, whole: bool) -> Result<Settled, PlatformError> {
        let sql = "select s.bill, min(day), max(day), max(part) = 0, cast(sum(lines) as bigint), \
                   exists (select 1 from cost_days d where d.bill = s.bill) from cost_staged s group by s.bill";
        let bills = sqlx::query(sql).fetch_all(self.connection()).await.map_err(|e| self.error(e))?;
        let mut settled = Settled::default();
        for row in &bills {
            let bill: i64 = row.get(0);
            let days: (i32, i32) = (row.get(1), row.get(2));
            let (single, lines, known): (bool, i64, bool) = (row.get(3), row.get(4), row.get(5));
            let newer = known && !whole && self.is_newer_version(bill, name, days).await?;
            if single && !known {
                let sql = "insert into cost_days (bill, charge, day, lines, billed, effective, rows) \
                           select bill, charge, day, lines, billed, effective, rows from cost_staged where bill = $1 \
                           order by bill, charge, day";
                sqlx::query(sql).bind(bill).execute(self.connection()).await.map_err(|e| self.error(e))?;
                settled.added += lines.unsigned_abs();
                self.add_up(bill).await?;
            } else {
                self.settle_bill(bill, days, (whole, newer), &mut settled).await?;
            }
            self.note_source(bill, name, days).await?;
        }
        self.clear_staged_costs().await?;
        Ok(settled)
    }

    async fn keep_cost_import(
        &mut self,
        digest: &str,
        name: &str,
        actor: &str,
        time: Timestamp,
        report: &ImportReport,
    ) -> Result<i64, PlatformError> {
        let report = serde_json::to_string(report).map_err(|e| unreadable(&e))?;
        let sql = "insert into cost_imports (digest, name, actor, imported_at, report) values ($1, $2, $3, $4, $5) \
                   returning id";
        let query = sqlx::query_scalar(sql).bind(digest).bind(name).bind(actor).bind(time.to_string()).bind(report);
        query.fetch_one(self.connection()).await.map_err(|e| self.error(e))
    }

    async fn add_cost_anomaly(&mut self, anomaly: &Anomaly, time: Timestamp) -> Result<bool, PlatformError> {
        let text = serde_json::to_string(anomaly).map_err(|e| unreadable(&e))?;
        let sql = "insert into cost_anomalies (service, day, anomaly, found_at) values ($1, $2, $3, $4) \
                   on conflict do nothing";
        let query = sqlx::query(sql).bind(&anomaly.service).bind(&anomaly.day).bind(text).bind(time.to_string());
        let done = query.execute(self.connection()).await.map_err(|e| self.error(e))?;
        Ok(done.rows_affected() == 1)
    }

    async fn add_cost_closing(&mut self, closing: &Closing) -> Result<(), PlatformError> {
        let document = serde_json::to_string(&closing.closed).map_err(|e| unreadable(&e))?;
        let sql = "insert into cost_closings (period, closed_at, actor, document) values ($1, $2, $3, $4)";
        let query = sqlx::query(sql).bind(&closing.period).bind(closing.closed_at.to_string());
        let query = query.bind(&closing.actor).bind(document);
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }
}

/// The cells that a bill has between two days, and its file has not.
const ABSENT: &str = "from cost_days as d where d.bill = $1 and d.day between $2 and $3 and not exists \
                      (select 1 from cost_staged s where s.bill = d.bill and s.charge = d.charge and s.day = d.day)";

/// A staged cell beside the one that is kept.
struct Pair {
    charge: i64,
    day: i32,
    new: Vec<u8>,
    old: Vec<u8>,
}

impl SqlTx {
    /// Joins the staged cells of one bill with those that are kept.
    async fn settle_bill(
        &mut self,
        bill: i64,
        days: (i32, i32),
        (whole, newer): (bool, bool),
        settled: &mut Settled,
    ) -> Result<(), PlatformError> {
        let (mut both, mut only_new, mut only_old, mut contradicts) = (0u64, 0u64, 0u64, whole);
        let mut after = Some((i64::MIN, 0));
        while let Some(place) = after {
            let (pairs, next) = self.pairs(bill, place).await?;
            for pair in &pairs {
                let found = compare(pair)?;
                both += found.both;
                only_new += found.only_new;
                only_old += found.only_old;
                contradicts |= found.contradicts;
            }
            after = next;
        }
        settled.unchanged += both;
        let absent = self.count_absent(bill, days).await?;
        contradicts |= newer && both > only_old + absent;
        only_old += absent;
        if contradicts {
            self.remove_absent(bill, days).await?;
            settled.replaced += only_new.min(only_old);
            settled.added += only_new.saturating_sub(only_old);
            settled.removed += only_old.saturating_sub(only_new);
        } else {
            settled.added += only_new;
            settled.lacking += only_old;
        }
        if only_new == 0 && (only_old == 0 || !contradicts) {
            return Ok(());
        }
        let mut after = Some((i64::MIN, 0));
        while let Some(place) = after {
            let (pairs, next) = self.pairs(bill, place).await?;
            for pair in &pairs {
                let found = compare(pair)?;
                let rows = if contradicts { &pair.new } else { &found.union };
                if *rows != pair.old {
                    self.put_day(bill, pair, rows).await?;
                }
            }
            after = next;
        }
        self.add_up(bill).await
    }

    /// Reads the next staged cells of a bill, parts joined, and from where to go on.
    async fn pairs(&mut self, bill: i64, after: (i64, i32)) -> Result<(Vec<Pair>, Option<(i64, i32)>), PlatformError> {
        let sql = "select s.charge, s.day, s.rows, d.rows from cost_staged s \
                   left join cost_days d on d.bill = s.bill and d.charge = s.charge and d.day = s.day \
                   where s.bill = $1 and (s.charge, s.day) > ($2, $3) order by s.charge, s.day, s.part limit $4";
        let mut limit = PAGE;
        loop {
            let query = sqlx::query(sql).bind(bill).bind(after.0).bind(after.1).bind(limit);
            let rows = query.fetch_all(self.connection()).await.map_err(|e| self.error(e))?;
            let full = i64::try_from(rows.len()).unwrap_or(i64::MAX) == limit;
            let mut groups: Vec<(Pair, Vec<Vec<u8>>)> = Vec::new();
            for row in &rows {
                let (charge, day): (i64, i32) = (row.get(0), row.get(1));
                match groups.last_mut() {
                    Some((pair, parts)) if pair.charge == charge && pair.day == day => parts.push(row.get(2)),
                    _ => {
                        let old = row.get::<Option<Vec<u8>>, _>(3).unwrap_or_default();
                        groups.push((Pair { charge, day, new: Vec::new(), old }, vec![row.get(2)]));
                    }
                }
            }
            if full {
                // the last one may go on in the next page
                groups.pop();
                if groups.is_empty() {
                    limit *= 2;
                    continue;
                }
            }
            let mut pairs = Vec::with_capacity(groups.len());
            for (mut pair, parts) in groups {
                let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                pair.new = cell::join(&parts).map_err(|e| unreadable(&e))?;
                pairs.push(pair);
            }
            let next = pairs.last().filter(|_| full).map(|last| (last.charge, last.day));
            return Ok((pairs, next));
        }
    }

    /// Says whether a file is a newer version of the only one that a bill's rows came from: its name, and no day fewer.
    async fn is_newer_version(&mut self, bill: i64, name: &str, days: (i32, i32)) -> Result<bool, PlatformError> {
        let sql = "select count(*), sum(case when name = $1 and first_day >= $2 and last_day <= $3 then 1 else 0 end) from cost_sources where bill = $4";
        let query = sqlx::query(sql).bind(name).bind(days.0).bind(days.1).bind(bill);
        let row = query.fetch_one(self.connection()).await.map_err(|e| self.error(e))?;
        Ok(!name.is_empty() && row.get::<i64, _>(0) == 1 && row.get::<Option<i64>, _>(1) == Some(1))
    }

    /// Notes that rows of a bill came from a file.
    async fn note_source(&mut self, bill: i64, name: &str, (first, last): (i32, i32)) -> Result<(), PlatformError> {
        let sql = "insert into cost_sources (bill, name, first_day, last_day) values ($1, $2, $3, $4) \
                   on conflict (bill, name) do update set \
                   first_day = case when excluded.first_day < cost_sources.first_day then excluded.first_day else cost_sources.first_day end, \
                   last_day = case when excluded.last_day > cost_sources.last_day then excluded.last_day else cost_sources.last_day end";
        let query = sqlx::query(sql).bind(bill).bind(name).bind(first).bind(last);
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }

    /// Counts the lines that a bill has between two days on cells that the file has not.
    async fn count_absent(&mut self, bill: i64, (first, last): (i32, i32)) -> Result<u64, PlatformError> {
        let sql = format!("select cast(coalesce(sum(d.lines), 0) as bigint) {ABSENT}");
        let query = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(sql)).bind(bill).bind(first).bind(last);
        Ok(query.fetch_one(self.connection()).await.map_err(|e| self.error(e))?.unsigned_abs())
    }

    /// Removes what a bill has between two days and its correction has not.
    async fn remove_absent(&mut self, bill: i64, (first, last): (i32, i32)) -> Result<(), PlatformError> {
        let query = sqlx::query(sqlx::AssertSqlSafe(format!("delete {ABSENT}"))).bind(bill).bind(first).bind(last);
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }

    async fn put_day(&mut self, bill: i64, pair: &Pair, rows: &[u8]) -> Result<(), PlatformError> {
        let lines = cell::unpack(rows).map_err(|e| unreadable(&e))?;
        let sum = |amount: fn(&BillLine) -> Exact| Exact::sum(lines.iter().map(amount)).ok_or_else(too_long);
        let (billed, effective) = (sum(|line| line.billed)?, sum(|line| line.effective)?);
        let sql = "insert into cost_days (bill, charge, day, lines, billed, effective, rows) \
                   values ($1, $2, $3, $4, $5, $6, $7) on conflict (bill, charge, day) do update set \
                   lines = excluded.lines, billed = excluded.billed, effective = excluded.effective, rows = excluded.rows";
        let query = sqlx::query(sql).bind(bill).bind(pair.charge).bind(pair.day);
        let query = query.bind(i64::try_from(lines.len()).unwrap_or(i64::MAX)).bind(billed.to_string());
        let query = query.bind(effective.to_string()).bind(rows);
        query.execute(self.connection()).await.map(drop).map_err(|e| self.error(e))
    }

    /// Adds the days of a bill up, charge by charge.
    async fn add_up(&mut self, bill: i64) -> Result<(), PlatformError> {
        let done = sqlx::query("delete from cost_sums where bill = $1").bind(bill).execute(self.connection()).await;
        done.map_err(|e| self.error(e))?;
        let mut after = Some((i64::MIN, 0i32));
        let mut open: Option<ChargeSum> = None;
        let mut ready = Vec::new();
        let sql = "select charge, day, lines, billed, effective from cost_days \
                   where bill = $1 and (charge, day) > ($2, $3) order by charge, day limit $4";
        while let Some((charge, day)) = after {
            let query = sqlx::query(sql).bind(bill).bind(charge).bind(day).bind(PAGE);
            let rows = query.fetch_all(self.connection()).await.map_err(|e| self.error(e))?;
            after = rows.last().filter(|_| i64::try_from(rows.len()) == Ok(PAGE)).map(|row| (row.get(0), row.get(1)));
            for row in &rows {
                let next = ChargeSum {
                    bill,
                    charge: row.get(0),
                    lines: row.get::<i64, _>(2).unsigned_abs(),
                    billed: exact(row, 3)?,
                    effective: exact(row, 4)?,
                };
                match &mut open {
                    Some(sum) if sum.charge == next.charge => {
                        sum.lines += next.lines;
                        sum.billed = sum.billed.checked_add(next.billed).ok_or_else(too_long)?;
                        sum.effective = sum.effective.checked_add(next.effective).ok_or_else(too_long)?;
                    }
                    _ => ready.extend(open.replace(next)),
                }
            }
            if after.is_none() {
                ready.extend(open.take());
            }
            for chunk in ready.chunks(CHUNK) {
                let into = "insert into cost_sums (bill, charge, lines, billed, effective) ";
                let mut sql = QueryBuilder::<Db>::new(into);
                sql.push_values(chunk, |mut row, sum| {
                    row.push_bind(sum.bill)
                        .push_bind(sum.charge)
                        .push_bind(i64::try_from(sum.lines).unwrap_or(i64::MAX))
                        .push_bind(sum.billed.to_string())
                        .push_bind(sum.effective.to_string());
                });
                sql.build().execute(self.connection()).await.map_err(|e| self.error(e))?;
            }
            ready.clear();
        }
        Ok(())
    }
}

fn compare(pair: &Pair) -> Result<Comparison, PlatformError> {
    cell::compare(&pair.old, &pair.new).map_err(|e| unreadable(&e))
}

fn too_long() -> PlatformError {
    PlatformError::Unusable {
        code: "amount-too-long",
        message: "the sum of a charge has more than 38 digits".to_owned(),
        hint: None,
    }
}
