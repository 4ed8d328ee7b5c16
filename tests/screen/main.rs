//! What only a terminal shows: the dashboard in a pseudo-terminal, read back from the screen it draws.
//!
//! The dashboard here is the real one on a platform that answers from memory ([`stage`]), so that what is tested is
//! the terminal: taken, given back, resized, suspended, lost.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod life;
mod pty;
mod stage;
