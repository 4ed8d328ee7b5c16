//! Each kind of request to its end, and the golden paths with what they begin with.

use serde_json::{Value, json};
use terrace::api::types::PreviewRequest;
use terrace::domain::golden_path::InstanceAction;
use terrace::domain::policy::Outcome;
use terrace::domain::request::{Request, RequestKind, RequestState, Wish};
use terrace::domain::run::RunKind;

use crate::requests::{about, alone, ask, asked, code, provision, wish};
use crate::support::ground::{commit, git, put, word};
use crate::support::host::{DEADLINE, eventually};
use crate::support::platform::no_terraform;
use crate::support::served::Served;

/// Agrees to a request that waits, and waits until it has come to rest.
async fn agree(served: &Served, request: &Request) -> Request {
    assert_eq!(request.state, RequestState::PendingApproval, "{request:#?}");
    served.client.approve_request(request.number, &word(request)).await.expect("agreed");
    crate::requests::rest(served, request.number).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_raised_where_it_is_written_and_an_exception_says_why() {
    let served = Served::start_after(alone);
    let teams = |served: &Served| served.git(&["show", "HEAD:platform/teams.yaml"]);
    let before = teams(&served);
    let request = ask(&served, wish(RequestKind::Budget, json!({"team": "orders", "amount": 4500}))).await;
    assert_eq!(request.title, "Budget 'orders': 4500 instead of 4000");
    let request = agree(&served, &request).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert_eq!(teams(&served), before.replace("amount: 4000", "amount: 4500"), "nothing else changed");
    let merged = served.git(&["log", "-1", "--format=%(trailers:key=Terrace-Request,valueonly)"]);
    assert_eq!(merged.trim(), "1");

    let lift = wish(RequestKind::Budget, json!({"team": "orders", "exception": true}));
    let request = ask(&served, lift).await;
    let request = agree(&served, &request).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    let rules = served.git(&["show", "HEAD:platform/policies.yaml"]);
    assert!(rules.contains("rule: cost-limit") && rules.contains("reason: a story"), "{rules}");

    for (inputs, wanted) in [
        (json!({"team": "order", "amount": 1}), "unknown-team"),
        (json!({"team": "orders", "amount": "much"}), "budget-invalid"),
        (json!({"team": "orders", "amount": -1}), "budget-invalid"),
        (json!({"team": "platform", "budget": "a year", "amount": 1}), "budget-invalid"),
        (json!({"team": "orders", "amount": 4500}), "nothing-changes"),
        (json!({"team": "orders", "sum": 1}), "budget-invalid"),
    ] {
        let error = served.client.new_request(&asked(wish(RequestKind::Budget, inputs))).await.expect_err(wanted);
        assert_eq!(code(&error), wanted, "{error}");
    }
    let silent = Wish { reason: None, ..wish(RequestKind::Budget, json!({"team": "orders", "exception": true})) };
    assert_eq!(code(&served.client.new_request(&asked(silent)).await.expect_err("no reason")), "reason-missing");
    assert_eq!(served.git(&["status", "--porcelain"]), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_named_remote_is_pushed_to_and_what_fails_there_is_said() {
    let origin = tempfile::tempdir().expect("a folder");
    let bare = origin.path().join("origin.git");
    let at = bare.display().to_string();
    let wish = |amount: u32| wish(RequestKind::Budget, json!({"team": "orders", "amount": amount}));
    let served = Served::start_after(|root| {
        alone(root);
        git(root, &["init", "-q", "--bare", &at]);
        git(root, &["remote", "add", "origin", &at]);
        git(root, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
    });
    let refs = || {
        let format = "--format=%(refname:short) %(contents:trailers:key=Terrace-Request,valueonly)";
        let mut git = std::process::Command::new("git");
        let output = git.arg("-C").arg(&bare).args(["for-each-ref", format]).output().expect("git");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let request = ask(&served, wish(4500)).await;
    assert_eq!(agree(&served, &request).await.state, RequestState::Fulfilled);
    assert_eq!(refs(), "main", "nothing is pushed unless a remote is named");

    let command = "printf '%s %s' \"$TERRACE_BRANCH\" \"$TERRACE_TITLE\" > .git/pull-request";
    let settings = format!("remote: {{name: origin, pull_request: '{}'}}\n", command.replace('\'', "''"));
    let commit = |text: &str, why: &str| {
        std::fs::write(served.root().join("platform/terrace.yaml"), text).expect("written");
        served.git(&["add", "-A"]);
        served.git(&["commit", "-qm", why]);
    };
    commit(&settings, "Name a remote");
    let request = ask(&served, wish(4600)).await;
    eventually("the branch is there", || (refs().contains("terrace/request-2 2")).then_some(()));
    let opened = served.root().join(".git/pull-request");
    eventually("a pull request is opened", || {
        (std::fs::read_to_string(&opened).is_ok_and(|said| said.contains("4600"))).then_some(())
    });
    assert!(std::fs::read_to_string(&opened).expect("opened").starts_with("terrace/request-2 Budget"));
    assert_eq!(agree(&served, &request).await.state, RequestState::Fulfilled);
    eventually("it is merged there and its branch gone", || (refs() == "main 2").then_some(()));

    commit("remote: {name: upstream}\n", "Name one that is not there");
    let request = ask(&served, wish(4700)).await;
    assert_eq!(request.state, RequestState::PendingApproval, "a remote is nothing that a request waits for");
    let begin = std::time::Instant::now();
    let said = loop {
        let now = served.client.show_request(request.number).await.expect("there");
        if let Some(comment) = now.comments.first() {
            break comment.text.clone();
        }
        assert!(begin.elapsed() < DEADLINE, "nobody says that it failed");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(said.contains("could not push to upstream"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_asked_for_is_planned_judged_and_applied() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    let apply =
        Wish { run: Some(RunKind::Apply), ..about(RequestKind::Run, "session-cache", "plat-ue2-dev", json!({})) };
    let request = ask(&served, apply).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert_eq!((request.runs.len(), request.merged.as_deref()), (1, None), "nothing was committed");
    assert!(!request.outputs.is_empty());

    // In production somebody agrees first; on a machine of one person their own word counts, and is marked.
    let prod = Wish { run: Some(RunKind::Apply), ..about(RequestKind::Run, "network", "plat-ue2-prod", json!({})) };
    let request = ask(&served, prod).await;
    let request = agree(&served, &request).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert!(request.decisions[0].self_attested);

    let destroy =
        Wish { run: Some(RunKind::Destroy), ..about(RequestKind::Run, "session-cache", "plat-ue2-dev", json!({})) };
    let request = ask(&served, destroy).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    let check = request.check.as_ref().expect("checked");
    assert_eq!(check.instances[0].action, InstanceAction::Remove);
    assert!(check.plans[0].summary.destroy > 0);
    assert!(request.outputs.is_empty(), "of what is gone nothing is handed over");
    let times = served.client.request_times().await.expect("times");
    assert_eq!((times.fulfilled, times.changes, times.changes_through_requests), (3, 3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_hands_over_what_its_owner_needs_and_masks_its_secrets() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    let inputs = json!({"name": "tides", "stack": "plat-ue2-dev", "team": "orders"});
    let request = ask(&served, provision("postgres-database", inputs)).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    let masked: Vec<_> = request.outputs.iter().filter(|output| output.sensitive).collect();
    assert!(!masked.is_empty() && masked.len() < request.outputs.len(), "{:#?}", request.outputs);
    for output in &masked {
        assert_eq!(output.value, Value::Null);
        assert!(output.read_it.as_deref().is_some_and(|how| how.contains("tides-db -s plat-ue2-dev")), "{output:?}");
    }
    // Nothing of them is left on the disk in clear beside the state.
    let run = served.state().join("runs").join(request.runs[0].to_string());
    assert!(!run.join("outputs.json").exists() && !run.join("plan.tfplan").exists());

    // A change of it, in a stage that is not protected, needs nobody.
    let larger = about(RequestKind::Change, "tides-db", "plat-ue2-dev", json!({"vars.storage.gb": 40}));
    let request = ask(&served, larger).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert!(served.git(&["show", "HEAD:stacks/orgs/harbor/plat/dev/us-east-2.yaml"]).contains("gb: 40"));

    // And its end: what depends on Git is destroyed before its configuration goes.
    let request = ask(&served, about(RequestKind::Retire, "tides-db", "plat-ue2-dev", json!({}))).await;
    assert_eq!(request.state, RequestState::Fulfilled, "{request:#?}");
    assert!(!served.git(&["show", "HEAD:stacks/orgs/harbor/plat/dev/us-east-2.yaml"]).contains("tides"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_defaults_of_every_golden_path_pass_the_built_in_policies() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    for path in served.client.golden_paths().await.expect("golden paths") {
        let mut given = json!({"name": "tides"});
        for (name, value) in [("stack", json!("plat-ue2-dev")), ("team", json!("orders"))] {
            if path.inputs.requires(name) {
                given[name] = value;
            }
        }
        if path.name == "new-team" {
            given =
                json!({"name": "tides", "description": "When to sail", "members": ["noor"], "components": ["tides-*"]});
        } else if path.name == "new-environment" {
            given = json!({});
        }
        let form = PreviewRequest { wish: provision(&path.name, given), plan: true, env: asked(team()).env };
        let preview =
            served.client.preview_request(&form).await.unwrap_or_else(|error| panic!("{}: {error}", path.name));
        assert_eq!(preview.problems, [], "{}", path.name);
        let Some(verdict) = preview.verdict else {
            assert_eq!(path.name, "new-team", "only a team plans nothing");
            continue;
        };
        assert_eq!(verdict.findings, [], "{}", path.name);
        assert_ne!(verdict.outcome, Outcome::Deny, "{}", path.name);
        assert!(preview.price.is_some_and(|price| price.is_known()), "{}", path.name);
    }
    assert_eq!(served.git(&["status", "--porcelain"]), "");
    assert_eq!(served.git(&["worktree", "list"]).lines().count(), 1);
}

fn team() -> Wish {
    wish(RequestKind::Provision, json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_break_the_rules_themselves_is_refused() {
    let served = Served::start_after(|root| {
        let template = "title: Odd\ninputs: {name: {type: string}}\nwrites:\n  - edit: platform/teams.yaml\n    append:\n      - at: [teams]\n        value: {name: \"{{ name }}\", chief: nobody}\n";
        put(root, "platform/golden-paths/odd/template.yaml", template);
        commit(root, "An odd golden path");
    });
    let error =
        served.client.new_request(&asked(provision("odd", json!({"name": "tides"})))).await.expect_err("broken");
    assert_eq!(code(&error), "rules-broken", "{error}");
    assert!(error.to_string().contains("chief"), "{error}");
}
