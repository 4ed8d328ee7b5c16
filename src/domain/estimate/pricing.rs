//! Finding the price of a resource: own rules first, then Infracost's figures, then the embedded book.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rust_decimal::Decimal;
use rust_decimal::prelude::FromPrimitive as _;
use serde_json::Value as Json;

use super::{ComponentEstimate, Infracost, Lines, ResourceEstimate, resource_estimate};
use crate::domain::money::{Currency, Exact, Money};
use crate::domain::plan::{PlannedResource, ResourceAction};
use crate::domain::price::{
    Book, Component, Formula, HOURS, PointKey, PriceSource, Rule, Scope, Step, Tier, Value, Why, matches, show_path,
};
use crate::domain::usage::Usage;

/// The sources of prices, in their order.
#[derive(Debug, Clone)]
pub struct Pricing<'a> {
    /// The estate's own rules and imported price points.
    pub own: &'a Book,
    /// Figures that Infracost worked out, by address.
    pub infracost: Option<&'a Infracost>,
    /// The embedded book.
    pub book: &'a Book,
    currency: Currency,
}

/// The two sides of a resource.
#[derive(Clone, Copy)]
struct Side<'a> {
    values: &'a Json,
    after_unknown: &'a Json,
    usage: &'a Json,
    region: Option<&'a str>,
    kind: &'a str,
    address: &'a str,
}

impl<'a> Pricing<'a> {
    /// Makes the sources ready; the estimate is in US dollars, as the embedded book is.
    #[must_use]
    pub fn new(own: &'a Book, infracost: Option<&'a Infracost>, book: &'a Book) -> Self {
        Pricing { own, infracost, book, currency: Currency::usd() }
    }

    /// Returns the currency of the estimate.
    #[must_use]
    pub fn currency(&self) -> &Currency {
        &self.currency
    }

