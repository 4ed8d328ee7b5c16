//! Maps: making, reading, changing, merging.

use std::rc::Rc;

use super::{strval, text};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Map, Str},
        fixed, variadic,
    },
    value::{MAX_DEPTH, Map as Dict, Value},
};

pub(super) const TABLE: &[Function] = &[
    variadic("dict", &[], Any, |call, a| {
        let pair = |pair: &[Value]| {
            let value = pair.get(1).cloned().unwrap_or_else(|| Value::str(""));
            let value = if value.is_nil() { Value::Nil } else { value };
            strval(call, &pair[0]).map(|key| (key.into(), value))
        };
        Ok(Value::map(a.chunks(2).map(pair).collect::<Result<Vec<_>, _>>()?))
    }),
    fixed("get", &[Map, Str], |_, a| Ok(dict(a, 0)?.get(text(a, 1)).unwrap_or_else(|| Value::str("")))),
    fixed("set", &[Map, Str, Any], |call, a| {
        call.budget.bytes(64)?;
        let value = if a[2].is_nil() { Value::Nil } else { a[2].clone() };
        dict(a, 0)?.insert(text(a, 1).into(), value);
        Ok(a[0].clone())
    }),
    fixed("unset", &[Map, Str], |_, a| {
        dict(a, 0)?.remove(text(a, 1));
        Ok(a[0].clone())
    }),
    fixed("hasKey", &[Map, Str], |_, a| Ok(Value::Bool(dict(a, 0)?.get(text(a, 1)).is_some()))),
    variadic("pluck", &[Str], Map, |_, a| {
        let found = (1..a.len()).map(|i| Ok(dict(a, i)?.get(text(a, 0))));
        Ok(Value::list(found.collect::<Result<Vec<_>, String>>()?.into_iter().flatten().collect()))
    }),
    variadic("keys", &[], Map, |_, a| {
        let keys = (0..a.len()).map(|i| Ok(dict(a, i)?.keys()));
        Ok(Value::strings(keys.collect::<Result<Vec<_>, String>>()?.concat()))
    }),
    fixed("values", &[Map], |_, a| {
        Ok(Value::list(dict(a, 0)?.entries().into_iter().map(|(_, value)| value).collect()))
    }),
    variadic("pick", &[Map], Str, |_, a| {
        let dict = dict(a, 0)?;
        let picked = |key: &Value| {
            let key = key.as_str()?;
            Some((Rc::from(key), dict.get(key)?))
        };
        Ok(Value::map(a[1..].iter().filter_map(picked)))
    }),
    variadic("omit", &[Map], Str, |call, a| {
        call.budget.steps(dict(a, 0)?.len())?;
        let mut kept = dict(a, 0)?.entries();
        kept.retain(|(key, _)| !a[1..].iter().any(|omitted| omitted.as_str() == Some(key)));
        Ok(Value::map(kept))
    }),
    variadic("merge", &[Map], Map, |call, a| merge_all(call, a, false)),
    variadic("mustMerge", &[Map], Map, |call, a| merge_all(call, a, false)),
    variadic("mergeOverwrite", &[Map], Map, |call, a| merge_all(call, a, true)),
    variadic("mustMergeOverwrite", &[Map], Map, |call, a| merge_all(call, a, true)),
    variadic("dig", &[], Any, dig),
    fixed("deepCopy", &[Any], |call, a| deep_copy(call, &a[0], 0)),
    fixed("mustDeepCopy", &[Any], |call, a| deep_copy(call, &a[0], 0)),
];

fn dict(args: &[Value], i: usize) -> Result<&Rc<Dict>, String> {
    match args.get(i) {
        Some(Value::Map(map)) => Ok(map),
        _ => Err("expected a map".into()),
    }
}

fn merge_all(call: &mut Call<'_>, args: &[Value], overwrite: bool) -> Answer {
    let target = dict(args, 0)?;
    for i in 1..args.len() {
        merge(call, target, dict(args, i)?, overwrite, 0)?;
    }
    Ok(args[0].clone())
}

/// Merges as mergo does: maps deeply, and a value where the target has none (or an empty one), or in any case.
fn merge(call: &mut Call<'_>, to: &Rc<Dict>, from: &Rc<Dict>, overwrite: bool, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the values are nested too deeply to be merged".into());
    }
    if Rc::ptr_eq(to, from) {
        return Ok(());
    }
    for (key, value) in from.entries() {
        call.budget.steps(1)?;
        match (to.get(&key), &value) {
            (Some(Value::Map(own)), Value::Map(other)) => merge(call, &own, other, overwrite, depth + 1)?,
            (Some(own), _) if own.truth() && !overwrite => {}
            // A nil fills no gap.
            (_, value) if value.is_nil() && !overwrite => {}
            _ => {
                call.budget.bytes(64)?;
                to.insert(key, value);
            }
        }
    }
    Ok(())
}

fn dig(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let [keys @ .., default, last] = args else { return Err("dig needs at least three arguments".into()) };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let conversion = |value: &Value, wanted: &str| {
        let got = if value.is_nil() { "nil" } else { value.type_name() };
        format!("interface conversion: interface {{}} is {got}, not {wanted}")
    };
    let mut value = last.clone();
    for key in keys {
        let Value::Map(map) = &value else {
            return Err(conversion(&value, "map[string]interface {}"));
        };
        let key = key.as_str().ok_or_else(|| conversion(key, "string"))?;
        match map.get(key) {
            Some(found) => value = found,
            None => return Ok(default.clone()),
        }
    }
    Ok(value)
}

fn deep_copy(call: &mut Call<'_>, value: &Value, depth: usize) -> Answer {
    if depth > MAX_DEPTH {
        return Err("the value is nested too deeply to be copied".into());
    }
    call.budget.steps(1)?;
    call.budget.bytes(value.weight())?;
    Ok(match value {
        Value::List(list) => {
            let items = list.items().iter().map(|item| deep_copy(call, item, depth + 1));
            Value::list(items.collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let entries = map.entries().into_iter();
            let copied = entries.map(|(key, item)| Ok((key, deep_copy(call, &item, depth + 1)?)));
            Value::map(copied.collect::<Result<Vec<_>, String>>()?)
        }
        other => other.clone(),
    })
}
