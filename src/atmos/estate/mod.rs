//! The snapshot of one repository, and what it answers.
//!
//! [`load`] makes it, [`lazy`] a part of it for one instance, [`check`] finds what is wrong with files and stacks as a whole,
//! [`values`] renders what can be rendered without Atmos.

mod check;
mod lazy;
mod load;
mod values;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use load::Reading;
use serde_json::Value;

use super::{
    AtmosConfig, AtmosError, DescribeFilter, InstanceId, LoadOptions, RunTarget, config, depends, describe, explain,
    files::Kind,
    import::{Doc, Kept, Touched},
    node::Node,
    resolve::{Instance, Stack},
    runs,
};
use crate::domain::id::Digest;
use crate::domain::stack::{
    Dependency, Diagnostic, Explanation, ImportEdge, InstanceSummary, PathSegment, StackSummary,
};

/// The sections of one component that Atmos describes: those that a stack file can write.
const WRITTEN: [&str; 10] =
    ["vars", "settings", "env", "backend", "metadata", "overrides", "providers", "dependencies", "component", "hooks"];

/// An immutable snapshot of everything resolved; share it in an `Arc`.
#[derive(Debug)]
pub struct Estate {
    reading: Arc<Reading>,
    stacks: Vec<Arc<Stack>>,
    /// Stack and instance of each id, by stack name, component, type.
    ids: Vec<(u32, u32)>,
    diagnostics: Vec<Diagnostic>,
    kept: Kept,
}

impl Estate {
    /// Returns the folder to use as root: the nearest one upwards with an `atmos.yaml`, as Atmos searches.
    ///
    /// # Errors
    /// Where no folder upwards has one.
    pub fn discover(start: &Path) -> Result<PathBuf, AtmosError> {
        let start = std::path::absolute(start).map_err(|e| AtmosError::new("unreadable-folder", e.to_string()))?;
        for folder in start.ancestors() {
            if ["atmos.yaml", "atmos.yml", ".atmos.yaml"].iter().any(|n| folder.join(n).is_file()) {
                return Ok(folder.to_path_buf());
            }
        }
        Err(AtmosError::new("no-atmos-yaml", format!("no atmos.yaml in {} or any folder above it", start.display()))
            .hint("go to an Atmos repository, or name one with -C DIR; `terrace demo` writes one to try"))
    }

    /// Returns the folder to use as root, as [`Estate::discover`]; where there is none and `ATMOS_CLI_CONFIG_PATH` names a
    /// configuration, and wherever `ATMOS_CONFIG` or `ATMOS_CONFIG_PATH` does, the folder itself.
    ///
    /// # Errors
    /// As [`Estate::discover`].
    pub fn discover_with(start: &Path, env: &BTreeMap<String, String>) -> Result<PathBuf, AtmosError> {
        if ["ATMOS_CONFIG", "ATMOS_CONFIG_PATH"].iter().any(|name| env.get(*name).is_some_and(|v| !v.trim().is_empty()))
        {
            let start = std::path::absolute(start);
            return start.map_err(|e| AtmosError::new("unreadable-folder", e.to_string()));
        }
        Self::discover(start).or_else(|error| {
            let start = std::path::absolute(start).map_err(|_| error.clone())?;
            let named = env.get("ATMOS_CLI_CONFIG_PATH").filter(|p| !p.is_empty()).map(|p| start.join(p));
            let has = |folder: &Path| ["atmos.yaml", "atmos.yml"].iter().any(|n| folder.join(n).is_file());
            if named.is_some_and(|folder| has(&folder)) { Ok(start) } else { Err(error) }
        })
    }

    /// Resolves the estate at `root`, on all cores.
    ///
    /// # Errors
    /// Only where nothing can be said: no `atmos.yaml`, no folder of stacks. Everything else becomes a diagnostic.
    pub fn load(root: &Path, options: &LoadOptions) -> Result<Self, AtmosError> {
        Ok(Arc::new(Reading::begin(root, options)?).all(Kept::default(), &HashMap::new()))
    }

