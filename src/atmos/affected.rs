//! Which instances a change reaches, as `atmos describe affected` says it, with the lines that caused it.
//!
//! Two resolved estates are compared section by section, and the files that changed are looked for in the components'
//! folders, their local modules, and the files and folders that `dependencies` names. The reasons and their order are Atmos'.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::catalog::module;
use super::config::{clean, display};
use super::estate::Estate;
use super::files::Files;
use super::node::Node;
use super::resolve::{Instance, run_tokens};
use super::{depends, diff};
use crate::domain::comparison::{Affected, Cause, Dependent};
use crate::domain::stack::InstanceRef;

/// The sections that are compared after metadata and files, unless `describe.affected.sections` names others.
const SECTIONS: [&str; 15] = [
    "vars",
    "env",
    "providers",
    "required_providers",
    "required_version",
    "generate",
    "backend",
    "backend_type",
    "remote_state_backend",
    "remote_state_backend_type",
    "auth",
    "command",
    "dependencies",
    "source",
    "provision",
];
const KUBERNETES: [&str; 10] =
    ["vars", "env", "source", "provision", "generate", "provider", "paths", "manifests", "render", "validate"];
const HELM: [&str; 10] =
    ["vars", "env", "source", "provision", "generate", "render", "values", "values_files", "chart", "repositories"];
const TYPES: [&str; 5] = ["terraform", "helmfile", "packer", "kubernetes", "helm"];
/// The types whose deletion Atmos tells.
const DELETED: [&str; 3] = ["terraform", "helmfile", "packer"];

/// How affected instances are told.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only those of this stack.
    pub stack: Option<String>,
    /// Leaves out those with `metadata.locked`.
    pub exclude_locked: bool,
    /// Their settings too.
    pub include_settings: bool,
    /// What needs them too.
    pub include_dependents: bool,
}

type Named<'e> = BTreeMap<(&'e str, &'e str, &'static str), &'e Instance>;

/// Returns the instances that differ between `base` and `head` or use one of the `changed` files (absolute paths), by
/// stack and component; those that are gone come last. Without a `base` there was nothing before.
#[must_use]
pub fn affected(
    base: Option<&Estate>,
    head: &Estate,
    changed: &[PathBuf],
    files: &dyn Files,
    options: &Options,
) -> Vec<Affected> {
    let (old, new) = (base.map(named).unwrap_or_default(), named(head));
    let mut job = Job { head, changed, files, modules: HashMap::new() };
    let wanted = |stack: &str| options.stack.as_deref().is_none_or(|wanted| wanted == stack);
    let mut out = Vec::new();
    for (key, instance) in new.iter().filter(|((stack, ..), i)| wanted(stack) && TYPES.contains(&i.kind)) {
        let flag = |name: &str| metadata(instance, name).and_then(Node::bool);
        let skipped = instance.is_abstract
            || flag("enabled") == Some(false)
            || (options.exclude_locked && flag("locked") == Some(true));
        if skipped {
            continue;
        }
        let causes = job.causes(old.get(key).copied(), instance);
        if let Some(mut affected) = tell(head, instance, causes) {
            affected.settings = options.include_settings.then(|| json(instance, "settings"));
            out.push(affected);
        }
    }
    if options.include_dependents {
        add_dependents(head, &mut out, options.include_settings);
    }
    for ((stack, _, kind), instance) in
        old.iter().filter(|((stack, _, kind), _)| wanted(stack) && DELETED.contains(kind))
    {
        let gone = !new.contains_key(&(*stack, instance.name.as_str(), *kind));
        if let (true, Some(base)) = (gone && !instance.is_abstract, base) {
            let whole = !new.keys().any(|(other, ..)| other == stack);
            out.push(deleted(base, instance, whole));
        }
    }
    out
}

fn named(estate: &Estate) -> Named<'_> {
    estate.all().map(|(_, i)| ((i.stack.as_str(), i.name.as_str(), i.kind), i)).collect()
}

fn metadata<'a>(instance: &'a Instance, name: &str) -> Option<&'a Node> {
    instance.sections.get("metadata").and_then(|m| m.get(name))
}

