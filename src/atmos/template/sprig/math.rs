//! Numbers: conversions, sums, ranges.

use rust_decimal::{
    Decimal,
    RoundingStrategy::MidpointAwayFromZero,
    prelude::{FromPrimitive, ToPrimitive},
};

use super::{int, text};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Float, Int, Str},
        fixed, variadic,
    },
    literal, print,
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("atoi", &[Str], |_, a| Ok(Value::Int(text(a, 0).parse().unwrap_or(0)))),
    fixed("int64", &[Any], |_, a| Ok(Value::Int64(to_int64(&a[0])))),
    fixed("int", &[Any], |_, a| Ok(Value::Int(to_int64(&a[0])))),
    fixed("float64", &[Any], |_, a| Ok(Value::Float(to_float64(&a[0])))),
    fixed("toDecimal", &[Any], |call, a| {
        let text = print::sprint(&a[0], call.budget.text())?;
        Ok(Value::Int64(i64::from_str_radix(&text, 8).unwrap_or(0)))
    }),
    variadic("seq", &[], Int, seq),
    fixed("until", &[Int], |call, a| until_step(call, 0, int(a, 0), if int(a, 0) < 0 { -1 } else { 1 }).map(list)),
    fixed("untilStep", &[Int, Int, Int], |call, a| until_step(call, int(a, 0), int(a, 1), int(a, 2)).map(list)),
    fixed("add1", &[Any], |_, a| Ok(Value::Int64(to_int64(&a[0]).wrapping_add(1)))),
    variadic("add", &[], Any, |_, a| Ok(Value::Int64(a.iter().map(to_int64).fold(0, i64::wrapping_add)))),
    fixed("sub", &[Any, Any], |_, a| Ok(Value::Int64(to_int64(&a[0]).wrapping_sub(to_int64(&a[1]))))),
    fixed("div", &[Any, Any], |_, a| divide(a, i64::wrapping_div)),
    fixed("mod", &[Any, Any], |_, a| divide(a, i64::wrapping_rem)),
    variadic("mul", &[Any], Any, |_, a| Ok(Value::Int64(a.iter().map(to_int64).fold(1, i64::wrapping_mul)))),
    fixed("add1f", &[Any], |_, a| decimals(&[a[0].clone(), Value::Int(1)], Decimal::checked_add, |a, b| a + b)),
    variadic("addf", &[], Any, |_, a| {
        decimals(&[&[Value::Float(0.0)], a].concat(), Decimal::checked_add, |a, b| a + b)
    }),
    variadic("subf", &[Any], Any, |_, a| decimals(a, Decimal::checked_sub, |a, b| a - b)),
    variadic("mulf", &[Any], Any, |_, a| decimals(a, Decimal::checked_mul, |a, b| a * b)),
    variadic("divf", &[Any], Any, |_, a| {
        if a[1..].iter().any(|value| to_float64(value) == 0.0) {
            return Err("decimal division by 0".into());
        }
        let divided = |a: Decimal, b: Decimal| {
            a.checked_div(b).map(|value| value.round_dp_with_strategy(16, MidpointAwayFromZero))
        };
        decimals(a, divided, |a, b| a / b)
    }),
    variadic("biggest", &[Any], Any, |_, a| Ok(Value::Int64(a.iter().map(to_int64).max().unwrap_or(0)))),
    variadic("max", &[Any], Any, |_, a| Ok(Value::Int64(a.iter().map(to_int64).max().unwrap_or(0)))),
    variadic("min", &[Any], Any, |_, a| Ok(Value::Int64(a.iter().map(to_int64).min().unwrap_or(0)))),
    variadic("maxf", &[Any], Any, |_, a| Ok(Value::Float(a.iter().map(to_float64).fold(f64::NEG_INFINITY, f64::max)))),
    variadic("minf", &[Any], Any, |_, a| Ok(Value::Float(a.iter().map(to_float64).fold(f64::INFINITY, f64::min)))),
    fixed("ceil", &[Any], |_, a| Ok(Value::Float(to_float64(&a[0]).ceil()))),
    fixed("floor", &[Any], |_, a| Ok(Value::Float(to_float64(&a[0]).floor()))),
    variadic("round", &[Any, Int], Float, |_, a| Ok(Value::Float(round(a)))),
];

/// Converts as `cast.ToInt64`: texts by their base prefix, floats towards zero, what is no number 0.
pub(super) fn to_int64(value: &Value) -> i64 {
    int64(value, |text| {
        let text = trim_zero_decimal(text);
        literal::integer(text).and_then(|value| i64::try_from(value).ok()).unwrap_or(0)
    })
}

