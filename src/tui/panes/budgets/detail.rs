//! What stands beside the list of budgets: the facts of the selection, or the level that one went down to.

use crate::domain::budget::{BudgetParts, Figures};
use crate::domain::estimate::{Estimate, ResourceEstimate};
use crate::domain::money::{Exact, Money, grouped};
use crate::domain::recommend::{Confidence, DecisionWord, Effort, Recommendation};
use crate::domain::showback::Report;
use crate::tui::app::App;
use crate::tui::message::{BudgetCard, Level, Look};
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, Row, piece};
use crate::tui::widgets::text;

use super::{Item, is_open, long};

/// How many headings stand above the rows of a level.
pub(super) const HEADINGS: usize = 2;
/// What stands before a text below an amount.
const BELOW: &str = "    ";
/// By what a bill is opened, outermost first; below the last stand its lines.
const WAY: [&str; 5] = ["team", "stack", "component", "resource", "charge"];

/// What opening a row does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    /// Nothing.
    Nothing,
    /// Goes down; what the step is called, and what it shows.
    Look(String, Look),
    /// It is a suggestion, by its place in the list.
    Suggestion(usize),
}

/// A row with what opening it does.
pub(super) struct Entry {
    pub(super) row: Row,
    pub(super) then: Then,
}

impl Entry {
    fn still(row: Row) -> Self {
        Entry { row, then: Then::Nothing }
    }
}

/// Returns the rows beside the list.
#[must_use]
pub fn rows(app: &App) -> Vec<Row> {
    entries(app).into_iter().map(|entry| entry.row).collect()
}

/// Returns the rows beside the list with what opening them does.
pub(super) fn entries(app: &App) -> Vec<Entry> {
    let (Some(item), Some(card)) = (app.budgets.selected(), &app.budgets.list.value) else { return Vec::new() };
    if let Some((_, look, _)) = app.budgets.way.last() {
        return level(app, look);
    }
    match item {
        Item::Budget(at) => card.budgets.get(at).map(|figures| budget(figures, card)).unwrap_or_default(),
        Item::Unallocated => unallocated(card, room(app)),
        Item::Savings => savings(app, card, room(app)),
    }
}

/// Returns how many columns the text of a row has that stands below an amount.
fn room(app: &App) -> usize {
    let pane = crate::tui::layout::panes(app).map_or(80, |panes| panes.detail.width);
    usize::from(pane).saturating_sub(3 + BELOW.len()).max(20)
}

/// Makes rows of a text that explains the row above it; each copies the same.
fn below(words: &str, room: usize, copy: Option<&str>) -> impl Iterator<Item = Row> {
    let lines = text::wrap(words, room);
    lines.into_iter().map(move |line| {
        let row = Row::text(format!("{BELOW}{line}"), Meaning::Dim);
        match copy {
            Some(copy) => row.copied(copy),
            None => row,
        }
    })
}

fn fact(name: &str, value: String) -> Row {
    Row::of(vec![piece(format!("{name:<12}"), Meaning::Name), piece(value.clone(), Meaning::Value)]).copied(value)
}

/// Makes a row with an amount on the left that leads on.
fn amount_row(amount: &str, name: impl Into<String>) -> Row {
    Row::of(vec![piece(format!("{amount:>14}  "), Meaning::Value), piece(name, Meaning::Text)])
        .right(vec![piece("›", Meaning::Dim)])
}

