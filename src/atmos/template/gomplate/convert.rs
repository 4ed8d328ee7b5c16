//! `conv` and `test`: conversions, defaults, and what must hold.

use super::{
    coll::{dict, has},
    items, string, texts,
};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Int, Str},
        fixed, variadic,
    },
    literal,
    sprig::{decimal_int64, float64, int64},
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("conv.ToBool", &[Any], |_, a| Ok(Value::Bool(to_bool(&a[0])))),
    fixed("conv.Bool", &[Any], bool_word),
    fixed("bool", &[Any], bool_word),
    variadic("conv.ToBools", &[], Any, |_, a| Ok(each(a, |value| Value::Bool(to_bool(value))))),
    variadic("conv.Slice", &[], Any, |_, a| Ok(each(a, Value::clone))),
    fixed("conv.Has", &[Any, Str], has),
    variadic("conv.Dict", &[], Any, dict),
    fixed("conv.Join", &[Any, Str], |call, a| {
        let items = items(&a[0]).map_err(|why| format!("input to Join must be an array: {why}"))?;
        let parts = texts(call, items)?;
        let separator = a[1].as_str().unwrap_or_default();
        call.budget.bytes(parts.iter().map(|part| part.len() + separator.len()).sum())?;
        Ok(Value::str(parts.join(separator)))
    }),
    fixed("conv.Default", &[Any, Any], |_, a| Ok(a[usize::from(a[1].truth())].clone())),
    fixed("conv.Atoi", &[Any], |call, a| Ok(Value::Int(decimal_int64(&string(call, &a[0])?)))),
    fixed("conv.ParseInt", &[Any, Int, Int], parse_int),
    fixed("conv.ToInt", &[Any], |_, a| Ok(Value::Int(to_int64(&a[0])))),
    fixed("conv.ToInt64", &[Any], |_, a| Ok(Value::Int64(to_int64(&a[0])))),
    fixed("conv.ToFloat64", &[Any], |_, a| Ok(Value::Float(to_float64(&a[0])))),
    variadic("conv.ToInts", &[], Any, |_, a| Ok(each(a, |value| Value::Int(to_int64(value))))),
    variadic("conv.ToInt64s", &[], Any, |_, a| Ok(each(a, |value| Value::Int64(to_int64(value))))),
    variadic("conv.ToFloat64s", &[], Any, |_, a| Ok(each(a, |value| Value::Float(to_float64(value))))),
    fixed("conv.ToString", &[Any], |call, a| Ok(Value::str(string(call, &a[0])?))),
    variadic("conv.ToStrings", &[], Any, |call, a| Ok(Value::strings(texts(call, a)?))),
    variadic("test.Assert", &[], Any, assert),
    variadic("assert", &[], Any, assert),
    variadic("test.Fail", &[], Any, fail),
    variadic("test.Required", &[], Any, required),
    variadic("required", &[], Any, required),
    fixed("test.Ternary", &[Any, Any, Any], |_, a| Ok(a[usize::from(!to_bool(&a[2]))].clone())),
    fixed("test.Kind", &[Any], |_, a| Ok(Value::str(a[0].kind_name()))),
    fixed("kind", &[Any], |_, a| Ok(Value::str(a[0].kind_name()))),
    fixed("test.IsKind", &[Str, Any], is_kind),
    fixed("isKind", &[Str, Any], is_kind),
];

fn each(values: &[Value], convert: impl Fn(&Value) -> Value) -> Value {
    Value::list(values.iter().map(convert).collect())
}

#[expect(clippy::float_cmp, reason = "gomplate compares with exactly 1")]
fn to_bool(value: &Value) -> bool {
    match value {
        Value::Bool(value) => *value,
        Value::Str(text) => {
            let lower = text.to_lowercase();
            matches!(lower.as_str(), "1" | "t" | "true" | "yes") || text_float64(&lower) == 1.0
        }
        Value::Int(value) | Value::Int64(value) => *value == 1,
        Value::Uint(value) => *value == 1,
        Value::Float(value) => *value == 1.0,
        _ => false,
    }
}

fn bool_word(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let text = string(call, &args[0])?;
    Ok(Value::Bool(matches!(text.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True")))
}

/// Converts to a whole number: texts by their base prefix and without commas, floats towards zero, others 0.
pub(super) fn to_int64(value: &Value) -> i64 {
    int64(value, |text| {
        let text = text.replace(',', "");
        whole(&text).unwrap_or_else(|| to_int64(&Value::Float(literal::float(&text).unwrap_or(0.0))))
    })
}

fn whole(text: &str) -> Option<i64> {
    literal::integer(text).and_then(|value| i64::try_from(value).ok())
}

fn text_float64(text: &str) -> f64 {
    let text = text.replace(',', "");
    match whole(&text) {
        #[expect(clippy::cast_precision_loss, reason = "Go's conversion rounds alike")]
        Some(value) => value as f64,
        None => literal::float(&text).unwrap_or(0.0),
    }
}

/// Converts to a float: texts as [`to_int64`] reads them or as floats, others 0.
pub(super) fn to_float64(value: &Value) -> f64 {
    float64(value, text_float64)
}

/// Answers `conv.ParseInt`: the nearest end where the number has more bits than asked for, 0 where it is none.
fn parse_int(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let text = string(call, &args[0])?;
    let (base, bits) = match (&args[1], &args[2]) {
        (Value::Int(base), Value::Int(bits)) => (*base, *bits),
        _ => return Ok(Value::Int64(0)),
    };
    let parsed = match u32::try_from(base) {
        Ok(0) => literal::integer(&text),
        Ok(base @ 2..=36) => i128::from_str_radix(&text, base).ok(),
        _ => None,
    };
    let bits = match bits {
        1..=63 => bits,
        0 | 64 => 64,
        _ => return Ok(Value::Int64(0)),
    };
    let end = 1_i128 << (bits - 1);
    let value = parsed.unwrap_or(0).clamp(-end, end - 1);
    Ok(Value::Int64(i64::try_from(value).unwrap_or(0)))
}

/// Returns the message and the value of a check with one or two arguments.
fn checked(args: &[Value]) -> Result<(&str, &Value), String> {
    match args {
        [value] => Ok(("", value)),
        [Value::Str(message), value] => Ok((message, value)),
        [other, _] => Err(format!("at <1>: expected string; found {}", other.type_name())),
        _ => Err(format!("wrong number of args: want 1 or 2, got {}", args.len())),
    }
}

fn assert(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (message, value) = checked(args)?;
    match (to_bool(value), message) {
        (true, _) => Ok(Value::str("")),
        (false, "") => Err("assertion failed".into()),
        (false, message) => Err(format!("assertion failed: {message}")),
    }
}

fn required(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let (message, value) = checked(args)?;
    if !value.is_nil() && value.as_str() != Some("") {
        return Ok(value.clone());
    }
    let default = "can not render template: a required value was not set";
    Err(if message.is_empty() { default } else { message }.into())
}

fn fail(call: &mut Call<'_>, args: &[Value]) -> Answer {
    match args {
        [] => Err("template generation failed".into()),
        [message] => match string(call, message)?.as_str() {
            "" => Err("template generation failed".into()),
            message => Err(format!("template generation failed: {message}")),
        },
        _ => Err(format!("wrong number of args: want 0 or 1, got {}", args.len())),
    }
}

fn is_kind(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let kind = args[1].kind_name();
    let wanted = args[0].as_str().unwrap_or_default();
    let number = matches!(kind, "int" | "int64" | "uint64" | "float64");
    Ok(Value::Bool(wanted == kind || wanted == "number" && number))
}
