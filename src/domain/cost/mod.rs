//! What was billed: charges, their lines, and what an import of them says.
//!
//! Owns the shape of a bill line, how lines of a day are packed and compared ([`cell`]), and how a FOCUS export is read
//! ([`focus`]), an AWS Cost and Usage Report too ([`cur`]). Leaves who pays for it to [`crate::domain::allocation`] and files to `platform::costs`.

pub mod cell;
pub mod cur;
pub mod focus;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::{Currency, Exact, Money};

/// What a bill line is about, apart from its time, quantity and amounts; many lines share one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Charge {
    /// Who provides, such as `AWS`.
    pub provider: String,
    /// The billing account.
    pub account: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// The sub account: an AWS account, an Azure subscription, a project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_account: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_account_name: Option<String>,
    /// The service, such as `Amazon Simple Queue Service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its category, such as `Storage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_category: Option<String>,
    /// What kind of charge it is.
    pub category: ChargeCategory,
    /// `Correction` where it corrects a period that was invoiced already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// How often it is charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<String>,
    /// What the provider calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The resource, as the provider names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Its display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// The SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The price of the SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku_price: Option<String>,
    /// `Standard`, `Committed`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing_category: Option<String>,
    /// The unit of the lines' quantities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The list price of a unit, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_price: Option<String>,
    /// The commitment (reservation, savings plan) that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment: Option<String>,
    /// `Used` or `Unused`, of a commitment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commitment_status: Option<String>,
    /// The invoice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
    /// Its tags.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// What kind of charge a line is; the words of FOCUS, with refunds told from credits by their class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChargeCategory {
    /// Something was used.
    #[default]
    Usage,
    /// Something was bought, such as a reservation.
    Purchase,
    /// Tax.
    Tax,
    /// A credit or a refund.
    Credit,
    /// An adjustment, such as rounding.
    Adjustment,
}

/// Which line of a report a charge belongs to, so that tax, credits, refunds and unused commitments stand by themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CostKind {
    /// What was used and bought.
    #[default]
    Usage,
    /// A commitment that nobody used.
    UnusedCommitment,
    /// Tax.
    Tax,
    /// Credits.
    Credit,
    /// Refunds and corrections of what was invoiced.
    Refund,
    /// Adjustments.
    Adjustment,
}

impl CostKind {
    /// Returns its name, as on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CostKind::Usage => "usage",
            CostKind::UnusedCommitment => "unused_commitment",
            CostKind::Tax => "tax",
            CostKind::Credit => "credit",
            CostKind::Refund => "refund",
            CostKind::Adjustment => "adjustment",
        }
    }
}

impl Charge {
    /// Returns which line of a report it belongs to.
    #[must_use]
    pub fn kind(&self) -> CostKind {
        let correction = self.class.as_deref().is_some_and(|class| class.eq_ignore_ascii_case("correction"));
        let unused = self.commitment_status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("unused"));
        match self.category {
            ChargeCategory::Tax => CostKind::Tax,
            ChargeCategory::Credit if correction => CostKind::Refund,
            ChargeCategory::Credit => CostKind::Credit,
            ChargeCategory::Adjustment => CostKind::Adjustment,
            _ if correction => CostKind::Refund,
            _ if unused => CostKind::UnusedCommitment,
            ChargeCategory::Usage | ChargeCategory::Purchase => CostKind::Usage,
        }
    }

    /// Returns a tag by its name, in whatever case and with a provider's prefix (`user:team`) or without.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.tags.get(name) {
            return Some(value);
        }
        let bare = |key: &str| key.rsplit_once(':').map_or(key, |(_, bare)| bare).to_owned();
        let found = self.tags.iter().find(|(key, _)| bare(key).eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// One line of a bill: a charge at a time, with its amounts as the file wrote them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BillLine {
    /// Seconds from the beginning of the day (UTC) to the beginning of the charge.
    pub start: u32,
    /// How many seconds it lasts.
    pub seconds: u64,
    /// What is invoiced.
    #[schema(value_type = String)]
    pub billed: Exact,
    /// The cost with commitments spread over what used them.
    #[schema(value_type = String)]
    pub effective: Exact,
    /// At list prices.
    #[schema(value_type = Option<String>)]
    pub list: Option<Exact>,
    /// At the prices agreed.
    #[schema(value_type = Option<String>)]
    pub contracted: Option<Exact>,
    /// How much, in the charge's unit.
    #[schema(value_type = Option<String>)]
    pub quantity: Option<Exact>,
}

