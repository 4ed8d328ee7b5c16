//! `terrace destroy`: plan the end, show it, ask, apply exactly that.

use super::instance::Target;
use super::{Context, Outcome};
use crate::domain::run::RunKind;

/// Plans the end of one component in one stack, shows the plan, asks, and applies exactly that plan
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace destroy cache -s plat-ue2-dev
  terrace destroy cache -s plat-ue2-dev --yes         destroys without asking")]
pub(crate) struct Destroy {
    #[command(flatten)]
    target: Target,
    /// Confirms ahead
    #[arg(short, long)]
    yes: bool,
}

impl Destroy {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        self.target.run(context, RunKind::Destroy, self.yes)
    }
}
