//! `terrace policy` as a person and a pipeline use it, and the schemas it publishes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use terrace::platform::policies::{Bundle, InstanceFacts, PlanInput, RequestInput, RunInput, document};

const PLAN: &str = r#"{"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": [{"address": "aws_ebs_volume.a",
  "mode": "managed", "type": "aws_ebs_volume", "name": "a",
  "change": {"actions": ["create"], "before": null, "after": {"encrypted": false, "tags": {"team": "data"}}, "after_unknown": {}}}]}"#;

fn estate(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec![("atmos.yaml", "stacks:\n  base_path: stacks\n"), ("plan.json", PLAN)];
    all.extend(files);
    for (path, text) in all {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn terrace(estate: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
    for name in ["XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "HOME"] {
        command.env(name, estate);
    }
    let Output { status, stdout, stderr } = command
        .env_remove("TERRACE_SERVER")
        .args(["--color", "never"])
        .args(arguments)
        .current_dir(estate)
        .output()
        .unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_plan_that_breaks_a_rule_exits_with_3_and_says_what_to_do() {
    let estate = estate(&[]);
    let (exit, out, err) = terrace(estate.path(), &["policy", "check", "--plan", "plan.json"]);
    assert_eq!(exit, 3, "{out}{err}");
    assert!(
        out.contains("✗ unencrypted-storage: aws_ebs_volume.a: encrypted is not true\n    fix: Set the attribute"),
        "{out}"
    );
    assert!(out.contains("denied: 1 deny, 0 warn"), "{out}");
}

#[test]
fn what_a_scanner_holds_to_be_an_error_stays_out_of_production() {
    let plan = PLAN.replace("\"encrypted\": false", "\"encrypted\": true");
    let sarif = r#"{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Checkov"}}, "results": [{"ruleId": "CKV_AWS_3",
        "level": "error", "message": {"text": "no key of one's own"}, "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": "main.tf"}, "region": {"startLine": 7}}}]}]}]}"#;
    let estate = estate(&[("good.json", &plan), ("scan.sarif", sarif), ("bad.sarif", "{}")]);
    let check = ["policy", "check", "--plan", "good.json", "--findings"];
    let (exit, out, err) = terrace(estate.path(), &[&check[..], &["scan.sarif", "--stage", "prod"]].concat());
    assert_eq!(exit, 3, "{out}{err}");
    assert!(out.contains("✗ scanner-finding: Checkov CKV_AWS_3: no key of one's own"), "{out}");
    let (exit, out, err) = terrace(estate.path(), &[&check[..], &["scan.sarif", "--stage", "dev"]].concat());
    assert_eq!(exit, 0, "{out}{err}");
    assert!(out.contains("⚠ scanner-finding"), "{out}");
    let off = "switches:\n  - rule: scanner-finding\n    team: web\n    reason: its findings are triaged elsewhere\n";
    std::fs::create_dir_all(estate.path().join("platform")).unwrap();
    std::fs::write(estate.path().join("platform/policies.yaml"), off).unwrap();
    let web = [&check[..], &["scan.sarif", "--stage", "prod", "--team", "web"]].concat();
    assert_eq!(terrace(estate.path(), &web).0, 0, "switched off for one team");
    let (exit, _, err) = terrace(estate.path(), &[&check[..], &["bad.sarif"]].concat());
    assert!(exit == 2 && err.contains("bad.sarif") && err.contains("--format sarif"), "{err}");
}

#[test]
fn a_team_for_which_the_rule_is_off_is_allowed_with_the_reason() {
    let config = "switches:\n  - rule: unencrypted-storage\n    team: web\n    reason: public files\n";
    let estate = estate(&[("platform/policies.yaml", config)]);
    let check = ["policy", "check", "--plan", "plan.json", "--format", "json", "--team"];
    let (exit, out, _) = terrace(estate.path(), &[&check[..], &["web"]].concat());
    let verdict: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (exit, &verdict["outcome"], &verdict["switched_off"][0]["reason"]),
        (0, &json!("allow"), &json!("public files"))
    );
    assert_eq!(verdict["switched_off"][0]["source"]["line"], 2);
    assert_eq!(terrace(estate.path(), &[&check[..], &["data"]].concat()).0, 3);
}

