//! What is remembered of an estate between two visits.
//!
//! Owns the shape; [`super::effect`] reads and writes the file below the XDG state folder.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::overlay::form::Draft;

/// What stands before the lines of a log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gutter {
    /// Nothing.
    #[default]
    None,
    /// When each came.
    Times,
    /// Their numbers.
    Numbers,
}

/// Where somebody was, and how they had arranged the screen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// The view's name.
    pub view: String,
    /// The grouping of the tree of stacks.
    pub grouping: String,
    /// The tab beside it.
    pub tab: String,
    /// What is selected in the tree.
    pub selected: String,
    /// What is unfolded in each grouping.
    pub unfolded: [BTreeSet<String>; 3],
    /// Whether abstract components are shown.
    pub show_abstract: bool,
    /// The grouping of the catalog.
    pub catalog_grouping: String,
    /// The share of the screen that the list has, in percent.
    pub split: u16,
    /// Whether long log lines wrap.
    pub wrap: bool,
    /// What stands before log lines.
    pub gutter: Gutter,
    /// Whether the mouse is on.
    pub mouse: bool,
    /// The theme that was chosen in the dashboard.
    pub theme: Option<String>,
    /// What was filled in and not sent, by golden path and request.
    pub drafts: BTreeMap<String, Draft>,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            view: "stacks".into(),
            grouping: "stacks".into(),
            tab: "config".into(),
            selected: String::new(),
            unfolded: Default::default(),
            show_abstract: false,
            catalog_grouping: "team".into(),
            split: 38,
            wrap: true,
            gutter: Gutter::None,
            mouse: false,
            theme: None,
            drafts: BTreeMap::new(),
        }
    }
}
