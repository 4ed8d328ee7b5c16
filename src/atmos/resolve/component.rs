//! The sections of each component of one stack file.

use std::{collections::HashMap, path::Path, sync::Arc};

use super::super::{
    files::Kind,
    import::{Engine, Merged},
    merge::{ListStrategy, merge_all, merge_deferred},
    node::{Key, Map, Node, Pos, Value},
    template::{self, MissingKey, TemplateOptions},
};
use super::{
    Instance, Stack, TYPES,
    backend::{self, Layers, Named},
    full, names,
};
use crate::domain::stack::{Diagnostic, Severity};

const GLOBAL_METADATA: [&str; 6] = ["labels", "tags", "custom", "enabled", "locked", "terraform_workspace_pattern"];
const HELM_KEYS: [&str; 9] =
    ["chart", "values", "values_files", "repositories", "render", "version", "repository", "namespace", "name"];

fn has_hooks(kind: &str) -> bool {
    matches!(kind, "terraform" | "kubernetes" | "helm" | "helmfile")
}
fn has_generate(kind: &str) -> bool {
    matches!(kind, "terraform" | "kubernetes" | "helm")
}
fn has_source(kind: &str) -> bool {
    matches!(kind, "terraform" | "helmfile" | "packer" | "kubernetes" | "helm")
}

/// Sections that are maps, of which types; each is merged over the layers.
const MAPS: [&str; 17] = [
    "vars",
    "settings",
    "env",
    "auth",
    "secrets",
    "dependencies",
    "locals",
    "providers",
    "required_providers",
    "hooks",
    "test",
    "mocks",
    "generate",
    "backend",
    "remote_state_backend",
    "provision",
    "retry",
];

fn applies(section: &str, kind: &str) -> bool {
    match section {
        "providers" | "required_providers" | "test" | "mocks" | "backend" | "remote_state_backend" => {
            kind == "terraform"
        }
        "hooks" => has_hooks(kind),
        "generate" => has_generate(kind),
        "provision" => has_source(kind),
        "secrets" => !matches!(kind, "kubernetes" | "helm"),
        _ => true,
    }
}

/// What the bases of a component give it.
#[derive(Clone, Default)]
struct Bases {
    maps: HashMap<&'static str, Node>,
    metadata: Option<Node>,
    source: Option<Node>,
    anys: HashMap<&'static str, Node>,
    command: String,
    backend_type: String,
    remote_type: String,
    required_version: String,
    provider: String,
    final_name: String,
    chain: Vec<Key>,
    order: Vec<Key>,
}

struct Job<'a> {
    engine: &'a Engine<'a>,
    file: Key,
    merged: &'a Merged,
    problems: Vec<Diagnostic>,
}

type Refused = Box<Diagnostic>;

