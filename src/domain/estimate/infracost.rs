//! Infracost's JSON output (`infracost breakdown --format json`), version 0.2: its figures by address.

use std::collections::HashMap;

use serde::Deserialize;

use super::{ComponentEstimate, Estimate, Lines, ResourceEstimate, resource_estimate};
use crate::domain::money::{Currency, Exact, Money};
use crate::domain::plan::ResourceAction;
use crate::domain::price::PriceSource;

/// Why a text is no output of Infracost's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfracostError {
    /// Not of this form.
    #[error("this is no JSON of infracost breakdown: {0}")]
    Form(String),
    /// An amount that is no number.
    #[error("{address}: {what}: {error}")]
    Amount {
        /// The resource.
        address: String,
        /// Which figure.
        what: &'static str,
        /// What is wrong.
        error: String,
    },
}

/// The figures of an Infracost run.
#[derive(Debug, Clone)]
pub struct Infracost {
    currency: Currency,
    before: Vec<(String, String, Lines)>,
    after: Vec<(String, String, Lines)>,
    by_address: HashMap<String, usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    version: Option<String>,
    currency: Option<Currency>,
    time_generated: Option<String>,
    projects: Vec<Project>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Project {
    name: Option<String>,
    past_breakdown: Option<Breakdown>,
    breakdown: Option<Breakdown>,
}

#[derive(Deserialize)]
struct Breakdown {
    #[serde(default)]
    resources: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    name: String,
    resource_type: Option<String>,
    #[serde(default)]
    cost_components: Option<Vec<CostComponent>>,
    #[serde(default)]
    subresources: Option<Vec<Resource>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CostComponent {
    name: String,
    unit: String,
    monthly_quantity: Option<String>,
    price: Option<String>,
    monthly_cost: Option<String>,
    #[serde(default)]
    usage_based: bool,
    #[serde(default)]
    price_not_found: bool,
}

impl Infracost {
    /// Reports whether a JSON document looks like Infracost's output rather than a plan.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Peek {
            projects: Option<serde::de::IgnoredAny>,
            format_version: Option<serde::de::IgnoredAny>,
        }
        serde_json::from_slice::<Peek>(bytes).is_ok_and(|peek| peek.projects.is_some() && peek.format_version.is_none())
    }

    /// Reads the output of `infracost breakdown --format json`.
    ///
    /// # Errors
    ///
    /// [`InfracostError`] where it has another form, or an amount is no number.
    pub fn read(file: &str, bytes: &[u8]) -> Result<Self, InfracostError> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|error| InfracostError::Form(error.to_string()))?;
        let currency = document.currency.unwrap_or_else(Currency::usd);
        let version = document.version.unwrap_or_default();
        let source = PriceSource {
            name: format!("Infracost ({file})"),
            date: document.time_generated.map(|time| time.chars().take(10).collect()),
            how: (!version.is_empty()).then(|| format!("output version {version}")),
        };
        let several = document.projects.len() > 1;
        let mut all = Infracost { currency, before: Vec::new(), after: Vec::new(), by_address: HashMap::new() };
        for project in document.projects {
            let name = project.name.unwrap_or_default();
            for (breakdown, after) in [(project.past_breakdown, false), (project.breakdown, true)] {
                for resource in breakdown.and_then(|breakdown| breakdown.resources).unwrap_or_default() {
                    let kind = resource.resource_type.clone().unwrap_or_else(|| type_of(&resource.name));
                    let address = if several { format!("{name}: {}", resource.name) } else { resource.name.clone() };
                    let mut lines = Lines::default();
                    collect(&resource, None, &address, &all.currency, &source, &mut lines)?;
                    if after {
                        all.by_address.insert(resource.name.clone(), all.after.len());
                        all.after.push((address, kind, lines));
                    } else {
                        all.before.push((address, kind, lines));
                    }
                }
            }
        }
        Ok(all)
    }

    /// Returns the lines of a resource after the change.
    pub(crate) fn lines(&self, address: &str) -> Option<Lines> {
        self.by_address.get(address).map(|index| self.after[*index].2.clone())
    }

    /// Returns everything in it as an estimate.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let before: HashMap<&str, &Lines> = self.before.iter().map(|(name, _, lines)| (name.as_str(), lines)).collect();
        let mut resources: Vec<ResourceEstimate> = Vec::new();
        for (address, kind, lines) in &self.after {
            let was = before.get(address.as_str()).map(|lines| (*lines).clone());
            let action = match &was {
                None => ResourceAction::Create,
                Some(was) if was == lines => ResourceAction::NoOp,
                Some(_) => ResourceAction::Update,
            };
            let sides = (was.unwrap_or_default(), lines.clone());
            resources.push(resource_estimate((address, kind, action), None, sides, &self.currency));
        }
        for (address, kind, lines) in &self.before {
            if !self.after.iter().any(|(name, _, _)| name == address) {
                let what = (address.as_str(), kind.as_str(), ResourceAction::Delete);
                resources.push(resource_estimate(what, None, (lines.clone(), Lines::default()), &self.currency));
            }
        }
        Estimate::summed(resources, self.currency.clone(), Vec::new())
    }

    /// Returns the price points in it: resource type, component, unit, price. Infracost does not say the region.
    pub fn points(&self) -> impl Iterator<Item = (&str, &ComponentEstimate)> {
        self.after.iter().flat_map(|(_, kind, lines)| lines.components.iter().map(move |line| (kind.as_str(), line)))
    }
}

/// Returns the type in an address: the word before its last name.
fn type_of(address: &str) -> String {
    let bare = crate::domain::plan::without_indexes(address);
    bare.rsplit('.').nth(1).unwrap_or_default().to_owned()
}

fn collect(
    resource: &Resource,
    block: Option<&str>,
    address: &str,
    currency: &Currency,
    source: &PriceSource,
    lines: &mut Lines,
) -> Result<(), InfracostError> {
    let number = |text: &Option<String>, what: &'static str| {
        text.as_deref().map(str::parse::<Exact>).transpose().map_err(|error| InfracostError::Amount {
            address: address.to_owned(),
            what,
            error: error.to_string(),
        })
    };
    for component in resource.cost_components.iter().flatten() {
        let quantity = number(&component.monthly_quantity, "monthlyQuantity")?;
        let price = number(&component.price, "price")?.filter(|_| !component.price_not_found);
        let cost = number(&component.monthly_cost, "monthlyCost")?.filter(|_| !component.price_not_found);
        let why = if component.price_not_found {
            format!("Infracost found no price for '{}'", component.name)
        } else {
            format!("Infracost has no monthly cost for '{}'", component.name)
        };
        if cost.is_none() {
            lines.unknown.push(why.clone());
        }
        lines.components.push(ComponentEstimate {
            name: component.name.clone(),
            block: block.map(str::to_owned),
            unit: component.unit.clone(),
            quantity: quantity.map(|quantity| quantity.trimmed(0)),
            price: price.map(|price| price.trimmed(0)),
            monthly: match cost {
                Some(cost) => Money::known(cost.trimmed(2), currency.clone()),
                None => Money::unknown(why, currency.clone()),
            },
            source: Some(source.clone()),
            usage: component.usage_based,
        });
    }
    for child in resource.subresources.iter().flatten() {
        let label = block.map_or_else(|| child.name.clone(), |block| format!("{block}.{}", child.name));
        collect(child, Some(&label), address, currency, source, lines)?;
    }
    Ok(())
}
