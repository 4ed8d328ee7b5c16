//! Defaults, choices, types, failure, the environment.

use super::{strval, text};
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Bool, Str},
        fixed, variadic,
    },
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    variadic("default", &[Any], Any, |_, a| Ok(a.get(1).filter(|given| given.truth()).unwrap_or(&a[0]).clone())),
    fixed("empty", &[Any], |_, a| Ok(Value::Bool(!a[0].truth()))),
    variadic("coalesce", &[], Any, |_, a| Ok(a.iter().find(|value| value.truth()).cloned().unwrap_or(Value::Nil))),
    variadic("all", &[], Any, |_, a| Ok(Value::Bool(a.iter().all(Value::truth)))),
    variadic("any", &[], Any, |_, a| Ok(Value::Bool(a.iter().any(Value::truth)))),
    fixed("ternary", &[Any, Any, Bool], |_, a| {
        Ok(if matches!(a[2], Value::Bool(true)) { a[0].clone() } else { a[1].clone() })
    }),
    fixed("typeOf", &[Any], |_, a| Ok(Value::str(a[0].type_name()))),
    fixed("typeIs", &[Str, Any], |_, a| Ok(Value::Bool(text(a, 0) == a[1].type_name()))),
    fixed("typeIsLike", &[Str, Any], |_, a| Ok(Value::Bool(text(a, 0).trim_start_matches('*') == a[1].type_name()))),
    fixed("kindOf", &[Any], |_, a| Ok(Value::str(a[0].kind_name()))),
    fixed("kindIs", &[Str, Any], |_, a| Ok(Value::Bool(text(a, 0) == a[1].kind_name()))),
    fixed("fail", &[Str], |_, a| Err(text(a, 0).to_owned())),
    fixed("env", &[Str], |call, a| Ok(Value::str(variable(call, text(a, 0))))),
    fixed("expandenv", &[Str], expand),
    variadic("collectKeys", &[Any], Str, collect_keys),
];

fn variable<'c>(call: &Call<'c>, name: &str) -> &'c str {
    call.env.get(name).map_or("", String::as_str)
}

/// Replaces `$name` and `${name}` by the environment that was passed in.
fn expand(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut out = String::new();
    let mut rest = text(args, 0);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = if let Some(inner) = rest.strip_prefix('{') {
            let Some((name, after)) = inner.split_once('}') else {
                // Go drops the broken start.
                rest = inner;
                continue;
            };
            rest = after;
            name
        } else {
            let is_name = |c: char| c == '_' || c.is_ascii_alphanumeric();
            let mut end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            match rest.chars().next() {
                Some(c) if "*#$@!?-0123456789".contains(c) => end = 1,
                _ if end == 0 => {
                    out.push('$');
                    continue;
                }
                _ => {}
            }
            let (name, after) = rest.split_at(end);
            rest = after;
            name
        };
        let value = variable(call, name);
        call.budget.bytes(value.len())?;
        out.push_str(value);
    }
    out.push_str(rest);
    Ok(Value::str(out))
}

/// Answers Atmos' own `collectKeys`: the sorted keys of a map, or of the maps under one key of its values.
fn collect_keys(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let Value::Map(map) = &args[0] else {
        return Err(format!("collectKeys: expected a map, got {}", args[0].type_name()));
    };
    let Some(nested) = args.get(1) else { return Ok(Value::strings(map.keys())) };
    let nested = strval(call, nested)?;
    let mut keys = std::collections::BTreeSet::new();
    for (_, value) in map.entries() {
        if let Value::Map(inner) = value
            && let Some(Value::Map(inner)) = inner.get(&nested)
        {
            keys.extend(inner.keys());
        }
    }
    Ok(Value::strings(keys))
}
