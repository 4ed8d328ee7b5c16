//! Requests of kind budget: another amount for a team's budget, another quota, or an exception from its limit.
//!
//! Both are edits of the rules in `platform/`, so that Git says who asked and who agreed.

use serde_json::{Value, json};

use std::collections::BTreeMap;

use super::error::RequestError;
use crate::atmos::Estate;
use crate::atmos::files::Disk;
use crate::atmos::yaml::edit::{self, Edit};
use crate::domain::golden_path::InputProblem;
use crate::domain::money::Exact;
use crate::domain::request::Wish;
use crate::domain::stack::PathSegment;
use crate::platform::golden_paths::{Changes, GoldenPathError};
use crate::platform::policies::{CONFIG_FILE, LIMIT};
use crate::platform::teams;

/// What may be filled in, besides quotas.
const INPUTS: [&str; 4] = ["team", "budget", "amount", "exception"];

/// What begins the name of a quota: `quota.instances`, `quota.components.database`, `quota.sizes.large`.
const QUOTA: &str = "quota.";

/// What a request of this kind can ask for.
const ALL: &str = "a budget is asked for with team and amount, where a team has several also budget; a quota with team and \
                   quota.instances, quota.stages, quota.sandbox_days, quota.components.NAME or quota.sizes.NAME; an \
                   exception with team and exception";

/// Returns the edit that a wish for more money comes to, and one line that says what it is.
pub(super) fn change(estate: &Estate, wish: &Wish) -> Result<(Changes, String), RequestError> {
    let invalid = |message: String, hint: &str| RequestError::invalid("budget-invalid", message, Some(hint));
    let known = |key: &&String| INPUTS.contains(&key.as_str()) || key.starts_with(QUOTA);
    if let Some(stranger) = wish.inputs.keys().find(|key| !known(key)) {
        return Err(invalid(format!("a budget has no '{stranger}'"), ALL));
    }
    let text = |name: &str| wish.inputs.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let team = text("team").ok_or_else(|| invalid("whose budget?".to_owned(), ALL))?;
    let quotas: BTreeMap<&str, &Value> =
        wish.inputs.iter().filter_map(|(key, value)| Some((key.strip_prefix(QUOTA)?, value))).collect();
    if !quotas.is_empty() {
        return match wish.inputs.keys().find(|key| *key != "team" && !key.starts_with(QUOTA)) {
            Some(other) => Err(invalid(format!("it is either a quota or '{other}'"), "ask for one after the other")),
            None => limit(estate, team, &quotas),
        };
    }
    match (wish.inputs.get("amount"), wish.inputs.get("exception")) {
        (Some(amount), None | Some(Value::Bool(false))) => raise(estate, team, text("budget"), amount),
        (None, Some(Value::Bool(true))) => except(estate, team, wish.reason.as_deref().unwrap_or_default()),
        (None, _) => {
            let message = "'amount' is missing: which amount?".to_owned();
            Err(RequestError::Inputs(vec![InputProblem { input: "amount".to_owned(), message }]))
        }
        (Some(_), Some(_)) => Err(invalid("it is either another amount or an exception".to_owned(), ALL)),
    }
}

