use serde_json::{Value as Json, json};

use super::*;

fn render_with(text: &str, data: &Json) -> Result<String, TemplateError> {
    render("t.yaml", text, data, &TemplateOptions::default())
}

#[test]
fn renders_a_stack_name() {
    let data = json!({"vars": {"tenant": "plat", "environment": "ue2", "stage": "prod"}});
    let text = "{{.vars.tenant}}-{{ .vars.environment | upper }}-{{ printf \"%s\" .vars.stage }}";
    assert_eq!(render_with(text, &data).expect("a good template"), "plat-UE2-prod");
}

/// What Go's `text/template` with sprig 3.3 answered to each template.
#[test]
fn answers_as_go() {
    let golden: Json = serde_json::from_str(include_str!("golden.json")).expect("the recorded answers");
    let env = Arc::new(BTreeMap::from([("GREETING".to_owned(), "hi".to_owned())]));
    let mut wrong = Vec::new();
    let cases = golden["cases"].as_array().expect("a list of cases");
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let options = TemplateOptions {
            missing_key: if case["no_value"] == true { MissingKey::NoValue } else { MissingKey::Error },
            delimiters: (text("left").into(), text("right").into()),
            env: Arc::clone(&env),
            ..TemplateOptions::default()
        };
        let data = &golden["data"][case["data"].as_str().unwrap_or("main")];
        let (kind, ours) = match render("t.yaml", text("template"), data, &options) {
            Ok(output) => ("output", output),
            Err(error) => ("error", error.message),
        };
        if case[kind].as_str() != Some(&ours) {
            let go = case.get("output").or(case.get("error"));
            wrong.push(format!("{}\n   go {go:?}\n  our {kind} {ours:?}", text("template")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn fails(text: &str, data: &Json) -> TemplateError {
    render_with(text, data).expect_err("a template that must fail")
}

#[test]
fn names_the_place_and_the_function() {
    let error = fails("a: 1\nb: {{ atmos.Component \"x\" .stack }}", &json!({}));
    assert_eq!((error.line, error.column), (2, 7));
    assert_eq!(error.function.as_deref(), Some("atmos.Component"));
    assert!(error.unknown_function);
    let error = fails("a: 1\n  b: {{ fail \"no\" }}", &json!({}));
    assert_eq!((error.line, error.column), (2, 9));
    assert_eq!(error.function.as_deref(), Some("fail"));
    assert!(!error.unknown_function);
}

/// Rust's expressions have ends of words where Go's have brackets.
#[test]
fn an_escaped_bracket_of_an_expression_means_itself() {
    for (text, answer) in [
        (r#"{{ regexMatch "a\\<b" "a<b" }}"#, "true"),
        (r#"{{ regexMatch "\\<b" "a b" }}"#, "false"),
        (r#"{{ regexReplaceAll "[\\<\\>]" "<a>" "" }}"#, "a"),
    ] {
        assert_eq!(render_with(text, &json!({})).as_deref(), Ok(answer), "{text}");
    }
}

#[test]
fn gomplate_may_be_left_out() {
    let options = TemplateOptions { gomplate: false, ..TemplateOptions::default() };
    for text in ["{{ toJSON 1 }}", "{{ coll.Slice 1 }}"] {
        assert!(render_with(text, &json!({})).is_ok(), "{text}");
        let error = render("t.yaml", text, &json!({}), &options).expect_err("not there");
        assert!(error.message.ends_with("not defined") && !error.unknown_function, "{error}");
    }
    assert_eq!(render("t.yaml", "{{ toJson 1 }}", &json!({}), &options).as_deref(), Ok("1"));
}

#[test]
fn bounds_what_a_template_takes() {
    let doubling = "{{ $x := \"xxxxxxxx\" }}{{ range until 60 }}{{ $x = print $x $x }}{{ end }}";
    let sharing = "{{ $l := list 1 }}{{ range until 60 }}{{ $l = list $l $l }}{{ end }}{{ toJson $l }}";
    let comparing = "{{ $a := list 1 }}{{ $b := list 1 }}{{ range until 60 }}{{ $a = list $a $a }}{{ $b = list $b $b }}\
                     {{ end }}{{ deepEqual $a $b }}";
    let calling = "{{ define \"a\" }}{{ if lt (len .) 90 }}{{ template \"a\" (print . 1) }}{{ template \"a\" (print . 1) }}\
                   {{ end }}{{ end }}{{ template \"a\" \"\" }}";
    let endless = "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}";
    let itself = "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}";
    let nested = "{{ $l := list }}{{ range until 100000 }}{{ $l = list $l }}{{ end }}{{ $l }}";
    for text in [doubling, sharing, comparing, calling, endless, itself, nested] {
        fails(text, &json!({}));
    }
    for text in [
        "{{ repeat 999999999 \"x\" }}",
        "{{ until 999999999 }}",
        "{{ indent 999999999 \"x\" }}",
        "{{ seq 1 999999999 }}",
    ] {
        fails(text, &json!({}));
    }
    fails("{{ range 999999999 }}{{ end }}", &json!({}));
    fails(&format!("{}1{}", "{{ ".to_owned() + &"(".repeat(100_001), ")".repeat(100_001) + "}}"), &json!({}));
    fails(&"{{ if true }}".repeat(100_000), &json!({}));
}

#[test]
fn keeps_deep_values_from_the_stack() {
    let text = "{{ $l := list }}{{ range until 100000 }}{{ $l = list $l }}{{ end }}{{ len $l }}";
    assert_eq!(render_with(text, &json!({})).expect("a deep list is made and dropped"), "1");
}

/// Pieces that templates are made of, so that random texts get past the lexer.
const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "\n",
    ".",
    ".a",
    ".b.c",
    "$",
    "$x",
    ":=",
    "=",
    "|",
    "(",
    ")",
    "if ",
    "else ",
    "end",
    "range ",
    "with ",
    "define \"t\"",
    "template \"t\"",
    "block \"t\" .",
    "break",
    "continue",
    "\"s\"",
    "`r`",
    "'c'",
    "1",
    "-2.5",
    "0x1f",
    "nil",
    "true",
    "print ",
    "printf \"%v%*d\" ",
    "list ",
    "dict ",
    "set ",
    "index ",
    "slice ",
    "until ",
    "repeat ",
    "regexSplit ",
    "trunc ",
    "substr ",
    "wrap ",
    "abbrev ",
    "snakecase ",
    "camelcase ",
    "title ",
    "indent ",
    "toJson ",
    "fromJson ",
    "merge ",
    "dig ",
    "round ",
    "b32dec ",
    "urlParse ",
    "clean ",
    "/*",
    "*/",
    "é",
    "\u{0}",
    ",",
    "%",
];

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    #[test]
    fn never_panics(picks in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = picks.iter().map(|pick| PIECES[*pick]).collect();
        let _ = render_with(&text, &json!({"a": {"c": [1, "x", null]}, "b": {"c": "é"}}));
    }

    #[test]
    fn never_panics_on_calls(
        name in proptest::sample::select(function_names()),
        args in proptest::collection::vec(proptest::sample::select(vec![
            "1", "-1", "0", "99", "\"\"", "\"é-aB c\"", "\"%d\"", "nil", "true", "1.5", ".a", ".b", ".n", "9223372036854775807",
            "-9223372036854775808", "\"[\"", "\"1.2.3\"", "(list 1 \"é\" nil)",
        ]), 0..5),
    ) {
        let _ = render_with(&format!("{{{{ {name} {} }}}}", args.join(" ")), &json!({"a": {"k": "v"}, "b": ["x"], "n": null}));
    }

    #[test]
    fn leaves_plain_text_alone(text in "[^{]*") {
        proptest::prop_assert_eq!(render_with(&text, &json!({})).expect("plain text"), text);
    }
}
