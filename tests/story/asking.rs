//! A plain apply to which others have to agree: it waits in `awaiting_approval`, a request asks them about its very plan, and
//! that plan is what is applied, by the run that made it. The numbers are those of "What must never happen" in the design.

use std::os::unix::fs::PermissionsExt as _;

use terrace::api::client::Client;
use terrace::api::types::{InboxCause, RequestWord};
use terrace::domain::id::RunRef;
use terrace::domain::request::{Request, RequestKind, RequestState, Wish};
use terrace::domain::run::{Run, RunKind, RunRequest, RunState};
use terrace::domain::team::Role;

use crate::requests::{about, ask, code, rest, strict};
use crate::runs_served::asks;
use crate::support::ground::{commit, git, rule, word};
use crate::support::host::eventually;
use crate::support::platform::no_terraform;
use crate::support::served::Served;

/// A policy that changes what is said of a plan, and nothing else.
const LOOK_TWICE: &str = "package terrace.plan.more\n\nimport rego.v1\n\n\
    warn contains \"look twice\" if input.instance.component == \"network\"\n";

/// Starts an apply with a yes that was given ahead, and waits until others are asked.
async fn apply(served: &Served, component: &str) -> (Run, Request) {
    apply_as(&served.client, served, component).await
}

async fn apply_as(client: &Client, served: &Served, component: &str) -> (Run, Request) {
    let mut asked = asks(RunKind::Apply, component, "plat-ue2-prod");
    asked.yes = true;
    let run = client.start_run(&asked, None).await.expect("accepted");
    let run = served.until(&run, RunState::AwaitingApproval).await;
    let request = rest(served, run.request.expect("a request asks")).await;
    (run, request)
}

async fn yes(client: &Client, request: &Request) -> Result<Request, terrace::api::client::ClientError> {
    client.approve_request(request.number, &word(request)).await
}

/// 1, 3: exactly the plan that the run made is what people see and what is applied, by that run, and not by its owner's word.
#[tokio::test(flavor = "multi_thread")]
async fn item_1_a_plain_apply_waits_for_others_and_applies_exactly_its_plan() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(strict);
    let mara = served.person("mara", Role::Approver).await;
    let (run, request) = apply(&served, "network").await;
    assert_eq!((request.kind, request.state), (RequestKind::Run, RequestState::PendingApproval), "{request:#?}");
    assert_eq!(request.requester, run.actor);
    let plan = &request.check.as_ref().expect("checked").plans[0];
    assert_eq!((plan.run, Some(&plan.digest)), (run.id, run.plan_digest.as_ref()), "it is its very plan");
    assert_eq!(run.next.as_deref(), Some(format!("terrace request show {}", request.number).as_str()));
    // It lies there as other plans do: encrypted, for its owner only, and nothing of it in clear.
    let folder = served.state().join("runs").join(run.id.to_string());
    assert!(!folder.join("plan.tfplan").exists());
    let sealed = folder.join("plan.sealed");
    assert_eq!(std::fs::metadata(&sealed).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read(&sealed).expect("read").windows(4).any(|four| four == b"PK\x03\x04"), "a zip in clear");
    // Its owner's word is none, as a person and by confirming again.
    assert_eq!(code(&yes(&served.client, &request).await.expect_err("own")), "own-request");
    let again = served.client.confirm(RunRef::Id(run.id), run.plan_digest.clone()).await.expect_err("not enough");
    assert_eq!(code(&again), "approval-needed");
    // Others may use the state while it waits.
    let planned =
        served.client.start_run(&asks(RunKind::Plan, "network", "plat-ue2-prod"), None).await.expect("accepted");
    assert_eq!(served.end(&planned).await.state, RunState::Succeeded);
    let inbox = mara.inbox().await.expect("an inbox");
    assert_eq!(inbox.iter().map(|item| item.cause).collect::<Vec<_>>(), [InboxCause::Decide]);
    yes(&mara, &request).await.expect("agreed");
    let done = rest(&served, request.number).await;
    assert_eq!(done.state, RequestState::Fulfilled, "{done:#?}");
    let run = served.end(&run).await;
    assert_eq!((run.state, run.confirmed_by.as_deref()), (RunState::Succeeded, Some("mara")), "{run:#?}");
    assert_eq!(done.runs, [run.id], "by that run, and by no other");
    assert!(run.steps.iter().filter(|step| step.name == "plan").count() == 1, "planned once: {:#?}", run.steps);
    assert!(!folder.join("plan.tfplan").exists() && !sealed.exists(), "a plan is used once");
    let audit = served.client.recent_audit(1_000).await.expect("audit");
    let of_it = |action: &str| {
        audit.iter().any(|record| record.action == action && record.object.ends_with(&run.id.to_string()))
    };
    // Each record has what it was before, and that is what it was after the one before.
    let mut records: Vec<_> = audit.iter().filter(|record| record.object.ends_with(&run.id.to_string())).collect();
    records.sort_by_key(|record| record.sequence);
    assert!(records.windows(2).all(|two| two[1].before.is_some() && two[1].after.is_some()), "{records:#?}");
    for action in ["run.awaiting_approval", "run.approved", "run.applying", "run.succeeded"] {
        assert!(of_it(action), "{action}: {audit:#?}");
    }
}

