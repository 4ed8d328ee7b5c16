//! The service of runs under chance: random actions, supervisors and the platform killed (SIGKILL), clocks that jump,
//! over a real SQLite store and real supervisors, against the invariants of the design (1, 4, 5, 6, 7, 10).
//!
//! A stand-in plays Terraform and notes in files of its own what it did. `TERRACE_CASES` says how many cases are tried
//! (2 where it is not set), `TERRACE_SEED` where they begin; a failure names its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use terrace::domain::audit::AuditRecord;
use terrace::domain::event::Event;
use terrace::domain::id::{Digest, RunId, RunRef};
use terrace::domain::run::{DriverKind, Run, RunKind, RunRequest, RunState};
use terrace::platform::clock::Clock;
use terrace::platform::runs::Resolution;
use terrace::platform::runs::folder::RunFolder;
use terrace::platform::runs::journal::{Note, read};
use terrace::platform::store::{AuditQuery, EventQuery, KeyFingerprint, Order, RunQuery};

use crate::support::host::{DEADLINE, eventually};
use crate::support::platform::{Platform, World, alice, start_by};
use crate::support::standin::plan_of;

const SECRET: &str = "hunter2-6b0f77d2";

/// How many actions a case has.
const ACTIONS: usize = 40;

/// The instances: component, folder, workspace. Two share a folder.
const INSTANCES: [(&str, &str, &str); 4] = [
    ("app", "service", "dev-app"),
    ("cache", "service", "dev-cache"),
    ("net", "network", "dev-net"),
    ("slow", "slow", "dev"),
];

/// What plays Terraform. It says nothing that it has not noted before, holds each folder and each state that it uses by
/// a link that names its process and its run, and notes where somebody who lives holds them already.
const STANDIN: &str = r#"#!/bin/sh
base=@BASE@
for last; do :; done
workspace=$(cat "$TF_DATA_DIR/environment" 2>/dev/null)
say() { echo "$1" >>"$base/wrote/$TERRACE_RUN"; echo "$1"; }
hold() {
    ln -s $$:$TERRACE_RUN "$base/held/$1" 2>/dev/null && return
    by=$(readlink "$base/held/$1")
    grep -qs TERRACE_RUN "/proc/${by%%:*}/environ" && echo "$TERRACE_RUN: $* uses $1 while $by does" >>"$base/violations"
    rm -f "$base/held/$1"
    ln -s $$:$TERRACE_RUN "$base/held/$1" 2>/dev/null
}
free() { rm -f "$base/held/$1"; }
folder=$(basename "$PWD")
case "$1" in
    version) echo 'Terraform v1.12.0'; exit ;;
