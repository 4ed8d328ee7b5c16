//! What each action does; the one match over the table.

use crate::domain::run::RunState;
use crate::tui::action::Action;
use crate::tui::app::{App, Focus, View};
use crate::tui::memory::Gutter;
use crate::tui::message::{Effect, Fact};
use crate::tui::overlay::{Overlay, Picker, Prompt, PromptKind};
use crate::tui::panes::runs::seek::{Search, Seek};
use crate::tui::panes::{budgets, catalog, stacks};
use crate::tui::widgets::list::Cursor;

use super::{asking, form, navigate, requests, start};

/// Does an action, or says why it cannot be done now.
pub(super) fn act(app: &mut App, action: Action) -> Vec<Effect> {
    if let Err(why) = action.enabled(app) {
        app.complain(why);
        return Vec::new();
    }
    match action {
        Action::Plan => return start::plan(app),
        Action::Apply => return start::apply(app),
        Action::Destroy => return start::destroy(app),
        Action::Workflow => app.overlays.push(Overlay::Picker(asking::workflows(app))),
        Action::Command => prompt(app, PromptKind::Command, ""),
        Action::Diff => return start::compare(app),
        Action::Affected => prompt(app, PromptKind::Affected, "HEAD"),
        Action::Trust => return start::trust(app),
        Action::DiffRef => prompt(app, PromptKind::Ref, "HEAD"),
        Action::OnlyDifferences => {
            if let Some(comparison) = &mut app.stacks.comparison {
                comparison.all = !comparison.all;
            }
        }
        Action::SideBySide => {
            let wide = crate::tui::panes::stacks::diff::is_wide(app, navigate::detail_width(app));
            app.stacks.side_by_side = Some(!wide);
            app.say(if wide { "one below the other" } else { "side by side" });
        }
        Action::Evaluate => return start::evaluate(app),
        Action::Edit => {
            if let Some(source) = app.source() {
                return vec![Effect::Edit(source)];
            }
        }
        Action::Group => group(app),
        Action::Abstract => {
            app.stacks.show_abstract = !app.stacks.show_abstract;
            navigate::rebuild(app);
            app.say(if app.stacks.show_abstract {
                "abstract components are shown"
            } else {
                "abstract components are hidden"
            });
        }
        Action::Problems => app.overlays.push(Overlay::Picker(asking::problems(app))),
        Action::Search => app.overlays.push(Overlay::Picker(asking::search())),
        Action::Confirm => return start::confirm(app),
        Action::Cancel => return start::cancel(app),
        Action::Retry => return start::retry(app),
        Action::Since => return app.run().map(|run| Effect::SinceOf(run.id)).into_iter().collect(),
        Action::Resolve => return start::resolve(app),
        Action::Type => {
            if let Some(id) = app.run().map(|run| run.id) {
                prompt(app, PromptKind::Type(id), "");
            }
        }
        Action::FindInLog => {
            app.focus = Focus::Detail;
            prompt(app, PromptKind::Find, "");
        }
        Action::FilterLog => {
            app.focus = Focus::Detail;
            let typed = app.runs.log.filter.as_ref().map(|f| f.search.query.clone()).unwrap_or_default();
            prompt(app, PromptKind::FilterLog, &typed);
        }
        Action::NextError => seek(app, Search::errors(), true),
        Action::PreviousError => seek(app, Search::errors(), false),
        Action::Follow => {
            app.runs.log.follow = !app.runs.log.follow;
        }
        Action::Wrap => {
            app.runs.log.wrap = !app.runs.log.wrap;
            app.runs.log.left = 0;
        }
        Action::Times => {
            app.runs.log.gutter = match app.runs.log.gutter {
                Gutter::None => Gutter::Times,
                Gutter::Times => Gutter::Numbers,
                Gutter::Numbers => Gutter::None,
            };
        }
        Action::NextStep => next_step(app),
        Action::Save => {
            if let Some((id, number)) = app.run().map(|run| (run.id, run.number)) {
                prompt(app, PromptKind::Save(id), &format!("run-{number}.log"));
            }
        }
        Action::Unallocated => budgets::show(app, budgets::Item::Unallocated),
        Action::Savings => budgets::show(app, budgets::Item::Savings),
        Action::Accept => return start::accept(app),
        Action::Dismiss | Action::Snooze => {
            let Some(id) = budgets::recommendation(app).map(|one| one.id.clone()) else { return Vec::new() };
            if action == Action::Dismiss {
                prompt(app, PromptKind::Dismiss(id), "");
            } else {
                let today = app.now.to_zoned(app.zone.clone()).date();
                let later = today.checked_add(jiff::Span::new().months(1)).unwrap_or(today);
                prompt(app, PromptKind::Snooze(id), &later.to_string());
            }
        }
        Action::Export => {
            if let Some(period) = app.budgets.list.value.as_ref().map(|card| card.report.period.clone()) {
                let name = format!("costs-{period}.html");
                prompt(app, PromptKind::Export(period), &name);
            }
        }
        Action::Filter => filter(app),
        Action::NextMatch | Action::PreviousMatch => {
            let down = action == Action::NextMatch;
            if app.view == View::Runs && app.runs.log.search.is_some() {
                let search = app.runs.log.search.clone();
                seek(app, search, down);
            } else if app.view == View::Stacks && app.stacks.tab == stacks::Tab::Sources {
                stacks::sources::turn(app, down);
            } else {
                navigate::step(app, if down { 1 } else { -1 });
            }
        }
        Action::Mark => mark(app),
        Action::ClearMarks => {
            app.marks.clear();
            app.say("nothing is marked");
        }
        Action::Copy => return copy(app),
        Action::CopyCommand => {
            if let Some(command) = app.command() {
                app.say(format!("copied: {command}"));
                return vec![Effect::Copy(command)];
            }
        }
        Action::Open => return open(app),
        Action::Up => navigate::step(app, -1),
        Action::Down => navigate::step(app, 1),
        Action::Left if app.view == View::Budgets && app.focus == Focus::Detail && budgets::is_deep(app) => {
            return budgets::higher(app).map(Effect::Look).into_iter().collect();
        }
        Action::Right if app.view == View::Budgets && app.focus == Focus::Detail => {
            return budgets::deeper(app).map(Effect::Look).into_iter().collect();
        }
        Action::Left => navigate::left(app),
        Action::Right => navigate::right(app),
        Action::PageUp => navigate::step(app, -navigate::page(app)),
        Action::PageDown => navigate::step(app, navigate::page(app)),
        Action::Top => navigate::jump(app, false),
        Action::Bottom => navigate::jump(app, true),
        Action::NextTab => navigate::tab(app, 1),
        Action::PreviousTab => {
            let tabs = match app.view {
                View::Stacks => stacks::Tab::ALL.len(),
                View::Catalog => catalog::Tab::ALL.len(),
                _ => 2,
            };
            navigate::tab(app, tabs - 1);
        }
        Action::NextPane | Action::PreviousPane => {
            app.focus = if app.focus == Focus::List { Focus::Detail } else { Focus::List };
        }
        Action::Zoom => app.zoomed = !app.zoomed,
        Action::Grow => app.split = (app.split + 5).min(85),
        Action::Shrink => app.split = app.split.saturating_sub(5).max(15),
        Action::ViewStacks => show(app, View::Stacks),
        Action::ViewCatalog => show(app, View::Catalog),
        Action::ViewRuns => show(app, View::Runs),
        Action::ViewEvents => {
            show(app, View::Events);
            return vec![Effect::Load(Fact::Audit)];
        }
        Action::ViewBudgets => {
            show(app, View::Budgets);
            return vec![Effect::Load(Fact::Budgets)];
        }
        Action::ViewRequests => {
            show(app, View::Requests);
            return vec![Effect::Load(Fact::Requests), Effect::Load(Fact::Budgets)];
        }
        Action::ViewHealth => {}
        Action::NewRequest => return form::begin(app),
        Action::AskChange => return asking::change(app),
        Action::AskRun => asking::ask_for(app, asking::runs(app)),
        Action::AskRetire => return asking::retire(app),
        Action::AskBudget => asking::ask_for(app, asking::budgets(app)),
        Action::Approve => return requests::approve(app),
        Action::Reject => return requests::say(app, PromptKind::Reject),
        Action::Comment => return requests::say(app, PromptKind::Comment),
        Action::BreakGlass => return requests::say(app, PromptKind::BreakGlass),
        Action::SecondReview => return requests::say(app, PromptKind::Review),
        Action::Continue => return requests::settle(app, false),
        Action::Revert => return requests::settle(app, true),
        Action::Withdraw => return requests::withdraw(app),
        Action::Submit => return requests::submit(app),
        Action::Revise => return requests::revise(app),
        Action::RequestRun => return requests::run(app),
        Action::Send => return form::send(app),
        Action::ShowFiles => form::show_files(app),
        Action::PlanNow => return form::plan_now(app),
        Action::Palette => app.overlays.push(Overlay::Picker(Picker::palette(app))),
        Action::Help => app.overlays.push(Overlay::Help(0)),
        Action::Refresh => return super::answers::ask_for_everything(app),
        Action::NextTheme => {
            let at = app.themes.iter().position(|theme| theme.name == app.theme.name).unwrap_or(0);
            let next = app.themes[(at + 1) % app.themes.len()].clone();
            app.say(format!("theme: {}", next.name));
            app.theme = next.into();
            app.chose_theme = true;
            // Highlighted on the ground of the theme before.
            app.stacks.files.values_mut().for_each(|file| file.stale = true);
        }
        Action::Mouse => {
            app.mouse = !app.mouse;
            app.say(if app.mouse { "the mouse works here" } else { "the mouse is the terminal's" });
            return vec![Effect::Mouse(app.mouse)];
        }
        Action::Redraw => return vec![Effect::Redraw],
        Action::Suspend => return vec![Effect::Suspend],
        Action::Back if app.view == View::Budgets && app.focus == Focus::Detail && budgets::is_deep(app) => {
            return budgets::higher(app).map(Effect::Look).into_iter().collect();
        }
        Action::Back => back(app),
        Action::Leave => return vec![Effect::Remember(Box::new(app.memory())), Effect::Leave],
        Action::Interrupt => {
            let key = app.keymap.key(Action::Leave, app.place()).unwrap_or_else(|| "q".into());
            app.say(format!("{key} leaves; runs go on without the dashboard"));
        }
    }
    Vec::new()
}

