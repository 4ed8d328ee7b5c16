//! The price book: rules, price points, and what is known to be free.

use std::collections::HashMap;
use std::sync::Arc;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::formula::Formula;
use super::matches;
use super::template::Template;
use crate::domain::money::{Currency, Exact};

/// Where a price comes from and as of when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceSource {
    /// Who says so: `platform/prices.yaml:12`, `Infracost's public test outputs`, …
    pub name: String,
    /// As of when: a day, a month or a year.
    pub date: Option<String>,
    /// How exact it is: `stated`, or `cost over quantity (within 0.2 %)`.
    pub how: Option<String>,
}

/// A file of price rules: `platform/prices.yaml`, or the rules of the embedded book.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The form of the file, always 1.
    pub version: u32,
    /// The currency of every price in it.
    #[serde(default = "Currency::usd")]
    pub currency: Currency,
    /// Who says so.
    pub source: Option<String>,
    /// As of when.
    pub date: Option<String>,
    /// What costs nothing.
    #[serde(default)]
    pub free: Vec<Free>,
    /// What costs something; the first rule that fits a resource is taken.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Resource types that are known to cost nothing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Free {
    /// The types; `*` stands for any run of characters.
    pub resources: Vec<String>,
    /// Why: `an object of Terraform's own`, `billed with what uses it`.
    pub why: String,
}

/// What one resource type costs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The resource type; `*` stands for any run of characters.
    pub resource: String,
    /// A condition on attributes and usage; a missing value counts as false.
    #[serde(default)]
    pub when: Option<Formula>,
    /// The regions it holds for; absent: all.
    #[serde(default)]
    pub region: Option<Vec<String>>,
    /// Another type that it stands for, as which it is priced.
    #[serde(default)]
    pub like: Option<Like>,
    /// Its cost components; none where it is like another type.
    #[serde(default)]
    pub components: Option<Vec<Component>>,
    /// Who says so, where it differs from the file.
    #[serde(default)]
    pub source: Option<String>,
    /// As of when, where it differs from the file.
    #[serde(default)]
    pub date: Option<String>,
    /// Usage figures of Infracost's that change nothing in the price.
    #[serde(default)]
    pub ignores: Vec<String>,
}

impl Rule {
    /// Returns its cost components.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        self.components.as_deref().unwrap_or_default()
    }

    fn contradiction(&self) -> Option<String> {
        match (&self.like, &self.components) {
            (None, None) => {
                return Some("a rule has either 'components' or 'like', and this one has neither".to_owned());
            }
            (Some(_), Some(_)) => {
                return Some("a rule has either 'components' or 'like', and this one has both".to_owned());
            }
            (Some(like), None) if like.resource.contains('*') => {
                return Some(format!("'like' names one resource type, and '{}' may be many", like.resource));
            }
            _ => {}
        }
        let both = self.components().iter().find(|component| component.block.is_some() && component.each.is_some())?;
        Some(format!("component '{}' has both 'block' and 'each'", both.name.text()))
    }
}

/// What a resource of one's own (a wrapper, a provider of the house) stands for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Like {
    /// The resource type.
    pub resource: String,
    /// The attribute that holds the attributes of that type; absent: the resource has them itself.
    #[serde(default)]
    pub attributes: Option<String>,
}

/// One line of a resource's cost.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its name; part of the key by which a price point is found.
    pub name: Template,
    /// The unit that the price is for: `hours`, `GB`, `1M requests`.
    pub unit: String,
    /// A condition; where it is false the component does not exist.
    #[serde(default)]
    pub when: Option<Formula>,
    /// The nested block it is about, at most one; formulas read it as `block`.
    #[serde(default)]
    pub block: Option<String>,
    /// The nested blocks it is about, one component each; formulas read each as `block`.
    #[serde(default)]
    pub each: Option<String>,
    /// The quantity of a month.
    pub quantity: Formula,
    /// The price of a unit; absent: it is looked up among the price points.
    #[serde(default)]
    pub price: Option<Formula>,
    /// The resource type under which its price points stand, where it is not the resource's own.
    #[serde(default)]
    pub priced_as: Option<String>,
    /// Steps of the quantity, each with a price point of its own: `Duration (first 6B)`.
    #[serde(default)]
    pub tiers: Vec<Tier>,
}

