//! Many watchers on one log, by HTTP through the real platform process: each gets every byte.

use std::path::PathBuf;
use std::process::Command;

use futures::TryStreamExt as _;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use terrace::api::client::Client;
use terrace::domain::id::RunRef;
use terrace::domain::run::{Run, RunRequest, RunState};

use crate::support::home::{Home, until};
use crate::support::host::eventually;

const WATCHERS: u64 = 60;

/// Fewer files than the watchers need: three each.
const FILES: u64 = 64;

/// Follows a log from an offset to its end; returns how much came and its digest.
async fn follow(socket: PathBuf, run: Run, offset: u64) -> (u64, String) {
    let client = Client::unix(&socket);
    let mut stream = Box::pin(client.follow_log(RunRef::Id(run.id), offset));
    let (mut seen, mut hasher) = (offset, Sha256::new());
    while let Some(piece) = stream.try_next().await.expect("no break") {
        seen += piece.len() as u64;
        hasher.update(&piece);
    }
    (seen, hex::encode(hasher.finalize()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_watcher_gets_every_byte_whatever_a_shell_lets_a_process_open() {
    let home = Home::new();
    let half = "i=0; while [ $i -lt 20 ]; do yes 'terraform_data.it: Still creating...' | head -c 20000; echo; i=$((i+1)); done";
    let command = format!("ulimit -n; {half}; while [ ! -e go ]; do sleep 0.05; done; {half}");
    home.write(
        "stacks/workflows/flood.yaml",
        &format!("workflows:\n  flood:\n    steps:\n      - type: shell\n        command: |\n          {command}\n"),
    );
    let serve = home.command(&["serve", "--local"]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -Sn {FILES} && exec \"$0\" \"$@\"")]).arg(serve.get_program());
    limited.args(serve.get_args()).env_clear();
    limited.envs(serve.get_envs().filter_map(|(name, value)| value.map(|value| (name, value))));
    limited.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut process = limited.spawn().expect("served");
    let socket = home.paths().socket();
    eventually("the platform listens", || std::os::unix::net::UnixStream::connect(&socket).ok());
    let client = Client::unix(&socket);
    let mut request: RunRequest = serde_json::from_value(
        json!({"kind": "workflow", "workflow": "flood", "workflow_file": "flood.yaml", "yes": true, "driver": "terraform"}),
    )
    .expect("a request");
    request.env = std::env::vars().collect();
    let run = client.start_run(&request, None).await.expect("accepted");
    let mut watching = tokio::task::JoinSet::new();
    for at in 0..WATCHERS {
        // From the first byte, from the middle, and from beyond what is there.
        let offset = [0, 0, 100_001, 500_000][usize::try_from(at % 4).expect("small")];
        let (socket, run) = (socket.clone(), run.clone());
        watching.spawn(async move { (offset, follow(socket, run, offset).await) });
    }
    until("half of it is there", || async {
        client.run(RunRef::Id(run.id)).await.ok().filter(|run| run.log_bytes > 400_000)
    })
    .await;
    // The others come when there is something to catch up with.
    for _ in 0..WATCHERS / 4 {
        let (socket, run) = (socket.clone(), run.clone());
        watching.spawn(async move { (0, follow(socket, run, 0).await) });
    }
    home.write("go", "");
    let ended =
        until("it ends", || async { client.run(RunRef::Id(run.id)).await.ok().filter(|run| run.state.is_end()) });
    let ended = ended.await;
    assert_eq!(ended.state, RunState::Succeeded, "{ended:#?}");
    let log = std::fs::read(home.paths().runs().join(run.id.to_string()).join("log")).expect("a log");
    assert_eq!(ended.log_bytes, log.len() as u64);
    // A run is not given what the platform took for itself.
    assert!(log.starts_with(format!("{FILES}\n").as_bytes()), "{}", String::from_utf8_lossy(&log[..40]));
    let mut whole = 0;
    while let Some(watched) = watching.join_next().await {
        let (offset, (seen, digest)) = watched.expect("watched");
        let expected = &log[usize::try_from(offset).expect("small")..];
        assert_eq!((seen, digest), (log.len() as u64, hex::encode(Sha256::digest(expected))), "from {offset}");
        whole += 1;
    }
    assert_eq!(whole, WATCHERS + WATCHERS / 4);
    crate::support::home::kill(i32::try_from(process.id()).expect("a pid"), rustix::process::Signal::TERM);
    process.wait().expect("gone");
}
