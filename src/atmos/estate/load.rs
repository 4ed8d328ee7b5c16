//! Makes a snapshot: selects the files, reads them on all cores, resolves each stack.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsStr,
    path::{Path, PathBuf},
    sync::Arc,
};

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::{Estate, check};
use crate::{
    atmos::{
        AtmosConfig, AtmosError, LoadOptions, config,
        files::Kind,
        glob,
        import::{Doc, Engine, Kept, Merged},
        manifest::{REFUSED, own::Rules},
        merge::ListStrategy,
        node::Key,
        resolve::{self, Stack},
    },
    domain::stack::{Diagnostic, Severity, Source},
};

/// What is known of an estate before its stack files are resolved.
#[derive(Debug)]
pub(super) struct Reading {
    root: PathBuf,
    options: LoadOptions,
    /// The environment of the options, for templates.
    env: Arc<BTreeMap<String, String>>,
    config: AtmosConfig,
    problems: Vec<Diagnostic>,
    /// Every file below the folder of stacks.
    listing: Vec<String>,
    selected: Vec<String>,
    /// The YAML files of the listing.
    yaml: Vec<PathBuf>,
    /// Those that are held to the rules, whether a stack imports them or not.
    judged: Vec<PathBuf>,
    rules: Rules,
}

impl Reading {
    /// Reads the configuration and selects the stack files.
    pub(super) fn begin(root: &Path, options: &LoadOptions) -> Result<Self, AtmosError> {
        let root = std::path::absolute(root).map_err(|e| AtmosError::new("unreadable-folder", e.to_string()))?;
        let root = config::clean(&root);
        let (config, mut problems) = match &options.config {
            Some(config) => (config.as_ref().clone(), Vec::new()),
            None => config::load(&root, options)?,
        };
        if ListStrategy::parse(&config.list_merge_strategy).is_none() {
            problems.push(Diagnostic {
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
        let (rules, problem) = Rules::of(&root, &config, options);
        problems.extend(problem);
        let is_yaml = |f: &&String| f.ends_with(".yaml") || f.ends_with(".yml");
        let yaml: Vec<PathBuf> = listing.iter().filter(is_yaml).map(|f| config.stacks_path.join(f)).collect();
        let spared: Vec<_> = config.excluded_paths.iter().filter_map(|p| glob::compile(p)).collect();
        let judged = yaml.iter().filter(|path| !spared.iter().any(|g| g.is_match(path))).cloned().collect();
        let (options, env) = (options.clone(), Arc::new(options.env.clone()));
        Ok(Self { root, options, env, config, problems, listing, selected, yaml, judged, rules })
    }

    /// Returns the estate's root.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns how the estate is read.
    pub(super) fn options(&self) -> &LoadOptions {
        &self.options
    }

    /// Returns the environment that templates see.
    pub(super) fn env(&self) -> Arc<BTreeMap<String, String>> {
        Arc::clone(&self.env)
    }

    /// Returns the configuration.
    pub(super) fn config(&self) -> &AtmosConfig {
        &self.config
    }

    /// Tells whether the configuration, or the schema that it names, is made of this file.
    pub(super) fn is_made_of(&self, path: &Path) -> bool {
        let named = !self.config.manifest_schema.is_empty();
        self.config.files.iter().any(|f| f == path)
            || (named && Rules::places(&self.root, &self.config).iter().any(|place| place == path))
    }

    /// Tells whether it may be kept where nothing that it is made of changed: what could not be had is sought again.
    pub(super) fn is_whole(&self) -> bool {
        self.problems.is_empty()
    }

    /// Tells whether the same files lie below the folder of stacks.
    pub(super) fn lists_as(&self, other: &Self) -> bool {
        self.listing == other.listing
    }

    /// Tells whether a folder below the folder of stacks has the names that it had, and no component's folder lies there.
    pub(super) fn still_lists(&self, folder: &Path) -> bool {
        let Ok(below) = folder.strip_prefix(&self.config.stacks_path) else { return false };
        let mut folders = self.config.components.values().filter_map(|c| c.base_path.as_ref());
        if folders.any(|f| f.starts_with(&self.config.stacks_path)) {
            return false;
        }
        let Ok(now) = self.options.files.list(folder) else { return false };
        let now: HashSet<(&str, Kind)> = now.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        let inside = self.listing.iter().filter_map(|file| Path::new(file).strip_prefix(below).ok()?.to_str());
        let before =
            inside.map(|file| file.split_once('/').map_or((file, Kind::File), |(name, _)| (name, Kind::Folder)));
        now == before.collect()
    }

    /// Returns the stack files, relative to the folder of stacks.
    pub(super) fn selected(&self) -> &[String] {
        &self.selected
    }

    /// Returns a stack file's path.
    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.config.stacks_path.join(file)
    }

    /// Returns what reads and merges the files that `kept` lacks.
    pub(super) fn engine(&self, kept: Kept) -> Engine<'_> {
        Engine::new(&self.root, &self.config, &self.options, &self.listing, &self.rules, kept)
    }

    /// Reads every YAML file below the folder of stacks, on all cores.
    pub(super) fn read_all(&self, engine: &Engine<'_>) {
        self.yaml.par_iter().for_each(|path| {
            engine.doc(path);
        });
    }

    /// Resolves all stack files but the `unchanged` ones, reading and merging what `kept` lacks.
    pub(super) fn all(self: Arc<Self>, kept: Kept, unchanged: &HashMap<&Path, &Arc<Stack>>) -> Estate {
        let engine = self.engine(kept);
        self.read_all(&engine);
        let stacks = self.stacks(&engine, &self.selected, unchanged);
        let mut problems = self.problems.clone();
        for doc in self.judged.iter().filter_map(|path| engine.doc(path)) {
            problems.extend_from_slice(doc.judged.get_or_init(|| self.judge(&doc)));
        }
        // Atmos holds every file below the folder of stacks to its rules, whether a stack imports it or not.
        let mut merged = Brought::default();
        for stack in &stacks {
            merged.add(&stack.merged.files);
            stack.brings.iter().for_each(|files| merged.add(files));
        }
        let apart: Vec<&PathBuf> = self.judged.iter().filter(|path| !merged.has(path)).collect();
        let apart: Vec<(&PathBuf, Arc<Merged>)> = apart.par_iter().map(|path| (*path, engine.stack(path))).collect();
        // What another one imports is judged as that one imports it.
        let (mut seen, mut imported) = (HashSet::default(), Brought::default());
        for (_, merged) in &apart {
            merged.imported().for_each(|m| m.each(&mut seen, &mut |m| imported.add(&m.files)));
        }
        // In a cycle each is imported by another one, and one of them must speak for all.
        let (below, above): (Vec<_>, Vec<_>) = apart.iter().partition(|(path, _)| imported.has(path));
        let (mut seen, mut told) = (HashSet::default(), Brought::default());
        for (path, merged) in above.into_iter().chain(below) {
            if !told.has(path) {
                problems.extend(merged.all_problems().into_iter().cloned());
                merged.each(&mut seen, &mut |m| told.add(&m.files));
            }
        }
        let kept = engine.into_kept();
        self.estate(kept, stacks, problems)
    }

    /// Says what is wrong with a file by itself.
    fn judge(&self, doc: &Doc) -> Vec<Diagnostic> {
        let deprecated = doc.parsed.iter().flatten().flat_map(|node| self.rules.deprecated(node));
        check::whole_file(doc).into_iter().chain(deprecated).collect()
    }

    /// Resolves some stack files.
    pub(super) fn some(self: Arc<Self>, kept: Kept, files: &[String]) -> Estate {
        let engine = self.engine(kept);
        let stacks = self.stacks(&engine, files, &HashMap::new());
        let kept = engine.into_kept();
        let problems = self.problems.clone();
        self.estate(kept, stacks, problems)
    }

    fn stacks(
        &self,
        engine: &Engine<'_>,
        files: &[String],
        unchanged: &HashMap<&Path, &Arc<Stack>>,
    ) -> Vec<Arc<Stack>> {
        let mut stacks: Vec<Arc<Stack>> = files
            .par_iter()
            .map(|file| {
                let path = self.path(file);
                if let Some(stack) = unchanged.get(path.as_path()) {
                    return Arc::clone(stack);
                }
                Arc::new(resolve::resolve_stack(engine, &path, stack_name(file), engine.stack(&path), None))
            })
            .collect();
        stacks.sort_by_key(|s| s.file);
        stacks
    }

    fn estate(self: Arc<Self>, kept: Kept, stacks: Vec<Arc<Stack>>, mut diagnostics: Vec<Diagnostic>) -> Estate {
        // Atmos holds a stack file that others import to its rules as they import it, not by itself.
        let mut imported = Brought::default();
        stacks.iter().flat_map(|stack| &stack.brings).for_each(|files| imported.add(files));
        let mut seen = HashSet::new();
        for stack in &stacks {
            let refused = stack.merged.problems.iter().any(|p| p.code == REFUSED);
            let spared = refused && imported.has(&stack.path) && !is_imported(&stacks, &stack.merged);
            diagnostics.extend(stack.merged.problems.iter().filter(|p| !spared || p.code != REFUSED).cloned());
            for merged in stack.faulty.iter().filter(|merged| seen.insert(Arc::as_ptr(merged))) {
                diagnostics.extend_from_slice(&merged.problems);
            }
            diagnostics.extend_from_slice(&stack.problems);
            diagnostics.extend(stack.of_components.iter().map(|(_, problem)| problem.clone()));
        }
        let names = names(&stacks);
        let shared = names.iter().filter(|(_, makers)| makers.len() > 1).map(|(name, _)| *name).collect();
        diagnostics.extend(check::duplicates(&stacks, &shared));
        sort(&mut diagnostics);
        let ids = order(&stacks, &names);
        Estate { reading: self, stacks, ids, diagnostics, kept }
    }
}

/// Files that are brought in; each list of them is looked at once.
#[derive(Default)]
struct Brought<'m> {
    lists: HashSet<*const PathBuf, RandomState>,
    files: HashSet<&'m OsStr, RandomState>,
}

