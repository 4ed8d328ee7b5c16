//! After each message: what is selected is asked for, what is searched goes on, what is selected is in sight.

use crate::domain::stack::InstanceRef;
use crate::tui::app::{App, Kept, Link, Target, View};
use crate::tui::layout;
use crate::tui::message::{Effect, InstanceKey};
use crate::tui::overlay::Overlay;
use crate::tui::panes::runs::list::{self, Item};
use crate::tui::panes::runs::seek::Progress;
use crate::tui::panes::stacks::{Tab, sources, tree::Of};
use crate::tui::reviews;
use crate::tui::view::pane;

use super::{navigate, requests};

/// Brings the state to rest.
pub(super) fn settle(app: &mut App, effects: &mut Vec<Effect>) {
    target(app);
    if app.link == Link::Live {
        wanted(app, effects);
    }
    log(app, effects);
    reveal(app);
}

/// Goes where the dashboard was asked to open, once that is known.
fn target(app: &mut App) {
    match &app.target {
        Some(Target::Run(reference)) => {
            if let Some(id) = app.runs.named(*reference).map(|run| run.id) {
                app.target = None;
                navigate::select_run(app, id);
            }
        }
        Some(Target::Request(number)) => {
            let number = *number;
            if app.requests.list.items().iter().any(|request| request.number == number) {
                app.target = None;
                requests::select(app, number);
            }
        }
        Some(Target::Instance(component, stack)) if app.instances.value.is_some() => {
            let reference = InstanceRef { component: component.clone(), stack: stack.clone() };
            app.target = None;
            navigate::go_reference(app, &reference);
        }
        _ => {}
    }
}

/// Asks for what the selection needs; one question of a kind at a time.
fn wanted(app: &mut App, effects: &mut Vec<Effect>) {
    if app.view == View::Requests {
        findings(app, effects);
        deciding(app, effects);
    }
    reviews::wanted(app, effects);
    if app.view != View::Stacks {
        return;
    }
    if let Some(key) = app.tree_instance().map(InstanceKey::of) {
        let wants = app.stacks.explanations.get(&key).is_none_or(|kept| kept.is_wanted());
        if wants && app.stacks.asked.is_none() {
            app.stacks.asked = Some(key.clone());
            effects.push(Effect::Explain(key.clone()));
        }
        if app.stacks.tab == Tab::Runs && app.tree_instance().is_some_and(|i| !i.is_abstract) {
            since(app, key.clone(), effects);
        }
        remember_before(app, &key);
    }
    let file = match (app.stacks.tab, app.node().map(|(node, _)| &node.of)) {
        (Tab::Sources, _) => sources::wanted_file(app),
        (Tab::Config, Some(Of::File(file))) => Some(file.clone()),
        _ => None,
    };
    if let Some(file) = file {
        let wants = app.stacks.files.get(&file).is_none_or(|kept| kept.is_wanted());
        if wants && app.stacks.asked_file.is_none() {
            app.stacks.asked_file = Some(file.clone());
            let light = crate::tui::dashboard::is_light(app);
            effects.push(Effect::LoadFile { file, light, colors: app.colors });
        }
    }
}

/// Asks how the selected request stands towards whoever looks, where that is not known of what it is now.
fn deciding(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(request) = app.requests.current().filter(|_| !app.requests.asked_deciding) else { return };
    let (number, version) = (request.number, request.version);
    let known = app.requests.deciding.as_ref().is_some_and(|(own, kept)| {
        let newest = kept.value.as_ref().is_none_or(|deciding| deciding.version >= version);
        *own == number && newest && !kept.is_wanted()
    });
    if !known {
        app.requests.asked_deciding = true;
        effects.push(Effect::Deciding(number));
    }
}

/// Asks what scanners found about the plans of the selected request; one question at a time.
fn findings(app: &mut App, effects: &mut Vec<Effect>) {
    let Some(request) = app.requests.current().filter(|_| app.requests.asked.is_none()) else { return };
    let runs = request.check.iter().flat_map(|check| &check.plans).map(|plan| plan.run);
    let unknown = |run: &crate::domain::id::RunId| app.requests.findings.get(run).is_none_or(|kept| kept.is_wanted());
    if let Some(run) = runs.into_iter().find(unknown) {
        app.requests.asked = Some(run);
        effects.push(Effect::Findings(run));
    }
}

/// Asks what changed since the instance was last applied.
fn since(app: &mut App, key: InstanceKey, effects: &mut Vec<Effect>) {
    let known = app.stacks.since.as_ref().is_some_and(|(own, kept)| *own == key && !kept.is_wanted());
    if known || app.stacks.asked_since {
        return;
    }
    if app.stacks.since.as_ref().is_none_or(|(own, _)| *own != key) {
        app.stacks.since = Some((key.clone(), Kept::default()));
    }
    app.stacks.asked_since = true;
    effects.push(Effect::Since(key));
}

/// Keeps the instance that was looked at before this one, for a comparison without marks.
fn remember_before(app: &mut App, key: &InstanceKey) {
    if app.stacks.shelf.last() == Some(key) {
        return;
    }
    if let Some(last) = app.stacks.shelf.last().cloned()
        && app.stacks.explanations.contains_key(key)
    {
        app.stacks.before = Some(last);
        app.stacks.shelf.retain(|kept| kept != key);
        app.stacks.shelf.push(key.clone());
    }
}

