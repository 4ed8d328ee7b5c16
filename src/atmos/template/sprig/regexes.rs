//! Regular expressions; Go's syntax and Rust's are both RE2's, but for what [`rewritten`] evens out.

use regex::{NoExpand, Regex, RegexBuilder};

use super::{int, text};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Int, Str},
        fixed,
    },
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("regexMatch", &[Str, Str], |_, a| Ok(Value::Bool(compile(a).is_ok_and(|regex| regex.is_match(text(a, 1)))))),
    fixed("mustRegexMatch", &[Str, Str], |_, a| Ok(Value::Bool(compile(a)?.is_match(text(a, 1))))),
    fixed("regexFind", &[Str, Str], find),
    fixed("mustRegexFind", &[Str, Str], find),
    fixed("regexFindAll", &[Str, Str, Int], find_all),
    fixed("mustRegexFindAll", &[Str, Str, Int], find_all),
    fixed("regexReplaceAll", &[Str, Str, Str], replace),
    fixed("mustRegexReplaceAll", &[Str, Str, Str], replace),
    fixed("regexReplaceAllLiteral", &[Str, Str, Str], replace_literal),
    fixed("mustRegexReplaceAllLiteral", &[Str, Str, Str], replace_literal),
    fixed("regexSplit", &[Str, Str, Int], split),
    fixed("mustRegexSplit", &[Str, Str, Int], split),
    fixed("regexQuoteMeta", &[Str], |_, a| Ok(Value::str(quote_meta(text(a, 0))))),
];

fn compile(args: &[Value]) -> Result<Regex, String> {
    let pattern = text(args, 0);
    RegexBuilder::new(&rewritten(pattern))
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .build()
        .map_err(|_| format!("error parsing regexp: `{pattern}`"))
}

/// Writes Go's syntax as Rust's: braces and brackets that mean themselves, `\Q`; what `\d`, `\w`, `\s` and `\b` know is ASCII.
fn rewritten(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let (written, length) = match (c, in_class) {
            ('\\', _) => escaped(after, in_class),
            ('[', false) => {
                in_class = true;
                let negated = after.starts_with('^');
                let closed = after[usize::from(negated)..].starts_with(']');
                let start = if negated { "[^" } else { "[" };
                ([start, if closed { "\\]" } else { "" }].concat(), 1 + usize::from(negated) + usize::from(closed))
            }
            ('[', true) => match after.starts_with(':').then(|| after.find(":]")).flatten() {
                Some(end) => (rest[..end + 3].to_owned(), end + 3),
                None => ("\\[".to_owned(), 1),
            },
            (']', true) => {
                in_class = false;
                ("]".to_owned(), 1)
            }
            // Two of them would join or subtract classes.
            ('&' | '~', true) => (format!("\\{c}"), 1),
            ('-', true) if after.starts_with('-') => ("-\\-".to_owned(), 2),
            ('{', false) if !counts(after) => ("\\{".to_owned(), 1),
            _ => (c.to_string(), c.len_utf8()),
        };
        out.push_str(&written);
        rest = &rest[length..];
    }
    out
}

/// Tells whether a count of repetitions stands behind an opening brace: `2}`, `2,}`, `2,3}`.
fn counts(after: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    after.split_once('}').is_some_and(|(inner, _)| {
        let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
        !least.is_empty() && digits(least) && digits(most)
    })
}

/// Writes what a backslash begins; returns how many bytes that was, the backslash among them.
fn escaped(after: &str, in_class: bool) -> (String, usize) {
    let Some(c) = after.chars().next() else { return ("\\".to_owned(), 1) };
    let class = match c {
        'd' | 'D' => "0-9",
        'w' | 'W' => "0-9A-Za-z_",
        's' | 'S' => r"\t\n\f\r ",
        'b' if !in_class => return (r"(?-u:\b)".to_owned(), 2),
        'Q' if !in_class => {
            let text = after[1..].split("\\E").next().unwrap_or_default();
            let end = if after[1..].contains("\\E") { 2 } else { 0 };
            return (regex::escape(text), 2 + text.len() + end);
        }
        'p' | 'P' | 'x' if after[1..].starts_with('{') => {
            let end = after.find('}').map_or(after.len(), |end| end + 1);
            return (format!("\\{}", &after[..end]), 1 + end);
        }
        // Rust's `\<` and `\>` stand for the ends of a word.
        '<' | '>' => return (c.to_string(), 2),
        _ => return (format!("\\{c}"), 1 + c.len_utf8()),
    };
    (format!("[{}{class}]", if c.is_ascii_uppercase() { "^" } else { "" }), 2)
}

fn find(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = compile(args)?;
    Ok(Value::str(regex.find(text(args, 1)).map_or("", |found| found.as_str())))
}

fn find_all(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = compile(args)?;
    let limit = usize::try_from(int(args, 2)).unwrap_or(usize::MAX);
    call.budget.bytes(text(args, 1).len().saturating_mul(8))?;
    Ok(Value::strings(regex.find_iter(text(args, 1)).take(limit).map(|found| found.as_str())))
}

/// Charges what a replacement may at most grow to.
fn charge(call: &mut Call<'_>, args: &[Value], regex: &Regex) -> Result<(), String> {
    let matches = regex.find_iter(text(args, 1)).count();
    let groups = text(args, 2).matches('$').count();
    let grown = groups.saturating_mul(text(args, 1).len()) + matches.saturating_mul(text(args, 2).len());
    call.budget.bytes(text(args, 1).len() + grown)
}

fn replace(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = compile(args)?;
    charge(call, args, &regex)?;
    Ok(Value::str(regex.replace_all(text(args, 1), text(args, 2))))
}

fn replace_literal(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = compile(args)?;
    charge(call, args, &regex)?;
    Ok(Value::str(regex.replace_all(text(args, 1), NoExpand(text(args, 2)))))
}

fn split(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let regex = compile(args)?;
    let (subject, count) = (text(args, 1), int(args, 2));
    if count == 0 {
        return Ok(Value::list(Vec::new()));
    }
    call.budget.bytes(subject.len().saturating_mul(8))?;
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let (mut from, mut last) = (0, 0);
    for found in regex.find_iter(subject) {
        if parts.len() + 1 >= limit {
            break;
        }
        last = found.start();
        // An empty match at the start parts nothing.
        if found.end() > 0 {
            parts.push(&subject[from..last]);
        }
        from = found.end();
    }
    // An empty match at the end leaves nothing behind it.
    if subject.is_empty() && !text(args, 0).is_empty() {
        return Ok(Value::strings([""]));
    }
    if last != subject.len() {
        parts.push(&subject[from..]);
    }
    Ok(Value::strings(parts))
}

fn quote_meta(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
