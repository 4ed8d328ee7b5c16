//! Reads a log while it grows: bytes from any offset, lines from any number.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::{Mark, RECORD};

/// How much is read at a time while looking for lines.
const CHUNK: usize = 256 * 1024;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Where it begins in the log.
    pub offset: u64,
    /// Its bytes without the newline; cut at the limit of the call.
    pub bytes: Vec<u8>,
    /// How many bytes it has in the log.
    pub length: u64,
    /// When it came, in milliseconds since 1970 (to some 20 ms).
    pub millis: Option<u64>,
    /// How many bytes of output are missing within or right before it (a full disk).
    pub lost: u64,
    /// Whether its newline has come.
    pub complete: bool,
}

/// A part of a log in lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines.
    pub lines: Vec<Line>,
    /// Where the next part begins.
    pub next_offset: u64,
}

/// Reads a log and its index.
#[derive(Debug)]
pub struct LogReader {
    log: Option<File>,
    index: Option<File>,
}

impl LogReader {
    /// Opens a log; one that is not there yet is empty.
    ///
    /// # Errors
    ///
    /// Where a file is there and cannot be opened.
    pub fn open(log: &Path, index: &Path) -> io::Result<Self> {
        let open = |path: &Path| match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        Ok(Self { log: open(log)?, index: open(index)? })
    }

    /// Returns how many bytes the log has now.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn bytes(&self) -> io::Result<u64> {
        self.log.as_ref().map_or(Ok(0), |log| Ok(log.metadata()?.len()))
    }

    /// Reads at an offset; 0 at the end.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.log.as_ref().map_or(Ok(0), |log| log.read_at(buffer, offset))
    }

    /// Reads up to `count` lines, the first of them `from` (1 is the first of the log), each cut at `limit` bytes.
    ///
    /// Lines that a gap took with it are left out; those behind it have the numbers with which they came, and the first
    /// of them says how much is missing. A line whose end is missing is as complete as it will ever be.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn lines(&self, from: u64, count: usize, limit: usize) -> io::Result<Lines> {
        let wanted = from.max(1) - 1;
        let mut marks = Marks::new(self.index.as_ref())?;
        let start = marks.before_line(wanted)?;
        let (mut at, mut seen) = start.map_or((0, 0), |mark| (mark.offset, mark.lines));
        let mut found = Lines { lines: Vec::new(), next_offset: at };
        let mut buffer = vec![0; CHUNK];
        let mut lost = 0;
        // Skips to the first wanted line.
        while seen < wanted {
            let read = match self.read_up_to_gap(&mut buffer, at, &mut marks)? {
                Piece::End => return Ok(found),
                Piece::Gap(gap) => {
                    (seen, lost) = (gap.lines, gap.lost);
                    continue;
                }
                Piece::Bytes(read) => read,
            };
            lost = 0;
            match memchr::memchr_iter(b'\n', &buffer[..read])
                .nth(usize::try_from(wanted - seen - 1).unwrap_or(usize::MAX))
            {
                Some(end) => {
                    at += end as u64 + 1;
                    seen = wanted;
                }
                None => {
                    seen += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64;
                    at += read as u64;
                }
            }
        }
        found.next_offset = at;
        let mut open: Option<Line> = None;
        'reading: while found.lines.len() < count {
            let read = match self.read_up_to_gap(&mut buffer, at, &mut marks)? {
                Piece::End => break,
                Piece::Gap(gap) => {
                    match &mut open {
                        Some(line) if gap.lines == seen => line.lost += gap.lost,
                        _ => {
                            lost += gap.lost;
                            found.next_offset = at;
                            found.lines.extend(open.take().map(|line| Line { complete: true, ..line }));
                        }
                    }
                    seen = gap.lines;
                    continue;
                }
                Piece::Bytes(read) => read,
            };
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                let line = match &mut open {
                    Some(line) => line,
                    None => open.insert(Line {
                        number: seen + 1,
                        offset: at,
                        bytes: Vec::new(),
                        length: 0,
                        millis: marks.millis_at(at)?,
                        lost: std::mem::take(&mut lost),
                        complete: false,
                    }),
                };
                let (part, ends) = match memchr::memchr(b'\n', rest) {
                    Some(end) => (&rest[..end], true),
                    None => (rest, false),
                };
                let room = limit.saturating_sub(line.bytes.len());
                line.bytes.extend_from_slice(&part[..part.len().min(room)]);
                line.length += part.len() as u64;
                let step = part.len() + usize::from(ends);
                at += step as u64;
                rest = &rest[step..];
                if ends {
                    line.complete = true;
                    seen += 1;
                    found.next_offset = at;
                    found.lines.extend(open.take());
                    if found.lines.len() == count {
                        break 'reading;
                    }
                }
            }
        }
        if found.lines.len() < count {
            found.lines.extend(open);
            // Nothing came behind it.
            found.lines.last_mut().into_iter().for_each(|last| last.lost += lost);
        }
        Ok(found)
    }

    /// Reads at an offset up to the next gap, or says that it is there.
    fn read_up_to_gap(&self, buffer: &mut [u8], at: u64, marks: &mut Marks<'_>) -> io::Result<Piece> {
        let read = self.read_at(buffer, at)?;
        Ok(match marks.gap_between(at, at + read as u64)? {
            Some(gap) if gap.offset == at => {
                marks.passed = gap.next;
                Piece::Gap(gap)
            }
            Some(gap) => Piece::Bytes(usize::try_from(gap.offset - at).unwrap_or(read)),
            None if read == 0 => Piece::End,
            None => Piece::Bytes(read),
        })
    }

    /// Returns every gap: where, and how many bytes are missing there.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn gaps(&self) -> io::Result<Vec<(u64, u64)>> {
        let marks = Marks::new(self.index.as_ref())?;
        let mut gaps = Vec::new();
        for at in 0..marks.count {
            if let Some(mark) = marks.get(at)?.filter(|mark| mark.lost > 0) {
                gaps.push((mark.offset, mark.lost));
            }
        }
        Ok(gaps)
    }
}

