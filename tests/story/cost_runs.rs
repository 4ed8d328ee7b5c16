//! Money of plain runs: what they reserve while they change something, and what they tell of states that lie elsewhere.

use std::path::Path;

use serde_json::{Value, json};
use terrace::api::types::DecisionRequest;
use terrace::domain::id::RunRef;
use terrace::domain::recommend::DecisionWord;
use terrace::domain::request::RequestKind;
use terrace::domain::run::{Run, RunKind, RunRequest, RunState};

use crate::runs_remote::far_away;
use crate::runs_served::asks;
use crate::support::backend::Backend;
use crate::support::ground::{commit, put};
use crate::support::platform::no_terraform;
use crate::support::served::Served;

const TEAMS: &str = "\
teams:
  - name: orders
    members: [jonas]
    approvers: [jonas]
    components: ['slow-*', 'far-*']
    budgets:
      - {amount: 100, thresholds: {warn: 40, refuse: 100}}
";
const PRICES: &str = "\
version: 1
rules:
  - resource: terraform_data
    components:
      - {name: piece, unit: pieces, quantity: 1, price: 51.20}
";

/// Two components that each cost 51.20 a month, and whose apply lasts until the gate says how it ends.
fn slow(root: &Path, gate: &Path) {
    put(root, "platform/teams.yaml", TEAMS);
    put(root, "platform/prices.yaml", PRICES);
    put(root, "platform/policies.yaml", "settings: {self_approval: solo}\n");
    let mut stack = "vars: {tenant: plat, environment: slow, stage: dev}\ncomponents:\n  terraform:\n".to_owned();
    for name in ["slow-a", "slow-b"] {
        let wait = format!("while [ ! -e {0} ]; do sleep 0.05; done; exit $(cat {0})", gate.display());
        let main = format!(
            "resource \"terraform_data\" \"it\" {{\n  provisioner \"local-exec\" {{ command = \"{wait}\" }}\n}}\n"
        );
        put(root, &format!("components/terraform/{name}/main.tf"), &main);
        stack += &format!("    {name}: {{}}\n");
    }
    put(root, "stacks/orgs/harbor/slow.yaml", &stack);
    commit(root, "Have slow components");
}

async fn start(served: &Served, request: &RunRequest) -> Run {
    served.client.start_run(request, None).await.expect("accepted")
}

