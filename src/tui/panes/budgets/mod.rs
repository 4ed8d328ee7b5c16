//! The view of budgets: a bar each, where its period will end, what nobody pays for, what could be saved.

use crate::domain::budget::{Figures, Level};
use crate::domain::money::{Money, grouped};
use crate::tui::app::{App, Kept};
use crate::tui::message::BudgetCard;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Cursor, Piece, Row, piece};
use crate::tui::widgets::text;

/// How wide a bar is, in characters.
const BAR: u32 = 14;

/// What a row of the list stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// A budget, by its place in the list of figures.
    Budget(usize),
    /// What nobody pays for.
    Unallocated,
    /// What could be saved.
    Savings,
}

/// What the view keeps.
#[derive(Debug, Default)]
pub struct Budgets {
    /// The figures, the report of the month, the recommendations.
    pub list: Kept<Box<BudgetCard>>,
    /// The rows that the filter leaves.
    pub items: Vec<Item>,
    /// What they are filtered by.
    pub filter: String,
    /// The selection.
    pub cursor: Cursor,
    /// The place in the facts beside the list.
    pub detail: Cursor,
}

impl Budgets {
    /// Makes the rows anew.
    pub fn arrange(&mut self) {
        self.items.clear();
        if let Some(card) = &self.list.value {
            let wanted = self.filter.to_lowercase();
            let fits = |name: &str| wanted.is_empty() || name.to_lowercase().contains(&wanted);
            let budgets = card.budgets.iter().enumerate();
            let budgets = budgets.filter(|(_, one)| fits(&one.budget.name) || fits(&one.budget.team));
            self.items.extend(budgets.map(|(at, _)| Item::Budget(at)));
            if fits("unallocated") {
                self.items.push(Item::Unallocated);
            }
            if fits("to save") {
                self.items.push(Item::Savings);
            }
        }
        self.cursor.at = self.cursor.at.min(self.items.len().saturating_sub(1));
    }

    /// Returns what is selected.
    #[must_use]
    pub fn selected(&self) -> Option<Item> {
        self.items.get(self.cursor.at).copied()
    }
}

fn short(money: &Money) -> String {
    money.amount.map_or_else(|| "unknown".to_owned(), |amount| grouped(amount.rounded(0)))
}

fn long(money: &Money) -> String {
    money.amount.map_or_else(|| "unknown".to_owned(), |amount| grouped(amount.rounded(2)))
}

fn mark(level: Level) -> (&'static str, Meaning) {
    match level {
        Level::Ok => ("✓", Meaning::Done),
        Level::Warn => ("⚠", Meaning::Warning),
        Level::Approve | Level::Refuse => ("✗", Meaning::Failed),
    }
}

/// Draws the bar of a budget: what is billed, what is promised beyond it, what is free.
fn bar(figures: &Figures) -> Vec<Piece> {
    let size = |money: &Money| money.amount.unwrap_or_default().approximate().max(0.0);
    let whole = size(&figures.budget.amount);
    let promised = size(&figures.committed) + size(&figures.reserved);
    let bar = BAR as usize;
    let cells = |amount: f64| {
        if whole <= 0.0 {
            return if amount > 0.0 { bar } else { 0 };
        }
        let share = (amount / whole).clamp(0.0, 1.0);
        (0..BAR).filter(|cell| (f64::from(*cell) + 0.5) / f64::from(BAR) < share).count()
    };
    let actual = cells(size(&figures.actual));
    let ahead = cells(promised).max(actual) - actual;
    let (_, meaning) = mark(figures.level);
    vec![
        piece("▓".repeat(actual), meaning),
        piece("▒".repeat(ahead), Meaning::Text),
        piece("░".repeat(bar - actual - ahead), Meaning::Dim),
    ]
}

