//! The view of budgets: a bar each, where its period will end, what nobody pays for, what could be saved.
//!
//! Owns what is selected and the way down from a figure to what it is made of. Leaves the rows of the list to [`list`], and
//! those beside it to [`detail`].

mod detail;
mod list;

use crate::domain::money::{Money, grouped};
use crate::domain::recommend::{DecisionWord, Recommendation};
use crate::domain::showback::UNALLOCATED;
use crate::tui::app::{App, Focus, Kept};
use crate::tui::message::{BudgetCard, Level as Shown, Look};
use crate::tui::widgets::list::Cursor;

pub use detail::rows as detail_rows;
pub use list::{rows, title};

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
            if fits("to save") {
                self.items.push(Item::Savings);
            }
            if fits(UNALLOCATED) {
                // It is the first thing to see, unless there is none.
                let any = card.report.groups.iter().any(|group| group.key == UNALLOCATED);
                let at = if any { 0 } else { self.items.len() };
                self.items.insert(at, Item::Unallocated);
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

fn long(money: &Money) -> String {
    money.amount.map_or_else(|| "unknown".to_owned(), |amount| grouped(amount.rounded(2)))
}

#[cfg(test)]
mod tests;
