//! Masks what Terraform marks as sensitive in the JSON form of a plan before it is kept.
//!
//! `terraform show -json` writes secrets in clear and marks them beside (`after_sensitive`, `sensitive_values`,
//! `sensitive`). What is kept of a run has the words that Terraform prints in their place.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde_json::{Map, Value};

/// What stands in the place of a secret.
const MASKED: &str = "(sensitive value)";

/// Masks a plan in its file. Doing it twice changes nothing more; a file that is not there is no error.
///
/// # Errors
///
/// A file that cannot be read, is no JSON, or cannot be written; it is then removed rather than left in clear.
pub(super) fn file(path: &Path) -> io::Result<()> {
    let masked = match fs::File::open(path) {
        Ok(file) => write(path, BufReader::new(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
    };
    masked.inspect_err(|_| drop(fs::remove_file(path)))
}

fn write(path: &Path, reader: impl io::Read) -> io::Result<()> {
    let mut value: Value = serde_json::from_reader(reader)?;
    plan(&mut value);
    let beside = path.with_extension("json.masked");
    let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    let mut file = BufWriter::new(file);
    serde_json::to_writer(&mut file, &value)?;
    file.flush()?;
    fs::rename(&beside, path)
}

/// Masks a plan.
fn plan(plan: &mut Value) {
    let secret: BTreeSet<String> = plan
        .pointer("/configuration/root_module/variables")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, about)| about.get("sensitive") == Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect();
    if let Some(variables) = plan.get_mut("variables").and_then(Value::as_object_mut) {
        for (_, variable) in variables.iter_mut().filter(|(name, _)| secret.contains(*name)) {
            cover(variable, "value");
        }
    }
    for list in ["resource_changes", "resource_drift"] {
        for changed in plan.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            changed.get_mut("change").into_iter().for_each(change);
        }
    }
    for (_, changed) in plan.get_mut("output_changes").and_then(Value::as_object_mut).into_iter().flatten() {
        change(changed);
    }
    // A state that was shown has its values at the top.
    for values in ["/planned_values", "/prior_state/values", "/values"] {
        plan.pointer_mut(values).into_iter().for_each(state);
    }
}

fn change(change: &mut Value) {
    for (name, marks) in [("before", "before_sensitive"), ("after", "after_sensitive")] {
        if let Some(marks) = change.get(marks).cloned()
            && let Some(value) = change.get_mut(name)
        {
            by_marks(value, &marks);
        }
    }
}

fn state(values: &mut Value) {
    for (_, output) in values.get_mut("outputs").and_then(Value::as_object_mut).into_iter().flatten() {
        if output.get("sensitive") == Some(&Value::Bool(true)) {
            cover(output, "value");
        }
    }
    values.get_mut("root_module").into_iter().for_each(module);
}

fn module(module: &mut Value) {
    for resource in module.get_mut("resources").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(marks) = resource.get("sensitive_values").cloned()
            && let Some(values) = resource.get_mut("values")
        {
            by_marks(values, &marks);
        }
    }
    for child in module.get_mut("child_modules").and_then(Value::as_array_mut).into_iter().flatten() {
        self::module(child);
    }
}

fn cover(object: &mut Value, name: &str) {
    if let Some(value) = object.get_mut(name).filter(|value| !value.is_null()) {
        *value = Value::String(MASKED.to_owned());
    }
}

/// Covers what is marked: `true` marks a whole value, maps and lists mark parts of it.
fn by_marks(value: &mut Value, marks: &Value) {
    match (marks, value) {
        (Value::Bool(true), value) if !value.is_null() => *value = Value::String(MASKED.to_owned()),
        (Value::Object(marks), Value::Object(map)) => both(map, marks),
        (Value::Array(marks), Value::Array(items)) => {
            for (item, marks) in items.iter_mut().zip(marks) {
                by_marks(item, marks);
            }
        }
        _ => {}
    }
}

fn both(map: &mut Map<String, Value>, marks: &Map<String, Value>) {
    for (key, marks) in marks {
        if let Some(value) = map.get_mut(key) {
            by_marks(value, marks);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_terraform_marks_is_covered_everywhere_and_nothing_else() {
        let mut value = json!({
            "variables": {"password": {"value": "hunter2"}, "name": {"value": "orders"}},
            "configuration": {"root_module": {"variables": {"password": {"sensitive": true}, "name": {}}}},
            "resource_changes": [{"change": {
                "before": null, "before_sensitive": false,
                "after": {"input": {"user": "u", "password": "hunter2"}, "list": ["a", "hunter2"]},
                "after_sensitive": {"input": {"password": true}, "list": [false, true]}}}],
            "output_changes": {"secret": {"after": "hunter2", "after_sensitive": true, "before": null, "before_sensitive": true}},
            "planned_values": {"outputs": {"secret": {"sensitive": true, "value": "hunter2"}, "plain": {"value": 1}},
                "root_module": {"child_modules": [{"resources": [
                    {"values": {"token": "hunter2", "size": 3}, "sensitive_values": {"token": true}}]}]}},
            "values": {"outputs": {"secret": {"sensitive": true, "value": "hunter2"}}},
            "prior_state": {"values": {"root_module": {"resources": [
                {"values": {"all": "hunter2"}, "sensitive_values": true}]}}}});
        plan(&mut value);
        let text = value.to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(
            text.contains("orders") && text.contains(r#""size":3"#) && text.contains(r#""plain":{"value":1}"#),
            "{text}"
        );
        assert_eq!(value["resource_changes"][0]["change"]["before"], Value::Null);
        let once = value.clone();
        plan(&mut value);
        assert_eq!(value, once);
    }

    #[test]
    fn a_plan_that_cannot_be_masked_is_not_kept() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("plan.json");
        file(&path).expect("nothing to mask");
        fs::write(&path, "{\"secret\": ").expect("written");
        assert!(file(&path).is_err());
        assert!(!path.exists());
    }
}
