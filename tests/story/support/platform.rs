//! An estate with real Terraform, a store, and the service of runs over both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use terrace::atmos::driver::commands::OwnCommands;
use terrace::atmos::{AtmosError, RunTarget};
use terrace::domain::id::RunRef;
use terrace::domain::run::since::Leaf;
use terrace::domain::run::{DriverKind, Run, RunKind, RunRequest, RunState};
use terrace::domain::stack::{Dependency, DependencyKind, Diagnostic, InstanceRef, InstanceSummary, PathSegment};
use terrace::platform::audit::Actor;
use terrace::platform::clock::Clock;
use terrace::platform::runs::configuration::{Configuration, Configurations};
use terrace::platform::runs::protocol::Patience;
use terrace::platform::runs::{RunError, RunService, RunSettings};
use terrace::platform::store::Store;

use super::host::DEADLINE;
use super::postgres;

/// The components and stacks of the estate: `app` and `cache` share the folder `service`, `app` needs `net`.
const INSTANCES: [(&str, &str); 7] = [
    ("net", "network"),
    ("app", "service"),
    ("cache", "service"),
    ("slow", "slow"),
    ("gated", "gated"),
    ("broken", "broken"),
    ("locked", "network"),
];
const STACKS: [&str; 2] = ["dev", "prod"];

/// A resolved configuration, written by hand: what the resolver would say of this estate.
pub(crate) struct Fixed {
    root: PathBuf,
}

impl Configuration for Fixed {
    fn root(&self) -> &Path {
        &self.root
    }

    fn target(&self, component: &str, stack: &str, _: Option<&str>) -> Result<RunTarget, AtmosError> {
        let (_, folder) =
            INSTANCES.iter().find(|(name, _)| *name == component).filter(|_| STACKS.contains(&stack)).ok_or_else(
                || AtmosError::new("unknown-instance", format!("no component '{component}' in '{stack}'")),
            )?;
        let pointed = *folder != component;
        // What somebody edits while a run waits.
        let edited = std::fs::read_to_string(self.root.join(format!("{stack}-{component}.workspace"))).ok();
        let workspace = if pointed { format!("{stack}-{component}") } else { stack.to_owned() };
        Ok(RunTarget {
            component: component.to_owned(),
            stack: stack.to_owned(),
            stack_file: stack.to_owned(),
            component_type: "terraform".to_owned(),
            folder: self.root.join("components/terraform").join(folder),
            workspace: Some(edited.unwrap_or(workspace)),
            varfile: format!("{stack}-{component}.terraform.tfvars.json"),
            planfile: format!("{stack}-{component}.planfile"),
            command: "terraform".to_owned(),
            vars: json!({"name": format!("{component}-{stack}")}),
            env: BTreeMap::new(),
            backend_type: String::new(),
            backend: json!({}),
            providers: json!({}),
            required_providers: json!({}),
            required_version: String::new(),
            generate: json!({}),
            auto_generate_backend_file: false,
            init_run_reconfigure: true,
            is_abstract: false,
            locked: component == "locked",
            enabled: true,
            unevaluated: Vec::new(),
        })
    }

    fn leaves(&self, component: &str, stack: &str, _: Option<&str>) -> Vec<Leaf> {
        let path = ["vars", "name"].map(|key| PathSegment::Key(key.to_owned())).to_vec();
        vec![Leaf { path, value: json!(format!("{component}-{stack}")), source: None }]
    }

    fn instances(&self) -> Vec<InstanceSummary> {
        Vec::new()
    }

    fn dependencies(&self) -> Vec<Dependency> {
        let at =
            |component: &str, stack: &str| InstanceRef { component: component.to_owned(), stack: stack.to_owned() };
        let needs = |from: &str, to: &str, stack| Dependency {
            from: at(from, stack),
            to: at(to, stack),
            kind: DependencyKind::DependsOn,
            source: None,
        };
        STACKS.iter().flat_map(|stack| [needs("app", "net", stack), needs("cache", "broken", stack)]).collect()
    }

    fn workflows(&self) -> PathBuf {
        self.root.join("stacks/workflows")
    }

    fn own_commands(&self) -> OwnCommands {
        OwnCommands::default()
    }

    fn refusal(&self) -> Option<Diagnostic> {
        None
    }
}

/// Always that configuration; with gates in force, or without.
struct Always(Arc<Fixed>, bool);

#[async_trait]
impl Configurations for Always {
    async fn current(&self) -> Result<Arc<dyn Configuration>, RunError> {
        Ok(Arc::clone(&self.0) as _)
    }

    async fn has_gates(&self) -> bool {
        self.1
    }

    async fn at(&self, root: &Path) -> Result<Arc<dyn Configuration>, RunError> {
        Ok(Arc::new(Fixed { root: root.to_owned() }))
    }
}

