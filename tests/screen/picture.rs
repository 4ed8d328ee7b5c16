//! What is drawn without a terminal.

use std::fs;
use std::path::Path;

use crate::home::Home;

/// What the README's picture shows: a database in production, where its size comes from and what that overrides.
const KEYS: &str = "/ o r d e r s - d b space u e 2 - p r o d enter esc tab j j j j j j j j j j";

/// Returns a picture without its first line, where who looks and what is installed here stand.
fn below_the_header(svg: &str) -> String {
    svg.lines().filter(|line| !line.contains(" y=\"20.4\"")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_picture_in_the_readme_is_what_the_dashboard_shows() {
    let home = Home::with_demo();
    let drawn = home.succeeds(&["-C", &home.demo_text(), "snapshot", "--offline", "--svg", "--keys", KEYS]);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dashboard.svg");
    let kept = fs::read_to_string(&file).unwrap_or_default();
    if below_the_header(&drawn) == below_the_header(&kept) {
        return;
    }
    if std::env::var_os("TERRACE_UPDATE_DOCS").is_some() {
        fs::write(&file, drawn).unwrap();
        return;
    }
    panic!(
        "docs/dashboard.svg is not what the dashboard shows now; draw it anew with\n  \
            TERRACE_UPDATE_DOCS=1 cargo test --test screen picture"
    );
}

#[test]
fn a_snapshot_has_exactly_its_lines_and_shows_what_has_settled() {
    let home = Home::with_demo();
    let folder = home.demo_text();
    let draw = |more: &[&str]| home.succeeds(&[&["-C", &folder, "snapshot"], more].concat());
    for (size, lines) in [("120x40", 40), ("80x24", 24), ("20x5", 5), ("1x1", 1), ("300x100", 100)] {
        let offline = draw(&["--offline", "--size", size]);
        assert_eq!(offline.lines().count(), lines, "{size}");
        assert!(offline.ends_with('\n'));
    }
    assert!(home.platform().is_none(), "--offline starts nothing");
    let keys = ["--keys", "/ o r d e r s - d b enter"];
    let offline = draw(&[&["--offline"], &keys[..]].concat());
    assert!(offline.contains("orders-db") && offline.contains("● live"), "{offline}");
    let with = draw(&keys);
    assert!(!with.contains("Reading") && !with.contains("connecting"), "{with}");
    assert_eq!(with, draw(&keys), "the same each time");
    assert!(home.platform().is_some());
}

#[test]
fn a_picture_is_svg_and_wrong_calls_say_what_is_wrong() {
    let home = Home::with_demo();
    let folder = home.demo_text();
    let svg = home.succeeds(&["-C", &folder, "snapshot", "--offline", "--svg"]);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert!(svg.contains(">ue2<") || svg.contains("ue2"), "{svg}");
    for (arguments, says) in [
        (["--size", "80"], "'80' is no size"),
        (["--keys", "notakey"], "'notakey' is not a key"),
        (["--theme", "drak"], "did you mean 'dark'?"),
    ] {
        let output = home.terrace(&[&["-C", &folder, "snapshot", "--offline"], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(says), "{said}");
    }
    let without = home.terrace(&["-C", &folder]);
    assert_eq!(without.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&without.stderr).contains("the dashboard needs a terminal"));
}
