//! Diff: what differs between two instances, two stacks, or the files as they are and a Git reference.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::domain::stack::{DiffEntry, Explanation, InstanceRef, PathSegment};
use crate::tui::app::{App, Kept};
use crate::tui::message::Sides;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Piece, Row, piece};
use crate::tui::widgets::text;

use super::{path_text, source_text};

/// A comparison and its answer.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What is compared.
    pub sides: Sides,
    /// The differences.
    pub entries: Kept<Vec<DiffEntry>>,
    /// Whether what is equal is shown too; possible between two instances.
    pub all: bool,
}

/// Returns the rows of the tab.
#[must_use]
pub fn rows(app: &App, width: u16) -> Vec<Row> {
    let Some(comparison) = &app.stacks.comparison else { return Vec::new() };
    let Some(entries) = &comparison.entries.value else { return Vec::new() };
    let wide = is_wide(app, width);
    let mut rows = vec![
        Row {
            heading: true,
            ..Row::of(vec![
                piece("- ", Meaning::Removed),
                piece(comparison.sides.a.clone(), Meaning::Strong),
                piece("   + ", Meaning::Added),
                piece(comparison.sides.b.clone(), Meaning::Strong),
                piece(format!("   {}", text::count(entries.len(), "difference")), Meaning::Dim),
            ])
        },
        Row::blank(),
    ];
    if entries.is_empty() {
        rows.push(Row::text("Nothing differs.", Meaning::Done));
    }
    let mut last: Option<&InstanceRef> = None;
    let several = entries.iter().any(|e| Some(&e.instance) != entries.first().map(|f| &f.instance));
    for entry in entries {
        if several && last != Some(&entry.instance) {
            if last.is_some() {
                rows.push(Row::blank());
            }
            rows.push(Row::head(entry.instance.to_string()));
            last = Some(&entry.instance);
        }
        if wide { side_by_side(&mut rows, entry, width) } else { inline(&mut rows, entry) }
    }
    if comparison.all {
        equal(app, comparison, &mut rows);
    }
    rows
}

/// Tells whether both sides stand beside each other in a pane of this width.
#[must_use]
pub fn is_wide(app: &App, width: u16) -> bool {
    app.stacks.side_by_side.unwrap_or(width >= 90)
}

fn mark(entry: &DiffEntry) -> (&'static str, Meaning) {
    match (&entry.before, &entry.after) {
        (None, _) => ("+", Meaning::Added),
        (_, None) => ("-", Meaning::Removed),
        _ => ("~", Meaning::Changed),
    }
}

fn sources(entry: &DiffEntry) -> Vec<Piece> {
    let texts: Vec<String> =
        [&entry.before_source, &entry.after_source].into_iter().flatten().map(source_text).collect();
    vec![piece(texts.join(" → "), Meaning::Source)]
}

fn inline(rows: &mut Vec<Row>, entry: &DiffEntry) {
    let (mark, meaning) = mark(entry);
    let source = entry.after_source.clone().or(entry.before_source.clone());
    rows.push(
        Row::of(vec![piece(format!("{mark} "), meaning), piece(path_text(&entry.path), Meaning::Name)])
            .right(sources(entry))
            .at(source)
            .copied(path_text(&entry.path)),
    );
    for (value, mark, meaning, source) in [
        (&entry.before, "- ", Meaning::Removed, &entry.before_source),
        (&entry.after, "+ ", Meaning::Added, &entry.after_source),
    ] {
        if let Some(value) = value {
            rows.push(
                Row::of(vec![piece(format!("    {mark}"), meaning), piece(text::value(value), meaning)])
                    .at(source.clone())
                    .copied(text::value(value)),
            );
        }
    }
}

fn side_by_side(rows: &mut Vec<Row>, entry: &DiffEntry, width: u16) {
    let (mark, meaning) = mark(entry);
    let room = usize::from(width).saturating_sub(6);
    let (name, half) = (room * 3 / 10, room * 35 / 100);
    let cell = |value: &Option<Value>, columns: usize| {
        let text = value.as_ref().map(text::value).unwrap_or_default();
        let text = text::clip(&text, columns).into_owned();
        let pad = columns.saturating_sub(text::width(&text));
        format!("{text}{}", " ".repeat(pad))
    };
    let path = path_text(&entry.path);
    let path = text::clip_start(&path, name).into_owned();
    let pad = " ".repeat(name.saturating_sub(text::width(&path)));
    let source = entry.after_source.clone().or(entry.before_source.clone());
    let mut row = Row::of(vec![
        piece(format!("{mark} "), meaning),
        piece(format!("{path}{pad} "), Meaning::Name),
        piece(cell(&entry.before, half), Meaning::Removed),
        piece("│ ", Meaning::Border),
        piece(cell(&entry.after, half), Meaning::Added),
    ])
    .at(source)
    .copied(path_text(&entry.path));
    row.below = vec![piece("    ", Meaning::Dim)];
    row.below.extend(sources(entry));
    rows.push(row);
}

/// Adds what is equal on both sides, where both are instances whose values are here.
fn equal(app: &App, comparison: &Comparison, rows: &mut Vec<Row>) {
    let find = |side: &str| -> Option<&Explanation> {
        app.stacks.explanations.iter().find(|(key, _)| key.reference().to_string() == side)?.1.value.as_ref()
    };
    let (Some(a), Some(b)) = (find(&comparison.sides.a), find(&comparison.sides.b)) else { return };
    let left: BTreeMap<&[PathSegment], &Value> = a.values.iter().map(|v| (v.path.as_slice(), &v.value)).collect();
    let same: Vec<_> = b.values.iter().filter(|v| left.get(v.path.as_slice()) == Some(&&v.value)).collect();
    rows.push(Row::blank());
    rows.push(Row::head(format!("Equal on both sides: {}", same.len())));
    rows.extend(same.into_iter().map(|value| {
        Row::of(vec![
            piece(format!("  {}: ", path_text(&value.path)), Meaning::Dim),
            piece(text::value(&value.value), Meaning::Dim),
        ])
        .at(value.source.clone())
    }));
}
