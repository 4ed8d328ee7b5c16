//! AWS Cost and Usage Reports, legacy and 2.0, as FOCUS rows.
//!
//! Each row of a report becomes one row of FOCUS, so that everything after it is the same. `BilledCost` is the unblended
//! cost, so that a month adds up to its invoice; `EffectiveCost` spreads reservations and savings plans over what used
//! them, with what nobody used left at their fees. Source of the line item types and of the arithmetic: the AWS guide
//! "Data dictionary" of Cost and Usage Reports, "Line item details", "Reservation details", "Savings Plan details".

use std::collections::BTreeMap;

use csv::ByteRecord;

use crate::domain::money::Exact;

/// The columns of FOCUS that a report is translated into.
const COLUMNS: [&str; 24] = [
    "BilledCost",
    "EffectiveCost",
    "ListCost",
    "BillingCurrency",
    "BillingPeriodStart",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ProviderName",
    "BillingAccountId",
    "SubAccountId",
    "SubAccountName",
    "ServiceName",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "RegionId",
    "ResourceId",
    "SkuId",
    "ListUnitPrice",
    "CommitmentDiscountId",
    "InvoiceId",
    "Tags",
];

/// Where the columns of one report stand.
#[derive(Debug, Clone)]
pub struct Cur {
    at: BTreeMap<String, usize>,
    /// Tags that have a column each: the tag's name and its column.
    tags: Vec<(String, usize)>,
}

/// Writes `lineItem/UnblendedCost` and `line_item_unblended_cost` alike.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

impl Cur {
    /// Finds the columns in a header; `None` where it is no Cost and Usage Report.
    #[must_use]
    pub fn of(header: &ByteRecord) -> Option<Self> {
        let (mut at, mut tags) = (BTreeMap::new(), Vec::new());
        for (index, name) in header.iter().enumerate() {
            let name = String::from_utf8_lossy(name).trim_matches(['\u{feff}', ' ']).to_owned();
            if let Some(tag) = name.strip_prefix("resourceTags/") {
                tags.push((tag.to_owned(), index));
            } else if let Some(tag) = name.strip_prefix("resource_tags_user_") {
                tags.push((format!("user:{tag}"), index));
            }
            at.entry(plain(&name)).or_insert(index);
        }
        let needed = ["lineitemunblendedcost", "lineitemlineitemtype", "lineitemusagestartdate", "billpayeraccountid"];
        needed.iter().all(|name| at.contains_key(*name)).then_some(Self { at, tags })
    }

    /// Returns the header of the rows that [`Cur::row`] makes.
    #[must_use]
    pub fn header() -> ByteRecord {
        COLUMNS.to_vec().into()
    }

