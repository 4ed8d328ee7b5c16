//! What an estate's own `commands` and `aliases` (atmos.yaml) call.
//!
//! Owns finding the commands of Atmos and Terraform in the steps of an own command, so that a refusal of the table
//! ([`super::find`]) holds for what wraps it, too. What a step starts by other means (a script, a Makefile) is not seen:
//! that is why an own command counts as changing whatever it calls.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Way, find, table};
use crate::atmos::AtmosConfig;
use crate::atmos::driver::workflow::split;

/// Own commands may call each other; deeper than this none is written by a person.
const DEEPEST: usize = 8;
/// What stands for a template in a step, whose value nobody knows yet.
const TEMPLATE: &str = "{{}}";

/// The commands and aliases that an estate adds to Atmos.
#[derive(Debug, Clone, Default)]
pub struct OwnCommands {
    commands: Value,
    aliases: BTreeMap<String, Vec<String>>,
}

/// A step of an own command calls what is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// The step as it is written, in one line.
    pub step: String,
    /// Why it is refused.
    pub why: &'static str,
}

impl OwnCommands {
    /// Returns what a configuration adds.
    #[must_use]
    pub fn of(config: &AtmosConfig) -> Self {
        Self::read(&config.raw)
    }

    fn read(config: &Value) -> Self {
        let aliases = config.get("aliases").and_then(Value::as_object).into_iter().flatten();
        let aliases = aliases.filter_map(|(name, command)| Some((name.clone(), split(command.as_str()?))));
        Self { commands: config.get("commands").cloned().unwrap_or_default(), aliases: aliases.collect() }
    }

    /// Returns the words with an alias of the estate replaced by what it stands for; Atmos's own names come first.
    #[must_use]
    pub fn expand(&self, words: &[String]) -> Vec<String> {
        let mut words = words.to_vec();
        for _ in 0..DEEPEST {
            let Some(first) = words.first().filter(|first| !table::is_known(first)) else { break };
            // Atmos reads the keys of its configuration without their case.
            let Some(stands_for) = self.aliases.get(&first.to_lowercase()) else { break };
            words.splice(..1, stands_for.iter().cloned());
        }
        words
    }

    /// Returns the first thing a command line calls by way of an own command that the table refuses.
    #[must_use]
    pub fn refused(&self, words: &[String]) -> Option<Wrapped> {
        self.refused_below(words, 0)
    }

    fn refused_below(&self, words: &[String], depth: usize) -> Option<Wrapped> {
        if depth > DEEPEST {
            return None;
        }
        let steps = self.steps(&self.expand(words));
        steps.iter().find_map(|step| {
            let text = without_templates(&step.text);
            let why = if step.by_atmos { self.atmos(&split(&text), depth) } else { self.shell(&text, depth) };
            let shown = step.text.split_whitespace().collect::<Vec<_>>().join(" ");
            why.map(|why| Wrapped { step: shown, why })
        })
    }

    /// Returns the steps of the own command that the words name: the deepest that they lead to.
    fn steps(&self, words: &[String]) -> Vec<Step> {
        let mut level = &self.commands;
        let mut found = None;
        for word in words {
            let below = level.as_array().into_iter().flatten();
            let Some(command) = below.into_iter().find(|command| command["name"] == word.as_str()) else { break };
            found = Some(command);
            level = &command["commands"];
        }
        let steps = found.map(|command| &command["steps"]).and_then(Value::as_array);
        steps.into_iter().flatten().filter_map(Step::of).collect()
    }

    /// Looks at the words after `atmos`.
    fn atmos(&self, words: &[String], depth: usize) -> Option<&'static str> {
        // Options may stand first here: which of them take a value is not known, so every beginning is looked at.
        let plain: Vec<String> = words.iter().filter(|word| !word.starts_with('-')).cloned().collect();
        let beginnings = if words.first() == plain.first() { 1 } else { plain.len() };
        (0..beginnings).find_map(|from| {
            let words = self.expand(&plain[from..]);
            let is_template = |at: usize| words.get(at).is_some_and(|word| word.contains(TEMPLATE));
            if is_template(0) || (is_template(1) && super::is_group(&super::canonical(&words)[0])) {
                return Some(table::UNKNOWN_VERB);
            }
            match find(&words) {
                // It only plans, and what it planned is applied by nobody.
                Some(row) if row.words == "terraform plan" => None,
                Some(row) => match row.way {
                    Way::Refused(why) => Some(why),
                    _ => None,
                },
                None => self.refused_below(&words, depth + 1).map(|wrapped| wrapped.why),
            }
        })
    }

    /// Looks at a text for the shell.
    fn shell(&self, text: &str, depth: usize) -> Option<&'static str> {
        simple_commands(text).iter().find_map(|words| {
            if words.iter().any(|word| word.trim_start_matches('-').starts_with("auto-approve")) {
                return Some(table::BY_PLAN);
            }
            // Behind assignments, `exec`, `env`, `then` and whatever else a program may stand; what is only said is not.
            if words.first().is_some_and(|word| matches!(word.as_str(), "echo" | "printf" | ":")) {
                return None;
            }
            let called = words.iter().enumerate().find_map(|(at, word)| {
                let rest = &words[at + 1..];
                match word.rsplit('/').next().unwrap_or_default() {
                    "atmos" => self.atmos(rest, depth),
                    "terraform" | "tofu" | "opentofu" => terraform(rest),
                    _ => None,
                }
            });
            // A text for another shell: `bash -c '…'`.
            let inside = || {
                let texts = words.iter().filter(|word| word.contains(char::is_whitespace));
                texts.filter(|_| depth <= DEEPEST).find_map(|text| self.shell_inside(text, depth))
            };
            called.or_else(inside)
        })
    }

    fn shell_inside(&self, text: &str, depth: usize) -> Option<&'static str> {
        if depth > DEEPEST { None } else { self.shell(text, depth + 1) }
    }
}

