//! `terrace check`: every problem of the estate at once.

mod sarif;

use std::io::{self, Write as _};
use std::time::Duration;

use super::diagnostics::{self, counted};
use super::output::plain;
use super::{Context, Exit, Failure, Format, Outcome, local};
use crate::api::client::Client;
use crate::api::types::EstateCard;
use crate::domain::stack::Diagnostic;

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_millis(500);

/// Lists every problem of the estate, where Atmos stops at the first
///
/// Exits with 1 where one of them is an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terrace check
  terrace check --format sarif > terrace.sarif
  terrace check --watch
  terrace check --fix")]
pub(crate) struct Check {
    /// Goes on, and lists them again whenever they change, until ctrl-c
    #[arg(long, conflicts_with = "fix")]
    watch: bool,
    /// Commits edits that are safe on a new branch: they mend a problem, and nothing resolves to anything else
    ///
    /// Looks at the last commit; the working tree and the branch that is checked out are left alone.
    #[arg(long)]
    fix: bool,
}

impl Check {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let client = local::reading(context)?;
        let runtime = super::runtime()?;
        if self.fix {
            return runtime.block_on(fix(context, &client));
        }
        if self.watch {
            return runtime.block_on(watch(context, &client));
        }
        let (found, card) = runtime.block_on(look(&client))?;
        print(context, &found, &card)
    }
}

async fn look(client: &Client) -> Result<(Vec<Diagnostic>, EstateCard), Failure> {
    Ok((client.diagnostics().await?, client.estate().await?))
}

fn print(context: &Context, found: &[Diagnostic], card: &EstateCard) -> Outcome {
    if context.format() == Format::Sarif {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &sarif::log(found, &card.root))?;
        writeln!(out)?;
    } else {
        super::output::print(context, &found, |out, paint| diagnostics::write(out, paint, found))?;
    }
    let (errors, warnings) = diagnostics::count(found);
    writeln!(
        io::stderr().lock(),
        "{}, {} in {} with {}",
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(card.stacks, "stack"),
        counted(card.instances, "instance")
    )?;
    Ok(if errors > 0 { Exit::Failed } else { Exit::Done })
}

/// Lists them whenever they change; an estate of which nothing can be said is said so, and looked at again.
async fn watch(context: &Context, client: &Client) -> Outcome {
    let mut last: Option<Result<Vec<Diagnostic>, String>> = None;
    loop {
        let looked = look(client).await;
        let now = looked.as_ref().map(|(found, _)| found.clone()).map_err(ToString::to_string);
        if last.as_ref() != Some(&now) {
            match looked {
                Ok((found, card)) => drop(print(context, &found, &card)?),
                Err(failure) => writeln!(io::stderr().lock(), "error: {}", plain(&failure.to_string()))?,
            }
            last = Some(now);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        }
    }
}

async fn fix(context: &Context, client: &Client) -> Outcome {
    let fixed = client.fix().await.map_err(Failure::from)?;
    super::output::print(context, &fixed, |out, _| {
        for edit in &fixed.edits {
            writeln!(out, "{}:{}: {}", plain(&edit.file), edit.line, plain(&edit.what))?;
        }
        Ok(())
    })?;
    let said = match &fixed.branch {
        Some(branch) => format!(
            "{} on the branch {branch}; look at it with: git diff HEAD...{branch}",
            counted(fixed.edits.len(), "edit")
        ),
        None => "nothing of the last commit can be mended safely".to_owned(),
    };
    writeln!(io::stderr().lock(), "{said}")?;
    Ok(Exit::Done)
}
