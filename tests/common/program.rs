//! Programs that tests write, for all test binaries.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a program, by a process of its own: what another test starts at that moment would else hold the file open, and
/// a file that is open for writing cannot be run.
pub(crate) fn program(path: &Path, text: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut writer = command.spawn().expect("a shell");
    writer.stdin.take().expect("its input").write_all(text.as_bytes()).expect("written");
    assert!(writer.wait().expect("waited").success());
}
