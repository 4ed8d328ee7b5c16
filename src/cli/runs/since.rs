//! `terrace runs since`: what changed since the last successful apply.

use std::io::{self, Write};

use serde_json::Value;

use crate::cli::output::{self, Paint, plain};
use crate::cli::{Context, Exit, Failure, Outcome, local};
use crate::domain::id::RunRef;
use crate::domain::run::since::{ChangedValue, Since, dotted};

/// Prints what changed between the last successful apply of a run's instance, and the run.
pub(super) async fn execute(context: &Context, which: RunRef) -> Outcome {
    let since = local::client(context).await?.since(which).await.map_err(Failure::from)?;
    output::print(context, &since, |out, paint| page(out, paint, &since))?;
    Ok(Exit::Done)
}

fn page(out: &mut dyn Write, paint: Paint, since: &Since) -> io::Result<()> {
    match &since.applied {
        Some(run) => {
            let about = format!("since #{} {} {}@{}", run.number, run.kind, since.component, since.stack);
            let ended = run.ended_at.map(|at| at.strftime(", %Y-%m-%d %H:%M:%SZ").to_string()).unwrap_or_default();
            writeln!(out, "{}{ended}", paint.bold(about))?;
        }
        None => writeln!(out, "{}", paint.bold(format!("{}@{}", since.component, since.stack)))?,
    }
    for value in &since.values {
        writeln!(out, "  {}", plain(&told(value)))?;
    }
    if since.applied.is_some() && since.values.is_empty() {
        writeln!(out, "  no value changed")?;
    }
    for commit in &since.commits {
        let id: String = commit.id.chars().take(12).collect();
        writeln!(out, "  {} {}: {}", paint.dim(id), plain(&commit.author), plain(&commit.subject))?;
    }
    if since.other_commits > 0 {
        writeln!(out, "  {} other commits, which do not touch it", since.other_commits)?;
    }
    if !since.lately.is_empty() {
        writeln!(out, "{}", paint.dim("the same stack, within a day"))?;
    }
    for run in &since.lately {
        writeln!(out, "  #{} {} {}, by {}", run.number, plain(&run.command), run.state, plain(&run.actor))?;
    }
    for note in &since.notes {
        writeln!(out, "{} {}", paint.hint("note:"), plain(note))?;
    }
    Ok(())
}

fn told(value: &ChangedValue) -> String {
    let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
    let place = value.source.as_ref().map_or(String::new(), |at| format!("  {}:{}", at.file, at.line));
    let author = value.author.as_ref().map_or(String::new(), |author| format!(", {author}"));
    format!("{}: {} → {}{place}{author}", dotted(&value.path), show(&value.before), show(&value.after))
}
