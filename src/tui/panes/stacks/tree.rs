//! The tree of stacks in three groupings: stack hierarchy, import graph of files, component inheritance.
//!
//! Nodes are made once per answer of the platform, those of the import graph when they are unfolded (a graph has more
//! paths than files); rows are the nodes that are visible now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::domain::stack::{Diagnostic, ImportEdge, InstanceSummary, Severity, StackSummary};

/// How the tree is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// By the parts of the stacks' names.
    Stacks,
    /// By files and what they import.
    Imports,
    /// By components and what inherits from them.
    Inheritance,
}

impl Grouping {
    /// Every grouping, in the order in which a key goes through them.
    pub const ALL: [Grouping; 3] = [Grouping::Stacks, Grouping::Imports, Grouping::Inheritance];

    /// Returns its name, on screen and in what is remembered.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Grouping::Stacks => "stacks",
            Grouping::Imports => "imports",
            Grouping::Inheritance => "inheritance",
        }
    }

    /// Returns the pane's title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Grouping::Stacks => "Stacks",
            Grouping::Imports => "Files and their imports",
            Grouping::Inheritance => "Components by inheritance",
        }
    }
}

/// What a node stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// Some stacks.
    Group,
    /// A stack.
    Stack(String),
    /// An instance, by its place in the list of instances.
    Instance(usize),
    /// A file of the estate.
    File(String),
    /// A component in all stacks.
    Component(String),
}

/// A node of the tree.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its identity, the same after each rebuild.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// What it stands for.
    pub of: Of,
    /// How many instances lie below it.
    pub count: usize,
    /// How many errors stand at it or below it.
    pub errors: u32,
    children: Option<Vec<usize>>,
}

/// A visible node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The node.
    pub node: usize,
    /// How deep it lies.
    pub depth: u16,
    /// Whether it is unfolded; `None` where there is nothing to unfold.
    pub open: Option<bool>,
}

/// What the tree is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The list of stacks.
    pub stacks: &'a [StackSummary],
    /// The list of instances.
    pub instances: &'a [InstanceSummary],
    /// The imports.
    pub imports: &'a [ImportEdge],
    /// The problems.
    pub diagnostics: &'a [Diagnostic],
}

/// The tree.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    roots: Vec<usize>,
    rows: Vec<Shown>,
    edges: HashMap<String, Vec<String>>,
    file_errors: HashMap<String, u32>,
}

impl Tree {
    /// Makes the tree anew.
    pub fn build(&mut self, grouping: Grouping, facts: Facts<'_>, show_abstract: bool, filter: &str) {
        self.nodes.clear();
        self.roots.clear();
        self.edges.clear();
        self.file_errors.clear();
        for diagnostic in facts.diagnostics.iter().filter(|d| d.severity == Severity::Error) {
            if let Some(source) = &diagnostic.source {
                *self.file_errors.entry(source.file.clone()).or_default() += 1;
            }
        }
        let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
        match grouping {
            Grouping::Stacks => self.by_stack(facts, show_abstract, &words),
            Grouping::Imports => self.by_import(facts, &words),
            Grouping::Inheritance => self.by_inheritance(facts, &words),
        }
    }

    fn add(&mut self, parent: Option<usize>, id: String, label: String, of: Of) -> usize {
        let index = self.nodes.len();
        self.nodes.push(Node { id, label, of, count: 0, errors: 0, children: Some(Vec::new()) });
        match parent {
            Some(parent) => self.nodes[parent].children.get_or_insert_default().push(index),
            None => self.roots.push(index),
        }
        index
    }

