//! Usage figures in Infracost's usage file format: what a plan cannot know, such as requests a month.
//!
//! `resource_usage` is by address (`[*]` stands for every index), `resource_type_default_usage` by type. Which keys
//! mean something belongs to the price rules that read them.

use serde_json::{Map, Value};

use super::price::matches;

/// The figures of a usage file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    by_address: Vec<(String, Value)>,
    by_type: Vec<(String, Value)>,
    /// How many of the addresses, from the first one on, may be of another plan.
    shared: usize,
    /// What was strange in the file, one sentence each.
    pub warnings: Vec<String>,
}

impl Usage {
    /// Reads a usage file.
    ///
    /// # Errors
    ///
    /// A sentence with the line, where the text is no usage file.
    pub fn parse(file: &str, text: &str) -> Result<Self, String> {
        let document: Value = serde_yaml::from_str(text).map_err(|error| match error.location() {
            Some(at) => format!("{file}:{}:{}: {error}", at.line(), at.column()),
            None => format!("{file}: {error}"),
        })?;
        let mut usage = Usage::default();
        let Value::Object(document) = document else {
            return if document.is_null() {
                Ok(usage)
            } else {
                Err(format!("{file}: a usage file is a map with 'version' and 'resource_usage'"))
            };
        };
        for (key, value) in document {
            let part = match (key.as_str(), value) {
                ("resource_usage", value) => (&mut usage.by_address, value),
                ("resource_type_default_usage", value) => (&mut usage.by_type, value),
                ("version", version) => {
                    let known = matches!(version.to_string().trim_matches('"'), "0.1" | "0.2");
                    if !known {
                        return Err(format!("{file}: usage file version {version} is unknown; 0.1 and 0.2 are read"));
                    }
                    continue;
                }
                (other, _) => {
                    let line = line_of(text, other).map(|line| format!(":{line}")).unwrap_or_default();
                    usage.warnings.push(format!("{file}{line}: the key '{other}' is unknown and was left out"));
                    continue;
                }
            };
            match part {
                (into, Value::Object(map)) => into.extend(map),
                (_, Value::Null) => {}
                _ => return Err(format!("{file}: '{key}' must be a map")),
            }
        }
        for (name, figures) in usage.by_address.iter().chain(&usage.by_type) {
            if !figures.is_object() && !figures.is_null() {
                let line = line_of(text, name).map(|line| format!(":{line}")).unwrap_or_default();
                return Err(format!("{file}{line}: the usage of '{name}' must be a map"));
            }
        }
        Ok(usage)
    }

    /// Says that the figures are for every plan of an estate, so that each names resources which others do not have.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = self.by_address.len();
        self
    }

    /// Lays what a stack says (`settings.price`) over the figures: the same keys as in a usage file.
    ///
    /// What is no map there, or has another name, is left out with a warning.
    pub fn add_hints(&mut self, hints: &Value) {
        let Value::Object(hints) = hints else {
            if !hints.is_null() {
                self.warnings.push("settings.price is no map of figures and was left out".to_owned());
            }
            return;
        };
        for (key, value) in hints {
            let into = match key.as_str() {
                "resource_usage" => &mut self.by_address,
                "resource_type_default_usage" => &mut self.by_type,
                _ => {
                    let known = "resource_usage and resource_type_default_usage are read";
                    self.warnings.push(format!("settings.price.{key} is unknown and was left out; {known}"));
                    continue;
                }
            };
            for (name, figures) in value.as_object().into_iter().flatten() {
                if figures.is_object() {
                    into.push((name.clone(), figures.clone()));
                } else {
                    self.warnings.push(format!("settings.price.{key}.{name} is no map of figures and was left out"));
                }
            }
        }
    }

    /// Returns the figures for a resource: the defaults of its type, overlaid by those of its address.
    #[must_use]
    pub fn of(&self, address: &str, kind: &str) -> Value {
        let mut figures = Map::new();
        for (name, value) in &self.by_type {
            if name == kind {
                overlay(&mut figures, value);
            }
        }
        // first the patterns, then the exact address
        for (name, value) in self.by_address.iter().filter(|(name, _)| name.contains("[*]")) {
            if matches(name, address) {
                overlay(&mut figures, value);
            }
        }
        for (_, value) in self.by_address.iter().filter(|(name, _)| name == address) {
            overlay(&mut figures, value);
        }
        Value::Object(figures)
    }

    /// Returns the addresses that the file names and that `known` does not know.
    #[must_use]
    pub fn strangers(&self, known: impl Fn(&str) -> bool) -> Vec<&str> {
        let own = self.by_address.iter().skip(self.shared);
        own.map(|(name, _)| name.as_str()).filter(|name| !known(name)).collect()
    }
}

