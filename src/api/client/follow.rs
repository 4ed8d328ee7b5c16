//! Streams that come back after a lost connection, where they left: nothing is left out, nothing comes twice.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, Stream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::{Client, ClientError};
use crate::domain::event::Event;
use crate::domain::id::RunRef;

/// The wait before the first new attempt; it doubles with each,
const FIRST: Duration = Duration::from_millis(100);
/// up to this.
const LONGEST: Duration = Duration::from_secs(5);

/// A stream that is open, or on its way back.
struct Following<T> {
    client: Client,
    open: Option<BoxStream<'static, Result<T, ClientError>>>,
    /// The sequence of the last event, or the offset of the next byte.
    position: Option<u64>,
    wait: Duration,
    /// Whether the last thing said was that the connection is lost.
    lost: bool,
}

impl<T> Following<T> {
    fn new(client: &Client, position: Option<u64>) -> Self {
        Self { client: client.clone(), open: None, position, wait: FIRST, lost: false }
    }

    async fn pause(&mut self) {
        if self.lost {
            tokio::time::sleep(self.wait).await;
            self.wait = (self.wait * 2).min(LONGEST);
        }
    }

    fn came(&mut self, position: u64) {
        self.position = Some(position);
        self.wait = FIRST;
        self.lost = false;
    }
}

impl Following<Event> {
    /// Opens the stream; where it is to begin with what comes next, that place is found first, so that a connection
    /// which breaks before the first event leaves no gap.
    async fn begin(&mut self) -> Result<BoxStream<'static, Result<Event, ClientError>>, ClientError> {
        let position = match self.position {
            Some(position) => position,
            None => {
                let newest = self.client.recent_events(1).await?;
                newest.first().and_then(|event| event.sequence.parse().ok()).unwrap_or_default()
            }
        };
        self.position = Some(position);
        self.client.events(Some(position)).await
    }
}

impl Client {
    /// Streams events for ever: a lost connection is told as an item, and then the stream goes on where it left.
    ///
    /// It ends after an error that asking again cannot mend.
    pub fn follow_events(&self, after: Option<u64>) -> impl Stream<Item = Result<Event, ClientError>> + Send + use<> {
        stream::unfold(Some(Following::new(self, after)), |following| async move {
            let mut following = following?;
            loop {
                let Some(open) = &mut following.open else {
                    following.pause().await;
                    match following.begin().await {
                        Ok(open) => following.open = Some(open),
                        Err(error) => {
                            let on = error.is_unreachable();
                            following.lost = true;
                            return Some((Err(error), on.then_some(following)));
                        }
                    }
                    continue;
                };
                match open.next().await {
                    Some(Ok(event)) => {
                        following.came(event.sequence.parse().unwrap_or_default());
                        return Some((Ok(event), Some(following)));
                    }
                    ended => {
                        following.open = None;
                        following.lost = true;
                        if let Some(Err(error)) = ended {
                            let on = error.is_unreachable();
                            return Some((Err(error), on.then_some(following)));
                        }
                    }
                }
            }
        })
    }

    /// Streams the bytes of a run's log from an offset on until the run has ended and all of it was read.
    ///
    /// A lost connection is told as an item, and then the stream goes on where it left.
    pub fn follow_log(
        &self,
        run: RunRef,
        offset: u64,
    ) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + use<> {
        stream::unfold(Some(Following::new(self, Some(offset))), move |following| async move {
            let mut following = following?;
            loop {
                let position = following.position.unwrap_or_default();
                let Some(open) = &mut following.open else {
                    following.pause().await;
                    match following.client.log(run, position, None, true).await {
                        Ok(open) => following.open = Some(open),
                        Err(error) => {
                            let on = error.is_unreachable();
                            following.lost = true;
                            return Some((Err(error), on.then_some(following)));
                        }
                    }
                    continue;
                };
                match open.try_next().await {
                    Ok(Some(bytes)) => {
                        following.came(position + bytes.len() as u64);
                        return Some((Ok(bytes), Some(following)));
                    }
                    Ok(None) => {
                        following.open = None;
                        // The platform ends a stream when it stops, too: only an ended run ends the log.
                        match following.client.run(run).await {
                            Ok(state) if state.state.is_end() && state.log_bytes <= position => return None,
                            Ok(_) => following.lost = true,
                            Err(error) => {
                                let on = error.is_unreachable();
                                following.lost = true;
                                return Some((Err(error), on.then_some(following)));
                            }
                        }
                    }
                    Err(error) => {
                        following.open = None;
                        following.lost = true;
                        let on = error.is_unreachable();
                        return Some((Err(error), on.then_some(following)));
                    }
                }
            }
        })
    }
}
