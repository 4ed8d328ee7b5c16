//! The view of budgets: a bar each, where its period will end, what nobody pays for, what could be saved.
//!
//! Owns the list and the way down from a figure to what it is made of. Leaves the rows beside the list to [`detail`].

mod detail;

use crate::domain::budget::{Figures, Level};
use crate::domain::money::{Exact, Money, grouped};
use crate::domain::recommend::{DecisionWord, Recommendation};
use crate::tui::app::{App, Focus, Kept};
use crate::tui::message::{BudgetCard, Level as Shown, Look};
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Cursor, Piece, Row, piece};
use crate::tui::widgets::text;

pub use detail::rows as detail_rows;

/// How wide a bar is, in characters.
const BAR: u32 = 8;

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
    /// The way down from the selection: what each step is called, what it shows, and where the cursor was above it.
    pub way: Vec<(String, Look, Cursor)>,
    /// What the last step shows.
    pub level: Kept<Shown>,
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

    /// Returns what the last step of the way down shows.
    #[must_use]
    pub fn look(&self) -> Option<&Look> {
        self.way.last().map(|(_, look, _)| look)
    }

    /// Leaves the way down, because something else is selected.
    pub fn leave(&mut self) {
        self.detail = Cursor::default();
        self.way.clear();
        self.level = Kept::default();
    }

    /// Returns what is selected.
    #[must_use]
    pub fn selected(&self) -> Option<Item> {
        self.items.get(self.cursor.at).copied()
    }
}

/// Selects the row of what nobody pays for, or of what could be saved.
pub fn show(app: &mut App, wanted: Item) {
    app.budgets.filter.clear();
    app.budgets.arrange();
    if let Some(at) = app.budgets.items.iter().position(|item| *item == wanted) {
        app.budgets.cursor.at = at;
        app.budgets.leave();
        app.focus = Focus::Detail;
    }
}

/// Returns the suggestion that is selected and not decided on.
#[must_use]
pub fn recommendation(app: &App) -> Option<&Recommendation> {
    let on_list = app.focus == Focus::Detail && app.budgets.selected() == Some(Item::Savings);
    let card = app.budgets.list.value.as_ref().filter(|_| on_list && app.view == crate::tui::app::View::Budgets)?;
    match detail::entries(app).into_iter().nth(app.budgets.detail.at)?.then {
        detail::Then::Suggestion(at) => card.recommendations.get(at).filter(|one| is_open(app, one)),
        _ => None,
    }
}

/// Says whether a suggestion waits for somebody.
fn is_open(app: &App, one: &Recommendation) -> bool {
    let today = app.now.to_zoned(app.zone.clone()).date().to_string();
    match &one.decision {
        None => one.realised.is_none(),
        Some(decision) => {
            decision.word == DecisionWord::Snoozed && decision.until.as_ref().is_none_or(|until| *until <= today)
        }
    }
}

/// Tells whether one has gone down from the selection.
#[must_use]
pub fn is_deep(app: &App) -> bool {
    !app.budgets.way.is_empty()
}

/// Goes into what is selected beside the list; returns what is to be asked.
pub fn deeper(app: &mut App) -> Option<Look> {
    let entry = detail::entries(app).into_iter().nth(app.budgets.detail.at)?;
    let detail::Then::Look(name, look) = entry.then else { return None };
    let budgets = &mut app.budgets;
    budgets.way.push((name, look.clone(), budgets.detail));
    // Headings stand above the first row.
    budgets.detail = Cursor { at: detail::HEADINGS, top: 0 };
    budgets.level = Kept::default();
    Some(look)
}

