//! Questions to a person: what is asked on standard error is answered on standard input.
//!
//! Only what changes the world asks. Without a terminal nobody can answer: then a command refuses before anything
//! has begun, and names the option that answers ahead.

use std::io::{IsTerminal as _, Write as _};

use super::{Context, Failure};

/// Returns whether somebody is there to answer.
pub(crate) fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Refuses unless somebody is there to answer or `--yes` was given.
pub(crate) fn need_an_answer(yes: bool, what: &str) -> Result<(), Failure> {
    if yes || somebody_is_there() {
        return Ok(());
    }
    Err(Failure::usage(format!("{what} asks first, and there is no terminal to ask on; nothing was changed"))
        .hint("add --yes to answer ahead"))
}

/// Asks for a yes; anything else is a no, and so is the end of the input.
pub(crate) fn yes(context: &Context, question: &str) -> std::io::Result<bool> {
    let answer = line(context, &format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

fn line(context: &Context, question: &str) -> std::io::Result<String> {
    let mut err = std::io::stderr().lock();
    write!(err, "{}", context.paint_stderr().bold(question))?;
    err.flush()?;
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer)? == 0 {
        writeln!(err)?;
    }
    Ok(answer.trim().to_owned())
}
