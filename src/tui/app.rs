//! The state of the dashboard: everything that a frame is drawn from.
//!
//! Owns no way out: answers come in as messages, and what is wanted from outside leaves [`super::update`] as effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crokey::KeyCombination;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::api::types::Trust;
use crate::domain::id::RunRef;
use crate::domain::stack::{Dependency, Diagnostic, ImportEdge, InstanceSummary, Severity, StackSummary};

use super::action::Place;
use super::keymap::Keymap;
use super::memory::Memory;
use super::message::{Card, InstanceKey, Trouble, WorkflowCard};
use super::overlay::Overlay;
use super::overlay::form::Draft;
use super::panes::budgets::Budgets;
use super::panes::catalog::Catalog;
use super::panes::events::Events;
use super::panes::requests::Requests;
use super::panes::runs::Runs;
use super::panes::stacks::Stacks;
use super::prices::Prices;
use super::reviews::Reviews;
use super::theme::Theme;

/// A view that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Stacks and their configuration.
    Stacks,
    /// Services.
    Catalog,
    /// Runs and their logs.
    Runs,
    /// What is asked for, and what waits for whoever looks.
    Requests,
    /// Budgets and what is billed.
    Budgets,
    /// Events and the audit trail.
    Events,
}

impl View {
    /// Returns the name as the header shows it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            View::Stacks => "Stacks",
            View::Catalog => "Catalog",
            View::Runs => "Runs",
            View::Requests => "Requests",
            View::Budgets => "Budgets",
            View::Events => "Events",
        }
    }
}

/// Which of a view's two panes has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// The list.
    List,
    /// What stands beside it.
    Detail,
}

/// An answer of the platform: the last good one stays, with its age.
#[derive(Debug, Clone)]
pub struct Kept<T> {
    /// The last good answer.
    pub value: Option<T>,
    /// When it came.
    pub at: Option<Timestamp>,
    /// Why the last question was not answered.
    pub trouble: Option<Trouble>,
    /// Whether something changed since, so that it should be asked for again.
    pub stale: bool,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept { value: None, at: None, trouble: None, stale: false }
    }
}

impl<T> Kept<T> {
    /// Takes an answer; a refusal leaves the last good one in place.
    pub fn take(&mut self, outcome: Result<T, Trouble>, now: Timestamp) {
        match outcome {
            Ok(value) => *self = Kept { value: Some(value), at: Some(now), trouble: None, stale: false },
            Err(trouble) => {
                self.trouble = Some(trouble);
                self.stale = false;
            }
        }
    }

    /// Tells whether it should be asked for: it never came, or something changed since.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.stale || (self.value.is_none() && self.trouble.is_none())
    }
}

impl<T> Kept<Vec<T>> {
    /// Returns the items of the last good answer; none before there is one.
    #[must_use]
    pub fn items(&self) -> &[T] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// The connection to the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Not there yet.
    Connecting,
    /// There.
    Live,
    /// Gone; it is tried again by itself.
    Lost {
        /// Since when.
        since: Timestamp,
        /// Why.
        trouble: Trouble,
        /// How often it was tried since.
        attempt: u32,
    },
}

/// What is said on the hint line, until the next key or for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The sentence.
    pub text: String,
    /// Whether something did not work.
    pub failed: bool,
    /// When it was said.
    pub at: Timestamp,
}

/// How long something that was said stays where no key is pressed, in seconds; what did not work stays.
pub const NOTICE_SECONDS: i64 = 5;

/// What a mark stands on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Marked {
    /// An instance.
    Instance(InstanceKey),
    /// A whole stack.
    Stack(String),
}

impl Marked {
    /// Returns how a comparison names it.
    #[must_use]
    pub fn side(&self) -> String {
        match self {
            Marked::Instance(key) => format!("{}@{}", key.component, key.stack),
            Marked::Stack(name) => format!("stack:{name}"),
        }
    }
}

/// Where the dashboard shall open, once what it names has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A run.
    Run(RunRef),
    /// A request, by its number.
    Request(u64),
    /// An instance: component and stack.
    Instance(String, String),
}

/// Everything a frame is drawn from.
#[derive(Debug)]
pub struct App {
    /// The time of the last tick.
    pub now: Timestamp,
    /// The time zone of who looks.
    pub zone: TimeZone,
    /// The terminal's size.
    pub size: (u16, u16),
    /// The connection.
    pub link: Link,
    /// Estate and platform.
    pub card: Kept<Card>,
    /// The list of stacks.
    pub stack_list: Kept<Vec<StackSummary>>,
    /// The list of instances, abstract ones too.
    pub instances: Kept<Vec<InstanceSummary>>,
    /// The estate's problems.
    pub diagnostics: Kept<Vec<Diagnostic>>,
    /// The imports of all files.
    pub imports: Kept<Vec<ImportEdge>>,
    /// The dependencies of all instances.
    pub dependencies: Kept<Vec<Dependency>>,
    /// The workflows.
    pub workflows: Kept<Vec<WorkflowCard>>,
    /// Whether the estate is trusted, and what it needs trust for.
    pub trust: Kept<Trust>,
    /// The view that is shown.
    pub view: View,
    /// The pane that has the keys.
    pub focus: Focus,
    /// Whether it has the whole screen.
    pub zoomed: bool,
    /// The share of the screen that the list has, in percent.
    pub split: u16,
    /// What live instances cost.
    pub prices: Kept<Prices>,
    /// What plans cost, and what policy and scanners say of them.
    pub reviews: Reviews,
    /// The view of stacks.
    pub stacks: Stacks,
    /// The view of services.
    pub catalog: Catalog,
    /// The view of runs.
    pub runs: Runs,
    /// The view of requests.
    pub requests: Requests,
    /// What was filled in and not sent, by golden path and request.
    pub drafts: BTreeMap<String, Draft>,
    /// The view of budgets.
    pub budgets: Budgets,
    /// The view of events.
    pub events: Events,
    /// What is marked.
    pub marks: BTreeSet<Marked>,
    /// What lies over the view; the last one has the keys.
    pub overlays: Vec<Overlay>,
    /// What is said on the hint line.
    pub notice: Option<Notice>,
    /// The beginning of a sequence of keys.
    pub pressed: Vec<KeyCombination>,
    /// Which key does what.
    pub keymap: Arc<Keymap>,
    /// What the meanings look like.
    pub theme: Arc<Theme>,
    /// The themes that can be chosen.
    pub themes: Arc<Vec<Theme>>,
    /// Whether programs' own colours are shown.
    pub colors: bool,
    /// Whether the mouse is on.
    pub mouse: bool,
    /// Where to open.
    pub target: Option<Target>,
    /// Whether a theme was chosen here.
    pub chose_theme: bool,
    /// The memory as it was last kept.
    pub remembered: Memory,
}