/// Returns a row of the list.
#[must_use]
pub fn row(app: &App, at: usize) -> Row {
    let (Some(item), Some(card)) = (app.budgets.items.get(at), &app.budgets.list.value) else { return Row::default() };
    match item {
        Item::Budget(at) => {
            let Some(figures) = card.budgets.get(*at) else { return Row::default() };
            let (sign, meaning) = mark(figures.level);
            let budget = &figures.budget;
            let mut left = vec![piece(format!("{:<14} ", text::clip(&budget.name, 14)), Meaning::Strong)];
            left.extend(bar(figures));
            left.push(piece(format!(" {} of {}", short(&figures.actual), short(&budget.amount)), Meaning::Text));
            let ahead = match &figures.interval {
                Some(_) => format!("→ {} ", short(&figures.forecast)),
                None => String::new(),
            };
            Row::of(left)
                .right(vec![piece(ahead, Meaning::Text), piece(sign, meaning)])
                .copied(format!("terrace budget show '{}'", budget.name))
        }
        Item::Unallocated => {
            let sum = card.report.groups.iter().find(|group| group.key == crate::domain::showback::UNALLOCATED);
            let (amount, meaning) = match sum {
                Some(group) => (long(&group.amounts.billed), Meaning::Warning),
                None => ("nothing".to_owned(), Meaning::Dim),
            };
            Row::of(vec![piece(format!("{:<14} ", "unallocated"), Meaning::Strong), piece(amount, meaning)])
                .copied(format!("terrace budget report --period {} --only team=unallocated", card.report.period))
        }
        Item::Savings => {
            let count = card.recommendations.iter().filter(|one| one.decision.is_none()).count();
            let words = if count == 0 { "nothing found".to_owned() } else { format!("{count} suggestions") };
            Row::of(vec![piece(format!("{:<14} ", "to save"), Meaning::Strong), piece(words, Meaning::Text)])
                .copied("terrace recommend list")
        }
    }
}

fn fact(name: &str, value: String) -> Row {
    Row::of(vec![piece(format!("{name:<12}"), Meaning::Name), piece(value.clone(), Meaning::Value)]).copied(value)
}

/// Returns what is known of the selection.
#[must_use]
pub fn detail_rows(app: &App) -> Vec<Row> {
    let (Some(item), Some(card)) = (app.budgets.selected(), &app.budgets.list.value) else { return Vec::new() };
    match item {
        Item::Budget(at) => card.budgets.get(at).map(|figures| figures_rows(figures, card)).unwrap_or_default(),
        Item::Unallocated => {
            let mut rows = Vec::new();
            for entry in &card.report.unallocated {
                rows.push(Row::of(vec![
                    piece(format!("{:>12}  ", long(&entry.amounts.billed)), Meaning::Value),
                    piece(format!("{}: {}", entry.service, entry.why), Meaning::Text),
                ]));
                rows.push(Row::text(format!("    {}", entry.fix), Meaning::Dim).copied(entry.fix.clone()));
            }
            rows
        }
        Item::Savings => {
            let mut rows = Vec::new();
            for one in card.recommendations.iter().filter(|one| one.decision.is_none()) {
                rows.push(
                    Row::of(vec![
                        piece(format!("{:>10}  ", long(&one.saving)), Meaning::Value),
                        piece(one.title.clone(), Meaning::Text),
                    ])
                    .copied(format!("terrace recommend accept {}", one.id)),
                );
                let place = format!("            {} in {} · {}", one.component, one.stack, one.edit);
                rows.push(Row::text(place, Meaning::Dim).copied(one.edit.clone()));
            }
            rows
        }
    }
}

