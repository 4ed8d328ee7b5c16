//! The rows of the list: what nobody pays for, a bar for each budget, what could be saved.
//!
//! Amounts are never cut where there is any way not to: the bar and the names give way first, then the interval.

use crate::domain::budget::{Figures, Level};
use crate::domain::money::{Exact, Money, grouped};
use crate::domain::recommend::Recommendation;
use crate::domain::showback::UNALLOCATED;
use crate::tui::app::App;
use crate::tui::message::BudgetCard;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, Row, piece};
use crate::tui::widgets::text;

use super::{Item, is_open};

/// The fewest and the most cells of a bar.
const BAR: (usize, usize) = (6, 24);
/// The fewest and the most columns of a name.
const NAME: (usize, usize) = (11, 20);

/// How wide the parts of a row are: the same for all, so that they stand below each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    name: usize,
    bar: usize,
    spent: usize,
    interval: bool,
}

impl Columns {
    /// Divides so many columns among the parts.
    fn of(card: &BudgetCard, width: usize) -> Self {
        let most = |part: &dyn Fn(&Figures) -> usize| card.budgets.iter().map(part).max().unwrap_or_default();
        let name = most(&|one| text::width(&one.budget.name)).clamp(NAME.0, NAME.1);
        let spent = most(&|one| text::width(&spent(card, one)));
        let left = |interval: bool| {
            // a space after name and bar, one before what is ahead, and its sign
            let ahead = most(&|one| text::width(&ahead(one, interval)));
            width.saturating_sub(spent + ahead + 5)
        };
        let interval = left(true) >= name.min(12) + BAR.0;
        let left = left(interval);
        // Two more cells say more than the end of a name, where the name is long enough.
        let name = name.min(left.saturating_sub(BAR.0 + 2).max(NAME.0)).min(left.saturating_sub(BAR.0)).max(4);
        Columns { name, bar: left.saturating_sub(name).min(BAR.1), spent, interval }
    }
}

/// Returns what stands above the list: the month, and the currency of what does not say its own.
#[must_use]
pub fn title(app: &App) -> String {
    match &app.budgets.list.value {
        Some(card) => format!("Budgets {} · {}", card.report.period, card.report.currency),
        None => "Budgets".to_owned(),
    }
}

/// Returns what makes the rows of the list, for so many columns.
pub fn rows(app: &App, width: u16) -> impl Fn(usize) -> Row {
    let card = app.budgets.list.value.as_ref().map(|card| (card, Columns::of(card, usize::from(width))));
    move |at| {
        let (Some(item), Some((card, columns))) = (app.budgets.items.get(at), card) else { return Row::default() };
        match item {
            Item::Budget(at) => card.budgets.get(*at).map(|one| budget(card, one, columns)).unwrap_or_default(),
            Item::Unallocated => unallocated(card, columns),
            Item::Savings => savings(app, card, columns),
        }
    }
}

fn named(name: &str, columns: Columns) -> Piece {
    let name = text::clip(name, columns.name);
    piece(format!("{name}{} ", " ".repeat(columns.name.saturating_sub(text::width(&name)))), Meaning::Strong)
}

fn budget(card: &BudgetCard, figures: &Figures, columns: Columns) -> Row {
    let (sign, meaning) = mark(figures.level);
    let mut left = vec![named(&figures.budget.name, columns)];
    left.extend(bar(figures, columns.bar));
    left.push(piece(format!(" {:>1$}", spent(card, figures), columns.spent), Meaning::Text));
    let ahead = format!("{} ", ahead(figures, columns.interval));
    Row::of(left)
        .right(vec![piece(ahead, Meaning::Text), piece(sign, meaning)])
        .copied(format!("terrace budget show '{}'", figures.budget.name))
}

