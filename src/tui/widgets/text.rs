//! Text that fits: measured in columns, cut with `…`.

use std::borrow::Cow;

use ratatui::text::{Line, Span};
use serde_json::Value;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Returns how many columns a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a text at the end so that it takes at most so many columns, with `…` where something is cut.
#[must_use]
pub fn clip(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        if used + grapheme.width() + 1 > columns {
            break;
        }
        used += grapheme.width();
        out.push_str(grapheme);
    }
    if columns > 0 {
        out.push('…');
    }
    Cow::Owned(out)
}

/// Cuts a text at the beginning, as suits paths: their ends tell them apart.
#[must_use]
pub fn clip_start(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut used = 0;
    for grapheme in text.graphemes(true).rev() {
        if used + grapheme.width() + 1 > columns {
            break;
        }
        used += grapheme.width();
        kept.push(grapheme);
    }
    let mut out = String::from(if columns > 0 { "…" } else { "" });
    out.extend(kept.into_iter().rev());
    Cow::Owned(out)
}

/// Cuts a line at the end.
#[must_use]
pub fn fit(line: Line<'_>, columns: u16) -> Line<'_> {
    let columns = usize::from(columns);
    if line.width() <= columns {
        return line;
    }
    let mut left = columns;
    let mut spans = Vec::with_capacity(line.spans.len());
    for span in line.spans {
        let width = span.width();
        if width < left {
            left -= width;
            spans.push(span);
            continue;
        }
        // Something follows or this is too long: either way it ends here, with a mark.
        let cut = if width == left {
            clip(&format!("{} ", span.content), left).into_owned()
        } else {
            clip(&span.content, left).into_owned()
        };
        spans.push(Span::styled(cut, span.style));
        break;
    }
    Line::from(spans)
}

/// Cuts a line at the beginning.
#[must_use]
pub fn fit_start(line: Line<'_>, columns: u16) -> Line<'_> {
    let columns = usize::from(columns);
    let total = line.width();
    if total <= columns {
        return line;
    }
    let mut excess = total - columns;
    let mut spans = Vec::with_capacity(line.spans.len());
    for span in line.spans {
        let width = span.width();
        if excess == 0 {
            spans.push(span);
        } else if width <= excess && spans.is_empty() && width < total {
            excess -= width;
        } else {
            let cut = clip_start(&span.content, width - excess).into_owned();
            spans.push(Span::styled(cut, span.style));
            excess = 0;
        }
    }
    Line::from(spans)
}

/// Breaks a text into lines of at most so many columns, at spaces where there are any.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_word_bounds() {
            let wide = word.width();
            if used + wide > columns && used > 0 && !word.trim().is_empty() {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
            }
            if wide > columns {
                for grapheme in word.graphemes(true) {
                    if used + grapheme.width() > columns {
                        lines.push(std::mem::take(&mut line));
                        used = 0;
                    }
                    line.push_str(grapheme);
                    used += grapheme.width();
                }
                continue;
            }
            if used == 0 && word.trim().is_empty() && !lines.is_empty() {
                continue;
            }
            line.push_str(word);
            used += wide;
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// Writes a value on one line, as YAML would where that is short.
#[must_use]
pub fn value(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::String(text) if text.is_empty() => "\"\"".into(),
        Value::String(text) => text.lines().collect::<Vec<_>>().join(" ⏎ "),
        Value::Array(items) if items.is_empty() => "[]".into(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(map) if map.is_empty() => "{}".into(),
        Value::Object(map) => {
            let items: Vec<_> = map.iter().map(|(k, v)| format!("{k}: {}", self::value(v))).collect();
            format!("{{{}}}", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Writes a number with its thousands apart.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// Returns a count with its noun: `1 run`, `2 runs`.
#[must_use]
pub fn count(n: usize, noun: &str) -> String {
    let plural = if n == 1 {
        noun.to_owned()
    } else if let Some(stem) = noun.strip_suffix('y') {
        format!("{stem}ies")
    } else {
        format!("{noun}s")
    };
    format!("{} {plural}", thousands(n as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_marked_and_measured() {
        assert_eq!(clip("plat-ue2-prod", 8), "plat-ue…");
        assert_eq!(clip_start("catalog/database.yaml:9", 12), "…base.yaml:9");
        assert_eq!(clip("日本語", 5), "日本…");
        assert_eq!(clip("abc", 0), "");
        assert_eq!(fit(Line::from(vec![Span::raw("abc"), Span::raw("def")]), 4).to_string(), "abc…");
        assert_eq!(fit(Line::from(vec![Span::raw("abc"), Span::raw("def")]), 3).to_string(), "ab…");
        assert_eq!(fit_start(Line::from("stacks/a.yaml:9"), 9).to_string(), "…a.yaml:9");
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("state by shape and colour", 10), ["state by", "shape and", "colour"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
    }

    #[test]
    fn counts_read_well() {
        assert_eq!(count(1, "run"), "1 run");
        assert_eq!(count(1204, "line"), "1,204 lines");
        assert_eq!(count(2, "query"), "2 queries");
    }
}