    /// Resolves again after these files changed, and shares everything unchanged.
    ///
    /// # Errors
    /// As [`Estate::load`].
    pub fn reload(&self, changed: &[PathBuf]) -> Result<Self, AtmosError> {
        let changed: HashSet<PathBuf> = changed.iter().map(|p| config::clean(&self.root().join(p))).collect();
        let remade = changed.iter().any(|p| self.reading.is_made_of(p));
        let mut known = changed.iter().all(|p| self.knows(p));
        let reading = if known && !remade && self.reading.is_whole() {
            Arc::clone(&self.reading)
        } else {
            let reading = Arc::new(Reading::begin(self.root(), self.options())?);
            // What a file says depends on the configuration, too: which keys nest, where includes and imports are sought.
            if remade || reading.config() != self.config() {
                return Ok(reading.all(Kept::default(), &HashMap::new()));
            }
            known &= reading.lists_as(&self.reading);
            reading
        };
        let stale = |doc: &Doc, path: &Path| changed.contains(path) || doc.includes.iter().any(|i| changed.contains(i));
        let mut touched = Touched::new(&changed);
        let unchanged: HashMap<&Path, &Arc<Stack>> = if known {
            let same = self.stacks.iter().filter(|s| !touched.any(&s.merged, s.files()));
            same.map(|s| (s.path.as_path(), s)).collect()
        } else {
            HashMap::new()
        };
        let kept = self.kept.after(&stale, &mut touched, known);
        Ok(reading.all(kept, &unchanged))
    }

    /// Tells whether a path that changed is one of the files that were read, or a folder that holds the same names.
    fn knows(&self, path: &Path) -> bool {
        match self.options().files.kind(path) {
            Some(Kind::File) => {
                let docs = &self.kept.docs;
                docs.contains_key(path) || docs.values().any(|doc| doc.includes.iter().any(|i| i == path))
            }
            // An editor that saves under another name and renames touches the folder, and leaves its names as they were.
            Some(Kind::Folder) => self.reading.still_lists(path),
            None => false,
        }
    }

