//! Inheritance: what the bases of a component give it.

use std::collections::HashMap;

use super::{
    super::{
        did_you_mean,
        files::Kind,
        merge::{ListStrategy, merge_all},
        node::{Key, Map, Node, Pos, Value},
    },
    full,
    sections::{HELM_KEYS, Job, MAPS, Parts, Refused},
};

/// What the bases of a component give it.
#[derive(Clone, Default)]
pub(super) struct Bases {
    pub(super) maps: Parts,
    pub(super) metadata: Option<Node>,
    pub(super) source: Option<Node>,
    pub(super) anys: HashMap<&'static str, Node>,
    pub(super) command: String,
    pub(super) backend_type: String,
    pub(super) remote_type: String,
    pub(super) required_version: String,
    pub(super) provider: String,
    pub(super) final_name: String,
    pub(super) chain: Vec<Key>,
    pub(super) order: Vec<Key>,
}

impl Job<'_> {
    /// Merges a base, and before it what it inherits from, over what was collected.
    #[expect(clippy::too_many_arguments, reason = "what one step of the recursion needs")]
    pub(super) fn base(
        &self,
        bases: &mut Bases,
        all: &Map,
        kind: &str,
        component: &str,
        base: &Node,
        lists: ListStrategy,
        visited: &mut Vec<(String, String)>,
    ) -> Result<(), Refused> {
        let Some(name) = base.str() else {
            let message = format!(
                "invalid component metadata.inherits section: '{component}.metadata.inherits' in the stack '{}'",
                self.file.as_str()
            );
            return Err(self.refuse("invalid-inherits", message, base.pos()));
        };
        if component == name {
            return Ok(());
        }
        let key = (component.to_owned(), name.to_owned());
        if visited.contains(&key) || visited.len() > 200 {
            let message = format!(
                "circular component inheritance detected: '{component}' -> '{name}' in the stack '{}'",
                self.file.as_str()
            );
            return Err(self.refuse("inheritance-cycle", message, base.pos()));
        }
        let Some(node) = all.get(name) else {
            let folder = self.engine.config.components.get(kind).and_then(|c| c.base_path.as_ref());
            let there = folder.is_some_and(|f| self.engine.options.files.kind(&f.join(name)) == Some(Kind::Folder));
            if there {
                return Ok(());
            }
            let message = format!(
                "The component '{component}' inherits from the base component '{name}' (using 'component:' attribute), but `{name}' is not defined in any of the YAML config files for the stack '{}'",
                self.file.as_str()
            );
            return Err(self.refuse("base-not-found", message, base.pos()));
        };
        if node.map().is_none() {
            let message = format!("invalid base component config '{name}' of the component '{component}'");
            return Err(self.refuse("invalid-component", message, node.pos()));
        }
        visited.push(key);
        let metadata = self.own(node, "metadata", kind, name)?;
        if metadata.get("type").and_then(Node::str) != Some("abstract")
            && let Some(inner) = node.get("component")
        {
            self.base(bases, all, kind, name, inner, lists, visited)?;
        }
        if let Some(list) = metadata.get("inherits").and_then(Node::list) {
            for item in list {
                if let Some(name) = item.str().filter(|n| all.get(n).is_none()) {
                    return Err(self.unknown_base(component, name, all, item.pos()));
                }
                self.base(bases, all, kind, component, item, lists, visited)?;
            }
        }
        let level = self.effective(lists, &[&self.own(node, "settings", kind, name)?])?;
        for section in MAPS {
            if section == "provision" && !self.engine.config.inherit_source {
                continue;
            }
            let own = self.own(node, section, kind, name)?;
            if full(&own) {
                let strategy = if section == "secrets" { self.engine.lists } else { level };
                let merged = match bases.maps.get(section) {
                    Some(low) => merge_all(&[low, &own], strategy),
                    None => merge_all(&[&own], strategy),
                };
                bases.maps.set(section, merged);
            }
        }
        if self.engine.config.inherit_metadata {
            let own = Node::new(
                Value::Map(metadata.map().map(|m| m.without(&["inherits", "type"])).unwrap_or_default()),
                metadata.pos(),
            );
            let low = bases.metadata.clone().unwrap_or_else(Node::empty);
            bases.metadata = Some(merge_all(&[&low, &own], level));
        }
        if self.engine.config.inherit_source {
            let own = self.source_section(node, kind, name)?;
            let low = bases.source.clone().unwrap_or_else(Node::empty);
            bases.source = Some(merge_all(&[&low, &own], level));
        }
        for any in ["paths", "manifests", "validate", "plugins"] {
            if let Some(own) = node.get(any).filter(|n| !n.is_null()) {
                let joined = any_section(level, bases.anys.get(any), Some(own));
                bases.anys.extend(joined.map(|n| (any, n)));
            }
        }
        for (slot, keys) in [("render", &["render"][..]), ("helm", &HELM_KEYS[..])] {
            let own = bag(node, slot, keys);
            if full(&own) {
                let low = bases.anys.get(slot).cloned().unwrap_or_else(Node::empty);
                bases.anys.insert(slot, merge_all(&[&low, &own], level));
            }
        }
        let version = self.own_text(node, "required_version", kind, name)?;
        if !version.is_empty() {
            bases.required_version = version;
        }
        let provider = if kind == "kubernetes" { self.own_text(node, "provider", kind, name)? } else { String::new() };
        if !provider.is_empty() {
            bases.provider = provider;
        }
        bases.command = self.own_text(node, "command", kind, name)?;
        bases.backend_type = self.own_text(node, "backend_type", kind, name)?;
        bases.remote_type = self.own_text(node, "remote_state_backend_type", kind, name)?;
        if bases.final_name.is_empty() {
            name.clone_into(&mut bases.final_name);
        }
        let key = Key::new(name);
        if !bases.chain.contains(&key) {
            bases.chain.insert(0, key);
        } else {
            bases.chain.retain(|k| *k != key);
            bases.chain.insert(0, key);
        }
        bases.order.push(key);
        visited.pop();
        Ok(())
    }

    pub(super) fn unknown_base(&self, component: &str, name: &str, all: &Map, at: Pos) -> Refused {
        let stack = self.file.as_str();
        let mut problem = self.refuse(
            "base-not-found",
            format!(
                "component not defined in any config files: the component '{component}' in the stack manifest '{stack}' inherits from '{name}' (using 'metadata.inherits'), but '{name}' is not defined in any of the config files for the stack '{stack}'"
            ),
            at,
        );
        problem.hint = did_you_mean(name, all.entries().iter().map(|(k, _)| k.as_str().to_owned()))
            .map(|best| format!("did you mean '{best}'?"));
        problem
    }
}

/// Returns some keys of a component as one map.
pub(super) fn bag(node: &Node, slot: &str, keys: &[&str]) -> Node {
    if slot == "render" {
        return node.get("render").filter(|n| n.map().is_some()).cloned().unwrap_or_else(Node::empty);
    }
    Node::map_of(keys.iter().filter_map(|k| Some((Key::new(k), node.get(k)?.clone()))).collect())
}

/// Merges two values of any type.
pub(super) fn any_section(lists: ListStrategy, low: Option<&Node>, high: Option<&Node>) -> Option<Node> {
    let key = Key::new("any");
    let wrap = |n: &Node| Node::map_of(vec![(key, n.clone())]);
    let layers: Vec<Node> = [low, high].into_iter().flatten().filter(|n| !n.is_null()).map(wrap).collect();
    let refs: Vec<&Node> = layers.iter().collect();
    merge_all(&refs, lists).get("any").cloned()
}
