//! The rule that sources are judged by: edit the value on the named line, and that value changes, and nothing else.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::Value;
use terrace::{
    atmos::{Estate, LoadOptions, files::Memory},
    domain::stack::{ExplainedValue, PathSegment, Source},
};

const LEAVES: usize = 600;

fn texts(root: &Path, folder: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            texts(root, &path, out);
        } else if let (Ok(rest), Ok(bytes)) = (path.strip_prefix(root), std::fs::read(&path)) {
            out.push((Path::new("/estate").join(rest), bytes));
        }
    }
}

fn load(files: &Memory) -> Option<Estate> {
    let options = LoadOptions { files: Arc::new(files.clone()), ..LoadOptions::default() };
    Estate::load(Path::new("/estate"), &options).ok()
}

/// Replaces the scalar at a place; `None` where it is no plain or quoted scalar of one line.
fn edited(text: &str, source: &Source, value: &Value) -> Option<String> {
    let new = match value {
        Value::String(s) if !s.contains('\n') && !s.contains("{{") && !s.starts_with('!') => "mutated".to_owned(),
        Value::Bool(b) => (!b).to_string(),
        Value::Number(_) => "424242".to_owned(),
        _ => return None,
    };
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let line = lines.get_mut(source.line as usize - 1)?;
    let chars: Vec<char> = line.trim_start_matches('\u{feff}').chars().collect();
    let at = source.column as usize - 1;
    let first = *chars.get(at)?;
    let end = match first {
        '"' | '\'' => at + 1 + chars[at + 1..].iter().position(|c| *c == first)? + 1,
        '|' | '>' | '&' | '*' | '!' | '{' | '[' => return None,
        _ => {
            let flow = chars[..at].iter().any(|c| matches!(c, '{' | '['));
            let stop = |i: usize| {
                (flow && matches!(chars[i], ',' | '}' | ']'))
                    || (chars[i] == '#' && chars[i - 1] == ' ')
                    || chars[i] == '\r'
            };
            (at + 1..chars.len()).find(|i| stop(*i)).unwrap_or(chars.len())
        }
    };
    *line = chars[..at].iter().collect::<String>() + &new + &chars[end..].iter().collect::<String>();
    Some(lines.join("\n"))
}

/// Leaves that decide names or inheritance move more than themselves.
fn decides(value: &ExplainedValue) -> bool {
    let keys: Vec<&str> =
        value.path.iter().map(|p| if let PathSegment::Key(k) = p { k.as_str() } else { "" }).collect();
    keys[0] == "metadata"
        || keys[0] == "overrides"
        || (keys[0] == "settings" && keys.get(1) == Some(&"list_merge_strategy"))
        || (keys[0] == "vars"
            && matches!(keys.get(1), None | Some(&("namespace" | "tenant" | "environment" | "stage" | "region"))))
}

fn values(estate: &Estate, component: &str, file: &str) -> Option<Vec<ExplainedValue>> {
    let at = estate.instances().iter().position(|i| i.component == component && i.file == file)?;
    let id = estate.ids().nth(at)?;
    Some(estate.explain(id, None).values)
}

#[test]
fn the_named_line_is_the_one_to_edit() {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut repos: Vec<PathBuf> = super::cases(&home.join("tests/fixtures/atmos-cases"))
        .into_iter()
        .filter(|c| super::json(&c.join("result.json"))["describe_stacks"]["exit"] == 0)
        .map(|c| c.join("repo"))
        // Templates of files fill several leaves from one line.
        .filter(|c| !["locals-", "template", "context"].iter().any(|w| c.display().to_string().contains(w)))
        .collect();
    repos.extend(Some(home.join("assets/demo")).filter(|d| d.join("atmos.yaml").is_file()));
    let mut seed = 0x5eed_u64;
    let mut random = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % n as u64).unwrap_or(0)
    };
    let (mut tried, mut overridden, mut wrong) = (0, 0, Vec::new());
    let mut rounds = 0;
    while tried < LEAVES && rounds < LEAVES * 20 {
        rounds += 1;
        let repo = &repos[random(repos.len())];
        let mut all = Vec::new();
        texts(repo, repo, &mut all);
        let mut files = Memory::default();
        all.iter().for_each(|(p, b)| files.put(p.clone(), b.clone()));
        let Some(estate) = load(&files) else { continue };
        let instances = estate.instances();
        if instances.is_empty() {
            continue;
        }
        let instance = &instances[random(instances.len())];
        let Some(before) = values(&estate, &instance.component, &instance.file) else { continue };
        if before.is_empty() {
            continue;
        }
        let leaf = &before[random(before.len())];
        if decides(leaf) {
            continue;
        }
        let Some(source) = &leaf.source else { continue };
        let edit = |source: &Source, value: &Value| -> Option<Vec<ExplainedValue>> {
            let path = Path::new("/estate").join(&source.file);
            let (_, bytes) = all.iter().find(|(p, _)| *p == path)?;
            let text = edited(std::str::from_utf8(bytes).ok()?, source, value)?;
            let mut copy = files.clone();
            copy.put(path, text);
            values(&load(&copy)?, &instance.component, &instance.file)
        };
        let Some(after) = edit(source, &leaf.value) else { continue };
        tried += 1;
        let name = format!("{} {} {:?} at {source:?}", repo.display(), instance.component, leaf.path);
        match after.iter().find(|v| v.path == leaf.path) {
            Some(v) if v.value != leaf.value => {}
            _ => wrong.push(format!("unchanged: {name}")),
        }
        for other in &before {
            let same_line = other.source.as_ref().is_none_or(|s| (&s.file, s.line) == (&source.file, source.line));
            if same_line {
                continue;
            }
            if after.iter().find(|v| v.path == other.path).is_none_or(|v| v.value != other.value) {
                wrong.push(format!("{:?} changed too: {name}", other.path));
            }
        }
        for entry in &leaf.chain {
            if entry.source == *source || (&entry.source.file, entry.source.line) == (&source.file, source.line) {
                continue;
            }
            let Some(after) = edit(&entry.source, &entry.value) else { continue };
            overridden += 1;
            if after.iter().find(|v| v.path == leaf.path).is_none_or(|v| v.value != leaf.value) {
                wrong.push(format!("overridden entry {:?} matters: {name}", entry.source));
            }
        }
    }
    println!("mutation: {tried} leaves and {overridden} overridden entries edited, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n"));
    assert!(tried >= 500);
}
