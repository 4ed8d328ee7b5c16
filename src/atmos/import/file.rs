//! One stack file: its templates and locals, its overrides, its imports merged below it.

use std::{
    borrow::Cow,
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Call, Doc, Engine, Files, Layer, MAX_CHAIN, MAX_MERGED, Merged, Trail,
    find::Import,
    hints::hint,
    overrides::with_overrides,
    places::{align, replace_places},
};
use crate::{
    atmos::{
        config::display,
        locals::{self, Context, Surroundings},
        merge::merge_files,
        node::{Key, Map, Node, Pos, Value},
        template,
        yaml::Fault,
    },
    domain::stack::{Diagnostic, ImportEdge, Severity, Source},
};

/// Leaves all components out of a file but some.
fn narrowed(own: &Node, names: &HashSet<Key>) -> Node {
    let Some((root, kinds)) = own.map().and_then(|m| Some((m, m.get("components")?))) else { return own.clone() };
    let Some(map) = kinds.map() else { return own.clone() };
    let entries = map.entries().iter().map(|(kind, components)| {
        let Some(all) = components.map() else { return (*kind, components.clone()) };
        let kept = all.entries().iter().filter(|(name, _)| names.contains(name)).cloned().collect();
        (*kind, Node::new(Value::Map(Map::sorted(kept)), components.pos()))
    });
    let kinds = Node::new(Value::Map(Map::sorted(entries.collect())), kinds.pos());
    Node::new(Value::Map(root.with(Key::new("components"), kinds)), own.pos())
}

/// A file, as far as who imports it does not matter.
#[derive(Debug)]
pub(super) struct Known {
    doc: Option<Arc<Doc>>,
    pub(super) files: Files,
    relative: String,
    /// Its content and plan, where no template, no locals and no context change them.
    plain: Option<(Node, Plan)>,
}

/// What a file's content asks for.
#[derive(Debug)]
struct Plan {
    global: Node,
    terraform: Node,
    helmfile: Node,
    imports: Vec<Planned>,
    edges: Arc<[ImportEdge]>,
    problems: Vec<Diagnostic>,
}

/// An import with the files that it names; none where what was imported before decides.
#[derive(Debug)]
struct Planned {
    import: Import,
    files: Option<Vec<PathBuf>>,
}

enum RenderError {
    Template(template::TemplateError),
    Yaml(Fault),
}

