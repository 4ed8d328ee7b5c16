//! Plans that a person could have written, and the cost data of others where it is at hand.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use terrace::domain::estimate::Estimate;
use terrace::platform::estimates::{EstimateError, EstimateRequest, estimate};

/// Returns a file of `../shared/cost`, or prints that the test is skipped.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
    let path = Path::new(&root).join("../shared/cost").join(name);
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// A folder with a plan and what belongs to it.
pub(crate) struct Case {
    pub(crate) folder: TempDir,
}

impl Case {
    pub(crate) fn new(changes: &[Value]) -> Self {
        let case = Case { folder: tempfile::tempdir().unwrap() };
        let plan = json!({
            "format_version": "1.2", "terraform_version": "1.11.4",
            "configuration": {"provider_config": {
                "aws": {"expressions": {"region": {"constant_value": "us-east-1"}}}}},
            "resource_changes": changes,
        });
        case.write("plan.json", &plan.to_string());
        case
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn try_estimate(&self) -> Result<Estimate, EstimateError> {
        let usage = self.path("usage.yml");
        let request = EstimateRequest {
            plan: self.path("plan.json"),
            usage: usage.is_file().then_some(usage),
            infracost: None,
            hints: None,
        };
        estimate(Some(self.folder.path()), &request)
    }

    pub(crate) fn estimate(&self) -> Estimate {
        self.try_estimate().unwrap()
    }
}

/// A change of one resource.
pub(crate) fn change(address: &str, actions: &[&str], before: Value, after: Value) -> Value {
    json!({
        "address": address, "mode": "managed", "type": address.split('.').next().unwrap(),
        "provider_name": "registry.terraform.io/hashicorp/aws",
        "change": {"actions": actions, "before": before, "after": after, "after_unknown": {}},
    })
}

/// An instance with a root disk and a fast one.
pub(crate) fn instance() -> Value {
    json!({"instance_type": "m5.4xlarge", "root_block_device": [{"volume_size": 50}],
           "ebs_block_device": [{"volume_type": "io1", "volume_size": 1000, "iops": 800}]})
}
