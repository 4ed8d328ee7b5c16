//! The service catalog as the estate's files tell it: every component folder, what goes in and out, where it is deployed.
//!
//! Owns finding the folders of components (those that no stack uses too) and reading what stands in them: README, variables
//! and outputs ([`module`]), `catalog-info.yaml` ([`info`]). Who owns a service by `platform/teams.yaml` is the platform's to add.
//!
//! A fact is taken from the first of these that states it:
//!
//! | fact | metadata of its instances | settings of its instances | `catalog-info.yaml` | else |
//! |---|---|---|---|---|
//! | owner | `labels.owner`, `labels.team`, `custom.owner`, `custom.team` | `owner`, `team`, `service.owner`, `service.team` | `spec.owner` | |
//! | tier | `labels.tier`, `custom.tier` | `tier`, `service.tier` | `spec.tier`, `metadata.labels.tier` | |
//! | lifecycle | `labels.lifecycle`, `custom.lifecycle` | `lifecycle`, `service.lifecycle` | `spec.lifecycle` | |
//! | description | `description`, `custom.description` | `description`, `service.description` | `metadata.description` | README |
//!
//! Where the instances differ, what most of them say counts, and among equals what the first says.

mod info;
pub mod module;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::config::{self, clean, display, inside};
use super::estate::Estate;
use super::files::{Files, Kind};
use super::node::{Node, Pos, Value};
use super::resolve::{Instance, TYPES};
use super::runs;
use crate::domain::service::{Attribute, Service};
use crate::domain::stack::{Diagnostic, InstanceRef, Severity, Source};

/// How deep folders of components may lie below the base path of their type.
const DEPTH: usize = 8;
/// A README beyond this is cut.
const README: usize = 256 * 1024;

/// Where a fact is looked for in an instance, in this order; `_` stands for the fact's own name.
const INSTANCE: [&[&str]; 5] =
    [&["metadata", "labels"], &["metadata", "custom"], &["metadata"], &["settings"], &["settings", "service"]];

/// A component's folder, and the instances that use it.
struct Found<'a> {
    kind: &'static str,
    name: String,
    folder: PathBuf,
    instances: Vec<&'a Instance>,
    abstracts: Vec<&'a Instance>,
}

