//! Every Atmos subcommand: whether it works from Terrace, needs a terminal, or is refused and why.
//!
//! One row a command ([`table`]); the longest row that a command line begins with counts. `docs/atmos-commands.md` is
//! generated from this table, and a test holds it. What stands in no row (an estate's own commands) runs under driver
//! `atmos`, counts as changing, and is refused where it calls what is refused ([`OwnCommands`]).

mod own;
mod table;

pub use own::{OwnCommands, Wrapped};
use table::ALIASES;

use crate::domain::run::RunKind;
use crate::domain::stack::InstanceRef;
pub use table::COMMANDS;

/// How a command runs from Terrace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Works.
    Works,
    /// Works with a terminal: `terrace atmos` gives it one.
    Terminal,
    /// Refused, and why.
    Refused(&'static str),
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtmosCommand {
    /// The words after `atmos`.
    pub words: &'static str,
    /// How it runs.
    pub way: Way,
    /// Whether it may change the world or the estate's files.
    pub changes: bool,
    /// Whether driver `terraform` can run it where Atmos is missing.
    pub without_atmos: bool,
}

const fn reads(words: &'static str) -> AtmosCommand {
    AtmosCommand { words, way: Way::Works, changes: false, without_atmos: false }
}

const fn changes(words: &'static str) -> AtmosCommand {
    AtmosCommand { words, way: Way::Works, changes: true, without_atmos: false }
}

/// A Terraform command that needs nothing of Atmos but its files and names.
const fn plain(words: &'static str, changes: bool) -> AtmosCommand {
    AtmosCommand { words, way: Way::Works, changes, without_atmos: true }
}

const fn terminal(words: &'static str) -> AtmosCommand {
    AtmosCommand { words, way: Way::Terminal, changes: true, without_atmos: false }
}

const fn refused(words: &'static str, why: &'static str) -> AtmosCommand {
    AtmosCommand { words, way: Way::Refused(why), changes: true, without_atmos: false }
}

/// What begins with an option: where its command stands cannot be known without knowing each option of Atmos.
static OPTIONS_FIRST: AtmosCommand = refused("", "the command stands first, its options after it");

/// Finds the row of a command line (the words after `atmos`), under whichever of its names it is called.
#[must_use]
pub fn find(words: &[String]) -> Option<&'static AtmosCommand> {
    let words = canonical(words);
    // `--logs-level Debug terraform apply` and `terraform --verbose apply` must not pass for something unknown.
    let is_option = |at: usize| words.get(at).is_some_and(|word| word.starts_with('-'));
    if is_option(0) || (is_option(1) && words.len() > 2 && is_group(&words[0])) {
        return Some(&OPTIONS_FIRST);
    }
    let holds = |command: &&AtmosCommand| {
        let mut wanted = command.words.split(' ');
        wanted.clone().count() <= words.len() && words.iter().map(String::as_str).zip(&mut wanted).all(|(a, b)| a == b)
    };
    COMMANDS.iter().filter(holds).max_by_key(|command| command.words.len())
}

/// Says whether further words name the command: `terraform`, whose commands are `terraform plan` and so on.
fn is_group(word: &str) -> bool {
    COMMANDS.iter().any(|command| command.words.strip_prefix(word).is_some_and(|rest| rest.starts_with(' ')))
}

/// Returns the words with every other name of a command replaced by its own.
fn canonical(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    // Shorter ones first: `tf cache warm` is `terraform cache warm` is `terraform cache mirror`.
    for length in 1..=3 {
        let Some(head) = words.get(..length) else { break };
        let head = head.join(" ");
        if let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == head) {
            words.splice(..length, name.split(' ').map(str::to_owned));
        }
    }
    words
}

/// Returns the value of a flag: `-s X`, `-s=X`, `--stack X`, `--stack=X`.
#[must_use]
pub fn flag(words: &[String], names: &[&str]) -> Option<String> {
    let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let words = &words[..end];
    for (index, word) in words.iter().enumerate() {
        for name in names {
            if word == name {
                return words.get(index + 1).cloned();
            }
            if let Some(value) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
                return Some(value.to_owned());
            }
        }
    }
    None
}

/// Returns the instance that a `terraform`, `helmfile` or `packer` command line is about: component and stack.
#[must_use]
pub fn instance(words: &[String]) -> Option<(String, String)> {
    let words = &canonical(words)[..];
    let types = ["terraform", "helmfile", "packer", "ansible", "helm", "kubernetes"];
    if !words.first().is_some_and(|word| types.contains(&word.as_str())) {
        return None;
    }
    let stack = flag(words, &["-s", "--stack"])?;
    let verbs = find(words).map_or(2, |command| command.words.split(' ').count()).max(2);
    let component = words.iter().skip(verbs).find(|word| !word.starts_with('-') && **word != stack)?;
    Some((component.clone(), stack))
}

