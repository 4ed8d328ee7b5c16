//! The ground that stories stand on: files of an estate, its commits, and the word about exactly what a request shows.

use std::path::Path;
use std::process::Command;

use terrace::api::types::RequestWord;
use terrace::domain::request::Request;

/// Writes a file below a root, with the folders on the way.
pub(crate) fn put(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    std::fs::write(path, text).expect("written");
}

/// Runs Git as somebody of the demo.
pub(crate) fn git(root: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["-c", "user.name=Aiko", "-c", "user.email=aiko@example.com"]);
    let output = git.args(arguments).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Commits whatever is there.
pub(crate) fn commit(root: &Path, why: &str) {
    git(root, &["add", "-A"]);
    git(root, &["commit", "-qm", why]);
}

/// Adds a policy, without a commit.
pub(crate) fn rule(root: &Path, name: &str, text: &str) {
    put(root, &format!("platform/policies/{name}.rego"), text);
}

/// Replaces the settings of policies.
pub(crate) fn settings(root: &Path, text: &str) {
    put(root, "platform/policies.yaml", &format!("settings: {{{text}}}\n"));
    commit(root, "Change the settings");
}

/// Returns a word about exactly what a request shows.
pub(crate) fn word(request: &Request) -> RequestWord {
    RequestWord { digest: request.check.as_ref().map(|check| check.binding.digest()), ..RequestWord::default() }
}
