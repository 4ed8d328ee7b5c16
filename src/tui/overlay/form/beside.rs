//! What a form would come to: instances, files, price, budget, verdict; and what of it is being worked out.

use crate::api::types::Preview;
use crate::tui::app::App;
use crate::tui::panes::requests::columns::wrapped;
use crate::tui::panes::requests::plan::instance_mark;
use crate::tui::panes::requests::{money, verdict};
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Row, piece};
use crate::tui::widgets::text;

use super::Form;

/// Returns what stands on the frame: whether something is being worked out.
#[must_use]
pub fn side(form: &Form) -> &'static str {
    if form.sending {
        "being sent …"
    } else if form.planning.is_some() {
        "planning …"
    } else if !form.is_fresh() {
        "…"
    } else {
        ""
    }
}

/// Returns what the form would come to.
#[must_use]
pub fn rows(app: &App, form: &Form, columns: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(trouble) = &form.trouble {
        rows.extend(trouble_rows(trouble, columns));
        rows.push(Row::blank());
    }
    if form.is_empty() {
        rows.push(Row::text("Nothing is changed yet.", Meaning::Text));
        rows.push(Row::text("Its price and what policy says stand here.", Meaning::Dim));
        return rows;
    }
    let preview = match &form.preview {
        Some((_, Ok(preview))) => preview,
        Some((_, Err(trouble))) => {
            rows.extend(trouble_rows(trouble, columns));
            return rows;
        }
        None => {
            rows.push(Row::text("Working it out …", Meaning::Dim));
            return rows;
        }
    };
    if !preview.problems.is_empty() {
        problems(form, preview, columns, &mut rows);
        return rows;
    }
    rows.extend(wrapped("", &preview.title, Meaning::Strong, columns));
    for one in &preview.instances {
        let (mark, meaning) = instance_mark(one.action);
        rows.push(Row::of(vec![piece(format!("{mark} "), meaning), piece(one.instance.to_string(), Meaning::Text)]));
    }
    for file in preview.files.iter().take(3) {
        let lines = |sign: char, head: &str| {
            file.diff.lines().filter(|line| line.starts_with(sign) && !line.starts_with(head)).count()
        };
        rows.push(Row::of(vec![
            piece(format!("  +{} -{} ", lines('+', "+++"), lines('-', "---")), Meaning::Dim),
            piece(text::clip_start(&file.path, columns.saturating_sub(10)).into_owned(), Meaning::Source),
        ]));
    }
    if preview.files.len() > 3 {
        rows.push(Row::text(format!("  … {}", text::count(preview.files.len() - 3, "more file")), Meaning::Dim));
    }
    rows.push(Row::blank());
    cost(app, form, preview, columns, &mut rows);
    rows
}

fn trouble_rows(trouble: &crate::tui::message::Trouble, columns: usize) -> Vec<Row> {
    let mut rows = wrapped("✗ ", &trouble.message, Meaning::Failed, columns);
    if let Some(hint) = &trouble.hint {
        rows.extend(wrapped("  → ", hint, Meaning::Text, columns));
    }
    rows
}

/// Says what is still to be filled in, and what is wrong with what was.
fn problems(form: &Form, preview: &Preview, columns: usize, rows: &mut Vec<Row>) {
    let title = |input: &str| form.fields.iter().find(|field| field.name == input).map(|field| field.title.clone());
    let empty = |input: &str| form.fields.iter().any(|field| field.name == input && field.text().is_empty());
    let (missing, wrong): (Vec<_>, Vec<_>) = preview.problems.iter().partition(|problem| empty(&problem.input));
    if !missing.is_empty() {
        let names: Vec<String> = missing.iter().filter_map(|problem| title(&problem.input)).collect();
        rows.extend(wrapped("", &format!("Still to be filled in: {}", names.join(", ")), Meaning::Text, columns));
        rows.push(Row::text("Then its price and what policy says stand here.", Meaning::Dim));
    }
    for problem in wrong {
        let lead = title(&problem.input).map(|title| format!("{title}: ")).unwrap_or_default();
        rows.extend(wrapped("✗ ", &format!("{lead}{}", problem.message), Meaning::Failed, columns));
    }
}

/// Adds price, budget, verdict and approvals: those of the plan, where there is one.
fn cost(app: &App, form: &Form, preview: &Preview, columns: usize, rows: &mut Vec<Row>) {
    let nothing = preview.instances.is_empty();
    let planned = match &form.planned {
        _ if nothing => Some(preview),
        Some(planned) => match &planned.outcome {
            Ok(found) => {
                if planned.serial != form.serial {
                    rows.push(Row::text("as it was before the last change:", Meaning::Dim));
                }
                Some(&**found)
            }
            Err(trouble) => {
                rows.extend(trouble_rows(trouble, columns));
                None
            }
        },
        None => None,
    };
    let Some(found) = planned else {
        let why = if form.planning.is_some() { "being planned …" } else { "unknown until it is planned" };
        rows.push(Row::of(vec![piece("Price  ", Meaning::Strong), piece(why, Meaning::Unknown)]));
        return;
    };
    rows.extend(money::price(found.price.as_ref(), &found.unknown, columns));
    if let Some(team) = form.team(app) {
        rows.extend(money::budgets(app, &team, found.price.as_ref().map(|price| &price.delta), columns));
    }
    if let Some(verdict) = &found.verdict {
        rows.extend(verdict::policy(verdict, columns));
        for need in &verdict.approvals {
            rows.extend(wrapped("needs ", &verdict::need(need), Meaning::Text, columns));
        }
        if verdict.approvals.is_empty() && verdict.denials().next().is_none() {
            rows.push(Row::text("✓ nobody has to agree", Meaning::Done));
        } else if !verdict.approvals.is_empty() && app.card().solo {
            rows.push(Row::text("solo: no second person", Meaning::Warning));
        }
    }
}
