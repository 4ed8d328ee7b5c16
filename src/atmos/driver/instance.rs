//! Plan, apply, destroy and drift of one instance, as a script.
//!
//! Driver `terraform` does what Atmos does, with the same names and files; driver `atmos` lets Atmos do it. In both
//! the plan lies outside the component's folder and exactly it is applied: `-out=` first, then `apply F` (Atmos:
//! `--planfile F`, since `--from-plan` plans anew).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files;
use super::read;
use super::script::{Accept, Action, Exec, Output, Script, StepTitle};
use super::tools::Tools;
use crate::atmos::{AtmosError, RunTarget};
use crate::domain::id::Digest;
use crate::domain::run::lock::LockKey;
use crate::domain::run::{DriverKind, RunKind};

/// Where a run keeps what is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The estate's root.
    pub root: PathBuf,
    /// The plan file.
    pub plan: PathBuf,
    /// The plan as JSON.
    pub plan_json: PathBuf,
    /// The state as it is right before an approved plan is applied.
    pub state: PathBuf,
    /// What Terraform puts out after the apply of an approved plan.
    pub outputs: PathBuf,
    /// `TF_DATA_DIR`.
    pub data: PathBuf,
    /// The provider cache that all runs share.
    pub cache: PathBuf,
    /// Whether the root is a working copy: Atmos is then told to stay in it.
    pub copied: bool,
}

/// What is asked for one instance.
pub struct Asked<'a> {
    /// Plan, apply, destroy or drift; a command only reads the state.
    pub kind: RunKind,
    /// Further arguments for `plan`.
    pub args: &'a [String],
    /// Whether the plan is confirmed ahead.
    pub yes: bool,
    /// The digest of a plan that was made before and approved: it lies in its place, and is applied as it is.
    pub approved: Option<&'a Digest>,
    /// Whether gates are in force: a yes may then take its time.
    pub gates: bool,
    /// For how many seconds it waits for a yes.
    pub seconds: u64,
    /// Whether Git tracks a file; such a file is as before when the run lets go of the folder.
    pub tracked: &'a dyn Fn(&Path) -> bool,
}

/// Refuses what Atmos refuses, and what this driver cannot do.
///
/// # Errors
///
/// Abstract, disabled or locked components; values that only Atmos can evaluate; types that are not Terraform's; a
/// driver that is not installed.
pub fn check(driver: DriverKind, tools: &Tools, target: &RunTarget, kind: RunKind) -> Result<(), AtmosError> {
    let at = format!("{}@{}", target.component, target.stack);
    if target.is_abstract {
        return Err(AtmosError::new(
            "component-abstract",
            format!("{at} is abstract: it is there to be inherited from"),
        )
        .hint("`terrace list instances` shows what can be planned"));
    }
    if !target.enabled {
        return Err(AtmosError::new("component-disabled", format!("{at} is disabled, so nothing runs"))
            .hint("its metadata.enabled is false"));
    }
    if target.locked && kind.applies() {
        return Err(AtmosError::new("component-locked", format!("{at} is locked: it can be planned, not changed"))
            .hint("its metadata.locked is true"));
    }
    match driver {
        DriverKind::Atmos if tools.atmos.is_none() => Err(AtmosError::new("atmos-missing", "atmos is not installed")
            .hint("install it, set ATMOS_BIN, or use --driver terraform")),
        DriverKind::Atmos if target.component_type != "terraform" => Err(AtmosError::new(
            "not-terraform",
            format!("{at} is a {} component, which has no plan", target.component_type),
        )
        .hint(format!("terrace atmos {} … runs any Atmos command", target.component_type))),
        DriverKind::Atmos => Ok(()),
        DriverKind::Terraform if target.component_type != "terraform" => Err(AtmosError::new(
            "only-atmos",
            format!("{at} is a {} component, and only Atmos can run it", target.component_type),
        )
        .hint("install atmos, or set ATMOS_BIN")),
        DriverKind::Terraform if !target.unevaluated.is_empty() => Err(AtmosError::new(
            "only-atmos",
            format!(
                "{at} has values that only Atmos can evaluate (templates or YAML functions): {}",
                target.unevaluated.join(", ")
            ),
        )
        .hint("install atmos, or set ATMOS_BIN; then --driver atmos")),
        DriverKind::Terraform if tools.terraform.is_none() && !target.command.contains('/') => {
            Err(AtmosError::new("terraform-missing", "neither terraform nor tofu is installed")
                .hint("put one of them on your PATH"))
        }
        DriverKind::Terraform if target.auto_generate_backend_file && target.backend_type.is_empty() => Err(
            AtmosError::new("backend-type-missing", format!("{at} has no backend_type, and a backend file is wanted"))
                .hint("set backend_type, or auto_generate_backend_file: false in atmos.yaml"),
        ),
        DriverKind::Terraform => Ok(()),
    }
}