    /// Returns a resource as what it stands for by the estate's own rules (`like`); any other as it is.
    #[must_use]
    pub fn likened<'r>(&self, resource: &'r PlannedResource) -> Cow<'r, PlannedResource> {
        let nothing = Json::Null;
        let Some(values) = resource.after.as_ref().or(resource.before.as_ref()) else { return Cow::Borrowed(resource) };
        let region = region(resource, values);
        let (kind, address) = (resource.kind.as_str(), resource.address.as_str());
        let after_unknown = if resource.after.is_some() { &resource.after_unknown } else { &nothing };
        let side = Side { values, after_unknown, usage: &nothing, region: region.as_deref(), kind, address };
        // A rule that cannot be told to fit says so where the resource is priced.
        let rule = self.own.rules_for(kind).map(|(rule, ..)| rule).find(|rule| fits(rule, side).unwrap_or(true));
        let Some(like) = rule.filter(|rule| fits(rule, side).is_ok()).and_then(|rule| rule.like.as_ref()) else {
            return Cow::Borrowed(resource);
        };
        let within = |values: &Json| match &like.attributes {
            None => values.clone(),
            // What is not there is missing to the price, and never free.
            Some(name) => values
                .get(name)
                .filter(|it| it.is_object())
                .cloned()
                .unwrap_or_else(|| Json::Object(serde_json::Map::new())),
        };
        Cow::Owned(PlannedResource {
            kind: like.resource.clone(),
            before: resource.before.as_ref().map(within),
            after: resource.after.as_ref().map(within),
            after_unknown: within(&resource.after_unknown),
            ..resource.clone()
        })
    }

    /// Estimates one resource.
    pub(super) fn resource(
        &self,
        resource: &PlannedResource,
        usage: &Usage,
        warnings: &mut Vec<String>,
    ) -> ResourceEstimate {
        let (likened, kind) = (self.likened(resource), resource.kind.as_str());
        let resource = likened.as_ref();
        let figures = usage.of(&resource.address, &resource.kind);
        let nothing = Json::Null;
        let region_before = resource.before.as_ref().and_then(|values| region(resource, values));
        let region_after = resource.after.as_ref().and_then(|values| region(resource, values));
        let mut lines = |values: Option<&Json>, after_unknown: &Json, region: Option<&str>, after: bool| {
            let Some(values) = values else { return Lines::default() };
            let kind = resource.kind.as_str();
            let side = Side { values, after_unknown, usage: &figures, region, kind, address: &resource.address };
            self.lines(side, after, warnings)
        };
        let before = lines(resource.before.as_ref(), &nothing, region_before.as_deref(), false);
        let after = lines(resource.after.as_ref(), &resource.after_unknown, region_after.as_deref(), true);
        let untouched = resource.action == ResourceAction::NoOp;
        let before = if untouched && resource.before.is_some() { after.clone() } else { before };
        let what = (resource.address.as_str(), kind, resource.action);
        resource_estimate(what, region_after.or(region_before), (before, after), &self.currency)
    }

    fn lines(&self, side: Side<'_>, after: bool, warnings: &mut Vec<String>) -> Lines {
        if let Some(lines) = self.by_rules(self.own, side, true, warnings) {
            return lines;
        }
        let infracost = self.infracost.filter(|_| after).and_then(|infracost| infracost.lines(side.address));
        if let Some(lines) = infracost {
            return lines;
        }
        if let Some(lines) = self.by_rules(self.book, side, false, warnings) {
            return lines;
        }
        let free = self.own.free(side.kind).or_else(|| self.book.free(side.kind));
        if let Some(why) = free {
            return Lines { free: Some(why.to_owned()), ..Lines::default() };
        }
        let why = format!("no rule prices the type '{}'", side.kind);
        Lines { unknown: vec![why], ..Lines::default() }
    }

    /// Takes the first rule of a book that fits.
    fn by_rules(&self, book: &Book, side: Side<'_>, own: bool, warnings: &mut Vec<String>) -> Option<Lines> {
        for (rule, source, currency) in book.rules_for(side.kind) {
            match fits(rule, side) {
                Ok(true) if rule.like.is_none() => {}
                Ok(_) => continue,
                Err(why) => {
                    let why = format!("{}: {why}", source.name);
                    return Some(Lines { unknown: vec![why], ..Lines::default() });
                }
            }
            let mut lines = self.by_rule(rule, source, currency, side);
            if !own {
                unread_figures(rule, side, &mut lines, warnings);
            }
            return Some(lines);
        }
        None
    }

    fn by_rule(&self, rule: &Rule, source: &PriceSource, currency: &Currency, side: Side<'_>) -> Lines {
        let mut lines = Lines::default();
        let mut missing = BTreeSet::new();
        for component in rule.components() {
            let blocks = match blocks(component, side) {
                Ok(blocks) => blocks,
                Err(why) => {
                    note(&mut lines.unknown, why.to_string());
                    continue;
                }
            };
            for (label, block, index) in blocks {
                let scope = Here { side, block, index };
                match component.when.as_ref().map_or(Ok(true), |when| when.truth(&scope)) {
                    Ok(true) => {
                        self.by_component(component, (source, currency), &scope, label, &mut lines, &mut missing)
                    }
                    Ok(false) => {}
                    Err(why) => note(&mut lines.unknown, explain(&why, source)),
                }
            }
        }
        if !missing.is_empty() {
            let list: Vec<&str> = missing.iter().map(String::as_str).collect();
            lines.unknown.push(format!("no usage figure for {}", list.join(", ")));
        }
        lines
    }

    fn by_component(
        &self,
        component: &Component,
        (source, currency): (&PriceSource, &Currency),
        scope: &Here<'_>,
        block: Option<String>,
        lines: &mut Lines,
        missing: &mut BTreeSet<String>,
    ) {
        let name = match component.name.render(scope) {
            Ok(name) => name,
            Err(why) => return note(&mut lines.unknown, explain(&why, source)),
        };
        let usage = component.quantity.paths().iter().any(|path| is_usage(path));
        let line = |name: String, quantity: Option<Decimal>, price: Result<(Decimal, PriceSource), String>| {
            let (price, source, why) = match price {
                Ok((price, source)) => (Some(price), Some(source), "the quantity is not known".to_owned()),
                Err(why) => (None, None, why),
            };
            let monthly = match (quantity, price) {
                (Some(quantity), _) if quantity.is_zero() => Some(Decimal::ZERO),
                (Some(quantity), Some(price)) => quantity.checked_mul(price),
                _ => None,
            };
            let currency = self.currency.clone();
            ComponentEstimate {
                name,
                block: block.clone(),
                unit: component.unit.clone(),
                quantity: quantity.map(|quantity| Exact::from(quantity).trimmed(0)),
                price: price.map(|price| Exact::from(price).trimmed(0)),
                monthly: match monthly {
                    Some(monthly) => Money::known(Exact::from(monthly).trimmed(2), currency),
                    None => Money::unknown(why, currency),
                },
                source,
                usage,
            }
        };
        let quantity = match component.quantity.number(scope) {
            Ok(quantity) if quantity.is_sign_negative() && !quantity.is_zero() => {
                Err(format!("{}: the quantity of '{name}' is {quantity}, below zero", source.name))
            }
            Ok(quantity) => Ok(quantity.round_dp(15).normalize()),
            Err(Why::Missing(path)) if path.starts_with("usage.") => {
                let figure = path.trim_start_matches("usage.").to_owned();
                let why = format!("no usage figure for {figure}");
                missing.insert(figure);
                lines.components.push(line(name, None, Err(why)));
                return;
            }
            Err(why) => Err(explain(&why, source)),
        };
        let price = |formula: &Option<Formula>, name: &str| match formula {
            Some(formula) if *currency != self.currency => {
                Err(format!("'{}' is priced in {currency}, and there is no rate to {}", formula.text(), self.currency))
            }
            Some(formula) => {
                formula.number(scope).map(|price| (price, source.clone())).map_err(|why| explain(&why, source))
            }
            None => self.point(component, name, scope.side),
        };
        let mut found = Vec::new();
        match quantity {
            Err(why) => found.push(line(name, None, Err(why))),
            Ok(quantity) if component.tiers.is_empty() => {
                let price = price(&component.price, &name);
                found.push(line(name, Some(quantity), price));
            }
            Ok(quantity) => {
                let mut rest = quantity;
                for (position, Tier { name: step, size, price: formula }) in component.tiers.iter().enumerate() {
                    if rest.is_zero() && position > 0 {
                        break;
                    }
                    let size = size.and_then(|s| Decimal::try_from_i128_with_scale(s.mantissa(), s.scale()).ok());
                    let part = size.map_or(rest, |size| rest.min(size));
                    rest -= part;
                    let name = format!("{name} ({step})");
                    let price = price(formula, &name);
                    found.push(line(name, Some(part), price));
                }
            }
        }
        found.iter().flat_map(|line| &line.monthly.unknown).for_each(|why| note(&mut lines.unknown, why.clone()));
        lines.components.extend(found);
    }

    /// Looks up a price point: the estate's imported ones before the embedded ones.
    fn point(&self, component: &Component, name: &str, side: Side<'_>) -> Result<(Decimal, PriceSource), String> {
        let key = PointKey {
            resource_type: component.priced_as.clone().unwrap_or_else(|| side.kind.to_owned()),
            component: name.to_owned(),
            unit: component.unit.clone(),
        };
        let point = self.own.point(&key, side.region).or_else(|| self.book.point(&key, side.region));
        if let Some(point) = point {
            if point.currency != self.currency {
                return Err(format!(
                    "'{name}' is priced in {}, and there is no rate to {}",
                    point.currency, self.currency
                ));
            }
            return Ok((point.price, PriceSource::clone(&point.source)));
        }
        let mut regions = self.own.regions(&key);
        regions.extend(self.book.regions(&key));
        regions.sort_unstable();
        regions.dedup();
        Err(match (side.region, regions.is_empty()) {
            (_, true) => format!("no price for '{name}' ({})", component.unit),
            (Some(region), false) => {
                format!("no price for '{name}' in {region}; there is one for {}", regions.join(", "))
            }
            (None, false) => {
                format!(
                    "no price for '{name}', because its region is not known; there is one for {}",
                    regions.join(", ")
                )
            }
        })
    }
}

