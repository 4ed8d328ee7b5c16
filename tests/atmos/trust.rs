//! Opening an estate runs nothing and reads nothing outside of it, unless it is trusted.

use std::{collections::BTreeMap, fs, path::Path};

use terrace::{
    atmos::{DescribeFilter, Estate, LoadOptions},
    domain::stack::Severity,
};

const CONFIG: &str = "base_path: .\nstacks: {base_path: stacks, included_paths: ['*'], name_pattern: '{stage}'}\n";
const STACK: &str = "vars: {stage: dev}\ncomponents: {terraform: {quay: {vars: {a: 1}}}}\n";

fn estate(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("estate");
    for (path, text) in [("atmos.yaml", CONFIG)].iter().chain(files) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    fs::write(folder.path().join("secret.yaml"), "vars: {leaked: from-outside}\n").expect("written");
    folder
}

fn load(folder: &Path, trusted: bool) -> Estate {
    let options = LoadOptions { trusted, env: BTreeMap::new(), ..LoadOptions::default() };
    Estate::load(&folder.join("estate"), &options).expect("it opens")
}

fn described(estate: &Estate) -> String {
    let mut out = Vec::new();
    estate.describe_stacks(&DescribeFilter::default(), &mut out).expect("a vector takes all");
    String::from_utf8(out).expect("JSON")
}

fn codes(estate: &Estate) -> Vec<(&str, bool)> {
    estate
        .diagnostics()
        .iter()
        .map(|d| (d.code.as_str(), d.hint.as_deref().is_some_and(|h| h.contains("trust"))))
        .collect()
}

#[test]
fn locals_run_nothing_until_trusted() {
    let folder = estate(&[(
        "stacks/dev.yaml",
        "locals: {who: !exec 'touch ../ran && echo me'}\nvars: {stage: dev, who: '{{ .locals.who }}'}\ncomponents: {terraform: {quay: {}}}\n",
    )]);
    let ran = [folder.path().join("ran"), folder.path().join("estate/ran"), Path::new("ran").to_path_buf()];
    let closed = load(folder.path(), false);
    assert!(ran.iter().all(|p| !p.exists()), "opening it ran a command");
    assert!(codes(&closed).contains(&("untrusted-exec", true)), "{:?}", closed.diagnostics());
    let id = closed.find("quay", "dev", None).expect("the rest resolves");
    let who = closed.section(id, "vars")["who"].clone();
    assert!(who.as_str().is_some_and(|w| w.contains("!exec")), "left as written: {who}");
    let marked = closed.explain(id, None).values.into_iter().any(|v| v.unevaluated && v.value == who);
    assert!(marked, "the value is marked as not evaluated");
}

#[test]
fn trusted_locals_are_what_atmos_says() {
    let folder = estate(&[(
        "stacks/dev.yaml",
        "locals: {who: !exec 'echo me'}\nvars: {stage: dev, who: '{{ .locals.who }}'}\ncomponents: {terraform: {quay: {}}}\n",
    )]);
    let open = load(folder.path(), true);
    let id = open.find("quay", "dev", None).expect("it resolves");
    assert_eq!(open.section(id, "vars")["who"], "me");
}

#[test]
fn reads_stay_inside() {
    let absolute = "vars: {stage: dev, x: !include ABSOLUTE}\ncomponents: {terraform: {quay: {vars: {a: 1}}}}\n";
    let cases = [
        (
            "include by ..",
            "vars: {stage: dev, x: !include ../../secret.yaml}\ncomponents: {terraform: {quay: {}}}\n",
            "untrusted-include",
        ),
        (
            "include raw",
            "vars: {stage: dev, x: !include.raw ../../secret.yaml}\ncomponents: {terraform: {quay: {}}}\n",
            "untrusted-include",
        ),
        (
            "include by a link",
            "vars: {stage: dev, x: !include ../link.yaml}\ncomponents: {terraform: {quay: {}}}\n",
            "untrusted-include",
        ),
        ("absolute include", absolute, "untrusted-include"),
        (
            "import by ..",
            "import: [../../secret]\nvars: {stage: dev}\ncomponents: {terraform: {quay: {}}}\n",
            "untrusted-read",
        ),
        (
            "import by a link",
            "import: [linked]\nvars: {stage: dev}\ncomponents: {terraform: {quay: {}}}\n",
            "untrusted-read",
        ),
        (
            "import through a linked folder",
            "import: [out/secret]\nvars: {stage: dev}\ncomponents: {terraform: {quay: {}}}\n",
            "untrusted-read",
        ),
        (
            "import by a glob through a link",
            "import: ['out/*']\nvars: {stage: dev}\ncomponents: {terraform: {quay: {}}}\n",
            "untrusted-read",
        ),
    ];
    for (name, text, code) in cases {
        let folder = estate(&[("stacks/dev.yaml", STACK)]);
        let root = folder.path().join("estate");
        let outside = folder.path().join("secret.yaml");
        fs::write(root.join("stacks/dev.yaml"), text.replace("ABSOLUTE", &outside.display().to_string()))
            .expect("written");
        fs::create_dir_all(folder.path().join("away")).expect("a folder");
        fs::copy(&outside, folder.path().join("away/secret.yaml")).expect("copied");
        std::os::unix::fs::symlink(&outside, root.join("link.yaml")).expect("a link");
        std::os::unix::fs::symlink(&outside, root.join("stacks/linked.yaml")).expect("a link");
        std::os::unix::fs::symlink(folder.path().join("away"), root.join("stacks/out")).expect("a link");
        let closed = load(folder.path(), false);
        assert!(!described(&closed).contains("from-outside"), "{name}: read without trust");
        let explained = format!("{:?}", closed.ids().map(|id| closed.explain(id, None)).collect::<Vec<_>>());
        assert!(!explained.contains("from-outside"), "{name}: explained without trust");
        assert!(codes(&closed).contains(&(code, true)), "{name}: {:?}", closed.diagnostics());
        assert!(closed.find("quay", "dev", None).is_ok() || code == "untrusted-read", "{name}: the rest resolves");
        let open = load(folder.path(), true);
        assert!(described(&open).contains("from-outside"), "{name}: not read with trust: {:?}", open.diagnostics());
    }
}

