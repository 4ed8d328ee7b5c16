//! Names of stacks and workspaces.

use super::super::node::Node;

const PARTS: [&str; 4] = ["namespace", "tenant", "environment", "stage"];

/// Fills in `stacks.name_pattern`; `Err` names the part that the variables lack.
pub(super) fn pattern(pattern: &str, vars: &Node) -> Result<String, &'static str> {
    let mut out: Vec<&str> = Vec::new();
    for part in pattern.split('-') {
        let Some(name) =
            PARTS.into_iter().find(|p| part.strip_prefix('{').and_then(|r| r.strip_suffix('}')) == Some(p))
        else {
            continue;
        };
        match vars.get(name).and_then(Node::str).filter(|v| !v.is_empty()) {
            Some(value) => out.push(value),
            None => return Err(name),
        }
    }
    Ok(out.join("-"))
}

/// Replaces the tokens of a workspace pattern; without variables (the stack was named otherwise) all are empty.
pub(super) fn tokens(pattern: &str, vars: Option<&Node>, component: Option<(&str, &str)>) -> String {
    let get = |name: &str| vars.and_then(|v| v.get(name)).and_then(Node::str).unwrap_or("").to_owned();
    let attributes = vars
        .and_then(|v| v.get("attributes"))
        .and_then(Node::list)
        .map(|l| {
            l.iter()
                .map(|n| n.str().map_or_else(|| n.to_json().to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join("-")
        })
        .unwrap_or_default();
    let (name, base) = component.unwrap_or(("", ""));
    let tokens = [
        ("{base-component}", base.to_owned()),
        ("{component}", name.to_owned()),
        ("{component-path}", String::new()),
        ("{namespace}", get("namespace")),
        ("{environment}", get("environment")),
        ("{region}", get("region")),
        ("{tenant}", get("tenant")),
        ("{stage}", get("stage")),
        ("{workspace}", String::new()),
        ("{terraform_workspace}", String::new()),
        ("{attributes}", attributes),
    ];
    // One pass: what a value brings in is no token.
    let (mut out, mut rest) = (String::with_capacity(pattern.len()), pattern);
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match tokens.iter().find(|(token, _)| rest.starts_with(token)) {
            Some((token, value)) => {
                out.push_str(value);
                rest = &rest[token.len()..];
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}
