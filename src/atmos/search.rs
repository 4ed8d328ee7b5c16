//! A search over every leaf of every instance.
//!
//! A query is one or more words; a leaf is found where all of them hold for it:
//!
//! | word | holds where |
//! |---|---|
//! | `payments` | the path or the value contains it |
//! | `vars.tags.team=payments` | the path is it or ends with it, and the value is it; `*` and `?` stand for any text and any character |
//! | `vars.size!=small` | the path is it or ends with it, and the value is another |
//! | `team=` | the path is it or ends with it, whatever the value |
//! | `/us-(east\|west)/` | the path or the value matches the regular expression |
//!
//! A word without capital letters is found in any case.

use std::ops::Range;

use rayon::prelude::*;
use regex::{Regex, RegexBuilder};

use super::error::AtmosError;
use super::estate::Estate;
use super::node::{Node, Value};
use super::resolve::{Instance, Stack};
use crate::domain::search::Hit;
use crate::domain::stack::{InstanceRef, PathSegment};

/// What names the instance itself, and is found in every leaf's instance anyway.
const NAMES: [&str; 5] = ["atmos_component", "atmos_stack", "stack", "atmos_stack_file", "atmos_manifest"];
/// How many instances are searched before it is asked whether that is enough.
const WINDOW: usize = 2048;

/// A query, made ready.
#[derive(Debug)]
pub struct Query {
    words: Vec<Word>,
}

#[derive(Debug)]
enum Word {
    Text(Text),
    Pattern(Regex),
    /// The end of the path, the value (any where `None`), and whether it must be that one or must not.
    At(Regex, Option<Regex>, bool),
}

/// A text that is looked for, with its case or without.
#[derive(Debug)]
struct Text {
    text: String,
    exact: bool,
}

impl Text {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), exact: text.chars().any(char::is_uppercase) || !text.is_ascii() }
    }

    fn is_in(&self, hay: &str) -> bool {
        if self.exact {
            return hay.contains(&self.text);
        }
        let (hay, needle) = (hay.as_bytes(), self.text.as_bytes());
        let Some(first) = needle.first() else { return true };
        if hay.len() < needle.len() {
            return false;
        }
        let last = hay.len() - needle.len();
        memchr::memchr2_iter(*first, first.to_ascii_uppercase(), &hay[..=last])
            .any(|at| hay[at..at + needle.len()].eq_ignore_ascii_case(needle))
    }
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// An empty one, or a regular expression that is none.
    pub fn parse(text: &str) -> Result<Self, AtmosError> {
        let words = text.split_whitespace().map(word).collect::<Result<Vec<_>, _>>()?;
        if words.is_empty() {
            return Err(AtmosError::new("empty-query", "there is nothing to search for")
                .hint("a word, or PATH=VALUE such as vars.tags.team=payments"));
        }
        Ok(Self { words })
    }

    fn holds(&self, path: &str, value: &str) -> bool {
        self.words.iter().all(|word| match word {
            Word::Text(text) => text.is_in(value) || text.is_in(path),
            Word::Pattern(pattern) => pattern.is_match(value) || pattern.is_match(path),
            Word::At(end, None, _) => end.is_match(path),
            Word::At(end, Some(wanted), is) => end.is_match(path) && wanted.is_match(value) == *is,
        })
    }
}

fn word(text: &str) -> Result<Word, AtmosError> {
    let bad = |e: &regex::Error| {
        AtmosError::new("bad-query", format!("'{text}' is no regular expression: {e}"))
            .hint("a word without slashes is found as it is")
    };
    let exact = text.chars().any(char::is_uppercase);
    let build = |pattern: &str| {
        RegexBuilder::new(pattern).case_insensitive(!exact).size_limit(1 << 20).build().map_err(|e| bad(&e))
    };
    if let Some(pattern) = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).filter(|p| !p.is_empty()) {
        return build(pattern).map(Word::Pattern);
    }
    let Some((path, value)) = text.split_once('=').filter(|(path, _)| !path.trim_end_matches('!').is_empty()) else {
        return Ok(Word::Text(Text::new(text)));
    };
    let (path, is) = path.strip_suffix('!').map_or((path, true), |path| (path, false));
    let end = build(&format!("(?:^|\\.){}$", glob(path)))?;
    let wanted = (!value.is_empty()).then(|| build(&format!("^(?s:{})$", glob(value)))).transpose()?;
    Ok(Word::At(end, wanted, is))
}

