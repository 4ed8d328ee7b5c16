//! Rules of Atmos that no recorded answer covers: small estates, with the answer that its source (2026-08) implies.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::{Value, json};
use terrace::atmos::{DescribeFilter, Estate, LoadOptions, files::Memory};

const ATMOS: &str = "base_path: .\nstacks: {base_path: stacks, included_paths: ['deploy/**/*'], name_pattern: '{stage}'}\n\
                     components: {terraform: {base_path: components/terraform}, helmfile: {base_path: components/helmfile}}\n";

/// An estate of a few files.
struct Small {
    files: Memory,
    trusted: bool,
    env: BTreeMap<String, String>,
}

impl Small {
    /// Files below the root; `atmos.yaml` is the usual one unless it is among them.
    fn of(files: &[(&str, &str)]) -> Self {
        let mut memory = Memory::default();
        memory.put("/e/atmos.yaml", ATMOS);
        for (path, text) in files {
            memory.put(Path::new("/e").join(path), *text);
        }
        Self { files: memory, trusted: false, env: BTreeMap::new() }
    }

    fn open(&self) -> Estate {
        let (files, env) = (Arc::new(self.files.clone()), self.env.clone());
        let options = LoadOptions { files, trusted: self.trusted, env, ..LoadOptions::default() };
        Estate::load(Path::new("/e"), &options).expect("it opens")
    }

    fn described(&self, filter: &DescribeFilter) -> Value {
        let mut out = Vec::new();
        self.open().describe_stacks(filter, &mut out).expect("written");
        serde_json::from_slice(&out).expect("JSON")
    }

    /// The component `it` in the stack `dev`.
    fn it(&self) -> Value {
        self.described(&DescribeFilter::default())["dev"]["components"]["terraform"]["it"].clone()
    }

    fn vars(&self) -> Value {
        self.it()["vars"].clone()
    }

    fn codes(&self) -> Vec<String> {
        self.open().diagnostics().iter().map(|d| d.code.clone()).collect()
    }
}

const IT: &str = "vars: {stage: dev}\ncomponents: {terraform: {it: {}}}\n";

/// Atmos checks names before it answers, and does not see the component then.
#[test]
fn a_name_template_sees_the_component_by_its_name() {
    let atmos = ATMOS.replace("name_pattern: '{stage}'", "name_template: '{{ .vars.stage }}-{{ .component }}'");
    let stack = "vars: {stage: dev}\ncomponents: {terraform: {it: {metadata: {component: folder}}}}\n";
    let found = Small::of(&[("atmos.yaml", &atmos), ("stacks/deploy/dev.yaml", stack)]);
    assert!(found.described(&DescribeFilter::default())["dev-it"].is_object());
    assert_eq!(found.codes(), ["name-template"]);
}

/// Only what an importer hands over makes a failing template an error; otherwise the text is read as it is written.
#[test]
fn a_template_without_a_context_stays_as_written_where_it_fails() {
    let part = "vars: {a: '{{ .nothing }}', b: '{{ add 1 2 }}'}\n";
    let stack = "import: [parts/one]\nvars: {stage: dev}\ncomponents: {terraform: {it: {}}}\n";
    let found = Small::of(&[("stacks/parts/one.yaml.tmpl", part), ("stacks/deploy/dev.yaml", stack)]);
    assert_eq!(found.vars(), json!({"stage": "dev", "a": "{{ .nothing }}", "b": "{{ add 1 2 }}"}));
    assert_eq!(found.codes(), Vec::<String>::new());
    let given = stack.replace("[parts/one]", "[{path: parts/one, context: {x: 1}}]");
    let found = Small::of(&[("stacks/parts/one.yaml.tmpl", part), ("stacks/deploy/dev.yaml", &given)]);
    assert_eq!(found.codes(), ["template-error"]);
}

#[test]
fn an_import_may_begin_with_a_slash_and_reach_beside_the_stacks() {
    let stack = "import: [/parts/one, ../../shared/*]\nvars: {stage: dev}\ncomponents: {terraform: {it: {}}}\n";
    let found = Small::of(&[
        ("stacks/parts/one.yaml", "vars: {one: 1}\n"),
        ("shared/a.yaml", "vars: {a: 1, who: a}\n"),
        ("shared/b.yaml", "vars: {who: b}\n"),
        ("stacks/deploy/dev.yaml", stack),
    ]);
    assert_eq!(found.vars(), json!({"stage": "dev", "one": 1, "a": 1, "who": "b"}));
    assert_eq!(found.codes(), Vec::<String>::new());
}

