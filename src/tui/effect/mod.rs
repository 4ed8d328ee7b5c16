//! The only way out: effects are carried out in tasks, and their answers come back as messages.
//!
//! A slow platform never delays a key: nothing here is awaited by the loop that draws. What only the loop can do, since
//! it has the terminal, is handed back to it.

pub mod ask;
mod connect;
mod log;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::domain::event::Event;
use crate::domain::id::RunId;

use super::config;
use super::message::{Answer, Effect, Message, Trouble};

/// For how long nobody types before it is asked what a form would come to.
const ASK_AFTER: Duration = Duration::from_millis(150);
/// For how long before it is planned, which takes the platform longer.
const PLAN_AFTER: Duration = Duration::from_millis(900);

/// The platform as the dashboard needs it: the typed client, or a stand-in in tests.
pub trait Platform: Send + Sync {
    /// Asks one thing and returns its answer; an effect that is no question has none.
    fn ask(&self, effect: Effect) -> BoxFuture<'static, Option<Answer>>;

    /// Returns a log's bytes from an offset on; a followed log ends when its run has.
    fn log(&self, run: RunId, offset: u64, follow: bool) -> BoxStream<'static, Result<Vec<u8>, Trouble>>;

    /// Returns the events after the one with this sequence as they come; ends with the connection.
    fn events(&self, after: Option<String>) -> BoxStream<'static, Result<Event, Trouble>>;
}

/// A connection.
pub type Connection = Arc<dyn Platform>;

/// Makes a connection to the platform, starting one where none runs.
pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, Result<Connection, Trouble>> + Send + Sync>;

/// How the platform is reached and where files lie.
#[derive(Clone)]
pub struct Outside {
    /// Makes a connection.
    pub connector: Connector,
    /// Where what is remembered lies; nothing is remembered without.
    pub memory: Option<PathBuf>,
    /// Whether to stay connected and follow logs; a snapshot looks once.
    pub live: bool,
}

impl std::fmt::Debug for Outside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outside").field("memory", &self.memory).field("live", &self.live).finish_non_exhaustive()
    }
}

/// Carries out effects.
pub struct Runner {
    outside: Outside,
    messages: mpsc::Sender<Message>,
    platform: watch::Sender<Option<Connection>>,
    pending: Arc<AtomicUsize>,
    followed: Option<AbortHandle>,
    search: Option<AbortHandle>,
    rest: Option<AbortHandle>,
}

/// Says that there is no connection.
fn gone() -> Trouble {
    Trouble { message: "the platform is not reachable".into(), hint: None, unreachable: true }
}

/// Counts a task while it lives, so that a snapshot knows when everything has come.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(pending: &Arc<AtomicUsize>) -> Self {
        pending.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(pending))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Runner {
    /// Makes a runner that sends its answers to `messages`.
    #[must_use]
    pub fn new(outside: Outside, messages: mpsc::Sender<Message>) -> Self {
        let (platform, _) = watch::channel(None);
        Runner { outside, messages, platform, pending: Arc::default(), followed: None, search: None, rest: None }
    }

    /// Returns how many answers are still to come; streams that go on do not count.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::SeqCst)
    }

    /// Carries out an effect; what needs the terminal is handed back.
    pub fn carry_out(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Edit(_) | Effect::Copy(_) | Effect::Mouse(_) | Effect::Redraw | Effect::Suspend | Effect::Leave => {
                return Some(effect);
            }
            Effect::Connect => {
                let counted = (!self.outside.live).then(|| Counted::new(&self.pending));
                let (outside, messages, platform) =
                    (self.outside.clone(), self.messages.clone(), self.platform.clone());
                tokio::spawn(async move {
                    connect::stay(outside, messages, platform).await;
                    drop(counted);
                });
            }
            Effect::Continue => {
                let messages = self.messages.clone();
                let counted = Counted::new(&self.pending);
                tokio::spawn(async move {
                    drop(messages.send(Message::Continue).await);
                    drop(counted);
                });
            }
            Effect::Remember(memory) => {
                if let Some(file) = self.outside.memory.clone() {
                    // Small, and written in order: what was remembered last counts.
                    drop(config::remember(&file, &memory));
                }
            }
            Effect::FollowLog(run, offset) => self.follow(run, offset),
            Effect::Rest { serial, plan } => {
                if let Some(rest) = self.rest.take() {
                    rest.abort();
                }
                let (messages, counted) = (self.messages.clone(), Counted::new(&self.pending));
                let task = tokio::spawn(async move {
                    tokio::time::sleep(if plan { PLAN_AFTER } else { ASK_AFTER }).await;
                    drop(messages.send(Message::Rested { serial, plan }).await);
                    drop(counted);
                });
                self.rest = Some(task.abort_handle());
            }
            Effect::Search(_) => {
                if let Some(search) = self.search.take() {
                    search.abort();
                }
                self.search = Some(self.ask(effect));
            }
            effect => drop(self.ask(effect)),
        }
        None
    }

    /// Asks the platform in a task.
    fn ask(&self, effect: Effect) -> AbortHandle {
        let counted = Counted::new(&self.pending);
        let (platform, messages) = (self.platform.borrow().clone(), self.messages.clone());
        let task = tokio::spawn(async move {
            let answer = match platform {
                Some(platform) => platform.ask(effect).await,
                None => Some(Answer::Failed(gone())),
            };
            if let Some(answer) = answer {
                drop(messages.send(Message::Answer(Box::new(answer))).await);
            }
            drop(counted);
        });
        task.abort_handle()
    }

    /// Follows the log of a run instead of that of any other.
    fn follow(&mut self, run: RunId, offset: u64) {
        if let Some(followed) = self.followed.take() {
            followed.abort();
        }
        let Some(platform) = self.platform.borrow().clone() else { return };
        let counted = (!self.outside.live).then(|| Counted::new(&self.pending));
        let (messages, live) = (self.messages.clone(), self.outside.live);
        let task = tokio::spawn(async move {
            log::follow(platform, run, offset, live, messages).await;
            drop(counted);
        });
        self.followed = Some(task.abort_handle());
    }
}

#[cfg(test)]
mod tests;