/// Converts to a whole number: texts as told, floats towards zero, what is no number 0.
pub(in crate::atmos::template) fn int64(value: &Value, read: impl Fn(&str) -> i64) -> i64 {
    match value {
        Value::Int(value) | Value::Int64(value) => *value,
        Value::Uint(value) => value.cast_signed(),
        #[expect(clippy::cast_possible_truncation, reason = "Go cuts the fraction off")]
        Value::Float(value) => *value as i64,
        Value::Bool(value) => i64::from(*value),
        Value::Str(text) => read(text),
        _ => 0,
    }
}

/// Takes `.0` and the like off the end of a text.
fn trim_zero_decimal(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, fraction))
            if !whole.is_empty() && !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') =>
        {
            whole
        }
        _ => text,
    }
}

/// Converts as `cast.ToFloat64`.
pub(super) fn to_float64(value: &Value) -> f64 {
    float64(value, |text| text.parse().unwrap_or(0.0))
}

/// Converts to a float: texts as told, what is no number 0.
pub(in crate::atmos::template) fn float64(value: &Value, read: impl Fn(&str) -> f64) -> f64 {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "Go's conversion rounds alike")]
        Value::Int(value) | Value::Int64(value) => *value as f64,
        #[expect(clippy::cast_precision_loss, reason = "Go's conversion rounds alike")]
        Value::Uint(value) => *value as f64,
        Value::Float(value) => *value,
        Value::Bool(value) => f64::from(u8::from(*value)),
        Value::Str(text) => read(text),
        _ => 0.0,
    }
}

/// Reads a decimal `int64` as Go's `strconv.ParseInt` does: 0 where it is none, the nearest end where it is too large.
pub(in crate::atmos::template) fn decimal_int64(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    text.parse().unwrap_or(if text.starts_with('-') { i64::MIN } else { i64::MAX })
}

fn divide(args: &[Value], op: fn(i64, i64) -> i64) -> Answer {
    match to_int64(&args[1]) {
        0 => Err("runtime error: integer divide by zero".into()),
        by => Ok(Value::Int64(op(to_int64(&args[0]), by))),
    }
}

/// Computes in decimals as sprig does; in floats where a number is too large for them.
fn decimals(args: &[Value], exact: fn(Decimal, Decimal) -> Option<Decimal>, rough: fn(f64, f64) -> f64) -> Answer {
    let floats: Vec<f64> = args.iter().map(to_float64).collect();
    let parsed: Option<Vec<Decimal>> = floats.iter().map(|value| Decimal::from_f64(*value)).collect();
    let result = parsed.and_then(|values| {
        let (first, rest) = values.split_first()?;
        rest.iter().try_fold(*first, |sum, value| exact(sum, *value))?.to_f64()
    });
    let fallback = || floats.iter().copied().reduce(rough).unwrap_or(0.0);
    Ok(Value::Float(result.unwrap_or_else(fallback)))
}

fn list(numbers: Vec<i64>) -> Value {
    Value::list(numbers.into_iter().map(Value::Int).collect())
}

fn until_step(call: &mut Call<'_>, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, String> {
    if (stop < start) == (step >= 0) || step == 0 {
        return Ok(Vec::new());
    }
    let distance = i128::from(stop) - i128::from(start);
    let count = (distance.unsigned_abs()).div_ceil(u128::from(step.unsigned_abs()));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    call.budget.steps(count)?;
    Ok((0..count).scan(start, |next, _| Some(std::mem::replace(next, next.saturating_add(step)))).collect())
}

fn seq(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let at = |i: usize| int(args, i);
    let (start, end, step) = match args.len() {
        1 => (1, at(0), if at(0) < 1 { -1 } else { 1 }),
        2 => (at(0), at(1), if at(1) < at(0) { -1 } else { 1 }),
        3 if at(2) < at(0) && at(1) > 0 => return Ok(Value::str("")),
        3 => (at(0), at(2), at(1)),
        _ => return Ok(Value::str("")),
    };
    let stop = end.saturating_add(if end < start { -1 } else { 1 });
    let numbers = until_step(call, start, stop, step)?;
    Ok(Value::str(numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")))
}

fn round(args: &[Value]) -> f64 {
    let threshold = args.get(2).map_or(0.5, to_float64);
    let places = i32::try_from(int(args, 1)).unwrap_or(i32::MAX);
    let power = 10f64.powi(places);
    let digits = power * to_float64(&args[0]);
    let rounded = if digits.fract() >= threshold { digits.ceil() } else { digits.floor() };
    rounded / power
}
