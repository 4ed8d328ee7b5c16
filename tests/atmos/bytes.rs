//! Bad input: whatever a stack file holds, loading neither panics nor hangs, and the rest resolves.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use terrace::atmos::{DescribeFilter, Estate, LoadOptions, files::Memory};

use super::support::{Chance, texts};

const CONFIG: &str = "base_path: .\nstacks: {base_path: stacks, included_paths: ['**/*'], name_pattern: '{stage}'}\n";

fn load(bytes: &[u8]) -> Estate {
    let mut files = Memory::default();
    files.put("/estate/atmos.yaml", CONFIG);
    files.put("/estate/stacks/good.yaml", "vars: {stage: good}\ncomponents: {terraform: {quay: {vars: {a: 1}}}}\n");
    files.put("/estate/stacks/odd.yaml", bytes);
    let options = LoadOptions { files: Arc::new(files), ..LoadOptions::default() };
    Estate::load(Path::new("/estate"), &options).expect("the estate opens")
}

fn rest_resolves(bytes: &[u8]) {
    let estate = load(bytes);
    assert!(estate.find("quay", "good", None).is_ok());
    estate.describe_stacks(&DescribeFilter::default(), &mut std::io::sink()).expect("a sink takes all");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        rest_resolves(&bytes);
    }

    #[test]
    fn pieces_of_yaml(pieces in proptest::collection::vec(prop::sample::select(vec![
        "vars:", "\n  ", "a: 1", "- ", "&x ", "*x", "<<: *x", "!env A", "!append", "[", "]", "{", "}", "\n", "components:",
        "terraform:", "metadata:", "inherits:", "import:", "good", "overrides:", "locals:", "'{{ .locals.a }}'", "\"", ": ", "null",
    ]), 0..40)) {
        rest_resolves(pieces.concat().as_bytes());
    }
}

#[test]
fn nesting_and_alias_bombs_are_bounded() {
    rest_resolves("[".repeat(10_000).as_bytes());
    rest_resolves(format!("vars: {}{}", "{a: ".repeat(10_000), "}".repeat(10_000)).as_bytes());
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(","));
    }
    let estate = load(bomb.as_bytes());
    assert!(estate.diagnostics().iter().any(|d| d.code == "yaml-alias-bomb"), "{:?}", estate.diagnostics());
}

/// Texts that people wrote, and what chance makes of them: bytes changed, cut, doubled, and pieces of two joined.
fn spoiled(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut text = chance.pick(corpus).clone();
    for _ in 0..=chance.below(3) {
        if text.is_empty() {
            return text;
        }
        let (from, to) = (chance.below(text.len()), chance.below(text.len()));
        let (from, to) = (from.min(to), from.max(to));
        match chance.below(6) {
            0 => text[from] = u8::try_from(chance.below(256)).unwrap_or(0),
            1 => text.truncate(from),
            2 => drop(text.drain(from..to)),
            3 => text.extend_from_within(from..to),
            4 => {
                let other = chance.pick(corpus);
                let at = chance.below(other.len());
                text.truncate(from);
                text.extend_from_slice(&other[at..]);
            }
            _ => text.insert(from, *chance.pick(b"{}[]&*!|>'\"%@`:#-? \t\n\0\xff")),
        }
    }
    text
}

#[test]
fn a_corpus_by_chance() {
    const TRIED: usize = 3000;
    let mut corpus = Vec::new();
    let mut configurations = Vec::new();
    for case in super::cases(&super::home().join("tests/fixtures/atmos-cases")) {
        for (path, bytes) in texts(&case.join("repo")) {
            match path.extension().and_then(|e| e.to_str()) {
                Some("yaml" | "yml") if path.ends_with("atmos.yaml") => configurations.push(bytes),
                Some("yaml" | "yml" | "tmpl") => corpus.push(bytes),
                _ => {}
            }
        }
    }
    let mut chance = Chance(0xc0_ffee);
    let mut slowest = Duration::ZERO;
    for round in 0..TRIED {
        let begun = Instant::now();
        if round % 4 == 0 {
            let mut files = Memory::default();
            files.put("/estate/atmos.yaml", spoiled(&configurations, &mut chance));
            files.put("/estate/stacks/good.yaml", chance.pick(&corpus).clone());
            files.put("/estate/stacks/deploy/good.yaml.tmpl", spoiled(&corpus, &mut chance));
            let options = LoadOptions { files: Arc::new(files), ..LoadOptions::default() };
            if let Ok(estate) = Estate::load(Path::new("/estate"), &options) {
                estate.ids().for_each(|id| drop(estate.explain(id, None)));
            }
        } else {
            let estate = load(&spoiled(&corpus, &mut chance));
            assert!(estate.find("quay", "good", None).is_ok(), "one bad file hides the rest");
            estate.ids().for_each(|id| drop((estate.explain(id, None), estate.run_target(id))));
        }
        slowest = slowest.max(begun.elapsed());
    }
    println!(
        "fuzz: {TRIED} inputs tried, from {} stack files and {} configurations; the slowest took {slowest:?}",
        corpus.len(),
        configurations.len()
    );
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
}

