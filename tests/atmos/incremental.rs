//! Resolving again after edits gives what resolving anew gives: every answer, every diagnostic.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use terrace::atmos::{Estate, LoadOptions};

use super::support::{Answers, Chance, ROOT, Shifting, demo, generated, load, texts};

/// Edits made to each estate, one after the other.
const EDITS: usize = 6;

/// Makes one edit; returns the paths that changed.
fn edit(files: &mut Vec<(PathBuf, Vec<u8>)>, memory: &Shifting, chance: &mut Chance) -> Vec<PathBuf> {
    let stacks: Vec<usize> = (0..files.len())
        .filter(|i| files[*i].0.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "tmpl" || e == "json"))
        .collect();
    let Some(at) = stacks.get(chance.below(stacks.len())).copied() else { return Vec::new() };
    let path = files[at].0.clone();
    let is_config = path == Path::new(ROOT).join("atmos.yaml");
    match chance.below(if is_config { 2 } else { 8 }) {
        // A scalar somewhere becomes another one.
        0..=3 => {
            let text = String::from_utf8_lossy(&files[at].1).into_owned();
            let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
            let with_value: Vec<usize> =
                (0..lines.len()).filter(|i| lines[*i].contains(": ") && !lines[*i].ends_with([']', '}'])).collect();
            match with_value.get(chance.below(with_value.len())) {
                Some(line) if !is_config => {
                    let (key, _) = lines[*line].split_once(": ").expect("a value");
                    lines[*line] = format!("{key}: edited{}", chance.below(1000));
                    files[at].1 = lines.join("\n").into_bytes();
                }
                _ => files[at].1.extend_from_slice(b"\n# edited\n"),
            }
            memory.put(path.clone(), files[at].1.clone());
            vec![path]
        }
        // More at the end: sometimes whole, sometimes broken.
        4 => {
            let more: &[u8] = if chance.below(3) == 0 { b"\n  broken: [\n" } else { b"\nanother: {key: value}\n" };
            files[at].1.extend_from_slice(more);
            memory.put(path.clone(), files[at].1.clone());
            vec![path]
        }
        5 => {
            memory.remove(&path);
            files.remove(at);
            vec![path]
        }
        6 => {
            let copy = path.with_file_name(format!("copy{}.yaml", chance.below(1000)));
            let bytes = files[at].1.clone();
            memory.put(copy.clone(), bytes.clone());
            files.push((copy.clone(), bytes));
            vec![copy]
        }
        _ => {
            let to = path.with_file_name(format!("moved{}.yaml", chance.below(1000)));
            memory.remove(&path);
            files[at].0.clone_from(&to);
            memory.put(to.clone(), files[at].1.clone());
            vec![path, to]
        }
    }
}

fn follow(name: &str, mut files: Vec<(PathBuf, Vec<u8>)>, chance: &mut Chance) -> usize {
    let memory = Arc::new(Shifting::default());
    files.iter().for_each(|(path, bytes)| memory.put(path.clone(), bytes.clone()));
    let options = LoadOptions { files: Arc::clone(&memory) as _, ..LoadOptions::default() };
    let Ok(mut estate) = Estate::load(Path::new(ROOT), &options) else { return 0 };
    let mut history = Vec::new();
    for _ in 0..EDITS {
        let mut changed = edit(&mut files, &memory, chance);
        if chance.below(2) == 0 {
            let folders: Vec<PathBuf> = changed.iter().filter_map(|p| p.parent()).map(Path::to_path_buf).collect();
            changed.extend(folders);
        }
        history.push(changed.clone());
        match (estate.reload(&changed), load(Arc::clone(&memory) as _)) {
            (Ok(again), Ok(anew)) => {
                if let Some(difference) = Answers::of(&again).difference(&Answers::of(&anew)) {
                    panic!("{name} after {history:?}: {difference}");
                }
                estate = again;
            }
            (Err(again), Err(anew)) => {
                assert_eq!(format!("{again:?}"), anew, "{name} after {history:?}");
                return history.len();
            }
            (again, anew) => panic!("{name} after {history:?}: again {:?}, anew {:?}", again.err(), anew.err()),
        }
    }
    history.len()
}

#[test]
fn again_is_the_same_as_anew() {
    let mut chance = Chance(0xed17);
    let mut edits = 0;
    for case in super::cases(&super::home().join("tests/fixtures/atmos-cases")) {
        edits += follow(&case.display().to_string(), texts(&case.join("repo")), &mut chance);
    }
    for seed in 1..12 {
        edits += follow("generated", generated(seed), &mut chance);
        edits += follow("demo", demo(), &mut chance);
        edits += follow("orchard", texts(&super::home().join("tests/fixtures/orchard/repo")), &mut chance);
    }
    println!("incremental: {edits} edits followed");
    assert!(edits > 500);
}

/// A tool that saves by writing a new file and renaming it, a checkout of many files, an included file that is no stack.
#[test]
fn what_a_stack_includes_is_followed_too() {
    let memory = Arc::new(Shifting::default());
    let put = |path: &str, text: &str| memory.put(Path::new(ROOT).join(path), text.as_bytes().to_vec());
    put("atmos.yaml", "base_path: .\nstacks: {base_path: stacks, included_paths: ['*'], name_pattern: '{stage}'}\n");
    put("stacks/a.yaml", "vars: {stage: a}\ncomponents: {terraform: {quay: {vars: {x: !include ./values.json}}}}\n");
    put("stacks/values.json", "{\"n\": 1}");
    let options = LoadOptions { files: Arc::clone(&memory) as _, ..LoadOptions::default() };
    let estate = Estate::load(Path::new(ROOT), &options).expect("an estate");
    put("stacks/values.json", "{\"n\": 2}");
    // An editor that renames touches the folder, too.
    let again = estate.reload(&[PathBuf::from("stacks"), PathBuf::from("stacks/values.json")]).expect("an estate");
    let id = again.find("quay", "a", None).expect("there");
    assert_eq!(again.section(id, "vars")["x"]["n"], 2);
    put(
        "atmos.yaml",
        "base_path: .\nstacks: {base_path: stacks, included_paths: ['*'], name_pattern: '{stage}'}\nsettings: {yaml: {key_delimiter: '.'}}\n",
    );
    put("stacks/a.yaml", "vars: {stage: a}\ncomponents: {terraform: {quay: {vars: {p.q: 1}}}}\n");
    let again = again.reload(&[PathBuf::from("atmos.yaml"), PathBuf::from("stacks/a.yaml")]).expect("an estate");
    let id = again.find("quay", "a", None).expect("there");
    assert_eq!(again.section(id, "vars")["p"]["q"], 1, "keys are read with the new configuration");
}
