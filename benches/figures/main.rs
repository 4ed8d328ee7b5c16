//! Prints the table of figures that the README shows; `--write` writes it there.
//!
//! `cargo bench --bench figures -- [--write] [--growth]`. Times are the best of several rounds with warm caches; memory
//! is what the kernel counts for a process of its own.

mod generate;
mod resolve;
mod screen;

use std::path::Path;

/// One line of the table.
#[derive(Debug)]
struct Figure {
    what: String,
    measured: String,
    /// The limit that the project sets itself; empty where there is none.
    at_most: String,
}

impl Figure {
    fn new(what: impl Into<String>, measured: impl Into<String>, at_most: impl Into<String>) -> Self {
        Figure { what: what.into(), measured: measured.into(), at_most: at_most.into() }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |name: &str| arguments.iter().any(|argument| argument == name);
    if let Some(place) = arguments.iter().position(|argument| argument == "--generate") {
        // Only writes an estate, for trying things by hand.
        let out = arguments.get(place + 1).ok_or("--generate FOLDER")?;
        let written = generate::write(Path::new(out), &generate::Shape::default())?;
        println!("{} instances, {} stack files", written.instances, written.files);
        return Ok(());
    }
    if let Some(place) = arguments.iter().position(|argument| argument == "--hold") {
        // A child of `resolve::memory`: resolves, and says what that took.
        let root = arguments.get(place + 1).ok_or("--hold FOLDER")?;
        return resolve::hold(Path::new(root));
    }
    let mut figures = resolve::figures()?;
    figures.extend(screen::figures()?);
    if asked("--growth") {
        figures.extend(resolve::growth()?);
    }
    let table = table(&figures);
    print!("{table}");
    if asked("--write") {
        write(&table)?;
    }
    Ok(())
}

fn table(figures: &[Figure]) -> String {
    let mut table = String::from("| what | measured | at most |\n|---|--:|--:|\n");
    for figure in figures {
        table.push_str(&format!("| {} | {} | {} |\n", figure.what, figure.measured, figure.at_most));
    }
    table
}

fn write(table: &str) -> Result<(), Box<dyn std::error::Error>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = std::fs::read_to_string(&readme)?;
    let (begin, end) = ("<!-- figures:begin -->\n", "<!-- figures:end -->");
    let from = text.find(begin).ok_or("the README has no place for the figures")? + begin.len();
    let to = from + text[from..].find(end).ok_or("the README's figures have no end")?;
    std::fs::write(&readme, format!("{}{table}{}", &text[..from], &text[to..]))?;
    Ok(())
}
