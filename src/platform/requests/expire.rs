//! Sandboxes whose time is over: the platform asks for their end by itself, and a person agrees.
//!
//! An instance says when its time is over with `settings.expires_on` (a day), or is a sandbox (`settings.sandbox: true`)
//! of a team whose quota has `sandbox_days`: then its days count from its first apply.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use super::error::RequestError;
use super::{Env, RequestService};
use crate::domain::policy::ApprovalNeed;
use crate::domain::request::{Request, RequestKind, RequestState, Wish};
use crate::domain::run::{RunKind, RunState};
use crate::domain::stack::InstanceRef;
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;
use crate::platform::store::{RequestQuery, RunQuery};

/// How often is looked for what has expired.
const LOOK: Duration = Duration::from_mins(15);
/// How many of the platform's own requests, and of an instance's applies, are looked through.
const LOOKED_AT: u32 = 1_000;

/// An instance whose time is over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expired {
    /// Which.
    instance: InstanceRef,
    /// The day on which its time ended.
    since: Date,
}

impl RequestService {
    /// Looks again and again for what has expired; ends with the platform.
    pub(in crate::platform) async fn watch_expiry(self) {
        loop {
            if let Err(error) = self.ask_for_expired(self.now()).await {
                tracing::warn!(%error, "what has expired could not be looked for");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Asks for the end of every live instance whose time is over, once for each day that it names; returns the requests.
    ///
    /// Where no gates are in force nothing is destroyed unasked: the request stays a draft.
    ///
    /// # Errors
    ///
    /// An estate or a store that cannot be read.
    pub async fn ask_for_expired(&self, now: Timestamp) -> Result<Vec<Request>, RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let expired = self.expired(&snapshot, now.to_zoned(TimeZone::UTC).date()).await?;
        if expired.is_empty() {
            return Ok(Vec::new());
        }
        let platform = Actor::platform();
        let mine = RequestQuery { requester: Some(platform.name.clone()), limit: LOOKED_AT, ..RequestQuery::default() };
        let before = self.inner.store.requests(&mine).await?;
        let mut asked = Vec::new();
        for one in expired {
            let reason = format!("its time ended on {}", one.since);
            let told = |request: &Request| {
                request.wish().is_some_and(|wish| {
                    let same = wish.kind == RequestKind::Retire && wish.instance.as_ref() == Some(&one.instance);
                    same && (!request.state.is_final() || wish.reason.as_ref() == Some(&reason))
                })
            };
            let gates = snapshot.has_gates();
            let answer = match before.iter().find(|request| told(request)) {
                // It was written, and the platform died before it was sent.
                Some(unsent) if gates && unsent.state == RequestState::Draft && unsent.version == 1 => {
                    self.submit(&platform, unsent.number, Env::new()).await
                }
                Some(_) => continue,
                None => {
                    let mut wish = Wish::new(RequestKind::Retire);
                    wish.title = Some(format!("Retire {}, which has expired", one.instance));
                    wish.reason = Some(reason.clone());
                    wish.instance = Some(one.instance.clone());
                    self.create(&platform, wish, !gates, Env::new(), None).await
                }
            };
            match answer {
                Ok(request) => asked.push(request),
                Err(error) => {
                    tracing::warn!(instance = %one.instance, %error, "what has expired could not be asked for")
                }
            }
        }
        Ok(asked)
    }

    /// Lists the instances whose time is over and of which something is live, or may be.
    async fn expired(&self, snapshot: &Snapshot, today: Date) -> Result<Vec<Expired>, RequestError> {
        let estate = snapshot.estate();
        let mut found = Vec::new();
        for one in snapshot.instances().into_iter().filter(|one| !one.is_abstract) {
            let Ok(id) = estate.find(&one.component, &one.stack, Some(&one.file)) else { continue };
            let settings = estate.section(id, "settings");
            let instance = InstanceRef { component: one.component, stack: one.stack };
            let written = settings.get("expires_on").and_then(Value::as_str);
            let sandbox = settings.get("sandbox").and_then(Value::as_bool).unwrap_or(false);
            let days = one.team.as_deref().and_then(|team| snapshot.teams().quota(team)?.sandbox_days);
            let since = match (written.and_then(|day| day.get(..10)?.parse::<Date>().ok()), days.filter(|_| sandbox)) {
                (Some(day), _) => Some(day),
                (None, Some(days)) => self.first_applied(&instance).await?.and_then(|at| {
                    at.to_zoned(TimeZone::UTC).date().checked_add(Span::new().days(i64::from(days))).ok()
                }),
                (None, None) => None,
            };
            let Some(since) = since.filter(|since| *since <= today) else { continue };
            if !self.inner.budgets.is_live(snapshot, &instance)? {
                continue;
            }
            found.push(Expired { instance, since });
        }
        Ok(found)
    }

    /// Returns when an instance was first applied here.
    async fn first_applied(&self, at: &InstanceRef) -> Result<Option<Timestamp>, RequestError> {
        let query = RunQuery {
            component: Some(at.component.clone()),
            stack: Some(at.stack.clone()),
            kind: Some(RunKind::Apply),
            state: Some(RunState::Succeeded),
            limit: LOOKED_AT,
            ..RunQuery::default()
        };
        Ok(self.inner.store.runs(&query).await?.into_iter().filter_map(|kept| kept.run.ended_at).min())
    }
}

/// Returns the approval that a request of the platform's own needs: nothing goes because a clock says so.
pub(super) fn need(request: &Request) -> Option<ApprovalNeed> {
    (request.requester == Actor::platform().name).then(|| ApprovalNeed {
        count: 1,
        group: None,
        code: "asked-by-platform".to_owned(),
        message: "the platform asks for it by itself".to_owned(),
        policy: "terrace".to_owned(),
    })
}
