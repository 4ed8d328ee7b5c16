//! Config: each value with the line that set it; for what is no instance, what there is to say of it.

use crate::domain::stack::{Diagnostic, ExplainedValue, PathSegment, Severity};
use crate::tui::app::App;
use crate::tui::message::InstanceKey;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Piece, Row, piece};
use crate::tui::widgets::text;

use super::tree::Of;
use super::{path_text, short_source, source_text};

/// Returns the rows of the tab.
#[must_use]
pub fn rows(app: &App, width: u16) -> Vec<Row> {
    let Some((node, _)) = app.node() else { return Vec::new() };
    match &node.of {
        Of::Instance(i) => match app.instances.items().get(*i) {
            Some(_) => instance(app, width),
            None => Vec::new(),
        },
        Of::Stack(name) => stack(app, name),
        Of::File(file) => self::file(app, file),
        Of::Component(name) => component(app, name),
        Of::Group => group(app),
    }
}

/// Returns a diagnostic as rows: what, what next, where.
#[must_use]
pub fn diagnostic(d: &Diagnostic) -> Vec<Row> {
    let (mark, meaning) = match d.severity {
        Severity::Error => ("✗ ", Meaning::Failed),
        Severity::Warning => ("⚠ ", Meaning::Warning),
    };
    let mut row = Row::of(vec![piece(mark, meaning), piece(d.message.clone(), meaning)]).at(d.source.clone());
    row.copy = Some(d.message.clone());
    let mut below = vec![piece(format!("  {}", d.code), Meaning::Dim)];
    if let Some(source) = &d.source {
        below.push(piece(format!("  {}", source_text(source)), Meaning::Source));
    }
    if let Some(hint) = &d.hint {
        below.push(piece(format!("  {hint}"), Meaning::Text));
    }
    row.below = below;
    vec![row]
}

fn diagnostics(app: &App, concerns: impl Fn(&Diagnostic) -> bool) -> Vec<Row> {
    let found: Vec<_> = app.diagnostics.items().iter().filter(|d| concerns(d)).collect();
    let mut rows: Vec<Row> = found.iter().take(5).flat_map(|d| diagnostic(d)).collect();
    if found.len() > 5 {
        let more = text::count(found.len() - 5, "more problem");
        let key = app.keymap.key(crate::tui::action::Action::Problems, app.place()).unwrap_or_default();
        rows.push(Row::text(format!("  … {more}: {key} lists all"), Meaning::Dim));
    }
    if !rows.is_empty() {
        rows.push(Row::blank());
    }
    rows
}

fn instance(app: &App, width: u16) -> Vec<Row> {
    let Some(instance) = app.tree_instance() else { return Vec::new() };
    let key = InstanceKey::of(instance);
    let mut rows = diagnostics(app, |d| {
        d.source.as_ref().is_some_and(|s| s.file == key.file) || d.stack.as_deref() == Some(key.stack.as_str())
    });
    let Some(explanation) = app.stacks.explanations.get(&key).and_then(|kept| kept.value.as_ref()) else {
        return rows;
    };
    let words: Vec<String> = app.stacks.leaf_filter.split_whitespace().map(str::to_lowercase).collect();
    let values: Vec<&ExplainedValue> = explanation
        .values
        .iter()
        .filter(|v| {
            let haystack = || format!("{}: {}", path_text(&v.path), text::value(&v.value)).to_lowercase();
            words.is_empty() || words.iter().all(|w| haystack().contains(w))
        })
        .collect();
    let evaluated = app.stacks.evaluated.get(&key).and_then(|kept| kept.value.as_ref());
    let mut lines = Vec::with_capacity(values.len() + 16);
    let mut above: &[PathSegment] = &[];
    for value in &values {
        let (_, parents) = value.path.split_last().unwrap_or((&PathSegment::Index(0), &[]));
        let shared = above.iter().zip(parents).take_while(|(a, b)| a == b).count();
        for (depth, segment) in parents.iter().enumerate().skip(shared) {
            if depth == 0 && !lines.is_empty() {
                lines.push(Row::blank());
            }
            let meaning = if depth == 0 { Meaning::Strong } else { Meaning::Name };
            lines.push(Row {
                heading: true,
                ..Row::of(vec![piece(format!("{}{}", "  ".repeat(depth), segment_text(segment)), meaning)])
            });
        }
        above = parents;
        let mut row = leaf(app, value);
        if let Some(evaluated) = evaluated.and_then(|document| at_path(document, &value.path))
            && *evaluated != value.value
        {
            row.left.push(piece(" → ", Meaning::Dim));
            row.left.push(piece(text::value(evaluated), Meaning::Value));
            row.left.push(piece(" evaluated", Meaning::Done));
        }
        if app.stacks.changed.contains(&value.path) {
            row.left.push(piece("  ✎ just changed", Meaning::Accent));
        }
        lines.push(row);
    }
    let widest = lines.iter().filter(|row| !row.right.is_empty()).map(|row| text::width(&row.plain())).max();
    // Sources stand below each other, not further right than they need to.
    let inner = usize::from(width);
    let longest =
        lines.iter().map(|row| row.right.iter().map(|p| text::width(&p.text)).sum::<usize>()).max().unwrap_or(0);
    let at = (widest.unwrap_or(0) + 2).clamp(inner / 3, (inner / 2).max(inner.saturating_sub(longest + 1)));
    for row in &mut lines {
        row.right_at = Some(at as u16);
    }
    rows.extend(lines);
    rows
}

