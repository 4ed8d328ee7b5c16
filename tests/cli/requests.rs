//! Asking from the command line: what it says, what it prints, how it exits.

use std::fs;

use serde_json::json;

use crate::support::{Home, git, no_terraform};

#[test]
fn a_request_is_written_looked_at_talked_about_and_taken_back() {
    let (home, demo) = Home::with_demo();
    let file = home.path("team.yaml");
    let text =
        "golden_path: new-team\nname: tides\ndescription: When to sail\nmembers: [noor]\ncomponents: ['tides-*']\n";
    fs::write(&file, text).unwrap();
    let from = ["request", "new", "--from", file.to_str().unwrap(), "--reason", "they sail now"];
    // Nothing is sent by looking at it.
    let looked = home.at(&demo, &[&from[..], &["--dry-run", "--format", "json"]].concat()).succeeds().json();
    assert_eq!(looked["files"][0]["path"], "platform/teams.yaml");
    assert_eq!(home.at(&demo, &["request", "list", "--format", "json"]).succeeds().json(), json!([]));

    let sent = home.at(&demo, &[&from[..], &["--format", "json"]].concat()).succeeds().json();
    assert_eq!((&sent["number"], &sent["kind"]), (&json!(1), &json!("provision")));
    assert_eq!((&sent["state"], &sent["title"]), (&json!("pending_approval"), &json!("New team 'tides'")));
    assert_eq!(sent["revisions"][0]["wish"]["reason"], "they sail now");
    let shown = home.at(&demo, &["request", "show", "#1"]).succeeds();
    assert!(shown.out.contains("+  - name: tides") && shown.out.contains("needs 1 of"), "{}", shown.out);
    let said = home.at(&demo, &["request", "comment", "1", "Who is noor?", "--format", "json"]).succeeds().json();
    assert_eq!(said["comments"][0]["text"], "Who is noor?");
    // Without a terminal an answer is given ahead, or nothing happens.
    home.at(&demo, &["request", "approve", "1"]).exits(2).says("--yes");
    home.at(&demo, &["request", "reject", "1"]).exits(2).says("--reason");
    let listed = home.at(&demo, &["list", "requests", "--format", "json"]).succeeds().json();
    assert_eq!(listed[0]["state"], "pending_approval");
    let gone = home.at(&demo, &["request", "withdraw", "1", "--format", "json"]).succeeds().json();
    assert_eq!(gone["state"], "withdrawn");
    home.at(&demo, &["request", "withdraw", "1"]).exits(1).says("withdrawn");
    home.at(&demo, &["request", "show", "9"]).exits(2).says("#9");
    assert_eq!(git(&demo, &["status", "--porcelain"]), "");
}

#[test]
fn what_is_wrong_is_said_before_anything_is_sent() {
    let (home, demo) = Home::with_demo();
    let new = |more: &[&str]| home.at(&demo, &[&["request", "new"], more].concat());
    new(&[]).exits(2);
    new(&["postgres"]).exits(2).says("no golden path 'postgres'");
    new(&["bucket", "--set", "name=Tides"]).exits(2).says("'stack' is missing");
    new(&["--from", "nowhere.yaml"]).exits(2).says("cannot read nowhere.yaml");
    new(&["--change", "network"]).exits(2).says("--stack");
    // What a variable of the component does not allow is said before anything is planned.
    let change = ["--change", "orders-db", "-s", "plat-ue2-prod", "--set"];
    new(&[&change[..], &["vars.size=huge"]].concat()).exits(2).says("\"huge\" is not one of");
    new(&[&change[..], &["vars.storage.gb=much", "--dry-run"]].concat()).exits(2);
    new(&["--budget", "orders", "--set", "amount=much"]).exits(2).says("no amount");
    fs::write(home.path("odd.yaml"), "kind: budget\nsum: 1\n").unwrap();
    new(&["--from", home.path("odd.yaml").to_str().unwrap()]).exits(2).says("unknown field `sum`");
    let nowhere = ["--server", "http://127.0.0.1:1"];
    new(&["bucket", "--set", "name=tides", nowhere[0], nowhere[1]]).exits(4).says("not reachable");
    assert_eq!(home.at(&demo, &["list", "requests", "--format", "json"]).succeeds().json(), json!([]));
}

