//! Who may speak on a request, and when enough people agreed.
//!
//! Pure: who is named where, and what policy allows, comes in as [`Rules`]; how the request stands says the rest. The
//! numbers in the comments are those of "What must never happen" in the design.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Decision, Request};
use crate::domain::policy::ApprovalNeed;
use crate::domain::team::Role;

/// Those who may answer a need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Electorate {
    /// What is needed.
    pub need: ApprovalNeed,
    /// The people that `teams.yaml` names for it.
    pub people: BTreeSet<String>,
}

/// Why a person does not decide on a request, whatever else they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bar {
    /// It is their own request (3).
    Requester,
    /// They wrote the commit that it stands on.
    Author,
    /// They started a run of it.
    Starter,
}

/// What holds for a request when somebody wants to decide on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Each need with those who may answer it.
    pub electorates: Vec<Electorate>,
    /// Those who may not, and why; empty where policy lets people decide on what is their own.
    pub barred: BTreeMap<String, Bar>,
    /// Whether the requester's own word is enough: alone on a machine, and policy allows it.
    pub own_word: bool,
    /// Whether one operator's word is enough: it was approved and applied before, and policy allows it.
    pub restorable: bool,
}

/// With what right somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// As one of those who may.
    Approver,
    /// For themself, because nobody else is there.
    Own,
    /// As the second person after the glass was broken.
    Second,
    /// As one operator who brings back what was there before.
    Restorer,
}

/// Why somebody may not speak.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// It is theirs in one way or another.
    #[error("{}", match .0 {
        Bar::Requester => "it is your own request: somebody else decides",
        Bar::Author => "you wrote the commit that it stands on: somebody else decides",
        Bar::Starter => "you started a run of it: somebody else decides",
    })]
    Barred(Bar),
    /// They broke the glass: the second person is another one.
    #[error("you broke the glass: a second person has to agree")]
    BrokeGlass,
    /// They are none of those who may.
    #[error("you are no approver of it")]
    NoApprover {
        /// Those who may, by name.
        may: Vec<String>,
    },
}

/// How far a need is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NeedStanding {
    /// What is needed.
    #[serde(flatten)]
    pub need: ApprovalNeed,
    /// Those who may answer it and have not, by name.
    pub may: Vec<String>,
    /// Those who agreed, by name.
    pub agreed: Vec<String>,
    /// How many are missing.
    pub missing: u32,
}

impl Electorate {
    /// Those who may and are not barred.
    fn free<'a>(&'a self, rules: &'a Rules) -> impl Iterator<Item = &'a String> {
        self.people.iter().filter(|name| !rules.barred.contains_key(*name))
    }

    /// Whether too few are named to ever answer it: then admins may, or nobody ever could.
    fn is_short(&self, rules: &Rules) -> bool {
        self.free(rules).count() < self.need.count as usize
    }

    fn admits(&self, rules: &Rules, name: &str, role: Role) -> bool {
        !rules.barred.contains_key(name)
            && (self.people.contains(name) || (role >= Role::Admin && self.is_short(rules)))
    }
}

impl Rules {
    /// Says with what right a person may decide.
    ///
    /// # Errors
    ///
    /// Why they may not.
    pub fn voice(&self, request: &Request, name: &str, role: Role) -> Result<Voice, Silent> {
        let bar = self.barred.get(name).copied();
        if let Some(glass) = request.broken_glass() {
            if glass.actor == name {
                return Err(Silent::BrokeGlass);
            }
            return match bar {
                Some(bar) => Err(Silent::Barred(bar)),
                None if role >= Role::Approver => Ok(Voice::Second),
                None => Err(self.no_approver()),
            };
        }
        if self.electorates.iter().any(|electorate| electorate.admits(self, name, role)) {
            return Ok(Voice::Approver);
        }
        if self.own_word && name == request.requester {
            return Ok(Voice::Own);
        }
        if self.restorable && role >= Role::Operator {
            return Ok(Voice::Restorer);
        }
        Err(bar.map_or_else(|| self.no_approver(), Silent::Barred))
    }

    fn no_approver(&self) -> Silent {
        let may: BTreeSet<&String> = self.electorates.iter().flat_map(|electorate| electorate.free(self)).collect();
        Silent::NoApprover { may: may.into_iter().cloned().collect() }
    }

    /// Says how far each need is answered by those whose newest word is a yes to what it is now.
    #[must_use]
    pub fn standing(&self, request: &Request) -> Vec<NeedStanding> {
        let agreed = request.agreed();
        let of = |electorate: &Electorate| {
            let said: BTreeSet<&String> = agreed
                .iter()
                .filter(|decision| electorate.admits(self, &decision.actor, decision.role))
                .map(|decision| &decision.actor)
                .collect();
            let count = u32::try_from(said.len()).unwrap_or(u32::MAX);
            NeedStanding {
                need: electorate.need.clone(),
                may: electorate.free(self).filter(|name| !said.contains(name)).cloned().collect(),
                agreed: said.into_iter().cloned().collect(),
                missing: electorate.need.count.saturating_sub(count),
            }
        };
        self.electorates.iter().map(of).collect()
    }

    /// Says whether enough people agreed (1, 3): as many as each need asks for, or one of the words that policy lets
    /// stand alone. Where nobody agreed it never is.
    #[must_use]
    pub fn enough(&self, request: &Request) -> bool {
        let agreed = request.agreed();
        if agreed.is_empty() {
            return false;
        }
        if let Some(glass) = request.broken_glass() {
            let second = |decision: &&Decision| {
                decision.actor != glass.actor
                    && decision.role >= Role::Approver
                    && !self.barred.contains_key(&decision.actor)
            };
            return agreed.iter().any(second);
        }
        let alone = |decision: &&Decision| {
            (decision.self_attested && self.own_word && decision.actor == request.requester)
                || (decision.restores && self.restorable && decision.role >= Role::Operator)
        };
        agreed.iter().any(alone) || self.standing(request).iter().all(|standing| standing.missing == 0)
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
