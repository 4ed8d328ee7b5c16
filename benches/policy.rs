//! How long a verdict takes: the whole bundle over a plan of 1,000 resources (at most 200 ms).

use std::sync::Arc;

use divan::Bencher;
use serde_json::{Value, json};
use terrace::domain::policy::Gate;
use terrace::platform::policies::Bundle;

fn main() {
    divan::main();
}

/// A plan of this many resources of the types that rules look at, half of them breaking one.
fn plan(resources: usize) -> Value {
    let statement =
        json!({ "Statement": [{ "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*" }] }).to_string();
    let changes: Vec<Value> = (0..resources)
        .map(|number| {
            let good = number % 2 == 0;
            let tags = if good { json!({ "team": "data" }) } else { Value::Null };
            let (kind, mut after) = match number % 5 {
                0 => ("aws_db_instance", json!({ "storage_encrypted": good, "allocated_storage": 200, "engine": "postgres" })),
                1 => ("aws_s3_bucket_policy", json!({ "policy": statement })),
                2 => ("aws_security_group", json!({ "ingress": [{ "protocol": "tcp", "from_port": 22, "to_port": 22, "cidr_blocks": ["10.0.0.0/8"] }] })),
                3 => ("aws_iam_policy", json!({ "policy": statement })),
                _ => ("aws_instance", json!({ "root_block_device": [{ "encrypted": good }], "instance_type": "m5.large" })),
            };
            after["tags"] = tags;
            json!({ "address": format!("{kind}.r{number}"), "mode": "managed", "type": kind, "name": format!("r{number}"),
                "change": { "actions": ["create"], "before": null, "after": after, "after_unknown": { "id": true } } })
        })
        .collect();
    json!({ "plan": { "format_version": "1.2", "resource_changes": changes }, "instance": { "stage": "prod", "team": "data" } })
}

#[divan::bench(args = [10, 1_000])]
fn verdict(bencher: Bencher<'_, '_>, resources: usize) {
    let bundle = Arc::new(Bundle::of(&[], None));
    let input = plan(resources);
    let verdict = bundle.judge(Gate::Plan, &input);
    assert!(!verdict.findings.iter().any(|finding| finding.code.starts_with("policy-")), "{:#?}", verdict.findings);
    bencher.bench(|| bundle.judge(Gate::Plan, divan::black_box(&input)));
}

#[divan::bench]
fn load() -> Bundle {
    Bundle::of(&[], None)
}
