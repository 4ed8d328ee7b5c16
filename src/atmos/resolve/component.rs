//! The sections of one component, by precedence.

use std::collections::HashMap;

use super::{
    Instance,
    backend::{self, Layers, Named},
    bases::{Bases, any_section, bag},
    derived::{Who, finish},
    full,
    sections::{HELM_KEYS, Job, MAPS, Parts, Refused, applies, has_generate, has_hooks, has_source},
    selectors,
    stack::Shared,
};
use crate::{
    atmos::{
        merge::{merge_all, merge_deferred},
        node::{Key, Map, Node, Pos, Value},
    },
    domain::stack::Diagnostic,
};

/// Resolves one component; problems that leave something to show come along.
pub(super) fn one(
    job: &Job<'_>,
    kind: &'static str,
    name: &str,
    node: &Node,
    all: &Map,
    shared: &Shared,
    stack_name: Option<&str>,
) -> Result<(Instance, Vec<Diagnostic>), Refused> {
    let config = job.engine.config;
    let base_lists = job.engine.lists;
    let mut problems = Vec::new();
    if node.map().is_none() {
        return Err(job.refuse(
            "invalid-component",
            format!("invalid component map type for component {name}"),
            node.pos(),
        ));
    }
    let mut own = Parts::default();
    for section in MAPS {
        if applies(section, kind) || section == "secrets" {
            own.set(section, job.own(node, section, kind, name)?);
        }
    }
    let settings = own.get("settings").cloned().unwrap_or_else(Node::empty);
    if kind == "terraform"
        && let Some(spacelift) = settings.get("spacelift").filter(|n| n.map().is_none())
    {
        let message = format!(
            "invalid spacelift settings: 'components.{kind}.{name}.settings.spacelift' in the file '{}'",
            job.file.as_str()
        );
        return Err(job.refuse("invalid-spacelift-settings", message, spacelift.pos()));
    }
    let metadata = job.own(node, "metadata", kind, name)?;
    let overrides = job.own(node, "overrides", kind, name)?;
    let over = |key: &str| job.own(&overrides, key, kind, name);
    let own_source = if has_source(kind) { job.source_section(node, kind, name)? } else { Node::empty() };
    let own_command = job.own_text(node, "command", kind, name)?;

    let mut bases = Bases::default();
    let effective = job.effective(base_lists, &[&settings, &over("settings")?])?;
    let mut snapshots: HashMap<String, Bases> = HashMap::new();
    let twice = names_twice(node.get("component"), metadata.get("inherits"));
    let mut top_name = String::new();
    if let Some(base) = node.get("component") {
        if base.str().is_none() {
            let message = format!(
                "invalid component attribute: 'components.{kind}.{name}.component' in the file '{}'",
                job.file.as_str()
            );
            return Err(job.refuse("invalid-component-attribute", message, base.pos()));
        }
        job.base(&mut bases, all, kind, name, base, effective, &mut Vec::new())?;
        if twice {
            snapshots.insert(base.str().unwrap_or("").to_owned(), bases.clone());
        }
        top_name.clone_from(&bases.final_name);
    }
    let explicit = match metadata.get("component") {
        None => None,
        Some(n) => Some(n.str().map(str::to_owned).ok_or_else(|| {
            let message = format!(
                "invalid component metadata.component: 'components.{kind}.{name}.metadata.component' in the file '{}'",
                job.file.as_str()
            );
            job.refuse("invalid-metadata-component", message, n.pos())
        })?),
    };
    if let Some(inherits) = metadata.get("inherits") {
        let Some(list) = inherits.list() else {
            let message = format!(
                "invalid component metadata.inherits section: 'components.{kind}.{name}.metadata.inherits' in the file '{}'",
                job.file.as_str()
            );
            return Err(job.refuse("invalid-inherits", message, inherits.pos()));
        };
        for item in list {
            if let Some(base) = item.str() {
                if all.get(base).is_none() {
                    return Err(job.unknown_base(name, base, all, item.pos()));
                }
                if let Some(snapshot) = snapshots.get(base) {
                    bases = snapshot.clone();
                    continue;
                }
            }
            job.base(&mut bases, all, kind, name, item, effective, &mut Vec::new())?;
            if twice {
                snapshots.insert(item.str().unwrap_or("").to_owned(), bases.clone());
            }
        }
    }
    let base_name = explicit.unwrap_or(if top_name.is_empty() { name.to_owned() } else { top_name });

    let empty = Node::empty();
    let global = |key: &str| shared.maps.get(key).unwrap_or(&empty);
    let based = |key: &str| bases.maps.get(key).unwrap_or(&empty);
    let mine = |key: &str| own.get(key).unwrap_or(&empty);
    let over_settings = over("settings")?;
    let lists = job.effective(base_lists, &[global("settings"), based("settings"), &settings, &over_settings])?;
    let mut out: Vec<(Key, Node)> = Vec::with_capacity(32);
    let deferred = |key: &str, with_over: bool| -> Result<Node, Refused> {
        let o = if with_over { over(key)? } else { Node::empty() };
        merge_deferred(&[global(key), based(key), mine(key), &o], lists).map_err(|e| {
            let message = format!("failed to set value at {}.{}: cannot navigate path", key, e.path.join("."));
            job.refuse("deferred-function", message, node.pos())
        })
    };
    let put = |out: &mut Vec<(Key, Node)>, key: &str, node: Node| out.push((Key::new(key), node));
    let vars = deferred("vars", true)?;
    put(&mut out, "vars", vars.clone());
    put(&mut out, "env", deferred("env", true)?);
    let mut auth = deferred("auth", true)?;
    if kind == "terraform"
        && let Some(global) = &config.auth
    {
        auth = merge_deferred(&[global, &auth], lists).map_err(|e| {
            let message = format!("failed to set value at auth.{}: cannot navigate path", e.path.join("."));
            job.refuse("deferred-function", message, node.pos())
        })?;
    }
    put(&mut out, "auth", auth.clone());
    if has_hooks(kind) {
        put(&mut out, "hooks", deferred("hooks", true)?);
    }
    if has_generate(kind) {
        put(&mut out, "generate", deferred("generate", true)?);
    }
    if kind == "terraform" {
        put(&mut out, "providers", deferred("providers", true)?);
        put(&mut out, "required_providers", deferred("required_providers", true)?);
        let version = [
            job.own_text(&overrides, "required_version", kind, name)?,
            job.own_text(node, "required_version", kind, name)?,
            bases.required_version.clone(),
        ];
        let version = version.into_iter().find(|v| !v.is_empty()).unwrap_or_default();
        put(&mut out, "required_version", found_text(&[&overrides, node], "required_version", &version));
        let test = deferred("test", false)?;
        if full(&test) {
            put(&mut out, "test", test);
        }
    }
    let mut final_settings = deferred("settings", true)?;
    if let Some(github) = &config.github {
        let own = final_settings.at_path(&["integrations", "github"]).filter(|n| n.map().is_some()).cloned();
        let joined = merge_all(&[github, &own.unwrap_or_else(Node::empty)], lists);
        let integrations = final_settings.get("integrations").and_then(Node::map).cloned().unwrap_or_default();
        let integrations = Node::new(Value::Map(integrations.with(Key::new("github"), joined)), Pos::none());
        let map = final_settings.map().cloned().unwrap_or_default();
        final_settings = Node::new(Value::Map(map.with(Key::new("integrations"), integrations)), final_settings.pos());
    }
    let is_abstract = metadata.get("type").and_then(Node::str) == Some("abstract");
    if kind == "terraform"
        && is_abstract
        && let (Some(map), Some(spacelift)) =
            (final_settings.map(), final_settings.get("spacelift").and_then(|s| Some((s.map()?, s.pos()))))
    {
        let spacelift = Node::new(Value::Map(spacelift.0.without(&["workspace_enabled"])), spacelift.1);
        final_settings = Node::new(Value::Map(map.with(Key::new("spacelift"), spacelift)), final_settings.pos());
    }
    put(&mut out, "settings", final_settings);
    let mut final_metadata = metadata.clone();
    let inherit = config.inherit_metadata && bases.metadata.as_ref().is_some_and(full);
    if full(&shared.metadata) || inherit {
        let low = bases.metadata.clone().filter(|_| inherit).unwrap_or_else(Node::empty);
        final_metadata = merge_all(&[&shared.metadata, &low, &metadata], lists);
    }
    problems.extend(selectors::refused(job, &final_metadata));
    put(&mut out, "metadata", final_metadata.clone());
    for key in ["dependencies", "locals", "mocks"] {
        if key == "mocks" && kind != "terraform" {
            continue;
        }
        let node = merge_all(&[global(key), based(key), mine(key)], lists);
        if full(&node) {
            put(&mut out, key, node);
        }
    }
    let secrets = [
        scoped(global("secrets"), "stack"),
        scoped(based("secrets"), "instance"),
        scoped(mine("secrets"), "instance"),
        scoped(&over("secrets")?, "instance"),
    ];
    for (layer, scope) in [
        (global("secrets"), "stack"),
        (based("secrets"), "instance"),
        (mine("secrets"), "instance"),
        (&over("secrets")?, "instance"),
    ] {
        problems.extend(scope_conflict(job, layer, scope));
    }
    let secrets = merge_all(&secrets.each_ref(), lists);
    if full(&secrets) {
        put(&mut out, "secrets", secrets);
    }
    let retry = merge_all(&[based("retry"), mine("retry"), &over("retry")?], base_lists);
    if full(&retry) {
        put(&mut out, "retry", retry);
    }
    let over_command = job.own_text(&overrides, "command", kind, name)?;
    let configured = config.components.get(kind).and_then(|c| c.command.clone()).unwrap_or_default();
    let configured =
        if matches!(kind, "terraform" | "helmfile" | "packer" | "ansible") { configured } else { String::new() };
    let command =
        [over_command, own_command, bases.command.clone(), shared.command.clone(), configured, kind.to_owned()]
            .into_iter()
            .find(|c| !c.is_empty())
            .unwrap_or_default();
    put(&mut out, "command", found_text(&[&overrides, node], "command", &command));
    let inheritance = job.shared.inheritance(&bases.chain);
    put(&mut out, "inheritance", inheritance);
    put(&mut out, "overrides", overrides.clone());
    let mut backend_type = String::new();
    if kind == "terraform" {
        let own_type = job.own_text(node, "backend_type", kind, name)?;
        let own_remote = job.own_text(node, "remote_state_backend_type", kind, name)?;
        let layers = Layers {
            global_type: &shared.backend_type,
            base_type: &bases.backend_type,
            own_type: &own_type,
            global: global("backend"),
            base: based("backend"),
            own: mine("backend"),
        };
        let named =
            Named { component: name, base: &base_name, metadata: &final_metadata, separator: &config.prefix_separator };
        let at = [node.get("backend_type"), shared.section.get("backend_type")]
            .into_iter()
            .flatten()
            .next()
            .map_or_else(|| node.pos(), Node::pos);
        let (kind_of, backend) = backend::backend(&layers, &named, base_lists).map_err(|m| {
            job.refuse(
                "backend-type-mismatch",
                format!("component \"{name}\" in stack \"{}\": {m}", job.file.as_str()),
                at,
            )
        })?;
        let remote = Layers {
            global_type: &shared.remote_type,
            base_type: &bases.remote_type,
            own_type: &own_remote,
            global: global("remote_state_backend"),
            base: based("remote_state_backend"),
            own: mine("remote_state_backend"),
        };
        let (remote_kind, remote) =
            backend::remote_state(&remote, name, (&kind_of, &backend), base_lists).map_err(|m| {
                job.refuse(
                    "backend-type-mismatch",
                    format!("component \"{name}\" in stack \"{}\": {m}", job.file.as_str()),
                    at,
                )
            })?;
        let written = |key: &str, value: &str| found_text(&[node, &shared.section], key, value);
        put(&mut out, "backend_type", written("backend_type", &kind_of));
        put(&mut out, "backend", backend);
        put(&mut out, "remote_state_backend_type", written("remote_state_backend_type", &remote_kind));
        put(&mut out, "remote_state_backend", remote);
        backend_type = kind_of;
    }
    if kind == "kubernetes" {
        let provider = job.own_text(node, "provider", kind, name)?;
        let provider = [provider, bases.provider.clone(), shared.provider.clone()]
            .into_iter()
            .find(|p| !p.is_empty())
            .unwrap_or_default();
        if !provider.is_empty() {
            put(&mut out, "provider", Node::text(&provider));
        }
        for key in ["paths", "manifests", "validate"] {
            let low = any_section(lists, shared.section.get(key), bases.anys.get(key));
            if let Some(node) = any_section(lists, low.as_ref(), node.get(key)) {
                put(&mut out, key, node);
            }
        }
        let low = bases.anys.get("render").unwrap_or(&empty);
        let global = bag(&shared.section, "render", &[]);
        let render = merge_all(&[&global, low, &job.own(node, "render", kind, name)?], lists);
        if full(&render) {
            put(&mut out, "render", render);
        }
    }
    if kind == "helm" {
        let low = bases.anys.get("helm").unwrap_or(&empty);
        let helm = merge_all(&[low, &bag(node, "helm", &HELM_KEYS)], lists);
        for (key, node) in helm.map().into_iter().flat_map(Map::entries) {
            out.push((*key, node.clone()));
        }
    }
    if matches!(kind, "helm" | "helmfile")
        && let Some(plugins) = any_section(lists, bases.anys.get("plugins"), node.get("plugins"))
    {
        put(&mut out, "plugins", plugins);
    }
    if has_source(kind) {
        let low = bases.source.clone().unwrap_or_else(Node::empty);
        put(&mut out, "source", merge_all(&[&shared.source, &low, &own_source], lists));
        put(&mut out, "provision", merge_all(&[global("provision"), based("provision"), mine("provision")], lists));
    }
    put(&mut out, "component", Key::new(if base_name.is_empty() { name } else { &base_name }).node());
    let who = Who {
        kind,
        name,
        stack_name,
        vars: &vars,
        metadata: &final_metadata,
        backend_type: &backend_type,
        is_abstract,
    };
    let stack = finish(job, &who, &mut out, &mut problems, node);
    let mut sections = Map::from_entries(out);
    if kind == "terraform" && !config.include_empty {
        let kept = sections.entries().iter().filter(|(_, v)| v.map().is_none_or(|m| !m.is_empty())).cloned().collect();
        sections = Map::sorted(kept);
    }
    let count = u32::try_from(problems.len()).unwrap_or(u32::MAX);
    Ok((
        Instance {
            name: Key::new(name),
            kind,
            stack,
            sections,
            bases: bases.order.into_boxed_slice(),
            is_abstract,
            problems: count,
        },
        problems,
    ))
}

