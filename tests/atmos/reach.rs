//! What a change reaches, as Atmos' source (2026-08) implies it: two small estates, and the files that changed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};
use terrace::atmos::{
    Estate, LoadOptions,
    affected::{Options, affected},
    files::Memory,
};

const ATMOS: &str = "base_path: .\nstacks: {base_path: stacks, included_paths: ['deploy/**/*'], name_pattern: '{stage}'}\n\
                     components: {terraform: {base_path: components/terraform}, packer: {base_path: images}}\n\
                     integrations: {atlantis: {project_templates: {one: {name: '{stage}-{component}'}}}}\n";

fn estate(files: &[(&str, &str)]) -> (Memory, Estate) {
    let mut memory = Memory::default();
    memory.put("/e/atmos.yaml", ATMOS);
    for (path, text) in files {
        memory.put(Path::new("/e").join(path), *text);
    }
    let options = LoadOptions { files: Arc::new(memory.clone()), ..LoadOptions::default() };
    let estate = Estate::load(Path::new("/e"), &options).expect("it opens");
    (memory, estate)
}

/// Compares two texts of one stack; components' files lie in the second one's estate.
fn reached(before: &str, after: &[(&str, &str)], changed: &[&str], options: &Options) -> Vec<Value> {
    let (_, old) = estate(&[("stacks/deploy/dev.yaml", before)]);
    let (files, new) = estate(after);
    let changed: Vec<PathBuf> = changed.iter().map(|path| Path::new("/e").join(path)).collect();
    let found = affected(Some(&old), &new, &changed, &files, options);
    let json = serde_json::to_value(found).expect("JSON");
    json.as_array().expect("a list").clone()
}

fn reasons(found: &[Value], component: &str) -> Value {
    found.iter().find(|one| one["component"] == component).map_or(Value::Null, |one| one["affected_all"].clone())
}

#[test]
fn only_files_below_the_folder_of_the_type_count() {
    let stack = "vars: {stage: dev}\ncomponents:\n  terraform:\n    one: {}\n    two: {}\n    three: {metadata: {enabled: false}}\n  \
                 packer: {image: {}}\n";
    let after = [
        ("stacks/deploy/dev.yaml", stack),
        ("components/terraform/one/main.tf", "module \"a\" { source = \"../modules/a\" }\n"),
        ("components/terraform/two/main.tf", "module \"b\" { source = \"../../../modules/b\" }\n"),
        ("components/terraform/modules/a/main.tf", ""),
        ("modules/b/main.tf", ""),
        ("images/image/x.pkr.hcl", ""),
    ];
    let changed = [
        "components/terraform/modules/a/main.tf",
        "modules/b/main.tf",
        "components/terraform/three/main.tf",
        "images/image/x.pkr.hcl",
    ];
    let found = reached(stack, &after, &changed, &Options::default());
    assert_eq!(reasons(&found, "one"), json!(["component.module"]));
    assert_eq!(reasons(&found, "two"), Value::Null, "a module beside the components counts for nobody");
    assert_eq!(reasons(&found, "three"), Value::Null);
    assert_eq!(reasons(&found, "image"), json!(["component"]));
    assert_eq!(found[1]["component_path"], "images/image");
}

/// `dependencies` names patterns; only the first one that has changed is a reason, and its name is told where nothing else is.
#[test]
fn a_file_of_dependencies_is_told_where_it_is_the_first_reason() {
    let stack = "vars: {stage: dev}\ncomponents:\n  terraform:\n    \
                 one: {dependencies: {components: [{kind: file, path: 'src/**/*.go'}, {kind: folder, path: config}]}}\n    \
                 two: {vars: {a: 1}, dependencies: {folders: [config]}}\n    \
                 three: {settings: {depends_on: {1: {folder: src}, 2: {component: one}}}}\n    \
                 four: {dependencies: {files: [src/a/b.go]}, settings: {depends_on: {1: {file: config/x}}}}\n";
    let before = stack.replace("a: 1", "a: 0");
    let after = [("stacks/deploy/dev.yaml", stack)];
    let found = reached(&before, &after, &["src/a/b.go", "config/x"], &Options::default());
    let of = |component: &str| found.iter().find(|one| one["component"] == component).expect("affected").clone();
    assert_eq!((&of("one")["affected"], &of("one")["file"]), (&json!("file"), &json!("src/**/*.go")));
    assert_eq!(reasons(&found, "one"), json!(["file"]));
    assert_eq!(reasons(&found, "two"), json!(["stack.vars", "folder"]));
    assert_eq!(of("two")["folder"], Value::Null);
    assert_eq!(of("three")["folder"], "src");
    assert_eq!(of("four")["file"], "src/a/b.go");
    // Where one entry is not as it must be, Atmos reads none.
    let wrong = stack.replace("files: [src/a/b.go]", "files: [1]");
    let found = reached(&wrong, &[("stacks/deploy/dev.yaml", &wrong)], &["src/a/b.go"], &Options::default());
    assert_eq!(reasons(&found, "four"), Value::Null);
}

