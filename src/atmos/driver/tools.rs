//! Which tools there are: Atmos, and Terraform or OpenTofu.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::domain::run::DriverKind;

/// A tool that has not said its version within this time is not going to: nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The tools that runs can use.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Tools {
    /// The Atmos binary; none where it is not installed (or `ATMOS_BIN=none` says so).
    pub atmos: Option<PathBuf>,
    /// Terraform, else OpenTofu.
    pub terraform: Option<PathBuf>,
}

impl Tools {
    /// Looks for the tools: `ATMOS_BIN` before the setting of `platform/terrace.yaml` before the PATH.
    ///
    /// `variable` reads the environment of whoever asks.
    #[must_use]
    pub fn find(variable: &dyn Fn(&str) -> Option<String>, setting: Option<&str>) -> Self {
        let path = variable("PATH").unwrap_or_default();
        let atmos = match variable("ATMOS_BIN").filter(|value| !value.is_empty()).or_else(|| setting.map(str::to_owned))
        {
            Some(none) if none == "none" => None,
            Some(named) => on_path(&named, &path),
            None => on_path("atmos", &path),
        };
        let terraform = on_path("terraform", &path).or_else(|| on_path("tofu", &path));
        Self { atmos, terraform }
    }

    /// Returns the driver for a run: the one that was asked for, else Atmos where it is installed.
    #[must_use]
    pub fn driver(&self, asked: Option<DriverKind>) -> DriverKind {
        asked.unwrap_or(if self.atmos.is_some() { DriverKind::Atmos } else { DriverKind::Terraform })
    }
}

/// Finds an executable by name on a PATH, or checks the one that a path names.
#[must_use]
pub fn on_path(program: &str, path: &str) -> Option<PathBuf> {
    let executable = |file: &Path| file.is_file() && rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|file| executable(file));
    }
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| executable(file))
}

/// Asks a tool for its version: `terraform 1.11.4`, `atmos 1.226.0`.
///
/// Takes some 50 ms, so the answer is worth keeping for as long as the binary does not change.
#[must_use]
pub fn version(program: &Path) -> Option<String> {
    version_within(program, PATIENCE)
}

fn version_within(program: &Path, patience: Duration) -> Option<String> {
    let name = program.file_name()?.to_string_lossy().into_owned();
    let text = said(program, patience)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let is_number = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    let words = text.split_whitespace().map(|word| word.trim_start_matches('v'));
    let found =
        words.map(|word| word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '.')).find(is_number)?;
    Some(format!("{name} {found}"))
}

/// Returns what a tool prints of its version; it and what it started are gone when this returns.
fn said(program: &Path, patience: Duration) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.arg("version").env("CHECKPOINT_DISABLE", "1").process_group(0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut out = child.stdout.take()?;
    let (send, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        // Nobody listens any more where it took too long.
        let _ = out.read_to_end(&mut text).map(|_| send.send(text));
    });
    let said = said.recv_timeout(patience).ok();
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    let _ = child.wait();
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_does_not_say_its_version_keeps_nobody_waiting() {
        use std::io::Write as _;
        let temp = tempfile::tempdir().expect("temp");
        let tool = |name: &str, text: &str| {
            let path = temp.path().join(name);
            // By a process of its own: what another test starts meanwhile would else keep the file from being run.
            let mut command = Command::new("sh");
            command.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(&path).stdin(Stdio::piped());
            let mut writer = command.spawn().expect("a shell");
            writer.stdin.take().expect("its input").write_all(text.as_bytes()).expect("written");
            assert!(writer.wait().expect("waited").success());
            path
        };
        let hangs = tool("hangs", "#!/bin/sh\necho v1.2.3\nsleep 600\n");
        assert_eq!(version_within(&hangs, Duration::from_millis(200)), None);
        let says = tool("says", "#!/bin/sh\necho says v1.2.3\n");
        assert_eq!(version(&says).as_deref(), Some("says 1.2.3"));
    }

    #[test]
    fn none_means_not_installed_and_the_variable_comes_first() {
        let with = |atmos: &'static str| {
            move |name: &str| match name {
                "ATMOS_BIN" => Some(atmos.to_owned()),
                "PATH" => Some("/usr/bin:/bin".to_owned()),
                _ => None,
            }
        };
        assert_eq!(Tools::find(&with("none"), Some("/bin/sh")).atmos, None);
        assert_eq!(Tools::find(&with("/bin/sh"), Some("none")).atmos, Some(PathBuf::from("/bin/sh")));
        let without = |name: &str| (name == "PATH").then(|| "/bin".to_owned());
        assert_eq!(Tools::find(&without, Some("/bin/sh")).atmos, Some(PathBuf::from("/bin/sh")));
        assert_eq!(Tools::find(&without, None).driver(None), DriverKind::Terraform);
    }
}