/// 3: who wrote the commit is known by the names that `teams.yaml` gives a person, be they an address, alone or together.
#[tokio::test(flavor = "multi_thread")]
async fn item_3_the_author_of_the_commit_does_not_agree_by_any_name() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(|root| {
        strict(root);
        let teams = root.join("platform/teams.yaml");
        let people = "people:\n  mara: {users: [ml], git: [Mara of the Ground, M.Lind@example.com]}\n";
        let text =
            std::fs::read_to_string(&teams).expect("teams").replace("approvers: [mara]", "approvers: [mara, tomasz]");
        std::fs::write(&teams, format!("{people}{text}")).expect("written");
        git(root, &["commit", "-qam", "Say who is who"]);
    });
    let mara = served.person("mara", Role::Approver).await;
    // By a token of another name of hers, too.
    let same = served.person("ml", Role::Approver).await;
    let write = |author: &str, message: &str| {
        let author = format!("--author={author}");
        git(&served.root(), &["commit", "-q", "--allow-empty", &author, "-m", message]);
    };
    for (author, message) in [
        ("Somebody <m.lind@example.com>", "Alone"),
        ("mara of the ground <elsewhere@example.com>", "By name"),
        ("Bo <bo@example.com>", "Together\n\nCo-authored-by: Somebody <M.Lind@Example.com>"),
    ] {
        write(author, message);
        let (_, request) = apply(&served, "network").await;
        for hers in [&mara, &same] {
            assert_eq!(code(&yes(hers, &request).await.expect_err(message)), "own-commit", "{message}");
        }
        served.client.withdraw_request(request.number).await.expect("withdrawn");
    }
    write("Bo <bo@example.com>", "Somebody else");
    let (_, request) = apply(&served, "network").await;
    let said = yes(&same, &request).await.expect("agreed");
    assert_eq!(said.decisions[0].actor, "mara", "one person, whatever the token is called");
    assert_eq!(rest(&served, request.number).await.state, RequestState::Fulfilled);
}