impl<'m> Brought<'m> {
    fn add(&mut self, files: &'m [PathBuf]) {
        if self.lists.insert(files.as_ptr()) {
            self.files.extend(files.iter().map(|file| file.as_os_str()));
        }
    }

    fn has(&self, file: &Path) -> bool {
        self.files.contains(file.as_os_str())
    }
}

/// Tells whether a stack imports this very merged file.
fn is_imported(stacks: &[Arc<Stack>], sought: &Merged) -> bool {
    let (mut seen, mut found) = (HashSet::default(), false);
    for imported in stacks.iter().flat_map(|stack| stack.merged.imported()) {
        imported.each(&mut seen, &mut |merged| found |= std::ptr::eq(merged, sought));
    }
    found
}

/// The stack files that make each stack, each with its instances there by component and type.
type Names<'s> = BTreeMap<Key, Vec<(u32, &'s [u32])>>;

fn names(stacks: &[Arc<Stack>]) -> Names<'_> {
    let mut names = Names::new();
    for (s, stack) in (0_u32..).zip(stacks) {
        for (name, instances) in &stack.makes {
            names.entry(*name).or_default().push((s, instances));
        }
    }
    names
}

/// Returns stack and instance of each id, by stack name, component, type, file.
fn order(stacks: &[Arc<Stack>], names: &Names<'_>) -> Vec<(u32, u32)> {
    let mut ids = Vec::with_capacity(stacks.iter().map(|stack| stack.instances.len()).sum());
    for makers in names.values() {
        let from = ids.len();
        ids.extend(makers.iter().flat_map(|(s, instances)| instances.iter().map(|i| (*s, *i))));
        if makers.len() > 1 {
            ids[from..].sort_by_key(|(s, i)| {
                let instance = &stacks[*s as usize].instances[*i as usize];
                (instance.name, instance.kind, *s)
            });
        }
    }
    ids
}

/// Sorts diagnostics by place, and drops what is said twice.
pub(super) fn sort(diagnostics: &mut Vec<Diagnostic>) {
    fn place(d: &Diagnostic) -> Option<(&str, u32, u32)> {
        d.source.as_ref().map(|s| (s.file.as_str(), s.line, s.column))
    }
    diagnostics.sort_by(|a, b| place(a).cmp(&place(b)).then_with(|| (&a.code, &a.message).cmp(&(&b.code, &b.message))));
    diagnostics
        .dedup_by(|a, b| place(a) == place(b) && a.code == b.code && (a.source.is_some() || a.message == b.message));
}

/// Returns a stack file's name as Atmos has it.
pub(super) fn stack_name(file: &str) -> &str {
    file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file)
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
