//! Changes of files before they are made: checked, compared, and laid over the files as they are.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use similar::TextDiff;

use super::GoldenPathError;
use crate::atmos::files::{Files, Kind};
use crate::domain::golden_path::FileChange;

/// The largest file that a request writes.
const LARGEST: usize = 1 << 20;

/// What becomes of files; nothing is written before all of it is known to be sound.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    files: BTreeMap<String, FileChange>,
}

impl Changes {
    /// Returns the files that change, by path.
    pub fn files(&self) -> impl Iterator<Item = &FileChange> {
        self.files.values()
    }

    /// Tells whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the text of a file as it will be; `None` where there is none.
    ///
    /// # Errors
    ///
    /// A path that leads out of the estate, or a file that is no text.
    pub fn text(&self, root: &Path, files: &dyn Files, path: &str) -> Result<Option<String>, GoldenPathError> {
        let place = checked(root, files, path)?;
        if let Some(change) = self.files.get(path) {
            return Ok(change.after.clone());
        }
        match files.read(&place) {
            Ok(bytes) => String::from_utf8(bytes).map(Some).map_err(|_| {
                GoldenPathError::new("file-not-text", format!("{path} is not UTF-8 text, so it cannot be edited"))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(GoldenPathError::new("file-unreadable", format!("{path} cannot be read: {error}"))),
        }
    }

    /// Notes that a file is to hold this text, or to go.
    ///
    /// # Errors
    ///
    /// A path that leads out of the estate or into what is not the estate's own, or a text that is too large.
    pub fn put(
        &mut self,
        root: &Path,
        files: &dyn Files,
        path: &str,
        text: Option<String>,
    ) -> Result<(), GoldenPathError> {
        checked(root, files, path)?;
        if text.as_ref().is_some_and(|text| text.len() > LARGEST) {
            return Err(GoldenPathError::new("file-too-large", format!("{path} would have more than {LARGEST} bytes")));
        }
        let before = match self.files.get(path) {
            Some(change) => change.before.clone(),
            None => self.text(root, files, path)?,
        };
        if before == text {
            self.files.remove(path);
            return Ok(());
        }
        let diff = unified(path, before.as_deref(), text.as_deref());
        self.files.insert(path.to_owned(), FileChange { path: path.to_owned(), before, after: text, diff });
        Ok(())
    }
}

fn unified(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    let name = |there: bool, side: &str| if there { format!("{side}/{path}") } else { "/dev/null".to_owned() };
    let diff = TextDiff::from_lines(before.unwrap_or_default(), after.unwrap_or_default());
    diff.unified_diff().header(&name(before.is_some(), "a"), &name(after.is_some(), "b")).to_string()
}

/// Returns the place of a file that requests may write: below the estate's root, through no link that leads out of it.
fn checked(root: &Path, files: &dyn Files, path: &str) -> Result<PathBuf, GoldenPathError> {
    let wrong = |why: &str| GoldenPathError::new("path-escapes", format!("'{path}' is not written: {why}"));
    if path.is_empty() || path.contains(['\\', '\0', '\n']) {
        return Err(wrong("it is no path of a file"));
    }
    let parts: Vec<Component<'_>> = Path::new(path).components().collect();
    if !parts.iter().all(|part| matches!(part, Component::Normal(_))) || path.ends_with('/') || path.contains("//") {
        return Err(wrong("it leads out of the estate"));
    }
    let hidden = |part: &Component<'_>| part.as_os_str().to_string_lossy().eq_ignore_ascii_case(".git");
    if parts.iter().any(hidden) {
        return Err(wrong("it belongs to Git"));
    }
    let place = root.join(path);
    let real_root = files.real(root).unwrap_or_else(|_| root.to_path_buf());
    let nearest = place.ancestors().find_map(|above| files.kind(above).and_then(|_| files.real(above).ok()));
    if nearest.is_some_and(|nearest| !nearest.starts_with(&real_root)) {
        return Err(wrong("a link on the way leads out of the estate"));
    }
    if files.kind(&place) == Some(Kind::Folder) {
        return Err(wrong("it is a folder"));
    }
    // What is written through such a link would lie wherever it leads.
    if files.kind(&place).is_none() && std::fs::symlink_metadata(&place).is_ok_and(|about| about.is_symlink()) {
        return Err(wrong("it is a link that leads nowhere"));
    }
    Ok(place)
}

/// Files with changes laid over them: what an estate will be, before anything is written.
#[derive(Debug, Clone)]
pub struct Overlay {
    below: Arc<dyn Files>,
    files: BTreeMap<PathBuf, Option<Vec<u8>>>,
}

impl Overlay {
    /// Lays changes over files.
    #[must_use]
    pub fn new(below: Arc<dyn Files>, root: &Path, changes: &Changes) -> Self {
        let laid = |change: &FileChange| (root.join(&change.path), change.after.clone().map(String::into_bytes));
        Self { below, files: changes.files().map(laid).collect() }
    }
}

impl Files for Overlay {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(Some(bytes)) => Ok(bytes.clone()),
            Some(None) => Err(io::ErrorKind::NotFound.into()),
            None => self.below.read(path),
        }
    }

