//! Searching and filtering a log piece by piece, so that no key ever waits for it.

use regex::bytes::{Regex, RegexBuilder};

use crate::tui::log::{LogBuffer, Wanted};
use crate::tui::widgets::ansi;

/// How many rows are looked at before the next key has its turn.
const STEP: u64 = 20_000;
/// How many rows of context a filter leaves around what it found.
const CONTEXT: u64 = 2;

/// What errors look like in the logs of Terraform, Atmos and shells.
const ERRORS: &str = r"Error:|\bERROR\b|\bFATAL\b|[Ff]atal error|fatal:|panic:|error:|command not found";

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    /// As typed.
    pub query: String,
    /// As matched.
    pub pattern: Regex,
}

impl Search {
    /// Makes a search: a regular expression where it is one, else the words as they stand; without regard to case
    /// unless a capital letter is typed.
    #[must_use]
    pub fn new(query: &str) -> Option<Self> {
        if query.is_empty() {
            return None;
        }
        let build = |pattern: &str| {
            RegexBuilder::new(pattern)
                .case_insensitive(!query.chars().any(char::is_uppercase))
                .size_limit(1 << 20)
                .build()
        };
        let pattern = build(query).or_else(|_| build(&regex::escape(query))).ok()?;
        Some(Search { query: query.to_owned(), pattern })
    }

    /// Makes the search for errors.
    #[must_use]
    pub fn errors() -> Option<Self> {
        Some(Search { query: "errors".into(), pattern: Regex::new(ERRORS).ok()? })
    }

    fn hits(&self, bytes: &[u8]) -> bool {
        self.pattern.is_match(&ansi::plain(bytes))
    }
}

/// A search under way.
#[derive(Debug, Clone)]
pub struct Seek {
    /// What for.
    pub search: Search,
    /// Whether towards the end.
    pub down: bool,
    /// The next row to look at.
    pub next: u64,
    /// How many rows are left before it has been everywhere.
    pub left: u64,
}

/// How far a search came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It found this row.
    Found(u64),
    /// There is nothing to find.
    Nothing,
    /// It goes on when it is asked again.
    More,
    /// It goes on when this part of the log is here.
    Wants(Wanted),
}

impl Seek {
    /// Begins a search beside a row; it goes once around.
    #[must_use]
    pub fn from(search: Search, down: bool, row: u64, rows: u64) -> Self {
        let next = if rows == 0 {
            0
        } else if down {
            (row + 1) % rows
        } else {
            (row + rows - 1) % rows
        };
        Seek { search, down, next, left: rows }
    }

    /// Looks at the next rows.
    pub fn step(&mut self, log: &LogBuffer) -> Progress {
        let rows = log.rows();
        for _ in 0..STEP {
            if self.left == 0 || rows == 0 {
                return Progress::Nothing;
            }
            let here = self.next.min(rows - 1);
            let Some(row) = log.row(here) else {
                return match log.wanted(here, here) {
                    Some(wanted) => Progress::Wants(wanted),
                    None => Progress::Nothing,
                };
            };
            if self.search.hits(row.bytes) {
                return Progress::Found(here);
            }
            self.left -= 1;
            self.next = match self.down {
                true if here + 1 >= rows => 0,
                true => here + 1,
                false if here == 0 => rows - 1,
                false => here - 1,
            };
        }
        Progress::More
    }
}

/// A filter: the rows that match, with some around them.
#[derive(Debug, Clone)]
pub struct Filter {
    /// What for.
    pub search: Search,
    /// The rows that are shown, in order.
    pub shown: Vec<u64>,
    /// How many of them match.
    pub matches: u64,
    scanned: u64,
    pending: u64,
}

impl Filter {
    /// Makes a filter that has not looked at anything yet.
    #[must_use]
    pub fn new(search: Search) -> Self {
        Filter { search, shown: Vec::new(), matches: 0, scanned: 0, pending: 0 }
    }

    /// Looks at the next rows.
    pub fn step(&mut self, log: &LogBuffer) -> Progress {
        let rows = log.rows();
        for _ in 0..STEP {
            // The last row may still grow: it is looked at when the next has begun, or again at the end.
            if self.scanned >= rows {
                return Progress::Nothing;
            }
            let here = self.scanned;
            let Some(row) = log.row(here) else {
                return match log.wanted(here, here) {
                    Some(wanted) => Progress::Wants(wanted),
                    None => Progress::Nothing,
                };
            };
            if here + 1 == rows && !row.bytes.ends_with(b"\n") {
                return Progress::Nothing;
            }
            if self.search.hits(row.bytes) {
                self.matches += 1;
                self.pending = CONTEXT;
                let from = self.shown.last().map_or(0, |last| last + 1).max(here.saturating_sub(CONTEXT));
                self.shown.extend(from..=here);
            } else if self.pending > 0 {
                self.pending -= 1;
                self.shown.push(here);
            }
            self.scanned += 1;
        }
        Progress::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> LogBuffer {
        let mut log = LogBuffer::default();
        let text: String = (0..50_000)
            .map(|i| if i % 20_011 == 5 { format!("\x1b[31mError\x1b[0m: no {i}\n") } else { format!("line {i}\n") })
            .collect();
        log.take(0, text.as_bytes());
        log
    }

    #[test]
    fn a_search_goes_once_around_in_pieces() {
        let log = log();
        let mut seek = Seek::from(Search::errors().unwrap(), true, 5, log.rows());
        assert_eq!(seek.step(&log), Progress::More);
        assert_eq!(seek.step(&log), Progress::Found(20_016));
        let mut back = Seek::from(Search::new("error: NO").unwrap(), false, 5, log.rows());
        let mut found = back.step(&log);
        while found == Progress::More {
            found = back.step(&log);
        }
        assert_eq!(found, Progress::Nothing, "a capital letter is meant");
        let mut none = Seek::from(Search::new("(((").unwrap(), true, 0, log.rows());
        while none.step(&log) == Progress::More {}
        assert_eq!(none.step(&log), Progress::Nothing);
    }

    #[test]
    fn a_filter_keeps_context_and_goes_on_with_the_log() {
        let mut log = LogBuffer::default();
        log.take(0, b"a\nb\nc\nhit\nd\ne\nf\ng\nhit\nhi");
        let mut filter = Filter::new(Search::new("hit").unwrap());
        assert_eq!(filter.step(&log), Progress::Nothing);
        assert_eq!(filter.shown, [1, 2, 3, 4, 5, 6, 7, 8]);
        log.take(log.received(), b"t\n");
        filter.step(&log);
        assert_eq!(filter.shown.last(), Some(&9));
        assert_eq!(filter.matches, 3);
    }
}
