//! Whether the system ends a user's processes at logout (systemd-logind), so that nobody learns it the hard way.

use std::collections::BTreeMap;
use std::path::Path;

/// Where `logind.conf` and the folder beside it may lie, the one that counts least first.
const FOLDERS: [&str; 4] = ["usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd"];

/// Says whether what this user runs ends with the last login: `KillUserProcesses` is on and lingering is off.
#[must_use]
pub fn ends_with_login() -> bool {
    ends(Path::new("/"), rustix::process::geteuid().as_raw(), &super::user::name())
}

fn ends(root: &Path, uid: u32, name: &str) -> bool {
    // Root and system users are exempt (`KillExcludeUsers=root`), and without logind nothing kills.
    if uid == 0 || !root.join("run/systemd/seats").exists() {
        return false;
    }
    let lingers = root.join("var/lib/systemd/linger").join(name).exists();
    !lingers && kills(&configuration(root))
}

/// Returns what logind reads: of the files one, then all beside them by their names, of one name one (logind.conf(5)).
fn configuration(root: &Path) -> String {
    let folders = FOLDERS.map(|folder| root.join(folder));
    let own = folders.iter().rev().map(|folder| folder.join("logind.conf")).find(|file| file.exists());
    let mut beside = BTreeMap::new();
    for entry in folders.iter().filter_map(|folder| folder.join("logind.conf.d").read_dir().ok()).flatten().flatten() {
        beside.insert(entry.file_name(), entry.path());
    }
    let files = own.into_iter().chain(beside.into_values());
    files.map(|file| std::fs::read_to_string(file).unwrap_or_default() + "\n").collect()
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
    fn a_system_that_ends_processes_at_logout_is_noticed() {
        let temp = tempfile::tempdir().expect("temp");
        let root = temp.path();
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, text).expect("written");
        };
        write("etc/systemd/logind.conf.d/50-site.conf", "[Login]\nKillUserProcesses=yes\n");
        assert!(!ends(root, 1000, "mara"), "no logind runs here");
        write("run/systemd/seats/seat0", "");
        assert!(ends(root, 1000, "mara"));
        assert!(!ends(root, 0, "root"));
        write("var/lib/systemd/linger/mara", "");
        assert!(!ends(root, 1000, "mara"), "she lingers");
        assert!(ends(root, 1001, "aiko"));
        write("etc/systemd/logind.conf.d/90-mine.conf", "[Login]\nKillUserProcesses=no\n");
        assert!(!ends(root, 1001, "aiko"));
        write("usr/lib/systemd/logind.conf.d/95-vendor.conf", "[Login]\nKillUserProcesses=yes\n");
        assert!(ends(root, 1001, "aiko"), "the name counts before the folder");
        write("etc/systemd/logind.conf.d/95-vendor.conf", "");
        assert!(!ends(root, 1001, "aiko"), "of one name one counts");
    }

    #[test]
    fn the_last_word_of_logind_counts() {
        assert!(!kills(""));
        assert!(!kills("[Login]\n#KillUserProcesses=yes\n"));
        assert!(kills("[Login]\n#KillUserProcesses=no\nKillUserProcesses = yes\n"));
        assert!(!kills("KillUserProcesses=yes\n[Login]\nKillUserProcesses=no\n"));
    }
}