esac
hold "$folder"
case "$1" in
    init) say "initialized $folder" ;;
    workspace) mkdir -p "$TF_DATA_DIR"; printf %s "$last" >"$TF_DATA_DIR/environment" ;;
    plan)
        for word; do [ "$before" = -out ] && out=$word; before=$word; done
        for file in "$base/plans/$workspace"/*; do
            mv "$file" "$out" 2>/dev/null && break
        done
        case $(basename "$file") in *none) kind=none ;; *) kind=some ;; esac
        echo $kind >"$base/kinds/$TERRACE_RUN"
        for line in 1 2 3; do say "planning $workspace $line"; sleep 0.01; done ;;
    show) cat "$base/$(cat "$base/kinds/$TERRACE_RUN").json" ;;
    apply)
        hold "$workspace"
        echo "$(sha256sum <"$last" | cut -d' ' -f1) $TERRACE_RUN" >>"$base/applied"
        line=0
        while [ $line -lt 12 ]; do say "applying $workspace $line"; sleep 0.02; line=$((line+1)); done
        [ -e "$base/fail" ] && { rm -f "$base/fail"; say 'Error: made to fail'; code=1; }
        free "$workspace" ;;
esac
free "$folder"
exit ${code:-0}
"#;

/// What the platform process is asked, one JSON line each.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Ask {
    Create { key: String, request: Box<RunRequest> },
    Confirm { run: RunId, digest: Digest },
    Cancel { run: RunId },
    Retry { run: RunId },
    Resolve { run: RunId, done: Option<bool> },
    Look,
}

/// What the platform knows.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known {
    runs: Vec<Run>,
    events: Vec<Event>,
    audit: Vec<AuditRecord>,
    /// Name and holder.
    locks: Vec<(String, RunId)>,
}

/// Not a test by itself: the platform process that is asked, and killed.
#[test]
fn platform_process() {
    let Some(base) = std::env::var_os("TERRACE_TEST_RANDOM").map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let platform = runtime.block_on(start_by(&base, jumping(&base)));
    println!("ready");
    for line in std::io::stdin().lines() {
        let ask: Ask = serde_json::from_str(&line.expect("a line")).expect("understood");
        let answer = match runtime.block_on(answer(&platform, &base, ask)) {
            Ok(value) => json!({"Ok": value}),
            Err(error) => json!({"Err": error}),
        };
        println!("{answer}");
    }
}

/// A clock that is as many seconds off as a file says.
fn jumping(base: &Path) -> Clock {
    let file = base.join("clock");
    Clock::of(move || {
        let off = std::fs::read_to_string(&file).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        Timestamp::now().checked_add(SignedDuration::from_secs(off)).expect("a time")
    })
}

async fn answer(platform: &Platform, base: &Path, ask: Ask) -> Result<Value, String> {
    let runs = &platform.runs;
    let answer = match ask {
        Ask::Create { key, request } => {
            let key = KeyFingerprint { actor: "alice".to_owned(), key, fingerprint: "same".to_owned() };
            runs.create(&alice(), *request, Some(&key)).await
        }
        Ask::Confirm { run, digest } => runs.confirm(&alice(), &RunRef::Id(run), Some(&digest)).await,
        Ask::Cancel { run } => runs.cancel(&alice(), &RunRef::Id(run)).await,
        Ask::Retry { run } => runs.retry(&alice(), &RunRef::Id(run), env(base), BTreeMap::new(), false).await,
        Ask::Resolve { run, done } => {
            runs.resolve(&alice(), &RunRef::Id(run), &Resolution { done, note: None, env: env(base) }).await
        }
        Ask::Look => return Ok(serde_json::to_value(look(platform).await).expect("json")),
    };
    answer.map(|run| json!(run.id)).map_err(|error| error.to_string())
}

/// Looks until nothing moved meanwhile.
async fn look(platform: &Platform) -> Known {
    let versions = |runs: &[Run]| runs.iter().map(|run| (run.id, run.version)).collect::<Vec<_>>();
    let query = RunQuery { limit: 1000, ..RunQuery::default() };
    let mut runs = platform.runs.list(&query).await.expect("runs");
    loop {
        let events = EventQuery { order: Order::Oldest, limit: 100_000, ..EventQuery::default() };
        let audit = AuditQuery { order: Order::Oldest, limit: 100_000, ..AuditQuery::default() };
        let events = platform.store.events(&events).await.expect("events");
        let audit = platform.store.audit(&audit).await.expect("audit");
        let locks = platform.store.run_locks().await.expect("locks");
        let locks = locks.into_iter().map(|lock| (lock.key, lock.run)).collect();
        let now = platform.runs.list(&query).await.expect("runs");
        if versions(&now) == versions(&runs) {
            return Known { runs, events, audit, locks };
        }
        runs = now;
    }
}

/// The environment of who asks: the stand-in before everything else on the PATH, and a secret.
fn env(base: &Path) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = std::env::vars().collect();
    env.insert("PATH".to_owned(), format!("{}:{}", base.join("bin").display(), env["PATH"]));
    env.insert("TF_VAR_password".to_owned(), SECRET.to_owned());
    env
}

/// A number that follows from the seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % count
    }
}

/// A platform process that is spoken to.
struct Living {
    process: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

/// One case.
struct Case {
    world: World,
    platform: Option<Living>,
    chance: Chance,
    seed: u64,
    keys: BTreeSet<String>,
    /// The runs whose supervisors were killed.
    killed: BTreeSet<RunId>,
    /// What was done, for whoever reads of a failure.
    story: Vec<String>,
}

impl Case {
    fn new(seed: u64) -> Self {
        let world = World::new();
        let base = world.temp.path();
        for folder in ["bin", "wrote", "held", "kinds"] {
            std::fs::create_dir(base.join(folder)).expect("made");
        }
        crate::program::program(&base.join("bin/terraform"), &STANDIN.replace("@BASE@", &base.display().to_string()));
        for (_, _, workspace) in INSTANCES {
            let folder = base.join("plans").join(workspace);
            std::fs::create_dir_all(&folder).expect("made");
            for number in 0..ACTIONS * 3 {
                let kind = if number % 5 == 4 { "none" } else { "some" };
                let plan = plan_of(workspace, &format!("{seed} {number}"));
                std::fs::write(folder.join(format!("{number:03}{kind}")), plan).expect("written");
            }
        }
        let change = |actions: &[&str]| {
            json!({"format_version": "1.2", "terraform_version": "1.12.0", "applyable": actions != ["no-op"],
                "variables": {"password": {"value": SECRET}},
                "configuration": {"root_module": {"variables": {"password": {"sensitive": true}}}},
                "resource_changes": [{"address": "terraform_data.it", "mode": "managed", "type": "terraform_data",
                    "name": "it", "provider_name": "terraform.io/builtin/terraform",
                    "change": {"actions": actions, "before": {"input": SECRET}, "before_sensitive": {"input": true},
                        "after": {"input": SECRET}, "after_sensitive": {"input": true}}}]})
        };
        std::fs::write(base.join("some.json"), change(&["update"]).to_string()).expect("written");
        std::fs::write(base.join("none.json"), change(&["no-op"]).to_string()).expect("written");
        let steps =
            "for i in 1 2 3 4 5 6; do echo beat $i >> \"$BASE/wrote/$TERRACE_RUN\"; echo beat $i; sleep 0.02; done";
        let steps = steps.replace("$BASE", &base.display().to_string());
        let file = format!("workflows:\n  beats:\n    steps:\n      - {{type: shell, command: '{steps}'}}\n");
        world.write("stacks/workflows/beats.yaml", &file);
        let (keys, killed) = (BTreeSet::new(), BTreeSet::new());
        Self { world, platform: None, chance: Chance(seed), seed, keys, killed, story: Vec::new() }
    }

    fn base(&self) -> &Path {
        self.world.temp.path()
    }

    fn say(&mut self, what: String) {
        self.story.push(what);
    }

    fn told(&self) -> String {
        format!("TERRACE_SEED={}:\n{}", self.seed, self.story.join("\n"))
    }

    /// Returns the platform, started where it is dead.
    fn platform(&mut self) -> &mut Living {
        let base = self.base().to_owned();
        let told = self.told();
        self.platform.get_or_insert_with(|| {
            let log = base.join("platform.log");
            let complaints = std::fs::File::options().create(true).append(true).open(&log).expect("a file");
            let mut process = Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "runs_random::platform_process", "--nocapture"])
                .env("TERRACE_TEST_RANDOM", base)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(complaints)
                .spawn()
                .expect("a platform");
            let stdin = process.stdin.take().expect("piped");
            let mut stdout = BufReader::new(process.stdout.take().expect("piped"));
            let mut line = String::new();
            while !line.contains("ready") {
                line.clear();
                let read = stdout.read_line(&mut line).expect("read");
                assert_ne!(read, 0, "it did not start: {}; {told}", std::fs::read_to_string(&log).unwrap_or_default());
            }
            Living { process, stdin, stdout }
        })
    }

    fn tell(&mut self, ask: &Ask) {
        let line = serde_json::to_string(ask).expect("json");
        writeln!(self.platform().stdin, "{line}").expect("asked");
    }

    fn ask(&mut self, ask: &Ask) -> Result<Value, String> {
        self.tell(ask);
        let mut line = String::new();
        let read = self.platform().stdout.read_line(&mut line).expect("read");
        assert_ne!(read, 0, "the platform died of {ask:?}; {}", self.told());
        serde_json::from_str(&line).expect("understood")
    }

    fn look(&mut self) -> Known {
        serde_json::from_value(self.ask(&Ask::Look).expect("known")).expect("understood")
    }

    fn kill_platform(&mut self) {
        if let Some(mut living) = self.platform.take() {
            living.process.kill().expect("killed");
            living.process.wait().expect("gone");
        }
    }

    fn kill_supervisor(&mut self, run: RunId) {
        let folder = RunFolder::new(self.world.state().join("runs").join(run.to_string()));
        let entries = read(&folder.journal(), 0).unwrap_or_default();
        if let (true, Some(Note::Ready { pid, .. })) = (folder.is_alive(), entries.first().map(|entry| &entry.note)) {
            let pid = rustix::process::Pid::from_raw(i32::try_from(*pid).expect("a pid")).expect("a pid");
            // It may end by itself at this very moment.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            self.killed.insert(run);
        }
    }

    /// Asks for a run of any kind.
    fn any_request(&mut self) -> Ask {
        let kinds =
            [RunKind::Plan, RunKind::Apply, RunKind::Apply, RunKind::Destroy, RunKind::Drift, RunKind::Workflow];
        let kind = kinds[self.chance.below(kinds.len())];
        let mut request = RunRequest::new(kind);
        if kind == RunKind::Workflow {
            (request.workflow, request.workflow_file) = (Some("beats".to_owned()), Some("beats".to_owned()));
        } else {
            let (component, ..) = INSTANCES[self.chance.below(INSTANCES.len())];
            (request.component, request.stack) = (Some(component.to_owned()), Some("dev".to_owned()));
            request.yes = self.chance.below(2) == 0;
        }
        request.driver = Some(DriverKind::Terraform);
        request.env = env(self.base());
        let key = format!("key {}", self.keys.len());
        self.keys.insert(key.clone());
        Ask::Create { key, request: Box::new(request) }
    }

    /// Something that chance does.
    fn act(&mut self) {
        let live: Vec<Run> = self.look().runs.into_iter().filter(|run| !run.state.is_end()).collect();
        let some = |chance: &mut Chance| (!live.is_empty()).then(|| live[chance.below(live.len())].clone());
        match self.chance.below(16) {
            0..=5 => {
                let ask = self.any_request();
                self.say(format!("ask {}", self.keys.len()));
                // Half of the time it dies while it is asked; whoever asked asks again with the same key.
                if self.chance.below(4) == 0 {
                    self.tell(&ask);
                    std::thread::sleep(Duration::from_millis(self.chance.below(60) as u64));
                    self.kill_platform();
                    self.say("the platform is killed meanwhile".to_owned());
                }
                let answer = self.ask(&ask);
                assert!(answer.is_ok(), "{answer:?}; {}", self.told());
            }
            6..=8 => {
                let waits = |run: &&Run| run.state == RunState::AwaitingConfirmation && run.confirmed_by.is_none();
                let Some(run) = live.iter().find(waits).cloned() else { return };
                let digest = run.plan_digest.clone().expect("a plan");
                self.say(format!("confirm #{}", run.number));
                let other = Ask::Confirm { run: run.id, digest: Digest::of(b"another") };
                assert!(self.ask(&other).is_err(), "1: a yes to another plan; {}", self.told());
                if self.chance.below(4) == 0 {
                    self.tell(&Ask::Confirm { run: run.id, digest });
                    std::thread::sleep(Duration::from_millis(self.chance.below(30) as u64));
                    self.kill_platform();
                    self.say("the platform is killed meanwhile".to_owned());
                } else {
                    // It may have been lost a moment ago.
                    let _ = self.ask(&Ask::Confirm { run: run.id, digest });
                }
            }
            9 => {
                let Some(run) = some(&mut self.chance) else { return };
                self.say(format!("cancel #{} ({})", run.number, run.state));
                let _ = self.ask(&Ask::Cancel { run: run.id });
            }
            10..=11 => {
                let Some(run) = some(&mut self.chance) else { return };
                self.say(format!("kill the supervisor of #{} ({})", run.number, run.state));
                self.kill_supervisor(run.id);
            }
            12..=13 => {
                self.say("kill the platform".to_owned());
                self.kill_platform();
            }
            14 => {
                let days = i64::try_from(self.chance.below(11)).expect("small") - 5;
                self.say(format!("the clock is {days} days off"));
                std::fs::write(self.base().join("clock"), (days * 86_400).to_string()).expect("written");
            }
            _ => {
                self.say("the next apply fails".to_owned());
                std::fs::write(self.base().join("fail"), "").expect("written");
            }
        }
        std::thread::sleep(Duration::from_millis(self.chance.below(120) as u64));
    }

    /// Holds what must be true at any moment.
    fn hold(&mut self) -> Known {
        let known = self.look();
        let told = self.told();
        let violations = std::fs::read_to_string(self.base().join("violations")).unwrap_or_default();
        assert_eq!(violations, "", "5; {told}; {:#?}", known.runs);
        let mut applied = BTreeSet::new();
        for (digest, run) in self.applied() {
            assert!(applied.insert(digest.clone()), "4: {digest} was applied twice, now by {run}; {told}");
        }
        let mut holders: BTreeMap<&str, RunId> = BTreeMap::new();
        for (key, run) in &known.locks {
            assert_eq!(holders.insert(key, *run), None, "5: two hold {key}; {told}");
        }
        for (_, folder, _) in INSTANCES {
            let uses = |run: &&Run| {
                let of = INSTANCES.iter().find(|(name, ..)| Some(*name) == run.component.as_deref());
                run.state.is_active() && of.is_some_and(|(_, of, _)| *of == folder)
            };
            assert!(known.runs.iter().filter(uses).count() <= 1, "5: two use {folder}: {:#?}; {told}", known.runs);
        }
        let first = known.audit.first().map_or(0, |record| record.sequence);
        for (at, record) in known.audit.iter().enumerate() {
            assert_eq!(record.sequence, first + at as u64, "7: a gap; {told}");
        }
        for run in &known.runs {
            self.hold_one(run, &known, &told);
        }
        known
    }

    fn hold_one(&self, run: &Run, known: &Known, told: &str) {
        let about = format!("run/{}", run.id);
        let trail: Vec<&AuditRecord> = known.audit.iter().filter(|record| record.object == about).collect();
        let mut state = "queued".to_owned();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for record in &trail {
            assert_eq!(record.detail["from"], json!(state), "7: a change without its record: {trail:#?}; {told}");
            record.detail["to"].as_str().expect("a state").clone_into(&mut state);
            *counts.entry(record.action.trim_start_matches("run.")).or_default() += 1;
        }
        assert_eq!(state, run.state.name(), "7: the last record: {trail:#?}; {told}");
        for (verb, count) in counts {
            let kind = format!("dev.terrace.run.{verb}");
            let events = known.events.iter().filter(|event| event.subject == about && event.event_type == kind);
            assert_eq!(events.count(), count, "7: {verb} of #{} without its event; {told}", run.number);
        }
        // What the clock says ends nothing.
        assert_ne!(run.state, RunState::Expired, "{run:#?}; {told}");
        assert!(run.ended_at.is_none_or(|end| end >= run.started_at.unwrap_or(run.queued_at)), "{run:#?}; {told}");
        if run.state == RunState::Unknown {
            assert!(self.killed.contains(&run.id), "6: unknown without a lost supervisor: {run:#?}; {told}");
            let holds = known.locks.iter().any(|(key, holder)| key.starts_with("state:") && *holder == run.id);
            assert!(holds || run.kind == RunKind::Workflow, "6: it keeps its state: {:?}; {told}", known.locks);
        }
    }

    /// Which plan was applied by which run, as the stand-in noted it.
    fn applied(&self) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(self.base().join("applied")).unwrap_or_default();
        let pair = |line: &str| line.split_once(' ').map(|(digest, run)| (digest.to_owned(), run.to_owned()));
        text.lines().filter_map(pair).collect()
    }

    /// Brings everything to its end: says yes to what waits, and settles what is unknown.
    fn settle(&mut self) -> Known {
        let begin = Instant::now();
        loop {
            let known = self.hold();
            let open: Vec<&Run> = known.runs.iter().filter(|run| !run.state.is_end()).collect();
            let unknown: Vec<&Run> = known.runs.iter().filter(|run| run.state == RunState::Unknown).collect();
            if open.is_empty() && unknown.is_empty() {
                return known;
            }
            assert!(
                begin.elapsed() < DEADLINE * 2,
                "it does not come to its end: {open:#?} {unknown:#?}; {}",
                self.told()
            );
            for run in unknown {
                assert!(self.ask(&Ask::Retry { run: run.id }).is_err(), "6: retried; {}", self.told());
                let looks = |other: &&Run| other.resolves == Some(run.id) && !other.state.is_end();
                if known.runs.iter().any(|other| looks(&other)) {
                    continue;
                }
                let done = self.applied().len().is_multiple_of(2);
                if self.ask(&Ask::Resolve { run: run.id, done: Some(done) }).is_err() && run.component.is_some() {
                    // First the refresh-only plan, which waits for what the run left behind.
                    let _ = self.ask(&Ask::Resolve { run: run.id, done: None });
                }
            }
            for run in open {
                if let (RunState::AwaitingConfirmation, Some(digest)) = (run.state, run.plan_digest.clone()) {
                    let _ = self.ask(&Ask::Confirm { run: run.id, digest });
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Holds what must be true when everything has come to its end.
    fn hold_at_the_end(&mut self, known: &Known) {
        let told = self.told();
        assert!(known.locks.is_empty(), "a lock is left behind: {:?}; {told}", known.locks);
        let asked = known.runs.iter().filter(|run| run.resolves.is_none()).count();
        assert_eq!(asked, self.keys.len(), "one run for each key; {told}");
        let applied = self.applied();
        for (digest, id) in &applied {
            let run = known.runs.iter().find(|run| run.id.to_string() == *id).expect("a run");
            let its = run.plan_digest.as_ref().map(Digest::as_str);
            assert_eq!(its, Some(digest.as_str()), "1: another plan was applied: {run:#?}; {told}");
            assert!(run.confirmed_by.is_some(), "1: nobody said yes: {run:#?}; {told}");
        }
        let state = self.world.state();
        for run in &known.runs {
            let folder = RunFolder::new(state.join("runs").join(run.id.to_string()));
            eventually("no supervisor is left", || (!folder.is_alive()).then_some(()));
            let times = applied.iter().filter(|(_, id)| *id == run.id.to_string()).count();
            let applies = run.kind.applies() && run.state == RunState::Succeeded;
            assert!(times == 1 || (times == 0 && !(applies && run.reason.is_none())), "{times}: {run:#?}; {told}");
            let log = std::fs::read(folder.log()).unwrap_or_default();
            let wrote = std::fs::read(self.base().join("wrote").join(run.id.to_string())).unwrap_or_default();
            assert!(wrote.starts_with(&log), "10: the log of #{}: {told}", run.number);
            if run.state.is_success() && !self.killed.contains(&run.id) {
                assert_eq!(log, wrote, "10: the log of #{}; {told}", run.number);
                assert_eq!((run.log_bytes, run.log_lost), (log.len() as u64, 0), "10; {told}");
            }
        }
        self.kill_platform();
        let held = crate::runs_secrets::holding(&state, SECRET);
        assert_eq!(held, Vec::<String>::new(), "10: a secret is kept; {told}");
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        self.kill_platform();
    }
}

#[test]
fn the_service_keeps_its_promises_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (cases, first) = (number("TERRACE_CASES").unwrap_or(2), number("TERRACE_SEED").unwrap_or(1));
    let mut states: BTreeMap<String, usize> = BTreeMap::new();
    let (mut runs, mut killed) = (0, 0);
    for seed in first..first + cases {
        let mut case = Case::new(seed);
        for _ in 0..ACTIONS {
            case.act();
            case.hold();
        }
        let known = case.settle();
        case.hold_at_the_end(&known);
        runs += known.runs.len();
        killed += case.killed.len();
        for record in known.audit.iter().filter_map(|record| record.detail["to"].as_str()) {
            *states.entry(record.to_owned()).or_default() += 1;
        }
    }
    println!(
        "{cases} cases (from seed {first}) of {ACTIONS} actions: {runs} runs, {killed} supervisors killed, states {states:?}"
    );
}
