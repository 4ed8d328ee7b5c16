//! What every command is given: the estate's folder, the way to the platform, how to print.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use clap::ColorChoice;

use super::output::Paint;
use super::{Failure, Format, Global};
use crate::atmos::Estate;

/// The global options, made ready.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    global: Global,
}

impl Context {
    pub(super) fn new(global: Global) -> Self {
        Context { global }
    }

    /// Returns the folder where the search for the estate begins: `-C`, or the current one.
    pub(crate) fn directory(&self) -> &Path {
        self.global.directory.as_deref().unwrap_or(Path::new("."))
    }

    /// Returns the shared platform's URL, where one was named.
    pub(crate) fn server(&self) -> Option<&str> {
        self.global.server.as_deref().filter(|url| !url.is_empty())
    }

    /// Returns how data is to be printed.
    pub(crate) fn format(&self) -> Format {
        self.global.format
    }

    /// Says whether the estate is trusted for this call.
    pub(crate) fn trust(&self) -> bool {
        self.global.trust
    }

    /// Returns the same context for another folder.
    pub(crate) fn at(&self, directory: PathBuf) -> Self {
        Context { global: Global { directory: Some(directory), ..self.global.clone() } }
    }

    /// Returns the estate's root: `-C`, or the nearest folder upwards with an `atmos.yaml`.
    pub(crate) fn root(&self) -> Result<PathBuf, Failure> {
        Ok(Estate::discover_with(self.directory(), &environment())?)
    }

    /// Returns how to colour standard output.
    pub(crate) fn paint_stdout(&self) -> Paint {
        Paint::new(self.coloured(std::io::stdout().is_terminal()))
    }

    /// Returns how to colour standard error.
    pub(crate) fn paint_stderr(&self) -> Paint {
        Paint::new(self.coloured(std::io::stderr().is_terminal()))
    }

    fn coloured(&self, terminal: bool) -> bool {
        match self.global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                terminal && !no_color && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}

/// Returns what Atmos and templates may read of the environment: neither what is not text nor the platform's own secrets.
pub(super) fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter(|(name, _)| name != "TERRACE_TOKEN" && name != "TERRACE_DATABASE")
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
