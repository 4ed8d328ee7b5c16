//! Asking and deciding at the keyboard, on the demo estate.

use serde_json::json;
use terrace::domain::request::RequestState;
use terrace::domain::run::RunState;

use crate::home::{Home, terraform};
use crate::pty::until;

const SIZE: (u16, u16) = (120, 40);

#[test]
fn a_newcomer_asks_for_a_database_by_what_the_screen_says() {
    let home = Home::new();
    let mut terminal = home.open(&["demo", &home.demo_text()], SIZE);
    terminal.wait_for("● live");
    // Each key is one that the screen names at that moment.
    terminal.wait_for("+ ask for something new");
    terminal.keys("+");
    terminal.wait_for("PostgreSQL database");
    terminal.wait_for("enter opens its form");
    terminal.keys("postgres");
    terminal.wait_for("▌PostgreSQL database");
    terminal.keys("\r");
    terminal.wait_for("New: PostgreSQL database");
    terminal.wait_for("tab next");
    terminal.keys("fares\t");
    terminal.wait_for("Still to be filled in: Where, Team");
    terminal.wait_for("enter choose");
    terminal.keys("\r");
    terminal.wait_for("type to find one");
    terminal.keys("ue2-dev");
    terminal.wait_for("▌plat-ue2-dev");
    terminal.keys("\r");
    terminal.wait_for("plat-ue2-dev ▾");
    terminal.wait_for("← → choose");
    terminal.keys("\x1b[C");
    terminal.wait_for("(●) orders");
    // What it comes to stands beside it, before anything is sent.
    terminal.wait_for("+ fares-db@plat-ue2-dev");
    if terraform() {
        terminal.wait_for("a month");
        terminal.wait_for("Policy");
    }
    terminal.wait_for("ctrl-s send");
    terminal.keys("\x13");
    terminal.wait_for("▸ Requests ▸ #1");
    terminal.wait_for("name: fares");
    let request = home.request(1);
    assert_ne!(request.state, RequestState::Draft);
    let inputs = &request.wish().unwrap().inputs;
    assert_eq!(
        (&inputs["name"], &inputs["stack"], &inputs["team"]),
        (&json!("fares"), &json!("plat-ue2-dev"), &json!("orders"))
    );
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn an_approver_decides_within_five_keys_and_sees_what_for() {
    let home = Home::with_demo();
    let demo = home.demo_text();
    let team = ["name=fares", "description=What a ticket costs", "members=noor", "components=fares-*"];
    let mut ask = vec!["-C", &demo, "request", "new", "new-team", "--detach", "--reason", "a new product"];
    team.iter().for_each(|input| ask.extend(["--set", input]));
    home.succeeds(&ask);
    until("it waits for somebody", || home.request(1).state == RequestState::PendingApproval);
    let mut terminal = home.dashboard(SIZE);
    terminal.wait_for("1 request waits for you");
    let keys = ["4", "A", "y"];
    terminal.keys(keys[0]);
    // Plan, price and verdict on one screen.
    terminal.wait_for("Waiting for me");
    terminal.wait_for("A approve");
    let screen = terminal.wait_for("solo: no second person");
    for said in ["Plan", "Price", "Policy", "Approval", "a new product"] {
        assert!(screen.contains(said), "no {said}\n{screen}");
    }
    terminal.keys(keys[1]);
    let asked = terminal.wait_for("agree to exactly this");
    assert!(asked.contains("$ terrace request approve 1") && asked.contains("self-attested"), "{asked}");
    terminal.keys(keys[2]);
    terminal.wait_for("✓ fulfilled");
    let request = home.request(1);
    assert!(request.decisions[0].approved && request.decisions[0].self_attested);
    assert!(std::fs::read_to_string(home.demo().join("platform/teams.yaml")).unwrap().contains("name: fares"));
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
    // A message leads to the page.
    let mut page = home.open(&["-C", &demo, "open", "request/1"], (80, 24));
    page.wait_for("▸ Requests ▸ #1");
    page.wait_for("✓ fulfilled");
    page.keys("q");
    assert_eq!(page.end(), 0);
}

#[test]
fn an_approver_decides_on_a_plain_apply_within_five_keys_and_exactly_that_is_applied() {
    if !terraform() {
        return;
    }
    let home = Home::with_demo();
    let demo = home.demo_text();
    for arguments in [&["rm", "-q", "platform/policies.yaml"][..], &["commit", "-qm", "Ask somebody else"]] {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(home.demo()).args(["-c", "user.name=Aiko", "-c", "user.email=aiko@example.com"]);
        assert!(git.args(arguments).status().unwrap().success());
    }
    // Whoever applies is told that others have to agree, and how to go on.
    let asked = home.terrace(&["-C", &demo, "apply", "network", "-s", "plat-ue2-prod", "--yes"]);
    let said = String::from_utf8_lossy(&asked.stderr);
    assert_eq!(asked.status.code(), Some(3), "{said}");
    for part in
        ["waits for approval as request #1", "protected stage", "terrace request show 1", "terrace runs watch 1"]
    {
        assert!(said.contains(part), "no {part}: {said}");
    }
    until("it waits for somebody", || home.request(1).state == RequestState::PendingApproval);
    let token = home.succeeds(&["-C", &demo, "token", "create", "mara", "--role", "approver"]);
    let mut terminal = home.open_with(&["-C", &demo], (120, 40), &[("TERRACE_TOKEN", token.trim())]);
    terminal.wait_for("1 request waits for you");
    let keys = ["4", "A", "y"];
    assert!(keys.len() <= 5);
    terminal.keys(keys[0]);
    terminal.wait_for("A approve");
    // Plan, price, verdict and who has to agree, on one screen.
    let screen = terminal.wait_for("after this");
    for said in ["+7 ~0 -0", "terraform_data.network", "Price", "a month", "Policy  ✓", "Approval", "may: mara"] {
        assert!(screen.contains(said), "no {said}\n{screen}");
    }
    terminal.keys(keys[1]);
    let question = terminal.wait_for("agree to exactly this");
    for said in ["network@plat-ue2-prod", "Plan: +7 ~0 -0", "$ terrace request approve 1", "bound to"] {
        assert!(question.contains(said), "no {said}\n{question}");
    }
    terminal.keys(keys[2]);
    terminal.wait_for("✓ fulfilled");
    let (request, run) = (home.request(1), home.run(1));
    assert_eq!((request.decisions[0].actor.as_str(), request.runs.as_slice()), ("mara", &[run.id][..]));
    assert_eq!((run.state, run.confirmed_by.as_deref()), (RunState::Succeeded, Some("mara")));
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
}
