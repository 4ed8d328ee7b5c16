//! Which instance `plan`, `apply` and `destroy` are about, and how their runs are asked for.

use super::{Context, Outcome, ask, run};
use crate::domain::run::{RunKind, RunRequest};

/// One instance, and how its run goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// The component
    component: String,
    /// The stack
    #[arg(short, long)]
    stack: String,
    /// The stack file, where two make one stack name
    #[arg(long, value_name = "FILE")]
    stack_file: Option<String>,
    #[command(flatten)]
    options: run::Options,
    /// Further arguments for terraform plan
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl Target {
    /// Starts a run of this kind and sees it through.
    pub(crate) fn run(self, context: &Context, kind: RunKind, yes: bool) -> Outcome {
        // Detached, it asks nobody: the plan waits for its yes.
        if kind.applies() && !self.options.detach() {
            ask::need_an_answer(yes, kind.name())?;
        }
        let request = RunRequest {
            component: Some(self.component),
            stack: Some(self.stack),
            stack_file: self.stack_file,
            args: self.args,
            yes,
            ..run::request(kind)
        };
        super::wait(run::start(context, &self.options, request))
    }
}