fn prompt(app: &mut App, kind: PromptKind, typed: &str) {
    app.overlays.push(Overlay::Prompt(Box::new(Prompt::new(kind, typed))));
}

fn show(app: &mut App, view: View) {
    if app.view != view {
        app.view = view;
        app.focus = Focus::List;
        app.zoomed = false;
    }
}

fn group(app: &mut App) {
    if app.view == View::Catalog {
        app.catalog.grouping = catalog::Grouping::ALL[(app.catalog.grouping as usize + 1) % 3];
        app.catalog.arrange();
        return;
    }
    let next = stacks::tree::Grouping::ALL[(app.stacks.grouping as usize + 1) % 3];
    app.stacks.grouping = next;
    app.stacks.cursor = Cursor::default();
    app.focus = Focus::List;
    navigate::rebuild(app);
    navigate::selected(app);
}

fn filter(app: &mut App) {
    let typed = match (app.view, app.focus) {
        (View::Stacks, Focus::Detail) => {
            app.stacks.tab = stacks::Tab::Config;
            app.stacks.leaf_filter.clone()
        }
        (View::Stacks, _) => app.stacks.filter.clone(),
        (View::Catalog, _) => app.catalog.filter.clone(),
        (View::Runs, _) => app.runs.filter.clone(),
        (View::Requests, _) => app.requests.filter.clone(),
        (View::Budgets, _) => app.budgets.filter.clone(),
        (View::Events, _) => app.events.filter.clone(),
    };
    if app.view != View::Stacks {
        app.focus = Focus::List;
    }
    prompt(app, PromptKind::Filter, &typed);
}

