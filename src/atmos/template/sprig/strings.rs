//! Cutting, joining, quoting and padding texts.

use super::{int, strslice, strval, text};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Int, Str},
        fixed, variadic,
    },
    print::quote,
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("hello", &[], |_, _| Ok(Value::str("Hello!"))),
    fixed("abbrev", &[Int, Str], |_, a| abbreviate(text(a, 1), 0, int(a, 0), 4)),
    fixed("abbrevboth", &[Int, Int, Str], |_, a| {
        let least = if int(a, 0) > 0 { 7 } else { 4 };
        abbreviate(text(a, 2), int(a, 0), int(a, 1), least)
    }),
    fixed("trunc", &[Int, Str], |_, a| Ok(trunc(int(a, 0), text(a, 1)))),
    fixed("trim", &[Str], |_, a| Ok(Value::str(text(a, 0).trim()))),
    fixed("trimall", &[Str, Str], |_, a| Ok(trim_all(text(a, 0), text(a, 1)))),
    fixed("trimAll", &[Str, Str], |_, a| Ok(trim_all(text(a, 0), text(a, 1)))),
    fixed("trimSuffix", &[Str, Str], |_, a| Ok(Value::str(text(a, 1).strip_suffix(text(a, 0)).unwrap_or(text(a, 1))))),
    fixed("trimPrefix", &[Str, Str], |_, a| Ok(Value::str(text(a, 1).strip_prefix(text(a, 0)).unwrap_or(text(a, 1))))),
    fixed("substr", &[Int, Int, Str], |_, a| substr(int(a, 0), int(a, 1), text(a, 2))),
    fixed("repeat", &[Int, Str], |call, a| {
        let Ok(count) = usize::try_from(int(a, 0)) else {
            return Err("strings: negative Repeat count".into());
        };
        call.budget.bytes(count.saturating_mul(text(a, 1).len()))?;
        Ok(Value::str(text(a, 1).repeat(count)))
    }),
    fixed("wrap", &[Int, Str], |call, a| wrap(call, text(a, 1), int(a, 0), "\n", false)),
    fixed("wrapWith", &[Int, Str, Str], |call, a| wrap(call, text(a, 2), int(a, 0), text(a, 1), true)),
    fixed("contains", &[Str, Str], |_, a| Ok(Value::Bool(text(a, 1).contains(text(a, 0))))),
    fixed("hasPrefix", &[Str, Str], |_, a| Ok(Value::Bool(text(a, 1).starts_with(text(a, 0))))),
    fixed("hasSuffix", &[Str, Str], |_, a| Ok(Value::Bool(text(a, 1).ends_with(text(a, 0))))),
    variadic("quote", &[], Any, |call, a| {
        let quoted = |value| strval(call, value).map(|text| quote(&text));
        let parts: Result<Vec<_>, _> = a.iter().filter(|value| !value.is_nil()).map(quoted).collect();
        Ok(Value::str(parts?.join(" ")))
    }),
    variadic("squote", &[], Any, |call, a| {
        let quoted = |value| strval(call, value).map(|text| format!("'{text}'"));
        let parts: Result<Vec<_>, _> = a.iter().filter(|value| !value.is_nil()).map(quoted).collect();
        Ok(Value::str(parts?.join(" ")))
    }),
    variadic("cat", &[], Any, |call, a| {
        let parts: Result<Vec<_>, _> =
            a.iter().filter(|value| !value.is_nil()).map(|value| strval(call, value)).collect();
        Ok(Value::str(parts?.join(" ")))
    }),
    fixed("indent", &[Int, Str], |call, a| Ok(Value::str(indent(call, a)?))),
    fixed("nindent", &[Int, Str], |call, a| Ok(Value::str(["\n", &indent(call, a)?].concat()))),
    fixed("replace", &[Str, Str, Str], |call, a| {
        let count = text(a, 2).matches(text(a, 0)).count();
        call.budget.bytes(text(a, 2).len() + count.saturating_mul(text(a, 1).len()))?;
        Ok(Value::str(text(a, 2).replace(text(a, 0), text(a, 1))))
    }),
    fixed("plural", &[Str, Str, Int], |_, a| Ok(a[usize::from(int(a, 2) != 1)].clone())),
    fixed("toString", &[Any], |call, a| Ok(Value::str(strval(call, &a[0])?))),
    fixed("toStrings", &[Any], |call, a| Ok(Value::strings(strslice(call, &a[0])?))),
    fixed("join", &[Str, Any], |call, a| {
        let parts = strslice(call, &a[1])?;
        let length = parts.iter().map(|part| part.len() + text(a, 0).len()).sum();
        call.budget.bytes(length)?;
        Ok(Value::str(parts.join(text(a, 0))))
    }),
    fixed("split", &[Str, Str], |call, a| numbered(call, &split(text(a, 1), text(a, 0), -1))),
    fixed("splitn", &[Str, Int, Str], |call, a| numbered(call, &split(text(a, 2), text(a, 0), int(a, 1)))),
    fixed("splitList", &[Str, Str], |call, a| {
        let parts = split(text(a, 1), text(a, 0), -1);
        call.budget.bytes(parts.len() * 48)?;
        Ok(Value::strings(parts))
    }),
];

