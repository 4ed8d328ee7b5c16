//! A run in words: its subject, its changes, its page.

use std::io::{self, Write};

use jiff::Timestamp;

use crate::cli::output::{Paint, plain};
use crate::cli::{Context, output};
use crate::domain::run::{Run, RunState, StepState};

/// Returns what a run is about: `plan network@plat-ue2-dev`, or what a person would type.
pub(crate) fn subject(run: &Run) -> String {
    plain(&match (&run.component, &run.stack) {
        (Some(component), Some(stack)) if run.kind.plans() => {
            let preview = if run.preview { ", a preview" } else { "" };
            format!("{} {component}@{stack}{preview}", run.kind)
        }
        _ => run.command.trim_start_matches("terrace ").to_owned(),
    })
}

/// Returns what its plan holds, where it has one.
pub(crate) fn changes(run: &Run) -> Option<String> {
    let summary = run.summary?;
    let replace = if summary.replace > 0 { format!(" ({} replaced)", summary.replace) } else { String::new() };
    Some(format!("{} to add, {} to change, {} to destroy{replace}", summary.add, summary.change, summary.destroy))
}

/// Writes words as a shell reads them.
pub(crate) fn command_line(argv: &[String]) -> String {
    crate::atmos::driver::quote(argv)
}

/// Returns how long its commands took or take, waiting left out.
pub(crate) fn took(run: &Run) -> Option<String> {
    let began = run.started_at?;
    let seconds = run.ended_at.unwrap_or_else(Timestamp::now).duration_since(began).as_secs_f64().max(0.0);
    Some(if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = seconds.round();
        format!("{} min {} s", (whole / 60.0).floor(), whole % 60.0)
    })
}

/// Prints a run.
pub(crate) fn print_run(context: &Context, run: &Run) -> color_eyre::Result<()> {
    output::print(context, run, |out, paint| page(out, paint, run))
}

fn page(out: &mut dyn Write, paint: Paint, run: &Run) -> io::Result<()> {
    let state = match run.state {
        state if state.is_success() => paint.good(state),
        RunState::Failed | RunState::Unknown | RunState::Denied | RunState::NeedsCredentials => paint.error(run.state),
        state => paint.warning(state),
    };
    writeln!(out, "{}  {state}", paint.bold(format!("#{} {}", run.number, subject(run))))?;
    let mut line = |name: &str, text: String| writeln!(out, "  {name:<11} {}", plain(&text));
    line("id", run.id.to_string())?;
    line("command", run.command.clone())?;
    line("driver", run.driver.name().to_owned())?;
    line("asked by", format!("{}, {}", run.actor, when(run.queued_at)))?;
    if let Some(at) = run.started_at {
        line("began", when(at))?;
    }
    if let Some(at) = run.ended_at {
        line("ended", format!("{} after {}", when(at), took(run).unwrap_or_else(|| "no time".to_owned())))?;
    }
    for (name, text) in [
        ("workspace", run.workspace.clone()),
        ("changes", changes(run)),
        ("waits for", run.waiting_for.clone()),
        ("plan", run.plan_digest.as_ref().map(|digest| digest.short().to_owned())),
        ("confirmed", run.confirmed_by.clone()),
        ("until", run.expires_at.map(when)),
        ("exit code", run.exit_code.map(|code| code.to_string())),
        ("reason", run.reason.clone()),
        ("commit", stood_on(run)),
        ("tools", Some(run.stood_on.tools.join(", ")).filter(|tools| !tools.is_empty())),
        ("retry of", run.retry_of.map(|id| id.to_string())),
        ("set", run.set.clone()),
        ("copy of", run.copy.clone()),
        ("log", Some(format!("{} lines, {} bytes", run.log_lines, run.log_bytes))),
    ] {
        if let Some(text) = text {
            line(name, text)?;
        }
    }
    if !run.steps.is_empty() {
        writeln!(out, "{}", paint.dim("steps"))?;
    }
    for step in &run.steps {
        let mark = match step.state {
            StepState::Pending => paint.dim("·"),
            StepState::Running => paint.warning("…"),
            StepState::Succeeded => paint.good("✓"),
            StepState::Failed => paint.error("✗"),
            StepState::Skipped => paint.dim("-"),
        };
        let code = step.exit_code.filter(|code| *code != 0).map(|code| format!("  (exit code {code})"));
        let code = code.unwrap_or_default();
        writeln!(out, "  {mark} {:<12} {}{code}", plain(&step.name), plain(&step.command))?;
    }
    if !run.commands.is_empty() {
        writeln!(out, "{}", paint.dim("ran"))?;
    }
    for command in &run.commands {
        writeln!(out, "  $ {}", plain(&command_line(&command.argv)))?;
    }
    for finding in &run.findings {
        writeln!(out, "{} log line {}: {}", paint.error("found"), finding.line, plain(&finding.message))?;
        if let Some(next) = &finding.next {
            writeln!(out, "  {} {}", paint.hint("next:"), plain(next))?;
        }
    }
    for difference in &run.differs {
        writeln!(out, "{} {}", paint.dim("differs:"), plain(difference))?;
    }
    if let Some(next) = &run.next {
        writeln!(out, "{} {}", paint.hint("next:"), plain(next))?;
    }
    for way in &run.ways {
        writeln!(out, "{} {}  ({})", paint.hint("or:"), plain(&way.command), plain(&way.what))?;
    }
    Ok(())
}

fn stood_on(run: &Run) -> Option<String> {
    let commit = run.stood_on.commit.as_deref()?;
    Some(format!("{commit}{}", if run.stood_on.dirty { ", with changes that are not committed" } else { "" }))
}

fn when(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
