//! From a wish to changes of files and the instances they concern; nothing is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use serde_json::Value;

use super::budget;
use super::error::RequestError;
use super::forms;
use super::unbound::{self, Reading, Script};
use crate::atmos::files::{Disk, Files};
use crate::atmos::yaml::edit::{self, Edit};
use crate::atmos::{Estate, LoadOptions, RunTarget};
use crate::domain::golden_path::{ConcernedInstance, GoldenPath, InstanceAction};
use crate::domain::request::{RequestKind, Wish};
use crate::domain::run::RunKind;
use crate::domain::run::order::order;
use crate::domain::stack::{InstanceRef, InstanceSummary, PathSegment, Severity};
use crate::platform::estate::Snapshot;
use crate::platform::golden_paths::{self, Asker, Changes, GoldenPathError, Ground, Overlay, Template};
use crate::platform::policies::{Bundle, CONFIG_FILE};
use crate::platform::settings::{self, Settings};
use crate::platform::teams::{self, Teams};

/// How many instances one request may concern.
const MOST: usize = 25;

/// What a wish comes to.
#[derive(Debug)]
pub(super) struct Proposal {
    /// One line.
    pub(super) title: String,
    /// The files.
    pub(super) changes: Changes,
    /// The instances, in the order in which they are applied.
    pub(super) instances: Vec<ConcernedInstance>,
    /// For each of them those among them that must be applied first.
    pub(super) needs: Vec<(InstanceRef, Vec<InstanceRef>)>,
    /// What is read in the place of plans.
    pub(super) script: Option<Script>,
    /// The estate as it will be.
    pub(super) after: Arc<Estate>,
    /// The golden path's form, for a provision.
    pub(super) form: Option<GoldenPath>,
}

/// Finds a golden path and its form.
pub(super) fn golden_path(snapshot: &Snapshot, name: &str) -> Result<(Template, GoldenPath), RequestError> {
    let root = snapshot.estate().root();
    if !root.join(golden_paths::FOLDER).join(name).join("template.yaml").is_file() || name.contains(['/', '.']) {
        let (all, _) = golden_paths::read(root, &Disk);
        let near = crate::atmos::did_you_mean(name, all.iter().map(|template| template.name.clone()));
        let hint = near.map(|near| format!("did you mean '{near}'?"));
        let hint = hint.unwrap_or_else(|| "`terrace list golden-paths` names them".to_owned());
        return Err(RequestError::invalid(
            "unknown-golden-path",
            format!("there is no golden path '{name}'"),
            Some(&hint),
        ));
    }
    let template = Template::read(root, &Disk, name)?;
    let form = template.form(&ground(snapshot))?;
    Ok((template, form))
}

/// Returns a golden path.
///
/// # Errors
///
/// Where there is none of that name, or its form cannot be made.
pub(crate) fn form(snapshot: &Snapshot, name: &str) -> Result<GoldenPath, RequestError> {
    golden_path(snapshot, name).map(|(_, form)| form)
}

/// Returns what golden paths are filled in with.
pub(crate) fn ground(snapshot: &Snapshot) -> Ground<'_> {
    Ground { estate: snapshot.estate(), teams: snapshot.teams(), files: Arc::new(Disk) }
}

