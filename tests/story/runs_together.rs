//! Instances of one component at the same time: each plan equals the one that is made alone, under both drivers.
//!
//! `TERRACE_PLANS` says how many at a time (8 where it is not set).

use std::collections::BTreeMap;
use std::path::PathBuf;

use terrace::domain::id::RunRef;
use terrace::domain::run::{DriverKind, PlanSummary, Run, RunKind, RunRequest, RunState};

use crate::runs_terraform::{atmos, yes};
use crate::support::platform::{Platform, World, alice, no_terraform, request};

/// What Atmos would do, as far as plans need it, over real Terraform; in another workspace where the file `wrong` is.
const ATMOS: &str = r#"#!/bin/sh
[ "$1" = version ] && { echo "atmos 1.226.0"; exit 0; }
shift; verb=$1; component=$2; stack=$4; shift 4
cd components/terraform/service || exit 1
workspace=$stack-$component
[ -e ../../../wrong ] && workspace=$stack-app
terraform init -no-color >/dev/null || exit 1
terraform workspace select -or-create "$workspace" >/dev/null || exit 1
exec terraform plan -no-color -var "name=$component-$stack" "$@"
"#;

pub(crate) fn count() -> usize {
    std::env::var("TERRACE_PLANS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

/// What a plan says, without the lines that name its own folder.
pub(crate) fn told(log: &[u8]) -> String {
    String::from_utf8_lossy(log).lines().filter(|line| !line.contains("/runs/")).collect::<Vec<_>>().join("\n")
}

struct Two {
    world: World,
    atmos: PathBuf,
    platform: Platform,
}

impl Two {
    /// `app` was applied, `cache` was not: whoever sees the state of the other makes another plan.
    async fn new() -> Self {
        let world = World::new();
        let atmos = atmos(&world, ATMOS);
        let platform = world.platform().await;
        let applied = platform.create(yes(RunKind::Apply, "app", "dev")).await;
        assert_eq!(platform.end(&applied).await.state, RunState::Succeeded);
        Self { world, atmos, platform }
    }

    fn plan(&self, component: &str, driver: DriverKind) -> RunRequest {
        let mut asked = request(RunKind::Plan, component, "dev");
        asked.driver = Some(driver);
        asked.env.insert("ATMOS_BIN".to_owned(), self.atmos.display().to_string());
        asked
    }

    fn holds(&self, run: &Run) -> (String, Option<PlanSummary>, RunState) {
        (told(&self.world.log(run)), run.summary, run.state)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_one_folder_do_not_disturb_each_other() {
    if no_terraform() {
        return;
    }
    let two = Two::new().await;
    let each = ["app", "cache"].into_iter().flat_map(|c| [DriverKind::Terraform, DriverKind::Atmos].map(|d| (c, d)));
    let each: Vec<(&str, DriverKind)> = each.collect();
    let mut alone = BTreeMap::new();
    for (component, driver) in &each {
        let run = two.platform.create(two.plan(component, *driver)).await;
        let run = two.platform.end(&run).await;
        assert_eq!(run.driver, *driver);
        alone.insert((*component, driver.name()), two.holds(&run));
    }
    for driver in ["terraform", "atmos"] {
        assert_eq!(alone[&("app", driver)].2, RunState::NoChanges, "{alone:#?}");
        assert_eq!(alone[&("cache", driver)].1.map(|plan| plan.add), Some(1), "{alone:#?}");
    }
    let mut runs = Vec::new();
    for at in 0..count() {
        let (component, driver) = each[at % each.len()];
        runs.push((component, driver, two.platform.create(two.plan(component, driver)).await));
    }
    let mut last = None;
    for (component, driver, run) in runs {
        let run = two.platform.end(&run).await;
        assert!(run.started_at > last, "#{} was overtaken", run.number);
        last = run.started_at;
        assert_eq!(two.holds(&run), alone[&(component, driver.name())], "not what it is alone: {run:#?}");
    }
    println!("{} plans of two instances of one folder equal the lone ones", count());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_another_workspace_is_not_accepted() {
    if no_terraform() {
        return;
    }
    let two = Two::new().await;
    two.world.write("wrong", "");
    let mut asked = two.plan("cache", DriverKind::Atmos);
    (asked.kind, asked.yes) = (RunKind::Apply, true);
    let run = two.platform.create(asked).await;
    let run = two.platform.end(&run).await;
    assert_eq!(run.state, RunState::Failed, "{run:#?}");
    let why = run.reason.clone().unwrap_or_default();
    assert!(why.contains("made in the workspace 'dev-app'") && why.contains("'dev-cache'"), "{why}");
    assert!(run.commands.iter().all(|command| command.step != "apply"), "{run:#?}");
    assert!(two.platform.store.run_locks().await.expect("locks").is_empty());
}

/// What a run locks is what it works on when it begins, whatever it was when it was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_state_became_another_while_it_waited_takes_that_or_does_not_begin() {
    if no_terraform() {
        return;
    }
    for (workspace, free) in [("elsewhere", true), ("dev", false)] {
        let world = World::new();
        let platform = world.platform().await;
        // It holds the state `dev` until somebody answers, and not the folder.
        let holder = platform.create(request(RunKind::Apply, "gated", "dev")).await;
        let holder = platform.until(&holder, RunState::AwaitingConfirmation).await;
        let busy = platform.create(yes(RunKind::Apply, "gated", "prod")).await;
        platform.until(&busy, RunState::Applying).await;
        let waits = platform.create(request(RunKind::Apply, "gated", "prod")).await;
        platform.wait(&waits, "it waits", |run| run.waiting_for.is_some()).await;
        world.write("prod-gated.workspace", workspace);
        world.write("components/terraform/gated/go", "");
        assert_eq!(platform.end(&busy).await.state, RunState::Succeeded);
        let held = async || {
            let locks = platform.store.run_locks().await.expect("locks");
            locks.into_iter().filter(|lock| lock.run == waits.id).map(|lock| lock.key).collect::<Vec<_>>()
        };
        if free {
            platform.until(&waits, RunState::AwaitingConfirmation).await;
            let keys = held().await;
            assert!(keys.len() == 1 && keys[0].ends_with("/elsewhere"), "{keys:?}");
            platform.runs.cancel(&alice(), &RunRef::Id(waits.id)).await.expect("canceled");
            platform.end(&waits).await;
        } else {
            let ended = platform.end(&waits).await;
            let why = ended.reason.clone().unwrap_or_default();
            assert_eq!(ended.state, RunState::Failed, "{ended:#?}");
            assert!(why.contains("changed while it waited") && why.contains(&format!("#{}", holder.number)), "{why}");
            assert!(ended.commands.is_empty(), "nothing ran: {ended:#?}");
            let again = format!("terrace runs retry {}", ended.number);
            assert!(ended.ways.iter().any(|way| way.command == again), "{ended:#?}");
        }
        assert_eq!(held().await, Vec::<String>::new());
    }
}
