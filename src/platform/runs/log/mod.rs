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
