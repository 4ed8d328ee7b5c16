//! A supervisor by itself, spoken to as the platform speaks to it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use terrace::atmos::driver::script::{Action, Exec, Output, Script, StepTitle};
use terrace::platform::runs::folder::RunFolder;
use terrace::platform::runs::journal::{self, Entry, Note, Outcome};
use terrace::platform::runs::protocol::{Ask, Hello, Patience, Say};

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Little patience, for what does not end by itself.
pub(crate) const IMPATIENT: Patience = Patience { interrupt: 400, terminate: 400, linger: 500 };

/// Polls until the answer is there.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A supervisor under test; killed at the end where it still lives.
pub(crate) struct Host {
    pub(crate) folder: RunFolder,
    pub(crate) process: Child,
    stream: Option<BufReader<UnixStream>>,
    temp: tempfile::TempDir,
}

impl Host {
    /// Starts one by `program` (the binary, or a shell around it) and its first arguments.
    pub(crate) fn start_by(program: &[&str], patience: Patience) -> Self {
        let temp = tempfile::tempdir().expect("temp");
        let folder = RunFolder::new(temp.path().join("run"));
        folder.create().expect("made");
        let (program, arguments) = program.split_first().expect("a program");
        let mut process = Command::new(program)
            .args(arguments)
            .arg("run-host")
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.complaints()).expect("made"))
            .spawn()
            .expect("started");
        let env: BTreeMap<String, String> =
            std::env::vars().filter(|(name, _)| matches!(name.as_str(), "PATH" | "HOME")).collect();
        let hello = Hello { env, patience, files: None };
        let mut stdin = process.stdin.take().expect("stdin");
        stdin.write_all(&serde_json::to_vec(&hello).expect("json")).expect("said");
        drop(stdin);
        let mut ready = String::new();
        process.stdout.take().expect("stdout").read_to_string(&mut ready).expect("read");
        assert_eq!(ready, "ready\n", "{}", std::fs::read_to_string(folder.complaints()).unwrap_or_default());
        Self { folder, process, stream: None, temp }
    }

    /// Starts one with little patience.
    pub(crate) fn start() -> Self {
        Self::start_with(IMPATIENT)
    }

    /// Starts one that is as patient as said.
    pub(crate) fn start_with(patience: Patience) -> Self {
        Self::start_by(&[env!("CARGO_BIN_EXE_terrace")], patience)
    }

    /// A folder for the commands of the run.
    pub(crate) fn work(&self) -> PathBuf {
        self.temp.path().to_owned()
    }

    /// Asks, and returns the answer.
    pub(crate) fn ask(&mut self, ask: &Ask) -> Say {
        let stream = self.stream.get_or_insert_with(|| {
            let (path, _held) = self.folder.control().expect("path");
            BufReader::new(UnixStream::connect(path).expect("connected"))
        });
        let mut line = serde_json::to_vec(ask).expect("json");
        line.push(b'\n');
        stream.get_mut().write_all(&line).expect("asked");
        loop {
            let mut answer = String::new();
            stream.read_line(&mut answer).expect("answered");
            match serde_json::from_str(&answer).expect("understood") {
                Say::Progress(_) => {}
                say => return say,
            }
        }
    }

    /// Gives it its script.
    pub(crate) fn begin(&mut self, script: Script) {
        assert_eq!(self.ask(&Ask::Start { token: 1, script: Box::new(script) }), Say::Done);
    }

    /// Runs these shell commands as steps and waits until the supervisor is gone.
    pub(crate) fn run(&mut self, commands: &[&str]) -> Vec<Entry> {
        let script = shell(&self.work(), commands);
        self.begin(script);
        self.finish()
    }

    /// Waits until the supervisor is gone by itself.
    pub(crate) fn finish(&mut self) -> Vec<Entry> {
        self.stream = None;
        eventually("the supervisor ends", || self.process.try_wait().expect("waited"));
        assert!(!self.folder.is_alive());
        let complaints = std::fs::read_to_string(self.folder.complaints()).expect("read");
        assert_eq!(complaints, "");
        self.entries()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        journal::read(&self.folder.journal(), 0).expect("journal")
    }

    pub(crate) fn log(&self) -> Vec<u8> {
        std::fs::read(self.folder.log()).expect("log")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A script of shell commands, one a step.
pub(crate) fn shell(folder: &Path, commands: &[&str]) -> Script {
    let mut script = Script::default();
    for (step, command) in commands.iter().enumerate() {
        script.steps.push(StepTitle { name: format!("step{step}"), command: (*command).to_owned(), skipped: false });
        script.actions.push(Action::Exec(Exec {
            step,
            argv: vec!["sh".to_owned(), "-c".to_owned(), (*command).to_owned()],
            folder: folder.to_owned(),
            env: BTreeMap::new(),
            output: Output::Log,
            success: vec![0],
            otherwise: None,
            applies: None,
            terminal: false,
            guards: false,
            retry: None,
        }));
    }
    script
}

/// The end that the journal notes.
pub(crate) fn end(entries: &[Entry]) -> (Outcome, Option<String>) {
    let ends: Vec<_> = entries
        .iter()
        .filter_map(|entry| match &entry.note {
            Note::Ended { outcome, reason, .. } => Some((*outcome, reason.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(ends.len(), 1, "one end: {entries:#?}");
    ends.into_iter().next().expect("one")
}
