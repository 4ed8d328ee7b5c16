//! Reads what rules answer: strings, objects, booleans; anything else denies.

use regorus::Value;

use super::bundle::EntryPoint;
use crate::domain::policy::{ApprovalNeed, Finding, Weight};
use crate::domain::stack::Source;

/// Reads the answer of a `deny`, `warn` or `violation`.
pub(super) fn findings(entry: &EntryPoint, weight: Weight, value: &Value) -> Vec<Finding> {
    match items(value) {
        Ok(items) => items.iter().map(|item| finding(entry, weight, item)).collect(),
        Err(()) => vec![misshapen(entry, value)],
    }
}

/// Reads the answer of `approvals`.
pub(super) fn approvals(entry: &EntryPoint, value: &Value) -> Result<Vec<ApprovalNeed>, Box<Finding>> {
    let refused = || Box::new(misshapen(entry, value));
    let need = |count: u32, group: Option<String>, code: Option<String>, message: Option<String>| ApprovalNeed {
        count,
        group,
        code: code.unwrap_or_else(|| entry.code.clone()),
        message: message.unwrap_or_else(|| format!("{} asks for it", entry.path)),
        policy: entry.file.clone(),
    };
    if let Value::Number(_) = value {
        let count = value.as_u32().map_err(|_| refused())?;
        return Ok(if count == 0 { Vec::new() } else { vec![need(count, None, None, None)] });
    }
    let mut needs = Vec::new();
    for item in items(value).map_err(|()| refused())? {
        if !matches!(item, Value::Object(_)) {
            return Err(refused());
        }
        let count = match &item["count"] {
            Value::Undefined => 1,
            count => count.as_u32().map_err(|_| refused())?,
        };
        let group = match &item["group"] {
            Value::Undefined | Value::Null => None,
            group => Some(text(group).ok_or_else(refused)?),
        };
        if count > 0 {
            needs.push(need(count, group, text(&item["code"]), text(&item["message"]).or_else(|| text(&item["msg"]))));
        }
    }
    Ok(needs)
}

/// Reads conftest's `exception`: a set of lists of rule names without their `deny_`.
pub(super) fn exceptions(value: &Value) -> Vec<String> {
    let lists = items(value).unwrap_or_default();
    lists.iter().flat_map(|list| items(list).unwrap_or_default()).filter_map(|name| text(&name)).collect()
}

/// What Spacelift's two booleans come to: reject ends it, approve is enough, neither waits for one more person.
pub(super) fn review(
    entry: &EntryPoint,
    (approve, reject): (bool, bool),
    findings: &mut Vec<Finding>,
    needs: &mut Vec<ApprovalNeed>,
) {
    if reject {
        findings.push(Finding {
            code: "spacelift-reject".to_owned(),
            message: "the approval policy rejects it".to_owned(),
            weight: Weight::Deny,
            address: None,
            location: None,
            fix: entry.fix.clone(),
            policy: entry.file.clone(),
        });
    } else if !approve {
        needs.push(ApprovalNeed {
            count: 1,
            group: None,
            code: "spacelift-undecided".to_owned(),
            message: "the approval policy has not approved it yet".to_owned(),
            policy: entry.file.clone(),
        });
    }
}

/// Returns the items of a set or list; a rule that is undefined or false says nothing, one that is true or a text
/// says one thing. In the Rego before 1.0, `deny[msg] = object` makes an object whose values are the items.
fn items(value: &Value) -> Result<Vec<Value>, ()> {
    match value {
        Value::Undefined | Value::Null | Value::Bool(false) => Ok(Vec::new()),
        Value::Bool(true) | Value::String(_) => Ok(vec![value.clone()]),
        Value::Set(set) => Ok(set.iter().cloned().collect()),
        Value::Array(array) => Ok(array.iter().cloned().collect()),
        Value::Object(_) | Value::Number(_) => Err(()),
    }
}

fn finding(entry: &EntryPoint, weight: Weight, item: &Value) -> Finding {
    let blank = |message: String| Finding {
        code: entry.code.clone(),
        message,
        weight,
        address: None,
        location: None,
        fix: entry.fix.clone(),
        policy: entry.file.clone(),
    };
    match item {
        Value::String(message) => blank(message.to_string()),
        Value::Bool(true) => blank(format!("{} holds", entry.path)),
        Value::Object(_) => {
            let Some(message) = text(&item["message"]).or_else(|| text(&item["msg"])) else {
                return misshapen(entry, item);
            };
            let mut finding = blank(message);
            if let Some(code) = text(&item["code"]) {
                finding.code = code;
            }
            finding.address = text(&item["address"]).or_else(|| text(&item["resource"]));
            if let Some(fix) = text(&item["fix"]) {
                finding.fix = Some(fix);
            }
            finding.location = location(&item["location"]);
            finding
        }
        _ => misshapen(entry, item),
    }
}

fn location(value: &Value) -> Option<Source> {
    let number = |key: &str| value[key].as_u32().ok().filter(|number| *number > 0).unwrap_or(1);
    Some(Source { file: text(&value["file"])?, line: number("line"), column: number("column") })
}

fn text(value: &Value) -> Option<String> {
    // Asked by pattern: an error of the evaluator's takes the time of a backtrace where those are on.
    match value {
        Value::String(text) => Some(text.to_string()),
        _ => None,
    }
}

fn misshapen(entry: &EntryPoint, value: &Value) -> Finding {
    let mut shown = value.to_json_str().unwrap_or_else(|_| "a value that is no JSON".to_owned());
    if shown.len() > 120 {
        let end = (0..=117).rev().find(|end| shown.is_char_boundary(*end)).unwrap_or(0);
        shown.truncate(end);
        shown.push('…');
    }
    Finding {
        code: "policy-answer-unknown".to_owned(),
        message: format!(
            "{} answered {shown}, where texts or objects with a message (for approvals: count and group) are understood",
            entry.path
        ),
        weight: Weight::Deny,
        address: None,
        location: None,
        fix: None,
        policy: entry.file.clone(),
    }
}
