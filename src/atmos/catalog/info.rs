//! `catalog-info.yaml`, Backstage's description of a component: beside its files, or one for all at the estate's root.

use std::path::Path;

use super::super::files::Files;
use super::super::node::{Key, Node};
use super::super::yaml::{NoIncludes, Reader};
use super::below;
use crate::domain::stack::{Diagnostic, Severity, Source};

const NAMES: [&str; 2] = ["catalog-info.yaml", "catalog-info.yml"];

/// The descriptions in one file; it may hold several documents.
#[derive(Debug, Default)]
pub(super) struct Infos(Vec<Node>);

impl Infos {
    /// Returns the description of a component in a file of its own: the one of that name, or the first component.
    pub(super) fn of(&self, name: &str) -> Option<&Node> {
        let component = |node: &&Node| node.get("kind").and_then(Node::str).is_none_or(|kind| kind == "Component");
        self.named(name).or_else(|| self.0.iter().find(component))
    }

    /// Returns the description of that name: the component's, or the last part of it.
    pub(super) fn named(&self, name: &str) -> Option<&Node> {
        let last = name.rsplit('/').next().unwrap_or(name);
        let is = |node: &&Node| {
            node.at_path(&["metadata", "name"]).and_then(Node::str).is_some_and(|own| own == name || own == last)
        };
        self.0.iter().find(is)
    }
}

/// Reads the file in a component's folder, where there is one.
pub(super) fn read(folder: &Path, shown: &str, files: &dyn Files, problems: &mut Vec<Diagnostic>) -> Infos {
    let Some((name, bytes)) = NAMES.iter().find_map(|name| Some((*name, files.read(&folder.join(name)).ok()?))) else {
        return Infos::default();
    };
    parse(&below(shown, name), &bytes, problems)
}

/// Reads the file at the estate's root, where there is one; it describes more than components, and is not judged here.
pub(super) fn of_root(root: &Path, files: &dyn Files) -> Infos {
    let bytes = NAMES.iter().find_map(|name| Some((*name, files.read(&root.join(name)).ok()?)));
    bytes.map(|(name, bytes)| parse(name, &bytes, &mut Vec::new())).unwrap_or_default()
}

/// Returns the name in a reference such as `group:default/payments`.
pub(super) fn entity_name(reference: &str) -> &str {
    let kinds = ["group:", "user:", "component:"];
    match kinds.iter().find_map(|kind| reference.strip_prefix(kind)) {
        Some(rest) => rest.rsplit('/').next().unwrap_or(rest),
        None => reference,
    }
}

fn parse(file: &str, bytes: &[u8], problems: &mut Vec<Diagnostic>) -> Infos {
    let text = String::from_utf8_lossy(bytes);
    let mut documents: Vec<(usize, String)> = vec![(0, String::new())];
    for (number, line) in text.lines().enumerate() {
        if line == "---" || line.starts_with("--- ") {
            documents.push((number + 1, String::new()));
        } else if let Some((_, document)) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    let mut read = Vec::new();
    for (skipped, document) in documents.iter().filter(|(_, document)| !document.trim().is_empty()) {
        // Lines before it keep it where it stands.
        let placed = "\n".repeat(*skipped) + document;
        let mut reader = Reader { file: Key::new(file), key_delimiter: "", includes: &mut NoIncludes };
        match reader.read(placed.as_bytes()) {
            Ok(node) => read.extend(node.filter(|node| node.map().is_some())),
            Err(fault) => problems.push(Diagnostic {
                severity: Severity::Warning,
                code: "catalog-info".to_owned(),
                message: format!("{file}: {}", fault.message),
                hint: Some("the catalog shows the component without what this file says of it".to_owned()),
                source: Some(Source { file: file.to_owned(), line: fault.line.max(1), column: fault.column.max(1) }),
                stack: None,
            }),
        }
    }
    Infos(read)
}
