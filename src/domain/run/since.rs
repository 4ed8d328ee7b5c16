//! What is different: since an instance was last applied, and since a run that is asked for again.
//!
//! Owns the comparison of two resolved configurations, leaf by leaf, and of what two runs stood on. Where they come
//! from, and who wrote a line, is the platform's.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{DriverKind, Run, RunKind, RunState, StoodOn};
use crate::domain::id::{Digest, RunId};
use crate::domain::stack::{PathSegment, Source};

/// One value of a resolved configuration, with the line that set it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leaf {
    /// The path, its first segment the section.
    pub path: Vec<PathSegment>,
    /// The value.
    pub value: Value,
    /// The line; none where no line wrote it.
    pub source: Option<Source>,
}

/// A run in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunBrief {
    /// Its identity.
    pub id: RunId,
    /// Its number in the estate.
    pub number: u64,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub state: RunState,
    /// What a person would type.
    pub command: String,
    /// The component, for a run of one instance.
    pub component: Option<String>,
    /// The stack.
    pub stack: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub queued_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
}

impl From<&Run> for RunBrief {
    fn from(run: &Run) -> Self {
        Self {
            id: run.id,
            number: run.number,
            kind: run.kind,
            state: run.state,
            command: run.command.clone(),
            component: run.component.clone(),
            stack: run.stack.clone(),
            actor: run.actor.clone(),
            queued_at: run.queued_at,
            ended_at: run.ended_at,
        }
    }
}

/// A commit of the estate's repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Commit {
    /// Its full name.
    pub id: String,
    /// Its author.
    pub author: String,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// The first line of its message.
    pub subject: String,
}

/// A value that is not what it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChangedValue {
    /// The path, its first segment the section (`vars`, `env`, …).
    pub path: Vec<PathSegment>,
    /// What it was; null where there was none (or it was null).
    pub before: Option<Value>,
    /// What it is; null where there is none (or it is null).
    pub after: Option<Value>,
    /// The line that sets it now, or that set it where it is gone.
    pub source: Option<Source>,
    /// Who wrote that line last; none where it is not committed, or not known.
    pub author: Option<String>,
    /// The commit that wrote that line last.
    pub commit: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub time: Option<Timestamp>,
}

/// What changed since an instance was last applied successfully.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// The component.
    pub component: String,
    /// The stack.
    pub stack: String,
    /// The run that applied it last with success; null where none is known, and then nothing is compared.
    pub applied: Option<RunBrief>,
    /// What that run stood on.
    pub from: Option<StoodOn>,
    /// What it is compared with: what the run stood on, or the files as they are.
    pub to: StoodOn,
    /// The commits between the two that touch the instance's values or its component's folder, newest first.
    pub commits: Vec<Commit>,
    /// How many other commits lie between them.
    pub other_commits: u64,
    /// The values that differ, in the order of the document.
    pub values: Vec<ChangedValue>,
    /// Runs that touched the same stack within a day before, or do so now, newest first.
    pub lately: Vec<RunBrief>,
    /// What could not be found out, and why.
    pub notes: Vec<String>,
}

/// Compares two resolved configurations; what is the same is left out.
#[must_use]
pub fn changed(before: &[Leaf], after: &[Leaf]) -> Vec<ChangedValue> {
    let old: BTreeMap<&[PathSegment], &Leaf> = before.iter().map(|leaf| (leaf.path.as_slice(), leaf)).collect();
    let new: BTreeMap<&[PathSegment], &Leaf> = after.iter().map(|leaf| (leaf.path.as_slice(), leaf)).collect();
    let value = |leaf: &Leaf, before: Option<&Leaf>, after: Option<&Leaf>| ChangedValue {
        path: leaf.path.clone(),
        before: before.map(|leaf| leaf.value.clone()),
        after: after.map(|leaf| leaf.value.clone()),
        source: leaf.source.clone(),
        author: None,
        commit: None,
        time: None,
    };
    let differs = |leaf: &&Leaf| old.get(leaf.path.as_slice()).is_none_or(|before| before.value != leaf.value);
    let mut found: Vec<ChangedValue> = after
        .iter()
        .filter(differs)
        .map(|leaf| value(leaf, old.get(leaf.path.as_slice()).copied(), Some(leaf)))
        .collect();
    let gone = before.iter().filter(|leaf| !new.contains_key(leaf.path.as_slice()));
    found.extend(gone.map(|leaf| value(leaf, Some(leaf), None)));
    found
}

/// Writes a path as people write it: `vars.tags.team`, `vars.zones[0]`.
#[must_use]
pub fn dotted(path: &[PathSegment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            PathSegment::Index(index) => text.push_str(&format!("[{index}]")),
            PathSegment::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
        }
    }
    text
}

