//! Deciding: yes, no, that it cannot wait, a second look, on with it or back.
//!
//! Each word is checked against what is there now, written only where the request is still what was looked at, and each
//! refusal is on record.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::check::load;
use super::error::RequestError;
use super::{Env, RequestService, approval};
use crate::domain::id::Digest;
use crate::domain::request::{
    Bar, BrokenGlass, Check, Decision, Request, RequestState, ReviewCause, Reviewed, Rules, SecondReview, Seen, Silent,
    Step, Voice,
};
use crate::domain::team::Role;
use crate::platform::PlatformError;
use crate::platform::audit::{Actor, AuditDraft};
use crate::platform::estate::Snapshot;
use crate::platform::events::EventDraft;
use crate::platform::policies::{Bundle, SelfApproval};
use crate::platform::store::Change;

/// Within how many hours a second look is due.
const REVIEW_HOURS: i64 = 24;
/// How often a word is tried again where others speak at the same moment.
const ATTEMPTS: usize = 20;

/// What a decision stands on, as it is now.
pub(super) struct Ground {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) bundle: Arc<Bundle>,
    pub(super) rules: Rules,
}

impl RequestService {
    /// Agrees to a request; where that is enough, it is carried out.
    ///
    /// `digest` is what was looked at; where the request has become another since, it is refused.
    ///
    /// # Errors
    ///
    /// One's own request unless policy allows it, a person who is no approver, a request that waits for nobody, a budget
    /// that it would not fit.
    pub async fn approve(
        &self,
        actor: &Actor,
        number: u64,
        digest: Option<&Digest>,
        reason: Option<String>,
        env: Env,
    ) -> Result<Request, RequestError> {
        let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        for _ in 0..ATTEMPTS {
            match self.agree(actor, number, digest, reason.clone()).await {
                // Somebody else spoke at the same moment: what they said counts too.
                Err(RequestError::Platform(PlatformError::Stale { .. })) => {}
                Err(error) => return Err(self.refused(actor, number, "approve", error).await),
                Ok(request) => {
                    // Only of somebody whose word counts.
                    self.keep_env(number, env);
                    self.nudge(number);
                    return Ok(request);
                }
            }
        }
        Err(RequestError::invalid("busy", format!("request #{number} changes all the time"), Some("try again")))
    }

    async fn agree(
        &self,
        actor: &Actor,
        number: u64,
        digest: Option<&Digest>,
        reason: Option<String>,
    ) -> Result<Request, RequestError> {
        let request = self.timely(number).await?;
        let check = waiting(&request, digest)?;
        let Ground { snapshot, bundle, mut rules } = self.ground(&request, &check).await?;
        let voice =
            rules.voice(&request, &actor.name, actor.role).map_err(|why| silenced(&request, &actor.name, why))?;
        if let Some(changed) = self.changed(&request, &check).await? {
            return Err(self.void(&request, &changed).await?);
        }
        let decision = Decision {
            actor: actor.name.clone(),
            role: actor.role,
            approved: true,
            reason,
            digest: check.binding.digest(),
            self_attested: voice == Voice::Own,
            restores: voice == Voice::Restorer,
            voided: None,
            at: self.now(),
        };
        let mut with = request.clone();
        with.decisions.push(decision.clone());
        let (asked, by) = (with.clone(), actor.clone());
        let judging = tokio::task::spawn_blocking(move || {
            let verdict = approval::ask(&snapshot, &bundle, &asked, &check, &by, &mut rules);
            (verdict, rules)
        });
        let (verdict, rules) = judging.await.map_err(|error| PlatformError::Interrupted(error.to_string()))?;
        if let Some(denial) = verdict.denials().next() {
            return Err(RequestError::Denied {
                code: "denied-by-policy",
                message: format!("policy does not take this word: {}", denial.message),
                hint: denial.fix.clone(),
            });
        }
        let enough = rules.enough(&with);
        let review = enough.then(|| owed(&with, self.now())).flatten();
        let detail = json!({
            "digest": decision.digest, "binding": request.check.as_ref().map(|check| &check.binding), "voice": voice,
            "self_attested": decision.self_attested, "enough": enough, "review_due": review.as_ref().map(|r| r.due_at),
            "reason": decision.reason,
        });
        let step = Step::Approve { decision: Box::new(decision), enough, review };
        let after = self.step_at(actor, &request, step, detail).await?;
        self.mark_seen(actor, number).await?;
        Ok(after)
    }