fn mark(app: &mut App) {
    let Some(mark) = app.tree_mark() else { return };
    if !app.marks.remove(&mark) {
        app.marks.insert(mark);
    }
    navigate::step(app, 1);
}

fn copy(app: &mut App) -> Vec<Effect> {
    let copied = match (app.view, app.focus) {
        (View::Runs, Focus::Detail) => app.runs.log.copied(app.runs.log.at),
        (View::Stacks, Focus::List) => match app.tree_mark() {
            Some(mark) => Some(mark.side().trim_start_matches("stack:").to_owned()),
            None => app.node().map(|(node, _)| node.label.clone()),
        },
        (View::Catalog, Focus::List) => app.service().map(|service| service.name.clone()),
        (View::Runs, Focus::List) => app.run().map(|run| format!("run/{}", run.id)),
        (View::Requests, Focus::List) => app.requests.current().map(|request| format!("request/{}", request.number)),
        (View::Budgets | View::Events, Focus::List) => app.command(),
        (_, Focus::Detail) => {
            app.detail_row().map(|row| row.copy.clone().unwrap_or_else(|| row.plain().trim().to_owned()))
        }
    };
    match copied {
        Some(text) => {
            app.say(format!("copied: {}", crate::tui::widgets::text::clip(&text.replace('\n', " "), 80)));
            vec![Effect::Copy(text)]
        }
        None => {
            app.complain("there is nothing to copy");
            Vec::new()
        }
    }
}

