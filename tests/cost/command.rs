//! `terrace estimate` as a person and a script use it.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Case, change, instance};

fn terrace(case: &Case, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_terrace"))
        .args(arguments)
        .current_dir(case.folder.path())
        .env_remove("TERRACE_SERVER")
        .env("XDG_STATE_HOME", case.path("state"))
        .env("XDG_CONFIG_HOME", case.path("config"))
        .env("XDG_DATA_HOME", case.path("data"))
        .env("XDG_CACHE_HOME", case.path("cache"))
        .env("XDG_RUNTIME_DIR", case.path("run"))
        .output()
        .unwrap()
}

#[test]
fn json_has_the_shape_that_programs_rely_on() {
    let case = Case::new(&[
        change("aws_instance.a", &["create"], Value::Null, instance()),
        change("acme_x.y", &["create"], Value::Null, json!({})),
    ]);
    let output = terrace(&case, &["estimate", "--plan", "plan.json", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["before"], json!({"amount": "0.00", "currency": "USD"}));
    assert_eq!(found["after"]["amount"], "742.64");
    assert_eq!(found["delta"]["amount"], "742.64");
    assert_eq!(found["unknown"], json!([{"address": "acme_x.y", "why": "no rule prices the type 'acme_x'"}]));
    let line = &found["resources"][0]["components"][0];
    assert_eq!((&line["unit"], &line["quantity"], &line["price"]), (&json!("hours"), &json!("730"), &json!("0.768")));
    assert_eq!(line["monthly"], json!({"amount": "560.64", "currency": "USD"}));
    assert_eq!(line["source"]["date"], "2026-08");
    assert_eq!(found["resources"][1]["monthly"]["amount"], Value::Null);
}

#[test]
fn text_says_at_least_and_names_the_unknown() {
    let case = Case::new(&[
        change("aws_instance.a", &["create"], Value::Null, instance()),
        change("acme_x.y", &["create"], Value::Null, json!({})),
    ]);
    let output = terrace(&case, &["estimate", "--plan", "plan.json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("unknown acme_x.y: no rule prices the type 'acme_x'"), "{text}");
    assert!(text.contains("after    at least 742.64 USD"), "{text}");
    assert!(text.contains("ebs_block_device[0]"), "{text}");
}

#[test]
fn bad_input_ends_with_2_and_prints_no_data() {
    let case = Case::new(&[]);
    case.write("binary", "PK\u{3}\u{4}");
    case.write("bad.yml", "resource_usage: [");
    for (arguments, part) in [
        (vec!["estimate"], "--plan"),
        (vec!["estimate", "--plan", "absent.json"], "cannot read absent.json"),
        (vec!["estimate", "--plan", "binary"], "a plan file itself"),
        (vec!["estimate", "--plan", "plan.json", "--usage", "bad.yml"], "bad.yml:2:"),
        (vec!["estimate", "--plan", "plan.json", "--infracost", "plan.json"], "no JSON of infracost"),
    ] {
        let output = terrace(&case, &arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}
