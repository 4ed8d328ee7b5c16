//! Runs: overhead, dispatch, ingest, memory of a supervisor, reattaching, watchers. Prints each beside its promise.
//!
//! `cargo bench --bench runs`; needs a shell, not Terraform. `TERRACE_BENCH_GIB` says how much a log takes in (1 where
//! it is not set).

#[path = "../tests/story/support/mod.rs"]
#[expect(dead_code, reason = "the stories use more of it than the bench")]
mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use serde_json::json;
use support::host::Host;
use support::platform::{Platform, World, alice, start_with};
use terrace::domain::id::RunRef;
use terrace::domain::run::{Run, RunRequest};
use terrace::platform::runs::folder::RunFolder;
use terrace::platform::runs::journal::{Note, read};

const GIB: u64 = 1024 * 1024 * 1024;

fn main() {
    ingest();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(overhead());
    runtime.block_on(dispatch());
    reattach();
    runtime.block_on(watchers());
}

fn say(what: &str, value: impl std::fmt::Display, promise: &str) {
    println!("{what:<58} {value:>12}   promised {promise}");
}

/// Lines through a supervisor while somebody reads the log as it grows.
fn ingest() {
    let gib = std::env::var("TERRACE_BENCH_GIB").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let bytes = gib * GIB;
    let mut host = Host::start();
    let idle = rss_anon(host.process.id());
    let begin = Instant::now();
    let line = "terraform_data.instance: Still modifying... [id=b7b5, 10s elapsed]";
    host.begin(support::host::shell(&host.work(), &[&format!("yes '{line}' | head -c {bytes}")]));
    let log = host.folder.log();
    let watcher = std::thread::spawn(move || {
        use std::io::Read as _;
        let mut file = std::fs::File::open(log).expect("a log");
        let (mut seen, mut buffer) = (0, vec![0; 256 * 1024]);
        while seen < bytes {
            match file.read(&mut buffer).expect("read") {
                0 => std::thread::sleep(Duration::from_millis(1)),
                read => seen += read as u64,
            }
        }
    });
    let mut busy = 0;
    while host.process.try_wait().expect("waited").is_none() {
        busy = busy.max(rss_anon(host.process.id()));
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begin.elapsed();
    watcher.join().expect("watched");
    let speed = bytes as f64 / 1e6 / took.as_secs_f64();
    say(&format!("log ingest, {gib} GiB, one watcher (MB/s)"), format!("{speed:.0}"), ">= 300");
    say("supervisor, waiting (RssAnon, kB)", idle, "<= 6144");
    say("supervisor, busy (RssAnon, kB)", busy, "<= 6144");
}

fn rss_anon(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

fn workflow(name: &str) -> RunRequest {
    let request = json!({"kind": "workflow", "workflow": name, "workflow_file": "bench", "driver": "terraform"});
    let mut request: RunRequest = serde_json::from_value(request).expect("a request");
    request.env = std::env::vars().collect();
    request
}

fn world() -> World {
    let world = World::new();
    let text = "workflows:\n  nothing:\n    steps:\n      - {type: shell, command: 'true'}\n  short:\n    steps:\n      - {type: shell, command: 'sleep 0.05'}\n  long:\n    steps:\n      - {type: shell, command: 'sleep 60'}\n";
    world.write("stacks/workflows/bench.yaml", text);
    world
}

async fn ended(platform: &Platform, run: &Run) -> Run {
    platform.end(run).await
}

/// From the moment a run is asked for until its end is known, less what the bare command takes.
async fn overhead() {
    let world = world();
    let platform = start_with(world.temp.path(), 8).await;
    let mut times = Vec::new();
    let mut bare = Vec::new();
    for _ in 0..20 {
        let begin = Instant::now();
        Command::new("bash").args(["-c", "true"]).status().expect("ran");
        bare.push(begin.elapsed());
        let begin = Instant::now();
        let mut bell = platform.store.bell().subscribe();
        let run = platform.create(workflow("nothing")).await;
        loop {
            let now = platform.runs.get(&RunRef::Id(run.id)).await.expect("there");
            if now.state.is_end() {
                break;
            }
            bell.changed().await.expect("a bell");
        }
        times.push(begin.elapsed());
    }
    times.sort();
    bare.sort();
    let over = times[10].saturating_sub(bare[10]);
    say("overhead of a run over its command, median (ms)", format!("{:.1}", over.as_secs_f64() * 1e3), "<= 50");
}

/// 200 runs wait, 8 go at a time: how long a free place stays free.
async fn dispatch() {
    let world = world();
    let gate = "workflows:\n  gate:\n    steps:\n      - {type: shell, command: 'while [ ! -e ../go ]; do sleep 0.05; done'}\n";
    world.write("stacks/workflows/gate.yaml", gate);
    let platform = start_with(world.temp.path(), 8).await;
    let mut runs = Vec::new();
    // All places are taken until all runs are queued.
    for _ in 0..8 {
        let mut request = workflow("gate");
        request.workflow_file = Some("gate".to_owned());
        runs.push(platform.create(request).await);
    }
    for _ in 0..200 {
        runs.push(platform.create(workflow("short")).await);
    }
    std::fs::write(world.temp.path().join("go"), "").expect("written");
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for run in &runs {
        ended(&platform, run).await;
        for entry in read(&world.run_folder(run).join("journal"), 0).expect("a journal") {
            match entry.note {
                Note::Started { .. } => starts.push(entry.at),
                Note::Ended { .. } => ends.push(entry.at),
                _ => {}
            }
        }
    }
    starts.sort();
    ends.sort();
    // Each end makes place for the next start.
    let mut gaps: Vec<f64> = starts
        .iter()
        .skip(8)
        .zip(&ends)
        .map(|(start, end)| start.duration_since(*end).as_secs_f64() * 1e3)
        .filter(|gap| *gap >= 0.0)
        .collect();
    gaps.sort_by(f64::total_cmp);
    let at = |part: f64| gaps[((gaps.len() - 1) as f64 * part) as usize];
    say("a place stays free between two of 200 runs, median (ms)", format!("{:.1}", at(0.5)), "< 20");
    say("the same, 95th percentile (ms)", format!("{:.1}", at(0.95)), "");
}

/// 100 runs live; the platform goes and comes back.
fn reattach() {
    let world = world();
    let first = tokio::runtime::Runtime::new().expect("a runtime");
    let runs: Vec<Run> = first.block_on(async {
        let platform = start_with(world.temp.path(), 100).await;
        let mut runs = Vec::new();
        for _ in 0..100 {
            runs.push(platform.create(workflow("long")).await);
        }
        for run in &runs {
            platform.wait(run, "to run", |run| run.started_at.is_some()).await;
        }
        runs
    });
    first.shutdown_background();
    let second = tokio::runtime::Runtime::new().expect("a runtime");
    second.block_on(async {
        let begin = Instant::now();
        let platform = start_with(world.temp.path(), 100).await;
        let took = begin.elapsed();
        say("reattaching to 100 live runs (ms)", format!("{:.0}", took.as_secs_f64() * 1e3), "<= 300");
        for run in &runs {
            platform.runs.cancel(&alice(), &RunRef::Id(run.id)).await.expect("canceled");
        }
        for run in &runs {
            ended(&platform, run).await;
            let folder = RunFolder::new(world.run_folder(run));
            while folder.is_alive() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
}

/// 1,000 watchers on one log get every byte, each with a connection of its own to the real platform process.
async fn watchers() {
    let home = support::home::Home::new();
    let text = "workflows:\n  lines:\n    steps:\n      - {type: shell, command: 'yes line | head -c 20000000'}\n";
    home.write("stacks/workflows/bench.yaml", text);
    // Nobody reads what it says, and a full pipe would hold it up.
    let said = std::process::Stdio::null;
    let serve = home.command(&["serve", "--local"]).stdout(said()).stderr(said()).spawn();
    let mut platform = serve.expect("served");
    let socket = home.paths().socket();
    let client = home.client();
    support::host::eventually("the platform listens", || std::os::unix::net::UnixStream::connect(&socket).ok());
    let begin = Instant::now();
    let run = client.start_run(&workflow("lines"), None).await.expect("accepted");
    let mut watching = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let (client, which) = (home.client(), RunRef::Id(run.id));
        watching.spawn(async move {
            let log = client.follow_log(which, 0);
            log.try_fold(0u64, async |seen, piece| Ok(seen + piece.len() as u64)).await
        });
    }
    while let Some(seen) = watching.join_next().await {
        assert_eq!(seen.expect("watched").expect("no break"), 20_000_000, "every byte");
    }
    say("1,000 watchers got all of 20 MB by HTTP (s)", format!("{:.1}", begin.elapsed().as_secs_f64()), "every byte");
    platform.kill().expect("killed");
    platform.wait().expect("gone");
}