#[test]
fn a_folder_with_a_dot_in_its_name_reads_as_a_host() {
    let stack = "import: [catalog.v2/one]\nvars: {stage: dev}\ncomponents: {terraform: {it: {}}}\n";
    let found = Small::of(&[("stacks/catalog.v2/one.yaml", "vars: {one: 1}\n"), ("stacks/deploy/dev.yaml", stack)]);
    assert_eq!(found.codes(), ["remote-import"]);
}

/// `./` is the manifest's folder, any other path the one where Atmos starts, then the base path.
#[test]
fn includes_start_where_atmos_does() {
    let stack = "vars: {stage: dev, a: !include data/a.yaml, b: !include ./b.json, c: !include.raw ./c.txt}\n\
                 components: {terraform: {it: {}}}\n";
    let found = Small::of(&[
        ("data/a.yaml", "from: root\n"),
        ("stacks/deploy/data/a.yaml", "from: beside\n"),
        ("stacks/deploy/b.json", "[1]"),
        ("stacks/deploy/c.txt", "text"),
        ("stacks/deploy/dev.yaml", stack),
    ]);
    assert_eq!(found.vars(), json!({"stage": "dev", "a": {"from": "root"}, "b": [1], "c": "text"}));
    let found = Small::of(&[
        ("stacks/deploy/x.yaml", "from: beside\n"),
        ("stacks/deploy/dev.yaml", "vars: {stage: dev, a: !include x.yaml}\ncomponents: {terraform: {it: {}}}\n"),
    ]);
    assert!(found.codes().contains(&"include-not-found".to_owned()));
}

#[test]
fn numbers_of_hcl_are_whole() {
    let stack = "vars: {stage: dev, a: !include ./a.tfvars}\ncomponents: {terraform: {it: {}}}\n";
    let found = Small::of(&[
        ("stacks/deploy/a.tfvars", "n = 2\nf = 1.9\nl = [0.5, \"x\"]\n"),
        ("stacks/deploy/dev.yaml", stack),
    ]);
    assert_eq!(found.vars()["a"], json!({"n": 2, "f": 1, "l": [0, "x"]}));
}

#[test]
fn locals_evaluate_what_needs_nobody() {
    let stack = "locals:\n  list: !template '[1, \"b\"]'\n  text: !template plain\n  root: !repo-root .\n  cwd: !cwd\n  \
                 env: !env 'WHO \"no body\"'\nvars:\n  stage: dev\n  list: '{{ .locals.list }}'\n  text: '{{ .locals.text }}'\n  \
                 root: '{{ .locals.root }}'\n  cwd: '{{ .locals.cwd }}'\n  env: '{{ .locals.env }}'\n\
                 components: {terraform: {it: {}}}\n";
    let mut found = Small::of(&[("stacks/deploy/dev.yaml", stack)]);
    let expected =
        json!({"stage": "dev", "list": [1, "b"], "text": "plain", "root": ".", "cwd": "!cwd", "env": "no body"});
    assert_eq!(found.vars(), expected);
    assert_eq!(found.codes(), Vec::<String>::new());
    found.env.insert("WHO".into(), "me".into());
    assert_eq!(found.vars()["env"], "me");
}

#[test]
fn secrets_and_selectors_are_held_to_their_rules() {
    let component = |section: &str| format!("vars: {{stage: dev}}\ncomponents: {{terraform: {{it: {{{section}}}}}}}\n");
    let codes = |text: &str| Small::of(&[("stacks/deploy/dev.yaml", text)]).codes();
    assert_eq!(codes(&component("secrets: {vars: {a: {scope: stack, store: s}}}")), ["secret-scope"]);
    assert_eq!(codes(&component("secrets: {vars: {a: {scope: global, store: s}}}")), Vec::<String>::new());
    assert_eq!(
        codes(&component("metadata: {labels: {a: '{{ (atmos.Component \"x\" .stack).vars.y }}'}}")),
        ["selector-function"]
    );
    assert_eq!(codes(&component("metadata: {labels: {a: !exec date}}")), ["selector-function"]);
    assert_eq!(codes(&component("metadata: {labels: {a: '{{ .vars.stage }}', b: !env B}}")), Vec::<String>::new());
    let eager = format!("{ATMOS}describe: {{settings: {{eager_evaluation: true}}}}\n");
    let tagged = component("metadata: {tags: [!exec date]}");
    let found = Small::of(&[("atmos.yaml", &eager), ("stacks/deploy/dev.yaml", &tagged)]);
    assert_eq!(found.codes(), Vec::<String>::new());
}

