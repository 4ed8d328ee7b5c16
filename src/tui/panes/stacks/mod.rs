//! The view of stacks: one tree, three ways to group it, and what there is to know of what is selected.

pub mod config;
pub mod cost;
pub mod deps;
pub mod diff;
pub mod findings;
pub mod imports;
pub mod runs;
pub mod sources;
pub mod tree;

use std::collections::{BTreeMap, BTreeSet};

use ratatui::text::Line;

use crate::domain::run::since::Since;
use crate::domain::stack::{Explanation, InstanceSummary, PathSegment};
use crate::tui::app::{App, Kept, Marked};
use crate::tui::memory::Memory;
use crate::tui::message::InstanceKey;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Cursor, Row, piece};
use crate::tui::widgets::text;

use super::runs::state_mark;
use diff::Comparison;
use tree::{Grouping, Node, Of, Shown, Tree};

/// What stands beside the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Each value with its source.
    Config,
    /// The chain of one value.
    Sources,
    /// What a file imports and who imports it.
    Imports,
    /// A comparison.
    Diff,
    /// What is needed, and by whom.
    Deps,
    /// The runs of the instance.
    Runs,
    /// What its newest plan costs, resource by resource, and what is live.
    Cost,
    /// What policy and scanners say of its newest plan.
    Findings,
}

impl Tab {
    /// Every tab, in order.
    pub const ALL: [Tab; 8] =
        [Tab::Config, Tab::Sources, Tab::Imports, Tab::Diff, Tab::Deps, Tab::Runs, Tab::Cost, Tab::Findings];

    /// Returns the title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Tab::Config => "Config",
            Tab::Sources => "Sources",
            Tab::Imports => "Imports",
            Tab::Diff => "Diff",
            Tab::Deps => "Deps",
            Tab::Runs => "Runs",
            Tab::Cost => "Cost",
            Tab::Findings => "Findings",
        }
    }
}

/// How many explanations are kept.
const SHELF: usize = 64;

/// What the view keeps.
#[derive(Debug)]
pub struct Stacks {
    /// How the tree is grouped.
    pub grouping: Grouping,
    /// The tree.
    pub tree: Tree,
    /// The selection in it.
    pub cursor: Cursor,
    /// The identity of what is selected, so that it stays so when data arrives.
    pub selected: String,
    /// What the tree is filtered by.
    pub filter: String,
    /// Whether abstract components are shown.
    pub show_abstract: bool,
    /// What is unfolded in each grouping.
    pub unfolded: [BTreeSet<String>; 3],
    /// Which tab is shown.
    pub tab: Tab,
    /// The selection in each tab.
    pub details: [Cursor; Tab::ALL.len()],
    /// The value whose sources are shown.
    pub leaf: Vec<PathSegment>,
    /// What values are filtered by.
    pub leaf_filter: String,
    /// The explanations that came, the latest last.
    pub explanations: BTreeMap<InstanceKey, Kept<Explanation>>,
    /// What changed when the shown values came again, until another instance is looked at.
    pub changed: BTreeSet<Vec<PathSegment>>,
    /// In which order they were looked at.
    pub shelf: Vec<InstanceKey>,
    /// The one that was asked for and has not come.
    pub asked: Option<InstanceKey>,
    /// Files of the estate that came, by name.
    pub files: BTreeMap<String, Kept<Vec<Line<'static>>>>,
    /// The file that was asked for.
    pub asked_file: Option<String>,
    /// Whether a comparison stands side by side, where somebody said so; else where there is room.
    pub side_by_side: Option<bool>,
    /// What Atmos evaluated, by instance.
    pub evaluated: BTreeMap<InstanceKey, Kept<serde_json::Value>>,
    /// The instance that Atmos is evaluating.
    pub evaluating: Option<InstanceKey>,
    /// The comparison.
    pub comparison: Option<Comparison>,
    /// The instance that was looked at before this one.
    pub before: Option<InstanceKey>,
    /// The folder that every stack file lies in.
    pub base: String,
    /// What changed since an instance was last applied: of the one that was asked about last.
    pub since: Option<(InstanceKey, Kept<Since>)>,
    /// Whether that was asked and has not come.
    pub asked_since: bool,
}

