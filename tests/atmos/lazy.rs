//! One instance resolved without the rest answers as the whole estate does.

use std::{path::Path, sync::Arc};

use terrace::atmos::{Estate, LoadOptions};

use super::support::{Chance, ROOT, Shifting, demo, generated, texts};

/// How many instances of each estate are asked for.
const ASKED: usize = 8;

fn compare(name: &str, files: &[(std::path::PathBuf, Vec<u8>)], chance: &mut Chance) -> usize {
    let memory = Shifting::default();
    files.iter().for_each(|(path, bytes)| memory.put(path.clone(), bytes.clone()));
    let options = LoadOptions { files: Arc::new(memory), ..LoadOptions::default() };
    let root = Path::new(ROOT);
    let whole = match Estate::load(root, &options) {
        Ok(whole) => whole,
        Err(error) => {
            assert_eq!(Estate::load_instance(root, &options, "a", "b", None).err(), Some(error), "{name}");
            return 1;
        }
    };
    let instances = whole.instances();
    let mut asked: Vec<(String, String, Option<String>)> = vec![
        ("no-such-component".into(), instances.first().map_or("none".into(), |i| i.stack.clone()), None),
        (instances.first().map_or("none".into(), |i| i.component.clone()), "no-such-stack".into(), None),
    ];
    for _ in 0..ASKED.min(instances.len()) {
        let i = chance.pick(&instances);
        asked.push((i.component.clone(), i.stack.clone(), None));
        asked.push((i.component.clone(), i.stack.clone(), Some(i.file.clone())));
    }
    for (component, stack, file) in &asked {
        let name = format!("{name}: {component} in {stack} ({file:?})");
        let expected = whole.find(component, stack, file.as_deref());
        let found = Estate::load_instance(root, &options, component, stack, file.as_deref());
        match (expected, found) {
            (Err(expected), Err(found)) => assert_eq!(expected, found, "{name}"),
            (Ok(expected), Ok((part, id))) => {
                assert_eq!(whole.explain(expected, None), part.explain(id, None), "{name}");
                assert_eq!(whole.describe_component(expected), part.describe_component(id), "{name}");
                assert_eq!(whole.run_target(expected), part.run_target(id), "{name}");
                assert_eq!(whole.diagnostics_of(expected), part.diagnostics_of(id), "{name}");
            }
            (expected, found) => panic!("{name}: whole {expected:?}, alone {:?}", found.map(|(_, id)| id)),
        }
    }
    asked.len()
}

#[test]
fn one_instance_alone_is_the_same_as_in_the_whole() {
    let mut chance = Chance(0x1a2_b3c4);
    let mut asked = 0;
    for case in super::cases(&super::home().join("tests/fixtures/atmos-cases")) {
        asked += compare(&case.display().to_string(), &texts(&case.join("repo")), &mut chance);
    }
    asked += compare("demo", &demo(), &mut chance);
    asked += compare("orchard", &texts(&super::home().join("tests/fixtures/orchard/repo")), &mut chance);
    for seed in 1..6 {
        asked += compare("generated", &generated(seed), &mut chance);
    }
    println!("lazy: {asked} instances and names asked for, alone and in the whole");
    assert!(asked > 500);
}