/// Returns what a run of this instance locks: its folder and its state.
#[must_use]
pub fn locks(target: &RunTarget, root: &Path) -> Vec<LockKey> {
    let folder = target.folder.strip_prefix(root).unwrap_or(&target.folder).display().to_string();
    // A local state lies in the folder, wherever the backend says; others are known by their configuration.
    let config = if target.has_local_state() { folder.clone() } else { files::json_text(&target.backend) };
    let workspace = target.workspace.as_deref().unwrap_or("default");
    vec![LockKey::folder(&folder), LockKey::state(&target.backend_type, &config, workspace)]
}

/// Returns what a person would type.
#[must_use]
pub fn typed(target: &RunTarget, kind: RunKind, args: &[String]) -> String {
    let verb: &[&str] = match kind {
        RunKind::Drift => &["plan"],
        RunKind::Command => &["atmos", "terraform", "show"],
        _ => &[kind.name()],
    };
    let mut words: Vec<String> = ["terrace"].iter().chain(verb).map(|word| (*word).to_owned()).collect();
    words.extend([target.component.clone(), "-s".to_owned(), target.stack.clone()]);
    if !args.is_empty() {
        words.push("--".to_owned());
        words.extend(args.iter().cloned());
    }
    super::quote(&words)
}

/// Writes the script of a run of one instance.
///
/// # Errors
///
/// As [`check`].
pub fn script(
    driver: DriverKind,
    tools: &Tools,
    target: &RunTarget,
    places: &Places,
    asked: &Asked<'_>,
) -> Result<Script, AtmosError> {
    check(driver, tools, target, asked.kind)?;
    if asked.kind == RunKind::Command {
        return read::state(driver, tools, target, places, asked);
    }
    Ok(match driver {
        DriverKind::Atmos => by_atmos(tools, target, places, asked),
        DriverKind::Terraform => by_terraform(tools, target, places, asked),
    })
}

/// Builds a script step by step.
pub(super) struct Writer {
    pub(super) script: Script,
    folder: PathBuf,
    env: BTreeMap<String, Option<String>>,
}

impl Writer {
    pub(super) fn new(folder: PathBuf, env: BTreeMap<String, Option<String>>) -> Self {
        Self { script: Script::default(), folder, env }
    }

    pub(super) fn exec(&self, argv: Vec<String>, output: Output) -> Exec {
        Exec {
            step: self.script.steps.len().saturating_sub(1),
            argv,
            folder: self.folder.clone(),
            env: self.env.clone(),
            output,
            success: vec![0],
            otherwise: None,
            applies: None,
            terminal: false,
            guards: false,
            retry: None,
        }
    }

    pub(super) fn step(&mut self, name: &str, argv: &[String]) {
        self.script.steps.push(StepTitle { name: name.to_owned(), command: super::quote(argv), skipped: false });
    }

    pub(super) fn push(&mut self, action: Action) {
        self.script.actions.push(action);
    }
}

