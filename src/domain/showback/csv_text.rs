//! A report as CSV: one row a leaf and kind, so that its column adds up to the bill.

use super::{Group, NONE, Report};
use crate::domain::money::{Exact, Money};

/// Writes a report as CSV: the columns of `by`, then `kind`, `billed_cost`, `effective_cost`, `currency`.
///
/// Each leaf has a row for its usage and one for each other kind; both columns add up to the report's total.
#[must_use]
pub fn csv(report: &Report) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = report.by.clone();
    header.extend(["kind", "billed_cost", "effective_cost", "currency"].map(str::to_owned));
    let mut rows = vec![header];
    if report.by.is_empty() {
        for (kind, amounts) in &report.kinds {
            rows.push(row(&[], kind, amount(&amounts.billed), amount(&amounts.effective), report));
        }
    }
    let mut path = Vec::new();
    leaves(&report.groups, &mut path, report, &mut rows);
    for row in rows {
        // Writing to memory does not fail.
        drop(writer.write_record(row));
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn leaves(groups: &[Group], path: &mut Vec<String>, report: &Report, rows: &mut Vec<Vec<String>>) {
    for group in groups {
        path.push(group.key.clone());
        if group.groups.is_empty() {
            let (mut billed, mut effective) = (amount(&group.amounts.billed), amount(&group.amounts.effective));
            let mut others = Vec::new();
            for (kind, amounts) in &group.kinds {
                let (more_billed, more_effective) = (amount(&amounts.billed), amount(&amounts.effective));
                billed = billed.checked_sub(more_billed).unwrap_or(billed);
                effective = effective.checked_sub(more_effective).unwrap_or(effective);
                others.push(row(path, kind, more_billed, more_effective, report));
            }
            if others.is_empty() || !billed.is_zero() || !effective.is_zero() {
                rows.push(row(path, "usage", billed, effective, report));
            }
            rows.extend(others);
        } else {
            leaves(&group.groups, path, report, rows);
        }
        path.pop();
    }
}

fn amount(money: &Money) -> Exact {
    money.amount.unwrap_or_default()
}

fn row(path: &[String], kind: &str, billed: Exact, effective: Exact, report: &Report) -> Vec<String> {
    let mut cells: Vec<String> = path.iter().map(|cell| harmless(cell)).collect();
    cells.resize(report.by.len(), NONE.to_owned());
    cells.extend([kind.to_owned(), billed.to_string(), effective.to_string(), report.currency.to_string()]);
    cells
}

/// Keeps a spreadsheet from taking a name for a formula.
fn harmless(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}
