//! Whether a stack manifest is one that a current Atmos takes: keys and types by section, and keys that are deprecated.
//!
//! Owns saying what Atmos refuses, as one diagnostic a value, with its cause in Atmos' words. Refused values are resolved
//! all the same, as far as they mean anything. Where `schemas.atmos.manifest` names a schema of the estate's own, that one
//! is asked ([`own`]).

mod kinds;
pub(super) mod own;
mod sections;
mod shape;
mod workflows;

use super::did_you_mean;
use super::node::{Node, Pos, Value};
use crate::domain::stack::{Diagnostic, Severity};
use kinds::MANIFEST;
use shape::{List, Map, Needs, Others, Shape};

/// The code of what a current Atmos refuses.
pub(super) const REFUSED: &str = "manifest-schema";

/// What is said of a deprecated key behind its path.
const DEPRECATED: &str = " is deprecated; use dependencies.components";

/// Returns type and name of the component whose `settings.depends_on` a warning is about.
pub(super) fn deprecated_in(message: &str) -> Option<(&str, &str)> {
    let path = message.strip_suffix(DEPRECATED)?.strip_suffix(".settings.depends_on")?;
    path.strip_prefix("components.")?.split_once('.')
}

/// Says what of a file a current Atmos refuses.
pub(super) fn check(file: &Node) -> Vec<Diagnostic> {
    let mut check = Check { path: Vec::new(), out: Vec::new() };
    check.shape(file, &MANIFEST);
    check.out
}

/// Says which keys of a file are deprecated, as Atmos warns of them.
pub(super) fn deprecated(file: &Node) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let mut tell = |node: Option<&Node>, path: &str| {
        let Some(node) = node else { return };
        out.push(Diagnostic {
            severity: Severity::Warning,
            code: "deprecated-key".to_owned(),
            message: format!("{path}{DEPRECATED}"),
            hint: Some("list what it needs as `dependencies: {components: [{component: NAME}]}`".to_owned()),
            source: node.pos().source(),
            stack: None,
        });
    };
    let in_settings = |node: &Node| node.at_path(&["settings", "depends_on"]).cloned();
    tell(in_settings(file).as_ref(), "settings.depends_on");
    tell(file.at_path(&["overrides", "settings", "depends_on"]), "overrides.settings.depends_on");
    for kind in ["terraform", "helmfile", "kubernetes", "helm", "packer"] {
        if let Some(section) = file.get(kind) {
            if kind == "terraform" {
                tell(section.get("depends_on"), "terraform.depends_on");
            }
            tell(in_settings(section).as_ref(), &format!("{kind}.settings.depends_on"));
            let over = section.at_path(&["overrides", "settings", "depends_on"]);
            tell(over, &format!("{kind}.overrides.settings.depends_on"));
        }
    }
    for kind in ["terraform", "helmfile", "kubernetes", "helm", "packer", "container", "emulator"] {
        let components = file.at_path(&["components", kind]).and_then(Node::map);
        for (name, component) in components.map(super::node::Map::entries).unwrap_or_default() {
            let path = || format!("components.{kind}.{}", name.as_str());
            if let Some(node) = component.get("depends_on").filter(|_| kind == "terraform") {
                tell(Some(node), &format!("{}.depends_on", path()));
            }
            if let Some(node) = in_settings(component) {
                tell(Some(&node), &format!("{}.settings.depends_on", path()));
            }
        }
    }
    out
}

struct Check {
    path: Vec<String>,
    out: Vec<Diagnostic>,
}

impl Check {
    fn refuse(&mut self, cause: &str, hint: Option<String>, at: Pos) {
        let path = if self.path.is_empty() { "(root)".to_owned() } else { self.path.join(".") };
        self.out.push(Diagnostic {
            severity: Severity::Error,
            code: REFUSED.to_owned(),
            message: format!("{path}: {cause}"),
            hint,
            source: at.source(),
            stack: None,
        });
    }

    fn wrong_type(&mut self, node: &Node, shape: &Shape) {
        let mut expected = Vec::new();
        types(shape, &mut expected);
        self.refuse(&format!("expected {}, but got {}", expected.join(" or "), node.type_name()), None, node.pos());
    }

