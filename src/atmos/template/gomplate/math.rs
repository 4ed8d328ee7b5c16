//! `math`: whole numbers stay whole, one float makes all of them floats.

use super::convert::{to_float64, to_int64};
use crate::atmos::template::{
    functions::{Answer, Call, Function, Param::Any, fixed, variadic},
    literal,
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    variadic("math.Add", &[], Any, |_, a| Ok(folded(a, 0, i64::wrapping_add, |a, b| a + b))),
    variadic("math.Mul", &[], Any, |_, a| Ok(folded(a, 1, i64::wrapping_mul, |a, b| a * b))),
    fixed("math.Sub", &[Any, Any], |_, a| {
        Ok(if a.iter().any(is_float) {
            Value::Float(to_float64(&a[0]) - to_float64(&a[1]))
        } else {
            Value::Int64(to_int64(&a[0]).wrapping_sub(to_int64(&a[1])))
        })
    }),
    fixed("math.Div", &[Any, Any], |_, a| match to_float64(&a[1]) {
        0.0 => Err("error: division by 0".into()),
        by => Ok(Value::Float(to_float64(&a[0]) / by)),
    }),
    fixed("math.Rem", &[Any, Any], remainder),
    fixed("rem", &[Any, Any], remainder),
    fixed("math.Pow", &[Any, Any], |_, a| Ok(power(a))),
    fixed("pow", &[Any, Any], |_, a| Ok(power(a))),
    variadic("math.Seq", &[], Any, seq),
    variadic("math.Max", &[Any], Any, |_, a| Ok(extreme(a, i64::max, f64::max))),
    variadic("math.Min", &[Any], Any, |_, a| Ok(extreme(a, i64::min, f64::min))),
    fixed("math.Abs", &[Any], |_, a| {
        let value = Value::Float(to_float64(&a[0]).abs());
        Ok(if is_int(&a[0]) { Value::Int64(to_int64(&value)) } else { value })
    }),
    fixed("math.Ceil", &[Any], |_, a| Ok(Value::Float(to_float64(&a[0]).ceil()))),
    fixed("math.Floor", &[Any], |_, a| Ok(Value::Float(to_float64(&a[0]).floor()))),
    fixed("math.Round", &[Any], |_, a| Ok(Value::Float(to_float64(&a[0]).round()))),
    fixed("math.IsInt", &[Any], |_, a| Ok(Value::Bool(is_int(&a[0])))),
    fixed("math.IsFloat", &[Any], |_, a| Ok(Value::Bool(is_float(&a[0])))),
    fixed("math.IsNum", &[Any], |_, a| Ok(Value::Bool(is_int(&a[0]) || is_float(&a[0])))),
];

fn is_int(value: &Value) -> bool {
    match value {
        Value::Int(_) | Value::Int64(_) | Value::Uint(_) => true,
        Value::Str(text) => literal::integer(text).is_some_and(|value| i64::try_from(value).is_ok()),
        _ => false,
    }
}

fn is_float(value: &Value) -> bool {
    match value {
        Value::Float(_) => true,
        Value::Str(text) => !is_int(value) && literal::float(text).is_some(),
        _ => false,
    }
}

fn folded(args: &[Value], start: i32, whole: fn(i64, i64) -> i64, float: fn(f64, f64) -> f64) -> Value {
    if args.iter().any(is_float) {
        Value::Float(args.iter().map(to_float64).fold(f64::from(start), float))
    } else {
        Value::Int64(args.iter().map(to_int64).fold(i64::from(start), whole))
    }
}

fn extreme(args: &[Value], whole: fn(i64, i64) -> i64, float: fn(f64, f64) -> f64) -> Value {
    if args.iter().any(is_float) {
        Value::Float(args.iter().map(to_float64).reduce(float).unwrap_or(0.0))
    } else {
        Value::Int64(args.iter().map(to_int64).reduce(whole).unwrap_or(0))
    }
}

fn remainder(_: &mut Call<'_>, args: &[Value]) -> Answer {
    match to_int64(&args[1]) {
        0 => Err("runtime error: integer divide by zero".into()),
        by => Ok(Value::Int64(to_int64(&args[0]).wrapping_rem(by))),
    }
}

fn power(args: &[Value]) -> Value {
    let value = Value::Float(to_float64(&args[0]).powf(to_float64(&args[1])));
    if is_float(&args[0]) { value } else { Value::Int64(to_int64(&value)) }
}

/// Answers `math.Seq`: from 1 or the first number to the next, in steps whose direction is the right one.
fn seq(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let at = |i: usize| i128::from(to_int64(&args[i]));
    let (start, end, step) = match args.len() {
        0 => return Err("math.Seq must be given at least an 'end' value".into()),
        1 => (1, at(0), 1),
        2 => (at(0), at(1), 1),
        3 => (at(0), at(1), at(2)),
        _ => (1, 0, 1),
    };
    if step == 0 {
        return Ok(Value::list(Vec::new()));
    }
    let step = if (end < start) == (step > 0) && end != start { -step } else { step };
    let count = usize::try_from((end - start) / step).unwrap_or(0).saturating_add(1);
    call.budget.steps(count)?;
    let numbers = (0..count).scan(start, |next, _| Some(std::mem::replace(next, *next + step)));
    Ok(Value::list(numbers.map(|number| Value::Int64(i64::try_from(number).unwrap_or(i64::MAX))).collect()))
}
