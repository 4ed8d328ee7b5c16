//! Base64, base32, hashes, JSON.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value as Json;
use sha2::{Digest, Sha256, Sha512};

use super::text;
use crate::atmos::template::{
    budget::Bounded,
    functions::{
        Answer, Call, Function,
        Param::{Any, Str},
        fixed,
    },
    print,
    value::{MAX_DEPTH, Value},
};

pub(super) const TABLE: &[Function] = &[
    fixed("b64enc", &[Str], |_, a| Ok(Value::str(STANDARD.encode(text(a, 0))))),
    fixed("b64dec", &[Str], |_, a| Ok(Value::str(base64_decode(text(a, 0))))),
    fixed("b32enc", &[Str], |_, a| Ok(Value::str(base32_encode(text(a, 0).as_bytes())))),
    fixed("b32dec", &[Str], |_, a| Ok(Value::str(base32_decode(text(a, 0))))),
    fixed("sha1sum", &[Str], |_, a| Ok(Value::str(hex::encode(sha1::Sha1::digest(text(a, 0)))))),
    fixed("sha256sum", &[Str], |_, a| Ok(Value::str(hex::encode(Sha256::digest(text(a, 0)))))),
    fixed("sha512sum", &[Str], |_, a| Ok(Value::str(hex::encode(Sha512::digest(text(a, 0)))))),
    fixed("adler32sum", &[Str], |_, a| Ok(Value::str(adler32(text(a, 0).as_bytes()).to_string()))),
    fixed("toJson", &[Any], |call, a| lenient(to_json(call, &a[0], Style::Html))),
    fixed("mustToJson", &[Any], |call, a| to_json(call, &a[0], Style::Html)),
    fixed("toPrettyJson", &[Any], |call, a| lenient(to_json(call, &a[0], Style::Pretty))),
    fixed("mustToPrettyJson", &[Any], |call, a| to_json(call, &a[0], Style::Pretty)),
    fixed("toRawJson", &[Any], |call, a| to_json(call, &a[0], Style::Raw)),
    fixed("mustToRawJson", &[Any], |call, a| to_json(call, &a[0], Style::Raw)),
    fixed("fromJson", &[Str], |call, a| Ok(from_json(call, text(a, 0)).unwrap_or(Value::Nil))),
    fixed("mustFromJson", &[Str], |call, a| from_json(call, text(a, 0))),
];

fn base64_decode(text: &str) -> String {
    let compact: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match STANDARD.decode(&compact) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => {
            let good = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=');
            let at = text.bytes().position(|c| !good(&c)).unwrap_or(text.len() / 4 * 4);
            format!("illegal base64 data at input byte {at}")
        }
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let index = usize::try_from(bits >> (35 - 5 * i) & 31).unwrap_or(0);
            out.push(if i < digits { BASE32[index] as char } else { '=' });
        }
    }
    out
}

fn base32_decode(text: &str) -> String {
    let clean: Vec<u8> = text.bytes().filter(|c| !matches!(c, b'\r' | b'\n')).collect();
    let body = clean.iter().position(|c| *c == b'=').unwrap_or(clean.len());
    let mut out = Vec::with_capacity(clean.len());
    let (mut bits, mut count) = (0_u32, 0);
    for (i, c) in clean[..body].iter().enumerate() {
        let Some(digit) = BASE32.iter().position(|own| own == c) else {
            return format!("illegal base32 data at input byte {i}");
        };
        bits = (bits << 5 | u32::try_from(digit).unwrap_or(0)) & 0xffff;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or(0));
        }
    }
    if !clean.len().is_multiple_of(8) || clean[body..].iter().any(|c| *c != b'=') {
        return format!("illegal base32 data at input byte {body}");
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b << 16 | a
}

fn from_json(call: &mut Call<'_>, text: &str) -> Answer {
    call.budget.bytes(text.len().saturating_mul(4))?;
    let json: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(floats(&json))
}

/// Converts decoded JSON, where Go makes every number a `float64`; serde_json bounds the depth.
fn floats(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::str(text),
        Json::Array(items) => Value::list(items.iter().map(floats).collect()),
        Json::Object(entries) => Value::map(entries.iter().map(|(key, value)| (key.as_str().into(), floats(value)))),
    }
}

