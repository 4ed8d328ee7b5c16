//! `strings`: texts, the text last so that it can be piped.

use super::string;
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Int, Str},
        fixed, variadic,
    },
    print::quote,
    sprig,
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("strings.ReplaceAll", &[Str, Str, Any], replace),
    fixed("replaceAll", &[Str, Str, Any], replace),
    fixed("strings.Contains", &[Str, Any], |call, a| Ok(Value::Bool(string(call, &a[1])?.contains(text(a, 0))))),
    fixed("strings.HasPrefix", &[Str, Any], |call, a| Ok(Value::Bool(string(call, &a[1])?.starts_with(text(a, 0))))),
    fixed("strings.HasSuffix", &[Str, Any], |call, a| Ok(Value::Bool(string(call, &a[1])?.ends_with(text(a, 0))))),
    fixed("strings.Repeat", &[Int, Any], |call, a| {
        let count = int(a, 0);
        let text = string(call, &a[1])?;
        let Ok(times) = usize::try_from(count) else { return Err(format!("negative count {count}")) };
        call.budget.bytes(times.saturating_mul(text.len()))?;
        Ok(Value::str(text.repeat(times)))
    }),
    fixed("strings.Split", &[Str, Any], |call, a| {
        let text = string(call, &a[1])?;
        parts(call, &text, self::text(a, 0), -1)
    }),
    fixed("strings.SplitN", &[Str, Int, Any], |call, a| {
        let text = string(call, &a[2])?;
        parts(call, &text, self::text(a, 0), int(a, 1))
    }),
    fixed("splitN", &[Str, Str, Int], |call, a| parts(call, text(a, 0), text(a, 1), int(a, 2))),
    fixed("strings.Trim", &[Str, Any], |call, a| {
        Ok(Value::str(string(call, &a[1])?.trim_matches(|c| text(a, 0).contains(c))))
    }),
    fixed("strings.TrimPrefix", &[Str, Any], |call, a| {
        let whole = string(call, &a[1])?;
        Ok(Value::str(whole.strip_prefix(text(a, 0)).unwrap_or(&whole)))
    }),
    fixed("strings.TrimSuffix", &[Str, Any], |call, a| {
        let whole = string(call, &a[1])?;
        Ok(Value::str(whole.strip_suffix(text(a, 0)).unwrap_or(&whole)))
    }),
    fixed("strings.TrimSpace", &[Any], trim_space),
    fixed("trimSpace", &[Any], trim_space),
    fixed("strings.Title", &[Any], |call, a| Ok(Value::str(title(&string(call, &a[0])?)))),
    fixed("strings.ToUpper", &[Any], |call, a| Ok(Value::str(string(call, &a[0])?.to_uppercase()))),
    fixed("toUpper", &[Any], |call, a| Ok(Value::str(string(call, &a[0])?.to_uppercase()))),
    fixed("strings.ToLower", &[Any], |call, a| Ok(Value::str(string(call, &a[0])?.to_lowercase()))),
    fixed("toLower", &[Any], |call, a| Ok(Value::str(string(call, &a[0])?.to_lowercase()))),
    fixed("strings.Trunc", &[Int, Any], |call, a| {
        let whole = string(call, &a[1])?;
        let size = usize::try_from(int(a, 0)).unwrap_or(usize::MAX).min(whole.len());
        Ok(Value::str(&whole[..whole.floor_char_boundary(size)]))
    }),
    variadic("strings.Indent", &[], Any, indent),
    fixed("strings.Quote", &[Any], |call, a| Ok(Value::str(quote(&string(call, &a[0])?)))),
    fixed("strings.Squote", &[Any], |call, a| {
        Ok(Value::str(format!("'{}'", string(call, &a[0])?.replace('\'', "''"))))
    }),
    fixed("strings.ShellQuote", &[Any], shell_quote),
    fixed("shellQuote", &[Any], shell_quote),
    fixed("strings.SnakeCase", &[Any], |call, a| Ok(Value::str(joined(&string(call, &a[0])?, "_")?))),
    fixed("strings.KebabCase", &[Any], |call, a| Ok(Value::str(joined(&string(call, &a[0])?, "-")?))),
    fixed("strings.CamelCase", &[Any], |call, a| Ok(Value::str(camel_case(&string(call, &a[0])?)?))),
    variadic("strings.WordWrap", &[], Any, word_wrap),
    variadic("strings.RuneCount", &[], Any, |call, a| {
        let mut count = 0;
        for value in a {
            count += string(call, value)?.chars().count();
        }
        Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
    }),
];

fn text(args: &[Value], i: usize) -> &str {
    args.get(i).and_then(Value::as_str).unwrap_or_default()
}

