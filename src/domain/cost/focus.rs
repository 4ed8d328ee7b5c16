//! FOCUS: the columns of an export, and what one row of it says. Specification: <https://focus.finops.org>, 1.0 to 1.2.
//!
//! Rules where exports differ from the specification:
//! - an empty cell and the word `NULL` say the same: nothing;
//! - a date may stand without its `T`, without its time or without a zone (then it is UTC);
//! - tags that are no JSON object cost a warning and not the row: its money is billed all the same;
//! - columns that the specification does not know are left out.

use std::hash::{BuildHasher as _, Hasher as _};

use csv::ByteRecord;
use serde_json::Value;

use super::{Bill, BillLine, Charge, ChargeCategory};
use crate::domain::money::{Currency, Exact};

macro_rules! columns {
    ($( $name:ident ),* $(,)?) => {
        /// A column of FOCUS that is read.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Column { $( $name ),* }

        /// Every column that is read, in the order of [`Column`].
        const COLUMNS: &[&str] = &[ $( stringify!($name) ),* ];
    };
}

columns! {
    BilledCost, EffectiveCost, ListCost, ContractedCost,
    BillingCurrency, BillingPeriodStart, ChargePeriodStart, ChargePeriodEnd,
    ConsumedQuantity, PricingQuantity,
    ProviderName, BillingAccountId, BillingAccountName, SubAccountId, SubAccountName,
    ServiceName, ServiceCategory, ChargeCategory, ChargeClass, ChargeFrequency, ChargeDescription,
    RegionId, RegionName, ResourceId, ResourceName, ResourceType, SkuId, SkuPriceId, PricingCategory,
    PricingUnit, ConsumedUnit, ListUnitPrice, CommitmentDiscountId, CommitmentDiscountStatus, InvoiceId, Tags,
}

/// Those without which nothing can be said.
const REQUIRED: &[Column] = &[
    Column::BilledCost,
    Column::EffectiveCost,
    Column::BillingCurrency,
    Column::BillingAccountId,
    Column::BillingPeriodStart,
    Column::ChargePeriodStart,
    Column::ChargeCategory,
    Column::ProviderName,
];

/// The first column that belongs to the charge and not to the line.
const CHARGE: usize = Column::ProviderName as usize;

/// A file whose header is none of FOCUS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no FOCUS export: it has no column {}", .missing.join(", "))]
pub struct WrongColumns {
    /// The columns it lacks.
    pub missing: Vec<&'static str>,
    /// What to do.
    pub hint: String,
}

/// Where each column stands in one file.
#[derive(Debug, Clone)]
pub struct Focus {
    at: Vec<Option<usize>>,
    seeds: [foldhash::quality::FixedState; 2],
}

/// What one row says, apart from its charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The day of the charge, counted from 1970-01-01 (UTC).
    pub day: i32,
    /// The line.
    pub line: BillLine,
    /// A hash over everything that makes the charge, the same for two rows of one charge.
    pub charge: u128,
}

