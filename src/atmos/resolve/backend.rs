//! Backends of terraform components: which one, its configuration, and the names that Atmos fills in.

use super::{
    super::{
        merge::{ListStrategy, merge_all},
        node::{Key, Map, Node, Pos, Value},
    },
    full,
};

/// The three layers of a section: global, bases, component.
pub(super) struct Layers<'a> {
    pub(super) global_type: &'a str,
    pub(super) base_type: &'a str,
    pub(super) own_type: &'a str,
    pub(super) global: &'a Node,
    pub(super) base: &'a Node,
    pub(super) own: &'a Node,
}

/// What names an instance in a backend.
pub(super) struct Named<'a> {
    pub(super) component: &'a str,
    pub(super) base: &'a str,
    pub(super) metadata: &'a Node,
    pub(super) separator: &'a str,
}

impl Layers<'_> {
    fn kind(&self, default: &str) -> String {
        [self.own_type, self.base_type, self.global_type, default]
            .into_iter()
            .find(|t| !t.is_empty())
            .unwrap_or("")
            .to_owned()
    }
}

/// Returns the backend's type and configuration.
pub(super) fn backend(layers: &Layers<'_>, named: &Named<'_>, lists: ListStrategy) -> Result<(String, Node), String> {
    let kind = layers.kind("");
    let merged = merge_all(&[layers.global, layers.base, layers.own], lists);
    let found = match merged.get(&kind) {
        Some(n) if n.map().is_some() => n.clone(),
        Some(_) => return Err(format!("invalid terraform.backend section: for the component '{}'", named.component)),
        None => {
            if !kind.is_empty() && full(&merged) {
                let keys: Vec<&str> =
                    merged.map().into_iter().flat_map(Map::entries).map(|(k, _)| k.as_str()).collect();
                return Err(format!(
                    "backend_type does not match any key configured under backend: backend_type is \"{kind}\" but backend: only configures {}",
                    keys.join(", ")
                ));
            }
            Node::empty()
        }
    };
    let name = named
        .metadata
        .get("name")
        .and_then(Node::str)
        .filter(|n| !n.is_empty())
        .or(Some(named.base).filter(|b| !b.is_empty()))
        .unwrap_or(named.component);
    let text = if named.separator == "/" { name.to_owned() } else { name.replace('/', named.separator) };
    let empty = |key: &str| found.get(key).and_then(Node::str).is_none_or(str::is_empty);
    let with = |key: &str, value: String| {
        let map = found.map().cloned().unwrap_or_default();
        Node::new(Value::Map(map.with(Key::new(key), Node::text(&value))), Pos::none())
    };
    let node = match kind.as_str() {
        "s3" if empty("workspace_key_prefix") => with("workspace_key_prefix", text),
        "gcs" if empty("prefix") => with("prefix", text),
        "azurerm" => {
            let own = layers.own.at_path(&["azurerm", "key"]).and_then(Node::str).is_some();
            let global = layers.global.at_path(&["azurerm", "key"]).and_then(Node::str);
            let existing = found.get("key").and_then(Node::str).filter(|k| !k.is_empty());
            let authored = existing.is_some_and(|k| global != Some(k));
            if own || authored {
                found
            } else {
                let file = format!("{text}.terraform.tfstate");
                with("key", global.map_or_else(|| file.clone(), |g| format!("{g}/{file}")))
            }
        }
        _ => found,
    };
    Ok((kind, node))
}

/// Returns the remote state's backend type and configuration.
pub(super) fn remote_state(
    layers: &Layers<'_>,
    component: &str,
    backend: (&str, &Node),
    lists: ListStrategy,
) -> Result<(String, Node), String> {
    let kind = layers.kind(backend.0);
    let sections = [layers.global, layers.base, layers.own];
    let mut keys: Vec<&str> =
        sections.iter().filter_map(|s| s.map()).flat_map(Map::entries).map(|(k, _)| k.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    if !kind.is_empty() && !keys.is_empty() && !keys.contains(&kind.as_str()) {
        return Err(format!(
            "backend_type does not match any key configured under backend: remote_state_backend_type is \"{kind}\" but remote_state_backend: only configures {}",
            keys.join(", ")
        ));
    }
    let empty = Node::empty();
    let mut parts = vec![if kind == backend.0 { backend.1.clone() } else { empty.clone() }];
    for section in sections {
        match section.get(&kind) {
            Some(n) if n.map().is_some() => parts.push(n.clone()),
            Some(_) => {
                return Err(format!("invalid terraform.remote_state_backend section: for the component '{component}'"));
            }
            None => {}
        }
    }
    let refs: Vec<&Node> = parts.iter().collect();
    Ok((kind, merge_all(&refs, lists)))
}