/// Looks at the words after `terraform`.
fn terraform(words: &[String]) -> Option<&'static str> {
    match words.iter().find(|word| !word.starts_with('-'))?.as_str() {
        "apply" | "destroy" => Some(table::BY_PLAN),
        verb if verb.contains(TEMPLATE) => Some(table::UNKNOWN_VERB),
        _ => None,
    }
}

/// A step of an own command.
#[derive(Debug)]
struct Step {
    text: String,
    /// Whether its words follow `atmos`; else it is a text for the shell.
    by_atmos: bool,
}

impl Step {
    fn of(step: &Value) -> Option<Self> {
        match step {
            Value::String(text) => Some(Self { text: text.clone(), by_atmos: false }),
            step => Some(Self {
                text: step["command"].as_str()?.to_owned(),
                by_atmos: step["type"].as_str() == Some("atmos"),
            }),
        }
    }
}

/// Replaces each template by one word.
fn without_templates(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        plain.push_str(before);
        plain.push_str(TEMPLATE);
        rest = after.split_once("}}").map_or("", |(_, rest)| rest);
    }
    plain + rest
}

/// Splits a text for the shell into its simple commands, also those in substitutions, as lists of words.
fn simple_commands(text: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    let end = |word: &mut Option<String>, commands: &mut Vec<Vec<String>>| {
        if let (Some(word), Some(words)) = (word.take(), commands.last_mut()) {
            words.push(word);
        }
    };
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('\''), letter) => word.get_or_insert_default().push(letter),
            // A line that goes on in the next one.
            (_, '\\') => word.get_or_insert_default().extend(letters.next().filter(|next| *next != '\n')),
            (_, '`') => {
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            (_, '$') if letters.peek() == Some(&'(') => {
                letters.next();
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => while letters.next_if(|next| *next != '\n').is_some() {},
            (None, ';' | '&' | '|' | '\n' | '(' | ')') => {
                end(&mut word, &mut commands);
                commands.push(Vec::new());
            }
            (None, letter) if letter.is_whitespace() => end(&mut word, &mut commands),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    end(&mut word, &mut commands);
    // A word that a line's end cut off is empty.
    for words in &mut commands {
        words.retain(|word| !word.is_empty());
    }
    commands.retain(|words| !words.is_empty());
    commands
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn own(step: Value) -> OwnCommands {
        OwnCommands::read(&json!({
            "aliases": {"tp": "terraform plan", "yolo": "ship", "ta": "tf apply", "terraform": "version"},
            "commands": [
                {"name": "ship", "commands": [{"name": "it", "steps": ["echo on it", step]}]},
                {"name": "all", "steps": ["atmos ship it"]},
                {"name": "round", "steps": ["atmos round"]},
            ],
        }))
    }

    fn why(step: Value) -> Option<&'static str> {
        own(step).refused(&words("ship it vpc")).map(|wrapped| wrapped.why)
    }

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let own = own(json!("true"));
        assert_eq!(own.expand(&words("tp vpc -s dev")), words("terraform plan vpc -s dev"));
        assert!(matches!(find(&own.expand(&words("TA vpc"))).map(|row| row.way), Some(Way::Refused(_))));
        assert_eq!(
            own.expand(&words("terraform output x")),
            words("terraform output x"),
            "Atmos's own name comes first"
        );
    }

    #[test]
    fn what_wraps_an_apply_is_refused_however_it_is_written() {
        for step in [
            "atmos terraform apply {{ .Arguments.component }} -s {{ .Flags.stack }} -auto-approve",
            "atmos tf deploy vpc -s dev",
            "cd components && FORCE=1 exec /usr/bin/atmos terraform destroy vpc -s dev",
            "for s in dev prod; do atmos terraform apply vpc -s $s; done",
            "out=$(atmos terraform apply vpc -s dev) || exit 1",
            "echo \"done: $(atmos terraform apply vpc -s dev)\"",
            "bash -c 'atmos terraform apply vpc -s dev'",
            "atmos --logs-level Debug terraform apply vpc",
            "atmos \\\n  terraform \\\n  apply vpc",
            "terraform -chdir=components/terraform/vpc apply plan",
            "tofu destroy",
            "{{ if .Flags.now }} atmos ta vpc {{ end }}",
            "atmos terraform {{ .Flags.verb }} vpc -s dev",
            "./deploy.sh -auto-approve",
            "atmos secret get x",
        ] {
            assert!(why(json!(step)).is_some(), "{step}");
            assert!(own(json!(step)).refused(&words("all")).is_some(), "by way of another: {step}");
        }
        assert_eq!(why(json!({"type": "atmos", "command": "terraform apply vpc"})), Some(table::BY_PLAN));
        assert_eq!(
            own(json!("terraform apply")).refused(&words("yolo it")).map(|found| found.step).as_deref(),
            Some("terraform apply")
        );
    }

    #[test]
    fn what_changes_nothing_by_itself_is_left_alone() {
        for step in [
            "atmos terraform plan vpc -s dev",
            "atmos describe component {{ .Arguments.component }} -s {{ .Flags.stack }}",
            "echo 'now run: atmos terraform apply vpc'",
            "# atmos terraform apply vpc",
            "terraform fmt -recursive",
            "atmos terraform output workflow -s dev",
            "make apply",
        ] {
            assert_eq!(why(json!(step)), None, "{step}");
        }
        assert_eq!(own(json!("true")).refused(&words("round")), None, "a circle ends");
        assert_eq!(own(json!("terraform apply")).refused(&words("ship")), None, "a group by itself does nothing");
    }
}
