//! What Spacelift and Atlantis call an instance, read in Atmos' `internal/exec/{spacelift,atlantis}_utils.go` (2026-08).

use super::Estate;
use crate::atmos::{
    node::Node,
    resolve::{Instance, run_tokens, stack_from_pattern},
    template::{self, MissingKey, TemplateOptions},
};

/// Returns the stack of Spacelift, empty without `settings.spacelift.workspace_enabled` and where its name cannot be told.
pub(super) fn spacelift(estate: &Estate, instance: &Instance) -> String {
    let settings = instance.sections.get("settings").and_then(|s| s.get("spacelift"));
    let text = |key: &str| settings.and_then(|s| s.get(key)).and_then(Node::str);
    let enabled = settings.and_then(|s| s.get("workspace_enabled")).and_then(Node::bool);
    if instance.kind != "terraform" || enabled != Some(true) {
        return String::new();
    }
    let component = instance.name.as_str().replace('/', "-");
    match (text("stack_name_pattern"), text("stack_name")) {
        (Some(pattern), _) => run_tokens(pattern, instance.sections.get("vars"), &component, ""),
        (None, Some(name)) => name.to_owned(),
        (None, None) => context(estate, instance)
            .map(|prefix| format!("{prefix}-{component}").replace('/', "-"))
            .unwrap_or_default(),
    }
}

/// Returns the stack's name as its variables make it, whatever the manifest calls itself.
fn context(estate: &Estate, instance: &Instance) -> Option<String> {
    let config = estate.config();
    if config.name_template.is_empty() {
        return stack_from_pattern(&config.name_pattern, instance.sections.get("vars")?);
    }
    let section = |name: &str| instance.sections.get(name).map_or(serde_json::Value::Null, Node::to_json);
    let data = serde_json::json!({"vars": section("vars"), "settings": section("settings")});
    let options = TemplateOptions {
        missing_key: if config.ignore_missing { MissingKey::NoValue } else { MissingKey::Error },
        env: estate.env(),
        ..TemplateOptions::default()
    };
    template::render("name-template", &config.name_template, &data, &options).ok()
}

/// Returns the project of Atlantis, empty where `settings.atlantis` names no template that has a name.
pub(super) fn atlantis(estate: &Estate, instance: &Instance) -> String {
    let settings = instance.sections.get("settings").and_then(|s| s.get("atlantis"));
    let Some(settings) = settings.filter(|_| instance.kind == "terraform") else { return String::new() };
    let own = settings.get("project_template").filter(|template| template.map().is_some());
    let pattern = match own {
        Some(template) => template.get("name").and_then(Node::str).map(str::to_owned),
        None => settings.get("project_template_name").and_then(Node::str).and_then(|name| {
            let templates = estate.config().raw.pointer("/integrations/atlantis/project_templates")?;
            templates.get(name)?.get("name")?.as_str().map(str::to_owned)
        }),
    };
    let component = instance.name.as_str().replace('/', "-");
    run_tokens(&pattern.unwrap_or_default(), instance.sections.get("vars"), &component, "")
}