pub(super) fn words(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

pub(super) fn path(path: &Path) -> String {
    path.display().to_string()
}

/// The program that Atmos would run: the component's `command`, else whatever is installed.
pub(super) fn program(tools: &Tools, target: &RunTarget) -> String {
    let installed =
        tools.terraform.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match (target.command.as_str(), installed) {
        ("" | "terraform", Some(installed)) => installed,
        ("", None) => "terraform".to_owned(),
        (command, _) => command.to_owned(),
    }
}

/// The environment that Atmos gives to Terraform; the component's own `env` comes last and beats the process's.
pub(super) fn environment(target: &RunTarget, places: &Places, atmos: bool) -> BTreeMap<String, Option<String>> {
    let mut env: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        env.insert(name.to_owned(), Some(value));
    };
    if !atmos || places.copied {
        set("ATMOS_CLI_CONFIG_PATH", path(&places.root));
        set("ATMOS_BASE_PATH", path(&places.root));
    }
    if !atmos {
        set("TF_IN_AUTOMATION", "true".to_owned());
        set("TF_APPEND_USER_AGENT", format!("Terrace/{}", env!("CARGO_PKG_VERSION")));
        set("TF_PLUGIN_CACHE_DIR", path(&places.cache));
        set("TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "true".to_owned());
        for (name, value) in &target.env {
            set(name, files::env_text(value));
        }
    }
    set("TF_DATA_DIR", path(&places.data));
    // It would skip the selection of the workspace: the instance's is the one that counts.
    env.insert("TF_WORKSPACE".to_owned(), None);
    env
}

/// Which plan is wanted: `plan`'s own arguments.
fn plan_flags(kind: RunKind) -> &'static [&'static str] {
    match kind {
        RunKind::Destroy => &["-destroy"],
        RunKind::Drift => &["-refresh-only"],
        _ => &[],
    }
}

/// Begins the script of a driver that is no Atmos: the folders and the files that Atmos would write. Says whether its
/// backend is a `local` one.
pub(super) fn prepared(target: &RunTarget, places: &Places, asked: &Asked<'_>) -> (Writer, bool) {
    let mut writer = Writer::new(target.folder.clone(), environment(target, places, false));
    for folder in [&places.data, &places.cache] {
        writer.push(Action::Folder { path: folder.clone() });
    }
    writer.script.actions.extend(files::prepare(target, asked.tracked, true));
    writer.push(Action::Remove { path: places.data.join("environment") });
    let local = note_backend(&mut writer, target, places);
    (writer, local)
}

fn by_terraform(tools: &Tools, target: &RunTarget, places: &Places, asked: &Asked<'_>) -> Script {
    let terraform = program(tools, target);
    let (mut writer, local) = prepared(target, places, asked);
    begin(&mut writer, &terraform, target, places, local);

    let mut plan = words(&[&terraform, "plan"]);
    plan.extend(words(plan_flags(asked.kind)));
    plan.extend(["-var-file".to_owned(), target.varfile.clone(), "-out".to_owned(), path(&places.plan)]);
    plan.extend(asked.args.iter().cloned());
    look(&mut writer, plan, words(&[&terraform, "show", "-json", &path(&places.plan)]), target, places, asked);

    if asked.kind.applies() {
        writer.push(Action::Confirm { ahead: asked.yes, seconds: asked.seconds });
        // Others may have used the folder while a person thought.
        writer.script.actions.extend(files::prepare(target, asked.tracked, true));
        let pull = writer.exec(words(&[&terraform, "state", "pull"]), Output::File(places.state.clone()));
        compare_state(&mut writer, pull, places, asked);
        let apply = words(&[&terraform, "apply", &path(&places.plan)]);
        writer.step("apply", &apply);
        let exec = writer.exec(apply, Output::Log);
        writer.push(Action::Exec(Exec { applies: Some(places.plan.clone()), ..exec }));
        put_out(&mut writer, words(&[&terraform, "output", "-json"]), places, asked);
        writer.push(Action::Remove { path: target.folder.join(&target.varfile) });
    }
    writer.script
}

/// Compares the state with the plan's where the plan may be old: that it is stale is known before anything begins.
fn compare_state(writer: &mut Writer, pull: Exec, places: &Places, asked: &Asked<'_>) {
    if asked.approved.is_some() || asked.gates {
        writer.push(Action::Exec(pull));
        writer.push(Action::SameState { plan: places.plan.clone(), state: places.state.clone() });
    }
}

/// Reads what its owner needs after the apply of an approved plan; where that fails, the apply succeeded all the same.
fn put_out(writer: &mut Writer, argv: Vec<String>, places: &Places, asked: &Asked<'_>) {
    if asked.approved.is_some() {
        let exec = writer.exec(argv, Output::File(places.outputs.clone()));
        writer.push(Action::Exec(Exec { success: vec![0, 1], ..exec }));
    }
}

