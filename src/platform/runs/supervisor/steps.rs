//! How a supervisor follows its script: files, commands, the look at the plan, the wait for a yes, the end.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::child::{Child, group_lives, verdict};
use super::{Accepted, Again, Host, Stage};
use crate::atmos::driver::planfile;
use crate::atmos::driver::script::{Accept, Action, Exec};
use crate::platform::runs::journal::{Note, Outcome};
use crate::platform::runs::vault::{self, Vault};

/// How often a lock file that somebody else has is looked at.
const LOCK_LOOK: Duration = Duration::from_millis(20);

/// The name that a plan is sealed under while a person thinks.
const WAITING: &str = "waiting";

/// Tracked files as they were before the run wrote into the component's folder.
#[derive(Debug, Default)]
pub(super) struct Kept {
    files: Vec<(PathBuf, Option<Vec<u8>>, u32)>,
}

impl Kept {
    fn keep(&mut self, path: &Path) -> io::Result<()> {
        if self.files.iter().any(|(kept, ..)| kept == path) {
            return Ok(());
        }
        let (bytes, mode) = match fs::read(path) {
            Ok(bytes) => (Some(bytes), fs::metadata(path)?.permissions().mode()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, 0),
            Err(error) => return Err(error),
        };
        self.files.push((path.to_owned(), bytes, mode));
        Ok(())
    }

    /// Puts back what changed.
    fn put_back(&mut self) -> io::Result<()> {
        for (path, bytes, mode) in self.files.drain(..) {
            match bytes {
                Some(bytes) if fs::read(&path).ok().as_ref() != Some(&bytes) => {
                    write(&path, &bytes, mode & 0o777)?;
                }
                Some(_) => {}
                None => remove(&path)?,
            }
        }
        Ok(())
    }
}

impl Host {
    /// Goes on until a command runs, a person is waited for, or the run has ended.
    pub(super) fn advance(&mut self) {
        loop {
            if let Some(child) = &mut self.child {
                child.look();
                if !self.settle() {
                    return;
                }
            }
            if !matches!(self.stage, Stage::Working) || self.child.is_some() {
                return;
            }
            if let Some(cancel) = &self.cancel {
                let reason = format!("canceled by {}", cancel.by);
                self.end(Outcome::Canceled, None, Some(reason));
                return;
            }
            if let Some(again) = self.again.take() {
                if Instant::now() < again.at {
                    self.look_at = Some(again.at);
                    self.again = Some(again);
                    return;
                }
                self.look_at = None;
                if let Err(reason) = self.execute(again.exec) {
                    self.end(Outcome::Failed, None, Some(reason));
                }
                continue;
            }
            if let Some(Action::Lock { path }) = self.script.actions.get(self.next).cloned() {
                match self.take(&path) {
                    Ok(true) => self.next += 1,
                    Ok(false) => {
                        self.look_at = Some(Instant::now() + LOCK_LOOK);
                        return;
                    }
                    Err(error) => {
                        let reason = format!("cannot take the lock {}: {error}", path.display());
                        self.end(Outcome::Failed, None, Some(reason));
                    }
                }
                continue;
            }
            self.look_at = None;
            let Some(action) = self.script.actions.get(self.next).cloned() else {
                let without = self.accepted.as_ref().is_some_and(|accepted| !accepted.changes);
                self.end(if without { Outcome::NoChanges } else { Outcome::Succeeded }, Some(0), None);
                return;
            };
            self.next += 1;
            if let Err(reason) = self.perform(action) {
                self.end(Outcome::Failed, None, Some(reason));
                return;
            }
        }
    }

