//! How the problems of an estate are printed for people.

use std::io::{self, Write};

use super::output::{Paint, plain};
use crate::domain::stack::{Diagnostic, Severity};

/// Writes each problem as `file:line:column: error: message [code]`, which editors and terminals can jump to, and its
/// hint below.
pub(crate) fn write<'a>(
    out: &mut dyn Write,
    paint: Paint,
    diagnostics: impl IntoIterator<Item = &'a Diagnostic>,
) -> io::Result<()> {
    for diagnostic in diagnostics {
        if let Some(source) = &diagnostic.source {
            write!(out, "{}:{}:{}: ", plain(&source.file), source.line, source.column)?;
        }
        let severity = match diagnostic.severity {
            Severity::Error => paint.error("error:"),
            Severity::Warning => paint.warning("warning:"),
        };
        // A message may quote several lines of a file.
        let message: Vec<String> = diagnostic.message.lines().map(plain).collect();
        writeln!(out, "{severity} {} {}", message.join("\n  "), paint.dim(format!("[{}]", diagnostic.code)))?;
        if let Some(hint) = &diagnostic.hint {
            writeln!(out, "  {} {}", paint.hint("hint:"), plain(hint))?;
        }
    }
    Ok(())
}

/// Returns how many are errors, and how many warnings.
pub(crate) fn count<'a>(diagnostics: impl IntoIterator<Item = &'a Diagnostic>) -> (usize, usize) {
    diagnostics.into_iter().fold((0, 0), |(errors, warnings), diagnostic| match diagnostic.severity {
        Severity::Error => (errors + 1, warnings),
        Severity::Warning => (errors, warnings + 1),
    })
}

/// Returns a number with its noun: `1 error`, `2 errors`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
