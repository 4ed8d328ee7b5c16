//! `terrace affected`: which instances a change reaches.

use std::io::{self, Write as _};

use super::diagnostics::counted;
use super::output::{self, Table, plain};
use super::{Context, Exit, Failure, Outcome};
use crate::atmos::affected::Options;
use crate::domain::comparison::{Affected as Instance, Cause};

/// Lists the instances that differ from a Git ref, why, and the lines that caused it
///
/// As JSON, the keys of `atmos describe affected`, and `causes` beside them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: terrace affected --base origin/main --include-dependents --format json")]
pub(crate) struct Affected {
    /// The Git ref that the files as they are are compared with
    #[arg(long, value_name = "GITREF")]
    base: String,
    /// Only instances of this stack
    #[arg(short, long)]
    stack: Option<String>,
    /// Leaves out instances with metadata.locked
    #[arg(long)]
    exclude_locked: bool,
    /// Adds their settings
    #[arg(long)]
    include_settings: bool,
    /// Adds what needs them
    #[arg(long)]
    include_dependents: bool,
}

impl Affected {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let Affected { base, stack, exclude_locked, include_settings, include_dependents } = self;
        let options = Options { stack, exclude_locked, include_settings, include_dependents };
        let client = super::local::reading(context)?;
        let found = super::runtime()?.block_on(client.affected(&base, &options)).map_err(Failure::from)?;
        let mut table = Table::new(&["component", "stack", "reasons", "first cause"]);
        for one in &found {
            table.row(vec![
                one.instance.component.clone(),
                one.instance.stack.clone(),
                one.affected_all.join(" "),
                first_cause(one),
            ]);
        }
        output::print(context, &found, |out, paint| table.write(out, paint, "nothing is affected"))?;
        writeln!(io::stderr().lock(), "{} affected since {}", counted(found.len(), "instance"), plain(&base))?;
        Ok(Exit::Done)
    }
}

fn first_cause(instance: &Instance) -> String {
    let text = |cause: &Cause| {
        let place = match (&cause.file, cause.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            (None, _) => String::new(),
        };
        let path = cause.path.as_deref().map(super::diff::path).unwrap_or_default();
        format!("{place} {path}").trim().to_owned()
    };
    instance.causes.first().map(text).unwrap_or_default()
}