impl Engine<'_> {
    pub(super) fn file(&self, path: &Path, call: &Call<'_>, trail: &mut Trail) -> Merged {
        let known = self.known(path);
        let mut out = Merged {
            config: Node::empty(),
            layers: Vec::new(),
            files: Arc::clone(&known.files),
            edges: Arc::from([]),
            problems: Vec::new(),
            overrides: call.overrides.clone(),
            templated: false,
        };
        let (Some(doc), relative) = (&known.doc, known.relative.as_str()) else { return out };
        out.problems.extend(doc.extra.iter().cloned());
        if doc.text.is_empty() && doc.parsed.is_ok() {
            return out;
        }
        if let (None, Some((own, plan))) = (call.context, &known.plain) {
            self.finish(path, own, plan, &Context::default(), call, trail, &mut out, relative);
            return out;
        }
        let is_template = relative.ends_with(".tmpl");
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
                        let around = Surroundings {
                            options: &options,
                            trusted: self.options.trusted.then_some(self.root),
                            git_root: self.config.git_root.as_deref(),
                        };
                        match locals::extract(node, &mut context, relative, around) {
                            Ok(warnings) => out.problems.extend(warnings),
                            // Of a template Atmos forgives locals that cannot be had before it is rendered.
                            Err(problem) if is_template => tracing::debug!("{relative}: {}", problem.message),
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
            match self.render(path, doc, &context, call, relative) {
                Ok(node) => Ok(node),
                // Without a context from an importer Atmos reads the text as it is written.
                Err(RenderError::Template(e)) if call.context.is_none() && !(is_template && e.unknown_function) => {
                    tracing::debug!("templates of {relative} stay as written: {e}");
                    if e.unknown_function {
                        let before = out.problems.len();
                        self.template_problem(doc, relative, &e, &mut out.problems);
                        out.problems[before..].iter_mut().for_each(|p| p.severity = Severity::Warning);
                    }
                    match &doc.parsed {
                        Ok(node) if context.is_empty() => Ok(node.clone()),
                        Ok(node) => Ok(node.as_ref().map(|node| locals::structured(node, &context))),
                        // What is no YAML either is wrong by what the template lacks.
                        Err(_) => {
                            self.template_problem(doc, relative, &e, &mut out.problems);
                            return out;
                        }
                    }
                }
                Err(RenderError::Template(e)) => {
                    self.template_problem(doc, relative, &e, &mut out.problems);
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
        let own = self.only.as_ref().map_or_else(|| own.clone(), |names| narrowed(&own, names));
        let plan = self.plan(path, &own, doc.name, relative);
        self.finish(path, &own, &plan, &context, call, trail, &mut out, relative);
        out
    }

    fn template_problem(
        &self,
        doc: &Doc,
        relative: &str,
        error: &template::TemplateError,
        problems: &mut Vec<Diagnostic>,
    ) {
        let unknown = error.function.as_ref().filter(|_| error.unknown_function);
        let hint =
            unknown.map(|f| format!("the function '{f}' is not built into Terrace; only Atmos can render this file"));
        let pos = Pos { file: doc.name, line: error.line.max(1), column: error.column.max(1) };
        let message = format!("invalid stack manifest '{relative}': {}", error.message);
        self.problem(problems, "template-error", message, hint, pos);
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

    /// Returns what is known of a file before anything is known of who imports it; looked at once.
    fn known(&self, path: &Path) -> Arc<Known> {
        if let Some(found) = self.known.lock().ok().and_then(|k| k.get(path.as_os_str()).cloned()) {
            return found;
        }
        let doc = self.doc(path);
        let relative = self.relative(path);
        let mut files = vec![path.to_path_buf()];
        files.extend(doc.iter().flat_map(|d| d.includes.iter().cloned()));
        let own = doc.as_ref().and_then(|d| d.parsed.as_ref().ok()?.as_ref()).filter(|n| n.map().is_some());
        let plain = own.filter(|n| !relative.ends_with(".tmpl") && !locals::has_any(n)).map(|own| {
            let own = self.only.as_ref().map_or_else(|| own.clone(), |names| narrowed(own, names));
            let plan = self.plan(path, &own, doc.as_ref().map_or(own.pos().file, |d| d.name), &relative);
            (own, plan)
        });
        let known = Arc::new(Known { doc, files: files.into(), relative, plain });
        match self.known.lock() {
            Ok(mut all) => Arc::clone(all.entry(path.as_os_str().to_owned()).or_insert(known)),
            Err(_) => known,
        }
    }

    /// Plans the imports and overrides of a file's content.
    fn plan(&self, path: &Path, own: &Node, name: Key, relative: &str) -> Plan {
        // What is left out is judged where it is in.
        let mut problems = if self.only.is_none() { self.rules.check(own) } else { Vec::new() };
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
        let global = section(own, "overrides", "invalid-overrides-section", "'overrides'", &mut problems);
        let terraform = section(own, "terraform", "invalid-terraform-section", "'terraform'", &mut problems);
        let terraform =
            section(&terraform, "overrides", "invalid-overrides-section", "'terraform.overrides'", &mut problems);
        let helmfile = section(own, "helmfile", "invalid-helmfile-section", "'helmfile'", &mut problems);
        let helmfile =
            section(&helmfile, "overrides", "invalid-overrides-section", "'helmfile.overrides'", &mut problems);
        let mut edges = Vec::new();
        let imports = self.imports(own, relative, &mut problems);
        let imports = imports.into_iter().map(|import| {
            let by_template = !import.skip_templates && self.config.templates_enabled && import.path.contains("{{");
            let files = (!by_template).then(|| {
                let found = self.find_import(path, &import, &Node::empty(), relative, &mut problems);
                found.unwrap_or_default()
            });
            edges.extend(files.iter().flatten().map(|file| self.edge(name, &import, file)));
            Planned { import, files }
        });
        let imports = imports.collect();
        Plan { global, terraform, helmfile, imports, edges: edges.into(), problems }
    }

    fn edge(&self, name: Key, import: &Import, file: &Path) -> ImportEdge {
        let from = name.as_str().to_owned();
        let source = import.pos.source().unwrap_or(Source { file: from.clone(), line: 1, column: 1 });
        ImportEdge { from, to: display(self.root, file), source }
    }

    #[expect(clippy::too_many_arguments, reason = "the state of one file")]
    fn finish(
        &self,
        path: &Path,
        own: &Node,
        plan: &Plan,
        context: &Context,
        call: &Call<'_>,
        trail: &mut Trail,
        out: &mut Merged,
        relative: &str,
    ) {
        let Plan { global, terraform, helmfile, .. } = plan;
        out.problems.extend(plan.problems.iter().cloned());
        out.edges = Arc::clone(&plan.edges);
        let join = |layers: &[&Node]| merge_files(layers, self.lists);
        out.overrides.terraform_inline = join(&[global, terraform, &call.overrides.terraform_inline]);
        out.overrides.helmfile_inline = join(&[global, helmfile, &call.overrides.helmfile_inline]);
        let mut accumulated = call.path_context.clone();
        let mut imported: Vec<Arc<Merged>> = Vec::new();
        for Planned { import, files } in &plan.imports {
            let found = match files {
                Some(files) => Cow::Borrowed(files.as_slice()),
                None => {
                    out.templated = true;
                    let found = self.find_import(path, import, &accumulated, relative, &mut out.problems);
                    let found = found.unwrap_or_default();
                    let name = Key::new(&display(self.root, path));
                    let more = found.iter().map(|file| self.edge(name, import, file));
                    out.edges = out.edges.iter().cloned().chain(more).collect();
                    Cow::Owned(found)
                }
            };
            let context_node = context.for_imports(import.context.as_ref(), self.lists);
            let path_context = accumulated.clone();
            let before = out.overrides.clone();
            for file in found.iter() {
                if trail.merged > MAX_MERGED {
                    let message = format!(
                        "'{relative}' brings in more than {MAX_MERGED} files, one that recurs counted as often"
                    );
                    let hint = Some("import shared files once, above the files that need them".to_owned());
                    self.problem(&mut out.problems, "too-many-imports", message, hint, import.pos);
                    break;
                }
                if trail.files.iter().any(|f| f.as_os_str() == file.as_os_str()) || trail.files.len() > MAX_CHAIN {
                    if out.problems.iter().any(|p| p.code == "import-cycle" && p.source == import.pos.source()) {
                        continue;
                    }
                    let message =
                        format!("import cycle: '{relative}' imports '{}', which leads back to it", self.relative(file));
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
                let merged = self.merged(file, &child, trail);
                out.templated |= merged.templated;
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
        out.layers.extend(imported.into_iter().map(Layer::Import));
        out.layers.push(Layer::Own(own));
    }
}
