//! `terrace init`: drafts `platform/teams.yaml` from what an estate shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::codeowners::CodeOwners;
use super::{Context, Exit, Failure, Outcome, local};
use crate::domain::service::Service;
use crate::domain::stack::InstanceSummary;
use crate::platform::teams;

/// Drafts platform/teams.yaml: who owns what, guessed from tags, settings, metadata and CODEOWNERS
///
/// A file that is there is never touched.
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Prints the draft and writes nothing
    #[arg(long)]
    print: bool,
}

impl Init {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let root = context.root()?;
        let path = root.join(teams::FILE);
        let there = || {
            Failure::usage(format!("{} is there already; nothing was touched", path.display()))
                .hint("terrace init --print shows what a draft would say")
        };
        if !self.print && path.symlink_metadata().is_ok() {
            return Err(there().into());
        }
        let (services, instances) = super::runtime()?.block_on(async {
            let client = local::offline(context)?;
            Ok::<_, Failure>((client.services().await?, client.instances(false).await?))
        })?;
        let draft = draft(&services, &instances, &CodeOwners::read(&root));
        if self.print {
            let mut out = std::io::stdout().lock();
            out.write_all(draft.text.as_bytes())?;
            out.flush()?;
            return Ok(Exit::Done);
        }
        match write(&path, &draft.text) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(there().into()),
            written => written.map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?,
        }
        eprintln!("wrote {}: {} teams, {} components without an owner", path.display(), draft.teams, draft.unowned);
        eprintln!("{} name the members, then commit it", context.paint_stderr().hint("next:"));
        Ok(Exit::Done)
    }
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

struct Draft {
    text: String,
    teams: usize,
    unowned: usize,
}

/// Groups the components by the owner that most of their instances have.
fn draft(services: &[Service], instances: &[InstanceSummary], code: &CodeOwners) -> Draft {
    let of_folder: BTreeMap<&str, &str> = services
        .iter()
        .filter_map(|service| Some((service.folder.as_str(), service.owner.as_ref()?.value.as_str())))
        .collect();
    let mut votes: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    for instance in instances {
        let owner = instance.team.clone();
        let owner = owner.or_else(|| of_folder.get(instance.folder.as_str()).map(|&owner| owner.to_owned()));
        let owner = owner.or_else(|| code.team(&instance.folder)).or_else(|| code.team(&instance.file));
        let votes = votes.entry(instance.component.as_str()).or_default();
        if let Some(owner) = owner {
            *votes.entry(owner).or_default() += 1;
        }
    }
    let mut owned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut unowned = BTreeSet::new();
    for (&component, votes) in &votes {
        // Among equals the first by name.
        match votes.iter().rev().max_by_key(|(_, count)| **count) {
            Some((owner, _)) => owned.entry(owner.as_str()).or_default().push(component),
            None => {
                unowned.insert(component);
            }
        }
    }
    let mut text = String::from(
        "# Who owns what: a draft by `terrace init`, guessed from tags, settings, metadata and CODEOWNERS.\n\
         # The first team whose patterns match owns an instance. Name the members, and those of them who may approve.\n",
    );
    text.push_str(if owned.is_empty() { "teams: []\n" } else { "teams:\n" });
    // Writing into a string cannot fail.
    for (team, components) in &owned {
        let _ = write!(text, "  - name: {}\n    members: []\n    approvers: []\n    components:\n", scalar(team));
        for component in components {
            let _ = writeln!(text, "      - {}", scalar(&literal(component)));
        }
    }
    if !unowned.is_empty() {
        text.push_str("# Nothing says who owns these:\n");
    }
    for component in &unowned {
        let _ = writeln!(text, "#   - {}", scalar(&literal(component)));
    }
    Draft { text, teams: owned.len(), unowned: unowned.len() }
}

/// Returns a pattern that matches exactly this name.
fn literal(name: &str) -> String {
    name.chars().flat_map(|c| "\\*?[]{}".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Writes text as a YAML scalar on one line.
fn scalar(text: &str) -> String {
    // What YAML 1.1 reads as a boolean or nothing: other readers of the file may still do.
    const WORDS: [&str; 10] = ["y", "yes", "n", "no", "on", "off", "true", "false", "null", "none"];
    let plain = !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_/.".contains(c))
        && matches!(serde_yaml::from_str(text), Ok(serde_yaml::Value::String(_)));
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names() {
        assert_eq!(scalar("orders-db"), "orders-db");
        assert_eq!(scalar("no"), "\"no\"");
        assert_eq!(scalar("a: b"), "\"a: b\"");
        assert_eq!(literal("a*b"), "a\\*b");
    }
}