#[test]
fn an_edition_keeps_the_defaults_of_its_day() {
    let stack = "vars: {stage: dev}\ncomponents:\n  terraform:\n    base: {metadata: {type: abstract, labels: {a: b}}}\n    \
                 it: {metadata: {inherits: [base]}}\n";
    let labels = |edition: &str| {
        let atmos = format!("{ATMOS}{edition}");
        Small::of(&[("atmos.yaml", &atmos), ("stacks/deploy/dev.yaml", stack)]).it()["metadata"]["labels"].clone()
    };
    assert_eq!(labels(""), json!({"a": "b"}));
    assert_eq!(labels("edition: '2025-11'\n"), Value::Null);
    assert_eq!(labels("edition: 2025\n"), json!({"a": "b"}));
    assert_eq!(labels("edition: '2025-12-05'\n"), Value::Null);
}

#[test]
fn configuration_includes_and_unsets() {
    let atmos = format!("{ATMOS}import: [more]\nenv: !include .env\nintegrations: {{github: {{a: !unset, b: 2}}}}\n");
    let found = Small::of(&[
        ("atmos.yaml", &atmos),
        (".env", "WHO=me # a person\nexport QUOTED=\"x y\"\n"),
        ("more.yaml", "integrations: {github: {a: 1, c: 3}}\n"),
        ("stacks/deploy/dev.yaml", IT),
    ]);
    assert_eq!(found.it()["env"], json!({"WHO": "me", "QUOTED": "x y"}));
    assert_eq!(found.it()["settings"], json!({"integrations": {"github": {"b": 2, "c": 3}}}));
    let gone = format!("{ATMOS}env: !include ../.env\n");
    let mut found = Small::of(&[("atmos.yaml", &gone), ("stacks/deploy/dev.yaml", IT)]);
    found.files.put("/.env", "WHO=other\n");
    assert_eq!(found.codes(), ["untrusted-include"]);
    found.trusted = true;
    assert_eq!(found.it()["env"], json!({"WHO": "other"}));
}

#[test]
fn empty_stacks_are_described_only_where_asked_for() {
    let atmos = ATMOS.replace(", name_pattern: '{stage}'", "");
    let files = [
        ("atmos.yaml", atmos.as_str()),
        ("stacks/deploy/empty.yaml", "import: [../parts/x]\n"),
        ("stacks/deploy/named.yaml", "name: other\nvars: {a: 1}\n"),
        ("stacks/parts/x.yaml", "vars: {a: 1}\n"),
        ("stacks/deploy/dev.yaml", "name: dev\nvars: {stage: dev}\ncomponents: {packer: {it: {}}}\n"),
    ];
    let found = Small::of(&files);
    let names = |filter: &DescribeFilter| {
        found.described(filter).as_object().expect("a map").keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&DescribeFilter::default()), ["dev"]);
    let all = DescribeFilter { include_empty_stacks: true, ..DescribeFilter::default() };
    assert_eq!(names(&all), ["deploy/empty", "dev", "other"]);
    assert_eq!(found.described(&all)["other"], json!({"components": {}}));
    let one = DescribeFilter { stack: Some("other".into()), ..all };
    assert_eq!(names(&one), ["other"]);
    // A section that nothing has leaves nothing to show.
    let nothing = DescribeFilter { sections: vec!["backend".into()], ..DescribeFilter::default() };
    assert_eq!(names(&nothing), Vec::<String>::new());
}

