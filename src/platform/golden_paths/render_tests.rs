use std::path::PathBuf;

use super::*;
use crate::atmos::LoadOptions;
use crate::atmos::files::Memory;
use crate::domain::stack::Severity;
use crate::platform::golden_paths::{Overlay, read};
use crate::platform::teams;

/// The demo, as its last commit leaves it.
fn demo() -> Memory {
    fn lay(folder: &Path, below: &Path, files: &mut Memory) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                lay(&path, below, files);
            } else {
                let rest = path.strip_prefix(below).expect("below");
                files.put(Path::new("/estate").join(rest), std::fs::read(&path).expect("a file"));
            }
        }
    }
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let mut layers: Vec<PathBuf> = std::fs::read_dir(home).expect("the demo").flatten().map(|e| e.path()).collect();
    layers.retain(|path| path.is_dir());
    layers.sort();
    let mut files = Memory::default();
    layers.iter().for_each(|layer| lay(layer, layer, &mut files));
    files
}

struct Stage {
    files: Arc<dyn Files>,
    estate: Estate,
    teams: Teams,
}

impl Stage {
    fn new(files: Memory) -> Self {
        let teams = Teams::parse(&files.read(&Path::new("/estate").join(teams::FILE)).expect("teams")).expect("teams");
        let files: Arc<dyn Files> = Arc::new(files);
        let options = LoadOptions { files: Arc::clone(&files), ..LoadOptions::default() };
        let estate = Estate::load(Path::new("/estate"), &options).expect("the demo resolves");
        Self { files, estate, teams }
    }

    fn with(path: &str, template: &str, more: &[(&str, &str)]) -> Self {
        let mut files = demo();
        let folder = Path::new("/estate").join(FOLDER).join(path);
        files.put(folder.join("template.yaml"), template);
        more.iter().for_each(|(name, text)| files.put(folder.join(name), *text));
        Self::new(files)
    }

    fn ground(&self) -> Ground<'_> {
        Ground { estate: &self.estate, teams: &self.teams, files: Arc::clone(&self.files) }
    }

    fn ask(&self, path: &str, given: Value) -> Result<Changes, String> {
        self.fill_in(path, given).map_err(|error| error.message)
    }

    fn fill_in(&self, path: &str, given: Value) -> Result<Changes, GoldenPathError> {
        let template = Template::read(Path::new("/estate"), self.files.as_ref(), path)?;
        let form = template.form(&self.ground())?;
        let inputs = form.inputs.with_defaults(given.as_object().expect("an object"));
        let wrong = problems(&form, &inputs);
        if !wrong.is_empty() {
            let wrong = wrong.into_iter().map(|problem| problem.message).collect::<Vec<_>>().join("; ");
            return Err(GoldenPathError::new("input-invalid", wrong));
        }
        let asker = Asker { name: "dan".into(), team: None, today: jiff::civil::date(2026, 11, 23) };
        render(&template, &self.ground(), &asker, &inputs)
    }
}

#[test]
fn every_golden_path_of_the_demo_gives_an_estate_that_resolves() {
    let stage = Stage::new(demo());
    let (templates, problems) = read(Path::new("/estate"), stage.files.as_ref());
    assert_eq!(problems, []);
    let names: Vec<&str> = templates.iter().map(|template| template.name.as_str()).collect();
    let known =
        ["bucket", "new-environment", "new-team", "postgres-database", "sandbox", "static-site", "worker-service"];
    assert_eq!(names, known);
    for name in names {
        let mut given = json!({"name": "ferries", "stack": "plat-ue2-dev", "team": "orders"});
        match name {
            "new-environment" => given = json!({}),
            "new-team" => {
                given = json!({"name": "fares", "description": "What a ticket costs", "members": ["noor"], "components": ["fares-*"]})
            }
            "sandbox" => given = json!({"name": "ferries", "stack": "plat-ue2-dev"}),
            _ => {}
        }
        let changes = stage.ask(name, given).unwrap_or_else(|why| panic!("{name}: {why}"));
        assert!(!changes.is_empty(), "{name}");
        let files: Arc<dyn Files> = Arc::new(Overlay::new(Arc::clone(&stage.files), Path::new("/estate"), &changes));
        let options = LoadOptions { files, ..LoadOptions::default() };
        let after = Estate::load(Path::new("/estate"), &options).expect("it resolves");
        let errors: Vec<_> = after.diagnostics().iter().filter(|d| d.severity == Severity::Error).collect();
        assert_eq!(errors, Vec::<&crate::domain::stack::Diagnostic>::new(), "{name}");
        let more = after.instances().len() - stage.estate.instances().len();
        assert_eq!(
            more,
            match name {
                "new-environment" => 6,
                "new-team" => 0,
                _ => 1,
            },
            "{name}"
        );
    }
}