/// A line with its day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatedLine {
    /// The day (UTC), such as `2026-10-03`.
    pub day: String,
    /// The line.
    #[serde(flatten)]
    pub line: BillLine,
}

/// Which bill a line belongs to: an export speaks for provider, billing account and billing period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub struct Bill {
    /// The provider.
    pub provider: String,
    /// The billing account.
    pub account: String,
    /// The first day of the billing period, such as `2026-10-01`.
    pub period: String,
    /// The currency of every amount.
    pub currency: Currency,
}

/// A row of a file that was not taken, or only with a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowNote {
    /// The line in the file, from 1, the header counted.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReport {
    /// How many rows the file has, without its header.
    pub rows: u64,
    /// Rows that were not there before.
    pub added: u64,
    /// Rows that were there already.
    pub unchanged: u64,
    /// Rows that took the place of others for the same time and charge.
    pub replaced: u64,
    /// Rows that a corrected export no longer has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub removed: u64,
    /// Rows that the bills keep on the file's days although the file has them not: it was taken for a part of them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lacking: u64,
    /// Rows that were not taken; the first thousand, see `refused_more`.
    pub refused: Vec<RowNote>,
    /// How many more were not taken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused_more: u64,
    /// Rows that were taken although something about them is wrong; the first thousand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<RowNote>,
    /// The currency of the amounts.
    pub currency: Currency,
    /// What the file bills, by provider.
    #[schema(value_type = BTreeMap<String, String>)]
    pub billed_cost: BTreeMap<String, Exact>,
    /// What the file bills in all.
    #[schema(value_type = String)]
    pub total: Exact,
    /// How much of it no rule allocates.
    #[schema(value_type = String)]
    pub unallocated: Exact,
    /// When the very same file was imported before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub imported_before: Option<jiff::Timestamp>,
}

/// A day on which a service cost far more than the days before it let expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Anomaly {
    /// The service.
    pub service: String,
    /// The day (UTC).
    pub day: String,
    /// What it cost, effectively.
    pub amount: Money,
    /// What was to be expected.
    pub expected: Money,
    /// What it would have cost at most on a usual day.
    pub most: Money,
    /// The charges that rose most, with what they usually cost a day.
    pub causes: Vec<Cause>,
}

/// A charge that rose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// Its number; `terrace budget lines` shows its lines.
    pub charge: i64,
    /// What the provider calls it.
    pub description: Option<String>,
    /// The resource.
    pub resource: Option<String>,
    /// What it cost on the day.
    pub amount: Money,
    /// What it usually costs a day.
    pub usual: Money,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_credits_refunds_and_unused_commitments_stand_by_themselves() {
        let kind = |category, class: Option<&str>, status: Option<&str>| {
            let charge = Charge {
                category,
                class: class.map(str::to_owned),
                commitment_status: status.map(str::to_owned),
                ..Charge::default()
            };
            charge.kind()
        };
        assert_eq!(kind(ChargeCategory::Usage, None, None), CostKind::Usage);
        assert_eq!(kind(ChargeCategory::Usage, None, Some("Unused")), CostKind::UnusedCommitment);
        assert_eq!(kind(ChargeCategory::Usage, Some("Correction"), None), CostKind::Refund);
        assert_eq!(kind(ChargeCategory::Credit, Some("Correction"), None), CostKind::Refund);
        assert_eq!(kind(ChargeCategory::Credit, None, None), CostKind::Credit);
        assert_eq!(kind(ChargeCategory::Tax, None, None), CostKind::Tax);
    }

    #[test]
    fn a_tag_is_found_with_and_without_a_prefix() {
        let mut charge = Charge::default();
        charge.tags.insert("user:Team".to_owned(), "orders".to_owned());
        assert_eq!(charge.tag("team"), Some("orders"));
        assert_eq!(charge.tag("user:Team"), Some("orders"));
        assert_eq!(charge.tag("owner"), None);
    }
}