/// Writes the note of a declared `local` backend into the fresh data folder; says whether there is one.
fn note_backend(writer: &mut Writer, target: &RunTarget, places: &Places) -> bool {
    let note = super::backend::local_note(target);
    let local = note.is_some();
    let path = places.data.join("terraform.tfstate");
    writer.script.actions.extend(note.map(|text| Action::Write { path, text, mode: 0o600 }));
    local
}

/// `init` and the selection of the workspace, as Atmos does them.
pub(super) fn begin(writer: &mut Writer, terraform: &str, target: &RunTarget, places: &Places, local: bool) {
    initialize(writer, terraform, target, places, local);
    let Some(workspace) = target.workspace.as_deref().filter(|_| target.backend_type != "http") else {
        return;
    };
    let select = words(&[terraform, "workspace", "select", "-or-create", workspace]);
    writer.step("workspace", &select);
    let new = writer.exec(words(&[terraform, "workspace", "new", workspace]), Output::Hidden);
    let exec = writer.exec(select, Output::Hidden);
    writer.push(Action::Exec(Exec { otherwise: Some(Box::new(new)), ..exec }));
}

/// `init`, as Atmos does it; a `local` backend is not reconfigured.
pub(super) fn initialize(writer: &mut Writer, terraform: &str, target: &RunTarget, places: &Places, local: bool) {
    let mut init = words(&[terraform, "init"]);
    if target.init_run_reconfigure && !local {
        init.push("-reconfigure".to_owned());
    }
    writer.step("init", &init);
    let shares = super::providers::may_download(&target.folder, &places.cache);
    if shares {
        writer.push(Action::Lock { path: places.cache.join(".lock") });
    }
    let exec = writer.exec(init, Output::Log);
    writer.push(Action::Exec(exec));
    if shares {
        writer.push(Action::Unlock);
    }
}

/// The plan, and the look at it.
fn look(
    writer: &mut Writer,
    plan: Vec<String>,
    show: Vec<String>,
    target: &RunTarget,
    places: &Places,
    asked: &Asked<'_>,
) {
    if asked.approved.is_none() {
        writer.step("plan", &plan);
        let exec = writer.exec(plan, Output::Log);
        // With `-detailed-exitcode` 2 means changes, a success.
        writer.push(Action::Exec(Exec { success: vec![0, 2], ..exec }));
        let exec = writer.exec(show, Output::File(places.plan_json.clone()));
        writer.push(Action::Exec(exec));
    }
    writer.push(Action::Accept(Accept {
        plan: places.plan.clone(),
        workspace: target.workspace.clone().unwrap_or_else(|| "default".to_owned()),
        json: places.plan_json.clone(),
        end_without_changes: asked.kind.applies(),
        count_drift: asked.kind == RunKind::Drift,
        expected: asked.approved.cloned(),
    }));
}

fn by_atmos(tools: &Tools, target: &RunTarget, places: &Places, asked: &Asked<'_>) -> Script {
    let atmos = tools.atmos.as_deref().map_or_else(|| "atmos".to_owned(), path);
    let mut writer = Writer::new(places.root.clone(), environment(target, places, true));
    writer.push(Action::Folder { path: places.data.clone() });
    note_backend(&mut writer, target, places);
    writer.script.actions.extend(files::prepare(target, asked.tracked, false));
    let instance = |verb: &str| words(&[&atmos, "terraform", verb, &target.component, "-s", &target.stack]);
    let mut plan = instance("plan");
    plan.extend(words(plan_flags(asked.kind)));
    plan.push(format!("-out={}", path(&places.plan)));
    plan.extend(asked.args.iter().cloned());
    // Terraform itself shows the plan: no need to resolve the estate again.
    let direct = tools.terraform.is_some();
    let show = if direct {
        words(&[&program(tools, target), "show", "-json", &path(&places.plan)])
    } else {
        let mut show = instance("show");
        show.extend(words(&["--skip-init", "-json", &path(&places.plan)]));
        show
    };
    look(&mut writer, plan, show, target, places, asked);
    if direct {
        for action in &mut writer.script.actions {
            if let Action::Exec(exec) = action
                && matches!(exec.output, Output::File(_))
            {
                exec.folder.clone_from(&target.folder);
            }
        }
    }
    if asked.kind.applies() {
        writer.push(Action::Confirm { ahead: asked.yes, seconds: asked.seconds });
        writer.script.actions.extend(files::prepare(target, asked.tracked, false));
        if asked.approved.is_some() {
            // Nothing was initialised in this run's data folder.
            let init = instance("init");
            writer.step("init", &init);
            let exec = writer.exec(init, Output::Log);
            writer.push(Action::Exec(exec));
        }
        let mut pull = words(&[&atmos, "terraform", "state", "pull", &target.component, "-s", &target.stack]);
        pull.push("--skip-init".to_owned());
        let mut pull = writer.exec(pull, Output::File(places.state.clone()));
        pull.otherwise = direct.then(|| {
            let own = words(&[&program(tools, target), "state", "pull"]);
            let own = writer.exec(own, Output::File(places.state.clone()));
            Box::new(Exec { folder: target.folder.clone(), env: environment(target, places, false), ..own })
        });
        compare_state(&mut writer, pull, places, asked);
        let mut apply = instance("apply");
        apply.extend(["--planfile".to_owned(), path(&places.plan)]);
        writer.step("apply", &apply);
        let exec = writer.exec(apply, Output::Log);
        writer.push(Action::Exec(Exec { applies: Some(places.plan.clone()), ..exec }));
        let mut output = instance("output");
        output.extend(words(&["--skip-init", "-json"]));
        put_out(&mut writer, output, places, asked);
    }
    writer.script
}

