//! Importing a bill: rows are staged in small transactions, and become part of the bills in one.
//!
//! Whatever goes wrong before that one transaction leaves the bills as they were; what was staged is thrown away.

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::CostService;
use super::parse::{self, Batch, Parsed};
use crate::domain::allocation::allocate;
use crate::domain::cost::{Bill, ImportReport};
use crate::domain::money::Exact;
use crate::platform::PlatformError;
use crate::platform::audit::{Actor, AuditDraft};
use crate::platform::estate::Snapshot;
use crate::platform::events::EventDraft;
use crate::platform::store::{Change, StagedCell};

/// The bytes of a file as they come.
pub type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// What is imported, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportRequest {
    /// The file's name, for people.
    pub name: String,
    /// Whether the file is all there is for its days, so that what it lacks is removed.
    pub replace: bool,
}

impl ImportRequest {
    /// Returns the name by which a newer version of the file is known; empty where it has none.
    fn source(&self) -> &str {
        let name = self.name.strip_suffix(".gz").unwrap_or(&self.name);
        if name == "-" { "" } else { name }
    }
}

impl CostService {
    /// Imports a FOCUS export, plain or gzip.
    ///
    /// # Errors
    ///
    /// A file that is none, that ends in the middle, that has several currencies, or of which no row can be taken:
    /// nothing is imported then.
    pub async fn import(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        request: &ImportRequest,
        bytes: ByteStream,
    ) -> Result<ImportReport, PlatformError> {
        let _alone = self.inner.importing.lock().await;
        let mut tx = self.store().begin().await?;
        tx.clear_staged_costs().await?;
        tx.commit_bookkeeping().await?;
        let staged = self.stage(bytes).await;
        let done = match staged {
            Ok(staged) => self.settle(actor, snapshot, request, staged).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            // The next import does the same where this fails.
            let cleared = async {
                let mut tx = self.store().begin().await?;
                tx.clear_staged_costs().await?;
                tx.commit_bookkeeping().await
            };
            if let Err(error) = cleared.await {
                tracing::warn!(%error, "staged bill lines stay until the next import");
            }
        }
        done.map_err(|error| match error {
            PlatformError::Unusable { code, message, hint } if !matches!(request.name.as_str(), "" | "-") => {
                PlatformError::Unusable { code, message: format!("{}: {message}", request.name), hint }
            }
            other => other,
        })
    }

    /// Reads the file and writes its cells beside the bills.
    async fn stage(&self, mut bytes: ByteStream) -> Result<Staged, PlatformError> {
        let (pieces, reading) = mpsc::channel::<io::Result<Bytes>>(16);
        let pump = tokio::spawn(async move {
            let mut digest = Sha256::new();
            // To the end even where nobody reads on: whoever sends must be able to hear why.
            while let Some(piece) = bytes.next().await {
                if let Ok(piece) = &piece {
                    digest.update(piece);
                }
                let broken = piece.is_err();
                drop(pieces.send(piece).await);
                if broken {
                    break;
                }
            }
            hex::encode(digest.finalize())
        });
        let (batches, mut ready) = mpsc::channel::<Batch>(2);
        let parsing = tokio::task::spawn_blocking(move || parse::parse(reading, &batches));
        let (mut charges, mut bills) = (Vec::new(), Vec::new());
        let mut failed = None;
        while let Some(batch) = ready.recv().await {
            if let Err(error) = self.stage_batch(batch, &mut charges, &mut bills).await {
                failed = Some(error);
                break;
            }
        }
        drop(ready);
        let interrupted = |e: tokio::task::JoinError| PlatformError::Interrupted(e.to_string());
        let parsed = parsing.await.map_err(interrupted)?;
        let digest = pump.await.map_err(interrupted)?;
        if let Some(error) = failed {
            return Err(error);
        }
        Ok(Staged { parsed: parsed?, digest, charges })
    }

