//! Secrets: a person's environment stays with the supervisor, and what Terraform masks stays masked.

use std::path::Path;

use terrace::domain::id::RunRef;
use terrace::domain::run::{Run, RunKind, RunRequest, RunState};

use crate::runs_served::asks;
use crate::support::ground::put;
use crate::support::host::eventually;
use crate::support::platform::no_terraform;
use crate::support::served::Served;

const SECRET: &str = "hunter2-9f41c0aa";

/// Returns the files below a folder that hold a text.
pub(crate) fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().expect("a type");
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).unwrap_or_default();
                if bytes.windows(text.len()).any(|part| part == text.as_bytes()) {
                    found.push(entry.path().display().to_string());
                }
            }
        }
    }
    found
}

/// A component that takes a secret, uses it, and gives it back.
fn add_vault(root: &Path) {
    let text = "variable \"password\" {\n  type = string\n  sensitive = true\n}\nresource \"terraform_data\" \"it\" {\n  input = { user = \"u\", password = var.password }\n}\noutput \"password\" {\n  value = var.password\n  sensitive = true\n}\n";
    put(root, "components/terraform/vault/main.tf", text);
    let stack = "vars: {tenant: plat, environment: far, stage: dev}\ncomponents:\n  terraform:\n    vault: {}\n";
    put(root, "stacks/orgs/harbor/vault.yaml", stack);
    let settings = "credentials:\n  - stacks: [\"plat-far-*\"]\n    check: test \"$AWS_PROFILE\" = good && test \"$TERRACE_STACK\" = plat-far-dev\n    login: aws sso login\n";
    put(root, "platform/terrace.yaml", settings);
}

fn with(kind: RunKind, profile: &str) -> RunRequest {
    let mut request = asks(kind, "vault", "plat-far-dev");
    request.env.insert("AWS_PROFILE".to_owned(), profile.to_owned());
    request.env.insert("AWS_SECRET_ACCESS_KEY".to_owned(), SECRET.to_owned());
    request.env.insert("NOT_ON_THE_LIST".to_owned(), SECRET.to_owned());
    request.set_env.insert("TF_VAR_password".to_owned(), SECRET.to_owned());
    request
}

async fn start(served: &Served, request: &RunRequest) -> Run {
    served.client.start_run(request, None).await.expect("accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_is_kept_by_the_supervisor_alone_and_secrets_stay_masked() {
    if no_terraform() {
        return;
    }
    let served = Served::start_after(add_vault);
    let plan = start(&served, &with(RunKind::Plan, "good")).await;
    let plan = served.end(&plan).await;
    assert_eq!(plan.state, RunState::Succeeded, "{plan:#?}");
    assert_eq!(plan.steps[0].name, "credentials");
    eventually("nothing of a plan is left that holds the secret", || {
        holding(served.state(), SECRET).is_empty().then_some(())
    });
    let kept = served.state().join("runs").join(plan.id.to_string()).join("plan.json");
    let kept = std::fs::read_to_string(kept).expect("the plan is kept");
    assert!(kept.contains("(sensitive value)") && kept.contains("resource_changes"), "{kept}");

    let apply = start(&served, &with(RunKind::Apply, "good")).await;
    let apply = served.until(&apply, RunState::AwaitingConfirmation).await;
    // While it waits, the plan file itself has to hold it; Terraform packs it, so it is not found by reading.
    assert_eq!(holding(served.state(), SECRET), Vec::<String>::new());
    served.client.confirm(RunRef::Id(apply.id), apply.plan_digest.clone()).await.expect("confirmed");
    let apply = served.end(&apply).await;
    assert_eq!(apply.state, RunState::Succeeded, "{apply:#?}");
    let folder = served.state().join("runs").join(apply.id.to_string());
    eventually("the plan file is gone", || (!folder.join("plan.tfplan").exists()).then_some(()));
    assert_eq!(holding(served.state(), SECRET), Vec::<String>::new());
    let (runs, events) = (served.client.recent_runs(10).await, served.client.recent_events(1000).await);
    let told = format!("{:?} {:?} {}", runs.expect("runs"), events.expect("events"), served.said());
    assert!(told.contains("vault") && !told.contains(SECRET), "a secret is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_expired_are_noticed_before_anything_is_done() {
    let served = Served::start_after(add_vault);
    let run = served.end(&start(&served, &with(RunKind::Apply, "expired")).await).await;
    assert_eq!(run.state, RunState::NeedsCredentials, "{run:#?}");
    assert_eq!(run.next.as_deref(), Some("aws sso login, then terrace runs retry 1"));
    assert_eq!(run.commands.len(), 1, "nothing ran but the check: {:#?}", run.commands);
    assert!(run.reason.as_deref().is_some_and(|why| why.contains("nothing was changed")), "{run:#?}");
    assert_eq!(holding(served.state(), SECRET), Vec::<String>::new());
}