fn unallocated(card: &BudgetCard, columns: Columns) -> Row {
    let sum = card.report.groups.iter().find(|group| group.key == UNALLOCATED);
    let (amount, meaning) = match sum {
        Some(group) => (group.amounts.billed.to_string(), Meaning::Warning),
        None => ("nothing".to_owned(), Meaning::Dim),
    };
    let share = sum.and_then(|group| {
        let (part, whole) = (group.amounts.billed.amount?, card.report.total.billed.amount?);
        crate::domain::budget::percent(part, whole)
    });
    let share = share.map_or_else(String::new, |share| format!(" ({share} %)"));
    Row::of(vec![named(UNALLOCATED, columns), piece(format!("{amount}{share}"), meaning)])
        .copied(format!("terrace budget report --period {} --only team=unallocated", card.report.period))
}

fn savings(app: &App, card: &BudgetCard, columns: Columns) -> Row {
    let open: Vec<&Recommendation> = card.recommendations.iter().filter(|one| is_open(app, one)).collect();
    let currency = open.first().map(|one| one.saving.currency.clone());
    let same = open.iter().filter(|one| Some(&one.saving.currency) == currency.as_ref());
    let sum = Exact::sum(same.filter_map(|one| one.saving.amount)).unwrap_or_default();
    let words = match currency {
        None => "nothing found".to_owned(),
        Some(currency) => {
            // Two of one instance save less together than each by itself.
            let most = if open.len() > 1 { "up to " } else { "" };
            format!("{most}{} {currency} a month: {}", grouped(sum.rounded(0)), text::count(open.len(), "suggestion"))
        }
    };
    Row::of(vec![named("to save", columns), piece(words, Meaning::Text)]).copied("terrace recommend list")
}

/// Writes what was spent of what may be; the currency stands beside it where it is not that of the view.
fn spent(card: &BudgetCard, figures: &Figures) -> String {
    let amount = &figures.budget.amount;
    let other = amount.currency != card.report.currency;
    let currency = if other { format!(" {}", amount.currency) } else { String::new() };
    format!("{} of {}{currency}", short(&figures.actual), short(amount))
}

/// Writes where the period will end, with the interval around it where there is room.
fn ahead(figures: &Figures, interval: bool) -> String {
    let Some([_, high]) = &figures.interval else { return String::new() };
    let half = high.amount.zip(figures.forecast.amount).and_then(|(high, end)| high.checked_sub(end));
    let around = half.filter(|_| interval).map_or_else(String::new, |half| format!(" ±{}", grouped(half.rounded(0))));
    format!("→ {}{around}", short(&figures.forecast))
}

fn short(money: &Money) -> String {
    money.amount.map_or_else(|| "unknown".to_owned(), |amount| grouped(amount.rounded(0)))
}

fn mark(level: Level) -> (&'static str, Meaning) {
    match level {
        Level::Ok => ("✓", Meaning::Done),
        Level::Warn => ("⚠", Meaning::Warning),
        Level::Approve | Level::Refuse => ("✗", Meaning::Failed),
    }
}

/// Draws the bar of a budget: what is billed, what is promised beyond it, what is free.
fn bar(figures: &Figures, cells: usize) -> Vec<Piece> {
    let size = |money: &Money| money.amount.unwrap_or_default().approximate().max(0.0);
    let whole = size(&figures.budget.amount);
    let promised = size(&figures.committed) + size(&figures.reserved);
    let count = u32::try_from(cells).unwrap_or(u32::MAX);
    let filled = |amount: f64| {
        if whole <= 0.0 {
            return if amount > 0.0 { cells } else { 0 };
        }
        let share = (amount / whole).clamp(0.0, 1.0);
        (0..count).filter(|cell| (f64::from(*cell) + 0.5) / f64::from(count) < share).count()
    };
    let actual = filled(size(&figures.actual));
    let ahead = filled(promised).max(actual) - actual;
    let (_, meaning) = mark(figures.level);
    vec![
        piece("▓".repeat(actual), meaning),
        piece("▒".repeat(ahead), Meaning::Text),
        piece("░".repeat(cells - actual - ahead), Meaning::Dim),
    ]
}
