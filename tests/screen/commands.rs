//! Commands where a person sits: what asks, what is left with ctrl-c, what is shown of a log, what is typed into.

use std::fs;

use terrace::domain::run::RunState;

use crate::home::{Home, terraform};
use crate::program::program;
use crate::pty::{Terminal, until};

const SIZE: (u16, u16) = (160, 60);

/// Waits for the end, and returns the exit code and what stands on the screen then.
fn end(mut terminal: Terminal) -> (u32, String) {
    let exit = terminal.end();
    terminal.drain();
    (exit, terminal.text())
}

#[test]
fn apply_shows_what_and_where_and_asks() {
    if !terraform() {
        return;
    }
    let home = Home::with_demo();
    let demo = home.demo_text();
    let apply = ["-C", demo.as_str(), "apply", "network", "-s", "plat-ue2-dev"];
    let mut terminal = home.open(&apply, SIZE);
    let asked = terminal.wait_for("Apply exactly this plan? [y/N]");
    for said in
        ["5 to add, 0 to change, 0 to destroy", "network in plat-ue2-dev", "driver:  terraform", "terraform apply"]
    {
        assert!(asked.contains(said), "{said}\n{asked}");
    }
    assert_eq!(home.run(1).state, RunState::AwaitingConfirmation);
    terminal.keys("n\r");
    let (exit, text) = end(terminal);
    assert!(exit == 1 && text.contains("#1 canceled"), "{exit}\n{text}");

    let mut terminal = home.open(&apply, SIZE);
    terminal.wait_for("[y/N]");
    terminal.keys("y\r");
    let (exit, text) = end(terminal);
    assert!(
        exit == 0 && text.contains("Apply complete! Resources: 5 added") && text.contains("#2 succeeded"),
        "{text}"
    );
}

#[test]
fn ctrl_c_leaves_and_the_run_goes_on() {
    let home = Home::with_demo();
    let demo = home.demo_text();
    let rehearsal = ["-C", demo.as_str(), "workflow", "rehearsal", "-f", "practice", "--from-step", "verify"];
    let mut terminal = home.open(&rehearsal, SIZE);
    let asked = terminal.wait_for("Run these steps? [y/N]");
    assert!(asked.contains("roll") && asked.contains("(skipped)"), "{asked}");
    terminal.keys("y\r");
    terminal.wait_for("check 1 of 3 passed");
    terminal.keys("\u{3}");
    let (exit, text) = end(terminal);
    assert!(exit == 0 && text.contains("terrace runs watch 1"), "{exit}\n{text}");
    until("it has succeeded all the same", || home.run(1).state == RunState::Succeeded);
    assert!(home.log(1).ends_with(b"release 2026.6.1 is out\n"));
}

#[test]
fn a_log_cannot_drive_the_terminal_that_it_is_shown_on() {
    let home = Home::with_demo();
    let demo = home.demo_text();
    let text = "workflows:\n  harm:\n    steps:\n      - {type: shell, command: 'printf \"first\\n\\033[2J\\033[H\\033[31mred\\033[0m\\033[?1049hlast\\n\"'}\n";
    fs::write(home.demo().join("stacks/workflows/harm.yaml"), text).unwrap();
    home.succeeds(&["-C", &demo, "workflow", "harm", "-f", "harm", "--yes"]);
    assert!(home.log(1).starts_with(b"first\n\x1b[2J"), "the log itself has every byte");
    let terminal = home.open(&["-C", &demo, "runs", "logs", "1"], SIZE);
    let coloured = {
        let mut terminal = terminal;
        assert_eq!(terminal.end(), 0);
        terminal.drain();
        assert!(!terminal.alternate_screen());
        assert!(terminal.text().starts_with("first\nredlast"), "{}", terminal.text());
        terminal.is_coloured()
    };
    assert!(coloured, "colours stay");
}

#[test]
fn a_command_that_asks_is_typed_into() {
    let home = Home::with_demo();
    let demo = home.demo_text();
    let atmos = home.demo().with_file_name("atmos");
    program(
        &atmos,
        "#!/bin/sh\n[ \"$1\" != version ] || exit 0\nfit() { while [ \"$(stty size)\" != \"$1\" ]; do sleep 0.05; done; }\nfit '60 160'\nprintf 'name? '\nread name\necho \"hello $name\"\nfit '30 100'\necho as large\n",
    );
    let console = ["-C", demo.as_str(), "atmos", "auth", "login"];
    let mut terminal = home.open_with(&console, SIZE, &[("ATMOS_BIN", atmos.to_str().unwrap())]);
    terminal.wait_for("Run it? [y/N]");
    terminal.keys("y\r");
    terminal.wait_for("name?");
    terminal.keys("ada\r");
    terminal.wait_for("hello ada");
    terminal.resize(100, 30);
    let (exit, text) = end(terminal);
    assert!(exit == 0 && text.contains("as large"), "{exit}\n{text}");
    assert_eq!(home.run(1).state, RunState::Succeeded);
}
