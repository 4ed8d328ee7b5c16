//! Budgets and quotas hold: in the preview, in the verdict of a request, at its approval, and before any run applies.

use std::path::Path;

use serde_json::json;
use terrace::api::types::PreviewRequest;
use terrace::domain::id::RunRef;
use terrace::domain::policy::Outcome;
use terrace::domain::request::{RequestKind, RequestState};
use terrace::domain::run::{RunKind, RunState};

use crate::requests::{about, ask, asked, provision, rest, wish};
use crate::support::ground::{commit, put, rule, settings, word};
use crate::support::home::until;
use crate::support::platform::no_terraform;
use crate::support::served::Served;

/// A cache of 256 MB costs 51.20 a month: one is past the warning and the approval, two are past the budget.
const TEAMS: &str = "\
teams:
  - name: orders
    members: [jonas]
    approvers: [jonas]
    components: ['sandbox-*', session-cache]
    budgets:
      - {amount: 100, thresholds: {warn: 40, approve: 50, refuse: 100}}
    quota: {components: {bucket: 1}}
";
const PRICES: &str = "\
version: 1
rules:
  - resource: terraform_data
    components:
      - {name: memory, unit: MB, quantity: input.memory_mb ?? 0, price: 0.2}
";

fn poor(root: &Path) {
    put(root, "platform/teams.yaml", TEAMS);
    put(root, "platform/prices.yaml", PRICES);
    settings(root, "self_approval: solo");
}

