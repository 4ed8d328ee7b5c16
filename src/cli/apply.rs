//! `terrace apply`: plan, show, ask, apply exactly that.

use super::instance::Target;
use super::{Context, Outcome};
use crate::domain::run::RunKind;

/// Plans one component in one stack, shows the plan, asks, and applies exactly that plan
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace apply network -s plat-ue2-dev
  terrace apply network -s plat-ue2-dev --yes         applies the plan without asking
  terrace apply network -s plat-ue2-dev --detach      leaves the plan waiting for terrace runs confirm")]
pub(crate) struct Apply {
    #[command(flatten)]
    target: Target,
    /// Confirms ahead
    #[arg(short, long)]
    yes: bool,
}

impl Apply {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        self.target.run(context, RunKind::Apply, self.yes)
    }
}
