//! The rules that Terrace brings along: `assets/policies/*.rego`, in force in every estate.

use super::bundle::PolicyFile;

/// Lists the files of `assets/policies`; a test compares the list with the folder.
macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../assets/policies/", $name)))),*]
    };
}

/// Name and text of each file.
const FILES: &[(&str, &str)] = embedded![
    "lib.rego",
    "cost_limit.rego",
    "cost_limit_test.rego",
    "destroy_protected.rego",
    "destroy_protected_test.rego",
    "iam_wildcard.rego",
    "iam_wildcard_test.rego",
    "missing_owner.rego",
    "missing_owner_test.rego",
    "open_security_group.rego",
    "open_security_group_test.rego",
    "public_bucket.rego",
    "public_bucket_test.rego",
    "scanner_finding.rego",
    "scanner_finding_test.rego",
    "unencrypted_storage.rego",
    "unencrypted_storage_test.rego",
    "unpinned_module.rego",
    "unpinned_module_test.rego",
];

/// Returns the files, their paths beginning with `builtin/`.
pub(super) fn files() -> Vec<PolicyFile> {
    let file = |(name, text): &(&str, &str)| PolicyFile { path: format!("builtin/{name}"), text: (*text).to_owned() };
    FILES.iter().map(file).collect()
}

/// Whether a file holds functions for other rules, the estate's own among them, and no rules.
pub(super) fn is_library(file: &PolicyFile) -> bool {
    file.path == "builtin/lib.rego"
}

#[cfg(test)]
mod tests {
    use super::FILES;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/policies");
        let mut there: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let mut here: Vec<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        there.sort();
        here.sort();
        assert_eq!(here, there);
    }
}
