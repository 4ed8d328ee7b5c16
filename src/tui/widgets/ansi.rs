//! What a program wrote, made safe to show.
//!
//! Colours (SGR) stay. Everything else that would steer the user's terminal is neutralised: other escape sequences are
//! dropped, control characters become their pictures (`␇`), bytes that are not UTF-8 and characters that reorder or
//! hide text become `�`. The log itself is never altered; this is how it is drawn.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

const ESC: u8 = 0x1b;
const TAB: usize = 8;

/// Returns a log line as styled text.
///
/// A carriage return in the middle is what a progress bar does: only what was written last is shown, behind a dim `␍`
/// that says so. Colours are left out where `colors` is false.
#[must_use]
pub fn styled(bytes: &[u8], base: Style, dim: Style, colors: bool) -> Line<'static> {
    let mut bytes = bytes;
    while let [head @ .., b'\n' | b'\r'] = bytes {
        bytes = head;
    }
    let mut writer = Writer { spans: Vec::new(), text: String::new(), style: base, column: 0 };
    if let Some(at) = memchr::memrchr(b'\r', bytes) {
        writer.spans.push(Span::styled("␍", dim));
        writer.column = 1;
        bytes = &bytes[at + 1..];
    }
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr::memchr(ESC, rest).unwrap_or(rest.len());
        writer.plain(&rest[..end]);
        rest = &rest[end..];
        if rest.is_empty() {
            break;
        }
        let (sequence, after) = split_escape(rest);
        if let Escape::Sgr(parameters) = sequence
            && colors
        {
            let style = sgr(writer.style, base, parameters);
            writer.restyle(style);
        }
        rest = after;
    }
    writer.finish()
}

/// Returns what a log line says, without colours and control sequences; for searches and copies.
#[must_use]
pub fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut end = bytes.len();
    while end > 0 && matches!(bytes[end - 1], b'\n' | b'\r') {
        end -= 1;
    }
    let bytes = &bytes[..end];
    if memchr::memchr(ESC, bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr::memchr(ESC, rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..end]);
        rest = &rest[end..];
        if !rest.is_empty() {
            rest = split_escape(rest).1;
        }
    }
    Cow::Owned(out)
}

struct Writer {
    spans: Vec<Span<'static>>,
    text: String,
    style: Style,
    column: usize,
}

impl Writer {
    fn plain(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.push(c);
            }
            for _ in chunk.invalid().chunks(1) {
                self.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    fn push(&mut self, c: char) {
        let shown = match c {
            '\t' => {
                let wide = TAB - self.column % TAB;
                self.text.extend(std::iter::repeat_n(' ', wide));
                self.column += wide;
                return;
            }
            '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('�'),
            '\u{7f}' => '␡',
            '\u{80}'..='\u{9f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}' => '�',
            c => c,
        };
        self.text.push(shown);
        self.column += 1;
    }

    fn restyle(&mut self, style: Style) {
        if style != self.style && !self.text.is_empty() {
            self.spans.push(Span::styled(std::mem::take(&mut self.text), self.style));
        }
        self.style = style;
    }

    fn finish(mut self) -> Line<'static> {
        if !self.text.is_empty() {
            self.spans.push(Span::styled(self.text, self.style));
        }
        Line::from(self.spans)
    }
}

enum Escape<'a> {
    Sgr(&'a [u8]),
    Other,
}

/// Splits an escape sequence off the front of `bytes`, which begin with ESC.
fn split_escape(bytes: &[u8]) -> (Escape<'_>, &[u8]) {
    match bytes.get(1) {
        Some(b'[') => {
            let body = &bytes[2..];
            match body.iter().position(|b| !(0x20..0x40).contains(b)) {
                Some(end) if (0x40..0x7f).contains(&body[end]) => {
                    let plain = body[..end].iter().all(|b| b.is_ascii_digit() || matches!(b, b';' | b':'));
                    let escape = if body[end] == b'm' && plain { Escape::Sgr(&body[..end]) } else { Escape::Other };
                    (escape, &body[end + 1..])
                }
                Some(end) => (Escape::Other, &body[end..]),
                None => (Escape::Other, &[]),
            }
        }
        // OSC, DCS, SOS, PM, APC: up to BEL or ST; a cut one hides no more than the introducer.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let body = &bytes[2..];
            match body.iter().position(|b| matches!(*b, 0x07 | ESC | b'\n')) {
                Some(end) if body[end] == 0x07 => (Escape::Other, &body[end + 1..]),
                Some(end) if body[end] == ESC && body.get(end + 1) == Some(&b'\\') => (Escape::Other, &body[end + 2..]),
                Some(end) => (Escape::Other, &body[end..]),
                None => (Escape::Other, body),
            }
        }
        Some(0x20..0x30) => {
            let end = bytes[1..].iter().position(|b| !(0x20..0x30).contains(b)).map_or(bytes.len(), |at| at + 2);
            (Escape::Other, &bytes[end.min(bytes.len())..])
        }
        Some(0x30..0x7f) => (Escape::Other, &bytes[2..]),
        _ => (Escape::Other, &bytes[1..]),
    }
}

