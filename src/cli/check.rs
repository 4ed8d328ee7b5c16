//! `terrace check`: every problem of the estate at once.

use std::io::{self, Write as _};

use super::diagnostics::{self, counted};
use super::{Context, Exit, Failure, Outcome, local};

/// Lists every problem of the estate, where Atmos stops at the first
///
/// Exits with 1 where one of them is an error.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {}

impl Check {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let (found, card) = super::runtime()?.block_on(async {
            let client = local::reading(context)?;
            Ok::<_, Failure>((client.diagnostics().await?, client.estate().await?))
        })?;
        super::output::print(context, &found, |out, paint| diagnostics::write(out, paint, &found))?;
        let (errors, warnings) = diagnostics::count(&found);
        let (errors_text, warnings_text) = (counted(errors, "error"), counted(warnings, "warning"));
        writeln!(
            io::stderr().lock(),
            "{errors_text}, {warnings_text} in {} with {}",
            counted(card.stacks, "stack"),
            counted(card.instances, "instance")
        )?;
        Ok(if errors > 0 { Exit::Failed } else { Exit::Done })
    }
}
