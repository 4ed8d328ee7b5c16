//! Which value an unquoted text is: the rules of Go's yaml.v3, which Atmos reads with.

use std::sync::LazyLock;

use regex::Regex;

/// A resolved scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    /// A timestamp, as Go prints it.
    Time(String),
    Str,
}

static FLOAT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").ok());

/// Returns what a plain text is; `time` tells whether timestamps count.
pub(super) fn resolve(text: &str, time: bool) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Scalar::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => float(text).map_or(Scalar::Str, Scalar::Float),
        b'+' | b'-' | b'0'..=b'9' => {
            if time && let Some(t) = timestamp(text) {
                return Scalar::Time(t);
            }
            let plain: std::borrow::Cow<'_, str> =
                if text.contains('_') { text.replace('_', "").into() } else { text.into() };
            if let Some(int) = integer(&plain) {
                return int;
            }
            float(&plain).map_or(Scalar::Str, Scalar::Float)
        }
        _ => Scalar::Str,
    }
}

fn float(text: &str) -> Option<f64> {
    if !FLOAT.as_ref()?.is_match(text) {
        return None;
    }
    text.parse().ok().filter(|f: &f64| f.is_finite())
}

/// Reads an integer as Go's `strconv.ParseInt(s, 0, 64)`, then `ParseUint`, do.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, signed, rest) = match text.as_bytes().first()? {
        b'-' => (true, true, &text[1..]),
        b'+' => (false, true, &text[1..]),
        _ => (false, false, text),
    };
    let lower = rest.get(..2).map(str::to_ascii_lowercase);
    let (digits, radix) = match lower.as_deref() {
        Some("0x") => (&rest[2..], 16),
        Some("0b") => (&rest[2..], 2),
        Some("0o") => (&rest[2..], 8),
        _ if rest.len() > 1 && rest.starts_with('0') => (&rest[1..], 8),
        _ => (rest, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|b| char::from(b).is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return match i64::try_from(magnitude) {
            Ok(i) => Some(Scalar::Int(-i)),
            Err(_) if magnitude == 1 << 63 => Some(Scalar::Int(i64::MIN)),
            Err(_) => None,
        };
    }
    match i64::try_from(magnitude) {
        Ok(i) => Some(Scalar::Int(i)),
        Err(_) if !signed => Some(Scalar::UInt(magnitude)),
        Err(_) => None,
    }
}

