//! Requests on the demo estate, through client, server, SQLite and Git; where they plan, with real Terraform.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use terrace::api::client::ClientError;
use terrace::api::types::{NewRequest, PreviewRequest, RequestWord, SubmitRequest};
use terrace::domain::golden_path::InstanceAction;
use terrace::domain::policy::Outcome;
use terrace::domain::request::{Request, RequestKind, RequestState, Wish};
use terrace::domain::run::RunKind;
use terrace::domain::stack::InstanceRef;

use crate::support::ground::{git, rule, settings, word};
use crate::support::host::{DEADLINE, eventually};
use crate::support::platform::no_terraform;
use crate::support::served::Served;

/// A policy that denies caches.
pub(crate) const NO_CACHES: &str = "# METADATA\n# title: No caches\n# custom:\n#   code: no-caches\npackage terrace.plan.own\n\n\
    import rego.v1\n\ndeny contains \"caches are not made any more\" if input.instance.component == \"session-cache\"\n";

pub(crate) fn wish(kind: RequestKind, inputs: Value) -> Wish {
    let inputs = inputs.as_object().cloned().unwrap_or_else(Map::new);
    Wish {
        kind,
        title: None,
        golden_path: None,
        instance: None,
        inputs,
        workflow: None,
        run: None,
        reason: Some("a story".into()),
        bounds: None,
    }
}

pub(crate) fn provision(name: &str, inputs: Value) -> Wish {
    Wish { golden_path: Some(name.into()), ..wish(RequestKind::Provision, inputs) }
}

pub(crate) fn about(kind: RequestKind, component: &str, stack: &str, inputs: Value) -> Wish {
    Wish { instance: Some(InstanceRef { component: component.into(), stack: stack.into() }), ..wish(kind, inputs) }
}

pub(crate) fn asked(wish: Wish) -> NewRequest {
    let mut env: std::collections::BTreeMap<String, String> = std::env::vars().collect();
    env.insert("ATMOS_BIN".to_owned(), "none".to_owned());
    NewRequest { wish, draft: false, env }
}

pub(crate) fn team(name: &str) -> Wish {
    let inputs =
        json!({"name": name, "description": "What a ticket costs", "members": ["noor"], "components": ["fares-*"]});
    provision("new-team", inputs)
}

pub(crate) fn code(error: &ClientError) -> &str {
    error.code().unwrap_or_default()
}

