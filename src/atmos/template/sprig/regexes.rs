//! Regular expressions; Go's syntax and Rust's are both RE2's, with small differences in what they refuse.

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
    RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .build()
        .map_err(|_| format!("error parsing regexp: `{pattern}`"))
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
