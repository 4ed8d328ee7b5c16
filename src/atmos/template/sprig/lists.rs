//! Lists: making, cutting, joining, searching.

use super::{int, strslice, strval};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Int},
        fixed, variadic,
    },
    value::{MAX_DEPTH, Value},
};

pub(super) const TABLE: &[Function] = &[
    variadic("list", &[], Any, |_, a| Ok(Value::list(nils(a)))),
    variadic("tuple", &[], Any, |_, a| Ok(Value::list(nils(a)))),
    fixed("append", &[Any, Any], append),
    fixed("push", &[Any, Any], append),
    fixed("mustAppend", &[Any, Any], append),
    fixed("mustPush", &[Any, Any], append),
    fixed("prepend", &[Any, Any], prepend),
    fixed("mustPrepend", &[Any, Any], prepend),
    fixed("first", &[Any], |_, a| Ok(items("find first on", a)?.first().cloned().unwrap_or(Value::Nil))),
    fixed("mustFirst", &[Any], |_, a| Ok(items("find first on", a)?.first().cloned().unwrap_or(Value::Nil))),
    fixed("last", &[Any], |_, a| Ok(items("find last on", a)?.last().cloned().unwrap_or(Value::Nil))),
    fixed("mustLast", &[Any], |_, a| Ok(items("find last on", a)?.last().cloned().unwrap_or(Value::Nil))),
    fixed("rest", &[Any], |call, a| copy(call, items("find rest on", a)?.get(1..).unwrap_or_default())),
    fixed("mustRest", &[Any], |call, a| copy(call, items("find rest on", a)?.get(1..).unwrap_or_default())),
    fixed("initial", &[Any], initial),
    fixed("mustInitial", &[Any], initial),
    fixed("reverse", &[Any], reverse),
    fixed("mustReverse", &[Any], reverse),
    fixed("compact", &[Any], compact),
    fixed("mustCompact", &[Any], compact),
    fixed("uniq", &[Any], uniq),
    fixed("mustUniq", &[Any], uniq),
    variadic("without", &[Any], Any, without),
    variadic("mustWithout", &[Any], Any, without),
    fixed("has", &[Any, Any], has),
    fixed("mustHas", &[Any, Any], has),
    variadic("slice", &[Any], Any, slice),
    variadic("mustSlice", &[Any], Any, slice),
    variadic("concat", &[], Any, concat),
    fixed("chunk", &[Int, Any], chunk),
    fixed("mustChunk", &[Int, Any], chunk),
    fixed("sortAlpha", &[Any], |call, a| {
        if !matches!(a[0], Value::List(_)) {
            return Ok(Value::strings([strval(call, &a[0])?]));
        }
        let mut parts = strslice(call, &a[0])?;
        parts.sort();
        Ok(Value::strings(parts))
    }),
    fixed("deepEqual", &[Any, Any], |call, a| Ok(Value::Bool(deep_equal(call, &a[0], &a[1], 0)?))),
];

/// Returns values with what is missing as nil, as a Go slice would hold it.
fn nils(values: &[Value]) -> Vec<Value> {
    let nil = |value: &Value| if value.is_nil() { Value::Nil } else { value.clone() };
    values.iter().map(nil).collect()
}

/// Returns the items of the first argument, or the refusal of what is no list.
fn items<'a>(verb: &str, args: &'a [Value]) -> Result<&'a [Value], String> {
    match &args[0] {
        Value::List(list) => Ok(list.items()),
        value if value.is_nil() => Err("runtime error: invalid memory address or nil pointer dereference".into()),
        other => Err(format!("Cannot {verb} type {}", other.kind_name())),
    }
}

fn copy(call: &mut Call<'_>, items: &[Value]) -> Answer {
    call.budget.steps(items.len() / 16)?;
    Ok(Value::list(items.to_vec()))
}