    fn by_stack(&mut self, facts: Facts<'_>, show_abstract: bool, words: &[String]) {
        let mut by_stack: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, instance) in facts.instances.iter().enumerate() {
            if (show_abstract || !instance.is_abstract) && matches(words, &[&instance.component, &instance.stack]) {
                by_stack.entry(&instance.stack).or_default().push(i);
            }
        }
        let shared = shared_parts(facts.stacks);
        let mut groups: HashMap<String, usize> = HashMap::new();
        let mut stacks: Vec<&StackSummary> = facts.stacks.iter().collect();
        stacks.sort_by(|a, b| (&a.parts, &a.stack).cmp(&(&b.parts, &b.stack)));
        for stack in stacks {
            let instances = by_stack.remove(stack.stack.as_str()).unwrap_or_default();
            if !words.is_empty() && instances.is_empty() && !matches(words, &[&stack.stack]) {
                continue;
            }
            let parts = stack.parts.get(shared..).unwrap_or_default();
            let (last, above) = match parts.split_last() {
                Some((last, above)) if stack.stack.ends_with(last.as_str()) => (last.as_str(), above),
                _ => (stack.stack.as_str(), [].as_slice()),
            };
            let mut path = String::from("group");
            let mut parent = None;
            for part in above {
                path.push('/');
                path.push_str(part);
                parent = Some(match groups.get(&path) {
                    Some(group) => *group,
                    None => {
                        let group = self.add(parent, path.clone(), part.clone(), Of::Group);
                        groups.insert(path.clone(), group);
                        group
                    }
                });
            }
            let id = format!("stack/{}", stack.stack);
            let node = self.add(parent, id, last.to_owned(), Of::Stack(stack.stack.clone()));
            self.instances(node, facts, &instances);
            // Several files of one stack share its problems; each counts once.
            let own: u32 = stack.files.iter().filter_map(|f| self.file_errors.get(f)).sum();
            self.nodes[node].errors = self.nodes[node].errors.max(own);
        }
        // A stack that the list of stacks does not know yet.
        for (stack, instances) in by_stack {
            let node = self.add(None, format!("stack/{stack}"), stack.to_owned(), Of::Stack(stack.to_owned()));
            self.instances(node, facts, &instances);
        }
        for root in self.roots.clone() {
            self.sum(root);
        }
    }

    fn instances(&mut self, parent: usize, facts: Facts<'_>, instances: &[usize]) {
        let mut sorted: Vec<usize> = instances.to_vec();
        sorted.sort_by(|a, b| {
            let (a, b) = (&facts.instances[*a], &facts.instances[*b]);
            (a.is_abstract, &a.component, &a.file).cmp(&(b.is_abstract, &b.component, &b.file))
        });
        for i in sorted {
            let instance = &facts.instances[i];
            let id = instance_id(instance);
            let node = self.add(Some(parent), id, instance.component.clone(), Of::Instance(i));
            self.nodes[node].errors = instance.errors;
        }
    }

    fn sum(&mut self, node: usize) -> (usize, u32) {
        let children = self.nodes[node].children.clone().unwrap_or_default();
        let mut count = usize::from(matches!(self.nodes[node].of, Of::Instance(_)));
        let mut errors = self.nodes[node].errors;
        for child in children {
            let (below, wrong) = self.sum(child);
            count += below;
            errors += wrong;
        }
        if !matches!(self.nodes[node].of, Of::Stack(_)) || self.nodes[node].errors == 0 {
            self.nodes[node].errors = errors;
        }
        self.nodes[node].count = count;
        (count, self.nodes[node].errors)
    }

    fn by_import(&mut self, facts: Facts<'_>, words: &[String]) {
        for edge in facts.imports {
            let targets = self.edges.entry(edge.from.clone()).or_default();
            if !targets.contains(&edge.to) {
                targets.push(edge.to.clone());
            }
        }
        let roots: BTreeSet<&str> = if words.is_empty() {
            facts.stacks.iter().flat_map(|s| s.files.iter().map(String::as_str)).collect()
        } else {
            let files = facts.imports.iter().flat_map(|e| [e.from.as_str(), e.to.as_str()]);
            files
                .chain(facts.stacks.iter().flat_map(|s| s.files.iter().map(String::as_str)))
                .filter(|file| matches(words, &[file]))
                .collect()
        };
        for file in roots {
            let node = self.add(None, format!("file/{file}"), file.to_owned(), Of::File(file.to_owned()));
            self.nodes[node].children = None;
            self.nodes[node].errors = self.file_errors.get(file).copied().unwrap_or(0);
        }
    }

    fn by_inheritance(&mut self, facts: Facts<'_>, words: &[String]) {
        // A component inherits from the base that was merged last before it.
        let mut base: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        let mut instances: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (i, instance) in facts.instances.iter().enumerate() {
            let entry = base.entry(&instance.component).or_default();
            if let Some(first) = instance.inherits.first() {
                *entry = Some(first);
                base.entry(first).or_default();
            }
            if matches(words, &[&instance.component, &instance.stack]) {
                instances.entry(&instance.component).or_default().push(i);
            }
        }
        let mut derived: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (component, above) in &base {
            if let Some(above) = above {
                derived.entry(above).or_default().push(component);
            }
        }
        let roots: Vec<&str> = base.iter().filter(|(_, above)| above.is_none()).map(|(c, _)| *c).collect();
        for root in roots {
            self.component(None, "component", root, &derived, &instances, facts, words, 0);
        }
        for root in self.roots.clone() {
            self.sum(root);
        }
        if !words.is_empty() {
            let nodes = &self.nodes;
            self.roots.retain(|root| nodes[*root].count > 0);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a recursion over one set of maps; a struct would only rename them")]
    fn component(
        &mut self,
        parent: Option<usize>,
        path: &str,
        name: &str,
        derived: &BTreeMap<&str, Vec<&str>>,
        instances: &BTreeMap<&str, Vec<usize>>,
        facts: Facts<'_>,
        words: &[String],
        depth: usize,
    ) {
        let id = format!("{path}/{name}");
        let below = derived.get(name).map(Vec::as_slice).unwrap_or_default();
        let own = instances.get(name).map(Vec::as_slice).unwrap_or_default();
        if !words.is_empty() && own.is_empty() && below.is_empty() {
            return;
        }
        let node = self.add(parent, id.clone(), name.to_owned(), Of::Component(name.to_owned()));
        // Inheritance that loops is a problem of the estate, not one of the screen.
        if depth < 32 {
            for component in below {
                self.component(Some(node), &id, component, derived, instances, facts, words, depth + 1);
            }
        }
        let mut sorted = own.to_vec();
        sorted.sort_by_key(|i| &facts.instances[*i].stack);
        for i in sorted {
            let instance = &facts.instances[i];
            let child =
                self.add(Some(node), format!("by-{}", instance_id(instance)), instance.stack.clone(), Of::Instance(i));
            self.nodes[child].errors = instance.errors;
        }
    }

    /// Makes the rows anew, from what is unfolded; everything is while a filter is on.
    pub fn unfold(&mut self, unfolded: &BTreeSet<String>, filtered: bool) {
        self.rows.clear();
        let mut rows = Vec::new();
        let mut stack: Vec<(usize, u16)> = self.roots.iter().rev().map(|root| (*root, 0)).collect();
        while let Some((node, depth)) = stack.pop() {
            let wanted = unfolded.contains(&self.nodes[node].id);
            let lazy = self.nodes[node].children.is_none();
            let open = wanted || (filtered && !lazy);
            if lazy && open && depth < 64 {
                self.unfold_file(node);
            }
            let some = match (&self.nodes[node].children, &self.nodes[node].of) {
                (Some(children), _) => !children.is_empty(),
                (None, Of::File(file)) => self.edges.contains_key(file),
                (None, _) => false,
            };
            rows.push(Shown { node, depth, open: some.then_some(open) });
            if open && let Some(children) = &self.nodes[node].children {
                stack.extend(children.iter().rev().map(|child| (*child, depth + 1)));
            }
        }
        self.rows = rows;
    }

    fn unfold_file(&mut self, node: usize) {
        let (id, Of::File(file)) = (self.nodes[node].id.clone(), self.nodes[node].of.clone()) else { return };
        let targets = self.edges.get(&file).cloned().unwrap_or_default();
        self.nodes[node].children = Some(Vec::new());
        for target in targets {
            let child = self.add(Some(node), format!("{id}>{target}"), target.clone(), Of::File(target.clone()));
            self.nodes[child].errors = self.file_errors.get(&target).copied().unwrap_or(0);
            // A cycle ends where it closes.
            let looped = id.split('>').any(|part| part == target || part.strip_prefix("file/") == Some(&target));
            self.nodes[child].children = if looped { Some(Vec::new()) } else { None };
        }
    }

    /// Returns the visible nodes.
    #[must_use]
    pub fn rows(&self) -> &[Shown] {
        &self.rows
    }

    /// Returns a visible node and how it is shown.
    #[must_use]
    pub fn row(&self, index: usize) -> Option<(&Node, Shown)> {
        self.rows.get(index).map(|shown| (&self.nodes[shown.node], *shown))
    }

    /// Finds the row of a node.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<usize> {
        self.rows.iter().position(|shown| self.nodes[shown.node].id == id)
    }

    /// Returns the row of the node above one.
    #[must_use]
    pub fn parent(&self, index: usize) -> Option<usize> {
        let depth = self.rows.get(index)?.depth;
        self.rows[..index].iter().rposition(|shown| shown.depth < depth)
    }

    /// Returns the id of the instance that comes first when everything is unfolded.
    #[must_use]
    pub fn first_instance(&self) -> Option<String> {
        let mut open: Vec<usize> = self.roots.iter().rev().copied().collect();
        while let Some(node) = open.pop() {
            let node = &self.nodes[node];
            if let Of::Instance(_) = node.of {
                return Some(node.id.clone());
            }
            open.extend(node.children.iter().flatten().rev());
        }
        None
    }

    /// Returns the ids of the nodes above the one with this id, for unfolding the way to it.
    #[must_use]
    pub fn way_to(&self, id: &str) -> Vec<String> {
        let mut above: HashMap<usize, usize> = HashMap::new();
        for (parent, node) in self.nodes.iter().enumerate() {
            for child in node.children.iter().flatten() {
                above.insert(*child, parent);
            }
        }
        let mut way = Vec::new();
        let mut at = self.nodes.iter().position(|node| node.id == id);
        while let Some(node) = at.and_then(|node| above.get(&node).copied()) {
            way.push(self.nodes[node].id.clone());
            at = Some(node);
        }
        way
    }

    /// Returns the ids of every node that can be unfolded and is made already.
    #[must_use]
    pub fn folders(&self) -> Vec<String> {
        let folds = |node: &&Node| node.children.as_ref().is_some_and(|children| !children.is_empty());
        self.nodes.iter().filter(folds).map(|node| node.id.clone()).collect()
    }
}

