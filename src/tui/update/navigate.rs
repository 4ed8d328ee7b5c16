//! Moving about: rows, panes, tabs, folds, and the ways from one view to another.

use crate::domain::id::{RunId, RunRef};
use crate::domain::stack::InstanceRef;
use crate::tui::app::{App, Focus, View};
use crate::tui::layout;
use crate::tui::message::{Effect, InstanceKey};
use crate::tui::panes::runs::list::Item;
use crate::tui::panes::stacks::tree::{Grouping, Of, instance_id};
use crate::tui::panes::{catalog, events, requests, stacks};
use crate::tui::widgets::list::{Cursor, Go};

/// Returns how many rows the list of the view has.
pub(super) fn list_len(app: &App) -> usize {
    match app.view {
        View::Stacks => app.stacks.tree.rows().len(),
        View::Catalog => app.catalog.items.len(),
        View::Runs => app.runs.items.len(),
        View::Requests => app.requests.items.len(),
        View::Budgets => app.budgets.items.len(),
        View::Events => app.events.shown.len(),
    }
}

/// Returns how many lines a row of the list of the view takes.
pub(super) fn list_height(app: &App, at: usize) -> usize {
    match app.view {
        View::Runs => crate::tui::panes::runs::list::height(app, at),
        View::Requests => requests::height(app, at),
        _ => 1,
    }
}

fn list_cursor(app: &mut App) -> &mut Cursor {
    match app.view {
        View::Stacks => &mut app.stacks.cursor,
        View::Catalog => &mut app.catalog.cursor,
        View::Runs => &mut app.runs.cursor,
        View::Requests => &mut app.requests.cursor,
        View::Budgets => &mut app.budgets.cursor,
        View::Events => &mut app.events.cursor,
    }
}

/// Returns the selection beside the list.
pub(super) fn detail_cursor(app: &mut App) -> &mut Cursor {
    match app.view {
        View::Stacks => app.stacks.detail(),
        View::Catalog => &mut app.catalog.details[app.catalog.tab as usize],
        View::Requests => &mut app.requests.detail,
        View::Budgets => &mut app.budgets.detail,
        View::Runs | View::Events => &mut app.events.detail,
    }
}

/// Moves the selection by so many rows where the keys go.
pub(super) fn step(app: &mut App, by: isize) {
    match app.focus {
        Focus::List => {
            let len = list_len(app);
            list_cursor(app).step(by, len);
            pass_headings(app, by);
            selected(app);
        }
        Focus::Detail if app.view == View::Runs => app.runs.log.step(by as i64),
        Focus::Detail => {
            let rows = app.detail_rows(detail_width(app));
            let cursor = detail_cursor(app);
            let before = cursor.at;
            cursor.step(by, rows.len());
            // Headings are passed over, in the direction of the step; at the end the way back is taken.
            let forward = by > 0;
            let next = |at: usize| if forward { (at + 1 < rows.len()).then_some(at + 1) } else { at.checked_sub(1) };
            let mut at = cursor.at;
            while rows.get(at).is_some_and(|row| row.heading) {
                match next(at) {
                    Some(further) => at = further,
                    None => break,
                }
            }
            if rows.get(at).is_some_and(|row| !row.heading) {
                cursor.at = at;
            } else if rows.get(before).is_some_and(|row| !row.heading) {
                cursor.at = before;
                // The headings above the first row come into sight.
                if !forward {
                    cursor.top = 0;
                }
            }
            leaf(app);
        }
    }
}

/// Returns the width inside the pane beside the list.
pub(super) fn detail_width(app: &App) -> u16 {
    layout::panes(app).map_or(80, |panes| panes.detail.width.saturating_sub(2))
}

fn pass_headings(app: &mut App, by: isize) {
    let heading = |at: usize| match app.view {
        View::Catalog => matches!(app.catalog.items.get(at), Some(catalog::Item::Head(_))),
        View::Requests => matches!(app.requests.items.get(at), Some(requests::Item::Head(_))),
        _ => false,
    };
    let len = list_len(app);
    let mut at = match app.view {
        View::Catalog => app.catalog.cursor.at,
        View::Requests => app.requests.cursor.at,
        _ => return,
    };
    while heading(at) {
        if by < 0 && at > 0 {
            at -= 1;
        } else if by >= 0 && at + 1 < len {
            at += 1;
        } else {
            break;
        }
    }
    if heading(at) {
        at = (0..len).find(|at| !heading(*at)).unwrap_or(0);
    }
    list_cursor(app).at = at;
}

