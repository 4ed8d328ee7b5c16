//! The page of one request: everything that a decision needs, side by side where there is room, one below the other
//! where there is none.

use crate::domain::request::Request;
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::age;
use crate::tui::widgets::list::{Row, piece};

use super::columns::{self, TWO, beside, wrapped};
use super::{money, plan, state_mark, state_name, story, verdict};

/// Returns the rows of the page of the selected request.
#[must_use]
pub fn rows(app: &App, width: u16) -> Vec<Row> {
    let Some(request) = app.requests.current() else { return Vec::new() };
    let whole = usize::from(width).saturating_sub(2);
    let mut rows = head(app, request, whole);
    rows.extend(spaced(verdict::differences(app, whole)));
    rows.extend(spaced(story::outputs(request)));
    let files = request.check.as_ref().map(|check| story::files(&check.files)).unwrap_or_default();
    if width >= TWO {
        let (left, right) = columns::widths(width);
        rows.push(Row::blank());
        rows.extend(beside(plan::rows(request), cost(app, request, right), width));
        rows.push(Row::blank());
        let mut said = verdict::approval(app, request, left);
        said.extend(spaced(story::asked(request, left)));
        let mut told = story::comments(app, request, right);
        if !told.is_empty() {
            told.push(Row::blank());
        }
        told.extend(story::history(app, request, right));
        rows.extend(beside(said, told, width));
        rows.extend(spaced(verdict::findings(app, request, whole)));
    } else {
        for part in [
            cost(app, request, whole),
            verdict::approval(app, request, whole),
            plan::rows(request),
            story::asked(request, whole),
            verdict::findings(app, request, whole),
            story::comments(app, request, whole),
            story::history(app, request, whole),
        ] {
            rows.extend(spaced(part));
        }
    }
    rows.extend(spaced(files));
    rows
}

/// Returns a part with an empty row above it; nothing for an empty part.
fn spaced(part: Vec<Row>) -> Vec<Row> {
    let mut rows = part;
    if !rows.is_empty() {
        rows.insert(0, Row::blank());
    }
    rows
}

/// Returns where it stands, why, and what leads on.
fn head(app: &App, request: &Request, columns: usize) -> Vec<Row> {
    let (mark, meaning) = state_mark(request.state);
    let since = request.ended_at.or(request.waiting_since).or(request.submitted_at);
    let since = since.map(|since| format!(" · {}", age::ago(since, app.now))).unwrap_or_default();
    let mut rows = vec![
        Row::of(vec![
            piece(format!("{mark} {}", state_name(request.state)), meaning),
            piece(format!("{since} · by {}", request.requester), Meaning::Dim),
        ])
        .copied(format!("request/{}", request.number)),
    ];
    if let Some(reason) = &request.reason {
        rows.extend(wrapped("  ", reason, Meaning::Warning, columns));
    }
    if let Some(next) = &request.next {
        rows.push(
            Row::of(vec![piece("  next: ", Meaning::Dim), piece(next.clone(), Meaning::Name)]).copied(next.clone()),
        );
    }
    rows
}

/// Returns price, budget and policy.
fn cost(app: &App, request: &Request, columns: usize) -> Vec<Row> {
    let Some(check) = &request.check else { return Vec::new() };
    let mut rows = money::price(check.price.as_ref(), &[], columns);
    if let Some(team) = team(app, request) {
        let added = check.price.as_ref().map(|price| &price.delta);
        rows.extend(money::budgets(app, &team, added, columns));
    }
    rows.extend(verdict::policy(&check.verdict, columns));
    rows
}

/// Returns the team that pays for a request: the one it names, or the owner of the instance it concerns.
fn team(app: &App, request: &Request) -> Option<String> {
    let wish = request.wish()?;
    if let Some(team) = wish.inputs.get("team").and_then(serde_json::Value::as_str) {
        return Some(team.to_owned());
    }
    let concerned = request.check.as_ref()?.instances.first()?;
    let known = app.instances.items().iter().find(|instance| {
        instance.component == concerned.instance.component && instance.stack == concerned.instance.stack
    });
    known.and_then(|instance| instance.team.clone())
}
