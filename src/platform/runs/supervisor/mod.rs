//! The supervisor of one run: a process of its own that executes the run's script and needs nobody.
//!
//! `terrace run-host FOLDER` is a session of its own, so that no terminal and no platform can take it along. It holds
//! the requester's environment while the run waits its turn, owns the process group of each command, takes its output
//! into the log, notes what happened in the journal, and answers on its control socket. It is one thread around
//! `poll`, without a runtime, so that a hundred of them cost little.
//!
//! [`control`] has the socket, [`child`] one command; this file has the order of things.

mod child;
mod control;
mod steps;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};

use self::child::{Child, Source};
use self::control::Peer;
use self::steps::Kept;
use super::folder::RunFolder;
use super::journal::{Journal, Note, Outcome};
use super::log::LogWriter;
use super::protocol::{Ask, Hello, Progress, Say};
use super::vault::Vault;
use crate::atmos::driver::script::{Exec, Script};
use crate::domain::id::Digest;
use crate::domain::run::TerminalSize;
use crate::platform::limits;

/// How much is read from a command at a time.
const CHUNK: usize = 256 * 1024;
/// How often those who are attached are told, at most.
const TELL: Duration = Duration::from_millis(5);
/// How often a supervisor that has nothing to do looks whether its folder is still there.
const LOOK: Duration = Duration::from_secs(20);

/// Runs the supervisor for the run whose folder this is: `terrace run-host FOLDER`.
///
/// It reads a [`Hello`] from standard input to its end, says `ready` on standard output, and then belongs to nobody.
#[must_use]
pub fn main(folder: &Path) -> ExitCode {
    match Host::prepare(folder) {
        Ok(mut host) => match host.live() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("the supervisor failed: {error}")),
        },
        Err(error) => complain(&format!("cannot supervise the run in {}: {error}", folder.display())),
    }
}

fn complain(message: &str) -> ExitCode {
    // Standard error is a file in the run's folder.
    let _ = writeln!(io::stderr(), "{message}");
    ExitCode::FAILURE
}

/// Where the run stands, as its supervisor sees it.
#[derive(Debug)]
enum Stage {
    /// Waits for its turn.
    Waiting,
    /// Follows the script.
    Working,
    /// Waits for a person's yes.
    Awaiting { until: Instant },
    /// Has ended; what it left behind may still write.
    Ended,
}

/// A person asked it to end.
#[derive(Debug)]
struct Cancel {
    by: String,
    /// How far it has gone: 0 nothing, 1 interrupted, 2 terminated, 3 killed.
    level: u8,
    /// When it goes one step further.
    next: Instant,
}

/// The supervisor.
#[derive(Debug)]
struct Host {
    folder: RunFolder,
    /// Locked for as long as we live.
    _alive: File,
    hello: Hello,
    journal: Journal,
    log: LogWriter,
    listener: UnixListener,
    woken: UnixStream,
    terminated: Arc<AtomicBool>,
    peers: Vec<Peer>,
    stage: Stage,
    token: u64,
    script: Script,
    /// The index of the next action.
    next: usize,
    child: Option<Child>,
    /// Outputs of commands that ended, still held by what they left behind.
    strays: Vec<Source>,
    cancel: Option<Cancel>,
    kept: Kept,
    accepted: Option<Accepted>,
    /// What the plan is sealed with while a person thinks; the key is nowhere else.
    vault: Option<Vault>,
    /// A command that is tried again.
    again: Option<Again>,
    /// How often the present command was tried, and since when.
    tries: (u32, Instant),
    /// The lock file that is held.
    locked: Option<File>,
    /// When something is looked at again that nobody tells of.
    look_at: Option<Instant>,
    told: Instant,
    /// How large the terminal is that the run is typed into.
    size: TerminalSize,
    buffer: Vec<u8>,
}

/// A command that failed and is tried again.
#[derive(Debug)]
struct Again {
    exec: Exec,
    at: Instant,
}

/// The plan that was accepted.
#[derive(Debug)]
struct Accepted {
    digest: Digest,
    workspace: String,
    changes: bool,
}