fn append(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items("push on", args)?;
    call.budget.steps(items.len() / 16)?;
    Ok(Value::list([items, &nils(&args[1..])].concat()))
}

fn prepend(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items("prepend on", args)?;
    call.budget.steps(items.len() / 16)?;
    Ok(Value::list([&nils(&args[1..]), items].concat()))
}

fn initial(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items("find initial on", args)?;
    copy(call, items.get(..items.len().saturating_sub(1)).unwrap_or_default())
}

fn reverse(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items("find reverse on", args)?;
    call.budget.steps(items.len() / 16)?;
    Ok(Value::list(items.iter().rev().cloned().collect()))
}

fn compact(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items("compact on", args)?;
    call.budget.steps(items.len() / 16)?;
    Ok(Value::list(items.iter().filter(|item| item.truth()).cloned().collect()))
}

fn contains(call: &mut Call<'_>, list: &[Value], needle: &Value) -> Result<bool, String> {
    for item in list {
        if deep_equal(call, needle, item, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut kept: Vec<Value> = Vec::new();
    for item in items("find uniq on", args)? {
        if !contains(call, &kept, item)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn without(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut kept = Vec::new();
    for item in items("find without on", args)? {
        if !contains(call, &args[1..], item)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn has(call: &mut Call<'_>, args: &[Value]) -> Answer {
    if args[1].is_nil() {
        return Ok(Value::Bool(false));
    }
    let list = items("find has on", &args[1..])?;
    Ok(Value::Bool(contains(call, list, &args[0])?))
}

fn slice(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = match &args[0] {
        Value::List(list) => list.items(),
        other => return Err(format!("list should be type of slice or array but {}", other.kind_name())),
    };
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let bound = |i: usize, default: usize| match args.get(i) {
        Some(value) => usize::try_from(super::math::to_int64(value)).unwrap_or(usize::MAX),
        None => default,
    };
    let (from, to) = (bound(1, 0), bound(2, items.len()));
    if from > to || to > items.len() {
        return Err("reflect.Value.Slice: slice index out of bounds".into());
    }
    copy(call, &items[from..to])
}

fn concat(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut all = Vec::new();
    for arg in args {
        match arg {
            Value::List(list) => {
                call.budget.steps(list.items().len() / 16)?;
                call.budget.bytes(list.items().len() * 16)?;
                all.extend_from_slice(list.items());
            }
            other => return Err(format!("Cannot concat type {} as list", other.kind_name())),
        }
    }
    Ok(if all.is_empty() { Value::list(Vec::new()) } else { Value::list(all) })
}

fn chunk(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = items("chunk", &args[1..])?;
    let Some(size) = usize::try_from(int(args, 0)).ok().filter(|size| *size > 0) else {
        return Err("runtime error: makeslice: len out of range".into());
    };
    call.budget.steps(items.len())?;
    Ok(Value::list(items.chunks(size).map(|chunk| Value::list(chunk.to_vec())).collect()))
}

/// Compares as `reflect.DeepEqual`: Go types count, so that 1 is not 1.0.
pub(in crate::atmos::template) fn deep_equal(
    call: &mut Call<'_>,
    a: &Value,
    b: &Value,
    depth: usize,
) -> Result<bool, String> {
    if depth > MAX_DEPTH {
        return Err("the values are nested too deeply to be compared".into());
    }
    call.budget.steps(1)?;
    Ok(match (a, b) {
        (Value::Missing | Value::Nil, Value::Missing | Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Uint(a), Value::Uint(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => {
            call.budget.steps(a.len() / 256)?;
            a == b
        }
        (Value::Version(a), Value::Version(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.items().len() != b.items().len() {
                return Ok(false);
            }
            for (a, b) in a.items().iter().zip(b.items()) {
                if !deep_equal(call, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            for ((key, a), (other, b)) in a.entries().iter().zip(&b.entries()) {
                if key != other || !deep_equal(call, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        _ => false,
    })
}