    /// Refuses a request, and says why.
    ///
    /// # Errors
    ///
    /// A refusal without a reason; as [`RequestService::approve`].
    pub async fn reject(
        &self,
        actor: &Actor,
        number: u64,
        digest: Option<&Digest>,
        reason: &str,
    ) -> Result<Request, RequestError> {
        let rejected = async {
            let request = self.timely(number).await?;
            let check = waiting(&request, digest)?;
            let ground = self.ground(&request, &check).await?;
            let voice = ground.rules.voice(&request, &actor.name, actor.role);
            let voice = voice.map_err(|why| silenced(&request, &actor.name, why))?;
            let decision = Decision {
                actor: actor.name.clone(),
                role: actor.role,
                approved: false,
                reason: Some(reason.trim().to_owned()),
                digest: check.binding.digest(),
                self_attested: voice == Voice::Own,
                restores: false,
                voided: None,
                at: self.now(),
            };
            let detail = json!({"digest": decision.digest, "reason": reason.trim()});
            self.step_at(actor, &request, Step::Reject(Box::new(decision)), detail).await
        };
        match rejected.await {
            Ok(request) => {
                self.clean(&request).await;
                Ok(request)
            }
            Err(error) => Err(self.refused(actor, number, "reject", error).await),
        }
    }

    /// Sets the rules of approvals aside, because it cannot wait: any second person's yes is then enough, and a second
    /// look is due within a day.
    ///
    /// # Errors
    ///
    /// Without a reason; where policy forbids it; a request that waits for nobody.
    pub async fn break_glass(&self, actor: &Actor, number: u64, reason: &str) -> Result<Request, RequestError> {
        let broken = async {
            let request = self.timely(number).await?;
            let check = waiting(&request, None)?;
            let ground = self.ground(&request, &check).await?;
            if !ground.bundle.config().settings.break_glass {
                return Err(RequestError::Denied {
                    code: "glass-locked",
                    message: "policy does not let the rules of approvals be set aside".to_owned(),
                    hint: Some("settings.break_glass of platform/policies.yaml may allow it".to_owned()),
                });
            }
            let glass = BrokenGlass {
                actor: actor.name.clone(),
                role: actor.role,
                reason: reason.trim().to_owned(),
                revision: request.revision(),
                at: self.now(),
            };
            let detail = json!({
                "reason": glass.reason, "digest": check.binding.digest(), "binding": check.binding,
                "set_aside": check.verdict.approvals,
            });
            self.step_at(actor, &request, Step::BreakGlass(Box::new(glass)), detail).await
        };
        match broken.await {
            Ok(request) => {
                tracing::warn!(request = number, by = %actor.name, reason, "the glass is broken");
                Ok(request)
            }
            Err(error) => Err(self.refused(actor, number, "break_glass", error).await),
        }
    }