fn json(instance: &Instance, section: &str) -> serde_json::Value {
    instance.sections.get(section).map_or_else(|| serde_json::json!({}), Node::to_json)
}

struct Job<'a> {
    head: &'a Estate,
    changed: &'a [PathBuf],
    files: &'a dyn Files,
    /// The local modules that a component's folder calls.
    modules: HashMap<PathBuf, Vec<PathBuf>>,
}

impl Job<'_> {
    /// Returns why an instance is affected, in the order in which Atmos looks.
    fn causes(&mut self, old: Option<&Instance>, new: &Instance) -> Vec<Cause> {
        let mut out = Vec::new();
        sections(&mut out, old, new, &["metadata"]);
        if let Some(folder) = self.folder(new) {
            if new.kind == "terraform" {
                let called = self.modules.entry(folder.clone()).or_insert_with(|| {
                    let sources = module::read(self.files, &folder, "").local_modules;
                    sources.iter().map(|source| clean(&folder.join(source))).collect()
                });
                let called = called.clone();
                self.files_below(&mut out, "component.module", called.iter());
            }
            self.files_below(&mut out, "component", std::iter::once(&folder));
        }
        match (new.kind, self.configured()) {
            ("kubernetes", configured) => {
                let mut names: Vec<&str> = KUBERNETES.to_vec();
                let more = configured.as_deref().unwrap_or_default().iter().map(String::as_str);
                let more: Vec<&str> = if configured.is_some() { more.collect() } else { SECTIONS.to_vec() };
                names.extend(more.into_iter().filter(|name| !KUBERNETES.contains(name)));
                sections(&mut out, old, new, &names);
            }
            ("helm", _) => sections(&mut out, old, new, &HELM),
            (_, Some(names)) => sections(&mut out, old, new, &names.iter().map(String::as_str).collect::<Vec<_>>()),
            (_, None) => sections(&mut out, old, new, &SECTIONS),
        }
        sections(&mut out, old, new, &["settings"]);
        for (kind, path) in depends::files(new) {
            let place = clean(&self.head.root().join(&path));
            let before = out.len();
            if kind == "file" {
                let hit = self.changed.iter().filter(|changed| **changed == place);
                out.extend(hit.map(|file| self.file_cause("file", file)));
            } else {
                self.files_below(&mut out, "folder", std::iter::once(&place));
            }
            if out.len() > before {
                // Atmos tells the first.
                break;
            }
        }
        out
    }

    fn configured(&self) -> Option<Vec<String>> {
        let list = self.head.config().raw.pointer("/describe/affected/sections")?.as_array()?;
        let names: Vec<String> = list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        (!names.is_empty()).then_some(names)
    }

    fn folder(&self, instance: &Instance) -> Option<PathBuf> {
        let base = self.head.config().components.get(instance.kind)?.base_path.as_ref()?;
        let pointer = instance.sections.get("component").and_then(Node::str).filter(|name| !name.is_empty());
        Some(clean(&base.join(pointer.unwrap_or(instance.name.as_str()))))
    }

    fn files_below<'p>(&self, out: &mut Vec<Cause>, reason: &str, folders: impl Iterator<Item = &'p PathBuf>) {
        for folder in folders {
            let hit = self.changed.iter().filter(|file| file.starts_with(folder));
            out.extend(hit.map(|file| self.file_cause(reason, file)));
        }
    }

    fn file_cause(&self, reason: &str, file: &Path) -> Cause {
        Cause {
            reason: reason.to_owned(),
            file: Some(display(self.head.root(), file)),
            line: None,
            column: None,
            path: None,
            before: None,
            after: None,
        }
    }
}

