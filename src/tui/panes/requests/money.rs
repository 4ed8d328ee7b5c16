//! Money on the screen: what something adds a month, and what that leaves of a budget.

use jiff::civil::Date;

use crate::domain::budget::{Figures, Level, level};
use crate::domain::money::{Exact, Money, grouped};
use crate::domain::period::PeriodKind;
use crate::domain::request::Price;
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, Row, piece};

use super::columns::wrapped;

/// Writes an amount short enough for a column: `$913.20`, `12.00 EUR`, `≥ $3.00`, `unknown`.
#[must_use]
pub fn amount(money: &Money) -> String {
    let Some(exact) = money.amount else { return "unknown".into() };
    let least = if money.unknown.is_empty() { "" } else { "≥ " };
    format!("{least}{}", plain(exact, money))
}

fn plain(exact: Exact, money: &Money) -> String {
    let digits = grouped(exact.rounded(2));
    match money.currency.code() {
        "USD" => match digits.strip_prefix('-') {
            Some(digits) => format!("-${digits}"),
            None => format!("${digits}"),
        },
        code => format!("{digits} {code}"),
    }
}

/// Writes a difference: `+$913.20`, `-$5.00`, `±$0.00`, `≥ +$3.00`, `unknown`.
#[must_use]
pub fn delta(money: &Money) -> String {
    let Some(exact) = money.amount else { return "unknown".into() };
    let least = if money.unknown.is_empty() { "" } else { "≥ " };
    let sign = match (exact.is_negative(), exact.is_zero()) {
        (true, _) => "",
        (false, true) => "±",
        (false, false) => "+",
    };
    format!("{least}{sign}{}", plain(exact, money))
}

/// Returns what a request costs: the difference first, then from what to what, then each part that is not known.
#[must_use]
pub fn price(price: Option<&Price>, unknown: &[String], columns: usize) -> Vec<Row> {
    let Some(price) = price else {
        let mut rows = vec![Row::of(vec![
            piece("Price  ", Meaning::Strong),
            if unknown.is_empty() {
                piece("nothing is priced", Meaning::Dim)
            } else {
                piece("unknown", Meaning::Unknown)
            },
        ])];
        rows.extend(unknown.iter().flat_map(|why| wrapped("  ? ", why, Meaning::Unknown, columns)));
        return rows;
    };
    let meaning = if price.is_known() { Meaning::Value } else { Meaning::Warning };
    let mut rows = vec![
        Row::of(vec![piece("Price  ", Meaning::Strong), piece(format!("{} a month", delta(&price.delta)), meaning)])
            .copied(price.delta.to_string()),
        Row::text(format!("  from {} to {}", amount(&price.before), amount(&price.after)), Meaning::Dim),
    ];
    let reasons = if unknown.is_empty() { &price.after.unknown } else { unknown };
    for why in reasons.iter().take(4) {
        rows.extend(wrapped("  ? ", why, Meaning::Unknown, columns));
    }
    if reasons.len() > 4 {
        rows.push(Row::text(format!("  ? and {} more without a price", reasons.len() - 4), Meaning::Unknown));
    }
    rows
}

/// Returns what a team's budgets look like with so much more a month.
#[must_use]
pub fn budgets(app: &App, team: &str, added: Option<&Money>, columns: usize) -> Vec<Row> {
    let Some(card) = &app.budgets.list.value else { return Vec::new() };
    let own = card.budgets.iter().filter(|figures| figures.budget.team == team);
    let today = app.now.to_zoned(app.zone.clone()).date();
    own.flat_map(|figures| budget(figures, added, today, columns)).collect()
}

/// Returns where the month would end with so much more a month from today on; `None` where that is not known.
fn month_end(figures: &Figures, added: &Money, today: Date) -> Option<[Exact; 2]> {
    let (end, more) = (figures.forecast.amount?, added.amount?);
    if figures.budget.period != PeriodKind::Month || added.currency != figures.forecast.currency || more.is_zero() {
        return None;
    }
    let (past, days) = (i128::from(today.day()) - 1, i128::from(today.days_in_month()));
    let rest = more.share(&[Exact::new(days - past, 0)?, Exact::new(past, 0)?]).first().copied()?;
    Some([end, end.checked_add(rest)?])
}

