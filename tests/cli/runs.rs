//! Runs from the command line: started, followed, confirmed, left, come back to.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::program::program;
use crate::support::{Home, git, no_terraform};

const NETWORK: [&str; 3] = ["network", "-s", "plat-ue2-dev"];

fn of<'a>(verb: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[verb], &NETWORK[..], more].concat()
}

fn run(home: &Home, which: &str) -> Value {
    home.at(&home.path("demo"), &["runs", "show", which, "--format", "json"]).succeeds().json()
}

#[test]
fn a_plan_is_followed_to_its_end_and_leaves_the_estate_as_it_was() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    let plan = home.at(&demo, &of("plan", &[])).succeeds().says("driver terraform").says("$ terraform plan ");
    assert!(plan.out.contains("Plan:") && plan.out.contains("5 to add, 0 to change, 0 to destroy"), "{}", plan.out);
    assert_eq!(git(&demo, &["status", "--porcelain"]), "");

    // What was followed is, byte for byte, what was kept.
    assert_eq!(home.at(&demo, &["runs", "logs", "1"]).succeeds().out, plan.out);
    assert_eq!(home.at(&demo, &["runs", "logs", "#1", "--follow"]).succeeds().out, plan.out);
    let run = run(&home, "1");
    assert_eq!(run["log_bytes"].as_u64().unwrap(), plan.out.len() as u64);
    assert_eq!(
        (&run["kind"], &run["state"], &run["driver"]),
        (&"plan".into(), &"succeeded".into(), &"terraform".into())
    );
    assert_eq!(run["summary"]["add"], 5);

    let listed = home.at(&demo, &["list", "runs", "--format", "json"]).succeeds().json();
    let keys = "id kind state driver command component stack exit_code actor queued_at started_at ended_at";
    for key in keys.split(' ') {
        assert!(listed[0].get(key).is_some(), "{key}");
    }
    let missing = home.at(&demo, &["runs", "show", "99"]).exits(2);
    assert!(missing.err.contains("99"));
}

#[test]
fn an_apply_without_a_terminal_needs_a_yes_and_applies_what_was_planned() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    for verb in ["apply", "destroy"] {
        home.at(&demo, &of(verb, &[])).exits(2).says("--yes").says("nothing was changed");
    }
    assert_eq!(fs::read_dir(home.path("state")).unwrap().count(), 0, "nothing was started or kept");

    let applied =
        home.at(&demo, &of("apply", &["--yes", "--format", "json"])).succeeds().says("price:").says(" deny, ");
    let run = applied.json();
    assert_eq!((&run["kind"], &run["state"]), (&"apply".into(), &"succeeded".into()));
    assert!(applied.err.contains("Apply complete! Resources: 5 added"), "the log is seen beside the data");
    let steps: Vec<&str> = run["commands"].as_array().unwrap().iter().map(|c| c["step"].as_str().unwrap()).collect();
    assert_eq!(steps.last(), Some(&"apply"), "{steps:?}");

    let again = home.at(&demo, &of("apply", &["-y"])).succeeds().says("no_changes");
    assert!(again.out.contains("No changes"), "{}", again.out);
}

#[test]
fn a_plan_that_was_left_waits_for_its_yes_and_goes_on() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    let left = home.at(&demo, &of("apply", &["--detach"])).succeeds().says("terrace runs confirm 1");
    let id = left.out.trim().to_owned();
    assert_eq!(id.len(), 26, "{id}");
    home.wait_for(&id, "awaiting_confirmation");
    let digest = run(&home, &id)["plan_digest"].as_str().unwrap().to_owned();

    home.at(&demo, &["runs", "confirm", &id, "--plan", &"0".repeat(64)]).exits(1).says("plan");
    let confirmed = home.at(&demo, &["runs", "confirm", &id, "--plan", &digest]).succeeds();
    assert!(confirmed.out.contains("Apply complete! Resources: 5 added"), "{}", confirmed.out);
    assert_eq!(run(&home, &id)["confirmed_by"], run(&home, &id)["actor"]);
    home.at(&demo, &["runs", "confirm", &id]).exits(1).says("ended");
}

