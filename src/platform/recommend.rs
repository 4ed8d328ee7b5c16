//! Recommendations: what could be saved now, what was decided on it, and what came of it.
//!
//! Owns the order of steps and the decisions. Leaves the rules to [`crate::domain::recommend`], states and bills to
//! [`super::costs`].

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use super::PlatformError;
use super::audit::{Actor, AuditDraft};
use super::costs::{CostService, Priced, Repricing};
use super::estate::Snapshot;
use super::events::EventDraft;
use super::store::{Change as Told, Decided, Store};
use crate::domain::money::{Currency, Exact, Money};
use crate::domain::period::{Period, PeriodKind};
use crate::domain::recommend::{
    Change, Decision, DecisionWord, LiveInstance, LiveResource, Proposal, Recommendation, identity, propose, ready,
};
use crate::domain::stack::InstanceRef;

/// The service of recommendations; cheap to clone.
#[derive(Debug, Clone)]
pub struct RecommendService {
    store: Arc<dyn Store>,
    costs: CostService,
}

impl RecommendService {
    /// Returns the service over a store and its billed costs.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, costs: CostService) -> Self {
        Self { store, costs }
    }

    /// Lists what could be saved, the largest saving first, each with what was decided on it; what was accepted and is
    /// done comes with what it realised.
    ///
    /// # Errors
    ///
    /// Prices or a store that cannot be read.
    pub async fn list(&self, snapshot: &Snapshot, today: Date) -> Result<Vec<Recommendation>, PlatformError> {
        self.costs.prepare(snapshot).await?;
        let priced = self.costs.priced(snapshot)?;
        let repricing = Repricing::of(snapshot)?;
        let (currency, billed) = self.billed(snapshot, today).await?;
        let mut decided: HashMap<String, Decided> = HashMap::new();
        for one in self.store.recommendation_decisions().await? {
            decided.insert(one.recommendation.id.clone(), one);
        }
        let stages: HashMap<String, Option<String>> =
            snapshot.estate().stacks().into_iter().map(|stack| (stack.stack, stack.parts.last().cloned())).collect();
        let twins = twins(snapshot, &priced);
        let mut found = Vec::new();
        for instance in priced.iter().filter(|priced| !priced.resources.is_empty()) {
            let mut live = alive(snapshot, instance, &stages, &billed);
            live.twins = twins.get(&live.instance).cloned().unwrap_or_default();
            let off = instance.price.team.as_deref().map_or(&[][..], |team| snapshot.teams().recommendations_off(team));
            for (rule, proposal) in propose(&live, off) {
                let request = ready(&live, &proposal);
                let saving = saving(&repricing, instance, &live, &proposal, &currency)?;
                // What saves nothing is no recommendation.
                if saving.amount.is_some_and(|amount| amount.is_negative() || amount.is_zero()) {
                    continue;
                }
                let id = identity(rule.name, &live.instance, &proposal.address);
                let decision = decided.remove(&id).and_then(|decided| decided.recommendation.decision);
                found.push(Recommendation {
                    id,
                    rule: rule.name.to_owned(),
                    title: proposal.title,
                    component: live.instance.component.clone(),
                    stack: live.instance.stack.clone(),
                    team: live.team.clone(),
                    address: proposal.address,
                    saving,
                    confidence: proposal.confidence,
                    effort: proposal.effort,
                    evidence: proposal.evidence,
                    edit: proposal.edit,
                    request,
                    decision,
                    realised: None,
                });
            }
        }
        found.sort_by(|a, b| b.saving.amount.cmp(&a.saving.amount).then_with(|| a.id.cmp(&b.id)));
        let mut done: Vec<Recommendation> = decided.into_values().filter_map(|one| realised(one, &priced)).collect();
        done.sort_by(|a, b| a.id.cmp(&b.id));
        found.extend(done);
        Ok(found)
    }

    /// Returns a recommendation that is still to be found.
    ///
    /// # Errors
    ///
    /// One that is not there (any more).
    pub async fn get(&self, snapshot: &Snapshot, id: &str, today: Date) -> Result<Recommendation, PlatformError> {
        let known = self.list(snapshot, today).await?;
        let found = known.into_iter().find(|one| one.id == id && one.realised.is_none());
        found.ok_or_else(|| PlatformError::NotFound { what: format!("recommendation {id}") })
    }

    /// Decides on a recommendation.
    ///
    /// # Errors
    ///
    /// One that is not there (any more), a dismissal without a reason.
    pub async fn decide(
        &self,
        actor: &Actor,
        snapshot: &Snapshot,
        id: &str,
        mut decision: Decision,
    ) -> Result<Recommendation, PlatformError> {
        if decision.word == DecisionWord::Dismissed && decision.reason.as_deref().unwrap_or_default().trim().is_empty()
        {
            return Err(PlatformError::Unusable {
                code: "reason-missing",
                message: "a recommendation is dismissed with a reason".to_owned(),
                hint: Some("--reason 'needed for the restore drill'".to_owned()),
            });
        }
        if decision.word == DecisionWord::Snoozed && decision.until.is_none() {
            return Err(PlatformError::Unusable {
                code: "day-missing",
                message: "a recommendation is put off until a day".to_owned(),
                hint: Some("--until 2027-01-31".to_owned()),
            });
        }
        let today = decision.at.to_zoned(jiff::tz::TimeZone::UTC).date();
        let mut found = self.get(snapshot, id, today).await?;
        decision.promised = (decision.word == DecisionWord::Accepted).then(|| found.saving.clone());
        let verb = match decision.word {
            DecisionWord::Accepted => "accepted",
            DecisionWord::Dismissed => "dismissed",
            DecisionWord::Snoozed => "snoozed",
        };
        let before = self.costs.priced(snapshot)?;
        let before = before.iter().find(|p| p.price.component == found.component && p.price.stack == found.stack);
        let monthly = before.and_then(|priced| priced.price.monthly.amount);
        let facts = json!({"rule": found.rule, "component": found.component, "stack": found.stack,
            "address": found.address, "saving": found.saving, "decision": decision});
        let now = decision.at;
        found.decision = Some(decision);
        let mut tx = self.store.begin().await?;
        tx.put_recommendation_decision(&Decided { recommendation: found.clone(), monthly }).await?;
        let event = EventDraft::about("recommendation", verb, id, facts.clone());
        let audit =
            AuditDraft::new(actor.clone(), format!("recommendation.{verb}"), format!("recommendation/{id}"), facts);
        tx.commit(Told::new(now, event, audit)).await?;
        Ok(found)
    }

    /// Returns what each resource was billed in the last whole month, in the currency of most of its bills.
    async fn billed(
        &self,
        snapshot: &Snapshot,
        today: Date,
    ) -> Result<(Currency, HashMap<String, Exact>), PlatformError> {
        let month = Period::containing(today, PeriodKind::Month, 1).previous();
        let ledger = self.costs.ledger(snapshot, month, None).await?;
        let mut billed: HashMap<String, Exact> = HashMap::new();
        for row in &ledger.rows {
            let resource = ledger.charges.get(&row.charge).and_then(|charge| charge.resource.clone());
            if let Some(resource) = resource {
                let sum = billed.entry(resource).or_default();
                *sum = sum.checked_add(row.effective).unwrap_or(*sum);
            }
        }
        Ok((ledger.currency, billed))
    }
}

