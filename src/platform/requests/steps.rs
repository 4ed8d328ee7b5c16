//! Steps of requests: each is one transaction with its event and its audit record.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cleaning::waits_with_plans;
use super::error::RequestError;
use super::{RequestService, reserve};
use crate::domain::id::Digest;
use crate::domain::request::{Request, RequestState, Step};
use crate::platform::PlatformError;
use crate::platform::audit::{Actor, AuditDraft};
use crate::platform::events::EventDraft;
use crate::platform::store::Change;

/// For how many hours a request waits for people unless `platform/terrace.yaml` says otherwise.
const PATIENCE_HOURS: i64 = 7 * 24;

impl RequestService {
    /// Moves a request by the rules, with its event and its audit record in one transaction.
    pub(super) async fn step(
        &self,
        actor: &Actor,
        number: u64,
        step: Step,
        detail: Value,
    ) -> Result<Request, RequestError> {
        self.step_from(actor, number, None, step, detail).await
    }

    /// Moves a request that is as it was read.
    pub(super) async fn step_at(
        &self,
        actor: &Actor,
        read: &Request,
        step: Step,
        detail: Value,
    ) -> Result<Request, RequestError> {
        self.step_from(actor, read.number, Some(read.version), step, detail).await
    }

    async fn step_from(
        &self,
        actor: &Actor,
        number: u64,
        version: Option<u64>,
        step: Step,
        detail: Value,
    ) -> Result<Request, RequestError> {
        let now = self.now();
        let verb = step.verb();
        // Before the write lock is taken: others need not wait for files to be read.
        let snapshot = if reserve::may_approve(&step) { Some(self.inner.estate.current().await?) } else { None };
        let mut tx = self.inner.store.begin().await?;
        let before = tx.request(number).await?;
        if let Some(expected) = version.filter(|version| *version != before.version) {
            let (what, found) = (format!("request/{number}"), before.version);
            return Err(PlatformError::Stale { what, expected, found }.into());
        }
        let step = self.reserve(tx.as_mut(), snapshot.as_deref(), &before, step, now).await?;
        let mut after = before.after(step, now)?;
        self.release(tx.as_mut(), &before, &after).await?;
        after.next = next(&after);
        if after.state == RequestState::PendingApproval && after.expires_at.is_none() {
            after.expires_at = now.checked_add(SignedDuration::from_hours(self.patience())).ok();
        }
        tx.save_request(&after, before.version).await?;
        tx.commit(change(actor, Some(&before), &after, verb, detail, now)).await?;
        if !waits_with_plans(after.state) {
            self.forget_plans(&before);
        }
        self.settle(&after).await;
        Ok(after)
    }

    /// Returns for how many hours a request waits for people.
    pub(super) fn patience(&self) -> i64 {
        let snapshot = self.inner.estate.last();
        let hours = snapshot.and_then(|snapshot| snapshot.settings().approval_hours);
        hours.map_or(PATIENCE_HOURS, |hours| i64::from(hours.get()))
    }
}

/// Says what leads on.
pub(super) fn next(request: &Request) -> Option<String> {
    let number = request.number;
    match request.state {
        RequestState::Draft => Some(format!("terrace request submit {number}")),
        RequestState::PendingApproval => Some(format!("terrace request approve {number}")),
        // What it applies is in files: they are mended, and it is sent again.
        RequestState::NeedsChanges
            if request.wish().is_some_and(|wish| wish.run.is_some() || wish.workflow.is_some()) =>
        {
            Some(format!("terrace request submit {number}"))
        }
        RequestState::NeedsChanges => Some(format!("terrace request revise {number} --set KEY=VALUE")),
        RequestState::PartiallyApplied => {
            Some(format!("terrace request continue {number}, or terrace request revert {number}"))
        }
        RequestState::Failed => request.runs.last().map(|run| format!("terrace runs show {run}")),
        _ => None,
    }
}

/// Drafts what is told of a change.
pub(super) fn change(
    actor: &Actor,
    before: Option<&Request>,
    after: &Request,
    verb: &str,
    detail: Value,
    now: Timestamp,
) -> Change {
    let digest = |request: &Request| serde_json::to_vec(request).ok().map(|bytes| Digest::of(&bytes));
    let verb = verb.replace(' ', "_");
    let data = json!({
        "number": after.number, "kind": after.kind, "title": after.title, "state": after.state,
        "version": after.version, "requester": after.requester, "reason": after.reason, "by": actor.name,
    });
    let mut event = EventDraft::about("request", &verb, &after.number.to_string(), data);
    event.command = format!("terrace open request/{}", after.number);
    let mut detail = detail;
    if let Some(detail) = detail.as_object_mut() {
        if let Some(before) = before {
            detail.insert("from".to_owned(), json!(before.state));
        }
        detail.insert("to".to_owned(), json!(after.state));
    }
    let audit = AuditDraft::new(actor.clone(), format!("request.{verb}"), format!("request/{}", after.number), detail)
        .digests(before.and_then(digest), digest(after));
    Change::new(now, event, audit)
}
