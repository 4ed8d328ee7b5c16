//! What a supervisor notes of its run, one JSON line each, and how the platform takes it over.
//!
//! The journal is the truth of a run: the platform only copies it into its store, entry by entry, each in one
//! transaction with the number of entries taken, so that none is taken twice or missed. Room for it is reserved when
//! the run begins, so that a full disk cannot keep the end of a run from being noted.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::id::Digest;
use crate::domain::run::PlanSummary;

/// How much room is reserved on the disk.
const RESERVED: u64 = 128 * 1024;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub note: Note,
}

/// What a supervisor notes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "note")]
pub enum Note {
    /// The supervisor is there and waits for its turn.
    Ready {
        /// Its process.
        pid: u32,
        /// Its version.
        version: String,
    },
    /// The script came, with the token of the locks it runs under.
    Started {
        /// The fencing token.
        token: u64,
    },
    /// A command begins.
    Step {
        /// The step it belongs to.
        step: usize,
        /// The program and its arguments.
        argv: Vec<String>,
        /// The working folder.
        folder: String,
        /// Its process, which leads a group of its own.
        pid: u32,
        /// Where its output begins in the log.
        log_offset: u64,
    },
    /// A command ended.
    StepEnded {
        /// The step it belongs to.
        step: usize,
        /// Its exit code; none where a signal ended it.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// Whether that counts as success.
        success: bool,
        /// How many bytes the log had then.
        log_bytes: u64,
    },
    /// A command that failed is tried again.
    Again {
        /// The step it belongs to.
        step: usize,
        /// How often it was tried.
        tried: u32,
        /// After how many milliseconds.
        wait: u64,
    },
    /// Processes of a command outlived it and still hold its output; what they write is still taken.
    LeftBehind {
        /// The step they belong to.
        step: usize,
        /// The process group.
        group: u32,
    },
    /// The plan is made and is the instance's.
    Planned {
        /// The digest of the plan file.
        digest: Digest,
        /// The workspace inside it.
        workspace: String,
        /// What it holds.
        summary: PlanSummary,
        /// Whether there is anything to do (or, for drift, anything that moved).
        changes: bool,
    },
    /// It waits for a person's yes.
    Awaiting {
        /// For how long.
        seconds: u64,
    },
    /// The yes came.
    Confirmed {
        /// Whose.
        by: String,
        /// To which plan.
        digest: Digest,
    },
    /// The very next thing is to apply the plan file, whose digest was computed just now. Written once, and synced.
    Applying {
        /// That digest.
        digest: Digest,
    },
    /// A signal was sent to the command's process group.
    Signaled {
        /// `SIGINT`, `SIGTERM`, `SIGKILL`.
        signal: String,
        /// Why.
        why: String,
    },
    /// Output could not be written to the log.
    Gap {
        /// Where in the log it is missing.
        offset: u64,
        /// How many bytes are missing.
        bytes: u64,
        /// Why.
        why: String,
    },
    /// The run ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// The exit code of the command that decided.
        code: Option<i32>,
        /// Why, in a sentence, where there is more to say.
        reason: Option<String>,
        /// How many bytes the log has.
        log_bytes: u64,
        /// How many lines the log has.
        log_lines: u64,
        /// How many bytes of output are missing in it.
        log_lost: u64,
        /// The command that logs in, where the script names one.
        #[serde(default)]
        login: Option<String>,
    },
    /// What was left behind is gone too; the log grew after the end.
    Drained {
        /// How many bytes the log has now.
        log_bytes: u64,
        /// How many lines.
        log_lines: u64,
        /// How many bytes are missing.
        log_lost: u64,
    },
}

/// How a supervisor saw its run end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every command did what it should.
    Succeeded,
    /// There was nothing to do.
    NoChanges,
    /// Something failed; the log and the reason say what.
    Failed,
    /// It was asked to end.
    Canceled,
    /// Nobody confirmed in time.
    Expired,
    /// The credentials check failed; nothing was changed.
    NeedsCredentials,
    /// The state is not the one that the plan was made from; nothing was changed.
    Stale,
}

/// Writes a journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    bytes: u64,
    /// What could not be written yet.
    pending: Vec<u8>,
    /// Whether all that is written is on the disk.
    synced: bool,
}

impl Journal {
    /// Opens the journal for appending and reserves room for it.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        reserve(&file, RESERVED);
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes, pending: Vec::new(), synced: true })
    }

    /// Appends an entry; with `sync`, it is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// Where it could not be written (or synced); it is kept, and tried again with the next one or by [`Self::flush`].
    pub fn write(&mut self, note: Note, sync: bool) -> io::Result<()> {
        let entry = Entry { at: Timestamp::now(), note };
        serde_json::to_writer(&mut self.pending, &entry)?;
        self.pending.push(b'\n');
        self.flush()?;
        if sync { self.sync() } else { Ok(()) }
    }

    /// Waits until all that is written is on the disk.
    ///
    /// # Errors
    ///
    /// Whatever the file system says.
    pub fn sync(&mut self) -> io::Result<()> {
        if !self.synced {
            self.file.sync_data()?;
            self.synced = true;
        }
        Ok(())
    }

    /// Writes what could not be written before.
    ///
    /// # Errors
    ///
    /// Where it still cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.pending.is_empty() {
            match self.file.write(&self.pending) {
                Ok(written) => {
                    self.synced = false;
                    self.bytes += written as u64;
                    self.pending.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns how many bytes are written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Tells whether everything noted is written.
    #[must_use]
    pub fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }
}

/// Reserves room without changing the length, where the file system can.
pub(super) fn reserve(file: &File, bytes: u64) {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, bytes);
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, bytes);
    }
}

/// Reads the entries from the `skip`th on; an unfinished last line (the supervisor died while writing) is left out.
///
/// # Errors
///
/// Where the file cannot be read. A missing file has no entries.
pub fn read(path: &Path, skip: usize) -> io::Result<Vec<Entry>> {
    let mut text = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let whole = memchr::memrchr(b'\n', &text).map_or(0, |end| end + 1);
    let lines = text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .skip(skip)
        .map(|line| serde_json::from_slice(line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_a_torn_line_does_not() {
        let temp = tempfile::tempdir().expect("temp");
        let path = temp.path().join("journal");
        let mut journal = Journal::open(&path).expect("opened");
        journal.write(Note::Ready { pid: 7, version: "0".to_owned() }, true).expect("written");
        journal.write(Note::Started { token: 3 }, false).expect("written");
        let mut file = OpenOptions::new().append(true).open(&path).expect("opened");
        file.write_all(br#"{"at":"2026"#).expect("torn");
        let all = read(&path, 0).expect("read");
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].note, Note::Started { token: 3 });
        assert_eq!(read(&path, 1).expect("read").len(), 1);
        assert!(read(&temp.path().join("none"), 0).expect("none").is_empty());
    }
}