/// Says what is different from a run that is asked for again, in a person's words; never empty.
#[must_use]
pub fn differences(
    before: (&StoodOn, DriverKind),
    after: (&StoodOn, DriverKind),
    values: Option<&[ChangedValue]>,
) -> Vec<String> {
    let ((old, old_driver), (new, new_driver)) = (before, after);
    let mut said = Vec::new();
    let short = |commit: &Option<String>| {
        commit.as_deref().map_or("no commit".to_owned(), |commit| commit.chars().take(12).collect())
    };
    if old.commit != new.commit {
        said.push(format!("commit {} → {}", short(&old.commit), short(&new.commit)));
    }
    match (&old.tree_digest, &new.tree_digest) {
        (None, Some(_)) => said.push("files are changed that are not committed".to_owned()),
        (Some(_), None) => said.push("nothing is uncommitted any more".to_owned()),
        (Some(old), Some(new)) if old != new => said.push("the uncommitted changes are others".to_owned()),
        _ => {}
    }
    match values {
        Some(values) => said.extend(values.iter().take(SHOWN).map(|value| {
            let show = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), Value::to_string);
            let place = value.source.as_ref().map_or(String::new(), |at| format!(" ({}:{})", at.file, at.line));
            format!("{}: {} → {}{place}", dotted(&value.path), show(&value.before), show(&value.after))
        })),
        None if differ(&old.config_digest, &new.config_digest) => {
            said.push("the resolved configuration is another".to_owned());
        }
        None => {}
    }
    if let Some(more) = values.map(<[_]>::len).and_then(|count| count.checked_sub(SHOWN)).filter(|more| *more > 0) {
        said.push(format!("and {more} more values"));
    }
    if old_driver != new_driver {
        let name = |driver| if driver == DriverKind::Atmos { "atmos" } else { "terraform" };
        said.push(format!("driver {} → {}", name(old_driver), name(new_driver)));
    }
    if old.tools != new.tools {
        said.push(format!("tools {} → {}", old.tools.join(", "), new.tools.join(", ")));
    }
    if said.is_empty() {
        said.push("nothing: the same commit, configuration and tools".to_owned());
    }
    said
}

/// How many values are named one by one.
const SHOWN: usize = 8;

fn differ(old: &Option<Digest>, new: &Option<Digest>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if old != new)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn leaf(path: &str, value: Value) -> Leaf {
        let path = path.split('.').map(|key| PathSegment::Key(key.to_owned())).collect();
        Leaf { path, value, source: Some(Source { file: "stacks/a.yaml".to_owned(), line: 7, column: 3 }) }
    }

    #[test]
    fn values_that_differ_come_or_go_are_told_with_their_lines() {
        let before = [leaf("vars.size", json!("small")), leaf("vars.gone", json!(1)), leaf("vars.same", json!([1]))];
        let after = [leaf("vars.same", json!([1])), leaf("vars.size", json!("large")), leaf("vars.new", json!(null))];
        let found = changed(&before, &after);
        let told: Vec<_> =
            found.iter().map(|value| (dotted(&value.path), value.before.clone(), value.after.clone())).collect();
        assert_eq!(
            told,
            [
                ("vars.size".to_owned(), Some(json!("small")), Some(json!("large"))),
                ("vars.new".to_owned(), None, Some(json!(null))),
                ("vars.gone".to_owned(), Some(json!(1)), None),
            ]
        );
        assert!(found.iter().all(|value| value.source.as_ref().is_some_and(|at| at.line == 7)));
        assert!(changed(&after, &after).is_empty());
    }

    #[test]
    fn differences_are_said_in_words_and_nothing_too() {
        let old =
            StoodOn { commit: Some("a".repeat(40)), tools: vec!["terraform 1.11.3".to_owned()], ..StoodOn::default() };
        let new = StoodOn {
            commit: Some("b".repeat(40)),
            tools: vec!["terraform 1.11.4".to_owned()],
            tree_digest: Some(Digest::of(b"x")),
            ..StoodOn::default()
        };
        let values = changed(&[leaf("vars.size", json!("small"))], &[leaf("vars.size", json!("large"))]);
        let said = differences((&old, DriverKind::Terraform), (&new, DriverKind::Atmos), Some(&values));
        assert_eq!(
            said,
            [
                "commit aaaaaaaaaaaa → bbbbbbbbbbbb",
                "files are changed that are not committed",
                "vars.size: \"small\" → \"large\" (stacks/a.yaml:7)",
                "driver terraform → atmos",
                "tools terraform 1.11.3 → terraform 1.11.4",
            ]
        );
        let same = differences((&old, DriverKind::Atmos), (&old, DriverKind::Atmos), Some(&[]));
        assert_eq!(same, ["nothing: the same commit, configuration and tools"]);
    }
}