/// A file that is imported with a context is no manifest by itself, even where it lies among the stacks.
#[test]
fn what_others_import_is_judged_as_they_import_it() {
    let part = "components: {terraform: {it: {metadata: {enabled: '{{ .on }}'}}}}\n";
    let stack = "import: [{path: deploy/part, context: {on: true}}]\nvars: {stage: dev}\n";
    let more = "import: [{path: loose/part, context: {on: true}}]\n";
    let found = Small::of(&[
        ("stacks/deploy/part.yaml", part),
        ("stacks/deploy/dev.yaml", stack),
        ("stacks/loose/part.yaml", part),
        ("stacks/loose/more.yaml", more),
    ]);
    assert_eq!(found.it()["metadata"], json!({"enabled": true}));
    // By itself it is a stack without a name all the same.
    assert_eq!(found.codes(), ["name-pattern-part-missing"]);
    let wrong = Small::of(&[("stacks/loose/part.yaml", part), ("stacks/deploy/dev.yaml", IT)]);
    assert_eq!(wrong.codes(), ["manifest-schema"]);
}

/// A component that cannot be resolved needs a name for its stack all the same.
#[test]
fn a_stack_without_any_name_is_said_beside_what_else_is_wrong() {
    let atmos = ATMOS.replace(", name_pattern: '{stage}'", "");
    let stack = "name: dev\ncomponents: {terraform: {it: {component: nowhere}}}\n";
    let found = Small::of(&[("atmos.yaml", &atmos), ("stacks/deploy/dev.yaml", stack)]);
    assert_eq!(found.codes(), ["name-not-configured", "base-not-found"]);
}

/// Files that import each other hide nothing, also where no stack imports them.
#[test]
fn a_cycle_beside_all_stacks_is_said() {
    for import in ["catalog/OTHER", "{path: catalog/OTHER, context: {a: 1}}"] {
        let to = |other: &str| format!("import: [{}]\n", import.replace("OTHER", other));
        let (one, two) = (to("two"), to("one"));
        let files =
            [("stacks/deploy/a.yaml", IT), ("stacks/catalog/one.yaml", &one), ("stacks/catalog/two.yaml", &two)];
        assert_eq!(Small::of(&files).codes(), ["import-cycle"], "{import}");
    }
}

/// What an older Atmos took, and a current one refuses, is said and read all the same.
#[test]
fn a_configuration_that_atmos_refuses_is_said_with_its_cause() {
    let stack = ("stacks/deploy/dev.yaml", IT);
    let codes = |more: &str| {
        let atmos = format!("{ATMOS}{more}");
        Small::of(&[("atmos.yaml", &atmos), stack]).codes()
    };
    for edition in ["2025", "'2025'", "2025-11", "'2026-02-28'", "''", "' 2026-07 '"] {
        assert_eq!(codes(&format!("edition: {edition}\n")), Vec::<String>::new(), "{edition}");
    }
    for edition in ["soon", "2025-13", "'2026-02-30'", "2026-07-16", "26"] {
        assert_eq!(codes(&format!("edition: {edition}\n")), ["invalid-edition"], "{edition}");
    }
    assert_eq!(codes("logs: {level: warn}\n"), Vec::<String>::new());
    assert_eq!(codes("logs: {level: XTrace}\n"), ["invalid-log-level"]);
    // Atmos says so before it looks for stacks.
    let atmos = "logs: {level: XTrace}\nstacks: {base_path: nowhere, included_paths: ['**/*']}\n";
    let files = Small::of(&[("atmos.yaml", atmos), stack]).files;
    let options = LoadOptions { files: Arc::new(files), ..LoadOptions::default() };
    let error = Estate::load(Path::new("/e"), &options).expect_err("no stacks");
    assert_eq!(error.code, "invalid-log-level");
    assert!(error.message.starts_with("invalid log level"), "{}", error.message);
}

