//! Runs on the demo estate, through client, server, SQLite, supervisor and real Terraform.

use futures::TryStreamExt as _;
use serde_json::json;
use terrace::api::types::RetryRequest;
use terrace::domain::id::RunRef;
use terrace::domain::run::{DriverKind, PlanSummary, Run, RunKind, RunRequest, RunState, SetRequest};

use crate::support::platform::no_terraform;
use crate::support::served::Served;

/// What a person asks for from a shell.
pub(crate) fn asks(kind: RunKind, component: &str, stack: &str) -> RunRequest {
    let mut request: RunRequest =
        serde_json::from_value(json!({"kind": kind, "component": component, "stack": stack})).expect("a request");
    request.env = std::env::vars().collect();
    request.env.insert("ATMOS_BIN".to_owned(), "none".to_owned());
    request
}

async fn log(served: &Served, run: &Run) -> String {
    let mut bytes = Vec::new();
    let mut stream = Box::pin(served.client.follow_log(RunRef::Id(run.id), 0));
    while let Some(piece) = stream.try_next().await.expect("a log") {
        bytes.extend_from_slice(&piece);
    }
    String::from_utf8(bytes).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_of_the_demo_is_planned_confirmed_and_applied() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    let plan = served.client.start_run(&asks(RunKind::Plan, "network", "plat-ue2-dev"), Some("once")).await;
    let plan = plan.expect("accepted");
    let twice = served.client.start_run(&asks(RunKind::Plan, "network", "plat-ue2-dev"), Some("once")).await;
    assert_eq!(twice.expect("the same").id, plan.id);
    let text = log(&served, &plan).await;
    let plan = served.end(&plan).await;
    assert_eq!((plan.state, plan.driver), (RunState::Succeeded, DriverKind::Terraform), "{plan:#?}\n{text}");
    let PlanSummary { add, change, destroy, .. } = plan.summary.expect("a summary");
    assert!(add > 0 && change == 0 && destroy == 0);
    assert!(text.contains(&format!(" {add} to add, 0 to change, 0 to destroy.")), "{text}");
    assert_eq!(plan.log_bytes, text.len() as u64);

    let apply =
        served.client.start_run(&asks(RunKind::Apply, "network", "plat-ue2-dev"), None).await.expect("accepted");
    let apply = served.until(&apply, RunState::AwaitingConfirmation).await;
    assert_eq!(apply.next.as_deref(), Some("terrace runs confirm 2"));
    served.client.confirm(RunRef::Number(2), apply.plan_digest.clone()).await.expect("confirmed");
    let apply = served.end(&apply).await;
    assert_eq!(apply.state, RunState::Succeeded, "{apply:#?}\n{}", log(&served, &apply).await);
    let again =
        served.client.start_run(&asks(RunKind::Apply, "network", "plat-ue2-dev"), None).await.expect("accepted");
    assert_eq!(served.end(&again).await.state, RunState::NoChanges);
    assert_eq!(served.git(&["status", "--porcelain", "--untracked-files=no"]), "", "tracked files are untouched");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_platform_process_is_killed_in_the_middle_of_an_apply_of_the_demo() {
    if no_terraform() {
        return;
    }
    let mut served = Served::start();
    let yes = RunRequest { yes: true, ..asks(RunKind::Apply, "cluster", "plat-ue2-dev") };
    let run = served.client.start_run(&yes, None).await.expect("accepted");
    let run = served.until(&run, RunState::Applying).await;
    served.kill_and_serve_again();
    let text = log(&served, &run).await;
    let run = served.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}\n{text}");
    assert!(text.contains("Apply complete!"), "{text}");
    let on_disk = std::fs::read(served.state().join("runs").join(run.id.to_string()).join("log")).expect("a log");
    assert_eq!(text.as_bytes(), on_disk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_says_what_changed_since_the_last_successful_apply() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    let yes = RunRequest { yes: true, ..asks(RunKind::Apply, "network", "plat-ue2-dev") };
    let applied = served.client.start_run(&yes, None).await.expect("accepted");
    let applied = served.end(&applied).await;
    assert_eq!(applied.state, RunState::Succeeded, "{applied:#?}");
    let first = served.client.since(RunRef::Id(applied.id)).await.expect("compared");
    assert_eq!((first.applied, first.notes.len()), (None, 1), "nothing was applied before");

    let file = "stacks/catalog/network.yaml";
    let text = std::fs::read_to_string(served.root().join(file)).expect("a file");
    let line = text.lines().position(|line| line.contains("nat:")).expect("a line");
    let changed = text.replace("nat: false", "nat: true");
    assert_ne!(changed, text);
    std::fs::write(served.root().join(file), &changed).expect("written");
    let now = served.client.since_applied("network", "plat-ue2-dev").await.expect("compared");
    assert!(now.to.dirty && now.commits.is_empty());
    assert_eq!(now.values[0].author, None, "nobody committed it: {now:#?}");
    served.git(&["commit", "-qam", "Give networks a way out"]);

    let plan = served.client.start_run(&asks(RunKind::Plan, "network", "plat-ue2-dev"), None).await.expect("accepted");
    let plan = served.end(&plan).await;
    let since = served.client.since(RunRef::Id(plan.id)).await.expect("compared");
    assert_eq!(since.applied.as_ref().map(|run| run.number), Some(1));
    let commits: Vec<_> =
        since.commits.iter().map(|commit| (commit.author.as_str(), commit.subject.as_str())).collect();
    assert_eq!(commits, [("Aiko", "Give networks a way out")]);
    assert_eq!(since.other_commits, 0);
    let [value] = since.values.as_slice() else { panic!("one value: {:#?}", since.values) };
    assert_eq!((&value.before, &value.after), (&Some(json!(false)), &Some(json!(true))));
    let source = value.source.as_ref().expect("a line");
    assert_eq!((source.file.as_str(), source.line as usize), (file, line + 1));
    assert_eq!(value.author.as_deref(), Some("Aiko"));
    assert_eq!(value.commit.as_deref(), Some(since.commits[0].id.as_str()));
    assert_eq!(since.lately.iter().map(|run| run.number).collect::<Vec<_>>(), [1]);

    let with = RetryRequest { env: yes.env.clone(), ..RetryRequest::default() };
    let again = served.client.retry(RunRef::Id(plan.id), &with).await.expect("accepted");
    assert_eq!(again.differs, ["nothing: the same commit, configuration and tools"]);
    served.end(&again).await;
    std::fs::write(served.root().join(file), &text).expect("written");
    let again = served.client.retry(RunRef::Id(plan.id), &with).await.expect("accepted");
    assert!(
        again.differs[0].contains("not committed") && again.differs[1].contains("true → false"),
        "{:?}",
        again.differs
    );
    assert_eq!(served.end(&again).await.state, RunState::NoChanges);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_of_the_platform_s_terminal_changes_nothing_for_a_run() {
    let mut served = Served::start();
    let request: RunRequest = serde_json::from_value(json!({
        "kind": "workflow", "workflow": "greet", "workflow_file": "practice", "driver": "terraform",
        "env": {"PATH": std::env::var("PATH").expect("a path")}
    }))
    .expect("a request");
    let run = served.client.start_run(&request, None).await.expect("accepted");
    // On a busy machine it may have ended by now, which is as well.
    let run = served.wait(&run, "it runs", |run| run.state == RunState::Running || run.state.is_end()).await;
    served.hang_up_and_serve_again();
    let text = log(&served, &run).await;
    let run = served.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!(text, "nothing is wrong\nnothing needs to change\ndone\n");
    let counted = served.metrics();
    assert!(counted.contains("terrace_runs{kind=\"workflow\",state=\"succeeded\"} 1"), "{counted}");
    assert!(
        counted.contains("terrace_run_duration_seconds_count{kind=\"workflow\",state=\"succeeded\"} 1"),
        "{counted}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_atmos_refuses_as_a_whole_is_said_before_anything_starts() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(|root| {
        std::fs::write(root.join("stacks/orgs/harbor/broken.yaml"), "import: [no/such/file]\n").expect("written");
    });
    let mut request = asks(RunKind::Plan, "network", "plat-ue2-dev");
    request.env.insert("ATMOS_BIN".to_owned(), "/bin/true".to_owned());
    let refused = served.client.start_run(&request, None).await.expect_err("refused");
    assert_eq!(refused.code(), Some("atmos-refuses"), "{refused}");
    assert!(refused.to_string().contains("no/such/file"), "{refused}");
    assert!(refused.hint().is_some_and(|hint| hint.contains("--driver terraform")), "{refused:?}");
    request.driver = Some(DriverKind::Terraform);
    let run = served.client.start_run(&request, None).await.expect("accepted");
    let run = served.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_affected_since_a_commit_is_planned_as_a_set_in_order() {
    if no_terraform() {
        return;
    }
    let served = Served::start();
    let ask = |base: &str| -> SetRequest {
        let env = asks(RunKind::Plan, "x", "y").env;
        serde_json::from_value(json!({"kind": "plan", "affected_since": base, "stack": "plat-ue2-dev", "parallel": 1,
            "driver": "terraform", "env": env}))
        .expect("a request")
    };
    let nothing = served.client.start_set(&ask("HEAD")).await.expect_err("nothing is affected");
    assert_eq!(nothing.code(), Some("nothing-affected"), "{nothing}");
    for file in ["stacks/catalog/network.yaml", "stacks/catalog/database.yaml"] {
        let path = served.root().join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = text.replace("nat: false", "nat: true").replace("size: small", "size: medium");
        std::fs::write(&path, text).expect("written");
    }
    let set = served.client.start_set(&ask("HEAD")).await.expect("accepted");
    let names: Vec<&str> = set.runs.iter().filter_map(|run| run.component.as_deref()).collect();
    assert!(names.contains(&"network") && names.contains(&"orders-db"), "{names:?}");
    assert!(set.runs.iter().all(|run| run.stack.as_deref() == Some("plat-ue2-dev")), "{names:?}");
    let mut last = None;
    for run in &set.runs {
        let run = served.end(run).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        assert!(run.started_at > last, "one at a time, in order");
        last = run.ended_at;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_asks_is_answered_by_typing() {
    let served = Served::start();
    let atmos = served.root().with_file_name("atmos");
    let asking = "#!/bin/sh\n[ \"$1\" = version ] && { echo 'atmos 1.226.0'; exit 0; }\nprintf 'name? '; read name; echo \"hello $name\"\n";
    crate::program::program(&atmos, asking);
    let mut request = RunRequest::new(RunKind::Command);
    request.args = vec!["greet".to_owned()];
    request.interactive = true;
    request.env = asks(RunKind::Command, "x", "y").env;
    request.env.insert("ATMOS_BIN".to_owned(), atmos.display().to_string());
    let run = served.client.start_run(&request, None).await.expect("accepted");
    let run = served.wait(&run, "it asks", |run| run.log_bytes >= 6).await;
    served.client.input(RunRef::Id(run.id), &b"Mara\n"[..]).await.expect("typed");
    let run = served.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    let text = log(&served, &run).await;
    assert!(text.starts_with("name? ") && text.ends_with("hello Mara\r\n"), "{text:?}");
    let late = served.client.input(RunRef::Id(run.id), &b"again\n"[..]).await.expect_err("nobody reads it");
    assert!(late.to_string().contains("nothing reads what you type"), "{late}");
}
