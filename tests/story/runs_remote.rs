//! Runs on a remote backend: working copies, earlier commits, Terraform's own locks.

use std::path::Path;

use terrace::api::types::Unlock;
use terrace::domain::id::RunRef;
use terrace::domain::run::{Run, RunKind, RunRequest, RunState};

use crate::runs_served::asks;
use crate::runs_together::{count, told};
use crate::support::backend::Backend;
use crate::support::ground::{commit, put};
use crate::support::platform::no_terraform;
use crate::support::served::Served;

/// Adds two instances of one slow component, whose states are kept by the backend.
fn add_remote(root: &Path, backend: &Backend) {
    let write = |name: &str, text: &str| put(root, name, text);
    let one = |name: &str| {
        let address = backend.address(name);
        format!(
            "    {name}:\n      metadata: {{component: far}}\n      backend_type: http\n      backend: {{http: {{address: \"{address}\", lock_address: \"{address}\", unlock_address: \"{address}\"}}}}\n      vars: {{name: {name}}}\n"
        )
    };
    write(
        "components/terraform/far/main.tf",
        "variable \"tenant\" {}\nvariable \"environment\" {}\nvariable \"stage\" {}\nvariable \"name\" { type = string }\nresource \"terraform_data\" \"it\" {\n  input = var.name\n  provisioner \"local-exec\" { command = \"sleep 2\" }\n}\n",
    );
    write(
        "stacks/orgs/harbor/far.yaml",
        &format!(
            "vars: {{tenant: plat, environment: far, stage: dev}}\ncomponents:\n  terraform:\n{}{}",
            one("far-a"),
            one("far-b")
        ),
    );
    let atmos = std::fs::read_to_string(root.join("atmos.yaml")).expect("a file");
    let atmos = atmos.replace("auto_generate_backend_file: false", "auto_generate_backend_file: true");
    write("atmos.yaml", &atmos);
    let ignored = std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
    write(".gitignore", &format!("{ignored}\nbackend.tf.json\n*.terraform.tfvars.json\n.terraform\n"));
}

/// Serves the demo with what is far away, and with more, committed.
pub(crate) fn far_away(backend: &Backend, more: impl FnOnce(&Path)) -> Served {
    Served::start_after(|root| {
        add_remote(root, backend);
        more(root);
        commit(root, "Add what is far away");
    })
}

