//! The user's own settings, keys and colours, below the XDG config folder; and what is remembered below the XDG state
//! folder.
//!
//! | file | what it holds |
//! |---|---|
//! | `dashboard.toml` | `theme`, `keymap`, `mouse` |
//! | `keymap.toml` | keys laid over the keymap |
//! | `theme.toml` | colours laid over the theme |
//! | `keymaps/NAME.toml`, `themes/NAME.toml` | whole keymaps and themes of one's own |

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::keymap::{self, Keymap, KeymapError};
use super::memory::Memory;
use super::theme::{self, Depth, Theme, ThemeError};

/// What is wrong with the user's settings.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The keymap.
    #[error(transparent)]
    Keymap(#[from] KeymapError),
    /// The theme.
    #[error(transparent)]
    Theme(#[from] ThemeError),
    /// `dashboard.toml`.
    #[error("{file}: {message}")]
    Settings {
        /// The file.
        file: String,
        /// What the reader says, with the line.
        message: String,
    },
    /// A file that is there cannot be read.
    #[error("{file}: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    theme: Option<String>,
    keymap: Option<String>,
    mouse: Option<bool>,
}

/// The user's settings, made ready.
#[derive(Debug)]
pub struct Config {
    /// Which key does what.
    pub keymap: Keymap,
    /// The themes that can be chosen.
    pub themes: Vec<Theme>,
    /// The one to use.
    pub theme: usize,
    /// How many colours there are.
    pub depth: Depth,
    /// Whether the mouse is on, where the settings say.
    pub mouse: Option<bool>,
}

fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ConfigError::Unreadable { file: path.display().to_string(), source }),
    }
}

impl Config {
    /// Reads the settings below a config folder; the environment says how many colours there are.
    ///
    /// # Errors
    ///
    /// Where a file has a mistake: what is wrong, where, and what was probably meant.
    pub fn load(folder: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let depth = Depth::from_env(&variable);
        let path = folder.join("dashboard.toml");
        let settings: Settings = match read(&path)? {
            Some(text) => toml::from_str(&text).map_err(|e| ConfigError::Settings {
                file: path.display().to_string(),
                message: e.to_string().trim_end().to_owned(),
            })?,
            None => Settings::default(),
        };
        let keymap = Self::keymap(folder, settings.keymap.as_deref().unwrap_or("default"))?;
        let (themes, theme) = Self::themes(folder, settings.theme.as_deref(), depth, &variable)?;
        Ok(Config { keymap, themes, theme, depth, mouse: settings.mouse })
    }

    /// Uses another of the themes.
    ///
    /// # Errors
    ///
    /// Where none has that name.
    pub fn choose(&mut self, name: &str) -> Result<(), ConfigError> {
        self.theme = self.themes.iter().position(|theme| theme.name == name).ok_or_else(|| ThemeError::Unknown {
            name: name.to_owned(),
            suggestion: keymap::nearest(name, self.themes.iter().map(|theme| theme.name.as_str())),
        })?;
        Ok(())
    }

    /// Returns the same with the shipped themes in every colour, for pictures.
    ///
    /// # Errors
    ///
    /// Where a shipped theme has a mistake.
    pub fn in_full_colour(mut self) -> Result<Self, ConfigError> {
        self.depth = Depth::True;
        let name = self.themes[self.theme].name.clone();
        for theme in &mut self.themes {
            if theme::SHIPPED.iter().any(|(shipped, _)| *shipped == theme.name) {
                *theme = Theme::shipped(&theme.name.clone(), Depth::True)?;
            }
        }
        self.choose(if name == "terminal" { "dark" } else { &name })?;
        Ok(self)
    }

    fn keymap(folder: &Path, name: &str) -> Result<Keymap, ConfigError> {
        let own = folder.join("keymaps").join(format!("{name}.toml"));
        let shipped = keymap::SHIPPED.iter().any(|(shipped, _)| *shipped == name);
        let mut keymap = match (shipped, read(&own)?) {
            (false, Some(text)) => {
                let mut keymap = Keymap::shipped("default")?;
                keymap.merge(&own.display().to_string(), &text)?;
                keymap
            }
            _ => Keymap::shipped(name)?,
        };
        let path = folder.join("keymap.toml");
        if let Some(text) = read(&path)? {
            keymap.merge(&path.display().to_string(), &text)?;
        }
        Ok(keymap)
    }