/// Notes what is selected now, so that it stays so when data arrives.
pub(super) fn selected(app: &mut App) {
    match app.view {
        View::Stacks => {
            let id = app.node().map(|(node, _)| node.id.clone()).unwrap_or_default();
            if id != app.stacks.selected {
                app.stacks.details = Default::default();
                app.stacks.changed.clear();
                app.stacks.selected = id;
            }
        }
        View::Catalog => {
            let name = app.service().map(|service| service.name.clone()).unwrap_or_default();
            if name != app.catalog.selected {
                app.catalog.details = [Cursor::default(); 4];
                app.catalog.selected = name;
            }
        }
        View::Runs => app.runs.selected = app.runs.items.get(app.runs.cursor.at).cloned(),
        View::Requests => {
            let number = app.requests.current().map(|request| request.number);
            if number != app.requests.selected {
                app.requests.detail = Cursor::default();
                app.requests.selected = number;
                app.requests.chosen = true;
            }
        }
        View::Budgets => app.budgets.leave(),
        View::Events => {
            // The first row follows the stream.
            app.events.selected = match app.events.cursor.at {
                0 => None,
                at => app.events.id(at),
            };
            app.events.detail = Cursor::default();
        }
    }
}

/// Notes which value is selected in Config, so that Sources shows its chain.
fn leaf(app: &mut App) {
    if app.view != View::Stacks || app.stacks.tab != stacks::Tab::Config {
        return;
    }
    let path = app.detail_row().and_then(|row| stacks::config::value_of(app, &row).map(|value| value.path.clone()));
    if let Some(path) = path {
        app.stacks.leaf = path;
    }
}

/// Goes to the first or the last row.
pub(super) fn jump(app: &mut App, to_end: bool) {
    if app.focus == Focus::Detail && app.view == View::Runs {
        let log = &mut app.runs.log;
        log.at = if to_end { log.len().saturating_sub(1) } else { 0 };
        log.follow = to_end;
        return;
    }
    let far = isize::MAX / 2;
    step(app, if to_end { far } else { -far });
    if !to_end && app.focus == Focus::Detail {
        detail_cursor(app).top = 0;
    }
}

/// Returns how many rows a page has where the keys go.
pub(super) fn page(app: &App) -> isize {
    let Some(panes) = layout::panes(app) else { return 10 };
    let pane = if app.focus == Focus::List { panes.list } else { panes.detail };
    (isize::try_from(pane.height).unwrap_or(10) - 4).max(1)
}

/// Selects the row at a line of the screen; tells whether it was selected already.
pub(super) fn click(app: &mut App, pane: Focus, y: u16) -> bool {
    let Some(panes) = layout::panes(app) else { return false };
    let inner = layout::inside(if pane == Focus::List { panes.list } else { panes.detail });
    let Some(line) = y.checked_sub(inner.y).filter(|_| y < inner.bottom()) else { return false };
    let before = app.focus;
    app.focus = pane;
    let line = usize::from(line);
    let again = match (app.view, pane) {
        (View::Runs, Focus::Detail) => false,
        (_, Focus::List) => {
            let len = list_len(app);
            let (mut at, mut used) = (list_cursor(app).top, 0);
            while at < len {
                used += list_height(app, at);
                if line < used {
                    break;
                }
                at += 1;
            }
            let at = at.min(len.saturating_sub(1));
            std::mem::replace(&mut list_cursor(app).at, at) == at
        }
        (_, Focus::Detail) => {
            let cursor = detail_cursor(app);
            let at = cursor.top + line;
            std::mem::replace(&mut cursor.at, at) == at
        }
    };
    if pane == Focus::List {
        selected(app);
    } else {
        leaf(app);
    }
    again && before == pane
}

/// Goes through the tabs.
pub(super) fn tab(app: &mut App, by: usize) {
    let next = |at: usize, len: usize| (at + by) % len;
    match app.view {
        View::Stacks => app.stacks.tab = stacks::Tab::ALL[next(app.stacks.tab as usize, stacks::Tab::ALL.len())],
        View::Catalog => app.catalog.tab = catalog::Tab::ALL[next(app.catalog.tab as usize, catalog::Tab::ALL.len())],
        View::Events => {
            app.events.tab = events::Tab::ALL[next(app.events.tab as usize, events::Tab::ALL.len())];
            app.events.selected = None;
            app.events.cursor = Cursor::default();
            app.events.arrange();
        }
        View::Runs | View::Requests | View::Budgets => {}
    }
}