/// Returns the value at a path of what Atmos evaluated.
fn at_path<'d>(document: &'d serde_json::Value, path: &[PathSegment]) -> Option<&'d serde_json::Value> {
    path.iter().try_fold(document, |value, segment| match segment {
        PathSegment::Key(key) => value.get(key),
        PathSegment::Index(index) => value.get(index),
    })
}

fn segment_text(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Key(key) => key.clone(),
        PathSegment::Index(i) => format!("- {i}"),
    }
}

/// Returns the row of one value.
fn leaf(app: &App, value: &ExplainedValue) -> Row {
    let depth = value.path.len().saturating_sub(1);
    let name = value.path.last().map(segment_text).unwrap_or_default();
    let separator = if matches!(value.path.last(), Some(PathSegment::Index(_))) { " " } else { ": " };
    let shown = text::value(&value.value);
    let meaning = if value.unevaluated { Meaning::Warning } else { Meaning::Value };
    let left = vec![
        piece("  ".repeat(depth), Meaning::Text),
        piece(name, Meaning::Name),
        piece(separator, Meaning::Dim),
        piece(if value.unevaluated { "◌ " } else { "" }, Meaning::Warning),
        piece(shown, meaning),
    ];
    let mut right: Vec<Piece> = Vec::new();
    match (&value.source, &value.computed) {
        (Some(source), _) => right.push(piece(short_source(app, source), Meaning::Source)),
        (None, Some(what)) => right.push(piece(format!("computed: {what}"), Meaning::Dim)),
        (None, None) => right.push(piece("no line sets it", Meaning::Dim)),
    }
    if value.chain.len() > 1 {
        right.push(piece(format!(" ⤴ {}", value.chain.len() - 1), Meaning::Accent));
    }
    let copy = match &value.value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Row::of(left).right(right).at(value.source.clone()).copied(copy)
}

/// Returns the place in the rows' values of each row: which row stands for which value.
#[must_use]
pub fn value_of<'a>(app: &'a App, row: &Row) -> Option<&'a ExplainedValue> {
    let explanation = app.explanation()?.value.as_ref()?;
    let (source, plain) = (&row.source, row.plain());
    explanation.values.iter().find(|v| v.source == *source && { plain.starts_with(&leaf(app, v).plain()) })
}

/// Returns what the selected value overrides, for the line below the list.
#[must_use]
pub fn footer(app: &App, row: &Row) -> Vec<Piece> {
    let Some(value) = value_of(app, row) else { return Vec::new() };
    if value.unevaluated {
        let text = text::value(&value.value);
        return vec![piece("◌ not evaluated: ", Meaning::Warning), piece(text, Meaning::Text)];
    }
    let Some((winner, lost)) = value.chain.split_last() else { return Vec::new() };
    let Some(last) = lost.last() else {
        return vec![piece(format!("set by {}", winner.section), Meaning::Dim)];
    };
    vec![
        piece(format!("⤴ {}: overrides ", lost.len()), Meaning::Accent),
        piece(source_text(&last.source), Meaning::Source),
        piece(format!(" ({})", text::clip(&text::value(&last.value), 40)), Meaning::Dim),
    ]
}