/// What comes next in a log.
enum Piece {
    /// So many bytes.
    Bytes(usize),
    /// Bytes that are missing.
    Gap(Missing),
    /// Nothing.
    End,
}

/// A gap as the index tells it.
struct Missing {
    offset: u64,
    lost: u64,
    /// How many newlines came before what stands behind it.
    lines: u64,
    /// The place in the index from which others are looked for.
    next: u64,
}

/// The records of an index, read as they are needed.
struct Marks<'a> {
    index: Option<&'a File>,
    count: u64,
    /// Gaps before this place were told.
    passed: u64,
}

impl<'a> Marks<'a> {
    fn new(index: Option<&'a File>) -> io::Result<Self> {
        let bytes = index.map_or(Ok(0), |index| Ok::<_, io::Error>(index.metadata()?.len()))?;
        Ok(Self { index, count: (bytes / RECORD as u64).saturating_sub(1), passed: 0 })
    }

    fn get(&self, at: u64) -> io::Result<Option<Mark>> {
        let Some(index) = self.index.filter(|_| at < self.count) else {
            return Ok(None);
        };
        let mut bytes = [0; RECORD];
        index.read_exact_at(&mut bytes, (at + 1) * RECORD as u64)?;
        Ok(Mark::from_bytes(&bytes))
    }

