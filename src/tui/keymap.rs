//! Keys as data: which key does what in which place.
//!
//! Owns the keymap files (`keymaps/*.toml`, embedded) and a user's overrides. Leaves what the actions are to
//! [`super::action`] and what they do to [`super::update`].

use std::collections::{BTreeMap, HashMap};

use crokey::{KeyCombination, OneToThree};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use thiserror::Error;

use super::action::{Action, Place};

/// The keymaps that ship, by name.
pub const SHIPPED: [(&str, &str); 2] =
    [("default", include_str!("../../keymaps/default.toml")), ("vim", include_str!("../../keymaps/vim.toml"))];

/// What is wrong with a keymap file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeymapError {
    /// It is not TOML of the right shape.
    #[error("{file}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// What the reader says, with the line.
        message: String,
    },
    /// A section is none of the places.
    #[error("{file}: no place named '[{name}]'{}", suggest(.suggestion))]
    Place {
        /// The file.
        file: String,
        /// The section.
        name: String,
        /// The nearest place.
        suggestion: Option<String>,
    },
    /// A key is none.
    #[error("{file}: [{place}]: '{key}' is not a key (try 'a', 'A', 'ctrl-a', 'alt-enter', 'f5', 'g g')")]
    Key {
        /// The file.
        file: String,
        /// The section.
        place: &'static str,
        /// The key as written.
        key: String,
    },
    /// An action is not in the table.
    #[error("{file}: [{place}] {key}: no action named '{name}'{}", suggest(.suggestion))]
    Action {
        /// The file.
        file: String,
        /// The section.
        place: &'static str,
        /// The key as written.
        key: String,
        /// The action as written.
        name: String,
        /// The nearest action.
        suggestion: Option<String>,
    },
    /// An action does nothing in that place.
    #[error("{file}: [{place}] {key}: '{name}' does nothing there (it works in {works})")]
    Misplaced {
        /// The file.
        file: String,
        /// The section.
        place: &'static str,
        /// The key as written.
        key: String,
        /// The action.
        name: &'static str,
        /// Where it works.
        works: String,
    },
    /// No keymap has this name.
    #[error("no keymap named '{name}'{}", suggest(.suggestion))]
    Unknown {
        /// The name.
        name: String,
        /// The nearest keymap.
        suggestion: Option<String>,
    },
}

fn suggest(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|name| format!(" (did you mean '{name}'?)")).unwrap_or_default()
}

/// Returns the candidate nearest to a misspelt word, where one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 3)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Returns the Levenshtein distance of two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(from != *to)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

/// A key, or several pressed one after the other.
type Sequence = Vec<KeyCombination>;

/// What a key led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This action.
    Action(Action),
    /// The beginning of a longer sequence.
    Prefix,
    /// Nothing.
    Nothing,
}

/// Which key does what in which place.
#[derive(Debug, Clone, Default)]
pub struct Keymap {
    bindings: BTreeMap<Place, HashMap<Sequence, Action>>,
}

