//! Fills a golden path in: checks the inputs, renders its texts, and edits files in memory.
//!
//! Undefined names are errors, instructions are counted (a loop without an end stops there), and what is rendered must
//! read as what its name says. Files on the disk are not touched.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::civil::Date;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value, json};

use super::changes::Changes;
use super::template::{EditFile, NewFile, Place, Template, Write};
use super::{FOLDER, GoldenPathError};
use crate::atmos::Estate;
use crate::atmos::files::Files;
use crate::atmos::yaml::edit::{self, Edit};
use crate::domain::golden_path::{GoldenPath, InputProblem};
use crate::domain::service::Input;
use crate::domain::stack::PathSegment;
use crate::platform::teams::Teams;

/// How many instructions one text may take; the largest of the demo's takes some hundreds.
const FUEL: u64 = 200_000;

/// What a golden path is filled in with besides its inputs.
pub struct Ground<'a> {
    /// The estate as it is.
    pub estate: &'a Estate,
    /// Its teams.
    pub teams: &'a Teams,
    /// Its files.
    pub files: Arc<dyn Files>,
}

impl Ground<'_> {
    fn root(&self) -> &Path {
        self.estate.root()
    }

    /// Returns the variables of a component folder; `None` where there is no such folder.
    pub(crate) fn variables(&self, component: &str) -> Option<Vec<Input>> {
        let service = crate::atmos::catalog::services(self.estate, self.files.as_ref(), Some(component));
        service.into_iter().find(|service| service.name == component && service.exists).map(|service| service.inputs)
    }
}

/// Who asks, and when.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The person.
    pub name: String,
    /// The team the person belongs to, where there is one.
    pub team: Option<String>,
    /// Today.
    pub today: Date,
}

/// Checks inputs against the form; none is wrong where the list is empty.
#[must_use]
pub fn problems(form: &GoldenPath, inputs: &Map<String, Value>) -> Vec<InputProblem> {
    let problem = |input: &str, message: String| InputProblem { input: input.to_owned(), message };
    let validator = match jsonschema::validator_for(&form.inputs.0) {
        Ok(validator) => validator,
        Err(error) => return vec![problem("", format!("the form of '{}' cannot be checked: {error}", form.name))],
    };
    let mut found = Vec::new();
    for (name, _) in
        form.inputs.properties().filter(|(name, _)| form.inputs.requires(name) && !inputs.contains_key(*name))
    {
        found.push(problem(name, format!("'{name}' is missing")));
    }
    for name in inputs.keys().filter(|name| !form.inputs.properties().any(|(known, _)| known == *name)) {
        let near = crate::atmos::did_you_mean(name, form.inputs.properties().map(|(known, _)| known.to_owned()));
        let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
        found.push(problem(name, format!("'{}' asks for no '{name}'{near}", form.name)));
    }
    for error in validator.iter_errors(&Value::Object(inputs.clone())) {
        let path = error.instance_path().to_string();
        let input = path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        if !input.is_empty() {
            let deeper = path.trim_start_matches('/').replace('/', ".");
            found.push(problem(&input, format!("{deeper}: {error}")));
        }
    }
    found
}

/// Returns what a golden path changes, with these inputs (defaults filled in already).
///
/// # Errors
///
/// A template that cannot be rendered, what is rendered and is no YAML, a path that leads out of the estate, an edit
/// that cannot be made; nothing is changed then.
pub fn render(
    template: &Template,
    ground: &Ground<'_>,
    asker: &Asker,
    inputs: &Map<String, Value>,
) -> Result<Changes, GoldenPathError> {
    let mut work = Work { template, ground, context: Map::new(), env: environment(), changes: Changes::default() };
    for name in template.inputs.keys() {
        // An input that was not given is there and none, so that a template can ask for it.
        work.context.insert(name.clone(), inputs.get(name).cloned().unwrap_or(Value::Null));
    }
    work.context.insert("requester".to_owned(), json!(asker.name));
    work.context.insert("requester_team".to_owned(), json!(asker.team));
    work.context.insert("today".to_owned(), json!(asker.today.to_string()));
    if let Some(stack) = inputs.get("stack").and_then(Value::as_str) {
        let known = ground.estate.stacks().into_iter().find(|known| known.stack == stack);
        match known.as_ref().map(|known| known.files.as_slice()) {
            Some([file]) => work.context.insert("stack_file".to_owned(), json!(file)),
            Some(files) => {
                let message = format!("stack '{stack}' is made by {} files: {}", files.len(), files.join(", "));
                return Err(GoldenPathError::new("stack-ambiguous", message));
            }
            None => None,
        };
    }
    if let Some(days) = inputs.get("days").and_then(Value::as_i64) {
        let end = asker.today.checked_add(jiff::Span::new().days(days));
        let end = end.map_err(|_| GoldenPathError::new("input-invalid", format!("{days} days lead nowhere")))?;
        work.context.insert("expires_on".to_owned(), json!(end.to_string()));
    }
    for write in &template.writes {
        match write {
            Write::Edit(edit) => work.edit(edit)?,
            Write::File(file) => work.file(file)?,
        }
    }
    Ok(work.changes)
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(50);
    let mut syntax = SyntaxConfig::builder();
    syntax.keep_trailing_newline(true);
    // Without delimiters of one's own this cannot fail.
    if let Ok(syntax) = syntax.build() {
        env.set_syntax(syntax);
    }
    env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    // A date so many days later: `today|plus_days(14)`.
    env.add_filter("plus_days", |date: String, days: i64| {
        let wrong = |why: String| minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, why);
        let date: Date = date.parse().map_err(|error: jiff::Error| wrong(error.to_string()))?;
        let end = date.checked_add(jiff::Span::new().days(days)).map_err(|error| wrong(error.to_string()))?;
        Ok(end.to_string())
    });
    env
}

