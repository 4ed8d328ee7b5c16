//! Showback: what was billed, added up by whatever one asks for, exact at each level.
//!
//! Owns the report and its dimensions. Leaves who pays to [`crate::domain::allocation`], where rows come from to
//! `platform::budgets`, and how a report looks to [`html()`] and [`csv()`].

mod csv_text;
mod html;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::allocation::unknown_team;
use super::cost::{Charge, CostKind};
use super::money::{Currency, Exact, Money};

pub use csv_text::csv;
pub use html::html;

/// A part of a charge in a period, with who pays for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostRow {
    /// The charge, by its number.
    pub charge: i64,
    /// The team; `None` where it is unallocated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<Arc<str>>,
    /// The stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Arc<str>>,
    /// The stack of the instance that made the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<Arc<str>>,
    /// Its component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<Arc<str>>,
    /// The rule that took it, or why none did.
    pub rule: Arc<str>,
    /// What is billed.
    pub billed: Exact,
    /// What it costs effectively.
    pub effective: Exact,
    /// The closed period that it corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<Arc<str>>,
}

/// By what a report adds up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Dimension {
    /// Who pays.
    Team,
    /// The stage.
    Stage,
    /// The stack.
    Stack,
    /// The component.
    Component,
    /// The provider's service.
    Service,
    /// The service's category.
    Category,
    /// The provider.
    Provider,
    /// The billing account.
    Account,
    /// The sub account.
    SubAccount,
    /// The region.
    Region,
    /// The resource.
    Resource,
    /// The charge: what one resource is billed for.
    Charge,
    /// Usage, tax, credit and so on.
    Kind,
    /// The rule that allocated it.
    Rule,
    /// A tag.
    Tag(String),
}

const DIMENSIONS: &[(&str, Dimension)] = &[
    ("team", Dimension::Team),
    ("stage", Dimension::Stage),
    ("stack", Dimension::Stack),
    ("component", Dimension::Component),
    ("service", Dimension::Service),
    ("category", Dimension::Category),
    ("provider", Dimension::Provider),
    ("account", Dimension::Account),
    ("sub_account", Dimension::SubAccount),
    ("region", Dimension::Region),
    ("resource", Dimension::Resource),
    ("charge", Dimension::Charge),
    ("kind", Dimension::Kind),
    ("rule", Dimension::Rule),
];

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dimension::Tag(tag) => write!(f, "tag:{tag}"),
            other => f.pad(DIMENSIONS.iter().find(|(_, known)| known == other).map_or("", |(name, _)| name)),
        }
    }
}

impl FromStr for Dimension {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(tag) = text.strip_prefix("tag:").filter(|tag| !tag.is_empty()) {
            return Ok(Dimension::Tag(tag.to_owned()));
        }
        let found = DIMENSIONS.iter().find(|(name, _)| *name == text).map(|(_, dimension)| dimension.clone());
        found.ok_or_else(|| {
            let names: Vec<&str> = DIMENSIONS.iter().map(|(name, _)| *name).collect();
            format!("'{text}' is nothing to report by: {}, tag:NAME", names.join(", "))
        })
    }
}

impl TryFrom<String> for Dimension {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Dimension> for String {
    fn from(dimension: Dimension) -> Self {
        dimension.to_string()
    }
}

/// What a value is called that is not known.
pub const NONE: &str = "(none)";
/// What a team is called where nobody pays.
pub const UNALLOCATED: &str = "unallocated";

/// Returns the value of a row in a dimension.
#[must_use]
pub fn value(dimension: &Dimension, row: &CostRow, charge: &Charge) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| NONE.to_owned());
    let shared = |text: &Option<Arc<str>>, none: &str| text.as_deref().unwrap_or(none).to_owned();
    match dimension {
        Dimension::Team => shared(&row.team, UNALLOCATED),
        Dimension::Stage => shared(&row.stage, NONE),
        Dimension::Stack => shared(&row.stack, NONE),
        Dimension::Component => shared(&row.component, NONE),
        Dimension::Service => text(&charge.service),
        Dimension::Category => text(&charge.service_category),
        Dimension::Provider => charge.provider.clone(),
        Dimension::Account => charge.account.clone(),
        Dimension::SubAccount => text(&charge.sub_account),
        Dimension::Region => text(&charge.region),
        Dimension::Resource => text(&charge.resource),
        Dimension::Charge => format!("{} #{}", charge.description.as_deref().unwrap_or(NONE), row.charge),
        Dimension::Kind => kind(row, charge).name().to_owned(),
        Dimension::Rule => row.rule.to_string(),
        Dimension::Tag(tag) => charge.tag(tag).unwrap_or(NONE).to_owned(),
    }
}

