//! gomplate's functions (version 3.11), which Atmos gives every template beside sprig's: namespaces (`strings.ToUpper`)
//! and names of their own (`toYAML`, `getenv`). Where sprig has the name too, sprig's counts.
//!
//! Left out, and so unknown, is what asks the world (data sources, files, clouds, hosts), what answers otherwise each
//! time (`random`, `uuid`, `time`), and keys and certificates.

mod coll;
mod convert;
mod data;
mod math;
mod strings;
mod texts;

use super::{
    functions::{Call, Function},
    print,
    value::Value,
};

/// All of gomplate's functions.
pub(super) const TABLES: &[&[Function]] =
    &[coll::TABLE, convert::TABLE, data::TABLE, math::TABLE, strings::TABLE, texts::TABLE];

/// Returns a value as text, as gomplate's `conv.ToString` does.
fn string(call: &Call<'_>, value: &Value) -> Result<String, String> {
    match value {
        Value::Str(text) => Ok(text.to_string()),
        value if value.is_nil() => Ok("nil".into()),
        other => print::sprint(other, call.budget.text()),
    }
}

/// Returns values as texts.
fn texts(call: &Call<'_>, values: &[Value]) -> Result<Vec<String>, String> {
    values.iter().map(|value| string(call, value)).collect()
}

/// Returns the items of a list, or gomplate's refusal of what is none.
fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(list) => Ok(list.items()),
        _ => Err("expected an array or slice, but got a reflect.Value".into()),
    }
}