/// A step of a quantity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// What stands in parentheses after the component's name.
    pub name: String,
    /// How much of the quantity falls into this step; absent: all the rest.
    #[serde(default)]
    pub size: Option<Exact>,
    /// The price of a unit; absent: it is looked up among the price points.
    #[serde(default)]
    pub price: Option<Formula>,
}

/// How a price point is found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PointKey {
    /// The resource type.
    pub resource_type: String,
    /// The cost component.
    pub component: String,
    /// The unit.
    pub unit: String,
}

/// One list price.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The price of a unit.
    pub price: Decimal,
    /// Its currency.
    pub currency: Currency,
    /// Where it comes from.
    pub source: Arc<PriceSource>,
}

/// Why a book cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct BookError {
    /// The file.
    pub file: String,
    /// The line, from 1, where known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// Rules in order, price points by key and region, and what is free.
#[derive(Debug, Clone, Default)]
pub struct Book {
    rules: Vec<(Rule, Arc<PriceSource>, Currency)>,
    points: HashMap<PointKey, HashMap<String, Point>>,
    free: Vec<Free>,
}

impl Book {
    /// Adds the rules of a YAML text after those that are there.
    ///
    /// # Errors
    ///
    /// [`BookError`] with the line where the text is no rule file.
    pub fn add_rules(&mut self, file: &str, text: &str) -> Result<(), BookError> {
        let wrong = |error: serde_yaml::Error| BookError {
            file: file.to_owned(),
            line: error.location().map(|location| location.line()),
            message: error.to_string(),
        };
        let rules: RuleFile = serde_yaml::from_str(text).map_err(wrong)?;
        if rules.version != 1 {
            let message = format!("version {} of price rules is unknown; this program knows 1", rules.version);
            return Err(BookError { file: file.to_owned(), line: None, message });
        }
        let lines = rule_lines(text);
        for (index, rule) in rules.rules.into_iter().enumerate() {
            let line = lines.get(index).copied();
            if let Some(message) = rule.contradiction() {
                return Err(BookError { file: file.to_owned(), line, message });
            }
            let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
            let name = match rule.source.as_ref().or(rules.source.as_ref()) {
                Some(source) => format!("{source} ({place})"),
                None => place,
            };
            let date = rule.date.clone().or_else(|| rules.date.clone());
            let source = Arc::new(PriceSource { name, date, how: None });
            self.rules.push((rule, source, rules.currency.clone()));
        }
        self.free.extend(rules.free);
        Ok(())
    }