/// Says what a wish comes to, with the files as they are. Resolves the estate once more, so it blocks.
pub(super) fn propose(
    snapshot: &Snapshot,
    wish: &Wish,
    requester: &str,
    today: Date,
) -> Result<Proposal, RequestError> {
    let estate = snapshot.estate();
    let mut form = None;
    let mut title = wish.title.clone().filter(|title| !title.trim().is_empty());
    let mut script = None;
    if let (RequestKind::Run | RequestKind::Retire, Some(stranger)) = (wish.kind, wish.inputs.keys().next()) {
        let message = format!("a request of kind {} asks for no '{stranger}'", wish.kind);
        let hint = "it knows no values: what it concerns stands in the estate's files, and is changed there";
        return Err(RequestError::invalid("inputs-unknown", message, Some(hint)));
    }
    let (changes, named) = match wish.kind {
        RequestKind::Provision => {
            let name = wish.golden_path.as_deref().ok_or_else(|| {
                RequestError::invalid(
                    "golden-path-missing",
                    "which golden path?",
                    Some("`terrace list golden-paths` names them"),
                )
            })?;
            let (template, path) = golden_path(snapshot, name)?;
            let inputs = path.inputs.with_defaults(&wish.inputs);
            let wrong = golden_paths::problems(&path, &inputs);
            if !wrong.is_empty() {
                return Err(RequestError::Inputs(wrong));
            }
            let team = snapshot.teams().all().iter().find(|team| team.members.iter().any(|member| member == requester));
            let asker = Asker { name: requester.to_owned(), team: team.map(|team| team.name.clone()), today };
            let changes = golden_paths::render(&template, &ground(snapshot), &asker, &inputs)?;
            let what = inputs.get("name").and_then(Value::as_str).map(|name| format!(" '{name}'")).unwrap_or_default();
            title = title.or_else(|| Some(format!("{}{what}", path.title)));
            form = Some(path);
            (changes, None)
        }
        RequestKind::Change => {
            let (instance, at) = instance(snapshot, wish)?;
            let changes = change(estate, &instance, wish)?;
            let wrong = forms::problems(&forms::values(snapshot, &instance, &at, wish)?, &wish.inputs);
            if !wrong.is_empty() {
                return Err(RequestError::Inputs(wrong));
            }
            let names: Vec<&str> = wish.inputs.keys().map(String::as_str).collect();
            title = title.or_else(|| Some(format!("Change {} of {at}", names.join(", "))));
            (changes, None)
        }
        RequestKind::Retire => {
            let (instance, at) = instance(snapshot, wish)?;
            title = title.or_else(|| Some(format!("Retire {at}")));
            (retire(estate, &instance)?, None)
        }
        RequestKind::Run if wish.workflow.is_some() => {
            let which = wish.workflow.clone().unwrap_or_default();
            title = title.or_else(|| Some(format!("Run workflow {} of {}", which.name, which.file)));
            let named = match unbound::read(estate, &which)? {
                Reading::Plans(instances) => instances,
                Reading::Script(read) => {
                    let touched = read.touches.iter().cloned();
                    let named = touched.map(|instance| ConcernedInstance { instance, action: InstanceAction::Change });
                    let named = named.collect();
                    script = Some(read);
                    named
                }
            };
            (Changes::default(), Some(named))
        }
        RequestKind::Run => {
            let (_, at) = instance(snapshot, wish)?;
            let action = match wish.run {
                Some(RunKind::Apply) | None => InstanceAction::Change,
                Some(RunKind::Destroy) => InstanceAction::Remove,
                Some(other) => return Err(forms::no_run(other)),
            };
            let verb = if action == InstanceAction::Remove { "Destroy" } else { "Apply" };
            title = title.or_else(|| Some(format!("{verb} {at}")));
            (Changes::default(), Some(vec![ConcernedInstance { instance: at, action }]))
        }
        RequestKind::Budget => {
            let (changes, said) = budget::change(estate, wish)?;
            title = title.or(Some(said));
            (changes, None)
        }
    };
    if changes.is_empty() && named.is_none() {
        return Err(RequestError::invalid("nothing-changes", "the estate is already as this request wants it", None));
    }
    rules_hold(&changes)?;
    let (after, instances, needs) = match named {
        Some(named) => {
            // The steps of a workflow go one after the other.
            let before = |at: usize| at.checked_sub(1).and_then(|at| named.get(at)).map(|one| one.instance.clone());
            let needs = named.iter().enumerate();
            let needs = needs.map(|(at, one)| (one.instance.clone(), before(at).into_iter().collect())).collect();
            (Arc::clone(estate), named, needs)
        }
        None => {
            let after = resolve(estate, &changes)?;
            let (instances, needs) = concerned(estate, &after)?;
            (Arc::new(after), instances, needs)
        }
    };
    if let (RequestKind::Retire, Some(at)) = (wish.kind, &wish.instance)
        && !instances.iter().any(|one| one.instance == *at && one.action == InstanceAction::Remove)
    {
        let message = format!("{at} would still be there: another file defines it too");
        let hint = format!("terrace explain {} -s {} shows the files", at.component, at.stack);
        return Err(RequestError::invalid("still-there", message, Some(&hint)));
    }
    if wish.kind == RequestKind::Change {
        took_effect(&after, wish)?;
    }
    if instances.len() > MOST {
        let message = format!("it concerns {} instances, and {MOST} are the most for one request", instances.len());
        return Err(RequestError::invalid("too-many-instances", message, Some("ask for less at a time")));
    }
    Ok(Proposal {
        title: title.unwrap_or_else(|| wish.kind.to_string()),
        changes,
        instances,
        needs,
        script,
        after,
        form,
    })
}