/// What an [`App`] starts with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The time.
    pub now: Timestamp,
    /// The time zone of who looks.
    pub zone: TimeZone,
    /// The terminal's size.
    pub size: (u16, u16),
    /// Which key does what.
    pub keymap: Keymap,
    /// The themes, the one to use first at `theme`.
    pub themes: Vec<Theme>,
    /// The theme to use.
    pub theme: usize,
    /// Whether there are colours at all.
    pub colors: bool,
    /// What is remembered.
    pub memory: Memory,
    /// Where to open.
    pub target: Option<Target>,
    /// The estate's name, known from its folder before anything is asked.
    pub name: String,
}

impl App {
    /// Makes the state of a dashboard that has just opened.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup { now, zone, size, keymap, themes, theme, colors, memory, target, name } = setup;
        let chosen = memory.theme.as_ref().and_then(|name| themes.iter().position(|t| t.name == *name));
        let current = themes[chosen.unwrap_or(theme).min(themes.len() - 1)].clone();
        App {
            now,
            zone,
            size,
            link: Link::Connecting,
            card: Kept { value: Some(Card { name, ..Card::default() }), ..Kept::default() },
            stack_list: Kept::default(),
            instances: Kept::default(),
            diagnostics: Kept::default(),
            imports: Kept::default(),
            dependencies: Kept::default(),
            workflows: Kept::default(),
            trust: Kept::default(),
            prices: Kept::default(),
            reviews: Reviews::default(),
            view: match memory.view.as_str() {
                "catalog" => View::Catalog,
                "runs" => View::Runs,
                "requests" => View::Requests,
                "budgets" => View::Budgets,
                "events" => View::Events,
                _ => View::Stacks,
            },
            focus: Focus::List,
            zoomed: false,
            split: memory.split.clamp(15, 85),
            stacks: Stacks::from_memory(&memory),
            catalog: Catalog::from_memory(&memory),
            runs: Runs::from_memory(&memory),
            requests: Requests::default(),
            drafts: memory.drafts.clone(),
            budgets: Budgets::default(),
            events: Events::default(),
            marks: BTreeSet::new(),
            overlays: Vec::new(),
            notice: None,
            pressed: Vec::new(),
            keymap: Arc::new(keymap),
            theme: Arc::new(current),
            themes: Arc::new(themes),
            colors,
            mouse: memory.mouse,
            target,
            chose_theme: chosen.is_some(),
            remembered: memory,
        }
    }

    /// Returns where the keys go.
    #[must_use]
    pub fn place(&self) -> Place {
        match (self.view, self.focus) {
            (View::Stacks, _) => Place::Stacks,
            (View::Catalog, _) => Place::Catalog,
            (View::Runs, Focus::List) => Place::Runs,
            (View::Runs, Focus::Detail) => Place::Log,
            (View::Requests, _) => Place::Requests,
            (View::Budgets, _) => Place::Budgets,
            (View::Events, _) => Place::Events,
        }
    }

    /// Returns the estate and the platform as last known.
    #[must_use]
    pub fn card(&self) -> &Card {
        static NONE: std::sync::OnceLock<Card> = std::sync::OnceLock::new();
        self.card.value.as_ref().unwrap_or_else(|| NONE.get_or_init(Card::default))
    }

    /// Returns how many of the estate's problems are errors, and how many are warnings.
    #[must_use]
    pub fn problems(&self) -> (usize, usize) {
        let errors = self.diagnostics.items().iter().filter(|d| d.severity == Severity::Error).count();
        (errors, self.diagnostics.items().len() - errors)
    }

    /// Says something on the hint line.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), failed: false, at: self.now });
    }

    /// Says on the hint line that something did not work.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.notice = Some(Notice { text: text.into(), failed: true, at: self.now });
    }

    /// Returns what is to be remembered of this estate.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let mut memory = Memory {
            view: self.view.title().to_lowercase(),
            split: self.split,
            mouse: self.mouse,
            theme: self.chose_theme.then(|| self.theme.name.clone()),
            drafts: self.drafts.clone(),
            ..Memory::default()
        };
        self.stacks.remember(&mut memory);
        self.catalog.remember(&mut memory);
        self.runs.remember(&mut memory);
        // What is being filled in outlives a kill too.
        for overlay in &self.overlays {
            if let Overlay::Form(form) = overlay
                && form.is_touched()
            {
                memory.drafts.insert(form.key(), form.draft());
            }
        }
        memory
    }
}
