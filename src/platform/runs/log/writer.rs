//! Appends to a log and keeps its index.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::super::journal::reserve;
use super::{MAGIC, Mark, RECORD};

/// A mark is set at least so often in bytes.
const MARK_BYTES: u64 = 64 * 1024;
/// And, where less comes, not more often than this.
const MARK_MILLIS: u64 = 20;
/// How much room the index reserves ahead.
const RESERVE: u64 = 64 * 1024;
/// How much of it only gaps may use.
const FOR_GAPS: u64 = 4 * 1024;

/// Output that could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where in the log it is missing.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// What the system said.
    pub why: String,
}

/// Writes a log. Never fails: what a full disk does not take is counted, and the run goes on.
#[derive(Debug)]
pub struct LogWriter {
    log: File,
    index: File,
    index_bytes: u64,
    reserved: u64,
    bytes: u64,
    newlines: u64,
    ends_open: bool,
    lost: u64,
    gap: Option<(Gap, u64)>,
    ended_gaps: Vec<Gap>,
    marked: Option<Mark>,
}

impl LogWriter {
    /// Opens a new log and its index.
    ///
    /// # Errors
    ///
    /// Where a file cannot be made.
    pub fn create(log: &Path, index: &Path) -> io::Result<Self> {
        let open = |path: &Path| OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        let (log, mut index) = (open(log)?, open(index)?);
        reserve(&index, RESERVE);
        index.write_all(MAGIC)?;
        Ok(Self {
            log,
            index,
            index_bytes: RECORD as u64,
            reserved: RESERVE,
            bytes: 0,
            newlines: 0,
            ends_open: false,
            lost: 0,
            gap: None,
            ended_gaps: Vec::new(),
            marked: None,
        })
    }

    /// Appends bytes as they came.
    pub fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let newlines = count_newlines(bytes);
        self.mark();
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.log.write(rest) {
                Ok(0) => {
                    self.lose(bytes, rest, "nothing was taken");
                    break;
                }
                Ok(written) => {
                    if self.gap.is_some() {
                        self.end_gap();
                    }
                    self.bytes += written as u64;
                    rest = &rest[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.lose(bytes, rest, &error.to_string());
                    break;
                }
            }
        }
        self.newlines += newlines;
        self.ends_open = bytes.last() != Some(&b'\n');
    }

    /// Returns how many bytes the log has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns how many lines came, an unfinished last one included.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.newlines + u64::from(self.ends_open)
    }

    /// Returns how many bytes are missing.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Returns the gaps that ended since the last call; `all` ends one that is still open.
    pub fn take_gaps(&mut self, all: bool) -> Vec<Gap> {
        if all && self.gap.is_some() {
            self.end_gap();
        }
        std::mem::take(&mut self.ended_gaps)
    }

    /// Notes the time and the count of lines where they are worth noting.
    fn mark(&mut self) {
        let millis = now();
        if let Some(last) = self.marked {
            let (grown, age) = (self.bytes - last.offset, millis.saturating_sub(last.millis));
            if grown == 0 || (grown < MARK_BYTES && age < MARK_MILLIS) {
                return;
            }
        }
        let mark = Mark { offset: self.bytes, lines: self.newlines, millis, lost: 0 };
        if self.room(FOR_GAPS) && self.index.write_all(&mark.to_bytes()).is_ok() {
            self.index_bytes += RECORD as u64;
            self.marked = Some(mark);
        }
    }

    /// Tells whether a record fits into what is reserved, leaving `spare`; reserves more where it does not.
    fn room(&mut self, spare: u64) -> bool {
        if self.index_bytes + RECORD as u64 + spare > self.reserved && self.gap.is_none() {
            reserve(&self.index, self.reserved + RESERVE);
            self.reserved += RESERVE;
        }
        self.gap.is_none() && self.index_bytes + RECORD as u64 + spare <= self.reserved
    }

    /// Counts what was not taken of a piece: its end.
    fn lose(&mut self, piece: &[u8], end: &[u8], why: &str) {
        self.lost += end.len() as u64;
        let lines = self.newlines + count_newlines(&piece[..piece.len() - end.len()]);
        let (gap, _) =
            self.gap.get_or_insert_with(|| (Gap { offset: self.bytes, bytes: 0, why: why.to_owned() }, lines));
        gap.bytes += end.len() as u64;
    }

    /// Writes the gap and a mark behind it into the reserved room.
    fn end_gap(&mut self) {
        let Some((gap, lines)) = self.gap.take() else {
            return;
        };
        let millis = now();
        let missing = Mark { offset: gap.offset, lines, millis, lost: gap.bytes };
        let after = Mark { offset: self.bytes, lines: self.newlines, millis, lost: 0 };
        for mark in [missing, after] {
            if self.index.write_all(&mark.to_bytes()).is_ok() {
                self.index_bytes += RECORD as u64;
            }
        }
        self.marked = Some(after);
        self.ended_gaps.push(gap);
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.end_gap();
    }
}

fn count_newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
