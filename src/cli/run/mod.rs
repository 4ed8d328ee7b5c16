//! What the commands that start runs share: their options, how a run is asked for, and how it is seen through.

mod follow;
mod review;
pub(crate) mod set;
mod show;
mod sink;
mod tell;
mod typing;

use std::collections::BTreeMap;
use std::io::Write as _;

use ulid::Ulid;

use super::{Context, Exit, Failure, Outcome, ask, output};
use crate::api::client::Client;
use crate::domain::id::RunRef;
use crate::domain::run::{DriverKind, Run, RunKind, RunRequest, RunState, environment};

pub(crate) use follow::{End, Follower};
pub(crate) use show::{changes, print_run, subject, took};
pub(crate) use sink::Sink;
pub(crate) use tell::Teller;
pub(crate) use typing::can_type;

/// Who is to drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Driver {
    /// The Atmos binary.
    Atmos,
    /// Terraform or OpenTofu, with the files and names that Atmos uses.
    Terraform,
}

impl From<Driver> for DriverKind {
    fn from(driver: Driver) -> Self {
        match driver {
            Driver::Atmos => DriverKind::Atmos,
            Driver::Terraform => DriverKind::Terraform,
        }
    }
}

/// How a run is started and followed.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Options {
    /// Who drives this run: Atmos where it is installed, else Terraform or OpenTofu
    #[arg(long, value_enum)]
    driver: Option<Driver>,
    /// Prints the run's id and leaves; the run goes on
    #[arg(long)]
    detach: bool,
    /// Refuses instead of waiting where a lock is held
    #[arg(long)]
    no_wait: bool,
    /// Sets a variable for this run; it is kept nowhere
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    set_env: Vec<(String, String)>,
    /// Writes the log's bytes as they came, also to a terminal
    #[arg(long)]
    raw: bool,
}

impl Options {
    /// Returns options that say no more than whether to leave at once.
    pub(crate) fn detached(detach: bool) -> Self {
        Options { detach, ..Options::default() }
    }

    /// Returns whether the command leaves as soon as the run is queued.
    pub(crate) fn detach(&self) -> bool {
        self.detach
    }

    /// Fills in what every request takes from the options and from the environment of who asks.
    pub(crate) fn complete(&self, request: RunRequest) -> RunRequest {
        RunRequest {
            driver: self.driver.map(DriverKind::from),
            no_wait: self.no_wait,
            env: surroundings(),
            set_env: self.set_env(),
            ..request
        }
    }

    /// Returns the variables that were given by name.
    pub(crate) fn set_env(&self) -> BTreeMap<String, String> {
        self.set_env.iter().cloned().collect()
    }
}

/// Returns what of this process's environment travels into a run.
pub(crate) fn surroundings() -> BTreeMap<String, String> {
    environment::reduce(super::context::environment())
}

/// Reads `NAME=VALUE`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a variable is given as NAME=VALUE".to_owned()),
    }
}

/// Reads a run's number or id.
pub(crate) fn reference(text: &str) -> Result<RunRef, String> {
    text.parse()
}

/// Asks for the run and sees it through; detached, prints its id.
pub(crate) async fn start(context: &Context, options: &Options, request: RunRequest) -> Outcome {
    let client = super::local::client(context).await?;
    let request = options.complete(request);
    let key = Ulid::generate().to_string();
    let run = match client.start_run(&request, Some(&key)).await {
        // The platform that was asked ended right now: the next one knows by the key whether it took the request.
        Err(error) if error.is_unreachable() && !super::local::is_shared(context) => {
            super::local::client(context).await?.start_run(&request, Some(&key)).await
        }
        answer => answer,
    };
    let run = run.map_err(Failure::from)?;
    if request.interactive {
        return typed_into(context, client, run).await;
    }
    see_through(context, client, run, options, request.yes).await
}

/// Follows a run that has a terminal, and types into it.
async fn typed_into(context: &Context, client: Client, run: Run) -> Outcome {
    let teller = Teller::new(context);
    teller.began(&run);
    eprintln!("your keys go to the run; ctrl-] leaves it, and it goes on");
    let keys = client.clone();
    let mut follower = Follower::new(context, client, run.clone(), Sink::stdout(context, true), teller).await?;
    let raw = typing::RawMode::begin()?;
    let end = {
        let follow = follower.follow(false);
        tokio::pin!(follow);
        tokio::select! {
            end = &mut follow => end?,
            left = typing::forward(&keys, &run) => if left? { End::Left(run) } else { follow.await? },
        }
    };
    drop(raw);
    match end {
        End::Left(run) | End::Waiting(run) | End::Held(run) => {
            follower.finish()?.way_back(&run, false);
            Ok(Exit::Done)
        }
        End::Ended(run) => ended(context, follower, &run),
    }
}

