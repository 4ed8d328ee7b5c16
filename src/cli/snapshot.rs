//! `terrace snapshot`: the dashboard as text or as a picture, without a terminal.

use std::io::Write as _;
use std::str::FromStr;

use super::{Context, Exit, Failure, Outcome, dashboard};
use crate::tui::headless;

/// Draws the dashboard without a terminal, once everything has come
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: terrace snapshot --size 120x40 --keys '/ o r d e r s enter G tab ]'")]
pub(crate) struct Snapshot {
    /// Columns and lines
    #[arg(long, value_name = "WxH", default_value = "120x40")]
    size: Size,
    /// Keys to press one after the other, each once everything has come; written as in keymaps
    #[arg(long, value_name = "KEYS", default_value = "", hide_default_value = true)]
    keys: String,
    /// Prints an SVG picture instead of text
    #[arg(long)]
    svg: bool,
    /// Uses this theme
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
    /// Reads the estate in this process: asks no platform and starts nothing
    #[arg(long, conflicts_with = "server")]
    offline: bool,
}

/// Columns and lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size(u16, u16);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no size between 1x1 and 1000x1000, such as 120x40");
        let (width, height) = text.split_once(['x', '×']).ok_or_else(wrong)?;
        let number = |text: &str| text.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(wrong);
        Ok(Size(number(width)?, number(height)?))
    }
}

impl Snapshot {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let mut keys = Vec::new();
        for word in self.keys.split_whitespace() {
            let key = crate::tui::keymap::key_event(word).ok_or_else(|| {
                Failure::usage(format!("'{word}' is not a key"))
                    .hint("keys are written as in keymaps: a, A, ctrl-a, enter, tab, space")
            })?;
            keys.push(key);
        }
        let connector = if self.offline { dashboard::offline(context) } else { dashboard::platform(context) };
        let mut opening = dashboard::opening(context, connector)?;
        // A picture shows what a first visit shows, the same on each machine, and stays.
        opening.outside.memory = None;
        opening.outside.live = false;
        let wrong = |e: crate::tui::config::ConfigError| Failure::usage(e.to_string());
        if self.svg {
            opening.config = opening.config.in_full_colour().map_err(wrong)?;
        }
        if let Some(theme) = &self.theme {
            opening.config.choose(theme).map_err(wrong)?;
        }
        let runtime = super::runtime()?;
        let drawn = runtime.block_on(headless::draw(opening, (self.size.0, self.size.1), &keys));
        runtime.shutdown_background();
        let drawn = drawn?;
        let text = if self.svg { drawn.svg() } else { drawn.text() };
        std::io::stdout().lock().write_all(text.as_bytes())?;
        Ok(Exit::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_wrong_ones_refused() {
        assert_eq!("120x40".parse(), Ok(Size(120, 40)));
        assert_eq!("80×24".parse(), Ok(Size(80, 24)));
        for wrong in ["", "80", "x", "0x10", "80x1001", "-1x5", "80x24x2"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