fn figures_rows(figures: &Figures, card: &BudgetCard) -> Vec<Row> {
    let budget = &figures.budget;
    let mut rows = vec![
        fact("team", budget.team.clone()),
        fact("budget", format!("{} in {}", budget.amount, figures.period)),
        fact("committed", figures.committed.to_string()),
        fact("reserved", figures.reserved.to_string()),
        fact("actual", format!("{} effective, {} billed", figures.actual, figures.billed)),
        fact("forecast", figures.forecast.to_string()),
    ];
    if let Some([low, high]) = &figures.interval {
        rows.push(fact("", format!("{} to {} four times out of five", long(low), long(high))));
    }
    if let Some(method) = &figures.method {
        rows.push(fact("", method.clone()));
    }
    if figures.unpriced > 0 {
        rows.push(fact("", format!("{} instances have no price", figures.unpriced)));
    }
    let Some(team) = card.report.groups.iter().find(|group| group.key == budget.team) else { return rows };
    rows.push(Row::default());
    rows.push(Row::text(format!("{} by service, billed", card.report.period), Meaning::Strong));
    for service in &team.groups {
        rows.push(
            Row::of(vec![
                piece(format!("{:>12}  ", long(&service.amounts.billed)), Meaning::Value),
                piece(service.key.clone(), Meaning::Text),
            ])
            .copied(format!(
                "terrace budget report --period {} --only 'team={}' --only 'service={}' --by stack,component,resource",
                card.report.period, budget.team, service.key
            )),
        );
    }
    rows
}

#[cfg(test)]
mod tests {
    use crate::tui::app::{App, View};
    use crate::tui::fixtures::{draw, fresh, press, tell};
    use crate::tui::message::{Answer, BudgetCard, Effect, Fact, Message};
    use crate::tui::update::update;

    fn contains(app: &App, wanted: &str) {
        let screen = draw(app);
        assert!(screen.contains(wanted), "no {wanted:?} on\n{screen}");
    }

    fn card() -> BudgetCard {
        let money = |amount: &str| serde_json::json!({"amount": amount, "currency": "USD"});
        let amounts = |billed: &str| serde_json::json!({"billed": money(billed), "effective": money(billed)});
        let group = |key: &str, billed: &str, groups: serde_json::Value| serde_json::json!({"key": key, "billed": money(billed), "effective": money(billed), "groups": groups});
        let budget = serde_json::json!({
            "name": "payments", "team": "payments", "amount": money("12000.00"), "period": "month", "fiscal_start": 1,
            "thresholds": {}, "stacks": [], "components": [], "tags": {}, "owner": null});
        let figures = serde_json::json!([{
            "budget": budget, "period": "2026-11", "committed": money("9000.00"), "reserved": money("600.00"),
            "actual": money("6000.00"), "billed": money("6000.00"), "forecast": money("12150.00"),
            "interval": [money("11910.00"), money("12390.00")], "method": "linear", "unpriced": 0,
            "promised_percent": "80.0", "level": "approve"}]);
        let report = serde_json::json!({
            "period": "2026-11", "from": "2026-11-01", "to": "2026-12-01", "closed": false, "basis": "", "by": [],
            "currency": "USD", "total": amounts("6212.00"), "kinds": {},
            "unallocated": [{"why": "no rule matches", "service": "Tax", "billed": money("212.00"),
                "effective": money("212.00"), "fix": "write a rule"}],
            "groups": [group("unallocated", "212.00", serde_json::json!([])),
                group("payments", "6000.00", serde_json::json!([group("Amazon RDS", "4210.00", serde_json::json!([]))]))]});
        BudgetCard {
            budgets: serde_json::from_value(figures).unwrap(),
            report: serde_json::from_value(report).unwrap(),
            recommendations: Vec::new(),
        }
    }

    #[test]
    fn budgets_show_their_bar_their_end_and_what_they_are_made_of() {
        let mut app = fresh(160, 40);
        tell(&mut app);
        assert!(press(&mut app, "5").contains(&Effect::Load(Fact::Budgets)));
        assert_eq!(app.view, View::Budgets);
        update(&mut app, Message::Answer(Box::new(Answer::Budgets(Ok(Box::new(card()))))));
        contains(&app, "▓▓▓▓▓▓▓▒▒▒▒░░░");
        contains(&app, "6,000 of 12,000");
        contains(&app, "→ 12,150 ✗");
        contains(&app, "Amazon RDS");
        press(&mut app, "j");
        contains(&app, "Tax: no rule matches");
        contains(&app, "write a rule");
        press(&mut app, "j");
        contains(&app, "nothing found");
    }
}
