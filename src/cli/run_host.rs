//! `terrace run-host FOLDER`: the supervisor of one run. The platform starts it; nobody types it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the supervisor where the arguments ask for it, before anything else of this program is set up: a supervisor
/// stays small.
pub(super) fn intercept(arguments: &[OsString]) -> Option<ExitCode> {
    match arguments {
        [_, command, folder] if command == "run-host" => {
            Some(crate::platform::runs::supervisor::main(&PathBuf::from(folder)))
        }
        _ => None,
    }
}
