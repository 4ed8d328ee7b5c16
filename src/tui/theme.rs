//! Colours as data: what a meaning looks like.
//!
//! Owns the theme files (`themes/*.toml`, embedded), a user's overrides, and what is left of them on terminals with
//! fewer colours. Widgets name meanings and never colours.

use std::collections::BTreeMap;
use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use thiserror::Error;

use super::keymap::nearest;

/// The themes that ship, by name.
pub const SHIPPED: [(&str, &str); 3] = [
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("terminal", include_str!("../../themes/terminal.toml")),
];

macro_rules! meanings {
    ($($variant:ident $name:literal $about:literal;)+) => {
        /// What something on the screen means.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Meaning {
            $(#[doc = $about] $variant,)+
        }

        impl Meaning {
            /// Every meaning.
            pub const ALL: &[Meaning] = &[$(Meaning::$variant),+];

            /// Returns the name that theme files use.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Meaning::$variant => $name,)+ }
            }
        }
    };
}

meanings! {
    Text "text" "Plain text, and the background of everything.";
    Strong "strong" "Text that leads: names, headings.";
    Dim "dim" "Text that stands back: sources, ages, hints.";
    Accent "accent" "The one accent: the selection's bar and what needs you.";
    Selected "selected" "The selected row where the keys go.";
    SelectedElsewhere "selected-elsewhere" "The selected row of a pane that has not the keys.";
    Border "border" "Frames.";
    BorderFocused "border-focused" "The frame of the pane that has the keys.";
    Title "title" "Titles on frames.";
    Tab "tab" "A tab that is not shown.";
    TabSelected "tab-selected" "The tab that is shown.";
    Key "key" "A key in a hint.";
    Name "name" "Keys of configuration.";
    Value "value" "Values of configuration.";
    Source "source" "A file and line.";
    Done "done" "What succeeded.";
    Running "running" "What is under way.";
    Failed "failed" "What failed, and errors.";
    Warning "warning" "What a person should look at.";
    Unknown "unknown" "What is not known.";
    Idle "idle" "What rests.";
    Added "added" "What is created or stands only on the right.";
    Changed "changed" "What is changed.";
    Removed "removed" "What is destroyed or stands only on the left.";
    Match "match" "What a search found.";
    Marked "marked" "What is marked.";
    Overlay "overlay" "The ground of palette, help and dialogs.";
}

/// What is wrong with a theme file.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ThemeError {
    /// It is not TOML of the right shape.
    #[error("{file}: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// What the reader says, with the line.
        message: String,
    },
    /// A meaning does not exist.
    #[error("{file}: no meaning named '{name}'{}", .suggestion.as_ref().map(|s| format!(" (did you mean '{s}'?)")).unwrap_or_default())]
    Meaning {
        /// The file.
        file: String,
        /// The name as written.
        name: String,
        /// The nearest one.
        suggestion: Option<String>,
    },
    /// A colour is none.
    #[error("{file}: {meaning}: '{color}' is not a colour (try '#7aa2f7', 'light-blue' or '12')")]
    Color {
        /// The file.
        file: String,
        /// The meaning.
        meaning: String,
        /// The colour as written.
        color: String,
    },
    /// A modifier is none.
    #[error("{file}: {meaning}: '{modifier}' is none of bold, dim, italic, underlined, reversed, crossed-out")]
    Modifier {
        /// The file.
        file: String,
        /// The meaning.
        meaning: String,
        /// The modifier as written.
        modifier: String,
    },
    /// No theme has this name.
    #[error("no theme named '{name}'{}", .suggestion.as_ref().map(|s| format!(" (did you mean '{s}'?)")).unwrap_or_default())]
    Unknown {
        /// The name.
        name: String,
        /// The nearest one.
        suggestion: Option<String>,
    },
}

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// None, or the user asked for none (`NO_COLOR`).
    None,
    /// The sixteen that the terminal names.
    Sixteen,
    /// The cube of 256.
    TwoFiftySix,
    /// All of them.
    True,
}

