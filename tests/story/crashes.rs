//! The platform killed (SIGKILL) wherever it writes, on the way of a request from the wish to fulfilled: nothing is lost,
//! doubled, applied twice or applied without an approval.
//!
//! A build with debug assertions dies at the point that `TERRACE_CRASH_AT` names (`src/platform/crash.rs`). A few points
//! are tried always; `TERRACE_CRASHES=200 cargo test --test story crashes` tries that many on each database and each way,
//! spread over the whole of it (a stand-in for Terraform, and the real one at ten of them).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use terrace::api::client::{Client, ClientError};
use terrace::api::types::{NewRequest, SubmitRequest};
use terrace::domain::event::Event;
use terrace::domain::request::{Request, RequestKind, RequestState, Wish};
use terrace::domain::run::{Run, RunKind, RunState};
use terrace::domain::stack::InstanceRef;
use terrace::platform::identity::Identity;
use terrace::platform::paths::Paths;

use crate::support::ground::word;
use crate::support::host::DEADLINE;
use crate::support::platform::no_terraform;
use crate::support::postgres::{self, Postgres};
use crate::support::standin::plan_of;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Another size of one instance.
    Change,
    /// A new environment: three instances, each planned and approved after the one before is applied.
    Waves,
}

impl Way {
    /// How many points lie on it; found by trying, and only what is spread over it depends on it.
    fn points(self) -> u64 {
        match self {
            Way::Change => 300,
            Way::Waves => 500,
        }
    }

    fn plans(self) -> usize {
        match self {
            Way::Change => 1,
            Way::Waves => 3,
        }
    }

    fn wish(self) -> Wish {
        let map = |value: serde_json::Value| value.as_object().cloned().expect("a map");
        let wish = match self {
            Way::Change => Wish {
                instance: Some(InstanceRef { component: COMPONENT.to_owned(), stack: STACK.to_owned() }),
                inputs: map(json!({"vars.size": "medium"})),
                ..Wish::new(RequestKind::Change)
            },
            Way::Waves => Wish {
                golden_path: Some("new-environment".to_owned()),
                inputs: map(json!({"stage": "prod", "region": "us-west-2", "short": "uw2", "cidr": "10.90.0.0/16"})),
                ..Wish::new(RequestKind::Provision)
            },
        };
        Wish { reason: Some("a crash".to_owned()), ..wish }
    }

    /// A file of the main branch that holds it at the end, and what stands in it.
    fn written(self) -> (&'static str, &'static str) {
        match self {
            Way::Change => ("stacks/orgs/harbor/plat/prod/us-east-2.yaml", "size: medium"),
            Way::Waves => ("stacks/orgs/harbor/plat/prod/us-west-2.yaml", "10.90.0.0/16"),
        }
    }
}

const COMPONENT: &str = "orders-db";
const STACK: &str = "plat-ue2-prod";

/// What plays Terraform: every plan is the file that was prepared for its folder, and each apply is noted with the digest of what it applied.
const STANDIN: &str = r#"#!/bin/sh
base=@BASE@
for last; do :; done
case "$1" in
    version) echo 'Terraform v1.12.0' ;;
    workspace) mkdir -p "$TF_DATA_DIR"; printf %s "$last" >"$TF_DATA_DIR/environment" ;;
    plan)
        for word; do [ "$before" = -out ] && out=$word; before=$word; done
        echo "$out" >>"$base/planned"
        name=$(basename "$PWD")
        [ -e "$base/plans/$name" ] || name=other
        cp "$base/plans/$name" "$out"
        echo 'Plan: 0 to add, 1 to change, 0 to destroy.' ;;
    show) cat "$base/plan.json" ;;
    state) ;;
    apply)
        sha256sum <"$last" >>"$base/applied"
        echo 'Apply complete! Resources: 0 added, 1 changed, 0 destroyed.' ;;
    output) echo '{"endpoint": {"sensitive": false, "type": "string", "value": "orders.example.com"}}' ;;
esac
"#;

