//! The forms of requests: what may be filled in, and what it is now.
//!
//! A golden path has a form of its own. That of a change is made of the variables that the component declares and the
//! values that the instance has; of a budget, of what the team has. What is filled in is checked by the same schemas.

use serde_json::{Map, Value, json};

use super::error::RequestError;
use super::proposal::{golden_path, ground, instance, keys, path};
use crate::domain::golden_path::{InputProblem, Inputs, schema_of};
use crate::domain::request::{RequestForm, RequestKind, Wish};
use crate::domain::run::RunKind;
use crate::domain::stack::{ExplainedValue, InstanceRef, InstanceSummary, Via};
use crate::platform::estate::Snapshot;

/// Values of an instance that the whole stack has in common, as a form names them.
const SHARED: &str = "Set for the whole stack";
/// Variables that nothing sets.
const UNSET: &str = "Not set: as the component declares them";

/// Returns the form of a request.
///
/// # Errors
///
/// A golden path, an instance or a team that is not there, a kind of run that nobody asks for.
pub(crate) fn form_of(snapshot: &Snapshot, wish: Wish) -> Result<RequestForm, RequestError> {
    let with = |title: String, description: &str, inputs: Inputs, wish: Wish| RequestForm {
        title,
        description: description.to_owned(),
        inputs,
        wish,
    };
    let none = || Inputs::of(Map::new(), &[]);
    Ok(match wish.kind {
        RequestKind::Provision => {
            let name = wish.golden_path.as_deref().unwrap_or_default();
            let (_, path) = golden_path(snapshot, name)?;
            RequestForm { wish, ..RequestForm::from(path) }
        }
        RequestKind::Change => {
            let (found, at) = instance(snapshot, &wish)?;
            let inputs = values(snapshot, &found, &at, &wish)?;
            let what = "It becomes a commit, planned before anybody decides. Empty a line to take the instance's own value away.";
            with(format!("Change {at}"), what, inputs, wish)
        }
        RequestKind::Retire => {
            let (found, at) = instance(snapshot, &wish)?;
            let what =
                format!("All that it deployed is destroyed, and then its configuration goes from {}.", found.file);
            with(format!("Retire {at}"), &what, none(), wish)
        }
        RequestKind::Run => match &wish.workflow {
            Some(which) => {
                let stack = which.stack.as_ref().map(|stack| format!(" for {stack}")).unwrap_or_default();
                let title = format!("Run workflow {} of {}{stack}", which.name, which.file);
                let what =
                    "Its steps are planned where each is understood; else it is read as a script by those who decide.";
                with(title, what, none(), wish)
            }
            None => {
                let (_, at) = instance(snapshot, &wish)?;
                let (verb, what) = match wish.run {
                    Some(RunKind::Apply) | None => ("Apply", "Exactly the plan that those who decide see is applied."),
                    Some(RunKind::Destroy) => {
                        ("Destroy", "All that it deployed is destroyed; its configuration stays.")
                    }
                    Some(other) => return Err(no_run(other)),
                };
                with(format!("{verb} {at}"), what, none(), wish)
            }
        },
        RequestKind::Budget => budget(snapshot, wish)?,
    })
}

/// Says that a run of this kind is nothing that one asks for.
pub(super) fn no_run(kind: RunKind) -> RequestError {
    let message = format!("a request of kind run is an apply or a destroy, not a {kind}");
    RequestError::invalid("run-invalid", message, None)
}

/// Makes the form of a budget: its new amount, or why it may be passed.
fn budget(snapshot: &Snapshot, wish: Wish) -> Result<RequestForm, RequestError> {
    let teams = snapshot.teams();
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let team = wish.inputs.get("team").and_then(Value::as_str);
    if team.is_none() {
        let names: Vec<&str> = teams.all().iter().map(|team| team.name.as_str()).collect();
        properties.insert("team".into(), json!({"title": "Team", "type": "string", "enum": names, "simple": true}));
        required.push("team".to_owned());
    }
    let whose = team.map_or_else(|| "a team".to_owned(), str::to_owned);
    if wish.inputs.get("exception") == Some(&Value::Bool(true)) {
        let description = "The limit is lifted for the team, with the reason beside it in platform/policies.yaml.";
        return Ok(RequestForm {
            title: format!("An exception from the limit for {whose}"),
            description: description.to_owned(),
            inputs: Inputs::of(properties, &required),
            wish,
        });
    }
    let own: Vec<_> = teams.budgets().iter().map(|scoped| &scoped.budget).filter(|b| Some(&*b.team) == team).collect();
    let named = wish.inputs.get("budget").and_then(Value::as_str);
    if named.is_none() && own.len() > 1 {
        let names: Vec<&str> = own.iter().map(|budget| budget.name.as_str()).collect();
        properties.insert("budget".into(), json!({"title": "Budget", "type": "string", "enum": names, "simple": true}));
        required.push("budget".to_owned());
    }
    let now: Vec<String> = own
        .iter()
        .filter(|budget| named.is_none_or(|name| name == budget.name))
        .map(|budget| {
            if own.len() > 1 && named.is_none() {
                format!("{} {}", budget.name, budget.amount)
            } else {
                budget.amount.to_string()
            }
        })
        .collect();
    let now = if now.is_empty() { "there is none yet".to_owned() } else { format!("now {}", now.join(", ")) };
    let amount = json!({"title": "Amount", "type": "number", "minimum": 0, "simple": true, "description": now});
    properties.insert("amount".into(), amount);
    required.push("amount".to_owned());
    Ok(RequestForm {
        title: match named {
            Some(name) if team != Some(name) => format!("Another amount for budget {name} of {whose}"),
            _ => format!("Another amount for the budget of {whose}"),
        },
        description: "It is an edit of platform/teams.yaml, so that Git says who asked and who agreed.".to_owned(),
        inputs: Inputs::of(properties, &required),
        wish,
    })
}