/// How JSON is written.
#[derive(Clone, Copy, PartialEq)]
pub(in crate::atmos::template) enum Style<'s> {
    /// `<`, `>` and `&` escaped.
    Html,
    /// The same, indented by two blanks.
    Pretty,
    Raw,
    /// As gomplate writes it (ugorji/go/codec): escaped like HTML, whole floats with their point.
    Codec,
    /// The same, indented by a text.
    CodecPretty(&'s str),
}

impl<'s> Style<'s> {
    /// Returns by what each level is indented.
    fn indent(self) -> Option<&'s str> {
        match self {
            Self::Pretty => Some("  "),
            Self::CodecPretty(indent) => Some(indent),
            Self::Html | Self::Raw | Self::Codec => None,
        }
    }
}

/// Makes what JSON can't say an empty text, as sprig does; limits stay errors.
fn lenient(answer: Answer) -> Answer {
    match answer {
        Err(message) if message.starts_with("json:") => Ok(Value::str("")),
        other => other,
    }
}

fn to_json(call: &mut Call<'_>, value: &Value, style: Style<'_>) -> Answer {
    let mut out = Bounded::new(call.budget.text());
    write_json(&mut out, value, style, 0)?;
    Ok(Value::str(out.into_string()))
}

pub(in crate::atmos::template) fn write_json(
    out: &mut Bounded,
    value: &Value,
    style: Style<'_>,
    depth: usize,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deeply to be encoded".into());
    }
    let line = |out: &mut Bounded, depth: usize| {
        style.indent().map_or(Ok(()), |indent| out.push(&format!("\n{}", indent.repeat(depth))))
    };
    match value {
        Value::Missing | Value::Nil => out.push("null"),
        Value::Bool(value) => out.push(if *value { "true" } else { "false" }),
        Value::Int(value) | Value::Int64(value) => out.push(&value.to_string()),
        Value::Uint(value) => out.push(&value.to_string()),
        Value::Float(value) if !value.is_finite() => {
            Err(format!("json: unsupported value: {}", print::float_g(*value, None, false)))
        }
        Value::Float(value) if matches!(style, Style::Codec | Style::CodecPretty(_)) => out.push(&codec_float(*value)),
        Value::Float(value) => out.push(&json_float(*value)),
        Value::Str(text) => write_text(out, text, style),
        Value::Version(version) => write_text(out, &version.to_string(), style),
        Value::List(list) if list.items().is_empty() => out.push("[]"),
        Value::List(list) => {
            out.push("[")?;
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push(",")?;
                }
                line(out, depth + 1)?;
                write_json(out, item, style, depth + 1)?;
            }
            line(out, depth)?;
            out.push("]")
        }
        Value::Map(map) if map.len() == 0 => out.push("{}"),
        Value::Map(map) => {
            out.push("{")?;
            for (i, (key, item)) in map.entries().iter().enumerate() {
                if i > 0 {
                    out.push(",")?;
                }
                line(out, depth + 1)?;
                write_text(out, key, style)?;
                out.push(if style.indent().is_some() { ": " } else { ":" })?;
                write_json(out, item, style, depth + 1)?;
            }
            line(out, depth)?;
            out.push("}")
        }
    }
}

/// Prints a float as Go's JSON does: an exponent only below 1e-6 and from 1e21 on.
fn json_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return if magnitude < 1.0 { text } else { text.replace('e', "e+") };
    }
    format!("{value}")
}

/// Prints a float as gomplate's JSON does: whole ones keep a `.0`, exponents have two digits.
fn codec_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        return print::float_g(value, None, false);
    }
    if value.fract() == 0.0 { format!("{value:.1}") } else { format!("{value}") }
}

fn write_text(out: &mut Bounded, text: &str, style: Style<'_>) -> Result<(), String> {
    out.push("\"")?;
    for c in text.chars() {
        match c {
            '"' => out.push("\\\"")?,
            '\\' => out.push("\\\\")?,
            '\n' => out.push("\\n")?,
            '\r' => out.push("\\r")?,
            '\t' => out.push("\\t")?,
            '\u{8}' => out.push("\\b")?,
            '\u{c}' => out.push("\\f")?,
            '<' | '>' | '&' if style != Style::Raw => out.push(&format!("\\u{:04x}", c as u32))?,
            '\u{2028}' | '\u{2029}' => out.push(&format!("\\u{:04x}", c as u32))?,
            c if (c as u32) < 0x20 => out.push(&format!("\\u{:04x}", c as u32))?,
            c => out.push(c.encode_utf8(&mut [0; 4]))?,
        }
    }
    out.push("\"")
}
