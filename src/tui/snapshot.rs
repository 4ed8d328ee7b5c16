//! A frame as text or as a picture, without a terminal.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

/// Returns a frame as lines of text, as many as it is high, without trailing spaces.
#[must_use]
pub fn text(buffer: &Buffer) -> String {
    let area = buffer.area;
    let mut out = String::new();
    for y in area.top()..area.bottom() {
        let mut line = String::new();
        let mut skip = 0;
        for x in area.left()..area.right() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            skip = super::widgets::text::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

const CELL: (f32, f32) = (8.43, 16.5);

/// Returns a frame as an SVG picture.
#[must_use]
pub fn svg(buffer: &Buffer, light: bool) -> String {
    use std::fmt::Write as _;
    let area = buffer.area;
    let (ground, ink) = if light { ("#fbfaf7", "#24292f") } else { ("#14171c", "#c8ccd4") };
    let (width, height) = (f32::from(area.width) * CELL.0 + 16.0, f32::from(area.height) * CELL.1 + 16.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.1} {height:.1}\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{ground}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" \
         xml:space=\"preserve\" fill=\"{ink}\">\n"
    );
    for y in area.top()..area.bottom() {
        let mut x = area.left();
        while x < area.right() {
            let cell = &buffer[(x, y)];
            let reversed = cell.modifier.contains(Modifier::REVERSED);
            let (mut fg, mut bg) = (hex(cell.fg), hex(cell.bg));
            if reversed {
                (fg, bg) = (Some(bg.unwrap_or_else(|| ground.into())), Some(fg.unwrap_or_else(|| ink.into())));
            }
            // One piece of text for all cells of one look.
            let mut text = String::new();
            let start = x;
            while x < area.right() {
                let next = &buffer[(x, y)];
                if (next.fg, next.bg, next.modifier) != (cell.fg, cell.bg, cell.modifier) {
                    break;
                }
                // A symbol that the font may lack stands alone, so that another font takes only it.
                let plain =
                    |symbol: &str| symbol.chars().all(|c| c.is_ascii() || ('\u{2500}'..='\u{259f}').contains(&c));
                if !text.is_empty() && plain(next.symbol()) != plain(&text) {
                    break;
                }
                text.push_str(next.symbol());
                x += (super::widgets::text::width(next.symbol()) as u16).max(1);
            }
            let left = 8.0 + f32::from(start - area.left()) * CELL.0;
            let top = 8.0 + f32::from(y - area.top()) * CELL.1;
            let wide = f32::from(x - start) * CELL.0;
            if let Some(bg) = bg.filter(|bg| bg != ground) {
                let high = CELL.1;
                let _ = writeln!(
                    out,
                    "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" fill=\"{bg}\"/>"
                );
            }
            if text.trim().is_empty() {
                continue;
            }
            let mut look = String::new();
            if let Some(fg) = fg.filter(|fg| fg != ink) {
                let _ = write!(look, " fill=\"{fg}\"");
            }
            if cell.modifier.contains(Modifier::BOLD) {
                look.push_str(" font-weight=\"bold\"");
            }
            if cell.modifier.contains(Modifier::DIM) {
                look.push_str(" opacity=\"0.65\"");
            }
            if cell.modifier.contains(Modifier::UNDERLINED) {
                look.push_str(" text-decoration=\"underline\"");
            }
            let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(
                out,
                "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\"{look}>{escaped}</text>",
                top + CELL.1 * 0.75
            );
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn hex(color: Color) -> Option<String> {
    const NAMED: [(Color, &str); 16] = [
        (Color::Black, "#14171c"),
        (Color::Red, "#f47067"),
        (Color::Green, "#7fbf7f"),
        (Color::Yellow, "#e3b341"),
        (Color::Blue, "#6cb6ff"),
        (Color::Magenta, "#d2a8ff"),
        (Color::Cyan, "#76d0d0"),
        (Color::Gray, "#c8ccd4"),
        (Color::DarkGray, "#7d8590"),
        (Color::LightRed, "#ff938a"),
        (Color::LightGreen, "#a0dba0"),
        (Color::LightYellow, "#f2cc60"),
        (Color::LightBlue, "#96d0ff"),
        (Color::LightMagenta, "#e2c5ff"),
        (Color::LightCyan, "#a5e8e8"),
        (Color::White, "#ffffff"),
    ];
    match color {
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Indexed(n) if n < 16 => Some(NAMED[usize::from(n)].1.into()),
        Color::Indexed(n) if n >= 232 => {
            let grey = 8 + 10 * (n - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        Color::Indexed(n) => {
            let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
            let n = n - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(n / 36), level(n / 6 % 6), level(n % 6)))
        }
        named => NAMED.iter().find(|(color, _)| *color == named).map(|(_, hex)| (*hex).to_owned()),
    }
}
