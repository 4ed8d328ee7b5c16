//! One stack file: its templates and locals, its overrides, its imports merged below it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Call, Doc, Engine, Layer, MAX_CHAIN, Merged,
    hints::hint,
    overrides::with_overrides,
    places::{align, replace_places},
};
use crate::{
    atmos::{
        config::display,
        locals::{self, Context},
        merge::merge_files,
        node::{Key, Node, Pos},
        template,
        yaml::Fault,
    },
    domain::stack::{Diagnostic, ImportEdge, Source},
};

enum RenderError {
    Template(template::TemplateError),
    Yaml(Fault),
}

impl Engine<'_> {
    pub(super) fn file(&self, path: &Path, call: &Call<'_>, chain: &mut Vec<PathBuf>) -> Merged {
        let mut out = Merged {
            config: Node::empty(),
            layers: Vec::new(),
            files: BTreeSet::from([path.to_path_buf()]),
            edges: Vec::new(),
            problems: Vec::new(),
            overrides: call.overrides.clone(),
        };
        let Some(doc) = self.doc(path) else { return out };
        out.files.extend(doc.includes.iter().cloned());
        out.problems.extend(doc.extra.iter().cloned());
        if doc.text.is_empty() && doc.parsed.is_ok() {
            return out;
        }
        let relative = self.relative(path);
        let is_template = relative.ends_with(".tmpl");
        let here = Pos { file: doc.name, line: 1, column: 1 };
        let fault_problem = |fault: &Fault, out: &mut Vec<Diagnostic>| {
            let hint = hint(fault, &doc.text);
            let pos = Pos { file: doc.name, line: fault.line, column: fault.column };
            self.problem(out, fault.code, format!("invalid stack manifest '{relative}': {}", fault.message), hint, pos);
        };
        let mut context = Context::from_importer(call.context);
        if !call.skip_templates {
            match &doc.parsed {
                Ok(node) => {
                    if let Some(node) = node.as_ref().filter(|n| n.map().is_some()) {
                        let options = self.template_options(false);
                        let trusted = self.options.trusted.then_some(self.root);
                        match locals::extract(node, &mut context, &relative, &options, trusted) {
                            Ok(warnings) => out.problems.extend(warnings),
                            Err(problem) => {
                                out.problems.push(*problem);
                                return out;
                            }
                        }
                    }
                }
                Err(fault) if !is_template => {
                    fault_problem(fault, &mut out.problems);
                    return out;
                }
                Err(_) => {}
            }
        }
        let own = if !call.skip_templates && (is_template || !context.is_empty()) {
            match self.render(path, &doc, &context, call, &relative) {
                Ok(node) => Ok(node),
                Err(RenderError::Template(e)) if call.context.is_none() && !context.is_empty() && !is_template => {
                    tracing::debug!("templates of {relative} stay as written: {e}");
                    doc.parsed.clone().map(|n| n.map(|n| locals::structured(&n, &context)))
                }
                Err(RenderError::Template(e)) => {
                    let hint = e.function.as_ref().filter(|_| e.unknown_function).map(|f| {
                        format!("the function '{f}' is not built into Terrace; only Atmos can render this file")
                    });
                    let pos = Pos { file: doc.name, line: e.line.max(1), column: e.column.max(1) };
                    let message = format!("invalid stack manifest '{relative}': {}", e.message);
                    self.problem(&mut out.problems, "template-error", message, hint, pos);
                    return out;
                }
                Err(RenderError::Yaml(fault)) => Err(fault),
            }
        } else {
            doc.parsed.clone()
        };
        let own = match own {
            Ok(Some(node)) if node.map().is_some() => node,
            Ok(None) => return out,
            Ok(Some(node)) if node.is_null() => return out,
            Ok(Some(node)) => {
                let message = format!(
                    "invalid stack manifest '{relative}': yaml: line {}: cannot unmarshal {} into a map",
                    node.pos().line,
                    if node.list().is_some() { "!!seq" } else { "!!str" }
                );
                self.problem(&mut out.problems, "stack-not-a-map", message, None, node.pos());
                return out;
            }
            Err(fault) => {
                fault_problem(&fault, &mut out.problems);
                return out;
            }
        };
        let own = context.put_into(&own);
        out.problems.extend(self.rules.check(&own));
        self.finish(path, &own, &context, call, chain, &mut out, here, &relative);
        out
    }

    fn render(
        &self,
        path: &Path,
        doc: &Doc,
        context: &Context,
        call: &Call<'_>,
        relative: &str,
    ) -> Result<Option<Node>, RenderError> {
        let text = String::from_utf8_lossy(&doc.text);
        let original = doc.parsed.as_ref().ok().and_then(Option::as_ref);
        if !text.contains("{{") {
            return doc.parsed.clone().map_err(RenderError::Yaml);
        }
        let options = self.template_options(call.ignore_missing);
        let data = context.to_json();
        let input = match original.filter(|_| !context.is_empty()) {
            Some(node) => {
                let filled = locals::structured(node, context);
                let text = serde_yaml::to_string(&filled.to_json()).unwrap_or_else(|_| text.to_string());
                if !text.contains("{{") {
                    return Ok(Some(filled));
                }
                text
            }
            None => text.to_string(),
        };
        let rendered = template::render(relative, &input, &data, &options).map_err(RenderError::Template)?;
        let same_lines = original.is_none() && rendered.lines().count() == text.lines().count();
        let node = self.reparse(path, doc.name, &rendered).map_err(RenderError::Yaml)?;
        Ok(node.map(|n| match original {
            Some(original) => replace_places(&n, Some(original), Pos { file: doc.name, line: 1, column: 1 }),
            None if same_lines => n,
            None => align(&n, &rendered, &text),
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one file")]
    fn finish(
        &self,
        path: &Path,
        own: &Node,
        context: &Context,
        call: &Call<'_>,
        chain: &mut Vec<PathBuf>,
        out: &mut Merged,
        here: Pos,
        relative: &str,
    ) {
        let section =
            |node: &Node, key: &str, code: &str, what: &str, problems: &mut Vec<Diagnostic>| match node.get(key) {
                Some(n) if n.map().is_none() => {
                    let message = format!("invalid {what} section in the stack manifest '{relative}'");
                    self.problem(problems, code, message, Some("a map is needed here".to_owned()), n.pos());
                    Node::empty()
                }
                Some(n) => n.clone(),
                None => Node::empty(),
            };
        let global = section(own, "overrides", "invalid-overrides-section", "'overrides'", &mut out.problems);
        let terraform = section(own, "terraform", "invalid-terraform-section", "'terraform'", &mut out.problems);
        let terraform =
            section(&terraform, "overrides", "invalid-overrides-section", "'terraform.overrides'", &mut out.problems);
        let helmfile = section(own, "helmfile", "invalid-helmfile-section", "'helmfile'", &mut out.problems);
        let helmfile =
            section(&helmfile, "overrides", "invalid-overrides-section", "'helmfile.overrides'", &mut out.problems);
        let join = |layers: &[&Node]| merge_files(layers, self.lists);
        out.overrides.terraform_inline = join(&[&global, &terraform, &call.overrides.terraform_inline]);
        out.overrides.helmfile_inline = join(&[&global, &helmfile, &call.overrides.helmfile_inline]);
        let mut accumulated = call.path_context.clone();
        let mut imported: Vec<Arc<Merged>> = Vec::new();
        for import in self.imports(own, relative, &mut out.problems) {
            let Some(found) = self.find_import(path, &import, &accumulated, relative, out) else { continue };
            let context_node = context.for_imports(import.context.as_ref(), self.lists);
            let path_context = accumulated.clone();
            let before = out.overrides.clone();
            for file in found {
                out.edges.push(ImportEdge {
                    from: here.file.as_str().to_owned(),
                    to: display(self.root, &file),
                    source: import.pos.source().unwrap_or(Source {
                        file: here.file.as_str().to_owned(),
                        line: 1,
                        column: 1,
                    }),
                });
                if chain.contains(&file) || chain.len() > MAX_CHAIN {
                    let message = format!(
                        "import cycle: '{relative}' imports '{}', which leads back to it",
                        self.relative(&file)
                    );
                    let hint = Some("remove one import of the cycle; Atmos runs out of memory on it".to_owned());
                    self.problem(&mut out.problems, "import-cycle", message, hint, import.pos);
                    continue;
                }
                let child = Call {
                    context: context_node.as_ref(),
                    path_context: &path_context,
                    skip_templates: import.skip_templates,
                    ignore_missing: import.ignore_missing || self.config.ignore_missing,
                    overrides: &before,
                };
                let merged = self.merged(&file, &child, chain);
                let o = &mut out.overrides;
                o.terraform_imports = join(&[
                    &o.terraform_imports,
                    &merged.overrides.terraform_imports,
                    &merged.overrides.terraform_inline,
                ]);
                o.helmfile_imports =
                    join(&[&o.helmfile_imports, &merged.overrides.helmfile_imports, &merged.overrides.helmfile_inline]);
                if self.config.templates_enabled {
                    let sections: Vec<(Key, Node)> = ["env", "settings", "vars"]
                        .iter()
                        .filter_map(|s| Some((Key::new(s), merged.config.get(s).filter(|n| !n.is_null())?.clone())))
                        .collect();
                    if !sections.is_empty() {
                        accumulated = join(&[&accumulated, &Node::map_of(sections)]);
                    }
                }
                imported.push(merged);
            }
        }
        let o = &out.overrides;
        let final_terraform = join(&[&o.terraform_imports, &o.terraform_inline]);
        let final_helmfile = join(&[&o.helmfile_imports, &o.helmfile_inline]);
        let own = with_overrides(own, "terraform", &final_terraform);
        let own = with_overrides(&own, "helmfile", &final_helmfile);
        let mut layers: Vec<&Node> = imported.iter().map(|m| &m.config).collect();
        layers.push(&own);
        out.config = merge_files(&layers, self.lists);
        for merged in imported {
            out.files.extend(merged.files.iter().cloned());
            for problem in &merged.problems {
                if !out.problems.contains(problem) {
                    out.problems.push(problem.clone());
                }
            }
            out.layers.push(Layer::Import(merged));
        }
        out.layers.push(Layer::Own(own));
    }
}
