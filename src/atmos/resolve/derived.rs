//! Keys that no file writes: the stack's name, the workspace, what `describe` adds.

use std::{path::Path, sync::Arc};

use super::{names, sections::Job};
use crate::{
    atmos::{
        config::clean,
        node::{Key, Node, Pos},
        template::{self, MissingKey, TemplateOptions},
    },
    domain::stack::Diagnostic,
};

/// What names an instance.
pub(super) struct Who<'a> {
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    pub(super) stack_name: Option<&'a str>,
    pub(super) vars: &'a Node,
    pub(super) metadata: &'a Node,
    pub(super) backend_type: &'a str,
    pub(super) is_abstract: bool,
}

/// Says that nothing in the configuration names stacks, where that is so.
pub(super) fn unnamed(job: &Job<'_>) -> Option<Diagnostic> {
    let config = job.engine.config;
    if !config.name_template.is_empty() || !config.name_pattern.is_empty() {
        return None;
    }
    let message =
        "'stacks.name_template' (or the deprecated 'stacks.name_pattern') needs to be specified in 'atmos.yaml'";
    let at = Pos { file: Key::new("atmos.yaml"), line: 1, column: 1 };
    let problem = job.refuse("name-not-configured", message.to_owned(), at);
    Some(Diagnostic { stack: None, ..*problem })
}

/// What a stack's name may be made of when it is described, and not when it is checked before.
const UNCHECKED: [&str; 4] = ["component", "hooks", "test", "secrets"];

