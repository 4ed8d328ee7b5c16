//! What a run wrote, made harmless for the terminal it is shown on.
//!
//! Colours and text pass. Whatever moves the cursor, clears, changes the title, writes the clipboard or reorders
//! text does not: the log itself keeps every byte, and files and pipes get them as they came.

use std::io::{self, Write};

use anstyle_parse::{Params, Parser, Perform};

/// Cancels a control sequence that is under way.
const CANCEL: u8 = 0x18;

/// Writes bytes to a terminal without letting them drive it.
pub(crate) struct Tame<W: Write> {
    inner: W,
    parser: Parser,
    line: Line,
    /// The beginning of a character whose end has not come yet: at most three bytes.
    partial: Vec<u8>,
}

impl<W: Write> Tame<W> {
    /// Wraps a terminal; without `colours`, those are left out too.
    pub(crate) fn new(inner: W, colours: bool) -> Self {
        Tame { inner, parser: Parser::default(), line: Line { colours, ..Line::default() }, partial: Vec::new() }
    }

    fn feed(&mut self, text: &[u8]) {
        for &byte in text {
            if byte == b'\n' {
                // A sequence that was never ended must not swallow the lines after it.
                self.parser.advance(&mut self.line, CANCEL);
            }
            self.parser.advance(&mut self.line, byte);
        }
    }

    /// Ends what is under way, colours included, and returns the terminal.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.partial.is_empty() {
            self.feed("\u{fffd}".as_bytes());
        }
        self.parser.advance(&mut self.line, CANCEL);
        if self.line.coloured {
            self.line.out.extend_from_slice(b"\x1b[0m");
        }
        self.inner.write_all(&self.line.out)?;
        self.inner.flush()?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Tame<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.partial.extend_from_slice(bytes);
        let text = std::mem::take(&mut self.partial);
        let mut rest = text.as_slice();
        while !rest.is_empty() {
            let (valid, bad) = match std::str::from_utf8(rest) {
                Ok(_) => (rest.len(), 0),
                Err(error) => (error.valid_up_to(), error.error_len().unwrap_or(0)),
            };
            self.feed(&rest[..valid]);
            if bad > 0 {
                self.feed("\u{fffd}".as_bytes());
            } else if valid < rest.len() {
                self.partial = rest[valid..].to_vec();
                break;
            }
            rest = &rest[valid + bad..];
        }
        self.inner.write_all(&self.line.out)?;
        self.line.out.clear();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What may be written, as the parser finds it.
#[derive(Default)]
struct Line {
    out: Vec<u8>,
    colours: bool,
    coloured: bool,
    returned: bool,
}

impl Perform for Line {
    fn print(&mut self, c: char) {
        // C1 controls, and marks that change the direction of the text around them.
        let harmful = (c.is_control() && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if std::mem::take(&mut self.returned) {
            // A carriage return alone would let a line write over itself.
            self.out.push(b'\n');
        }
        let c = if harmful { char::REPLACEMENT_CHARACTER } else { c };
        self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\r' => self.returned = true,
            b'\n' => {
                self.returned = false;
                self.out.push(byte);
            }
            b'\t' => self.print('\t'),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: u8) {
        if action != b'm' || !intermediates.is_empty() || ignore || !self.colours {
            return;
        }
        self.coloured = true;
        let words: Vec<String> =
            params.iter().map(|group| group.iter().map(u16::to_string).collect::<Vec<_>>().join(":")).collect();
        self.out.extend_from_slice(format!("\x1b[{}m", words.join(";")).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tame(bytes: &[u8], colours: bool) -> String {
        let mut terminal = Tame::new(Vec::new(), colours);
        // Byte by byte: a sequence may be cut anywhere.
        for byte in bytes {
            terminal.write_all(&[*byte]).unwrap();
        }
        String::from_utf8(terminal.finish().unwrap()).unwrap()
    }

    #[test]
    fn colours_pass_and_are_ended() {
        assert_eq!(tame(b"\x1b[1;31mError\x1b[38:5:7m:", true), "\x1b[1;31mError\x1b[38:5:7m:\x1b[0m");
        assert_eq!(tame(b"\x1b[1;31mError", false), "Error");
    }

    #[test]
    fn nothing_that_drives_the_terminal_passes() {
        for sequence in [
            "\x1b[2J",
            "\x1b[H",
            "\x1b[5A",
            "\x1b[?1049h",
            "\x1b]0;title\x07",
            "\x1b]52;c;aGk=\x1b\\",
            "\x1bc",
            "\x1bP1$r0m\x1b\\",
            "\x07\x08",
            "\x1b[6n",
        ] {
            assert_eq!(tame(format!("a{sequence}b\n").as_bytes(), true), "ab\n", "{sequence:?}");
        }
        assert_eq!(tame("a\u{9b}2Jb\u{202e}c\n".as_bytes(), true), "a\u{fffd}2Jb\u{fffd}c\n");
        assert_eq!(tame(b"a\xffb\n\xe2\x82\n", true), "a\u{fffd}b\n\u{fffd}\n");
        assert_eq!(tame("a€b\n".as_bytes(), true), "a€b\n");
        assert_eq!(tame(b"a\xe2\x82", true), "a\u{fffd}");
    }

    #[test]
    fn a_sequence_without_end_loses_its_own_line_only() {
        assert_eq!(tame(b"a\x1b]0;never\nnext\n\x1b[3", true), "a\nnext\n");
    }

    #[test]
    fn a_carriage_return_does_not_hide_what_stood_there() {
        assert_eq!(tame(b"Destroy all\rNothing to do\r\n", true), "Destroy all\nNothing to do\n");
    }
}
