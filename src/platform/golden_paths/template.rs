//! The shape of `template.yaml`, and the form it makes.

use std::collections::BTreeMap;
use std::path::Path;

use globset::Glob;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::render::Ground;
use super::{FOLDER, GoldenPathError};
use crate::atmos::files::Files;
use crate::domain::golden_path::{GoldenPath, Inputs, schema_of};
use crate::platform::settings::parse_yaml;

/// A golden path as its author wrote it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// A few words.
    pub title: String,
    /// One paragraph.
    #[serde(default)]
    pub description: String,
    /// The team that looks after it.
    #[serde(default)]
    pub owner: Option<String>,
    /// How important what it makes is.
    #[serde(default)]
    pub tier: Option<String>,
    /// The component folder that it provisions.
    #[serde(default)]
    pub service: Option<String>,
    /// The inputs, in the order in which they are asked for.
    #[serde(default)]
    pub inputs: Map<String, Value>,
    /// What it writes, in order.
    pub writes: Vec<Write>,
    /// The texts of the templates beside it, by file name.
    #[serde(skip)]
    pub texts: BTreeMap<String, String>,
}

/// One file that is written or edited.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Write {
    /// Edits a file in place.
    Edit(EditFile),
    /// Writes a new file from a template beside this one.
    File(NewFile),
}

/// Edits of one file, in place.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditFile {
    /// The file, relative to the estate's root; a template.
    pub edit: String,
    /// Stack files that the edited one needs: imported unless it does already, directly or through others.
    #[serde(default)]
    pub imports: Vec<String>,
    /// Values that are set.
    #[serde(default)]
    pub set: Vec<Place>,
    /// Items that are appended to lists.
    #[serde(default)]
    pub append: Vec<Place>,
}

/// A value and its path; texts in both are templates, and a value that comes to nothing is left out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The path, key by key.
    pub at: Vec<String>,
    /// The value.
    pub value: Value,
    /// Refuses where there is a value already.
    #[serde(default)]
    pub new: bool,
    /// The key in which an appended item must differ from all others of its list, such as `name`.
    #[serde(default)]
    pub unique: Option<String>,
}

/// A new file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFile {
    /// The file, relative to the estate's root; a template.
    pub file: String,
    /// The template's file name, beside `template.yaml`.
    pub template: String,
    /// Leaves a file alone that is there already, instead of refusing.
    #[serde(default)]
    pub unless_there: bool,
}

/// What an input may say beside JSON Schema.
const OWN: [&str; 5] = ["required", "choices", "of", "variable", "order"];

impl Template {
    /// Reads one template with the texts beside it.
    ///
    /// # Errors
    ///
    /// With file and line, where it cannot be read or says something that makes no form.
    pub fn read(root: &Path, files: &dyn Files, name: &str) -> Result<Self, GoldenPathError> {
        let folder = root.join(FOLDER).join(name);
        let shown = format!("{FOLDER}/{name}/template.yaml");
        let invalid = |message: String| GoldenPathError::new("golden-path-invalid", format!("{shown}: {message}"));
        let within = |file: &str| {
            let (real, root) = (files.real(&folder.join(file)), files.real(root));
            match (real, root) {
                (Ok(real), Ok(root)) if !real.starts_with(&root) => {
                    Err(invalid(format!("'{file}' is a link that leads out of the estate")))
                }
                _ => Ok(()),
            }
        };
        within("template.yaml")?;
        let bytes = files.read(&folder.join("template.yaml")).map_err(|error| invalid(error.to_string()))?;
        let mut template: Self = parse_yaml(&shown, &bytes).map_err(|problem| {
            let error = GoldenPathError::new("golden-path-invalid", problem.message);
            match problem.source {
                Some(at) => error.at(&at.file, at.line, at.column),
                None => error,
            }
        })?;
        name.clone_into(&mut template.name);
        if template.title.trim().is_empty() {
            return Err(invalid("it has no title".to_owned()));
        }
        if template.writes.is_empty() {
            return Err(invalid("it writes nothing".to_owned()).hint("`writes` lists the files it writes or edits"));
        }
        for write in &template.writes {
            let Write::File(file) = write else { continue };
            let plain = Path::new(&file.template).components().count() == 1 && !file.template.starts_with('.');
            if !plain {
                return Err(invalid(format!("the template '{}' leads out of the golden path's folder", file.template)));
            }
            within(&file.template)?;
            let text = files.read(&folder.join(&file.template)).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or_else(|| invalid(format!("there is no template '{}' beside it", file.template)))?;
            template.texts.insert(file.template.clone(), text);
        }
        if let Some((input, _)) = template.inputs.iter().find(|(_, schema)| !schema.is_object()) {
            return Err(invalid(format!("the input '{input}' is no map")));
        }
        Ok(template)
    }

