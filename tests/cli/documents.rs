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

    let golden = jsonschema::validator_for(&schema("golden-path.json")).unwrap();
    for entry in fs::read_dir(root().join("assets/demo/7-paths/platform/golden-paths")).unwrap() {
        let template = yaml(&entry.unwrap().path().join("template.yaml"));
        let errors: Vec<String> = golden.iter_errors(&template).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{template}: {errors:?}");
    }
    assert!(!golden.is_valid(&json!({"title": "x", "writes": []})), "it writes something");

    let terrace = jsonschema::validator_for(&schema("terrace.json")).unwrap();
    assert!(terrace.is_valid(&json!({"id": "orchard", "remote": {"name": "origin"}, "parallel_runs": 4})));
    for wrong in [
        json!({"driver": "terraform"}),
        json!({"remote": {"name": "--x"}}),
        json!({"parallel_runs": 0}),
        json!({"idd": "x"}),
        json!({"id": " "}),
    ] {
        assert!(!terrace.is_valid(&wrong), "{wrong}");
    }
}

/// Compares what stands between two markers with what the code says now, or writes it where that was asked for.
fn between(file: &str, marker: &str, made: &str) {
    let path = root().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {marker}:begin -->\n"), format!("<!-- {marker}:end -->"));
    let from = text.find(&begin).unwrap_or_else(|| panic!("{file} has no {begin}")) + begin.len();
    let to = from + text[from..].find(&end).unwrap_or_else(|| panic!("{file} has no {end}"));
    if text[from..to] == *made {
        return;
    }
    if std::env::var_os("TERRACE_UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{}{made}{}", &text[..from], &text[to..])).unwrap();
        return;
    }
    panic!(
        "{file}: what stands between the markers of '{marker}' is not what the code says now; write it anew with\n  \
            TERRACE_UPDATE_DOCS=1 cargo test --test cli documents"
    );
}

#[test]
fn the_key_table_is_that_of_the_actions() {
    between("README.md", "keys", &terrace::tui::keymap::markdown().unwrap());
}

#[test]
fn what_the_documents_point_to_is_there() {
    let link = regex::Regex::new(r"\]\(([^)#:]+)(?:#[^)]*)?\)").unwrap();
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(name)).unwrap();
        for hit in link.captures_iter(&text) {
            assert!(root().join(&hit[1]).exists(), "{name} points to {}, which is not there", &hit[1]);
        }
        for path in text.split('`').skip(1).step_by(2) {
            let is_path = ["src/", "tests/", "assets/", "schemas/", "keymaps/", "themes/", "benches/", "migrations/"]
                .iter()
                .any(|folder| path.starts_with(folder));
            let plain = !path.contains(['<', '*', ' ', '{']);
            assert!(!is_path || !plain || root().join(path).exists(), "{name} names {path}, which is not there");
        }
    }
}