fn sandbox(name: &str) -> terrace::domain::request::Wish {
    provision("sandbox", json!({"name": name, "stack": "plat-ue2-dev"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_requests_that_fit_only_one_by_one_the_second_is_refused() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(poor);
    let env = asked(wish(RequestKind::Provision, json!({}))).env;
    let form = PreviewRequest { wish: sandbox("one"), plan: true, env };
    let verdict = served.client.preview_request(&form).await.expect("a preview").verdict.expect("a verdict");
    assert_eq!(verdict.outcome, Outcome::NeedsApproval, "{verdict:#?}");
    let said = "committed 0.00 + reserved 0.00 + this 51.20 = 51.20 of 100.00 USD a month (51.2 %)";
    assert!(
        verdict.approvals.iter().any(|need| need.code == "budget-passed" && need.message.contains(said)),
        "{verdict:#?}"
    );

    let one = ask(&served, sandbox("one")).await;
    let two = ask(&served, sandbox("two")).await;
    for request in [&one, &two] {
        assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    }
    served.client.approve_request(one.number, &word(&one)).await.expect("agreed");
    // What the first reserved counts from that moment on, live or not.
    let refused = served.client.approve_request(two.number, &word(&two)).await.expect_err("it does not fit any more");
    assert_eq!(refused.code(), Some("budget-exceeded"));
    assert!(refused.to_string().contains("this 51.20 = 102.40 of 100.00 USD a month (102.4 %)"), "{refused}");
    assert_eq!(rest(&served, two.number).await.state, RequestState::PendingApproval);
    let one = rest(&served, one.number).await;
    assert_eq!(one.state, RequestState::Fulfilled, "{one:#?}");
    // What was reserved is live now, and counts once.
    let figures = served.client.budgets(None).await.expect("budgets");
    let money = |text: &str| Some(text.parse().expect("an amount"));
    assert_eq!((figures[0].committed.amount, figures[0].reserved.amount), (money("51.20"), money("0.00")));

    // A plain run passes no budget either: the arithmetic is why.
    let mut apply = crate::runs_served::asks(RunKind::Apply, "session-cache", "plat-ue2-dev");
    apply.yes = true;
    let run = served.client.start_run(&apply, None).await.expect("accepted");
    let run = served.end(&run).await;
    assert_eq!(run.state, RunState::Denied, "{run:#?}");
    // Its supervisor ends after it did, and says then how long its log is.
    until("the log is counted", || async {
        let run = served.client.run(RunRef::Id(run.id)).await.expect("there");
        (run.log_lines > 0).then_some(())
    })
    .await;
    assert!(
        run.reason.as_deref().is_some_and(|why| why.contains("it does not fit budget 'orders': committed 51.20")),
        "{:?}",
        run.reason
    );

    // A larger budget is asked for, agreed to and merged; then it fits.
    let more = ask(&served, wish(RequestKind::Budget, json!({"team": "orders", "amount": 300}))).await;
    assert_eq!(more.state, RequestState::PendingApproval, "{more:#?}");
    let check = more.check.as_ref().expect("checked");
    assert!(check.files[0].diff.contains("+      - {amount: 300, thresholds"), "{}", check.files[0].diff);
    served.client.approve_request(more.number, &word(&more)).await.expect("agreed");
    assert_eq!(rest(&served, more.number).await.state, RequestState::Fulfilled);
    let run = served.client.start_run(&apply, None).await.expect("accepted");
    assert_eq!(served.end(&run).await.state, RunState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exception_lifts_the_limit_of_its_team_and_policies_see_what_is_in_use() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(|root| {
        poor(root);
        put(root, "platform/teams.yaml", &TEAMS.replace("amount: 100", "amount: 40"));
        let seen = "package terrace.plan.seen\n\nwarn contains text if {\n\ttext := sprintf(\"%s may use %s, %d runs before\", \
                    [input.budget.team, input.budget.limit.amount, count(input.history)])\n}\n";
        rule(root, "seen", seen);
        commit(root, "Have less");
    });
    let env = asked(wish(RequestKind::Provision, json!({}))).env;
    let form = PreviewRequest { wish: sandbox("one"), plan: true, env };
    let verdict = served.client.preview_request(&form).await.expect("a preview").verdict.expect("a verdict");
    let codes: Vec<&str> = verdict.denials().map(|finding| finding.code.as_str()).collect();
    assert_eq!(
        (verdict.outcome, codes),
        (Outcome::Deny, vec!["budget-exceeded"]),
        "one cause is said once: {verdict:#?}"
    );
    let seen = |text: &str| verdict.warnings().any(|finding| finding.message == text);
    assert!(seen("orders may use 40.00, 0 runs before"), "{verdict:#?}");

    let lift = ask(&served, wish(RequestKind::Budget, json!({"team": "orders", "exception": true}))).await;
    served.client.approve_request(lift.number, &word(&lift)).await.expect("agreed");
    assert_eq!(rest(&served, lift.number).await.state, RequestState::Fulfilled);
    let verdict = served.client.preview_request(&form).await.expect("a preview").verdict.expect("a verdict");
    assert_eq!(verdict.denials().count(), 0, "{verdict:#?}");
    let lifted = verdict.warnings().find(|finding| finding.code == "budget-warning").expect("it is still said");
    assert!(lifted.message.contains("its limit is lifted: a story"), "{}", lifted.message);
    let request = ask(&served, sandbox("one")).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_refuses_what_is_one_too_many_and_what_has_expired_is_asked_to_go() {
    if no_terraform() {
        return;
    }
    let mut served = Served::start_after(|root| {
        poor(root);
        let teams = TEAMS.replace("amount: 100,", "amount: 10000,").replace("bucket: 1", "cache: 0");
        std::fs::write(root.join("platform/teams.yaml"), teams).expect("written");
        commit(root, "Have no caches");
    });
    let request = ask(&served, sandbox("one")).await;
    assert_eq!(request.state, RequestState::NeedsChanges, "{request:#?}");
    let why = request.reason.as_deref().unwrap_or_default();
    assert!(why.contains("it does not fit the quota of orders: ") && why.contains(" of 0 component cache"), "{why}");
    // What is there already may change.
    let change = about(RequestKind::Change, "session-cache", "plat-ue2-dev", json!({"vars.memory_mb": 128}));
    assert_eq!(ask(&served, change).await.state, RequestState::Fulfilled);
    // A larger quota is asked for, agreed to and merged; then it fits.
    for (quota, said) in [
        (json!({"team": "orders", "quota.ferries": 9}), "there is no quota 'ferries'"),
        (json!({"team": "orders", "quota.instances": "many"}), "is no quota of instances"),
        (json!({"team": "orders", "quota.stages": 9, "amount": 5}), "either a quota or 'amount'"),
    ] {
        let asked = asked(wish(RequestKind::Budget, quota));
        let refused = served.client.new_request(&asked).await.expect_err("it is wrong");
        assert!(refused.to_string().contains(said), "{refused}");
    }
    let more = json!({"team": "orders", "quota.components.cache": 90, "quota.instances": 900});
    let more = ask(&served, wish(RequestKind::Budget, more)).await;
    assert_eq!(more.state, RequestState::PendingApproval, "{more:#?}");
    assert_eq!(more.title, "Quota of orders: components.cache 90 instead of 0, instances 900 instead of no limit");
    served.client.approve_request(more.number, &word(&more)).await.expect("agreed");
    assert_eq!(rest(&served, more.number).await.state, RequestState::Fulfilled);
    let text = std::fs::read_to_string(served.root().join("platform/teams.yaml")).expect("teams");
    assert!(text.contains("cache: 90") && text.contains("instances: 900"), "{text}");
    assert_eq!(ask(&served, sandbox("one")).await.state, RequestState::Fulfilled);

    // Its time ends: the platform asks for its end by itself, once, and somebody has to agree.
    let over = json!({"settings.expires_on": "2024-02-29"});
    let over = ask(&served, about(RequestKind::Change, "sandbox-one", "plat-ue2-dev", over)).await;
    assert_eq!(over.state, RequestState::Fulfilled, "{over:#?}");
    for _ in 0..2 {
        served.kill_and_serve_again();
        let begin = std::time::Instant::now();
        let retire = loop {
            let found = served.client.requests(None, 50).await.expect("a list");
            // It is written first, and sent after that: also by the next platform, where this one is killed in between.
            let mut retire = found.into_iter().filter(|request| request.kind == RequestKind::Retire);
            if let Some(request) = retire.next().filter(|request| request.state != RequestState::Draft) {
                assert_eq!(retire.next(), None);
                break request;
            }
            assert!(begin.elapsed() < crate::support::host::DEADLINE, "nobody asked for its end");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let retire = rest(&served, retire.number).await;
        assert_eq!(retire.state, RequestState::PendingApproval, "{retire:#?}");
        let check = retire.check.as_ref().expect("checked");
        assert!(check.verdict.approvals.iter().any(|need| need.code == "asked-by-platform"), "{check:#?}");
        assert_eq!(retire.wish().and_then(|wish| wish.reason.as_deref()), Some("its time ended on 2024-02-29"));
    }
}
