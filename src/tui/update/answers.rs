//! What came back from outside. The last good answer stays; what is selected stays selected.

use crate::domain::event::Event;
use crate::domain::id::RunRef;
use crate::domain::run::RunKind;
use crate::tui::app::{App, Kept, Link, NOTICE_SECONDS, Notice, Target, View};
use crate::tui::message::{Answer, Effect, Fact, Trouble};
use crate::tui::overlay::paper::Paper;
use crate::tui::overlay::{Overlay, PickerKind};
use crate::tui::panes::events::Tab;
use crate::tui::panes::runs::{is_alive, kind_name, subject};
use crate::tui::panes::stacks::{self, common_folder};
use crate::tui::prices::Prices;
use crate::tui::widgets::list::Cursor;

use super::{asking, form, navigate, requests};

/// Takes an answer.
pub(super) fn take(app: &mut App, answer: Answer) -> Vec<Effect> {
    let now = app.now;
    match answer {
        Answer::Connected => {
            app.link = Link::Live;
            return ask_for_everything(app);
        }
        Answer::Lost(trouble, attempt) => {
            let since = match &app.link {
                Link::Lost { since, .. } => *since,
                _ => now,
            };
            app.link = Link::Lost { since, trouble, attempt };
        }
        Answer::Card(card) => {
            app.card.take(card, now);
        }
        Answer::Stacks(stacks) => {
            app.stack_list.take(stacks, now);
            navigate::rebuild(app);
        }
        Answer::Instances(instances) => {
            app.instances.take(instances, now);
            navigate::rebuild(app);
        }
        Answer::Diagnostics(found) => {
            app.diagnostics.take(found, now);
            navigate::rebuild(app);
        }
        Answer::Imports(imports) => {
            app.imports.take(imports, now);
            let files = app.imports.items().iter().flat_map(|edge| [edge.from.as_str(), edge.to.as_str()]);
            app.stacks.base = common_folder(files);
            navigate::rebuild(app);
        }
        Answer::Dependencies(dependencies) => app.dependencies.take(dependencies, now),
        Answer::Services(services) => {
            app.catalog.list.take(services, now);
            app.catalog.arrange();
        }
        Answer::Workflows(workflows) => app.workflows.take(workflows, now),
        Answer::Runs(runs) => {
            app.runs.take(runs, now);
            // An old run is in no list of the newest.
            if let Some(Target::Run(reference)) = app.target
                && app.runs.named(reference).is_none()
            {
                return vec![Effect::LoadRun(reference)];
            }
        }
        Answer::Run(Ok(run)) => {
            // What was applied has another price now.
            let applied = run.state.is_end() && matches!(run.kind, RunKind::Apply | RunKind::Destroy);
            let news = app.runs.find(run.id).is_none_or(|known| !known.state.is_end());
            if run.state.is_end()
                && let Some((_, since)) = &mut app.stacks.since
            {
                since.stale = true;
            }
            app.runs.put(*run, now);
            app.runs.arrange();
            if applied && news {
                return vec![Effect::Load(Fact::Prices)];
            }
        }
        Answer::Run(Err(trouble)) => {
            if let Some(Target::Run(_)) = app.target {
                app.target = None;
            }
            return failed(app, trouble);
        }
        Answer::Failed(trouble) => return failed(app, trouble),
        Answer::Started(Ok(runs)) => {
            let first = runs.iter().map(|run| run.id).min();
            for run in runs {
                app.runs.put(run, now);
            }
            app.runs.arrange();
            if let Some(id) = first {
                navigate::select_run(app, id);
                app.focus = crate::tui::app::Focus::List;
                app.zoomed = false;
            }
            app.marks.clear();
        }
        Answer::Started(Err(trouble)) => return failed(app, trouble),
        Answer::Explained(key, explanation) => {
            if app.stacks.asked.as_ref() == Some(&key) {
                app.stacks.asked = None;
            }
            if let Ok(explanation) = &explanation {
                app.stacks.note_changes(&key, explanation);
            }
            app.stacks.shelve(&key).take(explanation.map(|explanation| *explanation), now);
        }
        Answer::Evaluated(key, document) => {
            if app.stacks.evaluating.as_ref() == Some(&key) {
                app.stacks.evaluating = None;
            }
            match document {
                Ok(document) => {
                    app.say(format!("Atmos evaluated {} in {}", key.component, key.stack));
                    app.stacks.evaluated.entry(key).or_default().take(Ok(document), now);
                }
                Err(trouble) => return failed(app, trouble),
            }
        }
        Answer::Since(key, since) => {
            app.stacks.asked_since = false;
            if let Some((_, kept)) = app.stacks.since.as_mut().filter(|(own, _)| *own == key) {
                kept.take(since.map(|since| *since), now);
            }
        }
        Answer::SinceOf(id, Ok(since)) => {
            if let Some(run) = app.run().filter(|run| run.id == id) {
                let title = format!("#{} {} {}", run.number, kind_name(run.kind), subject(run));
                let paper = Paper { title, rows: stacks::runs::since(app, &since, true), cursor: Cursor::default() };
                app.overlays.push(Overlay::Paper(paper));
            }
        }
        Answer::SinceOf(_, Err(trouble)) => return failed(app, trouble),
        Answer::Compared(sides, entries) => {
            if let Some(comparison) = app.stacks.comparison.as_mut().filter(|c| c.sides == sides) {
                comparison.entries.take(entries, now);
            }
        }
        Answer::File(name, lines) => {
            if app.stacks.asked_file.as_ref() == Some(&name) {
                app.stacks.asked_file = None;
            }
            app.stacks.files.entry(name).or_default().take(lines, now);
        }
        Answer::Log { run, offset, bytes } => {
            let received = {
                let log = &mut app.runs.log;
                if log.run != Some(run) {
                    return Vec::new();
                }
                log.trouble = None;
                if log.fetching.is_some_and(|wanted| wanted.offset == offset) {
                    log.fetching = None;
                }
                if !log.buffer.take(offset, &bytes) {
                    return vec![Effect::FollowLog(run, log.buffer.received())];
                }
                log.buffer.received()
            };
            app.runs.heard(run, received, now);
        }
        Answer::Times(run, times) => {
            let log = &mut app.runs.log;
            if log.run == Some(run) {
                let asked = log.asked_times.take();
                match times {
                    Ok(times) => {
                        // A line without a time stays blank and is not asked for again.
                        log.take_times(asked.map(|line| (line, i64::MIN)).into_iter().chain(times).collect());
                    }
                    Err(trouble) => {
                        log.gutter = crate::tui::memory::Gutter::None;
                        return failed(app, trouble);
                    }
                }
            }
        }
        Answer::LogEnded(run, outcome) => {
            if app.runs.log.run == Some(run) {
                app.runs.log.ended = outcome.is_ok();
                app.runs.log.trouble = outcome.err();
                app.runs.log.fetching = None;
            }
        }
        Answer::Found(query, hits) => {
            if let Some(Overlay::Picker(picker)) = app.overlays.last_mut()
                && picker.kind == PickerKind::Search
                && picker.input.trim() == query
            {
                picker.waiting = false;
                match hits {
                    Ok(hits) => picker.choices = asking::hits(hits),
                    Err(trouble) => {
                        picker.choices.clear();
                        app.notice = None;
                        app.complain(trouble.message);
                    }
                }
                if let Some(Overlay::Picker(picker)) = app.overlays.last_mut() {
                    picker.narrow();
                }
            }
        }
        Answer::Affected(base, found) => {
            let Some(Overlay::Picker(picker)) = app.overlays.last_mut() else { return Vec::new() };
            if picker.kind != PickerKind::Affected {
                return Vec::new();
            }
            picker.waiting = false;
            match found {
                Ok(found) => {
                    picker.choices = asking::affected(found);
                    picker.narrow();
                }
                Err(trouble) => {
                    app.overlays.pop();
                    return failed(app, Trouble { message: format!("{base}: {}", trouble.message), ..trouble });
                }
            }
        }
        Answer::Trust(trust) => {
            app.trust.take(trust, now);
            if let Some(trouble) = app.trust.trouble.clone().filter(|_| app.trust.value.is_some()) {
                return failed(app, trouble);
            }
        }
        Answer::Event(event) => return event_came(app, *event),
        Answer::Events(events) => match events {
            Ok(events) => {
                for event in events {
                    app.events.put(event);
                }
                let known = app.events.live.value.take().unwrap_or_default();
                app.events.live.take(Ok(known), now);
                app.events.arrange();
            }
            Err(trouble) => app.events.live.trouble = Some(trouble),
        },
        Answer::Audit(records) => {
            app.events.audit.take(records, now);
            if app.events.tab == Tab::Audit {
                app.events.arrange();
            }
        }
        Answer::Requests(list) => {
            app.requests.list.take(list, now);
            app.requests.arrange();
            // An old request is in no list of the newest.
            if let Some(Target::Request(number)) = app.target
                && !app.requests.list.items().iter().any(|request| request.number == number)
            {
                return vec![Effect::LoadRequest(number)];
            }
        }
        Answer::Request(Ok(request)) => requests::take(app, *request),
        Answer::Request(Err(trouble)) => {
            if let Some(Target::Request(_)) = app.target {
                app.target = None;
            }
            return failed(app, trouble);
        }
        Answer::Worded(Ok(request)) => requests::worded(app, *request),
        Answer::Worded(Err(trouble)) => {
            // What was looked at may be another by now.
            let looked = app.requests.selected.map(Effect::LoadRequest);
            let mut effects = failed(app, trouble);
            effects.extend(looked);
            return effects;
        }
        Answer::Prices(prices) => app.prices.take(prices.map(Prices::of), now),
        Answer::Paths(paths) => app.requests.paths.take(paths, now),
        Answer::Teams(teams) => app.requests.teams.take(teams, now),
        Answer::Inbox(inbox) => {
            if app.requests.inbox.value.is_none() && !app.requests.chosen {
                app.requests.selected = None;
            }
            app.requests.inbox.take(inbox, now);
            app.requests.arrange();
        }
        Answer::Deciding(number, deciding) => {
            app.requests.asked_deciding = false;
            let mut kept = Kept::default();
            kept.take(deciding, now);
            // What differs from what one knew is said as long as the same is shown.
            if let (Some((own, old)), Some(new)) = (&app.requests.deciding, &mut kept.value)
                && *own == number
                && let Some(old) = old.value.as_ref().filter(|old| old.digest == new.digest)
            {
                new.differences = old.differences.clone();
            }
            app.requests.deciding = Some((number, kept));
        }
        Answer::Review(run, review) => app.reviews.take(run, *review),
        Answer::Findings(run, found) => {
            if app.requests.asked == Some(run) {
                app.requests.asked = None;
            }
            app.requests.findings.entry(run).or_default().take(found, now);
        }
        Answer::Form { outcome: Ok(asks), revises } => return form::came(app, *asks, revises),
        Answer::Form { outcome: Err(trouble), .. } => return failed(app, trouble),
        Answer::Previewed { serial, plan, outcome } => return form::previewed(app, serial, plan, outcome),
        Answer::Asked(outcome) => return form::asked(app, outcome),
        Answer::Budgets(card) => {
            app.budgets.list.take(card, now);
            app.budgets.arrange();
            return app.budgets.look().cloned().map(Effect::Look).into_iter().collect();
        }
        Answer::Looked(look, level) => {
            // What was asked for before one went on is not what is shown.
            if app.budgets.look() == Some(&look) {
                app.budgets.level.take(level, now);
            }
        }
        Answer::Done(what) => app.say(what),
        Answer::Resumed => return vec![Effect::Redraw],
    }
    Vec::new()
}

