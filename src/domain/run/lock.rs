//! What runs lock: the state they change and the folder whose files they use.
//!
//! Owns the names of locks and the rule of who may take them; where they are kept is the store's.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

/// What a lock is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "on")]
pub enum LockKey {
    /// A Terraform state: a backend and a workspace. Two instances may share one.
    State {
        /// The backend's kind, `local` where none is declared.
        backend: String,
        /// Twelve hexadecimal digits over the backend's configuration (for `local`, over the folder).
        config: String,
        /// The workspace.
        workspace: String,
    },
    /// A component's folder, relative to the estate's root.
    Folder {
        /// The folder.
        path: String,
    },
}

impl LockKey {
    /// Names the lock of a state. `config` is the canonical text of the backend's configuration.
    #[must_use]
    pub fn state(backend: &str, config: &str, workspace: &str) -> Self {
        let digest = hex::encode(Sha256::digest(config.as_bytes()));
        let backend = if backend.is_empty() { "local" } else { backend };
        LockKey::State { backend: backend.to_owned(), config: digest[..12].to_owned(), workspace: workspace.to_owned() }
    }

    /// Names the lock of a folder.
    #[must_use]
    pub fn folder(path: &str) -> Self {
        LockKey::Folder { path: path.to_owned() }
    }

    /// Tells whether it is a state's.
    #[must_use]
    pub fn is_state(&self) -> bool {
        matches!(self, LockKey::State { .. })
    }
}

impl std::fmt::Display for LockKey {
    /// One word that is unique in the estate: the key in the store.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LockKey::State { backend, config, workspace } => write!(f, "state:{backend}:{config}/{workspace}"),
            LockKey::Folder { path } => write!(f, "folder:{path}"),
        }
    }
}

/// Says in a person's words what a run waits for.
#[must_use]
pub fn waiting_for(key: &LockKey, holder: u64, holder_state: super::RunState) -> String {
    let held = match holder_state {
        super::RunState::Unknown => {
            format!("held by #{holder}, whose outcome is unknown (terrace runs resolve {holder})")
        }
        super::RunState::AwaitingConfirmation => format!("held by #{holder}, which awaits confirmation"),
        _ => format!("held by #{holder}"),
    };
    format!("{}, {held}", named(key))
}

/// Says in a person's words that an older run waits for the same.
#[must_use]
pub fn waiting_behind(key: &LockKey, first: u64) -> String {
    format!("{}, for which #{first} waits longer", named(key))
}

fn named(key: &LockKey) -> String {
    match key {
        LockKey::State { backend, workspace, .. } => format!("the {backend} state of workspace {workspace}"),
        LockKey::Folder { path } => format!("the folder {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_instances_of_one_backend_and_workspace_share_a_lock() {
        let one = LockKey::state("s3", r#"{"bucket":"b","key":"k"}"#, "dev");
        assert_eq!(one, LockKey::state("s3", r#"{"bucket":"b","key":"k"}"#, "dev"));
        assert_ne!(one, LockKey::state("s3", r#"{"bucket":"b","key":"other"}"#, "dev"));
        assert_ne!(one, LockKey::state("s3", r#"{"bucket":"b","key":"k"}"#, "prod"));
    }

    #[test]
    fn waiting_names_the_holder_and_the_way_on() {
        let key = LockKey::state("", "components/terraform/network", "plat-ue2-dev");
        let text = waiting_for(&key, 198, super::super::RunState::Unknown);
        assert!(text.contains("local state of workspace plat-ue2-dev"), "{text}");
        assert!(text.contains("terrace runs resolve 198"), "{text}");
    }
}
