//! `platform/teams.yaml`: who is in which team, and what a team owns.
//!
//! Owns reading the file and answering who owns an instance. Leaves what a role may do to the API's extractors.

use std::collections::BTreeMap;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::budgets::{BudgetEntry, ScopedBudget};
use super::settings::parse_yaml;
use crate::domain::allocation::TeamNames;
use crate::domain::budget::{Budget, Quota};
use crate::domain::stack::{Diagnostic, Severity, Source};
use crate::domain::team::{Role, Team};

/// Where the file lies, relative to the estate's root.
pub const FILE: &str = "platform/teams.yaml";

/// The file: a list of teams under `teams`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamsFile {
    #[serde(default)]
    teams: Vec<TeamEntry>,
    /// Who has which role besides what teams give; `*` is everybody on the machine.
    #[serde(default)]
    roles: BTreeMap<Role, Vec<String>>,
    /// People who go by more than one name.
    #[serde(default)]
    people: BTreeMap<String, PersonEntry>,
}

/// What else a person is called.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonEntry {
    /// Users of the machine, and names of tokens.
    #[serde(default)]
    users: Vec<String>,
    /// Names and addresses of their commits.
    #[serde(default)]
    git: Vec<String>,
}

/// A team as the file writes it. A misspelt key is an error here, where on the wire a new key is none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TeamEntry {
    name: String,
    description: Option<String>,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    approvers: Vec<String>,
    #[serde(default)]
    components: Vec<String>,
    #[serde(default)]
    stacks: Vec<String>,
    #[serde(default)]
    formerly: Vec<String>,
    #[serde(default)]
    budgets: Vec<BudgetEntry>,
    quota: Option<Quota>,
    #[serde(default)]
    recommendations_off: Vec<String>,
}

impl From<TeamEntry> for Team {
    fn from(entry: TeamEntry) -> Self {
        let TeamEntry { name, description, members, approvers, components, stacks, formerly, .. } = entry;
        Self { name, description, members, approvers, components, stacks, formerly }
    }
}

/// The teams of an estate, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Teams {
    teams: Vec<Team>,
    components: Vec<GlobSet>,
    stacks: Vec<GlobSet>,
    places: Vec<Source>,
    roles: BTreeMap<Role, Vec<String>>,
    /// The person by each user that is theirs.
    users: BTreeMap<String, String>,
    /// The person by each name of commits, in small letters.
    authors: BTreeMap<String, String>,
    budgets: Vec<ScopedBudget>,
    quotas: BTreeMap<String, Quota>,
    recommendations_off: BTreeMap<String, Vec<String>>,
}

