//! A report as one HTML page: no script, no font, nothing from elsewhere; bars are inline SVG.

use std::fmt::Write as _;

use super::{Group, Report, UNALLOCATED};
use crate::domain::money::{Money, grouped};

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p.basis{color:#5b6675;margin:.25rem 0 1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .5rem;border-bottom:1px solid #e3e7ec}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.bar{width:30%}\
tr.warn td{background:#fff6e5}tr.sum td{font-weight:600}code{font-size:.85em;background:#f2f4f7;padding:.1rem .3rem}\
@media(prefers-color-scheme:dark){body{background:#14181f;color:#dde3ea}th,td{border-color:#2c3440}\
tr.warn td{background:#3a2f14}code{background:#222a35}}";

/// Writes a report as a page that opens anywhere.
#[must_use]
pub fn html(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut out, report);
    out
}

fn write(out: &mut String, report: &Report) -> std::fmt::Result {
    let title = format!("Costs of {}", escape(&report.period));
    write!(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
    write!(out, "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n")?;
    write!(out, "<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n")?;
    let closed = if report.closed { ", closed" } else { "" };
    writeln!(
        out,
        "<p class=\"basis\">{} to before {}{closed}. {}.</p>",
        report.from,
        report.to,
        escape(&report.basis)
    )?;
    for (dimension, value) in &report.only {
        writeln!(out, "<p>Only {}: {}</p>", escape(dimension), escape(value))?;
    }
    if !report.unallocated.is_empty() {
        out.push_str("<h2>Unallocated</h2>\n<table>\n<tr><th>Service</th><th>Why</th><th class=\"n\">Billed</th>");
        out.push_str("<th>What would fix it</th></tr>\n");
        for entry in &report.unallocated {
            let (service, why) = (escape(&entry.service), escape(&entry.why));
            let (billed, fix) = (money(&entry.amounts.billed), escape(&entry.fix));
            writeln!(
                out,
                "<tr class=\"warn\"><td>{service}</td><td>{why}</td><td class=\"n\">{billed}</td><td><code>{fix}</code></td></tr>"
            )?;
        }
        out.push_str("</table>\n");
    }
    out.push_str(
        "<h2>By kind</h2>\n<table>\n<tr><th>Kind</th><th class=\"n\">Billed</th><th class=\"n\">Effective</th></tr>\n",
    );
    for (kind, amounts) in &report.kinds {
        let name = kind.replace('_', " ");
        let (billed, effective) = (money(&amounts.billed), money(&amounts.effective));
        writeln!(out, "<tr><td>{name}</td><td class=\"n\">{billed}</td><td class=\"n\">{effective}</td></tr>")?;
    }
    let (billed, effective) = (money(&report.total.billed), money(&report.total.effective));
    writeln!(
        out,
        "<tr class=\"sum\"><td>total</td><td class=\"n\">{billed}</td><td class=\"n\">{effective}</td></tr>"
    )?;
    out.push_str("</table>\n");
    if !report.groups.is_empty() {
        writeln!(out, "<h2>By {}</h2>\n<table>", escape(&report.by.join(", ")))?;
        out.push_str("<tr><th></th><th></th><th class=\"n\">Billed</th><th class=\"n\">Effective</th></tr>\n");
        levels(out, &report.groups, 0, largest(&report.groups))?;
        out.push_str("</table>\n");
    }
    if !report.chargeback.is_empty() {
        out.push_str("<h2>Chargeback</h2>\n<table>\n<tr><th>Team</th><th class=\"n\">Cost</th><th>Rates</th>");
        out.push_str("<th class=\"n\">Charged</th></tr>\n");
        for entry in &report.chargeback {
            let rates: Vec<String> =
                entry.rates.iter().map(|(name, added)| format!("{} {}", escape(name), money(added))).collect();
            let (team, cost, charged) = (escape(&entry.team), money(&entry.cost), money(&entry.charged));
            let rates = rates.join(", ");
            writeln!(
                out,
                "<tr><td>{team}</td><td class=\"n\">{cost}</td><td>{rates}</td><td class=\"n\">{charged}</td></tr>"
            )?;
        }
        out.push_str("</table>\n");
    }
    out.push_str("</body>\n</html>\n");
    Ok(())
}

fn largest(groups: &[Group]) -> f64 {
    groups.iter().map(|group| size(&group.amounts.effective)).fold(0.0, f64::max)
}

fn size(money: &Money) -> f64 {
    money.amount.unwrap_or_default().approximate().abs()
}

fn levels(out: &mut String, groups: &[Group], depth: usize, largest: f64) -> std::fmt::Result {
    for group in groups {
        let share =
            if largest > 0.0 { (size(&group.amounts.effective) / largest * 100.0).clamp(0.0, 100.0) } else { 0.0 };
        let nobody = depth == 0 && group.key == UNALLOCATED;
        let (class, colour) = if nobody { (" class=\"warn\"", "#d9822b") } else { ("", "#3b7dd8") };
        let (name, indent) = (escape(&group.key), depth * 2);
        let (billed, effective) = (money(&group.amounts.billed), money(&group.amounts.effective));
        writeln!(
            out,
            "<tr{class}><td style=\"padding-left:{indent}em\">{name}</td><td class=\"bar\"><svg width=\"100%\" \
             height=\"12\" role=\"img\" aria-label=\"{share:.0} % of the largest\"><rect width=\"{share:.2}%\" \
             height=\"12\" rx=\"2\" fill=\"{colour}\"/></svg></td><td class=\"n\">{billed}</td>\
             <td class=\"n\">{effective}</td></tr>"
        )?;
        levels(out, &group.groups, depth + 1, largest)?;
    }
    Ok(())
}

/// Writes an amount with every digit it has.
fn money(money: &Money) -> String {
    money.amount.map_or_else(|| "unknown".to_owned(), |amount| format!("{} {}", grouped(amount), money.currency))
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
