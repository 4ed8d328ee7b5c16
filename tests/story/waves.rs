//! Requests with real Terraform: waves, what is partially applied, stale plans, what is brought back, what no plan binds.
//! The numbers are those of "What must never happen" in the design.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use terrace::api::client::Client;
use terrace::api::types::{RequestWord, SubmitRequest};
use terrace::domain::golden_path::InstanceAction;
use terrace::domain::id::RunRef;
use terrace::domain::money::{Currency, Exact, Money};
use terrace::domain::request::{
    Bounds, CheckedPlan, Request, RequestKind, RequestState, ReviewCause, Voice, Wish, WorkflowRef,
};
use terrace::domain::run::{RunKind, RunRequest, RunState};
use terrace::domain::team::Role;

use crate::requests::{about, ask, asked, code, provision, rest, strict, wish};
use crate::support::ground::{commit, git, put, rule, settings, word};
use crate::support::host::{DEADLINE, eventually};
use crate::support::platform::no_terraform;
use crate::support::served::Served;

/// A new environment in production: a network, a cluster that needs it, monitoring that needs that.
fn environment() -> Wish {
    let inputs = json!({"stage": "prod", "region": "us-west-2", "short": "uw2", "cidr": "10.90.0.0/16"});
    provision("new-environment", inputs)
}

fn planned(request: &Request) -> Vec<(String, InstanceAction)> {
    let plans: &[CheckedPlan] = request.check.as_ref().map_or(&[], |check| &check.plans);
    plans.iter().map(|plan| (plan.instance.component.clone(), plan.action)).collect()
}

fn applied(request: &Request) -> Vec<&str> {
    request.live().map(|applied| applied.instance.component.as_str()).collect()
}

/// Agrees to what is there, and waits until it has come to rest.
async fn agree(served: &Served, client: &Client, request: &Request) -> Request {
    client.approve_request(request.number, &word(request)).await.expect("agreed");
    rest(served, request.number).await
}

