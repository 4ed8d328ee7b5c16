//! `auth` of `atmos.yaml`, as Atmos hands it to terraform components.

use std::{collections::BTreeMap, path::Path};

use sha2::{Digest, Sha256};

use crate::atmos::node::{Key, Map, Node, Pos, Value};

/// Keys of a provider and an identity that Atmos' types have; of others it knows nothing.
const PROVIDER: [&str; 17] = [
    "kind",
    "start_url",
    "url",
    "region",
    "username",
    "password",
    "driver",
    "provider_type",
    "download_browser_driver",
    "browser_type",
    "browser_executable_path",
    "auto_provision_identities",
    "session",
    "console",
    "default",
    "spec",
    "tags",
];
const IDENTITY: [&str; 14] = [
    "kind",
    "default",
    "required",
    "provider",
    "via",
    "principal",
    "credentials",
    "spec",
    "alias",
    "env",
    "session",
    "emulator",
    "tags",
    "console",
];

/// Returns `auth` as Atmos writes its own type out again.
pub(super) fn auth(auth: Option<&Node>, env: &BTreeMap<String, String>, root: &Path) -> Option<Node> {
    let auth = auth?;
    let (providers, identities) = (auth.get("providers"), auth.get("identities"));
    if providers.and_then(Node::map).is_none() && identities.and_then(Node::map).is_none() {
        return None;
    }
    let keep = |section: Option<&Node>, keys: &[&str]| -> Node {
        let Some(map) = section.and_then(Node::map) else { return Node::new(Value::Null, Pos::none()) };
        let entries = map.entries().iter().map(|(name, item)| {
            let fields = item.map().map(|m| {
                let kept = m
                    .entries()
                    .iter()
                    .filter(|(k, v)| keys.contains(&k.as_str()) && (k.as_str() == "kind" || !is_zero(v)));
                kept.cloned().collect()
            });
            let mut fields: Vec<(Key, Node)> = fields.unwrap_or_default();
            if !fields.iter().any(|(k, _)| k.as_str() == "kind") {
                fields.push((Key::new("kind"), Node::text("")));
            }
            (*name, Node::new(Value::Map(Map::from_entries(fields)), item.pos()))
        });
        Node::new(Value::Map(Map::sorted(entries.collect())), Pos::none())
    };
    let realm = env
        .get("ATMOS_AUTH_REALM")
        .filter(|r| !r.is_empty())
        .cloned()
        .or_else(|| auth.get("realm").and_then(Node::str).filter(|r| !r.is_empty()).map(str::to_owned))
        .unwrap_or_else(|| {
            let path = root.to_string_lossy().to_lowercase();
            hex::encode(&Sha256::digest(path.as_bytes())[..8])
        });
    let text = |path: &[&str]| auth.at_path(path).and_then(Node::str).unwrap_or("").to_owned();
    let logs = Node::map_of(vec![
        (Key::new("file"), Node::text(&text(&["logs", "file"]))),
        (Key::new("level"), Node::text(&text(&["logs", "level"]))),
    ]);
    let keyring = auth.get("keyring").filter(|n| n.map().is_some()).cloned().unwrap_or_else(Node::empty);
    let mut entries = vec![
        (Key::new("realm"), Node::text(&realm)),
        (Key::new("logs"), logs),
        (Key::new("keyring"), keyring),
        (Key::new("providers"), keep(providers, &PROVIDER)),
        (Key::new("identities"), keep(identities, &IDENTITY)),
    ];
    for key in ["console", "integrations"] {
        if let Some(node) = auth.get(key).filter(|n| !is_zero(n)) {
            entries.push((Key::new(key), node.clone()));
        }
    }
    Some(Node::map_of(entries))
}

fn is_zero(node: &Node) -> bool {
    match node.value() {
        Value::Null => true,
        Value::Bool(b) => !b,
        Value::Int(i) => *i == 0,
        Value::UInt(u) => *u == 0,
        Value::Float(f) => *f == 0.0,
        Value::Str(s) => s.is_empty(),
        Value::List(l) => l.is_empty(),
        Value::Map(m) => m.is_empty(),
    }
}