fn budget(figures: &Figures, card: &BudgetCard) -> Vec<Entry> {
    let one = &figures.budget;
    let period = card.report.period.clone();
    let parts = Then::Look("promised".to_owned(), Look::Parts(one.name.clone()));
    let bill = |name: &str, mut only: Vec<(&'static str, String)>| {
        only.insert(0, ("team", one.team.clone()));
        Then::Look(name.to_owned(), Look::Bill { period: period.clone(), only, by: "stack" })
    };
    let opens = |row: Row| row.right(vec![piece("›", Meaning::Dim)]);
    let mut found = vec![
        Entry::still(fact("team", one.team.clone())),
        Entry::still(fact("budget", format!("{} in {}", one.amount, figures.period))),
        Entry { row: opens(fact("committed", figures.committed.to_string())), then: parts.clone() },
        Entry { row: opens(fact("reserved", figures.reserved.to_string())), then: parts },
        Entry {
            row: opens(fact("actual", format!("{} effective, {} billed", figures.actual, figures.billed))),
            then: bill("billed", Vec::new()),
        },
        Entry::still(fact("forecast", figures.forecast.to_string())),
    ];
    if let Some([low, high]) = &figures.interval {
        found.push(Entry::still(fact("", format!("{} to {} four times out of five", long(low), long(high)))));
    }
    if let Some(method) = &figures.method {
        found.push(Entry::still(fact("", method.clone())));
    }
    if !figures.trend.is_empty() {
        let mut row = fact("each day", trend(&figures.trend));
        if let Some(percent) = change(&figures.trend) {
            let meaning = if percent > 10 { Meaning::Warning } else { Meaning::Dim };
            row.right = vec![piece(format!("{percent:+} % in a week"), meaning)];
        }
        found.push(Entry::still(row));
    }
    if figures.unpriced > 0 {
        found.push(Entry::still(fact("", format!("{} instances have no price", figures.unpriced))));
    }
    let Some(team) = card.report.groups.iter().find(|group| group.key == one.team) else { return found };
    found.push(Entry::still(Row::blank()));
    found.push(Entry::still(Row::head(format!("{} by service, billed", card.report.period))));
    for service in &team.groups {
        let command = format!(
            "terrace budget report --period {} --only 'team={}' --only 'service={}' --by stack,component,resource",
            card.report.period, one.team, service.key
        );
        found.push(Entry {
            row: amount_row(&long(&service.amounts.billed), service.key.clone()).copied(command),
            then: bill(&service.key, vec![("service", service.key.clone())]),
        });
    }
    found
}

/// Draws days as a line of bars.
fn trend(days: &[Exact]) -> String {
    let most = days.iter().map(|day| day.approximate()).fold(0.0, f64::max);
    let bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |day: &Exact| {
        let share = if most > 0.0 { day.approximate().max(0.0) / most } else { 0.0 };
        let eighth = bars.iter().zip(1u32..).find(|(_, at)| share * 8.0 <= f64::from(*at));
        eighth.map_or('█', |(bar, _)| *bar)
    };
    days.iter().map(bar).collect()
}

/// Returns by how many percent the last week differs from the one before.
fn change(days: &[Exact]) -> Option<i64> {
    let sum = |days: &[Exact]| Exact::sum(days.iter().copied());
    let last = days.len().checked_sub(7)?;
    let (before, after) = (sum(&days[last.checked_sub(7)?..last])?, sum(&days[last..])?);
    let share = crate::domain::budget::percent(after.checked_sub(before)?, before)?;
    i64::try_from(share.rounded(0).mantissa()).ok()
}

fn unallocated(card: &BudgetCard, room: usize) -> Vec<Entry> {
    let mut found = Vec::new();
    for entry in &card.report.unallocated {
        let only = vec![("team", crate::domain::showback::UNALLOCATED.to_owned()), ("service", entry.service.clone())];
        let look = Look::Bill { period: card.report.period.clone(), only, by: "resource" };
        found.push(Entry {
            row: amount_row(&long(&entry.amounts.billed), entry.service.clone()),
            then: Then::Look(entry.service.clone(), look),
        });
        found.extend(below(&entry.why, room, None).map(Entry::still));
        found.extend(below(&entry.fix, room, Some(&entry.fix)).map(Entry::still));
    }
    if found.is_empty() {
        found.push(Entry::still(Row::text("Everything billed belongs to somebody.", Meaning::Dim)));
    }
    found
}

