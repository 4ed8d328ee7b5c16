//! A supervisor whose log fills a real file system: the run goes on, the index says what is missing, nothing else is lost.
//!
//! Needs to mount (root, as in containers); where it may not, `runs_supervisor` holds the same with a limit on the size
//! of files, and says so.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;

use terrace::platform::runs::folder::RunFolder;
use terrace::platform::runs::journal::{self, Note, Outcome};
use terrace::platform::runs::log::{Line, LogReader};

use crate::support::home::may_mount;
use crate::support::host::{Host, IMPATIENT, end, eventually, shell};

/// Mounts a file system of three megabytes at the run's folder (the last argument), and becomes the supervisor there.
const ON_A_SMALL_DISK: &str =
    r#"for last; do :; done; mount -t tmpfs -o size=3m,mode=700 tmpfs "$last" && exec "$0" "$@""#;

/// One line of the output: a hundred bytes that end with its number.
fn line(number: u64) -> Vec<u8> {
    format!("{number:099}\n").into_bytes()
}

#[test]
fn a_run_goes_on_while_the_disk_is_full_and_the_index_says_what_is_missing() {
    if !may_mount() {
        return;
    }
    let program = ["unshare", "--mount", "sh", "-c", ON_A_SMALL_DISK, env!("CARGO_BIN_EXE_terrace")];
    let mut host = Host::start_by(&program, IMPATIENT);
    // Seen from here, its file system lies below its process; an open folder keeps it when that is gone.
    let inside = PathBuf::from(format!("/proc/{}/root{}", host.process.id(), host.folder.path().display()));
    let held = File::open(inside).expect("a folder");
    host.folder = RunFolder::new(format!("/proc/self/fd/{}", held.as_raw_fd()));
    let folder = host.folder.path().to_owned();
    let filler = folder.join("filler");
    fs::write(&filler, vec![0; 1024 * 1024]).expect("there is room yet");

    let flood = |from: u64, to: u64| format!("seq -f '%099.0f' {from} {to}");
    let command = format!(
        "{}; touch full; while [ ! -e room ]; do sleep 0.05; done; {}; echo done > done",
        flood(1, 40_000),
        flood(40_001, 41_000)
    );
    let work = host.work();
    let script = shell(&work, &[&command, "echo and on"]);
    host.begin(script);
    eventually("everything was written", || work.join("full").exists().then_some(()));
    assert!(fs::write(folder.join("more"), vec![0; 64 * 1024]).is_err(), "the disk is full");
    fs::remove_file(folder.join("more")).expect("removed");
    fs::remove_file(&filler).expect("removed");
    fs::write(work.join("room"), "").expect("written");
    eventually("the supervisor ends", || host.process.try_wait().expect("waited"));

    let entries = journal::read(&host.folder.journal(), 0).expect("a journal");
    assert_eq!(end(&entries).0, Outcome::Succeeded, "{entries:#?}");
    assert!(work.join("done").exists());
    let ended = |note: &Note| matches!(note, Note::StepEnded { success: true, .. });
    assert_eq!(entries.iter().filter(|entry| ended(&entry.note)).count(), 2, "{entries:#?}");

    let log = fs::read(host.folder.log()).expect("a log");
    let whole: Vec<u8> = (1..=41_000).flat_map(line).chain(*b"and on\n").collect();
    let reader = LogReader::open(&host.folder.log(), &host.folder.index()).expect("opened");
    let gaps = reader.gaps().expect("read");
    assert!(!gaps.is_empty(), "4 MB do not fit into 3");
    // What is there is what came, without exactly what the index says.
    let (mut expected, mut at) = (Vec::new(), 0);
    for (offset, bytes) in &gaps {
        let before = usize::try_from(*offset).expect("small") - expected.len();
        expected.extend_from_slice(&whole[at..at + before]);
        at += before + usize::try_from(*bytes).expect("small");
    }
    expected.extend_from_slice(&whole[at..]);
    assert!(expected == log, "the log is not what came without the gaps: {gaps:?}");
    let lost: u64 = gaps.iter().map(|(_, bytes)| bytes).sum();
    let Some(Note::Ended { log_lost, log_bytes, log_lines, .. }) = entries.last().map(|entry| entry.note.clone())
    else {
        panic!("no end: {entries:#?}");
    };
    assert_eq!((log_bytes, log_lost, log_lines), (log.len() as u64, lost, 41_001));
    let noted = entries.iter().filter_map(|entry| match entry.note {
        Note::Gap { offset, bytes, .. } => Some((offset, bytes)),
        _ => None,
    });
    assert_eq!(noted.collect::<Vec<_>>(), gaps, "the platform is told");

    // Lines behind the gap have the numbers that they came with; the one at the gap says what is missing.
    let last = reader.lines(40_990, 100, 200).expect("read").lines;
    assert_eq!(last.len(), 12, "{last:#?}");
    for line in &last[..11] {
        assert_eq!(String::from_utf8_lossy(&line.bytes).trim_start_matches('0'), line.number.to_string());
    }
    let all = reader.lines(1, 50_000, 200).expect("read").lines;
    assert_eq!(all.iter().map(|line| line.lost).sum::<u64>(), lost, "each gap is told once");
    let whole = |line: &&Line| line.lost == 0 && line.length == 99;
    for line in all.iter().filter(whole) {
        assert_eq!(String::from_utf8_lossy(&line.bytes).trim_start_matches('0'), line.number.to_string());
    }
}
