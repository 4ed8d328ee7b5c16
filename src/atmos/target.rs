//! What a run needs to know about an instance (the driver builds files and arguments from it).

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

/// An instance as a run sees it: folder, workspace, names of the files, sections to write.
///
/// The workspace is not the one `describe` prints: a run adds `-INSTANCE` where a component pointer exists, fills
/// `{component}` in patterns, and follows an inherited `metadata.component` to its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct RunTarget {
    /// The component's name in the stack.
    pub component: String,
    /// The stack's name.
    pub stack: String,
    /// The stack file's name as Atmos writes it (`orgs/acme/dev`).
    pub stack_file: String,
    /// `terraform`, `helmfile`, …
    pub component_type: String,
    /// The absolute folder of the component, whether it exists or not.
    pub folder: PathBuf,
    /// The workspace a run selects; `None` where nothing is selected (backend `http`, other types).
    pub workspace: Option<String>,
    /// The name of the variable file in the folder.
    pub varfile: String,
    /// The name of the plan file in the folder.
    pub planfile: String,
    /// The executable (`terraform`, `tofu`, …).
    pub command: String,
    /// The resolved `vars`.
    pub vars: Value,
    /// The resolved `env`.
    pub env: BTreeMap<String, Value>,
    /// The backend's type; empty where none is set.
    pub backend_type: String,
    /// The backend's configuration.
    pub backend: Value,
    /// The resolved `providers`.
    pub providers: Value,
    /// The resolved `required_providers`.
    pub required_providers: Value,
    /// The resolved `required_version`; empty where none is set.
    pub required_version: String,
    /// The resolved `generate` section.
    pub generate: Value,
    /// Whether `backend.tf.json` is written.
    pub auto_generate_backend_file: bool,
    /// Whether `init` gets `-reconfigure`.
    pub init_run_reconfigure: bool,
    /// Whether it is there only to be inherited from.
    pub is_abstract: bool,
    /// `metadata.locked`.
    pub locked: bool,
    /// `metadata.enabled`, true unless it says otherwise.
    pub enabled: bool,
    /// Paths below `vars` and `env` that hold templates or YAML functions left as written: only Atmos can run these.
    pub unevaluated: Vec<String>,
}

impl RunTarget {
    /// Tells whether the state lies in files of its own folder: Terraform's backend where none is declared.
    #[must_use]
    pub fn has_local_state(&self) -> bool {
        matches!(self.backend_type.as_str(), "" | "local")
    }
}