    fn cell<'r>(&self, record: &'r ByteRecord, names: &[&str]) -> &'r [u8] {
        let cells = names.iter().filter_map(|name| record.get(*self.at.get(*name)?));
        cells.map(<[u8]>::trim_ascii).find(|cell| !cell.is_empty()).unwrap_or_default()
    }

    fn amount(&self, record: &ByteRecord, name: &str) -> Result<Exact, String> {
        match std::str::from_utf8(self.cell(record, &[name])) {
            Ok("") => Ok(Exact::ZERO),
            Ok(text) => text.parse().map_err(|error| format!("{name}: {error}")),
            Err(_) => Err(format!("{name} is not UTF-8")),
        }
    }

    /// Translates a row.
    ///
    /// # Errors
    ///
    /// An amount that is none, in one sentence.
    pub fn row(&self, record: &ByteRecord, out: &mut ByteRecord) -> Result<(), String> {
        let kind = self.cell(record, &["lineitemlineitemtype"]);
        let billed_cell = self.cell(record, &["lineitemunblendedcost"]);
        if billed_cell.is_empty() {
            return Err("lineItem/UnblendedCost is empty".to_owned());
        }
        let billed = self.amount(record, "lineitemunblendedcost")?;
        let long = || "the effective cost has more than 38 digits".to_owned();
        let amount = |name| self.amount(record, name);
        let (category, class, effective) = match kind {
            b"Usage" => ("Usage", "", billed),
            b"DiscountedUsage" => ("Usage", "", amount("reservationeffectivecost")?),
            b"SavingsPlanCoveredUsage" => ("Usage", "", amount("savingsplansavingsplaneffectivecost")?),
            b"SavingsPlanNegation" => ("Adjustment", "", Exact::ZERO),
            b"SavingsPlanUpfrontFee" => ("Purchase", "", Exact::ZERO),
            b"SavingsPlanRecurringFee" => {
                let (all, used) = (amount("savingsplantotalcommitmenttodate")?, amount("savingsplanusedcommitment")?);
                ("Purchase", "", all.checked_sub(used).ok_or_else(long)?)
            }
            b"RIFee" => {
                let upfront = amount("reservationunusedamortizedupfrontfeeforbillingperiod")?;
                let unused = upfront.checked_add(amount("reservationunusedrecurringfee")?).ok_or_else(long)?;
                ("Purchase", "", unused)
            }
            b"Fee" if !self.cell(record, &["reservationreservationarn"]).is_empty() => ("Purchase", "", Exact::ZERO),
            b"Fee" => ("Purchase", "", billed),
            b"Tax" => ("Tax", "", billed),
            b"Credit" => ("Credit", "", billed),
            b"Refund" => ("Credit", "Correction", billed),
            // Discounts (EdpDiscount, PrivateRateDiscount, …) and what comes later: the invoice has them all the same.
            _ => ("Adjustment", "", billed),
        };
        let arn = ["savingsplansavingsplanarn", "reservationreservationarn"];
        out.clear();
        out.push_field(billed_cell);
        out.push_field(effective.to_string().as_bytes());
        for names in [
            &["pricingpublicondemandcost"][..],
            &["lineitemcurrencycode"],
            &["billbillingperiodstartdate"],
            &["lineitemusagestartdate"],
            &["lineitemusageenddate"],
            &["lineitemusageamount"],
            &["pricingunit"],
        ] {
            out.push_field(self.cell(record, names));
        }
        out.push_field(b"AWS");
        for names in [
            &["billpayeraccountid"][..],
            &["lineitemusageaccountid"],
            &["lineitemusageaccountname"],
            &["productproductname", "lineitemproductcode"],
        ] {
            out.push_field(self.cell(record, names));
        }
        out.push_field(category.as_bytes());
        out.push_field(class.as_bytes());
        for names in [
            &["lineitemlineitemdescription"][..],
            &["productregioncode", "productregion"],
            &["lineitemresourceid"],
            &["productsku"],
            &["pricingpublicondemandrate"],
            &arn,
            &["billinvoiceid"],
        ] {
            out.push_field(self.cell(record, names));
        }
        out.push_field(&self.tags(record));
        Ok(())
    }

    /// Returns the tags of a row as FOCUS writes them.
    fn tags(&self, record: &ByteRecord) -> Vec<u8> {
        if self.tags.is_empty() {
            return self.cell(record, &["resourcetags"]).to_vec();
        }
        let mut tags: BTreeMap<&str, String> = BTreeMap::new();
        for (name, at) in &self.tags {
            let value = record.get(*at).unwrap_or_default().trim_ascii();
            if !value.is_empty() {
                tags.insert(name, String::from_utf8_lossy(value).into_owned());
            }
        }
        if tags.is_empty() { Vec::new() } else { serde_json::to_vec(&tags).unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cost::focus::Focus;

    const HEADER: &str = "bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/LineItemType,lineItem/UsageStartDate,\
                          lineItem/UsageEndDate,lineItem/UnblendedCost,lineItem/CurrencyCode,reservation/EffectiveCost,\
                          savingsPlan/TotalCommitmentToDate,savingsPlan/UsedCommitment,resourceTags/user:Team";

    fn amounts(header: &str, kind: &str) -> (String, String, Option<String>) {
        let cur = Cur::of(&header.split(',').collect::<Vec<_>>().into()).unwrap();
        let cells = format!(
            "1,2026-10-01T00:00:00Z,{kind},2026-10-02T00:00:00Z,2026-10-02T01:00:00Z,0.50,USD,0.31,2.00,1.75,orders"
        );
        let mut out = ByteRecord::new();
        cur.row(&cells.split(',').collect::<Vec<_>>().into(), &mut out).unwrap();
        let focus = Focus::of(&Cur::header()).unwrap();
        let row = focus.row(&out).unwrap();
        let (charge, warning) = focus.charge(&out);
        assert_eq!((warning, focus.bill(&out).unwrap().period.as_str()), (None, "2026-10-01"));
        (row.line.billed.to_string(), row.line.effective.to_string(), charge.tag("team").map(str::to_owned))
    }

    #[test]
    fn a_report_is_read_as_focus() {
        let orders = Some("orders".to_owned());
        assert_eq!(amounts(HEADER, "Usage"), ("0.50".into(), "0.50".into(), orders.clone()));
        assert_eq!(amounts(HEADER, "DiscountedUsage"), ("0.50".into(), "0.31".into(), orders.clone()));
        assert_eq!(amounts(HEADER, "SavingsPlanRecurringFee"), ("0.50".into(), "0.25".into(), orders.clone()));
        assert_eq!(amounts(HEADER, "SavingsPlanNegation").1, "0");
        // the names of version 2.0
        let second = "bill_payer_account_id,bill_billing_period_start_date,line_item_line_item_type,\
                      line_item_usage_start_date,line_item_usage_end_date,line_item_unblended_cost,\
                      line_item_currency_code,reservation_effective_cost,savings_plan_total_commitment_to_date,\
                      savings_plan_used_commitment,resource_tags_user_team";
        assert_eq!(amounts(second, "DiscountedUsage"), ("0.50".into(), "0.31".into(), orders));
    }

    #[test]
    fn what_is_no_report_is_none() {
        assert!(Cur::of(&vec!["BilledCost", "EffectiveCost"].into()).is_none());
        assert!(Cur::of(&vec!["lineItem/UnblendedCost"].into()).is_none());
    }
}
