//! Which instances a change reaches, as `atmos describe affected` says it, with the lines that caused it.
//!
//! Two resolved estates are compared section by section, and the files that changed are looked for in the components'
//! folders, their local modules, and the files and folders that `dependencies` names. The reasons, their order, and which
//! files are looked at were read in Atmos' `internal/exec/describe_affected_*.go` (2026-08). [`dependents`] adds what needs
//! an instance, [`names`] what Spacelift and Atlantis call it, [`secrets`] the files of its secrets.

mod dependents;
mod names;
mod secrets;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::catalog::module;
use super::config::{clean, display};
use super::estate::Estate;
use super::files::Files;
use super::node::Node;
use super::resolve::Instance;
use super::{depends, depends::PARTS, diff, glob};
use crate::domain::comparison::{Affected, Cause, InstanceCard};
use crate::domain::stack::Source;

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

/// The reason of a changed file that holds secrets.
const SECRET: &str = "secret.file";

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

type Named<'e> = BTreeMap<(&'e str, usize, &'e str), &'e Instance>;

/// Returns the instances that differ between `base` and `head` or use one of the `changed` files (absolute paths), by
/// stack, type and component; those that are gone come last. Without a `base` there was nothing before.
#[must_use]
pub fn affected(
    base: Option<&Estate>,
    head: &Estate,
    changed: &[PathBuf],
    files: &dyn Files,
    options: &Options,
) -> Vec<Affected> {
    let (old, new) = (base.map(named).unwrap_or_default(), named(head));
    let mut job = Job {
        head,
        changed,
        of_types: by_type(head, changed),
        files,
        modules: HashMap::new(),
        configured: configured(head),
        configured_alike: base.is_some_and(|base| base.config() == head.config()),
    };
    let wanted = |stack: &str| options.stack.as_deref().is_none_or(|wanted| wanted == stack);
    let mut out = Vec::new();
    for (key, instance) in new.iter().filter(|((stack, ..), _)| wanted(stack)) {
        let flag = |name: &str| metadata(instance, name).and_then(Node::bool);
        let skipped = instance.is_abstract
            || flag("enabled") == Some(false)
            || (options.exclude_locked && flag("locked") == Some(true));
        if skipped {
            continue;
        }
        let before = base.zip(old.get(key)).map(|(base, instance)| Side(base, instance));
        if let Some(mut affected) = tell(head, instance, job.causes(before, instance)) {
            affected.settings = options.include_settings.then(|| settings(head, instance));
            out.push(affected);
        }
    }
    let stacks: HashSet<&str> = head.all().map(|(_, i)| i.stack.as_str()).collect();
    for (key @ (stack, kind, _), instance) in old.iter().filter(|((stack, ..), _)| wanted(stack)) {
        let told = TYPES.get(*kind).is_some_and(|kind| DELETED.contains(kind)) && !instance.is_abstract;
        if told && !new.contains_key(key) {
            out.push(deleted(head, instance, !stacks.contains(stack)));
        }
    }
    if options.include_dependents {
        dependents::add(head, &mut out, options);
    }
    out
}

/// Returns the instances of the types that Atmos compares.
fn named(estate: &Estate) -> Named<'_> {
    let kind = |i: &Instance| TYPES.iter().position(|kind| *kind == i.kind);
    estate.all().filter_map(|(_, i)| Some(((i.stack.as_str(), kind(i)?, i.name.as_str()), i))).collect()
}

fn metadata<'a>(instance: &'a Instance, name: &str) -> Option<&'a Node> {
    instance.sections.get("metadata").and_then(|m| m.get(name))
}

/// Returns the files and folders that an instance names, each with its reason, in the order in which Atmos looks.
fn named_files(estate: &Estate, instance: &Instance) -> Vec<(String, String)> {
    let secrets = secrets::files(estate, instance).into_iter().map(|path| (SECRET.to_owned(), path));
    depends::files(instance).into_iter().chain(secrets).collect()
}

fn settings(estate: &Estate, instance: &Instance) -> serde_json::Value {
    Side(estate, instance).section("settings").map_or_else(|| serde_json::json!({}), |node| node.to_json())
}

/// Returns the changed files below each folder that Atmos knows: a file counts for the first one that holds it.
fn by_type(head: &Estate, changed: &[PathBuf]) -> HashMap<PathBuf, Vec<PathBuf>> {
    let config = head.config();
    let written =
        ["terraform", "helmfile", "packer", "kubernetes"].iter().filter_map(|kind| config.components.get(*kind));
    let folders: Vec<&Path> =
        written.filter_map(|c| c.base_path.as_deref()).chain([config.stacks_path.as_path()]).collect();
    let mut out: HashMap<PathBuf, Vec<PathBuf>> = folders.iter().map(|f| (f.to_path_buf(), Vec::new())).collect();
    for file in changed {
        let first = folders.iter().find(|folder| file.starts_with(folder));
        if let Some(list) = first.and_then(|folder| out.get_mut(*folder)) {
            list.push(file.clone());
        }
    }
    out
}

