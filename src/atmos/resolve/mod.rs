//! From one merged stack file to its instances: sections by precedence, inheritance, overrides, backends, names.

mod backend;
mod bases;
mod component;
mod custom;
mod derived;
mod names;
mod sections;
mod selectors;
mod stack;

use std::{path::PathBuf, sync::Arc};

pub(super) use sections::Common;
pub(super) use stack::resolve_stack;

use super::{
    import::{Files, Merged},
    node::{Key, Map, Node},
};
use crate::domain::stack::Diagnostic;

/// The component types that Atmos describes, in its order.
pub(super) const TYPES: [&str; 8] =
    ["terraform", "helmfile", "packer", "ansible", "kubernetes", "helm", "container", "emulator"];

/// One resolved instance.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: Key,
    pub(super) kind: &'static str,
    pub(super) stack: Key,
    /// Everything that `describe stacks` prints of it.
    pub(super) sections: Map,
    /// The bases in the order in which they were merged; one may recur.
    pub(super) bases: Box<[Key]>,
    pub(super) is_abstract: bool,
    pub(super) problems: u32,
}

impl Instance {
    /// Returns the bases as Atmos lists them: each once, the nearest first.
    pub(super) fn inheritance(&self) -> impl Iterator<Item = &str> {
        let list = self.sections.get("inheritance").and_then(Node::list).unwrap_or_default();
        list.iter().filter_map(Node::str)
    }
}

/// One stack file, resolved.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) path: PathBuf,
    /// The file's name as Atmos has it.
    pub(super) file: Key,
    pub(super) merged: Arc<Merged>,
    pub(super) instances: Vec<Arc<Instance>>,
    /// What is wrong with the stack as a whole.
    pub(super) problems: Vec<Diagnostic>,
    /// What is wrong with one of its components.
    pub(super) of_components: Vec<(Key, Diagnostic)>,
    /// Whether the manifest names itself.
    pub(super) named: bool,
    /// The stacks that it makes, each with its instances by component and type.
    pub(super) makes: Box<[(Key, Box<[u32]>)]>,
    /// The files that come in by imports.
    pub(super) brings: Box<[Files]>,
    /// What comes in by imports and has problems.
    pub(super) faulty: Box<[Arc<Merged>]>,
}

impl Stack {
    /// Returns every file that it is made of.
    pub(super) fn files(&self) -> impl Iterator<Item = &Files> {
        std::iter::once(&self.merged.files).chain(&self.brings)
    }
}

/// Tells whether a node is a map with something in it.
fn full(node: &Node) -> bool {
    node.map().is_some_and(|m| !m.is_empty())
}

/// Replaces the tokens of a workspace pattern as a run does.
pub(super) fn run_tokens(pattern: &str, vars: Option<&Node>, component: &str, base: &str) -> String {
    names::tokens(pattern, vars, Some((component, base)))
}

/// Fills in `stacks.name_pattern`; `None` where the variables lack a part, or there is no pattern.
pub(super) fn stack_from_pattern(pattern: &str, vars: &Node) -> Option<String> {
    names::pattern(pattern, vars).ok().filter(|_| !pattern.is_empty())
}
