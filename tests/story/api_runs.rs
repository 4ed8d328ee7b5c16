//! Runs through the API: asked for twice, decided on with what was read, read while they go on.

use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::json;
use terrace::domain::id::RunRef;
use terrace::domain::run::{RunRequest, RunState};

use crate::support::home::{Home, until};

fn workflow(name: &str) -> RunRequest {
    let mut request: RunRequest = serde_json::from_value(
        json!({"kind": "workflow", "workflow": name, "workflow_file": "practice.yaml", "yes": true}),
    )
    .expect("a request");
    request.env = std::env::vars().collect();
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_one_run_of_two_requests() {
    let home = Home::new();
    let served = home.serve().await;
    let client = &served.client;
    let asked = (0..6).map(|_| async { client.start_run(&workflow("greet"), Some("key-1")).await });
    let runs = futures::future::join_all(asked).await;
    let first = runs[0].as_ref().expect("a run").id;
    for run in runs {
        assert_eq!(run.expect("the same run").id, first);
    }
    let other = client.start_run(&workflow("wait"), Some("key-1")).await.expect_err("another request");
    assert_eq!(other.code(), Some("idempotency-key-reused"));
    let second = client.start_run(&workflow("greet"), Some("key-2")).await.expect("a run");
    assert_ne!(second.id, first);
    assert_eq!(client.recent_runs(10).await.expect("runs").len(), 2);
    for run in [first, second.id] {
        until("the end", || async {
            let run = client.run(RunRef::Id(run)).await.expect("there");
            run.state.is_end().then_some(())
        })
        .await;
    }
    served.end().await;
}

/// Whoever asked goes away at once, or a little later each time: what began to be done is a run that ends, and nothing else is
/// left of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_is_done_where_nobody_waits_for_the_answer() {
    use tokio::io::AsyncWriteExt as _;
    let home = Home::new();
    let served = home.serve().await;
    let body = serde_json::to_string(&workflow("greet")).expect("JSON");
    for number in 0_u64..12 {
        let mut stream = tokio::net::UnixStream::connect(home.paths().socket()).await.expect("connected");
        let head = format!(
            "POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await.expect("asked");
        tokio::time::sleep(std::time::Duration::from_millis(number * number)).await;
    }
    served.client.start_run(&workflow("greet"), None).await.expect("a run");
    until("each that was begun ends well, and nothing else is left", || async {
        let runs = served.client.recent_runs(100).await.expect("runs");
        let ended = runs.iter().filter(|run| run.state == RunState::Succeeded).count();
        let folders = std::fs::read_dir(home.paths().folder().join("runs")).expect("runs").count();
        (ended == runs.len() && folders == ended).then_some(())
    })
    .await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_read_while_it_grows_and_from_anywhere() {
    let home = Home::new();
    let served = home.serve().await;
    let client = &served.client;
    let run = client.start_run(&workflow("wait"), None).await.expect("a run");
    let which = RunRef::Number(run.number);
    let mut following = client.log(which, 0, None, true).await.expect("a log");
    let begun = following.next().await.expect("some").expect("bytes");
    assert_eq!(&begun[..], b"begun\n");
    home.write("go", "");
    let rest: Vec<_> = following.try_collect().await.expect("to the end");
    assert_eq!(rest.concat(), b"done\n");
    let run = until("the end", || async {
        let run = client.run(which).await.expect("there");
        run.state.is_end().then_some(run)
    })
    .await;
    assert_eq!(run.state, RunState::Succeeded, "{run:#?}");
    for offset in 0..=11_u64 {
        let bytes: Vec<_> =
            client.log(which, offset, Some(4), false).await.expect("a log").try_collect().await.expect("read");
        let from = usize::try_from(offset).expect("small");
        assert_eq!(bytes.concat(), b"begun\ndone\n"[from..(from + 4).min(11)]);
    }
    let lines = client.log_lines(which, 2, 10).await.expect("lines");
    assert_eq!(lines.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["done"]);
    assert!(lines.lines[0].time.is_some() && lines.lines[0].complete);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_on_an_old_version_is_refused() {
    let home = Home::new();
    let served = home.serve().await;
    let client = &served.client;
    let run = client.start_run(&workflow("wait"), None).await.expect("a run");
    let which = RunRef::Id(run.id);
    until("it runs", || async { (client.run(which).await.expect("there").state == RunState::Running).then_some(()) })
        .await;
    let http = |etag: String| {
        let state = terrace::api::AppState::new(std::sync::Arc::clone(&served.platform));
        let mut request = axum::http::Request::builder()
            .method("POST")
            .uri(format!("/api/v1/runs/{}/cancel", run.id))
            .header("if-match", etag)
            .body(axum::body::Body::empty())
            .expect("a request");
        request.extensions_mut().insert(axum::extract::ConnectInfo(terrace::api::auth::Peer::InProcess));
        tower::ServiceExt::oneshot(terrace::api::router(state), request)
    };
    let stale = http(format!("\"{}\"", run.version)).await.expect("an answer");
    assert_eq!(stale.status().as_u16(), 412);
    assert!(!client.run(which).await.expect("there").cancel_asked);
    // It counts on while it runs (its steps, its log): whoever reads again gets through.
    until("it is canceled", || async {
        let now = client.run(which).await.expect("there");
        let answer = http(format!("\"{}\"", now.version)).await.expect("an answer");
        answer.status().is_success().then_some(())
    })
    .await;
    let run = until("the end", || async {
        let run = client.run(which).await.expect("there");
        run.state.is_end().then_some(run)
    })
    .await;
    assert_eq!(run.state, RunState::Canceled, "{run:#?}");
    let actions: Vec<String> =
        client.recent_audit(50).await.expect("audit").into_iter().map(|record| record.action).collect();
    assert!(actions.iter().any(|action| action.starts_with("run.")), "{actions:?}");
    served.end().await;
}

/// CloudEvents 1.0 (JSON format), with what Terrace says besides.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_of_a_run_is_a_cloud_event() {
    let home = Home::new();
    let served = home.serve().await;
    let client = &served.client;
    let run = client.start_run(&workflow("greet"), None).await.expect("a run");
    let which = RunRef::Id(run.id);
    until("the end", || async { client.run(which).await.expect("there").state.is_end().then_some(()) }).await;
    let mut events = client.recent_events(1000).await.expect("events");
    events.reverse();
    let ours: Vec<_> = events.iter().filter(|event| event.subject == format!("run/{}", run.id)).collect();
    assert!(ours.len() >= 3, "queued, running, succeeded at least: {ours:#?}");
    let mut ids = std::collections::BTreeSet::new();
    for (index, event) in events.iter().enumerate() {
        let wire = serde_json::to_value(event).expect("JSON");
        let text = |name: &str| wire[name].as_str().unwrap_or_else(|| panic!("{name} of {wire}")).to_owned();
        assert_eq!((text("specversion").as_str(), text("datacontenttype").as_str()), ("1.0", "application/json"));
        assert!(ids.insert(text("id")), "ids are unique");
        assert!(text("source").starts_with("/terrace/estates/"));
        let kind = text("type");
        let words: Vec<&str> = kind.strip_prefix("dev.terrace.").expect("ours").split('.').collect();
        let plain = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        assert!(words.len() == 2 && words.iter().all(plain), "{kind}");
        assert!(text("subject").starts_with(&format!("{}/", words[0])), "{wire}");
        assert!(text("time").ends_with('Z') && text("time").parse::<jiff::Timestamp>().is_ok());
        assert_eq!(text("sequence"), (index + 1).to_string(), "without a gap");
        assert!(wire["data"].is_object());
        // Attribute names of CloudEvents: lower-case letters and digits only.
        for name in wire.as_object().expect("an object").keys() {
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{name}");
        }
    }
    for event in ours {
        assert_eq!(event.command, format!("terrace open run/{}", run.id));
    }
    served.end().await;
}