fn int(args: &[Value], i: usize) -> i64 {
    if let Some(Value::Int(value)) = args.get(i) { *value } else { 0 }
}

fn replace(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let whole = string(call, &args[2])?;
    let count = whole.matches(text(args, 0)).count();
    call.budget.bytes(whole.len() + count.saturating_mul(text(args, 1).len()))?;
    Ok(Value::str(whole.replace(text(args, 0), text(args, 1))))
}

fn parts(call: &mut Call<'_>, whole: &str, separator: &str, count: i64) -> Answer {
    let parts = sprig::split(whole, separator, count);
    call.budget.bytes(parts.len().saturating_mul(48))?;
    Ok(Value::strings(parts))
}

fn trim_space(call: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(Value::str(string(call, &args[0])?.trim()))
}

/// Makes the first letter of each word a capital and the others small; apostrophes and dots part no letters.
fn title(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for (i, c) in chars.iter().enumerate() {
        let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
        if is_word(c) {
            if inside {
                out.extend(c.to_lowercase());
            } else {
                out.extend(c.to_uppercase());
            }
            inside = inside || c.is_alphabetic();
        } else {
            let joins = matches!(c, '\'' | '.' | '’' | ':' | '·');
            let letters = |at: Option<&char>| at.is_some_and(|c| c.is_alphabetic());
            let between = i > 0 && letters(chars.get(i - 1)) && letters(chars.get(i + 1));
            inside = inside && joins && between;
            out.push(*c);
        }
    }
    out
}

/// Indents each line that isn't empty: by blanks, a number of them, a text, or a number of texts.
fn indent(call: &mut Call<'_>, args: &[Value]) -> Answer {
    const INVALID: &str = "indent: invalid arguments";
    let Some(last) = args.last() else { return Err("runtime error: index out of range [-1]".into()) };
    let (width, pad) = match args {
        [Value::Str(pad), _] => (1, &**pad),
        [Value::Int(width), _] => (*width, " "),
        [Value::Int(width), Value::Str(pad), _] => (*width, &**pad),
        [_] => (1, " "),
        [_, _] | [_, _, _] => return Err(INVALID.into()),
        _ => (1, " "),
    };
    let whole = string(call, last)?;
    let Some(times) = usize::try_from(width).ok().filter(|width| *width > 0 && !pad.contains('\n')) else {
        return Ok(Value::str(whole));
    };
    let lines = whole.split_inclusive('\n').count();
    call.budget.bytes(whole.len() + lines.saturating_mul(times).saturating_mul(pad.len()))?;
    let pad = pad.repeat(times);
    let mut out = String::new();
    for line in whole.split_inclusive('\n') {
        if line != "\n" {
            out.push_str(&pad);
        }
        out.push_str(line);
    }
    Ok(Value::str(out))
}

fn shell_quote(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\"'\"'"));
    match &args[0] {
        // gomplate prints the type of a list's items.
        Value::List(list) => {
            call.budget.bytes(list.items().len().saturating_mul(24))?;
            Ok(Value::str(vec![quoted("<interface {} Value>"); list.items().len()].join(" ")))
        }
        other => Ok(Value::str(quoted(&string(call, other)?))),
    }
}

/// Returns the words of a text with a mark between them, small but for the first letter.
fn joined(text: &str, mark: &str) -> Result<String, String> {
    let text = first_kept(text, |text| text.to_lowercase())?;
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    Ok(words.join(mark))
}

fn camel_case(text: &str) -> Result<String, String> {
    let text = first_kept(text, title)?;
    Ok(text.chars().filter(|c| c.is_alphanumeric()).collect())
}

/// Changes a text, and gives the first occurrence of the result's first letter the case that the text began with.
fn first_kept(text: &str, change: impl Fn(&str) -> String) -> Result<String, String> {
    let text = text.trim();
    let changed = change(text);
    match (changed.chars().next(), text.chars().next()) {
        (Some(new), Some(old)) => Ok(changed.replacen(new, &old.to_string(), 1)),
        _ => Err("runtime error: index out of range [0] with length 0".into()),
    }
}

fn word_wrap(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let (width, newline) = match args {
        [_] => (0, String::new()),
        [Value::Str(newline), _] => (0, newline.to_string()),
        [width, _] => (super::convert::to_int64(width), String::new()),
        [width, newline, _] => (super::convert::to_int64(width), string(call, newline)?),
        _ => return Err(format!("expected 1, 2, or 3 args, got {}", args.len())),
    };
    let whole = string(call, &args[args.len() - 1])?;
    sprig::wrap(call, &whole, if width == 0 { 80 } else { width }, &newline, false)
}