impl Focus {
    /// Finds the columns in a header.
    ///
    /// # Errors
    ///
    /// [`WrongColumns`] where one is missing without which nothing can be said.
    pub fn of(header: &ByteRecord) -> Result<Self, WrongColumns> {
        let names: Vec<String> = header
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim_matches(['\u{feff}', ' ']).to_owned())
            .collect();
        let find = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
        let at: Vec<Option<usize>> = COLUMNS.iter().map(|name| find(name)).collect();
        let missing: Vec<&str> =
            REQUIRED.iter().filter(|c| at[**c as usize].is_none()).map(|c| COLUMNS[*c as usize]).collect();
        if missing.is_empty() {
            let seeds = [0x7465_7272, 0x6163_6521].map(foldhash::quality::FixedState::with_seed);
            return Ok(Self { at, seeds });
        }
        let first = names.first().cloned().unwrap_or_default();
        let cur = |name: &String| name.starts_with("lineItem/") || name.starts_with("line_item_");
        let hint = if names.iter().any(cur) {
            "it looks like an AWS Cost and Usage Report, and lacks bill/PayerAccountId, lineItem/LineItemType, \
             lineItem/UsageStartDate or lineItem/UnblendedCost"
        } else if names.len() == 1 && (first.contains(';') || first.contains('\t')) {
            "cells must be parted by commas"
        } else {
            "the first line must name the columns of FOCUS 1.0, 1.1 or 1.2, such as BilledCost and ChargePeriodStart"
        };
        Err(WrongColumns { missing, hint: hint.to_owned() })
    }

    /// Returns a cell; `None` where it is empty or `NULL`.
    fn cell<'r>(&self, record: &'r ByteRecord, column: Column) -> Option<&'r [u8]> {
        let cell = record.get(self.at[column as usize]?)?.trim_ascii();
        (!cell.is_empty() && !cell.eq_ignore_ascii_case(b"NULL")).then_some(cell)
    }

    fn text(&self, record: &ByteRecord, column: Column) -> Option<String> {
        self.cell(record, column).map(|cell| String::from_utf8_lossy(cell).into_owned())
    }

    fn needed<'r>(&self, record: &'r ByteRecord, column: Column) -> Result<&'r str, String> {
        let cell = self.cell(record, column).ok_or_else(|| format!("{} is empty", COLUMNS[column as usize]))?;
        std::str::from_utf8(cell).map_err(|_| format!("{} is not UTF-8", COLUMNS[column as usize]))
    }

    fn amount(&self, record: &ByteRecord, column: Column) -> Result<Option<Exact>, String> {
        let Some(cell) = self.cell(record, column) else { return Ok(None) };
        let text = std::str::from_utf8(cell).map_err(|_| format!("{} is not UTF-8", COLUMNS[column as usize]))?;
        text.parse().map(Some).map_err(|error| format!("{}: {error}", COLUMNS[column as usize]))
    }

    fn time(&self, record: &ByteRecord, column: Column) -> Result<(i32, u32), String> {
        let text = self.needed(record, column)?;
        time(text).ok_or_else(|| format!("{}: '{}' is no date", COLUMNS[column as usize], short(text)))
    }

    /// Reads time, amounts and the hash of the charge.
    ///
    /// # Errors
    ///
    /// Why the row cannot be taken, in one sentence.
    pub fn row(&self, record: &ByteRecord) -> Result<Row, String> {
        let billed = self.amount(record, Column::BilledCost)?.ok_or("BilledCost is empty")?;
        let effective = self.amount(record, Column::EffectiveCost)?.ok_or("EffectiveCost is empty")?;
        let (day, start) = self.time(record, Column::ChargePeriodStart)?;
        let seconds = match self.cell(record, Column::ChargePeriodEnd) {
            None => 0,
            Some(_) => {
                let (end_day, end) = self.time(record, Column::ChargePeriodEnd)?;
                let seconds = (i64::from(end_day) - i64::from(day)) * 86_400 + i64::from(end) - i64::from(start);
                u64::try_from(seconds).map_err(|_| "ChargePeriodEnd is before ChargePeriodStart")?
            }
        };
        self.category(record)?;
        let consumed = self.amount(record, Column::ConsumedQuantity)?;
        let quantity = match consumed {
            Some(quantity) => Some(quantity),
            None => self.amount(record, Column::PricingQuantity)?,
        };
        let (list, contracted) = (self.amount(record, Column::ListCost)?, self.amount(record, Column::ContractedCost)?);
        let mut hashers = [self.seeds[0].build_hasher(), self.seeds[1].build_hasher()];
        for at in &self.at[CHARGE..] {
            let cell = at.and_then(|at| record.get(at)).unwrap_or_default();
            for hasher in &mut hashers {
                hasher.write(cell);
                hasher.write_u8(0xff);
            }
        }
        for hasher in &mut hashers {
            hasher.write_u8(u8::from(consumed.is_some()));
        }
        let charge = u128::from(hashers[0].finish()) << 64 | u128::from(hashers[1].finish());
        Ok(Row { day, line: BillLine { start, seconds, billed, effective, list, contracted, quantity }, charge })
    }

    /// Returns the raw cells that name the bill, so that rows of one bill are known without reading them each time.
    #[must_use]
    pub fn bill_cells<'r>(&self, record: &'r ByteRecord) -> [&'r [u8]; 4] {
        [Column::ProviderName, Column::BillingAccountId, Column::BillingPeriodStart, Column::BillingCurrency]
            .map(|column| self.cell(record, column).unwrap_or_default())
    }

    /// Reads the bill that a row belongs to.
    ///
    /// # Errors
    ///
    /// Why there is none, in one sentence.
    pub fn bill(&self, record: &ByteRecord) -> Result<Bill, String> {
        let (day, _) = self.time(record, Column::BillingPeriodStart)?;
        let currency = self.needed(record, Column::BillingCurrency)?.parse::<Currency>()?;
        Ok(Bill {
            provider: self.needed(record, Column::ProviderName)?.to_owned(),
            account: self.text(record, Column::BillingAccountId).unwrap_or_default(),
            period: date_of(day).to_string(),
            currency,
        })
    }

    fn category(&self, record: &ByteRecord) -> Result<ChargeCategory, String> {
        let text = self.needed(record, Column::ChargeCategory)?;
        let names = [
            ("usage", ChargeCategory::Usage),
            ("purchase", ChargeCategory::Purchase),
            ("tax", ChargeCategory::Tax),
            ("credit", ChargeCategory::Credit),
            ("adjustment", ChargeCategory::Adjustment),
        ];
        let found = names.iter().find(|(name, _)| text.eq_ignore_ascii_case(name));
        found.map(|(_, category)| *category).ok_or_else(|| {
            format!("ChargeCategory: '{}' is none of Usage, Purchase, Tax, Credit, Adjustment", short(text))
        })
    }

    /// Reads the charge of a row, with a warning where its tags cannot be read.
    #[must_use]
    pub fn charge(&self, record: &ByteRecord) -> (Charge, Option<String>) {
        use Column as C;
        let text = |column| self.text(record, column);
        let (tags, warning) = match self.cell(record, C::Tags).map(tags) {
            None => (Default::default(), None),
            Some(Some(tags)) => (tags, None),
            Some(None) => {
                (Default::default(), Some("Tags is no JSON object of text; the row is taken without tags".to_owned()))
            }
        };
        let consumed = self.cell(record, C::ConsumedQuantity).is_some();
        let charge = Charge {
            provider: text(C::ProviderName).unwrap_or_default(),
            account: text(C::BillingAccountId).unwrap_or_default(),
            account_name: text(C::BillingAccountName),
            sub_account: text(C::SubAccountId),
            sub_account_name: text(C::SubAccountName),
            service: text(C::ServiceName),
            service_category: text(C::ServiceCategory),
            category: self.category(record).unwrap_or_default(),
            class: text(C::ChargeClass),
            frequency: text(C::ChargeFrequency),
            description: text(C::ChargeDescription),
            region: text(C::RegionId).or_else(|| text(C::RegionName)),
            resource: text(C::ResourceId),
            resource_name: text(C::ResourceName),
            resource_type: text(C::ResourceType),
            sku: text(C::SkuId),
            sku_price: text(C::SkuPriceId),
            pricing_category: text(C::PricingCategory),
            unit: text(if consumed { C::ConsumedUnit } else { C::PricingUnit }),
            list_price: text(C::ListUnitPrice),
            commitment: text(C::CommitmentDiscountId),
            commitment_status: text(C::CommitmentDiscountStatus),
            invoice: text(C::InvoiceId),
            tags,
        };
        (charge, warning)
    }
}