impl Keymap {
    /// Loads a shipped keymap.
    ///
    /// # Errors
    ///
    /// Where none has that name.
    pub fn shipped(name: &str) -> Result<Self, KeymapError> {
        let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) else {
            return Err(KeymapError::Unknown {
                name: name.to_owned(),
                suggestion: nearest(name, SHIPPED.iter().map(|(name, _)| *name)),
            });
        };
        let mut keymap = Keymap::default();
        if name != "default" {
            keymap.merge("keymaps/default.toml", SHIPPED[0].1)?;
        }
        keymap.merge(&format!("keymaps/{name}.toml"), text)?;
        Ok(keymap)
    }

    /// Lays the bindings of a keymap file over these; `"nothing"` unbinds a key.
    ///
    /// # Errors
    ///
    /// Where the file is not TOML, or names a place, a key or an action that does not exist.
    pub fn merge(&mut self, file: &str, text: &str) -> Result<(), KeymapError> {
        let sections: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(text)
            .map_err(|e| KeymapError::Syntax { file: file.to_owned(), message: e.to_string().trim_end().to_owned() })?;
        for (section, keys) in sections {
            let place = Place::ALL.into_iter().find(|place| place.name() == section).ok_or_else(|| {
                let suggestion = nearest(&section, Place::ALL.iter().map(|p| p.name()));
                KeymapError::Place { file: file.to_owned(), name: section.clone(), suggestion }
            })?;
            for (key, name) in keys {
                let sequence = parse_sequence(&key).ok_or_else(|| KeymapError::Key {
                    file: file.to_owned(),
                    place: place.name(),
                    key: key.clone(),
                })?;
                let bindings = self.bindings.entry(place).or_default();
                if name == "nothing" {
                    bindings.remove(&sequence);
                    continue;
                }
                let action = Action::named(&name).ok_or_else(|| KeymapError::Action {
                    file: file.to_owned(),
                    place: place.name(),
                    key: key.clone(),
                    suggestion: nearest(&name, Action::ALL.iter().map(|a| a.name())),
                    name: name.clone(),
                })?;
                if place != Place::Anywhere && !action.applies_in(place) {
                    let works: Vec<_> = action.places().iter().map(|p| p.name()).collect();
                    return Err(KeymapError::Misplaced {
                        file: file.to_owned(),
                        place: place.name(),
                        key,
                        name: action.name(),
                        works: works.join(", "),
                    });
                }
                bindings.insert(sequence, action);
            }
        }
        Ok(())
    }

    /// Finds what these keys, pressed one after the other, do in a place.
    #[must_use]
    pub fn find(&self, place: Place, pressed: &[KeyCombination]) -> Found {
        for place in place.chain() {
            let Some(bindings) = self.bindings.get(place) else { continue };
            if let Some(action) = bindings.get(pressed) {
                return Found::Action(*action);
            }
            if bindings.keys().any(|sequence| sequence.len() > pressed.len() && sequence.starts_with(pressed)) {
                return Found::Prefix;
            }
        }
        Found::Nothing
    }

    /// Returns how the keys that do this in a place are written, the shortest first.
    #[must_use]
    pub fn keys(&self, action: Action, place: Place) -> Vec<String> {
        let mut keys = Vec::new();
        for (depth, here) in place.chain().iter().enumerate() {
            for (sequence, bound) in self.bindings.get(here).into_iter().flatten() {
                let shadowed = place.chain()[..depth]
                    .iter()
                    .any(|inner| self.bindings.get(inner).is_some_and(|keys| keys.contains_key(sequence)));
                if *bound == action && !shadowed {
                    keys.push(write_sequence(sequence));
                }
            }
        }
        keys.sort_by_key(|key| (key.chars().count(), !key.is_ascii(), key.clone()));
        keys.dedup();
        keys
    }

    /// Returns the shortest key that does this in a place.
    #[must_use]
    pub fn key(&self, action: Action, place: Place) -> Option<String> {
        self.keys(action, place).into_iter().next()
    }

    /// Returns every binding as place, key as written, and action; for tests over the shipped files.
    pub fn iter(&self) -> impl Iterator<Item = (Place, String, Action)> + '_ {
        self.bindings
            .iter()
            .flat_map(|(place, keys)| keys.iter().map(move |(key, action)| (*place, write_sequence(key), *action)))
    }
}

/// Returns the table of actions with their default keys as Markdown, for the README.
///
/// # Errors
///
/// Where the default keymap has a mistake.
pub fn markdown() -> Result<String, KeymapError> {
    let keymap = Keymap::shipped("default")?;
    let mut out = String::from("| key | what it does | where |\n|---|---|---|\n");
    for action in Action::ALL.iter().filter(|action| action.is_built()) {
        let place = action.places()[0];
        let keys =
            keymap.keys(*action, place).iter().map(|key| format!("`{}`", key.replace('|', "\\|"))).collect::<Vec<_>>();
        // Where another action has the key, the palette still does it.
        let has_key = |place: &&Place| keys.is_empty() || !keymap.keys(*action, **place).is_empty();
        let places: Vec<&str> = action.places().iter().filter(has_key).map(|place| place.name()).collect();
        let keys = if keys.is_empty() { "by `:`".to_owned() } else { keys.join(" ") };
        out.push_str(&format!("| {keys} | {} | {} |\n", action.about(), places.join(", ")));
    }
    Ok(out)
}

