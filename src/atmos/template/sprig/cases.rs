//! Upper and lower case, and the ways to write several words as one.

use super::text;
use crate::atmos::template::{
    functions::{Function, Param::Str, fixed},
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("upper", &[Str], |_, a| Ok(Value::str(text(a, 0).to_uppercase()))),
    fixed("lower", &[Str], |_, a| Ok(Value::str(text(a, 0).to_lowercase()))),
    fixed("title", &[Str], |_, a| Ok(Value::str(title(text(a, 0))))),
    fixed("untitle", &[Str], |_, a| Ok(Value::str(untitle(text(a, 0))))),
    fixed("nospace", &[Str], |_, a| {
        Ok(Value::str(text(a, 0).chars().filter(|c| !c.is_whitespace()).collect::<String>()))
    }),
    fixed("initials", &[Str], |_, a| Ok(Value::str(initials(text(a, 0))))),
    fixed("swapcase", &[Str], |_, a| Ok(Value::str(swap_case(text(a, 0))))),
    fixed("camelcase", &[Str], |_, a| Ok(Value::str(pascal_case(text(a, 0))))),
    fixed("snakecase", &[Str], |_, a| Ok(Value::str(lower_words(text(a, 0), '_')))),
    fixed("kebabcase", &[Str], |_, a| Ok(Value::str(lower_words(text(a, 0), '-')))),
];

/// Returns the one character that a character becomes, where Unicode would give several the character itself.
fn upper(c: char) -> char {
    let mut chars = c.to_uppercase();
    match (chars.next(), chars.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

fn lower(c: char) -> char {
    let mut chars = c.to_lowercase();
    match (chars.next(), chars.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}

/// Makes the first letter of each word a capital; words end where Go's `strings.Title` ends them.
fn title(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .map(|c| {
            let result = if starts { upper(c) } else { c };
            starts = if c.is_ascii() {
                !(c.is_ascii_alphanumeric() || c == '_')
            } else {
                !c.is_alphanumeric() && c.is_whitespace()
            };
            result
        })
        .collect()
}

/// Makes the first letter of each word, after a blank, small.
fn untitle(text: &str) -> String {
    let mut starts = true;
    text.chars()
        .map(|c| {
            if c.is_whitespace() {
                starts = true;
                c
            } else if std::mem::take(&mut starts) {
                lower(c)
            } else {
                c
            }
        })
        .collect()
}

fn initials(text: &str) -> String {
    text.split_whitespace().filter_map(|word| word.chars().next()).collect()
}

fn swap_case(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_uppercase() {
                lower(c)
            } else if c.is_lowercase() {
                upper(c)
            } else {
                c
            }
        })
        .collect()
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// Writes words as `PascalCase`; connectors at the start, and doubled ones, stay.
fn pascal_case(text: &str) -> String {
    let mut out = String::new();
    let start = text.find(|c| !is_connector(c)).unwrap_or(text.len());
    out.push_str(&text[..start]);
    let mut chars = text[start..].chars();
    let Some(first) = chars.next() else { return out };
    let mut run_of_capitals = first.is_uppercase();
    let mut current = upper(first);
    for c in chars {
        let previous = std::mem::replace(&mut current, c);
        if is_connector(c) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            run_of_capitals = c.is_uppercase();
            current = upper(c);
            continue;
        }
        if run_of_capitals {
            if c.is_uppercase() {
                current = lower(c);
            } else {
                run_of_capitals = false;
            }
        }
        out.push(previous);
    }
    out.push(current);
    out
}

#[derive(PartialEq, Clone, Copy)]
enum Word {
    None,
    Number,
    Capitals,
    Letters,
    Connector,
    Punctuation,
    Other,
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~')
}

/// Takes the next word off a text: a run of one sort, a capital with its small letters, or capitals alone.
fn word<'a>(rest: &mut &'a str) -> (Word, &'a str) {
    let text = *rest;
    let Some(first) = text.chars().next() else { return (Word::None, "") };
    let run =
        |from: usize, keep: &dyn Fn(char) -> bool| text[from..].find(|c| !keep(c)).map_or(text.len(), |end| from + end);
    let size = first.len_utf8();
    let small = |c: char| c.is_alphabetic() && !c.is_uppercase();
    let (kind, end) = if is_connector(first) {
        (Word::Connector, run(0, &is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(0, &is_punctuation))
    } else if first.is_uppercase() {
        let end = match text[size..].chars().next() {
            Some(c) if c.is_uppercase() => {
                let end = run(size, &char::is_uppercase);
                match text[end..].chars().next() {
                    // "HTTPStatus" is "HTTP" and "Status".
                    Some(c) if c.is_alphabetic() => end - text[..end].chars().next_back().map_or(0, char::len_utf8),
                    _ => end,
                }
            }
            Some(c) if c.is_alphabetic() => run(size, &small),
            _ => size,
        };
        (Word::Capitals, end)
    } else if first.is_alphabetic() {
        (Word::Letters, run(size, &small))
    } else if first.is_numeric() {
        (Word::Number, run(0, &char::is_numeric))
    } else {
        let other = |c: char| !(is_connector(c) || c.is_alphabetic() || c.is_numeric() || is_punctuation(c));
        (Word::Other, run(size, &other))
    };
    *rest = &text[end..];
    (kind, &text[..end])
}

/// Writes words in small letters with a connector between them; a number belongs to the word before it.
fn lower_words(text: &str, connector: char) -> String {
    let mut out = String::new();
    let push = |out: &mut String, kind: Word, word: &str| {
        if !matches!(kind, Word::Capitals | Word::Connector) {
            return out.push_str(word);
        }
        out.extend(word.chars().map(|c| if is_connector(c) { connector } else { lower(c) }));
    };
    let mut rest = text;
    let (mut kind, mut part) = word(&mut rest);
    while !rest.is_empty() {
        if kind != Word::Connector {
            push(&mut out, kind, part);
        }
        let (before, before_part) = (kind, part);
        (kind, part) = word(&mut rest);
        let joins = |kind: Word| matches!(kind, Word::Letters | Word::Number);
        let parts_words = |kind: Word| !matches!(kind, Word::None | Word::Connector | Word::Punctuation);
        match before {
            Word::Number => {
                while joins(kind) {
                    push(&mut out, kind, part);
                    (kind, part) = word(&mut rest);
                }
                if parts_words(kind) {
                    out.push(connector);
                }
            }
            Word::Connector => push(&mut out, before, before_part),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = part;
                (kind, part) = word(&mut rest);
                if kind != Word::Letters {
                    push(&mut out, Word::Number, number);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        out.push(connector);
                    }
                    continue;
                }
                out.push(connector);
                push(&mut out, Word::Number, number);
                while joins(kind) {
                    push(&mut out, kind, part);
                    (kind, part) = word(&mut rest);
                }
                if parts_words(kind) {
                    out.push(connector);
                }
            }
        }
    }
    push(&mut out, kind, part);
    out
}
