//! What plays Terraform: plan files that are read like real ones.

use std::io::Write as _;

/// A plan file as far as it is read: the workspace stands in the backend. Files of another `mark` have another digest.
pub(crate) fn plan_of(workspace: &str, mark: &str) -> Vec<u8> {
    let short = |text: &str| u8::try_from(text.len()).expect("short");
    let mut backend = vec![0x0a, 5];
    backend.extend(b"local");
    backend.extend([0x1a, short(workspace)]);
    backend.extend(workspace.as_bytes());
    let mut bytes = vec![0x08, 3, 0x6a, u8::try_from(backend.len()).expect("short")];
    bytes.extend(backend);
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut entry = |name: &str, content: &[u8]| {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).expect("entry");
        zip.write_all(content).expect("written");
    };
    entry("tfplan", &bytes);
    // A state that was never written, as `state pull` says too.
    entry("tfstate", b"{}");
    entry("mark", mark.as_bytes());
    zip.finish().expect("finished").into_inner()
}
