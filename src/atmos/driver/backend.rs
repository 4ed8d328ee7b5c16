//! The one backend that a fresh data folder breaks: a declared `local` one.
//!
//! Terraform keeps a note of the backend in its data folder. Without one, a declared `local` backend whose workspaces
//! have state looks new, and `init` asks to migrate, which fails without a terminal (`-reconfigure` asks as well). Each
//! run has a data folder of its own, so the note is written into it first, and `-reconfigure` is left out. Terraform
//! then compares the configurations, finds them equal, and goes on.

use std::path::Path;

use hcl::{Body, Expression};
use serde_json::{Map, Value, json};

use crate::atmos::RunTarget;

/// Returns the note of a declared `local` backend; none where another or none is declared.
#[must_use]
pub fn local_note(target: &RunTarget) -> Option<String> {
    let config = if target.auto_generate_backend_file {
        (target.backend_type == "local").then(|| settings(&target.backend))?
    } else {
        declared(&target.folder)?
    };
    let note = json!({
        "version": 3,
        "terraform_version": "1.0.0",
        "backend": {"type": "local", "config": config, "hash": 1},
    });
    Some(super::files::json_text(&note))
}

fn settings(backend: &Value) -> Value {
    let get = |name: &str| backend.get(name).cloned().unwrap_or(Value::Null);
    json!({"path": get("path"), "workspace_dir": get("workspace_dir")})
}

/// Looks for `terraform { backend "local" { … } }` in the component's files; what cannot be read says nothing.
fn declared(folder: &Path) -> Option<Value> {
    let files = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|end| end == "tf"));
    files.filter_map(|path| std::fs::read_to_string(path).ok()).find_map(|text| {
        // Most files have none, and reading HCL takes longer than looking for a word.
        let body: Body = text.contains("backend").then(|| hcl::parse(&text).ok())??;
        body.blocks().filter(|block| block.identifier() == "terraform").find_map(|terraform| {
            let backend = terraform.body().blocks().find(|block| {
                block.identifier() == "backend" && block.labels().first().is_some_and(|label| label.as_str() == "local")
            })?;
            let mut found = Map::new();
            for attribute in backend.body().attributes() {
                if let Expression::String(text) = attribute.expr() {
                    found.insert(attribute.key().to_owned(), json!(text));
                }
            }
            Some(settings(&Value::Object(found)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_local_backend_is_found_with_its_settings() {
        let temp = tempfile::tempdir().expect("temp");
        let write = |text: &str| std::fs::write(temp.path().join("main.tf"), text).expect("written");
        write("terraform {\n  backend \"s3\" {}\n}\n");
        assert_eq!(declared(temp.path()), None);
        write("terraform {\n  backend \"local\" {\n    workspace_dir = \"states\"\n  }\n}\n");
        assert_eq!(declared(temp.path()), Some(json!({"path": null, "workspace_dir": "states"})));
    }
}