async fn figures(served: &Served) -> [String; 2] {
    let orders = served.client.budgets(None).await.expect("budgets").remove(0);
    [orders.committed, orders.reserved].map(|money| money.amount.expect("an amount").to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_plain_applies_at_once_the_second_is_refused_and_any_end_gives_back() {
    if no_terraform() {
        return;
    }
    let outside = tempfile::tempdir().expect("temp");
    let gate = outside.path().join("gate");
    let served = Served::start_after(|root| slow(root, &gate));
    let opens = |code: &str| {
        let beside = gate.with_extension("new");
        std::fs::write(&beside, code).expect("written");
        std::fs::rename(&beside, &gate).expect("opened");
    };
    let apply = |name: &str| asks(RunKind::Apply, name, "plat-slow-dev");
    let (one, two) = (start(&served, &apply("slow-a")).await, start(&served, &apply("slow-b")).await);
    let one = served.until(&one, RunState::AwaitingConfirmation).await;
    let two = served.until(&two, RunState::AwaitingConfirmation).await;
    assert_eq!(figures(&served).await, ["0.00", "0.00"], "a plan that waits promises nothing");

    // each fits by itself: the first is agreed to, and from then on the second does not fit any more
    served.client.confirm(RunRef::Id(one.id), None).await.expect("it fits");
    assert_eq!(figures(&served).await, ["0.00", "51.20"]);
    let parts = served.client.budget_parts("orders").await.expect("parts");
    assert_eq!(parts.reserved[0].claimant, format!("run/{}", one.number));
    let refused = served.client.confirm(RunRef::Id(two.id), None).await.expect_err("it does not fit");
    assert_eq!(refused.code(), Some("budget-exceeded"));
    let arithmetic = "committed 0.00 + reserved 51.20 + this 51.20 = 102.40 of 100.00 USD a month (102.4 %)";
    let two = served.end(&two).await;
    assert_eq!(two.state, RunState::Denied);
    assert!(two.reason.as_deref().is_some_and(|why| why.contains(arithmetic)), "{:?}", two.reason);

    // it fails: nothing is reserved any more
    opens("1");
    assert_eq!(served.end(&one).await.state, RunState::Failed);
    assert_eq!(figures(&served).await[1], "0.00");
    let destroyed = RunRequest { yes: true, ..asks(RunKind::Destroy, "slow-a", "plat-slow-dev") };
    let destroyed = start(&served, &destroyed).await;
    assert_eq!(served.end(&destroyed).await.state, RunState::Succeeded);

    // it succeeds: what was reserved is committed by its state, and counts once
    opens("0");
    let yes = RunRequest { yes: true, ..apply("slow-b") };
    assert_eq!(served.end(&start(&served, &yes).await).await.state, RunState::Succeeded);
    assert_eq!(figures(&served).await, ["51.20", "0.00"]);
    let denied = RunRequest { yes: true, ..apply("slow-a") };
    assert_eq!(served.end(&start(&served, &denied).await).await.state, RunState::Denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_said_yes_to_at_the_same_moment_only_one_applies() {
    if no_terraform() {
        return;
    }
    let outside = tempfile::tempdir().expect("temp");
    let gate = outside.path().join("gate");
    std::fs::write(&gate, "0").expect("open");
    let served = Served::start_after(|root| slow(root, &gate));
    let yes = |name: &str| RunRequest { yes: true, ..asks(RunKind::Apply, name, "plat-slow-dev") };
    let (one, two) = (start(&served, &yes("slow-a")).await, start(&served, &yes("slow-b")).await);
    let mut states = [served.end(&one).await.state, served.end(&two).await.state];
    states.sort_by_key(|state| state.name());
    assert_eq!(states, [RunState::Denied, RunState::Succeeded]);
    assert_eq!(figures(&served).await, ["51.20", "0.00"]);
}

/// Returns what `estimate --all` says of a component.
async fn priced(served: &Served, more: &[&str], component: &str) -> Value {
    let arguments = [&["estimate", "--all", "--format", "json"], more].concat();
    let prices: Vec<Value> = serde_json::from_str(&served.terrace(&arguments).await).expect("JSON");
    let found = prices.into_iter().find(|price| price["component"] == component).expect(component);
    json!([found["monthly"]["amount"], found["from"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_lies_elsewhere_is_priced_by_what_runs_saw_of_it_or_read() {
    if no_terraform() {
        return;
    }
    let backend = Backend::start();
    let served = far_away(&backend, |root| {
        put(root, "platform/teams.yaml", "teams:\n  - {name: far, components: ['far-*'], budgets: [{amount: 100}]}\n");
        put(root, "platform/prices.yaml", PRICES);
        put(root, "platform/policies.yaml", "settings: {self_approval: solo}\n");
    });
    let known = |component: &'static str| priced(&served, &["--known"], component);
    assert_eq!(known("far-a").await, json!([null, "unread"]));
    let unread = served.client.budgets(None).await.expect("budgets").remove(0);
    assert_eq!(unread.unpriced, 2, "what nobody has looked at is counted");
    // an apply knows what it leaves behind
    let yes = RunRequest { yes: true, ..asks(RunKind::Apply, "far-a", "plat-far-dev") };
    assert_eq!(served.end(&start(&served, &yes).await).await.state, RunState::Succeeded);
    assert_eq!(known("far-a").await, json!(["51.20", "plan"]));
    assert_eq!(known("far-b").await, json!([null, "unread"]));

    // as if it had never been planned here: its state is read by a run, and nothing of it stands in the log
    let states = served.state().join("states");
    std::fs::remove_dir_all(&states).expect("forgotten");
    assert_eq!(priced(&served, &[], "far-a").await, json!(["51.20", "state"]));
    assert_eq!(known("far-b").await, json!(["0.00", "none"]), "it was looked at, and nothing is live");
    let runs = served.client.recent_runs(10).await.expect("runs");
    let read = runs.iter().find(|run| run.kind == RunKind::Command && run.component.as_deref() == Some("far-a"));
    let read = read.expect("a run that read the state");
    assert_eq!(read.command, "terrace atmos terraform show far-a -s plat-far-dev");
    let log =
        std::fs::read_to_string(served.state().join("runs").join(read.id.to_string()).join("log")).expect("a log");
    assert!(log.contains("Initializing") && !log.contains("format_version"), "{log}");
    let count = runs.len();
    priced(&served, &[], "far-a").await;
    assert_eq!(served.client.recent_runs(10).await.expect("runs").len(), count, "what is known is not read again");
    let budget = served.client.budgets(None).await.expect("budgets").remove(0);
    assert_eq!((budget.committed.amount, budget.unpriced), (Some("51.20".parse().expect("an amount")), 0));

    // its end is seen, too
    let gone = RunRequest { yes: true, ..asks(RunKind::Destroy, "far-a", "plat-far-dev") };
    assert_eq!(served.end(&start(&served, &gone).await).await.state, RunState::Succeeded);
    assert_eq!(known("far-a").await, json!(["0.00", "none"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn to_accept_a_recommendation_sends_its_request_once() {
    let served = Served::start_after(|root| {
        put(root, "components/terraform/disk/main.tf", "variable \"volume_type\" { type = string }\n");
        let stack = "vars: {tenant: plat, environment: disk, stage: prod}\ncomponents:\n  terraform:\n    disk:\n      vars: {volume_type: gp2}\n";
        put(root, "stacks/orgs/harbor/disk.yaml", stack);
        commit(root, "Have a disk");
    });
    let state = json!({"version": 4, "serial": 1, "lineage": "x", "resources": [{
        "mode": "managed", "type": "aws_ebs_volume", "name": "it", "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
        "instances": [{"attributes": {"id": "vol-1", "size": 100, "type": "gp2", "availability_zone": "us-east-1a"}}]}]});
    let file = "components/terraform/disk/terraform.tfstate.d/plat-disk-prod/terraform.tfstate";
    put(&served.root(), file, &state.to_string());
    let found = served.client.recommendations().await.expect("recommendations");
    let gp3 = found.iter().find(|one| one.rule == "gp3" && one.component == "disk").expect("gp3");
    assert_eq!(gp3.request.as_ref().map(|wish| json!(wish.inputs)), Some(json!({"vars.volume_type": "gp3"})));
    let accept = |word| DecisionRequest { word, reason: None, until: None, env: asks(RunKind::Plan, "x", "y").env };
    let decide = async |word| served.client.decide_recommendation(&gp3.id, &accept(word)).await;
    let snoozed = decide(DecisionWord::Snoozed).await.expect_err("until when?");
    assert_eq!(snoozed.code(), Some("day-missing"));
    let accepted = decide(DecisionWord::Accepted).await.expect("accepted").decision.expect("a decision");
    let number = accepted.request.expect("it was sent");
    assert_eq!(decide(DecisionWord::Accepted).await.expect("again").decision.and_then(|one| one.request), Some(number));
    let requests = served.client.requests(None, 10).await.expect("requests");
    let [request] = requests.as_slice() else { panic!("one request: {requests:#?}") };
    let wish = request.wish().expect("a wish");
    assert_eq!((request.number, request.kind), (number, RequestKind::Change));
    assert!(wish.reason.as_deref().is_some_and(|why| why.contains("gp3 costs less")), "{wish:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_whose_days_are_over_is_asked_to_go() {
    if no_terraform() {
        return;
    }
    let outside = tempfile::tempdir().expect("temp");
    let gate = outside.path().join("gate");
    std::fs::write(&gate, "0").expect("open");
    let mut served = Served::start_after(|root| {
        slow(root, &gate);
        put(root, "platform/teams.yaml", &format!("{TEAMS}    quota: {{sandbox_days: 0}}\n"));
        let stack = root.join("stacks/orgs/harbor/slow.yaml");
        let text = std::fs::read_to_string(&stack).expect("a stack");
        std::fs::write(&stack, text.replace("slow-a: {}", "slow-a: {settings: {sandbox: true}}")).expect("written");
        commit(root, "Have a sandbox");
    });
    let yes = RunRequest { yes: true, ..asks(RunKind::Apply, "slow-a", "plat-slow-dev") };
    assert_eq!(served.end(&start(&served, &yes).await).await.state, RunState::Succeeded);
    served.kill_and_serve_again();
    let begin = std::time::Instant::now();
    let request = loop {
        if let Some(request) = served.client.requests(None, 10).await.expect("a list").pop() {
            break request;
        }
        assert!(begin.elapsed() < crate::support::host::DEADLINE, "nobody asked for its end");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!(request.kind, RequestKind::Retire);
    let of = request.wish().and_then(|wish| wish.instance.clone()).map(|at| at.to_string());
    assert_eq!(of.as_deref(), Some("slow-a@plat-slow-dev"));
}