#[test]
fn what_is_new_differs_in_every_section_and_what_is_gone_is_told_last() {
    let before = "vars: {stage: dev}\ncomponents: {terraform: {old: {vars: {tenant: t}}}, packer: {image: {}}}\n";
    let after = "vars: {stage: dev}\ncomponents: {terraform: {new: {}}}\n";
    let found = reached(before, &[("stacks/deploy/dev.yaml", after)], &[], &Options::default());
    let all = json!([
        "stack.metadata",
        "stack.vars",
        "stack.env",
        "stack.providers",
        "stack.required_providers",
        "stack.required_version",
        "stack.generate",
        "stack.backend",
        "stack.backend_type",
        "stack.remote_state_backend",
        "stack.remote_state_backend_type",
        "stack.auth",
        "stack.command",
        "stack.source",
        "stack.provision",
        "stack.settings"
    ]);
    assert_eq!(reasons(&found, "new"), all);
    let gone: Vec<&Value> = found.iter().map(|one| &one["component"]).collect();
    assert_eq!(gone, ["new", "old", "image"]);
    assert_eq!((&found[1]["affected"], &found[1]["tenant"]), (&json!("deleted"), &json!("t")));
    assert_eq!(found[1]["dependents"], Value::Null);
    let options = Options { include_dependents: true, ..Options::default() };
    let found = reached(before, &[("stacks/deploy/dev.yaml", after)], &[], &options);
    assert_eq!((&found[0]["dependents"], &found[1]["dependents"]), (&json!([]), &json!([])));
}