impl Job<'_> {
    fn refuse(&self, code: &str, message: String, at: Pos) -> Refused {
        Box::new(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message,
            hint: None,
            source: at.source(),
            stack: Some(self.file.as_str().to_owned()),
        })
    }

    fn section(&mut self, node: Option<&Node>, key: &str, what: &str) -> Node {
        let Some(found) = node.and_then(|n| n.get(key)) else { return Node::empty() };
        if found.map().is_some() {
            return found.clone();
        }
        let message = format!("invalid {what}{key} section in file '{}'", self.file.as_str());
        let code = format!("invalid-{}-section", key.replace('_', "-"));
        let problem = self.refuse(&code, message, found.pos());
        self.problems.push(*problem);
        Node::empty()
    }

    fn text(&mut self, node: &Node, key: &str, what: &str) -> String {
        match node.get(key) {
            Some(n) => match n.str() {
                Some(s) => s.to_owned(),
                None => {
                    let message = format!("invalid {what}{key} section in file '{}'", self.file.as_str());
                    let problem = self.refuse(&format!("invalid-{}", key.replace('_', "-")), message, n.pos());
                    self.problems.push(*problem);
                    String::new()
                }
            },
            None => String::new(),
        }
    }

    fn effective(&self, base: ListStrategy, layers: &[&Node]) -> Result<ListStrategy, Refused> {
        let mut out = base;
        for layer in layers {
            if let Some(node) = layer.get("list_merge_strategy")
                && let Some(name) = node.str().filter(|s| !s.is_empty())
            {
                out = ListStrategy::parse(name).ok_or_else(|| {
                    let message = format!(
                        "merge error: invalid list merge strategy: '{name}'. Supported list merge strategies are: replace, append, merge"
                    );
                    self.refuse("invalid-list-merge-strategy", message, node.pos())
                })?;
            }
        }
        Ok(out)
    }

    /// Returns one of a component's sections, an empty map where it has none.
    fn own(&self, map: &Node, key: &str, kind: &str, name: &str) -> Result<Node, Refused> {
        match map.get(key) {
            None => Ok(Node::empty()),
            Some(n) if n.map().is_some() => Ok(n.clone()),
            Some(n) => {
                let message = format!(
                    "invalid component {key} section: 'components.{kind}.{name}.{key}' in the file '{}'",
                    self.file.as_str()
                );
                Err(self.refuse(&format!("invalid-component-{}", key.replace('_', "-")), message, n.pos()))
            }
        }
    }

    fn own_text(&self, map: &Node, key: &str, kind: &str, name: &str) -> Result<String, Refused> {
        match map.get(key) {
            None => Ok(String::new()),
            Some(n) => n.str().map(str::to_owned).ok_or_else(|| {
                let message = format!(
                    "invalid component {key} attribute: 'components.{kind}.{name}.{key}' in the file '{}'",
                    self.file.as_str()
                );
                self.refuse(&format!("invalid-component-{}", key.replace('_', "-")), message, n.pos())
            }),
        }
    }

    fn source_section(&self, map: &Node, kind: &str, name: &str) -> Result<Node, Refused> {
        match map.get("source") {
            Some(n) if n.str().is_some() => Ok(match n.str() {
                Some("") | None => Node::empty(),
                Some(_) => Node::map_of(vec![(Key::new("uri"), n.clone())]),
            }),
            _ => self.own(map, "source", kind, name),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what one step of the recursion needs")]
    fn base(
        &self,
        bases: &mut Bases,
        all: &Map,
        kind: &str,
        component: &str,
        base: &Node,
        lists: ListStrategy,
        visited: &mut Vec<(String, String)>,
    ) -> Result<(), Refused> {
        let Some(name) = base.str() else {
            let message = format!(
                "invalid component metadata.inherits section: '{component}.metadata.inherits' in the stack '{}'",
                self.file.as_str()
            );
            return Err(self.refuse("invalid-inherits", message, base.pos()));
        };
        if component == name {
            return Ok(());
        }
        let key = (component.to_owned(), name.to_owned());
        if visited.contains(&key) || visited.len() > 200 {
            let message = format!(
                "circular component inheritance detected: '{component}' -> '{name}' in the stack '{}'",
                self.file.as_str()
            );
            return Err(self.refuse("inheritance-cycle", message, base.pos()));
        }
        let Some(node) = all.get(name) else {
            let folder = self.engine.config.components.get(kind).and_then(|c| c.base_path.as_ref());
            let there = folder.is_some_and(|f| self.engine.options.files.kind(&f.join(name)) == Some(Kind::Folder));
            if there {
                return Ok(());
            }
            let message = format!(
                "The component '{component}' inherits from the base component '{name}' (using 'component:' attribute), but `{name}' is not defined in any of the YAML config files for the stack '{}'",
                self.file.as_str()
            );
            return Err(self.refuse("base-not-found", message, base.pos()));
        };
        if node.map().is_none() {
            let message = format!("invalid base component config '{name}' of the component '{component}'");
            return Err(self.refuse("invalid-component", message, node.pos()));
        }
        visited.push(key);
        let metadata = self.own(node, "metadata", kind, name)?;
        if metadata.get("type").and_then(Node::str) != Some("abstract")
            && let Some(inner) = node.get("component")
        {
            self.base(bases, all, kind, name, inner, lists, visited)?;
        }
        if let Some(list) = metadata.get("inherits").and_then(Node::list) {
            for item in list {
                if let Some(name) = item.str().filter(|n| all.get(n).is_none()) {
                    return Err(self.unknown_base(component, name, all, item.pos()));
                }
                self.base(bases, all, kind, component, item, lists, visited)?;
            }
        }
        let level = self.effective(lists, &[&self.own(node, "settings", kind, name)?])?;
        for section in MAPS {
            if section == "provision" && !self.engine.config.inherit_source {
                continue;
            }
            let own = self.own(node, section, kind, name)?;
            if full(&own) {
                let strategy = if section == "secrets" { self.engine.lists } else { level };
                let low = bases.maps.entry(section).or_insert_with(Node::empty);
                *low = merge_all(&[low, &own], strategy);
            }
        }
        if self.engine.config.inherit_metadata {
            let own = Node::new(
                Value::Map(metadata.map().map(|m| m.without(&["inherits", "type"])).unwrap_or_default()),
                metadata.pos(),
            );
            let low = bases.metadata.clone().unwrap_or_else(Node::empty);
            bases.metadata = Some(merge_all(&[&low, &own], level));
        }
        if self.engine.config.inherit_source {
            let own = self.source_section(node, kind, name)?;
            let low = bases.source.clone().unwrap_or_else(Node::empty);
            bases.source = Some(merge_all(&[&low, &own], level));
        }
        for any in ["paths", "manifests", "validate", "plugins"] {
            if let Some(own) = node.get(any).filter(|n| !n.is_null()) {
                let joined = any_section(level, bases.anys.get(any), Some(own));
                bases.anys.extend(joined.map(|n| (any, n)));
            }
        }
        for (slot, keys) in [("render", &["render"][..]), ("helm", &HELM_KEYS[..])] {
            let own = bag(node, slot, keys);
            if full(&own) {
                let low = bases.anys.get(slot).cloned().unwrap_or_else(Node::empty);
                bases.anys.insert(slot, merge_all(&[&low, &own], level));
            }
        }
        let version = self.own_text(node, "required_version", kind, name)?;
        if !version.is_empty() {
            bases.required_version = version;
        }
        let provider = if kind == "kubernetes" { self.own_text(node, "provider", kind, name)? } else { String::new() };
        if !provider.is_empty() {
            bases.provider = provider;
        }
        bases.command = self.own_text(node, "command", kind, name)?;
        bases.backend_type = self.own_text(node, "backend_type", kind, name)?;
        bases.remote_type = self.own_text(node, "remote_state_backend_type", kind, name)?;
        if bases.final_name.is_empty() {
            name.clone_into(&mut bases.final_name);
        }
        let key = Key::new(name);
        if !bases.chain.contains(&key) {
            bases.chain.insert(0, key);
        } else {
            bases.chain.retain(|k| *k != key);
            bases.chain.insert(0, key);
        }
        bases.order.push(key);
        visited.pop();
        Ok(())
    }

    fn unknown_base(&self, component: &str, name: &str, all: &Map, at: Pos) -> Refused {
        let stack = self.file.as_str();
        let mut problem = self.refuse(
            "base-not-found",
            format!(
                "component not defined in any config files: the component '{component}' in the stack manifest '{stack}' inherits from '{name}' (using 'metadata.inherits'), but '{name}' is not defined in any of the config files for the stack '{stack}'"
            ),
            at,
        );
        problem.hint = super::super::did_you_mean(name, all.entries().iter().map(|(k, _)| k.as_str().to_owned()))
            .map(|best| format!("did you mean '{best}'?"));
        problem
    }
}

fn bag(node: &Node, slot: &str, keys: &[&str]) -> Node {
    if slot == "render" {
        return node.get("render").filter(|n| n.map().is_some()).cloned().unwrap_or_else(Node::empty);
    }
    Node::map_of(keys.iter().filter_map(|k| Some((Key::new(k), node.get(k)?.clone()))).collect())
}

fn any_section(lists: ListStrategy, low: Option<&Node>, high: Option<&Node>) -> Option<Node> {
    let key = Key::new("any");
    let wrap = |n: &Node| Node::map_of(vec![(key, n.clone())]);
    let layers: Vec<Node> = [low, high].into_iter().flatten().filter(|n| !n.is_null()).map(wrap).collect();
    let refs: Vec<&Node> = layers.iter().collect();
    merge_all(&refs, lists).get("any").cloned()
}

/// What all components of one type in one stack share.
struct Shared {
    maps: HashMap<&'static str, Node>,
    metadata: Node,
    source: Node,
    command: String,
    backend_type: String,
    remote_type: String,
    provider: String,
    section: Node,
}

/// Resolves every component of one stack file.
pub(in super::super) fn resolve_stack(engine: &Engine<'_>, path: &Path, file: &str, merged: Arc<Merged>) -> Stack {
    let file = Key::new(file);
    let config = merged.config.clone();
    let mut job = Job { engine, file, merged: &merged, problems: Vec::new() };
    let mut instances = Vec::new();
    let name = config.get("name").and_then(Node::str).filter(|n| !n.is_empty()).map(str::to_owned);
    let mut metadata = job.section(Some(&config), "metadata", "global ");
    if let Some(map) = metadata.map() {
        let odd: Vec<&(Key, Node)> =
            map.entries().iter().filter(|(k, _)| !GLOBAL_METADATA.contains(&k.as_str())).collect();
        if let Some((key, node)) = odd.first() {
            let message = format!("metadata field is not allowed at global (stack-wide) scope: '{}'", key.as_str());
            let mut problem = job.refuse("global-metadata-key", message, node.pos());
            problem.hint = Some(
                "Global metadata only supports: labels, tags, custom, enabled, locked, terraform_workspace_pattern"
                    .into(),
            );
            job.problems.push(*problem);
            let odd: Vec<&str> = odd.iter().map(|(k, _)| k.as_str()).collect();
            metadata = Node::new(Value::Map(map.without(&odd)), metadata.pos());
        }
    }
    let mut globals: HashMap<&'static str, Node> = HashMap::new();
    for key in ["vars", "hooks", "settings", "env", "generate", "auth", "secrets", "dependencies"] {
        let node = job.section(Some(&config), key, "");
        globals.insert(key, node);
    }
    let components = job.section(Some(&config), "components", "");
    for kind in TYPES {
        let Some(all) = components.get(kind) else { continue };
        let Some(all_map) = all.map() else {
            let message = format!("invalid components.{kind} section in file '{}'", file.as_str());
            let problem = job.refuse("invalid-components-section", message, all.pos());
            job.problems.push(*problem);
            continue;
        };
        if matches!(kind, "container" | "emulator") {
            custom(&mut job, kind, all_map, &globals, &metadata, name.as_deref(), &mut instances);
            continue;
        }
        let shared = shared(&mut job, kind, &config, &globals, &metadata);
        for (component, node) in all_map.entries() {
            match one(&job, kind, component.as_str(), node, all_map, &shared, name.as_deref()) {
                Ok((instance, problems)) => {
                    job.problems.extend(problems);
                    instances.push(Arc::new(instance));
                }
                Err(problem) => job.problems.push(*problem),
            }
        }
    }
    let problems = job.problems;
    Stack { path: path.to_path_buf(), file, instances, problems, named: name.is_some(), merged }
}

fn shared(
    job: &mut Job<'_>,
    kind: &'static str,
    config: &Node,
    globals: &HashMap<&'static str, Node>,
    metadata: &Node,
) -> Shared {
    let section = job.section(Some(config), kind, "");
    let lists = job.engine.lists;
    let empty = Node::empty();
    let mut maps = HashMap::new();
    let what = format!("{kind}.");
    for key in MAPS {
        let typed = match key {
            "secrets" | "locals" | "test" | "mocks" | "retry" | "required_providers" => false,
            "hooks" | "generate" => has_generate(kind),
            _ => applies(key, kind),
        };
        if !applies(key, kind) {
            continue;
        }
        let global = match key {
            "hooks" | "generate" if !has_generate(kind) => &empty,
            _ => globals.get(key).unwrap_or(&empty),
        };
        let own = if typed { job.section(Some(&section), key, &what) } else { empty.clone() };
        let own = if key == "provision" && !matches!(kind, "terraform" | "kubernetes" | "helm") {
            empty.clone()
        } else {
            own
        };
        let mut layers = vec![global, &own];
        if key == "env"
            && let Some(env) = &job.engine.config.env
        {
            layers.insert(0, env);
        }
        maps.insert(key, merge_all(&layers, lists));
    }
    let source = if matches!(kind, "terraform" | "kubernetes" | "helm") {
        job.section(Some(&section), "source", &what)
    } else {
        empty.clone()
    };
    let terraform = kind == "terraform";
    Shared {
        command: job.text(&section, "command", &what),
        backend_type: if terraform { job.text(&section, "backend_type", &what) } else { String::new() },
        remote_type: if terraform { job.text(&section, "remote_state_backend_type", &what) } else { String::new() },
        provider: if kind == "kubernetes" { job.text(&section, "provider", &what) } else { String::new() },
        maps,
        metadata: metadata.clone(),
        source,
        section,
    }
}
fn one(
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
    let mut own: HashMap<&'static str, Node> = HashMap::new();
    for section in MAPS {
        if applies(section, kind) || section == "secrets" {
            own.insert(section, job.own(node, section, kind, name)?);
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
        snapshots.insert(base.str().unwrap_or("").to_owned(), bases.clone());
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
            snapshots.insert(item.str().unwrap_or("").to_owned(), bases.clone());
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
        auth = merge_all(&[global, &auth], lists);
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
    let inheritance = if bases.chain.is_empty() {
        Node::new(Value::Null, Pos::none())
    } else {
        Node::new(Value::List(bases.chain.iter().map(|k| Node::text(k.as_str())).collect()), Pos::none())
    };
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
    put(&mut out, "component", Node::text(if base_name.is_empty() { name } else { &base_name }));
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
            bases: bases.order,
            inheritance: bases.chain,
            is_abstract,
            problems: count,
        },
        problems,
    ))
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

/// Returns a text with the place of the first node that wrote it.
fn found_text(nodes: &[&Node], key: &str, value: &str) -> Node {
    nodes
        .iter()
        .filter_map(|n| n.get(key))
        .find(|n| n.str() == Some(value))
        .cloned()
        .unwrap_or_else(|| Node::text(value))
}

struct Who<'a> {
    kind: &'static str,
    name: &'a str,
    stack_name: Option<&'a str>,
    vars: &'a Node,
    metadata: &'a Node,
    backend_type: &'a str,
    is_abstract: bool,
}

