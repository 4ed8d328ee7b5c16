//! Runs through the service with real Terraform.

use std::os::unix::fs::PermissionsExt as _;

use terrace::domain::id::{Digest, RunRef};
use terrace::domain::run::{PlanSummary, RunKind, RunState, SetRequest, StepState};
use terrace::domain::stack::InstanceRef;
use terrace::platform::runs::{Resolution, RunError};
use terrace::platform::store::{AuditQuery, EventQuery};

use crate::support::platform::{World, alice, no_terraform, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_what_it_would_do_and_touches_nothing_tracked() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(request(RunKind::Plan, "app", "dev")).await;
    assert_eq!((run.number, run.state), (1, RunState::Queued));
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!(run.summary, Some(PlanSummary { add: 1, change: 0, destroy: 0, replace: 0 }));
    assert_eq!(run.workspace.as_deref(), Some("dev-app"));
    assert_eq!(run.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), ["init", "workspace", "plan"]);
    assert!(run.steps.iter().all(|step| step.state == StepState::Succeeded));
    assert!(run.steps[2].command.starts_with("terraform plan -var-file dev-app.terraform.tfvars.json -out "));
    assert_eq!(run.command, "terrace plan app -s dev");
    let log = String::from_utf8_lossy(&world.log(&run)).into_owned();
    assert!(log.contains("1 to add, 0 to change, 0 to destroy"), "{log}");
    assert!(!log.contains("Created and switched"), "the output of the workspace's selection is hidden: {log}");
    assert_eq!(run.log_bytes, world.log(&run).len() as u64);
    assert_eq!(world.git(&["status", "--porcelain", "--untracked-files=no"]), "");
    assert!(run.stood_on.commit.is_some() && !run.stood_on.dirty && run.stood_on.config_digest.is_some());
    assert!(run.stood_on.tools.iter().any(|tool| tool.starts_with("terraform 1.")), "{:?}", run.stood_on.tools);
    assert!(platform.store.run_locks().await.expect("locks").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_waits_for_a_yes_to_exactly_its_plan_and_is_done_once() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(request(RunKind::Apply, "net", "dev")).await;
    let run = platform.until(&run, RunState::AwaitingConfirmation).await;
    let held = platform.store.run_locks().await.expect("locks");
    assert_eq!(held.len(), 1, "the folder is free, the state is not: {held:?}");
    let other = Digest::of(b"another plan");
    let refused = platform.runs.confirm(&alice(), &RunRef::Id(run.id), Some(&other)).await.expect_err("refused");
    assert_eq!(refused.code(), "other-plan");
    let digest = run.plan_digest.clone();
    platform.runs.confirm(&alice(), &RunRef::Id(run.id), digest.as_ref()).await.expect("confirmed");
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}\n{}", String::from_utf8_lossy(&world.log(&run)));
    assert_eq!(run.confirmed_by.as_deref(), Some("alice"));
    assert!(world.root().join("components/terraform/network/terraform.tfstate.d/dev-net/terraform.tfstate").exists());
    assert!(platform.store.run_locks().await.expect("locks").is_empty());
    assert!(platform.runs.confirm(&alice(), &RunRef::Id(run.id), None).await.is_err());

    let again = platform.create(request(RunKind::Apply, "net", "dev")).await;
    let again = platform.end(&again).await;
    assert_eq!(again.state, RunState::NoChanges, "{again:#?}");

    let audit = platform.store.audit(&AuditQuery { limit: 100, ..AuditQuery::default() }).await.expect("audit");
    let actions: Vec<&str> = audit
        .iter()
        .rev()
        .filter(|record| record.object == format!("run/{}", run.id))
        .map(|record| record.action.as_str())
        .collect();
    assert_eq!(actions, ["run.queued", "run.started", "run.planned", "run.confirmed", "run.applying", "run.succeeded"]);
    let events = platform.store.events(&EventQuery { limit: 1000, ..EventQuery::default() }).await.expect("events");
    for action in actions {
        let verb = action.trim_start_matches("run.");
        let told = events.iter().filter(|event| event.subject == format!("run/{}", run.id));
        assert_eq!(told.filter(|event| event.event_type == format!("dev.terrace.run.{verb}")).count(), 1, "{verb}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_plan_file_is_not_applied() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(request(RunKind::Apply, "net", "dev")).await;
    let run = platform.until(&run, RunState::AwaitingConfirmation).await;
    // While a person thinks it lies there encrypted, for its owner only.
    let (plan, sealed) = (world.run_folder(&run).join("plan.tfplan"), world.run_folder(&run).join("plan.sealed"));
    assert!(!plan.exists());
    let bytes = std::fs::read(&sealed).expect("a plan");
    assert_eq!(std::fs::metadata(&sealed).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!bytes.windows(4).any(|four| four == b"PK\x03\x04"), "a plan file is a zip");
    std::fs::write(&sealed, [&bytes[..], b"x"].concat()).expect("changed");
    platform.runs.confirm(&alice(), &RunRef::Id(run.id), None).await.expect("confirmed");
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Failed, "{run:#?}");
    assert!(run.reason.as_deref().is_some_and(|reason| reason.contains("nothing was applied")), "{:?}", run.reason);
    // Another file in the place of the plan is not applied either.
    let run = platform.create(request(RunKind::Apply, "net", "dev")).await;
    let run = platform.until(&run, RunState::AwaitingConfirmation).await;
    std::fs::write(world.run_folder(&run).join("plan.tfplan"), "another").expect("written");
    platform.runs.confirm(&alice(), &RunRef::Id(run.id), None).await.expect("confirmed");
    let run = platform.end(&run).await;
    assert!(run.reason.as_deref().is_some_and(|reason| reason.contains("another file")), "{:?}", run.reason);
    assert!(!world.root().join("components/terraform/network/terraform.tfstate.d/dev-net/terraform.tfstate").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_plan_is_said_to_be_stale() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(request(RunKind::Apply, "net", "dev")).await;
    let run = platform.until(&run, RunState::AwaitingConfirmation).await;
    // Somebody else applies meanwhile, past our locks.
    let folder = world.root().join("components/terraform/network");
    let script = "terraform init -no-color >/dev/null && terraform workspace select dev-net && terraform apply -auto-approve -var-file dev-net.terraform.tfvars.json";
    let output = std::process::Command::new("sh").args(["-c", script]).current_dir(&folder).output().expect("ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    platform.runs.confirm(&alice(), &RunRef::Id(run.id), None).await.expect("confirmed");
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Stale, "{run:#?}");
    assert_eq!(run.next.as_deref(), Some("terrace apply net -s dev"));
    assert!(platform.store.run_locks().await.expect("locks").is_empty());
}

/// A request that is confirmed ahead.
pub(crate) fn yes(kind: RunKind, component: &str, stack: &str) -> terrace::domain::run::RunRequest {
    terrace::domain::run::RunRequest { yes: true, ..request(kind, component, stack) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_goes_in_order_and_a_failure_stops_what_needs_it_and_only_that() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let at = |component: &str| InstanceRef { component: component.to_owned(), stack: "dev".to_owned() };
    let set = SetRequest {
        kind: RunKind::Apply,
        targets: ["app", "cache", "broken", "net"].map(at).to_vec(),
        stack: None,
        affected_since: None,
        parallel: Some(2),
        yes: true,
        driver: Some(terrace::domain::run::DriverKind::Terraform),
        env: std::env::vars().collect(),
        set_env: std::collections::BTreeMap::new(),
    };
    let set = platform.runs.create_set(&alice(), &set).await.expect("accepted");
    let mut ended = std::collections::BTreeMap::new();
    for run in &set.runs {
        let run = platform.end(run).await;
        ended.insert(run.component.clone().expect("a component"), run);
    }
    let state = |component: &str| ended[component].state;
    assert_eq!((state("net"), state("app")), (RunState::Succeeded, RunState::Succeeded), "{ended:#?}");
    assert_eq!((state("broken"), state("cache")), (RunState::Failed, RunState::Canceled));
    assert!(ended["app"].started_at > ended["net"].ended_at);
    assert!(ended["cache"].started_at.is_none());
    assert!(ended["cache"].reason.as_deref().is_some_and(|reason| reason.contains("broken@dev")));
    let again = format!("terrace runs retry {}", ended["cache"].number);
    assert!(ended["cache"].ways.iter().any(|way| way.command == again), "{:#?}", ended["cache"]);
    assert!(platform.store.run_locks().await.expect("locks").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_supervisor_makes_an_apply_unknown_and_a_person_settles_it() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(yes(RunKind::Apply, "gated", "dev")).await;
    let run = platform.until(&run, RunState::Applying).await;
    kill_supervisor(&world, &run);
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Unknown, "{run:#?}");
    world.write("components/terraform/gated/go", "");
    // The folder is free once Terraform, which nobody reads any more, has ended; the state is kept.
    let held = || async {
        let locks = platform.store.run_locks().await.expect("locks");
        assert!(locks.iter().any(|lock| lock.key.starts_with("state:") && lock.run == run.id), "{locks:?}");
        (locks.len() == 1).then_some(())
    };
    crate::support::home::until("the folder is given back", held).await;
    assert!(
        platform
            .runs
            .retry(&alice(), &RunRef::Id(run.id), Default::default(), Default::default(), false)
            .await
            .is_err()
    );

    let waits = platform.create(request(RunKind::Apply, "gated", "dev")).await;
    let waits = platform.wait(&waits, "to wait", |run| run.waiting_for.is_some()).await;
    assert!(waits.waiting_for.as_deref().is_some_and(|why| why.contains("terrace runs resolve")), "{waits:#?}");
    let refused = crate::support::platform::request(RunKind::Apply, "gated", "dev");
    let refused = terrace::domain::run::RunRequest { no_wait: true, ..refused };
    assert!(matches!(platform.runs.create(&alice(), refused, None).await, Err(RunError::WouldWait(_))));

    let settle = |done| Resolution { done, note: None, env: std::env::vars().collect() };
    let which = RunRef::Number(run.number);
    let too_early = crate::support::host::DEADLINE;
    let begin = std::time::Instant::now();
    // Terraform itself may need a moment to notice that nobody reads its output any more.
    let look = loop {
        match platform.runs.resolve(&alice(), &which, &settle(None)).await {
            Ok(look) => break look,
            Err(error) => assert!(begin.elapsed() < too_early, "{error}"),
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert!(platform.runs.resolve(&alice(), &which, &settle(Some(false))).await.is_err(), "first the look");
    let look = platform.end(&look).await;
    assert!(look.state.is_success(), "{look:#?}\n{}", String::from_utf8_lossy(&world.log(&look)));
    let settled = platform.runs.resolve(&alice(), &which, &settle(Some(false))).await.expect("settled");
    assert_eq!(settled.state, RunState::Failed);
    let waits = platform.until(&waits, RunState::AwaitingConfirmation).await;
    platform.runs.cancel(&alice(), &RunRef::Id(waits.id)).await.expect("canceled");
    let waits = platform.end(&waits).await;
    assert_eq!(waits.state, RunState::Canceled);
    assert!(platform.store.run_locks().await.expect("locks").is_empty());
}

/// Ends a run's supervisor as nothing should.
pub(crate) fn kill_supervisor(world: &World, run: &terrace::domain::run::Run) {
    use terrace::platform::runs::journal::{Note, read};
    let entries = read(&world.run_folder(run).join("journal"), 0).expect("a journal");
    let Note::Ready { pid, .. } = entries[0].note else { panic!("no supervisor noted itself: {entries:#?}") };
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn canceling_an_apply_lets_terraform_save_its_state() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(yes(RunKind::Apply, "gated", "dev")).await;
    platform.wait(&run, "beats", |_| world.root().join("components/terraform/gated/beats").exists()).await;
    platform.runs.cancel(&alice(), &RunRef::Id(run.id)).await.expect("asked");
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Canceled, "{run:#?}");
    let log = String::from_utf8_lossy(&world.log(&run)).into_owned();
    // Where the interrupted command is faster, Terraform has no time to say that it was interrupted, too.
    assert!(log.contains("Interrupt received") || log.contains("signal: interrupt"), "{log}");
    assert!(platform.store.run_locks().await.expect("locks").is_empty());
    assert!(
        !world.root().join("components/terraform/gated/terraform.tfstate.d/dev/.terraform.tfstate.lock.info").exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_component_can_be_planned_and_not_changed() {
    let world = World::new();
    let platform = world.platform().await;
    let refused = platform.runs.create(&alice(), request(RunKind::Apply, "locked", "dev"), None).await;
    assert_eq!(
        refused.expect_err("refused").code(),
        if no_terraform() { "terraform-missing" } else { "component-locked" }
    );
    assert!(platform.runs.live().await.expect("runs").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn destroy_applies_the_plan_of_an_end() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(yes(RunKind::Apply, "net", "prod")).await;
    assert_eq!(platform.end(&run).await.state, RunState::Succeeded);
    let run = platform.create(yes(RunKind::Destroy, "net", "prod")).await;
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!(run.summary, Some(PlanSummary { add: 0, change: 0, destroy: 1, replace: 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_local_backend_with_state_needs_no_migration() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    world.write("components/terraform/network/backend.tf", "terraform {\n  backend \"local\" {}\n}\n");
    let platform = world.platform().await;
    let run = platform.create(yes(RunKind::Apply, "net", "dev")).await;
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}\n{}", String::from_utf8_lossy(&world.log(&run)));
    let run = platform.create(yes(RunKind::Apply, "net", "dev")).await;
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::NoChanges, "{run:#?}\n{}", String::from_utf8_lossy(&world.log(&run)));
}

/// What Atmos would do, as far as runs need it: a stand-in over real Terraform.
const ATMOS: &str = r#"#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
[ "$1" = version ] && { echo "atmos 1.226.0"; exit 0; }
shift; [ "$1" = state ] && shift
verb=$1; component=$2; stack=$4; shift 4
cd components/terraform/network || exit 1
terraform init -no-color >/dev/null || exit 1
terraform workspace select -or-create "$stack-$component" >/dev/null || exit 1
case $verb in
plan) exec terraform plan -no-color -var "name=$component-$stack" "$@" ;;
apply) exec terraform apply -no-color "$2" ;;
pull) echo "Switched to workspace \"$stack-$component\"."; exec terraform state pull ;;
esac
"#;

/// Puts a program that plays Atmos beside the estate.
pub(crate) fn atmos(world: &World, script: &str) -> std::path::PathBuf {
    let atmos = world.temp.path().join("bin/atmos");
    std::fs::create_dir_all(atmos.parent().expect("a parent")).expect("made");
    crate::program::program(&atmos, script);
    atmos
}

#[tokio::test(flavor = "multi_thread")]
async fn the_atmos_driver_plans_into_a_file_and_applies_that_file() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let atmos = atmos(&world, ATMOS);
    let platform = world.platform().await;
    let mut asked = request(RunKind::Apply, "net", "dev");
    asked.driver = None;
    asked.env.insert("ATMOS_BIN".to_owned(), atmos.display().to_string());
    let run = platform.create(asked).await;
    assert_eq!(run.driver, terrace::domain::run::DriverKind::Atmos);
    let run = platform.until(&run, RunState::AwaitingConfirmation).await;
    platform.runs.confirm(&alice(), &RunRef::Id(run.id), run.plan_digest.as_ref()).await.expect("confirmed");
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}\n{}", String::from_utf8_lossy(&world.log(&run)));
    let calls = std::fs::read_to_string(atmos.with_file_name("calls")).expect("calls");
    let plan = world.run_folder(&run).join("plan.tfplan");
    let expected =
        format!("terraform plan net -s dev -out={0}\nterraform apply net -s dev --planfile {0}\n", plan.display());
    assert!(calls.ends_with(&expected), "{calls}");
    assert!(run.stood_on.tools.contains(&"atmos 1.226.0".to_owned()), "{:?}", run.stood_on.tools);
}

/// 4: where gates are in force the state is compared with the plan's before it is applied, by whichever driver.
#[tokio::test(flavor = "multi_thread")]
async fn item_4_a_state_that_moved_on_is_noticed_by_both_drivers_before_anything_is_applied() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let atmos = atmos(&world, ATMOS);
    let platform = crate::support::platform::start_gated(world.temp.path()).await;
    let folder = world.root().join("components/terraform/network");
    let elsewhere = |arguments: &[&str]| {
        let mut terraform = std::process::Command::new("terraform");
        terraform.args(arguments).current_dir(&folder).env("TF_DATA_DIR", world.temp.path().join("elsewhere"));
        let output = terraform.output().expect("ran");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    for by_atmos in [true, false] {
        let mut asked = request(RunKind::Apply, "net", "dev");
        if by_atmos {
            asked.driver = None;
            asked.env.insert("ATMOS_BIN".to_owned(), atmos.display().to_string());
        }
        let plan = |asked: &terrace::domain::run::RunRequest| {
            let asked = asked.clone();
            async { platform.until(&platform.create(asked).await, RunState::AwaitingConfirmation).await }
        };
        let run = plan(&asked).await;
        platform.runs.confirm(&alice(), &RunRef::Id(run.id), run.plan_digest.as_ref()).await.expect("confirmed");
        let run = platform.end(&run).await;
        assert_eq!(run.state, RunState::Succeeded, "{run:#?}\n{}", String::from_utf8_lossy(&world.log(&run)));
        // Somebody changes it from elsewhere, so that there is something to plan, and once more while it waits for a yes.
        elsewhere(&["init", "-no-color"]);
        elsewhere(&["workspace", "select", "dev-net"]);
        let change = |name: &str| elsewhere(&["apply", "-auto-approve", "-no-color", "-var", &format!("name={name}")]);
        change("other");
        let run = plan(&asked).await;
        change("another");
        platform.runs.confirm(&alice(), &RunRef::Id(run.id), run.plan_digest.as_ref()).await.expect("confirmed");
        let run = platform.end(&run).await;
        assert_eq!(run.state, RunState::Stale, "{run:#?}\n{}", String::from_utf8_lossy(&world.log(&run)));
        assert!(run.reason.as_deref().is_some_and(|why| why.contains("serial")), "{run:#?}");
        assert!(
            !run.commands
                .iter()
                .any(|command| command.step == "apply" && command.argv.iter().any(|word| word.contains("tfplan"))),
            "nothing was applied: {run:#?}"
        );
    }
    let calls = std::fs::read_to_string(atmos.with_file_name("calls")).expect("calls");
    assert_eq!(calls.matches("terraform state pull net -s dev --skip-init\n").count(), 2, "{calls}");
    assert_eq!(calls.matches("terraform apply ").count(), 1, "{calls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_not_unlocked_while_its_holder_lives() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let asked = terrace::domain::run::RunRequest { no_wait: true, ..request(RunKind::Apply, "net", "dev") };
    let run = platform.create(asked).await;
    let run = platform.until(&run, RunState::AwaitingConfirmation).await;
    let mut unlock = request(RunKind::Command, "net", "dev");
    (unlock.component, unlock.stack) = (None, None);
    unlock.args =
        ["terraform", "force-unlock", "net", "-s", "dev", "--", "-force", "some-id"].map(str::to_owned).to_vec();
    let refused = platform.runs.create(&alice(), unlock.clone(), None).await.expect_err("refused");
    assert!(refused.to_string().contains(&format!("run #{}", run.number)), "{refused}");
    platform.runs.cancel(&alice(), &RunRef::Id(run.id)).await.expect("canceled");
    platform.end(&run).await;
    let unlock = platform.create(unlock).await;
    let unlock = platform.end(&unlock).await;
    // There is no such lock, and Terraform says so: it was asked.
    assert_eq!(unlock.state, RunState::Failed, "{unlock:#?}");
    assert!(unlock.commands.iter().any(|command| command.argv[1] == "force-unlock"), "{unlock:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_read_without_atmos_and_an_unknown_command_is_refused() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = world.platform().await;
    let run = platform.create(yes(RunKind::Apply, "net", "dev")).await;
    assert_eq!(platform.end(&run).await.state, RunState::Succeeded);
    let command = |words: &[&str]| {
        let mut asked = request(RunKind::Command, "net", "dev");
        (asked.component, asked.stack) = (None, None);
        asked.args = words.iter().map(|word| (*word).to_owned()).collect();
        asked
    };
    let run = platform.create(command(&["terraform", "output", "net", "-s", "dev", "-json"])).await;
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}\n{}", String::from_utf8_lossy(&world.log(&run)));
    assert!(String::from_utf8_lossy(&world.log(&run)).contains("\"value\": \"net-dev\""));
    let refused = platform.runs.create(&alice(), command(&["vendor", "pull"]), None).await.expect_err("refused");
    assert_eq!(refused.code(), "only-atmos");
    let refused = platform.runs.create(&alice(), command(&["terraform", "apply", "net", "-s", "dev"]), None).await;
    assert!(refused.expect_err("refused").to_string().contains("nothing is applied but a plan that was shown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_nobody_confirms_expires_and_gives_its_lock_back() {
    if no_terraform() {
        return;
    }
    let world = World::new();
    let platform = crate::support::platform::start_patient(world.temp.path(), 1).await;
    let run = platform.create(request(RunKind::Apply, "net", "dev")).await;
    let waits = platform.until(&run, RunState::AwaitingConfirmation).await;
    let until = waits.expires_at.expect("an end of the wait");
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Expired, "{run:#?}");
    assert!(run.ended_at.is_some_and(|at| at >= until), "not before its time: {run:#?}");
    assert!(run.ways.iter().any(|way| way.command == "terrace runs retry 1"), "{:?}", run.ways);
    assert!(platform.store.run_locks().await.expect("locks").is_empty());
    crate::support::host::eventually("the plan is gone", || {
        (!world.run_folder(&run).join("plan.tfplan").exists()).then_some(())
    });
}
