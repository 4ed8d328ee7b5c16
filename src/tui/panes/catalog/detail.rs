//! What there is to know of one service.

use crate::domain::service::{Attribute, Service};
use crate::domain::stack::Source;
use crate::tui::app::App;
use crate::tui::message::InstanceKey;
use crate::tui::panes::requests::money;
use crate::tui::panes::runs::state_mark;
use crate::tui::panes::stacks::source_text;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Go, Row, piece};
use crate::tui::widgets::{markdown, text};

use super::Tab;

/// Returns the rows of the tab that is shown.
#[must_use]
pub fn rows(app: &App, width: u16) -> Vec<Row> {
    let Some(service) = app.service() else { return Vec::new() };
    match app.catalog.tab {
        Tab::About => about(app, service, width),
        Tab::Inputs => inputs(service),
        Tab::Outputs => outputs(service),
        Tab::Instances => instances(app, service),
    }
}

fn about(app: &App, service: &Service, width: u16) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut fact = |name: &str, attribute: &Option<Attribute>| {
        let mut row = Row::of(vec![piece(format!("{name:<10} "), Meaning::Dim)]);
        match attribute {
            Some(Attribute { value, source }) => {
                row.left.push(piece(value.clone(), Meaning::Text));
                row = row.copied(value.clone()).at(source.clone());
                // A description has the line to itself.
                if let Some(source) = source.as_ref().filter(|_| name != "is") {
                    row = row.right(vec![piece(source_text(source), Meaning::Source)]);
                }
            }
            None => row.left.push(piece("not stated", Meaning::Dim)),
        }
        rows.push(row);
    };
    fact("is", &service.description);
    fact("owner", &service.owner);
    fact("tier", &service.tier);
    fact("lifecycle", &service.lifecycle);
    let folder = Source { file: service.folder.clone(), line: 1, column: 1 };
    rows.push(
        Row::of(vec![
            piece("folder     ", Meaning::Dim),
            piece(folder.file.clone(), if service.exists { Meaning::Text } else { Meaning::Failed }),
            piece(if service.exists { "" } else { "  ✗ is not there" }, Meaning::Failed),
        ])
        .copied(folder.file),
    );
    if service.instances.is_empty() {
        rows.push(Row::text("No stack uses it.", Meaning::Warning));
    } else {
        rows.push(cost(app, service));
    }
    let paths: Vec<&str> = app.requests.paths_of(&service.name).map(|(_, path)| path.title.as_str()).collect();
    if !paths.is_empty() {
        let key = app.keymap.key(crate::tui::action::Action::NewRequest, app.place()).unwrap_or_default();
        rows.push(Row::of(vec![
            piece("ask for it ", Meaning::Dim),
            piece(paths.join(", "), Meaning::Text),
            piece(format!("  {key}"), Meaning::Key),
        ]));
    }
    for problem in &service.problems {
        rows.push(Row::text(problem.message.clone(), Meaning::Warning).at(problem.source.clone()));
    }
    rows.push(Row::blank());
    match &service.readme {
        Some(readme) => rows.extend(markdown::rows(readme, usize::from(width.saturating_sub(3)).min(96))),
        None => rows.push(Row::text("It has no README.md.", Meaning::Dim)),
    }
    rows
}

/// Returns what its instances cost together, and what of that is not known.
fn cost(app: &App, service: &Service) -> Row {
    let name = piece("costs      ", Meaning::Dim);
    let Some(sum) = app.prices.value.as_ref().map(|prices| prices.sum(&service.instances)) else {
        return Row::of(vec![name, piece("not known yet", Meaning::Unknown)]);
    };
    let billed = sum.billed.as_ref().map(|billed| format!("  {} billed last month", money::amount(billed)));
    let billed = billed.map(|words| piece(words, Meaning::Dim));
    let Some(monthly) = &sum.monthly else {
        let words = "nothing of it is known to be live";
        return Row::of([name, piece(words, Meaning::Dim)].into_iter().chain(billed).collect());
    };
    let mut row = Row::of(vec![
        name,
        piece(format!("{} a month", money::amount(monthly)), Meaning::Value),
        piece(format!("  {} of {} live", sum.live, text::count(service.instances.len(), "instance")), Meaning::Dim),
    ]);
    if sum.unpriced > 0 {
        row.left.push(piece(format!("  {} without a price", sum.unpriced), Meaning::Unknown));
    }
    row.left.extend(billed);
    row.copied(monthly.to_string())
}

