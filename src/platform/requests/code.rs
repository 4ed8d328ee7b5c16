//! The code that a plan stands on: the component's files and those of the modules that it calls by a path.
//!
//! A plan file holds Terraform's own files, but not what they name: a script that a provisioner starts, a template. So an
//! approval is bound to all of them as they lie on the disk. Commits that touch none of them void nothing.

use std::path::Path;

use crate::atmos::catalog::module;
use crate::atmos::files::Disk;
use crate::domain::id::Digest;
use crate::platform::runs;

/// Returns the digest over the code of a component's folder below a root. What Git ignores, and what Atmos and Terraform write
/// there, does not count.
pub(super) fn digest(root: &Path, folder: &Path) -> Digest {
    let folders = module::reach(&Disk, &root.join(folder));
    let file = |path: &Path| {
        let content =
            std::fs::read(path).map_or_else(|error| error.kind().to_string(), |it| Digest::of(&it).to_string());
        format!("{} {content}\n", path.strip_prefix(root).unwrap_or(path).display())
    };
    let files = runs::files_of(root, &folders);
    Digest::of(files.iter().map(|path| file(path)).collect::<String>().as_bytes())
}
