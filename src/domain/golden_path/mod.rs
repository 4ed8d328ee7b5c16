//! Golden paths: what somebody may ask for without knowing how it is built, and the form that asks for it.
//!
//! The words are here, and how a Terraform variable becomes an input. Reading templates, filling them in and editing
//! files belong to `platform::golden_paths`.

mod variable;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::stack::InstanceRef;

pub use variable::schema_of;

/// A way to something that works: a template with inputs, and the files it writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GoldenPath {
    /// The folder's name below `platform/golden-paths`.
    pub name: String,
    /// A few words.
    pub title: String,
    /// One paragraph on what one gets.
    pub description: String,
    /// The team that looks after it.
    pub owner: Option<String>,
    /// How important what it makes is, such as `2`.
    pub tier: Option<String>,
    /// The component folder (a service of the catalog) that it provisions, where it provisions one.
    pub service: Option<String>,
    /// The form as JSON Schema: an object whose properties stand in the order in which they are asked for. Beside the
    /// standard's keywords a property may have `simple` (shown to a newcomer first) and `group`.
    #[schema(value_type = Object)]
    pub inputs: Value,
    /// The template, relative to the estate's root.
    pub file: String,
}

impl GoldenPath {
    /// Returns the inputs by name, in the order of the form.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.inputs["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// Tells whether an input must be given.
    #[must_use]
    pub fn requires(&self, name: &str) -> bool {
        self.inputs["required"].as_array().into_iter().flatten().any(|required| required == name)
    }

    /// Returns what was given with the defaults of what was not.
    #[must_use]
    pub fn with_defaults(&self, given: &Map<String, Value>) -> Map<String, Value> {
        let mut all = Map::new();
        for (name, schema) in self.properties() {
            if let Some(value) = given.get(name).or_else(|| schema.get("default")) {
                all.insert(name.to_owned(), value.clone());
            }
        }
        for (name, value) in given {
            all.entry(name.clone()).or_insert_with(|| value.clone());
        }
        all
    }

    /// Reads a value that a person typed as the kind of value that the input wants; a text where nothing else fits.
    #[must_use]
    pub fn typed(&self, name: &str, text: &str) -> Value {
        let schema = self.properties().find(|(other, _)| *other == name).map(|(_, schema)| schema);
        let wanted = schema.and_then(|schema| schema["type"].as_str()).unwrap_or_default();
        let read = || serde_json::from_str::<Value>(text).ok();
        match wanted {
            "integer" | "number" => read().filter(Value::is_number),
            "boolean" => match text {
                "yes" | "true" => Some(Value::Bool(true)),
                "no" | "false" => Some(Value::Bool(false)),
                _ => None,
            },
            "array" | "object" => read().filter(|value| value.is_array() || value.is_object()).or_else(|| {
                let items = text.split(',').map(|item| Value::from(item.trim()));
                (wanted == "array").then(|| items.collect())
            }),
            "string" => None,
            _ => read(),
        }
        .unwrap_or_else(|| Value::from(text))
    }
}

/// What is wrong with one input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputProblem {
    /// The input; empty where it is about several.
    pub input: String,
    /// One sentence.
    pub message: String,
}

/// What a request does to one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    /// The file, relative to the estate's root.
    pub path: String,
    /// Its text before; null where it is new.
    pub before: Option<String>,
    /// Its text after; null where it goes.
    pub after: Option<String>,
    /// The difference, unified.
    pub diff: String,
}

/// How an instance differs after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InstanceAction {
    /// It is new.
    Create,
    /// Its configuration differs.
    Change,
    /// It is no longer there.
    Remove,
}

/// An instance that a request concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConcernedInstance {
    /// Which.
    #[serde(flatten)]
    pub instance: InstanceRef,
    /// How.
    pub action: InstanceAction,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path() -> GoldenPath {
        GoldenPath {
            name: "db".into(),
            title: "A database".into(),
            description: String::new(),
            owner: None,
            tier: None,
            service: None,
            inputs: json!({"type": "object", "required": ["name"], "properties": {
                "name": {"type": "string"}, "gb": {"type": "integer", "default": 20},
                "public": {"type": "boolean", "default": false}, "zones": {"type": "array"}, "any": {}}}),
            file: String::new(),
        }
    }

    #[test]
    fn what_is_typed_becomes_what_is_wanted() {
        let typed = |name, text| path().typed(name, text);
        assert_eq!(typed("gb", "50"), json!(50));
        assert_eq!(typed("gb", "much"), json!("much"));
        assert_eq!(typed("name", "50"), json!("50"));
        assert_eq!(typed("public", "yes"), json!(true));
        assert_eq!(typed("zones", "a, b"), json!(["a", "b"]));
        assert_eq!(typed("zones", "[\"a\"]"), json!(["a"]));
        assert_eq!(typed("any", "[1]"), json!([1]));
        assert_eq!(typed("unknown", "x"), json!("x"));
    }

    #[test]
    fn defaults_fill_what_was_not_given() {
        let given = Map::from_iter([("public".to_owned(), json!(true)), ("odd".to_owned(), json!(1))]);
        assert_eq!(Value::Object(path().with_defaults(&given)), json!({"gb": 20, "public": true, "odd": 1}));
        assert!(path().requires("name") && !path().requires("gb"));
    }
}
