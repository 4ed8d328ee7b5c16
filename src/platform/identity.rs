//! Which estate this is: the canonical path of its root, or `id` in `platform/terrace.yaml` where clones share one.

use std::path::{Path, PathBuf};

use super::PlatformError;
use super::settings::Settings;
use crate::domain::id::Digest;

/// What an estate is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Unique among the estates of a user, and fit for a folder's name: `<name>-<12 digits>`.
    pub key: String,
    /// What people call it: `id` of `platform/terrace.yaml`, or the name of the root folder.
    pub name: String,
    /// The canonical path of the root.
    pub root: PathBuf,
}

impl Identity {
    /// Identifies the estate at `root`.
    ///
    /// # Errors
    ///
    /// A root that does not exist, or a `platform/terrace.yaml` that cannot be read: guessing there would split one
    /// estate's history in two.
    pub fn of(root: &Path) -> Result<Self, PlatformError> {
        let root = root.canonicalize().map_err(PlatformError::io("find the estate", root))?;
        let settings = Settings::read(&root)?;
        Ok(Self::new(root, &settings))
    }

    /// Identifies the estate at this canonical root with these settings.
    #[must_use]
    pub fn new(root: PathBuf, settings: &Settings) -> Self {
        let (name, seed) = match &settings.id {
            Some(id) => (id.clone(), [b"id:".as_slice(), id.as_bytes()].concat()),
            None => {
                let name =
                    root.file_name().map_or_else(|| "root".to_owned(), |name| name.to_string_lossy().into_owned());
                (name, [b"path:".as_slice(), root.as_os_str().as_encoded_bytes()].concat())
            }
        };
        let slug: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
            .take(24)
            .collect();
        let slug = slug.trim_matches('-');
        let digest = Digest::of(&seed);
        let key = if slug.is_empty() { digest.short().to_owned() } else { format!("{slug}-{}", digest.short()) };
        Self { key, name, root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_an_id_and_folders_of_one_name_do_not_meet() {
        let plain = Settings::default();
        let named = Settings { id: Some("orchard".to_owned()), ..Settings::default() };
        let at = |root: &str, settings: &Settings| Identity::new(PathBuf::from(root), settings).key;
        assert_ne!(at("/a/estate", &plain), at("/b/estate", &plain));
        assert_eq!(at("/a/estate", &named), at("/b/estate", &named));
        assert!(at("/a/My Estate!", &plain).starts_with("my-estate-"));
        assert_eq!(at("/ü", &plain).len(), 12);
    }
}