impl Teams {
    /// Reads teams from the text of the file.
    ///
    /// # Errors
    ///
    /// The first problem: a syntax error or an unknown key with its line, a name twice, a pattern that is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Box<Diagnostic>> {
        let file: TeamsFile = parse_yaml(FILE, bytes)?;
        let mut read = Self { roles: file.roles, ..Self::default() };
        for (person, also) in &file.people {
            for user in &also.users {
                let taken = (user != person && file.people.contains_key(user)).then_some(user);
                if let Some(other) = taken.or(read.users.get(user)) {
                    return Err(problem(bytes, user, format!("'{user}' is both {other} and {person}")));
                }
                read.users.insert(user.clone(), person.clone());
            }
            for name in &also.git {
                if let Some(other) = read.authors.insert(name.to_lowercase(), person.clone()) {
                    return Err(problem(bytes, name, format!("'{name}' is both {other} and {person}")));
                }
            }
        }
        for mut entry in file.teams {
            let (budgets, quota) = (std::mem::take(&mut entry.budgets), entry.quota.take());
            let off = std::mem::take(&mut entry.recommendations_off);
            let team = Team::from(entry);
            read.recommendations_off.insert(team.name.clone(), off);
            if read.teams.iter().any(|other| other.name == team.name) {
                return Err(problem(bytes, &team.name, format!("there are two teams named '{}'", team.name)));
            }
            let globs = |patterns: &[String]| glob_set(patterns).map_err(|e| problem(bytes, &e.0, e.1));
            read.components.push(globs(&team.components)?);
            read.stacks.push(globs(&team.stacks)?);
            read.places.push(name_place(bytes, &team.name));
            for budget in budgets {
                read.add_budget(bytes, budget.of(&team.name).map_err(|message| problem(bytes, &team.name, message))?)?;
            }
            read.quotas.extend(quota.map(|quota| (team.name.clone(), quota)));
            read.teams.push(team);
        }
        Ok(read)
    }

    /// Returns who a user of the machine, or the name of a token, is: the person that `people` gives it to, else itself.
    #[must_use]
    pub fn person<'a>(&'a self, user: &'a str) -> &'a str {
        self.users.get(user).map_or(user, String::as_str)
    }

    /// Returns whom a name or an address of a commit belongs to, as `people` says it; small and capital letters are one.
    #[must_use]
    pub fn author(&self, said: &str) -> Option<&str> {
        self.authors.get(&said.to_lowercase()).map(String::as_str)
    }

    /// Returns the role of a user of the machine: the highest that `roles` or a team gives; none where nothing does.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<Role> {
        let has = |names: &[String]| names.iter().any(|other| other == name);
        let everybody = |names: &[String]| names.iter().any(|other| other == "*");
        let given = self.roles.iter().filter(|(_, names)| has(names) || everybody(names)).map(|(role, _)| *role);
        let by_teams = self.teams.iter().filter_map(|team| {
            let approves = has(&team.approvers).then_some(Role::Approver);
            approves.or_else(|| has(&team.members).then_some(Role::Developer))
        });
        given.chain(by_teams).max()
    }

    fn add_budget(&mut self, bytes: &[u8], budget: Budget) -> Result<(), Box<Diagnostic>> {
        if self.budgets.iter().any(|other| other.budget.name == budget.name) {
            return Err(problem(bytes, &budget.name, format!("there are two budgets named '{}'", budget.name)));
        }
        let globs = |patterns: &[String]| glob_set(patterns).map_err(|e| problem(bytes, &e.0, e.1));
        let (stacks, components) = (globs(&budget.stacks)?, globs(&budget.components)?);
        self.budgets.push(ScopedBudget { budget, stacks, components });
        Ok(())
    }

    /// Returns the budgets in the order of the file.
    #[must_use]
    pub fn budgets(&self) -> &[ScopedBudget] {
        &self.budgets
    }

    /// Returns the rules of recommendations that a team has switched off.
    #[must_use]
    pub fn recommendations_off(&self, team: &str) -> &[String] {
        self.recommendations_off.get(team).map_or(&[], Vec::as_slice)
    }

    /// Returns the quota of a team.
    #[must_use]
    pub fn quota(&self, team: &str) -> Option<&Quota> {
        self.quotas.get(team)
    }

    /// Returns the teams in the order of the file.
    #[must_use]
    pub fn all(&self) -> &[Team] {
        &self.teams
    }

    /// Returns the line that names a team.
    #[must_use]
    pub fn place(&self, team: &str) -> Option<&Source> {
        self.teams.iter().position(|other| other.name == team).and_then(|at| self.places.get(at))
    }

    /// Returns the teams by every name they have or had, for what was billed under an old one.
    #[must_use]
    pub fn names(&self) -> TeamNames {
        let mut names = TeamNames::default();
        for team in &self.teams {
            names.add(&team.name, &team.formerly);
        }
        names
    }

    /// Says whether a name is or was that of a team.
    #[must_use]
    pub fn is_named(&self, team: &str, name: &str) -> bool {
        if team == name {
            return true;
        }
        let current = |other: &Team| other.name == name;
        let was = |other: &Team| other.name == team && other.formerly.iter().any(|former| former == name);
        !self.teams.iter().any(current) && self.teams.iter().any(was)
    }

    /// Returns the team that owns an instance: the first whose patterns match both component and stack, where a team
    /// without patterns of one sort owns everything of that sort. A team without any pattern owns nothing.
    #[must_use]
    pub fn owner(&self, component: &str, stack: &str) -> Option<&Team> {
        let matches = |patterns: &[String], set: &GlobSet, name: &str| patterns.is_empty() || set.is_match(name);
        self.teams.iter().zip(self.components.iter().zip(&self.stacks)).find_map(|(team, (components, stacks))| {
            let owns = !(team.components.is_empty() && team.stacks.is_empty())
                && matches(&team.components, components, component)
                && matches(&team.stacks, stacks, stack);
            owns.then_some(team)
        })
    }
}

fn glob_set(patterns: &[String]) -> Result<GlobSet, (String, String)> {
    let mut builder = GlobSetBuilder::new();
    for pattern in patterns {
        let glob =
            Glob::new(pattern).map_err(|e| (pattern.clone(), format!("'{pattern}' is not a pattern: {}", e.kind())))?;
        builder.add(glob);
    }
    builder.build().map_err(|e| (String::new(), e.to_string()))
}

/// Finds the line that gives a team its name.
fn name_place(bytes: &[u8], team: &str) -> Source {
    let text = String::from_utf8_lossy(bytes);
    let named = |line: &&str| {
        let rest = line.trim_start().trim_start_matches('-').trim_start().trim_start_matches('{').trim_start();
        let value = rest.strip_prefix("name:").map(str::trim_start);
        value.is_some_and(|value| value.trim_start_matches(['"', '\'']).starts_with(team))
    };
    let at = text.lines().position(|line| named(&line)).unwrap_or(0);
    let line = text.lines().nth(at).unwrap_or("");
    let column = line.find(team).map_or(0, |column| line[..column].chars().count());
    let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
    Source { file: FILE.to_owned(), line: number(at), column: number(column) }
}