/// An estate in a folder of its own.
pub(crate) struct World {
    pub(crate) temp: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().expect("temp");
        postgres::usual(temp.path());
        let world = Self { temp };
        let simple = "variable \"name\" { type = string }\nresource \"terraform_data\" \"it\" { input = var.name }\noutput \"name\" { value = terraform_data.it.output }\n";
        world.write("components/terraform/network/main.tf", simple);
        world.write("components/terraform/service/main.tf", simple);
        world.write(
            "components/terraform/slow/main.tf",
            "variable \"name\" { type = string }\nresource \"terraform_data\" \"it\" {\n  input = var.name\n  provisioner \"local-exec\" { command = \"for i in 1 2 3 4 5 6; do echo beat $i; echo beat >> ${path.module}/beats; sleep 0.1; done\" }\n}\n",
        );
        // Changes something until the file `go` is there.
        world.write(
            "components/terraform/gated/main.tf",
            "variable \"name\" { type = string }\nresource \"terraform_data\" \"it\" {\n  input = var.name\n  provisioner \"local-exec\" { command = \"echo beat >> ${path.module}/beats; while [ ! -e ${path.module}/go ]; do echo beat; sleep 0.1; done\" }\n}\n",
        );
        world.write(
            "components/terraform/broken/main.tf",
            "variable \"name\" { type = string }\nresource \"terraform_data\" \"it\" {\n  lifecycle {\n    precondition {\n      condition     = var.name == \"\"\n      error_message = \"made to fail\"\n    }\n  }\n}\n",
        );
        world.write(".gitignore", ".terraform\n*.tfstate*\nterraform.tfstate.d\nbeats\n");
        world.git(&["init", "-q"]);
        world.git(&["add", "."]);
        world.git(&["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-qm", "begin"]);
        world
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.temp.path().join("estate")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").arg("-C").arg(self.root()).args(arguments).output().expect("git");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.temp.path().join("state")
    }

    pub(crate) fn run_folder(&self, run: &Run) -> PathBuf {
        self.state().join("runs").join(run.id.to_string())
    }

    pub(crate) fn log(&self, run: &Run) -> Vec<u8> {
        std::fs::read(self.run_folder(run).join("log")).expect("a log")
    }

    /// Starts the service; another one over the same folders takes over.
    pub(crate) async fn platform(&self) -> Platform {
        start(self.temp.path()).await
    }
}

/// Starts the service over the folders below `base`.
pub(crate) async fn start(base: &Path) -> Platform {
    start_with(base, 4).await
}

/// The same, with so many runs at a time.
pub(crate) async fn start_with(base: &Path, parallel: usize) -> Platform {
    start_as(base, |settings| settings.parallel = parallel).await
}

/// The same, where a plan waits for a yes for so many seconds.
pub(crate) async fn start_patient(base: &Path, seconds: u64) -> Platform {
    start_as(base, |settings| settings.confirmation_seconds = seconds).await
}

/// The same, with gates in force that let everything pass.
pub(crate) async fn start_gated(base: &Path) -> Platform {
    start_with_gates(base, true, |_| {}).await
}

/// The same, by another clock.
pub(crate) async fn start_by(base: &Path, clock: Clock) -> Platform {
    start_as(base, |settings| settings.clock = clock).await
}

async fn start_as(base: &Path, set: impl FnOnce(&mut RunSettings)) -> Platform {
    start_with_gates(base, false, set).await
}

async fn start_with_gates(base: &Path, gates: bool, set: impl FnOnce(&mut RunSettings)) -> Platform {
    let state = base.join("state");
    let place = postgres::place(base, state.join("terrace.db"));
    let store = place.open(&state.join("platform.key"), "/terrace/estates/test").await.expect("store");
    let configurations = Arc::new(Always(Arc::new(Fixed { root: base.join("estate") }), gates));
    let mut settings = RunSettings::new(state.join("runs"), env!("CARGO_BIN_EXE_terrace").into(), base.join("cache"));
    set(&mut settings);
    settings.patience = Patience { interrupt: 60_000, terminate: 500, linger: 500 };
    let runs = RunService::start(Arc::clone(&store), configurations, settings).await.expect("started");
    Platform { runs, store }
}

/// The service and its store.
pub(crate) struct Platform {
    pub(crate) runs: RunService,
    pub(crate) store: Arc<dyn Store>,
}

impl Platform {
    pub(crate) async fn create(&self, request: RunRequest) -> Run {
        self.runs.create(&alice(), request, None).await.expect("accepted")
    }

    /// Waits until the run is in a state that fulfils the condition.
    pub(crate) async fn wait(&self, run: &Run, what: &str, is: impl Fn(&Run) -> bool) -> Run {
        let begin = std::time::Instant::now();
        loop {
            let now = self.runs.get(&RunRef::Id(run.id)).await.expect("there");
            if is(&now) {
                return now;
            }
            assert!(begin.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}: {now:#?}");
            assert!(!now.state.is_end(), "{what}: ended before: {now:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn end(&self, run: &Run) -> Run {
        self.wait(run, "the end", |run| run.state.is_end()).await
    }

    pub(crate) async fn until(&self, run: &Run, state: RunState) -> Run {
        self.wait(run, state.name(), |run| run.state == state).await
    }
}

pub(crate) fn alice() -> Actor {
    Actor { name: "alice".to_owned(), ..Actor::platform() }
}

pub(crate) fn request(kind: RunKind, component: &str, stack: &str) -> RunRequest {
    let mut request: RunRequest =
        serde_json::from_value(json!({"kind": kind, "component": component, "stack": stack})).expect("a request");
    request.driver = Some(DriverKind::Terraform);
    request.env = std::env::vars().collect();
    request
}

/// Says and tells whether Terraform is missing.
pub(crate) fn no_terraform() -> bool {
    let missing = Command::new("terraform").arg("version").output().is_err();
    if missing {
        eprintln!("skipped: terraform is not installed");
    }
    missing
}