/// Adds a cause for each leaf of the sections that differs; one for the whole section where no leaf does and yet Atmos
/// tells it (an instance that is new).
fn sections(out: &mut Vec<Cause>, old: Option<&Instance>, new: &Instance, names: &[&str]) {
    for name in names {
        let (before, after) = (old.and_then(|i| i.sections.get(name)), new.sections.get(name));
        let equal = match (before, after) {
            // What an instance has lost is told of `validate` only.
            (before, None) => *name != "validate" || before.is_none(),
            (before, after) => before == after,
        };
        if equal {
            continue;
        }
        let reason = format!("stack.{name}");
        let leaves = diff::section(before, after, name);
        if leaves.is_empty() {
            let source = after.and_then(|node| node.pos().source());
            out.push(Cause {
                reason,
                file: source.as_ref().map(|s| s.file.clone()),
                line: source.as_ref().map(|s| s.line),
                column: source.as_ref().map(|s| s.column),
                path: None,
                before: None,
                after: None,
            });
            continue;
        }
        out.extend(leaves.into_iter().map(|leaf| {
            // A value that is gone has its line in the other revision only.
            let source = leaf.after.as_ref().or(leaf.before.as_ref()).and_then(|node| node.pos().source());
            Cause {
                reason: reason.clone(),
                file: source.as_ref().map(|s| s.file.clone()),
                line: source.as_ref().map(|s| s.line),
                column: source.as_ref().map(|s| s.column),
                path: Some(leaf.path),
                before: leaf.before.map(|node| node.to_json()),
                after: leaf.after.map(|node| node.to_json()),
            }
        }));
    }
}

fn tell(estate: &Estate, instance: &Instance, causes: Vec<Cause>) -> Option<Affected> {
    let mut all: Vec<String> = Vec::new();
    for cause in &causes {
        if all.last() != Some(&cause.reason) {
            all.push(cause.reason.clone());
        }
    }
    let first = all.first()?.clone();
    let of = |reason: &str| causes.iter().find(|cause| cause.reason == reason).and_then(|cause| cause.file.clone());
    let named = depends::files(instance);
    let dependency = |reason: &str, hit: &str| {
        let holds =
            |(kind, path): &&(String, String)| kind == reason && (hit == path || Path::new(hit).starts_with(path));
        named.iter().find(holds).map(|(_, path)| path.clone()).unwrap_or_default()
    };
    Some(Affected {
        file: of("file").map(|hit| dependency("file", &hit)).unwrap_or_default(),
        folder: of("folder").map(|hit| dependency("folder", &hit)).unwrap_or_default(),
        affected: first,
        affected_all: all,
        causes,
        ..card(estate, instance)
    })
}

/// Returns what tells which instance it is.
fn card(estate: &Estate, instance: &Instance) -> Affected {
    let name = instance.name.as_str();
    let stack = instance.stack.as_str();
    Affected {
        component: name.to_owned(),
        component_type: instance.kind.to_owned(),
        component_path: path(estate, instance),
        stack: stack.to_owned(),
        stack_slug: format!("{stack}-{}", name.replace('/', "-")),
        spacelift_stack: spacelift(instance),
        atlantis_project: atlantis(estate, instance),
        ..Affected::default()
    }
}

fn path(estate: &Estate, instance: &Instance) -> String {
    let told = instance.sections.get("component_info").and_then(|info| info.get("component_path")).and_then(Node::str);
    told.map_or_else(
        || {
            let base = estate.config().components.get(instance.kind).map(|c| c.base_path_text.clone());
            let pointer = instance.sections.get("component").and_then(Node::str).unwrap_or(instance.name.as_str());
            clean(&Path::new(&base.unwrap_or_default()).join(pointer)).to_string_lossy().into_owned()
        },
        str::to_owned,
    )
}

fn spacelift(instance: &Instance) -> String {
    let settings = instance.sections.get("settings").and_then(|s| s.get("spacelift"));
    let text = |key: &str| settings.and_then(|s| s.get(key)).and_then(Node::str);
    if instance.kind != "terraform"
        || settings.and_then(|s| s.get("workspace_enabled")).and_then(Node::bool) != Some(true)
    {
        return String::new();
    }
    let component = instance.name.as_str().replace('/', "-");
    match (text("stack_name_pattern"), text("stack_name")) {
        (Some(pattern), _) => run_tokens(pattern, instance.sections.get("vars"), &component, ""),
        (None, Some(name)) => name.to_owned(),
        (None, None) => format!("{}-{component}", instance.stack.as_str()).replace('/', "-"),
    }
}

