//! Every Atmos subcommand: whether it works from Terrace, needs a terminal, or is refused and why.
//!
//! One row a command; the longest row that a command line begins with counts. `docs/atmos-commands.md` is generated
//! from this table, and a test holds it. What stands in no row runs under driver `atmos` and counts as changing.

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

const BY_PLAN: &str = "nothing is applied but a plan that was shown: use `terrace apply` or `terrace destroy`";

/// The table.
pub const COMMANDS: &[AtmosCommand] = &[
    reads("about"),
    changes("ansible"),
    changes("atlantis generate repo-config"),
    terminal("auth console"),
    reads("auth env"),
    terminal("auth exec"),
    terminal("auth login"),
    changes("auth logout"),
    terminal("auth shell"),
    reads("auth validate"),
    reads("auth whoami"),
    changes("aws eks update-kubeconfig"),
    reads("completion"),
    reads("describe affected"),
    reads("describe component"),
    reads("describe config"),
    reads("describe dependents"),
    reads("describe stacks"),
    reads("describe workflows"),
    terminal("devcontainer"),
    reads("docs"),
    changes("docs generate"),
    changes("helmfile apply"),
    changes("helmfile deploy"),
    changes("helmfile destroy"),
    reads("helmfile diff"),
    changes("helmfile generate varfile"),
    changes("helmfile sync"),
    changes("helmfile"),
    reads("list"),
    changes("packer build"),
    reads("packer inspect"),
    reads("packer output"),
    reads("packer validate"),
    changes("packer"),
    changes("pro lock"),
    changes("pro unlock"),
    reads("profile"),
    reads("support"),
    refused("terraform apply", BY_PLAN),
    changes("terraform clean"),
    terminal("terraform console"),
    refused("terraform deploy", BY_PLAN),
    refused("terraform destroy", BY_PLAN),
    plain("terraform force-unlock", true),
    plain("terraform fmt", true),
    changes("terraform generate"),
    plain("terraform get", true),
    plain("terraform graph", false),
    plain("terraform import", true),
    plain("terraform init", true),
    reads("terraform login"),
    plain("terraform metadata", false),
    plain("terraform modules", false),
    plain("terraform output", false),
    refused("terraform plan", "its plan could not be applied later: use `terrace plan`"),
    reads("terraform plan-diff"),
    plain("terraform providers", false),
    changes("terraform refresh"),
    terminal("terraform shell"),
    plain("terraform show", false),
    plain("terraform state list", false),
    plain("terraform state mv", true),
    plain("terraform state pull", false),
    plain("terraform state push", true),
    plain("terraform state replace-provider", true),
    plain("terraform state rm", true),
    plain("terraform state show", false),
    plain("terraform taint", true),
    plain("terraform test", true),
    plain("terraform untaint", true),
    plain("terraform validate", false),
    reads("terraform version"),
    plain("terraform workspace", true),
    terminal("theme"),
    changes("toolchain"),
    reads("validate"),
    changes("vendor pull"),
    reads("vendor diff"),
    reads("version"),
    refused("workflow", "its steps are shown and resumed by `terrace workflow`"),
];

/// Finds the row of a command line (the words after `atmos`).
#[must_use]
pub fn find(words: &[String]) -> Option<&'static AtmosCommand> {
    COMMANDS
        .iter()
        .filter(|command| {
            let wanted: Vec<&str> = command.words.split(' ').collect();
            words.len() >= wanted.len() && words.iter().zip(&wanted).all(|(word, wanted)| word == wanted)
        })
        .max_by_key(|command| command.words.len())
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
    if !matches!(words.first().map(String::as_str), Some("terraform" | "helmfile" | "packer" | "ansible")) {
        return None;
    }
    let stack = flag(words, &["-s", "--stack"])?;
    let verbs = find(words).map_or(2, |command| command.words.split(' ').count()).max(2);
    let component = words.iter().skip(verbs).find(|word| !word.starts_with('-') && **word != stack)?;
    Some((component.clone(), stack))
}

/// Returns the page of the manual: `docs/atmos-commands.md`.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# Atmos commands from Terrace\n\n`terrace atmos ARGS…` runs any Atmos command as a run, with its log. \
         Generated from the table in `src/atmos/driver/commands.rs`.\n\n\
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
        let mut seen: Vec<&str> = COMMANDS.iter().map(|command| command.words).collect();
        seen.sort_unstable();
        let count = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), count);
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