fn savings(app: &App, card: &BudgetCard, room: usize) -> Vec<Entry> {
    let (open, decided): (Vec<_>, Vec<_>) =
        card.recommendations.iter().enumerate().partition(|(_, one)| is_open(app, one));
    let mut found: Vec<Entry> = open.into_iter().flat_map(|(at, one)| suggestion(at, one, room)).collect();
    if found.is_empty() {
        found.push(Entry::still(Row::text("Nothing to save by what is live and known.", Meaning::Dim)));
    }
    if !decided.is_empty() {
        found.push(Entry::still(Row::blank()));
        found.push(Entry::still(Row::head("Decided")));
    }
    for (at, one) in decided {
        let word = match (&one.realised, &one.decision) {
            (Some(realised), _) => format!("done: saves {} a month", long(realised)),
            (None, Some(decision)) => {
                let word = match decision.word {
                    DecisionWord::Accepted => "accepted",
                    DecisionWord::Dismissed => "dismissed",
                    DecisionWord::Snoozed => "put off until",
                };
                let why = decision.reason.as_ref().or(decision.until.as_ref());
                format!("{word} {} ({})", why.map(String::as_str).unwrap_or_default(), decision.by)
            }
            (None, None) => String::new(),
        };
        let promised = one.decision.as_ref().and_then(|decision| decision.promised.as_ref()).unwrap_or(&one.saving);
        let row = Row::of(vec![
            piece(format!("{:>14}  ", long(promised)), Meaning::Dim),
            piece(one.title.clone(), Meaning::Dim),
        ]);
        found.push(Entry { row: row.right(vec![piece(word, Meaning::Dim)]), then: Then::Suggestion(at) });
    }
    found
}

fn suggestion(at: usize, one: &Recommendation, room: usize) -> Vec<Entry> {
    let confidence = match one.confidence {
        Confidence::Low => "unsure",
        Confidence::Medium => "likely",
        Confidence::High => "sure",
    };
    let effort = match one.effort {
        Effort::Small => "little work",
        Effort::Medium => "some work",
        Effort::Large => "much work",
    };
    let row = Row::of(vec![
        piece(format!("{:>14}  ", long(&one.saving)), Meaning::Value),
        piece(one.title.clone(), Meaning::Text),
    ]);
    let row = row
        .right(vec![piece(format!("{confidence}, {effort}"), Meaning::Dim)])
        .copied(format!("terrace recommend accept {}", one.id));
    let place = format!("{} in {} · {}", one.component, one.stack, one.evidence.join(", "));
    let rows = [row].into_iter().chain(below(&place, room, None)).chain(below(&one.edit, room, Some(&one.edit)));
    rows.map(|row| Entry { row, then: Then::Suggestion(at) }).collect()
}

/// Returns the rows of the level that one went down to.
fn level(app: &App, look: &Look) -> Vec<Entry> {
    let names: Vec<&str> = app.budgets.way.iter().map(|(name, ..)| name.as_str()).collect();
    let mut found = vec![Entry::still(Row::head(names.join(" › ")))];
    match (&app.budgets.level.value, &app.budgets.level.trouble) {
        (Some(Level::Parts(parts)), _) => promised(parts, &mut found),
        (Some(Level::Instance(estimate)), _) => instance(estimate, &mut found),
        (Some(Level::Bill(report)), _) => bill(report, look, &mut found),
        (Some(Level::Lines(lines)), _) => {
            let about = &lines.charge;
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            found.push(Entry::still(heading(format!("{}  {}", text(&about.description), text(&about.resource)))));
            for line in &lines.lines {
                let (day, line) = (&line.day, &line.line);
                let quantity = line.quantity.map_or_else(String::new, |quantity| quantity.trimmed(0).to_string());
                let hour = format!("{:02}:{:02}", line.start / 3600, line.start / 60 % 60);
                let row = Row::of(vec![
                    piece(format!("{:>18}  ", line.billed.to_string()), Meaning::Value),
                    piece(format!("{day} {hour}  {quantity} {}", text(&about.unit)), Meaning::Text),
                ]);
                let row = row.right(vec![piece(format!("{} effective", line.effective), Meaning::Dim)]);
                found.push(Entry::still(row));
            }
        }
        (None, Some(trouble)) => {
            found.push(Entry::still(Row::text(trouble.message.clone(), Meaning::Failed)));
        }
        (None, None) => found.push(Entry::still(heading("Reading …".to_owned()))),
    }
    found
}

fn heading(text: String) -> Row {
    Row { heading: true, ..Row::text(text, Meaning::Dim) }
}

fn sum_of(amounts: impl Iterator<Item = Option<Exact>>) -> String {
    let sum = Exact::sum(amounts.flatten());
    sum.map_or_else(|| "unknown".to_owned(), |sum| grouped(sum.rounded(2)))
}

