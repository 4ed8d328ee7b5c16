//! How a command ends: exit codes, failures with a hint, and how they are printed.

use std::io::Write as _;
use std::process::ExitCode;

use color_eyre::Report;

use super::Context;
use crate::atmos::AtmosError;

/// What a command returns: how it ended, or why it could not.
pub(crate) type Outcome = color_eyre::Result<Exit>;

/// The exit codes that scripts may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: done.
    Done,
    /// 1: the thing failed.
    Failed,
    /// 2: wrong usage or configuration.
    Usage,
    /// 3: denied by policy, approval, budget or role.
    Denied,
    /// 4: the platform is not reachable.
    Unreachable,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Denied => 3,
            Exit::Unreachable => 4,
        })
    }
}

/// A failure as a person reads it: what happened, and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// Says that the thing itself failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Failure { exit: Exit::Failed, message: message.into(), hint: None }
    }

    /// Says that the call or the configuration is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Failure { exit: Exit::Usage, message: message.into(), hint: None }
    }

    /// Says that the platform said no.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Failure { exit: Exit::Denied, message: message.into(), hint: None }
    }

    /// Says that the platform is not reachable.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Failure { exit: Exit::Unreachable, message: message.into(), hint: None }
    }

    /// Returns the message and the hint.
    pub(crate) fn into_parts(self) -> (String, Option<String>) {
        (self.message, self.hint)
    }

    /// Adds the next step.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.hinted(Some(hint))
    }

    /// Adds the next step, where one is known.
    pub(crate) fn hinted(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }
}

/// What cannot be read or is not there was named or configured wrongly.
impl From<AtmosError> for Failure {
    fn from(error: AtmosError) -> Self {
        let place = error.source_at.as_ref().map(|at| format!("{}:{}:{}: ", at.file, at.line, at.column));
        Failure { exit: Exit::Usage, message: place.unwrap_or_default() + &error.message, hint: error.hint }
    }
}

/// Installs the hooks that print panics and reports.
pub(crate) fn install() {
    // Installing fails only where a hook stands already, and then that one does.
    drop(
        color_eyre::config::HookBuilder::default()
            .display_env_section(false)
            .panic_section("This is a fault in terrace. What ran goes on; please report what you see above.")
            .install(),
    );
}

/// Prints an error with its causes and its hint on standard error, and returns the exit code it stands for.
///
/// A reader that has gone away (`terrace describe stacks | head`) is no error and prints nothing.
pub(crate) fn print(error: &Report, context: &Context) -> Exit {
    if error.chain().any(is_broken_pipe) {
        return Exit::Done;
    }
    let paint = context.paint_stderr();
    let mut err = std::io::stderr().lock();
    // Where standard error is closed there is nobody to tell.
    drop(writeln!(err, "{} {error}", paint.error("error:")));
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Many errors repeat their source in their own text.
        if !last.contains(&text) {
            drop(writeln!(err, "  {} {text}", paint.dim("because")));
        }
        last = text;
    }
    let (exit, hint) = judge(error);
    if let Some(hint) = hint {
        drop(writeln!(err, "{} {hint}", paint.hint("hint:")));
    }
    if std::env::var_os("TERRACE_LOG").is_some() {
        drop(writeln!(err, "{error:?}"));
    }
    exit
}

/// Returns the exit code and the hint of the outermost cause that knows them.
fn judge(error: &Report) -> (Exit, Option<String>) {
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return (failure.exit, failure.hint.clone());
        }
    }
    (Exit::Failed, None)
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    let io = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    cause.downcast_ref::<std::io::Error>().is_some_and(io)
        || cause
            .downcast_ref::<serde_json::Error>()
            .is_some_and(|e| e.io_error_kind() == Some(std::io::ErrorKind::BrokenPipe))
}
