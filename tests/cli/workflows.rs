//! Workflows and other Atmos commands from the command line.

use serde_json::Value;

use crate::support::Home;

fn states(run: &Value) -> Vec<&str> {
    run["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect()
}

#[test]
fn a_workflow_that_works_runs_step_by_step_and_keeps_its_log() {
    let (home, demo) = Home::with_demo();
    home.at(&demo, &["workflow", "greet", "-f", "practice"]).exits(2).says("--yes").says("nothing was changed");
    let ran = home.at(&demo, &["workflow", "greet", "-f", "practice", "--yes"]).succeeds();
    assert!(ran.out.starts_with("nothing is wrong\n") && ran.out.ends_with("done\n"), "{}", ran.out);
    assert_eq!(home.at(&demo, &["runs", "logs", "1"]).succeeds().out, ran.out);
    let run = home.at(&demo, &["runs", "show", "1", "--format", "json"]).succeeds().json();
    assert_eq!((&run["kind"], &run["state"]), (&"workflow".into(), &"succeeded".into()));
    assert_eq!(states(&run), ["succeeded"; 3]);
    assert_eq!(run["command"], "terrace workflow greet -f practice");
}

#[test]
fn a_workflow_that_fails_in_the_middle_says_where_and_goes_on_from_a_step() {
    let (home, demo) = Home::with_demo();
    // The child ends with 3; that stands in the run, and the command says only that it failed.
    let failed = home.at(&demo, &["workflow", "drill", "-f", "practice.yaml", "-y", "--format", "json"]).exits(1);
    let run = failed.json();
    assert_eq!((&run["state"], &run["exit_code"]), (&"failed".into(), &3.into()));
    assert_eq!(states(&run), ["succeeded", "failed", "skipped"]);
    assert!(failed.err.contains("migration 42 failed") && !failed.err.contains("never reached"), "{}", failed.err);

    let on = home.at(&demo, &["workflow", "drill", "-f", "practice", "--from-step", "restore", "--yes"]).succeeds();
    assert_eq!(on.out, "never reached\n");
    let run = home.at(&demo, &["runs", "show", "2", "--format", "json"]).succeeds().json();
    assert_eq!(states(&run), ["skipped", "skipped", "succeeded"]);
    home.at(&demo, &["workflow", "drill", "-f", "practice", "--from-step", "nosuch", "--yes"]).exits(2).says("restore");
}

#[test]
fn a_workflow_that_is_not_there_is_wrong_usage_and_says_what_is() {
    let (home, demo) = Home::with_demo();
    home.at(&demo, &["workflow", "nosuch", "-f", "practice", "--yes"]).exits(2).says("greet");
    home.at(&demo, &["workflow", "greet", "-f", "nosuch", "--yes"]).exits(2).says("nosuch");
    let listed = home.at(&demo, &["list", "workflows", "--format", "json"]).succeeds().json();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["orders", "greet", "drill", "rehearsal"]);
}

#[test]
fn a_slow_workflow_is_left_watched_and_canceled() {
    let (home, demo) = Home::with_demo();
    let left = home.at(&demo, &["workflow", "rehearsal", "-f", "practice", "--yes", "--detach"]).succeeds();
    let id = left.out.trim().to_owned();
    home.wait_for(&id, "running");
    let mut watching = home.command();
    watching.current_dir(&demo).args(["runs", "logs", &id, "--follow"]).stdout(std::process::Stdio::piped());
    let watching = watching.spawn().unwrap();
    home.at(&demo, &["runs", "cancel", &id]).succeeds().says("terrace runs watch 1");
    home.at(&demo, &["runs", "watch", "1"]).exits(1).says("canceled");
    // Whoever follows the log gets all of it, and its end.
    let followed = watching.wait_with_output().unwrap();
    assert!(followed.status.success());
    assert_eq!(String::from_utf8_lossy(&followed.stdout), home.at(&demo, &["runs", "logs", &id]).succeeds().out);
    home.at(&demo, &["runs", "cancel", &id]).exits(1).says("ended");
}

#[test]
fn atmos_commands_say_what_they_need() {
    let (home, demo) = Home::with_demo();
    // What one instance's plan shows becomes just that; what asks for more is refused.
    let apply = ["atmos", "terraform", "deploy", "network", "-s", "plat-ue2-dev", "-auto-approve"];
    home.at(&demo, &apply).exits(2).says("is `terrace apply network -s plat-ue2-dev` here").says("--yes");
    let more = ["atmos", "terraform", "apply", "network", "-s", "plat-ue2-dev", "--", "-target=x"];
    home.at(&demo, &more).exits(2).says("terrace apply");
    home.at(&demo, &["atmos", "auth", "login"]).exits(2).says("terminal");
    home.at(&demo, &["atmos", "vendor", "pull"]).exits(2).says("--yes").says("nothing was changed");
    // Atmos is missing here, and nobody else can do this.
    home.at(&demo, &["atmos", "describe", "stacks"]).exits(2).says("hint:");
    let runs = home.at(&demo, &["list", "runs", "--format", "json"]).succeeds().json();
    assert_eq!(runs, serde_json::json!([]));
}
