//! `terrace check`: everything at once, as SARIF, again and again, and mended on a branch.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Home, git};

const BROKEN: &str = "vars: {stage: dev}\ncomponents:\n  terraform:\n    network: {varz: 1}\n";

#[test]
fn the_rules_that_atmos_refuses_by_are_told_in_every_format() {
    let (home, demo) = Home::with_demo();
    fs::write(demo.join("stacks/draft.yaml"), BROKEN).unwrap();
    let problems = home.at(&demo, &["check", "--format", "json"]).exits(1).json();
    let problem = problems.as_array().unwrap().iter().find(|p| p["code"] == "manifest-schema").unwrap().clone();
    assert_eq!(problem["message"], "components.terraform.network: additionalProperties 'varz' not allowed");
    assert_eq!(problem["hint"], "did you mean 'vars'?");
    assert_eq!((&problem["source"]["file"], &problem["source"]["line"]), (&json!("stacks/draft.yaml"), &json!(4)));

    let log = home.at(&demo, &["check", "--format", "sarif"]).exits(1).json();
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), problems.as_array().unwrap().len());
    let place = &results.iter().find(|r| r["ruleId"] == "manifest-schema").unwrap()["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "stacks/draft.yaml");
    home.at(&demo, &["list", "stacks", "--format", "sarif"]).exits(2).says("SARIF");
}

#[test]
fn a_broken_terraform_file_and_a_missing_folder_are_warnings() {
    let (home, demo) = Home::with_demo();
    fs::write(demo.join("components/terraform/network/broken.tf"), "variable {\n").unwrap();
    fs::remove_dir_all(demo.join("components/terraform/queue")).unwrap();
    let problems = home.at(&demo, &["check", "--format", "json"]).succeeds().json();
    let codes: Vec<&str> = problems.as_array().unwrap().iter().map(|p| p["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"terraform-syntax") && codes.contains(&"component-folder-missing"), "{codes:?}");
}

#[test]
fn watching_lists_again_when_a_file_changes() {
    let (home, demo) = Home::with_demo();
    let mut child = home
        .command()
        .current_dir(&demo)
        .args(["check", "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().starts_with("0 errors"));
    fs::write(demo.join("stacks/draft.yaml"), BROKEN).unwrap();
    let began = Instant::now();
    let next = said.next().unwrap().unwrap();
    assert!(next.starts_with("1 error"), "{next}");
    assert!(began.elapsed() < Duration::from_secs(60));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn safe_edits_are_committed_on_a_branch_and_the_working_tree_is_left_alone() {
    let (home, demo) = Home::with_demo();
    let draft = "import:\ncomponents: {terraform: {}}\n";
    fs::write(demo.join("stacks/draft.yaml"), draft).unwrap();
    git(&demo, &["add", "."]);
    git(&demo, &["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "draft"]);
    fs::write(demo.join("README.md"), "being edited").unwrap();
    let (head, status) = (git(&demo, &["rev-parse", "HEAD"]), git(&demo, &["status", "--porcelain"]));
    git(&demo, &["config", "user.name", "t"]);
    git(&demo, &["config", "user.email", "t@example.com"]);
    let fixed = home.at(&demo, &["check", "--fix", "--format", "json"]).succeeds().json();
    let branch = fixed["branch"].as_str().unwrap();
    assert_eq!(fixed["edits"][0]["file"], "stacks/draft.yaml");
    assert_eq!(git(&demo, &["show", &format!("{branch}:stacks/draft.yaml")]), draft.replace("import:", "import: []"));
    assert_eq!(git(&demo, &["rev-parse", &format!("{branch}^")]), head);
    assert_eq!(git(&demo, &["diff", "--name-only", "HEAD", branch]), "stacks/draft.yaml\n");
    assert_eq!((git(&demo, &["rev-parse", "HEAD"]), git(&demo, &["status", "--porcelain"])), (head, status));
    assert_eq!(fs::read_to_string(demo.join("stacks/draft.yaml")).unwrap(), draft);
}

#[test]
fn a_broken_file_of_the_platform_is_named_with_its_line_and_hides_no_other() {
    let (home, demo) = Home::with_demo();
    home.at(&demo, &["check"]).succeeds();
    fs::create_dir_all(demo.join("platform/policies")).unwrap();
    let broken = [
        ("platform/prices.yaml", "version: 1\nrules:\n  - resource: a\n    cost: 1\n", "prices"),
        ("platform/usage.yml", "version: 7\n", "usage-file"),
        ("platform/policies/own.rego", "package terrace.plan\n\ndeny contains\n", "policy-unparsable"),
        ("platform/golden-paths/bucket/template.yaml", "title: [\n", "golden-path"),
    ];
    for (file, text, _) in broken {
        fs::write(demo.join(file), text).unwrap();
    }
    let found = home.at(&demo, &["check", "--format", "json"]).exits(1).json();
    for (file, _, code) in broken {
        let one = found.as_array().unwrap().iter().find(|one| one["source"]["file"] == file);
        let one = one.unwrap_or_else(|| panic!("nothing is said of {file}: {found:#}"));
        assert!(one["code"].as_str().unwrap().starts_with(code) && one["severity"] == "error", "{one:#}");
    }
}
