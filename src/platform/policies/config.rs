//! `platform/policies.yaml`: dialects, switches with their reasons, and the settings that rules read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::syntax::Problem;
use crate::domain::policy::{Dialect, SwitchedOff};
use crate::domain::stack::Source;

/// The file's place below the estate's root.
pub const CONFIG_FILE: &str = "platform/policies.yaml";

/// The rule that a team's limit is kept by; switched off for a team, none of its budgets refuses or asks.
pub const LIMIT: &str = "cost-limit";

/// What `platform/policies.yaml` says; everything has a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// One line a folder or file below `platform/`: whose conventions it follows. The longest path that fits wins.
    #[serde(default)]
    pub dialects: BTreeMap<String, Dialect>,
    /// The rules that are switched off.
    #[serde(default)]
    pub switches: Vec<Switch>,
    /// What rules read as `input.config`.
    #[serde(default)]
    pub settings: Settings,
}

/// One rule switched off, for one team or for everyone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The rule's code.
    pub rule: String,
    /// The team; everyone where none is named.
    #[serde(default)]
    pub team: Option<String>,
    /// Why. It is shown with every verdict that the switch changes.
    pub reason: String,
}

/// The settings of the rules that Terrace brings along; rules of one's own find their own keys beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The stages (`vars.stage`) in which destroying needs a request and approvals.
    #[serde(default = "protected_stages")]
    pub protected_stages: Vec<String>,
    /// The tags or labels of which one must name an owner.
    #[serde(default = "owner_tags")]
    pub owner_tags: Vec<String>,
    /// The ports that may be open to the whole Internet.
    #[serde(default = "public_ports")]
    pub public_ports: Vec<u16>,
    /// Whether people may decide on what they asked for themselves.
    #[serde(default)]
    pub self_approval: SelfApproval,
    /// Whether the rules of approvals may be set aside with a reason and a second person.
    #[serde(default = "yes")]
    pub break_glass: bool,
    /// Whether one operator may bring back a configuration that was approved and applied before.
    #[serde(default)]
    pub restore: bool,
    /// What becomes of something that no plan binds in a protected stage.
    #[serde(default)]
    pub unbound: Unbound,
    /// Further keys, for rules of one's own.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

/// When people may decide on what they asked for themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum SelfApproval {
    /// Never: `false`.
    #[default]
    Never,
    /// Where nobody shares the platform with them: `solo`.
    Solo,
    /// Always: `true`.
    Always,
}

impl TryFrom<Value> for SelfApproval {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match &value {
            Value::Bool(false) => Ok(Self::Never),
            Value::Bool(true) => Ok(Self::Always),
            Value::String(word) if word == "solo" => Ok(Self::Solo),
            other => Err(format!("self_approval is {other}, and true, false and solo are understood")),
        }
    }
}

impl From<SelfApproval> for Value {
    fn from(word: SelfApproval) -> Self {
        match word {
            SelfApproval::Never => Value::Bool(false),
            SelfApproval::Solo => Value::from("solo"),
            SelfApproval::Always => Value::Bool(true),
        }
    }
}

/// What becomes of a script or command that no plan binds in a protected stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unbound {
    /// It is denied.
    #[default]
    Deny,
    /// It waits for approvals, its script shown in the place of a plan.
    Approve,
}

fn yes() -> bool {
    true
}

fn protected_stages() -> Vec<String> {
    ["prod", "production"].map(str::to_owned).to_vec()
}

fn owner_tags() -> Vec<String> {
    ["owner", "Owner", "team", "Team"].map(str::to_owned).to_vec()
}

