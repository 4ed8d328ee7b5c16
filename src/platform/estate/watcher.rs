//! Learns of changed files when nobody asks, so that dashboards are told without polling.
//!
//! It only makes the service look: whether something changed is decided by the stamps alone. Where the system has no
//! watches left, the service looks every few seconds instead.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use super::EstateService;

/// An editor's save is several changes: this much quiet is waited for,
const QUIET: Duration = Duration::from_millis(20);
/// but never longer than this.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often the service looks where watching does not work.
const POLL: Duration = Duration::from_secs(3);

/// Runs until it is dropped.
pub(super) async fn run(service: EstateService) {
    let (sender, mut changes) = mpsc::unbounded_channel::<()>();
    let made = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let reading = event.as_ref().is_ok_and(|event| event.kind.is_access());
        if !reading {
            // The receiver goes only with this task.
            let _ = sender.send(());
        }
    });
    let mut watcher = match made {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::warn!(%error, "files cannot be watched; looking every {} s", POLL.as_secs());
            None
        }
    };
    let mut watched = BTreeSet::new();
    loop {
        // What cannot be loaded now is told to whoever asks; here only the change matters.
        drop(service.current().await);
        let folders = service.watched_folders().await;
        if let Some(watching) = &mut watcher
            && let Err(error) = follow(watching, &mut watched, folders)
        {
            tracing::warn!(%error, "files cannot be watched; looking every {} s", POLL.as_secs());
            watcher = None;
        }
        if watcher.is_none() {
            sleep(POLL).await;
            continue;
        }
        if changes.recv().await.is_none() {
            return;
        }
        let patience = Instant::now() + PATIENCE;
        while let Ok(Some(())) = timeout_at(patience.min(Instant::now() + QUIET), changes.recv()).await {}
    }
}

/// Watches new folders, and no longer those that left.
fn follow(
    watcher: &mut RecommendedWatcher,
    watched: &mut BTreeSet<PathBuf>,
    folders: Vec<PathBuf>,
) -> notify::Result<()> {
    let folders: BTreeSet<PathBuf> = folders.into_iter().collect();
    for gone in watched.difference(&folders) {
        // A folder that was removed has lost its watch already.
        drop(watcher.unwatch(gone));
    }
    for new in folders.difference(watched) {
        match watcher.watch(new, RecursiveMode::NonRecursive) {
            Err(error) if !matches!(error.kind, notify::ErrorKind::PathNotFound) && new.exists() => return Err(error),
            _ => {}
        }
    }
    *watched = folders;
    Ok(())
}