/// Reads a cell of tags: a JSON object whose values are text, numbers, booleans or null.
fn tags(cell: &[u8]) -> Option<std::collections::BTreeMap<String, String>> {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(cell) else { return None };
    let mut tags = std::collections::BTreeMap::new();
    for (key, value) in object {
        let text = match value {
            Value::String(text) => text,
            Value::Null => String::new(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => return None,
        };
        tags.insert(key, text);
    }
    Some(tags)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Returns the date of a day counted from 1970-01-01.
#[must_use]
pub fn date_of(day: i32) -> jiff::civil::Date {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.checked_add(jiff::Span::new().days(i64::from(day))).unwrap_or(epoch)
}

/// Counts the days from 1970-01-01 to a date.
#[must_use]
pub fn day_of(date: jiff::civil::Date) -> i32 {
    // Counting from March puts the leap day at the end of a year.
    let (year, month, day) = (i32::from(date.year()), i32::from(date.month()), i32::from(date.day()));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Reads `2024-09-01`, `2024-09-01 00:00:00`, `2024-09-01T00:00Z`, `2024-09-01T02:00:00+02:00`: day and second, UTC.
fn time(text: &str) -> Option<(i32, u32)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0i16, |n, byte| byte.is_ascii_digit().then(|| n * 10 + i16::from(byte - b'0')))
    };
    let small = |from, to| number(from, to).and_then(|n| i8::try_from(n).ok());
    if bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let day = day_of(jiff::civil::Date::new(number(0, 4)?, small(5, 7)?, small(8, 10)?).ok()?);
    let rest = bytes[10..].strip_suffix(b"Z").unwrap_or(&bytes[10..]);
    let (hour, minute, second) = match rest.len() {
        0 => return Some((day, 0)),
        6 => (small(11, 13)?, small(14, 16)?, 0),
        9 => (small(11, 13)?, small(14, 16)?, small(17, 19)?),
        _ => return with_zone(text),
    };
    let right = matches!(rest[0], b'T' | b' ') && rest[3] == b':' && rest.get(6).is_none_or(|colon| *colon == b':');
    let time = jiff::civil::Time::new(hour, minute, second, 0).ok().filter(|_| right)?;
    let seconds = i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60 + i32::from(time.second());
    Some((day, u32::try_from(seconds).ok()?))
}

