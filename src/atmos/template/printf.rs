//! `printf`: Go's verbs and flags over the values of templates.

use super::{
    budget::Bounded,
    print::{self, Printed},
    value::{MAX_DEPTH, Value},
};

/// The largest width or precision that Go's `fmt` takes.
const MAX_WIDTH: usize = 1_000_000;

#[derive(Debug, Default, Clone, Copy)]
struct Spec {
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// Formats `args` by `format`.
pub(super) fn sprintf(format: &str, args: &[Value], limit: usize) -> Printed<String> {
    let mut out = Bounded::new(limit);
    let mut rest = format;
    let mut next = 0;
    let mut reordered = false;
    while let Some(at) = rest.find('%') {
        out.push(&rest[..at])?;
        rest = &rest[at + 1..];
        let mut spec = Spec::default();
        while let Some(c) = rest.chars().next() {
            match c {
                '-' => (spec.minus, spec.zero) = (true, false),
                '+' => spec.plus = true,
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = !spec.minus,
                _ => break,
            }
            rest = &rest[1..];
        }
        index(&mut rest, &mut next, args.len(), &mut reordered);
        if let Some(after) = rest.strip_prefix('*') {
            rest = after;
            match star(args, &mut next) {
                Some(width) => {
                    spec.minus |= width < 0;
                    spec.zero &= !spec.minus;
                    spec.width = usize::try_from(width.unsigned_abs()).ok();
                }
                None => out.push("%!(BADWIDTH)")?,
            }
        } else {
            spec.width = digits(&mut rest);
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            index(&mut rest, &mut next, args.len(), &mut reordered);
            if let Some(after) = rest.strip_prefix('*') {
                rest = after;
                match star(args, &mut next) {
                    Some(precision) => spec.precision = usize::try_from(precision).ok(),
                    None => out.push("%!(BADPREC)")?,
                }
            } else {
                spec.precision = Some(digits(&mut rest).unwrap_or(0));
            }
        }
        let bad = index(&mut rest, &mut next, args.len(), &mut reordered);
        let Some(verb) = rest.chars().next() else {
            out.push("%!(NOVERB)")?;
            break;
        };
        rest = &rest[verb.len_utf8()..];
        if spec.width.max(spec.precision).is_some_and(|width| width > MAX_WIDTH) {
            out.push("%!(BADWIDTH)")?;
            (spec.width, spec.precision) = (None, None);
        }
        if verb == '%' {
            out.push("%")?;
        } else if bad {
            out.push(&format!("%!{verb}(BADINDEX)"))?;
        } else if let Some(arg) = args.get(next) {
            next += 1;
            one(&mut out, arg, verb, &spec, 0)?;
        } else {
            out.push(&format!("%!{verb}(MISSING)"))?;
        }
    }
    out.push(rest_of(rest))?;
    if !reordered && next < args.len() {
        out.push("%!(EXTRA ")?;
        for (i, arg) in args[next..].iter().enumerate() {
            if i > 0 {
                out.push(", ")?;
            }
            if arg.is_nil() {
                out.push("<nil>")?;
            } else {
                out.push(arg.type_name())?;
                out.push("=")?;
                print::value(&mut out, arg, false)?;
            }
        }
        out.push(")")?;
    }
    Ok(out.into_string())
}

/// What follows the last verb; empty where the format ended within one.
fn rest_of(rest: &str) -> &str {
    if rest.contains('%') { "" } else { rest }
}

fn digits(rest: &mut &str) -> Option<usize> {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, after) = rest.split_at(end);
    if number.is_empty() {
        return None;
    }
    *rest = after;
    Some(number.parse().unwrap_or(usize::MAX))
}

/// Reads an explicit argument index such as `[2]`; true where there is no such argument.
fn index(rest: &mut &str, next: &mut usize, count: usize, reordered: &mut bool) -> bool {
    let Some(inner) = rest.strip_prefix('[') else { return false };
    let Some((number, after)) = inner.split_once(']') else { return false };
    *rest = after;
    *reordered = true;
    match number.parse::<usize>() {
        Ok(number) if number >= 1 && number <= count => {
            *next = number - 1;
            false
        }
        _ => true,
    }
}

fn star(args: &[Value], next: &mut usize) -> Option<i64> {
    let arg = args.get(*next)?;
    *next += 1;
    match arg {
        Value::Int(value) | Value::Int64(value) if value.unsigned_abs() <= MAX_WIDTH as u64 => Some(*value),
        _ => None,
    }
}

fn one(out: &mut Bounded, arg: &Value, verb: char, spec: &Spec, depth: usize) -> Printed {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deeply to be printed".into());
    }
    let spec = &if verb == 'v' { Spec { plus: false, ..*spec } } else { *spec };
    if verb == 'T' {
        return pad(out, arg.type_name(), spec);
    }
    match (arg, verb) {
        (Value::Missing | Value::Nil, 'v') => pad(out, "<nil>", spec),
        (Value::Missing | Value::Nil, _) if depth > 0 => out.push("<nil>"),
        (Value::Missing | Value::Nil, _) => out.push(&format!("%!{verb}(<nil>)")),
        (Value::List(list), _) => {
            out.push("[")?;
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push(" ")?;
                }
                one(out, item, verb, spec, depth + 1)?;
            }
            out.push("]")
        }
        (Value::Map(map), _) => {
            out.push("map[")?;
            for (i, (key, item)) in map.entries().iter().enumerate() {
                if i > 0 {
                    out.push(" ")?;
                }
                one(out, &Value::Str(key.clone()), verb, spec, depth + 1)?;
                out.push(":")?;
                one(out, item, verb, spec, depth + 1)?;
            }
            out.push("]")
        }
        (Value::Bool(value), 'v' | 't') => pad(out, if *value { "true" } else { "false" }, spec),
        (Value::Str(text), _) => string(out, text, verb, spec),
        (Value::Version(version), _) => string(out, &version.to_string(), verb, spec),
        (Value::Int(value) | Value::Int64(value), _) => integer(out, i128::from(*value), arg, verb, spec),
        (Value::Uint(value), _) => integer(out, i128::from(*value), arg, verb, spec),
        (Value::Float(value), _) => float(out, *value, arg, verb, spec),
        _ => bad_verb(out, arg, verb),
    }
}