/// `ATMOS_CONFIG` and `ATMOS_CONFIG_PATH` replace the search; folders are merged over files, imports over the file.
#[test]
fn the_environment_selects_configurations() {
    let whole = "base_path: .\nstacks: {base_path: stacks, included_paths: ['*'], name_pattern: '{stage}'}\n";
    let mut found = Small::of(&[
        ("stacks/deploy/dev.yaml", IT),
        ("conf/one.yaml", &format!("{whole}import: [more]\nenv: {{A: one, B: one}}\n")),
        ("conf/more.yaml", "env: {B: more}\n"),
        ("conf/stacks/dev.yaml", IT),
        ("over/.atmos.yaml", "env: {C: hidden}\n"),
        ("over/atmos.yaml", "env: {A: over}\n"),
    ]);
    found.env.insert("ATMOS_CONFIG".into(), "conf/one.yaml".into());
    assert_eq!(found.it()["env"], json!({"A": "one", "B": "more"}));
    assert_eq!(found.it()["atmos_stack_file"], "dev", "relative to the file that says where");
    found.env.insert("ATMOS_CONFIG_PATH".into(), "over".into());
    assert_eq!(found.it()["env"], json!({"A": "over", "B": "more"}));
    found.env.insert("ATMOS_CONFIG".into(), "conf/gone.yaml".into());
    let options =
        LoadOptions { files: Arc::new(found.files.clone()), env: found.env.clone(), ..LoadOptions::default() };
    assert_eq!(Estate::load(Path::new("/e"), &options).expect_err("gone").code, "no-such-config");
}

/// The environment speaks of the folders of three types only.
#[test]
fn the_environment_moves_what_atmos_lets_it_move() {
    let mut found = Small::of(&[(
        "stacks/deploy/dev.yaml",
        "vars: {stage: dev}\ncomponents: {terraform: {it: {}}, ansible: {a: {}}}\n",
    )]);
    for (name, value) in [
        ("ATMOS_COMPONENTS_TERRAFORM_BASE_PATH", "elsewhere"),
        ("ATMOS_COMPONENTS_TERRAFORM_COMMAND", "tofu"),
        ("ATMOS_COMPONENTS_ANSIBLE_BASE_PATH", "elsewhere"),
        ("ATMOS_STACKS_NAME_TEMPLATE", "x-{{ .vars.stage }}"),
    ] {
        found.env.insert(name.into(), value.into());
    }
    let all = found.described(&DescribeFilter::default());
    let of = |kind: &str, name: &str| all["x-dev"]["components"][kind][name].clone();
    assert_eq!(of("terraform", "it")["component_info"]["component_path"], "elsewhere/it");
    assert_eq!(of("terraform", "it")["command"], "tofu");
    assert_eq!(of("ansible", "a")["component_info"].get("component_path"), None);
}

#[test]
fn a_store_that_atmos_cannot_make_is_said() {
    let stack = ("stacks/deploy/dev.yaml", IT);
    let problems = |stores: &str, env: &[(&str, &str)]| {
        let atmos = format!("{ATMOS}stores:\n{stores}");
        let mut found = Small::of(&[("atmos.yaml", &atmos), stack]);
        found.env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        found.open().diagnostics().iter().map(|d| (d.code.clone(), d.message.clone())).collect::<Vec<_>>()
    };
    let ssm = "  a: {kind: aws/ssm, options: {region: eu-west-1}}\n  b: {type: google-secret-manager, options: {project_id: p}}\n";
    assert_eq!(problems(ssm, &[]), []);
    let redis = "  r: {type: redis}\n";
    let [(code, message)] = problems(redis, &[]).try_into().expect("one");
    assert_eq!(code, "store-unusable");
    assert!(message.starts_with("failed to parse redis url") && message.contains("ATMOS_REDIS_URL"), "{message}");
    assert_eq!(problems(redis, &[("ATMOS_REDIS_URL", "redis://localhost:6379")]), []);
    let others = "  a: {kind: azure/keyvault, options: {endpoint: !env NOWHERE}}\n  b: {kind: nosuch}\n  c: {kind: aws/asm}\n  \
                  d: {kind: redis, secret: true, options: {url: 'redis://x'}}\n";
    let messages: Vec<String> = problems(others, &[]).into_iter().map(|(_, message)| message).collect();
    for (message, start) in
        messages.iter().zip(["vault_url is", "store type not found: nosuch", "region is", "store cannot be"])
    {
        assert!(message.starts_with(start), "{message}");
    }
    assert_eq!(messages.len(), 4);
}