/// Follows a run to its end, or leaves it where that was asked for; `yes` where its plan was confirmed ahead.
///
/// A plan that waits is asked about where somebody is there to answer, and else left to wait: that fails where the yes
/// was given ahead, and does not count. One that others have to agree to is left to them: nobody may apply it yet.
pub(crate) async fn see_through(context: &Context, client: Client, run: Run, options: &Options, yes: bool) -> Outcome {
    let teller = Teller::new(context);
    teller.began(&run);
    if options.detach {
        detached(context, &run)?;
        teller.way_back(&run, yes);
        return Ok(Exit::Done);
    }
    let sink = Sink::of_run(context, options.raw);
    let mut follower = Follower::new(context, client, run, sink, teller).await?;
    // Price and verdict are said before the question, and at the end where nobody was asked.
    let mut told = false;
    loop {
        match follower.follow(true).await? {
            End::Waiting(run) if ask::somebody_is_there() => {
                decide(context, &mut follower, &run).await?;
                told = true;
            }
            End::Waiting(run) if yes => {
                let why = run.reason.clone().unwrap_or_else(|| "its plan was not confirmed ahead".to_owned());
                follower.finish()?.way_back(&run, false);
                return Err(Failure::failed(format!("#{} waits for a person: {why}", run.number)).into());
            }
            End::Held(run) => {
                let client = follower.client().clone();
                follower.finish()?.held(&run);
                if !told {
                    review::tell(&client, context.paint_stderr(), &run).await;
                }
                if context.format() != output::Format::Text {
                    print_run(context, &run)?;
                }
                return Ok(Exit::Denied);
            }
            End::Left(run) | End::Waiting(run) => {
                follower.finish()?.way_back(&run, false);
                return Ok(Exit::Done);
            }
            End::Ended(run) => {
                let client = follower.client().clone();
                let exit = ended(context, follower, &run)?;
                if !told {
                    review::tell(&client, context.paint_stderr(), &run).await;
                }
                return Ok(exit);
            }
        }
    }
}

/// Tells how a run ended, and returns what that means for the command.
pub(crate) fn ended(context: &Context, follower: Follower<'_>, run: &Run) -> Outcome {
    follower.finish()?.ended(run);
    if context.format() != output::Format::Text {
        print_run(context, run)?;
    }
    Ok(exit(run))
}

/// Shows what a plan would change, and where; asks; confirms or cancels.
async fn decide(context: &Context, follower: &mut Follower<'_>, run: &Run) -> color_eyre::Result<()> {
    follower.teller().question(run);
    review::tell(follower.client(), context.paint_stderr(), run).await;
    let Some(answer) = follower.while_unchanged(ask::later(context, &question(run))).await? else {
        // Somebody else decided, or nobody in time: what follows says which.
        return Ok(());
    };
    match answer {
        Some(true) => {
            let yes = follower.client().confirm(RunRef::Id(run.id), run.plan_digest.clone()).await;
            follower.changed(yes.map_err(Failure::from)?);
        }
        Some(false) => {
            let no = follower.client().cancel(RunRef::Id(run.id)).await;
            follower.changed(no.map_err(Failure::from)?);
        }
        None => follower.leave(),
    }
    Ok(())
}

fn question(run: &Run) -> String {
    let verb = if run.kind == RunKind::Destroy { "Destroy" } else { "Apply" };
    format!("{verb} exactly this plan?")
}

fn detached(context: &Context, run: &Run) -> color_eyre::Result<()> {
    if context.format() == output::Format::Text {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", run.id)?;
        out.flush()?;
        return Ok(());
    }
    print_run(context, run)
}

/// Returns how a command ends whose run has ended like this; the child's own code stands in the run.
pub(crate) fn exit(run: &Run) -> Exit {
    match run.state {
        RunState::Denied | RunState::Rejected => Exit::Denied,
        state if state.is_success() => Exit::Done,
        _ => Exit::Failed,
    }
}
