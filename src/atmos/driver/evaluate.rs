//! Values that only Atmos can evaluate: it is asked for one instance.

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use crate::atmos::AtmosError;

/// What Atmos evaluates in values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// Go templates.
    pub templates: bool,
    /// YAML functions, such as `!terraform.output`.
    pub functions: bool,
}

/// How often is looked whether Atmos has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Asks Atmos to describe one instance, a component in a stack.
///
/// Atmos and what it started are ended after `limit`: a function may wait for ever, such as for a backend.
///
/// # Errors
///
/// Where Atmos cannot be started, takes too long or refuses, with the end of what it says.
pub fn evaluate(
    atmos: &Path,
    root: &Path,
    (component, stack): (&str, &str),
    what: Evaluation,
    limit: Duration,
) -> Result<Value, AtmosError> {
    let failed = |why: String| {
        AtmosError::new("atmos-failed", format!("atmos cannot evaluate {component}@{stack}: {why}"))
            .hint("without --process-templates and --process-functions values are shown as written")
    };
    let mut command = Command::new(atmos);
    command
        .args(["describe", "component", component, "-s", stack, "--format", "json"])
        .arg(format!("--process-templates={}", what.templates))
        .arg(format!("--process-functions={}", what.functions))
        .current_dir(root)
        .env("NO_COLOR", "1")
        .env("ATMOS_LOGS_FILE", "/dev/stderr")
        .stdin(Stdio::null());
    let Some(output) = within(&mut command, limit).map_err(|e| failed(e.to_string()))? else {
        let why = format!("it did not answer within {} s and was ended", limit.as_secs_f32());
        return Err(failed(why).hint("`evaluation_seconds` in platform/terrace.yaml allows it more"));
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> =
            said.lines().map(str::trim).filter(|line| !line.is_empty() && *line != "# Error").collect();
        let why =
            if lines.is_empty() { output.status.to_string() } else { lines[lines.len().saturating_sub(6)..].join(" ") };
        return Err(failed(why));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let json = text.find('{').map_or("", |at| &text[at..]);
    serde_json::from_str(json).map_err(|e| failed(format!("its answer is no JSON: {e}")))
}

/// Runs a command in a group of its own; `None` where it did not end in time, and then all of the group is ended.
fn within(command: &mut Command, limit: Duration) -> std::io::Result<Option<Output>> {
    let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let group = Pid::from_child(&child);
    let (stdout, stderr) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let began = Instant::now();
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if began.elapsed() < limit => std::thread::sleep(LOOK),
            None => {
                // Whoever is gone already needs no signal.
                let _ = kill_process_group(group, Signal::KILL);
                child.wait()?;
                return Ok(None);
            }
        }
    };
    // What it left running holds the pipes open, and nobody waits for it.
    let _ = kill_process_group(group, Signal::KILL);
    let read = |pipe: JoinHandle<Vec<u8>>| pipe.join().unwrap_or_default();
    Ok(Some(Output { status, stdout: read(stdout), stderr: read(stderr) }))
}

/// Reads a pipe to its end, so that nobody waits for it.
fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until it broke is all there is.
            drop(pipe.read_to_end(&mut bytes));
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use rustix::process::test_kill_process;

    use super::*;

    #[test]
    fn what_does_not_end_in_time_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let beside = folder.path().join("pid");
        // A machine may be too busy to start it in so short a time: then it is given more.
        for seconds in [1, 4, 16, 64] {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("sleep 600 & echo $! > {}; wait", beside.display()));
            assert!(within(&mut command, Duration::from_secs(seconds)).expect("it ran").is_none());
            if std::fs::read_to_string(&beside).is_ok_and(|text| text.ends_with('\n')) {
                break;
            }
        }
        let pid: i32 = std::fs::read_to_string(&beside).expect("a process").trim().parse().expect("a number");
        let pid = Pid::from_raw(pid).expect("a process");
        let deadline = Instant::now() + Duration::from_secs(60);
        while test_kill_process(pid).is_ok() {
            // An orphan that nobody has waited for yet is dead all the same.
            let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
            if state.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with('Z')) {
                break;
            }
            assert!(Instant::now() < deadline, "it still runs");
            std::thread::sleep(LOOK);
        }
    }

    #[test]
    fn what_ends_is_told_with_all_it_said() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & head -c 300000 /dev/zero; echo no >&2; exit 3"]);
        let output = within(&mut command, Duration::from_secs(60)).expect("it ran").expect("it ended");
        assert_eq!(
            (output.status.code(), output.stdout.len(), output.stderr.as_slice()),
            (Some(3), 300_000, &b"no\n"[..])
        );
    }
}
