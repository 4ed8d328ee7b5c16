//! What Atmos says (configuration, stacks, workflows) and does (drivers).
//!
//! This file is the façade of stack resolution: [`Estate`] is an immutable snapshot of one repository, resolved as
//! `atmos describe stacks --process-templates=false --process-functions=false` resolves it, with the file, line and column
//! of every leaf. Nothing here runs a command or fetches anything.

pub mod affected;
pub mod catalog;
pub mod config;
mod depends;
mod describe;
pub mod diff;
pub mod driver;
pub mod error;
pub mod estate;
mod explain;
pub mod files;
pub mod fix;
pub mod glob;
mod import;
mod locals;
mod manifest;
pub mod merge;
pub mod node;
mod resolve;
mod runs;
pub mod search;
pub mod target;
pub mod template;
pub mod yaml;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use config::{AtmosConfig, ComponentType};
pub use error::AtmosError;
pub use estate::Estate;
pub use target::RunTarget;

use crate::domain::id::Digest;

/// How an estate is read.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Whether reads may leave the estate and YAML functions in `locals` may run.
    pub trusted: bool,
    /// What each file outside of the estate must hold to be read where it is trusted; `None`: whatever it holds.
    pub outside: Option<Arc<BTreeMap<PathBuf, Digest>>>,
    /// The environment Atmos would see: `ATMOS_*`, and what templates and `!env` read.
    pub env: BTreeMap<String, String>,
    /// Where files are read from: the disk, or a tree of another Git ref.
    pub files: Arc<dyn files::Files>,
    /// A configuration to read it by instead of its own `atmos.yaml`.
    pub config: Option<Arc<AtmosConfig>>,
}

impl Default for LoadOptions {
    /// Untrusted, no environment, from the disk.
    fn default() -> Self {
        Self { trusted: false, outside: None, env: BTreeMap::new(), files: Arc::new(files::Disk), config: None }
    }
}

impl LoadOptions {
    /// Tells whether what was read may be used: a file outside of the estate must hold what it held when it was trusted.
    fn accepts(&self, root: &Path, path: &Path, bytes: &[u8]) -> bool {
        let Some(outside) = &self.outside else { return true };
        config::inside(self.files.as_ref(), root, path) || outside.get(path) == Some(&Digest::of(bytes))
    }
}

/// One instance of one snapshot; another snapshot may number its instances otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u32);

/// Narrows `describe stacks` as Atmos' flags do.
#[derive(Debug, Clone, Default)]
pub struct DescribeFilter {
    /// `-s`: a stack's name (or a stack file's).
    pub stack: Option<String>,
    /// `--components`: only these; all where empty.
    pub components: Vec<String>,
    /// `--component-types`: only these; all where empty.
    pub component_types: Vec<String>,
    /// `--sections`: only these keys of an instance; all where empty.
    pub sections: Vec<String>,
    /// `--include-empty-stacks`: stacks without components too, where their name can be told without any.
    pub include_empty_stacks: bool,
}

/// Returns what was perhaps meant: the candidate that needs the fewest edits, where few enough do.
#[must_use]
pub fn did_you_mean(text: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let text: Vec<char> = text.chars().collect();
    let limit = (text.len() / 3).max(2);
    candidates.filter_map(|c| distance(&text, &c, limit).map(|d| (d, c))).min().map(|(_, c)| c)
}

/// Counts edits between two texts (swaps of neighbours as two), `None` above the limit.
fn distance(a: &[char], b: &str, limit: usize) -> Option<usize> {
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], cost);
        }
    }
    row.last().copied().filter(|d| *d <= limit)
}
