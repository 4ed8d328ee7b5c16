//! Commands that read the estate in their own process.

use std::fs;

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
    let problems = home.terrace(&["-C", demo_text, "--format", "json", "check"]).succeeds().json();
    assert_eq!(problems, serde_json::json!([]));
    for arguments in &READING[..4] {
        home.at(&demo.join("stacks"), arguments).succeeds();
    }
    assert_eq!(crate::support::git(&demo, &["status", "--porcelain", "--ignored"]), "");
}
