//! `regexp`, `path`, `filepath` and `crypto`: the same as sprig's under other names, for values of any type.

use super::{string, texts};
use crate::atmos::template::{
    functions::{self, Answer, Call, Function, Param::Any, fixed, variadic},
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("regexp.Match", &[Any, Any], |call, a| sprig(call, "mustRegexMatch", a)),
    fixed("regexp.Find", &[Any, Any], |call, a| sprig(call, "regexFind", a)),
    variadic("regexp.FindAll", &[], Any, |call, a| counted(call, "regexFindAll", a)),
    fixed("regexp.Replace", &[Any, Any, Any], |call, a| {
        sprig(call, "regexReplaceAll", &[a[0].clone(), a[2].clone(), a[1].clone()])
    }),
    fixed("regexp.ReplaceLiteral", &[Any, Any, Any], |call, a| {
        sprig(call, "regexReplaceAllLiteral", &[a[0].clone(), a[2].clone(), a[1].clone()])
    }),
    variadic("regexp.Split", &[], Any, |call, a| counted(call, "regexSplit", a)),
    fixed("regexp.QuoteMeta", &[Any], |call, a| sprig(call, "regexQuoteMeta", a)),
    fixed("path.Base", &[Any], |call, a| sprig(call, "base", a)),
    fixed("path.Dir", &[Any], |call, a| sprig(call, "dir", a)),
    fixed("path.Ext", &[Any], |call, a| sprig(call, "ext", a)),
    fixed("path.Clean", &[Any], |call, a| sprig(call, "clean", a)),
    fixed("path.IsAbs", &[Any], |call, a| sprig(call, "isAbs", a)),
    variadic("path.Join", &[], Any, join),
    fixed("path.Split", &[Any], split),
    fixed("filepath.Base", &[Any], |call, a| sprig(call, "base", a)),
    fixed("filepath.Dir", &[Any], |call, a| sprig(call, "dir", a)),
    fixed("filepath.Ext", &[Any], |call, a| sprig(call, "ext", a)),
    fixed("filepath.Clean", &[Any], |call, a| sprig(call, "clean", a)),
    fixed("filepath.IsAbs", &[Any], |call, a| sprig(call, "isAbs", a)),
    variadic("filepath.Join", &[], Any, join),
    fixed("filepath.Split", &[Any], split),
    fixed("filepath.ToSlash", &[Any], |call, a| Ok(Value::str(string(call, &a[0])?))),
    fixed("filepath.FromSlash", &[Any], |call, a| Ok(Value::str(string(call, &a[0])?))),
    fixed("crypto.SHA1", &[Any], |call, a| sprig(call, "sha1sum", a)),
    fixed("crypto.SHA256", &[Any], |call, a| sprig(call, "sha256sum", a)),
    fixed("crypto.SHA512", &[Any], |call, a| sprig(call, "sha512sum", a)),
];

/// Calls sprig's function with every argument as text.
fn sprig(call: &mut Call<'_>, name: &str, args: &[Value]) -> Answer {
    let args: Vec<Value> = texts(call, args)?.iter().map(Value::str).collect();
    run(call, name, &args)
}

fn run(call: &mut Call<'_>, name: &str, args: &[Value]) -> Answer {
    let function = functions::find(name).ok_or_else(|| format!("{name} is not a defined function"))?;
    (function.body)(call, args)
}

/// Calls sprig's function that takes a count last; gomplate's stands in the middle and is -1 by default.
fn counted(call: &mut Call<'_>, name: &str, args: &[Value]) -> Answer {
    let (regex, count, input) = match args {
        [regex, input] => (regex, -1, input),
        [regex, count, input] => (regex, super::convert::to_int64(count), input),
        _ => return Err(format!("wrong number of args: want 2 or 3, got {}", args.len())),
    };
    let (regex, input) = (string(call, regex)?, string(call, input)?);
    run(call, name, &[Value::str(regex), Value::str(input), Value::Int(count)])
}

/// Joins the parts that aren't empty and cleans the result; nothing at all stays nothing.
fn join(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let parts = texts(call, args)?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { Ok(Value::str("")) } else { run(call, "clean", &[Value::str(parts.join("/"))]) }
}

fn split(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let path = string(call, &args[0])?;
    let (dir, file) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
    Ok(Value::strings([dir, file]))
}