/// The folders of everything that a request planned.
fn folders(served: &Served, request: &Request) -> Vec<PathBuf> {
    let runs = request.check.iter().flat_map(|check| &check.plans).map(|plan| plan.run.to_string());
    runs.map(|run| served.state().join("runs").join(run)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_wave_is_planned_after_the_one_before_and_what_is_partial_is_reverted() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(strict);
    let mara = served.person("mara", Role::Approver).await;
    let first = ask(&served, environment()).await;
    assert_eq!(first.state, RequestState::PendingApproval, "{first:#?}");
    assert_eq!(planned(&first), [("network".to_owned(), InstanceAction::Create)]);
    let check = first.check.as_ref().expect("checked");
    assert_eq!(
        check.later.iter().map(|one| one.instance.component.as_str()).collect::<Vec<_>>(),
        ["cluster", "monitoring"]
    );
    // what the later waves cost is not known, and not nothing
    let delta = &check.price.as_ref().expect("priced").delta;
    assert!(delta.unknown.len() == 2 && delta.unknown[0].starts_with("cluster@"), "{delta:?}");
    // While it waits, the plan lies there encrypted and for its owner only.
    for folder in folders(&served, &first) {
        assert!(!folder.join("plan.tfplan").exists());
        let sealed = folder.join("plan.sealed");
        assert_eq!(std::fs::metadata(&sealed).expect("there").permissions().mode() & 0o777, 0o600);
        assert!(!std::fs::read(&sealed).expect("read").windows(4).any(|four| four == b"PK\x03\x04"), "a zip in clear");
    }
    let second = agree(&served, &mara, &first).await;
    assert_eq!((second.state, second.wave()), (RequestState::PendingApproval, 2), "{second:#?}");
    assert_eq!(planned(&second), [("cluster".to_owned(), InstanceAction::Create)]);
    assert_eq!(applied(&second), ["network"]);
    assert!(second.agreed().is_empty(), "the first wave's word is not the second's");
    for folder in folders(&served, &first) {
        assert!(!folder.join("plan.sealed").exists(), "a plan is used once");
    }
    let third = agree(&served, &mara, &second).await;
    assert_eq!(planned(&third), [("monitoring".to_owned(), InstanceAction::Create)]);
    let word = RequestWord { reason: Some("no monitoring there".into()), ..RequestWord::default() };
    let partial = mara.reject_request(third.number, &word).await.expect("refused");
    assert_eq!((partial.state, partial.ended_at), (RequestState::PartiallyApplied, None), "{partial:#?}");
    assert_eq!(applied(&partial), ["network", "cluster"]);
    assert_eq!(partial.next.as_deref(), Some("terrace request continue 1, or terrace request revert 1"));
    assert!(
        !served.git(&["ls-tree", "-r", "--name-only", "HEAD"]).contains("prod/us-west-2.yaml"),
        "nothing is merged"
    );

    // Back the other way round, each step approved, by two since something is destroyed in a protected stage; whoever has it
    // undone does not approve that.
    let noor = served.person("noor", Role::Admin).await;
    served.client.revert_request(1, &SubmitRequest::default()).await.expect("reverted");
    let back = rest(&served, 1).await;
    assert_eq!(planned(&back), [("cluster".to_owned(), InstanceAction::Remove)], "{back:#?}");
    assert!(back.check.as_ref().is_some_and(|check| check.plans[0].summary.destroy > 0));
    let back = agree(&served, &mara, &back).await;
    assert_eq!(planned(&back), [("cluster".to_owned(), InstanceAction::Remove)], "one of two is not enough");
    let back = agree(&served, &noor, &back).await;
    assert_eq!(planned(&back), [("network".to_owned(), InstanceAction::Remove)], "{back:#?}");
    let back = agree(&served, &mara, &back).await;
    let reverted = agree(&served, &noor, &back).await;
    assert_eq!(reverted.state, RequestState::Reverted, "{reverted:#?}");
    assert!(applied(&reverted).is_empty() && reverted.applied.iter().all(|one| one.undone.is_some()));
    assert!(reverted.outputs.is_empty());
    eventually("its worktrees go", || (served.git(&["worktree", "list"]).lines().count() == 1).then_some(()));
    eventually("its branch goes", || served.git(&["branch", "--list", "terrace/*"]).is_empty().then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn later_waves_go_ahead_within_bounds_that_were_stated_and_wait_outside() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(strict);
    let mara = served.person("mara", Role::Approver).await;
    let much = Money::known(Exact::new(1_000_000, 0).expect("a number"), Currency::usd());
    let bounds = |addresses: &[&str]| Bounds {
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        destroy: false,
        monthly: much.clone(),
    };
    let wish = Wish {
        bounds: Some(bounds(&["terraform_data.network", "terraform_data.subnet*", "terraform_data.nat*"])),
        ..environment()
    };
    let request = ask(&served, wish).await;
    let outside = agree(&served, &mara, &request).await;
    assert_eq!((outside.state, outside.wave()), (RequestState::PendingApproval, 2), "{outside:#?}");
    let why = outside.check.as_ref().and_then(|check| check.outside.clone()).expect("outside");
    assert!(why.iter().any(|why| why.contains("is not among its addresses")), "{why:?}");
    // Somebody goes on with it later: what is there is there.
    let gone = served.client.withdraw_request(1).await.expect("withdrawn");
    assert_eq!(gone.state, RequestState::PartiallyApplied);
    let ida = served.person("ida", Role::Operator).await;
    ida.continue_request(1, &SubmitRequest::default()).await.expect("on");
    let on = rest(&served, 1).await;
    assert_eq!((on.state, planned(&on).len()), (RequestState::PendingApproval, 1), "{on:#?}");
    let own = ida.approve_request(1, &RequestWord::default()).await.expect_err("she had it go on");
    assert_eq!(code(&own), "own-run");

    let other = json!({"stage": "prod", "region": "us-west-1", "short": "uw1", "cidr": "10.91.0.0/16"});
    let wish = Wish { bounds: Some(bounds(&["*"])), ..provision("new-environment", other) };
    let request = ask(&served, wish).await;
    assert_eq!(request.state, RequestState::PendingApproval, "the first wave is approved: {request:#?}");
    let done = agree(&served, &mara, &request).await;
    assert_eq!(done.state, RequestState::Fulfilled, "{done:#?}");
    assert_eq!(applied(&done), ["network", "cluster", "monitoring"]);
    assert_eq!(done.decisions.len(), 1, "one word for all of it");
    // the control plane 73.00, two nodes 198.56, two weeks of metrics 16.80: what all waves cost, not the last one
    let delta = done.check.as_ref().and_then(|check| check.price.as_ref()).expect("priced").delta.clone();
    assert_eq!((delta.amount.map(|amount| amount.to_string()).as_deref(), delta.unknown.len()), (Some("288.36"), 0));
    assert!(served.git(&["ls-tree", "-r", "--name-only", "HEAD"]).contains("prod/us-west-1.yaml"));
}

/// 4: a state that moved on after the approval makes its plan stale: it is planned and approved again.
#[tokio::test(flavor = "multi_thread")]
async fn item_4_a_state_that_moved_on_voids_the_approval_and_plans_again() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(strict);
    let jonas = served.person("jonas", Role::Approver).await;
    let change = |size: &str| about(RequestKind::Change, "orders-db", "plat-ue2-prod", json!({"vars.size": size}));
    let first = ask(&served, change("medium")).await;
    assert_eq!(agree(&served, &jonas, &first).await.state, RequestState::Fulfilled);

    let second = ask(&served, change("large")).await;
    assert_eq!(second.state, RequestState::PendingApproval, "{second:#?}");
    // Somebody applied past the platform: the serial of the state is another.
    let state = find(&served.root().join("components/terraform"), "plat-ue2-prod-orders-db");
    let mut document: Value = serde_json::from_slice(&std::fs::read(&state).expect("a state")).expect("JSON");
    document["serial"] = json!(document["serial"].as_u64().expect("a serial") + 1);
    std::fs::write(&state, document.to_string()).expect("written");
    let again = agree(&served, &jonas, &second).await;
    assert_eq!(again.state, RequestState::PendingApproval, "{again:#?}");
    let void = again.decisions.last().and_then(|decision| decision.voided.clone()).expect("void");
    assert!(void.contains("moved on after the plan was made"), "{void}");
    let stale = served.client.run(RunRef::Id(*again.runs.last().expect("a run"))).await.expect("there");
    assert_eq!(stale.state, RunState::Stale);
    assert_ne!(planned_run(&again), planned_run(&second), "it was planned again");
    assert_eq!(agree(&served, &jonas, &again).await.state, RequestState::Fulfilled);
}

fn planned_run(request: &Request) -> Option<String> {
    request.check.as_ref()?.plans.first().map(|plan| plan.run.to_string())
}

/// The state file of a workspace whose name begins so.
fn find(folder: &Path, workspace: &str) -> PathBuf {
    let components = std::fs::read_dir(folder).expect("components").flatten();
    let states = components.flat_map(|component| {
        std::fs::read_dir(component.path().join("terraform.tfstate.d")).into_iter().flatten().flatten()
    });
    let fits = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with(workspace);
    let found = states.filter(fits).map(|entry| entry.path().join("terraform.tfstate")).find(|path| path.is_file());
    found.expect("a state of that workspace")
}

/// 3: one operator may bring back what was approved and applied before, where policy lets; somebody looks at it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn item_3_one_operator_brings_back_what_was_there_and_owes_a_second_look() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(|root| {
        strict(root);
        settings(root, "restore: true");
    });
    let (jonas, ida) = (served.person("jonas", Role::Approver).await, served.person("ida", Role::Operator).await);
    let change = |size: &str| about(RequestKind::Change, "orders-db", "plat-ue2-prod", json!({"vars.size": size}));
    for size in ["medium", "small"] {
        let request = ask(&served, change(size)).await;
        assert_eq!(request.check.as_ref().and_then(|check| check.restores), None, "never applied by a request");
        let alone = ida.approve_request(request.number, &RequestWord::default()).await.expect_err("it is new");
        assert_eq!(code(&alone), "no-approver");
        assert_eq!(agree(&served, &jonas, &request).await.state, RequestState::Fulfilled);
    }
    let request = ida.new_request(&asked(change("medium"))).await.expect("asked");
    let request = rest(&served, request.number).await;
    assert_eq!(request.check.as_ref().and_then(|check| check.restores), Some(1), "{request:#?}");
    assert_eq!(ida.deciding(3).await.expect("asked").voice, Some(Voice::Restorer));
    let done = agree(&served, &ida, &request).await;
    assert_eq!(done.state, RequestState::Fulfilled, "{done:#?}");
    assert!(done.decisions[0].restores && !done.decisions[0].self_attested);
    assert_eq!(done.review.as_ref().map(|review| review.cause), Some(ReviewCause::Restored));
    // She was a part of it: somebody else looks. Where policy lets one's own word count, she may, and the record says so.
    assert_eq!(code(&ida.review_request(3, None).await.expect_err("her own")), "own-review");
    settings(&served.root(), "restore: true, self_approval: solo");
    let looked = ida.review_request(3, None).await.expect("looked").review.and_then(|review| review.done);
    assert!(looked.is_some_and(|done| done.self_attested && done.actor == "ida"));
    assert_eq!(code(&jonas.review_request(3, None).await.expect_err("once")), "no-review");
}