#[test]
fn a_run_that_waits_is_canceled_and_asked_for_again() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    let id = home.at(&demo, &of("apply", &["--detach"])).succeeds().out.trim().to_owned();
    home.wait_for(&id, "awaiting_confirmation");
    // It holds its lock meanwhile: whoever does not want to wait is told so.
    home.at(&demo, &of("apply", &["--yes", "--no-wait"])).exits(1).says("#1").says("--no-wait");
    home.at(&demo, &["runs", "cancel", &id]).succeeds();
    home.at(&demo, &["runs", "watch", &id]).exits(1).says("canceled");
    let again = home.at(&demo, &["runs", "retry", &id, "--detach"]).succeeds().out.trim().to_owned();
    home.wait_for(&again, "awaiting_confirmation");
    assert_eq!(run(&home, &again)["retry_of"], id.as_str());
    home.at(&demo, &["runs", "cancel", &again]).succeeds();
    home.wait_for(&again, "canceled");
    // Where nobody is there to answer, the end of the input is no answer: the plan waits for one.
    let left = home.at(&demo, &["runs", "retry", &again]).succeeds().says("waits for a yes: terrace runs confirm");
    assert!(left.out.contains("Plan:"), "{}", left.out);
    let waits = home.at(&demo, &["list", "runs", "--format", "json"]).succeeds().json()[0]["id"].clone();
    assert_eq!(run(&home, waits.as_str().unwrap())["state"], "awaiting_confirmation");
    home.at(&demo, &["runs", "cancel", waits.as_str().unwrap()]).succeeds();
    home.wait_for(waits.as_str().unwrap(), "canceled");
}

#[test]
fn a_second_change_waits_says_for_what_and_goes_on() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    let first = home.at(&demo, &of("apply", &["--detach"])).succeeds().out.trim().to_owned();
    home.wait_for(&first, "awaiting_confirmation");
    let mut second = home.command();
    second.current_dir(&demo).args(of("apply", &["--yes"])).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut second = second.spawn().unwrap();
    let mut said = BufReader::new(second.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waits = said.find(|line| line.contains("waits for")).unwrap();
    assert!(waits.contains("#1"), "{waits}");
    home.at(&demo, &["runs", "cancel", &first]).succeeds();
    let rest: Vec<String> = said.collect();
    assert!(second.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("#2 succeeded")), "{rest:?}");
}

#[test]
fn what_cannot_run_is_refused_before_anything_happens() {
    let (home, demo) = Home::with_demo();
    home.at(&demo, &["plan", "nosuch", "-s", "plat-ue2-dev"]).exits(2).says("nosuch");
    home.at(&demo, &["plan", "network", "-s", "nosuch"]).exits(2).says("nosuch");
    home.at(&demo, &of("plan", &["--driver", "atmos"])).exits(2).says("atmos is not installed").says("hint:");
    let output =
        home.command().env("PATH", home.path("tmp")).current_dir(&demo).args(of("plan", &[])).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("neither terraform nor tofu is installed"), "{said}");
    let listed = home.at(&demo, &["list", "runs", "--format", "json"]).succeeds().json();
    assert_eq!(listed, serde_json::json!([]));
}

#[test]
fn a_platform_that_is_not_there_exits_with_four() {
    let (home, demo) = Home::with_demo();
    let nowhere = ["--server", "http://127.0.0.1:1"];
    for arguments in [of("plan", &nowhere), of("apply", &["--yes", nowhere[0], nowhere[1]])] {
        home.at(&demo, &arguments).exits(4).says("not reachable");
    }
    home.at(&demo, &[&nowhere[..], &["list", "runs"]].concat()).exits(4);
}

#[test]
fn who_may_not_is_told_so_with_three() {
    let (home, demo) = Home::with_demo();
    let token = home.at(&demo, &["token", "create", "vera", "--role", "viewer"]).succeeds().out.trim().to_owned();
    let answer = |arguments: &[&str]| {
        let mut command = home.command();
        let output = command.env("TERRACE_TOKEN", &token).current_dir(&demo).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(answer(&["list", "runs"]).0, Some(0), "seeing is allowed");
    for arguments in [of("plan", &[]), of("apply", &["--yes"]), vec!["workflow", "greet", "-f", "practice", "--yes"]] {
        let (exit, said) = answer(&arguments);
        assert_eq!(exit, Some(3), "{arguments:?}: {said}");
    }
    assert_eq!(home.at(&demo, &["list", "runs", "--format", "json"]).succeeds().json(), serde_json::json!([]));
}

#[test]
fn several_instances_run_as_a_set_in_the_order_of_what_they_need() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    home.at(&demo, &["plan", "network"]).exits(2).says("which stack");
    home.at(&demo, &["plan", "--all", "-s", "nosuch"]).exits(2);
    home.at(&demo, &["apply", "network", "orders-db", "-s", "plat-ue2-dev"]).exits(2).says("--yes");

    let both = ["apply", "orders-db@plat-ue2-dev", "network", "-s", "plat-ue2-dev", "--yes", "--format", "json"];
    let set = home.at(&demo, &both).succeeds().json();
    let runs = set["runs"].as_array().unwrap();
    let named = |name: &str| runs.iter().find(|run| run["component"] == name).unwrap();
    assert_eq!((runs.len(), &named("network")["state"]), (2, &"succeeded".into()));
    assert_eq!(named("orders-db")["after"][0], named("network")["id"], "the database needs the network");
    assert!(named("orders-db")["started_at"].as_str() >= named("network")["ended_at"].as_str());

    let shown = home.at(&demo, &["runs", "show", set["id"].as_str().unwrap()]).succeeds().out;
    assert!(shown.contains("  #1 apply network@plat-ue2-dev  succeeded"), "{shown}");
    assert!(shown.contains("    #2 apply orders-db@plat-ue2-dev  succeeded"), "{shown}");
    let left = home.at(&demo, &["plan", "network", "cluster", "-s", "plat-ue2-dev", "--detach"]).succeeds();
    let left = home.at(&demo, &["runs", "show", left.out.trim(), "--format", "json"]).succeeds().json();
    for run in left["runs"].as_array().unwrap() {
        home.at(&demo, &["runs", "watch", run["id"].as_str().unwrap()]).succeeds();
    }
}

