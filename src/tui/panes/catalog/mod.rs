//! The view of services: what there is, whose it is, what goes in and out, where it runs.

pub mod detail;

use crate::domain::service::Service;
use crate::tui::app::{App, Kept};
use crate::tui::memory::Memory;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{Cursor, Go, Row, piece};
use crate::tui::widgets::text;

/// How the list is grouped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grouping {
    /// By owning team.
    #[default]
    Team,
    /// By tier.
    Tier,
    /// By lifecycle.
    Lifecycle,
}

impl Grouping {
    /// Every grouping, in the order in which a key goes through them.
    pub const ALL: [Grouping; 3] = [Grouping::Team, Grouping::Tier, Grouping::Lifecycle];

    /// Returns its name, on screen and in what is remembered.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Grouping::Team => "team",
            Grouping::Tier => "tier",
            Grouping::Lifecycle => "lifecycle",
        }
    }

    fn of(self, service: &Service) -> Option<&str> {
        let attribute = match self {
            Grouping::Team => &service.owner,
            Grouping::Tier => &service.tier,
            Grouping::Lifecycle => &service.lifecycle,
        };
        attribute.as_ref().map(|a| a.value.as_str())
    }
}

/// What stands beside the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// What it is, and its README.
    #[default]
    About,
    /// Its variables.
    Inputs,
    /// Its outputs.
    Outputs,
    /// Where it is deployed.
    Instances,
}

impl Tab {
    /// Every tab, in order.
    pub const ALL: [Tab; 4] = [Tab::About, Tab::Inputs, Tab::Outputs, Tab::Instances];

    /// Returns the title.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Tab::About => "About",
            Tab::Inputs => "Inputs",
            Tab::Outputs => "Outputs",
            Tab::Instances => "Instances",
        }
    }
}

/// A row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The name of a group.
    Head(String),
    /// A service, by its place in the answer.
    Service(usize),
}

/// What the view keeps.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The services.
    pub list: Kept<Vec<Service>>,
    /// The rows.
    pub items: Vec<Item>,
    /// How they are grouped.
    pub grouping: Grouping,
    /// What they are filtered by.
    pub filter: String,
    /// The selection.
    pub cursor: Cursor,
    /// The name of the selected service.
    pub selected: String,
    /// Which tab is shown.
    pub tab: Tab,
    /// The selection in each tab.
    pub details: [Cursor; 4],
}

impl Catalog {
    /// Makes the view as it was left.
    #[must_use]
    pub fn from_memory(memory: &Memory) -> Self {
        let grouping = Grouping::ALL.into_iter().find(|g| g.name() == memory.catalog_grouping).unwrap_or_default();
        Catalog { grouping, ..Catalog::default() }
    }

    /// Writes down what is remembered.
    pub fn remember(&self, memory: &mut Memory) {
        memory.catalog_grouping = self.grouping.name().into();
    }

    /// Makes the rows anew and keeps the selection where it is.
    pub fn arrange(&mut self) {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let services = self.list.items();
        let fits = |service: &Service| {
            let text = || {
                let own = [&service.owner, &service.tier, &service.lifecycle, &service.description];
                let own: Vec<&str> = own.into_iter().flatten().map(|a| a.value.as_str()).collect();
                format!("{} {} {}", service.name, service.component_type, own.join(" ")).to_lowercase()
            };
            words.is_empty() || words.iter().all(|word| text().contains(word))
        };
        let mut sorted: Vec<usize> = (0..services.len()).filter(|i| fits(&services[*i])).collect();
        // What nobody is named for stands last, where it is seen and can be mended.
        let key = |i: &usize| {
            let group = self.grouping.of(&services[*i]);
            (group.is_none(), group.map(str::to_owned), services[*i].name.clone())
        };
        sorted.sort_by_key(key);
        let mut items = Vec::new();
        let mut last: Option<Option<&str>> = None;
        for i in sorted {
            let group = self.grouping.of(&services[i]);
            if last != Some(group) {
                last = Some(group);
                items.push(Item::Head(match group {
                    Some(group) => format!("{} {group}", self.grouping.name()),
                    None => format!("no {}", self.grouping.name()),
                }));
            }
            items.push(Item::Service(i));
        }
        self.items = items;
        let is = |item: &Item| matches!(item, Item::Service(i) if self.list.items()[*i].name == self.selected);
        let first = || self.items.iter().position(|item| matches!(item, Item::Service(_)));
        self.cursor.at = self.items.iter().position(is).or_else(first).unwrap_or(0);
    }
}

impl App {
    /// Returns the selected service.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        match self.catalog.items.get(self.catalog.cursor.at)? {
            Item::Service(i) => self.catalog.list.items().get(*i),
            Item::Head(_) => None,
        }
    }
}

/// Returns a row of the list.
#[must_use]
pub fn row(app: &App, index: usize) -> Row {
    match app.catalog.items.get(index) {
        Some(Item::Head(name)) => Row::head(name.clone()),
        Some(Item::Service(i)) => match app.catalog.list.items().get(*i) {
            Some(service) => service_row(app, service),
            None => Row::default(),
        },
        None => Row::default(),
    }
}

fn service_row(app: &App, service: &Service) -> Row {
    let name = if service.instances.is_empty() { Meaning::Dim } else { Meaning::Text };
    let mut left = vec![piece(format!("  {}", service.name), name)];
    if !service.exists {
        left.push(piece("  ✗ no folder", Meaning::Failed));
    }
    let mut right = Vec::new();
    let mut say = |attribute: &Option<crate::domain::service::Attribute>, prefix: &str, hidden: bool| {
        if let Some(attribute) = attribute.as_ref().filter(|_| !hidden) {
            right.push(piece(format!("{prefix}{}  ", attribute.value), Meaning::Dim));
        }
    };
    say(&service.owner, "", app.catalog.grouping == Grouping::Team);
    say(&service.tier, "tier ", app.catalog.grouping == Grouping::Tier);
    say(&service.lifecycle, "", app.catalog.grouping == Grouping::Lifecycle);
    let sum = app.prices.value.as_ref().map(|prices| prices.sum(&service.instances));
    right.extend(sum.and_then(|sum| sum.beside()));
    right.push(match service.instances.len() {
        0 => piece("unused", Meaning::Warning),
        n => piece(format!("{:>3}", text::thousands(n as u64)), Meaning::Text),
    });
    Row::of(left).right(right).to(Go::Service(service.name.clone())).copied(service.name.clone())
}