impl Depth {
    /// Reads the depth from the environment: `NO_COLOR`, `COLORTERM`, `TERM`.
    #[must_use]
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let colorterm = variable("COLORTERM").unwrap_or_default();
        let term = variable("TERM").unwrap_or_default();
        if variable("NO_COLOR").is_some_and(|v| !v.is_empty()) || term == "dumb" {
            Depth::None
        } else if colorterm == "truecolor" || colorterm == "24bit" || term.ends_with("-direct") {
            Depth::True
        } else if term.contains("256color") {
            Depth::TwoFiftySix
        } else {
            Depth::Sixteen
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    fg: Option<String>,
    bg: Option<String>,
    #[serde(default)]
    modifiers: Vec<String>,
}

/// What each meaning looks like.
#[derive(Debug, Clone)]
pub struct Theme {
    /// Its name.
    pub name: String,
    styles: Vec<Style>,
}

impl Theme {
    /// Loads a shipped theme for a terminal of this many colours.
    ///
    /// # Errors
    ///
    /// Where none has that name.
    pub fn shipped(name: &str, depth: Depth) -> Result<Self, ThemeError> {
        let Some((_, text)) = SHIPPED.iter().find(|(shipped, _)| *shipped == name) else {
            return Err(ThemeError::Unknown {
                name: name.to_owned(),
                suggestion: nearest(name, SHIPPED.iter().map(|(name, _)| *name)),
            });
        };
        let mut theme = Theme { name: name.to_owned(), styles: vec![Style::default(); Meaning::ALL.len()] };
        theme.merge(&format!("themes/{name}.toml"), text)?;
        Ok(theme.at(depth))
    }

    /// Lays the meanings of a theme file over these.
    ///
    /// # Errors
    ///
    /// Where the file is not TOML, or names a meaning, colour or modifier that does not exist.
    pub fn merge(&mut self, file: &str, text: &str) -> Result<(), ThemeError> {
        let entries: BTreeMap<String, Entry> = toml::from_str(text)
            .map_err(|e| ThemeError::Syntax { file: file.to_owned(), message: e.to_string().trim_end().to_owned() })?;
        for (name, entry) in entries {
            let Some(meaning) = Meaning::ALL.iter().copied().find(|meaning| meaning.name() == name) else {
                let suggestion = nearest(&name, Meaning::ALL.iter().map(|m| m.name()));
                return Err(ThemeError::Meaning { file: file.to_owned(), name, suggestion });
            };
            let color = |text: &Option<String>| match text {
                None => Ok(None),
                Some(text) => Color::from_str(text).map(Some).map_err(|_| ThemeError::Color {
                    file: file.to_owned(),
                    meaning: name.clone(),
                    color: text.clone(),
                }),
            };
            let mut style = Style { fg: color(&entry.fg)?, bg: color(&entry.bg)?, ..Style::default() };
            for modifier in &entry.modifiers {
                style = style.add_modifier(match modifier.as_str() {
                    "bold" => Modifier::BOLD,
                    "dim" => Modifier::DIM,
                    "italic" => Modifier::ITALIC,
                    "underlined" => Modifier::UNDERLINED,
                    "reversed" => Modifier::REVERSED,
                    "crossed-out" => Modifier::CROSSED_OUT,
                    _ => {
                        return Err(ThemeError::Modifier {
                            file: file.to_owned(),
                            meaning: name.clone(),
                            modifier: modifier.clone(),
                        });
                    }
                });
            }
            self.styles[meaning as usize] = style;
        }
        Ok(())
    }

    /// Returns what is left of the theme on a terminal of this many colours.
    ///
    /// Without colours, and with sixteen where the selection has none of them, the selection is reversed.
    #[must_use]
    pub fn at(mut self, depth: Depth) -> Self {
        for style in &mut self.styles {
            style.fg = style.fg.and_then(|color| reduce(color, depth));
            style.bg = style.bg.and_then(|color| reduce(color, depth));
        }
        if depth == Depth::Sixteen && self.style(Meaning::Selected).bg.is_none() {
            self.patch(Meaning::Selected, Modifier::REVERSED);
        }
        if depth == Depth::None {
            self.patch(Meaning::Selected, Modifier::REVERSED);
            self.patch(Meaning::SelectedElsewhere, Modifier::UNDERLINED);
            self.patch(Meaning::Match, Modifier::REVERSED);
            self.patch(Meaning::TabSelected, Modifier::BOLD | Modifier::UNDERLINED);
            self.patch(Meaning::Key, Modifier::BOLD);
            self.patch(Meaning::BorderFocused, Modifier::BOLD);
        }
        self
    }

    fn patch(&mut self, meaning: Meaning, modifier: Modifier) {
        let style = &mut self.styles[meaning as usize];
        *style = style.add_modifier(modifier);
    }

