//! Allocation: who pays for a charge. `platform/allocation.yaml`.
//!
//! Owns the rules, their order and the splitting of shared cost. Leaves what is known of a charge's resource (instance,
//! owner) to `platform::costs`, and adding up to [`crate::domain::showback`].
//!
//! The first rule that matches a charge and can name a team takes it. A rule with `share` takes it for several teams; it
//! is split when everything else is allocated, so that "proportional" knows what each team spent. What no rule takes is
//! unallocated, with the reason. Nothing is lost: the parts of every charge add up to it exactly.

mod rule;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cost::{Charge, CostKind};
use super::money::Exact;
use super::stack::InstanceRef;

pub use rule::{AllocationFile, RuleError, Rules};
use rule::{Share, Takes};

/// A charge with its amounts and with what is known of its resource.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// The instance that made its resource, where that is known.
    pub instance: Option<&'a InstanceRef>,
    /// The team that owns the instance.
    pub owner: Option<&'a str>,
    /// The stage of the instance's stack.
    pub stage: Option<&'a str>,
    /// What is billed.
    pub billed: Exact,
    /// What it costs effectively.
    pub effective: Exact,
}

/// A charge, or a part of one, and who pays for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which item, by its place.
    pub item: usize,
    /// The team; `None` where it is unallocated.
    pub team: Option<Arc<str>>,
    /// The stage.
    pub stage: Option<Arc<str>>,
    /// The rule that took it; where there is none, why not.
    pub rule: Arc<str>,
    /// Its share of what is billed.
    pub billed: Exact,
    /// Its share of the effective cost.
    pub effective: Exact,
}

/// The teams by every name they have or had.
#[derive(Debug, Clone, Default)]
pub struct TeamNames {
    names: BTreeMap<String, Arc<str>>,
    current: Vec<Arc<str>>,
}

impl TeamNames {
    /// Adds a team with its former names.
    pub fn add<'n>(&mut self, name: &str, former: impl IntoIterator<Item = &'n String>) {
        let current: Arc<str> = name.into();
        for old in former {
            self.names.entry(old.clone()).or_insert_with(|| Arc::clone(&current));
        }
        self.names.insert(name.to_owned(), Arc::clone(&current));
        self.current.push(current);
    }

    /// Returns the team that has or had this name, in whatever case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Arc<str>> {
        let same = || self.names.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, team)| team);
        self.names.get(name).or_else(same)
    }

    /// Returns the teams as they are now.
    #[must_use]
    pub fn current(&self) -> &[Arc<str>] {
        &self.current
    }
}

/// Why nobody pays, where no rule matched.
const NO_RULE: &str = "no rule matches";

/// What stands between the name that a rule found and that rule, where no team has the name.
const NO_TEAM: &str = " is no team (rule '";

/// Returns the name that a rule found and that no team has, where that is why nobody pays.
#[must_use]
pub fn unknown_team(why: &str) -> Option<&str> {
    why.split_once(NO_TEAM)?.0.strip_prefix('\'')?.strip_suffix('\'')
}

/// Allocates every item, wholly: for each the parts add up to its amounts.
#[must_use]
pub fn allocate(rules: &Rules, teams: &TeamNames, items: &[Item<'_>]) -> Vec<Part> {
    let mut parts = Vec::with_capacity(items.len());
    let mut shared: Vec<(usize, usize)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let mut why: Arc<str> = NO_RULE.into();
        let mut taken = None;
        for (number, rule) in rules.all().iter().enumerate().filter(|(_, rule)| rule.matches(item)) {
            let named = match &rule.takes {
                Takes::Share(_) => {
                    shared.push((index, number));
                    taken = Some(None);
                    break;
                }
                Takes::Team(name) => Some(name.as_str()),
                Takes::Owner => item.owner,
                Takes::Tag(tag) => item.charge.tag(tag),
            };
            match named.map(|name| (name, teams.find(name))) {
                Some((_, Some(team))) => {
                    taken = Some(Some((Arc::clone(team), rule)));
                    break;
                }
                Some((name, None)) if *why == *NO_RULE && !name.is_empty() => {
                    why = format!("'{name}'{NO_TEAM}{}')", rule.name).into();
                }
                _ => {}
            }
        }
        let stage = item.stage.map(Arc::from);
        let (billed, effective) = (item.billed, item.effective);
        match taken {
            // split below
            Some(None) => {}
            Some(Some((team, rule))) => {
                let stage = rule.stage.clone().or(stage);
                let rule = Arc::clone(&rule.name);
                parts.push(Part { item: index, team: Some(team), stage, rule, billed, effective });
            }
            None => parts.push(Part { item: index, team: None, stage, rule: why, billed, effective }),
        }
    }
    if !shared.is_empty() {
        split(rules, teams, items, &shared, &mut parts);
    }
    parts
}