/// Returns the combination a terminal's key event stands for.
///
/// Shift is kept where it tells two keys apart (`shift-tab`, capital letters) and dropped where the character
/// says it already (`?`), since terminals differ there.
#[must_use]
pub fn combination(event: KeyEvent) -> KeyCombination {
    let mut modifiers = event.modifiers & (KeyModifiers::SHIFT | KeyModifiers::CONTROL | KeyModifiers::ALT);
    let code = match event.code {
        KeyCode::Char(c) if c.is_uppercase() => {
            modifiers.insert(KeyModifiers::SHIFT);
            KeyCode::Char(c)
        }
        KeyCode::Char(c) if c.is_lowercase() && modifiers.contains(KeyModifiers::SHIFT) => {
            KeyCode::Char(c.to_uppercase().next().unwrap_or(c))
        }
        KeyCode::Char(c) if !c.is_alphabetic() => {
            modifiers.remove(KeyModifiers::SHIFT);
            KeyCode::Char(c)
        }
        KeyCode::BackTab => {
            modifiers.insert(KeyModifiers::SHIFT);
            KeyCode::BackTab
        }
        code => code,
    };
    KeyCombination::new(OneToThree::One(code), modifiers)
}

/// Reads a key as keymap files and `--keys` write it: `a`, `A`, `ctrl-a`, `shift-tab`, `f5`.
#[must_use]
pub fn parse_key(text: &str) -> Option<KeyCombination> {
    let (modifiers, last) = match text.rfind('-') {
        Some(at) if at > 0 && at + 1 < text.len() => text.split_at(at + 1),
        _ => ("", text),
    };
    let mut characters = last.chars();
    if let (Some(c), None) = (characters.next(), characters.next()) {
        // crokey reads letters without regard to case and knows ASCII only.
        let mut event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        for modifier in modifiers.split_terminator('-') {
            event.modifiers |= match modifier {
                "ctrl" => KeyModifiers::CONTROL,
                "alt" => KeyModifiers::ALT,
                "shift" => KeyModifiers::SHIFT,
                _ => return None,
            };
        }
        return Some(combination(event));
    }
    let text = if text == "shift-tab" { "backtab" } else { text };
    let parsed = crokey::parse(text).ok()?;
    match parsed.codes {
        OneToThree::One(code) => Some(combination(KeyEvent::new(code, parsed.modifiers))),
        _ => None,
    }
}

/// Returns the key event that a key as written stands for.
#[must_use]
pub fn key_event(text: &str) -> Option<KeyEvent> {
    match parse_key(text)?.codes {
        OneToThree::One(code) => Some(KeyEvent::new(code, parse_key(text)?.modifiers)),
        _ => None,
    }
}

fn parse_sequence(text: &str) -> Option<Sequence> {
    let keys: Option<Vec<_>> = text.split_whitespace().map(parse_key).collect();
    keys.filter(|keys| !keys.is_empty())
}

/// Writes keys pressed one after the other.
#[must_use]
pub fn write_sequence(sequence: &[KeyCombination]) -> String {
    sequence.iter().map(write_key).collect::<Vec<_>>().join(" ")
}

