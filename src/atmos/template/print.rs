//! Prints values as Go's `fmt` does: `%v` for what a template shows, `print`, `println` and the verbs of `printf`.

use std::fmt::Write;

use super::{
    budget::Bounded,
    value::{MAX_DEPTH, Value},
};

/// Why nothing could be printed: the limit of the output or of nesting.
pub(super) type Printed<T = ()> = Result<T, String>;

/// Quotes a text as Go's `%q` does.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        escape(&mut out, c, '"');
    }
    out.push('"');
    out
}

fn escape(out: &mut String, c: char, quote: char) {
    match c {
        '\u{7}' => out.push_str("\\a"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{b}' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        c if c == quote => {
            out.push('\\');
            out.push(c);
        }
        c if (c as u32) < 0x20 || c == '\u{7f}' => {
            let _ = write!(out, "\\x{:02x}", c as u32);
        }
        c if c.is_control() || matches!(c, '\u{a0}' | '\u{ad}' | '\u{2028}' | '\u{2029}' | '\u{feff}') => {
            let _ = write!(out, "\\u{:04x}", c as u32);
        }
        c => out.push(c),
    }
}

/// Prints a value as `%v`; at the top of an action a missing value is `<no value>`.
pub(super) fn value(out: &mut Bounded, value: &Value, top: bool) -> Printed {
    plain(out, value, top, 0)
}

/// Returns a value as `fmt.Sprint` would print it.
pub(super) fn sprint(value_: &Value, limit: usize) -> Printed<String> {
    let mut out = Bounded::new(limit);
    plain(&mut out, value_, false, 0)?;
    Ok(out.into_string())
}

fn plain(out: &mut Bounded, value: &Value, top: bool, depth: usize) -> Printed {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deeply to be printed".into());
    }
    match value {
        Value::Missing | Value::Nil => out.push(if top { "<no value>" } else { "<nil>" }),
        Value::Bool(value) => out.push(if *value { "true" } else { "false" }),
        Value::Int(value) | Value::Int64(value) => out.push(&value.to_string()),
        Value::Uint(value) => out.push(&value.to_string()),
        Value::Float(value) => out.push(&float_g(*value, None, false)),
        Value::Str(text) => out.push(text),
        Value::Version(version) => out.push(&version.to_string()),
        Value::List(list) => {
            out.push("[")?;
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push(" ")?;
                }
                plain(out, item, false, depth + 1)?;
            }
            out.push("]")
        }
        Value::Map(map) => {
            out.push("map[")?;
            for (i, (key, item)) in map.entries().iter().enumerate() {
                if i > 0 {
                    out.push(" ")?;
                }
                out.push(key)?;
                out.push(":")?;
                plain(out, item, false, depth + 1)?;
            }
            out.push("]")
        }
    }
}

/// Joins values as `fmt.Sprint` (blanks only between operands that are no strings) or `fmt.Sprintln`.
pub(super) fn join(args: &[Value], line: bool, limit: usize) -> Printed<String> {
    let mut out = Bounded::new(limit);
    for (i, arg) in args.iter().enumerate() {
        let is_string = |value: &Value| matches!(value, Value::Str(_));
        if i > 0 && (line || !is_string(arg) && !is_string(&args[i - 1])) {
            out.push(" ")?;
        }
        plain(&mut out, arg, false, 0)?;
    }
    if line {
        out.push("\n")?;
    }
    Ok(out.into_string())
}

/// Returns the shortest decimal digits of a finite positive float and the position of its point.
fn shortest(value: f64) -> (String, i32) {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// Prints a float as `%g` (`precision` none: the shortest text that reads back).
pub(super) fn float_g(value: f64, precision: Option<usize>, upper: bool) -> String {
    if let Some(text) = not_finite(value) {
        return text.into();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let value = value.abs();
    let (mut digits, point) = match precision {
        None => shortest(value),
        Some(precision) => {
            let text = format!("{:.*e}", precision.max(1) - 1, value);
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            (mantissa.replace('.', ""), exponent.parse::<i32>().unwrap_or(0) + 1)
        }
    };
    let threshold = match precision {
        None => 6,
        Some(precision) => {
            while digits.len() > 1 && digits.ends_with('0') {
                digits.pop();
            }
            let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
            let precision = i32::try_from(precision.max(1)).unwrap_or(i32::MAX);
            if precision > count && count >= point { count } else { precision }
        }
    };
    let point = if value == 0.0 { 1 } else { point };
    let exponent = point - 1;
    if exponent < -4 || exponent >= threshold {
        let mut out = format!("{sign}{}", &digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        let _ = write!(out, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
        return if upper { out.to_uppercase() } else { out };
    }
    let mut out = sign.to_owned();
    if point <= 0 {
        out.push_str("0.");
        (point..0).for_each(|_| out.push('0'));
        out.push_str(&digits);
        return out;
    }
    let point = usize::try_from(point).unwrap_or(1);
    if digits.len() <= point {
        out.push_str(&digits);
        (digits.len()..point).for_each(|_| out.push('0'));
    } else {
        out.push_str(&digits[..point]);
        out.push('.');
        out.push_str(&digits[point..]);
    }
    out
}

fn not_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// Prints a float as `%e`.
pub(super) fn float_e(value: f64, precision: usize) -> String {
    if let Some(text) = not_finite(value) {
        return text.into();
    }
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}

/// Prints a float as `%f`.
pub(super) fn float_f(value: f64, precision: usize) -> String {
    not_finite(value).map_or_else(|| format!("{value:.precision$}"), Into::into)
}

/// Prints a character in single quotes, as `%q` of a number.
pub(super) fn quote_char(c: char) -> String {
    let mut out = String::from("'");
    escape(&mut out, c, '\'');
    out.push('\'');
    out
}