struct Job<'a> {
    head: &'a Estate,
    changed: &'a [PathBuf],
    of_types: HashMap<PathBuf, Vec<PathBuf>>,
    files: &'a dyn Files,
    /// The local modules that a component's folder calls.
    modules: HashMap<PathBuf, Vec<PathBuf>>,
    /// The sections that the configuration asks to compare.
    configured: Option<Vec<String>>,
    /// Whether both sides have the same configuration: then templates make the same of what is written alike.
    configured_alike: bool,
}

/// Returns the sections that a configuration asks to compare.
fn configured(head: &Estate) -> Option<Vec<String>> {
    let list = head.config().raw.pointer("/describe/affected/sections")?.as_array()?;
    let names: Vec<String> = list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    (!names.is_empty()).then_some(names)
}

impl Job<'_> {
    /// Returns why an instance is affected, in the order in which Atmos looks.
    fn causes(&mut self, old: Option<Side<'_>>, new: &Instance) -> Vec<Cause> {
        let mut out = Vec::new();
        let now = Side(self.head, new);
        let same = old.is_some_and(|Side(_, old)| old.sections.entries() == new.sections.entries());
        let same = same && self.configured_alike;
        if !same {
            sections(&mut out, old, now, &["metadata"]);
        }
        let base = self.base(new.kind);
        let folder = clean(&base.join(component(new)));
        if new.kind == "terraform" {
            let called = self.modules.entry(folder.clone()).or_insert_with(|| {
                let sources = module::read(self.files, &folder, "").local_modules;
                sources.iter().map(|source| clean(&folder.join(source))).collect()
            });
            let called = called.clone();
            self.files_below(&mut out, "component.module", &base, &called);
        }
        self.files_below(&mut out, "component", &base, &[folder]);
        if !same {
            sections(&mut out, old, now, &self.compared(new.kind));
            sections(&mut out, old, now, &["settings"]);
        }
        out.extend(self.file(new));
        out
    }

    /// Returns the sections of a type that are compared after its files.
    fn compared(&self, kind: &str) -> Vec<&str> {
        let usual = || match &self.configured {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => SECTIONS.to_vec(),
        };
        match kind {
            "kubernetes" => {
                let more = usual().into_iter().filter(|name| !KUBERNETES.contains(name));
                KUBERNETES.into_iter().chain(more).collect()
            }
            "helm" => HELM.to_vec(),
            _ => usual(),
        }
    }

    /// Returns the changes of the first file or folder that has any: of `dependencies`, or with secrets in it.
    fn file(&self, new: &Instance) -> Vec<Cause> {
        for (kind, path) in named_files(self.head, new) {
            // Atmos takes both as patterns.
            let place = clean(&self.head.root().join(&path)).to_string_lossy().into_owned();
            let pattern = if kind == "folder" { format!("{place}/**") } else { place };
            let Some(pattern) = glob::compile(&pattern) else { continue };
            let hit = self.changed.iter().filter(|file| pattern.is_match(file));
            let found: Vec<Cause> = hit.map(|file| self.file_cause(&kind, file)).collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }

    /// Returns the folder of the components of a type.
    fn base(&self, kind: &str) -> PathBuf {
        let config = self.head.config();
        config.components.get(kind).and_then(|c| c.base_path.clone()).unwrap_or_else(|| config.base_path.clone())
    }

    /// Adds the changed files below some folders. Atmos looks only at those below the folder of the type's components, where
    /// it has one: a module elsewhere in the repository counts for nobody.
    fn files_below(&self, out: &mut Vec<Cause>, reason: &str, base: &Path, folders: &[PathBuf]) {
        let changed = self.of_types.get(base).map_or(self.changed, Vec::as_slice);
        let hit = changed.iter().filter(|file| folders.iter().any(|folder| file.starts_with(folder)));
        out.extend(hit.map(|file| self.file_cause(reason, file)));
    }

    fn file_cause(&self, reason: &str, file: &Path) -> Cause {
        Cause { file: Some(display(self.head.root(), file)), ..caused(reason, None) }
    }
}

/// Returns a cause that is no value: what stands at a place.
fn caused(reason: &str, at: Option<Source>) -> Cause {
    Cause {
        reason: reason.to_owned(),
        line: at.as_ref().map(|at| at.line),
        column: at.as_ref().map(|at| at.column),
        file: at.map(|at| at.file),
        path: None,
        before: None,
        after: None,
    }
}