/// 1: what no plan binds is denied in a protected stage, or waits with its script in the place of a plan.
#[tokio::test(flavor = "multi_thread")]
async fn item_1_what_no_plan_binds_is_denied_or_waits_with_its_script() {
    if no_terraform() {
        return;
    }
    let workflows = "workflows:\n  mend:\n    stack: plat-ue2-prod\n    steps:\n      - {name: mend, type: shell, command: echo mended}\n  \
        ground:\n    stack: plat-ue2-prod\n    steps:\n      - {command: terraform plan network}\n      - {command: terraform deploy network}\n";
    let served = Served::start_after(|root| {
        strict(root);
        std::fs::write(root.join("stacks/workflows/mend.yaml"), workflows).expect("written");
        git(root, &["add", "-A"]);
        git(root, &["commit", "-qm", "Add workflows"]);
    });
    let start = |name: &str| RunRequest {
        workflow: Some(name.into()),
        workflow_file: Some("mend.yaml".into()),
        stack: Some("plat-ue2-prod".into()),
        yes: true,
        env: asked(wish(RequestKind::Run, json!({}))).env,
        ..RunRequest::new(RunKind::Workflow)
    };
    let workflow = |name: &str| Wish {
        workflow: Some(WorkflowRef { name: name.into(), file: "mend.yaml".into(), stack: None }),
        ..wish(RequestKind::Run, json!({}))
    };
    for name in ["mend", "ground"] {
        let denied = served.client.start_run(&start(name), None).await.expect_err("it is in production");
        assert_eq!(code(&denied), "unbound", "{denied}");
    }
    let mut command = RunRequest {
        args: ["terraform", "state", "rm", "network", "-s", "plat-ue2-prod", "--", "x"].map(str::to_owned).to_vec(),
        ..start("mend")
    };
    (command.kind, command.workflow, command.workflow_file) = (RunKind::Command, None, None);
    assert_eq!(code(&served.client.start_run(&command, None).await.expect_err("it is in production")), "unbound");
    let refused = ask(&served, workflow("mend")).await;
    assert_eq!(refused.state, RequestState::NeedsChanges);
    assert!(refused.reason.as_deref().is_some_and(|why| why.contains("no plan binds this workflow")), "{refused:#?}");

    // Steps that are understood become plans.
    let mara = served.person("mara", Role::Approver).await;
    let request = ask(&served, workflow("ground")).await;
    assert_eq!(planned(&request), [("network".to_owned(), InstanceAction::Change)], "{request:#?}");
    assert!(request.check.as_ref().is_some_and(|check| check.script.is_empty()));
    assert_eq!(agree(&served, &mara, &request).await.state, RequestState::Fulfilled);

    // Where policy lets it wait, the script is what is approved, and nothing else is run.
    settings(&served.root(), "unbound: approve");
    let denied = served.client.start_run(&start("mend"), None).await.expect_err("somebody has to agree");
    assert_eq!(code(&denied), "approval-needed");
    let request = ask(&served, workflow("mend")).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    let script = request.check.as_ref().map(|check| check.script.clone()).expect("checked");
    assert_eq!((script[0].name.as_str(), script[0].command.as_str()), ("mend", "echo mended"));
    std::fs::write(served.root().join("stacks/workflows/mend.yaml"), workflows.replace("mended", "broken"))
        .expect("written");
    let void = mara.approve_request(request.number, &word(&request)).await;
    let void = void.expect_err("another script");
    assert_eq!(code(&void), "approval-void");
    assert!(void.to_string().contains("the script"), "{void}");
    let request = rest(&served, request.number).await;
    assert!(request.check.as_ref().is_some_and(|check| check.script[0].command == "echo broken"), "{request:#?}");
    let done = agree(&served, &mara, &request).await;
    assert_eq!(done.state, RequestState::Fulfilled, "{done:#?}");
    let run = served.client.run(RunRef::Id(done.runs[0])).await.expect("there");
    assert_eq!((run.kind, run.state, run.request), (RunKind::Workflow, RunState::Succeeded, Some(done.number)));
}

