//! The user's editor, at a line.

use std::path::Path;

use super::commands;

/// Returns the program and its arguments that open a file at a line, or why there is none.
///
/// `VISUAL` goes before `EDITOR`, `vi` after both; editors differ in how they are told a line.
///
/// # Errors
///
/// Where the variable cannot be read as a command.
pub fn command(
    file: &Path,
    line: u32,
    column: u32,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<String>, String> {
    let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".into());
    let mut words = commands::split(&editor).map_err(|why| format!("EDITOR is '{editor}': {why}"))?;
    let program = words.first().cloned().unwrap_or_default();
    let name = Path::new(&program).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = file.to_string_lossy().into_owned();
    match name.trim_end_matches(".exe") {
        "code" | "codium" | "code-insiders" | "cursor" | "zed" => {
            if name.starts_with("code") && !words.iter().any(|w| w == "--wait" || w == "-w") {
                words.push("--wait".into());
            }
            if name != "zed" {
                words.push("--goto".into());
            }
            words.push(format!("{file}:{line}:{column}"));
        }
        "hx" | "helix" | "subl" => words.push(format!("{file}:{line}:{column}")),
        "emacs" | "emacsclient" | "micro" => words.extend([format!("+{line}:{column}"), file]),
        "nano" => words.extend([format!("+{line},{column}"), file]),
        _ => words.extend([format!("+{line}"), file]),
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_are_told_the_line_their_way() {
        let with = |editor: &'static str| {
            let words = command(Path::new("/e/a b.yaml"), 9, 3, |name| (name == "EDITOR").then(|| editor.to_owned()));
            words.map(|words| words.join("|"))
        };
        assert_eq!(with("vim").unwrap(), "vim|+9|/e/a b.yaml");
        assert_eq!(with("nvim --clean").unwrap(), "nvim|--clean|+9|/e/a b.yaml");
        assert_eq!(with("hx").unwrap(), "hx|/e/a b.yaml:9:3");
        assert_eq!(with("/usr/bin/code").unwrap(), "/usr/bin/code|--wait|--goto|/e/a b.yaml:9:3");
        assert_eq!(with("micro").unwrap(), "micro|+9:3|/e/a b.yaml");
        assert_eq!(with("  ").unwrap(), "vi|+9|/e/a b.yaml");
        assert!(with("vim '").unwrap_err().contains("is not closed"));
    }
}