fn sgr(mut style: Style, base: Style, parameters: &[u8]) -> Style {
    let text = std::str::from_utf8(parameters).unwrap_or("");
    let mut codes = text.split([';', ':']).map(|code| code.parse::<u16>().unwrap_or(0));
    while let Some(code) = codes.next() {
        match code {
            0 => style = base,
            1 => style = style.add_modifier(Modifier::BOLD),
            2 => style = style.add_modifier(Modifier::DIM),
            3 => style = style.add_modifier(Modifier::ITALIC),
            4 => style = style.add_modifier(Modifier::UNDERLINED),
            7 => style = style.add_modifier(Modifier::REVERSED),
            9 => style = style.add_modifier(Modifier::CROSSED_OUT),
            22 => style = style.remove_modifier(Modifier::BOLD | Modifier::DIM),
            23 => style = style.remove_modifier(Modifier::ITALIC),
            24 => style = style.remove_modifier(Modifier::UNDERLINED),
            27 => style = style.remove_modifier(Modifier::REVERSED),
            29 => style = style.remove_modifier(Modifier::CROSSED_OUT),
            30..=37 => style.fg = Some(named(code - 30)),
            90..=97 => style.fg = Some(named(code - 82)),
            40..=47 => style.bg = Some(named(code - 40)),
            100..=107 => style.bg = Some(named(code - 92)),
            39 => style.fg = base.fg,
            49 => style.bg = base.bg,
            38 | 48 => {
                let color = match codes.next() {
                    Some(5) => codes.next().map(|n| Color::Indexed(n.min(255) as u8)),
                    Some(2) => match (codes.next(), codes.next(), codes.next()) {
                        (Some(r), Some(g), Some(b)) => {
                            Some(Color::Rgb(r.min(255) as u8, g.min(255) as u8, b.min(255) as u8))
                        }
                        _ => None,
                    },
                    _ => None,
                };
                if color.is_some() {
                    *(if code == 38 { &mut style.fg } else { &mut style.bg }) = color;
                }
            }
            _ => {}
        }
    }
    style
}

fn named(n: u16) -> Color {
    const NAMED: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    NAMED[usize::from(n) % 16]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(bytes: &[u8]) -> String {
        styled(bytes, Style::new(), Style::new(), true).spans.iter().map(|s| s.content.as_ref()).collect()
    }

    #[test]
    fn colours_stay_and_everything_else_is_neutralised() {
        let line = styled(b"\x1b[1m\x1b[32m+\x1b[0m create\x1b[2J\x1b[10;10Hx\n", Style::new(), Style::new(), true);
        assert_eq!(line.spans[0].content, "+");
        assert_eq!(line.spans[0].style.fg, Some(Color::Green));
        assert_eq!(line.spans[1].content, " createx");
        assert_eq!(shown(b"\x1b]0;title\x07ok"), "ok");
        assert_eq!(shown(b"\x1b]52;c;cm0gLXJm\x1b\\ok"), "ok");
        assert_eq!(shown(b"a\x07b\x7fc"), "a␇b␡c");
        assert_eq!(shown(b"caf\xe9 \xff"), "caf� �");
        assert_eq!(shown("abc\u{202e}def".as_bytes()), "abc�def");
        assert_eq!(shown(b"10%\r50%\r100%\r\n"), "␍100%");
        assert_eq!(shown(b"a\tb"), "a       b");
        assert_eq!(shown(b"\x1b[38;5;208mx\x1b[48;2;1;2;3my"), "xy");
        assert_eq!(shown(b"\x1b["), "");
        assert_eq!(shown(b"\x1b"), "");
        assert_eq!(&*plain(b"\x1b[31mError\x1b[0m: no\r\n"), b"Error: no");
    }

    proptest! {
        #[test]
        fn nothing_raw_ever_reaches_the_screen(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(!shown(&bytes).chars().any(char::is_control));
        }

        #[test]
        fn sequences_in_any_order_are_survived(parts in proptest::collection::vec(prop_oneof![
            Just(b"\x1b[".to_vec()), Just(b"\x1b]".to_vec()), Just(b"\x1b".to_vec()), Just(b"38;5;".to_vec()),
            Just(b"m".to_vec()), Just("é".as_bytes().to_vec()), Just(b"\r".to_vec()), Just(b"\x07".to_vec()),
        ], 0..40)) {
            prop_assert!(!shown(&parts.concat()).chars().any(char::is_control));
            let _ = plain(&parts.concat());
        }
    }
}