/// Adds `terraform VERB` for an instance to a script, with everything that Atmos does before and after.
///
/// `apply` here is a workflow's own (`-auto-approve` and all), as it is written.
pub fn verb(
    script: &mut Script,
    tools: &Tools,
    target: &RunTarget,
    places: &Places,
    name: &str,
    verb: &[String],
    rest: Vec<String>,
) {
    let terraform = program(tools, target);
    let mut writer = Writer::new(target.folder.clone(), environment(target, places, false));
    writer.script = std::mem::take(script);
    for folder in [&places.data, &places.cache] {
        writer.push(Action::Folder { path: folder.clone() });
    }
    writer.script.actions.extend(files::prepare(target, &|_| false, true));
    writer.push(Action::Remove { path: places.data.join("environment") });
    let local = note_backend(&mut writer, target, places);
    let word = verb.first().map_or("", String::as_str);
    let mut argv = vec![terraform.clone()];
    argv.extend(if word == "deploy" { words(&["apply"]) } else { verb.to_vec() });
    let saved = rest.iter().any(|word| word.starts_with("--planfile"));
    if matches!(word, "plan" | "apply" | "deploy" | "destroy") && !saved {
        argv.extend(["-var-file".to_owned(), target.varfile.clone()]);
    }
    if word == "plan" && !rest.iter().any(|word| word.starts_with("-out")) {
        argv.extend(["-out".to_owned(), target.planfile.clone()]);
    }
    if word == "deploy" && !rest.iter().any(|word| word == "-auto-approve") {
        argv.push("-auto-approve".to_owned());
    }
    argv.extend(rest);
    writer.step(name, &argv);
    if word != "init" && word != "fmt" {
        hidden_beginning(&mut writer, &terraform, target, places, local);
    }
    let mut exec = writer.exec(argv, Output::Log);
    if word == "plan" {
        exec.success = vec![0, 2];
    }
    writer.push(Action::Exec(exec));
    if matches!(word, "apply" | "deploy") {
        writer.push(Action::Remove { path: target.folder.join(&target.varfile) });
    }
    if word != "plan" && word != "show" && !saved {
        writer.push(Action::Remove { path: target.folder.join(&target.planfile) });
    }
    *script = writer.script;
}

/// `init` and the workspace as part of the step that needs them.
fn hidden_beginning(writer: &mut Writer, terraform: &str, target: &RunTarget, places: &Places, local: bool) {
    let steps = writer.script.steps.len();
    begin(writer, terraform, target, places, local);
    writer.script.steps.truncate(steps);
    for action in &mut writer.script.actions {
        if let Action::Exec(exec) = action
            && exec.step >= steps
        {
            exec.step = steps - 1;
            if let Some(otherwise) = &mut exec.otherwise {
                otherwise.step = steps - 1;
            }
        }
    }
}
