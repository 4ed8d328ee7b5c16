//! Which files an import names.

use std::path::{Path, PathBuf};

use super::{Engine, remote::is_remote};
use crate::{
    atmos::{
        config::clean,
        did_you_mean,
        files::Kind,
        glob,
        merge::merge_files,
        node::{Node, Pos},
        template,
    },
    domain::stack::Diagnostic,
};

/// One entry of a file's `import`.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) path: String,
    pub(super) context: Option<Node>,
    pub(super) skip_if_missing: bool,
    pub(super) skip_templates: bool,
    pub(super) ignore_missing: bool,
    pub(super) pos: Pos,
}
impl Engine<'_> {
    /// Returns the entries of a file's `import`; what is none is a problem.
    pub(super) fn imports(&self, own: &Node, relative: &str, problems: &mut Vec<Diagnostic>) -> Vec<Import> {
        let Some(section) = own.get("import").filter(|n| !n.is_null()) else { return Vec::new() };
        let Some(list) = section.list() else {
            let message = format!("invalid import section in the file '{relative}'");
            self.problem(
                problems,
                "invalid-import-section",
                message,
                Some("write a list of paths".into()),
                section.pos(),
            );
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in list {
            let path = item.str().or_else(|| item.get("path").and_then(Node::str));
            let Some(written) = path.filter(|p| !p.is_empty()) else {
                let message = format!("invalid import in the file '{relative}'");
                self.problem(problems, "invalid-import", message, None, item.pos());
                continue;
            };
            let flag = |key: &str| item.get(key).and_then(Node::bool).unwrap_or(false);
            let first = written.split('/').next().unwrap_or("");
            let path = if first == "." || first == ".." {
                let folder = Path::new(relative).parent().unwrap_or(Path::new(""));
                clean(&folder.join(written)).to_string_lossy().into_owned()
            } else {
                written.to_owned()
            };
            out.push(Import {
                path,
                context: item.get("context").filter(|n| n.map().is_some_and(|m| !m.is_empty())).cloned(),
                skip_if_missing: flag("skip_if_missing"),
                skip_templates: flag("skip_templates_processing"),
                ignore_missing: flag("ignore_missing_template_values"),
                pos: item.get("path").map_or_else(|| item.pos(), Node::pos),
            });
        }
        out
    }

    /// Returns the files that an import names; `None` where there are none (and says so, where that is a fault).
    pub(super) fn find_import(
        &self,
        importer: &Path,
        import: &Import,
        accumulated: &Node,
        relative: &str,
        problems: &mut Vec<Diagnostic>,
    ) -> Option<Vec<PathBuf>> {
        let mut path = import.path.clone();
        if !import.skip_templates && path.contains("{{") && self.config.templates_enabled {
            let context = import.context.clone().unwrap_or_else(Node::empty);
            let data = merge_files(&[accumulated, &context], self.lists).to_json();
            let options = self.template_options(import.ignore_missing || self.config.ignore_missing);
            match template::render(&format!("import-path({relative})"), &path, &data, &options) {
                Ok(text) => path = text,
                Err(e) => {
                    let message = format!("import path '{path}' in file '{relative}': {}", e.message);
                    let hint = Some("define the variable in an earlier import or in this import's context".to_owned());
                    self.problem(problems, "import-path-template", message, hint, import.pos);
                    return None;
                }
            }
        }
        if is_remote(&path) {
            let message = format!("import '{path}' in file '{relative}' is remote: Terrace fetches nothing by itself");
            let hint = Some("vendor the file into the repository".to_owned());
            self.problem(problems, "remote-import", message, hint, import.pos);
            return None;
        }
        let base = &self.config.stacks_path;
        // A leading slash is no root here: Atmos joins the path to the folder of stacks all the same.
        path = path.trim_start_matches('/').to_owned();
        let exists = |p: &str| self.is_file(p);
        let last = path.rsplit('/').next().unwrap_or("");
        let extension = last.rsplit_once('.').map(|(_, e)| e);
        let full = match extension {
            None => [".yaml", ".yml", ".yaml.tmpl", ".yml.tmpl"]
                .iter()
                .map(|e| format!("{path}{e}"))
                .find(|p| exists(p))
                .unwrap_or_else(|| format!("{path}.yaml")),
            Some("yaml" | "yml") if exists(&format!("{path}.tmpl")) => format!("{path}.tmpl"),
            Some(_) => path.clone(),
        };
        let target = clean(&base.join(&full));
        if target == importer {
            let message = format!("stack manifest imports itself: manifest '{relative}' imports itself via '{path}'");
            self.problem(problems, "import-self", message, Some("remove this import".into()), import.pos);
            return None;
        }
        let found: Vec<PathBuf> = if glob::is_pattern(&full) {
            match clean(Path::new(&full)).to_str() {
                Some(pattern) if pattern.starts_with("..") => self.outside(&target),
                Some(pattern) => glob::matching(self.listing, pattern).into_iter().map(|f| base.join(f)).collect(),
                None => Vec::new(),
            }
        } else if self.is_file(&full) {
            vec![target]
        } else {
            Vec::new()
        };
        if found.is_empty() {
            if path.contains("{{") || import.skip_if_missing {
                return None;
            }
            let message =
                format!("stack import not found: import '{path}' in file '{relative}': failed to find import");
            self.problem(problems, "import-not-found", message, self.guess(&path), import.pos);
            return None;
        }
        Some(found)
    }

    /// Returns the files that a pattern beside the folder of stacks names, as far as they may be read.
    fn outside(&self, pattern: &Path) -> Vec<PathBuf> {
        let plain = |part: &std::path::Component<'_>| !glob::is_pattern(&part.as_os_str().to_string_lossy());
        let folder: PathBuf = pattern.components().take_while(plain).collect();
        let Some(rest) = pattern.strip_prefix(&folder).ok().and_then(Path::to_str) else { return Vec::new() };
        if !self.may_read(&folder) {
            return Vec::new();
        }
        let listing = glob::list(self.options.files.as_ref(), &folder);
        glob::matching(&listing, rest).into_iter().map(|file| folder.join(file)).collect()
    }

    /// Tells whether a path relative to the folder of stacks is a file; the listing of that folder answers first.
    fn is_file(&self, path: &str) -> bool {
        self.listed.contains(path)
            || self.options.files.kind(&clean(&self.config.stacks_path.join(path))) == Some(Kind::File)
    }

    fn guess(&self, path: &str) -> Option<String> {
        let stem = |f: &str| f.trim_end_matches(".tmpl").trim_end_matches(".yaml").trim_end_matches(".yml").to_owned();
        let best = did_you_mean(path, self.listing.iter().map(|f| stem(f)))?;
        Some(format!("did you mean '{best}'?"))
    }
}
