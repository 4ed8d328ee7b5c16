//! Edits of the rules that say who pays: what the command that stands beside everything unallocated does.
//!
//! Owns writing a rule into `platform/allocation.yaml`, and a former name into `platform/teams.yaml`. Nothing is
//! committed: that is for a person, as with every other edit of the rules.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::allocation::{FILE, parse_rules};
use crate::atmos::yaml::edit::{self, Edit};
use crate::domain::allocation::word;
use crate::domain::stack::PathSegment;
use crate::platform::PlatformError;
use crate::platform::teams::{self, Teams};

/// Who is to pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payer {
    /// This team.
    Team(String),
    /// Every team: `even` or `proportional`.
    Shared(&'static str),
}

fn wrong(message: String, hint: Option<String>) -> PlatformError {
    PlatformError::Unusable { code: "allocation-edit", message, hint }
}

/// Adds a rule at the end of `platform/allocation.yaml`: a service, or with `None` all the rest, is for `payer`.
///
/// A file without rules gets those first that hold without it, so that nothing else changes. Returns the file that was
/// written, below the estate's root, and the name of the rule.
///
/// # Errors
///
/// A team that is not there, rules that cannot be read, a file that cannot be written.
pub fn add_rule(root: &Path, service: Option<&str>, payer: &Payer) -> Result<(&'static str, String), PlatformError> {
    if let Payer::Team(team) = payer {
        team_of(&read_teams(root)?, team)?;
    }
    let before = read(root, FILE)?;
    parse_rules(before.as_bytes()).map_err(PlatformError::Configuration)?;
    let document = value_of(FILE, &before)?;
    let kept = document["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: BTreeSet<&str> = kept.iter().filter_map(|rule| rule["name"].as_str()).collect();
    let base = service.map_or_else(|| "the rest".to_owned(), word);
    let free = |name: &String| !names.contains(name.as_str());
    let numbered = (2..).map(|number| format!("{base} {number}"));
    let name = [base.clone()].into_iter().chain(numbered).find(free).unwrap_or(base);
    let mut rule = json!({"name": name});
    if let Some(service) = service {
        rule["when"] = json!({"service": globset::escape(service)});
    }
    match payer {
        Payer::Team(team) => rule["team"] = json!(team),
        Payer::Shared(how) => rule["share"] = json!(how),
    }
    let mut rules = Vec::new();
    if kept.is_empty() {
        rules.extend([
            json!({"name": "owner of the instance", "team": "owner"}),
            json!({"name": "tag team", "team": "tag:team"}),
            json!({"name": "tag owner", "team": "tag:owner"}),
        ]);
    }
    rules.push(rule);
    let path = vec![PathSegment::Key("rules".to_owned())];
    let edits: Vec<Edit> = rules.into_iter().map(|rule| Edit::Append(path.clone(), rule)).collect();
    let after = apply(FILE, &before, &edits)?;
    parse_rules(after.as_bytes()).map_err(PlatformError::Configuration)?;
    write(root, FILE, &after)?;
    Ok((FILE, name))
}

/// Notes in `platform/teams.yaml` that a team had another name, so that what is billed to that name is its own.
///
/// # Errors
///
/// A team that is not there, a name that another team has, a file that cannot be written.
pub fn add_former_name(root: &Path, former: &str, team: &str) -> Result<&'static str, PlatformError> {
    let known = read_teams(root)?;
    let at = team_of(&known, team)?;
    if known.all().iter().any(|other| other.name == former) {
        let hint = Some("only a name that no team has any more can be a former one".to_owned());
        return Err(wrong(format!("'{former}' is a team"), hint));
    }
    let before = read(root, teams::FILE)?;
    let key = |name: &str| PathSegment::Key(name.to_owned());
    let path = vec![key("teams"), PathSegment::Index(at), key("formerly")];
    let after = apply(teams::FILE, &before, &[Edit::Append(path, json!(former))])?;
    Teams::parse(after.as_bytes()).map_err(PlatformError::Configuration)?;
    write(root, teams::FILE, &after)?;
    Ok(teams::FILE)
}

fn read_teams(root: &Path) -> Result<Teams, PlatformError> {
    let text = read(root, teams::FILE)?;
    Teams::parse(text.as_bytes()).map_err(PlatformError::Configuration)
}

