//! A list to choose from, narrowed while typing: the palette, workflows, problems, what a search found.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::Frame;
use ratatui::text::{Line, Span};

use crate::domain::stack::{InstanceRef, Source};
use crate::tui::action::{Action, Enabled};
use crate::tui::app::App;
use crate::tui::theme::Meaning;
use crate::tui::widgets::list::{self, Cursor, Row, piece};
use crate::tui::widgets::text;

use super::boxed;

/// What is chosen from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PickerKind {
    /// Every action.
    Palette,
    /// The workflows.
    Workflows,
    /// The estate's problems.
    Problems,
    /// Keys and values that a search found; the platform narrows it.
    Search,
    /// What a change since a Git reference reaches.
    Affected,
    /// The steps of a workflow to go on from.
    Steps,
    /// Whether what a lost run was to do is done.
    Resolutions,
    /// What can be asked for.
    Paths,
    /// The values of an input.
    Options,
}

/// What a choice does.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// An action.
    Do(Action),
    /// Opens a line.
    Edit(Source),
    /// Runs a workflow, by its place in the list.
    Workflow(usize),
    /// Goes to an instance.
    Go(InstanceRef),
    /// Starts a run again, from a step on.
    Resume(crate::domain::id::RunId, Option<String>),
    /// Says whether what a lost run was to do is done.
    Resolve(crate::domain::id::RunId, bool),
    /// Opens the form of a golden path, by its place in the list.
    Ask(usize),
    /// Asks for the form of a request.
    AskFor(Box<crate::domain::request::Wish>),
    /// Fills in one of an input's values.
    Fill(usize),
    /// Nothing: it only says something.
    Nothing,
}

/// One choice.
#[derive(Debug, Clone)]
pub struct Choice {
    /// What it is called.
    pub label: String,
    /// What it is, or where.
    pub about: String,
    /// What stands on the right: a key, a source.
    pub right: String,
    /// Whether it can be chosen now, and why not.
    pub enabled: Enabled,
    /// What its look means.
    pub meaning: Meaning,
    /// What it does.
    pub then: Then,
}

/// A list to choose from.
#[derive(Debug)]
pub struct Picker {
    /// What is chosen from.
    pub kind: PickerKind,
    /// What is typed.
    pub input: String,
    /// Every choice.
    pub choices: Vec<Choice>,
    /// Those that fit, the best first.
    pub shown: Vec<usize>,
    /// The selection.
    pub cursor: Cursor,
    /// Whether an answer is awaited.
    pub waiting: bool,
}

impl Picker {
    /// Makes a list of these choices.
    #[must_use]
    pub fn new(kind: PickerKind, choices: Vec<Choice>) -> Self {
        let shown = (0..choices.len()).collect();
        Picker { kind, input: String::new(), choices, shown, cursor: Cursor::default(), waiting: false }
    }

    /// Makes the palette: every action that is built, with its key, those that work here first.
    #[must_use]
    pub fn palette(app: &App) -> Self {
        let place = app.place();
        let mut actions: Vec<Action> = Action::ALL.iter().copied().filter(|a| a.is_built()).collect();
        actions.sort_by_key(|action| (!action.applies_in(place), action.enabled(app).is_err()));
        let choice = |action: Action| {
            let here = action.applies_in(place);
            let elsewhere = if action.places().len() == 1 { "works in another view" } else { "does nothing here" };
            Choice {
                label: action.about().to_owned(),
                about: action.name().to_owned(),
                right: app.keymap.keys(action, if here { place } else { action.places()[0] }).join(" "),
                enabled: if here { action.enabled(app) } else { Err(elsewhere) },
                meaning: Meaning::Text,
                then: Then::Do(action),
            }
        };
        Picker::new(PickerKind::Palette, actions.into_iter().map(choice).collect())
    }

