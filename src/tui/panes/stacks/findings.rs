//! What policy and scanners say of an instance's newest plan.

use crate::tui::app::App;
use crate::tui::panes::requests::columns::wrapped;
use crate::tui::panes::requests::verdict::{need, policy, scanned};
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::Row;

use super::cost::plan_row;

/// Returns the rows of the tab; none where nothing was planned.
#[must_use]
pub fn rows(app: &App, width: u16) -> Vec<Row> {
    let columns = usize::from(width.saturating_sub(2));
    let mut rows = Vec::new();
    let Some(run) = plan_row(app, &mut rows) else { return rows };
    let Some(review) = app.reviews.get(run) else {
        rows.push(Row::text("  Reading …", Meaning::Dim));
        return rows;
    };
    match &review.verdict {
        Ok(verdict) => {
            rows.extend(policy(verdict, columns));
            let needs = verdict.approvals.iter();
            rows.extend(needs.flat_map(|one| wrapped("  needs ", &need(one), Meaning::Text, columns)));
        }
        Err(trouble) => rows.extend(wrapped("  ? ", &trouble.message, Meaning::Unknown, columns)),
    }
    rows.push(Row::blank());
    match &review.scanned {
        Ok(found) if found.is_empty() => rows.push(Row::text("No scanner found anything, or none ran.", Meaning::Dim)),
        Ok(found) => {
            rows.push(Row::head("Scanners"));
            rows.extend(scanned(found, columns));
        }
        Err(trouble) => rows.extend(wrapped("  ? ", &trouble.message, Meaning::Unknown, columns)),
    }
    rows
}