fn write_key(key: &KeyCombination) -> String {
    let OneToThree::One(code) = key.codes else { return key.to_string() };
    let mut text = String::new();
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        text.push_str("ctrl-");
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        text.push_str("alt-");
    }
    let shifted = key.modifiers.contains(KeyModifiers::SHIFT);
    if shifted && !matches!(code, KeyCode::Char(_)) {
        text.push_str("shift-");
    }
    match code {
        KeyCode::Char(' ') => text.push_str("space"),
        KeyCode::Char(c) => text.push(c),
        KeyCode::BackTab => text.push_str("tab"),
        KeyCode::Esc => text.push_str("esc"),
        KeyCode::Enter => text.push_str("enter"),
        KeyCode::Tab => text.push_str("tab"),
        KeyCode::Backspace => text.push_str("backspace"),
        KeyCode::Delete => text.push_str("del"),
        KeyCode::Insert => text.push_str("ins"),
        KeyCode::Left => text.push('←'),
        KeyCode::Right => text.push('→'),
        KeyCode::Up => text.push('↑'),
        KeyCode::Down => text.push('↓'),
        KeyCode::PageUp => text.push_str("pgup"),
        KeyCode::PageDown => text.push_str("pgdn"),
        KeyCode::Home => text.push_str("home"),
        KeyCode::End => text.push_str("end"),
        KeyCode::F(n) => text.push_str(&format!("f{n}")),
        other => text.push_str(&other.to_string().to_lowercase()),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_keymaps_load_and_reach_every_action() {
        for (name, _) in SHIPPED {
            let keymap = Keymap::shipped(name).unwrap();
            for action in Action::ALL {
                let place = action.places()[0];
                if matches!(action, Action::Mouse | Action::NextTheme | Action::ClearMarks | Action::Trust) {
                    continue; // by palette
                }
                assert!(keymap.key(*action, place).is_some(), "{name}: no key for {}", action.name());
            }
        }
    }

    #[test]
    fn nothing_that_changes_the_world_is_bound_anywhere() {
        for (name, _) in SHIPPED {
            for (place, key, action) in Keymap::shipped(name).unwrap().iter() {
                let changes = action.reach() == super::super::action::Reach::Changes;
                assert!(!(changes && place == Place::Anywhere), "{name}: {key} = {}", action.name());
            }
        }
    }

    #[test]
    fn an_unknown_action_is_a_clear_error() {
        let error = Keymap::default().merge("keymap.toml", "[stacks]\na = 'aply'\n").unwrap_err();
        assert_eq!(error.to_string(), "keymap.toml: [stacks] a: no action named 'aply' (did you mean 'apply'?)");
        let error = Keymap::default().merge("keymap.toml", "[stakcs]\na = 'apply'\n").unwrap_err();
        assert_eq!(error.to_string(), "keymap.toml: no place named '[stakcs]' (did you mean 'stacks'?)");
        let error = Keymap::default().merge("keymap.toml", "[stacks]\nhyper-q = 'apply'\n").unwrap_err();
        assert!(error.to_string().contains("'hyper-q' is not a key"), "{error}");
        let error = Keymap::default().merge("keymap.toml", "[stacks]\nf = 'follow'\n").unwrap_err();
        assert!(error.to_string().contains("does nothing there"), "{error}");
    }

    #[test]
    fn a_users_file_overrides_single_keys_and_unbinds() {
        let mut keymap = Keymap::shipped("default").unwrap();
        keymap.merge("keymap.toml", "[stacks]\nP = 'plan'\np = 'nothing'\n").unwrap();
        assert_eq!(keymap.keys(Action::Plan, Place::Stacks), ["P"]);
        assert_eq!(keymap.find(Place::Stacks, &[parse_key("a").unwrap()]), Found::Action(Action::Apply));
    }

    #[test]
    fn sequences_wait_for_their_end() {
        let keymap = Keymap::shipped("vim").unwrap();
        let g = parse_key("g").unwrap();
        assert_eq!(keymap.find(Place::Stacks, &[g]), Found::Prefix);
        assert_eq!(keymap.find(Place::Stacks, &[g, g]), Found::Action(Action::Top));
    }

    #[test]
    fn keys_are_told_apart_as_terminals_send_them() {
        let typed = |c, m| combination(KeyEvent::new(KeyCode::Char(c), m));
        assert_eq!(parse_key("A").unwrap(), typed('A', KeyModifiers::SHIFT));
        assert_eq!(parse_key("A").unwrap(), typed('a', KeyModifiers::SHIFT));
        assert_ne!(parse_key("a").unwrap(), parse_key("A").unwrap());
        assert_eq!(parse_key("?").unwrap(), typed('?', KeyModifiers::SHIFT));
        assert_eq!(parse_key("-").unwrap(), typed('-', KeyModifiers::NONE));
        assert_eq!(parse_key("ctrl--").unwrap(), typed('-', KeyModifiers::CONTROL));
        assert_eq!(write_sequence(&[parse_key("shift-tab").unwrap()]), "shift-tab");
    }
}