/// Returns what `terraform apply`, `deploy` or `destroy` of one instance comes to where nothing else stands on its line: then it
/// is no more than what a plan of that instance shows.
#[must_use]
pub fn planned(words: &[String]) -> Option<(RunKind, InstanceRef)> {
    let words = canonical(words);
    let kind = match (words.first()?.as_str(), words.get(1)?.as_str()) {
        ("terraform", "apply" | "deploy") => RunKind::Apply,
        ("terraform", "destroy") => RunKind::Destroy,
        _ => return None,
    };
    let (component, stack) = instance(&words)?;
    let mut rest = words[2..].iter().map(String::as_str);
    let mut named = 0;
    while let Some(word) = rest.next() {
        match word {
            "-s" | "--stack" => drop(rest.next()),
            "-auto-approve" | "--auto-approve" | "--" => {}
            word if word.starts_with("-s=") || word.starts_with("--stack=") => {}
            word if word == component => named += 1,
            _ => return None,
        }
    }
    (named == 1).then_some((kind, InstanceRef { component, stack }))
}

/// Returns the page of the manual: `docs/atmos-commands.md`.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Atmos commands from Terrace\n\n`terrace atmos ARGS…` runs any Atmos command as a run, with its log. \
         An alias of an estate's `atmos.yaml` counts as what it stands for. What stands in no row (its `commands`) runs by \
         Atmos and counts as changing, and is refused where one of its steps calls what is refused here (or applies by \
         Terraform itself); what a script does that it starts is not seen. \
         What may change something asks first, `--yes` answers. Other names (`tf`, `hf`, `k8s`, …) count as the one here. \
         Generated from the table in `src/atmos/driver/commands/table.rs`.\n\n\
         | command | from Terrace | may change something | without Atmos |\n|---|---|---|---|\n",
    );
    for command in COMMANDS {
        let way = match command.way {
            Way::Works => "works".to_owned(),
            Way::Terminal => "works, needs a terminal".to_owned(),
            Way::Refused(why) => format!("refused: {why}"),
        };
        let yes = |yes| if yes { "yes" } else { "no" };
        page.push_str(&format!(
            "| `atmos {}` | {way} | {} | {} |\n",
            command.words,
            yes(command.changes),
            yes(command.without_atmos)
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn the_longest_row_counts() {
        assert_eq!(find(&words("terraform state rm x -s s")).map(|row| row.words), Some("terraform state rm"));
        assert!(matches!(find(&words("terraform apply x")).map(|row| row.way), Some(Way::Refused(_))));
        assert_eq!(find(&words("no-such-command")), None);
    }

    #[test]
    fn no_other_name_and_no_option_leads_around_a_refusal() {
        for line in
            ["tf apply x", "tf deploy x -s s", "--logs-level Debug terraform apply x", "terraform --verbose apply x"]
        {
            assert!(matches!(find(&words(line)).map(|row| row.way), Some(Way::Refused(_))), "{line}");
        }
        assert_eq!(find(&words("tf cache warm x")).map(|row| row.words), Some("terraform cache mirror"));
        assert_eq!(find(&words("version --check")).map(|row| row.words), Some("version"));
        for (_, name) in ALIASES {
            let is = |row: &AtmosCommand| row.words == *name || is_group(name.split(' ').next().unwrap_or_default());
            assert!(COMMANDS.iter().any(is), "{name}");
        }
    }

    #[test]
    fn the_instance_of_a_command_line() {
        let found = instance(&words("terraform output -json network -s plat-ue2-dev"));
        assert_eq!(found, Some(("network".to_owned(), "plat-ue2-dev".to_owned())));
        assert_eq!(instance(&words("describe stacks -s x")), None);
        assert_eq!(
            instance(&words("terraform state list net --stack=dev")),
            Some(("net".to_owned(), "dev".to_owned()))
        );
    }

    #[test]
    fn rows_are_sorted_and_once_each() {
        let seen: Vec<&str> = COMMANDS.iter().map(|command| command.words).collect();
        assert!(seen.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn the_page_of_the_manual_is_up_to_date() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/atmos-commands.md");
        if std::env::var_os("TERRACE_WRITE_DOCS").is_some() {
            std::fs::write(&path, page()).expect("written");
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "run `TERRACE_WRITE_DOCS=1 cargo test --lib driver::commands` and commit the page");
    }
}
