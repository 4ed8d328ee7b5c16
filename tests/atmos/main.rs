//! Stack resolution held to recorded answers of the real Atmos.

mod bytes;
mod editing;
mod incremental;
mod laws;
mod lazy;
mod mutation;
mod places;
mod reach;
mod rules;
mod support;
mod trust;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;
use terrace::atmos::{DescribeFilter, Estate, LoadOptions};

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Where recorded answers on configurations of others lie.
fn recordings() -> PathBuf {
    std::env::var_os("TERRACE_RECORDINGS").map_or_else(|| home().join("../shared/atmos/upstream"), PathBuf::from)
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|d| d.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.join("result.json").is_file()).collect())
        .unwrap_or_default();
    out.sort();
    out
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a recorded answer")).expect("JSON")
}

/// Makes texts comparable: the folder of the recording, and the realm that is a hash of it.
fn normal(value: &mut Value, repo: &str) {
    match value {
        Value::String(s) => {
            *s = s.replace(repo, "<repo>");
        }
        Value::Array(a) => a.iter_mut().for_each(|v| normal(v, repo)),
        Value::Object(o) => {
            for (k, v) in o.iter_mut() {
                if k == "realm" && v.as_str().is_some_and(|s| s.len() == 16 && s.bytes().all(|b| b.is_ascii_hexdigit()))
                {
                    *v = Value::String("<realm>".into());
                }
                normal(v, repo);
            }
        }
        Value::Number(n) => {
            if let Some(f) = n.as_f64().filter(|_| n.is_f64() || n.as_f64().is_some_and(|f| f.abs() >= 1e15)) {
                *value = serde_json::json!(format!("{f:e}"));
            }
        }
        _ => {}
    }
}

fn first_difference(path: &str, a: &Value, b: &Value) -> Option<String> {
    if a == b {
        return None;
    }
    if let (Value::Object(x), Value::Object(y)) = (a, b) {
        let keys: std::collections::BTreeSet<&String> = x.keys().chain(y.keys()).collect();
        for k in keys {
            let here = format!("{path}.{k}");
            match (x.get(k), y.get(k)) {
                (Some(v), Some(w)) => {
                    if let Some(d) = first_difference(&here, v, w) {
                        return Some(d);
                    }
                }
                (Some(v), None) => return Some(format!("{here}: only Terrace has {v}")),
                (None, Some(w)) => return Some(format!("{here}: only Atmos has {w}")),
                (None, None) => {}
            }
        }
    }
    Some(format!("{path}: Terrace {a}, Atmos {b}"))
}

fn describe(repo: &Path, trusted: bool) -> Result<(Value, Vec<String>), String> {
    let options = LoadOptions { trusted, env: BTreeMap::new(), ..LoadOptions::default() };
    let estate = Estate::load(repo, &options).map_err(|e| format!("{}: {}", e.code, e.message))?;
    let mut out = Vec::new();
    estate.describe_stacks(&DescribeFilter::default(), &mut out).map_err(|e| e.to_string())?;
    let errors = estate
        .diagnostics()
        .iter()
        .filter(|d| d.severity == terrace::domain::stack::Severity::Error)
        .map(|d| format!("{}: {}", d.code, d.message))
        .collect();
    Ok((serde_json::from_slice(&out).map_err(|e| e.to_string())?, errors))
}

/// Words of Atmos' error that must turn up in one of ours: the cause, not the wording.
fn same_cause(recorded: &str, ours: &[String]) -> bool {
    let squash = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let (recorded, ours) = (squash(recorded), squash(&ours.join("\n")));
    let causes: &[(&str, &str)] = &[
        ("backend_type does not match", "backend_type does not match"),
        ("(using 'component:' attribute)", "(using 'component:' attribute)"),
        ("invalid component map type", "invalid component map type"),
        ("no stack manifests found", "no stack manifests found"),
        ("missing configuration", "but the directory does not exist"),
        ("defined in more than one top-level", "defined in more than one top-level"),
        ("map has no entry for key", "map has no entry for key"),
        ("stack import not found", "stack import not found"),
        ("invalid import", "invalid import"),
        ("imports itself", "imports itself"),
        ("circular component inheritance", "circular component inheritance"),
        ("invalid component metadata.inherits", "invalid component metadata.inherits"),
        ("component not defined in any config files", "component not defined in any config files"),
        ("invalid list merge strategy", "invalid list merge strategy"),
        ("circular dependency in locals", "circular dependency in locals"),
        ("not allowed at global", "not allowed at global"),
        ("stack name pattern references", "stack name pattern references"),
        ("needs to be specified in 'atmos.yaml'", "needs to be specified in 'atmos.yaml'"),
        ("invalid component vars section", "invalid component vars section"),
        ("invalid vars section", "invalid vars section"),
        ("invalid settings section", "invalid settings section"),
        ("unknown anchor", "unknown anchor"),
        ("already defined at line", "already defined at line"),
        ("unknown escape character", "unknown escape character"),
        ("file that does not exist", "file that does not exist"),
        ("invalid map key", "invalid map key"),
        ("crashed unexpectedly", "atmos crashes on it"),
        ("expected object, but got null", "expected object, but got null"),
        ("cannot unmarshal !!seq", "cannot unmarshal !!seq"),
        ("unsupported value", "unsupported value"),
        ("unsupported yaml tag", "unsupported yaml tag"),
        ("did not find expected key", "did not find expected key"),
        ("cannot start any token", "cannot start any token"),
        ("stack base path must be provided", "stack base path must be provided"),
        ("failed to execute yaml function", "was not executed"),
        ("failed to preprocess yaml functions", "failed to preprocess yaml functions"),
        ("expected type 'string', got unconvertible", "expected type 'string', got unconvertible"),
        ("failed to read config", "failed to read config"),
        ("unexpected end of stream", "unexpected end of stream"),
        ("additionalproperties", "additionalproperties"),
        ("items at index", "items at index"),
        ("redis url", "redis url"),
        ("must use the !include yaml tag", "must use the !include yaml tag"),
        ("expected string, but got number", "expected string, but got number"),
        ("expected string or object, but got boolean", "expected string or object, but got boolean"),
        ("expected string or array, but got null", "expected string or array, but got null"),
        ("vars: expected string or object, but got array", "vars: expected string or object, but got array"),
    ];
    let known: Vec<_> = causes.iter().filter(|(theirs, _)| recorded.contains(theirs)).collect();
    !known.is_empty() && known.iter().any(|(_, mine)| ours.contains(mine))
}

