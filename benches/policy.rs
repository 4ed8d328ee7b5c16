//! How long it takes to judge: the whole bundle over a plan of 1,000 resources (at most 200 ms), its estimate (50 ms), and a
//! request on the demo from being sent to its verdict, without Terraform's own time (100 ms).
//!
//! `cargo bench --bench policy`; the last of them needs Terraform.

#[path = "../tests/story/support/mod.rs"]
#[expect(dead_code, reason = "the stories use more of it than the bench")]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use divan::Bencher;
use serde_json::{Value, json};
use support::platform::no_terraform;
use support::served::Served;
use terrace::api::types::NewRequest;
use terrace::domain::policy::Gate;
use terrace::domain::request::{Request, RequestKind, RequestState, Wish};
use terrace::platform::estimates::{EstimateRequest, estimate};
use terrace::platform::policies::Bundle;
use terrace::platform::runs::journal::{Note, read};

const ROUNDS: usize = 5;

fn main() {
    estimates();
    if !no_terraform() {
        tokio::runtime::Runtime::new().expect("a runtime").block_on(verdicts());
    }
    divan::main();
}

fn say(what: &str, took: Duration, promise: &str) {
    println!("{what:<58} {took:>12.1?}   promised {promise}");
}

/// A plan of 1,000 resources, from its file to its price.
fn estimates() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("plan.json");
    std::fs::write(&file, plan(1_000)["plan"].to_string()).expect("written");
    let request = EstimateRequest { plan: file, usage: None, hints: None, infracost: None };
    let mut times = Vec::new();
    for _ in 0..=ROUNDS {
        let began = Instant::now();
        assert_eq!(estimate(None, &request).expect("an estimate").resources.len(), 1_000);
        times.push(began.elapsed());
    }
    say("estimate of 1,000 resources, the price book read with it", times[0], "");
    say("estimate of 1,000 resources", times[1..].iter().copied().min().unwrap_or_default(), "50 ms");
}

/// From a request that is sent to its verdict, less what its commands take.
async fn verdicts() {
    let served = Served::start();
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let began = Instant::now();
        let request = ask(&served, &format!("bench-{round}")).await;
        let took = began.elapsed();
        let mut commands = Duration::ZERO;
        for run in served.client.recent_runs(10).await.expect("runs") {
            if run.request != Some(request.number) {
                continue;
            }
            let folder = served.state().join("runs").join(run.id.to_string());
            let mut since = None;
            for entry in read(&folder.join("journal"), 0).expect("a journal") {
                match (entry.note, since) {
                    (Note::Step { .. }, _) => since = Some(entry.at),
                    (Note::StepEnded { .. }, Some(from)) => commands += entry.at.duration_since(from).unsigned_abs(),
                    _ => {}
                }
            }
        }
        assert!(commands > Duration::ZERO, "it was planned");
        times.push(took.saturating_sub(commands));
    }
    say("a request from sent to judged, without Terraform", times.into_iter().min().unwrap_or_default(), "100 ms");
}

/// Asks for a database, and waits for what policy says.
async fn ask(served: &Served, name: &str) -> Request {
    let inputs = json!({"name": name, "stack": "plat-ue2-prod", "team": "orders"});
    let wish = Wish {
        kind: RequestKind::Provision,
        title: None,
        golden_path: Some("postgres-database".into()),
        instance: None,
        inputs: inputs.as_object().cloned().unwrap_or_default(),
        workflow: None,
        run: None,
        reason: Some("a bench".into()),
        bounds: None,
    };
    let mut env: std::collections::BTreeMap<String, String> = std::env::vars().collect();
    env.insert("ATMOS_BIN".to_owned(), "none".to_owned());
    let mut request = served.client.new_request(&NewRequest { wish, draft: false, env }).await.expect("accepted");
    while matches!(request.state, RequestState::Submitted | RequestState::Checking) {
        tokio::time::sleep(Duration::from_millis(2)).await;
        request = served.client.show_request(request.number).await.expect("a request");
    }
    assert!(request.check.is_some() && !request.state.is_final(), "{request:#?}");
    request
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
