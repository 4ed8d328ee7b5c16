//! Markdown as rows of a pane.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::tui::theme::Meaning;

use super::list::{Piece, Row, piece};
use super::text;

/// Returns a Markdown text as rows of at most so many columns.
#[must_use]
pub fn rows(markdown: &str, columns: usize) -> Vec<Row> {
    let mut page = Page { rows: Vec::new(), run: Vec::new(), columns: columns.max(20), ..Page::default() };
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        page.event(event);
    }
    page.flush();
    while page.rows.last().is_some_and(|row| row.left.is_empty()) {
        page.rows.pop();
    }
    page.rows
}

#[derive(Default)]
struct Page {
    rows: Vec<Row>,
    run: Vec<Piece>,
    columns: usize,
    meaning: Vec<Meaning>,
    lists: Vec<Option<u64>>,
    bullet: Option<String>,
    code: bool,
    quote: usize,
    link: Option<String>,
    table: Vec<Vec<String>>,
    in_table: bool,
}

impl Page {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.code => {
                for line in text.lines() {
                    self.rows.push(Row::of(vec![
                        piece("  │ ", Meaning::Border),
                        piece(line.replace('\t', "    "), Meaning::Value),
                    ]));
                }
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                let meaning = self.meaning.last().copied().unwrap_or(Meaning::Text);
                self.push(&text, meaning);
            }
            Event::Code(code) => self.push(&code, Meaning::Name),
            Event::SoftBreak => self.push(" ", Meaning::Text),
            Event::HardBreak => self.flush(),
            Event::Rule => {
                self.flush();
                self.rows.push(Row::text("─".repeat(self.columns.min(40)), Meaning::Border));
            }
            _ => {}
        }
    }

    fn push(&mut self, text: &str, meaning: Meaning) {
        if self.in_table {
            if let Some(cell) = self.table.last_mut().and_then(|row| row.last_mut()) {
                cell.push_str(text);
            }
        } else {
            self.run.push(piece(text, meaning));
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.flush();
                self.gap();
                self.meaning.push(Meaning::Strong);
            }
            Tag::Paragraph => self.flush(),
            Tag::Strong => self.meaning.push(Meaning::Strong),
            Tag::Emphasis => self.meaning.push(Meaning::Accent),
            Tag::Link { dest_url, .. } => {
                self.link = Some(dest_url.to_string());
                self.meaning.push(Meaning::Name);
            }
            Tag::List(first) => {
                self.flush();
                self.lists.push(first);
            }
            Tag::Item => {
                self.flush();
                self.bullet = Some(match self.lists.last_mut() {
                    Some(Some(n)) => {
                        *n += 1;
                        format!("{}. ", *n - 1)
                    }
                    _ => "• ".into(),
                });
            }
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = true;
            }
            Tag::BlockQuote(_) => {
                self.flush();
                self.quote += 1;
            }
            Tag::Table(_) => {
                self.flush();
                self.in_table = true;
                self.table.clear();
            }
            Tag::TableHead | Tag::TableRow => self.table.push(Vec::new()),
            Tag::TableCell => {
                if let Some(row) = self.table.last_mut() {
                    row.push(String::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.flush();
                self.meaning.pop();
            }
            TagEnd::Paragraph => {
                self.flush();
                if self.lists.is_empty() {
                    self.gap();
                }
            }
            TagEnd::Strong | TagEnd::Emphasis => {
                self.meaning.pop();
            }
            TagEnd::Link => {
                self.meaning.pop();
                if let Some(target) = self.link.take() {
                    let shown: String = self.run.last().map(|p| p.text.clone()).unwrap_or_default();
                    if shown != target {
                        self.push(&format!(" ({target})"), Meaning::Dim);
                    }
                }
            }
            TagEnd::Item => self.flush(),
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
                if self.lists.is_empty() {
                    self.gap();
                }
            }
            TagEnd::CodeBlock => {
                self.code = false;
                self.gap();
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.quote = self.quote.saturating_sub(1);
            }
            TagEnd::Table => {
                self.in_table = false;
                self.lay_table();
                self.gap();
            }
            _ => {}
        }
    }

    fn gap(&mut self) {
        if self.rows.last().is_some_and(|row| !row.left.is_empty()) {
            self.rows.push(Row::default());
        }
    }

    /// Breaks what has gathered into rows.
    fn flush(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let depth = self.lists.len().saturating_sub(1) * 2;
        let mut lead = " ".repeat(depth);
        if self.quote > 0 {
            lead.push_str("▏ ");
        }
        let bullet = self.bullet.take();
        let hang = if self.lists.is_empty() { 0 } else { 2 };
        let indent = format!("{lead}{}", " ".repeat(hang));
        let first = bullet.map_or(indent.clone(), |bullet| format!("{lead}{bullet}"));
        let mut line = vec![piece(first, Meaning::Dim)];
        let mut used = text::width(&line[0].text);
        let start = used;
        for part in std::mem::take(&mut self.run) {
            for word in part.text.split_inclusive(' ') {
                let wide = text::width(word.trim_end());
                if used + wide > self.columns && used > start {
                    self.rows.push(Row::of(std::mem::take(&mut line)));
                    line.push(piece(indent.clone(), Meaning::Dim));
                    used = text::width(&indent);
                }
                used += text::width(word);
                let begun = line.len() > 1;
                match line.last_mut() {
                    Some(last) if begun && last.meaning == part.meaning => last.text.push_str(word),
                    _ => line.push(piece(word, part.meaning)),
                }
            }
        }
        self.rows.push(Row::of(line));
    }

    fn lay_table(&mut self) {
        let table = std::mem::take(&mut self.table);
        let columns = table.iter().map(Vec::len).max().unwrap_or(0);
        let wide: Vec<usize> = (0..columns)
            .map(|c| table.iter().filter_map(|row| row.get(c)).map(|cell| text::width(cell)).max().unwrap_or(0))
            .map(|w| w.min(self.columns / columns.max(1)))
            .collect();
        for (i, row) in table.iter().enumerate() {
            let meaning = if i == 0 { Meaning::Strong } else { Meaning::Text };
            let line: String = row
                .iter()
                .zip(&wide)
                .map(|(cell, wide)| {
                    let cell = text::clip(cell, *wide);
                    format!("{cell}{}  ", " ".repeat(wide.saturating_sub(text::width(&cell))))
                })
                .collect();
            self.rows.push(Row::text(line.trim_end(), meaning));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_reads_like_a_page() {
        let text = "# orders\n\nTakes **orders** and keeps them in\n[orders-db](https://example.com).\n\n- one\n- two that is \
                    long enough to wrap here\n\n```sh\nterrace plan\n```\n\n| a | b |\n|---|---|\n| 1 | 22 |\n";
        let lines: Vec<String> = rows(text, 24).iter().map(Row::plain).map(|l| l.trim_end().to_owned()).collect();
        assert_eq!(lines[0], "orders");
        assert!(lines.contains(&"• one".to_owned()), "{lines:?}");
        assert!(lines.contains(&"• two that is long".to_owned()), "{lines:?}");
        assert!(lines.contains(&"  │ terrace plan".to_owned()), "{lines:?}");
        assert!(lines.contains(&"1  22".to_owned()), "{lines:?}");
        assert!(lines.iter().all(|line| text::width(line) <= 24), "{lines:?}");
    }
}