fn overlay(into: &mut Map<String, Value>, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        match (into.get_mut(key), value) {
            (Some(Value::Object(inner)), Value::Object(_)) => overlay(inner, value),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Returns the first line, from 1, whose key is `key`.
fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|line| {
            let line = line.trim_start().trim_start_matches(['"', '\'']);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'']).starts_with(':'))
        })
        .map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FILE: &str = "version: 0.1\nextra: 1\nresource_type_default_usage:\n  aws_a:\n    n: 1\n    s: {x: 1, y: 1}\nresource_usage:\n  aws_a.b[*]:\n    n: 2\n  aws_a.b[0]:\n    s: {x: 3}\n";

    #[test]
    fn the_nearer_figure_wins() {
        let usage = Usage::parse("u.yml", FILE).unwrap();
        assert_eq!(usage.of("aws_a.b[0]", "aws_a"), json!({"n": 2, "s": {"x": 3, "y": 1}}));
        assert_eq!(usage.of("aws_a.c", "aws_a"), json!({"n": 1, "s": {"x": 1, "y": 1}}));
        assert_eq!(usage.of("aws_z.c", "aws_z"), json!({}));
        assert_eq!(usage.warnings, ["u.yml:2: the key 'extra' is unknown and was left out"]);
        assert_eq!(usage.strangers(|name| name == "aws_a.b[0]"), ["aws_a.b[*]"]);
    }

    #[test]
    fn what_a_stack_says_goes_over_the_file_and_what_it_says_wrong_is_said() {
        let mut usage = Usage::parse("u.yml", FILE).unwrap().shared();
        usage.warnings.clear();
        usage.add_hints(&json!({"resource_usage": {"aws_a.b[0]": {"n": 9}, "aws_a.x": 3},
            "resource_type_default_usage": {"aws_a": {"s": {"x": 7}}}, "hours": 5}));
        assert_eq!(usage.of("aws_a.b[0]", "aws_a"), json!({"n": 9, "s": {"x": 3, "y": 1}}));
        assert_eq!(usage.of("aws_a.c", "aws_a"), json!({"n": 1, "s": {"x": 7, "y": 1}}));
        assert_eq!(usage.strangers(|_| false), ["aws_a.b[0]"], "a shared file may name what other plans have");
        let said = usage.warnings.join("\n");
        assert!(said.contains("settings.price.hours is unknown") && said.contains("aws_a.x is no map"), "{said}");
        usage.add_hints(&Value::Null);
        assert_eq!(usage.warnings.len(), 2);
    }

    #[test]
    fn what_is_no_usage_file_is_said_with_its_line() {
        assert!(Usage::parse("u.yml", "a: [").unwrap_err().starts_with("u.yml:"));
        assert!(Usage::parse("u.yml", "- 1").unwrap_err().contains("is a map"));
        assert!(Usage::parse("u.yml", "version: 9").unwrap_err().contains("version 9"));
        assert!(Usage::parse("u.yml", "resource_usage:\n  aws_a.b: 3\n").unwrap_err().starts_with("u.yml:2: "));
        assert_eq!(Usage::parse("u.yml", "").unwrap(), Usage::default());
    }
}
