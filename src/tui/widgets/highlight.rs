//! Code in colours, by syntect.
//!
//! Loading the grammars takes tens of milliseconds: only tasks of [`crate::tui::effect`] call this, never a frame.

use std::sync::OnceLock;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use syntect::easy::HighlightLines;
use syntect::highlighting::{FontStyle, ThemeSet};
use syntect::parsing::SyntaxSet;

/// The longest text that is highlighted, in bytes; a longer one is shown plain.
const LIMIT: usize = 512 * 1024;

struct Grammars {
    syntaxes: SyntaxSet,
    themes: ThemeSet,
}

fn grammars() -> &'static Grammars {
    static GRAMMARS: OnceLock<Grammars> = OnceLock::new();
    GRAMMARS
        .get_or_init(|| Grammars { syntaxes: SyntaxSet::load_defaults_newlines(), themes: ThemeSet::load_defaults() })
}

/// Returns a file's lines, in colours where its kind is known and there are colours.
#[must_use]
pub fn lines(file: &str, content: &str, light: bool, colors: bool) -> Vec<Line<'static>> {
    let extension = file.rsplit('.').find(|part| *part != "tmpl").unwrap_or("");
    if !colors || content.len() > LIMIT {
        return content.lines().map(|line| Line::from(expand(line))).collect();
    }
    let grammars = grammars();
    let syntax = grammars.syntaxes.find_syntax_by_extension(extension);
    let theme = grammars.themes.themes.get(if light { "InspiredGitHub" } else { "base16-ocean.dark" });
    let (Some(syntax), Some(theme)) = (syntax, theme) else {
        return content.lines().map(|line| Line::from(expand(line))).collect();
    };
    let mut highlighter = HighlightLines::new(syntax, theme);
    syntect::util::LinesWithEndings::from(content)
        .map(|line| match highlighter.highlight_line(line, &grammars.syntaxes) {
            Ok(parts) => Line::from(
                parts
                    .into_iter()
                    .map(|(style, text)| Span::styled(expand(text.trim_end_matches(['\n', '\r'])), convert(style)))
                    .collect::<Vec<_>>(),
            ),
            Err(_) => Line::from(expand(line)),
        })
        .collect()
}

fn expand(text: &str) -> String {
    text.replace('\t', "    ")
}

fn convert(style: syntect::highlighting::Style) -> Style {
    let color = style.foreground;
    let mut out = Style::new().fg(Color::Rgb(color.r, color.g, color.b));
    if style.font_style.contains(FontStyle::BOLD) {
        out = out.add_modifier(Modifier::BOLD);
    }
    if style.font_style.contains(FontStyle::ITALIC) {
        out = out.add_modifier(Modifier::ITALIC);
    }
    out
}