fn estate_of(files: impl IntoIterator<Item = (String, String)>) -> Estate {
    let mut memory = Memory::default();
    memory.put("/estate/atmos.yaml", CONFIG.replace("'**/*'", "'*'"));
    memory.put("/estate/stacks/good.yaml", "vars: {stage: good}\ncomponents: {terraform: {quay: {vars: {a: 1}}}}\n");
    files.into_iter().for_each(|(path, text)| memory.put(format!("/estate/stacks/{path}"), text));
    let options = LoadOptions { files: Arc::new(memory), ..LoadOptions::default() };
    Estate::load(Path::new("/estate"), &options).expect("the estate opens")
}

/// Each level imports the next one twice: 2 to the power of 40 ways, and 41 files.
#[test]
fn imports_that_explode_are_bounded() {
    const LEVELS: usize = 40;
    let last = "vars: {n: 1}\ncomponents: {terraform: {boat: {vars: {a: 1}}}}\n";
    let forms: [(&str, &dyn Fn(usize) -> String); 3] = [
        ("plain", &|next| format!("import: [x/l{next}, x/l{next}]\n")),
        ("with overrides", &|next| format!("import: [x/l{next}, x/l{next}]\noverrides: {{vars: {{o{next}: 1}}}}\n")),
        ("with a context", &|next| {
            format!("import:\n  - {{path: x/l{next}, context: {{c: 1}}}}\n  - {{path: x/l{next}, context: {{c: 2}}}}\n")
        }),
    ];
    for (name, form) in forms {
        let begun = Instant::now();
        let mut files = vec![("top.yaml".to_owned(), format!("vars: {{stage: top}}\n{}", form(0)))];
        files.extend((0..LEVELS).map(|n| (format!("x/l{n}.yaml"), form(n + 1))));
        files.push((format!("x/l{LEVELS}.yaml"), last.to_owned()));
        let estate = estate_of(files);
        assert!(estate.find("quay", "good", None).is_ok(), "{name}: the rest resolves");
        let bounded = estate.diagnostics().iter().any(|d| d.code == "too-many-imports");
        match estate.find("boat", "top", None) {
            Ok(id) => assert!(!estate.explain(id, None).values.is_empty(), "{name}"),
            Err(error) => assert!(bounded, "{name}: {error}"),
        }
        assert!(!estate.imports().is_empty(), "{name}");
        assert!(begun.elapsed() < Duration::from_secs(60), "{name}: {:?}", begun.elapsed());
    }
    // Every file imports every other one, itself included.
    let begun = Instant::now();
    let estate =
        estate_of((0..60).map(|n| (format!("x/f{n}.yaml"), "import: ['x/*']\nvars: {a: 1}\n".to_owned())).chain([(
            "top.yaml".to_owned(),
            "import: ['x/*']\nvars: {stage: top}\ncomponents: {terraform: {boat: {}}}\n".to_owned(),
        )]));
    assert!(estate.find("quay", "good", None).is_ok());
    assert!(estate.diagnostics().iter().any(|d| d.code == "import-cycle"));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_huge_file_is_refused_and_the_rest_resolves() {
    let folder = tempfile::tempdir().expect("a folder");
    let stacks = folder.path().join("stacks");
    std::fs::create_dir_all(&stacks).expect("a folder");
    std::fs::write(folder.path().join("atmos.yaml"), CONFIG).expect("written");
    std::fs::write(stacks.join("good.yaml"), "vars: {stage: good}\ncomponents: {terraform: {quay: {vars: {a: 1}}}}\n")
        .expect("written");
    let huge = std::fs::File::create(stacks.join("huge.yaml")).expect("a file");
    huge.set_len(100 << 20).expect("100 MiB");
    let estate = Estate::load(folder.path(), &LoadOptions::default()).expect("the estate opens");
    assert!(estate.find("quay", "good", None).is_ok());
    let said = estate.diagnostics().iter().find(|d| d.code == "file-too-large").expect("it is said");
    assert_eq!(said.source.as_ref().map(|s| s.file.as_str()), Some("stacks/huge.yaml"));
}
