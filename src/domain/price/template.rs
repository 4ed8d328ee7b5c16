//! Names with values in them: `Instance usage (Linux/UNIX, on-demand, {instance_type})`.

use serde::{Deserialize, Serialize};

use super::formula::{Formula, Scope, Step, Value, Why};

/// A text with formulas in braces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Formula(Formula),
}

impl Template {
    /// Returns the text with each formula's value in its place.
    ///
    /// # Errors
    ///
    /// [`Why`] a formula has no value.
    pub fn render(&self, scope: &dyn Scope) -> Result<String, Why> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Formula(formula) => match formula.value(scope)? {
                    Value::Missing(path) => return Err(Why::Missing(path)),
                    value => out.push_str(&value.to_string()),
                },
            }
        }
        Ok(out)
    }

    /// Returns the template as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns every path that its formulas mention.
    pub fn paths(&self) -> impl Iterator<Item = &[Step]> {
        self.parts.iter().flat_map(|part| match part {
            Part::Text(_) => Vec::new(),
            Part::Formula(formula) => formula.paths(),
        })
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = Vec::new();
        let mut rest = text.as_str();
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').ok_or_else(|| format!("'{text}' has a '{{' without a '}}'"))? + open;
            if open > 0 {
                parts.push(Part::Text(rest[..open].to_owned()));
            }
            parts.push(Part::Formula(Formula::parse(&rest[open + 1..close])?));
            rest = &rest[close + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Template { text, parts })
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.text
    }
}