    fn kind(&self, path: &Path) -> Option<Kind> {
        match self.files.get(path) {
            Some(Some(_)) => Some(Kind::File),
            Some(None) => None,
            None => self.below.kind(path).or_else(|| {
                let inside = |(file, bytes): (&PathBuf, &Option<Vec<u8>>)| bytes.is_some() && file.starts_with(path);
                self.files.iter().any(inside).then_some(Kind::Folder)
            }),
        }
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, Kind)>> {
        let mut listed: BTreeMap<String, Kind> = match self.below.list(folder) {
            Ok(listed) => listed.into_iter().collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.kind(folder).is_some() => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        listed.retain(|name, _| !matches!(self.files.get(&folder.join(name)), Some(None)));
        for (path, _) in self.files.iter().filter(|(_, bytes)| bytes.is_some()) {
            let Ok(rest) = path.strip_prefix(folder) else { continue };
            let mut parts = rest.components();
            let Some(name) = parts.next().and_then(|part| part.as_os_str().to_str()) else { continue };
            let kind = if parts.next().is_some() { Kind::Folder } else { Kind::File };
            listed.entry(name.to_owned()).or_insert(kind);
        }
        Ok(listed.into_iter().collect())
    }

    fn real(&self, path: &Path) -> io::Result<PathBuf> {
        match self.below.real(path) {
            Ok(real) => Ok(real),
            Err(_) if self.kind(path).is_some() => Ok(path.to_path_buf()),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::atmos::files::{Disk, Memory};

    fn estate() -> Memory {
        let mut files = Memory::default();
        files.put("/estate/stacks/a.yaml", "a: 1\n");
        files
    }

    #[test]
    fn nothing_outside_of_the_estate_is_written() {
        let files = estate();
        let mut changes = Changes::default();
        let mut put = |path: &str| changes.put(Path::new("/estate"), &files, path, Some("x".into()));
        for path in ["../x", "/etc/x", "", "stacks", ".git/config", "a/.GIT/x", "a/../../x", "a//b", "x/", "a\\b"] {
            let error = put(path).expect_err(path);
            assert_eq!(error.code, "path-escapes", "{path}");
        }
        assert_eq!(put("stacks/b.yaml"), Ok(()));
        let temp = tempfile::tempdir().expect("temp");
        let root = temp.path().join("estate");
        std::fs::create_dir(&root).expect("folder");
        std::os::unix::fs::symlink("/", root.join("out")).expect("link");
        let error = Changes::default().put(&root, &Disk, "out/x.yaml", Some(String::new())).expect_err("a link");
        assert!(error.message.contains("a link on the way leads out"), "{error}");
        std::os::unix::fs::symlink(temp.path().join("later.yaml"), root.join("dangling.yaml")).expect("link");
        let error = Changes::default().put(&root, &Disk, "dangling.yaml", Some(String::new())).expect_err("a link");
        assert!(error.message.contains("a link that leads nowhere"), "{error}");
    }

    #[test]
    fn changes_are_seen_as_files_and_shown_as_a_difference() {
        let files = estate();
        let root = Path::new("/estate");
        let mut changes = Changes::default();
        changes.put(root, &files, "stacks/a.yaml", Some("a: 2\n".into())).expect("put");
        changes.put(root, &files, "stacks/new/b.yaml", Some("b: 1\n".into())).expect("put");
        let diffs: Vec<&str> = changes.files().map(|change| change.diff.as_str()).collect();
        assert_eq!(diffs[0], "--- a/stacks/a.yaml\n+++ b/stacks/a.yaml\n@@ -1 +1 @@\n-a: 1\n+a: 2\n");
        assert!(diffs[1].starts_with("--- /dev/null\n+++ b/stacks/new/b.yaml\n"), "{}", diffs[1]);
        let laid = Overlay::new(Arc::new(files.clone()), root, &changes);
        assert_eq!(laid.read(&root.join("stacks/a.yaml")).expect("file"), b"a: 2\n");
        let names = |folder: &str| laid.list(&root.join(folder)).expect("list");
        assert_eq!(names("stacks"), [("a.yaml".to_owned(), Kind::File), ("new".to_owned(), Kind::Folder)]);
        assert_eq!(names("stacks/new"), [("b.yaml".to_owned(), Kind::File)]);
        // A change that is taken back is none.
        changes.put(root, &files, "stacks/a.yaml", Some("a: 1\n".into())).expect("put");
        assert_eq!(changes.files().count(), 1);
        changes.put(root, &files, "stacks/a.yaml", None).expect("put");
        let laid = Overlay::new(Arc::new(files), root, &changes);
        assert_eq!(laid.kind(&root.join("stacks/a.yaml")), None);
        assert_eq!(laid.list(&root.join("stacks")).expect("list").len(), 1);
    }
}
