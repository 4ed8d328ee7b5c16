//! Edits in place, held to the recorded cases and the demo: the named value changes, in every instance that takes it from
//! that line, and nothing else does, in the estate and in the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use terrace::atmos::files::{Files as _, Memory};
use terrace::atmos::yaml::edit::{self, Edit};
use terrace::atmos::{Estate, LoadOptions};
use terrace::domain::stack::{PathSegment, Source};

/// How many leaves are edited over all estates.
const EDITS: usize = 400;

fn lay(folder: &Path, below: &Path, files: &mut Memory) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            lay(&path, below, files);
        } else if let (Ok(rest), Ok(bytes)) = (path.strip_prefix(below), std::fs::read(&path)) {
            files.put(Path::new("/estate").join(rest), bytes);
        }
    }
}

fn estates() -> Vec<(String, Memory)> {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut estates = Vec::new();
    for case in super::cases(&home.join("tests/fixtures/atmos-cases")) {
        let name = case.display().to_string();
        // Templates of files fill several leaves from one line.
        if ["locals-", "template", "context", "include"].iter().any(|word| name.contains(word)) {
            continue;
        }
        let mut files = Memory::default();
        lay(&case.join("repo"), &case.join("repo"), &mut files);
        estates.push((name, files));
    }
    let mut demo = Memory::default();
    let mut layers: Vec<PathBuf> = std::fs::read_dir(home.join("assets/demo"))
        .expect("the demo")
        .filter_map(|entry| Some(entry.ok()?.path()).filter(|path| path.is_dir()))
        .collect();
    layers.sort();
    for layer in layers {
        lay(&layer, &layer, &mut demo);
    }
    estates.push(("demo".to_owned(), demo));
    estates
}

fn load(files: &Memory) -> Option<Estate> {
    let options = LoadOptions { files: Arc::new(files.clone()), ..LoadOptions::default() };
    Estate::load(Path::new("/estate"), &options).ok()
}

/// Every leaf of every instance: where it belongs, its value, where it was written.
fn leaves(estate: &Estate) -> Vec<(String, Value, Option<Source>)> {
    let instances = estate.instances();
    let ids = estate.ids();
    let mut all = Vec::new();
    for (instance, id) in instances.iter().zip(ids) {
        for leaf in estate.explain(id, None).values {
            let name =
                format!("{}@{} {} {}", instance.component, instance.stack, instance.file, edit::shown(&leaf.path));
            all.push((name, leaf.value, leaf.source));
        }
    }
    all
}

/// Leaves that decide names, files or inheritance move more than themselves.
fn decides(name: &str) -> bool {
    let path = name.rsplit(' ').next().unwrap_or_default();
    let named = ["namespace", "tenant", "environment", "stage", "region"];
    path.starts_with("metadata")
        || path.starts_with("overrides")
        || path.contains("list_merge_strategy")
        || named.iter().any(|part| path == format!("vars.{part}"))
}

#[test]
fn an_edit_changes_what_it_names_and_nothing_else() {
    let mut seed = 0x00dd_ba11_u64;
    let mut random = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % n.max(1) as u64).unwrap_or(0)
    };
    let (mut made, mut refused, mut wrong) = (0, 0, Vec::new());
    let estates: Vec<_> = estates()
        .into_iter()
        .filter_map(|(name, files)| load(&files).map(|estate| (name, files, leaves(&estate))))
        .filter(|(_, _, leaves)| !leaves.is_empty())
        .collect();
    assert!(estates.len() > 80, "{} estates", estates.len());
    for round in 0..EDITS * 3 {
        if made >= EDITS {
            break;
        }
        let (name, files, before) = &estates[random(estates.len())];
        let (leaf, old, Some(source)) = &before[random(before.len())] else { continue };
        let text = files.read(&Path::new("/estate").join(&source.file)).ok().and_then(|b| String::from_utf8(b).ok());
        let Some(text) = text.filter(|_| !decides(leaf) && !source.file.contains("atmos.y")) else { continue };
        let Ok(Some(path)) = edit::path_at(&text, source.line, source.column) else { continue };
        let new = match (round % 3, old) {
            (0, Value::Bool(yes)) => json!(!yes),
            (1, _) => json!("edited: \"#1\""),
            // What becomes a key of a backend or a variable of the environment is a text.
            _ if leaf.contains("backend") || leaf.contains(" env.") => json!("edited"),
            _ => json!(424_242),
        };
        let after = match edit::apply(&source.file, &text, &[Edit::Set(path.clone(), new.clone())], "") {
            Ok(after) => after,
            Err(fault) => {
                let said = ["shared as", "needs", "takes it from"].iter().any(|why| fault.message.contains(why));
                if !said {
                    wrong.push(format!("{name} {leaf}: {}", fault.message));
                }
                refused += 1;
                continue;
            }
        };
        made += 1;
        // In the file: one stretch differs, and it lies in the value's own lines.
        let same = text.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
        let line = u32::try_from(text[..same.min(text.len())].matches('\n').count() + 1).unwrap_or(0);
        if line < source.line && after != text {
            wrong.push(format!("{name} {leaf}: line {line} changed, the value stands in line {}", source.line));
        }
        let mut edited = files.clone();
        edited.put(Path::new("/estate").join(&source.file), after.into_bytes());
        let Some(estate) = load(&edited) else {
            wrong.push(format!("{name} {leaf}: the estate does not load any more"));
            continue;
        };
        let now = leaves(&estate);
        if now.len() != before.len() {
            // A list or map gave way to one value, or an `unset` value came to be one.
            if !old.is_array() && !old.is_object() {
                wrong.push(format!("{name} {leaf}: {} leaves were {}", now.len(), before.len()));
            }
            continue;
        }
        for ((place, was, from), (_, is, _)) in before.iter().zip(&now) {
            let concerned = from.as_ref() == Some(source);
            if concerned && is != &new && !was.is_object() {
                wrong.push(format!("{name} {place}: is {is}, was {was}, set to {new} at {source:?}"));
            }
            // A list that was merged stands at its first item.
            if !concerned && is != was && !was.is_array() {
                wrong.push(format!("{name} {place}: became {is} from {was} by an edit of {leaf} at {source:?}"));
            }
        }
    }
    assert!(made >= EDITS / 3, "{made} edits, {refused} refused");
    assert!(wrong.is_empty(), "{made} edits, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    println!("{made} edits, {refused} refused because shared");
}

#[test]
fn a_new_value_and_its_removal_give_the_file_back() {
    for (name, files) in estates() {
        let Some(estate) = load(&files) else { continue };
        for instance in estate.instances().iter().take(3) {
            let path = Path::new("/estate").join(&instance.file);
            let Some(text) = files.read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { continue };
            let at = |last: &str| {
                ["components", "terraform", &instance.component, "vars", last]
                    .map(|key| PathSegment::Key(key.to_owned()))
                    .to_vec()
            };
            let there = edit::value_of(&instance.file, &text, "").ok();
            let there = there.and_then(|all| {
                Some(all.pointer(&format!("/components/terraform/{}/vars", instance.component))?.as_object()?.len())
            });
            if there.is_none_or(|count| count == 0) {
                continue;
            }
            let set = Edit::Set(at("added_by_terrace"), json!({"a": [1, {"b": "x: y"}]}));
            let Ok(after) = edit::apply(&instance.file, &text, &[set], "") else { continue };
            let back = edit::apply(&instance.file, &after, &[Edit::Remove(at("added_by_terrace"))], "");
            assert_eq!(back.as_deref(), Ok(text.as_str()), "{name} {}", instance.file);
        }
    }
}
