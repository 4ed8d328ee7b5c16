//! The files that Atmos writes into a component's folder before Terraform runs: names, text and modes.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::script::Action;
use crate::atmos::RunTarget;

/// Returns JSON as Atmos writes it: sorted keys, two spaces, a newline at the end, and `<`, `>`, `&` escaped.
#[must_use]
pub fn json_text(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    let plain = serde_json::to_string_pretty(&sorted).unwrap_or_default();
    let mut text = String::with_capacity(plain.len() + 1);
    for letter in plain.chars() {
        match letter {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            other => text.push(other),
        }
    }
    text.push('\n');
    text
}

/// Returns a value of `env` as Atmos hands it to Terraform: null becomes `<nil>`, a list `[1 2]`, a map `map[a:1]`.
#[must_use]
pub fn env_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(env_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let mut entries: Vec<String> =
                map.iter().map(|(key, value)| format!("{key}:{}", env_text(value))).collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

/// One file that a run writes into the component's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its mode.
    pub mode: u32,
}

/// Returns the files that a run of this instance writes, the variable file first.
#[must_use]
pub fn written(target: &RunTarget) -> Vec<Written> {
    let mut files =
        vec![Written { path: target.folder.join(&target.varfile), text: json_text(&target.vars), mode: 0o644 }];
    let mut add = |name: &str, value: &Value, mode| {
        files.push(Written { path: target.folder.join(name), text: json_text(value), mode });
    };
    if target.auto_generate_backend_file && !target.backend_type.is_empty() {
        let backend = json!({"terraform": {"backend": {target.backend_type.clone(): target.backend}}});
        add("backend.tf.json", &backend, 0o600);
    }
    if is_filled(&target.providers) {
        add("providers_override.tf.json", &json!({"provider": target.providers}), 0o644);
    }
    let mut terraform = Map::new();
    if is_filled(&target.required_providers) {
        terraform.insert("required_providers".to_owned(), target.required_providers.clone());
    }
    if !target.required_version.is_empty() {
        terraform.insert("required_version".to_owned(), json!(target.required_version));
    }
    if !terraform.is_empty() {
        add("terraform_override.tf.json", &json!({"terraform": terraform}), 0o644);
    }
    files
}

fn is_filled(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
}

/// Returns the names of every file that Atmos or Terraform may write into this component's folder while planning.
#[must_use]
pub fn touched(target: &RunTarget) -> Vec<PathBuf> {
    let fixed = ["backend.tf.json", "providers_override.tf.json", "terraform_override.tf.json", ".terraform.lock.hcl"];
    fixed.into_iter().chain([target.varfile.as_str()]).map(|name| target.folder.join(name)).collect()
}

/// Returns the actions that keep what is tracked and write what is needed.
pub(super) fn prepare(target: &RunTarget, tracked: &dyn Fn(&Path) -> bool, write: bool) -> Vec<Action> {
    let kept = touched(target).into_iter().filter(|path| tracked(path)).map(|path| Action::Keep { path });
    let files = if write { written(target) } else { Vec::new() };
    let writes = files.into_iter().map(|file| Action::Write { path: file.path, text: file.text, mode: file.mode });
    kept.chain(writes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of recording 13 (`terraform generate varfile`): sorted, two spaces, a newline at the end.
    #[test]
    fn json_is_as_atmos_writes_it() {
        let value = json!({"size": "small", "engine": "a<b>&c", "storage": {"gb": 20, "encrypted": true}, "list": []});
        let expected = "{\n  \"engine\": \"a\\u003cb\\u003e\\u0026c\",\n  \"list\": [],\n  \"size\": \"small\",\n  \"storage\": {\n    \"encrypted\": true,\n    \"gb\": 20\n  }\n}\n";
        assert_eq!(json_text(&value), expected);
    }

    #[test]
    fn env_values_are_as_go_prints_them() {
        assert_eq!(env_text(&Value::Null), "<nil>");
        assert_eq!(env_text(&json!([1, 2])), "[1 2]");
        assert_eq!(env_text(&json!(true)), "true");
    }
}
