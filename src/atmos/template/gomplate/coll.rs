//! `coll`: lists and maps, all of them new ones.

use std::{cmp::Ordering, rc::Rc};

use super::{convert::to_int64, items, string};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Map, Str},
        fixed, variadic,
    },
    sprig::deep_equal,
    value::{MAX_DEPTH, Value},
};

pub(super) const TABLE: &[Function] = &[
    variadic("coll.Slice", &[], Any, |_, a| Ok(list(a))),
    fixed("coll.Has", &[Any, Str], has),
    variadic("coll.Dict", &[], Any, dict),
    variadic("coll.Keys", &[], Map, |_, a| Ok(Value::strings(entries(a)?.into_iter().map(|(key, _)| key)))),
    variadic("coll.Values", &[], Map, |_, a| {
        Ok(Value::list(entries(a)?.into_iter().map(|(_, value)| value).collect()))
    }),
    fixed("coll.Append", &[Any, Any], |call, a| joined(call, &a[1], &[], &a[..1])),
    fixed("coll.Prepend", &[Any, Any], |call, a| joined(call, &a[1], &a[..1], &[])),
    fixed("coll.Uniq", &[Any], uniq),
    fixed("coll.Reverse", &[Any], |_, a| Ok(Value::list(items(&a[0])?.iter().rev().cloned().collect()))),
    variadic("coll.Merge", &[Map], Map, |call, a| {
        a[1..].iter().try_fold(a[0].clone(), |own, under| merged(call, &own, under, 0))
    }),
    variadic("coll.Sort", &[], Any, sort),
    variadic("sort", &[], Any, sort),
    variadic("coll.Flatten", &[], Any, flatten),
    variadic("flatten", &[], Any, flatten),
    variadic("coll.Pick", &[], Any, |call, a| chosen(call, a, true)),
    variadic("coll.Omit", &[], Any, |call, a| chosen(call, a, false)),
];

/// Returns a list of values; what is missing is nil in it.
fn list(values: &[Value]) -> Value {
    let nil = |value: &Value| if value.is_nil() { Value::Nil } else { value.clone() };
    Value::list(values.iter().map(nil).collect())
}

pub(super) fn has(call: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(Value::Bool(match (&args[0], &args[1]) {
        (Value::Map(map), Value::Str(key)) => map.get(key).is_some(),
        (Value::List(list), key) => {
            call.budget.steps(list.items().len())?;
            list.items().iter().any(|item| item.as_str().is_some() && item.as_str() == key.as_str())
        }
        _ => false,
    }))
}

pub(super) fn dict(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let pair = |pair: &[Value]| {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::str(""));
        Ok((string(call, &pair[0])?.into(), if value.is_nil() { Value::Nil } else { value }))
    };
    Ok(Value::map(args.chunks(2).map(pair).collect::<Result<Vec<_>, String>>()?))
}

/// Returns the entries of maps, one after the other, sorted within each.
fn entries(maps: &[Value]) -> Result<Vec<(Rc<str>, Value)>, String> {
    if maps.is_empty() {
        return Err("need at least one argument".into());
    }
    let entries = |value: &Value| if let Value::Map(map) = value { map.entries() } else { Vec::new() };
    Ok(maps.iter().flat_map(entries).collect())
}

fn joined(call: &mut Call<'_>, middle: &Value, before: &[Value], after: &[Value]) -> Answer {
    let middle = items(middle)?;
    call.budget.steps(middle.len() / 16)?;
    Ok(list(&[before, middle, after].concat()))
}

fn uniq(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut kept: Vec<Value> = Vec::new();
    'items: for item in items(&args[0])? {
        for own in &kept {
            if deep_equal(call, own, item, 0)? {
                continue 'items;
            }
        }
        kept.push(item.clone());
    }
    Ok(Value::list(kept))
}

