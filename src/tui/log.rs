//! A run's log as the screen holds it: all of it by place, a part of it by content.
//!
//! Bytes arrive in order and are cut into rows: a line, or a piece of at most [`PIECE`] bytes of a longer one, so
//! that a line of 50 MB costs no more to draw than others. Rows lie in segments of some 256 KiB. Past a budget the
//! content of segments that are not looked at is forgotten and asked for again by offset when it is needed; their
//! places are kept, so that line numbers and the scroll bar stay right. Nothing is dropped that cannot be had again.

/// The longest row, in bytes.
pub const PIECE: usize = 1024;
const SEGMENT: usize = 256 * 1024;
const BUDGET: usize = 48 * 1024 * 1024;

/// A part of the log whose content is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub len: u64,
}

/// One row of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its bytes as they came, with their line end.
    pub bytes: &'a [u8],
    /// The number of its line, from 1.
    pub line: u64,
    /// Whether it continues the line of the row above.
    pub continues: bool,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    at: u32,
    line: u32,
    continues: bool,
}

#[derive(Debug, Default)]
struct Segment {
    offset: u64,
    len: usize,
    first_row: u64,
    rows: usize,
    first_line: u64,
    continues: bool,
    content: Option<Content>,
    used: u64,
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    starts: Vec<Start>,
}

/// The log of one run.
#[derive(Debug)]
pub struct LogBuffer {
    segments: Vec<Segment>,
    resident: usize,
    budget: usize,
    clock: u64,
    /// Whether the last row has not ended yet.
    open: bool,
}

impl Default for LogBuffer {
    fn default() -> Self {
        LogBuffer::with_budget(BUDGET)
    }
}

impl LogBuffer {
    /// Makes an empty log that holds the content of at most so many bytes.
    #[must_use]
    pub fn with_budget(budget: usize) -> Self {
        LogBuffer { segments: Vec::new(), resident: 0, budget, clock: 0, open: false }
    }

