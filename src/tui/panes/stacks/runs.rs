//! Runs of one instance, the newest first.

use crate::tui::app::App;
use crate::tui::panes::runs::{kind_name, state_mark, state_name, summary_text};
use crate::tui::theme::Meaning;
use crate::tui::widgets::age;
use crate::tui::widgets::list::{Go, Row, piece};

/// Returns the rows of the tab.
#[must_use]
pub fn rows(app: &App) -> Vec<Row> {
    let Some(instance) = app.tree_instance() else { return Vec::new() };
    app.runs
        .list
        .items()
        .iter()
        .filter(|run| run.targets.iter().any(|t| t.component == instance.component && t.stack == instance.stack))
        .map(|run| {
            let (mark, meaning) = state_mark(run.state);
            let left = vec![
                piece(format!("{mark} "), meaning),
                piece(format!("#{:<5}", run.number), Meaning::Strong),
                piece(format!("{:<9}", kind_name(run.kind)), Meaning::Text),
                piece(format!("{:<22}", state_name(run.state)), meaning),
                piece(summary_text(run), Meaning::Text),
            ];
            let right = vec![
                piece(format!("{}  ", run.actor), Meaning::Dim),
                piece(format!("{:>8}", age::ago(run.queued_at, app.now)), Meaning::Dim),
            ];
            Row::of(left).right(right).to(Go::Run(run.id)).copied(run.command.clone())
        })
        .collect()
}
