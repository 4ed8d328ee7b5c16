//! The command line: arguments, one file a command, exit codes, reports.
//!
//! This is the composition root: the only layer that may start the API's server, the dashboard and a run's
//! supervisor. It owns what a person types and reads outside the dashboard, and leaves every rule to the layers
//! below: a command asks the typed client, prints the answer and chooses an exit code.
//!
//! Adding a command is one file with a `clap::Args` struct that has
//! `fn execute(self, context: &Context) -> Outcome`, its `mod` line and its row in `commands!`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

mod affected;
mod api;
mod apply;
mod ask;
mod atmos;
mod audit;
mod budget;
mod check;
mod codeowners;
mod completions;
mod context;
mod cost;
mod dashboard;
mod decide;
mod demo;
mod describe;
mod destroy;
mod diagnostics;
mod diff;
mod estimate;
mod events;
mod explain;
mod grep;
mod init;
mod instance;
mod list;
mod local;
mod man;
mod open;
mod output;
mod plan;
mod planned;
mod policy;
mod prices;
mod recommend;
mod report;
mod request;
mod run;
mod run_host;
mod runs;
mod serve;
mod snapshot;
mod status;
mod stop;
mod terminal;
mod token;
mod trust;
mod waiting;
mod workflow;

pub(crate) use context::Context;
pub(crate) use output::Format;
pub(crate) use report::{Exit, Failure, Outcome};

/// Declares the commands: one row each, in the order in which `--help` shows them.
///
/// Help comes from the docstring of the row's struct.
macro_rules! commands {
    ($( $(#[$attribute:meta])* $name:ident => $arguments:path ),* $(,)?) => {
        /// What to do.
        #[derive(Debug, clap::Subcommand)]
        enum Command {
            $( $(#[$attribute])* $name($arguments), )*
        }

        impl Command {
            fn execute(self, context: &Context) -> Outcome {
                match self {
                    $( Command::$name(arguments) => arguments.execute(context), )*
                }
            }
        }
    };
}

commands! {
    Demo => demo::Demo,
    Init => init::Init,
    Open => open::Open,
    List => list::List,
    Explain => explain::Explain,
    Describe => describe::Describe,
    Check => check::Check,
    Trust => trust::Trust,
    Plan => plan::Plan,
    Apply => apply::Apply,
    Destroy => destroy::Destroy,
    Workflow => workflow::Workflow,
    Atmos => atmos::Atmos,
    Runs => runs::Runs,
    Diff => diff::Diff,
    Affected => affected::Affected,
    Grep => grep::Grep,
    Request => request::Ask,
    Policy => policy::Policy,
    Estimate => estimate::Estimate,
    Prices => prices::Prices,
    Cost => cost::Cost,
    Audit => audit::Audit,
    Token => token::Token,
    Budget => budget::Budget,
    Recommend => recommend::Recommend,
    Events => events::Events,
    Serve => serve::Serve,
    Stop => stop::Stop,
    Status => status::Status,
    Snapshot => snapshot::Snapshot,
    Api => api::Api,
    Completions => completions::Completions,
    Man => man::Man,
}

/// Browse, plan and apply an Atmos estate, and see which line set each value.
///
/// Without a command, the dashboard opens for the estate here.
#[derive(Debug, Parser)]
#[command(name = "terrace", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Global {
    /// The estate's folder; else the one with atmos.yaml here or above
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    /// A shared platform instead of the one on this machine
    #[arg(long, value_name = "URL", global = true, env = "TERRACE_SERVER", hide_env_values = true)]
    server: Option<String>,
    /// How data is printed
    #[arg(long, value_enum, default_value_t = Format::Text, global = true, hide_default_value = true)]
    format: Format,
    /// Whether to colour: auto is where a terminal reads it and NO_COLOR is not set
    #[arg(long, value_enum, default_value_t = clap::ColorChoice::Auto, global = true, value_name = "WHEN", hide_default_value = true)]
    color: clap::ColorChoice,
    /// Trusts the estate for this call: functions that run commands are evaluated
    #[arg(long, global = true)]
    trust: bool,
}

const EXAMPLES: &str = "\
Examples:
  terrace demo                                  a company to try things on, with the dashboard
  terrace list instances                        what there is
  terrace explain network -s plat-ue2-dev       which line set each value
  terrace plan network -s plat-ue2-dev          what a change would do

Exit codes: 0 done, 1 it failed, 2 wrong usage or configuration, 3 denied, 4 platform not reachable.";

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    run_host::intercept(&arguments).unwrap_or_else(|| run(arguments).into())
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; a reader that has gone away is none either.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            drop(error.print());
            return exit;
        }
    };
    report::install();
    let context = Context::new(cli.global);
    let tables = matches!(context.format(), Format::Csv | Format::Html);
    let outcome = match cli.command {
        Some(command) if tables && !matches!(command, Command::Budget(_)) => Err(output::no_table().into()),
        Some(command) => command.execute(&context),
        None => dashboard::open(&context, None),
    };
    match outcome {
        Ok(exit) => exit,
        Err(error) => report::print(&error, &context),
    }
}

/// Returns the runtime that a command waits in; commands that only read files need none.
fn runtime() -> color_eyre::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Waits for a command's work; what it still listens to then is nobody's concern any more.
fn wait(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = runtime()?;
    let outcome = runtime.block_on(work);
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_has_help() {
        fn look(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path} has no help");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} {} has no help", argument.get_id());
            }
            for sub in command.get_subcommands() {
                look(sub, &format!("{path} {}", sub.get_name()));
            }
        }
        let mut command = super::Cli::command();
        command.build();
        look(&command, "terrace");
    }
}
