//! Commands that read the estate in their own process.

use std::fs;

use crate::program::program;
use crate::support::Home;

const READING: [&[&str]; 5] = [
    &["check"],
    &["list", "stacks"],
    &["list", "instances"],
    &["describe", "stacks"],
    &["explain", "network", "-s", "plat-ue2-dev"],
];

#[test]
fn outside_an_atmos_repository_they_say_so_and_start_nothing() {
    let home = Home::new();
    for arguments in READING {
        let answer = home.terrace(arguments).exits(2).says("atmos.yaml").says("hint:");
        assert_eq!(answer.out, "", "data only on standard output");
    }
    assert_eq!(fs::read_dir(home.path("state")).unwrap().count(), 0, "nothing was started or kept");
}

#[test]
fn a_component_that_is_not_there_is_wrong_usage() {
    let (home, demo) = Home::with_demo();
    for command in [vec!["explain"], vec!["describe", "component"]] {
        let arguments = [command, vec!["nosuch", "-s", "plat-ue2-dev"]].concat();
        home.at(&demo, &arguments).exits(2).says("nosuch");
    }
}

#[test]
fn reading_the_demo_finds_no_problem_and_leaves_its_tree_clean() {
    let (home, demo) = Home::with_demo();
    let demo_text = demo.to_str().unwrap();
    let tree = || crate::support::git(&demo, &["status", "--porcelain", "--ignored"]);
    let before = tree();
    let problems = home.terrace(&["-C", demo_text, "--format", "json", "check"]).succeeds().json();
    assert_eq!(problems, serde_json::json!([]));
    for arguments in &READING[..4] {
        home.at(&demo.join("stacks"), arguments).succeeds();
    }
    assert_eq!(tree(), before);
}

#[test]
fn instances_are_listed_with_what_the_contract_names() {
    let (home, demo) = Home::with_demo();
    let list = |more: &[&str]| {
        let answer = home.at(&demo, &[&["list", "instances", "--format", "json"], more].concat()).succeeds();
        answer.json().as_array().unwrap().clone()
    };
    let instances = list(&[]);
    assert!(instances.len() > 30, "{}", instances.len());
    for instance in &instances {
        for key in ["component", "stack", "type", "file"] {
            assert!(instance[key].is_string(), "{key}: {instance}");
        }
        assert_eq!(instance["abstract"], false);
    }
    assert!(list(&["--abstract"]).iter().any(|instance| instance["abstract"] == true));
    assert_eq!(list(&["-s", "plat-ue2-prod", "-c", "orders-db"]).len(), 1);
}

#[test]
fn explain_names_the_line_that_made_the_database_large() {
    let (home, demo) = Home::with_demo();
    let asked = ["explain", "orders-db", "-s", "plat-ue2-prod", "--path", "vars.size"];
    let explained = home.at(&demo, &[&asked[..], &["--format", "json"]].concat()).succeeds().json();
    let value = &explained["values"][0];
    assert_eq!((&explained["component"], &explained["stack"]), (&"orders-db".into(), &"plat-ue2-prod".into()));
    assert_eq!(value["path"], serde_json::json!(["vars", "size"]));
    assert_eq!(value["value"], "large");
    let chain = value["chain"].as_array().unwrap();
    assert_eq!(chain.last().unwrap()["source"], value["source"]);
    assert_eq!((&chain[0]["value"], &chain[0]["via"]), (&"small".into(), &"inherits".into()));

    // The line that it names is the one to edit.
    let file = demo.join(value["source"]["file"].as_str().unwrap());
    let line = usize::try_from(value["source"]["line"].as_u64().unwrap()).unwrap();
    let text = fs::read_to_string(&file).unwrap();
    let edited: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(at, old)| if at + 1 == line { old.replace("large", "medium") } else { old.to_owned() })
        .collect();
    fs::write(&file, edited.join("\n")).unwrap();
    let answer = home.at(&demo, &[&asked[..], &["--format", "json"]].concat()).succeeds().json();
    assert_eq!(answer["values"][0]["value"], "medium");

    home.at(&demo, &["explain", "orders-db", "-s", "plat-ue2-prod", "--path", "size"]).exits(2).says("vars.size");
}