fn failed(app: &mut App, trouble: Trouble) -> Vec<Effect> {
    let hint = trouble.hint.map(|hint| format!(" · {hint}")).unwrap_or_default();
    app.complain(format!("{}{hint}", trouble.message));
    Vec::new()
}

/// Asks for everything anew; what is shown stays until the answers come.
pub(super) fn ask_for_everything(app: &mut App) -> Vec<Effect> {
    stale(app);
    app.runs.log.trouble = None;
    let mut effects: Vec<Effect> = Fact::ALL.into_iter().map(Effect::Load).collect();
    if matches!(app.view, View::Budgets | View::Requests) {
        effects.push(Effect::Load(Fact::Budgets));
    }
    app.requests.asked = None;
    app.requests.asked_deciding = false;
    if let Some((_, deciding)) = &mut app.requests.deciding {
        deciding.stale = true;
    }
    app.reviews.give_up();
    if let Some(run) = app.runs.log.run {
        effects.push(Effect::FollowLog(run, app.runs.log.buffer.received()));
    }
    if let Some(comparison) = &app.stacks.comparison {
        effects.push(Effect::Compare(comparison.sides.clone()));
    }
    effects
}

/// Notes that what is known of the estate's values may be out of date.
fn stale(app: &mut App) {
    app.stacks.asked_since = false;
    if let Some((_, since)) = &mut app.stacks.since {
        (since.stale, since.trouble) = (true, None);
    }
    app.stacks.asked = None;
    app.stacks.asked_file = None;
    // What Atmos said was about the files as they were.
    app.stacks.evaluated.clear();
    app.stacks.evaluating = None;
    for kept in app.stacks.explanations.values_mut() {
        kept.stale = true;
        kept.trouble = None;
    }
    for kept in app.stacks.files.values_mut() {
        kept.stale = true;
        kept.trouble = None;
    }
}