/// Variables in which two environments differ although they are alike.
const PLACES: [&str; 9] =
    ["stage", "environment", "tenant", "namespace", "region", "name", "zones", "availability_zones", "tags"];

/// Finds live instances of one component, team and set of values; each but the first has those before it in other stacks.
fn twins(snapshot: &Snapshot, priced: &[Priced]) -> HashMap<InstanceRef, Vec<InstanceRef>> {
    let estate = snapshot.estate();
    let mut alike: BTreeMap<(String, Option<String>, String), Vec<InstanceRef>> = BTreeMap::new();
    let folders: HashMap<(String, String), String> =
        estate.instances().into_iter().map(|one| ((one.component, one.stack), one.folder)).collect();
    for one in priced.iter().filter(|one| !one.resources.is_empty()) {
        let at = InstanceRef { component: one.price.component.clone(), stack: one.price.stack.clone() };
        let Ok(id) = estate.find(&at.component, &at.stack, None) else { continue };
        let mut vars = estate.section(id, "vars");
        if let Some(vars) = vars.as_object_mut() {
            vars.retain(|name, _| !PLACES.contains(&name.as_str()) && !name.contains("cidr"));
        }
        let Some(folder) = folders.get(&(at.component.clone(), at.stack.clone())) else { continue };
        alike.entry((folder.clone(), one.price.team.clone(), vars.to_string())).or_default().push(at);
    }
    let mut twins = HashMap::new();
    for group in alike.into_values() {
        for (at, one) in group.iter().enumerate().skip(1) {
            let elsewhere = group[..at].iter().filter(|other| other.stack != one.stack).cloned().collect();
            twins.insert(one.clone(), elsewhere);
        }
    }
    twins
}

