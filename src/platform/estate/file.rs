//! The text of one file of the estate, and of nothing outside of it.

use std::io::Read as _;
use std::path::{Component, Path};

use crate::platform::{Platform, PlatformError};

/// What a screen can show; a larger file is refused.
const LARGEST: u64 = 8 * 1024 * 1024;

impl Platform {
    /// Reads a file below the estate's root; links that lead out of it are not followed.
    ///
    /// # Errors
    ///
    /// A path that leads out of the root or into `.git`, a file that is not there, is none, or has more than 8 MiB.
    pub fn read_file(&self, path: &str) -> Result<Vec<u8>, PlatformError> {
        let root = &self.identity().root;
        let missing = || PlatformError::NotFound { what: format!("file '{path}' in the estate") };
        let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
        let real = root.join(path).canonicalize().ok().filter(|_| plain && !path.is_empty());
        let real = real.filter(|real| real.starts_with(root)).ok_or_else(missing)?;
        let hidden =
            real.strip_prefix(root).is_ok_and(|below| below.components().any(|part| part.as_os_str() == ".git"));
        let about = std::fs::metadata(&real).map_err(|_| missing())?;
        if hidden || !about.is_file() {
            return Err(missing());
        }
        let mut bytes = Vec::new();
        let read = std::fs::File::open(&real).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
        read.map_err(PlatformError::io("read", &real))?;
        if bytes.len() as u64 > LARGEST {
            return Err(PlatformError::TooLarge { what: format!("file '{path}'"), limit: LARGEST });
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::atmos::LoadOptions;
    use crate::platform::Platform;

    #[test]
    fn only_files_of_the_estate_are_read() {
        let outside = tempfile::tempdir().expect("folder");
        let root = outside.path().join("estate");
        std::fs::create_dir_all(root.join(".git")).expect("folder");
        std::fs::create_dir_all(root.join("stacks")).expect("folder");
        for (name, text) in [("atmos.yaml", ""), ("stacks/a.yaml", "a: 1\n"), (".git/config", "secret")] {
            std::fs::write(root.join(name), text).expect("write");
        }
        std::fs::write(outside.path().join("secret"), "secret").expect("write");
        std::os::unix::fs::symlink(outside.path().join("secret"), root.join("link")).expect("link");
        std::os::unix::fs::symlink("../.git/config", root.join("stacks/git")).expect("link");
        let platform = Platform::reading(&root, LoadOptions::default()).expect("platform");
        assert_eq!(platform.read_file("stacks/a.yaml").expect("read"), b"a: 1\n");
        let wrong =
            ["", ".", "stacks", "../secret", "/etc/passwd", "link", "missing", ".git/config", "stacks/git", "a\0b"];
        for path in wrong {
            assert!(platform.read_file(path).is_err(), "{path:?}");
        }
    }
}