/// Makes the inputs of a change: each value that the instance has or its component declares, map by map.
pub(super) fn values(
    snapshot: &Snapshot,
    found: &InstanceSummary,
    at: &InstanceRef,
    wish: &Wish,
) -> Result<Inputs, RequestError> {
    let estate = snapshot.estate();
    let id = estate.find(&at.component, &at.stack, None).map_err(crate::platform::PlatformError::from)?;
    let explained = estate.explain(id, None).values;
    let mut now = match estate.section(id, "vars") {
        Value::Object(vars) => vars,
        _ => Map::new(),
    };
    let mut leaves = Leaves { explained: &explained, found: Map::new() };
    for variable in ground(snapshot).variables(&found.folder).unwrap_or_default() {
        let mut schema = schema_of(&variable);
        let declared = schema.as_object_mut().and_then(|keys| keys.shift_remove("default"));
        let current = now.shift_remove(&variable.name);
        leaves.add(&mut vec![variable.name], &schema, current.as_ref(), declared.as_ref());
    }
    for (name, current) in &now {
        leaves.add(&mut vec![name.clone()], &json!({}), Some(current), None);
    }
    let mut properties = leaves.found;
    // What somebody asked for by its path stays in sight.
    for name in wish.inputs.keys().filter(|name| !properties.contains_key(*name)).collect::<Vec<_>>() {
        let wanted = path(name);
        let current = explained.iter().find(|leaf| leaf.path == wanted).map(|leaf| &leaf.value);
        properties.insert(name.clone(), json!({"title": name, "simple": true, "default": current}));
    }
    Ok(Inputs::of(properties, &[]))
}

/// The leaves of variables, as inputs.
struct Leaves<'a> {
    explained: &'a [ExplainedValue],
    found: Map<String, Value>,
}

impl Leaves<'_> {
    /// Adds a value, or what a map holds.
    fn add(&mut self, at: &mut Vec<String>, schema: &Value, now: Option<&Value>, declared: Option<&Value>) {
        let properties = schema["properties"].as_object();
        let inside = now.or(declared).and_then(Value::as_object).filter(|map| !map.is_empty());
        if properties.is_some_and(|properties| !properties.is_empty()) || inside.is_some() {
            let mut names: Vec<String> = properties.into_iter().flatten().map(|(name, _)| name.clone()).collect();
            for (name, _) in inside.into_iter().flatten() {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            for name in names {
                let mut below = schema["properties"].get(&name).or(schema.get("additionalProperties")).cloned();
                below = below.filter(Value::is_object);
                let mut below = below.unwrap_or_else(|| json!({}));
                if let (Some(description), Some(keys)) = (schema.get("description"), below.as_object_mut()) {
                    keys.insert("description".to_owned(), description.clone());
                }
                let part = |whole: Option<&Value>| whole.and_then(|whole| whole.get(&name)).cloned();
                let (now, declared) = (part(now), part(declared));
                at.push(name);
                self.add(at, &below, now.as_ref(), declared.as_ref());
                at.pop();
            }
            return;
        }
        let Some(keys) = schema.as_object() else { return };
        let mut keys = keys.clone();
        let typed = keys.get("type").is_none_or(|kind| kind == "string");
        if now.and_then(Value::as_str).is_some_and(is_evaluated_later) && !typed {
            // What it comes to is known when it is planned: here it is a text.
            keys.retain(|key, _| key == "description");
        }
        keys.insert("title".to_owned(), json!(spelled(at)));
        if let Some(value) = now.or(declared).filter(|value| !value.is_null()) {
            keys.insert("default".to_owned(), value.clone());
        }
        let section = std::iter::once("vars").chain(at.iter().map(String::as_str)).collect::<Vec<_>>();
        let full = self::keys(&section);
        let via = self.explained.iter().find(|leaf| leaf.path.starts_with(&full)).and_then(|leaf| leaf.chain.last());
        match via.map(|last| last.via) {
            Some(Via::Inherits | Via::Component | Via::Overrides) => drop(keys.insert("simple".into(), json!(true))),
            Some(_) => drop(keys.insert("group".into(), json!(SHARED))),
            None => drop(keys.insert("group".into(), json!(UNSET))),
        }
        self.found.insert(format!("vars.{}", spelled(at)), Value::Object(keys));
    }
}