/// Tells whether a base is named more than once: then what was collected up to its first visit counts again.
fn names_twice(component: Option<&Node>, inherits: Option<&Node>) -> bool {
    let listed = inherits.and_then(Node::list).unwrap_or_default();
    let names: Vec<&str> = listed.iter().chain(component).filter_map(Node::str).collect();
    names.iter().enumerate().any(|(i, name)| names[..i].contains(name))
}

/// Writes into each declared secret where it was declared.
fn scoped(section: &Node, scope: &str) -> Node {
    let Some((map, vars)) = section.map().and_then(|m| Some((m, m.get("vars")?))) else { return section.clone() };
    let Some(all) = vars.map() else { return section.clone() };
    let entries = all.entries().iter().map(|(name, spec)| match spec.map() {
        Some(m) if m.get("scope").and_then(Node::str) != Some("global") => {
            (*name, Node::new(Value::Map(m.with(Key::new("scope"), Node::text(scope))), spec.pos()))
        }
        _ => (*name, spec.clone()),
    });
    let vars = Node::new(Value::Map(Map::sorted(entries.collect())), vars.pos());
    Node::new(Value::Map(map.with(Key::new("vars"), vars)), section.pos())
}

/// Says which secret declares another scope than its place implies: Atmos refuses that.
fn scope_conflict(job: &Job<'_>, section: &Node, scope: &str) -> Option<Diagnostic> {
    let vars = section.get("vars").and_then(Node::map)?;
    vars.entries().iter().find_map(|(name, spec)| {
        let declared = spec.get("scope")?;
        let other = declared.str().filter(|s| !s.is_empty() && *s != scope && *s != "global")?;
        let message = format!(
            "invalid component secrets section: secret \"{}\" declares scope \"{other}\" but its position implies \"{scope}\"",
            name.as_str()
        );
        Some(*job.refuse("secret-scope", message, declared.pos()))
    })
}

/// Returns a text with the place of the first node that wrote it.
fn found_text(nodes: &[&Node], key: &str, value: &str) -> Node {
    nodes
        .iter()
        .filter_map(|n| n.get(key))
        .find(|n| n.str() == Some(value))
        .cloned()
        .unwrap_or_else(|| Key::new(value).node())
}
