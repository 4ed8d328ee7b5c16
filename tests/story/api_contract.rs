//! What every answer has: problem documents, cursors, ETags, freshness, permissions, and its place in the document.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use terrace::api::auth::Peer;
use terrace::api::{AppState, openapi, router};
use terrace::atmos::LoadOptions;
use terrace::platform::Platform;
use tower::ServiceExt as _;

use crate::support::home::{Home, Served, until};

/// One request to the router of a platform.
async fn ask(served: &Served, method: &str, path: &str, headers: &[(&str, &str)]) -> (Response<()>, Vec<u8>) {
    ask_as(served, Some(Peer::InProcess), method, path, headers).await
}

async fn ask_as(
    served: &Served,
    peer: Option<Peer>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> (Response<()>, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).expect("a request");
    if let Some(peer) = peer {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let state = AppState::new(std::sync::Arc::clone(&served.platform));
    let response = router(state).oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let stream = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
    let body = if stream { Vec::new() } else { body.collect().await.expect("a body").to_bytes().to_vec() };
    (Response::from_parts(parts, ()), body)
}

/// Sends a body.
async fn send(served: &Served, path: &str, kind: &str, body: String) -> (Response<()>, Vec<u8>) {
    let request = Request::builder().method("POST").uri(path).header("content-type", kind).body(Body::from(body));
    let mut request = request.expect("a request");
    request.extensions_mut().insert(ConnectInfo(Peer::InProcess));
    let state = AppState::new(std::sync::Arc::clone(&served.platform));
    let (parts, body) = router(state).oneshot(request).await.expect("an answer").into_parts();
    (Response::from_parts(parts, ()), body.collect().await.expect("a body").to_bytes().to_vec())
}

/// Checks that an answer is a whole problem document of this status and code.
#[track_caller]
fn is_problem(answer: &(Response<()>, Vec<u8>), status: u16, code: &str) {
    let (response, body) = answer;
    let text = String::from_utf8_lossy(body);
    assert_eq!(response.status().as_u16(), status, "{text}");
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{text}");
    let problem: Value = serde_json::from_slice(body).expect("JSON");
    for name in ["type", "title", "status", "detail", "instance", "code"] {
        assert!(!problem[name].is_null() && problem[name] != json!(""), "no {name} in {text}");
    }
    assert_eq!(problem["code"], json!(code), "{text}");
    assert_eq!(problem["status"], json!(status));
    let id = response.headers()["x-request-id"].to_str().expect("text");
    assert_eq!(problem["instance"], json!(format!("urn:terrace:request:{id}")));
}

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

/// Every route of the document, with something in the place of each part of its path.
fn documented() -> Vec<(String, String, Value)> {
    let document = serde_json::to_value(openapi()).expect("JSON");
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("an item") {
            if METHODS.contains(&method.as_str()) {
                routes.push((method.clone(), path.replace("{id}", "7"), operation.clone()));
            }
        }
    }
    routes
}

#[test]
fn the_document_has_the_routes_of_the_contract() {
    let found: BTreeSet<String> =
        documented().into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    let needed = [
        "get /healthz",
        "get /readyz",
        "get /metrics",
        "get /api/v1/openapi.json",
        "get /api/v1/events",
        "get /api/v1/audit",
        "get /api/v1/runs",
        "post /api/v1/runs",
        "get /api/v1/runs/7",
        "get /api/v1/runs/7/log",
        "post /api/v1/runs/7/cancel",
        "post /api/v1/runs/7/confirm",
        "post /api/v1/runs/7/retry",
        "post /api/v1/runs/7/resolve",
        "get /api/v1/stacks",
        "get /api/v1/instances",
        "get /api/v1/explain",
        "get /api/v1/describe/stacks",
        "get /api/v1/describe/component",
    ];
    for route in needed {
        assert!(found.contains(route), "{route} is missing");
    }
}

/// The sources of the routes name as many handlers as the document has operations: none is added past it.
#[test]
fn no_route_is_left_out_of_the_document() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut handlers = 0;
    let mut open = vec![folder];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).expect("folder").flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).expect("text");
            assert!(!text.contains(".route(\""), "{} adds a route past the document", entry.path().display());
            handlers += text.matches("#[utoipa::path(").count();
        }
    }
    assert_eq!(documented().len(), handlers);
}