/// Reads a timestamp; returns it as Go's `%v` prints it.
fn timestamp(text: &str) -> Option<String> {
    let b = text.as_bytes();
    if b.len() < 8 || !b[..4].iter().all(u8::is_ascii_digit) || b[4] != b'-' {
        return None;
    }
    let mut at = 5;
    let mut number = |stop: &[u8], max: usize| -> Option<u32> {
        let start = at;
        while at < b.len() && at - start < max && b[at].is_ascii_digit() {
            at += 1;
        }
        let n = text.get(start..at)?.parse().ok()?;
        match b.get(at) {
            None if stop.contains(&0) => Some(n),
            Some(c) if stop.contains(c) => {
                at += 1;
                Some(n)
            }
            _ => None,
        }
    };
    let year: u32 = text[..4].parse().ok()?;
    let month = number(b"-", 2)?;
    let day = number(&[0, b'T', b't', b' '], 2)?;
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let last = *days.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if day == 0 || day > last {
        return None;
    }
    if at == b.len() && b[at - 1].is_ascii_digit() {
        return Some(format!("{year:04}-{month:02}-{day:02} 00:00:00 +0000 UTC"));
    }
    let zoned = b[at - 1] != b' ';
    let mut rest = &text[at..];
    let mut part = |end: Option<char>| -> Option<u32> {
        let len = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
        let n = rest.get(..len)?.parse().ok()?;
        rest = &rest[len..];
        if let Some(c) = end {
            rest = rest.strip_prefix(c)?;
        }
        Some(n)
    };
    let (hour, minute, second) = (part(Some(':'))?, part(Some(':'))?, part(None)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut fraction = String::new();
    if let Some(f) = rest.strip_prefix('.') {
        let len = f.bytes().take_while(u8::is_ascii_digit).count();
        if len == 0 {
            return None;
        }
        f[..len].trim_end_matches('0').clone_into(&mut fraction);
        rest = &f[len..];
    }
    let zone = if zoned {
        if rest == "Z" {
            "+0000 UTC".to_owned()
        } else {
            let sign = rest.chars().next().filter(|c| matches!(c, '+' | '-'))?;
            let (h, m) = rest[1..].split_once(':')?;
            if h.len() != 2 || m.len() != 2 || !h.bytes().chain(m.bytes()).all(|c| c.is_ascii_digit()) {
                return None;
            }
            if h > "23" || m > "59" {
                return None;
            }
            if h == "00" && m == "00" { "+0000 UTC".to_owned() } else { format!("{sign}{h}{m} {sign}{h}{m}") }
        }
    } else if rest.is_empty() {
        "+0000 UTC".to_owned()
    } else {
        return None;
    };
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{dot}{fraction} {zone}"))
}

/// Returns what a key is called in JSON; `plain` where it carries neither quotes nor a tag. None for a null.
pub(super) fn key_text(text: &str, plain: bool) -> Option<String> {
    let resolved = if plain { resolve(text, true) } else { Scalar::Str };
    Some(match resolved {
        Scalar::Null => return None,
        Scalar::Bool(yes) => yes.to_string(),
        Scalar::Int(number) => number.to_string(),
        Scalar::UInt(number) => number.to_string(),
        Scalar::Float(number) => print_float(number),
        Scalar::Time(time) => time,
        Scalar::Str => text.to_owned(),
    })
}

/// Prints a float as Go's `%v` does.
pub(super) fn print_float(f: f64) -> String {
    if f.is_nan() {
        return "NaN".to_owned();
    }
    if f.is_infinite() {
        return if f > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let exponent = if f == 0.0 { 0.0 } else { f.abs().log10().floor() };
    if !(-4.0..21.0).contains(&exponent) {
        let text = format!("{f:e}");
        let (mantissa, exp) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exp.strip_prefix('-').map_or(('+', exp), |d| ('-', d));
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    format!("{f}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_as_go_reads_them() {
        for (text, value) in [
            ("0755", 493),
            ("0o14", 12),
            ("0O14", 12),
            ("0x1F", 31),
            ("0b101", 5),
            ("1__0_", 10),
            ("+12", 12),
            ("-0755", -493),
            ("00", 0),
        ] {
            assert_eq!(resolve(text, true), Scalar::Int(value), "{text}");
        }
        assert_eq!(resolve("18446744073709551615", true), Scalar::UInt(u64::MAX));
        for (text, value) in [("08", 8.0), ("019", 19.0), ("012345678901", 12_345_678_901.0), (".5", 0.5), ("5.", 5.0)]
        {
            assert_eq!(resolve(text, true), Scalar::Float(value), "{text}");
        }
        for text in ["1 000", "1,000", "22:22", "190:20:30", "1.2.3", ".", "-", "yes", "None", "tRUE"] {
            assert_eq!(resolve(text, true), Scalar::Str, "{text}");
        }
    }

    #[test]
    fn dates_are_dates_only_where_they_are_possible() {
        assert_eq!(resolve("2026-08-01", true), Scalar::Time("2026-08-01 00:00:00 +0000 UTC".into()));
        assert!(matches!(resolve("2026-8-1", true), Scalar::Time(_)));
        assert!(matches!(resolve("2026-08-01T12:30:00Z", true), Scalar::Time(_)));
        assert!(matches!(resolve("2026-08-01 12:30:00", true), Scalar::Time(_)));
        assert!(matches!(resolve("2026-08-01T12:30:00.25+02:00", true), Scalar::Time(_)));
        assert_eq!(resolve("2026-02-30", true), Scalar::Str);
        assert_eq!(resolve("12:30", true), Scalar::Str);
    }
}