/// 1, 2: a script that was approved is compared for as long as it waits, and the rules of what no plan binds are asked.
#[tokio::test(flavor = "multi_thread")]
async fn item_1_an_approved_script_that_waits_is_voided_by_what_changes() {
    if no_terraform() {
        return;
    }
    let workflows = "workflows:\n  mend:\n    stack: plat-ue2-prod\n    steps:\n      - {name: mend, type: shell, command: echo mended}\n";
    let served = Served::start_after(|root| {
        strict(root);
        std::fs::write(root.join("stacks/workflows/mend.yaml"), workflows).expect("written");
        git(root, &["add", "-A"]);
        git(root, &["commit", "-qm", "Add a workflow"]);
        settings(root, "unbound: approve");
    });
    let mara = served.person("mara", Role::Approver).await;
    let mend = Wish {
        workflow: Some(WorkflowRef { name: "mend".into(), file: "mend.yaml".into(), stack: None }),
        ..wish(RequestKind::Run, json!({}))
    };
    // Another run holds a state of its stack.
    let other = RunRequest {
        component: Some("network".into()),
        stack: Some("plat-ue2-prod".into()),
        env: asked(wish(RequestKind::Run, json!({}))).env,
        ..RunRequest::new(RunKind::Apply)
    };
    let other = served.client.start_run(&other, None).await.expect("accepted");
    served.until(&other, RunState::AwaitingConfirmation).await;
    let request = ask(&served, mend.clone()).await;
    let digest = request.check.as_ref().map(|check| check.binding.digest());
    let word = RequestWord { digest, ..RequestWord::default() };
    mara.approve_request(request.number, &word).await.expect("agreed");
    let begun = async {
        loop {
            let now = served.client.show_request(request.number).await.expect("there");
            if let Some(run) = now.runs.first() {
                break served.client.run(RunRef::Id(*run)).await.expect("there");
            }
            assert!(!now.state.is_final(), "{now:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let run = tokio::time::timeout(DEADLINE, begun).await.expect("it has a run");
    let waits = served.wait(&run, "it waits", |run| run.waiting_for.is_some()).await;
    std::fs::write(served.root().join("stacks/workflows/mend.yaml"), workflows.replace("mended", "better"))
        .expect("written");
    let ended = served.end(&waits).await;
    assert_eq!((ended.state, ended.commands.len()), (RunState::Stale, 0), "{ended:#?}");
    let again = rest(&served, request.number).await;
    assert_eq!(again.state, RequestState::PendingApproval, "{again:#?}");
    assert!(again.check.as_ref().is_some_and(|check| check.script[0].command == "echo better"), "{again:#?}");
    served.client.cancel(RunRef::Id(other.id)).await.expect("canceled");
    let done = agree(&served, &mara, &again).await;
    assert_eq!((done.state, done.runs.len()), (RequestState::Fulfilled, 2), "{done:#?}");

    // The rules of what no plan binds are asked of a request too.
    let closed = "package terrace.run.closed\n\nimport rego.v1\n\ndeny contains \"closed for the night\" if input.run.kind == \"workflow\"\n";
    std::fs::create_dir_all(served.root().join("platform/policies")).expect("made");
    std::fs::write(served.root().join("platform/policies/closed.rego"), closed).expect("written");
    let denied = ask(&served, mend).await;
    let verdict = &denied.check.as_ref().expect("checked").verdict;
    assert!(verdict.denials().any(|finding| finding.message == "closed for the night"), "{denied:#?}");
    assert_ne!(denied.state, RequestState::PendingApproval, "{denied:#?}");
}

/// 9: of two requests that fit a budget each by itself, and not together, one goes ahead.
#[tokio::test(flavor = "multi_thread")]
async fn item_9_two_requests_race_for_the_last_of_a_budget() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(|root| {
        strict(root);
        let prices = "version: 1\nsource: our contract\ndate: 2026-10-01\nrules:\n  - resource: terraform_data\n    \
            components:\n      - {name: Flat, unit: months, quantity: 1, price: 10}\n";
        put(root, "platform/prices.yaml", prices);
        let always = "package terrace.request.own\n\nimport rego.v1\n\napprovals contains {\"count\": 1, \"message\": \"always\"}\n";
        rule(root, "always", always);
        commit(root, "Ask for a price and a word");
    });
    let jonas = served.person("jonas", Role::Approver).await;
    let mut requests = Vec::new();
    for name in ["orders-one", "orders-two"] {
        let inputs = json!({"name": name, "stack": "plat-ue2-dev", "team": "orders"});
        let request = ask(&served, provision("bucket", inputs)).await;
        assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
        requests.push(request);
    }
    let price = requests[0].check.as_ref().and_then(|check| check.price.clone()).expect("a price");
    let monthly: f64 = price.delta.amount.expect("known").to_string().parse().expect("a number");
    assert!(monthly > 0.0, "{price:?}");
    // There is room for one and a half of them.
    let teams = served.root().join("platform/teams.yaml");
    let text = std::fs::read_to_string(&teams).expect("teams");
    let budget = "{amount: 4000, thresholds: {warn: 80, approve: 100, refuse: 130}, owner: jonas}";
    assert!(text.contains(budget), "{text}");
    let tight = format!("{{amount: {:.2}, thresholds: {{refuse: 100}}, owner: jonas}}", monthly * 1.5);
    std::fs::write(&teams, text.replace(budget, &tight)).expect("written");
    git(&served.root(), &["commit", "-qam", "Spend less"]);
    let (one, other) = (word(&requests[0]), word(&requests[1]));
    let (one, other) = tokio::join!(
        jonas.approve_request(requests[0].number, &one),
        jonas.approve_request(requests[1].number, &other)
    );
    let (won, lost) = match (one, other) {
        (Ok(won), Err(lost)) | (Err(lost), Ok(won)) => (won, lost),
        both => panic!("one of them: {both:#?}"),
    };
    assert_eq!(code(&lost), "budget-exceeded", "{lost}");
    assert!(lost.to_string().contains("reserved"), "{lost}");
    let won = rest(&served, won.number).await;
    assert_eq!(won.state, RequestState::Fulfilled, "{won:#?}");
    // What is live now still counts.
    let other = requests.iter().find(|request| request.number != won.number).expect("the other");
    let still = jonas.approve_request(other.number, &word(other)).await.expect_err("the budget is spent");
    assert_eq!(code(&still), "budget-exceeded", "{still}");
    assert_eq!(served.client.show_request(other.number).await.expect("there").state, RequestState::PendingApproval);
}
