//! `terrace man`: the manual page, made from the same table as `--help`.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::{Cli, Context, Exit, Outcome};

/// Prints the manual page, or that of one command
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: terrace man | man -l -")]
pub(crate) struct Man {
    /// The command, such as `runs logs`; without one, the whole program
    command: Vec<String>,
}

impl Man {
    pub(crate) fn execute(self, _context: &Context) -> Outcome {
        let mut root = Cli::command();
        root.build();
        let mut command = &root;
        for name in &self.command {
            command = command.find_subcommand(name).ok_or_else(|| {
                super::Failure::usage(format!("there is no command '{}'", self.command.join(" ")))
                    .hint("terrace --help lists the commands")
            })?;
        }
        let mut text = Vec::new();
        clap_mangen::Man::new(command.clone()).render(&mut text)?;
        std::io::stdout().write_all(&text)?;
        Ok(Exit::Done)
    }
}
