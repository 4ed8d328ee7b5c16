//! What an instance costs a month: what is live, and what its newest plan comes to, resource by resource.

use crate::domain::budget::PriceOrigin;
use crate::domain::estimate::{ComponentEstimate, Estimate, ResourceEstimate};
use crate::domain::money::grouped;
use crate::tui::app::App;
use crate::tui::panes::requests::columns::wrapped;
use crate::tui::panes::requests::money::{amount, delta};
use crate::tui::panes::runs::{kind_name, state_mark};
use crate::tui::theme::Meaning;
use crate::tui::widgets::age;
use crate::tui::widgets::list::{Go, Row, piece};

/// Returns the rows of the tab; none where nothing is live and nothing was planned.
#[must_use]
pub fn rows(app: &App, width: u16) -> Vec<Row> {
    let Some(instance) = app.tree_instance() else { return Vec::new() };
    let columns = usize::from(width.saturating_sub(2));
    let mut rows = Vec::new();
    let known = app.prices.value.as_ref().and_then(|prices| prices.get(&instance.component, &instance.stack));
    if let Some(live) = known.filter(|price| price.is_live()) {
        let from = match live.from {
            PriceOrigin::State => ", known from its state",
            PriceOrigin::Plan => ", known from its plan",
            PriceOrigin::None | PriceOrigin::Unread => "",
        };
        let meaning = if live.monthly.is_known() { Meaning::Value } else { Meaning::Warning };
        rows.push(
            Row::of(vec![
                piece("Live   ", Meaning::Strong),
                piece(format!("{} a month", amount(&live.monthly)), meaning),
                piece(from, Meaning::Dim),
            ])
            .copied(live.monthly.to_string()),
        );
        rows.extend(live.monthly.unknown.iter().flat_map(|why| wrapped("  ? ", why, Meaning::Unknown, columns)));
    }
    if let Some(billed) = known.and_then(|price| price.billed.as_ref()) {
        let words = piece(format!("{} last month", amount(billed)), Meaning::Text);
        rows.push(Row::of(vec![piece("Billed ", Meaning::Strong), words]).copied(billed.to_string()));
    }
    let Some(run) = plan_row(app, &mut rows) else { return rows };
    match app.reviews.get(run).map(|review| &review.price) {
        Some(Ok(estimate)) => planned(estimate, columns, &mut rows),
        Some(Err(trouble)) => rows.extend(wrapped("  ? ", &trouble.message, Meaning::Unknown, columns)),
        None => rows.push(Row::text("  Reading …", Meaning::Dim)),
    }
    rows
}

/// Adds which plan is told of, and returns its run.
pub(super) fn plan_row(app: &App, rows: &mut Vec<Row>) -> Option<crate::domain::id::RunId> {
    let run = app.planned()?;
    let (mark, meaning) = state_mark(run.state);
    let when = age::ago(run.ended_at.unwrap_or(run.queued_at), app.now);
    if !rows.is_empty() {
        rows.push(Row::blank());
    }
    rows.push(
        Row::of(vec![
            piece("Plan   ", Meaning::Strong),
            piece(format!("{mark} "), meaning),
            piece(format!("#{} {}, {when}", run.number, kind_name(run.kind)), Meaning::Text),
        ])
        .to(Go::Run(run.id))
        .copied(run.command.clone()),
    );
    Some(run.id)
}

fn planned(estimate: &Estimate, columns: usize, rows: &mut Vec<Row>) {
    let meaning = if estimate.after.is_known() { Meaning::Value } else { Meaning::Warning };
    let path = format!("  from {} to {}", amount(&estimate.before), amount(&estimate.after));
    rows.push(
        Row::of(vec![
            piece("Price  ", Meaning::Strong),
            piece(format!("{} a month", delta(&estimate.delta)), meaning),
            piece(path, Meaning::Dim),
        ])
        .copied(estimate.delta.to_string()),
    );
    let (free, priced): (Vec<_>, Vec<_>) = estimate.resources.iter().partition(|resource| resource.is_free());
    for resource in priced {
        rows.push(Row::blank());
        self::resource(resource, columns, rows);
    }
    if !free.is_empty() {
        let many = format!("{} free of charge", crate::tui::widgets::text::count(free.len(), "resource"));
        rows.extend([Row::blank(), Row::text(many, Meaning::Dim)]);
    }
    rows.extend(estimate.warnings.iter().flat_map(|said| wrapped("⚠ ", said, Meaning::Warning, columns)));
}

fn resource(resource: &ResourceEstimate, columns: usize, rows: &mut Vec<Row>) {
    let differs =
        if resource.delta == resource.monthly { String::new() } else { format!("  {}", delta(&resource.delta)) };
    let shown = if resource.monthly.amount.is_none() { Meaning::Unknown } else { Meaning::Value };
    rows.push(
        Row::of(vec![piece(resource.address.clone(), Meaning::Name)])
            .right(vec![piece(differs, Meaning::Dim), piece(format!("  {}", amount(&resource.monthly)), shown)])
            .copied(resource.address.clone()),
    );
    rows.extend(resource.lines().iter().map(line));
    rows.extend(resource.monthly.unknown.iter().flat_map(|why| wrapped("  ? ", why, Meaning::Unknown, columns)));
}

fn line(line: &ComponentEstimate) -> Row {
    let quantity = line.quantity.map_or_else(|| "?".to_owned(), grouped);
    let price = line.price.map(|price| format!(" at {price}")).unwrap_or_default();
    let source = line.source.as_ref().map(|source| source.date.clone().unwrap_or_else(|| source.name.clone()));
    let source = source.map(|source| format!(", {source}")).unwrap_or_default();
    Row::of(vec![
        piece(format!("  {}  ", line.name), Meaning::Text),
        piece(format!("{quantity} {}{price}{source}", line.unit), Meaning::Dim),
    ])
    .right(vec![piece(amount(&line.monthly), Meaning::Dim)])
    .copied(line.source.as_ref().map(|source| source.name.clone()).unwrap_or_default())
}
