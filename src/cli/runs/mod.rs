//! `terrace runs`: looks at runs and decides on them.

mod findings;
mod since;
mod steer;

use futures::StreamExt as _;

use super::run::{self, End, Follower, Sink, Teller};
use super::{Context, Exit, Failure, Outcome, local};
use crate::domain::id::RunRef;

/// Shows, follows and steers runs; ID is a number such as 214 or a run's id
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace runs show 214
  terrace runs logs 214 --follow
  terrace runs confirm 214            says yes to the plan that it shows
  terrace runs cancel 214             interrupts it; asked again, goes one step further")]
pub(crate) struct Runs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Prints a run: what it does, where it stands, what it ran; or a set of runs by its id
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Writes a run's log: bytes as they came to a file or pipe, harmless to a terminal
    Logs {
        #[command(flatten)]
        which: Which,
        /// Until the run ends
        #[arg(short, long)]
        follow: bool,
        /// From this byte on
        #[arg(long, value_name = "BYTES", default_value_t = 0, hide_default_value = true)]
        offset: u64,
        /// Writes the bytes as they came to a terminal, too
        #[arg(long)]
        raw: bool,
    },
    /// Follows a run: its log, and what happens to it; ends as the run ends
    Watch {
        #[command(flatten)]
        which: Which,
        /// Writes the bytes as they came to a terminal, too
        #[arg(long)]
        raw: bool,
    },
    /// Cancels a run: interrupts, waits, then kills; asked again, goes one step further at once
    Cancel {
        #[command(flatten)]
        which: Which,
    },
    /// Asks for the same again, as a new run, and follows it
    Retry(steer::Retry),
    /// Says yes to the plan that a run shows, and follows it
    Confirm(steer::Confirm),
    /// Undoes Terraform's own lock on which a run failed; its id is typed
    Unlock(steer::UnlockLock),
    /// Says what changed since the last successful apply of what the run is about
    Since {
        #[command(flatten)]
        which: Which,
    },
    /// Shows what scanners found about a run's code; with a file, attaches it first
    Findings(findings::Findings),
    /// Settles a run whose end is unknown: looks with a refresh-only plan first, then takes your word
    Resolve(steer::Resolve),
}

/// One run.
#[derive(Debug, clap::Args)]
struct Which {
    /// The run's number or id
    #[arg(value_name = "ID", value_parser = run::reference)]
    id: RunRef,
}

impl Runs {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        super::wait(async {
            match self.what {
                What::Show { which } => show(context, which.id).await,
                What::Logs { which, follow, offset, raw } => logs(context, which.id, offset, follow, raw).await,
                What::Watch { which, raw } => watch(context, which.id, raw).await,
                What::Cancel { which } => steer::cancel(context, which.id).await,
                What::Retry(retry) => retry.execute(context).await,
                What::Confirm(confirm) => confirm.execute(context).await,
                What::Unlock(unlock) => unlock.execute(context).await,
                What::Since { which } => since::execute(context, which.id).await,
                What::Findings(findings) => findings.execute(context).await,
                What::Resolve(resolve) => resolve.execute(context).await,
            }
        })
    }
}

async fn show(context: &Context, which: RunRef) -> Outcome {
    let client = local::client(context).await?;
    match (client.run(which).await, which) {
        (Ok(run), _) => run::print_run(context, &run)?,
        // A set's id is a ULID, too.
        (Err(error), RunRef::Id(id)) if error.code() == Some("not-found") => match client.set(&id.to_string()).await {
            Ok(set) => run::set::print(context, &set)?,
            Err(_) => return Err(Failure::from(error).into()),
        },
        (Err(error), _) => return Err(Failure::from(error).into()),
    }
    Ok(Exit::Done)
}

async fn logs(context: &Context, which: RunRef, offset: u64, follow: bool, raw: bool) -> Outcome {
    let client = local::client(context).await?;
    let mut sink = Sink::stdout(context, raw);
    let mut position = offset;
    let mut client = client;
    'connected: loop {
        let mut log = if follow {
            client.follow_log(which, position).boxed()
        } else {
            client.log(which, position, None, false).await.map_err(Failure::from)?
        };
        while let Some(bytes) = log.next().await {
            match bytes {
                Ok(bytes) => {
                    sink.write(&bytes)?;
                    position += bytes.len() as u64;
                }
                // On this machine a platform that ended is started again; a shared one comes back by itself.
                Err(error) if follow && error.is_unreachable() => {
                    if !local::is_shared(context) {
                        drop(log);
                        client = local::client(context).await?;
                        continue 'connected;
                    }
                }
                Err(error) => return Err(Failure::from(error).into()),
            }
        }
        break;
    }
    sink.finish()?;
    Ok(Exit::Done)
}

async fn watch(context: &Context, which: RunRef, raw: bool) -> Outcome {
    let client = local::client(context).await?;
    let run = client.run(which).await.map_err(Failure::from)?;
    let teller = Teller::new(context);
    teller.began(&run);
    let sink = Sink::of_run(context, raw);
    let mut follower = Follower::new(context, client, run, sink, teller).await?;
    match follower.follow(false).await? {
        End::Left(run) | End::Waiting(run) | End::Held(run) => {
            follower.finish()?.way_back(&run, false);
            Ok(Exit::Done)
        }
        End::Ended(run) => run::ended(context, follower, &run),
    }
}
