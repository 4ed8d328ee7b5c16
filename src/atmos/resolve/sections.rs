//! Which sections which component type has, and how they are read.

use std::{collections::HashMap, sync::Mutex};

use super::super::{
    import::Engine,
    merge::ListStrategy,
    node::{Key, Node, Pos, Value},
};
use crate::domain::stack::{Diagnostic, Severity};

pub(super) const GLOBAL_METADATA: [&str; 6] =
    ["labels", "tags", "custom", "enabled", "locked", "terraform_workspace_pattern"];
pub(super) const HELM_KEYS: [&str; 9] =
    ["chart", "values", "values_files", "repositories", "render", "version", "repository", "namespace", "name"];

pub(super) fn has_hooks(kind: &str) -> bool {
    matches!(kind, "terraform" | "kubernetes" | "helm" | "helmfile")
}
pub(super) fn has_generate(kind: &str) -> bool {
    matches!(kind, "terraform" | "kubernetes" | "helm")
}
pub(super) fn has_source(kind: &str) -> bool {
    matches!(kind, "terraform" | "helmfile" | "packer" | "kubernetes" | "helm")
}

/// Sections that are maps, of which types; each is merged over the layers.
pub(super) const MAPS: [&str; 17] = [
    "vars",
    "settings",
    "env",
    "auth",
    "secrets",
    "dependencies",
    "locals",
    "providers",
    "required_providers",
    "hooks",
    "test",
    "mocks",
    "generate",
    "backend",
    "remote_state_backend",
    "provision",
    "retry",
];

/// One node for each section of [`MAPS`], where there is one.
#[derive(Clone, Default)]
pub(super) struct Parts([Option<Node>; MAPS.len()]);

impl Parts {
    /// Returns a section's node.
    pub(super) fn get(&self, section: &str) -> Option<&Node> {
        self.0[place(section)?].as_ref()
    }

    /// Sets a section's node.
    pub(super) fn set(&mut self, section: &str, node: Node) {
        if let Some(at) = place(section) {
            self.0[at] = Some(node);
        }
    }
}

fn place(section: &str) -> Option<usize> {
    MAPS.iter().position(|name| *name == section)
}

/// Nodes that many instances have in common, made once.
#[derive(Default)]
pub(in crate::atmos) struct Common {
    infos: Mutex<HashMap<(&'static str, Key), Node>>,
    chains: Mutex<HashMap<Box<[Key]>, Node>>,
}

impl Common {
    /// Returns `component_info` of a component of that type; without a path where that is empty.
    pub(super) fn component_info(&self, kind: &'static str, path: Key) -> Node {
        let make = || {
            let mut info = vec![(Key::new("component_type"), Key::new(kind).node())];
            if !path.as_str().is_empty() {
                info.push((Key::new("component_path"), path.node()));
            }
            Node::map_of(info)
        };
        let Ok(mut infos) = self.infos.lock() else { return make() };
        infos.entry((kind, path)).or_insert_with(make).clone()
    }

    /// Returns `inheritance` for these bases, null where there are none.
    pub(super) fn inheritance(&self, chain: &[Key]) -> Node {
        if chain.is_empty() {
            return Node::new(Value::Null, Pos::none());
        }
        let make = || Node::new(Value::List(chain.iter().map(|key| key.node()).collect()), Pos::none());
        let Ok(mut chains) = self.chains.lock() else { return make() };
        if let Some(found) = chains.get(chain) {
            return found.clone();
        }
        let made = make();
        chains.insert(chain.into(), made.clone());
        made
    }
}

pub(super) fn applies(section: &str, kind: &str) -> bool {
    match section {
        "providers" | "required_providers" | "test" | "mocks" | "backend" | "remote_state_backend" => {
            kind == "terraform"
        }
        "hooks" => has_hooks(kind),
        "generate" => has_generate(kind),
        "provision" => has_source(kind),
        "secrets" => !matches!(kind, "kubernetes" | "helm"),
        _ => true,
    }
}

/// The problems and the surroundings of one stack file.
pub(super) struct Job<'a> {
    pub(super) engine: &'a Engine<'a>,
    pub(super) shared: &'a Common,
    /// Only this component is resolved; all where there is none.
    pub(super) only: Option<&'a str>,
    pub(super) file: Key,
    /// What is wrong with the stack as a whole.
    pub(super) problems: Vec<Diagnostic>,
    /// What is wrong with one of its components.
    pub(super) of_components: Vec<(Key, Diagnostic)>,
}