impl Host {
    fn prepare(path: &Path) -> io::Result<Self> {
        // Not a leader of a process group, because a platform starts us as its child: so this cannot fail there.
        let _ = rustix::process::setsid();
        let path = path.canonicalize()?;
        let folder = RunFolder::new(&path);
        let alive = folder.live()?;
        std::env::set_current_dir(&path)?;
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text)?;
        let hello: Hello = serde_json::from_slice(&text)?;
        drop(text);
        if let Some(files) = hello.files {
            limits::set(files)?;
        }
        let (woken, waker) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGCHLD, waker.try_clone()?)?;
        signal_hook::low_level::pipe::register(SIGTERM, waker)?;
        let terminated = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGTERM, Arc::clone(&terminated))?;
        for harmless in [SIGHUP, SIGINT, SIGXFSZ] {
            signal_hook::flag::register(harmless, Arc::new(AtomicBool::new(false)))?;
        }
        let mut journal = Journal::open(&folder.journal())?;
        let log = LogWriter::create(&folder.log(), &folder.index())?;
        let listener = control::listen()?;
        let ready = Note::Ready { pid: std::process::id(), version: env!("CARGO_PKG_VERSION").to_owned() };
        journal.write(ready, false)?;
        let mut out = io::stdout().lock();
        out.write_all(b"ready\n")?;
        out.flush()?;
        release_standard_streams()?;
        Ok(Self {
            folder,
            _alive: alive,
            hello,
            journal,
            log,
            listener,
            woken,
            terminated,
            peers: Vec::new(),
            stage: Stage::Waiting,
            token: 0,
            script: Script::default(),
            next: 0,
            child: None,
            strays: Vec::new(),
            cancel: None,
            kept: Kept::default(),
            accepted: None,
            vault: None,
            again: None,
            tries: (0, Instant::now()),
            locked: None,
            look_at: None,
            told: Instant::now(),
            size: TerminalSize::default(),
            buffer: Vec::new(),
        })
    }

    /// Lives until the run has ended, nothing holds its output any more, and everybody attached knows.
    fn live(&mut self) -> io::Result<()> {
        loop {
            self.advance();
            self.tell();
            // A platform that takes the end over does not wait for the disk twice.
            if matches!(self.stage, Stage::Ended)
                && let Err(error) = self.journal.sync()
            {
                complain(&format!("cannot sync the journal: {error}"));
            }
            if matches!(self.stage, Stage::Ended)
                && self.strays.is_empty()
                && self.journal.is_flushed()
                && !self.peers.iter().any(Peer::waits)
            {
                return Ok(());
            }
            if !self.journal.is_flushed() {
                let _ = self.journal.flush();
            }
            if self.is_idle() && !self.folder.journal().exists() {
                // Somebody removed the run: nobody can ask for it any more.
                return Ok(());
            }
            self.wait()?;
            self.escalate();
            self.expire();
        }
    }

    fn is_idle(&self) -> bool {
        self.child.is_none() && matches!(self.stage, Stage::Waiting | Stage::Awaiting { .. })
    }

    /// Waits for something to happen, and takes it.
    fn wait(&mut self) -> io::Result<()> {
        let timeout = self.timeout();
        let mut fds = Vec::with_capacity(4 + self.strays.len() + self.peers.len());
        fds.push(PollFd::new(&self.woken, PollFlags::IN));
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        let output = self.child.as_ref().and_then(|child| child.output.as_ref());
        fds.extend(output.map(|output| PollFd::from_borrowed_fd(output.fd(), PollFlags::IN)));
        fds.extend(self.strays.iter().map(|stray| PollFd::from_borrowed_fd(stray.fd(), PollFlags::IN)));
        for peer in &self.peers {
            let interest = if peer.waits() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
            fds.push(PollFd::from_borrowed_fd(peer.stream.as_fd(), interest));
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let has_output = output.is_some();
        drop(fds);
        let (woken, knocking) = (ready[0], ready[1]);
        let mut at = 2;
        if has_output {
            if ready[at] {
                self.read_output();
            }
            at += 1;
        }
        let strays = ready[at..at + self.strays.len()].to_vec();
        at += self.strays.len();
        let peers = ready[at..].to_vec();
        self.read_strays(&strays);
        for (index, ready) in peers.into_iter().enumerate() {
            if ready {
                self.peers[index].push();
                for ask in self.peers[index].asks() {
                    let (say, attach) = self.answer(ask);
                    if attach {
                        self.peers[index].attach();
                    }
                    self.peers[index].say(&say);
                }
            }
        }
        self.peers.retain(|peer| !peer.is_gone());
        if knocking {
            while let Ok(Some(peer)) = Peer::accept(&self.listener) {
                self.peers.push(peer);
            }
        }
        if woken {
            let mut drain = [0; 64];
            while matches!(self.woken.read(&mut drain), Ok(read) if read > 0) {}
            if self.terminated.swap(false, Ordering::Relaxed) {
                self.ask_cancel("the system, which asked the supervisor to end (SIGTERM)");
            }
        }
        Ok(())
    }

    fn timeout(&self) -> Duration {
        let now = Instant::now();
        let mut until = now + LOOK;
        if let Some(Child { ended: Some((_, at)), .. }) = &self.child {
            until = until.min(*at + Duration::from_millis(self.hello.patience.linger));
        }
        if let Some(cancel) = &self.cancel {
            until = until.min(cancel.next);
        }
        if let Stage::Awaiting { until: end } = &self.stage {
            until = until.min(*end);
        }
        if let Some(look_at) = self.look_at {
            until = until.min(look_at);
        }
        if self.peers.iter().any(|peer| !peer.waits()) && self.has_news() {
            until = until.min(self.told + TELL);
        }
        if !self.journal.is_flushed() {
            until = until.min(now + Duration::from_secs(1));
        }
        until.saturating_duration_since(now).max(Duration::from_millis(1))
    }

    fn progress(&self) -> Progress {
        Progress {
            journal: self.journal.bytes(),
            log: self.log.bytes(),
            lines: self.log.lines(),
            lost: self.log.lost(),
        }
    }

    fn has_news(&self) -> bool {
        let progress = self.progress();
        self.peers.iter().any(|peer| peer.wants(progress))
    }

    /// Tells those who are attached; small news at once, a flood not more often than bearable.
    fn tell(&mut self) {
        let ended = matches!(self.stage, Stage::Ended);
        if ended || self.told.elapsed() >= TELL {
            let progress = self.progress();
            for peer in &mut self.peers {
                peer.tell(progress);
            }
            self.told = Instant::now();
        }
    }

    /// Takes output of the running command.
    fn read_output(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        let Some(output) = &mut child.output else {
            return;
        };
        self.buffer.resize(CHUNK, 0);
        match output.read(&mut self.buffer) {
            Ok(0) => child.output = None,
            Ok(read) => match &mut child.hidden {
                Some(hidden) => Child::hide(hidden, &self.buffer[..read]),
                None => {
                    self.log.append(&self.buffer[..read]);
                    self.note_gaps(false);
                }
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => child.output = None,
        }
    }

    /// Takes what processes write whose command has ended.
    fn read_strays(&mut self, ready: &[bool]) {
        let mut index = 0;
        let mut grown = false;
        self.buffer.resize(CHUNK, 0);
        let (log, buffer) = (&mut self.log, &mut self.buffer);
        self.strays.retain_mut(|stray| {
            let is_ready = ready.get(index).copied().unwrap_or(false);
            index += 1;
            if !is_ready {
                return true;
            }
            grown = true;
            match stray.read(buffer) {
                Ok(0) => false,
                Ok(read) => {
                    log.append(&buffer[..read]);
                    true
                }
                Err(error) => error.kind() == io::ErrorKind::Interrupted,
            }
        });
        if grown && self.strays.is_empty() && matches!(self.stage, Stage::Ended) {
            self.note_gaps(true);
            let note =
                Note::Drained { log_bytes: self.log.bytes(), log_lines: self.log.lines(), log_lost: self.log.lost() };
            self.note(note, true);
        }
    }

    fn note_gaps(&mut self, all: bool) {
        for gap in self.log.take_gaps(all) {
            self.note(Note::Gap { offset: gap.offset, bytes: gap.bytes, why: gap.why }, true);
        }
    }

    /// Notes something; what cannot be written now is tried again.
    fn note(&mut self, note: Note, sync: bool) {
        if let Err(error) = self.journal.write(note, sync) {
            complain(&format!("cannot write the journal: {error}"));
        }
    }

    /// Answers a request.
    fn answer(&mut self, ask: Result<Ask, String>) -> (Say, bool) {
        let refused = |why: String| (Say::Refused { why }, false);
        let ask = match ask {
            Ok(ask) => ask,
            Err(why) => return refused(format!("not understood: {why}")),
        };
        if ask.token() < self.token {
            return refused(format!("token {} is older than {}: another platform took over", ask.token(), self.token));
        }
        self.token = ask.token();
        match ask {
            Ask::Attach { .. } => return (Say::Done, true),
            Ask::Start { script, token } => {
                if !matches!(self.stage, Stage::Waiting) {
                    return refused("the run has been started".to_owned());
                }
                self.script = *script;
                self.stage = Stage::Working;
                self.note(Note::Started { token }, false);
            }
            Ask::Confirm { digest, by, .. } => {
                let Some(accepted) = self.accepted.as_ref().filter(|_| matches!(self.stage, Stage::Awaiting { .. }))
                else {
                    return refused("the run does not wait for a yes".to_owned());
                };
                if accepted.digest != digest {
                    return refused(format!("the plan is {}, not {}", accepted.digest.short(), digest.short()));
                }
                self.stage = Stage::Working;
                self.note(Note::Confirmed { by, digest }, true);
                if let Err(reason) = self.unseal() {
                    self.end(Outcome::Failed, None, Some(reason));
                }
            }
            Ask::Park { seconds, .. } => {
                if !matches!(self.stage, Stage::Awaiting { .. }) {
                    return refused("the run has no plan that could wait".to_owned());
                }
                if let Err(reason) = self.unseal() {
                    self.end(Outcome::Failed, None, Some(reason.clone()));
                    return refused(reason);
                }
                self.stage = Stage::Awaiting { until: Instant::now() + Duration::from_secs(seconds) };
            }
            Ask::Cancel { by, .. } => {
                if matches!(self.stage, Stage::Ended) {
                    return refused("the run has ended".to_owned());
                }
                self.ask_cancel(&by);
            }
            Ask::Input { data, .. } => {
                let Some(child) = &mut self.child else {
                    return refused("no command is running".to_owned());
                };
                let typed = base64::engine::general_purpose::STANDARD.decode(data).map_err(io::Error::other);
                if let Err(error) = typed.and_then(|bytes| child.input(&bytes)) {
                    return refused(error.to_string());
                }
            }
            Ask::Resize { size, .. } => {
                self.size = size;
                if let Some(Err(error)) = self.child.as_ref().map(|child| child.resize(size)) {
                    return refused(error.to_string());
                }
            }
        }
        (Say::Done, false)
    }

    /// Begins to end the run, or goes one step further where it has begun.
    fn ask_cancel(&mut self, by: &str) {
        let now = Instant::now();
        match &mut self.cancel {
            Some(cancel) => cancel.next = now,
            None => self.cancel = Some(Cancel { by: by.to_owned(), level: 0, next: now }),
        }
        if self.child.is_none() {
            self.end(Outcome::Canceled, None, Some(format!("canceled by {by}")));
        }
    }

    /// Interrupts, then terminates, then kills, and notes each.
    fn escalate(&mut self) {
        let now = Instant::now();
        let (Some(cancel), Some(child)) = (&mut self.cancel, &self.child) else {
            return;
        };
        if now < cancel.next || cancel.level >= 3 {
            return;
        }
        let waited = |millis: u64| format!("it had not ended {} s later", millis / 1000);
        let patience = self.hello.patience;
        let (signal, name, why, wait) = match cancel.level {
            0 => (Signal::INT, "SIGINT", format!("canceled by {}", cancel.by), patience.interrupt),
            1 => (Signal::TERM, "SIGTERM", waited(patience.interrupt), patience.terminate),
            _ => (Signal::KILL, "SIGKILL", waited(patience.terminate), u64::from(u32::MAX)),
        };
        cancel.level += 1;
        cancel.next = now + Duration::from_millis(wait);
        child.signal(signal);
        self.note(Note::Signaled { signal: name.to_owned(), why }, true);
    }

    /// Ends a run that nobody confirmed in time. The clock is the one that no person sets.
    fn expire(&mut self) {
        if let Stage::Awaiting { until } = self.stage
            && Instant::now() >= until
        {
            self.end(Outcome::Expired, None, Some("nobody confirmed the plan in time".to_owned()));
        }
    }
}

/// Lets go of what the platform gave us, so that it does not wait for us: all three become `/dev/null`, except
/// standard error, which is a file in the run's folder.
fn release_standard_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}
