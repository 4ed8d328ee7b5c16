//! `terrace completions`: what a shell needs to complete arguments.

use std::io::Write as _;

use clap::CommandFactory as _;

use super::{Cli, Context, Exit, Outcome};

/// Prints the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: terrace completions bash > ~/.local/share/bash-completion/completions/terrace")]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn execute(self, _context: &Context) -> Outcome {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "terrace", &mut text);
        std::io::stdout().write_all(&text)?;
        Ok(Exit::Done)
    }
}
