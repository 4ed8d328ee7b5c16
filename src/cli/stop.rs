//! `terrace stop`: ends the platform process; runs go on.

use super::output::plain;
use super::{Context, Exit, Outcome, ask, local};
use crate::api::types::StopRequest;

/// Ends the platform process of this estate; runs go on, and the next one takes them over
///
/// Where runs live it shows them and asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    /// Does not ask, whatever lives
    #[arg(long)]
    force: bool,
    /// Answers ahead
    #[arg(short, long)]
    yes: bool,
}

impl Stop {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let runtime = super::runtime()?;
        let Some((client, card)) = runtime.block_on(local::running(context))? else {
            eprintln!("no platform process runs for this estate");
            return Ok(Exit::Done);
        };
        let sure = self.force || self.yes;
        if !card.runs.is_empty() {
            eprintln!("these runs live, and go on without the platform:");
            for run in &card.runs {
                eprintln!("  #{} {}  {}", run.number, run.state, plain(&run.command));
            }
            ask::need_an_answer(sure, "stopping while runs live")?;
            if !sure && !ask::yes(context, "Stop the platform process?")? {
                eprintln!("nothing was stopped");
                return Ok(Exit::Failed);
            }
        }
        // A run that began since the question was asked is asked about again.
        let request = StopRequest { unless_runs: card.runs.is_empty() && !sure, unless_busy: false };
        let stopped = runtime.block_on(async {
            let stopped = client.stop(request).await.map_err(super::Failure::from)?;
            drop(client);
            if !local::is_shared(context) {
                local::gone(&local::paths(&context.root()?)?).await?;
            }
            Ok::<_, super::Failure>(stopped)
        })?;
        match stopped.runs.len() {
            0 => eprintln!("stopped"),
            1 => eprintln!("stopped; one run goes on"),
            count => eprintln!("stopped; {count} runs go on"),
        }
        Ok(Exit::Done)
    }
}