/// Returns the first map with what only the second has, deeply; a nil of the first stays.
fn merged(call: &mut Call<'_>, own: &Value, under: &Value, depth: usize) -> Answer {
    let (Value::Map(first), Value::Map(second)) = (own, under) else { return Ok(own.clone()) };
    if depth > MAX_DEPTH {
        return Err("the values are nested too deeply to be merged".into());
    }
    let mut result = second.entries();
    call.budget.steps(result.len() + first.len())?;
    for (key, value) in first.entries() {
        let value = match second.get(&key) {
            Some(below @ Value::Map(_)) => merged(call, &value, &below, depth + 1)?,
            _ => value,
        };
        result.push((key, value));
    }
    Ok(Value::map(result))
}

fn counted(args: &[Value]) -> Result<(), String> {
    match args.len() {
        1 | 2 => Ok(()),
        count => Err(format!("wrong number of args: wanted 1 or 2, got {count}")),
    }
}

/// Sorts a list whose items are of one type, maps by the value under a key.
fn sort(call: &mut Call<'_>, args: &[Value]) -> Answer {
    counted(args)?;
    let key = if args.len() == 2 { string(call, &args[0])? } else { String::new() };
    let last = &args[args.len() - 1];
    if last.is_nil() {
        return Ok(Value::list(Vec::new()));
    }
    let mut sorted = items(last)?.to_vec();
    call.budget.steps(sorted.len().saturating_mul(8))?;
    let kind = sorted.first().map(Value::kind_name);
    if sorted.iter().all(|item| Some(item.kind_name()) == kind) {
        sorted.sort_by(|a, b| match (a, b) {
            (Value::Map(a), Value::Map(b)) => match (a.get(&key), b.get(&key)) {
                (Some(a), Some(b)) => order(&a, &b),
                _ => Ordering::Equal,
            },
            _ => order(a, b),
        });
    }
    Ok(Value::list(sorted))
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a) | Value::Int64(a), Value::Int(b) | Value::Int64(b)) => a.cmp(b),
        (Value::Uint(a), Value::Uint(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.total_cmp(b),
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

fn flatten(call: &mut Call<'_>, args: &[Value]) -> Answer {
    counted(args)?;
    let levels = if args.len() == 2 { to_int64(&args[0]) } else { -1 };
    let mut flat = Vec::new();
    collect(call, items(&args[args.len() - 1])?, levels, 0, &mut flat)?;
    Ok(Value::list(flat))
}

fn collect(
    call: &mut Call<'_>,
    items: &[Value],
    levels: i64,
    depth: usize,
    flat: &mut Vec<Value>,
) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the list is nested too deeply to be flattened".into());
    }
    call.budget.steps(items.len())?;
    call.budget.bytes(size_of_val(items))?;
    for item in items {
        match item {
            Value::List(inner) if levels != 0 => collect(call, inner.items(), levels - 1, depth + 1, flat)?,
            other => flat.push(other.clone()),
        }
    }
    Ok(())
}

/// Answers `coll.Pick` and `coll.Omit`: keys first, the map last.
fn chosen(call: &mut Call<'_>, args: &[Value], picks: bool) -> Answer {
    if args.len() < 2 {
        return Err(format!("wrong number of args: wanted 2 or more, got {}", args.len()));
    }
    let (keys, last) = args.split_at(args.len() - 1);
    let Value::Map(map) = &last[0] else {
        return Err(format!("wrong map type: must be map[string]interface{{}}, got {}", last[0].type_name()));
    };
    if let Some(other) = keys.iter().find(|key| key.as_str().is_none()) {
        let shown = string(call, other)?;
        return Err(format!("wrong key type: must be string, got {} ({shown})", other.type_name()));
    }
    call.budget.steps(map.len().saturating_mul(keys.len()))?;
    let mut kept = map.entries();
    kept.retain(|(key, _)| keys.iter().any(|own| own.as_str() == Some(key)) == picks);
    Ok(Value::map(kept))
}
