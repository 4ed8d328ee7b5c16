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
