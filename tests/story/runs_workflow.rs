//! Workflows through the service: steps, places in the log, resuming.

use serde_json::json;
use terrace::domain::run::{RunRequest, RunState, StepState};

use crate::support::platform::{World, alice};

fn workflow(name: &str, from: Option<&str>) -> RunRequest {
    let mut request: RunRequest = serde_json::from_value(
        json!({"kind": "workflow", "workflow": name, "workflow_file": "deploy", "from_step": from, "driver": "terraform"}),
    )
    .expect("a request");
    request.env = std::env::vars().collect();
    request.set_env.insert("GREETING".to_owned(), "hello".to_owned());
    request
}

const FILE: &str = "workflows:
  shells:
    steps:
      - {name: first, type: shell, command: 'echo $GREETING from first'}
      - {name: second, type: shell, command: 'test -e go && echo second'}
      - {type: shell, command: 'echo third'}
";

#[tokio::test(flavor = "multi_thread")]
async fn steps_have_their_places_and_a_workflow_resumes() {
    let world = World::new();
    world.write("stacks/workflows/deploy.yaml", FILE);
    let platform = world.platform().await;
    let run = platform.create(workflow("shells", None)).await;
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Failed);
    assert_eq!(world.log(&run), b"hello from first\n");
    let states: Vec<StepState> = run.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Succeeded, StepState::Failed, StepState::Skipped]);
    assert_eq!(run.steps[1].log_offset, Some(17));
    assert_eq!(run.steps[1].exit_code, Some(1));
    world.write("go", "");
    let run = platform.create(workflow("shells", Some("second"))).await;
    let run = platform.end(&run).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!(world.log(&run), b"second\nthird\n");
    let states: Vec<StepState> = run.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Skipped, StepState::Succeeded, StepState::Succeeded]);
    let document = std::fs::read(world.state().join("terrace.db")).expect("the database");
    let wal = std::fs::read(world.state().join("terrace.db-wal")).unwrap_or_default();
    for bytes in [document, wal] {
        assert!(!String::from_utf8_lossy(&bytes).contains("GREETING\":"), "the environment is not stored");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_key_never_runs_as_empty() {
    let world = World::new();
    world
        .write("stacks/workflows/deploy.yaml", "workflows:\n  bad:\n    steps:\n      - comand: terraform destroy x\n");
    let platform = world.platform().await;
    let refused = platform.runs.create(&alice(), workflow("bad", None), None).await.expect_err("refused");
    assert_eq!(refused.code(), "workflow-not-understood");
    assert!(platform.runs.list(&Default::default()).await.expect("runs").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_tried_again_as_its_retry_says() {
    let world = World::new();
    let step = "echo try; echo x >> tries; test $(wc -l < tries) -ge 3";
    world.write(
        "stacks/workflows/deploy.yaml",
        &format!(
            "workflows:\n  again:\n    steps:\n      - {{name: flaky, type: shell, command: '{step}', retry: {{max_attempts: 5, initial_delay: 30ms, backoff_strategy: linear}}}}\n  never:\n    steps:\n      - {{name: bad, type: shell, command: 'exit 3', retry: {{max_attempts: 2}}}}\n"
        ),
    );
    let platform = world.platform().await;
    let run = platform.end(&platform.create(workflow("again", None)).await).await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    assert_eq!(world.log(&run), b"try\ntry\ntry\n");
    assert_eq!(run.commands.len(), 3);
    let run = platform.end(&platform.create(workflow("never", None)).await).await;
    assert_eq!((run.state, run.exit_code, run.commands.len()), (RunState::Failed, Some(3), 2), "{run:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_needs_and_nobody_sets_is_asked_for_and_what_only_atmos_knows_is_said() {
    let world = World::new();
    world.write(
        "stacks/workflows/deploy.yaml",
        "workflows:\n  needs:\n    steps:\n      - {name: ship, type: shell, command: 'echo $GREETING $RELEASE'}\n  when:\n    steps:\n      - {name: x, type: shell, command: 'true', when: failure}\n",
    );
    let platform = world.platform().await;
    let refused = platform.runs.create(&alice(), workflow("needs", None), None).await.expect_err("refused");
    assert_eq!(refused.code(), "needs-variables");
    assert!(refused.to_string().contains("step 'ship' reads $RELEASE"), "{refused}");
    assert_eq!(refused.hint().as_deref(), Some("give it: --env RELEASE=VALUE"));
    let mut given = workflow("needs", None);
    given.set_env.insert("RELEASE".to_owned(), "2026.11".to_owned());
    let run = platform.end(&platform.create(given).await).await;
    assert_eq!(world.log(&run), b"hello 2026.11\n");
    let refused = platform.runs.create(&alice(), workflow("when", None), None).await.expect_err("refused");
    assert_eq!(refused.code(), "only-atmos");
    assert!(refused.to_string().contains("`when` in step 'x'"), "{refused}");
}
