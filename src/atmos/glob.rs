//! Globs over an estate's files, in the order Atmos' doublestar gives.

use std::{
    cmp::Ordering,
    collections::HashSet,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobMatcher};

use super::files::{Files, Kind};

const MAX_DEPTH: usize = 64;

/// Compiles a doublestar pattern; `None` where it is none.
#[must_use]
pub fn compile(pattern: &str) -> Option<GlobMatcher> {
    GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .empty_alternates(true)
        .build()
        .ok()
        .map(|g| g.compile_matcher())
}

/// Tells whether a path holds characters of a pattern.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Lists every file below a folder, relative to it; links to folders are followed once.
#[must_use]
pub fn list(files: &dyn Files, folder: &Path) -> Vec<String> {
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    walk(files, folder, "", 0, &mut seen, &mut out);
    out
}

fn walk(
    files: &dyn Files,
    folder: &Path,
    prefix: &str,
    depth: usize,
    seen: &mut HashSet<PathBuf>,
    out: &mut Vec<String>,
) {
    let Ok(real) = files.real(folder) else { return };
    if depth > MAX_DEPTH || !seen.insert(real.clone()) {
        return;
    }
    let Ok(entries) = files.list(folder) else { return };
    let mut folders = Vec::new();
    for (name, kind) in entries {
        match kind {
            Kind::File => out.push(format!("{prefix}{name}")),
            Kind::Folder => folders.push(name),
        }
    }
    for name in folders {
        walk(files, &folder.join(&name), &format!("{prefix}{name}/"), depth + 1, seen, out);
    }
    seen.remove(&real);
}

/// Returns the files of a listing that match, in doublestar's order.
#[must_use]
pub fn matching<'a>(listing: &'a [String], pattern: &str) -> Vec<&'a str> {
    let Some(glob) = compile(pattern) else { return Vec::new() };
    let mut out: Vec<&str> = listing.iter().map(String::as_str).filter(|f| glob.is_match(f)).collect();
    out.sort_by(|a, b| order(a, b));
    out
}

/// Orders paths by bytes, a folder's own files before what lies in its subfolders.
fn order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.split_once('/'), b.split_once('/')) {
            (Some((x, rest_a)), Some((y, rest_b))) => {
                if x != y {
                    return x.cmp(y);
                }
                (a, b) = (rest_a, rest_b);
            }
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
        }
    }
}
