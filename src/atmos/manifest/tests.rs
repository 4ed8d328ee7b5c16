use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::super::node::{Key, Node, Pos};
use super::super::yaml::{NoIncludes, Reader};
use super::{check, deprecated};

fn read(text: &str) -> Node {
    let mut reader = Reader { file: Key::new("stack.yaml"), key_delimiter: "", includes: &mut NoIncludes };
    reader.read(text.as_bytes()).expect("YAML").expect("a document")
}

fn refusals(text: &str) -> Vec<String> {
    let shown = |d: crate::domain::stack::Diagnostic| {
        let at = d.source.as_ref().map_or(0, |s| s.line);
        format!(
            "{at} {}{}",
            d.message,
            d.hint.filter(|h| h.starts_with("did")).map(|h| format!(" ({h})")).unwrap_or_default()
        )
    };
    check(&read(text)).into_iter().map(shown).collect()
}

#[test]
fn what_atmos_refuses_is_told_in_its_words() {
    let cases = [
        (
            "components: {terraform: {quay: {varz: 1}}}",
            "1 components.terraform.quay: additionalProperties 'varz' not allowed (did you mean 'vars'?)",
        ),
        ("import:\n", "1 import: expected string or array, but got null"),
        ("vars: [a]\n", "1 vars: expected string or object, but got array"),
        ("name: 3\n", "1 name: expected string, but got number"),
        (
            "components:\n  terraform:\n    quay:\n      metadata: {inherits: [one, one]}\n",
            "4 components.terraform.quay.metadata.inherits: items at index 0 and 1 are equal",
        ),
        ("settings: {templates: x.tmpl}\n", "1 settings.templates: file references must use the !include YAML tag"),
        (
            "components: {terraform: {gemüse: {}}}\n",
            "1 components.terraform: additionalProperties 'gemüse' not allowed",
        ),
        (
            "settings:\n  depends_on:\n    1: {component: a, stack: b}\n",
            "3 settings.depends_on.1: additionalProperties 'stack' not allowed (did you mean 'stage'?)",
        ),
        ("terraform: {backend_type: s4}\n", "1 terraform.backend_type: value must be one of \"local\", \"s3\""),
        (
            "components: {terraform: {quay: {dependencies: {components: [{stack: x}]}}}}\n",
            "1 components.terraform.quay.dependencies.components[0]: missing properties: name, or component, or kind and path",
        ),
    ];
    for (text, expected) in cases {
        let found = refusals(text);
        assert!(found.first().is_some_and(|first| first.starts_with(expected)), "{text}\n{expected}\n{found:?}");
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}

#[test]
fn what_atmos_takes_is_not_refused() {
    let taken = [
        "anything_at_top: [1]\nvars: {a: {b: [1, null]}}\n",
        "import: []\n",
        "import:\n  - a\n  - {path: b, context: {x: 1}, skip_if_missing: true}\n",
        "components: {terraform: {\"with space.and-dot_x{y}/z\": {}}, ansible: {play: {odd: 1}}}\n",
        "workflows: {up: {steps: [{command: plan}]}}\n",
        "components: {terraform: {a: {source: github.com/x, vars: {d: 2026-01-01}, metadata: {labels: {since: 2026-01-01}}}}}\n",
        "components: {terraform: {a: {metadata: {tags: [x, x]}, hooks: {h: {when: {not: [ci]}, odd: 1}}}}}\n",
        "settings: {spacelift: {terraform_version: 1.5}, anything: 1}\n",
    ];
    for text in taken {
        assert_eq!(refusals(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn deprecated_keys_are_warned_of_where_they_stand() {
    let text = "settings: {depends_on: {}}\ncomponents:\n  terraform:\n    a:\n      settings:\n        depends_on:\n          1: {component: b}\n";
    let found: Vec<(String, u32, u32)> = deprecated(&read(text))
        .into_iter()
        .map(|d| (d.message, d.source.as_ref().map_or(0, |s| s.line), d.source.as_ref().map_or(0, |s| s.column)))
        .collect();
    assert_eq!(
        found,
        [
            ("settings.depends_on is deprecated; use dependencies.components".to_owned(), 1, 24),
            ("components.terraform.a.settings.depends_on is deprecated; use dependencies.components".to_owned(), 7, 11),
        ]
    );
}

/// Holds the facts to the description of manifests that Atmos ships, where it lies: both must judge every recorded
/// manifest, and thousands of mutations of them, alike.
#[test]
fn the_facts_are_those_that_atmos_ships() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder =
        std::env::var_os("TERRACE_SCHEMAS").map_or_else(|| home.join("../shared/atmos/schemas"), PathBuf::from);
    let Ok(schema) = std::fs::read(folder.join("manifest-1.0.json")) else {
        println!("skipped: ../shared/atmos/schemas is not here");
        return;
    };
    let schema: Json = serde_json::from_slice(&schema).expect("a schema");
    let validator = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema).expect("a schema");
    let mut corpus = Vec::new();
    manifests(&home.join("tests/fixtures/atmos-cases"), &mut corpus);
    manifests(&home.join("assets/demo"), &mut corpus);
    assert!(corpus.len() > 300, "{}", corpus.len());
    let mut seed = 0x5eed_u64;
    let mut random = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % n.max(1) as u64).unwrap_or(0)
    };
    let mut keys: Vec<String> = Vec::new();
    words(&schema, &mut keys);
    let (mut tried, mut refused, mut wrong) = (0, 0, Vec::new());
    for round in 0..20_000 {
        let mut value = corpus[random(corpus.len())].clone();
        if round >= corpus.len() {
            for _ in 0..=random(2) {
                mutate(&mut value, &keys, &mut random);
            }
        }
        if !value.is_object() {
            continue;
        }
        tried += 1;
        let theirs = validator.is_valid(&value);
        let ours = check(&Node::from_json(&value, Pos::none()));
        refused += usize::from(!theirs);
        if theirs != ours.is_empty() && !is_known(&value) {
            let first = validator.iter_errors(&value).next().map(|e| e.to_string()).unwrap_or_default();
            wrong.push(format!("{value}\n  theirs: {first}\n  ours: {:?}", ours.first().map(|d| &d.message)));
        }
    }
    println!("{tried} manifests judged, {refused} refused, {} otherwise", wrong.len());
    assert!(refused > tried / 10 && wrong.is_empty(), "{}", wrong[..wrong.len().min(8)].join("\n"));
}

/// A timestamp reads as an empty map, so that one is taken where a text must stand; and texts that begin with `!include`.
fn is_known(value: &Json) -> bool {
    let text = value.to_string();
    text.contains("{}") || text.contains("!include")
}

fn words(schema: &Json, out: &mut Vec<String>) {
    match schema {
        Json::Object(map) => {
            if let Some(Json::Object(properties)) = map.get("properties") {
                out.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| words(value, out));
        }
        Json::Array(list) => list.iter().for_each(|value| words(value, out)),
        _ => {}
    }
}

fn manifests(folder: &Path, out: &mut Vec<Json>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() {
            manifests(&path, out);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml")
            && path.file_name().is_some_and(|n| n != "atmos.yaml")
        {
            let bytes = std::fs::read(&path).unwrap_or_default();
            let mut reader = Reader { file: Key::new("x"), key_delimiter: "", includes: &mut NoIncludes };
            out.extend(reader.read(&bytes).ok().flatten().map(|node| node.to_json()).filter(Json::is_object));
        }
    }
}

/// Changes one place: another type, another key, something more, something less.
fn mutate(value: &mut Json, keys: &[String], random: &mut impl FnMut(usize) -> usize) {
    let deeper = random(4) > 0;
    match value {
        Json::Object(map) if !map.is_empty() && deeper => {
            let at = random(map.len());
            if let Some((_, inner)) = map.iter_mut().nth(at) {
                mutate(inner, keys, random);
            }
        }
        Json::Array(list) if !list.is_empty() && deeper => {
            let at = random(list.len());
            mutate(&mut list[at], keys, random);
        }
        Json::Object(map) => {
            let key = keys[random(keys.len())].clone();
            map.insert(key, some(keys, random));
        }
        Json::Array(list) => {
            let item = list.first().cloned().filter(|_| random(2) == 0).unwrap_or_else(|| some(keys, random));
            list.push(item);
        }
        other => *other = some(keys, random),
    }
}

fn some(keys: &[String], random: &mut impl FnMut(usize) -> usize) -> Json {
    let texts = ["text", "abstract", "s3", "kubectl", "opa", "always", "local", "warn", "command", "linear"];
    match random(9) {
        0 => Json::Null,
        1 => json!(random(2) == 0),
        2 => json!(i64::try_from(random(5)).unwrap_or(0) - 1),
        3 => json!(0.5),
        4 => json!([texts[random(texts.len())]]),
        5 => json!({keys[random(keys.len())].clone(): texts[random(texts.len())]}),
        6 => json!({keys[random(keys.len())].clone(): {keys[random(keys.len())].clone(): 1}}),
        _ => json!(texts[random(texts.len())]),
    }
}