    fn shape(&mut self, node: &Node, shape: &Shape) {
        match (shape, node.value()) {
            // A timestamp reads as an empty map, and is a text to Atmos here.
            (Shape::Text, Value::Str(_)) | (Shape::Flag, Value::Bool(_)) => {}
            (Shape::Text, Value::Map(map)) if map.is_empty() => {}
            (Shape::Word(words), Value::Str(text)) => {
                if !words.contains(&&**text) {
                    let list: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
                    let hint = did_you_mean(text, words.iter().map(|word| (*word).to_owned()));
                    let hint = hint.map(|best| format!("did you mean '{best}'?"));
                    self.refuse(&format!("value must be one of {}", list.join(", ")), hint, node.pos());
                }
            }
            (Shape::Whole(least), value) if whole(value) => {
                let number = number(value);
                #[expect(clippy::cast_precision_loss, reason = "the least values are small")]
                let least = *least as f64;
                if number.is_some_and(|n| n < least) {
                    self.refuse(&format!("must be >= {least} but found {}", node.to_json()), None, node.pos());
                }
            }
            (Shape::Number(least, most), Value::Int(_) | Value::UInt(_) | Value::Float(_)) => {
                let value = number(node.value()).unwrap_or_default();
                let low = least.is_some_and(|(least, beyond)| if beyond { value <= least } else { value < least });
                let high = most.is_some_and(|most| value > most);
                if low || high {
                    let bound = match (low, least, most) {
                        (true, Some((least, true)), _) => format!("> {least}"),
                        (true, Some((least, false)), _) => format!(">= {least}"),
                        (_, _, most) => format!("<= {}", most.unwrap_or_default()),
                    };
                    self.refuse(&format!("must be {bound} but found {}", node.to_json()), None, node.pos());
                }
            }
            (Shape::List(list), Value::List(items)) => self.list(node, items, list),
            (Shape::Map(map), Value::Map(_)) => self.map(node, map),
            (Shape::Included(_), Value::Str(text)) if text.starts_with("!include") => {}
            (Shape::Included(Shape::Word(_) | Shape::Text), Value::Str(_)) => self.inner(node, shape),
            (Shape::Included(_), Value::Str(_)) => {
                let hint = Some("a map or list is written here, or fetched from a file with `!include`".to_owned());
                self.refuse("file references must use the !include YAML tag", hint, node.pos());
            }
            (Shape::Included(inner), _) if fits_type(node, inner) => self.shape(node, inner),
            (Shape::Either(shapes), _) => match shapes.iter().find(|shape| fits_type(node, shape)) {
                Some(shape) => self.shape(node, shape),
                None => self.wrong_type(node, shape),
            },
            _ => self.wrong_type(node, shape),
        }
    }

    fn inner(&mut self, node: &Node, shape: &Shape) {
        if let Shape::Included(inner) = shape {
            self.shape(node, inner);
        }
    }

    fn list(&mut self, node: &Node, items: &[Node], list: &List) {
        if items.len() < list.least {
            let cause = format!("minimum {} items required, but found {} items", list.least, items.len());
            self.refuse(&cause, None, node.pos());
        }
        if list.unique {
            let twice = (0..items.len()).find_map(|j| (0..j).find(|i| items[*i] == items[j]).map(|i| (i, j)));
            if let Some((i, j)) = twice {
                let hint = Some("remove one of them".to_owned());
                self.refuse(&format!("items at index {i} and {j} are equal"), hint, items[j].pos());
            }
        }
        for (index, item) in items.iter().enumerate() {
            let last = self.path.len().checked_sub(1);
            let length = last.map_or(0, |last| self.path[last].len());
            match last {
                Some(last) => self.path[last].push_str(&format!("[{index}]")),
                None => self.path.push(format!("[{index}]")),
            }
            self.shape(item, list.items);
            match last {
                Some(last) => self.path[last].truncate(length),
                None => drop(self.path.pop()),
            }
        }
    }