/// Goes back up a step; returns what is to be asked.
pub fn higher(app: &mut App) -> Option<Look> {
    let (_, _, before) = app.budgets.way.pop()?;
    app.budgets.detail = before;
    app.budgets.level = Kept::default();
    app.budgets.look().cloned()
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
            let mut left = vec![piece(format!("{:<12} ", text::clip(&budget.name, 12)), Meaning::Strong)];
            left.extend(bar(figures));
            left.push(piece(format!(" {}/{}", short(&figures.actual), short(&budget.amount)), Meaning::Text));
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
            Row::of(vec![piece(format!("{:<12} ", "unallocated"), Meaning::Strong), piece(amount, meaning)])
                .copied(format!("terrace budget report --period {} --only team=unallocated", card.report.period))
        }
        Item::Savings => {
            let open: Vec<&Recommendation> = card.recommendations.iter().filter(|one| is_open(app, one)).collect();
            let sum = Exact::sum(open.iter().filter_map(|one| one.saving.amount)).unwrap_or_default();
            let words = match open.len() {
                0 => "nothing found".to_owned(),
                count => format!("{} a month: {}", grouped(sum.rounded(0)), text::count(count, "suggestion")),
            };
            Row::of(vec![piece(format!("{:<12} ", "to save"), Meaning::Strong), piece(words, Meaning::Text)])
                .copied("terrace recommend list")
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::recommend::DecisionWord;
    use crate::tui::app::{App, View};
    use crate::tui::fixtures::{draw, fresh, press, tell};
    use crate::tui::message::{Answer, BudgetCard, Effect, Fact, Level as Shown, Look, Message};
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
            "promised_percent": "80.0", "level": "approve",
            "trend": ["200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "200", "340"]}]);
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
            recommendations: serde_json::from_value(serde_json::json!([{
                "id": "0a1b", "rule": "gp3", "title": "the disk is gp2; gp3 costs less", "component": "orders-db",
                "stack": "plat-ue2-prod", "team": "payments", "address": "aws_ebs_volume.data", "saving": money("12.50"),
                "confidence": "high", "effort": "small", "evidence": ["volume type gp2"], "edit": "set it to gp3"}]))
            .unwrap(),
        }
    }

    fn opened() -> App {
        let mut app = fresh(160, 40);
        tell(&mut app);
        press(&mut app, "5");
        update(&mut app, Message::Answer(Box::new(Answer::Budgets(Ok(Box::new(card()))))));
        app
    }

    #[test]
    fn budgets_show_their_bar_their_end_and_what_they_are_made_of() {
        let mut app = fresh(160, 40);
        tell(&mut app);
        assert!(press(&mut app, "5").contains(&Effect::Load(Fact::Budgets)));
        assert_eq!(app.view, View::Budgets);
        let mut app = opened();
        contains(&app, "▓▓▓▓▒▒░░");
        contains(&app, "6,000/12,000");
        contains(&app, "→ 12,150 ✗");
        contains(&app, "Amazon RDS");
        contains(&app, "▅▅▅▅▅▅▅▅▅▅▅▅▅█");
        contains(&app, "+10 % in a week");
        press(&mut app, "j");
        contains(&app, "Tax: no rule matches");
        contains(&app, "write a rule");
        press(&mut app, "j");
        contains(&app, "13 a month: 1 suggestion");
        contains(&app, "orders-db in plat-ue2-prod · volume type gp2");
    }

    #[test]
    fn a_figure_opens_level_by_level_down_to_the_lines_of_the_bill() {
        let mut app = opened();
        press(&mut app, "enter");
        press(&mut app, "j j j j");
        let asked = press(&mut app, "enter");
        let bill = |only: &[(&'static str, &str)], by| Look::Bill {
            period: "2026-11".to_owned(),
            only: only.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            by,
        };
        let stacks = bill(&[("team", "payments")], "stack");
        assert_eq!(asked, [Effect::Look(stacks.clone())]);
        contains(&app, "Reading …");
        let told = |app: &mut App, look: Look, key: &str| {
            let mut report = card().report;
            report.groups.truncate(1);
            report.groups[0].key = key.to_owned();
            let level = Shown::Bill(Box::new(report));
            update(app, Message::Answer(Box::new(Answer::Looked(look, Ok(level)))));
        };
        told(&mut app, stacks, "plat-ue2-prod");
        contains(&app, "billed");
        let asked = press(&mut app, "enter");
        let components = bill(&[("team", "payments"), ("stack", "plat-ue2-prod")], "component");
        assert_eq!(asked, [Effect::Look(components.clone())]);
        // an answer that comes late is not shown
        told(&mut app, bill(&[], "stack"), "late");
        assert!(!draw(&app).contains("late"));
        told(&mut app, components, "orders-db");
        press(&mut app, "enter");
        let asked = press(&mut app, "esc");
        assert_eq!(asked.len(), 1, "the level above is asked for again");
        contains(&app, "billed › plat-ue2-prod");
        press(&mut app, "esc");
        press(&mut app, "esc");
        contains(&app, "by service, billed");
    }

    #[test]
    fn a_suggestion_is_accepted_dismissed_with_a_reason_or_put_off() {
        let mut app = opened();
        press(&mut app, "a");
        contains(&app, "select a suggestion");
        press(&mut app, "v");
        press(&mut app, "a");
        contains(&app, "terrace recommend accept 0a1b");
        assert_eq!(press(&mut app, "y"), [Effect::Decide("0a1b".into(), DecisionWord::Accepted, None, None)]);
        press(&mut app, "d");
        assert!(press(&mut app, "enter").is_empty());
        contains(&app, "with a reason");
        press(&mut app, "d");
        press(&mut app, "n o");
        let dismissed = Effect::Decide("0a1b".into(), DecisionWord::Dismissed, Some("no".into()), None);
        assert_eq!(press(&mut app, "enter"), [dismissed]);
        press(&mut app, "s");
        let asked = press(&mut app, "enter");
        assert!(matches!(&asked[..], [Effect::Decide(_, DecisionWord::Snoozed, None, Some(_))]), "{asked:?}");
    }

    #[test]
    fn what_nobody_pays_for_is_a_key_away_and_the_report_is_written_to_a_file() {
        let mut app = opened();
        press(&mut app, "u");
        contains(&app, "write a rule");
        assert!(matches!(&press(&mut app, "enter")[..], [Effect::Look(Look::Bill { by: "resource", .. })]));
        press(&mut app, "e");
        contains(&app, "costs-2026-11.html");
        let written = press(&mut app, "enter");
        assert_eq!(written, [Effect::Export("2026-11".into(), "costs-2026-11.html".into())]);
    }
}