async fn start(served: &Served, request: &RunRequest) -> Run {
    served.client.start_run(request, None).await.expect("accepted")
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_one_component_go_in_parallel_in_copies_and_leave_none() {
    if no_terraform() {
        return;
    }
    // A machine under load may be through with the first before the second begins: then again, from nothing.
    let mut attempt = 0;
    let (backend, served, two, both) = loop {
        attempt += 1;
        let backend = Backend::start();
        let served = far_away(&backend, |_| {});
        let yes = |component: &str| RunRequest { yes: true, ..asks(RunKind::Apply, component, "plat-far-dev") };
        let (one, two) = (start(&served, &yes("far-a")).await, start(&served, &yes("far-b")).await);
        let both = [served.end(&one).await, served.end(&two).await];
        if both[1].started_at < both[0].ended_at || attempt == 5 {
            break (backend, served, two, both);
        }
    };
    for run in &both {
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
        assert!(!run.local_state);
    }
    assert!(both[0].copy.is_none(), "the first has the folder to itself: {:#?}", both[0]);
    assert_eq!(both[1].copy.as_deref(), Some(served.git(&["rev-parse", "HEAD"]).trim()), "{:#?}", both[1]);
    assert!(both[1].started_at < both[0].ended_at, "they went at the same time");
    assert!(backend.has_state("far-a") && backend.has_state("far-b"));
    assert!(!backend.is_locked("far-a") && !backend.is_locked("far-b"));
    let folder = served.state().join("runs").join(two.id.to_string());
    let copies = || served.git(&["worktree", "list"]).lines().count() - 1;
    crate::support::host::eventually("the copy is gone", || {
        (!folder.join("copy").exists() && copies() == 0).then_some(())
    });
    assert_eq!(served.git(&["status", "--porcelain"]), "", "nothing of a copy is left in the estate");
    assert_eq!(both[1].commands[0].folder, "components/terraform/far");

    // What was committed later does not count at the earlier commit.
    let first = served.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let file = served.root().join("stacks/orgs/harbor/far.yaml");
    let text = std::fs::read_to_string(&file).expect("a file");
    std::fs::write(&file, text.replace("name: far-a}", "name: renamed}")).expect("written");
    served.git(&["commit", "-qam", "Rename it"]);
    let now = served.end(&start(&served, &asks(RunKind::Plan, "far-a", "plat-far-dev")).await).await;
    assert_eq!(now.state, RunState::Succeeded, "{now:#?}");
    let then = RunRequest { commit: Some(first.clone()), ..asks(RunKind::Plan, "far-a", "plat-far-dev") };
    let then = served.end(&start(&served, &then).await).await;
    assert_eq!((then.state, then.copy.as_deref()), (RunState::NoChanges, Some(first.as_str())), "{then:#?}");
    assert_eq!(then.stood_on.commit.as_deref(), Some(first.as_str()));
    let local = RunRequest { commit: Some(first), ..asks(RunKind::Plan, "network", "plat-ue2-dev") };
    let refused = served.client.start_run(&local, None).await.expect_err("its state is local");
    assert!(refused.to_string().contains("component's folder"), "{refused}");
    crate::support::host::eventually("a refused run leaves no copy", || (copies() == 0).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_in_copies_equal_the_lone_ones() {
    if no_terraform() {
        return;
    }
    let backend = Backend::start();
    let served = far_away(&backend, |_| {});
    let yes = RunRequest { yes: true, ..asks(RunKind::Apply, "far-a", "plat-far-dev") };
    assert_eq!(served.end(&start(&served, &yes).await).await.state, RunState::Succeeded);
    // What lies in the folder differs from run to run; what is said of the plan does not.
    let said = |run: &Run| {
        let log = std::fs::read(served.state().join("runs").join(run.id.to_string()).join("log")).expect("a log");
        (told(&log), run.state, run.summary)
    };
    let plan = |component: &str| asks(RunKind::Plan, component, "plat-far-dev");
    let mut alone = std::collections::BTreeMap::new();
    for component in ["far-a", "far-b"] {
        let run = served.end(&start(&served, &plan(component)).await).await;
        alone.insert(component, said(&run));
    }
    assert_eq!((alone["far-a"].1, alone["far-b"].1), (RunState::NoChanges, RunState::Succeeded), "{alone:#?}");
    let mut runs = Vec::new();
    for at in 0..count() {
        let component = ["far-a", "far-b"][at % 2];
        runs.push((component, start(&served, &plan(component)).await));
    }
    let mut copied = 0;
    for (component, run) in runs {
        let run = served.end(&run).await;
        assert_eq!(said(&run), alone[component], "not what it is alone: {run:#?}");
        copied += usize::from(run.copy.is_some());
    }
    println!("{} plans equal the lone ones, {copied} of them in working copies", count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_terraform_is_told_and_undone_by_typing_its_id() {
    if no_terraform() {
        return;
    }
    let backend = Backend::start();
    let served = Served::start_after(|root| add_remote(root, &backend));
    backend.lock("far-a", "11111111-2222-3333-4444-555555555555", "mara@elsewhere");
    let run = served.end(&start(&served, &asks(RunKind::Plan, "far-a", "plat-far-dev")).await).await;
    assert_eq!(run.state, RunState::Failed, "{run:#?}");
    let lock = run.findings.iter().find_map(|finding| finding.lock.clone()).expect("a lock");
    // This backend says who tried in vain, and of who holds it only the id.
    assert_eq!((lock.id.as_str(), lock.who.as_str()), ("11111111-2222-3333-4444-555555555555", "somebody"));
    assert!(run.ways.iter().any(|way| way.command == format!("terrace runs unlock 1 {}", lock.id)), "{:?}", run.ways);
    let typed = |id: &str| Unlock { lock: id.to_owned(), env: asks(RunKind::Plan, "x", "y").env };
    let refused = served.client.unlock(RunRef::Number(1), &typed("11111111")).await.expect_err("another id");
    assert!(refused.to_string().contains("another id"), "{refused}");
    let unlocked = served.client.unlock(RunRef::Number(1), &typed(&lock.id)).await.expect("accepted");
    let unlocked = served.end(&unlocked).await;
    assert_eq!(unlocked.state, RunState::Succeeded, "{unlocked:#?}");
    assert!(!backend.is_locked("far-a"));
    let run = served.end(&start(&served, &asks(RunKind::Plan, "far-a", "plat-far-dev")).await).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_apply_offers_what_was_applied_last_and_a_retry_asks_again() {
    if no_terraform() {
        return;
    }
    let backend = Backend::start();
    let served = far_away(&backend, |_| {});
    let first = served.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let yes = RunRequest { yes: true, ..asks(RunKind::Apply, "far-a", "plat-far-dev") };
    assert_eq!(served.end(&start(&served, &yes).await).await.state, RunState::Succeeded);
    let file = served.root().join("components/terraform/far/main.tf");
    let text = std::fs::read_to_string(&file).expect("a file");
    let broken = "resource \"terraform_data\" \"more\" {\n  provisioner \"local-exec\" { command = \"exit 7\" }\n}\n";
    std::fs::write(&file, format!("{text}{broken}")).expect("written");
    served.git(&["commit", "-qam", "Break it"]);
    let failed = served.end(&start(&served, &yes).await).await;
    assert_eq!(failed.state, RunState::Failed, "{failed:#?}");
    let offered: Vec<&str> = failed.ways.iter().map(|way| way.command.as_str()).collect();
    let last = format!("terrace plan far-a -s plat-far-dev --commit {}", &first[..12]);
    assert_eq!(offered, ["terrace runs retry 2", last.as_str()], "{failed:#?}");
    let looked = RunRequest { commit: Some(first[..12].to_owned()), ..asks(RunKind::Plan, "far-a", "plat-far-dev") };
    let looked = served.end(&start(&served, &looked).await).await;
    assert_eq!(looked.state, RunState::Succeeded, "what failed is to be taken away again: {looked:#?}");
    std::fs::write(&file, format!("{text}# mended\n")).expect("written");
    let with = terrace::api::types::RetryRequest { env: yes.env.clone(), ..Default::default() };
    let again = served.client.retry(RunRef::Number(2), &with).await.expect("accepted");
    assert!(again.differs.iter().any(|what| what.contains("not committed")), "{:?}", again.differs);
    let again = served.until(&again, RunState::AwaitingConfirmation).await;
    assert_eq!(again.confirmed_by, None, "the yes of the first run is not said again");
    served.client.cancel(RunRef::Id(again.id)).await.expect("canceled");
    assert_eq!(served.end(&again).await.state, RunState::Canceled);
    assert!(!backend.is_locked("far-a"));
}