#[test]
fn nothing_is_fetched() {
    for import in [
        "https://example.invalid/a.yaml",
        "git::https://example.invalid/a//b",
        "github.com/o/r//f.yaml",
        "s3::https://x/y.yaml",
    ] {
        let folder = estate(&[("stacks/dev.yaml", &format!("import: ['{import}']\n{STACK}"))]);
        for trusted in [false, true] {
            let estate = load(folder.path(), trusted);
            let found: Vec<_> = estate.diagnostics().iter().filter(|d| d.severity == Severity::Error).collect();
            assert!(found.iter().any(|d| d.code == "remote-import"), "{import}: {found:?}");
            assert!(estate.find("quay", "dev", None).is_ok(), "{import}: the rest resolves");
        }
    }
}

#[test]
fn configuration_stays_inside_too() {
    let folder = estate(&[("stacks/dev.yaml", STACK)]);
    let root = folder.path().join("estate");
    fs::write(folder.path().join("more.yaml"), "env: {LEAKED: from-outside}\n").expect("written");
    fs::write(root.join("atmos.yaml"), format!("import: [../more.yaml]\n{CONFIG}")).expect("written");
    let closed = load(folder.path(), false);
    assert!(!described(&closed).contains("from-outside"));
    assert!(codes(&closed).contains(&("untrusted-read", true)), "{:?}", closed.diagnostics());
    assert!(described(&load(folder.path(), true)).contains("from-outside"));
}

#[test]
fn a_configuration_runs_nothing_until_trusted() {
    let config = format!("{CONFIG}env: {{WHO: !exec 'touch ran && echo me'}}\n");
    let folder = estate(&[("atmos.yaml", &config), ("stacks/dev.yaml", STACK)]);
    let ran =
        || ["ran", "estate/ran"].iter().any(|path| folder.path().join(path).exists()) || Path::new("ran").exists();
    let closed = load(folder.path(), false);
    assert!(!ran(), "opening it ran a command");
    assert!(codes(&closed).contains(&("untrusted-exec", true)), "{:?}", closed.diagnostics());
    assert!(described(&closed).contains("quay"), "the rest resolves");
    let open = load(folder.path(), true);
    assert!(ran() && described(&open).contains("\"WHO\": \"me\""), "{}", described(&open));
}

/// What a file outside holds is part of what was trusted, and so is which files there are.
#[test]
fn a_file_outside_is_read_as_it_was_when_it_was_trusted() {
    let stack = format!("import: [../../shared/*]\n{STACK}");
    let folder = estate(&[("stacks/dev.yaml", &stack)]);
    let shared = |name: &str, text: &str| {
        let path = folder.path().join("shared").join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    };
    shared("one.yaml", "vars: {one: 1}\n");
    let outside = load(folder.path(), true).outside();
    assert_eq!(outside.len(), 1, "{outside:?}");
    let bound = || {
        let outside = Some(std::sync::Arc::new(outside.clone()));
        let options = LoadOptions { trusted: true, outside, ..LoadOptions::default() };
        Estate::load(&folder.path().join("estate"), &options).expect("it opens")
    };
    assert!(described(&bound()).contains("\"one\": 1") && codes(&bound()).is_empty());
    shared("two.yaml", "vars: {two: 2}\n");
    assert!(!described(&bound()).contains("\"two\"") && described(&bound()).contains("\"one\": 1"));
    assert_eq!(codes(&bound()), [("untrusted-read", true)]);
    fs::remove_file(folder.path().join("shared/two.yaml")).expect("removed");
    shared("one.yaml", "locals: {who: !exec 'touch ../ran'}\nvars: {one: '{{ .locals.who }}'}\n");
    assert!(!described(&bound()).contains("\"one\""));
    assert!(!folder.path().join("ran").exists() && codes(&bound()).contains(&("untrusted-read", true)));
}
