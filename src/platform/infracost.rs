//! Infracost's program, where it is installed: its prices go before the book in this program.
//!
//! Owns running it once for a plan, and where what it said is kept. Leaves reading it to [`crate::domain::estimate`].

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::paths;
use crate::atmos::driver::tools;

/// How long it may take; it asks a price service over the network.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// Names the file beside a plan that keeps what Infracost said of it.
#[must_use]
pub fn beside(plan: &Path) -> PathBuf {
    plan.with_file_name("infracost.json")
}

/// Returns the program: `INFRACOST_BIN` before the PATH, and `INFRACOST_BIN=none` means that it is not asked.
fn program() -> Option<PathBuf> {
    match std::env::var_os("INFRACOST_BIN") {
        Some(none) if none == "none" => None,
        Some(given) => Some(PathBuf::from(given)),
        None => tools::on_path("infracost", &std::env::var("PATH").ok()?),
    }
}

/// Has Infracost price a plan (as `terraform show -json` prints it) and writes its JSON output; false where it is not
/// installed. Waits for it, so it blocks.
///
/// # Errors
///
/// One sentence where it fails, or takes too long; nothing is written then.
pub fn ask(plan: &Path, into: &Path) -> Result<bool, String> {
    let Some(program) = program() else { return Ok(false) };
    let failed = |why: String| format!("Infracost could not price the plan: {why}");
    let part = into.with_extension("part");
    let outcome = run(&program, plan, &part).map_err(failed);
    match outcome {
        Ok(()) => std::fs::rename(&part, into).map(|()| true).map_err(|error| failed(error.to_string())),
        Err(why) => {
            drop(std::fs::remove_file(&part));
            Err(why)
        }
    }
}

fn run(program: &Path, plan: &Path, into: &Path) -> Result<(), String> {
    let file = paths::private_file(into).map_err(|error| format!("{}: {error}", into.display()))?;
    let mut child = Command::new(program)
        .arg("breakdown")
        .arg("--path")
        .arg(plan)
        .args(["--format", "json", "--no-color"])
        .env("INFRACOST_SKIP_UPDATE_CHECK", "true")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    let begin = Instant::now();
    loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("it ended with {status}")),
            None if begin.elapsed() > PATIENCE => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("it took longer than {} s", PATIENCE.as_secs()));
            }
            None => std::thread::sleep(LOOK),
        }
    }
}
