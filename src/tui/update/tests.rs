use crate::domain::run::{PlanSummary, RunKind, RunState, WayOn};
use crate::tui::app::{Focus, Link};
use crate::tui::fixtures::{draw, explanation, fresh, now, press, run, tell};
use crate::tui::message::{InstanceKey, Trouble};
use crate::tui::overlay::Overlay;
use crate::tui::panes::stacks::Tab;

use super::*;

fn answer(app: &mut App, answer: Answer) -> Vec<Effect> {
    update(app, Message::Answer(Box::new(answer)))
}

fn key() -> InstanceKey {
    InstanceKey {
        component: "orders-db".into(),
        stack: "plat-ue2-prod".into(),
        file: "stacks/plat-ue2-prod.yaml".into(),
    }
}

/// A dashboard on the instance that most tests are about, its values told.
fn on_orders_db(width: u16, height: u16) -> App {
    let mut app = fresh(width, height);
    app.target = Some(crate::tui::app::Target::Instance("orders-db".into(), "plat-ue2-prod".into()));
    let effects = tell(&mut app);
    assert!(effects.contains(&Effect::Explain(key())), "{effects:?}");
    answer(&mut app, Answer::Explained(key(), Ok(Box::new(explanation()))));
    app
}

fn contains(app: &App, wanted: &str) {
    let screen = draw(app);
    assert!(screen.contains(wanted), "no {wanted:?} on\n{screen}");
}

#[test]
fn the_first_frame_needs_no_answer() {
    let mut app = fresh(120, 40);
    let screen = draw(&app);
    assert_eq!(screen.lines().count(), 40);
    assert!(screen.contains("orchard ▸ Stacks"), "{screen}");
    assert!(screen.contains("connecting"), "{screen}");
    press(&mut app, "j k 3 2 1 ? esc : esc q");
}

#[test]
fn a_value_stands_beside_its_source_and_what_it_overrode() {
    let mut app = on_orders_db(120, 40);
    contains(&app, "orchard ▸ Stacks ▸ plat-ue2-prod ▸ orders-db");
    contains(&app, "size: large");
    contains(&app, "plat-ue2-prod.yaml:23 ⤴ 1");
    contains(&app, "subnet: ◌ !terraform.output");
    contains(&app, "computed: workspace");
    press(&mut app, "enter j");
    contains(&app, "⤴ 1: overrides stacks/catalog/database.yaml:10 (small)");
    assert_eq!(press(&mut app, "e"), [Effect::Edit(explanation().values[1].source.clone().unwrap())]);
    press(&mut app, "]");
    assert_eq!(app.stacks.tab, Tab::Sources);
    contains(&app, "vars.size: large");
    contains(&app, "✓ component");
    contains(&app, "overridden");
    press(&mut app, "n");
    contains(&app, "vars.storage.gb: 200");
    press(&mut app, "N N");
    contains(&app, "vars.engine: postgres");
}

#[test]
fn what_is_selected_stays_selected_when_data_arrives() {
    let mut app = on_orders_db(120, 40);
    let before = app.stacks.selected.clone();
    let mut told = crate::tui::fixtures::estate();
    told.instances.retain(|i| i.component != "network");
    answer(&mut app, Answer::Instances(Ok(told.instances)));
    assert_eq!(app.stacks.selected, before);
    contains(&app, "▸ orders-db");
}

#[test]
fn what_a_file_change_changed_is_marked() {
    let mut app = on_orders_db(120, 40);
    let mut after = explanation();
    after.values[1].value = "huge".into();
    let event = serde_json::from_value(serde_json::json!({
        "specversion": "1.0", "id": "02", "source": "/terrace/estates/x", "type": "dev.terrace.estate.changed",
        "subject": "estate", "time": "2026-11-23T09:00:00Z", "datacontenttype": "application/json",
        "sequence": "2", "command": "terrace", "data": {}}));
    let effects = answer(&mut app, Answer::Event(Box::new(event.unwrap())));
    assert!(effects.contains(&Effect::Explain(key())), "{effects:?}");
    contains(&app, "size: large");
    answer(&mut app, Answer::Explained(key(), Ok(Box::new(after))));
    contains(&app, "size: huge  ✎ just changed");
    press(&mut app, "k");
    assert!(app.stacks.changed.is_empty());
}

