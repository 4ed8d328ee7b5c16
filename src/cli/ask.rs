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
    Ok(is_yes(&answer))
}

/// Asks for a yes while other things go on; `None` where the person leaves: with ctrl-c, or because the terminal is gone.
///
/// The question stays on the terminal where nobody waits for its answer any more.
pub(crate) async fn later(context: &Context, question: &str) -> Option<bool> {
    let prompt = context.paint_stderr().bold(format!("{question} [y/N] "));
    let (answered, answer) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of the terminal cannot be taken back, and nothing waits for this one.
    std::thread::spawn(move || {
        let answer = prompted(&prompt).ok().flatten().map(|answer| is_yes(&answer));
        // Nobody waits for it where the person left.
        let _ = answered.send(answer);
    });
    tokio::select! {
        answer = answer => answer.unwrap_or_default(),
        _ = tokio::signal::ctrl_c() => {
            eprintln!();
            None
        }
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.to_lowercase().as_str(), "y" | "yes")
}

fn line(context: &Context, question: &str) -> std::io::Result<String> {
    Ok(prompted(&context.paint_stderr().bold(question))?.unwrap_or_default())
}

/// Prompts on standard error and reads a line, `None` at the end of the input; nobody is kept from writing there
/// meanwhile.
fn prompted(prompt: &str) -> std::io::Result<Option<String>> {
    let mut err = std::io::stderr();
    write!(err, "{prompt}")?;
    err.flush()?;
    let mut answer = String::new();
    if std::io::stdin().read_line(&mut answer)? == 0 {
        writeln!(err)?;
        return Ok(None);
    }
    Ok(Some(answer.trim().to_owned()))
}