#[test]
fn the_demo_has_services_with_inheritance_overrides_and_seven_stacks() {
    let (home, demo) = Home::with_demo();
    let stacks = home.at(&demo, &["list", "stacks", "--format", "json"]).succeeds().json();
    let names: Vec<&str> = stacks.as_array().unwrap().iter().map(|stack| stack["stack"].as_str().unwrap()).collect();
    let ours = ["plat-ew1-dev", "plat-ew1-prod", "plat-ue2-dev", "plat-ue2-prod"];
    assert_eq!(names, [&ours[..], &["quay-ew1-dev", "quay-ue2-dev", "quay-ue2-prod"]].concat());
    let of = |component: &str, stack: &str| {
        let arguments = ["describe", "component", component, "-s", stack, "--format", "json"];
        home.at(&demo, &arguments).succeeds().json()
    };
    assert_eq!(of("billing", "plat-ew1-prod")["vars"]["tags"]["residency"], "eu", "the override holds");
    let orders = of("orders-db", "plat-ue2-dev");
    assert_eq!(orders["vars"]["region"], "us-east-2");
    assert_eq!(orders["inheritance"], serde_json::Value::Null, "what no file writes is in `describe stacks` only");
    let arguments = ["describe", "stacks", "-s", "plat-ue2-dev", "--components", "orders-db", "--format", "json"];
    let stacks = home.at(&demo, &arguments).succeeds().json();
    let orders = &stacks["plat-ue2-dev"]["components"]["terraform"]["orders-db"];
    assert_eq!(orders["inheritance"], serde_json::json!(["database/postgres", "database/defaults"]));
}

#[test]
fn services_are_listed_with_owners_inputs_and_those_that_no_stack_uses() {
    let (home, demo) = Home::with_demo();
    let services = home.at(&demo, &["list", "services", "--format", "json"]).succeeds().json();
    let of = |name: &str| services.as_array().unwrap().iter().find(|s| s["name"] == name).unwrap().clone();
    let network = of("network");
    assert_eq!(network["owner"]["value"], "platform");
    assert_eq!(network["owner"]["source"]["file"], "platform/teams.yaml");
    assert_eq!(network["instances"].as_array().unwrap().len(), 5);
    assert!(network["readme"].as_str().unwrap().starts_with('#'));
    assert!(network["inputs"].as_array().unwrap().iter().any(|input| input["name"] == "region"));
    assert_eq!(of("database")["tier"]["value"], "1");
    let unused = of("ftp-gateway");
    assert_eq!((&unused["instances"], &unused["exists"]), (&serde_json::json!([]), &true.into()));
    assert_eq!(services.as_array().unwrap().iter().filter(|s| s["problems"] != serde_json::json!([])).count(), 0);
    assert!(home.at(&demo, &["list", "services"]).succeeds().out.contains("no stack uses it"));
}

#[test]
fn templates_and_functions_are_evaluated_by_atmos_for_that_one_instance() {
    let (home, demo) = Home::with_demo();
    let asked = ["describe", "component", "network", "-s", "plat-ue2-dev", "--process-functions", "--format", "json"];
    home.at(&demo, &asked).exits(2).says("Atmos").says("ATMOS_BIN");
    let atmos = home.path("atmos");
    program(
        &atmos,
        "#!/bin/sh\n[ \"$3\" = broken ] && { echo '# Error' >&2; echo 'no such thing' >&2; exit 1; }\nprintf '{\"vars\": {\"asked\": \"%s\"}}' \"$*\"\n",
    );
    let output = home.command().current_dir(&demo).env("ATMOS_BIN", &atmos).args(asked).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        answer["vars"]["asked"],
        "describe component network -s plat-ue2-dev --format json --process-templates=false --process-functions=true"
    );
}