    /// How many of the records fulfil what holds for all up to some point.
    fn partition(&self, holds: impl Fn(&Mark) -> bool) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle)?.is_some_and(|mark| holds(&mark)) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The last mark before which fewer newlines came than `line`.
    fn before_line(&self, line: u64) -> io::Result<Option<Mark>> {
        let end = self.partition(|mark| mark.lines < line)?;
        if end == 0 { Ok(None) } else { self.get(end - 1) }
    }

    fn millis_at(&self, offset: u64) -> io::Result<Option<u64>> {
        let end = self.partition(|mark| mark.offset <= offset)?;
        if end == 0 { Ok(None) } else { Ok(self.get(end - 1)?.map(|mark| mark.millis)) }
    }

    /// The next gap that was not told yet, from an offset up to and with another.
    fn gap_between(&self, from: u64, to: u64) -> io::Result<Option<Missing>> {
        let mut at = self.partition(|mark| mark.offset < from)?.max(self.passed);
        while let Some(mark) = self.get(at)?.filter(|mark| mark.offset <= to) {
            if mark.lost > 0 {
                let behind = self.get(at + 1)?.map_or(mark.lines, |behind| behind.lines);
                return Ok(Some(Missing { offset: mark.offset, lost: mark.lost, lines: behind, next: at + 1 }));
            }
            at += 1;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LogWriter, MAGIC};
    use super::*;

    fn pair(temp: &Path) -> (LogWriter, LogReader) {
        let (log, index) = (temp.join("log"), temp.join("index"));
        let writer = LogWriter::create(&log, &index).expect("made");
        (writer, LogReader::open(&log, &index).expect("opened"))
    }

    #[test]
    fn lines_are_found_from_any_number_while_the_log_grows() {
        let temp = tempfile::tempdir().expect("temp");
        let (mut writer, reader) = pair(temp.path());
        for number in 1..=50_000 {
            writer.append(format!("line {number}\n").as_bytes());
        }
        writer.append(b"unfinished");
        assert_eq!(writer.lines(), 50_001);
        for from in [1, 2, 9_999, 31_337, 50_000] {
            let found = reader.lines(from, 2, 100).expect("read");
            assert_eq!(found.lines[0].number, from);
            assert_eq!(found.lines[0].bytes, format!("line {from}").as_bytes());
            assert!(found.lines[0].millis.is_some());
        }
        let last = reader.lines(50_001, 10, 100).expect("read");
        assert_eq!(last.lines.len(), 1);
        assert_eq!(last.lines[0].bytes, b"unfinished");
        assert!(!last.lines[0].complete);
        assert!(reader.lines(50_002, 1, 100).expect("read").lines.is_empty());
    }

    #[test]
    fn a_line_of_50_mb_is_cut_and_what_follows_is_found() {
        let temp = tempfile::tempdir().expect("temp");
        let (mut writer, reader) = pair(temp.path());
        writer.append(b"first\n");
        for _ in 0..50 {
            writer.append(&vec![b'x'; 1024 * 1024]);
        }
        writer.append(b"\n\xff\xfe after\n");
        let found = reader.lines(2, 5, 80).expect("read");
        assert_eq!(found.lines[0].length, 50 * 1024 * 1024);
        assert_eq!(found.lines[0].bytes.len(), 80);
        assert_eq!(found.lines[1].bytes, b"\xff\xfe after");
        assert_eq!(reader.lines(3, 1, 80).expect("read").lines[0].bytes, b"\xff\xfe after");
    }

    #[test]
    fn lines_around_gaps_keep_the_numbers_with_which_they_came() {
        let temp = tempfile::tempdir().expect("temp");
        let (log, index) = (temp.path().join("log"), temp.path().join("index"));
        // It came as "1\n2\n3\n4\n5-five\n6\nseven\n8\n9-nine\n10\n".
        std::fs::write(&log, "1\n2\n3\n4\n5ven\n8\n9ne\n10\n").expect("written");
        let mark = |offset, lines, lost| Mark { offset, lines, millis: 1, lost }.to_bytes();
        let marks = [mark(0, 0, 0), mark(9, 4, 10), mark(9, 6, 0), mark(16, 8, 3), mark(16, 8, 0)];
        std::fs::write(&index, [MAGIC.as_slice(), marks.as_flattened()].concat()).expect("written");
        let reader = LogReader::open(&log, &index).expect("opened");
        let shown = |from: u64, count: usize| -> Vec<(u64, String, u64, bool)> {
            let lines = reader.lines(from, count, 80).expect("read").lines.into_iter();
            lines.map(|l| (l.number, String::from_utf8_lossy(&l.bytes).into_owned(), l.lost, l.complete)).collect()
        };
        let line = |number, text: &str, lost| (number, text.to_owned(), lost, true);
        let all = [line(1, "1", 0), line(2, "2", 0), line(3, "3", 0), line(4, "4", 0), line(5, "5", 0)];
        let all = [&all[..], &[line(7, "ven", 10), line(8, "8", 0), line(9, "9ne", 3), line(10, "10", 0)]].concat();
        assert_eq!(shown(1, 100), all);
        for (at, (from, expected)) in [(1, 0), (5, 4), (6, 5), (7, 5), (8, 6), (9, 7), (10, 8)].into_iter().enumerate()
        {
            assert_eq!(shown(from, 1 + at % 2), all[expected..(expected + 1 + at % 2).min(all.len())], "from {from}");
        }
        assert!(shown(11, 1).is_empty());
        assert_eq!(reader.gaps().expect("read"), [(9, 10), (16, 3)]);
    }

    #[test]
    fn a_torn_index_is_no_harm() {
        let temp = tempfile::tempdir().expect("temp");
        let (mut writer, reader) = pair(temp.path());
        for number in 1..=10_000 {
            writer.append(format!("line {number}\n").as_bytes());
        }
        let index = std::fs::OpenOptions::new().write(true).open(temp.path().join("index")).expect("opened");
        index.set_len(RECORD as u64 + 7).expect("torn");
        assert_eq!(reader.lines(5_000, 1, 80).expect("read").lines[0].bytes, b"line 5000");
    }

    proptest::proptest! {
        /// No byte and no line is lost, altered or out of order, however the output comes and wherever reading begins (10).
        #[test]
        fn whatever_comes_in_whatever_pieces_is_read_as_it_came(
            pieces in proptest::collection::vec(
                proptest::collection::vec(proptest::prop_oneof![proptest::prelude::Just(b'\n'), proptest::prelude::any::<u8>()], 0..300),
                0..40,
            ),
            from in 1..200u64,
            offset in 0..6_000u64,
        ) {
            let temp = tempfile::tempdir().expect("temp");
            let (mut writer, reader) = pair(temp.path());
            for piece in &pieces {
                writer.append(piece);
            }
            let all = pieces.concat();
            proptest::prop_assert_eq!((writer.bytes(), writer.lost()), (all.len() as u64, 0));
            let mut read = Vec::new();
            let mut buffer = [0; 97];
            while let Ok(more @ 1..) = reader.read_at(&mut buffer, offset + read.len() as u64) {
                read.extend_from_slice(&buffer[..more]);
            }
            proptest::prop_assert_eq!(&read[..], all.get(usize::try_from(offset).unwrap_or_default()..).unwrap_or_default());
            let mut lines: Vec<&[u8]> = all.split(|byte| *byte == b'\n').collect();
            let open = lines.pop().unwrap_or_default();
            let complete = lines.len() as u64;
            lines.extend((!open.is_empty()).then_some(open));
            proptest::prop_assert_eq!(writer.lines(), lines.len() as u64);
            let found = reader.lines(from, 7, 1_000_000).expect("read").lines;
            let wanted: Vec<&[u8]> = lines.into_iter().skip(usize::try_from(from - 1).unwrap_or_default()).take(7).collect();
            proptest::prop_assert_eq!(found.len(), wanted.len());
            for (at, (line, wanted)) in found.iter().zip(wanted).enumerate() {
                let number = from + at as u64;
                proptest::prop_assert_eq!(&line.bytes[..], wanted);
                proptest::prop_assert_eq!((line.number, line.complete), (number, number <= complete));
            }
        }
    }
}