/// Returns the identity of an instance's node in the stack hierarchy.
#[must_use]
pub fn instance_id(instance: &InstanceSummary) -> String {
    format!("instance/{}/{}/{}", instance.stack, instance.component, instance.file)
}

fn matches(words: &[String], texts: &[&str]) -> bool {
    words.iter().all(|word| texts.iter().any(|text| contains(text, word)))
}

/// Tells whether a text contains a lower-case word, whatever the text's case.
fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        word.is_empty() || text.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word))
    } else {
        text.to_lowercase().contains(word)
    }
}

/// Returns how many leading parts all stacks share, so that the tree does not begin with a lone root.
fn shared_parts(stacks: &[StackSummary]) -> usize {
    let Some(first) = stacks.first() else { return 0 };
    let shortest = stacks.iter().map(|s| s.parts.len()).min().unwrap_or(0);
    (0..shortest.saturating_sub(1))
        .take_while(|i| stacks.iter().all(|stack| stack.parts[*i] == first.parts[*i]))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::fixtures;

    fn labels(tree: &Tree) -> Vec<String> {
        let line = |shown: &Shown| format!("{}{}", "  ".repeat(shown.depth.into()), tree.nodes[shown.node].label);
        tree.rows().iter().map(line).collect()
    }

    fn built(grouping: Grouping, filter: &str) -> Tree {
        let estate = fixtures::estate();
        let mut tree = Tree::default();
        let facts = Facts {
            stacks: &estate.stacks,
            instances: &estate.instances,
            imports: &estate.imports,
            diagnostics: &estate.diagnostics,
        };
        tree.build(grouping, facts, false, filter);
        tree
    }

    #[test]
    fn stacks_are_grouped_by_the_parts_of_their_names() {
        let mut tree = built(Grouping::Stacks, "");
        tree.unfold(&BTreeSet::new(), false);
        assert_eq!(labels(&tree), ["ue2", "uw1"]);
        let open = tree.folders().into_iter().collect();
        tree.unfold(&open, false);
        assert_eq!(
            labels(&tree)[..6],
            ["ue2", "  dev", "    network", "    orders", "    orders-db", "  prod"].map(String::from)
        );
    }

    #[test]
    fn a_filter_unfolds_what_it_finds_and_hides_the_rest() {
        let mut tree = built(Grouping::Stacks, "PROD ue2 db");
        tree.unfold(&BTreeSet::new(), true);
        assert_eq!(labels(&tree), ["ue2", "  prod", "    orders-db"]);
        let mut tree = built(Grouping::Inheritance, "orders-db ue2");
        tree.unfold(&BTreeSet::new(), true);
        assert_eq!(
            labels(&tree),
            ["database/defaults", "  orders-db", "    plat-ue2-dev", "    plat-ue2-prod"].map(String::from)
        );
    }

    #[test]
    fn imports_are_unfolded_when_asked_and_loops_end() {
        let mut tree = built(Grouping::Imports, "");
        tree.unfold(&BTreeSet::new(), false);
        assert!(labels(&tree).contains(&"stacks/plat-ue2-prod.yaml".to_owned()));
        let mut open: BTreeSet<String> = tree.nodes.iter().map(|n| n.id.clone()).collect();
        for _ in 0..5 {
            tree.unfold(&open, false);
            open.extend(tree.nodes.iter().map(|n| n.id.clone()));
        }
        let lines = labels(&tree);
        assert!(lines.contains(&"  stacks/catalog/database.yaml".to_owned()), "{lines:?}");
        assert!(lines.len() < 60, "a loop of imports must end: {lines:?}");
    }

    #[test]
    fn what_is_selected_is_found_again_and_the_way_to_it() {
        let mut tree = built(Grouping::Stacks, "");
        let id = "instance/plat-ue2-prod/orders-db/stacks/plat-ue2-prod.yaml";
        let way = tree.way_to(id);
        assert_eq!(way, ["stack/plat-ue2-prod", "group/ue2"]);
        tree.unfold(&way.into_iter().collect(), false);
        let row = tree.find(id).unwrap();
        assert_eq!(tree.row(row).unwrap().0.label, "orders-db");
        assert_eq!(tree.row(tree.parent(row).unwrap()).unwrap().0.label, "prod");
    }
}
