//! Input documents of policies that were written for other tools.
//!
//! They are built from Terrace's own input (`schemas/policy-input-*.json`), so that every dialect is asked about the
//! same thing. What Terrace does not know is absent or null, never made up.

use serde_json::{Value, json};

use crate::domain::policy::Dialect;

/// Returns the document that a policy of this dialect expects.
pub(super) fn input(dialect: Dialect, own: &Value) -> Value {
    match dialect {
        Dialect::Terrace => own.clone(),
        Dialect::Conftest => own["plan"].clone(),
        Dialect::SpaceliftPlan => json!({
            "spacelift": { "run": run(own), "stack": stack(own), "commit": commit(own), "request": Value::Null },
            "terraform": own["plan"],
            "cost_estimation": own["estimate"],
        }),
        Dialect::SpaceliftApproval => json!({
            "reviews": reviews(own),
            "run": run(own),
            "stack": stack(own),
        }),
    }
}

fn run(own: &Value) -> Value {
    let drift = own["run"]["kind"] == "drift";
    json!({
        "id": own["run"]["id"],
        "type": match own["run"]["kind"].as_str() {
            Some("apply") => "TRACKED",
            Some("destroy") => "DESTROY",
            Some("command" | "workflow") => "TASK",
            _ => "PROPOSED",
        },
        "state": "UNCONFIRMED",
        "drift_detection": drift,
        "triggered_by": own["actor"]["name"],
        "creator_session": {
            "login": own["actor"]["name"],
            "name": own["actor"]["name"],
            "admin": own["actor"]["role"] == "admin",
            "teams": own["actor"]["teams"],
            "machine": false,
        },
        "changes": changes(own),
        "commit": commit(own),
        "branch": own["run"]["branch"],
    })
}

fn stack(own: &Value) -> Value {
    let instance = &own["instance"];
    let name = match (instance["component"].as_str(), instance["stack"].as_str()) {
        (Some(component), Some(stack)) => json!(format!("{component}@{stack}")),
        _ => Value::Null,
    };
    let mut labels = vec![];
    for (label, value) in [
        ("component", &instance["component"]),
        ("stack", &instance["stack"]),
        ("stage", &instance["stage"]),
        ("team", &instance["team"]),
    ] {
        if let Some(value) = value.as_str() {
            labels.push(json!(format!("{label}:{value}")));
        }
    }
    json!({
        "id": name,
        "name": name,
        "labels": labels,
        "terraform_version": own["plan"]["terraform_version"],
        "autodeploy": false,
        "administrative": false,
    })
}

fn commit(own: &Value) -> Value {
    json!({ "hash": own["run"]["commit"], "author": own["request"]["requester"] })
}

/// Spacelift lists each change with the word for it; a replacement is both its halves.
fn changes(own: &Value) -> Vec<Value> {
    let Some(resources) = own["plan"]["resource_changes"].as_array() else { return Vec::new() };
    let mut changes = Vec::new();
    for resource in resources {
        let actions = resource["change"]["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
        for action in actions {
            let word = match action.as_str() {
                Some("create") => "added",
                Some("update") => "changed",
                Some("delete") => "deleted",
                Some("forget") => "forgotten",
                _ => continue,
            };
            let values = if word == "deleted" { &resource["change"]["before"] } else { &resource["change"]["after"] };
            changes.push(json!({
                "action": word,
                "phase": "plan",
                "entity": {
                    "address": resource["address"],
                    "name": resource["name"],
                    "type": resource["type"],
                    "entity_vendor": "terraform",
                    "entity_type": "resource",
                    "data": { "values": values },
                },
            }));
        }
    }
    changes
}

fn reviews(own: &Value) -> Value {
    let review = |decision: &str| -> Vec<Value> {
        let Some(votes) = own["votes"].as_array() else { return Vec::new() };
        let word = if decision == "approve" { "APPROVED" } else { "REJECTED" };
        votes
            .iter()
            .filter(|vote| vote["decision"] == decision)
            .map(|vote| {
                json!({
                    "author": vote["actor"],
                    "session": { "login": vote["actor"], "name": vote["actor"], "teams": vote["teams"], "admin": vote["role"] == "admin" },
                    "state": word,
                })
            })
            .collect()
    };
    json!({ "current": { "approvals": review("approve"), "rejections": review("reject") }, "older": { "approvals": [], "rejections": [] } })
}
