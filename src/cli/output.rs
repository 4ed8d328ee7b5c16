//! How data is printed: text for people, JSON and YAML for programs, tables, colours.
//!
//! Everything goes through a writer whose errors are returned, so that a reader that has gone away ends the
//! command quietly.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::{Context, Failure};

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For both.
    Yaml,
    /// For spreadsheets, where a command has it.
    Csv,
    /// For a browser, where a command has it.
    Html,
    /// For editors and CI services: problems only (SARIF 2.1.0).
    Sarif,
}

/// Prints data in the format that was asked for; `text` writes it for people.
pub(crate) fn print<T: Serialize>(
    context: &Context,
    data: &T,
    text: impl FnOnce(&mut dyn Write, Paint) -> io::Result<()>,
) -> color_eyre::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match context.format() {
        Format::Text => text(&mut out, context.paint_stdout())?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, data)?;
            out.write_all(b"\n")?;
        }
        Format::Yaml => out.write_all(serde_yaml::to_string(data)?.as_bytes())?,
        Format::Csv | Format::Html => return Err(no_table().into()),
        Format::Sarif => return Err(Failure::usage("SARIF is for problems: only `terrace check` prints it").into()),
    }
    out.flush()?;
    Ok(())
}

/// Says that a command does not print CSV or HTML.
pub(super) fn no_table() -> Failure {
    Failure::usage("this command prints text, json and yaml").hint("csv and html are for: terrace budget report")
}

/// Colours a word by its meaning, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Returns a paint that colours, or one that does not.
    pub(crate) fn new(on: bool) -> Self {
        Paint { on }
    }

    /// Says whether it colours.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Marks what went wrong.
    pub(crate) fn error(self, text: impl Display) -> String {
        self.wrap("1;31", text)
    }

    /// Marks what a person should look at.
    pub(crate) fn warning(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    /// Marks what went well.
    pub(crate) fn good(self, text: impl Display) -> String {
        self.wrap("32", text)
    }

    /// Marks the next step.
    pub(crate) fn hint(self, text: impl Display) -> String {
        self.wrap("36", text)
    }

    /// Marks a title.
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// Marks what is beside the point.
    pub(crate) fn dim(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }
}

/// A table of text: a header, rows, columns as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Begins a table; a header that starts with `>` belongs to a column of numbers, which stand to the right.
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Table {
            header: header.iter().map(|name| name.trim_start_matches('>')).collect(),
            right: header.iter().map(|name| name.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Writes the table, or `empty` where it has no row.
    ///
    /// Control characters in cells are replaced, so that no name in an estate moves the cursor.
    pub(crate) fn write(&self, out: &mut dyn Write, paint: Paint, empty: &str) -> io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "{empty}");
        }
        let rows: Vec<Vec<String>> = self.rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
        let widths: Vec<usize> = (0..self.header.len())
            .map(|column| {
                let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
                cells.max().unwrap_or(0).max(self.header[column].width())
            })
            .collect();
        let header: Vec<String> = self.header.iter().map(|name| name.to_uppercase()).collect();
        writeln!(out, "{}", paint.dim(self.line(&header, &widths)))?;
        for row in &rows {
            writeln!(out, "{}", self.line(row, &widths))?;
        }
        Ok(())
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let gap = " ".repeat(widths.get(column).copied().unwrap_or(0).saturating_sub(cell.width()));
            let right = self.right.get(column).copied().unwrap_or(false);
            if column > 0 {
                line.push_str("  ");
            }
            line.push_str(&if right { format!("{gap}{cell}") } else { format!("{cell}{gap}") });
        }
        line.truncate(line.trim_end().len());
        line
    }
}

/// Returns the text on one line, without control characters.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_and_keeps_control_sequences_out() {
        let mut table = Table::new(&["name", ">count"]);
        table.row(vec!["höhe".into(), "7".into()]);
        table.row(vec!["a\u{1b}[2Jb".into(), "1200".into()]);
        let mut out = Vec::new();
        table.write(&mut out, Paint::new(false), "nothing").unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "NAME    COUNT\nhöhe        7\na\u{fffd}[2Jb   1200\n");
    }
}
