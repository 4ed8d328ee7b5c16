//! The platform behind the typed client: one question after the other, each answer as the dashboard reads it.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt as _, StreamExt as _, TryFutureExt as _, TryStreamExt as _};
use tokio::io::AsyncWriteExt as _;

use crate::api::client::{Client, ClientError};
use crate::api::types::{
    self, DecisionRequest, Evaluation, NewRequest, PlatformCard, PreviewRequest, RequestWord, Resolution, RetryRequest,
    SubmitRequest,
};
use crate::domain::event::Event;
use crate::domain::id::RunId;
use crate::domain::recommend::DecisionWord;
use crate::domain::request::{Request, Wish};
use crate::domain::run::environment;
use crate::domain::showback;
use crate::domain::stack::PathSegment;
use crate::tui::message::{
    Answer, BudgetCard, Card, Effect, Fact, Hit, Level, Look, Outcome, Trouble, Word, WorkflowCard,
};
use crate::tui::reviews::Review;
use crate::tui::widgets::{highlight, text};

use super::{Connection, Platform};

/// How many runs, events and audit records a screen asks for; older ones are a matter of the commands.
const RECENT: u32 = 500;

/// How many hits of a search are shown; who looks for more narrows it.
const FOUND: u32 = 500;

/// A platform that answers, and where its stream of events stood when it did so first.
#[derive(Debug, Clone)]
struct Reached {
    client: Client,
    from: u64,
}

/// Returns a connection over a client that reaches its platform.
///
/// # Errors
///
/// Where it does not.
pub async fn connection(client: Client) -> Outcome<Connection> {
    // What happens between this and the first event of the stream is in the stream.
    let from = match client.recent_events(1).await {
        Ok(newest) => newest.first().and_then(|event| event.sequence.parse().ok()).unwrap_or_default(),
        Err(e) if e.is_unreachable() => return Err(trouble(&e)),
        // A router in a process that only reads keeps no events.
        Err(_) => 0,
    };
    Ok(Arc::new(Reached { client, from }))
}

impl Platform for Reached {
    fn ask(&self, effect: Effect) -> BoxFuture<'static, Option<Answer>> {
        let client = self.client.clone();
        async move { answer(&client, effect).await }.boxed()
    }

    fn log(&self, run: RunId, offset: u64, follow: bool) -> BoxStream<'static, Outcome<Vec<u8>>> {
        let client = self.client.clone();
        let opened = async move { client.log(run_ref(run), offset, None, follow).await };
        let pieces = opened.try_flatten_stream().map(|piece| match piece {
            Ok(bytes) => Ok(bytes.to_vec()),
            Err(e) => Err(trouble(&e)),
        });
        pieces.boxed()
    }

    fn events(&self, after: Option<String>) -> BoxStream<'static, Outcome<Event>> {
        let client = self.client.clone();
        let after = after.and_then(|sequence| sequence.parse().ok()).unwrap_or(self.from);
        let opened = async move { client.events(Some(after)).await };
        opened.try_flatten_stream().map_err(|e| trouble(&e)).boxed()
    }
}

fn run_ref(run: RunId) -> crate::domain::id::RunRef {
    crate::domain::id::RunRef::Id(run)
}

/// Says what went wrong as a screen shows it.
fn trouble(error: &ClientError) -> Trouble {
    Trouble { message: error.to_string(), hint: error.hint(), unreachable: error.is_unreachable() }
}

fn told<T>(outcome: Result<T, ClientError>) -> Outcome<T> {
    outcome.map_err(|e| trouble(&e))
}

/// Says what went wrong on this side.
fn own(message: String) -> Trouble {
    Trouble { message, hint: None, unreachable: false }
}

/// Returns what travels of this process's environment into the runs that it asks for.
fn my_environment() -> std::collections::BTreeMap<String, String> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    environment::reduce(std::env::vars_os().filter_map(text))
}

