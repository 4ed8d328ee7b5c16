//! sprig's functions (Masterminds/sprig 3), in Go's words where they fail.
//!
//! What answers otherwise each time or elsewhere is left out, and so an unknown function: dates (of now, in the
//! machine's time zone), random values, keys and certificates, look-ups of hosts.

mod cases;
mod dicts;
mod encode;
mod lists;
mod logic;
mod math;
mod regexes;
mod strings;
mod urls;
mod versions;

pub(super) use encode::{Style, write_json};
pub(super) use lists::deep_equal;
pub(super) use math::{decimal_int64, float64, int64};
pub(super) use strings::{split, wrap};

use super::{
    functions::{Call, Function},
    print,
    value::Value,
};

/// All of sprig's functions.
pub(super) const TABLES: &[&[Function]] = &[
    cases::TABLE,
    dicts::TABLE,
    encode::TABLE,
    lists::TABLE,
    logic::TABLE,
    math::TABLE,
    regexes::TABLE,
    strings::TABLE,
    urls::TABLE,
    versions::TABLE,
];

/// Returns an argument that is known to be a text.
fn text(args: &[Value], i: usize) -> &str {
    args.get(i).and_then(Value::as_str).unwrap_or_default()
}

/// Returns an argument that is known to be an `int`.
fn int(args: &[Value], i: usize) -> i64 {
    match args.get(i) {
        Some(Value::Int(value)) => *value,
        _ => 0,
    }
}

/// Returns a value as text, as sprig's `strval` does.
fn strval(call: &Call<'_>, value: &Value) -> Result<String, String> {
    match value {
        Value::Str(text) => Ok(text.to_string()),
        other => print::sprint(other, call.budget.text()),
    }
}

/// Returns the texts of a list, of one value, or of none, as sprig's `strslice` does.
fn strslice(call: &mut Call<'_>, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::List(list) => {
            call.budget.steps(list.items().len())?;
            list.items().iter().filter(|item| !item.is_nil()).map(|item| strval(call, item)).collect()
        }
        value if value.is_nil() => Ok(Vec::new()),
        other => Ok(vec![strval(call, other)?]),
    }
}
