//! One rule of allocation: what it matches, and who pays.

use std::collections::BTreeMap;
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::Item;
use crate::domain::money::Exact;
use crate::domain::showback::Rate;

/// `platform/allocation.yaml` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllocationFile {
    /// The rules, in order; those of [`Rules::default`] where there are none.
    #[serde(default)]
    rules: Vec<RuleEntry>,
    /// What chargeback adds.
    #[serde(default)]
    pub rates: Vec<Rate>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    name: String,
    #[serde(default)]
    when: When,
    team: Option<String>,
    stage: Option<String>,
    share: Option<Share>,
    #[serde(default)]
    among: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct When {
    provider: Option<Patterns>,
    account: Option<Patterns>,
    sub_account: Option<Patterns>,
    service: Option<Patterns>,
    kind: Option<Patterns>,
    region: Option<Patterns>,
    resource: Option<Patterns>,
    resource_type: Option<Patterns>,
    description: Option<Patterns>,
    stack: Option<Patterns>,
    component: Option<Patterns>,
    tags: BTreeMap<String, Patterns>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Patterns {
    One(String),
    Many(Vec<String>),
}

/// How shared cost is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Share {
    /// The same for each.
    Even,
    /// By what each spent on its own.
    Proportional,
    /// By fixed shares; they need not add up to 100.
    Fixed(BTreeMap<String, Exact>),
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Word(String),
            Shares(BTreeMap<String, Exact>),
        }
        match Written::deserialize(deserializer)? {
            Written::Word(word) if word == "even" => Ok(Share::Even),
            Written::Word(word) if word == "proportional" => Ok(Share::Proportional),
            Written::Word(word) => {
                Err(serde::de::Error::custom(format!("'{word}' is none of even, proportional, and no map of shares")))
            }
            Written::Shares(shares) => Ok(Share::Fixed(shares)),
        }
    }
}

/// Who pays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Takes {
    /// This team.
    Team(String),
    /// The team that a tag names.
    Tag(String),
    /// The team that owns the instance.
    Owner,
    /// Several teams.
    Share(Share),
}

/// A rule, ready to be used.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    pub(super) takes: Takes,
    pub(super) stage: Option<Arc<str>>,
    pub(super) among: Vec<String>,
    conditions: Vec<(Field, GlobSet)>,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Provider,
    Account,
    SubAccount,
    Service,
    Kind,
    Region,
    Resource,
    ResourceType,
    Description,
    Stack,
    Component,
    Tag(String),
}

/// The rules of an estate, in order.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl Default for Rules {
    /// Where an estate has no rules: who owns the instance pays, else the team that the tag `team` or `owner` names.
    fn default() -> Self {
        let rule = |name: &str, takes| Rule {
            name: name.into(),
            takes,
            stage: None,
            among: Vec::new(),
            conditions: Vec::new(),
        };
        Rules {
            rules: vec![
                rule("owner of the instance", Takes::Owner),
                rule("tag team", Takes::Tag("team".to_owned())),
                rule("tag owner", Takes::Tag("owner".to_owned())),
            ],
        }
    }
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rule '{rule}': {message}")]
pub struct RuleError {
    /// The rule.
    pub rule: String,
    /// What is wrong with it.
    pub message: String,
}