/// Refuses changes after which the platform's own rules could not be read: they would say no to everything.
fn rules_hold(changes: &Changes) -> Result<(), RequestError> {
    for change in changes.files() {
        let Some(text) = &change.after else { continue };
        let problem = match change.path.as_str() {
            teams::FILE => Teams::parse(text.as_bytes()).err(),
            settings::FILE => Settings::parse(text.as_bytes()).err(),
            CONFIG_FILE => {
                let bundle = Bundle::of(&[], Some(text));
                let wrong = bundle.problems().iter().find(|problem| problem.code == "policy-config-invalid");
                if let Some(wrong) = wrong {
                    let error = GoldenPathError::new("rules-broken", wrong.message.clone());
                    let place = wrong.location.as_ref();
                    return Err(place.map_or(error.clone(), |at| error.at(&at.file, at.line, at.column)).into());
                }
                None
            }
            _ => None,
        };
        if let Some(problem) = problem {
            let mut error = GoldenPathError::new("rules-broken", problem.message.clone());
            error.hint.clone_from(&problem.hint);
            error.source_at.clone_from(&problem.source);
            return Err(error.into());
        }
    }
    Ok(())
}

/// Finds the instance that a wish names.
pub(super) fn instance(snapshot: &Snapshot, wish: &Wish) -> Result<(InstanceSummary, InstanceRef), RequestError> {
    let at = wish.instance.clone().ok_or_else(|| {
        let message = format!("a request of kind {} needs an instance", wish.kind);
        RequestError::invalid("instance-missing", message, Some("name component and stack"))
    })?;
    let estate = snapshot.estate();
    estate.find(&at.component, &at.stack, None).map_err(crate::platform::PlatformError::from)?;
    let found = snapshot.instances().into_iter().find(|one| one.component == at.component && one.stack == at.stack);
    let found = found.filter(|found| !found.is_abstract).ok_or_else(|| {
        RequestError::invalid("component-abstract", format!("{at} is abstract: it is there to be inherited from"), None)
    })?;
    Ok((found, at))
}

pub(super) fn keys(parts: &[&str]) -> Vec<PathSegment> {
    parts.iter().map(|part| PathSegment::Key((*part).to_owned())).collect()
}

/// Splits `vars.tags.team`; a part in quotes may hold dots, a number is a list's item.
pub(super) fn path(text: &str) -> Vec<PathSegment> {
    let (mut parts, mut part, mut quoted, mut was_quoted) = (Vec::new(), String::new(), false, false);
    let mut end = |part: &mut String, was_quoted: &mut bool| {
        let text = std::mem::take(part);
        let quoted = std::mem::take(was_quoted);
        let index = text.parse().ok().filter(|_| !quoted);
        parts.push(index.map_or(PathSegment::Key(text), PathSegment::Index));
    };
    for c in text.chars() {
        match c {
            '"' => (quoted, was_quoted) = (!quoted, true),
            '.' if !quoted => end(&mut part, &mut was_quoted),
            c => part.push(c),
        }
    }
    end(&mut part, &mut was_quoted);
    parts
}

