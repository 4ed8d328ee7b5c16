//! Values that only Atmos can evaluate: it is asked for one instance.

use std::path::Path;
use std::process::{Command, Stdio};

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

/// Asks Atmos to describe one instance; takes as long as Atmos does.
///
/// # Errors
///
/// Where Atmos cannot be started or refuses, with the end of what it says.
pub fn evaluate(
    atmos: &Path,
    root: &Path,
    component: &str,
    stack: &str,
    what: Evaluation,
) -> Result<Value, AtmosError> {
    let failed = |why: String| {
        AtmosError::new("atmos-failed", format!("atmos cannot evaluate {component}@{stack}: {why}"))
            .hint("without --process-templates and --process-functions values are shown as written")
    };
    let output = Command::new(atmos)
        .args(["describe", "component", component, "-s", stack, "--format", "json"])
        .arg(format!("--process-templates={}", what.templates))
        .arg(format!("--process-functions={}", what.functions))
        .current_dir(root)
        .env("NO_COLOR", "1")
        .env("ATMOS_LOGS_FILE", "/dev/stderr")
        .stdin(Stdio::null())
        .output()
        .map_err(|e| failed(e.to_string()))?;
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