/// Compares one case; `Err` says what differs.
fn compare(case: &Path) -> Result<(), String> {
    let repo = case.join("repo");
    let result = json(&case.join("result.json"));
    let result = &result["describe_stacks"];
    let ours = describe(&repo, true);
    if result["exit"] != 0 {
        let recorded: Vec<&str> =
            result["error"].as_array().map(|a| a.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
        let errors = match ours {
            Ok((_, errors)) => errors,
            Err(e) => vec![e],
        };
        if errors.is_empty() {
            return Err(format!("Atmos refuses, Terrace does not: {}", recorded.join(" ")));
        }
        return if same_cause(&recorded.join("\n"), &errors) {
            Ok(())
        } else {
            Err(format!("another cause: Atmos {} | Terrace {}", recorded.join(" "), errors.join(" ; ")))
        };
    }
    let (mut ours, errors) = ours?;
    let mut recorded = json(&case.join("stacks.json"));
    normal(&mut ours, &repo.display().to_string());
    normal(&mut recorded, "<repo>");
    if let Some(difference) = first_difference("", &ours, &recorded) {
        return Err(difference);
    }
    if !errors.is_empty() {
        return Err(format!("Atmos has no error, Terrace has: {}", errors.join(" ; ")));
    }
    Ok(())
}

fn run(label: &str, folder: &Path) -> (usize, Vec<String>) {
    let all = cases(folder);
    let mut wrong = Vec::new();
    for case in &all {
        if let Err(why) = compare(case) {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let why: String = why.chars().take(400).collect();
            println!("{label}/{name}: {why}");
            wrong.push(name);
        }
    }
    println!("{label}: {} of {} equal", all.len() - wrong.len(), all.len());
    (all.len(), wrong)
}

#[test]
fn recorded_cases() {
    let (count, wrong) = run("cases", &home().join("tests/fixtures/atmos-cases"));
    assert!(count > 100, "the fixtures are there");
    let known: Vec<&str> = include_str!("known-unequal.txt").lines().filter(|l| !l.is_empty()).collect();
    let new: Vec<&String> = wrong.iter().filter(|w| !known.contains(&w.as_str())).collect();
    assert!(new.is_empty(), "no longer equal: {new:?}");
}

#[test]
fn recorded_upstream() {
    let folder = recordings();
    if !folder.is_dir() {
        println!("skipped: ../shared/atmos/upstream is not here");
        return;
    }
    let (examples, _) = run("examples", &folder.join("examples"));
    let (scenarios, _) = run("scenarios", &folder.join("scenarios"));
    assert!(examples + scenarios > 0);
}

#[test]
fn an_import_cycle_is_refused() {
    let (_, errors) = describe(&home().join("tests/fixtures/atmos-unbounded/import-cycle-crash/repo"), false)
        .expect("the rest resolves");
    assert!(errors.iter().any(|e| e.starts_with("import-cycle")), "{errors:?}");
}

/// A whole small estate, with what Atmos printed for it and for one instance of it (after one edit: `cidr: 10.8.0.0/16`).
#[test]
fn recorded_orchard() {
    let folder = home().join("tests/fixtures/orchard");
    let mut files = terrace::atmos::files::Memory::default();
    for (path, bytes) in support::texts(&folder.join("repo")) {
        let text = String::from_utf8(bytes).expect("text").replace("cidr: 10.0.0.0/16", "cidr: 10.8.0.0/16");
        files.put(path, text);
    }
    let options = LoadOptions { files: std::sync::Arc::new(files), ..LoadOptions::default() };
    let estate = Estate::load(Path::new(support::ROOT), &options).expect("it resolves");
    // Its `settings.depends_on` is deprecated, which Atmos says too; nothing else is wrong with it.
    let others: Vec<_> = estate.diagnostics().iter().filter(|d| d.code != "deprecated-key").collect();
    assert!(others.is_empty(), "{others:?}");
    let mut out = Vec::new();
    estate.describe_stacks(&DescribeFilter::default(), &mut out).expect("a vector takes all");
    let described = serde_json::from_slice(&out).expect("JSON");
    assert_eq!(first_difference("", &described, &json(&folder.join("stacks.json"))), None);
    let id = estate.find("network", "plat-ue2-dev", None).expect("it is there");
    assert_eq!(first_difference("", &estate.describe_component(id), &json(&folder.join("component.json"))), None);
}