/// Asks, and returns the answer; `None` for an effect that is no question.
async fn answer(client: &Client, effect: Effect) -> Option<Answer> {
    Some(match effect {
        Effect::Load(fact) => load(client, fact).await,
        Effect::LoadRun(run) => Answer::Run(told(client.run(run).await).map(Box::new)),
        Effect::Explain(key) => {
            let explanation = client.explain(&key.component, &key.stack, Some(&key.file), None).await;
            Answer::Explained(key, told(explanation).map(Box::new))
        }
        Effect::Evaluate(key) => {
            let what = Evaluation { templates: true, functions: true };
            let document = client.evaluate_component(&key.component, &key.stack, Some(&key.file), what).await;
            Answer::Evaluated(key, told(document))
        }
        Effect::Since(key) => {
            let since = client.since_applied(&key.component, &key.stack).await;
            Answer::Since(key, told(since).map(Box::new))
        }
        Effect::SinceOf(id) => Answer::SinceOf(id, told(client.since(run_ref(id)).await).map(Box::new)),
        Effect::Compare(sides) => {
            let entries = client.diff(&sides.a, &sides.b, &Default::default()).await;
            Answer::Compared(sides, told(entries))
        }
        Effect::Search(query) => {
            let found = told(client.search(&query, FOUND).await);
            Answer::Found(query, found.map(|(hits, _)| hits.into_iter().map(hit).collect()))
        }
        Effect::Affected(base) => {
            let affected = told(client.affected(&base, &Default::default()).await);
            Answer::Affected(base, affected)
        }
        Effect::Trust(needs) => Answer::Trust(told(client.grant_trust(needs).await)),
        Effect::LoadFile { file, light, colors } => {
            let lines = match client.file(&file).await {
                Ok(bytes) => {
                    let name = file.clone();
                    let content = move || highlight::lines(&name, &String::from_utf8_lossy(&bytes), light, colors);
                    // Highlighting takes its time: not on a thread that answers wait for.
                    let lines = tokio::task::spawn_blocking(content).await;
                    lines.map_err(|e| own(format!("{file} cannot be shown: {e}")))
                }
                Err(e) => Err(trouble(&e)),
            };
            Answer::File(file, lines)
        }
        Effect::FetchLog(run, offset, len) => match fetch(client, run, offset, len).await {
            Ok(bytes) => Answer::Log { run, offset, bytes },
            Err(e) => Answer::LogEnded(run, Err(trouble(&e))),
        },
        Effect::LoadTimes(run, first, count) => {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            Answer::Times(run, told(client.log_lines(run_ref(run), first, count).await).map(times))
        }
        Effect::LoadRequest(number) => Answer::Request(told(client.show_request(number).await).map(Box::new)),
        Effect::Say(number, word) => Answer::Worded(told(say(client, number, word).await).map(Box::new)),
        Effect::Deciding(number) => Answer::Deciding(number, told(client.deciding(number).await).map(Box::new)),
        Effect::Seen(number) => Answer::Deciding(number, told(client.seen_request(number).await).map(Box::new)),
        Effect::Review(run) => {
            let of = run_ref(run);
            let review = Review {
                price: told(client.run_estimate(of).await),
                verdict: told(client.run_verdict(of).await),
                scanned: told(client.run_findings(of).await),
            };
            Answer::Review(run, Box::new(review))
        }
        Effect::Findings(run) => Answer::Findings(run, told(client.run_findings(run_ref(run)).await)),
        Effect::LoadForm { wish, revises } => {
            let outcome = told(client.request_form(&wish).await).map(Box::new);
            Answer::Form { outcome, revises }
        }
        Effect::Preview { wish, plan, serial } => {
            let asked = PreviewRequest { wish: *wish, plan, env: my_environment() };
            let outcome = told(client.preview_request(&asked).await).map(Box::new);
            Answer::Previewed { serial, plan, outcome }
        }
        Effect::Ask { wish, revises } => Answer::Asked(told(ask(client, *wish, revises).await).map(Box::new)),
        Effect::Start(mut request) => {
            request.env = my_environment();
            Answer::Started(told(client.start_run(&request, None).await).map(|run| vec![run]))
        }
        Effect::StartSet(mut request) => {
            request.env = my_environment();
            Answer::Started(told(client.start_set(&request).await).map(|set| set.runs))
        }
        Effect::Retry(run) => {
            let with = RetryRequest { env: my_environment(), ..RetryRequest::default() };
            Answer::Started(told(client.retry(run_ref(run), &with).await).map(|run| vec![run]))
        }
        Effect::Resolve(run, done) => {
            let resolution = Resolution { done, note: None, env: my_environment() };
            let outcome = client.resolve(run_ref(run), &resolution).await;
            match done {
                Some(_) => changed(outcome),
                // The refresh-only plan is a run of its own.
                None => Answer::Started(told(outcome).map(|run| vec![run])),
            }
        }
        Effect::Look(look) => {
            let level = told(level(client, &look).await);
            Answer::Looked(look, level)
        }
        Effect::Decide(id, word, reason, until) => {
            match client
                .decide_recommendation(&id, &DecisionRequest { word, reason, until, env: my_environment() })
                .await
            {
                Ok(decided) => {
                    let request = decided.decision.as_ref().and_then(|decision| decision.request);
                    let request = request.map(|number| format!(", as request #{number}")).unwrap_or_default();
                    Answer::Done(format!("{}{request}: {}", word_of(word), decided.title))
                }
                Err(e) => Answer::Failed(trouble(&e)),
            }
        }
        Effect::Export(period, path) => match export(client, &period, &path).await {
            Ok(()) => Answer::Done(format!("the report of {period} is in {}", path.display())),
            Err(trouble) => Answer::Failed(trouble),
        },
        Effect::Cancel(run) => changed(client.cancel(run_ref(run)).await),
        Effect::Confirm(run, digest) => changed(client.confirm(run_ref(run), digest).await),
        Effect::Input(run, line) => match client.input(run_ref(run), line).await {
            Ok(()) => Answer::Done("typed".into()),
            Err(e) => Answer::Failed(trouble(&e)),
        },
        Effect::Save(run, path) => match save(client, run, &path).await {
            Ok(bytes) => Answer::Done(format!("{} bytes are in {}", text::thousands(bytes), path.display())),
            Err(trouble) => Answer::Failed(trouble),
        },
        _ => return None,
    })
}

