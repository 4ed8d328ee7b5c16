//! Estimates: what a plan costs a month, before and after, by resource and cost component.
//!
//! A price that is not known is never zero: it is listed with the reason and makes every total above it an "at
//! least". Sums are exact at each level, because nothing is rounded but for people's eyes. Prices come from
//! [`crate::domain::price`]; files and runs belong to `platform::estimates`.

mod infracost;
mod pricing;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::{Currency, Exact, Money};
use super::plan::{Plan, ResourceAction};
use super::price::PriceSource;
use super::usage::Usage;

pub use infracost::{Infracost, InfracostError};
pub use pricing::Pricing;

/// One line of a resource's cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComponentEstimate {
    /// Its name.
    pub name: String,
    /// The nested block it is about: `ebs_block_device[0]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block: Option<String>,
    /// The unit of quantity and price.
    pub unit: String,
    /// The quantity of a month; `None` where unknown.
    #[schema(value_type = Option<String>)]
    pub quantity: Option<Exact>,
    /// The price of a unit; `None` where unknown.
    #[schema(value_type = Option<String>)]
    pub price: Option<Exact>,
    /// Quantity times price.
    pub monthly: Money,
    /// Where the price comes from and as of when.
    pub source: Option<PriceSource>,
    /// Whether the quantity comes from a usage figure.
    #[serde(default)]
    pub usage: bool,
}

/// What a resource costs a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceEstimate {
    /// Its address.
    pub address: String,
    /// Its type.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// What the plan does to it.
    pub action: ResourceAction,
    /// The region it is priced in, where its type has one.
    pub region: Option<String>,
    /// What it costs after the plan.
    pub monthly: Money,
    /// What it costs before the plan.
    pub before: Money,
    /// After less before.
    pub delta: Money,
    /// The lines that make up `monthly`.
    pub components: Vec<ComponentEstimate>,
    /// The lines that make up `before`, where they differ from `components`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components_before: Vec<ComponentEstimate>,
    /// Why it costs nothing, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<String>,
}

impl ResourceEstimate {
    /// Tells whether it costs nothing by itself, before and after the plan.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.components.is_empty()
            && self.components_before.is_empty()
            && self.monthly.unknown.is_empty()
            && self.before.unknown.is_empty()
    }

    /// Returns the lines that make up what it costs after the plan, or before one that takes it away.
    #[must_use]
    pub fn lines(&self) -> &[ComponentEstimate] {
        if self.components.is_empty() { &self.components_before } else { &self.components }
    }
}

/// A price that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnknownPrice {
    /// The resource.
    pub address: String,
    /// Why.
    pub why: String,
}

/// What a plan costs a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    /// Everything before the plan.
    pub before: Money,
    /// Everything after the plan.
    pub after: Money,
    /// After less before.
    pub delta: Money,
    /// The part of `after` that depends on no usage figure.
    pub fixed: Money,
    /// What has no price, each with the reason.
    pub unknown: Vec<UnknownPrice>,
    /// The resources, in the order of the plan.
    pub resources: Vec<ResourceEstimate>,
    /// What was strange in the plan or the usage file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

impl Estimate {
    /// Estimates a plan.
    #[must_use]
    pub fn of(plan: &Plan, usage: &Usage, pricing: &Pricing<'_>) -> Self {
        let mut warnings = usage.warnings.clone();
        let resources =
            plan.resources.iter().map(|resource| pricing.resource(resource, usage, &mut warnings)).collect();
        for stranger in usage.strangers(|name| plan.resources.iter().any(|r| super::price::matches(name, &r.address))) {
            warnings.push(format!("the usage file has figures for '{stranger}', which the plan does not have"));
        }
        Estimate::summed(resources, pricing.currency().clone(), warnings)
    }

    /// Adds up resources; every total is the exact sum of what is known.
    pub(crate) fn summed(resources: Vec<ResourceEstimate>, currency: Currency, warnings: Vec<String>) -> Self {
        let unknown: Vec<UnknownPrice> = resources
            .iter()
            .flat_map(|resource| {
                let mut reasons: Vec<&String> = resource.monthly.unknown.iter().collect();
                reasons.extend(resource.before.unknown.iter().filter(|why| !resource.monthly.unknown.contains(why)));
                reasons.into_iter().map(|why| UnknownPrice { address: resource.address.clone(), why: why.clone() })
            })
            .collect();
        let total = |side: fn(&ResourceEstimate) -> &Money| {
            let reasons = resources
                .iter()
                .flat_map(|resource| side(resource).unknown.iter().map(|why| format!("{}: {why}", resource.address)));
            Money {
                amount: sum(resources.iter().filter_map(|resource| side(resource).amount)),
                currency: currency.clone(),
                unknown: reasons.collect(),
            }
        };
        let (before, after, delta) = (total(|r| &r.before), total(|r| &r.monthly), total(|r| &r.delta));
        let lines = resources.iter().flat_map(|resource| &resource.components);
        let fixed_unknown = lines.clone().filter(|line| !line.usage).flat_map(|line| line.monthly.unknown.clone());
        let fixed = Money {
            amount: sum(lines.filter(|line| !line.usage).filter_map(|line| line.monthly.amount)),
            currency,
            unknown: fixed_unknown.collect(),
        };
        Estimate { before, after, delta, fixed, unknown, resources, warnings }
    }
}

/// Adds amounts for the wire: at least two digits behind the point, no further zeros.
pub(crate) fn sum(amounts: impl IntoIterator<Item = Exact>) -> Option<Exact> {
    Exact::sum(amounts).map(|sum| sum.trimmed(2))
}

/// Builds the entry of a resource from the lines of both sides.
pub(crate) fn resource_estimate(
    (address, resource_type, action): (&str, &str, ResourceAction),
    region: Option<String>,
    (before, after): (Lines, Lines),
    currency: &Currency,
) -> ResourceEstimate {
    let (was, will) = (before.money(currency), after.money(currency));
    let delta = if before == after {
        // the same lines on both sides: nothing changes, known or not
        Money::known(Exact::ZERO.trimmed(2), currency.clone())
    } else {
        let mut unknown = will.unknown.clone();
        unknown.extend(was.unknown.iter().filter(|why| !will.unknown.contains(why)).cloned());
        let known = will.amount.is_some() || was.amount.is_some();
        let difference = will.amount.unwrap_or_default().checked_sub(was.amount.unwrap_or_default());
        let amount = difference.filter(|_| known).map(|amount| amount.trimmed(2));
        Money { amount, currency: currency.clone(), unknown }
    };
    let components_before = if before.components == after.components { Vec::new() } else { before.components };
    ResourceEstimate {
        address: address.to_owned(),
        resource_type: resource_type.to_owned(),
        action,
        region,
        monthly: will,
        before: was,
        delta,
        components: after.components,
        components_before,
        free: after.free.or(before.free),
    }
}

/// The lines of one side of a resource and what is unknown about them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Lines {
    pub(crate) components: Vec<ComponentEstimate>,
    pub(crate) unknown: Vec<String>,
    pub(crate) free: Option<String>,
}

impl Lines {
    fn money(&self, currency: &Currency) -> Money {
        let known: Vec<Exact> = self.components.iter().filter_map(|line| line.monthly.amount).collect();
        let nothing_known = known.is_empty() && !self.unknown.is_empty();
        Money {
            amount: if nothing_known { None } else { sum(known) },
            currency: currency.clone(),
            unknown: self.unknown.clone(),
        }
    }
}
