//! Where the platform writes, and can be made to die: for the tests that kill it there.
//!
//! In a build with debug assertions `TERRACE_CRASH_AT=N` kills the process (SIGKILL) at the Nth of these points that it
//! passes; in any other build a point is nothing.

/// Passes a point at which something is about to be written, or just was.
#[inline]
pub(crate) fn point() {
    #[cfg(debug_assertions)]
    {
        use std::sync::OnceLock;
        use std::sync::atomic::{AtomicU64, Ordering};

        static AT: OnceLock<Option<u64>> = OnceLock::new();
        static PASSED: AtomicU64 = AtomicU64::new(0);
        let at = AT.get_or_init(|| std::env::var("TERRACE_CRASH_AT").ok()?.parse().ok());
        if *at == Some(PASSED.fetch_add(1, Ordering::SeqCst) + 1) {
            // Nothing of this process is to go on meanwhile, other threads neither.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
    }
}