fn budget(figures: &Figures, added: Option<&Money>, today: Date, columns: usize) -> Vec<Row> {
    let whole = &figures.budget.amount;
    let promised = Exact::sum([figures.committed.amount, figures.reserved.amount].into_iter().flatten());
    let promised = promised.unwrap_or_default();
    let mut rows = vec![
        Row::of(vec![
            piece(format!("Budget {}  ", figures.budget.name), Meaning::Strong),
            piece(format!("{} of {}", plain(promised, whole), amount(whole)), Meaning::Text),
        ])
        .right(bar(promised, whole, columns))
        .copied(format!("terrace budget show '{}'", figures.budget.name)),
    ];
    let Some(added) = added else { return rows };
    let months = i128::from(figures.budget.period.months());
    let this = added.amount.and_then(|exact| Exact::new(exact.mantissa().checked_mul(months)?, exact.scale()));
    let after = this.and_then(|this| promised.checked_add(this)).filter(|_| added.currency == whole.currency);
    let Some(after) = after else {
        rows.push(Row::text("  after this unknown", Meaning::Unknown));
        return rows;
    };
    let saves = added.unknown.is_empty() && added.amount.is_some_and(Exact::is_negative);
    let (sign, meaning, words) = match level(&figures.budget, after) {
        _ if saves => ("✓", Meaning::Done, ""),
        Level::Ok => ("✓", Meaning::Done, ""),
        Level::Warn => ("⚠", Meaning::Warning, " near its end"),
        Level::Approve => ("⚠", Meaning::Warning, " needs an approval"),
        Level::Refuse => ("✗", Meaning::Failed, " is refused"),
    };
    let over = whole.amount.and_then(|whole| after.checked_sub(whole)).filter(|over| !over.is_negative());
    let over = over.filter(|over| !over.is_zero()).map(|over| format!(" over by {}", plain(over, whole)));
    let least = if added.unknown.is_empty() { "" } else { "at least " };
    rows.push(Row::of(vec![
        piece(format!("  after this {least}{} ", plain(after, whole)), Meaning::Text),
        piece(format!("{sign}{}{words}", over.unwrap_or_default()), meaning),
    ]));
    if let Some([end, with]) = month_end(figures, added, today) {
        let past = whole.amount.is_some_and(|whole| with > whole);
        let meaning = if past { Meaning::Warning } else { Meaning::Text };
        let (end, with) = (plain(end, whole), plain(with, whole));
        rows.push(Row::text(format!("  the month ends at {end}, with this {with}"), meaning));
    }
    rows
}

fn bar(promised: Exact, whole: &Money, columns: usize) -> Vec<Piece> {
    const CELLS: u32 = 10;
    if columns < 40 {
        return Vec::new();
    }
    let (part, whole) = (promised.approximate(), whole.amount.unwrap_or_default().approximate());
    let share = if whole > 0.0 { (part / whole).clamp(0.0, 1.0) } else { 1.0 };
    let full = (0..CELLS).filter(|cell| (f64::from(*cell) + 0.5) / f64::from(CELLS) < share).count();
    vec![piece("▓".repeat(full), Meaning::Text), piece("░".repeat(CELLS as usize - full), Meaning::Dim)]
}

/// Writes a price for the right edge of a list: `$310`, `≥ $3`, `?` where nothing is known.
#[must_use]
pub fn short(money: &Money) -> String {
    let Some(exact) = money.amount else { return "?".into() };
    let least = if money.unknown.is_empty() { "" } else { "≥" };
    let text = plain(exact.rounded(0), money).replace(".00", "");
    format!("{least}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::Currency;

    #[test]
    fn the_month_ends_with_what_comes_from_today_on() {
        let money = |amount: &str| serde_json::json!({"amount": amount, "currency": "USD"});
        let mut figures: Figures = serde_json::from_value(serde_json::json!({
            "budget": {"name": "orders", "team": "orders", "amount": money("4000.00"), "period": "month", "fiscal_start": 1,
                "thresholds": {}, "stacks": [], "components": [], "tags": {}, "owner": null},
            "period": "2026-11", "committed": money("0.00"), "reserved": money("0.00"), "actual": money("2600.00"),
            "billed": money("2600.00"), "forecast": money("3900.00"), "unpriced": 0, "promised_percent": "0.0",
            "level": "ok"}))
        .unwrap();
        let added = Money::known("300".parse().unwrap(), Currency::usd());
        let rows = |figures: &Figures, day| {
            let rows = budget(figures, Some(&added), Date::constant(2026, 11, day), 60);
            rows.iter().map(Row::plain).collect::<Vec<_>>().join("\n")
        };
        // ten of thirty days are left
        assert!(
            rows(&figures, 21).contains("the month ends at $3,900.00, with this $4,000.00"),
            "{}",
            rows(&figures, 21)
        );
        assert!(rows(&figures, 1).contains("with this $4,200.00"));
        figures.forecast = Money::unknown("less than a week of bills", Currency::usd());
        assert!(!rows(&figures, 21).contains("the month ends"), "a forecast that is not known says nothing");
    }

    #[test]
    fn amounts_say_what_they_are_and_never_hide_what_is_unknown() {
        let usd = |text: &str| Money::known(text.parse().unwrap(), Currency::usd());
        assert_eq!(amount(&usd("1913.2")), "$1,913.20");
        assert_eq!(delta(&usd("913.2")), "+$913.20");
        assert_eq!(delta(&usd("-5")), "-$5.00");
        assert_eq!(delta(&usd("0")), "±$0.00");
        assert_eq!(short(&usd("309.99")), "$310");
        let least = Money { unknown: vec!["requests".into()], ..usd("3") };
        assert_eq!(
            (amount(&least).as_str(), delta(&least).as_str(), short(&least).as_str()),
            ("≥ $3.00", "≥ +$3.00", "≥$3")
        );
        let unknown = Money::unknown("no price", Currency::usd());
        assert_eq!((amount(&unknown).as_str(), short(&unknown).as_str()), ("unknown", "?"));
    }
}