/// Gives a word on a request.
async fn say(client: &Client, number: u64, word: Word) -> Result<Request, ClientError> {
    let with = |digest, reason| RequestWord { digest, reason, env: my_environment() };
    match word {
        Word::Approve(digest) => client.approve_request(number, &with(digest, None)).await,
        Word::Reject(digest, reason) => client.reject_request(number, &with(digest, Some(reason))).await,
        Word::Comment(text) => client.comment_request(number, &text).await,
        Word::Withdraw => client.withdraw_request(number).await,
        Word::BreakGlass(reason) => client.break_glass(number, &reason).await,
        Word::Review(comment) => client.review_request(number, comment).await,
        Word::Continue => client.continue_request(number, &SubmitRequest { env: my_environment() }).await,
        Word::Revert => client.revert_request(number, &SubmitRequest { env: my_environment() }).await,
        Word::Submit => client.submit_request(number, &SubmitRequest { env: my_environment() }).await,
    }
}

/// Sends a request, or its next revision.
async fn ask(client: &Client, wish: Wish, revises: Option<u64>) -> Result<Request, ClientError> {
    let Some(number) = revises else {
        return client.new_request(&NewRequest { wish, draft: false, env: my_environment() }).await;
    };
    client.revise_request(number, &wish).await?;
    client.submit_request(number, &SubmitRequest { env: my_environment() }).await
}