/// Follows an event: what it is about is asked for again.
fn event_came(app: &mut App, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    if let Some(id) = event.subject.strip_prefix("run/").and_then(|id| id.split('/').next()?.parse::<RunRef>().ok()) {
        effects.push(Effect::LoadRun(id));
    } else if let Some(number) = event.subject.strip_prefix("request/").and_then(|number| number.parse().ok()) {
        effects.extend([Effect::LoadRequest(number), Effect::Load(Fact::Inbox)]);
    } else if event.event_type.starts_with("dev.terrace.estate.") {
        stale(app);
        let of_files = |fact: &Fact| !matches!(fact, Fact::Runs | Fact::Requests | Fact::Events);
        effects.extend(Fact::ALL.into_iter().filter(of_files).map(Effect::Load));
        if let Some(comparison) = &app.stacks.comparison {
            effects.push(Effect::Compare(comparison.sides.clone()));
        }
    }
    let money = ["dev.terrace.cost.", "dev.terrace.recommendation.", "dev.terrace.estate."];
    if app.view == View::Budgets && money.iter().any(|prefix| event.event_type.starts_with(prefix)) {
        effects.push(Effect::Load(Fact::Budgets));
    }
    if app.view == View::Events && app.events.tab == Tab::Audit {
        effects.push(Effect::Load(Fact::Audit));
    }
    app.events.put(event);
    if app.events.tab == Tab::Live {
        app.events.arrange();
    }
    effects
}