    /// Adds the price points of a CSV text; a point that is there already stays, so the first file wins.
    ///
    /// The columns are `resource_type, cost_component, unit, region, unit_price, currency, source, date, how`; in their
    /// place `unit_price_usd` makes the currency USD, and `source` and `date` may be left out where `defaults` has
    /// them. A region of `*` holds everywhere; a row without region is left out, because nobody can say where it holds.
    ///
    /// Returns how many points were added.
    ///
    /// # Errors
    ///
    /// [`BookError`] with the line of the first row that is wrong.
    pub fn add_points(&mut self, file: &str, text: &str, defaults: &PriceSource) -> Result<usize, BookError> {
        let wrong = |line: Option<u64>, message: String| BookError {
            file: file.to_owned(),
            line: line.and_then(|line| usize::try_from(line).ok()),
            message,
        };
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|error| wrong(Some(1), error.to_string()))?.clone();
        let column = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
        let need = |name: &str| column(name).ok_or_else(|| wrong(Some(1), format!("there is no column '{name}'")));
        let (kind, component, unit, region) =
            (need("resource_type")?, need("cost_component")?, need("unit")?, need("region")?);
        let price = column("unit_price").or_else(|| column("unit_price_usd"));
        let price = price.ok_or_else(|| wrong(Some(1), "there is no column 'unit_price'".to_owned()))?;
        let optional = [column("currency"), column("source"), column("date"), column("how")];
        let mut sources: HashMap<[Option<String>; 3], Arc<PriceSource>> = HashMap::new();
        let mut added = 0;
        for record in reader.records() {
            let record = record.map_err(|error| wrong(error.position().map(csv::Position::line), error.to_string()))?;
            let line = record.position().map(csv::Position::line);
            let cell = |index: usize| record.get(index).unwrap_or_default();
            let given = |index: usize| optional[index].map(cell).filter(|text| !text.is_empty()).map(str::to_owned);
            let amount: Exact = cell(price).parse().map_err(|error| wrong(line, format!("the price: {error}")))?;
            let amount = Decimal::try_from_i128_with_scale(amount.mantissa(), amount.scale())
                .map_err(|_| wrong(line, format!("the price {amount} has more than 28 digits")))?;
            if amount.is_sign_negative() && !amount.is_zero() {
                return Err(wrong(line, format!("the price {amount} is below zero")));
            }
            let currency = match given(0) {
                Some(code) => code.parse().map_err(|error| wrong(line, error))?,
                None => Currency::usd(),
            };
            if cell(region).is_empty() {
                continue;
            }
            let said = [given(1), given(2), given(3)];
            let source = sources.entry(said.clone()).or_insert_with(|| {
                let [name, date, how] = said;
                Arc::new(PriceSource {
                    name: name.unwrap_or_else(|| defaults.name.clone()),
                    date: date.or_else(|| defaults.date.clone()),
                    how: how.or_else(|| defaults.how.clone()),
                })
            });
            let key = PointKey {
                resource_type: cell(kind).to_owned(),
                component: cell(component).to_owned(),
                unit: cell(unit).to_owned(),
            };
            let regions = self.points.entry(key).or_default();
            if !regions.contains_key(cell(region)) {
                let point = Point { price: amount, currency, source: Arc::clone(source) };
                regions.insert(cell(region).to_owned(), point);
                added += 1;
            }
        }
        Ok(added)
    }

    /// Returns the rules for a resource type, in order, each with its source and currency.
    pub fn rules_for<'a>(
        &'a self,
        kind: &'a str,
    ) -> impl Iterator<Item = (&'a Rule, &'a Arc<PriceSource>, &'a Currency)> {
        self.rules
            .iter()
            .filter(move |(rule, _, _)| matches(&rule.resource, kind))
            .map(|(rule, source, currency)| (rule, source, currency))
    }

    /// Returns why a resource type is free, where that is known.
    #[must_use]
    pub fn free(&self, kind: &str) -> Option<&str> {
        let free = self.free.iter().find(|free| free.resources.iter().any(|pattern| matches(pattern, kind)));
        free.map(|free| free.why.as_str())
    }

    /// Returns the price point of a key in a region, or the one that holds everywhere.
    #[must_use]
    pub fn point(&self, key: &PointKey, region: Option<&str>) -> Option<&Point> {
        let regions = self.points.get(key)?;
        region.and_then(|region| regions.get(region)).or_else(|| regions.get("*"))
    }

    /// Returns the regions in which a key has a price, sorted.
    #[must_use]
    pub fn regions(&self, key: &PointKey) -> Vec<&str> {
        let mut regions: Vec<&str> =
            self.points.get(key).map(|regions| regions.keys().map(String::as_str).collect()).unwrap_or_default();
        regions.sort_unstable();
        regions
    }

    /// Returns how many rules and how many price points there are.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.rules.len(), self.points.values().map(HashMap::len).sum())
    }
}

