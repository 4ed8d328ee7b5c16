//! What only a terminal shows: the dashboard in a pseudo-terminal, read back from the screen it draws.
//!
//! In [`life`] it is the real one on a platform that answers from memory ([`stage`]), so that what is tested is the
//! terminal: taken, given back, resized, suspended, lost. In [`story`] it is the program itself, on the demo estate, with
//! a platform process, runs and Terraform, in [`requests`] what is asked for and decided, and in [`commands`] its commands; [`picture`] holds what is drawn without a terminal.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod commands;
mod home;
mod life;
mod picture;
#[path = "../common/program.rs"]
mod program;
mod pty;
mod requests;
mod stage;
mod story;
