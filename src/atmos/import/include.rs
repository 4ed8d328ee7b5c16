//! `!include` and `!include.raw`: done while a file is read, and never out of an estate that is not trusted.

use std::path::{Path, PathBuf};

use super::{CHANGED, Engine, query, remote::is_url};
use crate::{
    atmos::{
        config::{clean, display},
        files::Kind,
        node::{Key, Node, Pos, Value},
        yaml::{Fault, Includes, foreign},
    },
    domain::stack::Diagnostic,
};

/// Includes for one file of the estate.
pub(super) struct EstateIncludes<'e, 'a> {
    pub(super) engine: &'e Engine<'a>,
    pub(super) path: &'e Path,
    pub(super) problems: Vec<Diagnostic>,
    pub(super) read: Vec<PathBuf>,
    pub(super) depth: usize,
}

impl Includes for EstateIncludes<'_, '_> {
    fn include(&mut self, tag: &str, value: &str, pos: Pos) -> Result<Node, Fault> {
        let refuse = |code: &'static str, message: String| Fault { code, message, line: pos.line, column: pos.column };
        let (file, asked) = foreign::arguments(value);
        let (file, asked) = (file.as_str(), asked.as_deref());
        if file.is_empty() || self.depth > 8 {
            return Err(refuse("include-invalid", format!("invalid {tag}: '{value}'")));
        }
        let as_text = || Node::new(Value::Str(format!("{tag} {value}").into()), pos);
        let engine = self.engine;
        if is_url(file) {
            let message = format!("{tag} '{file}' is remote: Terrace fetches nothing by itself");
            let hint = "vendor the file into the repository".to_owned();
            engine.problem(&mut self.problems, "remote-include", message, Some(hint), pos);
            return Ok(as_text());
        }
        // Only `./` and `../` mean the file's own folder; other paths start where Atmos does, then at the base path.
        let relative = matches!(file.split('/').next(), Some("." | ".."));
        let first = if relative { self.path.parent().unwrap_or(engine.root) } else { engine.root };
        let tried = [clean(&first.join(file)), clean(&engine.config.base_path.join(file))];
        let found = tried.into_iter().find(|p| engine.options.files.kind(p) == Some(Kind::File));
        let Some(found) = found else {
            return Err(refuse(
                "include-not-found",
                format!(
                    "the !include function references a file that does not exist: could not find local file '{file}'"
                ),
            ));
        };
        let mut untrusted = |why: &str| {
            let message = format!("{tag} '{file}' leads out of the estate{why}");
            let hint = "run `terrace trust` if you trust this estate".to_owned();
            engine.problem(&mut self.problems, "untrusted-include", message, Some(hint), pos);
            Ok(as_text())
        };
        if !engine.may_read(&found) {
            return untrusted(" and was not read");
        }
        let bytes = engine.options.files.read(&found).map_err(|e| refuse("unreadable-file", format!("{file}: {e}")))?;
        if !engine.options.accepts(engine.root, &found, &bytes) {
            return untrusted(&format!(", {CHANGED}"));
        }
        self.read.push(found.clone());
        let name = Key::new(&display(engine.root, &found));
        let node = foreign::read(&found, &bytes, tag == "!include.raw", name)
            .map_err(|why| refuse("include-invalid", format!("{}: {why}", name.as_str())))?;
        match asked {
            None => Ok(node),
            Some(asked) => Ok(query::evaluate(&node, asked).unwrap_or_else(|| {
                let message = format!("the query '{asked}' of {tag} is more than Terrace evaluates");
                let hint = "only Atmos can resolve this value".to_owned();
                engine.problem(&mut self.problems, "include-query", message, Some(hint), pos);
                as_text()
            })),
        }
    }
}
