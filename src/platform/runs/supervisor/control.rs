//! The control socket: who is connected, what they ask, and telling them that there is more.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::Mode;

use super::super::protocol::{Ask, Progress, Say};

/// The longest request: a script with all variables of an instance.
const LONGEST: usize = 64 * 1024 * 1024;
/// What may wait to be read by somebody who does not read.
const WAITING: usize = 256 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    attached: bool,
    told: Option<Progress>,
    gone: bool,
}

/// Opens the socket, for the owner only. The current folder is the run's, so the path is short.
pub(super) fn listen() -> io::Result<UnixListener> {
    let path = Path::new("control.sock");
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    // The commands of the run get the umask they would have had.
    rustix::process::umask(before);
    let listener = bound?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

impl Peer {
    /// Takes a connection of the same user (or root); refuses all others.
    pub(super) fn accept(listener: &UnixListener) -> io::Result<Option<Self>> {
        let (stream, _) = match listener.accept() {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        #[cfg(target_os = "linux")]
        {
            let peer = rustix::net::sockopt::socket_peercred(&stream)?.uid;
            if peer != rustix::process::geteuid() && !peer.is_root() {
                return Ok(None);
            }
        }
        stream.set_nonblocking(true)?;
        Ok(Some(Self { stream, incoming: Vec::new(), outgoing: Vec::new(), attached: false, told: None, gone: false }))
    }

    /// Reads what has come and returns the whole requests in it.
    pub(super) fn asks(&mut self) -> Vec<Result<Ask, String>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.gone = true;
                    break;
                }
                Ok(read) => {
                    self.incoming.extend_from_slice(&buffer[..read]);
                    if self.incoming.len() > LONGEST {
                        self.gone = true;
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.gone = true;
                    break;
                }
            }
        }
        let Some(whole) = memchr::memrchr(b'\n', &self.incoming) else {
            return Vec::new();
        };
        let lines: Vec<u8> = self.incoming.drain(..=whole).collect();
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).map_err(|error| error.to_string()))
            .collect()
    }

    /// Makes it one of those who are told that there is more.
    pub(super) fn attach(&mut self) {
        self.attached = true;
        self.told = None;
    }

    /// Answers.
    pub(super) fn say(&mut self, say: &Say) {
        if let Ok(mut line) = serde_json::to_vec(say) {
            line.push(b'\n');
            self.outgoing.extend_from_slice(&line);
        }
        self.push();
    }

    /// Tells how much there is, unless that was told; only the latest counts, so a slow reader misses nothing.
    pub(super) fn tell(&mut self, progress: Progress) {
        if self.attached && self.told != Some(progress) && self.outgoing.is_empty() {
            self.told = Some(progress);
            self.say(&Say::Progress(progress));
        }
    }

    /// Tells whether this would be news.
    pub(super) fn wants(&self, progress: Progress) -> bool {
        self.attached && self.told != Some(progress)
    }

    /// Writes what waits.
    pub(super) fn push(&mut self) {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(written) => {
                    self.outgoing.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.gone = true;
                    break;
                }
            }
        }
        if self.outgoing.len() > WAITING {
            self.gone = true;
        }
    }

    /// Tells whether something waits to be written.
    pub(super) fn waits(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Tells whether the other side is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }
}
