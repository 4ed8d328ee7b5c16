//! Commands that compare and search: diff, affected, grep.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Home, git};

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn two_instances_and_two_stacks_differ_in_what_their_files_say() {
    let (home, demo) = Home::with_demo();
    let diff = |a: &str, b: &str| home.at(&demo, &["diff", a, b, "--format", "json"]).succeeds().json();
    let entries = diff("orders-db@plat-ue2-dev", "orders-db@plat-ue2-prod");
    let size = list(&entries).iter().find(|entry| entry["path"] == json!(["vars", "size"])).unwrap();
    assert_eq!((&size["before"], &size["after"]), (&"small".into(), &"large".into()));
    for side in ["before_source", "after_source"] {
        let file = demo.join(size[side]["file"].as_str().unwrap());
        let line = usize::try_from(size[side]["line"].as_u64().unwrap()).unwrap();
        assert!(fs::read_to_string(file).unwrap().lines().nth(line - 1).unwrap().contains("size:"), "{size}");
    }
    assert_eq!(diff("orders-db@plat-ue2-dev", "orders-db@plat-ue2-dev"), json!([]));
    let stacks = diff("stack:plat-ue2-dev", "stack:plat-ue2-prod");
    assert!(list(&stacks).contains(size));
    home.at(&demo, &["diff", "orders-db@plat-ue2-dev", "stack:plat-ue2-prod"]).exits(2).says("cannot be compared");
    home.at(&demo, &["diff", "stack:nosuch", "stack:plat-ue2-prod"]).exits(2).says("no stack 'nosuch'");
    home.at(&demo, &["diff", "nonsense", "worktree"]).exits(2).says("none of stack:NAME");
}

#[test]
fn a_ref_is_compared_without_touching_the_working_tree() {
    let (home, demo) = Home::with_demo();
    let file = demo.join("stacks/catalog/database.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("gb: 20", "gb: 21")).unwrap();
    fs::write(demo.join("stacks/untracked.yaml"), "broken: [").unwrap();
    let status = git(&demo, &["status", "--porcelain"]);
    let entries = home.at(&demo, &["diff", "ref:HEAD", "worktree", "--format", "json"]).succeeds().json();
    assert!(!list(&entries).is_empty());
    for entry in list(&entries) {
        assert_eq!(entry["path"], json!(["vars", "storage", "gb"]), "{entry}");
        assert_eq!((&entry["before"], &entry["after"]), (&json!(20), &json!(21)));
        assert_eq!(entry["before_source"]["file"], "stacks/catalog/database.yaml");
    }
    assert_eq!(home.at(&demo, &["diff", "--ref", "HEAD", "--format", "json"]).succeeds().json(), entries);
    let history = home.at(&demo, &["diff", "--ref", "HEAD~1", "--ref", "HEAD", "--format", "json"]).succeeds();
    assert!(history.json().is_array());
    assert_eq!(git(&demo, &["status", "--porcelain"]), status);
    home.at(&demo, &["diff", "ref:nosuch", "worktree"]).exits(2).says("no Git ref 'nosuch'");
    home.at(&demo, &["diff", "ref:--output=x", "worktree"]).exits(2).says("no Git ref");
}

#[test]
fn affected_instances_are_told_with_reasons_and_lines() {
    let (home, demo) = Home::with_demo();
    let affected = |more: &[&str]| {
        let arguments = [&["affected", "--base", "HEAD", "--format", "json"], more].concat();
        home.at(&demo, &arguments).succeeds().json()
    };
    assert_eq!(affected(&[]), json!([]));
    let replace = |file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(demo.join(file)).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(demo.join(file), text.replace(from, to)).unwrap();
    };
    replace("stacks/catalog/database.yaml", "gb: 20", "gb: 21");
    // Stacks count as they are, components' files as they are committed.
    fs::write(demo.join("components/terraform/bucket/new.tf"), "# new\n").unwrap();
    let committed = |found: &Value| list(found).iter().any(|a| a["affected"] == "component");
    assert!(!committed(&affected(&[])));
    let base = git(&demo, &["rev-parse", "HEAD"]).trim().to_owned();
    let identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"];
    // No binary file counts.
    fs::write(demo.join("components/terraform/queue/blob"), [0, 1, 2]).unwrap();
    git(&demo, &["add", "components/terraform/bucket/new.tf", "components/terraform/queue/blob"]);
    git(&demo, &[&identity[..], &["commit", "--quiet", "--message", "New"]].concat());
    let affected = |more: &[&str]| {
        let arguments = [&["affected", "--base", &base, "--format", "json"], more].concat();
        home.at(&demo, &arguments).succeeds().json()
    };
    let found = affected(&[]);
    let of = |component: &str| list(&found).iter().find(|a| a["component"] == component).unwrap().clone();
    let database = of("orders-db");
    assert_eq!((&database["affected"], &database["affected_all"]), (&"stack.vars".into(), &json!(["stack.vars"])));
    assert_eq!(database["component_path"], "components/terraform/database");
    assert_eq!(database["stack_slug"], format!("{}-orders-db", database["stack"].as_str().unwrap()));
    assert_eq!((&database["dependents"], &database["settings"]), (&Value::Null, &Value::Null));
    let cause = &database["causes"][0];
    assert_eq!(
        (&cause["file"], &cause["path"]),
        (&"stacks/catalog/database.yaml".into(), &json!(["vars", "storage", "gb"]))
    );
    assert_eq!((&cause["before"], &cause["after"]), (&json!(20), &json!(21)));
    assert!(!list(&found).iter().any(|a| a["component_path"] == "components/terraform/queue"));
    let bucket = list(&found).iter().find(|a| a["component_path"] == "components/terraform/bucket").unwrap();
    assert_eq!(
        (&bucket["affected"], &bucket["causes"][0]["file"]),
        (&"component".into(), &"components/terraform/bucket/new.tf".into())
    );

    replace("stacks/catalog/network.yaml", "vars:", "vars:\n        added: 1");
    let network = affected(&["--include-dependents", "-s", "plat-ue2-dev"]);
    let network = list(&network).iter().find(|a| a["component"] == "network").unwrap().clone();
    let dependents: Vec<&str> = list(&network["dependents"]).iter().map(|d| d["component"].as_str().unwrap()).collect();
    assert!(dependents.contains(&"cluster") || dependents.contains(&"orders-db"), "{dependents:?}");
    home.at(&demo, &["affected", "--base", "nosuch"]).exits(2).says("no Git ref 'nosuch'");
}

