//! The credentials check that may precede a run: `credentials` in `platform/terrace.yaml`.

use std::collections::BTreeMap;
use std::path::Path;

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde::Deserialize;

use super::work::{Work, exec};
use crate::atmos::driver::script::{Action, Exec, Output, StepTitle};
use crate::domain::run::RunRequest;

/// How credentials are checked before runs of some stacks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialsCheck {
    /// Patterns of the stacks it is for; all where it is empty.
    #[serde(default)]
    pub stacks: Vec<String>,
    /// A shell command that succeeds where the credentials are good; it finds the stack in `TERRACE_STACK`.
    pub check: String,
    /// The command that logs in.
    pub login: Option<String>,
}

impl CredentialsCheck {
    /// Returns the patterns, or the one that is none, with what is wrong with it.
    ///
    /// # Errors
    ///
    /// A pattern that is none.
    pub fn patterns(&self) -> Result<GlobSet, String> {
        let mut set = GlobSetBuilder::new();
        for pattern in &self.stacks {
            set.add(Glob::new(pattern).map_err(|error| format!("'{pattern}' is not a pattern: {}", error.kind()))?);
        }
        set.build().map_err(|error| error.to_string())
    }

    fn is_for(&self, stack: &str) -> bool {
        self.stacks.is_empty() || self.patterns().is_ok_and(|patterns| patterns.is_match(stack))
    }
}

/// Puts the check of the run's stack before everything it does, and again right before it applies.
pub(super) fn guard(work: &mut Work, request: &RunRequest, root: &Path, checks: &[CredentialsCheck]) {
    let stack = request.stack.as_deref().or(work.targets.first().map(|target| target.stack.as_str())).unwrap_or("");
    let Some(found) = checks.iter().find(|check| check.is_for(stack)) else {
        return;
    };
    for action in &mut work.script.actions {
        if let Action::Exec(exec) = action {
            exec.later();
        }
    }
    let title = StepTitle { name: "credentials".to_owned(), command: found.check.clone(), skipped: false };
    work.script.steps.insert(0, title);
    work.script.login.clone_from(&found.login);
    let env = BTreeMap::from([("TERRACE_STACK".to_owned(), Some(stack.to_owned()))]);
    let argv = ["sh", "-c", &found.check].map(str::to_owned).to_vec();
    let check = Exec { output: Output::Hidden, guards: true, ..exec(0, argv, root.to_owned(), env) };
    let confirmed = work.script.actions.iter().position(|action| matches!(action, Action::Confirm { .. }));
    if let Some(at) = confirmed {
        work.script.actions.insert(at + 1, Action::Exec(check.clone()));
    }
    work.script.actions.insert(0, Action::Exec(check));
}