/// What is asked for in a file that does not make it is told with the file that does.
#[test]
fn a_stack_file_that_does_not_make_an_instance_is_named() {
    let small = Small::of(&[("stacks/deploy/a.yaml", IT), ("stacks/deploy/b.yaml", "vars: {stage: other}\n")]);
    let estate = small.open();
    assert!(estate.find("it", "dev", Some("deploy/a")).is_ok());
    let error = estate.find("it", "dev", Some("deploy/b")).expect_err("made elsewhere");
    assert_eq!(error.message, "the stack file 'deploy/b' makes no 'it' in stack 'dev'");
    assert_eq!(error.hint.as_deref(), Some("'it' in stack 'dev' is written by stacks/deploy/a.yaml"));
    assert_eq!(estate.find("it", "nowhere", Some("deploy/b")).expect_err("no stack").code, "unknown-stack");
}

/// `settings.depends_on` orders nothing where `dependencies` names a component; files and folders are none.
#[test]
fn dependencies_replace_what_is_deprecated() {
    let stack = "vars: {stage: dev}\ncomponents:\n  terraform:\n    a: {}\n    b: {}\n    \
                 new: {dependencies: {components: [{component: a}]}, settings: {depends_on: {1: {component: b}}}}\n    \
                 file: {dependencies: {components: [{kind: file, path: x.txt}]}, settings: {depends_on: {1: {component: b}}}}\n    \
                 old: {settings: {depends_on: [a, {component: b}]}}\n";
    let estate = Small::of(&[("stacks/deploy/a.yaml", stack)]).open();
    let edges: Vec<String> =
        estate.dependencies().iter().map(|edge| format!("{} {}", edge.from.component, edge.to.component)).collect();
    assert_eq!(edges, ["file b", "new a", "old a", "old b"]);
}

/// gomplate's functions stand beside sprig's in every template that Atmos renders by itself.
#[test]
fn templates_know_gomplate() {
    let stack = "import:\n  - path: mixins/it\n    context: {tags: {team: a, cost: '1'}, name: Big Api, version: v1.4.2}\nvars: {stage: dev}\n";
    let mixin = "components:\n  terraform:\n    it:\n      vars:\n        slug: {{ strings.KebabCase .name | strings.ToLower }}\n        \
                 modern: {{ semverCompare \">=1.4\" .version }}\n        keys: {{ coll.Keys .tags | toJSON }}\n        \
                 tags:\n{{ toYAML .tags | strings.Indent 10 }}\n        team: {{ required \"a team\" .tags.team }}\n";
    let small = Small::of(&[("stacks/deploy/a.yaml", stack), ("stacks/mixins/it.yaml.tmpl", mixin)]);
    let expected = json!({
        "slug": "big-api", "modern": true, "keys": ["cost", "team"], "tags": {"team": "a", "cost": "1"}, "team": "a", "stage": "dev",
    });
    assert_eq!(small.vars(), expected);
    let locals = format!("locals: {{keys: '{{{{ coll.Keys .settings | toJSON }}}}'}}\nsettings: {{a: 1}}\n{IT}");
    assert_eq!(Small::of(&[("stacks/deploy/a.yaml", &locals)]).codes(), ["locals-error"]);
}

/// A stack's name is rendered for each instance that is described, abstract ones and all types among them; where the
/// manifest has a name of its own, only for those that Atmos checks before.
#[test]
fn a_name_template_is_rendered_for_abstract_components_too() {
    let atmos = ATMOS.replace("name_pattern: '{stage}'", "name_template: '{{ .settings.short }}'");
    let codes = |stack: &str| {
        let mut codes = Small::of(&[("atmos.yaml", &atmos), ("stacks/deploy/a.yaml", stack)]).codes();
        codes.retain(|code| code == "name-template");
        codes
    };
    let own = "settings: {short: dev}";
    let base = format!("components:\n  terraform:\n    it: {{{own}}}\n    base: {{metadata: {{type: abstract}}}}\n");
    assert_eq!(codes(&base), ["name-template"]);
    assert_eq!(codes(&format!("name: mine\n{base}")), Vec::<String>::new());
    let image = format!("components:\n  terraform:\n    it: {{{own}}}\n  packer:\n    image: {{}}\n");
    assert_eq!(codes(&image), ["name-template"]);
    assert_eq!(codes(&format!("name: mine\n{image}")), Vec::<String>::new());
    assert_eq!(codes("name: mine\ncomponents: {terraform: {it: {}}}\n"), ["name-template"]);
}