    fn perform(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Folder { path } => fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(|error| format!("cannot make the folder {}: {error}", path.display())),
            Action::Write { path, text, mode } => {
                write(&path, text.as_bytes(), mode).map_err(|error| format!("cannot write {}: {error}", path.display()))
            }
            Action::Keep { path } => {
                self.kept.keep(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))
            }
            Action::Remove { path } => {
                remove(&path).map_err(|error| format!("cannot remove {}: {error}", path.display()))
            }
            Action::Lock { .. } => Ok(()),
            Action::Unlock => {
                self.locked = None;
                Ok(())
            }
            Action::Exec(exec) => {
                self.tries = (1, Instant::now());
                self.execute(exec)
            }
            Action::Accept(accept) => self.accept(&accept),
            Action::SameState { plan, state } => {
                let same = planfile::same_state(&plan, &state);
                remove(&state).map_err(|error| format!("cannot remove {}: {error}", state.display()))?;
                match same {
                    Ok(None) => {}
                    Ok(Some(moved)) => self.end(Outcome::Stale, None, Some(format!("{moved}: nothing was applied"))),
                    Err(error) => return Err(error.to_string()),
                }
                Ok(())
            }
            Action::Confirm { ahead, seconds } => self.await_confirmation(ahead, seconds),
        }
    }

    /// Takes a lock file that runs share, where nobody has it. The kernel gives it back at any death.
    fn take(&mut self, path: &Path) -> io::Result<bool> {
        use rustix::fs::{FlockOperation, flock};
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                self.locked = Some(file);
                Ok(true)
            }
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn execute(&mut self, exec: Exec) -> Result<(), String> {
        if let Some(plan) = &exec.applies {
            self.check_again(plan)?;
        }
        let (step, argv) = (exec.step, exec.argv.clone());
        let folder = exec.folder.display().to_string();
        let program = argv.first().cloned().unwrap_or_default();
        let child = Child::start(exec, &self.hello.env, self.size).map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::NotFound if !Path::new(&folder).is_dir() => {
                    format!("the folder {folder} does not exist")
                }
                io::ErrorKind::NotFound => {
                    format!("'{program}' is not on the PATH of the person who asked for this run")
                }
                _ => error.to_string(),
            };
            format!("cannot start {program}: {hint}")
        })?;
        let note = Note::Step { step, argv, folder, pid: child.pid(), log_offset: self.log.bytes() };
        self.child = Some(child);
        self.note(note, false);
        Ok(())
    }

    /// Compares the plan with the one that was accepted, right before it is applied, and notes that it is: once.
    fn check_again(&mut self, plan: &Path) -> Result<(), String> {
        let accepted = self.accepted.as_ref().ok_or("no plan was accepted, so nothing is applied")?;
        let found = planfile::digest(plan).map_err(|error| format!("cannot read the plan file: {error}"))?;
        if found != accepted.digest {
            return Err(format!(
                "the plan file is not the one that was confirmed ({} instead of {}): nothing was applied",
                found.short(),
                accepted.digest.short()
            ));
        }
        let workspace = planfile::workspace(plan).map_err(|error| error.to_string())?;
        if workspace != accepted.workspace {
            return Err(format!("the plan file is for the workspace '{workspace}': nothing was applied"));
        }
        // Without this note on the disk nobody could know that an apply began: so without it none begins.
        self.journal
            .write(Note::Applying { digest: found }, true)
            .map_err(|error| format!("cannot note that the plan is applied ({error}): nothing was applied"))
    }

    /// Looks whether the running command is through with everything; true where something follows.
    fn settle(&mut self) -> bool {
        let Some(child) = &self.child else {
            return true;
        };
        let Some((status, at)) = child.ended else {
            return false;
        };
        if self.cancel.as_ref().is_some_and(|cancel| (1..3).contains(&cancel.level)) && group_lives(child.group) {
            // The command is gone, what it started is not: a canceled run leaves nothing behind.
            child.signal(rustix::process::Signal::KILL);
            if let Some(cancel) = &mut self.cancel {
                cancel.level = 4;
            }
            let why = "the command ended and left processes behind".to_owned();
            self.note(Note::Signaled { signal: "SIGKILL".to_owned(), why }, true);
        }
        let patient = at.elapsed() < Duration::from_millis(self.hello.patience.linger);
        if self.child.as_ref().is_some_and(|child| child.output.is_some()) && patient {
            return false;
        }
        let Some(mut child) = self.child.take() else {
            return true;
        };
        let step = child.exec.step;
        if let Some(output) = child.output.take() {
            if self.cancel.is_none() {
                let group = u32::try_from(child.group.as_raw_nonzero().get()).unwrap_or(0);
                self.note(Note::LeftBehind { step, group }, false);
            }
            self.strays.push(output);
        }
        let (code, signal) = verdict(status);
        let success = code.is_some_and(|code| child.exec.success.contains(&code));
        if !success && let Some(hidden) = child.hidden.take().filter(|_| child.exec.otherwise.is_none()) {
            self.log.append(&hidden);
        }
        self.note_gaps(false);
        self.note(Note::StepEnded { step, code, signal, success, log_bytes: self.log.bytes() }, false);
        if success {
            return true;
        }
        if let Some(cancel) = &self.cancel {
            let killed = if cancel.level == 3 { "; it had to be killed (SIGKILL)" } else { "" };
            let reason = format!("canceled by {}{killed}", cancel.by);
            self.end(Outcome::Canceled, code, Some(reason));
            return false;
        }
        if let Some(otherwise) = child.exec.otherwise.take() {
            if let Err(reason) = self.execute(*otherwise) {
                self.end(Outcome::Failed, None, Some(reason));
            }
            return false;
        }
        let tried = self.tries.0;
        if let Some(wait) =
            child.exec.retry.as_ref().and_then(|retry| retry.wait(tried, self.tries.1.elapsed(), chance()))
        {
            self.tries.0 += 1;
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            self.note(Note::Again { step, tried, wait: millis }, false);
            let at = Instant::now()
                .checked_add(wait)
                .unwrap_or_else(|| Instant::now() + Duration::from_secs(u64::from(u32::MAX)));
            self.again = Some(Again { exec: child.exec, at });
            return true;
        }
        if child.exec.guards {
            let check = child.exec.argv.last().map_or("the check", String::as_str);
            let reason = format!("credentials are missing or have expired: `{check}` failed; nothing was changed");
            self.end(Outcome::NeedsCredentials, code, Some(reason));
            return false;
        }
        let name = self.script.steps.get(step).map_or("a step", |title| title.name.as_str()).to_owned();
        let reason = match (code, signal) {
            (Some(code), _) => format!("{name} failed with exit code {code}"),
            (None, Some(signal)) => format!("{name} was ended by signal {signal}"),
            (None, None) => format!("{name} failed"),
        };
        self.end(Outcome::Failed, code, Some(reason));
        false
    }

    /// Looks at the plan that was made: is it the instance's, and what does it hold?
    fn accept(&mut self, accept: &Accept) -> Result<(), String> {
        fs::set_permissions(&accept.plan, Permissions::from_mode(0o600))
            .map_err(|error| format!("no plan file was written: {error}"))?;
        let workspace = planfile::workspace(&accept.plan).map_err(|error| error.to_string())?;
        if workspace != accept.workspace {
            return Err(format!(
                "the plan was made in the workspace '{workspace}', and the instance's is '{}': it is not used",
                accept.workspace
            ));
        }
        let digest = planfile::digest(&accept.plan).map_err(|error| format!("cannot read the plan file: {error}"))?;
        if let Some(expected) = accept.expected.as_ref().filter(|expected| **expected != digest) {
            return Err(format!(
                "the plan file is not the one that was approved ({} instead of {}): nothing was applied",
                digest.short(),
                expected.short()
            ));
        }
        let facts = planfile::facts(&accept.json).map_err(|error| error.to_string())?;
        let changes = facts.changes || (accept.count_drift && facts.drifted);
        self.accepted = Some(Accepted { digest: digest.clone(), workspace: workspace.clone(), changes });
        self.note(Note::Planned { digest, workspace, summary: facts.summary, changes }, true);
        if !changes && accept.end_without_changes {
            self.next = self.script.actions.len();
        }
        Ok(())
    }

    fn await_confirmation(&mut self, ahead: bool, seconds: u64) -> Result<(), String> {
        let digest = self.accepted.as_ref().map(|accepted| accepted.digest.clone());
        let digest = digest.ok_or("no plan was accepted, so there is nothing to confirm")?;
        if ahead {
            self.note(Note::Confirmed { by: "ahead".to_owned(), digest }, true);
            return Ok(());
        }
        // Others may use the folder while a person thinks.
        self.kept.put_back().map_err(|error| format!("cannot put tracked files back: {error}"))?;
        self.seal()?;
        self.stage = Stage::Awaiting { until: Instant::now() + Duration::from_secs(seconds) };
        self.note(Note::Awaiting { seconds }, true);
        Ok(())
    }

    /// Encrypts the plan while a person thinks, with a key that only this process has.
    fn seal(&mut self) -> Result<(), String> {
        let cannot = |error: io::Error| format!("cannot encrypt the plan while it waits: {error}");
        let vault = Vault::fleeting().map_err(cannot)?;
        vault.seal(&self.folder.plan(), &self.folder.sealed(), WAITING).map_err(cannot)?;
        self.vault = Some(vault);
        Ok(())
    }

    /// Lays the plan out again; whatever lies in its place by now is not applied.
    pub(super) fn unseal(&mut self) -> Result<(), String> {
        let Some(vault) = self.vault.take() else { return Ok(()) };
        let plan = vault.unseal(&self.folder.sealed(), WAITING);
        let laid_out = plan.and_then(|plan| vault::lay_out(&self.folder.plan(), &plan));
        laid_out.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                "another file lies in the place of the plan: nothing was applied".to_owned()
            }
            _ => format!("the plan cannot be read any more ({error}): nothing was applied"),
        })?;
        remove(&self.folder.sealed()).map_err(|error| format!("cannot remove the encrypted plan: {error}"))
    }

    /// Ends the run: cleans up, then notes how it ended; it is synced when those who are attached know.
    pub(super) fn end(&mut self, outcome: Outcome, code: Option<i32>, reason: Option<String>) {
        if matches!(self.stage, Stage::Ended) {
            return;
        }
        self.stage = Stage::Ended;
        (self.again, self.locked, self.look_at) = (None, None, None);
        for action in std::mem::take(&mut self.script.at_last) {
            if let Err(error) = self.perform(action) {
                super::complain(&error);
            }
        }
        if let Err(error) = self.kept.put_back() {
            super::complain(&format!("cannot put tracked files back: {error}"));
        }
        self.note_gaps(true);
        let note = Note::Ended {
            outcome,
            code,
            reason,
            log_bytes: self.log.bytes(),
            log_lines: self.log.lines(),
            log_lost: self.log.lost(),
            login: self.script.login.clone(),
        };
        self.note(note, false);
    }
}

/// A number from -1 to 1 that differs from time to time.
fn chance() -> f64 {
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    f64::from(nanos % 2001) / 1000.0 - 1.0
}

/// Writes a file whole, by renaming, so that nobody reads half of it.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // Git ignores it where it ignores the file, and Terraform reads nothing whose name begins with a dot.
    let mut name = std::ffi::OsString::from(format!(".terrace-{}.", std::process::id()));
    name.push(path.file_name().unwrap_or_default());
    let beside = path.with_file_name(name);
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(mode).open(&beside)?;
    file.write_all(bytes)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| drop(fs::remove_file(&beside)))
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
