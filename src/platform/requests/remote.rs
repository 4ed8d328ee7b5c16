//! The remote of the estate's repository: where `platform/terrace.yaml` names one, the branches of requests and what is
//! merged are pushed there, and pull requests are opened. Nothing waits for it, and where it fails the request says so.

use serde_json::json;

use super::RequestService;
use super::git::Repository;
use crate::domain::request::{Comment, Request, Step};
use crate::platform::audit::Actor;
use crate::platform::settings::Remote;

/// What is pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Push {
    /// The branch of a request, once it was planned; a pull request is opened with its first revision.
    Branch,
    /// The main branch, once a request is merged.
    Main,
    /// The end of a request's branch.
    Gone,
}

impl RequestService {
    /// Pushes where a remote is named; goes on in the background.
    pub(super) fn share(&self, request: &Request, what: Push) {
        let Some(remote) = self.inner.estate.last().and_then(|snapshot| snapshot.settings().remote.clone()) else {
            return;
        };
        let (service, request) = (self.clone(), request.clone());
        tokio::spawn(async move {
            let root = service.inner.estate.root().to_owned();
            let about = request.clone();
            let pushing = tokio::task::spawn_blocking(move || push(&Repository::new(&root), &remote, &about, what));
            let failed = match pushing.await {
                Ok(outcome) => outcome.err(),
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = failed {
                tracing::warn!(request = request.number, why, "a request was not pushed");
                let platform = Actor::platform();
                let comment = Comment { actor: platform.name.clone(), text: why, at: service.now() };
                drop(service.step(&platform, request.number, Step::Comment(comment), json!({})).await);
            }
        });
    }
}

fn push(repository: &Repository, remote: &Remote, request: &Request, what: Push) -> Result<(), String> {
    let (branch, name) = (request.branch(), remote.name.as_str());
    let (main, _) = repository.main().map_err(|error| format!("nothing was pushed to {name}: {error}"))?;
    match what {
        Push::Branch => {
            repository.push(name, &["--force", &format!("refs/heads/{branch}:refs/heads/{branch}")])?;
            match remote.pull_request.as_deref().filter(|_| request.revision() == 1) {
                Some(command) => open(repository, remote, command, request, &main),
                None => Ok(()),
            }
        }
        Push::Main => repository.push(name, &[&format!("refs/heads/{main}:refs/heads/{main}")]),
        // It may never have been there.
        Push::Gone => {
            drop(repository.push(name, &["--delete", &format!("refs/heads/{branch}")]));
            Ok(())
        }
    }
}

/// Opens a pull request by the command that the settings name.
fn open(repository: &Repository, remote: &Remote, command: &str, request: &Request, main: &str) -> Result<(), String> {
    let env = [
        ("TERRACE_REMOTE", remote.name.clone()),
        ("TERRACE_BRANCH", request.branch()),
        ("TERRACE_MAIN", main.to_owned()),
        ("TERRACE_REQUEST", request.number.to_string()),
        ("TERRACE_TITLE", request.title.clone()),
    ];
    let output = std::process::Command::new("sh")
        .args(["-c", command])
        .current_dir(repository.root())
        .envs(env)
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| format!("no pull request was opened: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("no pull request was opened: {}", said.lines().next_back().unwrap_or("the command failed")))
}
