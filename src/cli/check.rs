//! `terrace check`: every problem of the estate at once.

use std::io::{self, Write as _};

use super::diagnostics::{self, counted};
use super::{Context, Exit, Outcome};

/// Lists every problem of the estate, where Atmos stops at the first
///
/// Exits with 1 where one of them is an error.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {}

impl Check {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let estate = context.estate()?;
        let found = estate.diagnostics();
        super::output::print(context, &found, |out, paint| diagnostics::write(out, paint, found))?;
        let (errors, warnings) = diagnostics::count(found);
        let (errors_text, warnings_text) = (counted(errors, "error"), counted(warnings, "warning"));
        let (stacks, instances) = (estate.stacks().len(), estate.instances().iter().filter(|i| !i.is_abstract).count());
        writeln!(
            io::stderr().lock(),
            "{errors_text}, {warnings_text} in {} with {}",
            counted(stacks, "stack"),
            counted(instances, "instance")
        )?;
        Ok(if errors > 0 { Exit::Failed } else { Exit::Done })
    }
}