    /// Narrows the list to what fits what is typed, the best first.
    pub fn narrow(&mut self) {
        self.cursor = Cursor::default();
        if self.kind == PickerKind::Search || self.input.trim().is_empty() {
            self.shown = (0..self.choices.len()).collect();
            return;
        }
        let pattern = Pattern::parse(&self.input, CaseMatching::Smart, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut scored: Vec<(u32, usize)> = Vec::new();
        for (i, choice) in self.choices.iter().enumerate() {
            let haystack = format!("{} {}", choice.label, choice.about);
            if let Some(score) = pattern.score(Utf32Str::new(&haystack, &mut buffer), &mut matcher) {
                scored.push((score, i));
            }
        }
        // What cannot be done now stands below what can.
        scored.sort_by_key(|(score, i)| (self.choices[*i].enabled.is_err(), std::cmp::Reverse(*score), *i));
        self.shown = scored.into_iter().map(|(_, i)| i).collect();
    }

    /// Returns the selected choice.
    #[must_use]
    pub fn chosen(&self) -> Option<&Choice> {
        self.choices.get(*self.shown.get(self.cursor.at)?)
    }

    /// Returns how many lines a choice takes.
    fn tall(&self, choice: usize) -> usize {
        let about = self.choices.get(choice).is_some_and(|choice| !choice.about.is_empty());
        1 + usize::from(self.kind != PickerKind::Palette && about)
    }

    /// Returns how many rows fit on a screen of this height.
    #[must_use]
    pub fn room(&self, screen: u16) -> usize {
        usize::from(self.height(screen)).saturating_sub(5).max(1)
    }

    fn height(&self, screen: u16) -> u16 {
        let wanted = match self.kind {
            PickerKind::Search | PickerKind::Affected => 30,
            _ => (0..self.choices.len()).map(|i| self.tall(i)).sum::<usize>().min(500) as u16 + 5,
        };
        wanted.clamp(7, screen.saturating_sub(2).max(7))
    }
}

/// Draws the list.
pub fn draw(app: &App, picker: &Picker, frame: &mut Frame<'_>) {
    let theme = &*app.theme;
    let (title, what) = match picker.kind {
        PickerKind::Palette => ("Every action", "type to find one"),
        PickerKind::Workflows => ("Run a workflow", "type to find one"),
        PickerKind::Problems => ("Problems of the estate", "type to narrow them"),
        PickerKind::Search => ("Search keys and values", "such as vars.size=large, or only payments"),
        PickerKind::Affected => ("What the change reaches", "type to narrow it"),
        PickerKind::Steps => ("Start again from", "type to find a step"),
        PickerKind::Resolutions => ("What became of it?", "look at the plan or the world first"),
        PickerKind::Paths => ("Ask for something", "type to find it"),
        PickerKind::Options => ("Choose", "type to find one"),
    };
    let height = picker.height(frame.area().height);
    let width = if picker.kind == PickerKind::Palette { 84 } else { 116 };
    let area = boxed(frame, width, height, title, theme, Meaning::BorderFocused);
    if area.height < 3 {
        return;
    }
    let typed = if picker.input.is_empty() {
        Line::from(vec![Span::styled("▏", theme.style(Meaning::Accent)), Span::styled(what, theme.style(Meaning::Dim))])
    } else {
        Line::from(vec![
            Span::styled(picker.input.clone(), theme.style(Meaning::Strong)),
            Span::styled("▏", theme.style(Meaning::Accent)),
        ])
    };
    frame.buffer_mut().set_line(area.x, area.y, &typed, area.width);
    let rows = ratatui::layout::Rect { y: area.y + 2, height: area.height.saturating_sub(3), ..area };
    list::draw(frame, rows, picker.shown.len(), Some(picker.cursor), true, theme, |i| row(picker, i));
    if picker.shown.is_empty() {
        let text = match (picker.kind, picker.waiting, picker.input.len()) {
            (_, true, _) => "…",
            (PickerKind::Search, _, 0..2) => "",
            (PickerKind::Affected, _, 0) => "Nothing is affected.",
            _ => "Nothing fits.",
        };
        frame.buffer_mut().set_string(rows.x + 1, rows.y, text, theme.style(Meaning::Dim));
    }
    let count = match picker.kind {
        PickerKind::Search if picker.shown.is_empty() => String::new(),
        _ => format!("{} · ", text::thousands(picker.shown.len() as u64)),
    };
    let why = picker.chosen().and_then(|choice| choice.enabled.err());
    let foot = match (why, picker.kind) {
        (Some(why), _) => Line::styled(format!("not now: {why}"), theme.style(Meaning::Warning)),
        (None, PickerKind::Problems) => {
            Line::styled(format!("{count}enter opens the line · esc closes"), theme.style(Meaning::Dim))
        }
        (None, PickerKind::Search) => Line::styled(
            format!("{count}enter goes there · ctrl-e opens the line · esc closes"),
            theme.style(Meaning::Dim),
        ),
        (None, PickerKind::Affected) => Line::styled(
            format!("{count}enter goes there · ctrl-a marks all, to plan them · esc closes"),
            theme.style(Meaning::Dim),
        ),
        (None, PickerKind::Paths) => {
            Line::styled(format!("{count}enter opens its form · esc closes"), theme.style(Meaning::Dim))
        }
        _ => Line::styled(format!("{count}enter does it · esc closes"), theme.style(Meaning::Dim)),
    };
    frame.buffer_mut().set_line(area.x, area.bottom() - 1, &text::fit(foot, area.width), area.width);
}

fn row(picker: &Picker, index: usize) -> Row {
    let Some(choice) = picker.shown.get(index).and_then(|i| picker.choices.get(*i)) else { return Row::default() };
    let meaning = if choice.enabled.is_ok() { choice.meaning } else { Meaning::Dim };
    let mut row = Row::of(vec![piece(choice.label.clone(), meaning)]);
    if picker.kind == PickerKind::Palette {
        row.left.push(piece(format!("  {}", choice.about), Meaning::Dim));
    } else if !choice.about.is_empty() {
        row.below = vec![piece(format!("  {}", choice.about), Meaning::Dim)];
    }
    row.right(vec![piece(
        choice.right.clone(),
        if picker.kind == PickerKind::Palette { Meaning::Key } else { Meaning::Source },
    )])
}

/// Returns how many lines a row takes.
#[must_use]
pub fn row_height(picker: &Picker, index: usize) -> usize {
    picker.shown.get(index).map_or(1, |choice| picker.tall(*choice))
}