#[test]
fn what_is_no_plan_is_refused_with_the_next_step() {
    let estate =
        estate(&[("tfplan", "PK\u{3}\u{4}"), ("new.json", r#"{"format_version": "2.0", "resource_changes": []}"#)]);
    for (file, says) in
        [("tfplan", "terraform show -json"), ("new.json", "format 2.0"), ("missing.json", "cannot read the plan")]
    {
        let (exit, out, err) = terrace(estate.path(), &["policy", "check", "--plan", file]);
        assert_eq!((exit, out.as_str()), (2, ""), "{file}: {err}");
        assert!(err.contains(says), "{file}: {err}");
    }
}

#[test]
fn tests_of_policies_pass_fail_and_print() {
    let policy = "package terrace.plan.queues\n\ndeny contains \"no queues\" if input.plan.queues > 1\n";
    let test = "package terrace.plan.queues_test\n\nimport data.terrace.plan.queues\n\ntest_denies if {\n\tprint(\"seen\")\n\tcount(queues.deny) == 1 with input as {\"plan\": {\"queues\": 2}}\n}\n\ntest_wrong if count(queues.deny) == 1 with input as {\"plan\": {\"queues\": 1}}\n";
    let estate = estate(&[("platform/policies/queues.rego", policy), ("platform/policies/queues_test.rego", test)]);
    let (exit, out, err) = terrace(estate.path(), &["policy", "test"]);
    assert_eq!(exit, 1, "{out}{err}");
    assert!(out.contains("✓ terrace.plan.queues_test.test_denies platform/policies/queues_test.rego:5\n    "), "{out}");
    assert!(out.contains("seen"), "{out}");
    assert!(
        out.contains("✗ terrace.plan.queues_test.test_wrong platform/policies/queues_test.rego:10: it does not hold"),
        "{out}"
    );
    assert!(err.ends_with("1 passed, 1 failed\n"), "{err}");
    let (exit, _, err) = terrace(estate.path(), &["policy", "test", "--builtin"]);
    assert!(exit == 0 && err.contains(" passed, 0 failed"), "{err}");
}

#[test]
fn a_broken_file_is_listed_with_its_line_and_a_link_is_not_followed() {
    let estate = estate(&[("platform/policies/broken.rego", "package terrace.plan\n\ndeny contains")]);
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), estate.path().join("platform/policies/link.rego")).unwrap();
    let (exit, out, err) = terrace(estate.path(), &["policy", "list"]);
    assert_eq!(exit, 1);
    assert!(out.contains("public-bucket"), "{out}");
    assert!(err.contains("platform/policies/broken.rego:3:"), "{err}");
    assert!(err.contains("link.rego cannot be read: it is a link"), "{err}");
    let (exit, _, _) = terrace(estate.path(), &["policy", "check", "--plan", "plan.json", "--format", "json"]);
    assert_eq!(exit, 3);
}

#[test]
fn the_published_schemas_hold_what_is_written_and_read() {
    let schema = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
        let text: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        jsonschema::validator_for(&text).unwrap()
    };
    let input = PlanInput {
        plan: serde_json::from_str(PLAN).unwrap(),
        instance: InstanceFacts::default(),
        estimate: None,
        budget: None,
        request: None,
        actor: Default::default(),
        run: None,
        findings: Vec::new(),
        history: Vec::new(),
        config: Bundle::of(&[], None).config().settings.clone(),
    };
    schema("policy-input-plan.json").validate(&document(&input)).unwrap();
    let settings = Bundle::of(&[], None).config().settings.clone();
    let request = RequestInput {
        request: json!({"number": 7, "kind": "change", "title": "t", "requester": "dan", "revision": 1, "wish": null}),
        instances: Vec::new(),
        files: vec!["stacks/a.yaml".into()],
        price: None,
        actor: Default::default(),
        instance: Default::default(),
        config: settings.clone(),
    };
    schema("policy-input-request.json").validate(&document(&request)).unwrap();
    let run = RunInput {
        run: json!({"kind": "workflow", "command": "terrace workflow all -f deploy", "steps": ["atmos version"], "stacks": []}),
        instance: Some(InstanceFacts::default()),
        instances: Vec::new(),
        protected: true,
        actor: Default::default(),
        config: settings,
    };
    schema("policy-input-run.json").validate(&document(&run)).unwrap();
    let config = schema("policies.json");
    config
        .validate(&json!({ "dialects": { "policies/a": "conftest" }, "switches": [{ "rule": "a", "reason": "b" }] }))
        .unwrap();
    assert!(!config.is_valid(&json!({ "switches": [{ "rule": "a", "reason": " " }] })));
    assert!(!config.is_valid(&json!({ "dialects": { "policies/a": "rego" } })));
}