#[test]
fn a_dead_platform_shows_as_such_and_the_last_answer_stays() {
    let mut app = on_orders_db(120, 40);
    let trouble = Trouble { message: "the platform is gone".into(), hint: None, unreachable: true };
    answer(&mut app, Answer::Lost(trouble, 2));
    assert!(matches!(app.link, Link::Lost { .. }));
    contains(&app, "platform lost");
    contains(&app, "size: large");
    contains(&app, "as of");
    assert_eq!(press(&mut app, "p"), []);
    contains(&app, "the platform is not reachable");
    let effects = answer(&mut app, Answer::Connected);
    assert!(effects.contains(&Effect::Load(crate::tui::message::Fact::Runs)));
    contains(&app, "● live");
}

#[test]
fn a_plan_starts_at_once_and_leads_to_its_run() {
    let mut app = on_orders_db(120, 40);
    let effects = press(&mut app, "p");
    let [Effect::Start(request)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((request.kind, request.component.as_deref()), (RunKind::Plan, Some("orders-db")));
    assert_eq!(request.stack_file, None, "the stack's name says it");
    let started = run(7, RunState::Planning);
    let id = started.id;
    let effects = answer(&mut app, Answer::Started(Ok(vec![started])));
    assert_eq!(app.view, View::Runs);
    assert!(effects.contains(&Effect::FollowLog(id, 0)), "{effects:?}");
    answer(&mut app, Answer::Log { run: id, offset: 0, bytes: b"\x1b[1mPlan:\x1b[0m 3 to add\n".to_vec() });
    contains(&app, "Plan: 3 to add");
    contains(&app, "● #7 plan orders-db plat-ue2-prod");
    contains(&app, "$ terrace plan orders-db -s plat-ue2-prod");
}

#[test]
fn nothing_that_changes_the_world_starts_without_a_question() {
    let mut app = on_orders_db(120, 40);
    assert_eq!(press(&mut app, "a"), []);
    contains(&app, "$ terrace apply orders-db -s plat-ue2-prod");
    contains(&app, "plat-ue2-prod is protected");
    assert_eq!(press(&mut app, "enter"), [], "enter alone is no yes");
    assert!(matches!(press(&mut app, "y").as_slice(), [Effect::Start(r)] if r.kind == RunKind::Apply && !r.yes));
    // In a protected stage the end of something is typed.
    assert_eq!(press(&mut app, "del y enter"), []);
    contains(&app, "Type orders-db to go on");
    press(&mut app, "ctrl-u");
    let effects = press(&mut app, "o r d e r s - d b enter");
    assert!(matches!(effects.as_slice(), [Effect::Start(r)] if r.kind == RunKind::Destroy));
    assert!(app.overlays.is_empty());
}

#[test]
fn a_confirmation_grows_with_what_is_destroyed_and_binds_the_plan() {
    let mut app = on_orders_db(120, 40);
    let mut waiting = run(9, RunState::AwaitingConfirmation);
    waiting.kind = RunKind::Apply;
    waiting.summary = Some(PlanSummary { add: 1, change: 0, destroy: 2, replace: 0 });
    let digest = crate::domain::id::Digest::of(b"plan");
    waiting.plan_digest = Some(digest.clone());
    let id = waiting.id;
    answer(&mut app, Answer::Runs(Ok(vec![waiting])));
    contains(&app, "1 needs you");
    press(&mut app, "3");
    contains(&app, "c applies exactly this plan");
    press(&mut app, "c");
    contains(&app, "2 resources will be destroyed");
    assert_eq!(press(&mut app, "y enter"), []);
    press(&mut app, "backspace");
    assert_eq!(press(&mut app, "o r d e r s - d b enter"), [Effect::Confirm(id, Some(digest))]);
}

#[test]
fn a_run_shows_every_way_on_and_what_changed_since_the_last_apply() {
    let mut app = on_orders_db(120, 40);
    let mut failed = run(9, RunState::Failed);
    (failed.component, failed.stack) = (Some("orders-db".into()), Some("plat-ue2-prod".into()));
    failed.next = Some("terrace runs retry 9".into());
    failed.ways =
        [("plan again", "terrace runs retry 9"), ("plan what was applied last", "terrace plan x --commit 0a1b")]
            .map(|(what, command)| WayOn { what: what.into(), command: command.into() })
            .to_vec();
    let id = failed.id;
    answer(&mut app, Answer::Runs(Ok(vec![failed])));
    press(&mut app, "3");
    contains(&app, "→ terrace runs retry 9");
    contains(&app, "→ terrace plan x --commit 0a1b  plan what was applied last");
    assert_eq!(press(&mut app, "d"), [Effect::SinceOf(id)]);
    let since = serde_json::json!({
        "component": "orders-db", "stack": "plat-ue2-prod", "applied": null, "from": null,
        "to": {"commit": null, "dirty": false, "tree_digest": null, "config_digest": null, "tools": []},
        "commits": [{"id": "0a1b2c3d4e5f", "author": "Aiko", "time": "2026-11-20T09:00:00Z", "subject": "Grow it"}],
        "other_commits": 2,
        "values": [{"path": ["vars", "size"], "before": "small", "after": "large",
            "source": {"file": "stacks/dev.yaml", "line": 7, "column": 9}, "author": "Mara", "commit": null, "time": null}],
        "lately": [], "notes": []});
    answer(&mut app, Answer::SinceOf(id, Ok(Box::new(serde_json::from_value(since).unwrap()))));
    for said in ["vars.size: small → large", "dev.yaml:7", "by Mara", "0a1b2c3d Grow it", "Aiko", "2 other commits"] {
        contains(&app, said);
    }
    press(&mut app, "esc");
    assert!(app.overlays.is_empty());
}

#[test]
fn ctrl_c_never_ends_a_run_or_the_dashboard() {
    let mut app = on_orders_db(120, 40);
    answer(&mut app, Answer::Runs(Ok(vec![run(3, RunState::Running)])));
    press(&mut app, "3");
    assert_eq!(press(&mut app, "ctrl-c"), []);
    contains(&app, "q leaves; runs go on without the dashboard");
    press(&mut app, "X");
    contains(&app, "Cancel #3");
    assert_eq!(press(&mut app, "ctrl-c"), []);
    assert!(app.overlays.is_empty());
}

#[test]
fn keys_of_views_that_are_not_built_say_so_and_do_nothing_else() {
    let mut app = on_orders_db(120, 40);
    assert_eq!(press(&mut app, "7"), []);
    assert_eq!(app.view, View::Stacks);
    contains(&app, "7 is kept for");
    press(&mut app, ":");
    let Some(Overlay::Picker(palette)) = app.overlays.last() else { panic!() };
    assert!(palette.choices.iter().all(|choice| !choice.about.contains("view-health")));
}

#[test]
fn the_palette_finds_actions_and_says_why_one_cannot_be_done() {
    let mut app = on_orders_db(120, 40);
    press(&mut app, ": w r k f l");
    contains(&app, "Choose a workflow and run it");
    press(&mut app, "enter");
    contains(&app, "Run a workflow");
    contains(&app, "Deploys everything");
    press(&mut app, "enter");
    contains(&app, "on stack: plat-ue2-prod");
    press(&mut app, "enter");
    contains(&app, "$ terrace workflow deploy -f deploy.yaml -s plat-ue2-prod");
    assert!(matches!(press(&mut app, "y").as_slice(), [Effect::Start(r)] if r.kind == RunKind::Workflow));
}

#[test]
fn help_is_what_the_keymap_says() {
    let mut app = on_orders_db(120, 60);
    press(&mut app, "?");
    contains(&app, "Plan what is selected or marked");
    let mut keymap = (*app.keymap).clone();
    keymap.merge("keymap.toml", "[stacks]\nctrl-p = 'plan'\np = 'nothing'").unwrap();
    app.keymap = keymap.into();
    contains(&app, "ctrl-p");
}

#[test]
fn marks_compare_two_and_plan_many() {
    let mut app = on_orders_db(120, 40);
    press(&mut app, "space");
    assert_eq!(app.marks.len(), 1);
    press(&mut app, "/ n e t w o r k space d e v enter");
    let effects = press(&mut app, "G space D");
    let compared = effects.iter().any(|effect| matches!(effect, Effect::Compare(sides) if sides.a != sides.b));
    assert!(compared, "{effects:?} {:?}", app.marks);
    assert_eq!(app.stacks.tab, Tab::Diff);
    press(&mut app, "p");
    contains(&app, "Plan 2 instances");
    let effects = press(&mut app, "y");
    assert!(matches!(effects.as_slice(), [Effect::StartSet(set)] if set.targets.len() == 2), "{effects:?}");
}

#[test]
fn a_filter_narrows_while_it_is_typed_and_esc_shows_everything() {
    let mut app = on_orders_db(120, 40);
    let all = app.stacks.tree.rows().len();
    press(&mut app, "/ n e t w");
    assert!(app.stacks.tree.rows().len() > 4);
    contains(&app, "/netw");
    press(&mut app, "esc");
    assert_eq!(app.stacks.filter, "");
    assert!(app.stacks.tree.rows().len() >= all);
    press(&mut app, "/ z z z enter");
    contains(&app, "Nothing fits the filter.");
}

#[test]
fn the_log_is_searched_filtered_and_followed() {
    let mut app = on_orders_db(120, 40);
    let running = run(5, RunState::Running);
    let id = running.id;
    answer(&mut app, Answer::Runs(Ok(vec![running])));
    press(&mut app, "3 tab");
    let text: String =
        (0..2000).map(|i| if i == 700 { "Error: no such bucket\n".into() } else { format!("line {i}\n") }).collect();
    answer(&mut app, Answer::Log { run: id, offset: 0, bytes: text.clone().into_bytes() });
    contains(&app, "line 1999");
    press(&mut app, "E");
    contains(&app, "Error: no such bucket");
    assert!(!app.runs.log.follow);
    press(&mut app, "/ l i n e space 1 2 3 4 enter");
    contains(&app, "line 1234");
    press(&mut app, "esc & b u c k e t enter");
    assert_eq!(app.runs.log.len(), 5, "the line with two of context on each side");
    press(&mut app, "esc f");
    assert!(app.runs.log.follow);
    answer(&mut app, Answer::Log { run: id, offset: text.len() as u64, bytes: b"the end\n".to_vec() });
    contains(&app, "the end");
    let effects = press(&mut app, "y");
    assert_eq!(effects, [Effect::Copy("the end".into())]);
}

#[test]
fn the_times_of_lines_are_asked_for_where_they_are_shown() {
    let mut app = on_orders_db(120, 40);
    let running = run(5, RunState::Running);
    let id = running.id;
    answer(&mut app, Answer::Runs(Ok(vec![running])));
    press(&mut app, "3 tab");
    answer(&mut app, Answer::Log { run: id, offset: 0, bytes: b"one\ntwo\nthree".to_vec() });
    assert_eq!(press(&mut app, "t"), [Effect::LoadTimes(id, 1, 3)]);
    let effects = answer(&mut app, Answer::Times(id, Ok(vec![(1, 1_795_424_400_000), (2, 1_795_424_461_000)])));
    contains(&app, "09:00:00 one");
    contains(&app, "09:01:01 two");
    assert_eq!(effects, [Effect::LoadTimes(id, 3, 1)], "the open line has no time yet");
    assert_eq!(answer(&mut app, Answer::Times(id, Ok(Vec::new()))), []);
    press(&mut app, "t");
    contains(&app, "   1 one");
}

#[test]
fn a_lost_run_is_looked_into_before_it_is_settled() {
    let mut app = on_orders_db(120, 40);
    let mut lost = run(5, RunState::Unknown);
    lost.kind = RunKind::Apply;
    let id = lost.id;
    answer(&mut app, Answer::Runs(Ok(vec![lost])));
    press(&mut app, "3 R");
    contains(&app, "It was lost while it changed the world");
    assert_eq!(press(&mut app, "y"), [Effect::Resolve(id, None)]);
    let mut looked = run(6, RunState::Succeeded);
    looked.resolves = Some(id);
    answer(&mut app, Answer::Run(Ok(Box::new(looked))));
    press(&mut app, "R");
    contains(&app, "It is not done");
    assert_eq!(press(&mut app, "down enter"), [Effect::Resolve(id, Some(false))]);
}

#[test]
fn an_event_leads_to_its_run() {
    let mut app = on_orders_db(120, 40);
    let known = run(5, RunState::Succeeded);
    let id = known.id;
    answer(&mut app, Answer::Runs(Ok(vec![known])));
    let event = serde_json::from_value(serde_json::json!({
        "specversion": "1.0", "id": "01", "source": "/terrace/estates/x", "type": "dev.terrace.run.finished",
        "subject": format!("run/{id}"), "time": "2026-11-23T09:00:00Z", "datacontenttype": "application/json",
        "sequence": "1", "command": format!("terrace open run/{id}"), "data": {"state": "succeeded"}}));
    let effects = answer(&mut app, Answer::Event(Box::new(event.unwrap())));
    assert!(matches!(effects[0], Effect::LoadRun(_)));
    press(&mut app, "6");
    contains(&app, "✓ run.finished  #5 orders-db plat");
    press(&mut app, "enter");
    assert_eq!((app.view, app.run().map(|run| run.id)), (View::Runs, Some(id)));
}

#[test]
fn every_view_draws_at_every_size() {
    for (width, height) in [(120, 40), (80, 24), (60, 15), (20, 5), (1, 1), (200, 20), (61, 80)] {
        let mut app = on_orders_db(width, height);
        answer(&mut app, Answer::Runs(Ok(vec![run(2, RunState::Failed), run(1, RunState::Queued)])));
        for keys in [
            "1", "]", "]", "]", "]", "]", "tab z", "2", "] ] ]", "3", "tab", "5", "6", "]", "?", "esc :", "esc !",
            "esc S",
        ] {
            press(&mut app, keys);
            assert_eq!(draw(&app).lines().count(), usize::from(height), "{width}×{height} {keys}");
        }
    }
    let app = fresh(20, 5);
    contains(&app, "Terrace needs 60×15;");
}

#[test]
fn without_colours_the_selection_is_still_seen() {
    use crate::tui::theme::{Depth, Theme};
    let mut app = on_orders_db(120, 40);
    app.theme = Theme::shipped("dark", Depth::None).unwrap().into();
    contains(&app, "▌orders-db".trim_start_matches('▌'));
    let backend = ratatui::backend::TestBackend::new(120, 40);
    let mut terminal = ratatui::Terminal::new(backend).unwrap();
    terminal.draw(|frame| crate::tui::view::view(&app, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    assert!(buffer.content.iter().all(|cell| cell.fg == ratatui::style::Color::Reset));
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(ratatui::style::Modifier::REVERSED)));
}

#[test]
fn the_screen_comes_back_as_it_was_left() {
    let mut app = on_orders_db(120, 40);
    press(&mut app, "] > >");
    let effects = update(&mut app, Message::Tick(now()));
    let Some(Effect::Remember(memory)) = effects.into_iter().find(|e| matches!(e, Effect::Remember(_))) else {
        panic!("nothing is remembered")
    };
    let text = serde_json::to_string(&memory).unwrap();
    let memory = serde_json::from_str(&text).unwrap();
    let mut again = crate::tui::app::App::new(crate::tui::app::Setup {
        now: now(),
        zone: jiff::tz::TimeZone::UTC,
        size: (120, 40),
        keymap: (*app.keymap).clone(),
        themes: (*app.themes).clone(),
        theme: 0,
        colors: true,
        memory,
        target: None,
        name: "orchard".into(),
    });
    tell(&mut again);
    assert_eq!(again.stacks.selected, app.stacks.selected);
    assert_eq!((again.stacks.tab, again.split), (app.stacks.tab, app.split));
    contains(&again, "▸ plat-ue2-prod ▸ orders-db");
    assert_eq!(again.focus, Focus::List);
}

#[test]
fn random_keys_never_panic() {
    use proptest::prelude::*;
    let keys = "1 2 3 4 5 6 7 j k h l g G ] [ tab shift-tab enter esc space / n N : ? ! S z < > y Y p a del w x D R o e A c X r i E & f t } s pageup pagedown home end up down y b";
    let keys: Vec<&str> = keys.split(' ').collect();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let strategy = proptest::collection::vec((0..keys.len(), 1u16..140, 1u16..50), 1..60);
    runner
        .run(&strategy, |presses| {
            let mut app = on_orders_db(120, 40);
            answer(&mut app, Answer::Runs(Ok(vec![run(2, RunState::Failed), run(1, RunState::Running)])));
            for (i, (at, width, height)) in presses.into_iter().enumerate() {
                if i % 7 == 0 {
                    update(&mut app, Message::Resize(width, height));
                }
                press(&mut app, keys[at]);
                prop_assert_eq!(draw(&app).lines().count(), usize::from(app.size.1));
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_workflow_asks_for_what_its_steps_read_and_nothing_sets() {
    let mut app = on_orders_db(120, 40);
    let card = |needs_stack| crate::tui::message::WorkflowCard {
        name: "release".into(),
        file: "release.yaml".into(),
        asks: vec!["REGION".into(), "VERSION".into()],
        needs_stack,
        ..Default::default()
    };
    answer(&mut app, Answer::Workflows(Ok(vec![card(false)])));
    press(&mut app, "w enter");
    contains(&app, "its steps read $REGION");
    press(&mut app, "u s enter");
    contains(&app, "its steps read $VERSION");
    press(&mut app, "1 enter");
    contains(&app, "$ terrace workflow release -f release.yaml --env REGION=us --env");
    let effects = press(&mut app, "y");
    let [Effect::Start(request)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((request.set_env["REGION"].as_str(), request.set_env["VERSION"].as_str()), ("us", "1"));
}

#[test]
fn a_comparison_stands_side_by_side_or_one_below_the_other() {
    let mut app = on_orders_db(160, 40);
    press(&mut app, "R enter");
    let sides = crate::tui::message::Sides { a: "ref:HEAD".into(), b: "worktree".into() };
    let entry =
        serde_json::from_value(serde_json::json!({"instance": {"component": "orders-db", "stack": "plat-ue2-prod"},
        "path": ["vars", "size"], "before": "small", "after": "large", "before_source": null, "after_source": null}))
        .unwrap();
    answer(&mut app, Answer::Compared(sides, Ok(vec![entry])));
    let beside = |app: &App| draw(app).lines().any(|line| line.contains("small") && line.contains("│ large"));
    assert!(beside(&app), "{}", draw(&app));
    press(&mut app, "|");
    contains(&app, "one below the other");
    assert!(!beside(&app));
    contains(&app, "- small");
    press(&mut app, "|");
    assert!(beside(&app));
}

#[test]
fn what_atmos_evaluates_stands_beside_what_is_written_and_is_marked() {
    let mut app = on_orders_db(160, 40);
    assert_eq!(press(&mut app, "v"), [Effect::Evaluate(key())]);
    press(&mut app, "v");
    contains(&app, "Atmos is still evaluating another one");
    let document = serde_json::json!({"vars": {"engine": "postgres", "size": "large", "subnet": "subnet-1",
        "storage": {"gb": 200}}});
    answer(&mut app, Answer::Evaluated(key(), Ok(document)));
    contains(&app, "!terraform.output network subnet → subnet-1 evaluated");
    assert!(!draw(&app).contains("large → "), "what is the same is not said twice");
    let trouble = Trouble { message: "evaluating needs Atmos".into(), hint: None, unreachable: false };
    press(&mut app, "v");
    answer(&mut app, Answer::Evaluated(key(), Err(trouble)));
    contains(&app, "evaluating needs Atmos");
}

#[test]
fn prices_stand_beside_instances_and_services_and_what_is_unknown_is_said() {
    let mut app = on_orders_db(120, 40);
    let price = |component: &str, amount: Option<&str>| {
        let unknown: Vec<&str> = if amount.is_none() { vec!["no price"] } else { Vec::new() };
        serde_json::from_value(serde_json::json!({"component": component, "stack": "plat-ue2-prod", "team": "payments",
            "resources": 1, "monthly": {"amount": amount, "currency": "USD", "unknown": unknown}, "from": "state"}))
        .unwrap()
    };
    answer(&mut app, Answer::Prices(Ok(vec![price("orders-db", Some("912.60")), price("network", None)])));
    let has = |app: &App, name: &str, price: &str| {
        let screen = draw(app);
        let found = screen.lines().any(|line| line.contains(name) && line.contains(price));
        assert!(found, "no {name} with {price} on\n{screen}");
    };
    has(&app, "▌      orders-db", " $913 ");
    has(&app, "      network", " ? ");
    press(&mut app, "2");
    contains(&app, "$913   1");
    contains(&app, "$912.60 a month");
}
