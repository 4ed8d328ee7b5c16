//! The inputs of a form: what may be filled in, and how what somebody typed is read.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The inputs of a form as JSON Schema: an object whose properties stand in the order in which they are asked for.
///
/// Beside the standard's keywords a property may have `simple` (shown to a newcomer first) and `group`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(pub Value);

impl Inputs {
    /// Makes the schema of these properties, in this order.
    #[must_use]
    pub fn of(properties: Map<String, Value>, required: &[String]) -> Self {
        Inputs(json!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        }))
    }

    /// Returns the inputs by name, in the order of the form.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0["properties"].as_object().into_iter().flatten().map(|(name, schema)| (name.as_str(), schema))
    }

    /// Returns what an input may be.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.0["properties"].as_object()?.get(name)
    }

    /// Tells whether an input must be given.
    #[must_use]
    pub fn requires(&self, name: &str) -> bool {
        self.0["required"].as_array().into_iter().flatten().any(|required| required == name)
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
        let wanted = self.property(name).and_then(|schema| schema["type"].as_str()).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs() -> Inputs {
        let properties = json!({
            "name": {"type": "string"}, "gb": {"type": "integer", "default": 20},
            "public": {"type": "boolean", "default": false}, "zones": {"type": "array"}, "any": {}});
        Inputs::of(properties.as_object().unwrap().clone(), &["name".into()])
    }

    #[test]
    fn what_is_typed_becomes_what_is_wanted() {
        let typed = |name, text| inputs().typed(name, text);
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
        assert_eq!(Value::Object(inputs().with_defaults(&given)), json!({"gb": 20, "public": true, "odd": 1}));
        assert!(inputs().requires("name") && !inputs().requires("gb"));
    }
}
