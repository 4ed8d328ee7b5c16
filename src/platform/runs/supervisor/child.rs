//! One command under a supervisor: its process group and the one end from which all its output is read.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use crate::atmos::driver::script::{Exec, Output};
use crate::domain::run::TerminalSize;

/// How much a pipe may hold; the kernel's default is 64 KiB.
#[cfg(target_os = "linux")]
const PIPE_BYTES: usize = 1024 * 1024;
/// How much hidden output is kept for the case that the command fails.
const HIDDEN_BYTES: usize = 256 * 1024;

/// A command that was started.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    /// The process group it leads.
    pub(super) group: Pid,
    /// What was run.
    pub(super) exec: Exec,
    /// Where its output is read; none after its end.
    pub(super) output: Option<Source>,
    /// How and when it ended.
    pub(super) ended: Option<(ExitStatus, Instant)>,
    /// Output that is not for the log unless the command fails.
    pub(super) hidden: Option<Vec<u8>>,
}

/// Where output is read from.
#[derive(Debug)]
pub(super) enum Source {
    /// One pipe for both outputs.
    Pipe(io::PipeReader),
    /// The controlling end of a terminal.
    Terminal(File),
}

impl Source {
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Source::Pipe(pipe) => pipe.as_fd(),
            Source::Terminal(file) => file.as_fd(),
        }
    }

    /// Reads what is there; 0 means that nobody can write any more.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Pipe(pipe) => pipe.read(buffer),
            // A terminal whose other end is closed says EIO.
            Source::Terminal(file) => file.read(buffer).or_else(|error| {
                if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) { Ok(0) } else { Err(error) }
            }),
        }
    }
}

impl Child {
    /// Starts a command in a process group of its own, without standard input.
    pub(super) fn start(exec: Exec, base: &BTreeMap<String, String>, size: TerminalSize) -> io::Result<Self> {
        let (program, arguments) =
            exec.argv.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "an empty command"))?;
        let mut env = base.clone();
        for (name, value) in &exec.env {
            match value {
                Some(value) => env.insert(name.clone(), value.clone()),
                None => env.remove(name),
            };
        }
        let mut command = Command::new(find(program, env.get("PATH").map(String::as_str)));
        command.args(arguments).env_clear().envs(&env).current_dir(&exec.folder);
        command.arg0(program);
        let (output, writer) = if exec.terminal {
            let (controller, user) = terminal(size)?;
            command.stdin(user.try_clone()?).stdout(user.try_clone()?).stderr(user.try_clone()?);
            // SAFETY: between fork and exec only two async-signal-safe system calls are made.
            unsafe {
                command.pre_exec(move || {
                    rustix::process::setsid()?;
                    rustix::process::ioctl_tiocsctty(&user)?;
                    Ok(())
                });
            }
            (Source::Terminal(File::from(controller)), None)
        } else {
            let (reader, writer) = io::pipe()?;
            #[cfg(target_os = "linux")]
            {
                // An ordinary user may run out of such room; the default does too.
                let _ = rustix::pipe::fcntl_setpipe_size(&writer, PIPE_BYTES);
            }
            command.stdin(Stdio::null()).stderr(writer.try_clone()?).process_group(0);
            (Source::Pipe(reader), Some(writer))
        };
        match (&exec.output, writer) {
            (Output::File(path), Some(_)) => {
                let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
                command.stdout(file);
            }
            (_, Some(writer)) => {
                command.stdout(writer);
            }
            (_, None) => {}
        }
        let process = command.spawn()?;
        // The command holds copies of the writing ends: without this, the end of the output never comes.
        drop(command);
        let group = Pid::from_child(&process);
        let hidden = (exec.output != Output::Log).then(Vec::new);
        Ok(Self { process, group, exec, output: Some(output), ended: None, hidden })
    }

    /// Returns its process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Looks whether it ended.
    pub(super) fn look(&mut self) {
        if self.ended.is_none()
            && let Ok(Some(status)) = self.process.try_wait()
        {
            self.ended = Some((status, Instant::now()));
        }
    }

    /// Keeps hidden output, up to a bound.
    pub(super) fn hide(hidden: &mut Vec<u8>, bytes: &[u8]) {
        let room = HIDDEN_BYTES.saturating_sub(hidden.len());
        hidden.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Sends a signal to the whole group; says whether anybody was there.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        kill_process_group(self.group, signal).is_ok()
    }

    /// Types into its terminal.
    pub(super) fn input(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.output {
            Some(Source::Terminal(file)) => file.write_all(bytes),
            _ => Err(io::Error::new(io::ErrorKind::Unsupported, "the command has no terminal")),
        }
    }

    /// Gives its terminal another size, of which the kernel tells it; one without a terminal has none.
    pub(super) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        match &self.output {
            Some(Source::Terminal(file)) => Ok(rustix::termios::tcsetwinsize(file, winsize(size))?),
            _ => Ok(()),
        }
    }
}

/// Tells whether processes of a group live.
pub(super) fn group_lives(group: Pid) -> bool {
    test_kill_process_group(group).is_ok()
}

/// Returns exit code and signal.
pub(super) fn verdict(status: ExitStatus) -> (Option<i32>, Option<i32>) {
    (status.code(), status.signal())
}

/// Finds a program on the PATH of the person who asked, not on the supervisor's.
fn find(program: &str, path: Option<&str>) -> std::path::PathBuf {
    if program.contains('/') {
        return program.into();
    }
    path.into_iter()
        .flat_map(std::env::split_paths)
        .map(|folder| folder.join(program))
        .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok() && file.is_file())
        .unwrap_or_else(|| program.into())
}

fn winsize(size: TerminalSize) -> rustix::termios::Winsize {
    rustix::termios::Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// Opens a terminal of this size: the controlling end and the user's.
fn terminal(size: TerminalSize) -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    rustix::io::fcntl_setfd(&controller, rustix::io::FdFlags::CLOEXEC)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let name = ptsname(&controller, Vec::new())?;
    let user = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::termios::tcsetwinsize(&controller, winsize(size))?;
    Ok((controller, user))
}