pub(super) type Refused = Box<Diagnostic>;

impl Job<'_> {
    pub(super) fn refuse(&self, code: &str, message: String, at: Pos) -> Refused {
        Box::new(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message,
            hint: None,
            source: at.source(),
            stack: Some(self.file.as_str().to_owned()),
        })
    }

    pub(super) fn section(&mut self, node: Option<&Node>, key: &str, what: &str) -> Node {
        let Some(found) = node.and_then(|n| n.get(key)) else { return Node::empty() };
        if found.map().is_some() {
            return found.clone();
        }
        let message = format!("invalid {what}{key} section in file '{}'", self.file.as_str());
        let code = format!("invalid-{}-section", key.replace('_', "-"));
        let problem = self.refuse(&code, message, found.pos());
        self.problems.push(*problem);
        Node::empty()
    }

    pub(super) fn text(&mut self, node: &Node, key: &str, what: &str) -> String {
        match node.get(key) {
            Some(n) => match n.str() {
                Some(s) => s.to_owned(),
                None => {
                    let message = format!("invalid {what}{key} section in file '{}'", self.file.as_str());
                    let problem = self.refuse(&format!("invalid-{}", key.replace('_', "-")), message, n.pos());
                    self.problems.push(*problem);
                    String::new()
                }
            },
            None => String::new(),
        }
    }

    pub(super) fn effective(&self, base: ListStrategy, layers: &[&Node]) -> Result<ListStrategy, Refused> {
        let mut out = base;
        for layer in layers {
            if let Some(node) = layer.get("list_merge_strategy")
                && let Some(name) = node.str().filter(|s| !s.is_empty())
            {
                out = ListStrategy::parse(name).ok_or_else(|| {
                    let message = format!(
                        "merge error: invalid list merge strategy: '{name}'. Supported list merge strategies are: replace, append, merge"
                    );
                    self.refuse("invalid-list-merge-strategy", message, node.pos())
                })?;
            }
        }
        Ok(out)
    }

    /// Returns one of a component's sections, an empty map where it has none.
    pub(super) fn own(&self, map: &Node, key: &str, kind: &str, name: &str) -> Result<Node, Refused> {
        match map.get(key) {
            None => Ok(Node::empty()),
            Some(n) if n.map().is_some() => Ok(n.clone()),
            Some(n) => {
                let message = format!(
                    "invalid component {key} section: 'components.{kind}.{name}.{key}' in the file '{}'",
                    self.file.as_str()
                );
                Err(self.refuse(&format!("invalid-component-{}", key.replace('_', "-")), message, n.pos()))
            }
        }
    }

    pub(super) fn own_text(&self, map: &Node, key: &str, kind: &str, name: &str) -> Result<String, Refused> {
        match map.get(key) {
            None => Ok(String::new()),
            Some(n) => n.str().map(str::to_owned).ok_or_else(|| {
                let message = format!(
                    "invalid component {key} attribute: 'components.{kind}.{name}.{key}' in the file '{}'",
                    self.file.as_str()
                );
                self.refuse(&format!("invalid-component-{}", key.replace('_', "-")), message, n.pos())
            }),
        }
    }

    pub(super) fn source_section(&self, map: &Node, kind: &str, name: &str) -> Result<Node, Refused> {
        match map.get("source") {
            Some(n) if n.str().is_some() => Ok(match n.str() {
                Some("") | None => Node::empty(),
                Some(_) => Node::map_of(vec![(Key::new("uri"), n.clone())]),
            }),
            _ => self.own(map, "source", kind, name),
        }
    }
}
