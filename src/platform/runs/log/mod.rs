//! A run's log: the bytes as they came, and an index of where lines begin and when they came.
//!
//! The supervisor writes ([`writer`]), anybody reads at the same time ([`reader`]) from any offset or line. The bytes
//! are the truth; the index only says where to look, so a reader never trusts it beyond what the log holds. The one
//! thing only the index knows is what is missing: output that a full disk did not take.

pub mod reader;
pub mod writer;

pub use reader::{Line, Lines, LogReader};
pub use writer::{Gap, LogWriter};

/// What the index begins with.
const MAGIC: &[u8; 32] = b"terrace log index 1\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// The size of a record, and of the header.
const RECORD: usize = 32;

/// One record of the index: at `offset`, `lines` newlines had come before, at this time.
///
/// With `lost` above 0 it is a gap: so many bytes that came here are missing in the log. The mark that follows a gap
/// counts the lines that went with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    offset: u64,
    lines: u64,
    millis: u64,
    lost: u64,
}

impl Mark {
    fn to_bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        for (at, value) in [self.offset, self.lines, self.millis, self.lost].into_iter().enumerate() {
            bytes[at * 8..at * 8 + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let field = |at: usize| Some(u64::from_le_bytes(bytes.get(at * 8..at * 8 + 8)?.try_into().ok()?));
        Some(Self { offset: field(0)?, lines: field(1)?, millis: field(2)?, lost: field(3)? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// 10: no line is lost, reordered or altered, however the bytes came, wherever one begins to read.
        #[test]
        fn what_was_written_is_read_from_anywhere(
            pieces in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..200),
                    "[a-z\\n]{0,300}".prop_map(String::into_bytes),
                    (1..3u8).prop_map(|n| vec![b'x'; usize::from(n) * 70_000]),
                ],
                0..12,
            ),
            from in 1..60u64,
            at in 0..5_000u64,
        ) {
            let temp = tempfile::tempdir().expect("temp");
            let (log, index) = (temp.path().join("log"), temp.path().join("log.index"));
            let mut writer = LogWriter::create(&log, &index).expect("made");
            for piece in &pieces {
                writer.append(piece);
            }
            let whole = pieces.concat();
            prop_assert_eq!(std::fs::read(&log).expect("read"), whole.clone());
            let reader = LogReader::open(&log, &index).expect("opened");
            let mut expected: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').collect();
            if expected.last().is_some_and(|last| last.is_empty()) {
                expected.pop();
            }
            let first = usize::try_from(from - 1).expect("small");
            let found = reader.lines(from, usize::MAX, usize::MAX).expect("read").lines;
            let found: Vec<&[u8]> = found.iter().map(|line| line.bytes.as_slice()).collect();
            prop_assert_eq!(found, expected.get(first..).unwrap_or_default().to_vec());
            let mut buffer = vec![0; 1_000];
            let read = reader.read_at(&mut buffer, at).expect("read");
            let begin = usize::try_from(at).expect("small").min(whole.len());
            prop_assert_eq!(&buffer[..read], &whole[begin..(begin + read)]);
            prop_assert_eq!(writer.lines(), whole.iter().filter(|byte| **byte == b'\n').count() as u64
                + u64::from(whole.last().is_some_and(|byte| *byte != b'\n')));
        }
    }
}