fn note(unknown: &mut Vec<String>, why: String) {
    if !unknown.contains(&why) {
        unknown.push(why);
    }
}

fn explain(why: &Why, source: &PriceSource) -> String {
    match why {
        Why::Broken { .. } => format!("{}: {why}", source.name),
        why => why.to_string(),
    }
}

fn is_usage(path: &[Step]) -> bool {
    matches!(path.first(), Some(Step::Name(name)) if name == "usage")
}

/// Tells whether a rule is about a resource.
fn fits(rule: &Rule, side: Side<'_>) -> Result<bool, Why> {
    let fits = rule.when.as_ref().map_or(Ok(true), |when| when.truth(&Here { side, block: None, index: None }))?;
    let here = rule
        .region
        .as_ref()
        .is_none_or(|regions| side.region.is_some_and(|region| regions.iter().any(|pattern| matches(pattern, region))));
    Ok(fits && here)
}

type Block<'a> = (Option<String>, Option<&'a Json>, Option<usize>);

/// Returns the nested blocks that a component is about, with their labels.
fn blocks<'a>(component: &Component, side: Side<'a>) -> Result<Vec<Block<'a>>, Why> {
    let Some(name) = component.block.as_ref().or(component.each.as_ref()) else { return Ok(vec![(None, None, None)]) };
    let list: Vec<&Json> = match side.values.get(name) {
        Some(Json::Array(list)) => list.iter().collect(),
        Some(object @ Json::Object(_)) => vec![object],
        _ => Vec::new(),
    };
    if list.is_empty() && side.after_unknown.get(name).is_some_and(|unknown| *unknown == Json::Bool(true)) {
        return Err(Why::AfterApply(name.clone()));
    }
    let single = component.block.is_some();
    let blocks = list.into_iter().enumerate().map(|(index, block)| {
        let label = if single { name.clone() } else { format!("{name}[{index}]") };
        (Some(label), Some(block), Some(index))
    });
    Ok(if single { blocks.take(1).collect() } else { blocks.collect() })
}