/// Returns a pattern with `*` and `?` as a regular expression.
fn glob(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            c => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Returns the hits numbered `wanted`, counted from 0 in the order of instances and paths; abstract instances are left out.
#[must_use]
pub fn search(estate: &Estate, query: &Query, wanted: Range<usize>) -> Vec<Hit> {
    let all: Vec<(&Stack, &Instance)> = estate.all().filter(|(_, i)| !i.is_abstract).collect();
    let mut found: Vec<(usize, Vec<Leaf<'_>>)> = Vec::new();
    let mut count = 0;
    for (window, part) in all.chunks(WINDOW).enumerate() {
        let hits: Vec<Vec<Leaf<'_>>> = part.par_iter().map(|(_, instance)| leaves(instance, query)).collect();
        for (at, leaves) in hits.into_iter().enumerate().filter(|(_, leaves)| !leaves.is_empty()) {
            count += leaves.len();
            found.push((window * WINDOW + at, leaves));
        }
        if count >= wanted.end {
            break;
        }
    }
    let hits = found.into_iter().flat_map(|(at, leaves)| leaves.into_iter().map(move |leaf| (at, leaf)));
    hits.skip(wanted.start)
        .take(wanted.len())
        .map(|(at, (path, node))| {
            let (stack, i) = all[at];
            Hit {
                instance: InstanceRef { component: i.name.as_str().to_owned(), stack: i.stack.as_str().to_owned() },
                file: estate.shown(&stack.path),
                path,
                value: node.to_json(),
                source: node.pos().source(),
            }
        })
        .collect()
}

type Leaf<'n> = (Vec<PathSegment>, &'n Node);

fn leaves<'n>(instance: &'n Instance, query: &Query) -> Vec<Leaf<'n>> {
    let mut walk = Walk { query, text: String::with_capacity(128), path: Vec::new(), out: Vec::new() };
    for (key, node) in instance.sections.entries().iter().filter(|(key, _)| !NAMES.contains(&key.as_str())) {
        walk.step(Step::Key(key.as_str()), node);
    }
    walk.out
}

#[derive(Clone, Copy)]
enum Step {
    Key(&'static str),
    Index(usize),
}

struct Walk<'q, 'n> {
    query: &'q Query,
    /// The path with dots, longer and shorter as the walk goes.
    text: String,
    path: Vec<Step>,
    out: Vec<Leaf<'n>>,
}

impl<'n> Walk<'_, 'n> {
    fn step(&mut self, step: Step, node: &'n Node) {
        let length = self.text.len();
        if length > 0 {
            self.text.push('.');
        }
        match step {
            Step::Key(key) => self.text.push_str(key),
            Step::Index(index) => self.text.push_str(&index.to_string()),
        }
        self.path.push(step);
        match node.value() {
            Value::Map(map) if !map.is_empty() => {
                map.entries().iter().for_each(|(key, node)| self.step(Step::Key(key.as_str()), node));
            }
            Value::List(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(index, node)| self.step(Step::Index(index), node));
            }
            _ => self.leaf(node),
        }
        self.path.pop();
        self.text.truncate(length);
    }

    fn leaf(&mut self, node: &'n Node) {
        let holds = match node.value() {
            Value::Str(text) => self.query.holds(&self.text, text),
            Value::Bool(true) => self.query.holds(&self.text, "true"),
            Value::Bool(false) => self.query.holds(&self.text, "false"),
            Value::Null => self.query.holds(&self.text, "null"),
            Value::Map(_) => self.query.holds(&self.text, "{}"),
            Value::List(_) => self.query.holds(&self.text, "[]"),
            _ => self.query.holds(&self.text, &node.to_json().to_string()),
        };
        if holds {
            let segment = |step: &Step| match step {
                Step::Key(key) => PathSegment::Key((*key).to_owned()),
                Step::Index(index) => PathSegment::Index(*index),
            };
            self.out.push((self.path.iter().map(segment).collect(), node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hold_for_paths_and_values() {
        let cases = [
            ("payments", "vars.tags.team", "Payments", true),
            ("Payments", "vars.tags.team", "payments", false),
            ("tags.te", "vars.tags.team", "x", true),
            ("vars.tags.team=payments", "vars.tags.team", "payments", true),
            ("tags.team=pay*", "vars.tags.team", "payments", true),
            ("ags.team=payments", "vars.tags.team", "payments", false),
            ("team=pay", "vars.tags.team", "payments", false),
            ("team=", "vars.tags.team", "anything", true),
            ("team!=payments", "vars.tags.team", "orders", true),
            ("team!=payments", "vars.tags.team", "payments", false),
            ("/pay(ments|roll)/", "vars.tags.team", "payroll", true),
            ("team pay", "vars.tags.team", "payments", true),
            ("team ord", "vars.tags.team", "payments", false),
            ("cidr=10.?.0.0/16", "vars.cidr", "10.8.0.0/16", true),
            ("größe", "vars.größe", "1", true),
        ];
        for (query, path, value, expected) in cases {
            let query_read = Query::parse(query).expect("a query");
            assert_eq!(query_read.holds(path, value), expected, "{query} on {path}={value}");
        }
        assert_eq!(Query::parse("  ").map_err(|e| e.code).err(), Some("empty-query"));
        assert_eq!(Query::parse("/(/").map_err(|e| e.code).err(), Some("bad-query"));
    }
}