/// Returns the line, from 1, at which each item of the top-level list `rules` begins.
///
/// The parser that fills the types forgets lines; the indentation of the first item tells the others apart from the
/// items of nested lists.
fn rule_lines(text: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut inside = false;
    let mut indent = None;
    for (index, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let depth = line.len() - trimmed.len();
        if depth == 0 && !trimmed.starts_with(['-', '#']) && !trimmed.is_empty() {
            inside = trimmed.starts_with("rules:");
            continue;
        }
        if inside && (trimmed.starts_with("- ") || trimmed == "-") && *indent.get_or_insert(depth) == depth {
            lines.push(index + 1);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "version: 1\nsource: ours\ndate: 2026-10-01\nrules:\n  - resource: acme_box\n    components:\n      - name: Box\n        unit: hours\n        quantity: hours\n        price: 0.5\n  # a comment\n  - resource: acme_*\n    components: []\n";

    #[test]
    fn a_rule_says_where_it_stands() {
        let mut book = Book::default();
        book.add_rules("platform/prices.yaml", RULES).unwrap();
        let sources: Vec<_> = book.rules_for("acme_box").map(|(_, source, _)| source.name.clone()).collect();
        assert_eq!(sources, ["ours (platform/prices.yaml:5)", "ours (platform/prices.yaml:12)"]);
    }

    #[test]
    fn errors_have_a_file_and_a_line() {
        let broken = RULES.replace("quantity: hours", "quantity: hours *");
        let error = Book::default().add_rules("p.yaml", &broken).unwrap_err();
        assert_eq!(error.line, Some(9), "{error}");
        assert!(error.to_string().contains("ends too early"), "{error}");
        let unknown = RULES.replace("unit:", "units:");
        let error = Book::default().add_rules("p.yaml", &unknown).unwrap_err();
        assert!(error.to_string().contains("units") && error.line.is_some(), "{error}");
        assert!(Book::default().add_rules("p.yaml", "version: 2\n").unwrap_err().message.contains("version 2"));
        let neither = RULES.replace("    components: []\n", "");
        let error = Book::default().add_rules("p.yaml", &neither).unwrap_err();
        assert!(error.line == Some(12) && error.message.contains("neither"), "{error}");
        let both = RULES.replace("components: []", "components: []\n    like: {resource: aws_eip}");
        assert!(Book::default().add_rules("p.yaml", &both).unwrap_err().message.contains("both"));
        let many = RULES.replace("components: []", "like: {resource: aws_*}");
        assert!(Book::default().add_rules("p.yaml", &many).unwrap_err().message.contains("may be many"));
    }

    #[test]
    fn the_first_point_wins_and_regions_are_kept_apart() {
        let mut book = Book::default();
        let source = PriceSource { name: "list".into(), date: Some("2026-08".into()), how: None };
        let text = "resource_type,cost_component,unit,region,unit_price_usd\n\
                    acme_box,Box,hours,eu-1,0.5\nacme_box,Box,hours,eu-1,0.6\nacme_box,Box,hours,,9\nacme_dns,Zone,months,*,1\n";
        assert_eq!(book.add_points("a.csv", text, &source).unwrap(), 2);
        let key = |kind: &str, name: &str, unit: &str| PointKey {
            resource_type: kind.into(),
            component: name.into(),
            unit: unit.into(),
        };
        let point = book.point(&key("acme_box", "Box", "hours"), Some("eu-1")).unwrap();
        assert_eq!(point.price.to_string(), "0.5");
        assert_eq!(point.source.date.as_deref(), Some("2026-08"));
        assert!(book.point(&key("acme_box", "Box", "hours"), Some("us-1")).is_none());
        assert!(book.point(&key("acme_dns", "Zone", "months"), Some("anywhere")).is_some());
        let error =
            book.add_points("a.csv", "resource_type,cost_component,unit,region,unit_price\na,b,c,d,x\n", &source);
        assert_eq!(error.unwrap_err().line, Some(2));
    }
}