/// Turns to the log of the selected run, and goes on with searches in it.
fn log(app: &mut App, effects: &mut Vec<Effect>) {
    if app.view == View::Runs {
        if app.runs.cursor.at < app.runs.items.len() && app.runs.selected.is_none() {
            navigate::selected(app);
        }
        let shown = match app.runs.items.get(app.runs.cursor.at) {
            Some(Item::Run { id, .. }) => Some(*id),
            _ => None,
        };
        if shown.is_some() && shown != app.runs.log.run {
            app.runs.log.turn_to(shown);
            if let Some(id) = shown {
                effects.push(Effect::FollowLog(id, 0));
            }
        }
    }
    let Some(run) = app.runs.log.run else { return };
    let mut wants = None;
    let mut goes_on = false;
    let log = &mut app.runs.log;
    goes_on |= log.progress.step(&log.buffer);
    if let Some(filter) = &mut log.filter {
        match filter.step(&log.buffer) {
            Progress::More => goes_on = true,
            Progress::Wants(part) => wants = Some(part),
            Progress::Found(_) | Progress::Nothing => {}
        }
    }
    if let Some(mut seek) = log.seek.take() {
        match seek.step(&log.buffer) {
            Progress::Found(row) => {
                let around = (seek.down && row <= log.row(log.at)) || (!seek.down && row >= log.row(log.at));
                if log.filter.is_some() && log.row(log.place(row)) != row {
                    log.filter = None;
                }
                log.go(row);
                if around && seek.left < log.buffer.rows() {
                    app.say("the search went around");
                }
            }
            Progress::Nothing => {
                let query = seek.search.query.clone();
                app.complain(format!("no {query} in this log"));
            }
            Progress::More => {
                log.seek = Some(seek);
                goes_on = true;
            }
            Progress::Wants(part) => {
                log.seek = Some(seek);
                wants = Some(part);
            }
        }
    }
    let log = &mut app.runs.log;
    if wants.is_none() && !log.is_empty() && app.view == View::Runs {
        let shown = log.shown(usize::from(app.size.1));
        wants = log.buffer.wanted(shown.start, shown.end);
    }
    if let Some(part) = wants.filter(|part| log.fetching != Some(*part)) {
        log.fetching = Some(part);
        effects.push(Effect::FetchLog(run, part.offset, part.len));
    }
    if let Some((first, last)) = log.wanted_times(usize::from(app.size.1)).filter(|_| log.asked_times.is_none()) {
        log.asked_times = Some(first);
        effects.push(Effect::LoadTimes(run, first, last - first + 1));
    }
    if goes_on {
        effects.push(Effect::Continue);
    }
}

/// Scrolls every list so far that its selection is in sight.
fn reveal(app: &mut App) {
    let Some(panes) = layout::panes(app) else { return };
    let height = app.size.1;
    if let Some(Overlay::Picker(picker)) = app.overlays.last_mut() {
        let mut cursor = picker.cursor;
        cursor.reveal(picker.shown.len(), picker.room(height), |i| crate::tui::overlay::picker::row_height(picker, i));
        picker.cursor = cursor;
    }
    let lines = usize::from(panes.list.height.saturating_sub(2));
    let len = navigate::list_len(app);
    match app.view {
        View::Stacks => app.stacks.cursor.reveal(len, lines, |_| 1),
        View::Catalog => app.catalog.cursor.reveal(len, lines, |_| 1),
        View::Requests => {
            let mut cursor = app.requests.cursor;
            cursor.reveal(len, lines, |i| navigate::list_height(app, i));
            app.requests.cursor = cursor;
        }
        View::Budgets => app.budgets.cursor.reveal(len, lines, |_| 1),
        View::Events => app.events.cursor.reveal(len, lines, |_| 1),
        View::Runs => {
            let mut cursor = app.runs.cursor;
            cursor.reveal(len, lines, |i| list::height(app, i));
            app.runs.cursor = cursor;
        }
    }
    let inner = layout::inside(panes.detail);
    if app.view == View::Runs {
        let area = app.run().map(|run| pane::log_area(app, run, inner));
        if let Some(area) = area.filter(|area| area.height > 0) {
            app.runs.log.reveal(usize::from(area.height), area.width);
        }
        return;
    }
    let rows = app.detail_rows(inner.width);
    let config = app.view == View::Stacks && app.stacks.tab == Tab::Config;
    let foot = if config && inner.height > 4 { 2 } else { 0 };
    let lines = usize::from(inner.height.saturating_sub(foot));
    let mut cursor = app.detail_cursor();
    let heights = |i: usize| 1 + usize::from(rows.get(i).is_some_and(|row| !row.below.is_empty()));
    // A heading is never selected where something else can be.
    if rows.get(cursor.at).is_none_or(|row| row.heading) {
        let next = (cursor.at..rows.len()).find(|i| !rows[*i].heading);
        cursor.at = next.or_else(|| rows.iter().rposition(|row| !row.heading)).unwrap_or(0);
    }
    cursor.reveal(rows.len(), lines, heights);
    *navigate::detail_cursor(app) = cursor;
}