/// An instance in its estate.
#[derive(Clone, Copy)]
struct Side<'a>(&'a Estate, &'a Instance);

impl Side<'_> {
    /// Returns a section, its templates rendered as far as that can be done without Atmos.
    fn section(self, name: &str) -> Option<Node> {
        let Self(estate, instance) = self;
        instance.sections.get(name).map(|node| estate.evaluated(instance, node))
    }
}

/// Adds a cause for each leaf of the sections that differs; one for the whole section where no leaf does and yet Atmos
/// tells it (an instance that is new).
fn sections(out: &mut Vec<Cause>, old: Option<Side<'_>>, new: Side<'_>, names: &[&str]) {
    for name in names {
        let (before, after) = (old.and_then(|side| side.section(name)), new.section(name));
        let (before, after) = (before.as_ref(), after.as_ref());
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
            out.push(caused(&reason, after.and_then(|node| node.pos().source())));
            continue;
        }
        out.extend(leaves.into_iter().map(|leaf| {
            // A value that is gone has its line in the other revision only.
            let source = leaf.after.as_ref().or(leaf.before.as_ref()).and_then(|node| node.pos().source());
            Cause {
                path: Some(leaf.path),
                before: leaf.before.map(|node| node.to_json()),
                after: leaf.after.map(|node| node.to_json()),
                ..caused(&reason, source)
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
    // Atmos names the file or folder only where it is the first reason.
    let named = |kinds: &[&str]| {
        let hit = causes.iter().find(|cause| cause.reason == first).and_then(|cause| cause.file.clone())?;
        let of_kind = |kind: &str| kinds.contains(&kind) && kind == first;
        named_files(estate, instance).into_iter().filter(|(kind, _)| of_kind(kind)).map(|(_, path)| path).find(|path| {
            let place = clean(Path::new(path)).to_string_lossy().into_owned();
            let pattern = if first == "folder" { format!("{place}/**") } else { place };
            glob::compile(&pattern).is_some_and(|pattern| pattern.is_match(&hit))
        })
    };
    Some(Affected {
        file: named(&["file", SECRET]).unwrap_or_default(),
        folder: named(&["folder"]).unwrap_or_default(),
        affected: first,
        affected_all: all,
        causes,
        instance: card(estate, instance, false),
        ..Affected::default()
    })
}

/// Returns what tells which instance it is; its context only where that is asked for.
fn card(estate: &Estate, instance: &Instance, with_context: bool) -> InstanceCard {
    let name = instance.name.as_str();
    let stack = instance.stack.as_str();
    let [namespace, tenant, environment, stage] =
        PARTS.map(|part| if with_context { var(instance, part) } else { String::new() });
    InstanceCard {
        component: name.to_owned(),
        component_type: instance.kind.to_owned(),
        component_path: path(estate, instance),
        namespace,
        tenant,
        environment,
        stage,
        stack: stack.to_owned(),
        stack_slug: format!("{stack}-{}", name.replace('/', "-")),
        spacelift_stack: names::spacelift(estate, instance),
        atlantis_project: names::atlantis(estate, instance),
    }
}

/// Returns the component's folder below the folder of its type.
fn component(instance: &Instance) -> &str {
    let pointer = instance.sections.get("component").and_then(Node::str).filter(|name| !name.is_empty());
    pointer.unwrap_or(instance.name.as_str())
}

/// Returns the component's folder as Atmos tells it, for three types.
fn path(estate: &Estate, instance: &Instance) -> String {
    if !DELETED.contains(&instance.kind) {
        return String::new();
    }
    let config = estate.config();
    let base = config.components.get(instance.kind).map_or("", |c| c.base_path_text.as_str());
    clean(&Path::new(&config.base_path_text).join(base).join(component(instance))).to_string_lossy().into_owned()
}

/// Returns a text of `vars`, empty where there is none.
fn var(instance: &Instance, name: &str) -> String {
    let vars = instance.sections.get("vars");
    vars.and_then(|v| v.get(name)).and_then(Node::str).unwrap_or_default().to_owned()
}

fn deleted(estate: &Estate, instance: &Instance, whole: bool) -> Affected {
    let (reason, kind) = if whole { ("deleted.stack", "stack") } else { ("deleted", "component") };
    let place = instance.sections.entries().iter().find_map(|(_, node)| node.pos().source());
    Affected {
        instance: card(estate, instance, true),
        affected: reason.to_owned(),
        affected_all: vec![reason.to_owned()],
        deleted: true,
        deletion_type: kind.to_owned(),
        causes: vec![caused(reason, place)],
        ..Affected::default()
    }
}