/// Returns the text up to a byte, moved back to the start of a character.
///
/// Go cuts between bytes; half a character can't be text here and is left out.
pub(super) fn head(text: &str, end: usize) -> &str {
    &text[..text.floor_char_boundary(end)]
}

/// Returns the text from a byte on, moved forward to the start of a character.
pub(super) fn tail(text: &str, start: usize) -> &str {
    &text[text.ceil_char_boundary(start.min(text.len()))..]
}

fn trunc(count: i64, text: &str) -> Value {
    let size = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    Value::str(match count {
        ..0 if size < text.len() => tail(text, text.len() - size),
        0.. if size < text.len() => head(text, size),
        _ => text,
    })
}

fn trim_all(set: &str, text: &str) -> Value {
    Value::str(text.trim_matches(|c| set.contains(c)))
}

fn substr(start: i64, end: i64, text: &str) -> Answer {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    let (from, to) = match (start, end) {
        (..0, _) => (0, end),
        (_, ..0) => (start, length),
        _ if end > length => (start, length),
        _ => (start, end),
    };
    match (usize::try_from(from), usize::try_from(to)) {
        (Ok(from), Ok(to)) if from <= to && to <= text.len() => {
            let to = text.floor_char_boundary(to);
            Ok(Value::str(&text[text.ceil_char_boundary(from).min(to)..to]))
        }
        _ => Err(format!("runtime error: slice bounds out of range [{from}:{to}]")),
    }
}

/// Shortens a text to a width with `...`, keeping what stands at an offset.
fn abbreviate(text: &str, offset: i64, width: i64, least: i64) -> Answer {
    let length = i64::try_from(text.len()).unwrap_or(i64::MAX);
    if width < least || length <= width {
        return Ok(Value::str(text));
    }
    let at = |position: i64| usize::try_from(position).unwrap_or(0);
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return Ok(Value::str([head(text, at(width - 3)), "..."].concat()));
    }
    if offset + width - 3 < length {
        let rest = tail(text, at(offset));
        let inner = width - 3;
        let short = if inner < 4 || rest.len() <= at(inner) {
            if inner < 4 { String::new() } else { rest.to_owned() }
        } else {
            [head(rest, at(inner - 3)), "..."].concat()
        };
        return Ok(Value::str(["...", &short].concat()));
    }
    Ok(Value::str(["...", tail(text, at(length - (width - 3)))].concat()))
}

fn indent(call: &mut Call<'_>, args: &[Value]) -> Result<String, String> {
    let Ok(spaces) = usize::try_from(int(args, 0)) else {
        return Err("strings: negative Repeat count".into());
    };
    let text = text(args, 1);
    let lines = text.matches('\n').count() + 1;
    call.budget.bytes(text.len() + lines.saturating_mul(spaces))?;
    let pad = " ".repeat(spaces);
    Ok([&pad, text.replace('\n', &["\n", &pad].concat()).as_str()].concat())
}

/// Breaks lines at blanks, and words longer than the width either anywhere or not at all.
pub(in crate::atmos::template) fn wrap(
    call: &mut Call<'_>,
    text: &str,
    width: i64,
    newline: &str,
    breaks_words: bool,
) -> Answer {
    let newline = if newline.is_empty() { "\n" } else { newline };
    let width = usize::try_from(width).unwrap_or(1).max(1);
    call.budget.bytes(text.len() + (text.len() / width + 1).saturating_mul(newline.len()))?;
    let mut out = String::new();
    let mut rest = text;
    while rest.len() > width {
        if let Some(after) = rest.strip_prefix(' ') {
            rest = after;
            continue;
        }
        let end = rest.floor_char_boundary(width + 1);
        if let Some(blank) = rest[..end].rfind(' ') {
            out.push_str(&rest[..blank]);
            rest = &rest[blank + 1..];
        } else if !breaks_words {
            let from = rest.floor_char_boundary(width);
            let Some(blank) = rest[from..].find(' ').map(|blank| from + blank) else { break };
            out.push_str(&rest[..blank]);
            rest = &rest[blank + 1..];
        } else {
            let end = rest.floor_char_boundary(width).max(rest.chars().next().map_or(1, char::len_utf8));
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
        out.push_str(newline);
    }
    out.push_str(rest);
    Ok(Value::str(out))
}

/// Splits as Go's `strings.SplitN`: an empty separator gives the characters, a negative count all parts.
pub(in crate::atmos::template) fn split<'a>(text: &'a str, separator: &str, count: i64) -> Vec<&'a str> {
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    if limit == 0 {
        return Vec::new();
    }
    if !separator.is_empty() {
        return text.splitn(limit, separator).collect();
    }
    let starts: Vec<usize> = text.char_indices().map(|(i, _)| i).take(limit).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(start, end)| &text[*start..end]).collect()
}

/// Returns the parts as a map with the keys `_0`, `_1` and so on.
fn numbered(call: &mut Call<'_>, parts: &[&str]) -> Answer {
    call.budget.bytes(parts.len() * 96)?;
    Ok(Value::map(parts.iter().enumerate().map(|(i, part)| (format!("_{i}").into(), Value::str(part)))))
}
