//! Trust: nothing of an estate runs until a person says so.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::support::Home;

fn estate(root: &Path, command: &str) {
    fs::create_dir_all(root.join("stacks")).unwrap();
    let atmos = "base_path: .\nstacks: {base_path: stacks, included_paths: ['**/*'], name_pattern: '{stage}'}\n\
                 components: {terraform: {base_path: components/terraform}}\n";
    fs::write(root.join("atmos.yaml"), atmos).unwrap();
    let stack = format!(
        "locals:\n  made: !exec {command}\nvars:\n  stage: dev\ncomponents:\n  terraform:\n    it:\n      vars:\n        made: '{{{{ .locals.made }}}}'\n"
    );
    fs::write(root.join("stacks/dev.yaml"), stack).unwrap();
}

#[test]
fn a_command_in_locals_runs_only_where_it_is_trusted() {
    let home = Home::new();
    let root = home.path("estate");
    let mark = home.path("mark");
    estate(&root, &format!("sh -c 'touch {}; echo once'", mark.display()));
    let made = |more: &[&str]| {
        let arguments = [&["describe", "component", "it", "-s", "dev", "--format", "json"], more].concat();
        home.at(&root, &arguments).json()["vars"]["made"].clone()
    };
    assert_ne!(made(&[]), "once");
    assert!(!mark.exists(), "looking at an estate runs nothing");
    let card = home.at(&root, &["trust", "--format", "json"]).succeeds().json();
    assert_eq!(card["trusted"], true);
    assert_eq!(card["needs"].as_array().unwrap().len(), 1);
    assert_eq!(made(&[]), "once");
    assert!(mark.exists());
    let listed = home.terrace(&["trust", "--list", "--format", "json"]).succeeds().json();
    assert_eq!(listed[0]["path"], json!(root.canonicalize().unwrap()));

    // Another command is not what was trusted.
    fs::remove_file(&mark).unwrap();
    estate(&root, &format!("sh -c 'touch {}; echo twice'", mark.display()));
    assert_ne!(made(&[]), "twice");
    assert!(!mark.exists());
    assert_eq!(made(&["--trust"]), "twice");
    fs::remove_file(&mark).unwrap();
    home.at(&root, &["trust"]).succeeds().says("is trusted with 1 need");
    home.at(&root, &["trust", "--revoke"]).succeeds().says("no longer trusted");
    fs::remove_file(&mark).ok();
    assert_ne!(made(&[]), "twice");
    assert!(!mark.exists());
    assert_eq!(home.terrace(&["trust", "--list", "--format", "json"]).succeeds().json(), json!([]));
}

#[test]
fn a_file_outside_that_changes_is_asked_for_again() {
    let home = Home::new();
    let root = home.path("estate");
    estate(&root, "echo once");
    fs::create_dir_all(home.path("shared")).unwrap();
    let shared = home.path("shared/part.yaml");
    fs::write(&shared, "vars: {part: one}\n").unwrap();
    let stack = "import: [../../shared/part]\nvars: {stage: dev}\ncomponents: {terraform: {it: {}}}\n";
    fs::write(root.join("stacks/dev.yaml"), stack).unwrap();
    let part = || {
        let arguments = ["describe", "component", "it", "-s", "dev", "--format", "json"];
        home.at(&root, &arguments).json()["vars"]["part"].clone()
    };
    assert_eq!(part(), json!(null));
    home.at(&root, &["trust"]).succeeds();
    assert_eq!(part(), "one");
    fs::write(&shared, "vars: {part: two}\n").unwrap();
    assert_eq!(part(), json!(null), "nobody trusted that");
    let needs = home.at(&root, &["check"]);
    assert!(needs.exit == 1 && format!("{}{}", needs.out, needs.err).contains("trust"));
    home.at(&root, &["trust"]).succeeds();
    assert_eq!(part(), "two");
}