/// Returns every component of the estate by name and type; only the one of that name where one is given.
///
/// Reads the folders of components through `files`; what cannot be read is told in [`Service::problems`].
#[must_use]
pub fn services(estate: &Estate, files: &dyn Files, only: Option<&str>) -> Vec<Service> {
    let mut found: BTreeMap<(String, &'static str), Found<'_>> = BTreeMap::new();
    let config = estate.config();
    for kind in TYPES {
        let Some(base) = config.components.get(kind).and_then(|c| c.base_path.as_ref()) else { continue };
        if may_read(estate, files, base) {
            walk(files, base, base, kind, 0, &mut |name, folder| {
                found.insert(
                    (name.clone(), kind),
                    Found { kind, name, folder, instances: Vec::new(), abstracts: Vec::new() },
                );
            });
        }
    }
    for (_, instance) in estate.all() {
        let base = config.components.get(instance.kind).and_then(|c| c.base_path.as_ref());
        let name = folder_name(instance);
        let key = (name, instance.kind);
        if instance.is_abstract {
            // What nobody deploys names no folder of its own.
            if let Some(found) = found.get_mut(&key) {
                found.abstracts.push(instance);
            }
            continue;
        }
        let entry = found.entry(key).or_insert_with_key(|(name, kind)| Found {
            kind,
            name: name.clone(),
            folder: base.map_or_else(|| PathBuf::from(name), |base| clean(&base.join(name))),
            instances: Vec::new(),
            abstracts: Vec::new(),
        });
        entry.instances.push(instance);
    }
    let root = info::of_root(estate.root(), files);
    let wanted: Vec<Found<'_>> = found.into_values().filter(|f| only.is_none_or(|only| f.name == only)).collect();
    wanted.par_iter().map(|found| service(estate, files, found, &root)).collect()
}

/// Returns what stands in the way of the components: folders that are missing, files of Terraform that are broken.
#[must_use]
pub fn problems(estate: &Estate, files: &dyn Files) -> Vec<Diagnostic> {
    services(estate, files, None).into_iter().flat_map(|service| service.problems).collect()
}

/// Returns the name of the folder that an instance's runs work in, below the base path of its type.
fn folder_name(instance: &Instance) -> String {
    let metadata = instance.sections.get("metadata");
    let prefix = metadata.and_then(|m| m.get("component_folder_prefix")).and_then(Node::str).unwrap_or("").trim();
    let folder = runs::folder(instance);
    let folder = if folder.is_empty() { instance.name.as_str() } else { folder };
    clean(&Path::new(prefix).join(folder)).to_string_lossy().into_owned()
}

fn may_read(estate: &Estate, files: &dyn Files, path: &Path) -> bool {
    estate.options().trusted || inside(files, estate.root(), path)
}

/// Finds the folders of components; what lies inside of one belongs to it.
fn walk(files: &dyn Files, base: &Path, folder: &Path, kind: &str, depth: usize, see: &mut dyn FnMut(String, PathBuf)) {
    let Ok(entries) = files.list(folder) else { return };
    if folder != base && entries.iter().any(|(name, is)| *is == Kind::File && is_part(kind, name)) {
        let name = display(base, folder);
        return see(name, folder.to_path_buf());
    }
    if depth >= DEPTH {
        return;
    }
    for (name, is) in entries {
        if is == Kind::Folder && !name.starts_with('.') {
            walk(files, base, &folder.join(name), kind, depth + 1, see);
        }
    }
}

/// Says whether a file makes its folder a component of that type.
fn is_part(kind: &str, name: &str) -> bool {
    match kind {
        "terraform" => module::is_source(name),
        "helmfile" => name.starts_with("helmfile.y") || name.starts_with("helmfile.g"),
        "packer" => name.ends_with(".pkr.hcl") || name.ends_with(".pkr.json"),
        "helm" => name == "Chart.yaml",
        "kubernetes" => name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"),
        _ => name.ends_with(".yaml") || name.ends_with(".yml"),
    }
}

fn service(estate: &Estate, files: &dyn Files, found: &Found<'_>, root: &info::Infos) -> Service {
    let base = estate.config().components.get(found.kind).and_then(|c| c.base_path.as_ref());
    let exists = base.is_some() && files.kind(&found.folder) == Some(Kind::Folder);
    let shown = display(estate.root(), &found.folder);
    let readable = exists && may_read(estate, files, &found.folder);
    let mut problems = Vec::new();
    let module = if readable && found.kind == "terraform" {
        module::read(files, &found.folder, &shown)
    } else {
        module::Module::default()
    };
    problems.extend(module.problems);
    if let Some(problem) = missing(found, exists, base.is_some(), &shown) {
        problems.push(problem);
    }
    let info = if readable { info::read(&found.folder, &shown, files, &mut problems) } else { info::Infos::default() };
    let info = info.of(&found.name).or_else(|| root.named(&found.name));
    let readme = readable.then(|| readme(files, &found.folder)).flatten();
    let fact = |names: &[&str], paths: &[&[&str]]| {
        in_instances(&found.instances, names)
            .or_else(|| in_instances(&found.abstracts, names))
            .or_else(|| paths.iter().find_map(|path| info.and_then(|info| attribute(info.at_path(path)?))))
    };
    let owner = fact(&["owner", "team"], &[&["spec", "owner"]]).map(|mut owner| {
        owner.value = info::entity_name(&owner.value).to_owned();
        owner
    });
    let description = fact(&["description"], &[&["metadata", "description"]])
        .or_else(|| readme.as_ref().and_then(|(file, text)| first_sentence(&format!("{shown}/{file}"), text)));
    Service {
        name: found.name.clone(),
        component_type: found.kind.to_owned(),
        exists,
        description,
        owner,
        tier: fact(&["tier"], &[&["spec", "tier"], &["metadata", "labels", "tier"]]),
        lifecycle: fact(&["lifecycle"], &[&["spec", "lifecycle"]]),
        readme: readme.map(|(_, text)| text),
        inputs: module.inputs,
        outputs: module.outputs,
        instances: found
            .instances
            .iter()
            .map(|i| InstanceRef { component: i.name.as_str().to_owned(), stack: i.stack.as_str().to_owned() })
            .collect(),
        problems,
        folder: shown,
    }
}

/// Says that the folder of a component is missing, unless Atmos fetches it when it is needed (`source`).
fn missing(found: &Found<'_>, exists: bool, has_base: bool, shown: &str) -> Option<Diagnostic> {
    if exists || !has_base {
        return None;
    }
    let fetched = |i: &&Instance| i.sections.get("source").and_then(Node::map).is_some_and(|m| !m.is_empty());
    let first = found.instances.iter().find(|i| !fetched(i))?;
    let pointer = first.sections.get("metadata").and_then(|m| m.get("component")).map(Node::pos);
    let own = || first.sections.entries().iter().find_map(|(_, node)| node.pos().is_some().then(|| node.pos()));
    Some(Diagnostic {
        severity: Severity::Warning,
        code: "component-folder-missing".to_owned(),
        message: format!(
            "the folder {shown} of component '{}' is not there; {} would work in it",
            found.name,
            if found.instances.len() == 1 {
                "one instance".to_owned()
            } else {
                format!("{} instances", found.instances.len())
            }
        ),
        hint: Some(format!(
            "create {shown}, correct `metadata.component`, or give the component a `source` to fetch it from"
        )),
        source: pointer.or_else(own).filter(Pos::is_some).and_then(|pos| pos.source()),
        stack: None,
    })
}

/// Returns what most instances say of a fact.
fn in_instances(instances: &[&Instance], names: &[&str]) -> Option<Attribute> {
    let mut counts: HashMap<String, (usize, usize, Attribute)> = HashMap::new();
    for (order, instance) in instances.iter().enumerate() {
        let stated = INSTANCE.iter().find_map(|path| {
            let section = instance.sections.get(path[0])?.at_path(&path[1..])?;
            // Directly in `metadata` only what Atmos knows there: its `owner` would be refused.
            let known = |name: &&&str| path.len() > 1 || path[0] != "metadata" || **name == "description";
            names.iter().filter(known).find_map(|name| attribute(section.get(name)?))
        });
        if let Some(attribute) = stated {
            counts.entry(attribute.value.clone()).or_insert((0, order, attribute)).0 += 1;
        }
    }
    counts.into_values().max_by_key(|(count, order, _)| (*count, std::cmp::Reverse(*order))).map(|(_, _, found)| found)
}

/// Returns a scalar as a fact; an empty text states nothing.
fn attribute(node: &Node) -> Option<Attribute> {
    let value = match node.value() {
        Value::Str(text) => text.trim().to_owned(),
        Value::Null | Value::Map(_) | Value::List(_) => return None,
        _ => node.to_json().to_string(),
    };
    (!value.is_empty()).then(|| Attribute { value, source: node.pos().source() })
}

fn readme(files: &dyn Files, folder: &Path) -> Option<(String, String)> {
    let names = files.list(folder).ok()?;
    let fits = |wanted: &str| names.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(name, _)| name);
    let name = ["README.md", "README.markdown", "README"].iter().find_map(|name| fits(name))?;
    let mut bytes = files.read(&folder.join(name)).ok()?;
    bytes.truncate(README);
    Some((name.clone(), String::from_utf8_lossy(&bytes).into_owned()))
}

/// Returns the first sentence of a README's first paragraph.
fn first_sentence(file: &str, text: &str) -> Option<Attribute> {
    let prose = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with(['#', '[', '!', '<', '|', '`', '-', '*', '=', '>'])
    };
    let at = text.lines().position(|line| prose(&line))?;
    let paragraph: Vec<&str> = text.lines().skip(at).take_while(prose).map(str::trim).collect();
    let paragraph = paragraph.join(" ");
    let end = paragraph.find(". ").map_or(paragraph.len(), |end| end + 1);
    let source = Source { file: file.to_owned(), line: u32::try_from(at + 1).unwrap_or(u32::MAX), column: 1 };
    Some(Attribute { value: paragraph[..end].to_owned(), source: Some(source) })
}

/// Returns how a file inside of a component's folder is shown.
fn below(shown: &str, name: &str) -> String {
    config::clean(&Path::new(shown).join(name)).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
