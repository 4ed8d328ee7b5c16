//! `terrace atmos`: any Atmos command, as a run.

use super::output::plain;
use super::{Context, Exit, Failure, Outcome, ask, run};
use crate::atmos::driver::commands::{self, OwnCommands, Way};
use crate::atmos::driver::quote;
use crate::atmos::{LoadOptions, config};
use crate::domain::run::{RunKind, RunRequest};
use crate::domain::stack::InstanceRef;

/// Runs any Atmos command, and follows the log; asks first where it may change something
///
/// Options of Terrace stand before the command, everything after it is Atmos's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace atmos describe stacks
  terrace atmos terraform output network -s plat-ue2-dev
  terrace atmos --yes terraform import network 'terraform_data.network' id -s plat-ue2-dev")]
pub(crate) struct Atmos {
    /// Answers ahead
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    options: run::Options,
    /// The words after `atmos`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl Atmos {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let own = own_commands(context);
        let words = own.expand(&self.args);
        let row = commands::find(&words);
        let typed = format!("atmos {}", quote(&self.args));
        if let Some((kind, at)) = commands::planned(&words) {
            return self.by_plan(context, &typed, kind, at);
        }
        let interactive = row.is_some_and(|row| row.way == Way::Terminal);
        let refused = match row {
            Some(row) => matches!(row.way, Way::Refused(_)),
            None => own.refused(&words).is_some(),
        };
        if interactive && (self.options.detach() || !run::can_type()) {
            return Err(Failure::usage(format!("`{}` needs a terminal to be typed into", plain(&typed)))
                .hint("run it where standard input and output are a terminal, without --detach")
                .into());
        }
        // What is not known to only read may change something. What is refused says why, and never asks.
        let asks = !refused && row.is_none_or(|row| row.changes);
        if asks {
            ask::need_an_answer(self.yes, &format!("`{}`", plain(&typed)))?;
        }
        super::wait(async {
            if asks && !self.yes {
                let paint = context.paint_stderr();
                eprintln!("{} {}", paint.bold("what: "), plain(&typed));
                let place = commands::instance(&words).map_or_else(
                    || context.root().map_or_else(|_| "the estate".to_owned(), |root| root.display().to_string()),
                    |(component, stack)| format!("{component} in {stack}"),
                );
                eprintln!("{} {}", paint.bold("where:"), plain(&place));
                if !ask::later(context, "It may change something. Run it?").await.unwrap_or(false) {
                    eprintln!("nothing was started");
                    return Ok(Exit::Failed);
                }
            }
            let request = RunRequest { args: self.args, yes: asks, interactive, ..RunRequest::new(RunKind::Command) };
            run::start(context, &self.options, request).await
        })
    }
}

impl Atmos {
    /// Applies (or destroys) one instance as `terrace apply` does: `-auto-approve` agrees to nothing that nobody has seen.
    fn by_plan(self, context: &Context, typed: &str, kind: RunKind, at: InstanceRef) -> Outcome {
        let instead = quote(&["terrace", kind.name(), &at.component, "-s", &at.stack].map(str::to_owned));
        eprintln!("`{}` is `{}` here: its plan is shown before anything is applied", plain(typed), plain(&instead));
        if !self.options.detach() {
            ask::need_an_answer(self.yes, &format!("`{}`", plain(&instead)))?;
        }
        let request =
            RunRequest { component: Some(at.component), stack: Some(at.stack), yes: self.yes, ..RunRequest::new(kind) };
        super::wait(run::start(context, &self.options, request))
    }
}

/// Returns what the estate here adds to the commands of Atmos: whether a command asks is decided before it is sent.
fn own_commands(context: &Context) -> OwnCommands {
    let options = LoadOptions { env: super::context::environment(), ..LoadOptions::default() };
    // What is wrong with the estate is said by whoever is asked to run something in it.
    let read = context.root().ok().and_then(|root| config::load(&root, &options).ok());
    read.map(|(config, _)| OwnCommands::of(&config)).unwrap_or_default()
}