/// Splits shared items over teams, by what each spent on its own where a rule says proportional.
fn split(rules: &Rules, teams: &TeamNames, items: &[Item<'_>], shared: &[(usize, usize)], parts: &mut Vec<Part>) {
    // What is negative or no usage (credits, tax) says nothing of how much a team uses.
    let spent = |team: &Arc<str>, amount: fn(&Part) -> Exact| {
        let own = parts
            .iter()
            .filter(|part| part.team.as_ref() == Some(team) && items[part.item].charge.kind() == CostKind::Usage);
        Exact::sum(own.map(amount)).unwrap_or_default()
    };
    let mut weights: BTreeMap<usize, Vec<(Arc<str>, Exact, Exact)>> = BTreeMap::new();
    for (_, number) in shared {
        weights.entry(*number).or_insert_with(|| {
            let rule = &rules.all()[*number];
            let Takes::Share(share) = &rule.takes else { return Vec::new() };
            let one = Exact::new(1, 0).unwrap_or_default();
            let among: Vec<Arc<str>> = match share {
                Share::Fixed(shares) => shares.keys().filter_map(|name| teams.find(name).cloned()).collect(),
                _ if rule.among.is_empty() => teams.current().to_vec(),
                _ => rule.among.iter().filter_map(|name| teams.find(name).cloned()).collect(),
            };
            let weigh = |team: Arc<str>| match share {
                Share::Even => (team, one, one),
                Share::Proportional => {
                    let (billed, effective) = (spent(&team, |part| part.billed), spent(&team, |part| part.effective));
                    (team, billed, effective)
                }
                Share::Fixed(shares) => {
                    let own =
                        shares.iter().filter(|(name, _)| teams.find(name) == Some(&team)).map(|(_, share)| *share);
                    let own = Exact::sum(own).unwrap_or_default();
                    (team, own, own)
                }
            };
            let mut among = among;
            among.sort();
            among.dedup();
            among.into_iter().map(weigh).collect()
        });
    }
    for (index, number) in shared {
        let (item, rule) = (&items[*index], &rules.all()[*number]);
        let among = &weights[number];
        let stage = rule.stage.clone().or_else(|| item.stage.map(Arc::from));
        if among.is_empty() {
            let why = format!("rule '{}' shares it among no team", rule.name).into();
            let (billed, effective) = (item.billed, item.effective);
            parts.push(Part { item: *index, team: None, stage, rule: why, billed, effective });
            continue;
        }
        let billed = item.billed.share(&among.iter().map(|(_, weight, _)| *weight).collect::<Vec<_>>());
        let effective = item.effective.share(&among.iter().map(|(_, _, weight)| *weight).collect::<Vec<_>>());
        for ((team, _, _), (billed, effective)) in among.iter().zip(billed.into_iter().zip(effective)) {
            let (team, stage, rule) = (Some(Arc::clone(team)), stage.clone(), Arc::clone(&rule.name));
            parts.push(Part { item: *index, team, stage, rule, billed, effective });
        }
    }
}

/// Makes a short name of a service, for a rule about it.
#[must_use]
pub fn word(service: &str) -> String {
    let letters =
        service.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' });
    let word: String = letters.collect();
    let word = word.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    if word.is_empty() { "rest".to_owned() } else { word }
}

#[cfg(test)]
mod tests;
