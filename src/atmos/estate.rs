//! The snapshot of one repository.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rayon::prelude::*;
use serde_json::Value;

use super::{
    AtmosConfig, AtmosError, DescribeFilter, InstanceId, LoadOptions, RunTarget, config, depends, describe, explain,
    glob,
    import::{Doc, Engine},
    merge::ListStrategy,
    node::Node,
    resolve::{self, Instance, Stack},
    runs,
};
use crate::domain::stack::{
    Dependency, Diagnostic, Explanation, ImportEdge, InstanceSummary, PathSegment, Severity, Source, StackSummary,
};

/// An immutable snapshot of everything resolved; share it in an `Arc`.
#[derive(Debug)]
pub struct Estate {
    root: PathBuf,
    options: LoadOptions,
    config: AtmosConfig,
    stacks: Vec<Arc<Stack>>,
    /// Stack and instance of each id, by stack name, component, type.
    ids: Vec<(u32, u32)>,
    diagnostics: Vec<Diagnostic>,
    docs: HashMap<PathBuf, Arc<Doc>>,
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

    /// Resolves the estate at `root`, on all cores.
    ///
    /// # Errors
    /// Only where nothing can be said: no `atmos.yaml`, no folder of stacks. Everything else becomes a diagnostic.
    pub fn load(root: &Path, options: &LoadOptions) -> Result<Self, AtmosError> {
        Self::resolve(root, options, HashMap::new(), Vec::new())
    }

    /// Resolves again after these files changed, and shares everything unchanged.
    ///
    /// # Errors
    /// As [`Estate::load`].
    pub fn reload(&self, changed: &[PathBuf]) -> Result<Self, AtmosError> {
        let changed: Vec<PathBuf> = changed.iter().map(|p| config::clean(&self.root.join(p))).collect();
        let stale =
            |doc: &Doc, path: &PathBuf| changed.contains(path) || doc.includes.iter().any(|i| changed.contains(i));
        let docs = self.docs.iter().filter(|(p, d)| !stale(d, p)).map(|(p, d)| (p.clone(), d.clone())).collect();
        let known = |p: &PathBuf| self.docs.contains_key(p) && self.options.files.kind(p).is_some();
        let same = if changed.iter().all(known) {
            let touched = |s: &Stack| changed.iter().any(|c| s.merged.files.contains(c));
            self.stacks.iter().filter(|s| !touched(s)).cloned().collect()
        } else {
            Vec::new()
        };
        Self::resolve(&self.root, &self.options, docs, same)
    }