struct Work<'a> {
    template: &'a Template,
    ground: &'a Ground<'a>,
    context: Map<String, Value>,
    env: Environment<'static>,
    changes: Changes,
}

impl Work<'_> {
    fn shown(&self, file: &str) -> String {
        format!("{FOLDER}/{}/{file}", self.template.name)
    }

    /// Says of a text of `template.yaml` why it cannot be rendered, with the line there.
    fn broken_text(&self, text: &str, error: &minijinja::Error) -> GoldenPathError {
        self.placed(self.failed("template.yaml", error), text, error.line().unwrap_or(1))
    }

    /// Says of a template beside it the same.
    fn broken(&self, file: &str, error: &minijinja::Error) -> GoldenPathError {
        let line = error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(1);
        self.failed(file, error).at(&self.shown(file), line, 1)
    }

    /// Names the line of `template.yaml` where a line of one of its texts stands, as far as it is written as it is.
    fn placed(&self, error: GoldenPathError, text: &str, line: usize) -> GoldenPathError {
        let wanted = text.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        let path = self.ground.root().join(self.shown("template.yaml"));
        let whole = self.ground.files.read(&path).unwrap_or_default();
        let whole = String::from_utf8_lossy(&whole);
        let found = (1_u32..).zip(whole.lines()).find(|(_, own)| !wanted.is_empty() && own.contains(wanted));
        match found {
            Some((line, _)) => error.at(&self.shown("template.yaml"), line, 1),
            None => error,
        }
    }

    fn failed(&self, file: &str, error: &minijinja::Error) -> GoldenPathError {
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        let shown = self.shown(file);
        let looped = error.kind() == minijinja::ErrorKind::OutOfFuel;
        let message = if looped {
            format!("{shown} does not come to an end: it was stopped after {FUEL} instructions")
        } else {
            format!("{shown} cannot be rendered: {}{detail}", error.kind())
        };
        let failed = GoldenPathError::new("template-failed", message);
        if looped { failed.hint("look for a loop over too much, or one that calls itself") } else { failed }
    }

    fn context(&self) -> minijinja::Value {
        minijinja::Value::from(minijinja::value::Serde(&self.context))
    }

    fn text(&self, text: &str) -> Result<String, GoldenPathError> {
        self.env.render_str(text, self.context()).map_err(|error| self.broken_text(text, &error))
    }

    /// Renders the texts in a value. A text that is one expression keeps its value's type; what is null goes.
    fn value(&self, value: &Value) -> Result<Value, GoldenPathError> {
        Ok(match value {
            Value::String(text) => match whole(text) {
                Some(expression) => {
                    let compiled = self.env.compile_expression(expression);
                    let found = compiled.and_then(|compiled| compiled.eval(self.context()));
                    let found = found.map_err(|error| self.broken_text(text, &error))?;
                    if found.is_undefined() {
                        let message = format!("{}: '{expression}' is not defined", self.shown("template.yaml"));
                        return Err(self.placed(GoldenPathError::new("template-failed", message), text, 1));
                    }
                    serde_json::to_value(found).unwrap_or(Value::Null)
                }
                None => Value::String(self.text(text)?),
            },
            Value::Array(items) => {
                let items: Result<Vec<Value>, _> = items.iter().map(|item| self.value(item)).collect();
                Value::Array(items?.into_iter().filter(|item| !item.is_null()).collect())
            }
            Value::Object(entries) => {
                let mut rendered = Map::new();
                for (key, value) in entries {
                    let value = self.value(value)?;
                    if !value.is_null() {
                        rendered.insert(self.text(key)?, value);
                    }
                }
                Value::Object(rendered)
            }
            other => other.clone(),
        })
    }

    fn path(&self, place: &Place) -> Result<Vec<PathSegment>, GoldenPathError> {
        place.at.iter().map(|key| Ok(PathSegment::Key(self.text(key)?))).collect()
    }

    fn edit(&mut self, write: &EditFile) -> Result<(), GoldenPathError> {
        let file = self.text(&write.edit)?;
        let (root, files) = (self.ground.root(), Arc::clone(&self.ground.files));
        let text = self
            .changes
            .text(root, files.as_ref(), &file)?
            .ok_or_else(|| GoldenPathError::new("file-missing", format!("{file} is to be edited, and is not there")))?;
        let delimiter = self.ground.estate.config().key_delimiter.clone();
        let fault = |fault: crate::atmos::yaml::Fault| {
            GoldenPathError::new(fault.code, fault.message).at(&file, fault.line, fault.column)
        };
        let whole = edit::value_of(&file, &text, &delimiter).map_err(fault)?;
        let mut edits = Vec::new();
        let imported = self.imports_of(&file);
        for import in &write.imports {
            let import = self.text(import)?;
            if !imported.contains(&import) {
                edits.push(Edit::Append(vec![PathSegment::Key("import".to_owned())], json!(import)));
            }
        }
        for place in &write.set {
            let path = self.path(place)?;
            if place.new && value_at(&whole, &path).is_some() {
                let message = format!("{file} has '{}' already", edit::shown(&path));
                return Err(GoldenPathError::new("already-there", message)
                    .hint("choose another name, or ask for a change of what is there"));
            }
            let value = self.value(&place.value)?;
            if !value.is_null() {
                edits.push(Edit::Set(path, value));
            }
        }
        for place in &write.append {
            let (path, value) = (self.path(place)?, self.value(&place.value)?);
            if let Some(key) = &place.unique {
                let items = value_at(&whole, &path).and_then(Value::as_array);
                if items.into_iter().flatten().any(|item| item.get(key) == value.get(key)) {
                    let message = format!("{file} has '{}' in '{}' already", value[key], edit::shown(&path));
                    return Err(GoldenPathError::new("already-there", message).hint("choose another name"));
                }
            }
            edits.push(Edit::Append(path, value));
        }
        let after = edit::apply(&file, &text, &edits, &delimiter).map_err(fault)?;
        self.changes.put(root, files.as_ref(), &file, Some(after))
    }

    /// Returns the stack files that one imports, directly or through others, as imports name them.
    fn imports_of(&self, file: &str) -> BTreeSet<String> {
        let edges = self.ground.estate.imports();
        let config = self.ground.estate.config();
        let base = config.stacks_path.strip_prefix(self.ground.root()).unwrap_or(&config.stacks_path).to_path_buf();
        let mut found = BTreeSet::new();
        let mut open = vec![file.to_owned()];
        let mut seen = BTreeSet::new();
        while let Some(file) = open.pop() {
            if !seen.insert(file.clone()) {
                continue;
            }
            for edge in edges.iter().filter(|edge| edge.from == file) {
                let bare = Path::new(&edge.to).strip_prefix(&base).unwrap_or(Path::new(&edge.to)).with_extension("");
                found.insert(bare.to_string_lossy().into_owned());
                open.push(edge.to.clone());
            }
        }
        found
    }

    fn file(&mut self, write: &NewFile) -> Result<(), GoldenPathError> {
        let file = self.text(&write.file)?;
        let (root, files) = (self.ground.root(), Arc::clone(&self.ground.files));
        if self.changes.text(root, files.as_ref(), &file)?.is_some() {
            if write.unless_there {
                return Ok(());
            }
            return Err(GoldenPathError::new("already-there", format!("{file} is there already"))
                .hint("choose another name, or ask for a change of what is there"));
        }
        let source = self.template.texts.get(&write.template).map(String::as_str).unwrap_or_default();
        let rendered = self.env.render_named_str(&write.template, source, self.context());
        let rendered = rendered.map_err(|error| self.broken(&write.template, &error))?;
        if file.ends_with(".yaml") || file.ends_with(".yml") {
            edit::value_of(&file, &rendered, "").map_err(|fault| {
                let message = format!("{} renders what is no YAML: {}", self.shown(&write.template), fault.message);
                GoldenPathError::new("rendered-invalid", message).at(&file, fault.line, fault.column)
            })?;
        }
        self.changes.put(root, files.as_ref(), &file, Some(rendered))
    }
}

/// Returns the expression of a text that is nothing else.
fn whole(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    (!inner.contains("{{") && !inner.contains("}}")).then(|| inner.trim())
}

fn value_at<'v>(value: &'v Value, path: &[PathSegment]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| match segment {
        PathSegment::Key(key) => value.get(key),
        PathSegment::Index(at) => value.get(at),
    })
}

#[cfg(test)]
#[path = "render_tests.rs"]
mod tests;