fn hit(hit: crate::domain::search::Hit) -> Hit {
    let path = hit.path.iter().map(|segment| match segment {
        PathSegment::Key(key) => key.clone(),
        PathSegment::Index(index) => index.to_string(),
    });
    Hit {
        path: path.collect::<Vec<_>>().join("."),
        value: text::value(&hit.value),
        instance: hit.instance,
        source: hit.source,
    }
}

fn changed(outcome: Result<crate::domain::run::Run, ClientError>) -> Answer {
    match outcome {
        Ok(run) => Answer::Run(Ok(Box::new(run))),
        Err(e) => Answer::Failed(trouble(&e)),
    }
}

async fn load(client: &Client, fact: Fact) -> Answer {
    match fact {
        Fact::Card => Answer::Card(told(client.platform().await).map(card)),
        Fact::Stacks => Answer::Stacks(told(client.stacks().await)),
        Fact::Instances => Answer::Instances(told(client.instances(true).await)),
        Fact::Diagnostics => Answer::Diagnostics(told(client.diagnostics().await)),
        Fact::Imports => Answer::Imports(told(client.imports().await)),
        Fact::Dependencies => Answer::Dependencies(told(client.dependencies().await)),
        Fact::Services => Answer::Services(told(client.services().await)),
        Fact::Workflows => {
            let cards = told(client.workflows().await);
            Answer::Workflows(cards.map(|cards| cards.into_iter().map(workflow).collect()))
        }
        Fact::Runs => Answer::Runs(told(client.recent_runs(RECENT).await)),
        Fact::Events => Answer::Events(told(client.recent_events(RECENT).await).map(|mut events| {
            events.reverse();
            events
        })),
        Fact::Budgets => Answer::Budgets(told(budgets(client).await)),
        Fact::Requests => Answer::Requests(told(client.requests(None, RECENT).await)),
        Fact::Inbox => Answer::Inbox(told(client.inbox().await)),
        Fact::Paths => Answer::Paths(told(client.golden_paths().await)),
        Fact::Teams => Answer::Teams(told(client.teams().await)),
        Fact::Prices => Answer::Prices(told(client.instance_prices().await)),
        Fact::Trust => Answer::Trust(told(client.trust().await)),
        Fact::Audit => Answer::Audit(told(client.recent_audit(RECENT).await)),
    }
}

async fn budgets(client: &Client) -> Result<Box<BudgetCard>, ClientError> {
    Ok(Box::new(BudgetCard {
        budgets: client.budgets(None).await?,
        report: client.cost_report(None, "team,service", None, &[]).await?,
        recommendations: client.recommendations().await?,
    }))
}

async fn level(client: &Client, look: &Look) -> Result<Level, ClientError> {
    Ok(match look {
        Look::Parts(budget) => Level::Parts(client.budget_parts(budget).await?),
        Look::Instance(component, stack) => {
            Level::Instance(Box::new(client.instance_estimate(component, stack).await?))
        }
        Look::Bill { period, only, by } => {
            let only: Vec<(&str, &str)> = only.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Level::Bill(Box::new(client.cost_report(Some(period), by, None, &only).await?))
        }
        Look::Lines(period, charge) => Level::Lines(Box::new(client.cost_lines(Some(period), *charge).await?)),
    })
}

fn word_of(word: DecisionWord) -> &'static str {
    match word {
        DecisionWord::Accepted => "accepted",
        DecisionWord::Dismissed => "dismissed",
        DecisionWord::Snoozed => "put off",
    }
}

