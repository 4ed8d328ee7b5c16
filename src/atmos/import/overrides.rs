//! `overrides`: they reach a file's components, those of its imports, and what follows.

use crate::atmos::node::{Key, Map, Node, Value};

/// The overrides in force, by type and by where they come from.
#[derive(Debug, Clone)]
pub(super) struct Overrides {
    pub(super) terraform_inline: Node,
    pub(super) terraform_imports: Node,
    pub(super) helmfile_inline: Node,
    pub(super) helmfile_imports: Node,
}

impl Overrides {
    pub(super) fn none() -> Self {
        let e = Node::empty;
        Self { terraform_inline: e(), terraform_imports: e(), helmfile_inline: e(), helmfile_imports: e() }
    }

    pub(super) fn key(&self) -> [usize; 4] {
        [&self.terraform_inline, &self.terraform_imports, &self.helmfile_inline, &self.helmfile_imports]
            .map(|n| if n.map().is_some_and(Map::is_empty) { 0 } else { n.address() })
    }
}
/// Sets `overrides` of every component of a type in one file.
pub(super) fn with_overrides(own: &Node, kind: &str, overrides: &Node) -> Node {
    if overrides.map().is_none_or(Map::is_empty) {
        return own.clone();
    }
    let Some((root, components)) = own.map().and_then(|m| Some((m, m.get("components")?))) else { return own.clone() };
    let Some((kinds, of_kind)) = components.map().and_then(|m| Some((m, m.get(kind)?))) else { return own.clone() };
    let Some(list) = of_kind.map() else { return own.clone() };
    let key = Key::new("overrides");
    let entries = list
        .entries()
        .iter()
        .map(|(name, node)| match node.map() {
            Some(m) => (*name, Node::new(Value::Map(m.with(key, overrides.clone())), node.pos())),
            None => (*name, node.clone()),
        })
        .collect();
    let of_kind = Node::new(Value::Map(Map::sorted(entries)), of_kind.pos());
    let components = Node::new(Value::Map(kinds.with(Key::new(kind), of_kind)), components.pos());
    Node::new(Value::Map(root.with(Key::new("components"), components)), own.pos())
}
