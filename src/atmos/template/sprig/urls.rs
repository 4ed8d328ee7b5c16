//! Paths and URLs.

use super::text;
use crate::atmos::template::{
    functions::{
        Answer, Call, Function,
        Param::{Map, Str},
        fixed,
    },
    value::Value,
};

pub(super) const TABLE: &[Function] = &[
    fixed("base", &[Str], |_, a| Ok(Value::str(base(text(a, 0))))),
    fixed("dir", &[Str], |_, a| Ok(Value::str(dir(text(a, 0))))),
    fixed("clean", &[Str], |_, a| Ok(Value::str(clean(text(a, 0))))),
    fixed("ext", &[Str], |_, a| Ok(Value::str(ext(text(a, 0))))),
    fixed("isAbs", &[Str], |_, a| Ok(Value::Bool(text(a, 0).starts_with('/')))),
    fixed("osBase", &[Str], |_, a| Ok(Value::str(base(text(a, 0))))),
    fixed("osDir", &[Str], |_, a| Ok(Value::str(dir(text(a, 0))))),
    fixed("osClean", &[Str], |_, a| Ok(Value::str(clean(text(a, 0))))),
    fixed("osExt", &[Str], |_, a| Ok(Value::str(ext(text(a, 0))))),
    fixed("osIsAbs", &[Str], |_, a| Ok(Value::Bool(text(a, 0).starts_with('/')))),
    fixed("urlParse", &[Str], |_, a| parse(text(a, 0))),
    fixed("urlJoin", &[Map], join),
];

fn base(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".",
        "" => "/",
        path => path.rsplit('/').next().unwrap_or(path),
    }
}

fn dir(path: &str) -> String {
    clean(&path[..path.rfind('/').map_or(0, |at| at + 1)])
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => ["/", &parts.join("/")].concat(),
        (false, true) => ".".into(),
        (false, false) => parts.join("/"),
    }
}

fn ext(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rfind('.').map_or("", |at| &name[at..])
}

/// Takes a URL apart by Go's `url.Parse`.
fn parse(url: &str) -> Answer {
    let fail = |why: &str| Err(format!("unable to parse url: parse {}: {why}", super::print::quote(url)));
    if url.chars().any(|c| c.is_ascii_control()) {
        return fail("net/url: invalid control character in URL");
    }
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let (scheme, rest) = match rest.split_once(':') {
        Some(("", _)) => return fail("missing protocol scheme"),
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        Some((first, _)) if !first.contains('/') && !first.contains('?') => {
            return fail("first path segment in URL cannot contain colon");
        }
        _ => (String::new(), rest),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut opaque = "";
    let (mut userinfo, mut host, mut path) = ("", "", rest);
    if let Some(after) = rest.strip_prefix("//") {
        let (authority, below) = after.split_at(after.find('/').unwrap_or(after.len()));
        (userinfo, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        path = below;
    } else if !scheme.is_empty() && !rest.starts_with('/') {
        (opaque, path) = (rest, "");
    }
    let hostname = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or(inner),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let Some(path) = unescape(path) else { return fail("invalid URL escape") };
    let entries = [
        ("scheme", scheme.as_str()),
        ("host", host),
        ("hostname", hostname),
        ("path", &path),
        ("query", query),
        ("opaque", opaque),
        ("fragment", fragment),
        ("userinfo", userinfo),
    ];
    Ok(Value::map(entries.map(|(key, value)| (key.into(), Value::str(value)))))
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!*'()".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Puts the parts of a URL together by Go's `URL.String`.
fn join(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let Value::Map(map) = &args[0] else { return Err("expected a map".into()) };
    let part = |key: &str| match map.get(key) {
        None => Ok(String::new()),
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(other) => {
            Err(format!("unable to parse {key} key, must be of type string, but {} found", other.kind_name()))
        }
    };
    let (scheme, host, path) = (part("scheme")?, part("host")?, part("path")?);
    let (query, opaque, fragment) = (part("query")?, part("opaque")?, part("fragment")?);
    let userinfo = part("userinfo")?;
    let mut url = String::new();
    if !scheme.is_empty() {
        url.push_str(&scheme);
        url.push(':');
    }
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || !userinfo.is_empty() {
            if !host.is_empty() || !path.is_empty() || !userinfo.is_empty() {
                url.push_str("//");
            }
            if !userinfo.is_empty() {
                url.push_str(&userinfo);
                url.push('@');
            }
            url.push_str(&host);
        }
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            url.push('/');
        }
        url.push_str(&escape(&path));
    } else {
        url.push_str(&opaque);
    }
    if !query.is_empty() {
        url.push('?');
        url.push_str(&query);
    }
    if !fragment.is_empty() {
        url.push('#');
        url.push_str(&escape(&fragment));
    }
    Ok(Value::str(url))
}