/// Names the usage figures that no formula of the rule reads; one that is not zero makes the price unknown.
fn unread_figures(rule: &Rule, side: Side<'_>, lines: &mut Lines, warnings: &mut Vec<String>) {
    let mut read: Vec<String> = Vec::new();
    let mut add = |paths: Vec<&[Step]>| {
        read.extend(paths.into_iter().filter(|path| is_usage(path)).map(|path| show_path(&path[1..])));
    };
    if let Some(when) = &rule.when {
        add(when.paths());
    }
    for component in rule.components() {
        add(component.quantity.paths());
        add(component.name.paths().collect());
        component.when.iter().chain(&component.price).for_each(|formula| add(formula.paths()));
    }
    let known = |path: &str| {
        read.iter().any(|read| read == path || path.starts_with(&format!("{read}.")))
            || rule.ignores.iter().any(|p| matches(p, path))
    };
    let mut leaves = Vec::new();
    collect_leaves(side.usage, String::new(), &mut leaves);
    for (path, value) in leaves.into_iter().filter(|(path, _)| !known(path)) {
        let zero = value.as_f64().is_some_and(|number| number == 0.0) || value.is_null();
        if value.is_number() && !zero {
            note(&mut lines.unknown, format!("the usage figure {path} is priced by no rule"));
        } else if !zero {
            let warning =
                format!("{}: the usage figure {path} means nothing to the price rules of {}", side.address, side.kind);
            note(warnings, warning);
        }
    }
}