/// 2: whatever a word is bound to voids it when it changes, and the record says which.
#[tokio::test(flavor = "multi_thread")]
async fn item_2_every_binding_voids_and_says_which() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(|root| {
        strict(root);
        let two = "package terrace.request.two\n\nimport rego.v1\n\napprovals contains {\"count\": 2, \"message\": \"two of you\"}\n";
        rule(root, "two", two);
        commit(root, "Ask two");
    });
    // One approver is named for it, so an admin is the other one of two.
    let (jonas, noor) = (served.person("jonas", Role::Approver).await, served.person("noor", Role::Admin).await);
    let change = about(RequestKind::Change, "orders-db", "plat-ue2-prod", serde_json::json!({"vars.size": "medium"}));
    let mut request = ask(&served, change.clone()).await;
    let write = |name: &str, text: &str| std::fs::write(served.root().join(name), text).expect("written");
    let ground = "stacks/orgs/harbor/plat/prod/us-east-2.yaml";
    let stack = std::fs::read_to_string(served.root().join(ground)).expect("a stack");
    for what in ["the commit", "the price", "the policies", "the plan"] {
        assert_eq!(request.state, RequestState::PendingApproval, "{what}: {request:#?}");
        yes(&jonas, &request).await.expect("agreed");
        match what {
            "the commit" => git(&served.root(), &["update-ref", "refs/heads/terrace/request-1", "HEAD"]),
            "the price" => write(
                "platform/prices.yaml",
                "version: 1\nsource: ours\ndate: 2026-10-01\nrules:\n  - resource: terraform_data\n    components:\n      - {name: Flat, unit: months, quantity: 1, price: 3}\n",
            ),
            "the policies" => write(
                "platform/policies/more.rego",
                "package terrace.plan.more\n\nimport rego.v1\n\nwarn contains \"look twice\" if input.instance.component == \"orders-db\"\n",
            ),
            _ => {
                let plan = &request.check.as_ref().expect("checked").plans[0];
                let sealed = served.state().join("runs").join(plan.run.to_string()).join("plan.sealed");
                std::fs::write(sealed, "another plan").expect("written");
            }
        }
        let void = yes(&noor, &request).await.expect_err(what);
        assert_eq!(code(&void), "approval-void", "{what}: {void}");
        assert!(void.to_string().starts_with(&format!("{what} changed")), "{what}: {void}");
        let after = rest(&served, 1).await;
        let said = after.decisions.last().and_then(|decision| decision.voided.clone()).expect("voided");
        assert!(said.contains(what) && after.agreed().is_empty(), "{what}: {said}");
        request = after;
    }
    yes(&jonas, &request).await.expect("agreed");
    let with = serde_json::json!({"vars.size": "small"}).as_object().cloned().expect("a map");
    let revised = served.client.revise_request(1, &Wish { inputs: with, ..change }).await.expect("revised");
    let said = revised.decisions.last().and_then(|decision| decision.voided.clone());
    assert_eq!((revised.state, said.as_deref()), (RequestState::Draft, Some("the revision changed")));
    let old = yes(&noor, &request).await.expect_err("an older revision");
    assert_eq!(code(&old), "not-waiting");
    // What stands on no commit of its own is bound to its resolved variables.
    let (run, request) = apply(&served, "network").await;
    write(ground, &stack.replace("cidr: 10.20.0.0/16", "cidr: 10.21.0.0/16"));
    let mara = served.person("mara", Role::Approver).await;
    let void = yes(&mara, &request).await.expect_err("other variables");
    assert!(code(&void) == "approval-void" && void.to_string().starts_with("the variables changed"), "{void}");
    assert_eq!(served.end(&run).await.state, RunState::Stale);
    // It is bound to its component's code too, and to no other: what a provisioner starts is not in the plan file.
    let commit = |what: &str| {
        write(what, "echo other\n");
        git(&served.root(), &["add", what]);
        git(&served.root(), &["commit", "-qm", what]);
    };
    let request = rest(&served, request.number).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    commit("components/terraform/network/hello.sh");
    let void = yes(&mara, &request).await.expect_err("other code");
    let said = void.to_string();
    assert!(code(&void) == "approval-void" && said.starts_with("the component's code changed"), "{void}");
    let request = rest(&served, request.number).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    commit("components/terraform/cluster/hello.sh");
    assert_eq!(yes(&mara, &request).await.expect("nothing of it changed").agreed().len(), 1, "of two");
    let audit = served.client.recent_audit(10_000).await.expect("audit");
    let voided = audit.iter().filter(|record| record.action == "request.looked_at_again");
    assert_eq!(voided.filter(|record| record.detail["reason"].is_string()).count(), 6, "each says why");
}

/// 5: while something runs that no plan binds, nothing else changes a state of the stacks that it names.
#[tokio::test(flavor = "multi_thread")]
async fn item_5_what_no_plan_binds_locks_every_state_of_its_stack() {
    if no_terraform() {
        return;
    }
    let workflows = "workflows:\n  hold:\n    stack: plat-ue2-dev\n    steps:\n      - {type: shell, command: 'while [ ! -e go ]; do sleep 0.05; done'}\n";
    let served = Served::start_after(|root| {
        strict(root);
        std::fs::write(root.join("stacks/workflows/hold.yaml"), workflows).expect("written");
    });
    let mut asked = RunRequest {
        workflow: Some("hold".into()),
        workflow_file: Some("hold.yaml".into()),
        ..RunRequest::new(RunKind::Workflow)
    };
    asked.env = asks(RunKind::Plan, "network", "plat-ue2-dev").env;
    let hold = served.client.start_run(&asked, None).await.expect("accepted");
    served.until(&hold, RunState::Running).await;
    let other =
        served.client.start_run(&asks(RunKind::Apply, "network", "plat-ue2-dev"), None).await.expect("accepted");
    let held = format!("held by #{}", hold.number);
    let waits =
        served.wait(&other, "it waits", |run| run.waiting_for.as_deref().is_some_and(|why| why.contains(&held)));
    assert_eq!(waits.await.state, RunState::Queued);
    // Another stack is nobody's business.
    let free =
        served.client.start_run(&asks(RunKind::Apply, "cluster", "plat-ue2-prod"), None).await.expect("accepted");
    served.until(&free, RunState::AwaitingConfirmation).await;
    std::fs::write(served.root().join("go"), "").expect("written");
    assert_eq!(served.end(&hold).await.state, RunState::Succeeded);
    served.until(&other, RunState::AwaitingConfirmation).await;
    // Rules that changed while it waited hold when its turn comes.
    let again = served.client.start_run(&asked, None).await.expect("accepted");
    let waits = served.wait(&again, "it waits", |run| run.waiting_for.is_some()).await;
    let closed = "package terrace.run.closed\n\nimport rego.v1\n\ndeny contains \"closed for the night\"\n";
    rule(&served.root(), "closed", closed);
    served.client.cancel(RunRef::Id(other.id)).await.expect("canceled");
    let denied = served.end(&waits).await;
    assert_eq!((denied.state, denied.commands.len()), (RunState::Denied, 0), "{denied:#?}");
    assert!(denied.reason.as_deref().is_some_and(|why| why.contains("closed for the night")), "{denied:#?}");
}

