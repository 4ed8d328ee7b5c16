//! What waits for whom, and what a person can do with a request.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::check::load;
use super::error::RequestError;
use super::{RequestService, approval};
use crate::domain::id::Digest;
use crate::domain::request::{Differences, NeedStanding, Request, RequestState, Silent, Voice};
use crate::domain::team::Role;
use crate::platform::audit::Actor;
use crate::platform::store::RequestQuery;

/// How many requests of a sort are looked through.
const LOOKED_AT: u32 = 1_000;

/// Why something stands in a person's inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InboxCause {
    /// Their word is asked for.
    Decide,
    /// A second look at it is overdue: everybody sees that.
    ReviewOverdue,
    /// A second look at it is due.
    ReviewDue,
    /// It is applied in part, and somebody has to go on or revert.
    PartiallyApplied,
    /// Their own came back.
    SentBack,
    /// Their own waits for others.
    Waiting,
}

/// One line of a person's inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InboxItem {
    /// Why it is there.
    pub cause: InboxCause,
    /// The request.
    pub request: Request,
}

/// What somebody can do with a request now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RequestAction {
    /// Agree.
    Approve,
    /// Refuse.
    Reject,
    /// Set the rules of approvals aside.
    BreakGlass,
    /// Say that they looked at what went ahead.
    Review,
    /// Go on with what is partially applied.
    Continue,
    /// Have what was applied undone.
    Revert,
    /// Write a new revision.
    Revise,
    /// Send it.
    Submit,
    /// Take it back.
    Withdraw,
    /// Say something.
    Comment,
}

/// How a request stands towards whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deciding {
    /// The request.
    pub number: u64,
    /// Its version.
    pub version: u64,
    /// What a word would be bound to; null where nothing was found out yet.
    pub digest: Option<Digest>,
    /// With what right one may decide; null where one may not.
    pub voice: Option<Voice>,
    /// Why one may not, where it waits for people.
    pub why_not: Option<String>,
    /// How far each need is answered, and by whom it could be.
    pub needs: Vec<NeedStanding>,
    /// `solo: no second person`, where nobody else is there; null on a platform that several people share.
    pub note: Option<String>,
    /// What one can do with it now.
    pub actions: Vec<RequestAction>,
    /// What has to be read, given what one has read.
    pub differences: Differences,
}

impl RequestService {
    /// Says how a request stands towards a person.
    ///
    /// # Errors
    ///
    /// Where there is none, or the estate cannot be read.
    pub async fn deciding(&self, actor: &Actor, number: u64) -> Result<Deciding, RequestError> {
        let request = self.get(number).await?;
        let mut deciding = Deciding {
            number,
            version: request.version,
            digest: request.check.as_ref().map(|check| check.binding.digest()),
            voice: None,
            why_not: None,
            needs: Vec::new(),
            note: self.inner.sharing.is_solo().then(|| "solo: no second person".to_owned()),
            actions: Vec::new(),
            differences: request.differences(&actor.name),
        };
        let mut may_break = false;
        if let Some(check) = &request.check {
            let ground = self.ground(&request, check).await?;
            deciding.needs = ground.rules.standing(&request);
            may_break = ground.bundle.config().settings.break_glass && request.broken_glass().is_none();
            if request.state == RequestState::PendingApproval {
                match ground.rules.voice(&request, &actor.name, actor.role) {
                    Ok(_) if actor.role < Role::Approver => {
                        deciding.why_not = Some("this needs the role approver".to_owned())
                    }
                    Ok(voice) => deciding.voice = Some(voice),
                    Err(Silent::NoApprover { may }) if !may.is_empty() => {
                        deciding.why_not =
                            Some(format!("you are no approver of it; those who may: {}", may.join(", ")));
                    }
                    Err(why) => deciding.why_not = Some(why.to_string()),
                }
            }
        }
        deciding.actions = actions(&request, actor, deciding.voice.is_some(), may_break);
        Ok(deciding)
    }

    /// Lists what waits for a person: first what only they can move, then what is overdue, then their own.
    ///
    /// # Errors
    ///
    /// Where the store fails, or the estate cannot be read.
    pub async fn inbox(&self, actor: &Actor) -> Result<Vec<InboxItem>, RequestError> {
        let mut items = Vec::new();
        let snapshot = self.inner.estate.current().await?;
        let bundle = load(&snapshot).await?;
        let solo = self.inner.sharing.is_solo();
        let wants = |request: &Request| {
            let said = request.agreed().iter().any(|decision| decision.actor == actor.name);
            let check = request.check.as_ref().filter(|_| actor.role >= Role::Approver && !said);
            check.is_some_and(|check| {
                let rules = approval::rules(&snapshot, &bundle, request, check, solo);
                rules.voice(request, &actor.name, actor.role).is_ok()
            })
        };
        for request in self.inner.store.live_requests().await? {
            let own = request.requester == actor.name;
            let cause = match request.state {
                RequestState::PendingApproval if wants(&request) => InboxCause::Decide,
                RequestState::PendingApproval if own => InboxCause::Waiting,
                RequestState::PartiallyApplied if own || actor.role >= Role::Operator => InboxCause::PartiallyApplied,
                RequestState::NeedsChanges if own => InboxCause::SentBack,
                _ => continue,
            };
            items.push(InboxItem { cause, request });
        }
        let now = self.now();
        let query = RequestQuery { review_open: true, limit: LOOKED_AT, ..RequestQuery::default() };
        for request in self.inner.store.requests(&query).await? {
            let overdue = request.review.as_ref().is_some_and(|review| review.is_overdue(now));
            let cause = if overdue { InboxCause::ReviewOverdue } else { InboxCause::ReviewDue };
            // What is due is for those who may look at it; what is overdue is for everybody.
            if overdue || actor.role >= Role::Approver {
                items.push(InboxItem { cause, request });
            }
        }
        items.sort_by_key(|item| (item.cause, item.request.number));
        Ok(items)
    }
}

fn actions(request: &Request, actor: &Actor, voice: bool, may_break: bool) -> Vec<RequestAction> {
    use RequestAction as A;
    use RequestState as S;
    let own = actor.name == request.requester || actor.role >= Role::Admin;
    let operator = actor.role >= Role::Operator;
    let waits = request.state == S::PendingApproval;
    let whole = request.applied.is_empty();
    [
        (A::Approve, waits && voice),
        (A::Reject, waits && voice),
        (A::BreakGlass, waits && may_break && operator),
        (
            A::Review,
            actor.role >= Role::Approver && request.review.as_ref().is_some_and(|review| review.done.is_none()),
        ),
        (A::Continue, request.state == S::PartiallyApplied && (own || operator)),
        (A::Revert, request.state == S::PartiallyApplied && (own || operator)),
        (A::Revise, own && whole && matches!(request.state, S::Draft | S::NeedsChanges | S::PendingApproval)),
        (A::Submit, own && matches!(request.state, S::Draft | S::NeedsChanges)),
        (
            A::Withdraw,
            own && matches!(
                request.state,
                S::Draft | S::Submitted | S::Checking | S::PendingApproval | S::NeedsChanges | S::Approved
            ),
        ),
        (A::Comment, actor.role >= Role::Developer),
    ]
    .into_iter()
    .filter_map(|(action, can)| can.then_some(action))
    .collect()
}