/// Adds the derived keys; returns the stack's name.
pub(super) fn finish(
    job: &Job<'_>,
    who: &Who<'_>,
    out: &mut Vec<(Key, Node)>,
    problems: &mut Vec<Diagnostic>,
    node: &Node,
) -> Key {
    let config = job.engine.config;
    let file = job.file.as_str();
    let built = matches!(who.kind, "terraform" | "helmfile");
    let mut pattern_vars = None;
    let data = || {
        let get = |key: &str| {
            out.iter().find(|(k, _)| k.as_str() == key).map_or_else(|| serde_json::json!({}), |(_, n)| n.to_json())
        };
        let mut map = serde_json::Map::new();
        for key in [
            "vars",
            "metadata",
            "settings",
            "env",
            "auth",
            "providers",
            "hooks",
            "test",
            "secrets",
            "overrides",
            "backend",
        ] {
            map.insert(key.to_owned(), get(key));
        }
        map.insert("backend_type".to_owned(), serde_json::Value::String(who.backend_type.to_owned()));
        // Not the pointer that the section shows: here Atmos sets the name of the component.
        map.insert("component".to_owned(), serde_json::Value::String(who.name.to_owned()));
        serde_json::Value::Object(map)
    };
    let named_data = |stack: &str| {
        let mut data = data();
        if let Some(map) = data.as_object_mut() {
            for (key, value) in [
                ("atmos_component", who.name),
                ("atmos_stack", stack),
                ("stack", stack),
                ("atmos_stack_file", file),
                ("atmos_manifest", file),
            ] {
                map.insert(key.to_owned(), serde_json::Value::String(value.to_owned()));
            }
        }
        data
    };
    let options = || TemplateOptions {
        missing_key: MissingKey::Error,
        env: Arc::clone(&job.engine.env),
        ..TemplateOptions::default()
    };
    let rendered = |data: &serde_json::Value, options: &TemplateOptions| {
        template::render("name-template", &config.name_template, data, options).map_err(|e| Diagnostic {
            hint: Some(format!("component '{}' decides a name too", who.name)),
            ..*job.refuse("name-template", e.message, node.pos())
        })
    };
    // Before it answers Atmos names the real ones of two types once more, without some of the keys.
    let checked = |problems: &mut Vec<Diagnostic>| {
        if !built || who.is_abstract {
            return;
        }
        let mut fewer = data();
        if let Some(map) = fewer.as_object_mut() {
            map.retain(|key, _| !UNCHECKED.contains(&key.as_str()));
        }
        let missing_key = if config.ignore_missing { MissingKey::NoValue } else { MissingKey::Error };
        problems.extend(rendered(&fewer, &TemplateOptions { missing_key, ..options() }).err());
    };
    let from_template = |problems: &mut Vec<Diagnostic>| match rendered(&data(), &options()) {
        Ok(name) => {
            if UNCHECKED.iter().any(|key| config.name_template.contains(key)) {
                checked(problems);
            }
            name
        }
        Err(problem) => {
            // What the manifest names itself is not named by the template, but checked with it all the same.
            match who.stack_name {
                None => problems.push(problem),
                Some(_) => checked(problems),
            }
            file.to_owned()
        }
    };
    let from_pattern = |problems: &mut Vec<Diagnostic>| match names::pattern(&config.name_pattern, who.vars) {
        Ok(name) => name,
        Err(part) => {
            if built && !who.is_abstract {
                let message = format!(
                    "stack name pattern references a context part that is not defined in the stack file: the stack name pattern '{}' specifies '{part}', but the stack '{file}' does not have a {part} defined in the stack file '{file}'",
                    config.name_pattern
                );
                let mut problem = job.refuse("name-pattern-part-missing", message, node.pos());
                problem.hint = Some(format!("set vars.{part} to a text"));
                problems.push(*problem);
            }
            file.to_owned()
        }
    };
    let mut name = if !config.name_template.is_empty() {
        from_template(problems)
    } else if !config.name_pattern.is_empty() {
        from_pattern(problems)
    } else {
        if built && !who.is_abstract {
            problems.extend(unnamed(job));
        }
        file.to_owned()
    };
    match who.stack_name {
        Some(own) => own.clone_into(&mut name),
        None if config.name_template.is_empty() && !config.name_pattern.is_empty() => pattern_vars = Some(who.vars),
        None => {}
    }
    if name.is_empty() {
        file.clone_into(&mut name);
    }
    let key = Key::new(&name);
    if who.kind == "terraform" {
        let metadata = who.metadata;
        let text = |k: &str| metadata.get(k).and_then(Node::str);
        let explicit = config.inherit_metadata && text("terraform_workspace").is_some();
        let workspace = if who.backend_type == "http" || !config.workspaces_enabled {
            "default".to_owned()
        } else if let Some(t) = text("terraform_workspace_template").filter(|_| !explicit) {
            template::render("terraform-workspace-template", t, &named_data(&name), &options()).unwrap_or_else(|e| {
                problems.push(*job.refuse("workspace-template", e.message, metadata.pos()));
                name.clone()
            })
        } else if let Some(p) = text("terraform_workspace_pattern").filter(|_| !explicit) {
            names::tokens(p, pattern_vars, None)
        } else if let Some(w) = text("terraform_workspace") {
            w.to_owned()
        } else {
            name.clone()
        };
        let workspace = if workspace == "default" { workspace } else { workspace.replace('/', "-") };
        out.push((Key::new("workspace"), Key::new(&workspace).node()));
    }
    let stack = key.node();
    let manifest = job.file.node();
    for (k, n) in [
        ("atmos_component", Key::new(who.name).node()),
        ("atmos_stack", stack.clone()),
        ("stack", stack),
        ("atmos_stack_file", manifest.clone()),
        ("atmos_manifest", manifest),
    ] {
        out.push((Key::new(k), n));
    }
    let component = out
        .iter()
        .rev()
        .find(|(k, _)| k.as_str() == "component")
        .and_then(|(_, n)| n.str())
        .unwrap_or(who.name)
        .to_owned();
    let base = match who.kind {
        "terraform" | "helmfile" | "packer" | "ansible" => {
            config.components.get(who.kind).map(|c| c.base_path_text.clone()).unwrap_or_default()
        }
        "container" => "components/container".to_owned(),
        _ => String::new(),
    };
    let path = if base.is_empty() {
        String::new()
    } else {
        let prefix = who.metadata.get("component_folder_prefix").and_then(Node::str).map_or("", str::trim);
        clean(&Path::new(&base).join(prefix).join(&component)).to_string_lossy().into_owned()
    };
    out.push((Key::new("component_info"), job.shared.component_info(who.kind, Key::new(&path))));
    key
}