fn promised(parts: &BudgetParts, found: &mut Vec<Entry>) {
    let committed = sum_of(parts.committed.iter().map(|price| price.monthly.amount));
    let reserved = sum_of(parts.reserved.iter().map(|claim| claim.monthly.amount));
    let unpriced = parts.committed.iter().filter(|price| price.monthly.amount.is_none()).count();
    let more = if unpriced > 0 { format!(", {unpriced} without a price") } else { String::new() };
    found.push(Entry::still(heading(format!("a month: {committed} committed, {reserved} reserved{more}"))));
    for claim in &parts.reserved {
        let name = format!("{} in {} · reserved by {}", claim.component, claim.stack, claim.claimant);
        let row =
            Row::of(vec![piece(format!("{:>14}  ", long(&claim.monthly)), Meaning::Value), piece(name, Meaning::Text)]);
        found.push(Entry::still(row.copied(claim.command())));
    }
    for price in &parts.committed {
        let name = format!("{} in {}", price.component, price.stack);
        let mut row = amount_row(&long(&price.monthly), name.clone());
        if let Some(why) = price.monthly.unknown.first() {
            row.right = vec![piece(why.clone(), Meaning::Unknown)];
        }
        let look = Look::Instance(price.component.clone(), price.stack.clone());
        found.push(Entry { row, then: Then::Look(name, look) });
    }
}

fn instance(estimate: &Estimate, found: &mut Vec<Entry>) {
    let priced: Vec<&ResourceEstimate> = estimate.resources.iter().filter(|one| !one.components.is_empty()).collect();
    let free = estimate.resources.len() - priced.len();
    found.push(Entry::still(heading(format!("{} a month; {free} more resources cost nothing", estimate.after))));
    let amount = |money: &Money| money.amount.map_or_else(|| "unknown".to_owned(), |sum| grouped(sum.rounded(2)));
    for resource in priced {
        found.push(Entry::still(Row::of(vec![
            piece(format!("{:>14}  ", amount(&resource.monthly)), Meaning::Value),
            piece(resource.address.clone(), Meaning::Strong),
        ])));
        for part in &resource.components {
            let quantity = part.quantity.map_or_else(|| "?".to_owned(), grouped);
            let price = part.price.map_or_else(String::new, |price| format!(" at {price}"));
            let right: Vec<Piece> = vec![piece(format!("{quantity} {}{price}", part.unit), Meaning::Dim)];
            let row = Row::of(vec![
                piece(format!("{:>14}    ", amount(&part.monthly)), Meaning::Dim),
                piece(part.name.clone(), Meaning::Text),
            ]);
            found.push(Entry::still(row.right(right)));
        }
    }
    for unknown in &estimate.unknown {
        let text = format!("{:>14}  {}: {}", "unknown", unknown.address, unknown.why);
        found.push(Entry::still(Row::text(text, Meaning::Unknown)));
    }
}

fn bill(report: &Report, look: &Look, found: &mut Vec<Entry>) {
    let Look::Bill { period, only, by } = look else { return };
    let total = &report.total;
    let total = format!("by {by}: {} billed, {} effective", total.billed, long(&total.effective));
    found.push(Entry::still(heading(total)));
    let filters: String = only.iter().map(|(name, value)| format!(" --only '{name}={value}'")).collect();
    let command = format!("terrace budget report --period {period}{filters} --by {by}");
    let next = WAY.iter().skip_while(|name| *name != by).nth(1);
    for group in &report.groups {
        let then = match next {
            Some(next) => {
                let only = only.iter().cloned().chain([(*by, group.key.clone())]).collect();
                Then::Look(group.key.clone(), Look::Bill { period: period.clone(), only, by: next })
            }
            None => match group.key.rsplit_once('#').and_then(|(_, number)| number.parse().ok()) {
                Some(charge) => Then::Look(group.key.clone(), Look::Lines(period.clone(), charge)),
                None => Then::Nothing,
            },
        };
        let row = amount_row(&long(&group.amounts.billed), group.key.clone()).copied(command.clone());
        found.push(Entry { row, then });
    }
}
