//! The published schemas of `platform/` against what is read: neither names a key that the other does not know.

use serde_json::Value;

use super::policies::Bundle;
use super::settings::Settings;
use super::teams::Teams;

/// A key that no reader knows, so that it says which ones it does.
const STRANGER: &str = "no_such_key";

fn schema(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the keys that a schema knows at a place, in alphabetical order.
fn published(schema: &Value, pointer: &str) -> Vec<String> {
    let at = schema.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
    assert_eq!(at["additionalProperties"], false, "{pointer} takes anything");
    let mut keys: Vec<String> = at["properties"].as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

/// Returns the keys that a reader knows, as its refusal of a stranger lists them.
fn known(refusal: &str) -> Vec<String> {
    assert!(refusal.contains(STRANGER), "{refusal}");
    let listed = refusal.split_once("expected").map(|(_, listed)| listed).unwrap_or_default();
    let mut keys: Vec<String> = listed.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    keys.sort();
    keys
}

#[test]
fn terrace_yaml_knows_what_its_schema_says() {
    let schema = schema("terrace.json");
    let refusal = |text: &str| Settings::parse(text.replace('?', STRANGER).as_bytes()).unwrap_err().message;
    assert_eq!(published(&schema, ""), known(&refusal("?: 1")));
    assert_eq!(published(&schema, "/properties/remote"), known(&refusal("remote: {?: 1}")));
    let items = [("webhooks", "[{name: a, url: b, ?: 1}]"), ("scanners", "[{?: 1}]"), ("credentials", "[{?: 1}]")];
    for (key, text) in items {
        let pointer = format!("/properties/{key}/items");
        assert_eq!(published(&schema, &pointer), known(&refusal(&format!("{key}: {text}"))), "{key}");
    }
}

#[test]
fn teams_yaml_knows_what_its_schema_says() {
    let schema = schema("teams.json");
    let refusal = |text: &str| Teams::parse(text.replace('?', STRANGER).as_bytes()).unwrap_err().message;
    assert_eq!(published(&schema, ""), known(&refusal("?: 1")));
}

#[test]
fn policies_yaml_knows_what_its_schema_says() {
    let schema = schema("policies.json");
    let refusal = |text: &str| {
        let bundle = Bundle::of(&[], Some(&text.replace('?', STRANGER)));
        bundle.problems().first().expect("refused").message.clone()
    };
    assert_eq!(published(&schema, ""), known(&refusal("?: 1")));
    assert_eq!(published(&schema, "/properties/switches/items"), known(&refusal("switches: [{?: 1}]")));
}
