//! Documents that are made from code are unchanged; `TERRACE_UPDATE_DOCS=1` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(root().join("schemas").join(name)).unwrap()).unwrap()
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_published_schemas_are_schemas_and_the_demo_meets_them() {
    let teams = jsonschema::validator_for(&schema("teams.json")).unwrap();
    let demo = yaml(&root().join("assets/demo/6-owners/platform/teams.yaml"));
    let errors: Vec<String> = teams.iter_errors(&demo).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(!teams.is_valid(&json!({"teams": [{"nam": "x"}]})));
    assert!(!teams.is_valid(&json!({"teams": [{"members": []}]})), "a team has a name");

    let terrace = jsonschema::validator_for(&schema("terrace.json")).unwrap();
    assert!(terrace.is_valid(&json!({"id": "orchard", "driver": "terraform", "parallel_runs": 4})));
    for wrong in [json!({"driver": "pulumi"}), json!({"parallel_runs": 0}), json!({"idd": "x"}), json!({"id": " "})] {
        assert!(!terrace.is_valid(&wrong), "{wrong}");
    }
}
