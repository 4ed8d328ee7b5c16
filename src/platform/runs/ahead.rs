//! Looks at runs before it is their turn, so that a place that becomes free is taken at once.
//!
//! Owns which runs are looked at ahead, and for how long that holds. Leaves to `accept` what looking at one means, and to the
//! executor whose turn it is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::accept::Noted;
use super::configuration::Configuration;
use super::service::RunService;
use super::work::Work;
use crate::domain::id::RunId;
use crate::platform::store::KeptRun;

/// For how long a run that waits for a place may rely on what Git said of the files; the configuration is compared when it goes.
const HOLDS: Duration = Duration::from_millis(500);

/// The runs that are looked at ahead.
#[derive(Default)]
pub(super) struct Ahead(Mutex<HashMap<RunId, Looked>>);

/// How far looking at a run has come.
enum Looked {
    /// Somebody looks.
    Now,
    Ready(Ready),
}

/// A run that was looked at.
struct Ready {
    work: Box<Work>,
    configuration: Arc<dyn Configuration>,
    /// Git was asked then, or later.
    since: Instant,
}

impl Ahead {
    fn all(&self) -> MutexGuard<'_, HashMap<RunId, Looked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all but these, and returns those of them that are to be looked at.
    fn begin<'r>(&self, next: &[&'r KeptRun]) -> Vec<&'r KeptRun> {
        let mut all = self.all();
        all.retain(|id, looked| {
            let holds = !matches!(looked, Looked::Ready(ready) if ready.since.elapsed() >= HOLDS);
            holds && next.iter().any(|kept| kept.run.id == *id)
        });
        let mut new = next.to_vec();
        new.retain(|kept| !all.contains_key(&kept.run.id));
        all.extend(new.iter().map(|kept| (kept.run.id, Looked::Now)));
        new
    }
}

impl RunService {
    /// Begins to look at the runs that go next, as far as they need nothing but a place.
    pub(super) fn look_ahead(&self, next: &[&KeptRun]) {
        // A copy is made, and an approved plan is opened, only for a run that goes.
        let plain = |kept: &&KeptRun| {
            kept.run.copy.is_none() && kept.request.commit.is_none() && kept.request.request.is_none()
        };
        let next: Vec<&KeptRun> = next.iter().copied().filter(plain).collect();
        for kept in self.inner.ahead.begin(&next) {
            let (service, kept) = (self.clone(), kept.clone());
            tokio::spawn(async move { service.look_at(&kept).await });
        }
    }

    async fn look_at(&self, kept: &KeptRun) {
        let id = kept.run.id;
        let since = Instant::now().checked_sub(HOLDS / 2).unwrap_or_else(Instant::now);
        let looked = async {
            let configuration = self.inner.configurations.current().await?;
            let noted = Noted::of(&self.inner.folder(id));
            let work = self.prepare(&kept.decided(), id, &noted, None, since).await?;
            Ok::<_, super::RunError>(Ready { work: Box::new(work), configuration, since })
        };
        let looked = looked.await;
        let mut all = self.inner.ahead.all();
        match looked {
            // Where nobody waits for it any more it is not kept.
            Ok(ready) => drop(all.get_mut(&id).map(|looked| *looked = Looked::Ready(ready))),
            // Whoever lets it go finds the same, and says it.
            Err(_) => drop(all.remove(&id)),
        }
    }

    /// Returns what a run was found to do, where that still holds.
    pub(super) async fn looked_at(&self, id: RunId) -> Option<Work> {
        let looked = self.inner.ahead.all().remove(&id);
        let Some(Looked::Ready(ready)) = looked else { return None };
        let now = self.inner.configurations.current().await.ok()?;
        (Arc::ptr_eq(&now, &ready.configuration) && ready.since.elapsed() < HOLDS).then_some(*ready.work)
    }
}