fn atlantis(estate: &Estate, instance: &Instance) -> String {
    let settings = instance.sections.get("settings").and_then(|s| s.get("atlantis"));
    let Some(settings) = settings.filter(|_| instance.kind == "terraform") else { return String::new() };
    let own = settings.at_path(&["project_template", "name"]).and_then(Node::str).map(str::to_owned);
    let shared = || {
        let name = settings.get("project_template_name").and_then(Node::str)?;
        let templates = estate.config().raw.pointer("/integrations/atlantis/project_templates")?;
        templates.get(name)?.get("name")?.as_str().map(str::to_owned)
    };
    let pattern = own.or_else(shared).unwrap_or_default();
    run_tokens(&pattern, instance.sections.get("vars"), &instance.name.as_str().replace('/', "-"), "")
}

fn deleted(estate: &Estate, instance: &Instance, whole: bool) -> Affected {
    let (reason, kind) = if whole { ("deleted.stack", "stack") } else { ("deleted", "component") };
    let vars = instance.sections.get("vars");
    let part = |name: &str| vars.and_then(|v| v.get(name)).and_then(Node::str).unwrap_or_default().to_owned();
    let place = instance.sections.entries().iter().find_map(|(_, node)| node.pos().source());
    Affected {
        namespace: part("namespace"),
        tenant: part("tenant"),
        environment: part("environment"),
        stage: part("stage"),
        affected: reason.to_owned(),
        affected_all: vec![reason.to_owned()],
        deleted: true,
        deletion_type: kind.to_owned(),
        causes: vec![Cause {
            reason: reason.to_owned(),
            file: place.as_ref().map(|p| p.file.clone()),
            line: place.as_ref().map(|p| p.line),
            column: place.as_ref().map(|p| p.column),
            path: None,
            before: None,
            after: None,
        }],
        ..card(estate, instance)
    }
}

/// Adds to each what needs it, and marks those that stand below another one.
fn add_dependents(estate: &Estate, out: &mut [Affected], settings: bool) {
    let mut needs: HashMap<InstanceRef, Vec<InstanceRef>> = HashMap::new();
    for dependency in estate.dependencies() {
        let list = needs.entry(dependency.to).or_default();
        if !list.contains(&dependency.from) {
            list.push(dependency.from);
        }
    }
    let by_name: HashMap<InstanceRef, &Instance> = estate
        .all()
        .filter(|(_, i)| !i.is_abstract)
        .map(|(_, i)| (InstanceRef { component: i.name.as_str().to_owned(), stack: i.stack.as_str().to_owned() }, i))
        .collect();
    let mut below = Vec::new();
    for affected in out.iter_mut() {
        let at = InstanceRef { component: affected.component.clone(), stack: affected.stack.clone() };
        let mut trail = vec![at.clone()];
        affected.dependents = Some(dependents(estate, &at, &needs, &by_name, settings, &mut trail, &mut below));
    }
    for affected in out.iter_mut() {
        let at = InstanceRef { component: affected.component.clone(), stack: affected.stack.clone() };
        affected.included_in_dependents = below.contains(&at);
    }
}

fn dependents(
    estate: &Estate,
    at: &InstanceRef,
    needs: &HashMap<InstanceRef, Vec<InstanceRef>>,
    by_name: &HashMap<InstanceRef, &Instance>,
    settings: bool,
    trail: &mut Vec<InstanceRef>,
    below: &mut Vec<InstanceRef>,
) -> Vec<Dependent> {
    let mut out = Vec::new();
    for from in needs.get(at).into_iter().flatten() {
        let Some(instance) = by_name.get(from).filter(|_| !trail.contains(from)) else { continue };
        if !below.contains(from) {
            below.push(from.clone());
        }
        trail.push(from.clone());
        let inner = dependents(estate, from, needs, by_name, settings, trail, below);
        trail.pop();
        let card = card(estate, instance);
        out.push(Dependent {
            component: card.component,
            component_type: card.component_type,
            component_path: card.component_path,
            stack: card.stack,
            stack_slug: card.stack_slug,
            dependents: Some(inner),
            included_in_dependents: false,
            settings: settings.then(|| json(instance, "settings")),
        });
    }
    out
}