/// Returns which line of a report a row belongs to; what corrects a closed period is a correction.
#[must_use]
pub fn kind(row: &CostRow, charge: &Charge) -> CostKind {
    if row.corrects.is_some() { CostKind::Refund } else { charge.kind() }
}

/// Both figures of a sum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amounts {
    /// What is invoiced; the sums reconcile with the invoices.
    pub billed: Money,
    /// With commitments spread over what used them; for showback.
    pub effective: Money,
}

impl Amounts {
    fn of(sums: &Sums, currency: &Currency) -> Self {
        Self {
            billed: Money::known(sums.billed.trimmed(2), currency.clone()),
            effective: Money::known(sums.effective.trimmed(2), currency.clone()),
        }
    }
}

/// One level of a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// The value that its rows share.
    pub key: String,
    /// Its sums.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// The sums of tax, credits, refunds, unused commitments and adjustments in it, where it has any.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, Amounts>,
    /// The next level, largest first; what is unallocated or not known comes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub groups: Vec<Group>,
}

/// Something that nobody pays for, and what would change that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unallocated {
    /// Why.
    pub why: String,
    /// The service, where it has one.
    pub service: String,
    /// How much.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// The command that fixes it.
    pub fix: String,
}

/// What a team is charged by rates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Chargeback {
    /// The team.
    pub team: String,
    /// What it cost effectively.
    pub cost: Money,
    /// What is added, by the name of the rate.
    pub rates: BTreeMap<String, Money>,
    /// Everything together.
    pub charged: Money,
}

/// What was billed in a period, added up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Report {
    /// The period: `2026-10`, `2026-Q4`, `2026`.
    pub period: String,
    /// Its first day.
    pub from: String,
    /// The first day after it.
    pub to: String,
    /// Whether it is closed: then this report never changes.
    pub closed: bool,
    /// What the figures mean.
    pub basis: String,
    /// By what it is added up.
    pub by: Vec<String>,
    /// Only what has these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, String>,
    /// The currency of every amount.
    pub currency: Currency,
    /// Bills of the period in other currencies, which no figure holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_currencies: Vec<String>,
    /// Everything.
    pub total: Amounts,
    /// Usage, tax, credits, refunds, unused commitments, adjustments.
    pub kinds: BTreeMap<String, Amounts>,
    /// What nobody pays for, the largest first.
    pub unallocated: Vec<Unallocated>,
    /// The first level.
    pub groups: Vec<Group>,
    /// What each team is charged, where rates are written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chargeback: Vec<Chargeback>,
}

/// What a report's figures mean.
pub const BASIS: &str = "billed: BilledCost by billing period, reconciles with invoices; effective: EffectiveCost of the \
                         same lines, commitments spread over what used them";

/// A rate of chargeback: so many percent of what a team costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Its name.
    pub name: String,
    /// Percent of the effective cost; below zero it is a discount.
    pub percent: Exact,
    /// The teams that it is for; all where there is none.
    #[serde(default)]
    pub teams: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    billed: Exact,
    effective: Exact,
}

/// A sum of money that does not fit into 38 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sum has more than 38 digits")]
pub struct TooLong;

impl Sums {
    fn add(&mut self, row: &CostRow) -> Result<(), TooLong> {
        self.billed = self.billed.checked_add(row.billed).ok_or(TooLong)?;
        self.effective = self.effective.checked_add(row.effective).ok_or(TooLong)?;
        Ok(())
    }
}

/// What a level of the tree has gathered.
#[derive(Default)]
struct Node {
    sums: Sums,
    kinds: BTreeMap<CostKind, Sums>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, row: &CostRow, kind: CostKind, path: &[String]) -> Result<(), TooLong> {
        self.sums.add(row)?;
        self.kinds.entry(kind).or_default().add(row)?;
        match path.split_first() {
            Some((key, rest)) => match self.children.get_mut(key) {
                Some(child) => child.add(row, kind, rest),
                None => self.children.entry(key.clone()).or_default().add(row, kind, rest),
            },
            None => Ok(()),
        }
    }

    fn kinds(&self, currency: &Currency, usage_too: bool) -> BTreeMap<String, Amounts> {
        let shown = self.kinds.iter().filter(|(kind, _)| usage_too || **kind != CostKind::Usage);
        shown.map(|(kind, sums)| (kind.name().to_owned(), Amounts::of(sums, currency))).collect()
    }

    fn groups(&self, currency: &Currency) -> Vec<Group> {
        let mut children: Vec<(&String, &Node)> = self.children.iter().collect();
        let unknown = |key: &str| key == UNALLOCATED;
        children.sort_by(|(a, x), (b, y)| {
            unknown(b).cmp(&unknown(a)).then(y.sums.effective.cmp(&x.sums.effective)).then(a.cmp(b))
        });
        let group = |(key, node): (&String, &Node)| Group {
            key: key.clone(),
            amounts: Amounts::of(&node.sums, currency),
            kinds: node.kinds(currency, false),
            groups: node.groups(currency),
        };
        children.into_iter().map(group).collect()
    }
}