/// Unfolds the selected node, or goes into it.
pub(super) fn right(app: &mut App) {
    if app.focus == Focus::Detail {
        if app.view == View::Runs && !app.runs.log.wrap {
            app.runs.log.left += 16;
        }
        return;
    }
    if app.view == View::Stacks
        && let Some((node, shown)) = app.node()
    {
        match shown.open {
            Some(false) => {
                let id = node.id.clone();
                app.stacks.open_now().insert(id);
                unfold(app);
                return;
            }
            Some(true) => return step(app, 1),
            None => {}
        }
    }
    app.focus = Focus::Detail;
}

/// Folds the selected node, or goes to the one above it.
pub(super) fn left(app: &mut App) {
    if app.focus == Focus::Detail {
        if app.view == View::Runs && app.runs.log.left > 0 {
            app.runs.log.left = app.runs.log.left.saturating_sub(16);
        } else {
            app.focus = Focus::List;
        }
        return;
    }
    if app.view != View::Stacks {
        return;
    }
    let Some((node, shown)) = app.node() else { return };
    if shown.open == Some(true) && app.stacks.filter.is_empty() {
        let id = node.id.clone();
        app.stacks.open_now().remove(&id);
        unfold(app);
    } else if let Some(parent) = app.stacks.tree.parent(app.stacks.cursor.at) {
        app.stacks.cursor.at = parent;
        selected(app);
    }
}

/// Unfolds or folds the selected node.
pub(super) fn toggle(app: &mut App) {
    let Some((node, shown)) = app.node() else { return };
    let id = node.id.clone();
    match shown.open {
        Some(true) => app.stacks.open_now().remove(&id),
        Some(false) => app.stacks.open_now().insert(id),
        None => return,
    };
    unfold(app);
}

/// Makes the rows of the tree anew and keeps the selection where it is.
pub(super) fn unfold(app: &mut App) {
    let grouping = app.stacks.grouping as usize;
    let filtered = !app.stacks.filter.is_empty();
    app.stacks.tree.unfold(&app.stacks.unfolded[grouping], filtered);
    if let Some(at) = app.stacks.tree.find(&app.stacks.selected) {
        app.stacks.cursor.at = at;
    }
    let len = app.stacks.tree.rows().len();
    app.stacks.cursor.at = app.stacks.cursor.at.min(len.saturating_sub(1));
}

/// Makes the tree anew from what is known.
pub(super) fn rebuild(app: &mut App) {
    let facts = crate::tui::panes::stacks::tree::Facts {
        stacks: app.stack_list.items(),
        instances: app.instances.items(),
        imports: app.imports.items(),
        diagnostics: app.diagnostics.items(),
    };
    let (grouping, abstracts) = (app.stacks.grouping, app.stacks.show_abstract);
    app.stacks.tree.build(grouping, facts, abstracts, &app.stacks.filter);
    // A newcomer sees the stacks, not a lone root.
    let few = app.stack_list.items().len() <= 40;
    if few && grouping == Grouping::Stacks && app.stacks.unfolded[0].is_empty() && app.stacks.selected.is_empty() {
        let groups = app.stacks.tree.folders().into_iter().filter(|id| id.starts_with("group/"));
        app.stacks.unfolded[0].extend(groups);
    }
    unfold(app);
    let known = app.stack_list.value.is_some() && app.instances.value.is_some();
    if known && grouping == Grouping::Stacks && app.stacks.selected.is_empty() && app.stacks.filter.is_empty() {
        first_instance(app);
    }
    if app.stacks.tree.find(&app.stacks.selected).is_none() {
        first_match(app);
    }
    // What is selected is shown, also where only a filter had unfolded the way to it.
    if app.stacks.filter.is_empty() && app.stacks.tree.find(&app.stacks.selected).is_none() {
        let way = app.stacks.tree.way_to(&app.stacks.selected);
        if !way.is_empty() {
            app.stacks.open_now().extend(way);
            unfold(app);
        }
    }
}