#[test]
fn an_instance_that_is_gone_is_told_as_deleted() {
    let (home, demo) = Home::with_demo();
    let stack = "stacks/orgs/harbor/plat/dev/eu-west-1.yaml";
    fs::remove_file(demo.join(stack)).unwrap();
    let found = home.at(&demo, &["affected", "--base", "HEAD", "--format", "json"]).succeeds().json();
    assert!(!list(&found).is_empty());
    for instance in list(&found) {
        assert_eq!((&instance["stack"], &instance["affected"]), (&"plat-ew1-dev".into(), &"deleted.stack".into()));
        assert_eq!((&instance["deleted"], &instance["deletion_type"]), (&true.into(), &"stack".into()));
        assert_eq!(instance["environment"], "ew1");
    }
}

#[test]
fn a_value_is_found_by_word_and_by_path() {
    let (home, demo) = Home::with_demo();
    let grep = |words: &[&str]| {
        let answer = home.at(&demo, &[&["grep", "--format", "json"], words].concat()).succeeds();
        answer.json().as_array().unwrap().clone()
    };
    let large = grep(&["vars.size=large"]);
    assert!(!large.is_empty());
    for hit in &large {
        assert_eq!((&hit["path"], &hit["value"]), (&json!(["vars", "size"]), &"large".into()));
        let file = fs::read_to_string(demo.join(hit["source"]["file"].as_str().unwrap())).unwrap();
        let line = usize::try_from(hit["source"]["line"].as_u64().unwrap()).unwrap();
        assert!(file.lines().nth(line - 1).unwrap().contains("large"));
    }
    assert!(grep(&["size=", "large"]).len() >= large.len());
    assert!(grep(&["POSTGRES"]).is_empty() && !grep(&["postgres"]).is_empty());
    assert_eq!(grep(&["--limit", "2", "plat"]).len(), 2);
    assert_eq!(grep(&["nothing-has-this-value"]).len(), 0);
    home.at(&demo, &["grep", "/(/"]).exits(2).says("regular expression");
}

#[test]
fn instances_of_two_files_with_one_stack_name_are_told_apart() {
    let home = Home::new();
    let root = home.path("estate");
    fs::create_dir_all(root.join("stacks")).unwrap();
    let atmos = "base_path: .\nstacks: {base_path: stacks, included_paths: ['*'], name_pattern: '{stage}'}\n\
                 components: {terraform: {base_path: components/terraform}}\n";
    fs::write(root.join("atmos.yaml"), atmos).unwrap();
    for (name, size) in [("a", "small"), ("b", "large")] {
        let stack = format!("vars: {{stage: dev}}\ncomponents: {{terraform: {{it: {{vars: {{size: {size}}}}}}}}}\n");
        fs::write(root.join(format!("stacks/{name}.yaml")), stack).unwrap();
    }
    let it = "it@dev";
    home.at(&root, &["diff", it, it]).exits(2).says("--stack-file");
    let files = ["--stack-file", "stacks/a.yaml", "--stack-file", "stacks/b.yaml"];
    let entries = home.at(&root, &[&["diff", it, it, "--format", "json"], &files[..]].concat()).succeeds().json();
    let size = list(&entries).iter().find(|entry| entry["path"] == json!(["vars", "size"])).unwrap();
    assert_eq!((&size["before"], &size["after"]), (&"small".into(), &"large".into()));
    assert_eq!(
        (&size["before_source"]["file"], &size["after_source"]["file"]),
        (&"stacks/a.yaml".into(), &"stacks/b.yaml".into())
    );
    // One for both sides; a file that makes no such stack; one too many.
    let same = ["diff", it, it, "--stack-file", "stacks/a.yaml", "--format", "json"];
    assert_eq!(home.at(&root, &same).succeeds().json(), json!([]));
    home.at(&root, &["diff", it, it, "--stack-file", "stacks/c.yaml"]).exits(2);
    home.at(&root, &[&["diff", it, it, "--stack-file", "x"], &files[..]].concat()).exits(2).says("two sides");
}