/// What a report is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportQuery {
    /// By what it adds up, outermost first.
    pub by: Vec<Dimension>,
    /// Only rows with these values.
    pub only: Vec<(Dimension, String)>,
}

/// What a report is about, apart from its rows.
#[derive(Debug, Clone)]
pub struct ReportHead {
    /// The period as text, its first day, the first day after it.
    pub period: (String, String, String),
    /// Whether it is closed.
    pub closed: bool,
    /// The currency of the rows.
    pub currency: Currency,
    /// Other currencies of the period.
    pub other_currencies: Vec<String>,
}

/// Adds rows up.
///
/// # Errors
///
/// [`TooLong`] where a sum does not fit.
pub fn report<'c>(
    head: ReportHead,
    query: &ReportQuery,
    rows: &[CostRow],
    charge: impl Fn(i64) -> &'c Charge,
    rates: &[Rate],
) -> Result<Report, TooLong> {
    let mut root = Node::default();
    let mut nobody: BTreeMap<(Arc<str>, String), Sums> = BTreeMap::new();
    let mut teams: BTreeMap<&str, Exact> = BTreeMap::new();
    let mut path = Vec::with_capacity(query.by.len());
    for row in rows {
        let about = charge(row.charge);
        if !query.only.iter().all(|(dimension, wanted)| value(dimension, row, about) == *wanted) {
            continue;
        }
        path.clear();
        path.extend(query.by.iter().map(|dimension| value(dimension, row, about)));
        root.add(row, kind(row, about), &path)?;
        match &row.team {
            Some(team) => {
                let sum = teams.entry(team).or_default();
                *sum = sum.checked_add(row.effective).ok_or(TooLong)?;
            }
            None => {
                let service = about.service.clone().unwrap_or_else(|| NONE.to_owned());
                nobody.entry((Arc::clone(&row.rule), service)).or_default().add(row)?;
            }
        }
    }
    let currency = &head.currency;
    let mut unallocated: Vec<(Exact, Unallocated)> = nobody
        .iter()
        .map(|((why, service), sums)| {
            let amounts = Amounts::of(sums, currency);
            let entry = Unallocated { why: why.to_string(), service: service.clone(), amounts, fix: fix(why, service) };
            (sums.billed, entry)
        })
        .collect();
    unallocated.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.service.cmp(&b.1.service)));
    let chargeback = if rates.is_empty() { Vec::new() } else { chargeback(&teams, rates, currency)? };
    let (period, from, to) = head.period;
    Ok(Report {
        period,
        from,
        to,
        closed: head.closed,
        basis: BASIS.to_owned(),
        by: query.by.iter().map(Dimension::to_string).collect(),
        only: query.only.iter().map(|(dimension, value)| (dimension.to_string(), value.clone())).collect(),
        total: Amounts::of(&root.sums, currency),
        kinds: root.kinds(currency, true),
        unallocated: unallocated.into_iter().map(|(_, entry)| entry).collect(),
        groups: root.groups(currency),
        chargeback,
        other_currencies: head.other_currencies,
        currency: head.currency,
    })
}

/// Returns the command that would give something to somebody.
fn fix(why: &str, service: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    if let Some(name) = unknown_team(why) {
        return format!("terrace cost allocate --formerly {} --team TEAM", quoted(name));
    }
    let what = if service == NONE { "--rest".to_owned() } else { quoted(service) };
    format!("terrace cost allocate {what} --share proportional")
}

/// Adds rates to what teams cost; a rate is rounded to cents, half away from zero.
fn chargeback(teams: &BTreeMap<&str, Exact>, rates: &[Rate], currency: &Currency) -> Result<Vec<Chargeback>, TooLong> {
    let mut charged = Vec::new();
    for (team, cost) in teams {
        let cost = cost.rounded(2);
        let mut sum = cost;
        let mut added = BTreeMap::new();
        for rate in rates.iter().filter(|rate| rate.teams.is_empty() || rate.teams.iter().any(|name| name == team)) {
            let product = cost.mantissa().checked_mul(rate.percent.mantissa()).ok_or(TooLong)?;
            let share = Exact::new(product, cost.scale() + rate.percent.scale() + 2).ok_or(TooLong)?.rounded(2);
            sum = sum.checked_add(share).ok_or(TooLong)?;
            added.insert(rate.name.clone(), Money::known(share, currency.clone()));
        }
        charged.push(Chargeback {
            team: (*team).to_owned(),
            cost: Money::known(cost, currency.clone()),
            rates: added,
            charged: Money::known(sum, currency.clone()),
        });
    }
    Ok(charged)
}

#[cfg(test)]
mod tests;