    fn themes(
        folder: &Path,
        wanted: Option<&str>,
        depth: Depth,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<(Vec<Theme>, usize), ConfigError> {
        let mut themes = Vec::new();
        for (name, _) in theme::SHIPPED {
            themes.push(Theme::shipped(name, Depth::True)?);
        }
        let mut own: Vec<PathBuf> = fs::read_dir(folder.join("themes"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        own.sort();
        for path in own.into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml")) {
            let Some(name) = path.file_stem().and_then(|name| name.to_str()) else { continue };
            let mut theme = Theme::shipped("dark", Depth::True)?;
            name.clone_into(&mut theme.name);
            theme.merge(&path.display().to_string(), &read(&path)?.unwrap_or_default())?;
            themes.retain(|shipped| shipped.name != name);
            themes.push(theme);
        }
        let light = variable("COLORFGBG")
            .and_then(|colors| colors.rsplit(';').next()?.parse::<u8>().ok())
            .is_some_and(|ground| ground == 7 || ground > 8);
        let default = match depth {
            Depth::None | Depth::Sixteen => "terminal",
            _ if light => "light",
            _ => "dark",
        };
        let wanted = wanted.unwrap_or(default);
        let at = themes.iter().position(|theme| theme.name == wanted).ok_or_else(|| ThemeError::Unknown {
            name: wanted.to_owned(),
            suggestion: keymap::nearest(wanted, themes.iter().map(|theme| theme.name.as_str())),
        })?;
        let path = folder.join("theme.toml");
        if let Some(text) = read(&path)? {
            themes[at].merge(&path.display().to_string(), &text)?;
        }
        Ok((themes.into_iter().map(|theme| theme.at(depth)).collect(), at))
    }
}

/// Reads what is remembered; a file that cannot be read is as none, since nothing depends on it.
#[must_use]
pub fn recall(file: &Path) -> Memory {
    fs::read_to_string(file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// Writes what is remembered, whole or not at all.
///
/// # Errors
///
/// Where the folder cannot be written.
pub fn remember(file: &Path, memory: &Memory) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let next = file.with_extension(format!("{}.new", std::process::id()));
    fs::write(&next, serde_json::to_vec_pretty(memory)?)?;
    fs::rename(&next, file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::action::{Action, Place};

    fn none(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn a_users_files_are_laid_over_what_ships() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("dashboard.toml", "theme = 'mine'\nkeymap = 'vim'\nmouse = true\n");
        write("themes/mine.toml", "accent = { fg = '#123456' }\n");
        write("keymap.toml", "[stacks]\nctrl-p = 'plan'\n");
        let config = Config::load(folder.path(), none).unwrap();
        assert_eq!(config.themes[config.theme].name, "mine");
        assert_eq!(config.mouse, Some(true));
        assert_eq!(config.keymap.keys(Action::Plan, Place::Stacks), ["p", "ctrl-p"]);
        assert!(config.keymap.keys(Action::Top, Place::Stacks).contains(&"g g".to_owned()));
    }

    #[test]
    fn a_mistake_is_named_with_what_was_probably_meant() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("keymap.toml"), "[stacks]\np = 'plann'\n").unwrap();
        let error = Config::load(folder.path(), none).unwrap_err().to_string();
        assert!(error.contains("no action named 'plann' (did you mean 'plan'?)"), "{error}");
        fs::write(folder.path().join("keymap.toml"), "").unwrap();
        fs::write(folder.path().join("dashboard.toml"), "theme = 'drak'\n").unwrap();
        let error = Config::load(folder.path(), none).unwrap_err().to_string();
        assert_eq!(error, "no theme named 'drak' (did you mean 'dark'?)");
        fs::write(folder.path().join("dashboard.toml"), "colour = 'red'\n").unwrap();
        let error = Config::load(folder.path(), none).unwrap_err().to_string();
        assert!(error.contains("unknown field `colour`"), "{error}");
    }

    #[test]
    fn what_is_remembered_comes_back_and_rubbish_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/down.json");
        assert_eq!(recall(&file), Memory::default());
        let memory = Memory { view: "runs".into(), ..Memory::default() };
        remember(&file, &memory).unwrap();
        assert_eq!(recall(&file), memory);
        fs::write(&file, "{rubbish").unwrap();
        assert_eq!(recall(&file), Memory::default());
    }
}
