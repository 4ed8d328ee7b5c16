//! A Terraform plan or state as `terraform show -json` prints it, reduced to what prices need.
//!
//! Format versions 0.1 to 1.x are read; unknown keys are left alone, as HashiCorp's format promises to only add.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceAction {
    /// It is made.
    Create,
    /// It is changed in place.
    Update,
    /// It is destroyed and made anew.
    Replace,
    /// It is destroyed.
    Delete,
    /// It leaves the state but lives on.
    Forget,
    /// It stays as it is.
    NoOp,
}

/// A managed resource of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedResource {
    /// Its address: `module.db.aws_db_instance.this[0]`.
    pub address: String,
    /// Its type.
    pub kind: String,
    /// What happens to it.
    pub action: ResourceAction,
    /// Its attributes before, where it exists.
    pub before: Option<Value>,
    /// Its attributes after, where it will exist.
    pub after: Option<Value>,
    /// `true` at each attribute that is known only after apply.
    pub after_unknown: Value,
    /// The region that its provider's configuration names.
    pub provider_region: Option<String>,
}

/// A plan, or a state with nothing to change.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The version of Terraform that made it.
    pub terraform_version: Option<String>,
    /// Its managed resources, in the order of the document.
    pub resources: Vec<PlannedResource>,
}

/// Why a text is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotAPlan {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Plan {
    /// Reads the output of `terraform show -json` for a plan or for a state.
    ///
    /// # Errors
    ///
    /// [`NotAPlan`] says what the bytes are instead, where that can be told.
    pub fn read(bytes: &[u8]) -> Result<Self, NotAPlan> {
        let hint = "make it with: terraform plan -out=tfplan && terraform show -json tfplan > plan.json".to_owned();
        let not = |message: String| NotAPlan { message, hint: hint.clone() };
        if bytes.starts_with(b"PK") {
            return Err(not("this is a plan file itself, which only Terraform can read".into()));
        }
        let document: Value =
            serde_json::from_slice(bytes).map_err(|error| not(format!("this is no JSON: {error}")))?;
        let Some(version) = document.get("format_version").and_then(Value::as_str) else {
            return Err(not("this JSON is no output of terraform show -json: it has no format_version".into()));
        };
        if !matches!(version.split('.').next(), Some("0" | "1")) {
            return Err(not(format!("plan format {version} is not known; this program reads 0.1 to 1.x")));
        }
        if document.get("errored").and_then(Value::as_bool) == Some(true) {
            return Err(NotAPlan { message: "this plan ended with an error, so it is not whole".into(), hint });
        }
        let providers = Providers::of(&document);
        let mut plan = Plan {
            terraform_version: document.get("terraform_version").and_then(Value::as_str).map(str::to_owned),
            resources: Vec::new(),
        };
        if let Some(changes) = document.get("resource_changes").and_then(Value::as_array) {
            for change in changes {
                plan.resources.extend(planned(change, &providers).map_err(not)?);
            }
        } else if let Some(root) = document.pointer("/values/root_module") {
            state_resources(root, &providers, &mut plan.resources);
        } else if document.get("planned_values").is_none() && document.get("values").is_none() {
            // a state without resources has only its versions
            let empty_state = document.as_object().is_some_and(|o| o.keys().all(|k| k.ends_with("_version")));
            if !empty_state {
                return Err(not("this JSON has neither resource_changes nor values".into()));
            }
        }
        Ok(plan)
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn planned(change: &Value, providers: &Providers<'_>) -> Result<Option<PlannedResource>, String> {
    if change.get("mode").and_then(Value::as_str) != Some("managed") {
        return Ok(None);
    }
    let address = text(change, "address").ok_or("an entry of resource_changes has no address")?;
    let kind = text(change, "type").ok_or_else(|| format!("{address} has no type"))?;
    let detail = change.get("change").ok_or_else(|| format!("{address} has no change"))?;
    let actions: Vec<&str> =
        detail.get("actions").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let action = match actions.as_slice() {
        ["create"] => ResourceAction::Create,
        ["update"] => ResourceAction::Update,
        ["delete"] => ResourceAction::Delete,
        ["no-op" | "read"] => ResourceAction::NoOp,
        ["forget"] => ResourceAction::Forget,
        ["create", "delete"] | ["delete", "create"] | ["create", "forget"] => ResourceAction::Replace,
        other => return Err(format!("{address} has the actions {other:?}, which this program does not know")),
    };
    let side = |key: &str| detail.get(key).filter(|value| !value.is_null()).cloned();
    Ok(Some(PlannedResource {
        provider_region: providers.region(change, &address),
        before: side("before"),
        after: if matches!(action, ResourceAction::Delete | ResourceAction::Forget) { None } else { side("after") },
        after_unknown: detail.get("after_unknown").cloned().unwrap_or(Value::Null),
        address,
        kind,
        action,
    }))
}

fn state_resources(module: &Value, providers: &Providers<'_>, into: &mut Vec<PlannedResource>) {
    for resource in module.get("resources").and_then(Value::as_array).into_iter().flatten() {
        if resource.get("mode").and_then(Value::as_str) != Some("managed") {
            continue;
        }
        let (Some(address), Some(kind)) = (text(resource, "address"), text(resource, "type")) else { continue };
        let values = resource.get("values").cloned();
        into.push(PlannedResource {
            provider_region: providers.region(resource, &address),
            address,
            kind,
            action: ResourceAction::NoOp,
            before: values.clone(),
            after: values,
            after_unknown: Value::Null,
        });
    }
    for child in module.get("child_modules").and_then(Value::as_array).into_iter().flatten() {
        state_resources(child, providers, into);
    }
}

/// The regions of the configured providers, and which resource uses which provider.
struct Providers<'a> {
    /// By provider key (`aws`, `module.db:aws.west`).
    regions: HashMap<&'a str, String>,
    /// By address without indexes, the provider key.
    keys: HashMap<String, &'a str>,
}