impl Rules {
    /// Makes the rules of a file ready; a file without any has the default ones.
    ///
    /// # Errors
    ///
    /// The first rule that is wrong.
    pub fn of(file: AllocationFile) -> Result<Self, RuleError> {
        if file.rules.is_empty() {
            return Ok(Rules::default());
        }
        let mut rules: Vec<Rule> = Vec::with_capacity(file.rules.len());
        for entry in file.rules {
            let name = entry.name.clone();
            let wrong = |message: String| RuleError { rule: name.clone(), message };
            if rules.iter().any(|other| *other.name == *name) {
                return Err(wrong("there are two rules of this name".to_owned()));
            }
            let takes = match (entry.team, entry.share) {
                (Some(_), Some(_)) | (None, None) => {
                    return Err(wrong("it needs either `team` or `share`".to_owned()));
                }
                (None, Some(Share::Fixed(shares))) if shares.values().any(|share| share.is_negative()) => {
                    return Err(wrong("a share is below zero".to_owned()));
                }
                (None, Some(Share::Fixed(shares))) if shares.values().all(|share| share.is_zero()) => {
                    return Err(wrong("every share is zero".to_owned()));
                }
                (None, Some(share)) => Takes::Share(share),
                (Some(team), None) => match team.strip_prefix("tag:") {
                    Some(tag) => Takes::Tag(tag.to_owned()),
                    None if team == "owner" => Takes::Owner,
                    None => Takes::Team(team),
                },
            };
            if !entry.among.is_empty() && !matches!(takes, Takes::Share(Share::Even | Share::Proportional)) {
                return Err(wrong("`among` goes with `share: even` and `share: proportional` only".to_owned()));
            }
            let conditions = conditions(entry.when).map_err(wrong)?;
            let stage = entry.stage.map(Arc::from);
            rules.push(Rule { name: entry.name.into(), takes, stage, among: entry.among, conditions });
        }
        Ok(Rules { rules })
    }

    /// Returns the rules in order.
    pub(super) fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns every team that a rule names, with the rule.
    pub fn named_teams(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().flat_map(|rule| {
            let names: Vec<&str> = match &rule.takes {
                Takes::Team(team) => vec![team],
                Takes::Share(Share::Fixed(shares)) => shares.keys().map(String::as_str).collect(),
                _ => rule.among.iter().map(String::as_str).collect(),
            };
            names.into_iter().map(|team| (&*rule.name, team))
        })
    }
}

impl Rule {
    /// Says whether every condition holds; a rule without conditions matches everything.
    pub(super) fn matches(&self, item: &Item<'_>) -> bool {
        let charge = item.charge;
        self.conditions.iter().all(|(field, globs)| {
            let value = match field {
                Field::Provider => Some(charge.provider.as_str()),
                Field::Account => Some(charge.account.as_str()),
                Field::SubAccount => charge.sub_account.as_deref(),
                Field::Service => charge.service.as_deref(),
                Field::Kind => Some(charge.kind().name()),
                Field::Region => charge.region.as_deref(),
                Field::Resource => charge.resource.as_deref(),
                Field::ResourceType => charge.resource_type.as_deref(),
                Field::Description => charge.description.as_deref(),
                Field::Stack => item.instance.map(|instance| instance.stack.as_str()),
                Field::Component => item.instance.map(|instance| instance.component.as_str()),
                Field::Tag(tag) => charge.tag(tag),
            };
            value.is_some_and(|value| globs.is_match(value))
        })
    }
}

fn conditions(when: When) -> Result<Vec<(Field, GlobSet)>, String> {
    let fields = [
        (Field::Provider, when.provider),
        (Field::Account, when.account),
        (Field::SubAccount, when.sub_account),
        (Field::Service, when.service),
        (Field::Kind, when.kind),
        (Field::Region, when.region),
        (Field::Resource, when.resource),
        (Field::ResourceType, when.resource_type),
        (Field::Description, when.description),
        (Field::Stack, when.stack),
        (Field::Component, when.component),
    ];
    let tags = when.tags.into_iter().map(|(tag, patterns)| (Field::Tag(tag), Some(patterns)));
    let mut ready = Vec::new();
    for (field, patterns) in fields.into_iter().chain(tags) {
        let Some(patterns) = patterns else { continue };
        let patterns = match patterns {
            Patterns::One(one) => vec![one],
            Patterns::Many(many) => many,
        };
        let mut globs = GlobSetBuilder::new();
        for pattern in &patterns {
            globs.add(Glob::new(pattern).map_err(|error| format!("'{pattern}' is not a pattern: {}", error.kind()))?);
        }
        ready.push((field, globs.build().map_err(|error| error.to_string())?));
    }
    Ok(ready)
}