    /// Makes the form: choices of the estate and what variables declare are filled in.
    ///
    /// # Errors
    ///
    /// A variable that its component does not declare, a list of choices that the estate does not have, or what is no
    /// JSON Schema.
    pub fn form(&self, ground: &Ground<'_>) -> Result<GoldenPath, GoldenPathError> {
        let shown = format!("{FOLDER}/{}/template.yaml", self.name);
        let invalid = |message: String| GoldenPathError::new("golden-path-invalid", format!("{shown}: {message}"));
        let mut entries: Vec<(i64, String, Value)> = Vec::new();
        let mut required = Vec::new();
        for (position, (name, own)) in self.inputs.iter().enumerate() {
            let mut keys = match own["variable"].as_str() {
                Some(variable) => self.variable(variable, ground).map_err(|why| invalid(format!("'{name}': {why}")))?,
                None => Map::new(),
            };
            for (key, value) in own.as_object().into_iter().flatten() {
                if !OWN.contains(&key.as_str()) {
                    keys.insert(key.clone(), value.clone());
                }
            }
            if let Some(choices) = own["choices"].as_str() {
                let found = choose(choices, own["of"].as_str(), ground);
                let found = found.map_err(|why| invalid(format!("'{name}': {why}")))?;
                keys.entry("type").or_insert(json!("string"));
                keys.insert("enum".to_owned(), Value::from(found));
            }
            if own["required"] == true || (own["required"].is_null() && !keys.contains_key("default")) {
                required.push(name.clone());
            }
            let order = own["order"].as_i64().unwrap_or_else(|| i64::try_from(position).unwrap_or(i64::MAX));
            entries.push((order, name.clone(), Value::Object(keys)));
        }
        entries.sort_by_key(|(order, ..)| *order);
        let properties: Map<String, Value> = entries.into_iter().map(|(_, name, schema)| (name, schema)).collect();
        let inputs = Inputs::of(properties, &required);
        jsonschema::validator_for(&inputs.0)
            .map_err(|error| invalid(format!("the inputs are no JSON Schema: {error}")))?;
        Ok(GoldenPath {
            name: self.name.clone(),
            title: self.title.clone(),
            description: self.description.trim().to_owned(),
            owner: self.owner.clone(),
            tier: self.tier.clone(),
            service: self.service.clone(),
            inputs,
            file: shown,
        })
    }

    /// Returns the schema of `variable` of the service, or of `component.variable`.
    fn variable(&self, reference: &str, ground: &Ground<'_>) -> Result<Map<String, Value>, String> {
        let (component, variable) = match (reference.rsplit_once('.'), &self.service) {
            (Some((component, variable)), _) => (component, variable),
            (None, Some(service)) => (service.as_str(), reference),
            (None, None) => return Err(format!("'{reference}' does not say of which component: COMPONENT.VARIABLE")),
        };
        let inputs =
            ground.variables(component).ok_or_else(|| format!("there is no Terraform component '{component}'"))?;
        let found = inputs.iter().find(|input| input.name == variable).ok_or_else(|| {
            let near = crate::atmos::did_you_mean(variable, inputs.iter().map(|input| input.name.clone()));
            let near = near.map(|near| format!("; did you mean '{near}'?")).unwrap_or_default();
            format!("component '{component}' declares no variable '{variable}'{near}")
        })?;
        match schema_of(found) {
            Value::Object(keys) => Ok(keys),
            _ => Ok(Map::new()),
        }
    }
}

/// Returns what the estate offers; `of` narrows it by a glob.
fn choose(choices: &str, of: Option<&str>, ground: &Ground<'_>) -> Result<Vec<String>, String> {
    let mut found: Vec<String> = match choices {
        "stacks" => ground.estate.stacks().into_iter().map(|stack| stack.stack).collect(),
        "teams" => ground.teams.all().iter().map(|team| team.name.clone()).collect(),
        "components" => {
            let instances = ground.estate.instances().into_iter();
            instances.filter(|instance| !instance.is_abstract).map(|instance| instance.component).collect()
        }
        other => return Err(format!("the estate has no list of '{other}'; it has stacks, teams and components")),
    };
    if let Some(of) = of {
        let glob = Glob::new(of).map_err(|error| format!("'{of}' is no pattern: {}", error.kind()))?.compile_matcher();
        found.retain(|name| glob.is_match(name));
    }
    found.sort();
    found.dedup();
    if found.is_empty() {
        return Err(format!("the estate has no {choices}{}", of.map(|of| format!(" like '{of}'")).unwrap_or_default()));
    }
    Ok(found)
}
