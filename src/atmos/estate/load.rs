//! Makes a snapshot: selects the files, reads them on all cores, resolves each stack.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use rayon::prelude::*;

use super::{Estate, check};
use crate::{
    atmos::{
        AtmosConfig, AtmosError, LoadOptions, config, glob,
        import::{Doc, Engine},
        manifest::own::Rules,
        merge::ListStrategy,
        resolve::{self, Stack},
    },
    domain::stack::{Diagnostic, Severity, Source},
};

impl Estate {
    /// Resolves what is not `unchanged` from files that are read unless `docs` has them.
    pub(super) fn resolve(
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
        let (rules, problem) = Rules::of(&root, &config, options);
        diagnostics.extend(problem);
        let engine = Engine::new(&root, &config, options, &listing, rules, docs);
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
        let judged: Vec<&PathBuf> = yaml.iter().filter(|path| !spared.iter().any(|g| g.is_match(path))).collect();
        for path in &judged {
            let Some(doc) = engine.doc(path) else { continue };
            diagnostics.extend(check::whole_file(&doc));
            if let Ok(Some(node)) = &doc.parsed {
                diagnostics.extend(engine.rules.deprecated(node));
            }
        }
        // Atmos holds every file below the folder of stacks to its rules, whether a stack imports it or not.
        let merged: HashSet<&PathBuf> = stacks.iter().flat_map(|stack| &stack.merged.files).collect();
        let apart: Vec<&PathBuf> = judged.into_iter().filter(|path| !merged.contains(path)).collect();
        let found: Vec<Vec<Diagnostic>> = apart.par_iter().map(|path| engine.stack(path).problems.clone()).collect();
        diagnostics.extend(found.into_iter().flatten());
        for stack in &stacks {
            diagnostics.extend(stack.merged.problems.iter().cloned());
            diagnostics.extend(stack.problems.iter().cloned());
        }
        diagnostics.extend(check::duplicates(&stacks));
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
