//! What every handler can reach.

use std::sync::Arc;

use super::metrics::Metrics;
use crate::atmos::{Estate, InstanceId};
use crate::platform::Platform;
use crate::platform::estate::Snapshot;

use super::Problem;

/// The state of the router; cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The services.
    pub platform: Arc<Platform>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl AppState {
    /// Returns the state over a platform.
    #[must_use]
    pub fn new(platform: Arc<Platform>) -> Self {
        Self { platform, metrics: Arc::new(Metrics::default()) }
    }

    /// Returns a snapshot that is not older than the files are now.
    ///
    /// # Errors
    ///
    /// Where nothing can be said of the estate.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Problem> {
        Ok(self.platform.estate().current().await?)
    }

    /// Returns one instance with the estate that answers for it, and the revision of that.
    ///
    /// # Errors
    ///
    /// As [`AppState::snapshot`], and where there is no such instance, or more than one.
    pub async fn instance(
        &self,
        component: &str,
        stack: &str,
        stack_file: Option<&str>,
    ) -> Result<(Arc<Estate>, InstanceId, u64), Problem> {
        Ok(self.platform.estate().instance(component, stack, stack_file).await?)
    }
}
