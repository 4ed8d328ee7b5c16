//! The line on top: where one is, who drives, who looks, what runs, whether it is live.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::{App, Link, View};
use crate::tui::panes::stacks::tree::Of;
use crate::tui::theme::Meaning;
use crate::tui::widgets::{age, text};

/// Draws the line.
pub fn draw(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let theme = &*app.theme;
    let facts = facts(app);
    let crumbs = crumbs(app);
    // Where one is comes first; facts give way from the left, and whether it is live is the last to go.
    let mut right: Vec<Span<'_>> = Vec::new();
    let width = usize::from(area.width);
    let room = width.saturating_sub(crumbs.width() + 2).clamp(width / 3, width * 2 / 3);
    for (text, meaning) in facts.into_iter().rev() {
        let wide = text::width(&text) + 3;
        let used: usize = right.iter().map(|s: &Span<'_>| s.width()).sum();
        if used + wide > room {
            break;
        }
        if !right.is_empty() {
            right.insert(0, Span::styled(" · ", theme.style(Meaning::Dim)));
        }
        right.insert(0, Span::styled(text, theme.style(meaning)));
    }
    let right = Line::from(right);
    let wide = right.width() as u16 + 1;
    let left_room = area.width.saturating_sub(wide + 2);
    let left = text::fit(crumbs, left_room);
    frame.buffer_mut().set_line(area.x, area.y, &left, left_room);
    frame.buffer_mut().set_line(area.right().saturating_sub(wide), area.y, &right, wide);
}

/// Returns where one is, from the estate down to what is selected.
fn crumbs(app: &App) -> Line<'static> {
    let theme = &*app.theme;
    let mut parts = vec![app.view.title().to_owned()];
    match app.view {
        View::Stacks => {
            if let Some(instance) = app.tree_instance() {
                parts.extend([instance.stack.clone(), instance.component.clone()]);
            } else if let Some((node, _)) = app.node() {
                parts.push(match &node.of {
                    Of::Stack(name) => name.clone(),
                    _ => node.label.clone(),
                });
            }
        }
        View::Catalog => parts.extend(app.service().map(|s| s.name.clone())),
        View::Runs => parts.extend(app.run().map(|run| format!("#{}", run.number))),
        View::Requests => parts.extend(
            app.requests.current().map(|request| format!("#{} {}", request.number, text::clip(&request.title, 40))),
        ),
        View::Budgets => parts.extend(app.budgets.list.value.as_ref().map(|card| card.report.period.clone())),
        View::Events => parts.push(app.events.tab.title().to_owned()),
    }
    let mut spans = vec![Span::styled(format!(" {}", app.card().name), theme.style(Meaning::Strong))];
    for part in parts {
        spans.push(Span::styled(" ▸ ", theme.style(Meaning::Dim)));
        spans.push(Span::styled(part, theme.style(Meaning::Text)));
    }
    Line::from(spans)
}

/// Returns the facts on the right, the least important first.
fn facts(app: &App) -> Vec<(String, Meaning)> {
    let card = app.card();
    let mut facts = Vec::new();
    if !card.user.is_empty() {
        let solo = if card.solo { ", solo" } else { "" };
        facts.push((format!("{} ({}{solo})", card.user, card.role), Meaning::Dim));
    }
    match &card.driver {
        Some(driver) => facts.push((driver.clone(), Meaning::Dim)),
        None if app.card.at.is_some() => facts.push(("no atmos, no terraform".into(), Meaning::Warning)),
        None => {}
    }
    let (errors, warnings) = app.problems();
    if errors > 0 {
        facts.push((format!("✗ {}", text::count(errors, "error")), Meaning::Failed));
    } else if warnings > 0 {
        facts.push((format!("⚠ {}", text::count(warnings, "warning")), Meaning::Warning));
    }
    if crate::tui::enabled::needs_trust(app).is_ok() {
        facts.push(("⚠ untrusted: `:` trust".into(), Meaning::Warning));
    }
    if !app.marks.is_empty() {
        facts.push((format!("◆ {} marked", app.marks.len()), Meaning::Marked));
    }
    let alive = app.runs.alive();
    if app.runs.list.value.is_some() {
        let meaning = if alive > 0 { Meaning::Running } else { Meaning::Dim };
        facts.push((format!("{alive} running"), meaning));
    }
    let waiting = app.runs.waiting();
    if waiting > 0 {
        let verb = if waiting == 1 { "needs" } else { "need" };
        facts.push((format!("⚠ {waiting} {verb} you"), Meaning::Accent));
    }
    let asked = app.requests.waiting();
    if asked > 0 {
        let verb = if asked == 1 { "waits" } else { "wait" };
        facts.push((format!("⚠ {} {verb} for you", text::count(asked, "request")), Meaning::Accent));
    }
    facts.push(match &app.link {
        Link::Connecting => ("◌ connecting".into(), Meaning::Dim),
        Link::Live => ("● live".into(), Meaning::Done),
        Link::Lost { since, attempt, .. } => {
            let silent = age::short(age::seconds(*since, app.now));
            (format!("✗ platform lost {silent} ago, attempt {attempt}"), Meaning::Failed)
        }
    });
    facts
}
