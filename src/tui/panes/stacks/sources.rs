//! Sources: what each level said about one value, the winner, and the file around the line.

use crate::domain::stack::{ExplainedValue, Via};
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Row, piece};
use crate::tui::widgets::text;

use super::config::file_rows;
use super::{path_text, source_text};

fn via(via: Via) -> &'static str {
    match via {
        Via::Config => "atmos.yaml",
        Via::Global => "global",
        Via::Type => "type",
        Via::Inherits => "inherits",
        Via::Component => "component",
        Via::Overrides => "overrides",
    }
}

/// Returns the value whose sources are shown: the one last selected in Config.
#[must_use]
pub fn value(app: &App) -> Option<&ExplainedValue> {
    let values = &app.explanation()?.value.as_ref()?.values;
    values.iter().find(|v| v.path == app.stacks.leaf).or_else(|| values.first())
}

/// Turns to the next or the previous value.
pub fn turn(app: &mut App, down: bool) {
    let Some(values) = app.explanation().and_then(|kept| kept.value.as_ref()).map(|e| &e.values) else { return };
    let at = values.iter().position(|v| v.path == app.stacks.leaf).unwrap_or(0);
    let next = if down { at + 1 } else { at.wrapping_sub(1) };
    if let Some(value) = values.get(next) {
        app.stacks.leaf = value.path.clone();
        *app.stacks.detail() = Default::default();
    }
}

/// Returns the file that the tab needs to show the winner's surroundings.
#[must_use]
pub fn wanted_file(app: &App) -> Option<String> {
    value(app)?.source.as_ref().map(|s| s.file.clone())
}

/// Returns the rows of the tab.
#[must_use]
pub fn rows(app: &App, _width: u16) -> Vec<Row> {
    let Some(value) = value(app) else { return Vec::new() };
    let mut rows = vec![
        Row {
            heading: true,
            ..Row::of(vec![
                piece(path_text(&value.path), Meaning::Name),
                piece(": ", Meaning::Dim),
                piece(text::value(&value.value), Meaning::Strong),
            ])
        },
        Row::blank(),
    ];
    if let Some(computed) = &value.computed {
        rows.push(Row::text(format!("Computed ({computed}): no line sets it."), Meaning::Dim));
    }
    if value.unevaluated {
        rows.push(Row::text("◌ Not evaluated: a template or a YAML function, as written.", Meaning::Warning));
    }
    let winner = value.chain.len().saturating_sub(1);
    for (i, entry) in value.chain.iter().enumerate().rev() {
        let wins = i == winner;
        let (mark, meaning) = if wins { ("✓ ", Meaning::Done) } else { ("↑ ", Meaning::Dim) };
        let value_meaning = if wins { Meaning::Strong } else { Meaning::Dim };
        let mut row = Row::of(vec![
            piece(mark, meaning),
            piece(format!("{:<10}", via(entry.via)), Meaning::Text),
            piece(text::value(&entry.value), value_meaning),
            piece(if wins { "" } else { "  overridden" }, Meaning::Dim),
        ])
        .right(vec![piece(source_text(&entry.source), Meaning::Source)])
        .at(Some(entry.source.clone()))
        .copied(source_text(&entry.source));
        row.below = vec![piece(format!("  {}", entry.section), Meaning::Dim)];
        rows.push(row);
    }
    if let Some(source) = &value.source {
        rows.push(Row::blank());
        rows.push(Row::head(source_text(source)));
        match app.stacks.files.get(&source.file).and_then(|kept| kept.value.as_ref()) {
            Some(lines) => {
                let all = file_rows(&source.file, lines, Some(source.line));
                let from = (source.line as usize).saturating_sub(8);
                rows.extend(all.into_iter().skip(from).take(24));
            }
            None => rows.push(Row::text("  …", Meaning::Dim)),
        }
    }
    rows
}
