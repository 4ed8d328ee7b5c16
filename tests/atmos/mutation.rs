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

use super::support::{Chance, ROOT, demo, generated, texts};

/// Leaves that are edited in all; `TERRACE_MUTATIONS` asks for another number, over the recorded configurations of others too.
const LEAVES: usize = 900;
/// Where chance begins; `TERRACE_SEED` says otherwise.
const SEED: u64 = 0x5eed;

fn asked<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

type Texts = Vec<(PathBuf, Vec<u8>)>;

fn load(files: &Memory) -> Option<Estate> {
    let options = LoadOptions { files: Arc::new(files.clone()), ..LoadOptions::default() };
    Estate::load(Path::new(ROOT), &options).ok()
}

/// Changes the value at a place; `None` where this test does not know how.
fn edited(text: &str, source: &Source, value: &Value) -> Option<String> {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let at_line = source.line as usize - 1;
    let chars: Vec<char> = lines.get(at_line)?.trim_start_matches('\u{feff}').chars().collect();
    let at = source.column as usize - 1;
    let first = *chars.get(at)?;
    if value.is_array() {
        match first {
            '[' => {
                let end = at + 1 + chars[at + 1..].iter().position(|c| *c == ']')?;
                let one_line = !chars[at + 1..end].iter().any(|c| matches!(c, '[' | '{' | '"' | '\'' | '#'));
                let line =
                    chars[..at].iter().collect::<String>() + "[mutated]" + &chars[end + 1..].iter().collect::<String>();
                lines[at_line] = one_line.then_some(line)?;
            }
            '-' => {
                let only_indent = chars[..at].iter().all(|c| *c == ' ');
                let line = only_indent.then(|| format!("{}- mutated", " ".repeat(at)))?;
                lines.insert(at_line, line);
            }
            _ => return None,
        }
        return Some(lines.join("\n"));
    }
    let new = match value {
        Value::String(_) | Value::Null => "mutated".to_owned(),
        Value::Bool(b) => (!b).to_string(),
        Value::Number(_) => "424242".to_owned(),
        _ => return None,
    };
    let end = match first {
        '"' | '\'' => at + 1 + chars[at + 1..].iter().position(|c| *c == first)? + 1,
        '|' | '>' => {
            let next = (at_line + 1..lines.len()).find(|i| !lines[*i].trim().is_empty())?;
            let indent: String = lines[next].chars().take_while(|c| *c == ' ').collect();
            lines[next] = indent + &new;
            return Some(lines.join("\n"));
        }
        '&' | '*' | '!' | '{' | '[' => return None,
        _ if value.is_null() && !matches!(first, '~' | 'n' | 'N') => return None,
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
    // A plain scalar that goes on in the next line is left alone.
    let indent = |line: &str| line.chars().take_while(|c| *c == ' ').count();
    if !matches!(first, '"' | '\'')
        && lines.get(at_line + 1).is_some_and(|next| {
            !next.trim().is_empty()
                && indent(next) > indent(&lines[at_line])
                && !next.contains(": ")
                && !next.ends_with(':')
        })
    {
        return None;
    }
    lines[at_line] = chars[..at].iter().collect::<String>() + &new + &chars[end..].iter().collect::<String>();
    Some(lines.join("\n"))
}

/// Leaves that decide names, inheritance or how lists merge move more than themselves.
fn decides(value: &ExplainedValue) -> bool {
    let keys: Vec<&str> =
        value.path.iter().map(|p| if let PathSegment::Key(k) = p { k.as_str() } else { "" }).collect();
    let settings = if keys[0] == "overrides" { &keys[1..] } else { &keys[..] };
    keys.starts_with(&["metadata", "inherits"])
        || settings.starts_with(&["settings", "list_merge_strategy"])
        || (keys[0] == "vars"
            && matches!(keys.get(1), None | Some(&("namespace" | "tenant" | "environment" | "stage" | "region"))))
}

fn values(estate: &Estate, component: &str, file: &str) -> Option<Vec<ExplainedValue>> {
    let at = estate.instances().iter().position(|i| i.component == component && i.file == file)?;
    let id = estate.ids().nth(at)?;
    Some(estate.explain(id, None).values)
}

/// Returns which file brings in which.
fn imported(estate: &Estate) -> Vec<(String, String)> {
    estate.imports().into_iter().map(|edge| (edge.from, edge.to)).collect()
}

/// Tells whether the line that wrote a value is a template: then it may be computed from what was edited.
fn computed(files: &Texts, value: &ExplainedValue) -> bool {
    let Some(source) = &value.source else { return true };
    let text = files.iter().find(|(p, _)| *p == Path::new(ROOT).join(&source.file)).map(|(_, b)| b.as_slice());
    let text = String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
    text.lines().nth(source.line as usize - 1).is_some_and(|line| line.contains("{{"))
}

fn estates(more: bool) -> Vec<(String, Texts)> {
    let home = super::home();
    let mut cases = super::cases(&home.join("tests/fixtures/atmos-cases"));
    if more {
        cases.extend(
            ["scenarios", "examples"].iter().flat_map(|folder| super::cases(&super::recordings().join(folder))),
        );
    }
    let mut all: Vec<(String, Texts)> = cases
        .into_iter()
        .filter(|c| super::json(&c.join("result.json"))["describe_stacks"]["exit"] == 0)
        .map(|c| (c.display().to_string(), texts(&c.join("repo"))))
        .collect();
    all.push(("demo".into(), demo()));
    all.push(("orchard".into(), texts(&home.join("tests/fixtures/orchard/repo"))));
    all.extend((1..4).map(|seed| (format!("generated {seed}"), generated(seed))));
    all
}

#[test]
fn the_named_line_is_the_one_to_edit() {
    let leaves = asked("TERRACE_MUTATIONS");
    let all = estates(leaves.is_some());
    let leaves = leaves.unwrap_or(LEAVES);
    // The cases are many and small; the estates are few, and as often looked at.
    let large: Vec<usize> = (0..all.len()).filter(|i| !all[*i].0.contains('/')).collect();
    let mut chance = Chance(asked("TERRACE_SEED").unwrap_or(SEED));
    let (mut tried, mut overridden, mut wrong) = (0, 0, Vec::new());
    let mut rounds = 0;
    while tried < leaves && rounds < leaves * 20 {
        rounds += 1;
        let at = if rounds % 3 == 0 { *chance.pick(&large) } else { chance.below(all.len()) };
        let (repo, all) = &all[at];
        let mut files = Memory::default();
        all.iter().for_each(|(p, b)| files.put(p.clone(), b.clone()));
        let Some(estate) = load(&files) else { continue };
        let instances = estate.instances();
        if instances.is_empty() {
            continue;
        }
        let instance = chance.pick(&instances);
        let Some(before) = values(&estate, &instance.component, &instance.file) else { continue };
        if before.is_empty() {
            continue;
        }
        let leaf = chance.pick(&before);
        if decides(leaf) {
            continue;
        }
        let Some(source) = &leaf.source else { continue };
        let brought = imported(&estate);
        let edit = |source: &Source, value: &Value| -> Option<Vec<ExplainedValue>> {
            let path = Path::new(ROOT).join(&source.file);
            let (_, bytes) = all.iter().find(|(p, _)| *p == path)?;
            let text = edited(std::str::from_utf8(bytes).ok()?, source, value)?;
            let mut copy = files.clone();
            copy.put(path, text);
            let changed = load(&copy)?;
            // A value that decides what is imported moves more than itself.
            (imported(&changed) == brought).then(|| values(&changed, &instance.component, &instance.file))?
        };
        let Some(after) = edit(source, &leaf.value) else { continue };
        tried += 1;
        let name = format!("{repo} {} {:?} at {source:?}", instance.component, leaf.path);
        match after.iter().find(|v| v.path == leaf.path) {
            Some(v) if v.value != leaf.value => {}
            _ => wrong.push(format!("unchanged: {name}")),
        }
        for other in &before {
            let same_line = other.source.as_ref().is_none_or(|s| (&s.file, s.line) == (&source.file, source.line));
            if same_line || computed(all, other) {
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
    assert!(tried * 9 >= leaves * 8);
}
