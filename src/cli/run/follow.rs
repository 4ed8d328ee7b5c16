//! Following a run: its log to the sink, what happens to it to the teller.
//!
//! A run belongs to its supervisor: whatever ends this command changes nothing for it, and a platform that ends
//! meanwhile is found or started again.

use std::pin::pin;
use std::time::{Duration, Instant};

use color_eyre::Report;
use futures::StreamExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Sink, Teller};
use crate::api::client::{Client, ClientError};
use crate::cli::{Context, Failure, local};
use crate::domain::event::Event;
use crate::domain::id::RunRef;
use crate::domain::run::{Run, RunState};

/// How long a shared platform is looked for that does not answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause before it is looked for again.
const AGAIN: Duration = Duration::from_millis(200);

/// How following came to an end.
pub(crate) enum End {
    /// The run has ended, and all of its log was written.
    Ended(Run),
    /// Its plan is shown, and it waits for a yes.
    Waiting(Run),
    /// Others have to agree to its plan: a request asks them.
    Held(Run),
    /// The person left; the run goes on.
    Left(Run),
}

/// Follows one run.
pub(crate) struct Follower<'a> {
    context: &'a Context,
    client: Client,
    run: Run,
    /// The offset of the next byte of the log.
    position: u64,
    /// The sequence of the last event that was looked at.
    seen: u64,
    sink: Sink,
    teller: Teller,
    interrupt: Signal,
    left: bool,
}

/// What came next.
enum Next {
    Log(Option<Result<bytes::Bytes, ClientError>>),
    Event(Option<Result<Event, ClientError>>),
    Leave,
}

impl<'a> Follower<'a> {
    /// Begins at the first byte of the log.
    pub(crate) async fn new(
        context: &'a Context,
        client: Client,
        run: Run,
        sink: Sink,
        teller: Teller,
    ) -> Result<Self, Failure> {
        let interrupt = signal(SignalKind::interrupt())
            .map_err(|error| Failure::failed(format!("ctrl-c cannot be listened to: {error}")))?;
        let newest = client.recent_events(1).await?;
        let seen = newest.first().and_then(|event| event.sequence.parse().ok()).unwrap_or_default();
        // What happened before that event is in the run as it is now.
        let run = client.run(RunRef::Id(run.id)).await?;
        Ok(Follower { context, client, run, position: 0, seen, sink, teller, interrupt, left: false })
    }

    /// Returns the client, which is another one where the platform was.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the teller.
    pub(crate) fn teller(&self) -> &Teller {
        &self.teller
    }

    /// Takes over what a decision made of the run.
    pub(crate) fn changed(&mut self, run: Run) {
        self.run = run;
    }

    /// Leaves at the next look.
    pub(crate) fn leave(&mut self) {
        self.left = true;
    }

    /// Ends colours that are on, and returns the teller.
    pub(crate) fn finish(self) -> std::io::Result<Teller> {
        self.sink.finish()?;
        Ok(self.teller)
    }

    /// Follows until the run has ended, or the person leaves, or (where `decide`) it waits for a yes, be it others'.
    pub(crate) async fn follow(&mut self, decide: bool) -> color_eyre::Result<End> {
        self.tell()?;
        let mut lost_since: Option<Instant> = None;
        loop {
            let which = RunRef::Id(self.run.id);
            let subject = format!("run/{}", self.run.id);
            let mut log = pin!(self.client.follow_log(which, self.position));
            let mut events = pin!(self.client.follow_events(Some(self.seen)));
            let error = loop {
                if self.left {
                    return Ok(End::Left(self.run.clone()));
                }
                if decide && self.waits() {
                    return Ok(End::Waiting(self.run.clone()));
                }
                if decide && self.run.state == RunState::AwaitingApproval && self.run.confirmed_by.is_none() {
                    return Ok(End::Held(self.run.clone()));
                }
                let next = tokio::select! {
                    biased;
                    _ = self.interrupt.recv() => Next::Leave,
                    bytes = log.next() => Next::Log(bytes),
                    event = events.next() => Next::Event(event),
                };
                match next {
                    Next::Leave => self.left = true,
                    Next::Log(Some(Ok(bytes))) => {
                        self.sink.write(&bytes)?;
                        self.position += bytes.len() as u64;
                    }
                    Next::Log(None) => match self.client.run(which).await {
                        Ok(run) => {
                            self.run = run;
                            self.tell()?;
                            return Ok(End::Ended(self.run.clone()));
                        }
                        Err(error) => break error,
                    },
                    Next::Event(Some(Ok(event))) => {
                        self.seen = event.sequence.parse().unwrap_or(self.seen);
                        if event.subject == subject {
                            match self.client.run(which).await {
                                Ok(run) => self.run = run,
                                Err(error) => break error,
                            }
                            self.tell()?;
                        }
                    }
                    Next::Event(None) => return Err(Failure::failed("the stream of events ended").into()),
                    Next::Log(Some(Err(error))) | Next::Event(Some(Err(error))) => break error,
                }
                if lost_since.take().is_some() {
                    let found = self.teller.found();
                    self.say(found)?;
                }
            };
            if !error.is_unreachable() {
                return Err(Report::new(Failure::from(error)));
            }
            let since = *lost_since.get_or_insert_with(Instant::now);
            let lost = self.teller.lost();
            self.say(lost)?;
            self.reconnect(error, since).await?;
        }
    }

    /// Waits for something as long as the run stays as it is; `None` where the run changed first.
    pub(crate) async fn while_unchanged<T>(
        &mut self,
        waited: impl Future<Output = T>,
    ) -> color_eyre::Result<Option<T>> {
        let which = RunRef::Id(self.run.id);
        let mut waited = pin!(waited);
        let mut events = pin!(self.client.follow_events(Some(self.seen)));
        loop {
            tokio::select! {
                answer = &mut waited => return Ok(Some(answer)),
                event = events.next() => match event {
                    Some(Ok(event)) => self.seen = event.sequence.parse().unwrap_or(self.seen),
                    // The question stands; the answer finds the platform again or says that it cannot.
                    Some(Err(_)) => {}
                    None => return Ok(Some(waited.await)),
                },
            }
            if let Ok(run) = self.client.run(which).await
                && (run.state != RunState::AwaitingConfirmation || run.confirmed_by.is_some())
            {
                self.run = run;
                self.sink.begin_line()?;
                return Ok(None);
            }
        }
    }

    /// Says whether it waits for a yes, and all that it wrote was read.
    fn waits(&self) -> bool {
        self.run.state == RunState::AwaitingConfirmation
            && self.run.confirmed_by.is_none()
            && !self.run.cancel_asked
            && self.position >= self.run.log_bytes
    }

    fn tell(&mut self) -> std::io::Result<()> {
        let news = self.teller.news(&self.run);
        self.say(news)
    }

    fn say(&mut self, lines: impl IntoIterator<Item = String>) -> std::io::Result<()> {
        for line in lines {
            self.sink.begin_line()?;
            eprintln!("{line}");
        }
        Ok(())
    }

    /// Finds the platform again: on this machine one is started, a shared one is waited for.
    async fn reconnect(&mut self, error: ClientError, since: Instant) -> Result<(), Failure> {
        if !local::is_shared(self.context) {
            self.client = local::client(self.context).await?;
            return Ok(());
        }
        if since.elapsed() > PATIENCE {
            let number = self.run.number;
            return Err(Failure::from(error).hint(format!("come back later: terrace runs watch {number}")));
        }
        tokio::time::sleep(AGAIN).await;
        Ok(())
    }
}
