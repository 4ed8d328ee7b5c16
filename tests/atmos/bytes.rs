//! Bad input: whatever a stack file holds, loading neither panics nor hangs, and the rest resolves.

use std::{path::Path, sync::Arc};

use proptest::prelude::*;
use terrace::atmos::{DescribeFilter, Estate, LoadOptions, files::Memory};

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