fn edited(estate: &Estate, file: &str, edits: &[Edit]) -> Result<Changes, RequestError> {
    let mut changes = Changes::default();
    let root = estate.root();
    let text = changes.text(root, &Disk, file)?.unwrap_or_default();
    let after = edit::apply(file, &text, edits, &estate.config().key_delimiter);
    let after =
        after.map_err(|fault| GoldenPathError::new(fault.code, fault.message).at(file, fault.line, fault.column))?;
    changes.put(root, &Disk, file, Some(after))?;
    Ok(changes)
}

/// Edits an instance's values in its stack's own file.
fn change(estate: &Estate, instance: &InstanceSummary, wish: &Wish) -> Result<Changes, RequestError> {
    if wish.inputs.is_empty() {
        return Err(RequestError::invalid("nothing-changes", "which values? such as vars.size=large", None));
    }
    let mut edits = Vec::new();
    for (name, value) in &wish.inputs {
        let mut at = keys(&["components", &instance.component_type, &instance.component]);
        let below = path(name);
        let section = match below.first() {
            Some(PathSegment::Key(section)) => section.as_str(),
            _ => "",
        };
        if !matches!(section, "vars" | "settings" | "env") || below.len() < 2 {
            let message = format!("'{name}' is not changed by a request");
            let hint = "values below vars, settings and env are: vars.size=large";
            return Err(RequestError::invalid("path-invalid", message, Some(hint)));
        }
        at.extend(below);
        edits.push(if value.is_null() { Edit::Remove(at) } else { Edit::Set(at, value.clone()) });
    }
    edited(estate, &instance.file, &edits)
}

/// Removes an instance from its stack's own file.
fn retire(estate: &Estate, instance: &InstanceSummary) -> Result<Changes, RequestError> {
    let at = keys(&["components", &instance.component_type, &instance.component]);
    let changes = edited(estate, &instance.file, &[Edit::Remove(at)])?;
    if !changes.is_empty() {
        return Ok(changes);
    }
    let (component, stack) = (&instance.component, &instance.stack);
    let id = estate.find(component, stack, Some(&instance.file)).map_err(crate::platform::PlatformError::from)?;
    let values = estate.explain(id, None).values;
    let own = |path: &[PathSegment]| matches!(path.first(), Some(PathSegment::Key(section)) if section == "metadata");
    let named = values.iter().find(|leaf| own(&leaf.path)).or(values.first()).and_then(|leaf| leaf.source.as_ref());
    let from = named.map(|at| format!(", it comes with {}:{}", at.file, at.line)).unwrap_or_default();
    let message = format!("{component} is not written in {}{from}", instance.file);
    let hint = format!(
        "take it out there, for every stack that imports it; or ask for the end of what it deployed here: terrace request new --destroy {component} -s {stack}"
    );
    Err(RequestError::invalid("written-elsewhere", message, Some(&hint)))
}

/// A value that something stronger overrides would change a file and nothing else.
fn took_effect(after: &Estate, wish: &Wish) -> Result<(), RequestError> {
    let Some(at) = &wish.instance else { return Ok(()) };
    let id = after.find(&at.component, &at.stack, None).map_err(crate::platform::PlatformError::from)?;
    for (name, value) in wish.inputs.iter().filter(|(_, value)| !value.is_null() && !value.is_object()) {
        let wanted = path(name);
        let found = after.explain(id, Some(&wanted)).values.into_iter().find(|leaf| leaf.path == wanted);
        let Some(found) = found else { continue };
        let same = found.value == *value || found.value.as_f64().is_some_and(|number| value.as_f64() == Some(number));
        let written = value.to_string();
        let text = found.value.as_str().is_some_and(|text| text == written);
        if !same && !text && !value.is_array() {
            let by = found.source.map(|at| format!(" by {}:{}", at.file, at.line)).unwrap_or_default();
            let message = format!("'{name}' would still be {}: it is set{by}, which comes later", found.value);
            return Err(RequestError::invalid("overridden", message, Some("change it there")));
        }
    }
    Ok(())
}