#[test]
fn what_a_change_affects_is_planned_in_the_stack_that_was_named() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    let affected = ["plan", "--affected", "HEAD", "-s", "plat-ue2-dev", "--format", "json"];
    let nothing = home.at(&demo, &affected);
    assert!(nothing.exit != 0 && nothing.err.contains("affect"), "{}", nothing.err);
    let file = demo.join("stacks/catalog/network.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("nat: false", "nat: true")).unwrap();
    let set = home.at(&demo, &affected).succeeds().json();
    let runs = set["runs"].as_array().unwrap();
    let named = |name: &str| runs.iter().any(|run| run["component"] == name);
    assert!(named("network") && runs.iter().all(|run| run["stack"] == "plat-ue2-dev"), "{set:#}");
    assert!(runs.iter().all(|run| run["state"] == "succeeded"), "{set:#}");
}

#[test]
fn a_command_of_the_estate_s_own_is_refused_where_it_applies() {
    let (home, demo) = Home::with_demo();
    let atmos = home.path("tmp").join("atmos");
    program(&atmos, "#!/bin/sh\necho \"atmos $*\"\n");
    let own = "\naliases: {ta: terraform apply, ls: list stacks}\ncommands:\n  - name: ship\n    arguments: [{name: component}]\n    steps:\n      - echo shipping\n      - atmos terraform apply {{ .Arguments.component }} -s dev -auto-approve\n  - name: hello\n    steps: [echo hello]\n";
    let configuration = fs::read_to_string(demo.join("atmos.yaml")).unwrap() + own;
    fs::write(demo.join("atmos.yaml"), configuration).unwrap();
    let run = |arguments: &[&str]| {
        let output = home.command().env("ATMOS_BIN", &atmos).current_dir(&demo).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for refused in [["atmos", "ship", "network"], ["atmos", "ta", "network"]] {
        let (exit, out, err) = run(&refused);
        assert_eq!((exit, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains("nothing is applied but a plan that was shown"), "{err}");
    }
    assert_eq!(run(&["atmos", "hello"]).0, Some(2), "it may change something, and nobody can answer");
    assert_eq!(run(&["atmos", "--yes", "hello"]).1, "atmos hello\n");
    assert_eq!(run(&["atmos", "ls"]).1, "atmos list stacks\n", "an alias asks as what it stands for");
}

#[test]
fn an_atmos_that_is_there_runs_any_command() {
    let (home, demo) = Home::with_demo();
    let atmos = home.path("tmp").join("atmos");
    program(&atmos, "#!/bin/sh\necho \"atmos $*\"\n[ \"$1\" != validate ] || exit 7\n");
    let run = |arguments: &[&str]| {
        let output = home.command().env("ATMOS_BIN", &atmos).current_dir(&demo).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (exit, out, err) = run(&["atmos", "describe", "stacks", "-s", "x", "--format", "json"]);
    assert_eq!((exit, out.as_str()), (Some(0), "atmos describe stacks -s x --format json\n"), "{err}");
    assert!(err.contains("driver atmos"), "{err}");
    assert_eq!(run(&["atmos", "vendor", "pull"]).0, Some(2), "it may change something, and nobody can answer");
    assert_eq!(run(&["atmos", "--yes", "vendor", "pull"]).1, "atmos vendor pull\n");
    // What the child says by its exit code stands in the run.
    let (exit, out, _) = run(&["--format", "json", "atmos", "validate", "stacks"]);
    let run: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((exit, &run["exit_code"], &run["kind"]), (Some(1), &7.into(), &"command".into()));
}