/// A demo estate whose people may decide on their own requests, to be copied for each try.
struct Template {
    temp: tempfile::TempDir,
}

impl Template {
    fn new() -> Self {
        let temp = tempfile::tempdir().expect("temp");
        let demo = temp.path().join("demo");
        let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
        command.args(["demo", "--no-dashboard"]).arg(&demo).env("ATMOS_BIN", "none");
        for name in ["XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(name, temp.path().join("home"));
        }
        let written = command.output().expect("ran");
        assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
        fs::write(demo.join("platform/policies.yaml"), "settings: {self_approval: solo}\n").expect("written");
        git(&demo, &["add", "-A"]);
        git(&demo, &["commit", "-qm", "Work alone"]);
        Self { temp }
    }
}

fn git(root: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["-c", "user.name=Aiko", "-c", "user.email=aiko@example.com"]);
    let output = git.args(arguments).output().expect("git");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// One try: an estate, a platform process that may die, and a person who tries again.
struct Try {
    temp: tempfile::TempDir,
    paths: Paths,
    client: Client,
    process: Child,
    path: String,
    way: Way,
    died: bool,
}

impl Try {
    fn new(template: &Template, way: Way, database: Option<&Postgres>, standin: bool, crash_at: Option<u64>) -> Self {
        let temp = tempfile::Builder::new().prefix("terrace-crash-").tempdir().expect("temp");
        let base = temp.path();
        let copied = Command::new("cp").arg("-a").arg(template.temp.path().join("demo")).arg(base).status();
        assert!(copied.expect("cp").success());
        if let Some(server) = database {
            postgres::given(base, server);
        }
        let mut path = std::env::var("PATH").unwrap_or_default();
        if standin {
            let bin = base.join("bin");
            fs::create_dir(&bin).expect("made");
            let script = bin.join("terraform");
            fs::write(&script, STANDIN.replace("@BASE@", &base.display().to_string())).expect("written");
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("chmod");
            fs::create_dir(base.join("plans")).expect("made");
            for (name, workspace) in [
                ("network", "plat-uw2-prod"),
                ("cluster", "plat-uw2-prod"),
                ("monitoring", "plat-uw2-prod"),
                ("other", &format!("{STACK}-{COMPONENT}")),
            ] {
                fs::write(base.join("plans").join(name), plan_of(workspace, name)).expect("written");
            }
            let change = json!({"actions": ["update"], "before": {}, "after": {}});
            let resource = json!({"address": "terraform_data.it", "mode": "managed", "type": "terraform_data",
                "name": "it", "provider_name": "terraform.io/builtin/terraform", "change": change});
            let plan = json!({"format_version": "1.2", "terraform_version": "1.12.0", "applyable": true,
                "resource_changes": [resource]});
            fs::write(base.join("plan.json"), plan.to_string()).expect("written");
            path = format!("{}:{path}", bin.display());
        }
        let identity = Identity::of(&base.join("demo")).expect("an estate");
        let paths = Paths::new(&base.join("state/terrace"), base, &identity);
        let client = Client::unix(paths.socket());
        let process = serve(base, &path, crash_at);
        Self { temp, paths, client, process, path, way, died: false }
    }

    fn root(&self) -> PathBuf {
        self.temp.path().join("demo")
    }

    /// Asks; where the platform is gone it is started again, and the question is asked again by whoever calls.
    async fn ask<T>(&mut self, answer: impl Future<Output = Result<T, ClientError>>) -> Option<T> {
        match answer.await {
            Ok(answer) => Some(answer),
            Err(error) if error.is_unreachable() => {
                self.look_after();
                tokio::time::sleep(Duration::from_millis(10)).await;
                None
            }
            // Somebody was faster, or it is not the time: what it is now is looked at again.
            Err(ClientError::Problem(problem)) if [409, 412, 422, 403].contains(&problem.status) => None,
            // The database is away.
            Err(ClientError::Problem(problem)) if problem.status == 503 => {
                tokio::time::sleep(Duration::from_millis(10)).await;
                None
            }
            Err(error) => panic!("{error}: {}", self.log()),
        }
    }

