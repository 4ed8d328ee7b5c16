//! Holds the layers: `domain <- atmos <- platform <- api <- tui`, and `cli` on top of them all.
//!
//! It reads the sources and fails on an upward or sideways path, wherever it stands: `use crate::api::…`, a path in
//! an expression, or `super::super::…` that leaves its layer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;
use std::path::{Path, PathBuf};

/// What a layer may name: layers, or modules of one.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("atmos", &["domain"]),
    ("platform", &["domain", "atmos"]),
    ("api", &["domain", "atmos", "platform"]),
    ("tui", &["domain", "api::client", "api::types"]),
    ("cli", &["domain", "atmos", "platform", "api", "tui"]),
];

/// What the rules of the domain must not reach for.
const NOT_IN_DOMAIN: &[&str] = &[
    "std::fs",
    "std::process",
    "std::net",
    "std::env",
    "std::thread",
    "SystemTime",
    "Instant",
    "Timestamp::now",
    "Zoned::now",
    "Ulid::new",
    "tokio",
    "axum",
    "ratatui",
    "crossterm",
    "sqlx",
    "reqwest",
    "rayon",
];

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut open = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(&root).unwrap().to_path_buf(), text));
            }
        }
    }
    found.sort();
    found
}

/// Returns the module path of a file: `tui/panes/runs.rs` is `[tui, panes, runs]`.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Returns the code without comments (documentation may link to any layer).
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// Returns every path of the crate that the text names, without the leading `crate`.
fn paths(text: &str, module: &[String]) -> Vec<String> {
    let code = code(text);
    let word = regex::Regex::new(r"\b(crate|super(?:\s*::\s*super)*)\s*::\s*").unwrap();
    let mut found = Vec::new();
    for hit in word.captures_iter(&code) {
        let whole = hit.get(0).unwrap();
        let rest = &code[whole.end()..];
        let start = match &hit[1] {
            "crate" => Vec::new(),
            supers => {
                let up = supers.matches("super").count();
                // Inside `mod tests` one `super` is the file itself: reading too low a level is the safe side here,
                // because only a path that leaves the layer counts.
                module[..module.len().saturating_sub(up)].to_vec()
            }
        };
        // A visibility, `pub(in super::super)`, ends right after.
        for tail in tails(rest) {
            let mut path = start.clone();
            path.extend(tail.split("::").map(|part| part.trim().to_owned()));
            found.push(path.join("::"));
        }
    }
    found
}

/// Returns what follows `crate::`: one path, or those of a group.
fn tails(rest: &str) -> Vec<String> {
    if !rest.starts_with('{') {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
        let path = rest[..end].trim_end_matches(':').to_owned();
        return match rest[end..].starts_with('{') {
            true => tails(&rest[end..]).into_iter().map(|tail| format!("{path}::{tail}")).collect(),
            false => vec![path],
        };
    }
    let (mut depth, mut begin, mut found) = (0usize, 1usize, Vec::new());
    for (at, c) in rest.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || (c == '}' && depth == 0) {
            let item = rest[begin..at].trim();
            if !item.is_empty() {
                found.extend(tails(item));
            }
            begin = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    found
}

/// Returns what is wrong with a file.
fn offences(path: &Path, text: &str) -> Vec<String> {
    let module = module(path);
    let Some((layer, allowed)) = MAY_USE.iter().find(|(name, _)| module.first().is_some_and(|first| first == name))
    else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    for used in paths(text, &module) {
        let other = used.split("::").next().unwrap_or("");
        let is_layer = MAY_USE.iter().any(|(name, _)| *name == other);
        let fine = other == *layer || allowed.iter().any(|may| used == *may || used.starts_with(&format!("{may}::")));
        if is_layer && !fine {
            wrong.push(format!("{}: {layer} must not use {used}", path.display()));
        }
    }
    if *layer == "domain" {
        let code = code(text);
        for word in NOT_IN_DOMAIN.iter().filter(|word| code.contains(**word)) {
            wrong.push(format!("{}: the domain must not use {word}", path.display()));
        }
    }
    wrong
}

#[test]
fn imports_point_downwards_only() {
    let sources = sources();
    for (layer, _) in MAY_USE.iter().filter(|(layer, _)| *layer == "domain" || *layer == "cli") {
        assert!(sources.iter().any(|(path, _)| path.starts_with(layer)), "no source was found in {layer}");
    }
    let wrong: Vec<String> = sources.iter().flat_map(|(path, text)| offences(path, text)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_of_the_library_is_a_known_layer() {
    let (_, text) = sources().into_iter().find(|(path, _)| path == Path::new("lib.rs")).unwrap();
    for line in text.lines().filter_map(|line| line.strip_prefix("pub mod ")) {
        let name = line.trim_end_matches(';');
        assert!(MAY_USE.iter().any(|(layer, _)| *layer == name), "{name} has no place among the layers");
    }
}

#[test]
fn what_points_upwards_is_found() {
    let found = |file: &str, text: &str| offences(Path::new(file), text).len();
    assert_eq!(found("domain/run.rs", "use crate::atmos::Estate;"), 1);
    assert_eq!(found("domain/run.rs", "let now = jiff::Timestamp::now();"), 1);
    assert_eq!(found("atmos/mod.rs", "use crate::{domain::stack, platform::{runs, store}};"), 2);
    assert_eq!(found("platform/runs/mod.rs", "fn f() { super::super::api::client::get() }"), 1);
    assert_eq!(found("tui/app.rs", "use crate::api::{client::Client, server};"), 1);
    assert_eq!(
        found("tui/app.rs", "use crate::api::{\n    client::Client,\n    types,\n};\nuse crate::domain::run::Run;"),
        0
    );
    assert_eq!(found("tui/app.rs", "use crate::platform::runs;"), 1);
    assert_eq!(
        found("api/routes/runs.rs", "use super::super::types; use crate::platform::runs; // crate::tui::app"),
        0
    );
    assert_eq!(found("cli/demo/mod.rs", "use crate::{tui, api, platform};"), 0);
}