/// Gathers what is known of a live instance.
fn alive(
    snapshot: &Snapshot,
    priced: &Priced,
    stages: &HashMap<String, Option<String>>,
    billed: &HashMap<String, Exact>,
) -> LiveInstance {
    let estate = snapshot.estate();
    let (component, stack) = (&priced.price.component, &priced.price.stack);
    let id = estate.find(component, stack, None).ok();
    let section = |name: &str| id.map(|id| estate.section(id, name)).unwrap_or_default();
    let stage = stages.get(stack).cloned().flatten();
    let mut own = BTreeMap::new();
    for (_, _, attributes) in &priced.resources {
        for name in ["id", "arn"] {
            let id = attributes.get(name).and_then(serde_json::Value::as_str);
            if let Some((id, amount)) = id.and_then(|id| billed.get_key_value(id)) {
                own.insert(id.clone(), *amount);
            }
        }
    }
    LiveInstance {
        instance: InstanceRef { component: component.clone(), stack: stack.clone() },
        team: priced.price.team.clone(),
        stage,
        settings: section("settings"),
        vars: section("vars"),
        twins: Vec::new(),
        resources: priced
            .resources
            .iter()
            .map(|(address, kind, attributes)| LiveResource {
                address: address.clone(),
                kind: kind.clone(),
                attributes: attributes.clone(),
            })
            .collect(),
        billed: own,
    }
}

/// Reckons what a proposal saves a month.
fn saving(
    repricing: &Repricing,
    priced: &Priced,
    live: &LiveInstance,
    proposal: &Proposal,
    billed_in: &Currency,
) -> Result<Money, PlatformError> {
    let currency = Currency::usd();
    if proposal.change == Change::Retired {
        return Ok(priced.price.monthly.clone());
    }
    let Some(resource) = live.resources.iter().find(|resource| resource.address == proposal.address) else {
        return Ok(Money::unknown("the resource is gone", currency));
    };
    let price =
        |attributes: &serde_json::Value| repricing.price((&resource.address, &resource.kind, attributes), priced);
    let part = |amount: Exact, percent: u32| {
        let product = amount.mantissa().checked_mul(i128::from(percent))?;
        Exact::new(product, amount.scale() + 2).map(|amount| amount.rounded(2))
    };
    let too_long = || PlatformError::Interrupted("a saving has more than 38 digits".to_owned());
    match &proposal.change {
        Change::PercentOfBill(percent) => {
            let id = ["id", "arn"].into_iter().filter_map(|name| resource.attributes.get(name)?.as_str());
            let billed = id.filter_map(|id| live.billed.get(id)).next();
            Ok(match billed {
                Some(billed) => Money::known(part(*billed, *percent).ok_or_else(too_long)?, billed_in.clone()),
                None => Money::unknown("nothing was billed for it in the last whole month", billed_in.clone()),
            })
        }
        Change::Removed | Change::Retired => price(&resource.attributes),
        Change::Percent(percent) => {
            let before = price(&resource.attributes)?;
            Ok(match before.amount {
                Some(amount) => Money { amount: Some(part(amount, *percent).ok_or_else(too_long)?), ..before },
                None => before,
            })
        }
        Change::Attributes(changed) => {
            let (before, after) = (price(&resource.attributes)?, price(changed)?);
            Ok(match (before.amount, after.amount) {
                (Some(was), Some(is)) => {
                    let saved = was.checked_sub(is).ok_or_else(too_long)?;
                    Money { amount: Some(saved.trimmed(2)), ..before }
                }
                (Some(_), None) => after,
                (None, _) => before,
            })
        }
    }
}

/// Measures what an accepted recommendation that is no longer found has saved.
fn realised(decided: Decided, priced: &[Priced]) -> Option<Recommendation> {
    let Decided { mut recommendation, monthly } = decided;
    if recommendation.decision.as_ref()?.word != DecisionWord::Accepted {
        return None;
    }
    let same = |p: &&Priced| p.price.component == recommendation.component && p.price.stack == recommendation.stack;
    let now = match priced.iter().find(same) {
        Some(priced) => priced.price.monthly.amount,
        // What is configured no more costs nothing any more.
        None => Some(Exact::ZERO),
    };
    recommendation.realised = Some(match monthly.zip(now).and_then(|(before, now)| before.checked_sub(now)) {
        Some(saved) => Money::known(saved.trimmed(2), Currency::usd()),
        None => Money::unknown("the instance has no price any more", Currency::usd()),
    });
    Some(recommendation)
}

impl RecommendService {
    /// Makes a decision of this moment.
    #[must_use]
    pub fn decision(word: DecisionWord, reason: Option<String>, until: Option<String>, actor: &Actor) -> Decision {
        Decision { word, reason, until, by: actor.name.clone(), at: Timestamp::now(), promised: None, request: None }
    }
}
