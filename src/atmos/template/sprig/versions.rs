//! Semantic versions, and lengths of time.

use std::rc::Rc;

use super::text;
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Str},
        fixed,
    },
    value::Value,
    version::{self, Version},
};

pub(super) const TABLE: &[Function] = &[
    fixed("semver", &[Str], |_, a| Ok(Value::Version(Rc::new(Version::parse(text(a, 0))?)))),
    fixed("semverCompare", &[Str, Str], |_, a| Ok(Value::Bool(version::satisfies(text(a, 0), text(a, 1))?))),
    fixed("duration", &[Any], duration),
    fixed("durationRound", &[Any], duration_round),
];

const SECOND: i64 = 1_000_000_000;

/// Prints seconds as Go prints a `time.Duration`; an `int` is none of the types that sprig takes.
fn duration(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let seconds = match &args[0] {
        Value::Str(text) => super::math::decimal_int64(text),
        Value::Int64(value) => *value,
        _ => 0,
    };
    Ok(Value::str(print(seconds.wrapping_mul(SECOND))))
}

/// Prints nanoseconds that are whole seconds as Go does: `1h0m5s`.
fn print(nanos: i64) -> String {
    let seconds = nanos.unsigned_abs() / SECOND.unsigned_abs();
    let fraction = nanos.unsigned_abs() % SECOND.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut tail = seconds.to_string();
    if fraction > 0 {
        tail.push('.');
        tail.push_str(format!("{fraction:09}").trim_end_matches('0'));
    }
    match (hours, minutes) {
        (0, 0) => format!("{sign}{tail}s"),
        (0, _) => format!("{sign}{minutes}m{tail}s"),
        _ => format!("{sign}{hours}h{minutes}m{tail}s"),
    }
}

/// Names a length of time by its largest unit: `2h`, `3mo`.
fn duration_round(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let nanos = match &args[0] {
        Value::Str(text) => parse(text).unwrap_or(0),
        Value::Int64(value) => *value,
        _ => 0,
    };
    let seconds = SECOND.unsigned_abs();
    let units = [
        ("y", 365 * 24 * 3600 * seconds),
        ("mo", 30 * 24 * 3600 * seconds),
        ("d", 24 * 3600 * seconds),
        ("h", 3600 * seconds),
        ("m", 60 * seconds),
        ("s", seconds),
    ];
    let nanos = nanos.unsigned_abs();
    let unit = units.iter().find(|(_, length)| nanos > *length);
    Ok(Value::str(unit.map_or_else(|| "0s".to_owned(), |(name, length)| format!("{}{name}", nanos / length))))
}

/// Reads what Go's `time.ParseDuration` reads (`1h2m3.5s`), in nanoseconds.
fn parse(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let unit: i128 = match &after[..end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total += i128::from(whole) * unit;
        let mut scale = unit;
        for digit in fraction.bytes() {
            scale /= 10;
            total += i128::from(digit - b'0') * scale;
        }
        rest = &after[end..];
    }
    i64::try_from(if negative { -total } else { total }).ok()
}
