//! How long the platform process lives: who is connected, when something last happened, when to stop.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// Counts what keeps the process alive, and carries the wish to stop; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    connections: AtomicUsize,
    /// When the last connection went, or the process began.
    quiet_since: Mutex<Instant>,
    stop: CancellationToken,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            connections: AtomicUsize::new(0),
            quiet_since: Mutex::new(Instant::now()),
            stop: CancellationToken::new(),
        }
    }
}

impl Lifecycle {
    /// Counts a connection until the guard is dropped.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.shared.connections.fetch_add(1, Ordering::AcqRel);
        Connected { shared: Arc::clone(&self.shared) }
    }

    /// Returns how many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Returns for how long nobody has been connected; zero while somebody is.
    #[must_use]
    pub fn quiet_for(&self) -> Duration {
        if self.connections() > 0 {
            return Duration::ZERO;
        }
        self.shared.quiet_since.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Notes that something happened which was no connection: a run ended, a timer was due.
    pub fn touch(&self) {
        *self.shared.quiet_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Asks everything to end: streams close, the server takes no more connections.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }

    /// Says whether the end was asked for.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.stop.is_cancelled()
    }

    /// Waits until the end is asked for.
    pub async fn stopping(&self) {
        self.shared.stop.cancelled().await;
    }
}

/// One open connection.
#[derive(Debug)]
pub struct Connected {
    shared: Arc<Shared>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        *self.shared.quiet_since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.shared.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_quiet_while_connected() {
        let life = Lifecycle::default();
        let first = life.connected();
        let second = life.connected();
        drop(first);
        assert_eq!((life.connections(), life.quiet_for()), (1, Duration::ZERO));
        drop(second);
        assert_eq!(life.connections(), 0);
        assert!(life.quiet_for() > Duration::ZERO);
    }
}
