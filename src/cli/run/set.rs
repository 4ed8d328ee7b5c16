//! Sets of runs: what is said of each as it goes, what waits for a yes, how the set ends.

use std::collections::HashMap;
use std::io::{self, Write};
use std::pin::pin;

use futures::StreamExt as _;
use tokio::signal::unix::{SignalKind, signal};

use super::show::{changes, subject, took};
use super::{Options, Teller, exit, question};
use crate::api::client::Client;
use crate::cli::output::{self, Paint, plain};
use crate::cli::{Context, Exit, Failure, Outcome, ask, local};
use crate::domain::id::{RunId, RunRef};
use crate::domain::run::{Run, RunSet, RunState, SetRequest};

/// Asks for the runs of a set and sees them through; detached, prints the set's id.
pub(crate) async fn start(context: &Context, options: &Options, request: SetRequest) -> Outcome {
    let client = local::client(context).await?;
    let set = client.start_set(&request).await.map_err(Failure::from)?;
    let paint = context.paint_stderr();
    eprintln!("{}", paint.bold(format!("{} runs, in the order of what they need", set.runs.len())));
    for run in &set.runs {
        eprintln!("  #{} {}", run.number, subject(run));
    }
    if options.detach() {
        if context.format() == output::Format::Text {
            println!("{}", set.id);
        } else {
            print(context, &set)?;
        }
        eprintln!("they go on without you; come back with {}", paint.hint(format!("terrace runs show {}", set.id)));
        return Ok(Exit::Done);
    }
    follow(context, client, set, request.yes).await
}

async fn follow(context: &Context, mut client: Client, mut set: RunSet, yes: bool) -> Outcome {
    let mut tellers: HashMap<RunId, Teller> = HashMap::new();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let newest = client.recent_events(1).await.map_err(Failure::from)?;
    let mut seen: u64 = newest.first().and_then(|event| event.sequence.parse().ok()).unwrap_or_default();
    loop {
        set = match client.set(&set.id).await {
            Ok(set) => set,
            Err(error) if error.is_unreachable() && !local::is_shared(context) => {
                client = local::client(context).await?;
                continue;
            }
            Err(error) => return Err(Failure::from(error).into()),
        };
        let mut asks = None;
        for run in &set.runs {
            let teller = tellers.entry(run.id).or_insert_with(|| Teller::new(context));
            let ended_now = run.state.is_end() && !teller.knows(run.state);
            for line in teller.news(run) {
                eprintln!("{line}");
            }
            if ended_now {
                teller.ended(run);
            }
            if asks.is_none() && run.state == RunState::AwaitingConfirmation && run.confirmed_by.is_none() {
                asks = Some(run.clone());
            }
        }
        if set.runs.iter().all(|run| run.state.is_end()) {
            break;
        }
        if asks.is_none() && set.runs.iter().filter(|run| !run.state.is_end()).all(|run| is_held(&set, run)) {
            for run in set.runs.iter().filter(|run| run.state == RunState::AwaitingApproval) {
                if let Some(teller) = tellers.get(&run.id) {
                    teller.held(run);
                }
            }
            if context.format() != output::Format::Text {
                print(context, &set)?;
            }
            let failed = set.runs.iter().any(|run| run.state.is_end() && exit(run) == Exit::Failed);
            return Ok(if failed { Exit::Failed } else { Exit::Denied });
        }
        if let Some(run) = asks {
            if !decide(context, &client, &run, tellers.get(&run.id)).await? {
                eprintln!("they go on without you; come back with terrace runs show {}", set.id);
                // A yes that was given ahead does not count there.
                return Ok(if yes { Exit::Failed } else { Exit::Done });
            }
            continue;
        }
        let mut events = pin!(client.follow_events(Some(seen)));
        loop {
            tokio::select! {
                _ = interrupt.recv() => {
                    eprintln!("they go on without you; come back with terrace runs show {}", set.id);
                    return Ok(Exit::Done);
                }
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        seen = event.sequence.parse().unwrap_or(seen);
                        if event.data["set"] == set.id.as_str() {
                            break;
                        }
                    }
                    // Asking for the set says what is wrong, and finds the platform again.
                    Some(Err(_)) | None => break,
                },
            }
        }
    }
    if context.format() != output::Format::Text {
        print(context, &set)?;
    }
    let exits: Vec<Exit> = set.runs.iter().map(exit).collect();
    Ok(match exits {
        exits if exits.contains(&Exit::Failed) => Exit::Failed,
        exits if exits.contains(&Exit::Denied) => Exit::Denied,
        _ => Exit::Done,
    })
}

/// Says whether nothing of a run goes on before others agree: to its plan, or to that of a run that comes first.
fn is_held(set: &RunSet, run: &Run) -> bool {
    match run.state {
        RunState::AwaitingApproval => run.confirmed_by.is_none(),
        RunState::Queued => {
            run.after.iter().any(|id| set.runs.iter().any(|before| before.id == *id && is_held(set, before)))
        }
        _ => false,
    }
}

/// Shows a plan with its log, and asks; false where the person leaves.
async fn decide(context: &Context, client: &Client, run: &Run, teller: Option<&Teller>) -> color_eyre::Result<bool> {
    let mut sink = super::Sink::of_run(context, false);
    let mut log = client.log(RunRef::Id(run.id), 0, Some(run.log_bytes), false).await.map_err(Failure::from)?;
    while let Some(bytes) = log.next().await {
        sink.write(&bytes.map_err(Failure::from)?)?;
    }
    sink.finish()?;
    if let Some(teller) = teller {
        teller.question(run);
    }
    let decided = match ask::later(context, &question(run)).await {
        None => return Ok(false),
        Some(true) => client.confirm(RunRef::Id(run.id), run.plan_digest.clone()).await,
        Some(false) => client.cancel(RunRef::Id(run.id)).await,
    };
    match decided {
        // Somebody else was faster.
        Err(error) if error.code() == Some("not-now") => Ok(true),
        decided => {
            decided.map_err(Failure::from)?;
            Ok(true)
        }
    }
}

/// Prints a set as a tree: each run below what it needs.
pub(crate) fn print(context: &Context, set: &RunSet) -> color_eyre::Result<()> {
    output::print(context, set, |out, paint| page(out, paint, set))
}

fn page(out: &mut dyn Write, paint: Paint, set: &RunSet) -> io::Result<()> {
    writeln!(out, "{}", paint.bold(format!("set {}", set.id)))?;
    for run in &set.runs {
        let state = match run.state {
            state if state.is_success() => paint.good(state),
            state if state.is_end() => paint.error(state),
            state => paint.warning(state),
        };
        let depth = depth(set, run, 0);
        let took = took(run).map(|took| format!("  {took}")).unwrap_or_default();
        let more = run.waiting_for.as_deref().map(|why| format!("waits for {why}"));
        let more = more.or_else(|| changes(run)).or_else(|| run.reason.clone());
        let more = more.map(|more| format!("  {}", plain(&more))).unwrap_or_default();
        writeln!(out, "  {}#{} {}  {state}{took}{more}", "  ".repeat(depth), run.number, subject(run))?;
    }
    Ok(())
}

/// Returns how many runs in a row a run waits for; an order has no circles, and a set no more levels than runs.
fn depth(set: &RunSet, run: &Run, level: usize) -> usize {
    if level >= set.runs.len() {
        return 0;
    }
    let needs = set.runs.iter().filter(|other| run.after.contains(&other.id));
    needs.map(|other| depth(set, other, level + 1) + 1).max().unwrap_or(0)
}