/// Adds the derived keys; returns the stack's name.
fn finish(
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
        env: Arc::new(job.engine.options.env.clone()),
        ..TemplateOptions::default()
    };
    let from_template = |problems: &mut Vec<Diagnostic>| match template::render(
        "name-template",
        &config.name_template,
        &data(),
        &options(),
    ) {
        Ok(name) => name,
        Err(e) => {
            if !who.is_abstract {
                let problem = job.refuse("name-template", e.message, node.pos());
                problems.push(Diagnostic {
                    hint: Some(format!("component '{}' decides a name too", who.name)),
                    ..*problem
                });
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
            let message = "'stacks.name_template' (or the deprecated 'stacks.name_pattern') needs to be specified in 'atmos.yaml'";
            let problem = job.refuse(
                "name-not-configured",
                message.to_owned(),
                Pos { file: Key::new("atmos.yaml"), line: 1, column: 1 },
            );
            problems.push(Diagnostic { stack: None, ..*problem });
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
        out.push((Key::new("workspace"), Node::text(&workspace)));
    }
    let stack = Node::text(&name);
    let manifest = Node::text(file);
    for (k, n) in [
        ("atmos_component", Node::text(who.name)),
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
    let mut info = vec![(Key::new("component_type"), Node::text(who.kind))];
    if !base.is_empty() {
        let prefix = who.metadata.get("component_folder_prefix").and_then(Node::str).map_or("", str::trim);
        let path = super::super::config::clean(&Path::new(&base).join(prefix).join(&component));
        info.push((Key::new("component_path"), Node::text(&path.to_string_lossy())));
    }
    out.push((Key::new("component_info"), Node::map_of(info)));
    key
}

/// Container and emulator components keep all their keys.
fn custom(
    job: &mut Job<'_>,
    kind: &'static str,
    all: &Map,
    globals: &HashMap<&'static str, Node>,
    metadata: &Node,
    stack_name: Option<&str>,
    instances: &mut Vec<Arc<Instance>>,
) {
    for (name, node) in all.entries() {
        if node.map().is_none() {
            let message = format!("custom component '{}' in type '{kind}' must be a map", name.as_str());
            let problem = job.refuse("invalid-component", message, node.pos());
            job.problems.push(*problem);
            continue;
        }
        let mut order = Vec::new();
        let resolved = inherit_custom(job.engine.lists, node, all, &mut vec![], &mut order);
        let mut out: Vec<(Key, Node)> = resolved.map().map(|m| m.entries().to_vec()).unwrap_or_default();
        let shallow = |key: &str| -> Node {
            let mut map = globals.get(key).and_then(Node::map).cloned().unwrap_or_default();
            for (k, v) in resolved.get(key).and_then(Node::map).into_iter().flat_map(Map::entries) {
                map = map.with(*k, v.clone());
            }
            Node::new(Value::Map(map), node.pos())
        };
        for key in ["vars", "settings", "env"] {
            let section = shallow(key);
            if key == "vars" || full(&section) {
                out.push((Key::new(key), section));
            }
        }
        let own = resolved.get("metadata").filter(|n| n.map().is_some()).cloned().unwrap_or_else(Node::empty);
        let own = merge_all(&[metadata, &own], job.engine.lists);
        if full(&own) {
            out.push((Key::new("metadata"), own.clone()));
        }
        out.push((Key::new("component"), Node::text(name.as_str())));
        out.push((Key::new("component_type"), Node::text(kind)));
        let vars = shallow("vars");
        let is_abstract = own.get("type").and_then(Node::str) == Some("abstract");
        let who =
            Who { kind, name: name.as_str(), stack_name, vars: &vars, metadata: &own, backend_type: "", is_abstract };
        let mut problems = Vec::new();
        let stack = finish(job, &who, &mut out, &mut problems, node);
        let count = u32::try_from(problems.len()).unwrap_or(u32::MAX);
        job.problems.extend(problems);
        instances.push(Arc::new(Instance {
            name: *name,
            kind,
            stack,
            sections: Map::from_entries(out),
            bases: order,
            inheritance: Vec::new(),
            is_abstract,
            problems: count,
        }));
    }
    let _ = job.merged;
}

fn inherit_custom(lists: ListStrategy, node: &Node, all: &Map, visited: &mut Vec<Key>, order: &mut Vec<Key>) -> Node {
    let bases = node.at_path(&["metadata", "inherits"]).and_then(Node::list).unwrap_or_default();
    let mut merged = Node::empty();
    for base in bases.iter().filter_map(Node::str).filter(|b| !b.is_empty()) {
        let key = Key::new(base);
        let Some(found) = all.get(base).filter(|n| n.map().is_some()).filter(|_| !visited.contains(&key)) else {
            continue;
        };
        visited.push(key);
        let resolved = inherit_custom(lists, found, all, visited, order);
        visited.pop();
        order.push(key);
        let Some(map) = resolved.map() else { continue };
        let clean = match map.get("metadata").and_then(Node::map) {
            Some(m) => {
                let left = m.without(&["type", "inherits", "component"]);
                if left.is_empty() {
                    map.without(&["metadata"])
                } else {
                    map.with(Key::new("metadata"), Node::new(Value::Map(left), Pos::none()))
                }
            }
            None => map.clone(),
        };
        merged = merge_all(&[&merged, &Node::new(Value::Map(clean), resolved.pos())], lists);
    }
    if full(&merged) { merge_all(&[&merged, node], lists) } else { node.clone() }
}