/// A second has passed: what runs is looked at again, what changed is remembered.
pub(super) fn tick(app: &mut App) -> Vec<Effect> {
    let mut effects = Vec::new();
    let over = |notice: &Notice| !notice.failed && app.now.as_second() - notice.at.as_second() >= NOTICE_SECONDS;
    if app.notice.as_ref().is_some_and(over) {
        app.notice = None;
    }
    if app.link == Link::Live {
        effects.extend(requests::looked(app));
        let alive = app.runs.list.items().iter().any(|run| is_alive(run.state));
        if alive && app.now.as_second() % 3 == 0 {
            effects.push(Effect::Load(Fact::Runs));
        }
        let log = &app.runs.log;
        let broken = log.trouble.is_some() || (log.ended && app.run().is_some_and(|run| is_alive(run.state)));
        if let (Some(run), true) = (log.run, broken) {
            effects.push(Effect::FollowLog(run, log.buffer.received()));
        }
    }
    remember(app, &mut effects);
    effects
}

/// Keeps what is to be remembered, where it is no longer what was.
pub(super) fn remember(app: &mut App, effects: &mut Vec<Effect>) {
    let memory = app.memory();
    if memory != app.remembered {
        app.remembered = memory.clone();
        effects.push(Effect::Remember(Box::new(memory)));
    }
}
