//! Bad input: each becomes a problem with file, line, column and the next step, and hides nothing else.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::support::Home;

/// Writes a file into the demo and returns the problem of that code; the rest of the demo is still resolved.
fn problem(file: &str, text: &[u8], code: &str) -> Value {
    let (home, demo) = Home::with_demo();
    let whole = home.at(&demo, &["list", "instances", "--format", "json"]).succeeds().json().as_array().unwrap().len();
    let path = demo.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let problems = home.at(&demo, &["check", "--format", "json"]).exits(1).json();
    let left = home.at(&demo, &["list", "instances", "--format", "json"]).json().as_array().unwrap().len();
    assert!(left >= whole, "{code} hides instances: {left} of {whole}");
    let found = problems.as_array().unwrap().iter().find(|p| p["code"] == code);
    found.unwrap_or_else(|| panic!("no {code} in {problems:#}")).clone()
}

fn check(text: &[u8], code: &str, line: u64, hint: &str) {
    let file = "stacks/orgs/harbor/bad.yaml";
    let problem = problem(file, text, code);
    assert_eq!(
        (problem["source"]["file"].as_str(), problem["source"]["line"].as_u64()),
        (Some(file), Some(line)),
        "{problem:#}"
    );
    assert!(problem["source"]["column"].as_u64().unwrap() >= 1);
    assert!(problem["hint"].as_str().unwrap_or_default().contains(hint), "{problem:#}");
}

#[test]
fn a_syntax_error() {
    check(b"vars:\n  a: [1,\n", "yaml-syntax", 3, "one before it");
}

#[test]
fn tabs() {
    check(b"vars:\n\ta: 1\n", "yaml-syntax", 2, "spaces");
}

#[test]
fn duplicate_keys() {
    check(b"vars:\n  a: 1\n  a: 2\n", "yaml-duplicate-key", 3, "keep one");
}

#[test]
fn an_unknown_tag() {
    check(b"vars:\n  a: !inclde x.yaml\n", "yaml-unknown-tag", 2, "!include");
}

#[test]
fn a_missing_import() {
    check(b"import:\n  - catalog/netwrok\n", "import-not-found", 2, "catalog/network");
}

#[test]
fn a_binary_file() {
    check(b"\x7fELF\x02\x01\x01\0\0\0\0\xff\xfe", "yaml-syntax", 1, "no text file");
}

#[test]
fn a_file_of_comments() {
    check(b"# nothing\n", "stack-null", 1, "{}");
}

#[test]
fn a_cycle_of_imports() {
    let (home, demo) = Home::with_demo();
    fs::write(demo.join("stacks/catalog/one.yaml"), "import: [catalog/two]\n").unwrap();
    fs::write(demo.join("stacks/catalog/two.yaml"), "import: [catalog/one]\n").unwrap();
    let problems = home.at(&demo, &["check", "--format", "json"]).exits(1).json();
    let cycle = problems.as_array().unwrap().iter().find(|p| p["code"] == "import-cycle").unwrap();
    assert!(cycle["hint"].is_string() && cycle["source"]["line"] == 1, "{cycle:#}");
}

#[test]
fn links_that_loop_and_links_that_lead_nowhere() {
    let (home, demo) = Home::with_demo();
    symlink(".", demo.join("stacks/loop")).unwrap();
    symlink("nowhere.yaml", demo.join("stacks/orgs/harbor/dangling.yaml")).unwrap();
    symlink("itself.yaml", demo.join("stacks/orgs/harbor/itself.yaml")).unwrap();
    let instances = home.at(&demo, &["list", "instances", "--format", "json"]).json();
    assert!(instances.as_array().unwrap().len() > 30);
    let answer = home.at(&demo, &["check"]);
    assert!(answer.exit <= 1, "{}", answer.err);
}

#[test]
fn no_stacks() {
    let (home, demo) = Home::with_demo();
    fs::remove_dir_all(demo.join("stacks")).unwrap();
    home.at(&demo, &["check"]).exits(2).says("hint:").says("stacks");
}

#[test]
fn rows_of_one_stack_name_stay_apart() {
    let (home, demo) = Home::with_demo();
    let original = "stacks/orgs/harbor/plat/dev/us-east-2.yaml";
    let copy = "stacks/orgs/harbor/plat/dev/copy.yaml";
    fs::copy(demo.join(original), demo.join(copy)).unwrap();
    let problems = home.at(&demo, &["check", "--format", "json"]).json();
    let shared = problems.as_array().unwrap().iter().find(|p| p["code"] == "shared-stack-name").unwrap();
    assert_eq!(shared["severity"], "warning");
    let rows = home.at(&demo, &["list", "instances", "-s", "plat-ue2-dev", "-c", "network", "--format", "json"]);
    assert_eq!(rows.succeeds().json().as_array().unwrap().len(), 2);
    let explain = ["explain", "network", "-s", "plat-ue2-dev", "--format", "json"];
    home.at(&demo, &explain).exits(2).says("--stack-file");
    home.at(&demo, &[&explain[..], &["--stack-file", copy]].concat()).succeeds();
}
