//! The functions that Go's `text/template` has of its own.

use std::cmp::Ordering;

use super::{
    functions::{
        Answer, Call, Function,
        Param::{Any, Str},
        fixed, variadic,
    },
    print,
    printf::sprintf,
    value::Value,
};

/// Go's own functions, but for `and` and `or`, which evaluate their arguments themselves, and `call`.
pub(super) const TABLE: &[Function] = &[
    variadic("eq", &[Any], Any, |call, a| equal(call, a).map(Value::Bool)),
    fixed("ne", &[Any, Any], |call, a| Ok(Value::Bool(!equal(call, a)?))),
    fixed("lt", &[Any, Any], |_, a| Ok(Value::Bool(less(&a[0], &a[1])?))),
    fixed("le", &[Any, Any], |call, a| Ok(Value::Bool(less(&a[0], &a[1])? || equal(call, a)?))),
    fixed("gt", &[Any, Any], |call, a| Ok(Value::Bool(!(less(&a[0], &a[1])? || equal(call, a)?)))),
    fixed("ge", &[Any, Any], |_, a| Ok(Value::Bool(!less(&a[0], &a[1])?))),
    fixed("not", &[Any], |_, a| Ok(Value::Bool(!a[0].truth()))),
    fixed("len", &[Any], |_, a| len(&a[0])),
    variadic("index", &[Any], Any, |_, a| index(a)),
    variadic("slice", &[Any], Any, |_, a| slice(a)),
    variadic("print", &[], Any, |call, a| Ok(Value::str(print::join(a, false, call.budget.text())?))),
    variadic("println", &[], Any, |call, a| Ok(Value::str(print::join(a, true, call.budget.text())?))),
    variadic("printf", &[Str], Any, |call, a| {
        Ok(Value::str(sprintf(a[0].as_str().unwrap_or_default(), &a[1..], call.budget.text())?))
    }),
    variadic("html", &[], Any, |call, a| Ok(Value::str(escape_html(&text_of(call, a)?)))),
    variadic("js", &[], Any, |call, a| Ok(Value::str(escape_js(&text_of(call, a)?)))),
    variadic("urlquery", &[], Any, |call, a| {
        let text = text_of(call, a)?;
        Ok(Value::str(form_urlencoded(&text)))
    }),
    variadic("call", &[Any], Any, |_, a| Err(format!("non-function of type {}", a[0].type_name()))),
];

/// What a value is when it is compared.
#[derive(PartialEq, Clone, Copy)]
enum Basic {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Str,
    Other,
}

fn basic(value: &Value) -> Basic {
    match value {
        Value::Bool(value) => Basic::Bool(*value),
        Value::Int(value) | Value::Int64(value) => Basic::Int(*value),
        Value::Uint(value) => Basic::Uint(*value),
        Value::Float(value) => Basic::Float(*value),
        Value::Str(_) => Basic::Str,
        _ => Basic::Other,
    }
}

