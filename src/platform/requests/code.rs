//! The code that a plan stands on: the component's files and those of the modules that it calls by a path.
//!
//! A plan file holds Terraform's own files, but not what they name: a script that a provisioner starts, a template. So an
//! approval is bound to all of them as they lie on the disk. Commits that touch none of them void nothing.

use std::path::{Path, PathBuf};

use crate::atmos::catalog::module;
use crate::atmos::driver::planfile;
use crate::atmos::files::Disk;
use crate::domain::id::Digest;
use crate::platform::runs;

/// Returns the digest over the code of a component's folder below a root. What Git ignores, and what Atmos and Terraform write
/// there (`generated` among it), does not count.
pub(super) fn digest(root: &Path, folder: &Path, generated: &[String]) -> Digest {
    let generated: Vec<PathBuf> = generated.iter().map(|name| root.join(folder).join(name)).collect();
    let folders = module::reach(&Disk, &root.join(folder));
    let content = |path: &Path| match path.metadata() {
        Ok(about) if about.is_file() => planfile::digest(path).map(|digest| digest.to_string()),
        Ok(_) => Ok("no file".to_owned()),
        Err(error) => Err(error),
    };
    let file = |path: &Path| {
        let content = content(path).unwrap_or_else(|error| error.kind().to_string());
        format!("{} {content}\n", path.strip_prefix(root).unwrap_or(path).display())
    };
    let files = runs::files_of(root, &folders);
    let files = files.iter().filter(|path| !generated.contains(path));
    Digest::of(files.map(|path| file(path)).collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_a_plan_file_does_not_hold_counts_and_what_is_generated_does_not() {
        let temp = tempfile::tempdir().expect("temp");
        let write = |path: &str, text: &str| {
            let path = temp.path().join(path);
            std::fs::create_dir_all(path.parent().expect("above")).expect("folders");
            std::fs::write(path, text).expect("written");
        };
        write("a/main.tf", "module \"b\" {\n  source = \"../b\"\n}\n");
        write("b/main.tf", "variable \"size\" {}\n");
        write("c/main.tf", "variable \"other\" {}\n");
        let now = || digest(temp.path(), Path::new("a"), &["made.tf".to_owned()]);
        let changes = |path: &str, text: &str| {
            let before = now();
            write(path, text);
            before != now()
        };
        for in_git in [false, true] {
            if in_git {
                write(".gitignore", "*.zip\n");
                let git = Command::new("git").arg("-C").arg(temp.path()).args(["init", "-q"]).status().expect("git");
                assert!(git.success());
                assert!(!changes("a/built.zip", "ignored"));
            }
            let text = format!("echo {in_git}");
            for path in ["a/mend.sh", "a/deep/er.sh", "b/mend.sh", "b/main.tf"] {
                assert!(changes(path, &text), "{path}");
            }
            for path in ["c/main.tf", "a/made.tf", "a/backend.tf.json", "a/dev.terraform.tfvars.json"] {
                assert!(!changes(path, &text), "{path}");
            }
        }
        // What never ends is not read.
        assert!(Command::new("mkfifo").arg(temp.path().join("a/pipe")).status().expect("mkfifo").success());
        let before = now();
        std::fs::remove_file(temp.path().join("a/mend.sh")).expect("removed");
        assert_ne!(before, now());
    }
}