/// Writes the report of a period to a file that is not there yet, in the form that its name asks for.
async fn export(client: &Client, period: &str, path: &Path) -> Outcome<()> {
    let report = told(client.cost_report(Some(period), "team,stage,service", None, &[]).await)?;
    let text = match path.extension().and_then(std::ffi::OsStr::to_str) {
        Some("html") => showback::html(&report),
        Some("csv") => showback::csv(&report),
        Some("json") => serde_json::to_string_pretty(&report).unwrap_or_default(),
        _ => {
            return Err(Trouble {
                hint: Some("name it .html, .csv or .json".to_owned()),
                ..own(format!("{} says no form", path.display()))
            });
        }
    };
    let cannot = |e: std::io::Error| Trouble {
        hint: (e.kind() == std::io::ErrorKind::AlreadyExists).then(|| "name another file".to_owned()),
        ..own(format!("{} cannot be written: {e}", path.display()))
    };
    let mut file = tokio::fs::File::options().write(true).create_new(true).open(path).await.map_err(cannot)?;
    file.write_all(text.as_bytes()).await.map_err(cannot)?;
    file.sync_all().await.map_err(cannot)
}

fn card(card: PlatformCard) -> Card {
    let name = |path: &String| {
        Path::new(path).file_name().map_or_else(|| path.clone(), |name| name.to_string_lossy().into_owned())
    };
    Card {
        driver: card.driver.as_ref().map(name),
        name: card.name,
        root: card.root,
        user: card.user,
        role: card.role.to_string(),
        solo: card.solo,
        ..Card::default()
    }
}

fn workflow(card: types::WorkflowCard) -> WorkflowCard {
    let step = |step: &types::WorkflowStep| step.command.clone().unwrap_or_else(|| step.name.clone());
    WorkflowCard {
        steps: card.steps.iter().map(step).collect(),
        // A step of Atmos needs a stack from somewhere: its own, the workflow's, or its command line.
        asks: asks(&card.steps),
        needs_stack: card.stack.is_none() && card.steps.iter().any(needs_stack),
        name: card.name,
        file: card.file,
        description: card.description,
    }
}

/// Returns what steps read and this environment does not have, each once.
fn asks(steps: &[types::WorkflowStep]) -> Vec<String> {
    let own = my_environment();
    let read: std::collections::BTreeSet<&String> = steps.iter().flat_map(|step| &step.reads).collect();
    read.into_iter().filter(|name| !own.contains_key(*name)).cloned().collect()
}

fn needs_stack(step: &types::WorkflowStep) -> bool {
    let command = step.command.as_deref().unwrap_or_default();
    let named = || command.split_whitespace().any(|word| word == "-s" || word.starts_with("--stack"));
    let acts = || command.split_whitespace().next().is_some_and(|word| matches!(word, "terraform" | "helmfile"));
    step.kind == "atmos" && step.stack.is_none() && acts() && !named()
}

fn times(lines: types::LogLines) -> Vec<(u64, i64)> {
    lines.lines.iter().filter_map(|line| Some((line.number, line.time?.as_millisecond()))).collect()
}

async fn fetch(client: &Client, run: RunId, offset: u64, len: u64) -> Result<Vec<u8>, ClientError> {
    let pieces = client.log(run_ref(run), offset, Some(len), false).await?;
    pieces
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

/// Writes the whole log to a file that is not there yet, and returns how many bytes it has.
async fn save(client: &Client, run: RunId, path: &Path) -> Outcome<u64> {
    let cannot = |e: std::io::Error| Trouble {
        hint: (e.kind() == std::io::ErrorKind::AlreadyExists).then(|| "name another file".to_owned()),
        ..own(format!("{} cannot be written: {e}", path.display()))
    };
    let mut pieces = told(client.log(run_ref(run), 0, None, false).await)?;
    let mut file = tokio::fs::File::options().write(true).create_new(true).open(path).await.map_err(cannot)?;
    let mut written = 0;
    while let Some(piece) = pieces.next().await {
        let piece = told(piece)?;
        file.write_all(&piece).await.map_err(cannot)?;
        written += piece.len() as u64;
    }
    file.sync_all().await.map_err(cannot)?;
    Ok(written)
}