/// Writes a path with dots, as [`path`] reads it.
fn spelled(names: &[String]) -> String {
    let one = |name: &String| {
        let plain = !name.contains(['.', '"']) && name.parse::<usize>().is_err();
        if plain { name.clone() } else { format!("\"{name}\"") }
    };
    names.iter().map(one).collect::<Vec<_>>().join(".")
}

/// Tells whether a text is a template or a YAML function, so that nobody knows here what it comes to.
fn is_evaluated_later(text: &str) -> bool {
    text.contains("{{") || text.starts_with('!')
}

/// Checks values by what their variables declare; what is evaluated later, or taken away, is not looked at.
pub(super) fn problems(inputs: &Inputs, given: &Map<String, Value>) -> Vec<InputProblem> {
    let mut found = Vec::new();
    for (name, value) in given {
        let Some(schema) = inputs.property(name) else { continue };
        if value.is_null() || value.as_str().is_some_and(is_evaluated_later) {
            continue;
        }
        let Ok(validator) = jsonschema::validator_for(schema) else { continue };
        let value = as_terraform_reads(value, schema);
        for error in validator.iter_errors(&value) {
            found.push(InputProblem { input: name.clone(), message: format!("{name}: {error}") });
        }
    }
    found
}

/// Converts as Terraform does: a number or a boolean may stand as text, and the other way round.
fn as_terraform_reads(value: &Value, schema: &Value) -> Value {
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    match (schema["type"].as_str(), value) {
        (Some("string"), Value::Number(_) | Value::Bool(_)) => Value::from(value.to_string()),
        (Some("number"), Value::String(text)) => read(text).filter(Value::is_number).unwrap_or_else(|| value.clone()),
        (Some("boolean"), Value::String(text)) => read(text).filter(Value::is_boolean).unwrap_or_else(|| value.clone()),
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_asked_for_leaf_by_leaf_and_checked_by_what_is_declared() {
        let mut leaves = Leaves { explained: &[], found: Map::new() };
        let schema = json!({"type": "object", "description": "Room", "required": ["gb"], "additionalProperties": false,
            "properties": {"gb": {"type": "number"}, "fast": {"type": "boolean"}}});
        leaves.add(&mut vec!["storage".into()], &schema, Some(&json!({"gb": 20})), None);
        leaves.add(
            &mut vec!["size".into()],
            &json!({"type": "string", "enum": ["small", "large"]}),
            None,
            Some(&json!("small")),
        );
        let lists = json!({"type": "number", "minimum": 1});
        leaves.add(&mut vec!["a.b".into()], &lists, Some(&json!("!terraform.output x n")), None);
        let inputs = Inputs::of(leaves.found, &[]);
        let names: Vec<&str> = inputs.properties().map(|(name, _)| name).collect();
        assert_eq!(names, ["vars.storage.gb", "vars.storage.fast", "vars.size", "vars.\"a.b\""]);
        let gb = inputs.property("vars.storage.gb").unwrap();
        assert_eq!(
            (&gb["title"], &gb["default"], &gb["description"]),
            (&json!("storage.gb"), &json!(20), &json!("Room"))
        );
        assert_eq!(inputs.property("vars.size").unwrap()["default"], json!("small"));
        assert_eq!(inputs.typed("vars.\"a.b\"", "!terraform.output y n"), json!("!terraform.output y n"));

        let wrong = |name: &str, value: Value| problems(&inputs, &Map::from_iter([(name.to_owned(), value)])).len();
        assert_eq!((wrong("vars.storage.gb", json!("much")), wrong("vars.size", json!("huge"))), (1, 1));
        for fine in [json!(50), json!("50"), Value::Null, json!("{{ .vars.gb }}")] {
            assert_eq!(wrong("vars.storage.gb", fine.clone()), 0, "{fine}");
        }
        assert_eq!(wrong("settings.anything", json!({})), 0);
    }
}
