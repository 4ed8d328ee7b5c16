//! Makes a snapshot: selects the files, reads them on all cores, resolves each stack.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use foldhash::fast::RandomState;
use rayon::prelude::*;

use super::{Estate, check};
use crate::{
    atmos::{
        AtmosConfig, AtmosError, LoadOptions, config, glob,
        import::{Engine, Kept, Merged},
        manifest::{REFUSED, own::Rules},
        merge::ListStrategy,
        node::Key,
        resolve::{self, Stack},
    },
    domain::stack::{Diagnostic, Severity, Source},
};

/// What is known of an estate before its stack files are resolved.
pub(super) struct Reading<'o> {
    root: PathBuf,
    options: &'o LoadOptions,
    config: AtmosConfig,
    problems: Vec<Diagnostic>,
    listing: Vec<String>,
    selected: Vec<String>,
    rules: Rules,
}

impl<'o> Reading<'o> {
    /// Reads the configuration and selects the stack files.
    pub(super) fn begin(root: &Path, options: &'o LoadOptions) -> Result<Self, AtmosError> {
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
        Ok(Self { root, options, config, problems, listing, selected, rules })
    }

    /// Returns the configuration.
    pub(super) fn config(&self) -> &AtmosConfig {
        &self.config
    }

    /// Tells whether the same files lie below the folder of stacks, and no component's folder among them.
    pub(super) fn lists_as(&self, listing: &[String]) -> bool {
        let folders = self.config.components.values().filter_map(|c| c.base_path.as_ref());
        self.listing == listing && !folders.into_iter().any(|f| f.starts_with(&self.config.stacks_path))
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
        Engine::new(&self.root, &self.config, self.options, &self.listing, &self.rules, kept)
    }

    /// Reads every YAML file below the folder of stacks, on all cores.
    pub(super) fn read_all(&self, engine: &Engine<'_>) {
        self.yaml().par_iter().for_each(|path| {
            engine.doc(path);
        });
    }

    fn yaml(&self) -> Vec<PathBuf> {
        let is_yaml = |f: &&String| f.ends_with(".yaml") || f.ends_with(".yml");
        self.listing.iter().filter(is_yaml).map(|f| self.path(f)).collect()
    }

    /// Resolves all stack files but the `unchanged` ones, reading and merging what `kept` lacks.
    pub(super) fn all(self, kept: Kept, unchanged: &HashMap<&Path, &Arc<Stack>>) -> Estate {
        let engine = self.engine(kept);
        self.read_all(&engine);
        let stacks = self.stacks(&engine, &self.selected, unchanged);
        let spared: Vec<_> = self.config.excluded_paths.iter().filter_map(|p| glob::compile(p)).collect();
        let mut problems = self.problems.clone();
        let yaml = self.yaml();
        let judged: Vec<&PathBuf> = yaml.iter().filter(|path| !spared.iter().any(|g| g.is_match(path))).collect();
        for path in &judged {
            let Some(doc) = engine.doc(path) else { continue };
            problems.extend(doc.judged.get_or_init(|| check::whole_file(&doc)).clone());
            if let Ok(Some(node)) = &doc.parsed {
                problems.extend(self.rules.deprecated(node));
            }
        }
        // Atmos holds every file below the folder of stacks to its rules, whether a stack imports it or not.
        let (mut seen, mut lists) = (HashSet::new(), Vec::new());
        for stack in &stacks {
            stack.merged.each(&mut seen, &mut |m| lists.push(Arc::clone(&m.files)));
        }
        let merged: HashSet<&PathBuf, RandomState> = lists.iter().flat_map(|files| files.iter()).collect();
        let apart: Vec<&PathBuf> = judged.into_iter().filter(|path| !merged.contains(*path)).collect();
        let apart: Vec<(&PathBuf, Arc<Merged>)> = apart.par_iter().map(|path| (*path, engine.stack(path))).collect();
        // What another one imports is judged as that one imports it.
        let mut imported = HashSet::new();
        for (_, merged) in &apart {
            merged.imported().for_each(|m| m.each(&mut seen, &mut |m| imported.extend(m.files.iter().cloned())));
        }
        for (_, merged) in apart.iter().filter(|(path, _)| !imported.contains(*path)) {
            problems.extend(merged.all_problems().into_iter().cloned());
        }
        let kept = engine.into_kept();
        self.estate(kept, stacks, problems)
    }

    /// Resolves some stack files.
    pub(super) fn some(self, kept: Kept, files: &[String]) -> Estate {
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

    fn estate(self, kept: Kept, stacks: Vec<Arc<Stack>>, mut diagnostics: Vec<Diagnostic>) -> Estate {
        // Atmos holds a stack file that others import to its rules as they import it, not by itself.
        let (mut imports, mut lists) = (HashSet::new(), Vec::new());
        for stack in &stacks {
            let merged = stack.merged.imported();
            merged.for_each(|m| m.each(&mut imports, &mut |m| lists.push(Arc::clone(&m.files))));
        }
        let paths: HashSet<&PathBuf, RandomState> = lists.iter().filter_map(|files| files.first()).collect();
        let mut seen = HashSet::new();
        for stack in &stacks {
            let root = std::ptr::from_ref(&*stack.merged) as usize;
            let elsewhere = paths.contains(&stack.path) && !imports.contains(&root);
            stack.merged.each(&mut seen, &mut |m| {
                let spared = elsewhere && std::ptr::from_ref(m) as usize == root;
                diagnostics.extend(m.problems.iter().filter(|p| !spared || p.code != REFUSED).cloned());
            });
            diagnostics.extend(stack.problems.iter().cloned());
            diagnostics.extend(stack.of_components.iter().map(|(_, problem)| problem.clone()));
        }
        diagnostics.extend(check::duplicates(&stacks));
        sort(&mut diagnostics);
        let ids = order(&stacks);
        let Self { root, options, config, listing, .. } = self;
        Estate { options: options.clone(), stacks, ids, diagnostics, kept, listing, config, root }
    }
}

/// Returns stack and instance of each id, by stack name, component, type, file.
fn order(stacks: &[Arc<Stack>]) -> Vec<(u32, u32)> {
    let mut named: HashMap<Key, Vec<(u32, u32)>, RandomState> = HashMap::default();
    for (s, stack) in (0_u32..).zip(stacks) {
        for (i, instance) in (0_u32..).zip(&stack.instances) {
            named.entry(instance.stack).or_default().push((s, i));
        }
    }
    let mut named: Vec<(Key, Vec<(u32, u32)>)> = named.into_iter().collect();
    named.sort_unstable_by_key(|(name, _)| *name);
    let key = |id: &(u32, u32)| {
        let i = &stacks[id.0 as usize].instances[id.1 as usize];
        (i.name, i.kind, id.0)
    };
    named.par_iter_mut().for_each(|(_, ids)| ids.sort_by(|a, b| key(a).cmp(&key(b))));
    named.into_iter().flat_map(|(_, ids)| ids).collect()
}

/// Sorts diagnostics by place, and drops what is said twice.
pub(super) fn sort(diagnostics: &mut Vec<Diagnostic>) {
    let place = |d: &Diagnostic| d.source.as_ref().map(|s| (s.file.clone(), s.line, s.column));
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
