//! The program itself, on the demo estate: a newcomer's first visit, and what outlives a dashboard.

use std::fs;

use terrace::domain::run::RunState;

use crate::home::{Home, terraform};
use crate::pty::{Terminal, until};

const SIZE: (u16, u16) = (120, 40);

/// Steps that say the same each time; the second waits until a file is there.
fn write_story(home: &Home) -> std::path::PathBuf {
    let go = home.demo().join("go");
    let text = format!(
        "workflows:\n  story:\n    description: waits in the middle\n    steps:\n\
         \x20     - {{name: first, type: shell, command: 'for n in 1 2 3; do echo \"line $n\"; done; printf \"no newline\"'}}\n\
         \x20     - {{name: wait, type: shell, command: 'echo gate $((1+1)); while [ ! -e {go} ]; do sleep 0.05; done; echo gone on'}}\n\
         \x20     - {{name: last, type: shell, command: 'echo the end'}}\n",
        go = go.display()
    );
    fs::write(home.demo().join("stacks/workflows/story.yaml"), text).unwrap();
    go
}

/// Chooses the story in a dashboard and says yes.
fn start_story(terminal: &mut Terminal) {
    terminal.wait_for("w workflow");
    terminal.keys("w");
    terminal.wait_for("Run a workflow");
    terminal.keys("story");
    terminal.wait_for("waits in the middle");
    terminal.keys("\r");
    terminal.wait_for("$ terrace workflow story");
    terminal.keys("y");
}

fn leave(mut terminal: Terminal) {
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_newcomer_finds_a_value_plans_and_applies() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", &home.demo_text()], SIZE);
    terminal.wait_for("● live");
    terminal.keys("/orders-db ue2 prod\r");
    terminal.wait_for("▸ orders-db");
    // Each value has the line beside it that set it, and the chain says what that overrode.
    terminal.wait_for("size: large");
    terminal.keys("\t");
    terminal.keys("]");
    terminal.wait_for("[Sources]");
    terminal.wait_for("overridden");
    terminal.keys("\x1b[Z");
    assert_eq!(home.changes(), "", "browsing leaves every tracked file as it was");
    if !terraform() {
        leave(terminal);
        return;
    }
    terminal.keys("p");
    terminal.wait_for("$ terrace plan orders-db -s plat-");
    terminal.wait_for("✓ succeeded");
    terminal.wait_for("to add, 0 to change, 0 to destroy");
    assert_eq!(home.run(1).state, RunState::Succeeded);
    assert_eq!(home.changes(), "", "planning leaves every tracked file as it was");
    // Applying asks before it plans, and again before it applies, each time with the exact command.
    terminal.keys("1a");
    terminal.wait_for("$ terrace apply orders-db -s plat-");
    terminal.keys("y");
    terminal.wait_for("waits for your yes");
    assert_eq!(home.run(2).state, RunState::AwaitingConfirmation);
    terminal.keys("c");
    terminal.wait_for("$ terrace runs confirm 2");
    terminal.keys("y");
    terminal.wait_for("Apply complete!");
    until("it has succeeded", || home.run(2).state == RunState::Succeeded);
    let run = home.run(2);
    assert_eq!(run.confirmed_by, Some(run.actor.clone()));
    leave(terminal);
}

#[test]
fn a_run_outlives_a_killed_dashboard_and_a_hang_up_and_its_log_is_whole() {
    let home = Home::with_demo();
    let go = write_story(&home);
    let mut terminal = home.dashboard(SIZE);
    start_story(&mut terminal);
    terminal.wait_for("gate 2");
    terminal.signal("KILL");
    terminal.end();
    assert_eq!(home.run(1).state, RunState::Running);
    // Opened again it is where it was, with the log from the first byte.
    let mut again = home.dashboard(SIZE);
    let screen = again.wait_for("no newline");
    assert!(screen.contains("line 1"), "{screen}");
    // The link breaks: what the terminal started hears the hang-up, too.
    again.hang_up();
    again.end();
    assert_eq!(home.run(1).state, RunState::Running);
    let mut again = home.dashboard(SIZE);
    again.wait_for("no newline");
    fs::write(&go, "").unwrap();
    again.wait_for("the end");
    again.wait_for("✓ succeeded");
    // The same again, disturbed by nobody.
    again.keys("1");
    again.wait_for("Config");
    start_story(&mut again);
    again.wait_for("✓ #2");
    assert_eq!(home.run(2).state, RunState::Succeeded);
    leave(again);
    let (killed, undisturbed) = (home.log(1), home.log(2));
    assert!(killed.len() > 40, "{}", String::from_utf8_lossy(&killed));
    assert_eq!(killed, undisturbed);
}