    /// Starts the platform again where it died.
    fn look_after(&mut self) {
        if let Some(status) = self.process.try_wait().expect("ours") {
            use std::os::unix::process::ExitStatusExt as _;
            assert_eq!(status.signal(), Some(9), "it ended by itself: {}", self.log());
            assert!(!self.died, "it died again: {}", self.log());
            self.died = true;
            self.process = serve(self.temp.path(), &self.path, None);
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.temp.path().join("serve.log")).unwrap_or_default()
    }

    /// Brings a request from the wish to fulfilled, as a person who does not give up.
    async fn carry(&mut self) -> Request {
        self.carry_until(|request| request.state == RequestState::Fulfilled).await
    }

    /// The same, until it is as wanted.
    async fn carry_until(&mut self, wanted: impl Fn(&Request) -> bool) -> Request {
        let began = Instant::now();
        let mut env: std::collections::BTreeMap<String, String> = std::env::vars().collect();
        env.insert("ATMOS_BIN".to_owned(), "none".to_owned());
        env.insert("PATH".to_owned(), self.path.clone());
        let (wish, waves) = (self.way.wish(), u32::try_from(self.way.plans()).expect("few"));
        let client = self.client.clone();
        loop {
            assert!(began.elapsed() < DEADLINE * (1 + waves), "not within the deadline: {}", self.log());
            let Some(all) = self.ask(client.requests(None, 10)).await else { continue };
            let Some(request) = all.into_iter().next() else {
                let asked = NewRequest { wish: wish.clone(), draft: false, env: env.clone() };
                self.ask(client.new_request(&asked)).await;
                continue;
            };
            if wanted(&request) {
                return request;
            }
            let number = request.number;
            match request.state {
                RequestState::Draft => {
                    let again = SubmitRequest { env: env.clone() };
                    self.ask(client.submit_request(number, &again)).await;
                }
                RequestState::PendingApproval => {
                    self.ask(client.approve_request(number, &word(&request))).await;
                }
                state if state.is_under_way() => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => panic!("{request:#?}\n{}", self.log()),
            }
        }
    }