    /// Notes that somebody else looked at what had gone ahead with less than the usual approvals.
    ///
    /// # Errors
    ///
    /// Where no look is owed; whoever broke the glass, agreed or asked for it.
    pub async fn review(&self, actor: &Actor, number: u64, comment: Option<String>) -> Result<Request, RequestError> {
        let request = self.get(number).await?;
        if request.review.as_ref().is_none_or(|review| review.done.is_some()) {
            let message = format!("no second look is owed at request #{number}");
            return Err(RequestError::invalid("no-review", message, None));
        }
        let glass = request.glass.iter().map(|glass| &glass.actor);
        let spoke: BTreeSet<&String> =
            request.decisions.iter().map(|word| &word.actor).chain(glass).chain([&request.requester]).collect();
        // Alone on a machine one can only look at it again oneself: where policy lets one's own word count, and the record says
        // so.
        let snapshot = self.inner.estate.current().await?;
        let own_word = load(&snapshot).await?.config().settings.self_approval != SelfApproval::Never;
        let alone = own_word && self.inner.sharing.is_solo() && spoke.iter().all(|name| **name == actor.name);
        let spoke = spoke.contains(&actor.name);
        if spoke && !alone {
            let error = RequestError::Denied {
                code: "own-review",
                message: format!("{} was a part of request #{number}: somebody else looks at it", actor.name),
                hint: None,
            };
            return Err(self.refused(actor, number, "review", error).await);
        }
        let comment = comment.map(|comment| comment.trim().to_owned()).filter(|comment| !comment.is_empty());
        let reviewed = Reviewed { actor: actor.name.clone(), comment, self_attested: spoke, at: self.now() };
        let detail = json!({"comment": reviewed.comment, "self_attested": spoke});
        self.step_at(actor, &request, Step::Review(reviewed), detail).await
    }

    /// Goes on with what is partially applied: the rest is planned again.
    ///
    /// # Errors
    ///
    /// Where nothing is; another person than the requester or an operator.
    pub async fn go_on(&self, actor: &Actor, number: u64, env: Env) -> Result<Request, RequestError> {
        self.steer(actor, number, env, Step::Continue { by: actor.name.clone() }).await
    }

    /// Has what was applied of a request undone: that is planned, judged and approved as everything else.
    ///
    /// # Errors
    ///
    /// As [`RequestService::go_on`].
    pub async fn revert(&self, actor: &Actor, number: u64, env: Env) -> Result<Request, RequestError> {
        self.steer(actor, number, env, Step::Revert { by: actor.name.clone() }).await
    }

    async fn steer(&self, actor: &Actor, number: u64, env: Env, step: Step) -> Result<Request, RequestError> {
        let request = self.get(number).await?;
        if actor.role < Role::Operator
            && let Err(error) = super::own(actor, &request)
        {
            return Err(self.refused(actor, number, step.verb(), error).await);
        }
        let live: Vec<String> = request.live().map(|applied| applied.instance.to_string()).collect();
        let request = self.step_at(actor, &request, step, json!({"applied": live})).await?;
        self.keep_env(number, env);
        self.nudge(number);
        Ok(request)
    }

    /// Notes what a person has looked at, so that only what differs has to be read again; no change of the request.
    ///
    /// # Errors
    ///
    /// Where nothing was found out yet.
    pub async fn mark_seen(&self, actor: &Actor, number: u64) -> Result<Request, RequestError> {
        let mut tx = self.inner.store.begin().await?;
        let mut request = tx.request(number).await?;
        let Some(check) = &request.check else {
            let message = format!("there is nothing to look at in request #{number} yet");
            return Err(RequestError::invalid("check-missing", message, None));
        };
        let digest = check.binding.digest();
        let seen = Seen { actor: actor.name.clone(), digest, parts: check.parts(), at: self.now() };
        request.seen.retain(|other| other.actor != actor.name);
        request.seen.push(seen);
        let version = request.version;
        tx.save_request(&request, version).await?;
        tx.commit_bookkeeping().await?;
        Ok(request)
    }

    /// Returns a request; one that has waited too long has expired.
    async fn timely(&self, number: u64) -> Result<Request, RequestError> {
        let request = self.get(number).await?;
        if request.expires_at.is_none_or(|at| at > self.now()) {
            return Ok(request);
        }
        let expired = self.step_at(&Actor::platform(), &request, Step::Expire, json!({})).await?;
        self.clean(&expired).await;
        Ok(expired)
    }

    /// Returns who may decide on a request now.
    pub(super) async fn ground(&self, request: &Request, check: &Check) -> Result<Ground, RequestError> {
        let snapshot = self.inner.estate.current().await?;
        let bundle = load(&snapshot).await?;
        let rules = approval::rules(&snapshot, &bundle, request, check, self.inner.sharing.is_solo());
        Ok(Ground { snapshot, bundle, rules })
    }