fn open(app: &mut App) -> Vec<Effect> {
    match (app.view, app.focus) {
        (View::Stacks, Focus::List) if navigate::folds(app) => navigate::toggle(app),
        (View::Events, _) => {
            return match (app.event_run(), app.event_request()) {
                (Some(run), _) => navigate::go_run(app, run),
                (None, Some(request)) => requests::go(app, request),
                (None, None) => {
                    app.complain("this leads to no run and no request");
                    Vec::new()
                }
            };
        }
        (_, Focus::List) => app.focus = Focus::Detail,
        (View::Budgets, Focus::Detail) => return budgets::deeper(app).map(Effect::Look).into_iter().collect(),
        (View::Runs, Focus::Detail) => {}
        (_, Focus::Detail) => {
            let Some(row) = app.detail_row() else { return Vec::new() };
            return match (row.go, row.source) {
                (Some(go), _) => navigate::follow(app, &go),
                (None, Some(source)) => vec![Effect::Edit(source)],
                (None, None) => Vec::new(),
            };
        }
    }
    Vec::new()
}

fn back(app: &mut App) {
    let log = &mut app.runs.log;
    let filter = match app.view {
        View::Stacks => &mut app.stacks.filter,
        View::Catalog => &mut app.catalog.filter,
        View::Runs => &mut app.runs.filter,
        View::Requests => &mut app.requests.filter,
        View::Budgets => &mut app.budgets.filter,
        View::Events => &mut app.events.filter,
    };
    if app.view == View::Runs && log.filter.is_some() {
        let row = log.row(log.at);
        log.filter = None;
        log.at = row;
    } else if app.view == View::Runs && (log.search.is_some() || log.seek.is_some()) {
        log.search = None;
        log.seek = None;
    } else if app.view == View::Stacks && app.focus == Focus::Detail && !app.stacks.leaf_filter.is_empty() {
        app.stacks.leaf_filter.clear();
    } else if app.zoomed {
        app.zoomed = false;
    } else if app.focus == Focus::Detail {
        app.focus = Focus::List;
    } else if !filter.is_empty() {
        filter.clear();
        refilter(app);
    }
}

/// Makes the rows of the list anew after its filter changed.
pub(super) fn refilter(app: &mut App) {
    match app.view {
        View::Stacks => {
            // What was found stays in sight when everything is shown again.
            let id = app.stacks.selected.clone();
            navigate::rebuild(app);
            if app.stacks.filter.is_empty() && app.stacks.tree.find(&id).is_none() {
                let way = app.stacks.tree.way_to(&id);
                app.stacks.open_now().extend(way);
                navigate::unfold(app);
            }
            navigate::first_match(app);
            navigate::selected(app);
        }
        View::Catalog => app.catalog.arrange(),
        View::Runs => app.runs.arrange(),
        View::Requests => app.requests.arrange(),
        View::Budgets => app.budgets.arrange(),
        View::Events => app.events.arrange(),
    }
}

/// Begins a search in the log.
pub(super) fn seek(app: &mut App, search: Option<Search>, down: bool) {
    let Some(search) = search else { return };
    let log = &mut app.runs.log;
    let row = log.row(log.at);
    log.seek = Some(Seek::from(search, down, row, log.buffer.rows()));
    app.focus = Focus::Detail;
}

fn next_step(app: &mut App) {
    let Some(run) = app.run() else { return };
    let log = &app.runs.log;
    let here = log.row(log.at);
    let running = run.state == RunState::Running;
    let places: Vec<(u64, String)> =
        run.steps.iter().filter_map(|step| Some((log.buffer.row_at(step.log_offset?), step.name.clone()))).collect();
    let next = places.iter().find(|(row, _)| *row > here).or(places.first()).cloned();
    match next {
        Some((row, name)) => {
            app.runs.log.go(row);
            app.focus = Focus::Detail;
            app.say(format!("step {name}"));
        }
        None if running => app.complain("no step has written anything yet"),
        None => app.complain("this run has no steps"),
    }
}