/// Resolves the estate with the changes laid over it; a problem that was not there before refuses them.
fn resolve(estate: &Estate, changes: &Changes) -> Result<Estate, RequestError> {
    let files: Arc<dyn Files> = Arc::new(Overlay::new(Arc::new(Disk), estate.root(), changes));
    let options = LoadOptions { files, ..estate.options().clone() };
    let after = Estate::load(estate.root(), &options).map_err(crate::platform::PlatformError::from)?;
    let known: Vec<(&str, &str)> =
        estate.diagnostics().iter().map(|problem| (problem.code.as_str(), problem.message.as_str())).collect();
    let new = after.diagnostics().iter().find(|problem| {
        problem.severity == Severity::Error && !known.contains(&(problem.code.as_str(), problem.message.as_str()))
    });
    match new {
        None => Ok(after),
        Some(problem) => {
            let message = format!("the estate would not resolve any more: {}", problem.message);
            let mut error = GoldenPathError::new("estate-broken", message);
            error.hint.clone_from(&problem.hint);
            error.source_at.clone_from(&problem.source);
            Err(error.into())
        }
    }
}

/// The instances of a proposal, and for each those that must be applied first.
type Concerned = (Vec<ConcernedInstance>, Vec<(InstanceRef, Vec<InstanceRef>)>);

/// Returns the instances whose runs differ, in the order in which they are applied: what goes comes first.
fn concerned(before: &Estate, after: &Estate) -> Result<Concerned, RequestError> {
    let targets = |estate: &Estate| -> BTreeMap<InstanceRef, RunTarget> {
        let summaries = estate.instances();
        summaries
            .into_iter()
            .zip(estate.ids())
            .filter(|(one, _)| !one.is_abstract)
            .filter_map(|(one, id)| {
                Some((InstanceRef { component: one.component, stack: one.stack }, estate.run_target(id)?))
            })
            .collect()
    };
    let (was, is) = (targets(before), targets(after));
    let mut actions: BTreeMap<InstanceRef, InstanceAction> = BTreeMap::new();
    for (at, target) in &is {
        match was.get(at) {
            None if target.enabled => drop(actions.insert(at.clone(), InstanceAction::Create)),
            Some(old) if old != target && target.enabled => drop(actions.insert(at.clone(), InstanceAction::Change)),
            _ => {}
        }
    }
    for at in was.keys().filter(|at| !is.contains_key(*at)) {
        actions.insert(at.clone(), InstanceAction::Remove);
    }
    let (mut ordered, mut needs) = (Vec::new(), Vec::new());
    for (estate, removing) in [(before, true), (after, false)] {
        let members: Vec<InstanceRef> = actions
            .iter()
            .filter(|(_, action)| (**action == InstanceAction::Remove) == removing)
            .map(|(at, _)| at.clone())
            .collect();
        let sorted =
            order(&members, &estate.dependencies(), removing).map_err(crate::platform::runs::RunError::from)?;
        for (instance, before) in sorted {
            let action = actions.get(&instance).copied().unwrap_or(InstanceAction::Change);
            needs.push((instance.clone(), before));
            ordered.push(ConcernedInstance { instance, action });
        }
    }
    Ok((ordered, needs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_dots_in_quotes_and_know_items() {
        let key = |text: &str| PathSegment::Key(text.to_owned());
        assert_eq!(path("vars.tags.team"), [key("vars"), key("tags"), key("team")]);
        assert_eq!(path("vars.\"a.b\".0"), [key("vars"), key("a.b"), PathSegment::Index(0)]);
        assert_eq!(path("vars.\"0\""), [key("vars"), key("0")]);
    }
}
