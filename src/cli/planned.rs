//! A plan made now, for commands that look at what it holds.

use std::io::Write as _;

use super::waiting::settled;
use super::{Context, Failure, local, run};
use crate::api::client::{Client, ClientError};
use crate::domain::id::RunRef;
use crate::domain::run::{Run, RunKind, RunRequest};

/// Waits for the end of a run.
pub(crate) async fn ended(client: &Client, run: Run) -> Result<Run, ClientError> {
    settled(run, |run| !run.state.is_end(), |run| client.run(RunRef::Id(run.id))).await
}

/// Plans one instance on the platform, and waits for the end; the run and its log stay.
pub(crate) async fn plan(context: &Context, component: &str, stack: &str) -> Result<(Client, Run), Failure> {
    let client = local::client(context).await?;
    let request = RunRequest {
        component: Some(component.to_owned()),
        stack: Some(stack.to_owned()),
        env: run::surroundings(),
        ..RunRequest::new(RunKind::Plan)
    };
    let run = client.start_run(&request, None).await?;
    // Where standard error is closed there is nobody to tell.
    drop(writeln!(std::io::stderr().lock(), "planning {component}@{stack} (run #{})", run.number));
    let run = ended(&client, run).await?;
    if run.state.is_success() {
        return Ok((client, run));
    }
    let why = run.reason.clone().unwrap_or_else(|| run.state.to_string());
    Err(Failure::failed(format!("{component}@{stack} cannot be planned: {why}"))
        .hint(format!("terrace runs logs {}", run.number)))
}