fn with_zone(text: &str) -> Option<(i32, u32)> {
    let zoned = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse::<jiff::Timestamp>()).ok()?;
    let seconds = zoned.as_second();
    Some((i32::try_from(seconds.div_euclid(86_400)).ok()?, u32::try_from(seconds.rem_euclid(86_400)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn focus(header: &str) -> Result<Focus, WrongColumns> {
        Focus::of(&header.split(',').collect::<Vec<_>>().into())
    }

    const HEADER: &str = "BilledCost,EffectiveCost,BillingCurrency,BillingAccountId,BillingPeriodStart,\
                          ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ProviderName,Tags,ServiceName";

    fn read(cells: [&str; 11]) -> Result<(Row, Charge, Option<String>), String> {
        let focus = focus(HEADER).unwrap();
        let record = ByteRecord::from(cells.to_vec());
        let row = focus.row(&record)?;
        let (charge, warning) = focus.charge(&record);
        Ok((row, charge, warning))
    }

    const GOOD: [&str; 11] = [
        "0.10",
        "0.100000000000000000000000000001",
        "USD",
        "1",
        "2024-09-01 00:00:00",
        "2024-09-18 22:00:00",
        "2024-09-18T23:00:00Z",
        "Usage",
        "AWS",
        r#"{"team": "orders", "n": 7}"#,
        "NULL",
    ];

    #[test]
    fn a_row_keeps_its_digits_and_its_blemishes_do_no_harm() {
        let (row, charge, warning) = read(GOOD).unwrap();
        assert_eq!(row.line.effective.to_string(), "0.100000000000000000000000000001");
        assert_eq!((date_of(row.day).to_string().as_str(), row.line.start), ("2024-09-18", 22 * 3600));
        assert_eq!((row.line.seconds, charge.service, warning), (3600, None, None));
        assert_eq!((charge.tags["team"].as_str(), charge.tags["n"].as_str()), ("orders", "7"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_column() {
        for (at, cell, part) in [
            (0, "NULL", "BilledCost is empty"),
            (0, "1,5", "BilledCost: '1,5' is not a decimal number"),
            (1, "0.0000000000000000000000000000000000000001", "EffectiveCost: "),
            (5, "yesterday", "ChargePeriodStart: 'yesterday' is no date"),
            (5, "2024-02-30", "is no date"),
            (6, "2024-09-18", "ChargePeriodEnd is before ChargePeriodStart"),
            (7, "Gift", "ChargeCategory: 'Gift' is none of"),
        ] {
            let mut cells = GOOD;
            cells[at] = cell;
            let error = read(cells).unwrap_err();
            assert!(error.contains(part), "{cell}: {error}");
        }
    }

    #[test]
    fn tags_that_are_no_json_cost_a_warning_and_not_the_row() {
        let mut cells = GOOD;
        cells[9] = "team=orders";
        let (_, charge, warning) = read(cells).unwrap();
        assert!(charge.tags.is_empty() && warning.unwrap().starts_with("Tags is no JSON object"));
    }

    #[test]
    fn rows_of_one_charge_have_one_hash() {
        let mut other = GOOD;
        (other[0], other[5]) = ("5", "2024-09-17T01:00Z");
        assert_eq!(read(GOOD).unwrap().0.charge, read(other).unwrap().0.charge);
        other[9] = "{}";
        assert_ne!(read(GOOD).unwrap().0.charge, read(other).unwrap().0.charge);
    }

    #[test]
    fn wrong_columns_are_named() {
        let error = focus("a,b").unwrap_err();
        assert!(error.to_string().contains("it has no column BilledCost, EffectiveCost"), "{error}");
        let cur = focus("lineItem/UnblendedCost,bill/PayerAccountId").unwrap_err();
        assert!(cur.hint.contains("bill/PayerAccountId"));
        assert!(focus("BilledCost;EffectiveCost").unwrap_err().hint.contains("commas"));
    }

    #[test]
    fn dates_are_read_as_exports_write_them() {
        let at = |text: &str| time(text).map(|(day, second)| (date_of(day).to_string(), second));
        let same = Some(("2024-09-01".to_owned(), 3600));
        for text in [
            "2024-09-01 01:00:00",
            "2024-09-01T01:00:00Z",
            "2024-09-01T01:00Z",
            "2024-09-01T03:00:00+02:00",
            "2024-09-01T01:00:00.000Z",
            "2024-09-01 01:00:00.000",
        ] {
            assert_eq!(at(text), same, "{text}");
        }
        assert_eq!(at("2024-09-01"), Some(("2024-09-01".to_owned(), 0)));
        for text in ["", "2024", "2024-9-1", "2024-13-01", "2024-09-01X01:00:00", "2024-09-01 25:00:00", "🦀🦀🦀🦀"]
        {
            assert_eq!(at(text), None, "{text}");
        }
        for day in [-719_468, -1, 0, 1, 59, 60, 11_016, 20_000, 100_000] {
            assert_eq!(day_of(date_of(day)), day);
        }
    }
}
