//! Whether the system ends a user's processes at logout (systemd-logind), so that nobody learns it the hard way.

use std::path::Path;

/// Where logind is configured, the lowest first; a later file wins.
const CONFIGURATIONS: [&str; 4] = [
    "/usr/lib/systemd/logind.conf",
    "/etc/systemd/logind.conf",
    "/run/systemd/logind.conf.d",
    "/etc/systemd/logind.conf.d",
];

/// Says whether what this user runs ends with the last login: `KillUserProcesses` is on and lingering is off.
#[must_use]
pub fn ends_with_login() -> bool {
    let uid = rustix::process::geteuid().as_raw();
    // Root and system users are exempt (`KillExcludeUsers=root`), and without logind nothing kills.
    if uid == 0 || !Path::new("/run/systemd/seats").exists() {
        return false;
    }
    let lingers = Path::new("/var/lib/systemd/linger").join(super::user::name()).exists();
    !lingers && kills(&configuration())
}

fn configuration() -> String {
    let mut text = String::new();
    for place in CONFIGURATIONS.map(Path::new) {
        let mut files = vec![place.to_owned()];
        if let Ok(folder) = std::fs::read_dir(place) {
            files = folder.flatten().map(|entry| entry.path()).collect();
            files.sort();
        }
        for file in files {
            text.push_str(&std::fs::read_to_string(file).unwrap_or_default());
            text.push('\n');
        }
    }
    text
}

/// Returns the last word of the configuration; off where it says nothing, as logind is built on most systems.
fn kills(configuration: &str) -> bool {
    let values = configuration.lines().filter_map(|line| line.trim().strip_prefix("KillUserProcesses"));
    let mut values = values.filter_map(|rest| rest.trim_start().strip_prefix('='));
    values
        .next_back()
        .is_some_and(|value| matches!(value.trim().to_ascii_lowercase().as_str(), "yes" | "true" | "on" | "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_logind_counts() {
        assert!(!kills(""));
        assert!(!kills("[Login]\n#KillUserProcesses=yes\n"));
        assert!(kills("[Login]\n#KillUserProcesses=no\nKillUserProcesses = yes\n"));
        assert!(!kills("KillUserProcesses=yes\n[Login]\nKillUserProcesses=no\n"));
    }
}
