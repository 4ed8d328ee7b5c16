//! `terrace demo`.

use std::fs;

use crate::support::{Home, git};

#[test]
fn it_writes_a_repository_with_a_clean_tree() {
    let (_home, demo) = Home::with_demo();
    assert!(demo.join("atmos.yaml").is_file());
    assert!(demo.join("platform/teams.yaml").is_file());
    assert_eq!(git(&demo, &["status", "--porcelain"]), "");
    assert!(git(&demo, &["rev-list", "--count", "HEAD"]).trim().parse::<u32>().unwrap() >= 5);
    assert!(git(&demo, &["shortlog", "-sn", "HEAD"]).lines().count() >= 3, "several people wrote it");
}

#[test]
fn its_default_place_is_the_data_folder() {
    let home = Home::new();
    home.terrace(&["demo", "--no-dashboard"]).succeeds();
    assert!(home.path("data").join("terrace/demo/atmos.yaml").is_file());
}

#[test]
fn an_empty_folder_is_taken_and_a_full_one_is_left_alone() {
    let home = Home::new();
    let empty = home.path("empty");
    fs::create_dir(&empty).unwrap();
    home.at(&empty, &["demo", "--no-dashboard", "."]).succeeds();
    assert!(empty.join("atmos.yaml").is_file());

    let full = home.path("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("precious"), "data").unwrap();
    for arguments in [vec!["demo", full.to_str().unwrap()], vec!["demo", "--no-dashboard", full.to_str().unwrap()]] {
        home.terrace(&arguments).exits(2).says("not empty").says("hint:");
        let names: Vec<_> = fs::read_dir(&full).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["precious"]);
        assert_eq!(fs::read_to_string(full.join("precious")).unwrap(), "data");
    }
}

#[test]
fn where_the_demo_is_only_writing_is_refused_and_changes_nothing() {
    let (home, demo) = Home::with_demo();
    fs::write(demo.join("README.md"), "mine").unwrap();
    home.terrace(&["demo", "--no-dashboard", demo.to_str().unwrap()]).exits(2).says("already holds the demo");
    assert_eq!(fs::read_to_string(demo.join("README.md")).unwrap(), "mine");
}

#[test]
fn without_git_it_says_so_and_leaves_nothing() {
    let home = Home::new();
    let empty = home.path("empty");
    fs::create_dir(&empty).unwrap();
    let output = home
        .command()
        .env("PATH", home.path("tmp"))
        .args(["demo", "--no-dashboard", empty.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("git"));
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
}

#[test]
fn its_money_shows_life_at_once() {
    let (home, demo) = Home::with_demo();
    let json = |arguments: &[&str]| home.at(&demo, &[arguments, &["--format", "json"]].concat()).succeeds().json();
    let found = json(&["recommend", "list"]);
    let found = found.as_array().unwrap();
    for rule in ["gp3", "generation", "unattached", "night", "oversized", "lifecycle", "nat", "twin"] {
        let one = found.iter().find(|one| one["rule"] == rule).unwrap_or_else(|| panic!("no {rule}: {found:#?}"));
        let saving: f64 = one["saving"]["amount"].as_str().expect("a saving").parse().unwrap();
        assert!(saving >= 1.0 && !one["evidence"].as_array().unwrap().is_empty(), "{one:#}");
        assert!(one["request"]["kind"].is_string(), "{rule} is not ready: {one:#}");
    }
    let text = home.at(&demo, &["recommend", "list"]).succeeds().out;
    assert!(text.contains("terrace recommend accept"), "{text}");

    let budgets = json(&["budget", "list"]);
    let budgets = budgets.as_array().unwrap();
    assert!(budgets.iter().any(|one| one["level"] != "ok"), "{budgets:#?}");
    assert!(budgets.iter().all(|one| one["forecast"]["amount"].is_string()), "{budgets:#?}");
    assert!(!json(&["cost", "anomalies"]).as_array().unwrap().is_empty());
    let report = json(&["budget", "report", "--by", "team"]);
    assert_eq!(report["groups"][0]["key"], "unallocated", "{report:#}");
}
