//! `terrace plan`: what a change would do.

use super::instance::Target;
use super::{Context, Outcome};
use crate::domain::run::RunKind;

/// Plans one component in one stack, and follows the log
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace plan network -s plat-ue2-dev
  terrace plan network -s plat-ue2-dev --detach       prints the run's id and leaves
  terrace plan network -s plat-ue2-dev -- -refresh=false")]
pub(crate) struct Plan {
    #[command(flatten)]
    target: Target,
}

impl Plan {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        self.target.run(context, RunKind::Plan, false)
    }
}