fn inputs(service: &Service) -> Vec<Row> {
    if service.inputs.is_empty() {
        return vec![Row::text("It declares no variables.", Meaning::Dim)];
    }
    let mut sorted: Vec<_> = service.inputs.iter().collect();
    sorted.sort_by_key(|input| !input.required);
    let mut rows = Vec::new();
    for (i, input) in sorted.iter().enumerate() {
        if i == 0 || sorted[i - 1].required != input.required {
            if i > 0 {
                rows.push(Row::blank());
            }
            rows.push(Row::head(if input.required { "Must be given" } else { "Have a default" }));
        }
        let mut left = vec![
            piece(format!("  {}", input.name), Meaning::Name),
            piece(format!("  {}", one_line(&input.type_expression)), Meaning::Dim),
        ];
        if let Some(default) = &input.default {
            left.push(piece(format!(" = {}", text::clip(&text::value(default), 40)), Meaning::Value));
        }
        if input.sensitive {
            left.push(piece("  sensitive", Meaning::Warning));
        }
        let mut row = Row::of(left)
            .right(vec![piece(source_text(&input.source), Meaning::Source)])
            .at(Some(input.source.clone()))
            .copied(input.name.clone());
        if let Some(description) = &input.description {
            row.below = vec![piece(format!("    {}", one_line(description)), Meaning::Text)];
        }
        rows.push(row);
        for validation in &input.validations {
            let text = format!("    must hold: {}", one_line(&validation.error_message));
            rows.push(Row::text(text, Meaning::Dim).at(Some(input.source.clone())));
        }
    }
    rows
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn outputs(service: &Service) -> Vec<Row> {
    if service.outputs.is_empty() {
        return vec![Row::text("It declares no outputs.", Meaning::Dim)];
    }
    let row = |output: &crate::domain::service::Output| {
        let mut left = vec![piece(output.name.clone(), Meaning::Name)];
        if output.sensitive {
            left.push(piece("  sensitive", Meaning::Warning));
        }
        let mut row = Row::of(left)
            .right(vec![piece(source_text(&output.source), Meaning::Source)])
            .at(Some(output.source.clone()))
            .copied(output.name.clone());
        if let Some(description) = &output.description {
            row.below = vec![piece(format!("  {}", one_line(description)), Meaning::Text)];
        }
        row
    };
    service.outputs.iter().map(row).collect()
}

fn instances(app: &App, service: &Service) -> Vec<Row> {
    if service.instances.is_empty() {
        return vec![Row::text("No stack uses it.", Meaning::Warning)];
    }
    let row = |instance: &crate::domain::stack::InstanceRef| {
        let known =
            app.instances.items().iter().find(|i| i.component == instance.component && i.stack == instance.stack);
        let mut row = Row::of(vec![
            piece(format!("{:<24} ", instance.stack), Meaning::Text),
            piece(instance.component.clone(), Meaning::Strong),
        ])
        .copied(instance.to_string());
        if let Some(known) = known {
            row = row.to(Go::Instance(InstanceKey::of(known)));
            let price = app.prices.value.as_ref().and_then(|prices| prices.beside(&known.component, &known.stack));
            let mut right: Vec<_> = price.into_iter().collect();
            if let Some(state) = app.runs.latest(known) {
                let (mark, meaning) = state_mark(state);
                right.push(piece(mark, meaning));
            }
            row = row.right(right);
        }
        row
    };
    service.instances.iter().map(row).collect()
}