/// Selects the first instance of the first stack, so that a newcomer sees values and the lines that set them.
fn first_instance(app: &mut App) {
    let Some(first) = app.stacks.tree.first_instance() else { return };
    let way = app.stacks.tree.way_to(&first);
    app.stacks.open_now().extend(way);
    app.stacks.selected = first;
    unfold(app);
}

/// Selects the first instance that a filter found, unless one that it found is selected already.
pub(super) fn first_match(app: &mut App) {
    if app.stacks.filter.is_empty() || app.tree_instance().is_some() {
        return;
    }
    let tree = &app.stacks.tree;
    let instance = |at: &usize| tree.row(*at).is_some_and(|(node, _)| matches!(node.of, Of::Instance(_)));
    let found = (0..tree.rows().len()).find(instance);
    if let Some((at, id)) = found.and_then(|at| Some((at, tree.row(at)?.0.id.clone()))) {
        app.stacks.cursor.at = at;
        app.stacks.selected = id;
        app.stacks.details = Default::default();
        app.stacks.changed.clear();
    }
}

/// Shows an instance in the tree of stacks.
pub(super) fn go_instance(app: &mut App, key: &InstanceKey) {
    app.view = View::Stacks;
    let Some(instance) = app.instances.items().iter().find(|i| InstanceKey::of(i) == *key) else {
        app.complain(format!("there is no {}@{}", key.component, key.stack));
        return;
    };
    let (id, is_abstract) = (instance_id(instance), instance.is_abstract);
    app.stacks.show_abstract |= is_abstract;
    app.stacks.grouping = Grouping::Stacks;
    app.stacks.filter.clear();
    app.stacks.tab = stacks::Tab::Config;
    rebuild(app);
    let way = app.stacks.tree.way_to(&id);
    app.stacks.open_now().extend(way);
    app.stacks.selected = id;
    app.stacks.details = Default::default();
    unfold(app);
}

/// Shows the only or first instance that a component and a stack name.
pub(super) fn go_reference(app: &mut App, reference: &InstanceRef) {
    let found = app.instances.items().iter().find(|i| i.component == reference.component && i.stack == reference.stack);
    match found.map(InstanceKey::of) {
        Some(key) => go_instance(app, &key),
        None => app.complain(format!("there is no {reference}")),
    }
}

/// Shows a run; asks for it where it is not known yet.
pub(super) fn go_run(app: &mut App, reference: RunRef) -> Vec<Effect> {
    app.view = View::Runs;
    match app.runs.named(reference).map(|run| run.id) {
        Some(id) => {
            select_run(app, id);
            Vec::new()
        }
        None => {
            app.target = Some(crate::tui::app::Target::Run(reference));
            vec![Effect::LoadRun(reference)]
        }
    }
}

/// Selects a run that is known.
pub(super) fn select_run(app: &mut App, id: RunId) {
    app.view = View::Runs;
    let at = |app: &App| app.runs.items.iter().position(|item| matches!(item, Item::Run { id: own, .. } if *own == id));
    if at(app).is_none() {
        app.runs.filter.clear();
        app.runs.arrange();
    }
    if let Some(at) = at(app) {
        app.runs.cursor.at = at;
        selected(app);
    }
}

/// Goes where a row leads.
pub(super) fn follow(app: &mut App, go: &Go) -> Vec<Effect> {
    match go {
        Go::Instance(key) => {
            go_instance(app, key);
            Vec::new()
        }
        Go::Run(id) => go_run(app, RunRef::Id(*id)),
        Go::File(file) => {
            app.view = View::Stacks;
            app.stacks.grouping = Grouping::Imports;
            // The graph shows stack files; any other is found by its name.
            let root = app.stack_list.items().iter().any(|s| s.files.contains(file));
            app.stacks.filter = if root { String::new() } else { file.clone() };
            app.stacks.selected = format!("file/{file}");
            app.stacks.details = Default::default();
            app.stacks.tab = stacks::Tab::Imports;
            app.focus = Focus::List;
            rebuild(app);
            Vec::new()
        }
        Go::Service(name) => {
            app.view = View::Catalog;
            app.catalog.selected.clone_from(name);
            app.catalog.arrange();
            Vec::new()
        }
    }
}

/// Tells whether the selected node can be unfolded.
pub(super) fn folds(app: &App) -> bool {
    app.node().is_some_and(|(node, shown)| shown.open.is_some() && !matches!(node.of, Of::Instance(_)))
}