impl Stacks {
    /// Makes the view as it was left.
    #[must_use]
    pub fn from_memory(memory: &Memory) -> Self {
        let grouping = Grouping::ALL.into_iter().find(|g| g.name() == memory.grouping).unwrap_or(Grouping::Stacks);
        let tab = Tab::ALL.into_iter().find(|t| t.title().eq_ignore_ascii_case(&memory.tab)).unwrap_or(Tab::Config);
        Stacks {
            grouping,
            tree: Tree::default(),
            cursor: Cursor::default(),
            selected: memory.selected.clone(),
            filter: String::new(),
            show_abstract: memory.show_abstract,
            unfolded: memory.unfolded.clone(),
            tab: if tab == Tab::Diff { Tab::Config } else { tab },
            details: Default::default(),
            leaf: Vec::new(),
            leaf_filter: String::new(),
            explanations: BTreeMap::new(),
            changed: BTreeSet::new(),
            shelf: Vec::new(),
            asked: None,
            files: BTreeMap::new(),
            asked_file: None,
            side_by_side: None,
            evaluated: BTreeMap::new(),
            evaluating: None,
            comparison: None,
            before: None,
            base: String::new(),
            since: None,
            asked_since: false,
        }
    }

    /// Writes down what is remembered.
    pub fn remember(&self, memory: &mut Memory) {
        memory.grouping = self.grouping.name().into();
        memory.tab = self.tab.title().to_lowercase();
        memory.selected.clone_from(&self.selected);
        memory.unfolded.clone_from(&self.unfolded);
        memory.show_abstract = self.show_abstract;
    }

    /// Returns what is unfolded in the grouping that is shown.
    pub fn open_now(&mut self) -> &mut BTreeSet<String> {
        &mut self.unfolded[self.grouping as usize]
    }

    /// Returns the selection in the tab that is shown.
    pub fn detail(&mut self) -> &mut Cursor {
        &mut self.details[self.tab as usize]
    }

    /// Notes which values are others than they were before.
    pub fn note_changes(&mut self, key: &InstanceKey, new: &Explanation) {
        let Some(old) = self.explanations.get(key).and_then(|kept| kept.value.as_ref()) else { return };
        let before: BTreeMap<_, _> = old.values.iter().map(|v| (&v.path, (&v.value, &v.source))).collect();
        let differs =
            |v: &&crate::domain::stack::ExplainedValue| before.get(&v.path).is_none_or(|(value, _)| **value != v.value);
        self.changed = new.values.iter().filter(differs).map(|v| v.path.clone()).collect();
    }

    /// Puts an explanation on the shelf; the one looked at longest ago falls off a full one.
    pub fn shelve(&mut self, key: &InstanceKey) -> &mut Kept<Explanation> {
        self.shelf.retain(|kept| kept != key);
        self.shelf.push(key.clone());
        if self.shelf.len() > SHELF {
            let oldest = self.shelf.remove(0);
            self.explanations.remove(&oldest);
        }
        self.explanations.entry(key.clone()).or_default()
    }
}

impl App {
    /// Returns the selected node of the tree.
    #[must_use]
    pub fn node(&self) -> Option<(&Node, Shown)> {
        self.stacks.tree.row(self.stacks.cursor.at)
    }

    /// Returns the instance that is selected in the tree.
    #[must_use]
    pub fn tree_instance(&self) -> Option<&InstanceSummary> {
        match self.node()?.0.of {
            Of::Instance(i) => self.instances.items().get(i),
            _ => None,
        }
    }

    /// Returns the file that the Imports tab is about.
    #[must_use]
    pub fn tree_file(&self) -> Option<String> {
        match &self.node()?.0.of {
            Of::File(file) => Some(file.clone()),
            Of::Instance(i) => self.instances.items().get(*i).map(|instance| instance.file.clone()),
            Of::Stack(name) => {
                let stack = self.stack_list.items().iter().find(|s| s.stack == *name)?;
                stack.files.first().cloned()
            }
            Of::Group | Of::Component(_) => None,
        }
    }

    /// Returns what a mark on the selected node would stand on.
    #[must_use]
    pub fn tree_mark(&self) -> Option<Marked> {
        match &self.node()?.0.of {
            Of::Stack(name) => Some(Marked::Stack(name.clone())),
            Of::Instance(i) => self.instances.items().get(*i).map(|i| Marked::Instance(InstanceKey::of(i))),
            _ => None,
        }
    }

    /// Returns the explanation of the selected instance.
    #[must_use]
    pub fn explanation(&self) -> Option<&Kept<Explanation>> {
        self.stacks.explanations.get(&InstanceKey::of(self.tree_instance()?))
    }
}