fn collect_leaves<'a>(value: &'a Json, path: String, into: &mut Vec<(String, &'a Json)>) {
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect_leaves(value, path, into);
            }
        }
        leaf => into.push((path, leaf)),
    }
}

/// Returns the region a resource is in: its own attribute, else its provider's configuration.
fn region(resource: &PlannedResource, values: &Json) -> Option<String> {
    let text = |key: &str| values.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    let zone =
        |zone: &str| zone.rsplit_once('-').filter(|(_, last)| last.len() == 1).map(|(region, _)| region.to_owned());
    if resource.kind.starts_with("azurerm_") {
        return text("location").map(|location| location.to_lowercase().replace(' ', ""));
    }
    if resource.kind.starts_with("google_") {
        let place = text("zone").and_then(zone).or_else(|| text("region").map(str::to_owned));
        let location = || text("location").map(|location| location.to_lowercase()).map(|l| zone(&l).unwrap_or(l));
        return place.or_else(location).or_else(|| resource.provider_region.clone());
    }
    let from_zone = || {
        let zone = text("availability_zone")?;
        Some(zone.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()).to_owned())
    };
    let from_arn = || text("arn")?.split(':').nth(3).filter(|region| !region.is_empty()).map(str::to_owned);
    text("region").map(str::to_owned).or_else(from_zone).or_else(from_arn).or_else(|| resource.provider_region.clone())
}

/// What the paths of a formula lead to.
struct Here<'a> {
    side: Side<'a>,
    block: Option<&'a Json>,
    index: Option<usize>,
}

impl Scope for Here<'_> {
    fn get(&self, path: &[Step]) -> Result<Value, Why> {
        let missing = || Value::Missing(show_path(path));
        let Some(Step::Name(first)) = path.first() else { return Ok(missing()) };
        let given = |text: Option<&str>| text.map_or_else(missing, |text| Value::Text(text.to_owned()));
        match first.as_str() {
            "usage" => return Ok(walk(self.side.usage, &path[1..]).map_or_else(missing, |json| value(json, path))),
            "hours" if path.len() == 1 => return Ok(Value::Number(HOURS.into())),
            "index" if path.len() == 1 && self.block.is_some() => {
                return Ok(self.index.and_then(Decimal::from_usize).map_or_else(missing, Value::Number));
            }
            "address" if path.len() == 1 => return Ok(given(Some(self.side.address))),
            "region" if path.len() == 1 => return Ok(given(self.side.region)),
            _ => {}
        }
        let (root, path_in, unknown) = match (first.as_str(), self.block) {
            ("block", Some(block)) => (block, &path[1..], None),
            _ => (self.side.values, path, walk(self.side.after_unknown, path)),
        };
        match walk(root, path_in) {
            Some(json) if !json.is_null() => Ok(value(json, path)),
            _ if unknown.is_some_and(|unknown| *unknown == Json::Bool(true)) => Err(Why::AfterApply(show_path(path))),
            _ => Ok(missing()),
        }
    }
}

/// Follows a path; a name on a list of blocks goes into the first one.
fn walk<'a>(root: &'a Json, path: &[Step]) -> Option<&'a Json> {
    path.iter().try_fold(root, |json, step| match step {
        Step::Name(name) => match json {
            Json::Array(list) => list.first()?.get(name),
            other => other.get(name),
        },
        Step::Index(index) => json.get(*index),
    })
}

fn value(json: &Json, path: &[Step]) -> Value {
    match json {
        Json::Null => Value::Missing(show_path(path)),
        Json::Bool(truth) => Value::Truth(*truth),
        Json::Number(number) => {
            let text = number.to_string();
            let decimal = text.parse().or_else(|_| Decimal::from_scientific(&text));
            decimal.map_or_else(|_| Value::Missing(show_path(path)), Value::Number)
        }
        Json::String(text) => Value::Text(text.clone()),
        Json::Array(list) => Value::List(list.iter().map(|item| value(item, path)).collect()),
        Json::Object(map) => Value::List(map.values().map(|item| value(item, path)).collect()),
    }
}
