//! AWS' price lists: the offer files that AWS publishes for each service, as JSON or as CSV.
//!
//! Owns reading both forms, and leaves to [`names`] which on-demand prices are prices of the book. Products that no rule of
//! the book looks up are counted and left out.

mod names;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::domain::money::Exact;

use names::{Line, named};

/// A price of a list under the name that the book looks up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPrice {
    /// The resource type.
    pub resource: &'static str,
    /// The cost component.
    pub component: String,
    /// The unit that the price is for.
    pub unit: &'static str,
    /// The region, such as `us-east-1`.
    pub region: String,
    /// The price.
    pub price: Exact,
    /// Its currency.
    pub currency: String,
}

/// What an AWS price list holds for the book.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsPriceList {
    /// The service, such as `AmazonEC2`.
    pub service: String,
    /// When it was published, as a date.
    pub published: String,
    /// The prices, in the order of resource type, component and region.
    pub prices: Vec<ListedPrice>,
    /// What was left out, one sentence each.
    pub left_out: Vec<String>,
}

/// Why a file is no AWS price list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAPriceList(pub String);

/// An offer as JSON writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    offer_code: String,
    #[serde(default)]
    publication_date: String,
    products: BTreeMap<String, Product>,
    terms: Terms,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    #[serde(default)]
    product_family: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, BTreeMap<String, Term>>,
    #[serde(rename = "Reserved", default)]
    _reserved: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    unit: String,
    #[serde(default)]
    begin_range: String,
    price_per_unit: BTreeMap<String, String>,
}

/// Writes the name of an attribute as both kinds of lists have it: `Instance Type` and `instanceType`.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

impl AwsPriceList {
    /// Tells whether a file looks like one: its first lines say so.
    #[must_use]
    pub fn looks_like(bytes: &[u8]) -> bool {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(2_000)]);
        (head.trim_start().starts_with('{') && head.contains("\"offerCode\""))
            || (head.trim_start_matches('\u{feff}').starts_with("\"FormatVersion\"") && head.contains("\"OfferCode\""))
    }

    /// Reads a list.
    ///
    /// # Errors
    ///
    /// What is neither of the two forms, with the place where it stops being one.
    pub fn read(bytes: &[u8]) -> Result<Self, NotAPriceList> {
        let mut reading = Reading::default();
        let (service, published) =
            if bytes.trim_ascii_start().starts_with(b"{") { reading.json(bytes)? } else { reading.csv(bytes)? };
        Ok(reading.finish(service, published))
    }
}

/// What was found so far.
#[derive(Default)]
struct Reading {
    prices: BTreeMap<(&'static str, String, String), (ListedPrice, bool)>,
    others: BTreeMap<String, usize>,
    odd: Vec<String>,
}

impl Reading {
    fn json(&mut self, bytes: &[u8]) -> Result<(String, String), NotAPriceList> {
        let offer: Offer = serde_json::from_slice(bytes)
            .map_err(|error| NotAPriceList(format!("it is no price list of AWS: {error}")))?;
        for (sku, product) in &offer.products {
            let attributes = product.attributes.iter().map(|(name, value)| (plain(name), value.clone())).collect();
            let terms = offer.terms.on_demand.get(sku).into_iter().flat_map(BTreeMap::values);
            for dimension in terms.flat_map(|term| term.price_dimensions.values()) {
                for (currency, price) in &dimension.price_per_unit {
                    self.take(
                        &offer.offer_code,
                        &Line {
                            family: &product.product_family,
                            attributes: &attributes,
                            unit: &dimension.unit,
                            begin: &dimension.begin_range,
                            price,
                            currency,
                        },
                    );
                }
            }
        }
        Ok((offer.offer_code, offer.publication_date))
    }

    fn csv(&mut self, bytes: &[u8]) -> Result<(String, String), NotAPriceList> {
        let wrong = |error: &dyn std::fmt::Display| NotAPriceList(format!("it is no price list of AWS: {error}"));
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(bytes);
        let (mut service, mut published, mut names) = (String::new(), String::new(), Vec::new());
        for record in reader.records() {
            let record = record.map_err(|error| wrong(&error))?;
            let first = record.get(0).unwrap_or_default().trim_start_matches('\u{feff}');
            if names.is_empty() {
                let value = record.get(1).unwrap_or_default().to_owned();
                match first {
                    "OfferCode" => service = value,
                    "Publication Date" => published = value,
                    "SKU" => names = record.iter().map(plain).collect(),
                    _ => {}
                }
                continue;
            }
            let attributes: BTreeMap<String, String> = names
                .iter()
                .cloned()
                .zip(record.iter().map(str::to_owned))
                .filter(|(_, value)| !value.is_empty())
                .collect();
            let get = |name: &str| attributes.get(name).map(String::as_str).unwrap_or_default();
            if get("termtype") != "OnDemand" {
                continue;
            }
            let line = Line {
                family: get("productfamily"),
                attributes: &attributes,
                unit: get("unit"),
                begin: get("startingrange"),
                price: get("priceperunit"),
                currency: get("currency"),
            };
            self.take(&service, &line);
        }
        if names.is_empty() || service.is_empty() {
            return Err(wrong(&"it has no line of column names that begins with SKU, or no OfferCode"));
        }
        Ok((service, published))
    }

    fn take(&mut self, service: &str, line: &Line<'_>) {
        let Some(named) = named(service, line) else {
            *self.others.entry(line.family.to_owned()).or_default() += 1;
            return;
        };
        let region = line.get("regioncode");
        if region.is_empty() {
            self.odd.push(format!("{} '{}' says no region code", named.resource, named.component));
            return;
        }
        let price = line.price.parse::<Exact>().ok().and_then(|price| named.per.of(price));
        let Some(price) = price else {
            self.odd.push(format!("{} '{}': '{}' is no price", named.resource, named.component, line.price));
            return;
        };
        let (resource, component, region) = (named.resource, named.component, region.to_owned());
        let listed = ListedPrice {
            resource,
            component: component.clone(),
            unit: named.unit,
            region: region.clone(),
            price: price.trimmed(0),
            currency: line.currency.to_owned(),
        };
        let (known, twice) =
            self.prices.entry((resource, component, region)).or_insert_with(|| (listed.clone(), false));
        *twice |= *known != listed;
    }

    fn finish(mut self, service: String, published: String) -> AwsPriceList {
        let mut prices = Vec::new();
        for (price, twice) in self.prices.into_values() {
            if twice {
                let ListedPrice { resource, component, region, .. } = &price;
                self.odd.push(format!("{resource} '{component}' has several prices in {region}"));
            } else {
                prices.push(price);
            }
        }
        let others = self.others.into_iter().map(|(family, count)| {
            let family = if family.is_empty() { "no family".to_owned() } else { format!("'{family}'") };
            format!("{count} prices of {family}: no rule of the book looks them up")
        });
        let left_out = self.odd.into_iter().chain(others).collect();
        let published = published.get(..10).unwrap_or(&published).to_owned();
        AwsPriceList { service, published, prices, left_out }
    }
}