fn fact(name: &str, value: impl Into<String>) -> Row {
    Row::of(vec![piece(format!("{name:<10} "), Meaning::Dim), piece(value, Meaning::Text)])
}

fn stack(app: &App, name: &str) -> Vec<Row> {
    let stack = app.stack_list.items().iter().find(|s| s.stack == name);
    let files = stack.map(|s| s.files.clone()).unwrap_or_default();
    let mut rows = diagnostics(app, |d| {
        d.stack.as_deref() == Some(name) || d.source.as_ref().is_some_and(|s| files.contains(&s.file))
    });
    rows.push(fact("stack", name).copied(name));
    for file in &files {
        let source = crate::domain::stack::Source { file: file.clone(), line: 1, column: 1 };
        rows.push(fact("file", file.clone()).at(Some(source)).to(Go::File(file.clone())));
    }
    rows.push(Row::blank());
    rows.push(Row::head("Instances"));
    for instance in app.instances.items().iter().filter(|i| i.stack == name && !i.is_abstract) {
        let mut row = Row::of(vec![piece(format!("  {}", instance.component), Meaning::Text)])
            .right(vec![piece(instance.folder.clone(), Meaning::Dim)])
            .to(Go::Instance(InstanceKey::of(instance)));
        row.copy = Some(InstanceKey::of(instance).reference().to_string());
        rows.push(row);
    }
    rows
}

fn file(app: &App, name: &str) -> Vec<Row> {
    let mut rows = diagnostics(app, |d| d.source.as_ref().is_some_and(|s| s.file == name));
    if let Some(lines) = app.stacks.files.get(name).and_then(|kept| kept.value.as_ref()) {
        rows.extend(file_rows(name, lines, None));
    }
    rows
}

/// Returns a file's lines as rows with their numbers; the marked line stands out.
#[must_use]
pub fn file_rows(name: &str, lines: &[ratatui::text::Line<'static>], marked: Option<u32>) -> Vec<Row> {
    let wide = lines.len().to_string().len();
    let row = |(i, line): (usize, &ratatui::text::Line<'static>)| {
        let number = i as u32 + 1;
        let here = marked == Some(number);
        let mut left = vec![piece(
            format!("{}{number:>wide$} ", if here { "▶ " } else { "  " }),
            if here { Meaning::Accent } else { Meaning::Dim },
        )];
        left.extend(line.spans.iter().map(|span| Piece {
            text: span.content.to_string(),
            meaning: Meaning::Text,
            style: (span.style != ratatui::style::Style::default()).then_some(span.style),
        }));
        let source = crate::domain::stack::Source { file: name.to_owned(), line: number, column: 1 };
        Row::of(left).at(Some(source)).copied(line.to_string())
    };
    lines.iter().enumerate().map(row).collect()
}

fn component(app: &App, name: &str) -> Vec<Row> {
    let own: Vec<_> = app.instances.items().iter().filter(|i| i.component == name).collect();
    let mut rows = vec![fact("component", name).copied(name)];
    if let Some(first) = own.first() {
        rows.push(fact("folder", first.folder.clone()));
        if !first.inherits.is_empty() {
            rows.push(fact("inherits", first.inherits.join(" ← ")));
        }
        if own.iter().all(|i| i.is_abstract) {
            rows.push(fact("abstract", "only there to be inherited from"));
        }
    }
    let heirs = app.instances.items().iter().filter(|i| i.inherits.iter().any(|b| b == name)).count();
    if heirs > 0 {
        rows.push(fact("hit", format!("{} inherit from it", text::count(heirs, "instance"))));
    }
    rows.push(Row::blank());
    rows.push(Row::head("Where it is"));
    rows.extend(own.iter().map(|instance| {
        Row::of(vec![piece(format!("  {}", instance.stack), Meaning::Text)])
            .right(vec![piece(instance.file.clone(), Meaning::Source)])
            .to(Go::Instance(InstanceKey::of(instance)))
    }));
    rows
}

fn group(app: &App) -> Vec<Row> {
    let Some((node, _)) = app.node() else { return Vec::new() };
    let prefix = format!("{}/", node.id);
    let mut rows = vec![
        fact("stacks", node.id.trim_start_matches("group/").replace('/', " ▸ ")),
        fact("instances", text::thousands(node.count as u64)),
    ];
    drop(prefix);
    rows.push(Row::blank());
    rows.push(Row::text("Open it with enter, or type / to filter.", Meaning::Dim));
    rows
}