    /// Returns what a meaning looks like.
    #[must_use]
    pub fn style(&self, meaning: Meaning) -> Style {
        self.styles[meaning as usize]
    }
}

fn reduce(color: Color, depth: Depth) -> Option<Color> {
    match (depth, color) {
        (Depth::None, _) => None,
        (Depth::True, color) => Some(color),
        (Depth::TwoFiftySix, Color::Rgb(r, g, b)) => Some(Color::Indexed(nearest_indexed(r, g, b))),
        (Depth::Sixteen, Color::Rgb(r, g, b)) => nearest_named(r, g, b),
        (Depth::Sixteen, Color::Indexed(n)) if n > 15 => None,
        (_, color) => Some(color),
    }
}

/// Returns the entry of the 256-colour cube or its grey ramp that is nearest to a colour.
fn nearest_indexed(r: u8, g: u8, b: u8) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |value: u8| (0u8..6).min_by_key(|i| LEVELS[usize::from(*i)].abs_diff(value)).unwrap_or(0);
    let (lr, lg, lb) = (level(r), level(g), level(b));
    let cube = [LEVELS[usize::from(lr)], LEVELS[usize::from(lg)], LEVELS[usize::from(lb)]];
    let mean = ((u16::from(r) + u16::from(g) + u16::from(b)) / 3) as u8;
    let step = (mean.saturating_sub(3) / 10).min(23);
    let grey = 8 + 10 * step;
    let far = |c: [u8; 3]| -> u32 { [r, g, b].iter().zip(c).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    if far([grey; 3]) < far(cube) { 232 + step } else { 16 + 36 * lr + 6 * lg + lb }
}

/// Returns the named colour of the same hue; greys become the terminal's own text colour, so that they stay readable.
fn nearest_named(r: u8, g: u8, b: u8) -> Option<Color> {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    if max.abs_diff(min) < 48 {
        return None;
    }
    let near = |value: u8| value > min + (max - min) / 2;
    Some(match (near(r), near(g), near(b)) {
        (true, false, false) => Color::Red,
        (false, true, false) => Color::Green,
        (false, false, true) => Color::Blue,
        (true, true, false) => Color::Yellow,
        (true, false, true) => Color::Magenta,
        _ => Color::Cyan,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_theme_gives_every_meaning_at_every_depth() {
        for (name, text) in SHIPPED {
            let given: BTreeMap<String, toml::Value> = toml::from_str(text).unwrap();
            for meaning in Meaning::ALL {
                assert!(given.contains_key(meaning.name()), "{name}: nothing for {}", meaning.name());
            }
            for depth in [Depth::None, Depth::Sixteen, Depth::TwoFiftySix, Depth::True] {
                let theme = Theme::shipped(name, depth).unwrap();
                let (text, selected) = (theme.style(Meaning::Text), theme.style(Meaning::Selected));
                assert_ne!(text, selected, "{name} at {depth:?}: the selection cannot be seen");
                for meaning in Meaning::ALL {
                    let style = theme.style(*meaning);
                    assert!(depth != Depth::None || (style.fg.is_none() && style.bg.is_none()));
                    let invisible = style.fg.is_some() && style.fg == style.bg;
                    assert!(!invisible, "{name} at {depth:?}: {} cannot be read", meaning.name());
                }
            }
        }
    }

    #[test]
    fn mistakes_in_a_users_theme_are_clear() {
        let mut theme = Theme::shipped("dark", Depth::True).unwrap();
        let error = theme.merge("theme.toml", "acent = { fg = 'red' }").unwrap_err();
        assert_eq!(error.to_string(), "theme.toml: no meaning named 'acent' (did you mean 'accent'?)");
        let error = theme.merge("theme.toml", "accent = { fg = 'rad' }").unwrap_err();
        assert!(error.to_string().contains("'rad' is not a colour"));
        theme.merge("theme.toml", "accent = { fg = '#ff0000' }").unwrap();
        assert_eq!(theme.style(Meaning::Accent).fg, Some(Color::Rgb(255, 0, 0)));
    }

    #[test]
    fn the_depth_follows_the_environment() {
        let env = |pairs: &'static [(&str, &str)]| {
            Depth::from_env(move |name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(env(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]), Depth::None);
        assert_eq!(env(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(env(&[("TERM", "xterm-256color")]), Depth::TwoFiftySix);
        assert_eq!(env(&[("TERM", "linux")]), Depth::Sixteen);
    }
}
