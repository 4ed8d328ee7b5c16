//! The rules that Terrace brings along, and what bad policies come to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::{Value, json};
use terrace::domain::policy::{Gate, Outcome, Verdict, Weight};
use terrace::platform::policies::{Bundle, PolicyFile};

fn file(path: &str, text: &str) -> PolicyFile {
    PolicyFile { path: format!("platform/policies/{path}"), text: text.to_owned() }
}

fn bundle(files: &[(&str, &str)], config: Option<&str>) -> Arc<Bundle> {
    let files: Vec<_> = files.iter().map(|(path, text)| file(path, text)).collect();
    Arc::new(Bundle::of(&files, config))
}

fn resource(kind: &str, after: Value) -> Value {
    json!({ "plan": { "resource_changes": [{
        "address": format!("{kind}.it"), "mode": "managed", "type": kind, "name": "it",
        "change": { "actions": ["create"], "before": null, "after": after, "after_unknown": {} },
    }]}})
}

fn denials(verdict: &Verdict) -> Vec<(&str, &str)> {
    verdict.denials().map(|finding| (finding.code.as_str(), finding.message.as_str())).collect()
}

#[test]
fn every_built_in_rule_keeps_and_breaks() {
    let bundle = bundle(&[], None);
    assert_eq!(bundle.problems(), []);
    let tests = bundle.test(true);
    let failed: Vec<_> = tests.iter().filter(|test| !test.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let rules: BTreeSet<&str> = bundle.rules().iter().map(|rule| rule.policy.as_str()).collect();
    assert_eq!(rules.len(), 9);
    for rule in rules {
        let own = rule.replace(".rego", "_test.rego");
        for kind in ["test_breaks_", "test_keeps_"] {
            assert!(tests.iter().any(|test| test.policy == own && test.name.contains(kind)), "{rule} has no {kind}");
        }
    }
    for rule in bundle.rules() {
        assert!(rule.explanation.is_some() && rule.fix.is_some() && !rule.gates.is_empty(), "{rule:?}");
    }
}

#[test]
fn a_plan_that_breaks_a_rule_is_denied_and_one_that_keeps_all_is_allowed() {
    let bundle = bundle(&[], None);
    let verdict = bundle.judge(Gate::Plan, &resource("aws_db_instance", json!({ "storage_encrypted": false })));
    assert_eq!(verdict.outcome, Outcome::Deny);
    let finding = &verdict.findings[0];
    assert_eq!(
        (finding.code.as_str(), finding.address.as_deref()),
        ("unencrypted-storage", Some("aws_db_instance.it"))
    );
    assert!(finding.fix.is_some());
    let verdict = bundle.judge(Gate::Plan, &resource("aws_db_instance", json!({ "storage_encrypted": true })));
    assert_eq!((verdict.outcome, verdict.findings.len()), (Outcome::Allow, 0));
}

#[test]
fn a_rule_is_switched_off_for_one_team_with_the_reason_shown() {
    let config = "switches:\n  - rule: unencrypted-storage\n    team: web\n    reason: a cache of public files\n";
    let bundle = bundle(&[], Some(config));
    let mut input = resource("aws_ebs_volume", json!({ "encrypted": false }));
    input["instance"] = json!({ "team": "data" });
    assert_eq!(bundle.judge(Gate::Plan, &input).outcome, Outcome::Deny);
    input["instance"] = json!({ "team": "web" });
    let verdict = bundle.judge(Gate::Plan, &input);
    assert_eq!(verdict.outcome, Outcome::Allow);
    assert_eq!(
        (verdict.switched_off[0].reason.as_str(), verdict.switched_off[0].silenced),
        ("a cache of public files", 1)
    );
}

#[test]
fn what_is_wrong_with_policy_denies_and_says_where() {
    let broken: [(&str, &str, &str, u32); 8] = [
        ("syntax", "package terrace.plan\n\ndeny contains msg if {\n", "policy-unparsable", 4),
        (
            "clock",
            "package terrace.plan\n\ndeny contains \"late\" if {\n\ttime.now_ns() > 5\n}\n",
            "policy-forbidden-builtin",
            4,
        ),
        ("network", "package terrace.plan\n\nx := http.send({\"url\": \"http://x\"})\n", "policy-forbidden-builtin", 3),
        ("dice", "package terrace.plan\n\nx := rand.intn(\"a\", 5)\n", "policy-forbidden-builtin", 3),
        (
            "alias",
            "package terrace.plan\n\nf(x) := 1\n\ndeny contains \"a\" if f(1) == 2 with f as http.send\n",
            "policy-forbidden-builtin",
            5,
        ),
        (
            "recursion",
            "package terrace.plan\n\nf(x) := g(x)\n\ng(x) := f(x)\n\ndeny contains \"a\" if f(1)\n",
            "policy-recursive",
            3,
        ),
        (
            "unsafe",
            "package terrace.plan\n\ndeny contains msg if {\n\tinput.x == y\n\tmsg := \"a\"\n}\n",
            "policy-failed",
            4,
        ),
        ("unknown", "package terrace.plan\n\ndeny contains \"a\" if no.such(1)\n", "policy-failed", 3),
    ];
    for (name, text, code, line) in broken {
        let verdict = bundle(&[(&format!("{name}.rego"), text)], None).judge(Gate::Plan, &json!({ "plan": {} }));
        assert_eq!(verdict.outcome, Outcome::Deny, "{name}");
        let finding =
            verdict.findings.iter().find(|f| f.code == code).unwrap_or_else(|| panic!("{name}: {verdict:#?}"));
        let place = finding.location.as_ref().unwrap_or_else(|| panic!("{name}: {finding:?}"));
        assert_eq!(
            (place.file.as_str(), place.line),
            (format!("platform/policies/{name}.rego").as_str(), line),
            "{finding:?}"
        );
    }
}

#[test]
fn one_broken_file_does_not_silence_the_others() {
    let files = [
        ("broken.rego", "package terrace.plan\n\ndeny contains"),
        ("own.rego", "package terrace.plan\n\ndeny contains \"own says no\" if true\n"),
    ];
    let verdict = bundle(&files, None).judge(Gate::Plan, &resource("aws_ebs_volume", json!({})));
    let codes: Vec<_> = verdict.denials().map(|finding| finding.code.as_str()).collect();
    assert_eq!(codes, ["policy-unparsable", "terrace-plan", "unencrypted-storage"]);
}

#[test]
fn a_rule_that_fails_at_run_time_denies() {
    let text = "package terrace.plan\n\ndeny contains \"a\" if to_number(input.plan.size) > 5\n";
    let verdict = bundle(&[("a.rego", text)], None).judge(Gate::Plan, &json!({ "plan": { "size": "many" } }));
    assert_eq!(denials(&verdict).len(), 1, "{verdict:#?}");
    assert_eq!(verdict.findings[0].code, "policy-failed");
}

#[test]
fn a_rule_that_runs_for_ever_denies_in_time() {
    let text = "package terrace.plan\n\ndeny contains \"a\" if {\n\tsome a in numbers.range(1, 100000)\n\tsome b in numbers.range(1, 100000)\n\ta * b == -1\n}\n";
    let begun = Instant::now();
    let verdict = bundle(&[("slow.rego", text)], None).judge(Gate::Plan, &json!({ "plan": {} }));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(verdict.outcome, Outcome::Deny);
    let late: Vec<_> = verdict.findings.iter().filter(|finding| finding.code == "policy-timeout").collect();
    assert!(late.iter().any(|finding| finding.policy.ends_with("slow.rego")), "it is named: {late:#?}");
    assert!(late.len() <= 2, "and not once for each rule: {late:#?}");
}

#[test]
fn rules_inside_rules_go_deep_and_not_for_ever() {
    let chain = |length: usize| {
        let links: Vec<String> = (0..length).map(|n| format!("f{n}(x) := f{}(x)", n + 1)).collect();
        format!(
            "package terrace.plan\n\n{}\nf{length}(x) := x\n\ndeny contains \"deep\" if f0(1) == 1\n",
            links.join("\n")
        )
    };
    let judge = |text: &str| bundle(&[("deep.rego", text)], None).judge(Gate::Plan, &json!({ "plan": {} }));
    assert_eq!(denials(&judge(&chain(300))), [("terrace-plan", "deep")]);
    assert_eq!(judge(&chain(5_000)).findings[0].code, "policy-too-deep");
    let line = vec!["1"; 200].join("+");
    let sum = vec![line.as_str(); 500].join(" +\n");
    let long = format!("package terrace.plan\n\ndeny contains \"long\" if {sum} > 0\n");
    assert_eq!(judge(&long).findings[0].code, "policy-too-deep");
    let path = vec![["a"; 400].join(".").as_str(); 250].join(".\n");
    let long = format!("package terrace.plan\n\ndeny contains \"long\" if input.{path}\n");
    assert_eq!(judge(&long).outcome, Outcome::Deny);
    let large = format!("package terrace.plan\n\n{}", "# a comment\n".repeat(30_000));
    assert_eq!(judge(&large).findings[0].code, "policy-too-large");
}

#[test]
fn a_range_that_would_take_all_memory_is_refused() {
    let text = "package terrace.plan\n\ndeny contains \"a\" if count(numbers.range(1, 1000000000000)) == 1\n";
    let verdict = bundle(&[("big.rego", text)], None).judge(Gate::Plan, &json!({ "plan": {} }));
    assert!(verdict.findings[0].message.contains("refused"), "{verdict:#?}");
}

#[test]
fn an_answer_in_an_unknown_shape_denies() {
    for answer in [
        "deny := 7",
        "deny contains 7 if true",
        "deny contains {\"text\": \"x\"} if true",
        "approvals := \"two\"",
        "approvals contains {\"count\": -1} if true",
    ] {
        let text = format!("package terrace.plan\n\n{answer}\n");
        let verdict = bundle(&[("a.rego", &text)], None).judge(Gate::Plan, &json!({ "plan": {} }));
        assert_eq!(verdict.outcome, Outcome::Deny, "{answer}: {verdict:#?}");
        assert_eq!(verdict.findings[0].code, "policy-answer-unknown", "{answer}");
    }
}

#[test]
fn approvals_name_how_many_and_from_which_group() {
    let text = "package terrace.request\n\napprovals contains {\"count\": 2, \"group\": \"payments-leads\", \"message\": \"money\"} if true\n\nwarn contains {\"code\": \"late\", \"message\": \"on a Friday\"} if true\n";
    let verdict = bundle(&[("a.rego", text)], None).judge(Gate::Request, &json!({}));
    assert_eq!(verdict.outcome, Outcome::NeedsApproval);
    assert_eq!((verdict.approvals[0].count, verdict.approvals[0].group.as_deref()), (2, Some("payments-leads")));
    assert_eq!((verdict.findings[0].code.as_str(), verdict.findings[0].weight), ("late", Weight::Warn));
}

#[test]
fn a_configuration_that_cannot_be_read_denies() {
    for config in [
        "switches: 7\n",
        "dialects:\n  policies: rego\n",
        "switches:\n  - rule: iam-wildcard\n    reason: ''\n",
        "a: [\n",
    ] {
        let verdict = bundle(&[], Some(config)).judge(Gate::Plan, &json!({ "plan": {} }));
        assert_eq!(
            (verdict.outcome, verdict.findings[0].code.as_str()),
            (Outcome::Deny, "policy-config-invalid"),
            "{config}"
        );
    }
}

#[test]
fn the_digest_changes_with_every_byte() {
    let one = bundle(&[("a.rego", "package terrace.plan\n")], None);
    let same = bundle(&[("a.rego", "package terrace.plan\n")], None);
    let text = bundle(&[("a.rego", "package terrace.plan\n\n")], None);
    let name = bundle(&[("b.rego", "package terrace.plan\n")], None);
    let config = bundle(&[("a.rego", "package terrace.plan\n")], Some("settings: {}\n"));
    assert_eq!(one.digest(), same.digest());
    let all: BTreeSet<_> = [&one, &text, &name, &config].iter().map(|bundle| bundle.digest().clone()).collect();
    assert_eq!(all.len(), 4);
}

fn any_json() -> impl Strategy<Value = Value> {
    let words = prop::sample::select(vec![
        "managed",
        "create",
        "delete",
        "aws_db_instance",
        "aws_s3_bucket_policy",
        "aws_iam_policy",
        "aws_security_group",
        "google_compute_firewall",
        "azurerm_network_security_rule",
        "*",
        "0.0.0.0/0",
        "{\"Statement\": 7}",
        "",
        "prod",
        "x/y/z",
        "git::x",
        "12e999",
    ]);
    let keys = prop::sample::select(vec![
        "resource_changes",
        "change",
        "after",
        "after_unknown",
        "actions",
        "mode",
        "type",
        "address",
        "policy",
        "ingress",
        "cidr_blocks",
        "from_port",
        "to_port",
        "protocol",
        "tags",
        "configuration",
        "module_calls",
        "source",
        "version_constraint",
        "allow",
        "ports",
        "source_ranges",
        "members",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        words.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(keys.clone(), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Random plans never crash an evaluation, and the rules that come along never fail over one.
    #[test]
    fn random_plans_get_a_verdict(
        kind in prop::sample::select(vec![
            "aws_db_instance", "aws_instance", "aws_launch_template", "aws_s3_bucket", "aws_s3_bucket_policy", "aws_iam_policy",
            "aws_security_group", "aws_security_group_rule", "aws_vpc_security_group_ingress_rule", "google_compute_firewall",
            "google_storage_bucket_iam_member", "azurerm_network_security_rule", "azurerm_role_assignment", "google_project_iam_member",
        ]),
        after in any_json(),
        whole in any_json(),
        configuration in any_json(),
    ) {
        thread_local! { static BUNDLE: Arc<Bundle> = Arc::new(Bundle::of(&[], None)); }
        let bundle = BUNDLE.with(Arc::clone);
        let mut input = resource(kind, after);
        input["plan"]["configuration"] = configuration;
        for input in [input, json!({ "plan": whole })] {
            let verdict = bundle.judge_within(Gate::Plan, &input, Duration::from_secs(20));
            let broken: Vec<_> = verdict.findings.iter().filter(|finding| finding.code.starts_with("policy-")).collect();
            prop_assert!(broken.is_empty(), "{broken:#?} for {input}");
        }
    }
}