/// Answers `eq`: whether the first argument equals one of the others.
fn equal(call: &mut Call<'_>, args: &[Value]) -> Result<bool, String> {
    let [first, others @ ..] = args else { return Ok(false) };
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        let found = match (basic(first), basic(other)) {
            (Basic::Bool(a), Basic::Bool(b)) => a == b,
            (Basic::Int(a), Basic::Int(b)) => a == b,
            (Basic::Uint(a), Basic::Uint(b)) => a == b,
            (Basic::Float(a), Basic::Float(b)) => a == b,
            (Basic::Int(a), Basic::Uint(b)) | (Basic::Uint(b), Basic::Int(a)) => u64::try_from(a) == Ok(b),
            (Basic::Str, Basic::Str) => first.as_str() == other.as_str(),
            (Basic::Other, Basic::Other) => match (first.is_nil(), other.is_nil()) {
                (false, false) => {
                    let limit = call.budget.text();
                    let text = sprintf("%s", std::slice::from_ref(other), limit)?;
                    return Err(if first.kind_name() == other.kind_name() {
                        format!("non-comparable type {text}: {}", other.type_name())
                    } else {
                        let own = sprintf("%s", std::slice::from_ref(first), limit)?;
                        let (a, b) = (first.type_name(), other.type_name());
                        format!("non-comparable types {own}: {a}, {b}: {text}")
                    });
                }
                (a, b) => a == b,
            },
            _ if first.is_nil() || other.is_nil() => false,
            _ => {
                let (a, b) = (first.type_name(), other.type_name());
                return Err(format!("incompatible types for comparison: {a} and {b}"));
            }
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    const BAD: &str = "invalid type for comparison";
    Ok(match (basic(a), basic(b)) {
        (Basic::Other, _) | (_, Basic::Other) | (Basic::Bool(_), Basic::Bool(_)) => return Err(BAD.into()),
        (Basic::Int(a), Basic::Int(b)) => a < b,
        (Basic::Uint(a), Basic::Uint(b)) => a < b,
        (Basic::Float(a), Basic::Float(b)) => a.partial_cmp(&b) == Some(Ordering::Less),
        (Basic::Int(a), Basic::Uint(b)) => u64::try_from(a).is_ok_and(|a| a < b) || a < 0,
        (Basic::Uint(a), Basic::Int(b)) => u64::try_from(b).is_ok_and(|b| a < b),
        (Basic::Str, Basic::Str) => a.as_str() < b.as_str(),
        _ => {
            let (a, b) = (a.type_name(), b.type_name());
            return Err(format!("incompatible types for comparison: {a} and {b}"));
        }
    })
}

fn len(value: &Value) -> Answer {
    let length = match value {
        Value::Str(text) => text.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        Value::Missing | Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn position(index: &Value, length: usize) -> Result<usize, String> {
    let value = match index {
        Value::Int(value) | Value::Int64(value) => i128::from(*value),
        Value::Uint(value) => i128::from(*value),
        Value::Missing | Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    match usize::try_from(value) {
        Ok(position) if position <= length => Ok(position),
        _ => Err(format!("index out of range: {value}")),
    }
}

fn index(args: &[Value]) -> Answer {
    let mut item = args[0].clone();
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    for index in &args[1..] {
        item = match &item {
            Value::List(list) => {
                let at = position(index, list.items().len())?;
                let item = list.items().get(at).cloned();
                item.ok_or_else(|| "reflect: slice index out of range".to_owned())?
            }
            Value::Str(text) => {
                let at = position(index, text.len())?;
                let byte = text.as_bytes().get(at).copied();
                Value::Uint(u64::from(byte.ok_or("reflect: string index out of range")?))
            }
            Value::Map(map) => match index {
                Value::Str(key) => map.get(key).unwrap_or(Value::Nil),
                other if other.is_nil() => return Err("value is nil; should be of type string".into()),
                other => {
                    return Err(format!("value has type {}; should be string", other.type_name()));
                }
            },
            Value::Missing | Value::Nil => return Err("index of nil pointer".into()),
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(item)
}

fn slice(args: &[Value]) -> Answer {
    let item = &args[0];
    let length = match item {
        Value::Str(text) => text.len(),
        Value::List(list) => list.items().len(),
        _ if item.is_nil() => return Err("slice of untyped nil".into()),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    if args.len() > 4 {
        return Err(format!("too many slice indexes: {}", args.len() - 1));
    }
    if args.len() == 4 && matches!(item, Value::Str(_)) {
        return Err("cannot 3-index slice a string".into());
    }
    let bounds = args[1..].iter().map(|arg| position(arg, length)).collect::<Result<Vec<_>, _>>()?;
    let from = bounds.first().copied().unwrap_or(0);
    let to = bounds.get(1).copied().unwrap_or(length);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match item {
        Value::Str(text) => Value::str(String::from_utf8_lossy(&text.as_bytes()[from..to])),
        Value::List(list) => Value::list(list.items()[from..to].to_vec()),
        _ => Value::Nil,
    })
}

fn text_of(call: &Call<'_>, args: &[Value]) -> Result<String, String> {
    match args {
        [Value::Str(text)] => Ok(text.to_string()),
        _ => print::join(args, false, call.budget.text()),
    }
}

fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push('\u{fffd}'),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
    out
}

fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if (c as u32) < 0x20 || c == '\u{7f}' || c.is_control() => {
                out.push_str(&format!("\\u{:04X}", c as u32));
            }
            c => out.push(c),
        }
    }
    out
}

/// Encodes a text as a component of a query.
pub(super) fn form_urlencoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