/// 1, 2, 4: a state that moved on, rules that changed and a plan that was swapped each void it; the run ends, and the request
/// goes on with a plan of its own.
#[tokio::test(flavor = "multi_thread")]
async fn item_2_what_changed_ends_the_run_and_the_request_plans_again() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(strict);
    let mara = served.person("mara", Role::Approver).await;
    // The rules changed: her word is not taken, and everything is looked at again.
    let (run, request) = apply(&served, "network").await;
    rule(&served.root(), "more", LOOK_TWICE);
    let void = yes(&mara, &request).await.expect_err("another policy");
    assert_eq!(code(&void), "approval-void");
    assert!(void.to_string().contains("polic"), "it says which: {void}");
    let ended = served.end(&run).await;
    assert_eq!(ended.state, RunState::Stale, "{ended:#?}");
    let again = rest(&served, request.number).await;
    assert_eq!(again.state, RequestState::PendingApproval, "{again:#?}");
    let plan = &again.check.as_ref().expect("checked").plans[0];
    assert_ne!(plan.run, run.id, "it has a plan of its own");
    yes(&mara, &again).await.expect("agreed");
    assert_eq!(rest(&served, request.number).await.state, RequestState::Fulfilled);

    // The sealed plan was swapped on the disk.
    let (run, request) = apply(&served, "cluster").await;
    let sealed = served.state().join("runs").join(run.id.to_string()).join("plan.sealed");
    let mut bytes = std::fs::read(&sealed).expect("read");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&sealed, bytes).expect("written");
    let void = yes(&mara, &request).await.expect_err("another plan");
    assert!(code(&void) == "approval-void" && void.to_string().contains("plan"), "{void}");
    assert_eq!(served.end(&run).await.state, RunState::Stale);

    // The state moved on after everything was agreed to and before it is applied: with two plans of one state, the second one.
    let request = rest(&served, request.number).await;
    let (other, asked) = apply(&served, "cluster").await;
    yes(&mara, &request).await.expect("agreed");
    assert_eq!(rest(&served, request.number).await.state, RequestState::Fulfilled);
    yes(&mara, &asked).await.expect("what it is bound to is as it was");
    let ended = served.end(&other).await;
    assert_eq!(ended.state, RunState::Stale, "{ended:#?}");
    assert!(ended.reason.as_deref().is_some_and(|why| why.contains("state")), "{ended:#?}");
    let after = rest(&served, asked.number).await;
    assert_ne!(after.state, RequestState::Failed, "it is planned again by itself: {after:#?}");
}