fn bad_verb(out: &mut Bounded, arg: &Value, verb: char) -> Printed {
    out.push(&format!("%!{verb}({}=", arg.type_name()))?;
    print::value(out, arg, false)?;
    out.push(")")
}

fn pad(out: &mut Bounded, text: &str, spec: &Spec) -> Printed {
    let missing = spec.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return out.push(text);
    }
    if spec.minus {
        out.push(text)?;
        out.push(&" ".repeat(missing))
    } else {
        out.push(&if spec.zero { "0" } else { " " }.repeat(missing))?;
        out.push(text)
    }
}

fn string(out: &mut Bounded, text: &str, verb: char, spec: &Spec) -> Printed {
    let cut = |text: &str| -> String {
        spec.precision.map_or_else(|| text.to_owned(), |precision| text.chars().take(precision).collect())
    };
    match verb {
        'v' if spec.sharp => pad(out, &print::quote(text), spec),
        'v' | 's' => pad(out, &cut(text), spec),
        'q' => {
            let text = cut(text);
            let raw = spec.sharp && !text.contains(['`', '\n', '\r']) && !text.chars().any(char::is_control);
            pad(out, &if raw { format!("`{text}`") } else { print::quote(&text) }, spec)
        }
        'x' | 'X' => {
            let count = spec.precision.unwrap_or(usize::MAX);
            let separator = if spec.space { " " } else { "" };
            let hex = |byte: &u8| if verb == 'x' { format!("{byte:02x}") } else { format!("{byte:02X}") };
            let bytes: Vec<String> = text.as_bytes().iter().take(count).map(hex).collect();
            let prefix = if spec.sharp && !bytes.is_empty() { format!("0{verb}") } else { String::new() };
            pad(out, &(prefix + &bytes.join(separator)), spec)
        }
        _ => bad_verb(out, &Value::str(text), verb),
    }
}

fn integer(out: &mut Bounded, value: i128, arg: &Value, verb: char, spec: &Spec) -> Printed {
    let magnitude = value.unsigned_abs();
    let digits = match verb {
        'd' | 'v' => magnitude.to_string(),
        'b' => format!("{magnitude:b}"),
        'o' | 'O' => format!("{magnitude:o}"),
        'x' => format!("{magnitude:x}"),
        'X' => format!("{magnitude:X}"),
        'c' | 'q' | 'U' => {
            let c = u32::try_from(value).ok().and_then(char::from_u32).unwrap_or('\u{fffd}');
            return match verb {
                'c' => pad(out, &c.to_string(), spec),
                'q' => pad(out, &print::quote_char(c), spec),
                _ if spec.sharp => pad(out, &format!("U+{magnitude:04X} '{c}'"), spec),
                _ => pad(out, &format!("U+{magnitude:04X}"), spec),
            };
        }
        _ => return bad_verb(out, arg, verb),
    };
    let prefix = match verb {
        'O' => "0o",
        'x' if spec.sharp => "0x",
        'X' if spec.sharp => "0X",
        'b' if spec.sharp => "0b",
        'o' if spec.sharp && !digits.starts_with('0') => "0",
        _ => "",
    };
    let digits = match spec.precision {
        Some(0) if magnitude == 0 => String::new(),
        Some(precision) => format!("{digits:0>precision$}"),
        None => digits,
    };
    let zero = if spec.precision.is_some() { Spec { zero: false, ..*spec } } else { *spec };
    signed(out, value < 0, prefix, &digits, &zero)
}

fn float(out: &mut Bounded, value: f64, arg: &Value, verb: char, spec: &Spec) -> Printed {
    let magnitude = value.abs();
    let text = match verb {
        'v' | 'g' => print::float_g(magnitude, spec.precision, false),
        'G' => print::float_g(magnitude, spec.precision, true),
        'e' => print::float_e(magnitude, spec.precision.unwrap_or(6)),
        'E' => print::float_e(magnitude, spec.precision.unwrap_or(6)).to_uppercase(),
        'f' | 'F' => print::float_f(magnitude, spec.precision.unwrap_or(6)),
        _ => return bad_verb(out, arg, verb),
    };
    let text = text.trim_start_matches('+');
    let spec = if magnitude.is_finite() { *spec } else { Spec { zero: false, ..*spec } };
    signed(out, value.is_sign_negative() && !value.is_nan(), "", text, &spec)
}

/// Pads a number; zeros go between the sign and the digits.
fn signed(out: &mut Bounded, negative: bool, prefix: &str, digits: &str, spec: &Spec) -> Printed {
    let sign = match (negative, spec.plus, spec.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    };
    if spec.zero {
        let width = spec.width.unwrap_or(0).saturating_sub(sign.len());
        let zeros = "0".repeat(width.saturating_sub(digits.len()));
        return out.push(&[sign, prefix, &zeros, digits].concat());
    }
    pad(out, &[sign, prefix, digits].concat(), spec)
}