/// Returns the place of a team in the file.
fn team_of(teams: &Teams, name: &str) -> Result<usize, PlatformError> {
    teams.all().iter().position(|team| team.name == name).ok_or_else(|| {
        let near = crate::atmos::did_you_mean(name, teams.all().iter().map(|team| team.name.clone()));
        let hint =
            near.map_or_else(|| "`terrace list teams` names them".to_owned(), |near| format!("did you mean '{near}'?"));
        wrong(format!("there is no team '{name}'"), Some(hint))
    })
}

fn value_of(file: &str, text: &str) -> Result<Value, PlatformError> {
    edit::value_of(file, text, "").map_err(|fault| wrong(format!("{file}:{}: {}", fault.line, fault.message), None))
}

fn apply(file: &str, before: &str, edits: &[Edit]) -> Result<String, PlatformError> {
    let hint = || Some("edit the file by hand".to_owned());
    edit::apply(file, before, edits, "")
        .map_err(|fault| wrong(format!("{file}:{}: {}", fault.line, fault.message), hint()))
}

fn read(root: &Path, file: &str) -> Result<String, PlatformError> {
    match std::fs::read_to_string(root.join(file)) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(PlatformError::io("read", root.join(file))(error)),
    }
}

/// Writes a file whole, or not at all.
fn write(root: &Path, file: &str, text: &str) -> Result<(), PlatformError> {
    let path = root.join(file);
    let beside = path.with_extension("yaml.new");
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = folder.and_then(|()| std::fs::write(&beside, text)).and_then(|()| std::fs::rename(&beside, &path));
    written.map_err(PlatformError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(teams: &str, rules: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("temp");
        std::fs::create_dir(root.path().join("platform")).expect("made");
        std::fs::write(root.path().join(teams::FILE), teams).expect("written");
        if let Some(rules) = rules {
            std::fs::write(root.path().join(FILE), rules).expect("written");
        }
        root
    }

    #[test]
    fn a_rule_is_added_behind_the_others_and_every_other_byte_stays() {
        let rules = "# ours\nrules:\n  - {name: a-b, team: owner} # first\nrates: []\n";
        let root = home("teams:\n  - {name: web}\n", Some(rules));
        let added = add_rule(root.path(), Some("A [B]"), &Payer::Team("web".to_owned())).expect("added");
        assert_eq!(added, (FILE, "a-b 2".to_owned()));
        let text = std::fs::read_to_string(root.path().join(FILE)).expect("a file");
        assert!(text.starts_with("# ours\nrules:\n  - {name: a-b, team: owner} # first\n"), "{text}");
        assert!(text.contains("A [[]B[]]") && text.ends_with("rates: []\n"), "{text}");
        let missing = add_rule(root.path(), None, &Payer::Team("wbe".to_owned())).expect_err("no such team");
        assert_eq!(missing.to_string(), "there is no team 'wbe'");
        assert_eq!(std::fs::read_to_string(root.path().join(FILE)).expect("a file"), text, "nothing was changed");
    }

    #[test]
    fn the_first_rule_of_a_file_comes_behind_those_that_held_without_it() {
        let root = home("teams: []\n", None);
        add_rule(root.path(), None, &Payer::Shared("proportional")).expect("added");
        let read = std::fs::read(root.path().join(FILE)).expect("a file");
        let value: Value = value_of(FILE, &String::from_utf8_lossy(&read)).expect("YAML");
        let names: Vec<&str> =
            value["rules"].as_array().expect("rules").iter().filter_map(|r| r["name"].as_str()).collect();
        assert_eq!(names, ["owner of the instance", "tag team", "tag owner", "the rest"]);
    }

    #[test]
    fn a_former_name_is_noted_once_and_never_that_of_a_team() {
        let root = home("teams:\n  - name: web\n    members: [a]\n  - name: shop\n", None);
        for _ in 0..2 {
            add_former_name(root.path(), "store", "shop").expect("noted");
        }
        let text = std::fs::read_to_string(root.path().join(teams::FILE)).expect("a file");
        assert_eq!(text.matches("store").count(), 1, "{text}");
        let teams = Teams::parse(text.as_bytes()).expect("teams");
        assert_eq!(teams.names().find("store").map(|name| &**name), Some("shop"));
        assert!(add_former_name(root.path(), "web", "shop").is_err());
    }
}