    fn resolve(
        root: &Path,
        options: &LoadOptions,
        docs: HashMap<PathBuf, Arc<Doc>>,
        unchanged: Vec<Arc<Stack>>,
    ) -> Result<Self, AtmosError> {
        let root = std::path::absolute(root).map_err(|e| AtmosError::new("unreadable-folder", e.to_string()))?;
        let root = config::clean(&root);
        let (config, mut diagnostics) = config::load(&root, options)?;
        if ListStrategy::parse(&config.list_merge_strategy).is_none() {
            diagnostics.push(Diagnostic {
                severity: Severity::Error,
                code: "invalid-list-merge-strategy".to_owned(),
                message: format!(
                    "merge error: invalid list merge strategy: '{}'. Supported list merge strategies are: replace, append, merge",
                    config.list_merge_strategy
                ),
                hint: None,
                source: Some(Source { file: "atmos.yaml".to_owned(), line: 1, column: 1 }),
                stack: None,
            });
        }
        let listing = glob::list(options.files.as_ref(), &config.stacks_path);
        let selected = select(&config, &listing);
        if selected.is_empty() {
            let paths: Vec<String> =
                config.included_paths.iter().map(|p| config.stacks_path.join(p).display().to_string()).collect();
            return Err(AtmosError::new(
                "no-stack-manifests",
                format!("no stack manifests found for the provided stack '' in the paths [{}]", paths.join(" ")),
            )
            .hint("check stacks.base_path, stacks.included_paths and stacks.excluded_paths in atmos.yaml"));
        }
        let engine = Engine::new(&root, &config, options, &listing, docs);
        let is_yaml = |f: &&String| f.ends_with(".yaml") || f.ends_with(".yml");
        let yaml: Vec<PathBuf> = listing.iter().filter(is_yaml).map(|f| config.stacks_path.join(f)).collect();
        yaml.par_iter().for_each(|path| {
            engine.doc(path);
        });
        let unchanged: HashMap<&Path, &Arc<Stack>> = unchanged.iter().map(|s| (s.path.as_path(), s)).collect();
        let mut stacks: Vec<Arc<Stack>> = selected
            .par_iter()
            .map(|file| {
                let path = config.stacks_path.join(file);
                if let Some(stack) = unchanged.get(path.as_path()) {
                    return Arc::clone(stack);
                }
                let name = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file);
                let merged = engine.stack(&path);
                Arc::new(resolve::resolve_stack(&engine, &path, name, merged))
            })
            .collect();
        stacks.sort_by_key(|s| s.file);
        let spared: Vec<_> = config.excluded_paths.iter().filter_map(|p| glob::compile(p)).collect();
        for path in &yaml {
            let Some(doc) = engine.doc(path) else { continue };
            if !spared.iter().any(|g| g.is_match(path)) {
                diagnostics.extend(whole_file(&doc));
            }
        }
        for stack in &stacks {
            diagnostics.extend(stack.merged.problems.iter().cloned());
            diagnostics.extend(stack.problems.iter().cloned());
        }
        diagnostics.extend(duplicates(&stacks));
        let place = |d: &Diagnostic| d.source.as_ref().map(|s| (s.file.clone(), s.line, s.column));
        diagnostics
            .sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| (&a.code, &a.message).cmp(&(&b.code, &b.message))));
        diagnostics.dedup_by(|a, b| {
            place(a) == place(b) && a.code == b.code && (a.source.is_some() || a.message == b.message)
        });
        let docs = engine.docs.into_inner().unwrap_or_default();
        let mut ids: Vec<(u32, u32)> = Vec::new();
        for (s, stack) in stacks.iter().enumerate() {
            ids.extend(
                (0..stack.instances.len()).filter_map(|i| Some((u32::try_from(s).ok()?, u32::try_from(i).ok()?))),
            );
        }
        let key = |id: &(u32, u32)| {
            let i = &stacks[id.0 as usize].instances[id.1 as usize];
            (i.stack, i.name, i.kind, id.0)
        };
        ids.sort_by(|a, b| key(a).cmp(&key(b)));
        Ok(Self { options: options.clone(), stacks, ids, diagnostics, docs, config, root })
    }

    /// Returns the estate's root.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the merged `atmos.yaml`.
    #[must_use]
    pub fn config(&self) -> &AtmosConfig {
        &self.config
    }

    /// Returns how the estate was read.
    #[must_use]
    pub fn options(&self) -> &LoadOptions {
        &self.options
    }

    /// Returns every problem found, errors and warnings, by file and line.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    fn at(&self, id: InstanceId) -> Option<(&Stack, &Instance)> {
        let (s, i) = *self.ids.get(id.0 as usize)?;
        let stack = self.stacks.get(s as usize)?;
        Some((stack, stack.instances.get(i as usize)?))
    }

    /// Returns every instance with its stack file, abstract ones too, in the order of [`Estate::ids`].
    pub(super) fn all(&self) -> impl Iterator<Item = (&Stack, &Instance)> {
        self.ids().filter_map(|id| self.at(id))
    }

    fn shown(&self, path: &Path) -> String {
        config::display(&self.root, path)
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
                        .then(|| runs::workspace(stack, i, &self.config).unwrap_or_default()),
                    inherits: i.inheritance.iter().map(|k| k.as_str().to_owned()).collect(),
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
        let fits = |id: &InstanceId| {
            self.at(*id).is_some_and(|(s, i)| {
                let file = self.shown(&s.path);
                i.name.as_str() == component
                    && (i.stack.as_str() == stack || s.file.as_str() == stack)
                    && stack_file.is_none_or(|f| f == file || f == s.file.as_str())
            })
        };
        let found: Vec<InstanceId> = self.ids().filter(fits).collect();
        match found.as_slice() {
            [id] => Ok(*id),
            [] => Err(self.unknown(component, stack)),
            _ => {
                let files: Vec<String> =
                    found.iter().filter_map(|id| self.at(*id)).map(|(s, _)| self.shown(&s.path)).collect();
                Err(AtmosError::new(
                    "ambiguous-instance",
                    format!(
                        "'{component}' in stack '{stack}' is written by {} stack files: {}",
                        files.len(),
                        files.join(", ")
                    ),
                )
                .hint("name one with --stack-file"))
            }
        }
    }

    fn unknown(&self, component: &str, stack: &str) -> AtmosError {
        let all = || self.ids().filter_map(|id| self.at(id));
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
        describe::stacks(&self.stacks, filter, out)
    }

    /// Returns what Atmos describes for one instance, null where the id is not of this snapshot.
    #[must_use]
    pub fn describe_component(&self, id: InstanceId) -> Value {
        self.at(id).map_or(Value::Null, |(_, i)| {
            Value::Object(i.sections.entries().iter().map(|(k, v)| (k.as_str().to_owned(), v.to_json())).collect())
        })
    }

    /// Returns where each leaf of an instance comes from; only those at or below `path` where one is given.
    #[must_use]
    pub fn explain(&self, id: InstanceId, path: Option<&[PathSegment]>) -> Explanation {
        match self.at(id) {
            Some((stack, instance)) => explain::explain(stack, instance, &self.config, path),
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
        depends::dependencies(&all)
    }

    /// Returns what a run of an instance needs; `None` where the id is not of this snapshot.
    #[must_use]
    pub fn run_target(&self, id: InstanceId) -> Option<RunTarget> {
        let (stack, instance) = self.at(id)?;
        Some(runs::target(stack, instance, &self.config))
    }
}

