//! What a run of an instance uses: folder, workspace, file names. It differs from what `describe` prints.

use super::{
    AtmosConfig, RunTarget,
    node::{Node, Value},
    resolve::{Instance, Stack, run_tokens},
};

fn text<'a>(i: &'a Instance, section: &str) -> &'a str {
    i.sections.get(section).and_then(Node::str).unwrap_or("")
}

fn metadata<'a>(i: &'a Instance, key: &str) -> Option<&'a Node> {
    i.sections.get("metadata").and_then(|m| m.get(key))
}

/// Returns the folder that a run works in: an inherited `metadata.component` moves it, unlike in `describe`.
pub(super) fn folder(i: &Instance) -> &str {
    metadata(i, "component").and_then(Node::str).unwrap_or_else(|| text(i, "component"))
}

/// Returns the workspace that a run selects; `None` where it selects none.
pub(super) fn workspace(stack: &Stack, i: &Instance, config: &AtmosConfig) -> Option<String> {
    if i.kind != "terraform" || text(i, "backend_type") == "http" {
        return None;
    }
    if !config.workspaces_enabled {
        return Some("default".to_owned());
    }
    let name = i.name.as_str();
    let base = folder(i);
    let pointer = if base == name { "" } else { base };
    let own = |k: &str| metadata(i, k).and_then(Node::str);
    let patterned = !stack.named && config.name_template.is_empty();
    let chosen = if own("terraform_workspace_template").is_some() {
        text(i, "workspace").to_owned()
    } else if let Some(pattern) = own("terraform_workspace_pattern") {
        run_tokens(pattern, i.sections.get("vars").filter(|_| patterned), name, pointer)
    } else if let Some(workspace) = own("terraform_workspace") {
        workspace.to_owned()
    } else if pointer.is_empty() && !explicit_elsewhere(i) {
        i.stack.as_str().to_owned()
    } else {
        format!("{}-{name}", i.stack.as_str())
    };
    Some(chosen.replace('/', "-"))
}

/// Tells whether inheritance gives the instance a pointer, even to a folder of its own name.
fn explicit_elsewhere(i: &Instance) -> bool {
    metadata(i, "component").is_some() && i.inheritance().next().is_some() && text(i, "component") != folder(i)
}

/// Returns what a run needs.
pub(super) fn target(stack: &Stack, i: &Instance, config: &AtmosConfig) -> RunTarget {
    let name = i.name.as_str();
    let base = folder(i);
    let kind = config.components.get(i.kind);
    let prefix = metadata(i, "component_folder_prefix").and_then(Node::str).unwrap_or("").trim();
    let root = kind.and_then(|k| k.base_path.clone()).unwrap_or_else(|| config.base_path.clone());
    let last = name.rsplit('/').next().unwrap_or(name);
    let pointed = if base.is_empty() { name } else { base };
    let above = pointed.rsplit_once('/').map_or("", |(folders, _)| folders);
    let stem = [i.stack.as_str(), above, last].iter().filter(|p| !p.is_empty()).copied().collect::<Vec<_>>().join("-");
    let stem = stem.replace('/', "-");
    let json = |k: &str| i.sections.get(k).map_or_else(|| serde_json::json!({}), Node::to_json);
    let flag = |path: &str, default: bool| {
        config
            .raw
            .pointer(&format!("/components/terraform/{path}"))
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(default)
    };
    let mut unevaluated = Vec::new();
    for section in ["vars", "env", "backend", "providers"] {
        if let Some(node) = i.sections.get(section) {
            left(node, section, &mut unevaluated);
        }
    }
    let env = i.sections.get("env").and_then(Node::map);
    RunTarget {
        component: name.to_owned(),
        stack: i.stack.as_str().to_owned(),
        stack_file: stack.file.as_str().to_owned(),
        component_type: i.kind.to_owned(),
        folder: super::config::clean(&root.join(prefix).join(pointed)),
        workspace: workspace(stack, i, config),
        varfile: format!("{stem}.terraform.tfvars.json"),
        planfile: format!("{stem}.planfile"),
        command: text(i, "command").to_owned(),
        vars: json("vars"),
        env: env.into_iter().flat_map(|m| m.entries()).map(|(k, v)| (k.as_str().to_owned(), v.to_json())).collect(),
        backend_type: text(i, "backend_type").to_owned(),
        backend: json("backend"),
        providers: json("providers"),
        required_providers: json("required_providers"),
        required_version: text(i, "required_version").to_owned(),
        generate: json("generate"),
        auto_generate_backend_file: flag("auto_generate_backend_file", false),
        init_run_reconfigure: flag("init_run_reconfigure", false),
        is_abstract: i.is_abstract,
        locked: metadata(i, "locked").and_then(Node::bool).unwrap_or(false),
        enabled: metadata(i, "enabled").and_then(Node::bool).unwrap_or(true),
        unevaluated,
    }
}

fn left(node: &Node, path: &str, out: &mut Vec<String>) {
    match node.value() {
        Value::Map(m) => m.entries().iter().for_each(|(k, v)| left(v, &format!("{path}.{}", k.as_str()), out)),
        Value::List(l) => l.iter().enumerate().for_each(|(i, v)| left(v, &format!("{path}.{i}"), out)),
        Value::Str(s)
            if s.contains("{{") || (s.starts_with('!') && s.len() > 1 && s.as_bytes()[1].is_ascii_lowercase()) =>
        {
            out.push(path.to_owned());
        }
        _ => {}
    }
}