    /// Returns the estate's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.reading.root()
    }

    /// Returns what each file that was read outside of the estate holds, by path.
    #[must_use]
    pub fn outside(&self) -> BTreeMap<PathBuf, Digest> {
        let files = self.options().files.as_ref();
        let included = self.kept.docs.values().flat_map(|doc| &doc.includes);
        let read = self.kept.docs.keys().chain(included).chain(&self.config().files);
        let outside = read.filter(|path| !config::inside(files, self.root(), path));
        outside.filter_map(|path| Some((path.clone(), Digest::of(&files.read(path).ok()?)))).collect()
    }

    /// Returns the merged `atmos.yaml`.
    #[must_use]
    pub fn config(&self) -> &AtmosConfig {
        self.reading.config()
    }

    /// Returns how the estate was read.
    #[must_use]
    pub fn options(&self) -> &LoadOptions {
        self.reading.options()
    }

    /// Returns every problem found, errors and warnings, by file and line.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the problems of the files that make an instance, and those of the instance itself, by file and line.
    #[must_use]
    pub fn diagnostics_of(&self, id: InstanceId) -> Vec<Diagnostic> {
        let Some((stack, instance)) = self.at(id) else { return Vec::new() };
        let mut out: Vec<Diagnostic> =
            stack.merged.all_problems().into_iter().chain(&stack.problems).cloned().collect();
        let own = stack.of_components.iter().filter(|(component, _)| *component == instance.name);
        out.extend(own.map(|(_, problem)| problem.clone()));
        out.extend(check::duplicates_of(&self.stacks, instance));
        load::sort(&mut out);
        out
    }

    pub(in crate::atmos) fn at(&self, id: InstanceId) -> Option<(&Stack, &Instance)> {
        let (s, i) = *self.ids.get(id.0 as usize)?;
        let stack = self.stacks.get(s as usize)?;
        Some((stack, stack.instances.get(i as usize)?))
    }

    /// Returns every instance with its stack file, abstract ones too, in the order of [`Estate::ids`].
    pub(in crate::atmos) fn all(&self) -> impl Iterator<Item = (&Stack, &Instance)> {
        self.ids().filter_map(|id| self.at(id))
    }

    pub(in crate::atmos) fn shown(&self, path: &Path) -> String {
        config::display(self.root(), path)
    }

    /// Returns the stacks by name.
    #[must_use]
    pub fn stacks(&self) -> Vec<StackSummary> {
        let mut out: BTreeMap<&str, StackSummary> = BTreeMap::new();
        for id in self.ids() {
            let Some((stack, instance)) = self.at(id) else { continue };
            let name = instance.stack.as_str();
            let entry = out.entry(name).or_insert_with(|| {
                let vars = instance.sections.get("vars");
                let part = |k: &&str| vars.and_then(|v| v.get(k)).and_then(Node::str).map(str::to_owned);
                let parts = ["namespace", "tenant", "environment", "stage"].iter().filter_map(part).collect();
                StackSummary { stack: name.to_owned(), files: Vec::new(), parts, instances: 0 }
            });
            let file = self.shown(&stack.path);
            if !entry.files.contains(&file) {
                entry.files.push(file);
            }
            entry.instances += u32::from(!instance.is_abstract);
        }
        out.into_values().collect()
    }

    /// Returns the instances by stack and name, abstract ones too.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceSummary> {
        self.ids()
            .filter_map(|id| {
                let (stack, i) = self.at(id)?;
                let metadata = i.sections.get("metadata");
                let flag = |k: &str| metadata.and_then(|m| m.get(k)).and_then(Node::bool);
                Some(InstanceSummary {
                    component: i.name.as_str().to_owned(),
                    stack: i.stack.as_str().to_owned(),
                    component_type: i.kind.to_owned(),
                    is_abstract: i.is_abstract,
                    file: self.shown(&stack.path),
                    folder: i.sections.get("component").and_then(Node::str).unwrap_or("").to_owned(),
                    enabled: flag("enabled").unwrap_or(true),
                    locked: flag("locked").unwrap_or(false),
                    workspace: (i.kind == "terraform")
                        .then(|| runs::workspace(stack, i, self.config()).unwrap_or_default()),
                    inherits: i.inheritance().map(str::to_owned).collect(),
                    team: None,
                    errors: i.problems,
                })
            })
            .collect()
    }

    /// Returns the ids in the order of [`Estate::instances`].
    pub fn ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..u32::try_from(self.ids.len()).unwrap_or(u32::MAX)).map(InstanceId)
    }

    /// Returns the instance of that component in that stack.
    ///
    /// # Errors
    /// Where there is none (with what was perhaps meant), or more than one and `stack_file` does not say which.
    pub fn find(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Result<InstanceId, AtmosError> {
        let found = self.makers(component, stack, stack_file);
        match found.as_slice() {
            [(id, _)] => Ok(*id),
            [] => Err(self.unknown(component, stack, stack_file)),
            _ => Err(AtmosError::new("ambiguous-instance", written_by(component, stack, &found))
                .hint("name one with --stack-file")),
        }
    }

    /// Returns the instances of that component in that stack, each with its stack file.
    fn makers(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Vec<(InstanceId, String)> {
        let made = |id: InstanceId| {
            let (s, i) = self.at(id)?;
            let fits = i.name.as_str() == component && (i.stack.as_str() == stack || s.file.as_str() == stack);
            let file = fits.then(|| self.shown(&s.path))?;
            stack_file.is_none_or(|wanted| wanted == file || wanted == s.file.as_str()).then_some((id, file))
        };
        self.ids().filter_map(made).collect()
    }

    fn unknown(&self, component: &str, stack: &str, stack_file: Option<&str>) -> AtmosError {
        let all = || self.ids().filter_map(|id| self.at(id));
        let others = self.makers(component, stack, None);
        if let (Some(file), false) = (stack_file, others.is_empty()) {
            let message = format!("the stack file '{file}' makes no '{component}' in stack '{stack}'");
            return AtmosError::new("unknown-stack-file", message).hint(written_by(component, stack, &others));
        }
        if all().any(|(s, i)| i.stack.as_str() == stack || s.file.as_str() == stack) {
            let here = all().filter(|(_, i)| i.stack.as_str() == stack).map(|(_, i)| i.name.as_str().to_owned());
            let error = AtmosError::new("unknown-component", format!("stack '{stack}' has no component '{component}'"));
            return match super::did_you_mean(component, here) {
                Some(best) => error.hint(format!("did you mean '{best}'?")),
                None => error.hint("`terrace list components` names them"),
            };
        }
        let error = AtmosError::new("unknown-stack", format!("there is no stack '{stack}'"));
        match super::did_you_mean(stack, all().map(|(_, i)| i.stack.as_str().to_owned())) {
            Some(best) => error.hint(format!("did you mean '{best}'?")),
            None => error.hint("`terrace list stacks` names them"),
        }
    }

    /// Writes what `atmos describe stacks --process-templates=false --process-functions=false --format json` prints.
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn describe_stacks(&self, filter: &DescribeFilter, out: &mut dyn io::Write) -> io::Result<()> {
        let unnamed = self.config().name_template.is_empty() && self.config().name_pattern.is_empty();
        describe::stacks(&self.stacks, filter, unnamed, out)
    }

    /// Returns what `atmos describe component` prints for one instance, null where the id is not of this snapshot.
    ///
    /// That is the sections that a stack file can write, and the names of the files it imports; all of an instance's keys
    /// with `describe.component.filter: full`. Templates and YAML functions stay as written.
    #[must_use]
    pub fn describe_component(&self, id: InstanceId) -> Value {
        let Some((stack, instance)) = self.at(id) else { return Value::Null };
        let full = self.config().describe_full;
        let mut out: BTreeMap<&str, Value> = instance
            .sections
            .entries()
            .iter()
            .map(|(key, node)| (key.as_str(), node))
            .filter(|(key, node)| {
                let kept = full || WRITTEN.contains(key);
                kept && (self.config().include_empty || node.map().is_none_or(|m| !m.is_empty()))
            })
            .map(|(key, node)| (key, node.to_json()))
            .collect();
        let mut imports = BTreeSet::new();
        stack.merged.each(&mut HashSet::new(), &mut |merged| {
            imports.extend(merged.imported().filter_map(|m| m.files.first()).map(|path| {
                let name = config::display(&self.config().stacks_path, path);
                name.rsplit_once('.').map_or(name.clone(), |(stem, _)| stem.to_owned())
            }));
        });
        out.insert("imports", imports.into_iter().collect());
        Value::Object(out.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Returns where each leaf of an instance comes from; only those at or below `path` where one is given.
    #[must_use]
    pub fn explain(&self, id: InstanceId, path: Option<&[PathSegment]>) -> Explanation {
        match self.at(id) {
            Some((stack, instance)) => explain::explain(stack, instance, self.config(), path),
            None => Explanation { component: String::new(), stack: String::new(), values: Vec::new() },
        }
    }

    /// Returns one resolved section (`vars`, `settings`, `env`, `backend`, …), null where the instance has none.
    #[must_use]
    pub fn section(&self, id: InstanceId, name: &str) -> Value {
        self.at(id).and_then(|(_, i)| i.sections.get(name)).map_or(Value::Null, Node::to_json)
    }

    /// Returns every import of every file read.
    #[must_use]
    pub fn imports(&self) -> Vec<ImportEdge> {
        let mut out: Vec<ImportEdge> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for stack in &self.stacks {
            stack.merged.each(&mut seen, &mut |m| out.extend(m.edges.iter().cloned()));
        }
        out.sort_by(|a, b| (&a.source, &a.to).cmp(&(&b.source, &b.to)));
        out.dedup();
        out
    }

    /// Returns what needs what: `dependencies`, `settings.depends_on`, references inside values.
    #[must_use]
    pub fn dependencies(&self) -> Vec<Dependency> {
        let all: Vec<&Instance> = self.ids().filter_map(|id| self.at(id)).map(|(_, i)| i).collect();
        depends::dependencies(&all, &|instance, text| self.rendered(instance, text))
    }

    /// Returns what a run of an instance needs; `None` where the id is not of this snapshot.
    #[must_use]
    pub fn run_target(&self, id: InstanceId) -> Option<RunTarget> {
        let (stack, instance) = self.at(id)?;
        Some(runs::target(stack, instance, self.config()))
    }
}

/// Says which stack files make a component in a stack.
fn written_by(component: &str, stack: &str, found: &[(InstanceId, String)]) -> String {
    let files: Vec<&str> = found.iter().map(|(_, file)| file.as_str()).collect();
    let count = if files.len() == 1 { String::new() } else { format!("{} stack files: ", files.len()) };
    format!("'{component}' in stack '{stack}' is written by {count}{}", files.join(", "))
}
