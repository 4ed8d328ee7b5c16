//! Decisions on runs: cancel, retry, confirm, resolve, unlock.

use super::Which;
use crate::api::types::{Resolution, RetryRequest, Unlock};
use crate::cli::{Context, Exit, Failure, Outcome, local, output, run};
use crate::domain::id::{Digest, RunRef};

/// Cancels a run.
pub(super) async fn cancel(context: &Context, which: RunRef) -> Outcome {
    let run = local::client(context).await?.cancel(which).await.map_err(Failure::from)?;
    if run.state.is_end() {
        eprintln!("#{} {}", run.number, run.state);
    } else {
        eprintln!("#{} is asked to end; terrace runs watch {0} shows how", run.number);
    }
    if context.format() != output::Format::Text {
        run::print_run(context, &run)?;
    }
    Ok(Exit::Done)
}

/// Asks for the same again.
#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    #[command(flatten)]
    which: Which,
    /// Confirms ahead: what it plans is applied without another question
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    options: run::Options,
}

impl Retry {
    pub(super) async fn execute(self, context: &Context) -> Outcome {
        let client = local::client(context).await?;
        let with = RetryRequest { env: run::surroundings(), set_env: self.options.set_env(), yes: self.yes };
        let run = client.retry(self.which.id, &with).await.map_err(Failure::from)?;
        for difference in &run.differs {
            eprintln!("since #{}: {}", self.which.id, output::plain(difference));
        }
        run::see_through(context, client, run, &self.options, self.yes).await
    }
}

/// Undoes the lock of a state.
#[derive(Debug, clap::Args)]
pub(super) struct UnlockLock {
    #[command(flatten)]
    which: Which,
    /// The lock's id, as the run shows it
    #[arg(value_name = "LOCK")]
    lock: String,
    /// Prints the id of the run that undoes it and leaves
    #[arg(long)]
    detach: bool,
}

impl UnlockLock {
    pub(super) async fn execute(self, context: &Context) -> Outcome {
        let client = local::client(context).await?;
        let unlock = Unlock { lock: self.lock, env: run::surroundings() };
        let run = client.unlock(self.which.id, &unlock).await.map_err(Failure::from)?;
        run::see_through(context, client, run, &run::Options::detached(self.detach), false).await
    }
}

/// Says yes to a plan.
#[derive(Debug, clap::Args)]
pub(super) struct Confirm {
    #[command(flatten)]
    which: Which,
    /// The digest of the plan that you looked at; another one is refused
    #[arg(long, value_name = "SHA256", value_parser = digest)]
    plan: Option<Digest>,
    /// Leaves as soon as the yes is taken
    #[arg(long)]
    detach: bool,
}

fn digest(text: &str) -> Result<Digest, String> {
    Digest::from_hex(text).ok_or_else(|| "a digest has 64 hexadecimal digits, as plan_digest of the run".to_owned())
}

impl Confirm {
    pub(super) async fn execute(self, context: &Context) -> Outcome {
        let client = local::client(context).await?;
        let run = client.confirm(self.which.id, self.plan).await.map_err(Failure::from)?;
        let options = run::Options::detached(self.detach);
        run::see_through(context, client, run, &options, true).await
    }
}

/// Settles a run whose end is unknown.
#[derive(Debug, clap::Args)]
pub(super) struct Resolve {
    #[command(flatten)]
    which: Which,
    /// What it was to do is done
    #[arg(long, conflicts_with = "not_done")]
    done: bool,
    /// What it was to do is not done
    #[arg(long)]
    not_done: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Prints the id of the refresh-only plan and leaves
    #[arg(long)]
    detach: bool,
}

impl Resolve {
    pub(super) async fn execute(self, context: &Context) -> Outcome {
        let client = local::client(context).await?;
        let done = (self.done || self.not_done).then_some(self.done);
        let resolution = Resolution { done, note: self.note, env: run::surroundings() };
        let run = client.resolve(self.which.id, &resolution).await.map_err(Failure::from)?;
        if done.is_some() {
            eprintln!("#{} is settled: {}", run.number, run.state);
            if context.format() != output::Format::Text {
                run::print_run(context, &run)?;
            }
            return Ok(Exit::Done);
        }
        eprintln!("a refresh-only plan looks at what is there; then say --done or --not-done");
        run::see_through(context, client, run, &run::Options::detached(self.detach), false).await
    }
}