#[test]
fn whoever_asks_does_not_decide_unless_the_rules_say_so() {
    let (home, demo) = Home::with_demo();
    git(&demo, &["rm", "-q", "platform/policies.yaml"]);
    git(&demo, &["-c", "user.name=Aiko", "-c", "user.email=aiko@example.com", "commit", "-qm", "Ask somebody else"]);
    fs::write(home.path("budget.yaml"), "kind: budget\ninputs: {team: orders, amount: 4500}\nreason: more ferries\n")
        .unwrap();
    let from = home.path("budget.yaml");
    home.at(&demo, &["request", "new", "--from", from.to_str().unwrap()]).succeeds();
    home.at(&demo, &["request", "approve", "1", "--yes"]).exits(3).says("is your own");
    home.at(&demo, &["request", "reject", "1", "--reason", "no"]).exits(3).says("is your own");
    let state = home.at(&demo, &["request", "show", "1", "--format", "json"]).succeeds().json();
    assert_eq!(state["state"], "pending_approval");
}

#[test]
fn one_instance_is_priced_judged_and_asked_for() {
    if no_terraform() {
        return;
    }
    let (home, demo) = Home::with_demo();
    let at = ["session-cache", "-s", "plat-ue2-dev", "--format", "json"];
    let priced = home.at(&demo, &[&["estimate"], &at[..]].concat()).succeeds().json();
    assert!(priced["delta"]["amount"].as_str().is_some_and(|amount| amount != "0.00"), "{}", priced["delta"]);
    assert!(priced["resources"].as_array().is_some_and(|all| !all.is_empty()) && priced["unknown"] == json!([]));
    let verdict = home.at(&demo, &[&["policy", "check"], &at[..]].concat()).succeeds().json();
    assert_eq!((&verdict["outcome"], &verdict["findings"]), (&json!("allow"), &json!([])));
    home.at(&demo, &["policy", "check", "--replay"]).succeeds();

    // A rule of one's own denies it: the check says so, and so does the request, which comes back.
    fs::create_dir_all(demo.join("platform/policies")).unwrap();
    let rule = "package terrace.plan.own\n\nimport rego.v1\n\ndeny contains \"no caches\" if input.instance.component == \"session-cache\"\n";
    fs::write(demo.join("platform/policies/own.rego"), rule).unwrap();
    home.at(&demo, &["policy", "check", "session-cache", "-s", "plat-ue2-dev"]).exits(3);
    home.at(&demo, &["policy", "check", "--replay"]).exits(3);
    let back =
        home.at(&demo, &["request", "new", "--apply", "session-cache", "-s", "plat-ue2-dev", "--format", "json"]);
    let back = back.exits(3).json();
    assert_eq!(back["state"], "needs_changes");
    assert!(back["reason"].as_str().is_some_and(|why| why.contains("no caches")), "{}", back["reason"]);
    let applied = home.at(&demo, &["apply", "session-cache", "-s", "plat-ue2-dev", "--yes"]).exits(3);
    assert!(applied.err.contains("no caches"), "{}", applied.err);

    fs::remove_file(demo.join("platform/policies/own.rego")).unwrap();
    let done =
        home.at(&demo, &["request", "new", "--apply", "session-cache", "-s", "plat-ue2-dev", "--format", "json"]);
    let done = done.succeeds().json();
    assert_eq!(done["state"], "fulfilled");
    let times = home.at(&demo, &["request", "times", "--format", "json"]).succeeds().json();
    assert_eq!((&times["changes"], &times["changes_through_requests"]), (&json!(1), &json!(1)));
}