    /// Voids what was said because something changed; returns what to answer.
    async fn void(&self, request: &Request, changed: &str) -> Result<RequestError, RequestError> {
        let reason = format!("{changed} changed after it was judged");
        let step = Step::Void { reason: reason.clone() };
        self.step_at(&Actor::platform(), request, step, json!({"reason": reason})).await?;
        self.nudge(request.number);
        Ok(RequestError::Denied {
            code: "approval-void",
            message: format!("{reason}: it is judged again"),
            hint: Some(format!("look at it again: terrace request show {}", request.number)),
        })
    }

    /// Puts a refusal on record; returns it.
    async fn refused(&self, actor: &Actor, number: u64, what: &str, error: RequestError) -> RequestError {
        if !matches!(error, RequestError::Denied { .. } | RequestError::Refused(_)) {
            return error;
        }
        let detail = json!({"number": number, "what": what, "code": error.code(), "why": error.to_string()});
        let mut event = EventDraft::about("request", "refused", &number.to_string(), detail.clone());
        event.command = format!("terrace open request/{number}");
        let audit = AuditDraft::new(actor.clone(), "request.refused", format!("request/{number}"), detail);
        let told = async { self.inner.store.begin().await?.commit(Change::new(self.now(), event, audit)).await };
        match told.await {
            Ok(_) => error,
            Err(failed) => failed.into(),
        }
    }
}

/// Returns the second look that is owed where the usual approvals are not there.
fn owed(request: &Request, now: Timestamp) -> Option<SecondReview> {
    let restored = request.agreed().iter().any(|decision| decision.restores);
    let cause = match (request.broken_glass(), restored) {
        (Some(_), _) => ReviewCause::BreakGlass,
        (None, true) => ReviewCause::Restored,
        (None, false) => return None,
    };
    let due_at = now.checked_add(SignedDuration::from_hours(REVIEW_HOURS)).ok()?;
    Some(SecondReview { cause, due_at, done: None })
}

/// Returns what a request waits with, where that is what was looked at.
fn waiting(request: &Request, digest: Option<&Digest>) -> Result<Check, RequestError> {
    let Some(check) = request.check.clone().filter(|_| request.state == RequestState::PendingApproval) else {
        let message = format!("request #{} is {}, and waits for nobody's word", request.number, request.state);
        let hint = format!("terrace request show {}", request.number);
        return Err(RequestError::invalid("not-waiting", message, Some(&hint)));
    };
    let found = check.binding.digest();
    if digest.is_some_and(|digest| *digest != found) {
        return Err(RequestError::Denied {
            code: "other-content",
            message: format!("request #{} is not what you looked at any more", request.number),
            hint: Some(format!("terrace request show {}", request.number)),
        });
    }
    Ok(check)
}

/// Says to a person why their word does not count.
fn silenced(request: &Request, name: &str, why: Silent) -> RequestError {
    let number = request.number;
    let (code, message, hint) = match why {
        Silent::Barred(Bar::Requester) => (
            "own-request",
            format!("request #{number} is your own: somebody else decides"),
            Some("settings.self_approval of platform/policies.yaml may allow it".to_owned()),
        ),
        Silent::Barred(Bar::Author) => (
            "own-commit",
            format!("{name} wrote the commit that request #{number} stands on: somebody else decides"),
            None,
        ),
        Silent::Barred(Bar::Starter) => {
            ("own-run", format!("{name} had request #{number} go on: somebody else decides"), None)
        }
        Silent::BrokeGlass => {
            ("second-person", format!("you broke the glass of request #{number}: a second person has to agree"), None)
        }
        Silent::NoApprover { may } => {
            let hint = if may.is_empty() {
                "platform/teams.yaml names no approver for it: an admin may decide".to_owned()
            } else {
                format!("those who may: {}", may.join(", "))
            };
            ("no-approver", format!("{name} is no approver of request #{number}"), Some(hint))
        }
    };
    RequestError::Denied { code, message, hint }
}
