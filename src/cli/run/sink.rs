//! Where a run's log goes: bytes as they came to a file or pipe, tamed on a terminal.

use std::io::{self, IsTerminal, Write};

use crate::cli::terminal::Tame;
use crate::cli::{Context, Format};

/// One place that a log is written to.
pub(crate) struct Sink {
    out: Way,
    /// Whether the last byte ended a line.
    fresh: bool,
    terminal: bool,
}

enum Way {
    Raw(Box<dyn Write>),
    Tame(Box<Tame<Box<dyn Write>>>),
}

impl Sink {
    /// Chooses for the log of a run that is followed: standard output, unless that is to hold the run as data.
    pub(crate) fn of_run(context: &Context, raw: bool) -> Self {
        if context.format() == Format::Text { Self::stdout(context, raw) } else { Self::stderr(context, raw) }
    }

    /// Chooses for standard output.
    pub(crate) fn stdout(context: &Context, raw: bool) -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        Self::new(Box::new(out), terminal, raw, context.paint_stdout().is_on())
    }

    fn stderr(context: &Context, raw: bool) -> Self {
        let out = io::stderr();
        let terminal = out.is_terminal();
        Self::new(Box::new(out), terminal, raw, context.paint_stderr().is_on())
    }

    fn new(out: Box<dyn Write>, terminal: bool, raw: bool, colours: bool) -> Self {
        let out = if raw || !terminal { Way::Raw(out) } else { Way::Tame(Box::new(Tame::new(out, colours))) };
        Sink { out, fresh: true, terminal }
    }

    /// Writes and shows at once.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(last) = bytes.last() {
            self.fresh = *last == b'\n';
        }
        let out: &mut dyn Write = match &mut self.out {
            Way::Raw(out) => out,
            Way::Tame(out) => out,
        };
        out.write_all(bytes)?;
        out.flush()
    }

    /// Begins a line on the terminal, where the last one was not ended, so that something else can be said.
    pub(crate) fn begin_line(&mut self) -> io::Result<()> {
        if self.terminal && !self.fresh {
            let mut err = io::stderr().lock();
            writeln!(err)?;
            self.fresh = true;
        }
        Ok(())
    }

    /// Ends colours that are still on.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.begin_line()?;
        match self.out {
            Way::Raw(mut out) => out.flush(),
            Way::Tame(out) => out.finish().map(drop),
        }
    }
}