    /// Returns how many bytes have come.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.offset + s.len as u64)
    }

    /// Returns how many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.segments.last().map_or(0, |s| s.first_row + s.rows as u64)
    }

    /// Returns how many lines there are.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.rows().checked_sub(1).and_then(|row| self.line_of(row)).unwrap_or(0)
    }

    fn line_of(&self, row: u64) -> Option<u64> {
        let segment = &self.segments[self.segment_of(row)?];
        let start = segment.content.as_ref()?.starts.get((row - segment.first_row) as usize)?;
        Some(segment.first_line + u64::from(start.line))
    }

    /// Takes bytes that came at an offset: the next ones, or the content of a segment asked for again.
    ///
    /// Bytes that are there already are skipped; returns false where a gap would arise (the caller asks again
    /// from [`LogBuffer::received`]).
    pub fn take(&mut self, offset: u64, bytes: &[u8]) -> bool {
        let received = self.received();
        if offset > received {
            return false;
        }
        if offset < received {
            self.refill(offset, bytes);
        }
        let known = (received - offset) as usize;
        if known < bytes.len() {
            self.append(&bytes[known..]);
        }
        true
    }

    fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let full = self.segments.last().is_none_or(|s| s.len >= SEGMENT && !self.open);
            if full {
                let last = self.segments.last();
                let segment = Segment {
                    offset: self.received(),
                    len: 0,
                    first_row: self.rows(),
                    rows: 0,
                    first_line: last.map_or(1, |_| self.lines() + u64::from(!self.continues_next())),
                    continues: self.continues_next(),
                    content: Some(Content::default()),
                    used: self.clock,
                };
                self.segments.push(segment);
            }
            let Some(segment) = self.segments.last_mut() else { return };
            // Up to the end of the row that fills the segment, so that rows never straddle two of them.
            let room = SEGMENT.saturating_sub(segment.len).max(1);
            let content = segment.content.get_or_insert_with(Content::default);
            let before = content.bytes.len();
            let mut taken = 0;
            let mut open = self.open;
            while taken < bytes.len() && (taken < room || open) {
                if !open {
                    content.begin_row(segment.continues);
                }
                let begun = content.starts.last().map_or(0, |s| s.at as usize);
                let have = content.bytes.len() - begun;
                let rest = &bytes[taken..];
                let limit = rest.len().min(PIECE - have.min(PIECE));
                let newline = memchr::memchr(b'\n', &rest[..limit]);
                let wanted = newline.map_or(limit, |at| at + 1);
                content.bytes.extend_from_slice(&rest[..wanted]);
                taken += wanted;
                open = newline.is_none();
                if open && content.bytes.len() - begun >= PIECE {
                    // A long line: cut where neither a character nor an escape sequence is torn.
                    let cut = cut(&content.bytes[begun..]);
                    let tail = content.bytes.len() - begun - cut;
                    if tail > 0 && content.bytes.len() >= SEGMENT {
                        // The segment is full: the torn end begins the next one.
                        let mut next = content.bytes.split_off(begun + cut);
                        next.extend_from_slice(&bytes[taken..]);
                        segment.len = content.bytes.len();
                        segment.rows = content.starts.len();
                        self.resident = self.resident + taken - tail;
                        self.open = false;
                        return self.append(&next);
                    } else if tail > 0 {
                        content.push_start(begun + cut, true);
                    } else {
                        open = false;
                    }
                }
            }
            self.open = open;
            segment.len += content.bytes.len() - before;
            segment.rows = content.starts.len();
            self.resident += taken;
            bytes = &bytes[taken..];
        }
        self.forget();
    }

    /// Tells whether the row after the last one continues its line.
    fn continues_next(&self) -> bool {
        let content = self.segments.last().and_then(|s| s.content.as_ref());
        content.is_some_and(|c| c.bytes.last().is_some_and(|b| *b != b'\n'))
    }

    /// Finds the segment that holds a row.
    fn segment_of(&self, row: u64) -> Option<usize> {
        if row >= self.rows() {
            return None;
        }
        Some(self.segments.partition_point(|s| s.first_row <= row) - 1)
    }

    /// Returns a row, where its content is here.
    #[must_use]
    pub fn row(&self, row: u64) -> Option<Row<'_>> {
        let segment = &self.segments[self.segment_of(row)?];
        let content = segment.content.as_ref()?;
        let index = (row - segment.first_row) as usize;
        let start = content.starts.get(index)?;
        let end = content.starts.get(index + 1).map_or(content.bytes.len(), |next| next.at as usize);
        Some(Row {
            bytes: &content.bytes[start.at as usize..end],
            line: segment.first_line + u64::from(start.line),
            continues: start.continues,
        })
    }

    /// Returns which part must be asked for again before these rows can be drawn; `None` where all are here.
    #[must_use]
    pub fn wanted(&self, from: u64, to: u64) -> Option<Wanted> {
        let first = self.segment_of(from)?;
        let last = self.segment_of(to.min(self.rows() - 1))?;
        let segment = self.segments[first..=last].iter().find(|s| s.content.is_none())?;
        Some(Wanted { offset: segment.offset, len: segment.len as u64 })
    }

    /// Remembers that these rows are looked at, so that they are forgotten last.
    pub fn touch(&mut self, from: u64, to: u64) {
        self.clock += 1;
        let (Some(first), Some(last)) = (self.segment_of(from), self.segment_of(to.min(self.rows().max(1) - 1))) else {
            return;
        };
        for segment in &mut self.segments[first..=last] {
            segment.used = self.clock;
        }
    }

    /// Returns the row that holds the byte at an offset; the last row where the log is not that long yet.
    #[must_use]
    pub fn row_at(&self, offset: u64) -> u64 {
        let index = self.segments.partition_point(|s| s.offset <= offset).saturating_sub(1);
        let Some(segment) = self.segments.get(index) else { return 0 };
        let inside = match &segment.content {
            Some(content) => content.starts.partition_point(|s| u64::from(s.at) + segment.offset <= offset).max(1) - 1,
            None => 0,
        };
        segment.first_row + inside as u64
    }

    /// Returns the row where a line, counted from 1, begins.
    #[must_use]
    pub fn row_of_line(&self, line: u64) -> u64 {
        let index = self.segments.partition_point(|s| s.first_line + u64::from(s.continues) <= line);
        let Some(segment) = self.segments.get(index.saturating_sub(1)) else { return 0 };
        let inside = match &segment.content {
            Some(content) => content.starts.partition_point(|s| segment.first_line + u64::from(s.line) < line),
            None => 0,
        };
        segment.first_row + inside as u64
    }

    fn refill(&mut self, offset: u64, bytes: &[u8]) {
        let end = offset + bytes.len() as u64;
        for segment in &mut self.segments {
            let whole = segment.offset >= offset && segment.offset + segment.len as u64 <= end;
            if segment.content.is_none() && whole {
                let from = (segment.offset - offset) as usize;
                segment.content = Some(Content::cut(&bytes[from..from + segment.len], segment.continues));
                segment.used = self.clock + 1;
                self.resident += segment.len;
            }
        }
        self.forget();
    }

    /// Forgets the content of what was not looked at for longest, down to the budget; never of the last segment.
    fn forget(&mut self) {
        while self.resident > self.budget {
            let last = self.segments.len().saturating_sub(1);
            let oldest = self.segments[..last].iter_mut().filter(|s| s.content.is_some()).min_by_key(|s| s.used);
            let Some(segment) = oldest else { return };
            segment.content = None;
            self.resident -= segment.len;
        }
    }
}