    /// Holds what must be true whenever and wherever it died.
    async fn hold(&mut self, request: &Request, standin: bool, context: &str) {
        let client = self.client.clone();
        let check = request.check.as_ref().expect("checked");
        let plans = self.way.plans();
        assert_eq!(request.applied.len(), plans, "{context}: {request:#?}");
        assert_eq!(client.requests(None, 10).await.expect("a list").len(), 1, "{context}: doubled");
        // Applied once, exactly that plan, after the word.
        let runs: Vec<Run> = client.recent_runs(100).await.expect("runs");
        let mut applies: Vec<&Run> = runs.iter().filter(|run| run.kind == RunKind::Apply).collect();
        applies.sort_by_key(|run| run.number);
        assert_eq!(applies.len(), plans, "{context}: {applies:#?}");
        for (run, applied) in applies.iter().zip(&request.applied) {
            assert_eq!(run.state, RunState::Succeeded, "{context}: {run:#?}");
            assert_eq!((run.id, run.plan_digest.as_ref()), (applied.run, Some(&applied.plan)), "{context}: {run:#?}");
        }
        assert_eq!(request.runs, applies.iter().map(|run| run.id).collect::<Vec<_>>(), "{context}");
        assert!(runs.iter().all(|run| run.state.is_end() && run.state != RunState::Unknown), "{context}: {runs:#?}");
        if standin {
            let applied = fs::read_to_string(self.temp.path().join("applied")).expect("applied");
            let digests: Vec<&str> = applied.lines().filter_map(|line| line.split(' ').next()).collect();
            let approved: Vec<&str> = request.applied.iter().map(|applied| applied.plan.as_str()).collect();
            assert_eq!(digests, approved, "{context}: each applied exactly once, and exactly that");
            assert_eq!(request.outputs.len(), plans, "{context}: what its owner needs is lost: {}", self.log());
        }
        // The trail is whole, each transition is in it once, and its event beside it.
        assert!(client.audit_verification().await.expect("verified").verified, "{context}");
        let audit = client.recent_audit(1000).await.expect("audit");
        let of_it: Vec<_> = audit.iter().rev().filter(|record| record.object == "request/1").collect();
        let count = |action: &str| of_it.iter().filter(|record| record.action == action).count();
        for once in ["request.created", "request.submitted", "request.fulfilled"] {
            assert_eq!(count(once), 1, "{context}: {once}: {of_it:#?}");
        }
        assert!(count("request.approved") >= 1, "{context}");
        // Each plan was agreed to, by its digest, before the run that applied it began to.
        for (run, applied) in applies.iter().zip(&request.applied) {
            let plan = serde_json::to_value(&applied.plan).expect("a digest");
            let names_it = |record: &&terrace::domain::audit::AuditRecord| {
                record.action == "request.approved"
                    && record.detail["binding"]["plans"]
                        .as_object()
                        .is_some_and(|all| all.values().any(|one| *one == plan))
            };
            let agreed = of_it.iter().copied().find(names_it).unwrap_or_else(|| panic!("{context}: {of_it:#?}"));
            let object = format!("run/{}", run.id);
            let applying = audit.iter().find(|record| record.object == object && record.action == "run.applying");
            let applying = applying.unwrap_or_else(|| panic!("{context}: {audit:#?}"));
            assert!(agreed.sequence < applying.sequence, "{context}: {agreed:#?} {applying:#?}");
        }
        let approved = of_it.iter().rev().find(|record| record.action == "request.approved").expect("approved");
        let binding = serde_json::to_value(check.binding.digest()).expect("a digest");
        assert_eq!(approved.detail["digest"], binding, "{context}: what was approved is what was applied");
        let events: Vec<Event> = client.recent_events(1000).await.expect("events");
        let told = events.iter().filter(|event| event.subject == "request/1").count();
        assert_eq!(told, of_it.len(), "{context}: a transition without its event");
        let mut sequences: Vec<u64> = events.iter().filter_map(|event| event.sequence.parse().ok()).collect();
        sequences.reverse();
        assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "{context}: a gap");
        // The main branch holds it once, and nothing is left behind.
        let root = self.root();
        let (file, what) = self.way.written();
        let written = git(&root, &["show", &format!("HEAD:{file}")]);
        assert!(written.contains(what), "{context}: {written}");
        let merges = git(&root, &["log", "--merges", "--format=%H", "--grep=Terrace-Request: 1"]);
        assert!(merges.lines().count() <= 1, "{context}: merged twice: {merges}");
        assert_eq!(git(&root, &["status", "--porcelain", "--untracked-files=no"]), "", "{context}");
        let state = self.paths.folder().to_owned();
        let began = Instant::now();
        loop {
            let branches = git(&root, &["branch", "--list", "terrace/*"]);
            let trees = git(&root, &["worktree", "list"]).lines().count();
            let has_plan = |folder: &Path| ["plan.tfplan", "plan.sealed"].iter().any(|plan| folder.join(plan).exists());
            let plans = runs.iter().filter(|run| has_plan(&state.join("runs").join(run.id.to_string())));
            let left = (branches, trees, plans.count());
            if left == (String::new(), 1, 0) {
                break;
            }
            assert!(began.elapsed() < DEADLINE, "{context}: left behind: {left:?}: {}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(base: &Path, path: &str, crash_at: Option<u64>) -> Child {
    let log = fs::File::options().create(true).append(true).open(base.join("serve.log")).expect("a log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
    command.env_clear().env("PATH", path).env("ATMOS_BIN", "none").env("HOME", base).env("TMPDIR", base);
    for (name, folder) in [
        ("XDG_STATE_HOME", "state"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_RUNTIME_DIR", "run"),
    ] {
        command.env(name, base.join(folder));
    }
    command.envs(crash_at.map(|at| ("TERRACE_CRASH_AT", at.to_string())));
    command.envs(postgres::url(base).map(|url| ("TERRACE_DATABASE", url)));
    command.arg("-C").arg(base.join("demo")).args(["serve", "--local", "--idle", "0"]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("served")
}

/// Tries one point; says whether the platform passed it.
async fn crash(template: &Template, way: Way, database: Option<&Postgres>, standin: bool, at: u64) -> bool {
    let name = if database.is_some() { "PostgreSQL" } else { "SQLite" };
    let context = format!("{way:?}, {name}, TERRACE_CRASH_AT={at}");
    let mut attempt = Try::new(template, way, database, standin, Some(at));
    let request = attempt.carry().await;
    // It may die after the last answer, too.
    attempt.hold(&request, standin, &context).await;
    attempt.died
}

/// Returns how many points are tried on each database, where that was said.
fn wanted() -> Option<u64> {
    std::env::var("TERRACE_CRASHES").ok()?.parse().ok()
}

async fn crashes(way: Way, database: Option<&Postgres>, few: &[u64]) {
    let template = Template::new();
    let Some(count) = wanted() else {
        for at in few {
            assert!(crash(&template, way, database, true, *at).await, "point {at} was not passed");
        }
        return;
    };
    let (mut died, mut tried) = (0, 0);
    for index in 0..count {
        let at = 1 + index * way.points() / count;
        tried += 1;
        died += u64::from(crash(&template, way, database, true, at).await);
    }
    println!("{way:?}: {died} of {tried} tries died on the way");
    assert!(died * 10 >= tried * 9, "the way is shorter than {} points: {died} of {tried} died", way.points());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_survives_a_crash_wherever_something_is_written() {
    crashes(Way::Change, None, &[30, 120]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_waves_survives_a_crash_wherever_something_is_written() {
    crashes(Way::Waves, None, &[260]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_waves_survives_a_crash_wherever_something_is_written_on_a_server() {
    let Some(server) = Postgres::shared() else { return };
    if wanted().is_some() {
        crashes(Way::Waves, Some(server), &[]).await;
    }
}

/// The database is killed while somebody agrees, a little later each time, and comes back: the word is taken or it is not,
/// and what is agreed to is applied once.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_goes_away_in_the_middle_of_an_approval_and_comes_back() {
    let Some(server) = Postgres::begin() else {
        Postgres::shared();
        return;
    };
    let template = Template::new();
    for millis in [0, 4, 40] {
        let context = format!("killed after {millis} ms");
        let mut attempt = Try::new(&template, Way::Change, Some(&server), true, None);
        let request = attempt.carry_until(|request| request.state == RequestState::PendingApproval).await;
        let (client, word) = (attempt.client.clone(), word(&request));
        let agreeing = tokio::spawn(async move { client.approve_request(request.number, &word).await });
        tokio::time::sleep(Duration::from_millis(millis)).await;
        server.kill();
        match agreeing.await.expect("asked") {
            Ok(_) => {}
            Err(ClientError::Problem(problem)) => {
                assert_eq!((problem.status, problem.code.as_str()), (503, "database-away"), "{context}: {problem:?}");
            }
            Err(error) => panic!("{context}: {error}"),
        }
        server.begin_again();
        let request = attempt.carry().await;
        attempt.hold(&request, true, &context).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_survives_a_crash_wherever_something_is_written_on_a_server() {
    let Some(server) = Postgres::shared() else { return };
    crashes(Way::Change, Some(server), &[75, 160]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_survives_crashes_with_real_terraform() {
    if no_terraform() {
        return;
    }
    let template = Template::new();
    let way = Way::Change;
    let points: Vec<u64> = if wanted().is_some() {
        (1..=10).map(|n| n * way.points() / 10 - way.points() / 20).collect()
    } else {
        vec![140]
    };
    for at in points {
        assert!(crash(&template, way, None, false, at).await, "point {at} was not passed");
    }
}
