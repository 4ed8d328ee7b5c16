//! `stores`: which of them Atmos cannot make from what the configuration says, and so refuses everything.
//!
//! The rules were read in Atmos' `pkg/store/registry.go` and `pkg/store/providers` (2026-08). Nothing is asked of a store.

use std::collections::BTreeMap;

use super::Loader;
use crate::atmos::node::{Map, Node, Value};

/// What Atmos calls a kind of store, beside its own name.
const NAMES: [(&str, &str); 14] = [
    ("artifactory", "artifactory"),
    ("azure-key-vault", "azure/keyvault"),
    ("aws-ssm-parameter-store", "aws/ssm"),
    ("aws-secrets-manager", "aws/asm"),
    ("google/secretmanager", "gcp/secretmanager"),
    ("google-secret-manager", "gcp/secretmanager"),
    ("gsm", "gcp/secretmanager"),
    ("hashicorp-vault", "hashicorp/vault"),
    ("redis", "redis"),
    ("1password", "onepassword"),
    ("onepassword", "onepassword"),
    ("keychain", "keychain"),
    ("keyring", "keychain"),
    ("github-actions", "github/actions"),
];

/// Says which stores Atmos refuses.
pub(super) fn check(loader: &mut Loader<'_>, merged: &Node, env: &BTreeMap<String, String>) {
    for (name, store) in merged.get("stores").and_then(Node::map).map(Map::entries).unwrap_or_default() {
        if let Some(why) = refused(name.as_str(), store, env) {
            let hint = format!("correct stores.{} of atmos.yaml", name.as_str());
            loader.problem("store-unusable", why, Some(&hint), store.pos().source());
        }
    }
}

fn refused(name: &str, store: &Node, env: &BTreeMap<String, String>) -> Option<String> {
    let text = |key: &str| store.get(key).and_then(Node::str).filter(|text| !text.is_empty());
    let written = text("kind").or_else(|| text("type")).unwrap_or_default();
    let kind = NAMES.iter().find(|(other, _)| *other == written).map_or(written, |(_, kind)| kind);
    let set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    // A number or a boolean is a text as well as any; null is none.
    let option = |key: &str| match store.get("options")?.get(key)?.value() {
        Value::Null => None,
        Value::Str(text) => Some(text.to_string()),
        _ => Some("set".to_owned()),
    };
    let has = |key: &str| option(key).is_some_and(|value| !value.is_empty());
    if matches!(kind, "redis" | "artifactory") && store.get("secret").and_then(Node::bool) == Some(true) {
        return Some(format!(
            "store cannot be marked secret: backend does not encrypt values at rest: store \"{name}\" uses backend \"{kind}\""
        ));
    }
    let why = match kind {
        "redis" => {
            let url = option("url").or_else(|| env.get("ATMOS_REDIS_URL").filter(|url| !url.is_empty()).cloned());
            let Some(url) = url else {
                return Some(
                    "failed to parse redis url: either url must be set in options or ATMOS_REDIS_URL environment variable must be set"
                        .to_owned(),
                );
            };
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            let known = matches!(scheme, "redis" | "rediss" | "unix");
            return (!known).then(|| format!("failed to parse redis url: redis: invalid URL scheme: {scheme}"));
        }
        "artifactory" if option("access_token").is_some() => return None,
        "artifactory" if set("ARTIFACTORY_ACCESS_TOKEN") || set("JFROG_ACCESS_TOKEN") => return None,
        "artifactory" => {
            "either access_token must be set in options or one of JFROG_ACCESS_TOKEN or ARTIFACTORY_ACCESS_TOKEN environment variables must be set"
        }
        "aws/ssm" | "aws/asm" if !has("region") => "region is required in ssm store configuration",
        "azure/keyvault" if !has("vault_url") && !has("endpoint") => {
            "vault_url is required in azure key vault store configuration"
        }
        "gcp/secretmanager" if !has("project_id") => {
            "project_id is required in Google Secret Manager store configuration"
        }
        "hashicorp/vault" if !has("mount") && !has("path") => {
            "mount is required in hashicorp vault store configuration"
        }
        "github/actions" if !has("owner") || !has("repo") => {
            "owner and repo are required in GitHub Actions store configuration"
        }
        "aws/ssm" | "aws/asm" | "azure/keyvault" | "gcp/secretmanager" | "hashicorp/vault" | "github/actions"
        | "onepassword" | "keychain" => return None,
        _ => return Some(format!("store type not found: {kind}")),
    };
    Some(why.to_owned())
}
