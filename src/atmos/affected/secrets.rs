//! The files that hold an instance's SOPS secrets, read in Atmos' `pkg/secrets` (2026-08): a change of one reaches it.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};

use super::Estate;
use crate::atmos::{
    node::{Map, Node},
    resolve::Instance,
    template::{self, TemplateOptions},
};

/// Returns the files as the providers name them, sorted; what names no provider, or cannot be told, names no file.
pub(super) fn files(estate: &Estate, instance: &Instance) -> BTreeSet<String> {
    let secrets = instance.sections.get("secrets");
    let declared = secrets.and_then(|s| s.get("vars")).and_then(Node::map).map(Map::entries).unwrap_or_default();
    let file = |secret: &Node| {
        let text = |key: &str| secret.get(key).and_then(Node::str).filter(|text| !text.is_empty());
        let name = text("sops")?;
        let own = secrets.and_then(|s| s.get("providers")).and_then(|p| p.get(name)).filter(|p| p.map().is_some());
        let provider = match own {
            Some(own) => own.to_json(),
            None => estate.config().raw.pointer("/secrets/providers")?.get(name)?.clone(),
        };
        let (stack, component) = match text("scope") {
            Some("global") => ("", ""),
            Some("stack") => (instance.stack.as_str(), ""),
            _ => (instance.stack.as_str(), instance.name.as_str()),
        };
        place(estate, &provider, stack, component)
    };
    declared.iter().filter_map(|(_, secret)| file(secret)).collect()
}

/// Returns the file of a provider for a stack and a component; neither is there where the scope is wider.
fn place(estate: &Estate, provider: &Value, stack: &str, component: &str) -> Option<String> {
    let spec = |key: &str| provider.get("spec")?.get(key)?.as_str().filter(|text| !text.is_empty());
    if let Some(written) = spec("file") {
        let options = TemplateOptions { env: estate.env(), gomplate: false, ..TemplateOptions::default() };
        let data = json!({"atmos_stack": stack, "atmos_component": component});
        return template::render("sops-file", written, &data, &options).ok().filter(|path| !path.is_empty());
    }
    let name = if component.is_empty() { stack.to_owned() } else { format!("{stack}.{component}") };
    let folder = Path::new(spec("path").unwrap_or("secrets"));
    Some(folder.join(format!("{name}.enc.yaml")).to_string_lossy().into_owned())
}