#[test]
fn a_lost_platform_shows_and_comes_back_and_two_dashboards_see_the_same() {
    let home = Home::with_demo();
    let go = write_story(&home);
    let mut terminal = home.dashboard(SIZE);
    let mut beside = home.dashboard((100, 30));
    start_story(&mut terminal);
    terminal.wait_for("gate 2");
    beside.keys("3");
    beside.wait_for("● #1 workflow story");
    let platform = home.platform().unwrap();
    assert!(platform.connections >= 2);
    let pid = platform.pid.to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    until("it is said that the platform is lost", || terminal.header_said("platform lost"));
    // Another is started by itself, and takes the run over; both dashboards go on with its log.
    until("another platform is there", || home.platform().is_some_and(|card| card.pid != platform.pid));
    terminal.wait_for("● live");
    fs::write(&go, "").unwrap();
    for terminal in [&mut terminal, &mut beside] {
        terminal.wait_for("the end");
        terminal.wait_for("✓ #1 workflow story");
    }
    leave(terminal);
    leave(beside);
}

#[test]
fn open_leads_to_a_run_and_to_an_instance() {
    let home = Home::with_demo();
    fs::write(write_story(&home), "").unwrap();
    let mut terminal = home.dashboard(SIZE);
    start_story(&mut terminal);
    terminal.wait_for("✓ #1 workflow story");
    terminal.keys("2");
    leave(terminal);
    let folder = home.demo_text();
    let mut run = home.open(&["-C", &folder, "open", "run/1"], SIZE);
    run.wait_for("▸ Runs ▸ #1");
    run.wait_for("the end");
    leave(run);
    let mut instance = home.open(&["-C", &folder, "open", "orders-db@plat-ue2-prod"], SIZE);
    instance.wait_for("▸ plat-ue2-prod ▸ orders-db");
    instance.wait_for("size: large");
    leave(instance);
    let mut nothing = home.open(&["-C", &folder, "open", "run/99"], SIZE);
    nothing.wait_for("there is no run #99");
    leave(nothing);
    assert_eq!(home.terrace(&["-C", &folder, "open", "orders"]).status.code(), Some(2));
}

#[test]
fn values_are_searched_and_compared_and_what_a_change_reaches_is_told() {
    let home = Home::with_demo();
    let mut terminal = home.dashboard(SIZE);
    terminal.wait_for("w workflow");
    terminal.keys("Sresidency");
    terminal.wait_for("vars.tags.residency: eu");
    terminal.keys("\r");
    terminal.wait_for("▸ plat-ew1-prod ▸");
    // One is marked, the other selected.
    terminal.keys("/orders-db prod\r");
    terminal.wait_for("▸ plat-ew1-prod ▸ orders-db");
    terminal.keys(" jj");
    terminal.wait_for("▸ plat-ue2-prod ▸ orders-db");
    terminal.keys("D");
    terminal.wait_for("[Diff]");
    terminal.wait_for("vars.size");
    terminal.keys("[[[");
    terminal.wait_for("size: large");
    // A change of a file is followed by itself, and what it reaches is listed.
    let file = home.demo().join("stacks/orgs/harbor/plat/prod/us-east-2.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("size: large", "size: medium")).unwrap();
    terminal.wait_for("size: medium");
    terminal.wait_for("✎");
    terminal.keys("F\r");
    terminal.wait_for("What the change reaches");
    terminal.wait_for("orders-db@plat-ue2-prod");
    terminal.keys("\x03");
    leave(terminal);
}

#[test]
fn small_terminals_and_terminals_without_colour_are_readable() {
    let home = Home::with_demo();
    let folder = home.demo_text();
    let mut plain = home.open_with(&["-C", &folder], (80, 24), &[("NO_COLOR", "1")]);
    plain.wait_for("● live");
    plain.keys("/cluster\r");
    let screen = plain.wait_for("▸ cluster");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    assert!(!plain.is_coloured());
    leave(plain);
    let mut coloured = home.dashboard((80, 24));
    assert!(coloured.is_coloured());
    coloured.resize(20, 5);
    coloured.wait_for("Terrace needs");
    coloured.resize(80, 24);
    coloured.wait_for("● live");
    leave(coloured);
}