#[test]
fn the_document_is_whole() {
    let document = serde_json::to_value(openapi()).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    found.insert(reference.clone());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 10);
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut names = BTreeSet::new();
    for (method, path, operation) in documented() {
        let name = operation["operationId"].as_str().expect("an id").to_owned();
        assert!(names.insert(name.clone()), "{name} names two operations");
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert!(operation["responses"]["default"].is_object(), "{method} {path} has no problems");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["name"] == json!("limit") {
                let bounds = (&parameter["schema"]["minimum"], &parameter["schema"]["maximum"]);
                assert_eq!(bounds, (&json!(1), &json!(10_000)), "{method} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_answers_is_a_problem_document() {
    let home = Home::new();
    let served = home.serve().await;
    for path in ["/", "/nope", "/api/v1", "/api/v1/nope", "/api/v2/estate", "/api/v1/estate/", "/api/v1/runs/1/nope"] {
        is_problem(&ask(&served, "GET", path, &[]).await, 404, "no-such-route");
    }
    let all: BTreeSet<(String, String)> = documented().into_iter().map(|(method, path, _)| (method, path)).collect();
    let paths: BTreeSet<&String> = all.iter().map(|(_, path)| path).collect();
    for path in paths {
        for method in METHODS {
            let answer = ask(&served, &method.to_uppercase(), path, &[]).await;
            if all.contains(&(method.to_owned(), path.clone())) {
                let text = String::from_utf8_lossy(&answer.1).into_owned();
                assert!(
                    !text.contains("no-such-route") && !text.contains("method-not-allowed"),
                    "{method} {path}: {text}"
                );
                if !answer.0.status().is_success() {
                    assert_eq!(answer.0.headers()["content-type"], "application/problem+json", "{method} {path}");
                }
            } else {
                is_problem(&answer, 405, "method-not-allowed");
                assert!(answer.0.headers().contains_key("allow"), "{method} {path}");
            }
        }
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_a_problem_document_that_says_what() {
    let home = Home::new();
    let served = home.serve().await;
    let first = ask(&served, "GET", "/api/v1/instances?limit=1", &[]).await;
    let page: Value = serde_json::from_slice(&first.1).expect("JSON");
    let cursor = page["next"].as_str().expect("there is more");
    for list in ["stacks", "imports", "dependencies", "diagnostics", "teams", "workflows", "events", "audit", "runs"] {
        for bad in ["x", "", "%00", cursor] {
            is_problem(&ask(&served, "GET", &format!("/api/v1/{list}?cursor={bad}"), &[]).await, 400, "bad-cursor");
        }
        for bad in ["0", "10001"] {
            is_problem(&ask(&served, "GET", &format!("/api/v1/{list}?limit={bad}"), &[]).await, 400, "bad-limit");
        }
        for bad in ["limit=-1", "limit=x", "unknown=1"] {
            is_problem(&ask(&served, "GET", &format!("/api/v1/{list}?{bad}"), &[]).await, 400, "bad-query");
        }
    }
    is_problem(&ask(&served, "GET", "/api/v1/explain?component=network", &[]).await, 400, "bad-query");
    for bad in ["", "x", "-1"] {
        let answer = ask(&served, "GET", "/api/v1/events", &[("last-event-id", bad)]).await;
        is_problem(&answer, 400, "bad-last-event-id");
    }
    let unknown = ask(&served, "GET", "/api/v1/explain?component=netwrok&stack=dev", &[]).await;
    assert_eq!(unknown.0.status(), StatusCode::NOT_FOUND);
    assert!(String::from_utf8_lossy(&unknown.1).contains("network"), "it says what was perhaps meant");
    is_problem(&ask(&served, "GET", "/api/v1/files?path=../x", &[]).await, 404, "not-found");
    is_problem(&ask(&served, "GET", "/api/v1/runs/99", &[]).await, 404, "not-found");
    is_problem(&ask(&served, "GET", "/api/v1/runs/x", &[]).await, 404, "not-found");
    is_problem(&ask(&served, "POST", "/api/v1/runs", &[]).await, 415, "bad-body");
    for path in ["/api/v1/runs", "/api/v1/runs/1/input"] {
        let large = "x".repeat(3 * 1024 * 1024);
        is_problem(&send(&served, path, "application/json", large).await, 413, "bad-body");
    }
    for body in ["", "{", "[]", "{\"kind\": \"nonsense\"}", "{\"kind\": \"plan\", \"unknown\": 1}"] {
        let answer = send(&served, "/api/v1/runs", "application/json", body.to_owned()).await;
        assert!(matches!(answer.0.status().as_u16(), 400 | 422), "{body}");
        is_problem(&answer, answer.0.status().as_u16(), "bad-body");
    }
    is_problem(&send(&served, "/api/v1/runs", "text/plain", "{}".to_owned()).await, 415, "bad-body");
    is_problem(&ask(&served, "GET", "/api/v1/runs/%ff", &[]).await, 400, "bad-path");
    // The list changed since the cursor was given.
    home.write(
        "stacks/deploy/dev.yaml",
        "vars: {stage: dev}\ncomponents: {terraform: {network: {}, cache: {}, more: {}}}\n",
    );
    let outdated = ask(&served, "GET", &format!("/api/v1/instances?cursor={cursor}"), &[]).await;
    is_problem(&outdated, 409, "cursor-outdated");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_saves_the_answer_until_a_file_changes() {
    let home = Home::new();
    let served = home.serve().await;
    for path in ["/api/v1/estate", "/api/v1/stacks", "/api/v1/explain?component=network&stack=dev"] {
        let (answer, body) = ask(&served, "GET", path, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", String::from_utf8_lossy(&body));
        let etag = answer.headers()["etag"].to_str().expect("text").to_owned();
        let (again, body) = ask(&served, "GET", path, &[("if-none-match", &etag)]).await;
        assert_eq!((again.status(), body.len()), (StatusCode::NOT_MODIFIED, 0));
        home.write(
            "stacks/deploy/dev.yaml",
            &format!("vars: {{stage: dev}}\ncomponents: {{terraform: {{network: {{vars: {{cidr: '{path}'}}}}}}}}\n"),
        );
        let (changed, _) = ask(&served, "GET", path, &[("if-none-match", &etag)]).await;
        assert_eq!(changed.status(), StatusCode::OK);
        assert_ne!(changed.headers()["etag"].to_str().expect("text"), etag);
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_older_than_the_files() {
    let home = Home::new();
    let served = home.serve().await;
    for round in 0..60 {
        let size = format!("s{round}");
        home.write(
            "stacks/deploy/dev.yaml",
            &format!("vars: {{stage: dev}}\ncomponents: {{terraform: {{cache: {{vars: {{size: {size}}}}}}}}}\n"),
        );
        let explanation = served.client.explain("cache", "dev", None, Some("vars.size")).await.expect("explained");
        assert_eq!(explanation.values[0].value, json!(size), "round {round}");
    }
    // A file that comes, and one that goes.
    home.write("stacks/deploy/prod.yaml", "vars: {stage: prod}\ncomponents: {terraform: {cache: {}}}\n");
    assert_eq!(served.client.stacks().await.expect("stacks").len(), 2);
    std::fs::remove_file(home.root().join("stacks/deploy/prod.yaml")).expect("removed");
    assert_eq!(served.client.stacks().await.expect("stacks").len(), 1);
    // `platform/` counts too, and a broken file hides nothing else.
    home.write("platform/teams.yaml", "teams:\n  - {name: data, components: ['cache']}\n");
    assert_eq!(served.client.instances(false).await.expect("instances")[0].team.as_deref(), Some("data"));
    home.write("platform/teams.yaml", "teams:\n  - {nme: data}\n");
    let problems = served.client.diagnostics().await.expect("diagnostics");
    let place =
        problems.iter().find(|problem| problem.code == "platform-yaml").and_then(|problem| problem.source.clone());
    assert_eq!(place.map(|place| (place.file, place.line)), Some(("platform/teams.yaml".to_owned(), 2)));
    assert_eq!(served.client.stacks().await.expect("stacks").len(), 1);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_told_to_whoever_does_not_ask() {
    let home = Home::new();
    let served = home.serve().await;
    served.client.estate().await.expect("loaded");
    until("it is ready", || async { served.client.readyz().await.ok() }).await;
    home.write("stacks/deploy/more.yaml", "vars: {stage: more}\ncomponents: {terraform: {cache: {}}}\n");
    let event = until("the event", || async {
        served.client.recent_events(10).await.expect("events").into_iter().find(|event| {
            event.event_type == "dev.terrace.estate.changed"
                && event.data["changed"].to_string().contains("stacks/deploy")
        })
    })
    .await;
    assert_eq!((event.specversion.as_str(), event.datacontenttype.as_str()), ("1.0", "application/json"));
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_refuses_whom_it_does_not_know() {
    let home = Home::new();
    let served = home.serve().await;
    let me = rustix::process::geteuid().as_raw();
    for (method, path, _) in documented() {
        for (peer, code) in [
            (None, "unknown-caller"),
            (Some(Peer::Unknown), "unknown-caller"),
            (Some(Peer::Process { uid: me + 1, pid: Some(1) }), "not-the-owner"),
        ] {
            let answer = ask_as(&served, peer, &method.to_uppercase(), &path, &[]).await;
            is_problem(&answer, 403, code);
        }
    }
    served.end().await;
}

/// Another user who gets at the socket all the same (its mode is opened here) is known by the kernel's word.
#[tokio::test(flavor = "multi_thread")]
async fn another_user_of_the_machine_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root, to become another user");
        return;
    }
    let home = Home::new();
    let served = home.serve().await;
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
    };
    let socket = home.paths().socket();
    for folder in socket.ancestors().skip(1).take_while(|folder| folder.starts_with(home.path(""))) {
        open(folder, 0o755);
    }
    let attempt = |socket: std::path::PathBuf| {
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let nobody = rustix::process::Uid::from_raw(65534);
            // SAFETY: only this thread changes, and it ends with the attempt; nothing else in it depends on the user.
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("somebody else");
            let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
            stream.write_all(b"GET /api/v1/platform HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text).map(|_| text)
        })
    };
    let kept_out = attempt(socket.clone()).join().expect("joined").expect_err("the mode keeps others out");
    assert_eq!(kept_out.kind(), std::io::ErrorKind::PermissionDenied);
    open(&socket, 0o666);
    let text = tokio::task::spawn_blocking(move || attempt(socket).join()).await.expect("ran").expect("joined");
    let text = text.expect("an answer");
    assert!(text.starts_with("HTTP/1.1 403 ") && text.contains("not-the-owner"), "{text}");
    served.end().await;
}

#[tokio::test]
async fn a_reading_command_has_the_same_answers_and_keeps_nothing() {
    let home = Home::new();
    let platform = Platform::reading(&home.root(), LoadOptions::default()).expect("platform");
    let client = terrace::api::client::Client::in_process(router(AppState::new(platform.into())));
    assert_eq!(client.estate().await.expect("estate").instances, 2);
    assert_eq!(client.workflows().await.expect("workflows").len(), 2);
    let error = client.recent_runs(1).await.expect_err("nothing is kept");
    assert_eq!(error.code(), Some("no-store"));
    assert!(error.hint().is_some_and(|hint| hint.contains("terrace serve")));
    assert!(!home.path("state").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_shown_for_prometheus() {
    let home = Home::new();
    let served = home.serve().await;
    served.client.stacks().await.expect("stacks");
    served.client.healthz().await.expect("lives");
    let text = served.client.metrics().await.expect("metrics");
    assert!(
        text.contains(r#"terrace_http_requests_total{method="GET",route="/api/v1/stacks",status="200"} 1"#),
        "{text}"
    );
    assert!(text.contains("terrace_runs_live 0") && text.contains("terrace_connections "), "{text}");
    is_openmetrics(&text);
    served.end().await;
}

/// Reads the text as OpenMetrics asks for it: each sample belongs to a family that was declared, with the suffixes of its
/// type; numbers are numbers; buckets only grow; the end is marked.
fn is_openmetrics(text: &str) {
    let mut types: std::collections::BTreeMap<&str, &str> = std::collections::BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut buckets: std::collections::BTreeMap<String, f64> = std::collections::BTreeMap::new();
    let lines: Vec<&str> = text.lines().collect();
    assert!(text.ends_with('\n'));
    assert_eq!(lines.last().copied(), Some("# EOF"));
    for line in &lines[..lines.len() - 1] {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(helped.insert(rest.split(' ').next().expect("a name")), "{line} comes twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(types.insert(name, kind).is_none(), "{line} comes twice");
        } else if line.starts_with("# UNIT ") {
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let value: f64 = value.parse().expect("a number");
            let name = series.split('{').next().expect("a name");
            assert!(
                name.starts_with("terrace_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{line}"
            );
            let family = types.iter().find(|(family, kind)| match **kind {
                "counter" => name == format!("{family}_total"),
                "histogram" => ["_bucket", "_sum", "_count"].iter().any(|end| name == format!("{family}{end}")),
                _ => name == **family,
            });
            let (family, _) = family.unwrap_or_else(|| panic!("{line} belongs to no family"));
            assert!(helped.contains(family), "{family} has no help");
            if name.ends_with("_bucket") {
                let (before, after) = series.split_once("le=\"").expect("a bound");
                let others = format!("{before}{}", after.split_once('"').expect("an end").1);
                let last = buckets.insert(others, value).unwrap_or_default();
                assert!(value >= last, "{line}: buckets only grow");
            }
        }
    }
    assert!(!buckets.is_empty());
}