    async fn stage_batch(
        &self,
        batch: Batch,
        charges: &mut Vec<i64>,
        bills: &mut Vec<(i64, Bill)>,
    ) -> Result<(), PlatformError> {
        let mut tx = self.store().begin().await?;
        for bill in batch.bills {
            bills.push((tx.cost_bill(&bill).await?, bill));
        }
        charges.extend(tx.cost_charge_ids(&batch.charges).await?);
        let cells: Vec<StagedCell> = batch
            .cells
            .into_iter()
            .map(|cell| StagedCell {
                bill: bills[cell.bill as usize].0,
                charge: charges[cell.charge as usize],
                day: cell.day,
                part: batch.part,
                lines: cell.lines,
                billed: cell.billed,
                effective: cell.effective,
                rows: cell.rows,
            })
            .collect();
        tx.stage_costs(&cells).await?;
        tx.commit_bookkeeping().await
    }

    /// Makes what is staged part of the bills: rows, event and audit record in one transaction.
    async fn settle(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        request: &ImportRequest,
        staged: Staged,
    ) -> Result<ImportReport, PlatformError> {
        let Staged { parsed, digest, charges } = staged;
        let unallocated = self.unallocated(snapshot, &parsed, &charges).await?;
        let before = self.store().cost_import_of(&digest).await?.filter(|_| !request.replace);
        let mut tx = self.store().begin().await?;
        let mut report = ImportReport {
            rows: parsed.rows,
            added: 0,
            unchanged: parsed.taken,
            replaced: 0,
            removed: 0,
            lacking: 0,
            refused: parsed.refused,
            refused_more: parsed.refused_more,
            warnings: parsed.warnings,
            currency: parsed.currency,
            billed_cost: parsed.providers,
            total: parsed.total,
            unallocated: unallocated.rescaled(parsed.total.scale()).unwrap_or(unallocated),
            imported_before: before.map(|before| before.imported_at),
        };
        if report.imported_before.is_some() {
            // The very same file: it says nothing new, even where a later one has corrected it.
            tx.clear_staged_costs().await?;
            tx.commit_bookkeeping().await?;
            return Ok(report);
        }
        let settled = tx.settle_costs(request.source(), request.replace).await?;
        report.added = settled.added;
        report.unchanged = settled.unchanged;
        report.replaced = settled.replaced;
        report.removed = settled.removed;
        report.lacking = settled.lacking;
        let now = Timestamp::now();
        let id = tx.keep_cost_import(&digest, &request.name, &actor.name, now, &report).await?.to_string();
        let facts = json!({
            "file": request.name, "sha256": digest, "rows": report.rows, "added": report.added,
            "unchanged": report.unchanged, "replaced": report.replaced, "removed": report.removed, "lacking": report.lacking,
            "refused": report.refused.len() as u64 + report.refused_more, "currency": report.currency,
            "total": report.total, "unallocated": report.unallocated,
        });
        let mut event = EventDraft::about("cost", "imported", &id, facts.clone());
        "terrace budget report".clone_into(&mut event.command);
        let audit = AuditDraft::new(actor.clone(), "cost.import", format!("cost/{id}"), facts);
        tx.commit(Change::new(now, event, audit)).await?;
        // The bills are in; what is strange about them is told of when it can be.
        if let Err(error) = self.tell_anomalies(now).await {
            tracing::warn!(%error, "anomalies could not be looked for");
        }
        Ok(report)
    }

    /// Adds up what no rule allocates of a file.
    async fn unallocated(&self, snapshot: &Snapshot, parsed: &Parsed, charges: &[i64]) -> Result<Exact, PlatformError> {
        let known = self.charges(charges).await?;
        let facts = self.facts(snapshot);
        let items: Vec<_> = known
            .iter()
            .zip(&parsed.charges)
            .map(|(charge, (billed, effective))| facts.item(charge, *billed, *effective))
            .collect();
        let parts = allocate(snapshot.allocation(), facts.teams(), &items);
        let rest = parts.iter().filter(|part| part.team.is_none()).map(|part| part.billed);
        Exact::sum(rest).ok_or_else(parse::too_long)
    }
}

/// A file that is staged whole.
struct Staged {
    parsed: Parsed,
    digest: String,
    /// The numbers of its charges, in the order in which they came.
    charges: Vec<i64>,
}

/// Adds what bills say to the sums of their providers.
pub(super) fn by_provider(bills: &[(Bill, Exact)]) -> Option<BTreeMap<String, Exact>> {
    let mut providers: BTreeMap<String, Exact> = BTreeMap::new();
    for (bill, billed) in bills {
        let sum = providers.entry(bill.provider.clone()).or_default();
        *sum = sum.checked_add(*billed)?;
    }
    Some(providers)
}