impl Content {
    fn begin_row(&mut self, first_continues: bool) {
        let continues = match self.bytes.last() {
            None => first_continues,
            Some(last) => *last != b'\n',
        };
        self.push_start(self.bytes.len(), continues);
    }

    fn push_start(&mut self, at: usize, continues: bool) {
        let line = self.starts.last().map_or(0, |s| s.line + u32::from(!continues));
        self.starts.push(Start { at: at as u32, line, continues });
    }

    /// Cuts the bytes of a whole segment into the rows that appending them made.
    fn cut(bytes: &[u8], continues: bool) -> Self {
        let mut content = Content { bytes: bytes.to_vec(), starts: Vec::new() };
        let mut at = 0;
        let mut continued = continues;
        while at < bytes.len() {
            content.push_start(at, continued);
            let rest = &bytes[at..];
            let limit = rest.len().min(PIECE);
            match memchr::memchr(b'\n', &rest[..limit]) {
                Some(newline) => {
                    at += newline + 1;
                    continued = false;
                }
                None if rest.len() >= PIECE => {
                    at += cut(&rest[..PIECE]);
                    continued = true;
                }
                None => at = bytes.len(),
            }
        }
        content
    }
}

/// Returns where a piece of a long line is cut: before a torn character or escape sequence.
fn cut(piece: &[u8]) -> usize {
    let mut end = piece.len().min(PIECE);
    if let Some(escape) = memchr::memrchr(0x1b, &piece[end.saturating_sub(24)..end]) {
        let at = end.saturating_sub(24) + escape;
        let closed = piece[at..end].iter().any(|b| b.is_ascii_alphabetic());
        if !closed && at > 0 {
            end = at;
        }
    }
    let mut back = end;
    while back > end.saturating_sub(4) && back > 0 && back < piece.len() && piece[back] & 0xc0 == 0x80 {
        back -= 1;
    }
    // At the end of the piece the next byte is not known: a character that begins in the last three and is not
    // whole is left to the next row.
    if back == piece.len() {
        for length in 1..=3.min(back) {
            let lead = piece[back - length];
            let need = match lead {
                0xf0..=0xf7 => 4,
                0xe0..=0xef => 3,
                0xc0..=0xdf => 2,
                0x80..=0xbf => continue,
                _ => 1,
            };
            if need > length && back > length {
                back -= length;
            }
            break;
        }
    }
    back.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(log: &LogBuffer) -> Vec<u8> {
        (0..log.rows()).flat_map(|row| log.row(row).map(|r| r.bytes.to_vec()).unwrap_or_default()).collect()
    }

    #[test]
    fn lines_are_rows_and_the_last_may_be_open() {
        let mut log = LogBuffer::default();
        assert!(log.take(0, b"one\ntw"));
        assert!(log.take(6, b"o\nthree"));
        assert_eq!(log.rows(), 3);
        assert_eq!(log.row(1).unwrap(), Row { bytes: b"two\n", line: 2, continues: false });
        assert_eq!(log.row(2).unwrap().bytes, b"three");
        assert!(!log.take(100, b"later"), "a gap is refused");
        assert!(log.take(8, b"three!"), "what is known is skipped");
        assert_eq!(log.row(2).unwrap().bytes, b"three!");
    }

    #[test]
    fn a_line_of_fifty_megabytes_is_pieces() {
        let mut log = LogBuffer::with_budget(4 << 20);
        let block = vec![b'x'; 1 << 20];
        for i in 0..50u64 {
            assert!(log.take(i << 20, &block));
        }
        assert!(log.take(50 << 20, b"\nend\n"));
        assert_eq!(log.lines(), 2);
        assert!(log.rows() >= 12_800);
        assert!(log.resident <= 5 << 20, "{}", log.resident);
        assert!(log.row(log.rows() - 2).unwrap().continues);
    }

    #[test]
    fn what_was_forgotten_is_asked_for_again_and_is_the_same() {
        let mut log = LogBuffer::with_budget(SEGMENT * 2);
        let text: Vec<u8> = (0..100_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
        assert!(log.take(0, &text));
        assert_eq!(log.lines(), 100_000);
        assert!(log.row(0).is_none());
        let wanted = log.wanted(0, 40).unwrap();
        assert_eq!(wanted.offset, 0);
        assert!(log.take(0, &text[..wanted.len as usize]));
        assert_eq!(log.wanted(0, 40), None);
        assert_eq!(log.row(17).unwrap(), Row { bytes: b"line 17\n", line: 18, continues: false });
        assert_eq!(log.rows(), 100_000);
        assert_eq!(log.row_of_line(18), 17);
        assert_eq!(log.row_at(0), 0);
        assert_eq!(log.row_at(text.len() as u64 - 1), 99_999);
    }

    proptest! {
        #[test]
        fn however_it_comes_it_is_cut_the_same(
            parts in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..60), 1usize..300), 0..60),
            chunk in 1usize..5000,
        ) {
            let bytes: Vec<u8> = parts.iter().flat_map(|(part, times)| part.repeat(*times)).collect();
            let mut whole = LogBuffer::default();
            prop_assert!(whole.take(0, &bytes));
            let mut pieces = LogBuffer::default();
            for (i, piece) in bytes.chunks(chunk).enumerate() {
                prop_assert!(pieces.take((i * chunk) as u64, piece));
            }
            prop_assert_eq!(all(&whole), bytes.clone());
            prop_assert_eq!(whole.rows(), pieces.rows());
            prop_assert_eq!(whole.received(), bytes.len() as u64);
            for row in 0..whole.rows() {
                prop_assert_eq!(whole.row(row), pieces.row(row));
                prop_assert!(whole.row(row).unwrap().bytes.len() <= PIECE);
            }
            for segment in &whole.segments {
                let content = segment.content.as_ref().unwrap();
                let again = Content::cut(&content.bytes, segment.continues);
                prop_assert_eq!(again.starts.len(), content.starts.len());
            }
        }
    }
}