/// Makes a diagnostic at the last line that holds `text`: of two teams of one name, the second is the one to change.
fn problem(bytes: &[u8], text: &str, message: String) -> Box<Diagnostic> {
    let found = String::from_utf8_lossy(bytes)
        .lines()
        .enumerate()
        .filter_map(|(index, line)| line.find(text).map(|column| (index, line[..column].chars().count())))
        .last();
    let (line, column) = found.unwrap_or_default();
    let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
    Box::new(Diagnostic {
        severity: Severity::Error,
        code: "teams-yaml".to_owned(),
        message: format!("{FILE}: {message}"),
        hint: None,
        source: Some(Source { file: FILE.to_owned(), line: number(line), column: number(column) }),
        stack: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
teams:
  - name: payments
    members: [ann]
    components: ['billing-*']
  - name: platform
    stacks: ['plat-*']
  - name: empty
";

    #[test]
    fn the_first_team_whose_patterns_match_owns_an_instance() {
        let teams = Teams::parse(TEXT.as_bytes()).expect("teams");
        let owner = |component, stack| teams.owner(component, stack).map(|team| team.name.as_str());
        assert_eq!(owner("billing-db", "plat-ue2-prod"), Some("payments"));
        assert_eq!(owner("network", "plat-ue2-prod"), Some("platform"));
        assert_eq!(owner("network", "core-ue2-prod"), None);
        let place = |team| teams.place(team).map(|at| (at.line, at.column));
        assert_eq!((place("payments"), place("platform"), place("nobody")), (Some((2, 11)), Some((5, 11)), None));
    }

    #[test]
    fn a_role_is_the_highest_that_is_given_and_nobody_has_one_by_default() {
        let text =
            "roles: {admin: [mara], viewer: ['*']}\nteams:\n  - {name: a, members: [ann, bo], approvers: [bo]}\n";
        let teams = Teams::parse(text.as_bytes()).expect("teams");
        let role = |name| teams.role(name);
        assert_eq!(role("mara"), Some(Role::Admin));
        assert_eq!((role("ann"), role("bo")), (Some(Role::Developer), Some(Role::Approver)));
        assert_eq!(role("eve"), Some(Role::Viewer));
        assert_eq!(Teams::parse(TEXT.as_bytes()).expect("teams").role("eve"), None);
        assert!(Teams::parse(b"roles: {owner: [eve]}\n").is_err());
    }

    #[test]
    fn a_person_goes_by_the_names_that_people_gives() {
        let text = "people:\n  mara: {users: [ml, u1001], git: [Mara Lind, M.Lind@example.com]}\n  bo: {git: [bo@example.com]}\n";
        let teams = Teams::parse(text.as_bytes()).expect("teams");
        assert_eq!((teams.person("ml"), teams.person("u1001"), teams.person("bo")), ("mara", "mara", "bo"));
        assert_eq!((teams.author("mara lind"), teams.author("m.lind@EXAMPLE.com")), (Some("mara"), Some("mara")));
        assert_eq!((teams.author("bo@example.com"), teams.author("eve@example.com")), (Some("bo"), None));
        for two in [
            "people: {mara: {users: [x]}, bo: {users: [x]}}\n",
            "people: {mara: {users: [bo]}, bo: {git: [b]}}\n",
            "people: {mara: {git: [a@b]}, bo: {git: [A@b]}}\n",
        ] {
            assert!(Teams::parse(two.as_bytes()).expect_err("two").message.contains("is both"), "{two}");
        }
        assert!(Teams::parse(b"people: {mara: {email: [a]}}\n").is_err(), "a misspelt key");
    }

    #[test]
    fn problems_stand_at_their_line() {
        let at = |text: &str| {
            let problem = Teams::parse(text.as_bytes()).expect_err("a problem");
            (problem.source.as_ref().expect("a place").line, problem.message)
        };
        assert_eq!(at("teams:\n  - name: a\n  - name: b\n  - name: a\n").0, 4);
        assert_eq!(at("teams:\n  - name: a\n    components: ['a[']\n").0, 3);
        let budget = |thresholds: &str| {
            format!("teams:\n  - name: a\n    budgets:\n      - amount: 100\n        thresholds: {thresholds}\n")
        };
        let (line, message) = at(&budget("{warn: 80, approve: 130, refuse: 120}"));
        assert_eq!(line, 4, "where the budget begins: {message}");
        assert!(message.contains("approve at 130 lies above refuse at 120"), "{message}");
        assert!(at(&budget("{warn: 120, refuse: 110}")).1.contains("warn at 120 lies above refuse at 110"));
        // What is usual and not written contradicts nothing.
        for good in ["{refuse: 90}", "{warn: 100, approve: 100}", "{warn: null, approve: 50}"] {
            assert!(Teams::parse(budget(good).as_bytes()).is_ok(), "{good}");
        }
        let (line, message) = at("teams:\n  - name: a\n    member: [x]\n");
        assert_eq!(line, 3, "{message}");
        assert!(message.contains("unknown field `member`"), "{message}");
        assert!(at("teams: 7\n").1.starts_with("platform/teams.yaml: "));
    }
}
