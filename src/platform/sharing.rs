//! Whether several people share a platform: one answer for everybody who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether several people share the platform; clones say the same.
#[derive(Debug, Clone, Default)]
pub struct Sharing(Arc<AtomicBool>);

impl Sharing {
    /// Says from now on that several people share it.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether it is one person's, so that nobody else's yes is there to be had.
    #[must_use]
    pub fn is_solo(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}