/// Waits until a request has come to rest.
pub(crate) async fn rest(served: &Served, number: u64) -> Request {
    let begin = Instant::now();
    loop {
        let request = served.client.show_request(number).await.expect("a request");
        if !request.state.is_under_way() {
            return request;
        }
        assert!(begin.elapsed() < DEADLINE, "not at rest within {DEADLINE:?}: {request:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks, and waits until it has come to rest.
pub(crate) async fn ask(served: &Served, wish: Wish) -> Request {
    let request = served.client.new_request(&asked(wish)).await.expect("accepted");
    rest(served, request.number).await
}

/// Has somebody else decide, also on a machine of one person.
pub(crate) fn strict(root: &Path) {
    git(root, &["rm", "-q", "platform/policies.yaml"]);
    git(root, &["commit", "-qm", "Ask somebody else"]);
}

/// Lets people on this machine decide on what they asked for themselves.
pub(crate) fn alone(root: &Path) {
    settings(root, "self_approval: solo");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_rules_waits_for_somebody_else() {
    let served = Served::start_after(strict);
    let request = ask(&served, team("fares")).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    let check = request.check.as_ref().expect("checked");
    assert_eq!(check.verdict.approvals[0].code, "rules-change");
    assert!(check.files[0].diff.contains("+  - name: fares"), "{}", check.files[0].diff);
    assert!(request.expires_at.is_some() && request.waiting_since.is_some());
    // The branch carries one commit by the requester, with the trailer; the main branch is as it was.
    let log = served.git(&["log", "-1", "--format=%an|%(trailers:key=Terrace-Request,valueonly)", "terrace/request-1"]);
    assert!(log.trim().ends_with("|1"), "{log}");
    assert!(!served.git(&["show", "HEAD:platform/teams.yaml"]).contains("fares"));
    assert_eq!(served.git(&["status", "--porcelain"]), "");

    let word = RequestWord::default();
    let own = served.client.approve_request(1, &word).await.expect_err("one's own");
    assert_eq!(code(&own), "own-request");
    let other = RequestWord { digest: terrace::domain::id::Digest::from_hex(&"0".repeat(64)), ..word };
    assert_eq!(code(&served.client.approve_request(1, &other).await.expect_err("another content")), "other-content");
    assert_eq!(code(&served.client.comment_request(1, " ").await.expect_err("nothing said")), "comment-empty");
    let request = served.client.comment_request(1, "Who is noor?").await.expect("said");
    assert_eq!(request.comments[0].text, "Who is noor?");

    let gone = served.client.withdraw_request(1).await.expect("withdrawn");
    assert_eq!((gone.state, gone.ended_at.is_some()), (RequestState::Withdrawn, true));
    assert_eq!(served.git(&["branch", "--list", "terrace/*"]), "");
    assert_eq!(served.git(&["worktree", "list"]).lines().count(), 1);
    assert_eq!(code(&served.client.withdraw_request(1).await.expect_err("it has ended")), "not-now");
    // Each transition has its event and its audit record.
    let events: Vec<String> = served
        .client
        .recent_events(100)
        .await
        .expect("events")
        .into_iter()
        .rev()
        .filter(|event| event.subject == "request/1")
        .map(|event| event.event_type)
        .collect();
    let known = ["created", "submitted", "checked", "judged", "refused", "refused", "commented_on", "withdrawn"];
    assert_eq!(events, known.map(|verb| format!("dev.terrace.request.{verb}")));
    let audit = served.client.recent_audit(100).await.expect("audit");
    let audit: Vec<&str> =
        audit.iter().rev().filter(|record| record.object == "request/1").map(|record| record.action.as_str()).collect();
    assert_eq!(audit, known.map(|verb| format!("request.{verb}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_agreed_to_is_merged_and_what_changed_is_judged_again() {
    let served = Served::start_after(alone);
    let request = ask(&served, team("fares")).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    let seen = RequestWord { reason: Some("fine".into()), ..word(&request) };

    // The policies change after it was judged: the word is refused, and everything is looked at again.
    std::fs::write(served.root().join("platform/policies.yaml"), "settings: {self_approval: solo, more: 1}\n")
        .expect("written");
    git(&served.root(), &["commit", "-qam", "Change the policies"]);
    let void = served.client.approve_request(1, &seen).await.expect_err("it changed");
    assert_eq!(code(&void), "approval-void", "{void}");
    assert!(void.to_string().contains("the policies"), "{void}");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    assert_eq!(code(&served.client.approve_request(1, &seen).await.expect_err("an old digest")), "other-content");

    served.client.approve_request(1, &word(&request)).await.expect("agreed");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert!(request.decisions[0].self_attested);
    assert!(served.git(&["show", "HEAD:platform/teams.yaml"]).contains("fares"));
    assert_eq!(request.merged.as_deref(), Some(served.git(&["rev-parse", "HEAD"]).trim()));
    assert_eq!(served.git(&["status", "--porcelain"]), "");
    let times = served.client.request_times().await.expect("times");
    assert!(times.fulfilled == 1 && times.p90_seconds.is_some());

    // A second team of that name is refused before anything is written.
    let twice = served.client.new_request(&asked(team("fares"))).await.expect_err("it is there");
    assert_eq!(code(&twice), "already-there");
    // A rejection says why, and ends it.
    let request = ask(&served, team("tolls")).await;
    let silent = served.client.reject_request(request.number, &RequestWord::default()).await.expect_err("no reason");
    assert_eq!(code(&silent), "reason-missing");
    let word = RequestWord { reason: Some("no tolls".into()), ..RequestWord::default() };
    let rejected = served.client.reject_request(request.number, &word).await.expect("rejected");
    assert_eq!((rejected.state, rejected.reason.as_deref()), (RequestState::Rejected, Some("no tolls")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_sends_it_back_before_anything_happens() {
    let served = Served::start_after(alone);
    let request = ask(&served, team("fares")).await;
    let teams = served.root().join("platform/teams.yaml");
    let text = std::fs::read_to_string(&teams).expect("teams");
    std::fs::write(&teams, format!("{text}  - name: tolls\n    members: [ida]\n    components: [\"tolls-*\"]\n"))
        .expect("written");
    git(&served.root(), &["commit", "-qam", "Add tolls by hand"]);
    served.client.approve_request(1, &word(&request)).await.expect("agreed");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::NeedsChanges, "{request:#?}");
    assert!(request.reason.as_deref().is_some_and(|why| why.contains("platform/teams.yaml")), "{:?}", request.reason);
    assert!(request.decisions[0].voided.is_some());
    // Sent again, it stands on what is there now.
    served.client.submit_request(1, &SubmitRequest::default()).await.expect("sent");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_the_way_sends_it_back_and_a_lock_is_waited_for() {
    let served = Served::start_after(alone);
    let root = served.root();
    let agree = |request: &Request| {
        let (client, number, word) = (served.client.clone(), request.number, word(request));
        async move { client.approve_request(number, &word).await }
    };
    let request = ask(&served, team("fares")).await;
    let teams = root.join("platform/teams.yaml");
    let text = std::fs::read_to_string(&teams).expect("teams");
    let edited = format!("{text}# by hand\n");
    std::fs::write(&teams, &edited).expect("written");
    agree(&request).await.expect("agreed");
    let request = rest(&served, request.number).await;
    assert_eq!(request.state, RequestState::NeedsChanges, "{request:#?}");
    assert!(request.reason.as_deref().is_some_and(|why| why.contains("not committed: platform/teams.yaml")));
    assert_eq!(std::fs::read_to_string(&teams).expect("teams"), edited, "nobody's edit is touched");
    git(&root, &["checkout", "-q", "platform/teams.yaml"]);

    served.client.submit_request(request.number, &SubmitRequest::default()).await.expect("sent");
    let request = rest(&served, request.number).await;
    let lock = root.join(".git/index.lock");
    std::fs::write(&lock, "").expect("locked");
    agree(&request).await.expect("agreed");
    let begin = Instant::now();
    while served.client.show_request(request.number).await.expect("a request").state != RequestState::Executing {
        assert!(begin.elapsed() < DEADLINE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    std::fs::remove_file(&lock).expect("unlocked");
    let request = rest(&served, request.number).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert!(served.git(&["show", "HEAD:platform/teams.yaml"]).contains("fares"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_said_and_nothing_is_half_written() {
    let served = Served::start();
    let root = served.root();
    let before = served.git(&["rev-parse", "HEAD"]);
    let refused = |wish: Wish, wanted: &'static str| {
        let client = served.client.clone();
        async move {
            let error = client.new_request(&asked(wish)).await.expect_err(wanted);
            assert_eq!(code(&error), wanted, "{error}");
        }
    };
    refused(provision("postgress", json!({})), "unknown-golden-path").await;
    refused(provision("bucket", json!({"name": "X"})), "input-invalid").await;
    refused(wish(RequestKind::Change, json!({"vars.size": "large"})), "instance-missing").await;
    refused(about(RequestKind::Change, "orders-db", "plat-ue2-dve", json!({"vars.size": "large"})), "unknown-stack")
        .await;
    refused(
        about(RequestKind::Change, "orders-db", "plat-ue2-dev", json!({"metadata.type": "abstract"})),
        "path-invalid",
    )
    .await;
    refused(
        about(RequestKind::Change, "network", "plat-ue2-prod", json!({"vars.cidr": "10.20.0.0/16"})),
        "nothing-changes",
    )
    .await;
    refused(about(RequestKind::Retire, "orders-db", "plat-ue2-dev", json!({})), "written-elsewhere").await;
    let run = Wish { run: Some(RunKind::Plan), ..about(RequestKind::Run, "network", "plat-ue2-dev", json!({})) };
    refused(run, "run-invalid").await;
    for kind in [RequestKind::Run, RequestKind::Retire] {
        refused(about(kind, "network", "plat-ue2-dev", json!({"vars.size": "large"})), "inputs-unknown").await;
    }

    // A tree that is dirty where it matters, detached, busy, bare: sent back with the reason.
    let teams = root.join("platform/teams.yaml");
    let text = std::fs::read_to_string(&teams).expect("teams");
    std::fs::write(&teams, format!("{text}# by hand\n")).expect("written");
    let request = ask(&served, team("fares")).await;
    let why = |request: &Request| request.reason.clone().unwrap_or_default();
    assert_eq!(request.state, RequestState::NeedsChanges);
    assert!(why(&request).contains("not committed: platform/teams.yaml"), "{}", why(&request));
    git(&root, &["checkout", "-q", "platform/teams.yaml"]);
    git(&root, &["checkout", "-q", "--detach"]);
    let request = ask(&served, team("fares")).await;
    assert!(why(&request).contains("detached HEAD"), "{}", why(&request));
    git(&root, &["checkout", "-q", "main"]);
    std::fs::write(root.join(".git/MERGE_HEAD"), &before).expect("written");
    let request = ask(&served, team("fares")).await;
    assert!(why(&request).contains("a merge is under way"), "{}", why(&request));
    std::fs::remove_file(root.join(".git/MERGE_HEAD")).expect("removed");
    std::fs::write(root.join(".git/shallow"), &before).expect("written");
    let request = ask(&served, team("fares")).await;
    assert!(why(&request).contains("shallow clone"), "{}", why(&request));
    std::fs::remove_file(root.join(".git/shallow")).expect("removed");
    git(&root, &["config", "core.bare", "true"]);
    let request = ask(&served, team("fares")).await;
    assert!(why(&request).contains("is bare"), "{}", why(&request));
    git(&root, &["config", "core.bare", "false"]);
    assert_eq!(served.git(&["rev-parse", "HEAD"]), before);
    assert_eq!(served.git(&["status", "--porcelain"]), "");
    assert_eq!(served.git(&["branch", "--list", "terrace/*"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_kept_revised_and_sent_and_a_key_makes_one_request() {
    let served = Served::start();
    let draft = NewRequest { draft: true, ..asked(team("fares")) };
    let request = served.client.new_request(&draft).await.expect("kept");
    assert_eq!(request.state, RequestState::Draft);
    let request = served.client.revise_request(request.number, &team("tolls")).await.expect("revised");
    assert_eq!((request.state, request.revisions.len()), (RequestState::Draft, 2));
    served.client.submit_request(request.number, &SubmitRequest::default()).await.expect("sent");
    let request = rest(&served, request.number).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    assert!(request.check.as_ref().expect("checked").files[0].diff.contains("tolls"));
    let listed = served.client.requests(Some(RequestState::PendingApproval), 10).await.expect("a list");
    assert_eq!(listed.iter().map(|request| request.number).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_planned_priced_judged_applied_and_merged() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    let inputs = json!({"name": "trial", "stack": "plat-ue2-dev"});
    let env = asked(wish(RequestKind::Provision, json!({}))).env;
    let form = PreviewRequest { wish: provision("sandbox", json!({"name": "T"})), plan: false, env: env.clone() };
    let preview = served.client.preview_request(&form).await.expect("a preview");
    assert!(preview.problems.iter().any(|problem| problem.input == "stack"), "{preview:#?}");
    let form = PreviewRequest { wish: provision("sandbox", inputs.clone()), plan: true, env };
    let preview = served.client.preview_request(&form).await.expect("a preview");
    assert_eq!(preview.instances[0].action, InstanceAction::Create);
    assert!(preview.price.as_ref().is_some_and(terrace::domain::request::Price::is_known), "{preview:#?}");
    assert_eq!(preview.verdict.as_ref().map(|verdict| verdict.outcome), Some(Outcome::Allow), "{preview:#?}");
    assert_eq!(served.git(&["worktree", "list"]).lines().count(), 1, "a preview leaves nothing behind");
    assert!(served.client.requests(None, 10).await.expect("a list").is_empty());

    let request = ask(&served, provision("sandbox", inputs)).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    let check = request.check.as_ref().expect("checked");
    assert_eq!(check.plans.len(), 1);
    assert!(check.plans[0].summary.add > 0);
    assert_eq!(request.runs.len(), 1);
    let applied = served.client.run(terrace::domain::id::RunRef::Id(request.runs[0])).await.expect("a run");
    assert_eq!(applied.plan_digest.as_ref(), Some(&check.plans[0].digest), "exactly that plan was applied");
    assert_eq!(applied.request, Some(1));
    assert!(
        applied.commands.iter().all(|command| !command.argv.contains(&"plan".to_owned())),
        "{:?}",
        applied.commands
    );
    assert!(
        !request.outputs.is_empty() && request.outputs.iter().all(|output| output.sensitive == output.value.is_null())
    );
    assert!(served.git(&["show", "HEAD:stacks/orgs/harbor/plat/dev/us-east-2.yaml"]).contains("sandbox-trial:"));
    assert_eq!(served.git(&["status", "--porcelain", "--untracked-files=no"]), "");
    eventually("its worktree goes", || (served.git(&["worktree", "list"]).lines().count() == 1).then_some(()));

    // And its end: destroyed first, then its configuration goes.
    let request = ask(&served, about(RequestKind::Retire, "sandbox-trial", "plat-ue2-dev", json!({}))).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    let check = request.check.as_ref().expect("checked");
    assert!(check.plans[0].summary.destroy > 0);
    assert!(!served.git(&["show", "HEAD:stacks/orgs/harbor/plat/dev/us-east-2.yaml"]).contains("sandbox-trial"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_in_production_waits_and_then_exactly_its_plan_is_applied() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(alone);
    let request =
        ask(&served, about(RequestKind::Change, "orders-db", "plat-ue2-prod", json!({"vars.size": "medium"}))).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    let check = request.check.as_ref().expect("checked");
    assert_eq!(check.verdict.approvals[0].code, "protected-stage");
    assert!(
        check.files[0].diff.contains("-        size: large") && check.files[0].diff.contains("+        size: medium")
    );

    // The plan is swapped on the disk: what was shown is not what would be applied.
    let plan = served.state().join("runs").join(check.plans[0].run.to_string()).join("plan.sealed");
    let bytes = std::fs::read(&plan).expect("the plan");
    std::fs::write(&plan, [&bytes[..], b"x"].concat()).expect("swapped");
    let void = served.client.approve_request(1, &word(&request)).await.expect_err("another plan");
    assert_eq!(code(&void), "approval-void");
    assert!(void.to_string().contains("the plan"), "{void}");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    served.client.approve_request(1, &word(&request)).await.expect("agreed");
    let request = rest(&served, 1).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    let verdict =
        served.client.run_verdict(terrace::domain::id::RunRef::Id(request.check.expect("checked").plans[0].run)).await;
    assert_eq!(verdict.expect("kept with the run").outcome, Outcome::Allow);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_gates_are_in_force_a_yes_is_not_enough() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(|root| {
        strict(root);
        rule(root, "caches", NO_CACHES);
    });
    let apply = |component: &str, stack: &str, yes: bool| {
        let mut request = crate::runs_served::asks(RunKind::Apply, component, stack);
        request.yes = yes;
        request
    };
    let served = &served;
    let end = |request: terrace::domain::run::RunRequest| async move {
        let run = served.client.start_run(&request, None).await.expect("accepted");
        served.end(&run).await
    };
    // In development nothing stands against it: the yes that was given ahead counts once the plan was looked at.
    let run = end(apply("network", "plat-ue2-dev", true)).await;
    assert_eq!(run.state, terrace::domain::run::RunState::Succeeded, "{run:#?}");
    let run = end(apply("session-cache", "plat-ue2-dev", true)).await;
    assert_eq!(run.state, terrace::domain::run::RunState::Denied, "{run:#?}");
    assert!(run.reason.as_deref().is_some_and(|why| why.contains("caches are not made any more")), "{:?}", run.reason);
    let run = served.client.start_run(&apply("network", "plat-ue2-prod", true), None).await.expect("accepted");
    let run = served.until(&run, terrace::domain::run::RunState::AwaitingApproval).await;
    assert!(run.reason.as_deref().is_some_and(|why| why.contains("protected stage")), "{:?}", run.reason);
    // Also one who confirms by hand.
    let run = served.client.start_run(&apply("network", "plat-ew1-prod", false), None).await.expect("accepted");
    let run = served.until(&run, terrace::domain::run::RunState::AwaitingConfirmation).await;
    let which = terrace::domain::id::RunRef::Id(run.id);
    let waits = served.client.confirm(which, run.plan_digest.clone()).await.expect("others are asked");
    assert_eq!(waits.state, terrace::domain::run::RunState::AwaitingApproval, "{waits:#?}");
    let again = served.client.confirm(which, run.plan_digest.clone()).await.expect_err("it is theirs to say");
    assert_eq!(code(&again), "approval-needed", "{again}");
    let estimate = served.client.run_estimate(which).await.expect("kept with the run");
    assert!(estimate.unknown.is_empty());

    // A scanner's findings stay with the run.
    let sarif = json!({"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "tflint"}},
        "results": [{"ruleId": "unused", "level": "warning", "message": {"text": "a variable is not used"}}]}]});
    for _ in 0..2 {
        let found = served.client.attach_findings(which, sarif.to_string().into_bytes()).await.expect("attached");
        assert_eq!(found.len(), 1);
    }
    assert_eq!(served.client.run_findings(which).await.expect("kept")[0].rule, "unused");
    assert_eq!(code(&served.client.attach_findings(which, b"{}".to_vec()).await.expect_err("no SARIF")), "invalid-run");
}
