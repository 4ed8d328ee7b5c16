//! Go's literals: quoted strings and number constants.

use super::node::Number;
use super::parse::{bad_number, whole};

/// Takes the quotes off a Go string or character literal; `None` where its syntax is wrong.
///
/// Escapes that make bytes which are no UTF-8 (`"\xff"`) give the replacement character.
pub(super) fn unquote(text: &str) -> Option<String> {
    let quote = text.chars().next()?;
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    if text.len() < 2 || !text.ends_with(quote) {
        return None;
    }
    if quote == '`' {
        return Some(inner.replace('\r', ""));
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == quote || c == '\n' {
            return None;
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let c = chars.next()?;
        let byte = match c {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' => b'\\',
            '\'' | '"' if c == quote => quote as u8,
            '0'..='7' => {
                let digits = [c, chars.next()?, chars.next()?];
                u8::from_str_radix(&String::from_iter(digits), 8).ok()?
            }
            'x' => u8::from_str_radix(&String::from_iter([chars.next()?, chars.next()?]), 16).ok()?,
            'u' | 'U' => {
                let digits: String = chars.by_ref().take(if c == 'u' { 4 } else { 8 }).collect();
                let c = char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return None,
        };
        bytes.push(byte);
    }
    Some(String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()))
}

/// Reads a number constant: decimal, `0x`, `0o`, `0b`, a leading zero for octal, underscores, floats, characters.
pub(super) fn number(text: &str, is_char: bool) -> Result<Number, String> {
    if is_char {
        let inner = unquote(text).ok_or_else(|| format!("malformed character constant: {text}"))?;
        let mut chars = inner.chars();
        return match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(whole(i128::from(c as u32))),
            _ => Err(format!("malformed character constant: {text}")),
        };
    }
    if text.ends_with('i') && !text.contains(['x', 'X']) {
        return Err(format!("complex numbers are not supported: {text}"));
    }
    if let Some(value) = integer(text) {
        if i64::try_from(value).is_err() && u64::try_from(value).is_err() {
            return Err(format!("integer overflow: {}", super::print::quote(text)));
        }
        return Ok(whole(value));
    }
    let value = float(text).ok_or_else(|| bad_number(text))?;
    if !text.contains(['.', 'e', 'E', 'p', 'P']) {
        return Err(format!("integer overflow: {}", super::print::quote(text)));
    }
    let mut number = Number { float: Some(value), prefers_float: true, ..Number::default() };
    if value.fract() == 0.0 && value.abs() < 9.2e18 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, checked above")]
        let int = value as i64;
        number.int = Some(int);
        number.uint = u64::try_from(int).ok();
    }
    Ok(number)
}

/// Reads a whole number by Go's `strconv.ParseInt(text, 0, 64)`, without its range.
pub(super) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body) = if let Some(body) = lower.strip_prefix("0x") {
        (16, body)
    } else if let Some(body) = lower.strip_prefix("0b") {
        (2, body)
    } else if let Some(body) = lower.strip_prefix("0o") {
        (8, body)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    let prefixed = radix != 10;
    let body = if prefixed { body.strip_prefix('_').unwrap_or(body) } else { body };
    if body.is_empty() || body.starts_with('_') || body.ends_with('_') || body.contains("__") {
        return None;
    }
    let plain = body.replace('_', "");
    if plain.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(&plain, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Reads a float, decimal or hexadecimal; underscores only where the number has a base prefix, as in Go.
pub(super) fn float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.trim_start_matches(['+', '-']);
    if let Some(hex) = unsigned.strip_prefix("0x") {
        let (mantissa, exponent) = hex.split_once('p')?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: String = [whole, fraction].concat().replace('_', "");
        let value = u64::from_str_radix(&digits, 16).ok()?;
        let exponent: i32 = exponent.parse().ok()?;
        let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
        #[expect(clippy::cast_precision_loss, reason = "a float constant")]
        let value = value as f64 * 2f64.powi(shift);
        return Some(if lower.starts_with('-') { -value } else { value });
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') || unsigned.contains('_') {
        return None;
    }
    let value: f64 = lower.parse().ok()?;
    value.is_finite().then_some(value)
}