    fn map(&mut self, node: &Node, map: &Map) {
        let entries = node.map().map(super::node::Map::entries).unwrap_or_default();
        let known = |key: &str| map.keys.iter().find(|(name, _)| *name == key).map(|(_, shape)| *shape);
        let refused = |key: &str| match &map.others {
            Others::Refused => true,
            Others::Named(name, _) => !name.fits(key),
            Others::Any | Others::Each(_) => false,
        };
        for (key, value) in entries {
            let key = key.as_str();
            let shape = known(key).or(match &map.others {
                Others::Each(shape) | Others::Named(_, shape) => Some(shape),
                Others::Refused | Others::Any => None,
            });
            if known(key).is_none() && refused(key) {
                let hint = match map.others {
                    Others::Refused => did_you_mean(key, map.keys.iter().map(|(name, _)| (*name).to_owned()))
                        .map(|best| format!("did you mean '{best}'?"))
                        .or_else(|| (!map.keys.is_empty()).then(|| format!("known are: {}", names(map)))),
                    _ => Some("a name has letters, digits, and a few signs such as - _ / .".to_owned()),
                };
                self.refuse(&format!("additionalProperties '{key}' not allowed"), hint, value.pos());
                continue;
            }
            if let Some(shape) = shape {
                self.path.push(key.to_owned());
                self.shape(value, shape);
                self.path.pop();
            }
        }
        let has = |key: &&str| entries.iter().any(|(name, _)| name.as_str() == *key);
        match &map.needs {
            Needs::All(keys) => {
                let missing: Vec<String> = keys.iter().filter(|key| !has(key)).map(|key| format!("'{key}'")).collect();
                if !missing.is_empty() {
                    self.refuse(&format!("missing properties: {}", missing.join(", ")), None, node.pos());
                }
            }
            Needs::One(keys) if keys.iter().filter(|key| has(key)).count() != 1 => {
                self.refuse(&format!("exactly one of {} is needed", keys.join(", ")), None, node.pos());
            }
            Needs::Any(sets) if !sets.iter().any(|set| set.iter().all(&has)) => {
                let sets: Vec<String> = sets.iter().map(|set| set.join(" and ")).collect();
                self.refuse(&format!("missing properties: {}", sets.join(", or ")), None, node.pos());
            }
            Needs::One(_) | Needs::Any(_) => {}
        }
    }
}

fn names(map: &Map) -> String {
    map.keys.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn whole(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::UInt(_)) || matches!(value, Value::Float(f) if f.fract() == 0.0)
}

#[expect(clippy::cast_precision_loss, reason = "compared with small bounds only")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(i) => Some(*i as f64),
        Value::UInt(u) => Some(*u as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

/// Says whether a value is of a shape's type, whatever it holds.
fn fits_type(node: &Node, shape: &Shape) -> bool {
    match (shape, node.value()) {
        (Shape::Text | Shape::Word(_), Value::Str(_)) | (Shape::Flag, Value::Bool(_)) => true,
        (Shape::Whole(_), value) => whole(value),
        (Shape::Number(..), Value::Int(_) | Value::UInt(_) | Value::Float(_)) => true,
        (Shape::List(_), Value::List(_)) | (Shape::Map(_), Value::Map(_)) => true,
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| fits_type(node, shape)),
        (Shape::Included(inner), _) => {
            node.str().is_some_and(|text| text.starts_with("!include")) || fits_type(node, inner)
        }
        _ => false,
    }
}

fn types(shape: &Shape, out: &mut Vec<&'static str>) {
    let mut add = |name: &'static str| {
        if !out.contains(&name) {
            out.push(name);
        }
    };
    match shape {
        Shape::Text | Shape::Word(_) => add("string"),
        Shape::Flag => add("boolean"),
        Shape::Whole(_) => add("integer"),
        Shape::Number(..) => add("number"),
        Shape::List(_) => add("array"),
        Shape::Map(_) => add("object"),
        Shape::Either(shapes) => shapes.iter().for_each(|shape| types(shape, out)),
        Shape::Included(inner) => {
            add("string");
            types(inner, out);
        }
    }
}

#[cfg(test)]
mod tests;