fn public_ports() -> Vec<u16> {
    vec![80, 443]
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            protected_stages: protected_stages(),
            owner_tags: owner_tags(),
            public_ports: public_ports(),
            self_approval: SelfApproval::default(),
            break_glass: yes(),
            restore: false,
            unbound: Unbound::default(),
            more: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// A problem with its line where it is not YAML, holds an unknown key, or switches a rule off without a reason.
    pub(super) fn read(text: &str) -> Result<Self, Problem> {
        let problem = |message: String, line: usize, column: usize| Problem {
            code: "policy-config-invalid",
            message,
            source: Source {
                file: CONFIG_FILE.to_owned(),
                line: u32::try_from(line).unwrap_or(1),
                column: u32::try_from(column).unwrap_or(1),
            },
        };
        let read: Option<Config> = serde_yaml::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
            problem(error.to_string(), line, column)
        })?;
        let config = read.unwrap_or_default();
        for switch in &config.switches {
            if switch.reason.trim().is_empty() {
                let line = line_of(text, &switch.rule);
                let message =
                    format!("rule '{}' is switched off without a reason; write why, it is shown", switch.rule);
                return Err(problem(message, line, 1));
            }
        }
        Ok(config)
    }

    /// Returns the switches of one rule; none where the file cannot be read, since that lifts nothing.
    #[must_use]
    pub fn switches_of(text: &str, rule: &str) -> Vec<Switch> {
        let config = Self::read(text).unwrap_or_default();
        config.switches.into_iter().filter(|switch| switch.rule == rule).collect()
    }

    /// Returns the dialect of a file below `platform/`.
    #[must_use]
    pub fn dialect(&self, path: &str) -> Dialect {
        self.named(path).map_or(Dialect::Terrace, |(_, dialect)| dialect)
    }

    /// Returns the folder or file of the line that names a file's dialect; empty where none does.
    pub(super) fn line_for(&self, path: &str) -> String {
        self.named(path).map(|(folder, _)| folder.to_owned()).unwrap_or_default()
    }

    fn named(&self, path: &str) -> Option<(&str, Dialect)> {
        let fits = |folder: &str| {
            let folder = folder.trim_end_matches('/');
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fitting = self.dialects.iter().filter(|(folder, _)| fits(folder));
        fitting.max_by_key(|(folder, _)| folder.len()).map(|(folder, dialect)| (folder.as_str(), *dialect))
    }

    /// Returns the switches as they are shown, with the lines that record them.
    pub(super) fn switched_off(&self, text: &str) -> Vec<SwitchedOff> {
        let mut from = 0;
        self.switches
            .iter()
            .map(|switch| {
                let lines = text.lines().enumerate().skip(from);
                let line = lines.into_iter().find(|(_, line)| names(line, &switch.rule)).map_or(0, |(line, _)| line);
                from = line + 1;
                SwitchedOff {
                    rule: switch.rule.clone(),
                    team: switch.team.clone(),
                    reason: switch.reason.trim().to_owned(),
                    source: Some(Source {
                        file: CONFIG_FILE.to_owned(),
                        line: u32::try_from(line + 1).unwrap_or(1),
                        column: 1,
                    }),
                    silenced: 0,
                }
            })
            .collect()
    }
}

/// Whether this line is the `rule:` line of a switch.
fn names(line: &str, rule: &str) -> bool {
    let Some((key, value)) = line.split_once("rule:") else { return false };
    let value = value.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'', ',', '}']);
    matches!(key.trim(), "" | "-" | "- {" | "{") && (value == rule || value.split(',').next() == Some(rule))
}

fn line_of(text: &str, rule: &str) -> usize {
    text.lines().position(|line| names(line, rule)).map_or(1, |line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_the_dialect_of_a_folder() {
        let config =
            Config::read("dialects:\n  policies/conftest: conftest\n  policies/conftest/own.rego: terrace\n").unwrap();
        assert_eq!(config.dialect("policies/conftest/s3.rego"), Dialect::Conftest);
        assert_eq!(config.dialect("policies/conftest/own.rego"), Dialect::Terrace);
        assert_eq!(config.dialect("policies/conftests.rego"), Dialect::Terrace);
    }

    #[test]
    fn a_switch_needs_a_reason_and_keeps_its_line() {
        let text = "switches:\n  - rule: public-bucket\n    team: web\n    reason: it is the site\n  - rule: iam-wildcard\n    reason: ' '\n";
        let problem = Config::read(text).unwrap_err();
        assert_eq!((problem.code, problem.source.line), ("policy-config-invalid", 5));

        let text = text.replace("' '", "legacy");
        let switched = Config::read(&text).unwrap().switched_off(&text);
        let lines: Vec<_> = switched.iter().filter_map(|s| s.source.as_ref().map(|s| s.line)).collect();
        assert_eq!(lines, [2, 5]);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let problem = Config::read("settings: {}\nswitchs: []\n").unwrap_err();
        assert!(problem.message.contains("switchs"), "{}", problem.message);
        assert_eq!(problem.source.line, 2);
    }

    #[test]
    fn rules_of_ones_own_find_their_own_settings() {
        let config = Config::read("settings:\n  owner_tags: [team]\n  freeze: true\n").unwrap();
        assert_eq!(config.settings.owner_tags, ["team"]);
        assert_eq!(config.settings.more["freeze"], Value::Bool(true));
        assert_eq!(config.settings.protected_stages, ["prod", "production"]);
    }
}