/// Returns a row of the tree.
#[must_use]
pub fn tree_row(app: &App, index: usize) -> Row {
    let Some((node, shown)) = app.stacks.tree.row(index) else { return Row::default() };
    let indent = "  ".repeat(usize::from(shown.depth.min(24)));
    let fold = match shown.open {
        Some(true) => "▾ ",
        Some(false) => "▸ ",
        None => "  ",
    };
    let instance = match node.of {
        Of::Instance(i) => app.instances.items().get(i),
        _ => None,
    };
    let marked = match (&node.of, instance) {
        (Of::Stack(name), _) => app.marks.contains(&Marked::Stack(name.clone())),
        (_, Some(instance)) if !app.marks.is_empty() => {
            app.marks.contains(&Marked::Instance(InstanceKey::of(instance)))
        }
        _ => false,
    };
    let meaning = match (&node.of, instance) {
        _ if marked => Meaning::Marked,
        (_, Some(instance)) if instance.is_abstract || !instance.enabled => Meaning::Dim,
        (Of::Group | Of::Stack(_), _) => Meaning::Strong,
        _ => Meaning::Text,
    };
    let mut left = vec![piece(format!("{indent}{fold}"), Meaning::Dim)];
    if marked {
        left.push(piece("◆ ", Meaning::Marked));
    }
    let label = match node.of {
        Of::File(_) => node.label.strip_prefix(app.stacks.base.as_str()).unwrap_or(&node.label),
        _ => &node.label,
    };
    left.push(piece(label, meaning));
    let mut right = Vec::new();
    match (&node.of, instance) {
        (_, Some(instance)) => {
            let note = |right: &mut Vec<_>, text: &str| right.push(piece(format!("{text} "), Meaning::Dim));
            if instance.is_abstract {
                note(&mut right, "abstract");
            }
            if !instance.enabled {
                note(&mut right, "disabled");
            }
            if instance.locked {
                note(&mut right, "locked");
            }
            if is_doubled(app, instance) {
                note(&mut right, instance.file.rsplit('/').next().unwrap_or_default());
            }
            let prices = app.prices.value.as_ref();
            right.extend(prices.and_then(|prices| prices.beside(&instance.component, &instance.stack)));
            if node.errors > 0 {
                right.push(piece("✗", Meaning::Failed));
            } else if let Some(state) = app.runs.latest(instance) {
                let (mark, meaning) = state_mark(state);
                right.push(piece(mark, meaning));
            } else {
                right.push(piece(" ", Meaning::Dim));
            }
        }
        _ => {
            if node.count > 0 {
                right.push(piece(text::thousands(node.count as u64), Meaning::Dim));
            }
            let mark = if node.errors > 0 { piece(" ✗", Meaning::Failed) } else { piece("  ", Meaning::Dim) };
            right.push(mark);
        }
    }
    Row::of(left).right(right)
}

/// Tells whether another row has the same component and stack, so that only the file tells them apart.
fn is_doubled(app: &App, instance: &InstanceSummary) -> bool {
    app.stack_list.items().iter().any(|stack| stack.files.len() > 1 && stack.stack == instance.stack)
        && app
            .instances
            .items()
            .iter()
            .any(|i| i.stack == instance.stack && i.component == instance.component && i.file != instance.file)
}

/// Returns the rows of the tab that is shown.
#[must_use]
pub fn detail_rows(app: &App, width: u16) -> Vec<Row> {
    match app.stacks.tab {
        Tab::Config => config::rows(app, width),
        Tab::Sources => sources::rows(app, width),
        Tab::Imports => imports::rows(app),
        Tab::Diff => diff::rows(app, width),
        Tab::Deps => deps::rows(app),
        Tab::Runs => runs::rows(app),
        Tab::Cost => cost::rows(app, width),
        Tab::Findings => findings::rows(app, width),
    }
}

/// Writes a path with dots; keys that have some themselves are quoted.
#[must_use]
pub fn path_text(path: &[PathSegment]) -> String {
    let mut out = String::new();
    for segment in path {
        match segment {
            PathSegment::Index(i) => out.push_str(&format!("[{i}]")),
            PathSegment::Key(key) => {
                if !out.is_empty() {
                    out.push('.');
                }
                if key.contains('.') {
                    out.push_str(&format!("\"{key}\""));
                } else {
                    out.push_str(key);
                }
            }
        }
    }
    out
}

/// Returns the folder that every stack file lies in, such as `stacks/`; imports are written relative to it.
#[must_use]
pub fn common_folder<'a>(files: impl IntoIterator<Item = &'a str>) -> String {
    let folder = |file: &'a str| file.rfind('/').map_or("", |at| &file[..=at]);
    let mut files = files.into_iter();
    let Some(mut common) = files.next().map(folder) else { return String::new() };
    for file in files {
        while !file.starts_with(common) {
            common = folder(common.strip_suffix('/').unwrap_or_default());
        }
    }
    common.to_owned()
}

/// Writes a place in a file as a list shows it: without the folder that all stack files share.
#[must_use]
pub fn short_source(app: &App, source: &crate::domain::stack::Source) -> String {
    let text = source_text(source);
    text.strip_prefix(app.stacks.base.as_str()).map(str::to_owned).unwrap_or(text)
}

/// Writes a place in a file.
#[must_use]
pub fn source_text(source: &crate::domain::stack::Source) -> String {
    format!("{}:{}", source.file, source.line)
}