/// `dependencies.components` replaces `settings.depends_on`; a component of the same name needs nobody of that name.
#[test]
fn dependents_are_told_with_theirs_and_marked_where_another_one_has_them() {
    let stack = "vars: {stage: dev}\ncomponents:\n  terraform:\n    base: {vars: {x: 1}}\n    \
                 mid: {dependencies: {components: [{component: base}]}, settings: {depends_on: {1: {component: top}}}}\n    \
                 top: {settings: {depends_on: {a: {component: mid}, b: {component: base}}, spacelift: {workspace_enabled: true}, atlantis: {project_template_name: one}}}\n    \
                 odd: {settings: {depends_on: {a: {component: base, stage: prod}}}}\n    \
                 off: {metadata: {enabled: false}, dependencies: {components: [{component: base}]}}\n    \
                 list: {settings: {depends_on: [base]}}\n";
    let before = stack.replace("x: 1", "x: 0");
    let options = Options { include_dependents: true, ..Options::default() };
    let found = reached(&before, &[("stacks/deploy/dev.yaml", stack)], &[], &options);
    let [base] = found.as_slice() else { panic!("{found:?}") };
    let dependents = base["dependents"].as_array().expect("a list");
    let names: Vec<&Value> = dependents.iter().map(|one| &one["component"]).collect();
    assert_eq!(names, ["mid", "top"]);
    assert_eq!(dependents[0]["dependents"][0]["component"], "top");
    assert_eq!(
        (&dependents[0]["included_in_dependents"], &dependents[1]["included_in_dependents"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        (&dependents[1]["spacelift_stack"], &dependents[1]["atlantis_project"]),
        (&json!("dev-top"), &json!("dev-top"))
    );
    assert_eq!((&dependents[1]["stage"], &dependents[1]["settings"]), (&json!("dev"), &Value::Null));
    assert_eq!(base["included_in_dependents"], false);
}

#[test]
fn spacelift_names_a_stack_by_its_variables() {
    let stack = "name: mine\nvars: {stage: dev}\ncomponents:\n  terraform:\n    a/b: {vars: {x: 1}, settings: {spacelift: {workspace_enabled: true}}}\n    \
                 c: {vars: {x: 1}, settings: {spacelift: {workspace_enabled: true, stack_name_pattern: '{stage}/{component}'}}}\n";
    let before = stack.replace("x: 1", "x: 0");
    let found = reached(&before, &[("stacks/deploy/dev.yaml", stack)], &[], &Options::default());
    let names: Vec<&Value> = found.iter().map(|one| &one["spacelift_stack"]).collect();
    assert_eq!(names, ["dev-a-b", "dev/c"]);
    assert_eq!(found[0]["stack_slug"], "mine-a-b");
}

/// Where templates are switched on, a stack that is named by one is found; otherwise it is a name like any other.
#[test]
fn a_stack_that_a_template_names_is_found() {
    let stack = "vars: {stage: dev}\ncomponents:\n  terraform:\n    base: {vars: {x: 1}}\n    \
                 it: {dependencies: {components: [{component: base, stack: '{{ .vars.stage }}'}]}}\n    \
                 odd: {dependencies: {components: [{component: base, stack: '{{ .nothing }}'}]}}\n";
    let before = stack.replace("x: 1", "x: 0");
    let options = Options { include_dependents: true, ..Options::default() };
    let plain = reached(&before, &[("stacks/deploy/dev.yaml", stack)], &[], &options);
    assert_eq!(plain[0]["dependents"], json!([]));
    let atmos = format!("{ATMOS}templates: {{settings: {{enabled: true}}}}\n");
    let files = [("atmos.yaml", atmos.as_str()), ("stacks/deploy/dev.yaml", stack)];
    let found = reached(&before, &files, &[], &options);
    assert_eq!(found[0]["dependents"][0]["component"], "it");
    assert_eq!(found[0]["dependents"].as_array().map(Vec::len), Some(1));
    let (_, estate) = estate(&files);
    let edges: Vec<String> = estate.dependencies().iter().map(|edge| edge.from.component.clone()).collect();
    assert_eq!(edges, ["it"], "nobody is guessed");
}

/// Values are compared as Atmos evaluates them, as far as that can be done without it.
#[test]
fn what_templates_make_of_a_change_counts() {
    let stack = "vars: {stage: dev, size: 1}\ncomponents:\n  terraform:\n    \
                 it: {vars: {name: x}, settings: {label: '{{ .vars.size }}', other: '{{ atmos.Component \"x\" .stack }}'}}\n    \
                 same: {vars: {size: 0, name: 'dev'}}\n";
    let before = stack.replace("size: 1", "size: 2").replace("'dev'", "'{{ .vars.stage }}'");
    let plain = reached(&before, &[("stacks/deploy/dev.yaml", stack)], &[], &Options::default());
    assert_eq!(reasons(&plain, "it"), json!(["stack.vars"]));
    assert_eq!(reasons(&plain, "same"), json!(["stack.vars"]));
    let atmos = format!("{ATMOS}templates: {{settings: {{enabled: true}}}}\n");
    let (_, old) = estate(&[("atmos.yaml", &atmos), ("stacks/deploy/dev.yaml", &before)]);
    let (files, new) = estate(&[("atmos.yaml", &atmos), ("stacks/deploy/dev.yaml", stack)]);
    let found = affected(Some(&old), &new, &[], &files, &Options { include_settings: true, ..Options::default() });
    let [it] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(it.affected_all, ["stack.vars", "stack.settings"]);
    let settings = it.settings.as_ref().expect("asked for");
    assert_eq!((&settings["label"], &settings["other"]), (&json!("1"), &json!("{{ atmos.Component \"x\" .stack }}")));
}

/// A changed file of SOPS secrets reaches who declares one of them, by the path that its provider gives it.
#[test]
fn files_of_secrets_reach_who_declares_them() {
    let stack = "vars: {stage: dev}\n\
                 secrets:\n  providers:\n    own: {kind: sops/age, spec: {}}\n    by_name: {kind: sops/age, spec: {file: 'sops/{{ .atmos_component | upper }}.yaml'}}\n  \
                 vars: {shared: {sops: own}}\n\
                 components:\n  terraform:\n    one: {secrets: {vars: {mine: {sops: own}}}}\n    \
                 two: {secrets: {vars: {named: {sops: by_name}}}}\n    three: {secrets: {vars: {kept: {store: vault}}}}\n";
    let after = [("stacks/deploy/dev.yaml", stack)];
    let changed = |files: &[&str]| {
        let found = reached(stack, &after, files, &Options::default());
        found.iter().map(|one| format!("{} {} {}", one["component"], one["affected"], one["file"])).collect::<Vec<_>>()
    };
    assert_eq!(changed(&["secrets/dev.one.enc.yaml"]), ["\"one\" \"secret.file\" \"secrets/dev.one.enc.yaml\""]);
    assert_eq!(changed(&["sops/TWO.yaml"]), ["\"two\" \"secret.file\" \"sops/TWO.yaml\""]);
    let all = changed(&["secrets/dev.enc.yaml"]);
    assert_eq!(all.len(), 3, "{all:?}");
    assert!(changed(&["secrets/dev.three.enc.yaml"]).is_empty());
}