impl<'a> Providers<'a> {
    fn of(document: &'a Value) -> Self {
        let mut regions = HashMap::new();
        let configured = document.pointer("/configuration/provider_config").and_then(Value::as_object);
        for (key, provider) in configured.into_iter().flatten() {
            let expression = provider.pointer("/expressions/region");
            let constant = expression.and_then(|region| text(region, "constant_value"));
            let variable = || {
                let references = expression?.get("references")?.as_array()?;
                let name = references.iter().filter_map(Value::as_str).find_map(|path| path.strip_prefix("var."))?;
                document.get("variables")?.get(name)?.get("value")?.as_str().map(str::to_owned)
            };
            // a variable of a module is not the root's variable of that name
            let region = if key.contains(':') { constant } else { constant.or_else(variable) };
            if let Some(region) = region {
                regions.insert(key.as_str(), region);
            }
        }
        let mut keys = HashMap::new();
        if let Some(root) = document.pointer("/configuration/root_module") {
            collect_keys(root, "", &mut keys);
        }
        Providers { regions, keys }
    }

    fn region(&self, resource: &Value, address: &str) -> Option<String> {
        let bare = without_indexes(address);
        let provider = resource.get("provider_name").and_then(Value::as_str).unwrap_or_default();
        let local = provider.rsplit('/').next().unwrap_or_default();
        let key = self.keys.get(&bare).copied().unwrap_or(local);
        // a module that got its provider from its caller has no configuration of its own
        let inherited = key.rsplit(':').next().unwrap_or(key);
        self.regions.get(key).or_else(|| self.regions.get(inherited)).cloned()
    }
}

fn collect_keys<'a>(module: &'a Value, prefix: &str, into: &mut HashMap<String, &'a str>) {
    for resource in module.get("resources").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(address), Some(key)) =
            (text(resource, "address"), resource.get("provider_config_key").and_then(Value::as_str))
        {
            into.insert(format!("{prefix}{address}"), key);
        }
    }
    for (name, call) in module.get("module_calls").and_then(Value::as_object).into_iter().flatten() {
        if let Some(child) = call.get("module") {
            collect_keys(child, &format!("{prefix}module.{name}."), into);
        }
    }
}

/// Returns an address without `[0]` and `["key"]`.
#[must_use]
pub fn without_indexes(address: &str) -> String {
    let (mut out, mut inside, mut quoted, mut escaped) = (String::with_capacity(address.len()), false, false, false);
    for letter in address.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if inside => quoted = !quoted,
            '[' if !inside => inside = true,
            ']' if inside && !quoted => inside = false,
            _ if !inside => out.push(letter),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_lose_their_indexes() {
        assert_eq!(without_indexes(r#"module.a["x]\"y"].aws_b.c[0]"#), "module.a.aws_b.c");
    }

    #[test]
    fn the_region_comes_from_the_provider_that_the_resource_uses() {
        let document = json!({
            "format_version": "1.2",
            "variables": {"where": {"value": "eu-west-1"}},
            "configuration": {
                "provider_config": {
                    "aws": {"expressions": {"region": {"references": ["var.where"]}}},
                    "aws.far": {"expressions": {"region": {"constant_value": "us-west-2"}}}},
                "root_module": {"module_calls": {"m": {"module": {"resources": [
                    {"address": "aws_eip.ip", "provider_config_key": "aws.far"}]}}}}},
            "resource_changes": [
                {"address": "aws_eip.ip", "mode": "managed", "type": "aws_eip",
                 "provider_name": "registry.terraform.io/hashicorp/aws", "change": {"actions": ["create"], "after": {}}},
                {"address": "module.m.aws_eip.ip[0]", "mode": "managed", "type": "aws_eip",
                 "provider_name": "registry.terraform.io/hashicorp/aws", "change": {"actions": ["delete"], "before": {}}}]
        });
        let plan = Plan::read(document.to_string().as_bytes()).unwrap();
        let regions: Vec<_> = plan.resources.iter().map(|r| r.provider_region.as_deref()).collect();
        assert_eq!(regions, [Some("eu-west-1"), Some("us-west-2")]);
    }

    #[test]
    fn what_is_no_plan_is_named() {
        for (bytes, part) in [
            (&b"PK\x03\x04"[..], "plan file itself"),
            (b"{", "no JSON"),
            (b"[]", "no format_version"),
            (br#"{"format_version": "7.0"}"#, "plan format 7.0"),
            (br#"{"format_version": "1.0", "errored": true}"#, "ended with an error"),
        ] {
            let error = Plan::read(bytes).unwrap_err();
            assert!(error.message.contains(part), "{}", error.message);
        }
        assert_eq!(Plan::read(br#"{"format_version": "1.0"}"#).unwrap(), Plan::default());
    }
}