/// 2: what changes after everybody agreed, while the run waits for a lock, voids it as well.
#[tokio::test(flavor = "multi_thread")]
async fn item_2_what_changes_while_an_approved_run_waits_voids_it() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(strict);
    let mara = served.person("mara", Role::Approver).await;
    let (run, request) = apply(&served, "network").await;
    // It holds the state until somebody answers.
    let holder =
        served.client.start_run(&asks(RunKind::Apply, "network", "plat-ue2-prod"), None).await.expect("accepted");
    served.until(&holder, RunState::AwaitingConfirmation).await;
    yes(&mara, &request).await.expect("agreed");
    let held = format!("held by #{}", holder.number);
    let waits = |run: &Run| run.waiting_for.as_deref().is_some_and(|why| why.contains(&held));
    let waiting = served.wait(&run, "it waits for the state", waits).await;
    assert_eq!((waiting.state, waiting.confirmed_by.as_deref()), (RunState::AwaitingApproval, Some("mara")));
    rule(&served.root(), "more", LOOK_TWICE);
    let ended = served.end(&run).await;
    assert_eq!(ended.state, RunState::Stale, "{ended:#?}");
    assert!(ended.reason.as_deref().is_some_and(|why| why.contains("the policies changed")), "{ended:#?}");
    assert!(ended.commands.iter().all(|command| command.step != "apply"), "{ended:#?}");
    let began = std::time::Instant::now();
    loop {
        let now = rest(&served, request.number).await;
        if now.state == RequestState::PendingApproval && now.agreed().is_empty() {
            break;
        }
        assert!(began.elapsed() < crate::support::host::DEADLINE, "it is planned again by itself: {now:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A run ends with its request, and a request with its run, whoever goes first; also over a platform that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_ends_with_its_request_and_outlives_the_platform() {
    if no_terraform() {
        return;
    }
    let mut served = Served::start_after(strict);
    let mara = served.person("mara", Role::Approver).await;
    let (run, request) = apply(&served, "network").await;
    let no = RequestWord { reason: Some("not today".into()), ..RequestWord::default() };
    mara.reject_request(request.number, &no).await.expect("refused");
    let ended = served.end(&run).await;
    assert_eq!(ended.state, RunState::Rejected, "{ended:#?}");
    assert_eq!(ended.reason.as_deref(), Some("rejected by mara: not today"));
    // Its supervisor is told after it has ended, and how much it wrote is known all the same.
    let log = std::fs::read(served.state().join("runs").join(run.id.to_string()).join("log")).expect("a log");
    let lines = u64::try_from(log.iter().filter(|byte| **byte == b'\n').count()).expect("few");
    let began = std::time::Instant::now();
    loop {
        let now = served.client.run(RunRef::Id(run.id)).await.expect("there");
        if now.log_lines == lines && now.log_bytes == log.len() as u64 {
            break;
        }
        assert!(began.elapsed() < crate::support::host::DEADLINE, "{lines} lines: {now:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }

    let (run, request) = apply(&served, "network").await;
    served.client.withdraw_request(request.number).await.expect("withdrawn");
    assert_eq!(served.end(&run).await.state, RunState::Canceled);

    let (run, request) = apply(&served, "network").await;
    served.client.cancel(RunRef::Id(run.id)).await.expect("canceled");
    assert_eq!(served.end(&run).await.state, RunState::Canceled);
    let mut after = served.client.show_request(request.number).await.expect("there");
    let began = std::time::Instant::now();
    while after.state != RequestState::Withdrawn {
        assert!(began.elapsed() < crate::support::host::DEADLINE, "{after:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        after = served.client.show_request(request.number).await.expect("there");
    }

    // The platform is killed while it waits; the plan and the run are as they were.
    let (run, request) = apply(&served, "network").await;
    served.kill_and_serve_again();
    let jonas = mara;
    yes(&jonas, &request).await.expect("agreed");
    let done = rest(&served, request.number).await;
    assert_eq!(done.state, RequestState::Fulfilled, "{done:#?}");
    let ended = served.end(&run).await;
    assert_eq!((ended.state, done.runs), (RunState::Succeeded, vec![run.id]), "{ended:#?}");

    // Its supervisor is killed while it waits: the plan is lost with it, and another one is made.
    let (run, request) = apply(&served, "cluster").await;
    let journal = served.state().join("runs").join(run.id.to_string()).join("journal");
    let pid = eventually("its supervisor", || {
        let text = std::fs::read_to_string(&journal).ok()?;
        let ready: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
        i32::try_from(ready["pid"].as_i64()?).ok()
    });
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).expect("a pid"), rustix::process::Signal::KILL)
        .expect("killed");
    assert_eq!(served.end(&run).await.state, RunState::Failed);
    let began = std::time::Instant::now();
    loop {
        let now = rest(&served, request.number).await;
        let plans = now.check.as_ref().map(|check| check.plans[0].run);
        if now.state == RequestState::PendingApproval && plans != Some(run.id) {
            break;
        }
        assert!(began.elapsed() < crate::support::host::DEADLINE, "{now:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