/// Selects the stack files, relative to the folder of stacks, in Atmos' order.
fn select(config: &AtmosConfig, listing: &[String]) -> Vec<String> {
    let excluded: Vec<_> =
        config.excluded_paths.iter().filter_map(|p| glob::compile(config::clean(Path::new(p)).to_str()?)).collect();
    let mut out: Vec<String> = Vec::new();
    for included in &config.included_paths {
        let cleaned = config::clean(Path::new(included));
        let Some(pattern) = cleaned.to_str() else { continue };
        let last = pattern.rsplit('/').next().unwrap_or("");
        let patterns: Vec<String> = if last.contains('.') {
            vec![pattern.to_owned()]
        } else {
            [".yaml", ".yml", ".yaml.tmpl", ".yml.tmpl"].iter().map(|e| format!("{pattern}{e}")).collect()
        };
        for pattern in patterns {
            for file in glob::matching(listing, &pattern) {
                let stack = [".yaml", ".yml", ".yaml.tmpl", ".yml.tmpl"].iter().any(|e| file.ends_with(e));
                if stack && !excluded.iter().any(|g| g.is_match(file)) && !out.iter().any(|f| f == file) {
                    out.push(file.to_owned());
                }
            }
        }
    }
    out
}

/// What is wrong with a file as a whole, whether a stack or not.
fn whole_file(doc: &Doc) -> Option<Diagnostic> {
    let problem = |code: &str, message: String, line: u32, column: u32| {
        Some(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message,
            hint: None,
            source: Some(Source { file: doc.name.as_str().to_owned(), line, column }),
            stack: None,
        })
    };
    match &doc.parsed {
        Err(fault) => {
            problem(fault.code, format!("invalid stack manifest: {}", fault.message), fault.line, fault.column)
        }
        Ok(None) if !doc.text.is_empty() => {
            problem("stack-null", "(root): expected object, but got null".to_owned(), 1, 1)
        }
        Ok(Some(node)) if node.is_null() => {
            problem("stack-null", "(root): expected object, but got null".to_owned(), 1, 1)
        }
        Ok(Some(node)) if node.map().is_none() => problem(
            "stack-not-a-map",
            format!(
                "yaml: line {}: cannot unmarshal {} into map[string]interface {{}}",
                node.pos().line,
                if node.list().is_some() { "!!seq" } else { "!!str" }
            ),
            node.pos().line,
            node.pos().column,
        ),
        Ok(Some(node)) => {
            let odd = not_finite(node)?;
            problem("json-unsupported-value", "unsupported value: +Inf".to_owned(), odd.pos().line, odd.pos().column)
        }
        Ok(None) => None,
    }
}

fn not_finite(node: &Node) -> Option<&Node> {
    match node.value() {
        super::node::Value::Float(f) if !f.is_finite() => Some(node),
        super::node::Value::Map(m) => m.entries().iter().find_map(|(_, v)| not_finite(v)),
        super::node::Value::List(l) => l.iter().find_map(not_finite),
        _ => None,
    }
}

/// Components that two files of one stack write differently.
fn duplicates(stacks: &[Arc<Stack>]) -> Vec<Diagnostic> {
    const DERIVED: [&str; 7] = [
        "atmos_component",
        "atmos_stack",
        "stack",
        "atmos_stack_file",
        "atmos_manifest",
        "workspace",
        "component_info",
    ];
    let mut seen: HashMap<_, (&Stack, &Instance)> = HashMap::new();
    let mut out = Vec::new();
    for stack in stacks {
        for i in &stack.instances {
            if i.is_abstract || !matches!(i.kind, "terraform" | "helmfile") {
                continue;
            }
            match seen.entry((i.stack, i.kind, i.name)) {
                std::collections::hash_map::Entry::Vacant(e) => {
                    e.insert((stack, i));
                }
                std::collections::hash_map::Entry::Occupied(e) => {
                    let (first, other) = e.get();
                    if i.sections.without(&DERIVED).entries() == other.sections.without(&DERIVED).entries() {
                        continue;
                    }
                    let source = stack
                        .merged
                        .config
                        .at_path(&["components", i.kind, i.name.as_str()])
                        .and_then(|n| n.pos().source());
                    out.push(Diagnostic {
                        severity: Severity::Error,
                        code: "duplicate-component".to_owned(),
                        message: format!(
                            "The Atmos component '{}' in the stack '{}' is defined in more than one top-level stack manifest file: {}, {}. The component configurations in the stack manifests are different.",
                            i.name.as_str(),
                            i.stack.as_str(),
                            first.file.as_str(),
                            stack.file.as_str()
                        ),
                        hint: Some("define it in one file, or give the stacks names of their own".to_owned()),
                        source,
                        stack: Some(i.stack.as_str().to_owned()),
                    });
                }
            }
        }
    }
    out
}