#[test]
fn an_instance_is_added_in_place_and_its_types_stay() {
    let stage = Stage::new(demo());
    let given = json!({"name": "ferries", "stack": "plat-ue2-prod", "team": "orders", "storage_gb": 50});
    let changes = stage.ask("postgres-database", given).expect("changes");
    let diffs: Vec<&str> = changes.files().map(|change| change.diff.as_str()).collect();
    let added = "@@ -35,3 +35,18 @@\n         PAYMENTS_MODE: live\n       vars:\n         replicas: 2\n+    ferries-db:\n+      metadata:\n+        component: database\n+        inherits:\n+          - database/postgres\n+      settings:\n+        team: orders\n+      vars:\n+        name: ferries\n+        size: small\n+        storage:\n+          gb: 50\n+          encrypted: true\n+        backup:\n+          keep_days: 7\n";
    assert_eq!(diffs.len(), 1);
    assert!(diffs[0].ends_with(added), "{}", diffs[0]);
}

#[test]
fn inputs_are_checked_by_the_form_and_by_the_variables_of_the_component() {
    let stage = Stage::new(demo());
    let wrong = |given: Value| stage.ask("postgres-database", given).expect_err("a problem");
    let message =
        wrong(json!({"name": "X", "stack": "plat-ue2-dve", "team": "orders", "size": "huge", "storage_gb": 1}));
    for word in ["name: ", "does not match", "plat-ue2-dve", "\"huge\" is not one of", "storage_gb: 1 is less"] {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert_eq!(wrong(json!({"name": "ab", "stack": "plat-ue2-dev"})), "'team' is missing");
    let message = wrong(json!({"name": "ab", "stack": "plat-ue2-dev", "team": "orders", "sizes": "small"}));
    assert!(message.contains("did you mean 'size'?"), "{message}");
    let message = stage.ask("postgres-database", json!({"name": "orders", "stack": "plat-ue2-dev", "team": "orders"}));
    // The orders database stands in a layer; here it is new to the stack's own file, and would be overridden silently.
    assert!(message.is_ok() || message.unwrap_err().contains("already"));
}

#[test]
fn a_name_that_is_not_defined_is_said_with_its_file_and_line() {
    let file = |name: &str| format!("{FOLDER}/bad/{name}");
    let place = |template: &str, text: &str| {
        let error = Stage::with("bad", template, &[("t", text)]).fill_in("bad", json!({})).expect_err("a refusal");
        let at = error.source_at.unwrap_or_else(|| panic!("no place: {}", error.message));
        (at.file, at.line, error.message)
    };
    let (at, line, message) = place("title: Bad\nwrites: [{file: x, template: t}]\n", "a: 1\nb: {{ absent.gb }}\n");
    assert_eq!((at, line), (file("t"), 2), "{message}");
    assert!(message.contains("`absent` is undefined"), "{message}");
    let edit = |place: &str| {
        format!("title: Bad\nwrites:\n  - edit: stacks/catalog/network.yaml\n    set:\n      - {place}\n")
    };
    for (text, name) in [
        ("{at: [a], value: \"{{ absent }}\"}", "absent"),
        ("{at: [a], value: \"of {{ absent }}\"}", "absent"),
        ("{at: [\"x{{ missing }}\"], value: 1}", "missing"),
        ("at: [a]\n        value: |\n          one\n          {{ absent }}", "absent"),
    ] {
        let (at, line, message) = place(&edit(text), "");
        let wanted = if text.contains('|') { 8 } else { 5 };
        assert_eq!((at, line), (file("template.yaml"), wanted), "{message}");
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_bad_template_says_what_and_where_and_changes_nothing() {
    let bad = |template: &str, more: &[(&str, &str)]| {
        Stage::with("bad", template, more).ask("bad", json!({})).expect_err("a refusal")
    };
    let writes =
        |to: &str, text: &str| bad(&format!("title: Bad\nwrites:\n  - file: {to}\n    template: t\n"), &[("t", text)]);
    let said =
        |message: String, words: &[&str]| words.iter().for_each(|w| assert!(message.contains(w), "{w}: {message}"));
    said(writes("stacks/x.yaml", "a: [\n"), &["renders what is no YAML"]);
    said(writes("../x.yaml", "a: 1\n"), &["'../x.yaml' is not written: it leads out of the estate"]);
    said(writes(".git/hooks/pre-commit", "#!/bin/sh\n"), &["it belongs to Git"]);
    let forever = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    said(writes("x", forever), &["does not come to an end"]);
    said(writes("x", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"), &["cannot be rendered"]);
    said(writes("x", "{{ missing }}"), &["cannot be rendered", "`missing` is undefined"]);
    said(writes("x", "{{ \"a\" * 2000000 }}"), &["more than 1048576 bytes"]);
    said(
        bad("title: Bad\nwrites:\n  - file: x\n    template: ../t\n", &[]),
        &["leads out of the golden path's folder"],
    );
    said(bad("title: Bad\nwrites: []\n", &[]), &["it writes nothing"]);
    said(bad("title: Bad\nwriets: []\n", &[]), &["unknown field `wriets`"]);
    let edit = |at: &str| bad(&format!("title: Bad\nwrites:\n  - edit: {at}\n    set: [{{at: [a], value: 1}}]\n"), &[]);
    said(edit("stacks/none.yaml"), &["stacks/none.yaml is to be edited, and is not there"]);
    said(
        bad("title: Bad\nservice: database\ninputs: {a: {variable: sizes}}\nwrites:\n  - {edit: x}\n", &[]),
        &["declares no variable 'sizes'", "'size'"],
    );
    said(
        bad("title: Bad\ninputs: {a: {choices: clouds}}\nwrites:\n  - {edit: x}\n", &[]),
        &["has no list of 'clouds'"],
    );
    said(bad("title: Bad\ninputs: {a: {type: 7}}\nwrites:\n  - {edit: x}\n", &[]), &["no JSON Schema"]);
}

#[test]
fn a_template_that_is_a_link_out_of_the_estate_is_not_read() {
    let temp = tempfile::tempdir().expect("temp");
    let (root, secret) = (temp.path().join("estate"), temp.path().join("secret"));
    let folder = root.join(FOLDER).join("bad");
    std::fs::create_dir_all(&folder).expect("folders");
    std::fs::write(&secret, "password: x\n").expect("written");
    let template = "title: Bad\nwrites:\n  - file: stacks/x.yaml\n    template: t\n";
    std::fs::write(folder.join("template.yaml"), template).expect("written");
    std::os::unix::fs::symlink(&secret, folder.join("t")).expect("link");
    let error = Template::read(&root, &crate::atmos::files::Disk, "bad").expect_err("refused");
    assert!(error.message.contains("'t' is a link that leads out of the estate"), "{error}");
}

#[test]
fn a_team_is_there_once() {
    let stage = Stage::new(demo());
    let team = json!({"name": "orders", "description": "d", "members": ["noor"], "components": ["x"]});
    let message = stage.ask("new-team", team).expect_err("there is one");
    assert!(message.contains("platform/teams.yaml has '\"orders\"' in 'teams' already"), "{message}");
}