/// Sets the amount of one budget, which is added where the team has none yet.
fn raise(estate: &Estate, team: &str, budget: Option<&str>, amount: &Value) -> Result<(Changes, String), RequestError> {
    let invalid = |message: String, hint: String| RequestError::invalid("budget-invalid", message, Some(&hint));
    let wanted = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
    let exact: Exact = wanted
        .parse()
        .map_err(|_| invalid(format!("'{wanted}' is no amount"), "a number without a currency, such as 4500".into()))?;
    if exact.is_negative() {
        return Err(invalid(format!("the amount {wanted} is below zero"), "0 is the least".into()));
    }
    let number: Value = serde_json::from_str(&wanted).unwrap_or_else(|_| json!(wanted));
    let Listed { mut changes, before, at, team: listed } = find(estate, team)?;
    let budgets = listed["budgets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name_of = |entry: &Value| entry["name"].as_str().unwrap_or(team).to_owned();
    let which = match budget {
        Some(name) => budgets.iter().position(|entry| name_of(entry) == name),
        None => budgets.iter().position(|entry| name_of(entry) == team).or_else(|| (budgets.len() == 1).then_some(0)),
    };
    let mut path = vec![key("teams"), PathSegment::Index(at), key("budgets")];
    let (edit, title) = match which {
        Some(which) => {
            let (name, old) = (name_of(&budgets[which]), &budgets[which]["amount"]);
            path.extend([PathSegment::Index(which), key("amount")]);
            (Edit::Set(path, number), format!("Budget '{name}': {wanted} instead of {old}"))
        }
        None if budgets.is_empty() && budget.is_none() => {
            (Edit::Append(path, json!({"amount": number})), format!("A budget of {wanted} for {team}"))
        }
        None => {
            let names: Vec<String> = budgets.iter().map(name_of).collect();
            let message = match budget {
                Some(name) => format!("team '{team}' has no budget '{name}'"),
                None => format!("team '{team}' has several budgets"),
            };
            return Err(invalid(message, format!("say which: {}", names.join(", "))));
        }
    };
    put(estate, &mut changes, teams::FILE, &before, &[edit])?;
    Ok((changes, title))
}

/// A team in the file.
struct Listed {
    changes: Changes,
    /// The text of the file.
    before: String,
    /// Its place in the list.
    at: usize,
    /// What stands there of it.
    team: Value,
}

fn find(estate: &Estate, team: &str) -> Result<Listed, RequestError> {
    let (changes, file) = (Changes::default(), teams::FILE);
    let before = changes.text(estate.root(), &Disk, file)?.unwrap_or_default();
    let delimiter = &estate.config().key_delimiter;
    let mut document = edit::value_of(file, &before, delimiter)
        .map_err(|fault| GoldenPathError::new(fault.code, fault.message).at(file, fault.line, fault.column))?;
    let listed = document["teams"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let Some(at) = listed.iter().position(|known| known["name"] == team) else {
        let near = crate::atmos::did_you_mean(team, listed.iter().filter_map(|t| Some(t["name"].as_str()?.to_owned())));
        let hint =
            near.map_or_else(|| "`terrace list teams` names them".to_owned(), |near| format!("did you mean '{near}'?"));
        return Err(RequestError::invalid("unknown-team", format!("there is no team '{team}'"), Some(&hint)));
    };
    let team = listed.into_iter().nth(at).unwrap_or_default();
    Ok(Listed { changes, before, at, team })
}

fn key(name: &str) -> PathSegment {
    PathSegment::Key(name.to_owned())
}

/// Sets quotas of a team; null lifts one.
fn limit(estate: &Estate, team: &str, quotas: &BTreeMap<&str, &Value>) -> Result<(Changes, String), RequestError> {
    let invalid = |message: String, hint: &str| RequestError::invalid("budget-invalid", message, Some(hint));
    let Listed { mut changes, before, at, team: listed } = find(estate, team)?;
    let (mut edits, mut said) = (Vec::new(), Vec::new());
    for (name, wanted) in quotas {
        let parts: Vec<&str> = match name.split_once('.') {
            Some((of @ ("components" | "sizes"), what)) if !what.is_empty() => vec![of, what],
            None if matches!(*name, "instances" | "stages" | "sandbox_days") => vec![name],
            _ => return Err(invalid(format!("there is no quota '{name}'"), ALL)),
        };
        let number = match wanted {
            Value::Null => None,
            Value::String(text) => text.trim().parse::<u32>().ok(),
            other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
        };
        if number.is_none() && !wanted.is_null() {
            return Err(invalid(
                format!("'{wanted}' is no quota of {name}"),
                "a whole number, such as 40; null lifts it",
            ));
        }
        let mut path = vec![key("teams"), PathSegment::Index(at), key("quota")];
        path.extend(parts.iter().map(|part| key(part)));
        let old = parts.iter().fold(&listed["quota"], |value, part| &value[*part]);
        let old = if old.is_null() { "no limit".to_owned() } else { old.to_string() };
        said.push(format!("{name} {} instead of {old}", number.map_or("no limit".to_owned(), |n| n.to_string())));
        edits.push(number.map_or_else(|| Edit::Remove(path.clone()), |number| Edit::Set(path.clone(), json!(number))));
    }
    put(estate, &mut changes, teams::FILE, &before, &edits)?;
    Ok((changes, format!("Quota of {team}: {}", said.join(", "))))
}

/// Lifts the rule of the limit for one team, with the reason in the file.
fn except(estate: &Estate, team: &str, reason: &str) -> Result<(Changes, String), RequestError> {
    if reason.trim().is_empty() {
        let hint = Some("--reason says why; it stays in the file");
        return Err(RequestError::invalid("reason-missing", "an exception needs a reason", hint));
    }
    let mut changes = Changes::default();
    let before = changes.text(estate.root(), &Disk, CONFIG_FILE)?.unwrap_or_default();
    let switch = json!({"rule": LIMIT, "team": team, "reason": reason.trim()});
    let edit = Edit::Append(vec![PathSegment::Key("switches".to_owned())], switch);
    put(estate, &mut changes, CONFIG_FILE, &before, &[edit])?;
    Ok((changes, format!("An exception from the limit for {team}")))
}

fn put(estate: &Estate, changes: &mut Changes, file: &str, before: &str, edits: &[Edit]) -> Result<(), RequestError> {
    let after = edit::apply(file, before, edits, &estate.config().key_delimiter)
        .map_err(|fault| GoldenPathError::new(fault.code, fault.message).at(file, fault.line, fault.column))?;
    Ok(changes.put(estate.root(), &Disk, file, Some(after))?)
}
