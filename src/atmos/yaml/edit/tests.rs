use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::atmos::yaml::parser::Style;

fn path(text: &str) -> Vec<PathSegment> {
    let segment = |part: &str| part.parse().map_or_else(|_| PathSegment::Key(part.to_owned()), PathSegment::Index);
    text.split('.').map(segment).collect()
}

fn set(text: &str, at: &str, value: Value) -> Result<String, String> {
    apply("stack.yaml", text, &[Edit::Set(path(at), value)], "").map_err(|fault| fault.message)
}

fn remove(text: &str, at: &str) -> Result<String, String> {
    apply("stack.yaml", text, &[Edit::Remove(path(at))], "").map_err(|fault| fault.message)
}

const STACK: &str = "\
# Production. Ask before you touch it.
import:
  - catalog/database   # defaults
  - mixins/region

vars:
  stage: 'prod'        # the stage
  tags: { team: orders, cost: \"12\" }

components:
  terraform:
    # The orders database
    orders-db:
      vars:
        size: large    # since the summer
        replicas: 2

    billing-db:
      vars:
        notes: |
          first
          second
";

#[test]
fn a_value_changes_and_every_other_byte_stays() {
    let changed =
        |at, value, from: &str, to: &str| assert_eq!(set(STACK, at, value).unwrap(), STACK.replacen(from, to, 1));
    changed("components.terraform.orders-db.vars.size", json!("small"), "size: large ", "size: small ");
    changed("components.terraform.orders-db.vars.replicas", json!(3), "replicas: 2", "replicas: 3");
    changed("vars.stage", json!("dev"), "'prod'", "'dev'");
    changed("vars.tags.cost", json!("13"), "\"12\"", "\"13\"");
    changed("vars.tags.owner", json!("a, b"), "\"12\" }", "\"12\", owner: \"a, b\" }");
    changed("import.1", json!("mixins/other"), "mixins/region", "mixins/other");
    changed("import.2", json!("mixins/stage"), "mixins/region\n", "mixins/region\n  - mixins/stage\n");
    let to = "replicas: 2\n        backup: true\n";
    changed("components.terraform.orders-db.vars.backup", json!(true), "replicas: 2\n", to);
    changed("components.terraform.billing-db.vars.notes", json!("one"), "|\n          first\n          second", "one");
    let to =
        "replicas: 2\n      settings:\n        depends_on:\n          - component: network\n            stack: prod\n";
    let value = json!([{"component": "network", "stack": "prod"}]);
    changed("components.terraform.orders-db.settings.depends_on", value, "replicas: 2\n", to);
    changed("vars.stage", json!({"a": 1}), " 'prod'        # the stage\n", "        # the stage\n    a: 1\n");
    let from = "\n        size: large    # since the summer\n        replicas: 2\n";
    changed("components.terraform.orders-db.vars", json!("none"), &format!("vars:{from}"), "vars: none\n");
}

#[test]
fn a_new_component_stands_apart_as_its_neighbours_do() {
    let new = set(STACK, "components.terraform.queue", json!({"vars": {"fifo": "yes", "note": "a\nb"}})).unwrap();
    let tail = "          second\n\n    queue:\n      vars:\n        fifo: \"yes\"\n        note: |-\n          a\n          b\n";
    assert_eq!(new, STACK.replace("          second\n", tail));
}

#[test]
fn what_is_missing_on_the_way_is_made() {
    assert_eq!(set("", "vars.size", json!(1)).unwrap(), "vars:\n  size: 1\n");
    assert_eq!(set("# only this", "a.b", json!([])).unwrap(), "# only this\na:\n  b: []\n");
    assert_eq!(set("vars: # none\nx: 1\n", "vars.a", json!(1)).unwrap(), "vars: # none\n  a: 1\nx: 1\n");
    assert_eq!(set("vars: ~\n", "vars.a", json!(1)).unwrap(), "vars:\n  a: 1\n");
    assert_eq!(set("vars: {}\n", "vars.a.b", json!("x")).unwrap(), "vars: {a: {b: x}}\n");
    assert_eq!(set("a: 1", "b", json!(2)).unwrap(), "a: 1\nb: 2\n".trim_end());
    assert_eq!(
        set("a: 1\r\nb:\r\n    c: 2\r\n", "b.d.e", json!(2)).unwrap(),
        "a: 1\r\nb:\r\n    c: 2\r\n    d:\r\n        e: 2\r\n"
    );
    assert_eq!(set("a:\n- x\n", "b", json!(["y"])).unwrap(), "a:\n- x\nb:\n- \"y\"\n");
}

#[test]
fn what_goes_takes_its_lines_and_leaves_no_hole() {
    let gone = |at, from: &str, to: &str| assert_eq!(remove(STACK, at).unwrap(), STACK.replacen(from, to, 1));
    gone("components.terraform.orders-db.vars.size", "        size: large    # since the summer\n", "");
    gone("import.0", "  - catalog/database   # defaults\n", "");
    gone("import.1", "  - mixins/region\n", "");
    gone("vars.tags.team", "team: orders, ", "");
    gone("vars.tags.cost", ", cost: \"12\"", "");
    gone("nothing.here", "", "");
    let notes = ":\n        notes: |\n          first\n          second\n";
    gone("components.terraform.billing-db.vars.notes", notes, ": {}\n");
    assert_eq!(remove("a:\n  - x\n", "a.0").unwrap(), "a: []\n");
    assert_eq!(remove("- a: 1\n  b: 2\n", "0.a").unwrap(), "- b: 2\n");
    assert_eq!(remove("a: 1\n", "a").unwrap(), "{}\n");
    assert_eq!(remove("l:\n  - # - one\n    x: 1\n  -\n    y: 2\n", "l.1").unwrap(), "l:\n  - # - one\n    x: 1\n");
}

#[test]
fn what_is_shared_is_refused_and_says_with_whom() {
    let text =
        "base: &base\n  size: 1\n  deep: {a: 1}\none:\n  <<: *base\n  own: 1\ntwo: *base\nthree:\n  n: &n 5\n  m: *n\n";
    let no = |result: Result<String, String>, why: &str| {
        let message = result.expect_err(why);
        assert!(message.contains(why), "{message}");
    };
    no(set(text, "base.size", json!(2)), "'*base' in line 5 would change with it");
    no(set(text, "two.size", json!(2)), "line 7 takes it from '&base'");
    no(set(text, "one.deep.a", json!(2)), "the merge key in line 5 brings 'one.deep'");
    no(remove(text, "one.size"), "brings 'one.size'");
    no(remove(text, "base"), "'*base' in line 5 needs");
    no(set(text, "three.n", json!(6)), "'*n' in line 10");
    no(set("a: [\n", "a", json!(1)), "yaml");
    no(set("a: 1\n", "a.b", json!(1)), "'a' in line 1 is a single value");
    no(set("vars: !include x.yaml\n", "vars.b", json!(1)), "includes it from another file");
    // What a merge key brings may be overridden as a whole, and an alias may make room.
    assert_eq!(set(text, "one.size", json!(2)).unwrap(), text.replace("own: 1\n", "own: 1\n  size: 2\n"));
    assert_eq!(set(text, "three.m", json!(6)).unwrap(), text.replace("m: *n", "m: 6"));
}

#[test]
fn an_item_is_appended_once() {
    let append = |text: &str, item: &str| apply("f", text, &[Edit::Append(path("import"), item.into())], "").unwrap();
    assert_eq!(append("import:\n  - a\n", "b"), "import:\n  - a\n  - b\n");
    assert_eq!(append("import:\n  - a\n", "a"), "import:\n  - a\n");
    assert_eq!(append("vars: {}\n", "a"), "vars: {}\nimport:\n  - a\n");
    assert_eq!(append("import: [a] # one\n", "b"), "import: [a, b] # one\n");
    assert_eq!(append("import: !append\n  - a\n", "b"), "import: !append\n  - a\n  - b\n");
}

#[test]
fn dotted_keys_are_not_mistaken() {
    let text = "vars:\n  a.b: 1\n";
    let edit = |at: &[&str]| {
        let path = at.iter().map(|key| PathSegment::Key((*key).to_owned())).collect();
        apply("f", text, &[Edit::Set(path, json!(2))], ".").map_err(|fault| fault.message)
    };
    let path = ["vars", "a", "b"].map(|key| PathSegment::Key(key.to_owned())).to_vec();
    let refused = apply("f", text, &[Edit::Remove(path)], ".").expect_err("it is written otherwise");
    assert!(refused.message.contains("'vars.a.b' cannot be edited in f"), "{}", refused.message);
    assert_eq!(edit(&["vars", "c.d"]).unwrap(), "vars:\n  a.b: 1\n  \"c.d\": 2\n");
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(json!("a 𐀀 é")),
        any::<i32>().prop_map(Value::from),
        (-1_000_000_i64..1_000_000).prop_map(|n| json!((f64::from(i32::try_from(n).unwrap_or(0)) + 0.5) / 64.0)),
        ".{0,12}".prop_map(Value::from),
        "[a-z:#&*!|>{}\\[\\],'\"%@`~0-9. \n\t-]{0,10}".prop_map(Value::from),
        prop::sample::select(vec![
            "yes",
            "null",
            "~",
            "012",
            "1_0",
            "2026-01-01",
            "<<",
            "a: b",
            "a #b",
            "- a",
            "---",
            "",
            "x\ny\n",
            "\u{85}"
        ])
        .prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z0-9. :#-]{1,6}", inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Texts in the styles that people write.
const TEXTS: [&str; 6] = [
    STACK,
    "",
    "a: {b: {c: 1}, d: [1, {e: 2}]} # flow\n",
    "a:\n- b: 1 # one\n  c:\n  - x\n\n- - 1\n  - 2\n\n# end\n",
    "\u{feff}a:\r\n    b: >-\r\n        folded\r\n        text\r\n    c:   # null\r\n",
    "---\na: \"q\"\nb: |+\n  kept\n\nc: [\n  1, # one\n  2,\n]\n...\n",
];

fn comments(text: &str) -> usize {
    text.matches(" #").count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever is written reads back as that, in every style around it; the editor reads it back itself, so a refusal
    /// would show that it cannot write something.
    #[test]
    fn everything_can_be_written_anywhere(which in 0..TEXTS.len(), keys in prop::collection::vec("[a-e]|orders-db|vars", 1..4), value in tree()) {
        let text = TEXTS[which];
        let path: Vec<PathSegment> = keys.into_iter().map(PathSegment::Key).collect();
        match apply("f", text, &[Edit::Set(path.clone(), value.clone())], "") {
            Ok(after) => {
                let read = value_of("f", &after, "").unwrap();
                let found = path.iter().try_fold(&read, |inner, segment| match segment {
                    PathSegment::Key(key) => inner.get(key),
                    PathSegment::Index(_) => None,
                });
                prop_assert_eq!(found, Some(&value));
            }
            Err(fault) => prop_assert!(fault.message.contains("is a single value") || fault.message.contains("is a list"), "{}\n{text}\n{value}", fault.message),
        }
    }

    /// Setting a value and setting it back gives the value, and never loses a comment that stands elsewhere.
    #[test]
    fn scalars_change_in_their_place(which in 0..TEXTS.len(), value in scalar()) {
        let text = TEXTS[which];
        let Ok(Some(root)) = outline(text) else { return Ok(()) };
        let mut places = Vec::new();
        root.each(&mut |part| if matches!(part.shape, Shape::Scalar { style: Style::Plain | Style::Quoted, .. }) && part.start < part.end {
            places.push((part.line, u32::try_from(part.column + 1).unwrap()));
        });
        for (line, column) in places {
            let Some(path) = path_at(text, line, column).unwrap() else { continue };
            let after = apply("f", text, &[Edit::Set(path.clone(), value.clone())], "").unwrap();
            if !value.as_str().is_some_and(|text| text.contains(['#', '\n'])) {
                prop_assert_eq!(comments(&after), comments(text), "{}\n{}", text, after);
                prop_assert_eq!(after.matches('\n').count(), text.matches('\n').count());
            }
        }
    }
}
