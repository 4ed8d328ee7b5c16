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

    /// Chooses for standard error, where other things are said, too: off a terminal a line is written as a whole.
    fn stderr(context: &Context, raw: bool) -> Self {
        let out = io::stderr();
        let terminal = out.is_terminal();
        let out: Box<dyn Write> = if terminal { Box::new(out) } else { Box::new(Whole::new(out)) };
        Self::new(out, terminal, raw, context.paint_stderr().is_on())
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

/// Holds back a line until its end, so that what others write to the same place does not fall into it.
struct Whole<W: Write> {
    out: W,
    begun: Vec<u8>,
}

/// A line that is longer than this is passed on in pieces.
const LONGEST: usize = 64 * 1024;

impl<W: Write> Whole<W> {
    fn new(out: W) -> Self {
        Whole { out, begun: Vec::new() }
    }
}

impl<W: Write> Write for Whole<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.extend_from_slice(bytes);
        let whole = match memchr::memrchr(b'\n', &self.begun) {
            Some(end) => end + 1,
            None if self.begun.len() > LONGEST => self.begun.len(),
            None => 0,
        };
        self.out.write_all(&self.begun[..whole])?;
        self.begun.drain(..whole);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Write> Drop for Whole<W> {
    fn drop(&mut self) {
        // Nobody is left to be told where this fails.
        drop(self.out.write_all(&self.begun).and_then(|()| self.out.flush()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_whole_beside_what_others_write() {
        let mut seen = Vec::new();
        let mut lines = Whole::new(&mut seen);
        lines.write_all(b"Apply com").expect("written");
        assert!(lines.out.is_empty());
        lines.write_all(b"plete!\nnetwork_id").expect("written");
        assert_eq!(lines.out.as_slice(), b"Apply complete!\n");
        lines.write_all(&vec![b'x'; LONGEST]).expect("written");
        assert_eq!(lines.out.len(), 16 + 10 + LONGEST);
        lines.write_all(b"the end").expect("written");
        drop(lines);
        assert!(seen.ends_with(b"xthe end"), "nothing is lost");
    }
}
