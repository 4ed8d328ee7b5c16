//! Who may what: every route with every role and with none, tokens, a platform that several people share.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use terrace::api::auth::Peer;
use terrace::api::client::Client;
use terrace::api::{AppState, openapi, router};
use terrace::domain::team::Role;
use terrace::domain::token::TokenRequest;
use terrace::platform::audit::Actor;
use terrace::platform::clock::Clock;
use terrace::platform::{Platform, tokens};
use tower::ServiceExt as _;

use crate::support::home::{Home, Served, kill, until};
use crate::support::host::eventually;

const ROLES: [Role; 5] = [Role::Viewer, Role::Developer, Role::Approver, Role::Operator, Role::Admin];

/// One request to the router of a platform, from an address, with or without a token.
async fn ask(platform: &Arc<Platform>, method: &str, path: &str, token: Option<&str>, body: Value) -> (u16, Value) {
    let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if body.is_null() {
        Body::empty()
    } else {
        request = request.header("content-type", "application/json");
        Body::from(body.to_string())
    };
    let mut request = request.body(body).expect("a request");
    request.extensions_mut().insert(ConnectInfo(Peer::Network(([192, 0, 2, 7], 4711).into())));
    let response = router(AppState::new(Arc::clone(platform))).oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    if status == 401 {
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
    if status < 400 {
        // Streams do not end by themselves.
        return (status, Value::Null);
    }
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn mint(served: &Served, name: &str, role: Role, teams: &[&str]) -> String {
    let teams = teams.iter().map(|team| (*team).to_owned()).collect();
    let request = TokenRequest { name: name.to_owned(), role, teams, days: None };
    served.client.create_token(&request).await.expect("made").secret
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_for_a_role_of_everybody() {
    let home = Home::new();
    let served = home.serve().await;
    let mut tokens = Vec::new();
    for role in ROLES {
        tokens.push((role, mint(&served, &role.to_string(), role, &[]).await));
    }
    let document = serde_json::to_value(openapi()).expect("JSON");
    let mut lowest: BTreeMap<String, Role> = BTreeMap::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in ["get", "post", "put", "patch", "delete"] {
            if item[method].is_null() {
                continue;
            }
            let concrete = path.replace("{id}", "7").replace("{name}", "x");
            let (status, problem) = ask(&served.platform, method, &concrete, None, Value::Null).await;
            assert_eq!((status, &problem["code"]), (401, &json!("token-missing")), "{method} {path}");
            for (role, token) in &tokens {
                let (status, problem) = ask(&served.platform, method, &concrete, Some(token), Value::Null).await;
                assert_ne!(status, 401, "{method} {path}");
                let refused = status == 403 && problem["code"] == json!("role-missing");
                let name = format!("{method} {path}");
                if refused {
                    assert!(!lowest.contains_key(&name), "{name}: {role} may not what a lower role may");
                } else {
                    lowest.entry(name).or_insert(*role);
                }
            }
            assert!(lowest.contains_key(&format!("{method} {path}")), "{method} {path}: nobody may");
        }
    }
    for (name, role) in &lowest {
        let changes = !name.starts_with("get ");
        assert!(!changes || *role > Role::Viewer, "{name} changes something, and a viewer may");
    }
    for (name, role) in [
        ("get /api/v1/runs", Role::Viewer),
        ("get /api/v1/audit", Role::Viewer),
        ("post /api/v1/runs", Role::Developer),
        ("post /api/v1/runs/{id}/confirm", Role::Operator),
        ("post /api/v1/runs/{id}/cancel", Role::Operator),
        ("post /api/v1/runs/{id}/resolve", Role::Operator),
        ("post /api/v1/platform/stop", Role::Admin),
        ("get /api/v1/tokens", Role::Admin),
        ("post /api/v1/tokens", Role::Admin),
        ("post /api/v1/tokens/{id}/revoke", Role::Admin),
    ] {
        assert_eq!(lowest.get(name), Some(&role), "{name}");
    }
    // What was refused to somebody with a name is on record, each time; and who came in, once.
    let audit = served.client.recent_audit(10_000).await.expect("audit");
    let of = |action: &str, actor: &str| {
        audit.iter().filter(|record| record.action == action && record.actor == actor).count()
    };
    let refused = lowest.values().filter(|role| **role > Role::Viewer).count();
    assert_eq!(of("access.refused", "viewer"), refused);
    assert_eq!(of("access.signed_in", "viewer"), 1);
    assert!(of("access.refused", "unknown") > 0);
    assert!(served.client.audit_verification().await.expect("asked").verified);
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_proposes_and_an_operator_changes() {
    let home = Home::new();
    let served = home.serve().await;
    let (dev, ops) =
        (mint(&served, "dev", Role::Developer, &[]).await, mint(&served, "ops", Role::Operator, &[]).await);
    for (body, needs_operator) in [
        (json!({"kind": "plan", "component": "none", "stack": "dev"}), false),
        (json!({"kind": "apply", "component": "none", "stack": "dev"}), false),
        (json!({"kind": "apply", "component": "none", "stack": "dev", "yes": true}), true),
        (json!({"kind": "destroy", "component": "none", "stack": "dev", "yes": true}), true),
        (json!({"kind": "workflow", "workflow": "none", "workflow_file": "none.yaml"}), true),
        (json!({"kind": "command", "args": ["none"]}), true),
    ] {
        let (status, problem) = ask(&served.platform, "post", "/api/v1/runs", Some(&dev), body.clone()).await;
        assert_eq!(status == 403 && problem["code"] == json!("role-missing"), needs_operator, "{body}: {problem}");
        let (status, problem) = ask(&served.platform, "post", "/api/v1/runs", Some(&ops), body.clone()).await;
        assert!(status != 403 && status != 401, "{body}: {problem}");
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_team_touches_what_the_team_owns() {
    let home = Home::new();
    home.write(
        "platform/teams.yaml",
        "teams:\n  - {name: data, components: [cache]}\n  - {name: net, components: [network]}\n",
    );
    let served = home.serve().await;
    let token = mint(&served, "ci", Role::Operator, &["data"]).await;
    let plan = |component: &str| json!({"kind": "plan", "component": component, "stack": "nowhere"});
    let (status, _) = ask(&served.platform, "post", "/api/v1/runs", Some(&token), plan("cache")).await;
    assert_eq!(status, 404, "it is let through, and there is no such stack");
    for body in [
        plan("network"),
        plan("other"),
        json!({"kind": "workflow", "workflow": "greet", "workflow_file": "practice.yaml"}),
    ] {
        let (status, problem) = ask(&served.platform, "post", "/api/v1/runs", Some(&token), body.clone()).await;
        assert_eq!((status, &problem["code"]), (403, &json!("team-missing")), "{body}");
    }
    let all = json!({"kind": "plan", "targets": [{"component": "cache", "stack": "dev"}], "stack": "dev"});
    let (status, problem) = ask(&served.platform, "post", "/api/v1/sets", Some(&token), all).await;
    assert_eq!((status, &problem["code"]), (403, &json!("team-missing")));
    let boss = mint(&served, "boss", Role::Admin, &["data"]).await;
    let more = json!({"name": "more", "role": "admin"});
    let (status, problem) = ask(&served.platform, "post", "/api/v1/tokens", Some(&boss), more).await;
    assert_eq!((status, &problem["code"]), (403, &json!("team-missing")), "a narrow token makes no wide one");
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_by_time_by_word_and_at_the_border_whatever_the_clock_does() {
    let home = Home::new();
    let wall = Arc::new(Mutex::new(Timestamp::now()));
    let shown = Arc::clone(&wall);
    let clock = Clock::of(move || *shown.lock().expect("unpoisoned"));
    let served = home.serve_by(clock).await;
    let token = mint(&served, "ann", Role::Viewer, &[]).await;
    let code = async |token: &str| {
        let (status, problem) = ask(&served.platform, "get", "/healthz", Some(token), Value::Null).await;
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    };
    let no = |code: &str| (401, code.to_owned());
    assert_eq!(code(&token).await.0, 200);
    let add = |hours: i64| {
        let mut wall = wall.lock().expect("unpoisoned");
        *wall = wall.checked_add(SignedDuration::from_hours(hours)).expect("a time");
    };
    add(29 * 24);
    assert_eq!(code(&token).await.0, 200);
    add(25);
    assert_eq!(code(&token).await, no("token-expired"));
    add(-1000);
    assert_eq!(code(&token).await, no("token-expired"), "a clock that is put back brings nothing back");

    let second = mint(&served, "bo", Role::Viewer, &[]).await;
    assert_eq!(code(&second).await.0, 200);
    let id = served.client.tokens().await.expect("listed")[0].id.to_string();
    served.client.revoke_token(&id).await.expect("revoked");
    assert_eq!(code(&second).await, no("token-revoked"));
    assert_eq!(
        served.client.revoke_token(&id).await.expect("again").revoked_by.as_deref(),
        Some(served.platform.owner())
    );
    assert!(served.client.revoke_token("01K9QZ4W9E3N3Y0M7R6Q5T8V2A").await.is_err());

    let other_home = Home::new();
    let other = other_home.serve().await;
    let elsewhere = mint(&other, "ann", Role::Admin, &[]).await;
    assert_eq!(code(&elsewhere).await, no("token-elsewhere"));
    other.end().await;
    let third = mint(&served, "cy", Role::Viewer, &[]).await;
    let mut forged = third.clone();
    forged.replace_range(third.len() - 4.., "AAAA");
    for bad in [&forged, "x", "terrace_", "terrace_0_0_0", &third[..30]] {
        let (status, code) = code(bad).await;
        assert!(status == 401 && (code == "token-unknown" || code == "token-elsewhere"), "{bad}: {code}");
    }
    // The secret is nowhere on the disk.
    served.end().await;
    for name in ["terrace.db", "terrace.db-wal"] {
        let bytes = std::fs::read(home.paths().folder().join(name)).unwrap_or_default();
        // It may hold underlines of its own.
        let secret = third.splitn(4, '_').nth(3).expect("a part").as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{name} holds the secret");
    }
}

#[test]
fn a_person_makes_a_token_and_acts_by_it() {
    let home = Home::new();
    let made = home.terrace(&["token", "create", "ann", "--role", "viewer"]).succeeds();
    let secret = made.out.trim().to_owned();
    assert!(secret.starts_with("terrace_") && made.err.contains("shown this once"), "{made:?}");
    let by = |arguments: &[&str]| {
        let output = home.command(arguments).env("TERRACE_TOKEN", &secret).output().expect("ran");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (exit, text) = by(&["status", "--format", "json"]);
    assert_eq!(exit, Some(0), "{text}");
    let card: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&card["user"], &card["role"]), (&json!("ann"), &json!("viewer")));
    let (exit, text) = by(&["token", "create", "eve", "--role", "admin"]);
    assert_eq!(exit, Some(3), "only admins mint: {text}");
    let (exit, text) = by(&["stop"]);
    assert_eq!(exit, Some(3), "{text}");
    let listed = home.terrace(&["token", "list", "--format", "json"]).succeeds();
    assert!(!listed.out.contains(&secret));
    let id = serde_json::from_str::<Value>(&listed.out).expect("JSON")[0]["id"].as_str().expect("an id").to_owned();
    home.terrace(&["token", "revoke", &id]).succeeds();
    let (exit, text) = by(&["status"]);
    assert_eq!(exit, Some(3), "{text}");
    assert!(text.contains("revoked"), "{text}");
    assert_eq!(home.terrace(&["token", "create", "a b", "--role", "viewer"]).exit, 2);
    assert_eq!(home.terrace(&["token", "create", "ann", "--role", "king"]).exit, 2);
}

/// Serves a shared platform until dropped.
struct Shared(std::process::Child);

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks over a socket as another user of this machine.
fn as_user(uid: u32, socket: &Path, request: &str) -> std::io::Result<String> {
    as_user_with(uid, socket, request, "")
}

/// The same, with a body; the request may bring further headers.
fn as_user_with(uid: u32, socket: &Path, request: &str, body: &str) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let (socket, request, body) = (socket.to_owned(), request.to_owned(), body.to_owned());
    let attempt = move || {
        let user = rustix::process::Uid::from_raw(uid);
        let group = rustix::process::Gid::from_raw(65534);
        rustix::thread::set_thread_groups(&[]).expect("no groups");
        rustix::thread::set_thread_res_gid(group, group, group).expect("another group");
        rustix::thread::set_thread_res_uid(user, user, user).expect("somebody else");
        let mut stream = std::os::unix::net::UnixStream::connect(socket)?;
        let head = format!("{request}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map(|_| text)
    };
    std::thread::spawn(attempt).join().expect("joined")
}

#[test]
fn users_of_the_machine_share_a_platform_and_none_reads_what_it_keeps() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: needs root, to become other users");
        return;
    }
    let home = Home::new();
    // Users of the machine that every Linux has; one of them goes by another name here.
    home.write(
        "platform/teams.yaml",
        "people: {ana: {users: [bin]}}\nroles: {viewer: [daemon]}\nteams:\n  - name: data\n    members: [ana]\n    \
         approvers: [sys]\n    budgets: [{amount: 100}]\n",
    );
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(home.root()).args(["-c", "user.name=Olga", "-c", "user.email=olga@example.com"]);
        assert!(git.args(arguments).output().expect("git").status.success(), "{arguments:?}");
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "Begin"]);
    let socket = home.path("shared.sock");
    std::fs::set_permissions(home.path(""), std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let mut command = home.command(&["serve", "--shared", "--group", "65534", "--socket"]);
    let mut process = Shared(command.arg(&socket).stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("ran"));
    eventually("it listens", || std::os::unix::net::UnixStream::connect(&socket).ok());
    assert_eq!(std::fs::metadata(&socket).expect("there").permissions().mode() & 0o777, 0o660);
    let code = |uid, request: &str| {
        let text = as_user(uid, &socket, request).expect("an answer");
        text.split(' ').nth(1).expect("a status").parse::<u16>().expect("a number")
    };
    let (daemon, bin, sys, games) = (1, 2, 3, 5);
    for (uid, see, ask, decide) in
        [(daemon, 200, 403, 403), (bin, 200, 415, 403), (sys, 200, 415, 403), (games, 403, 403, 403)]
    {
        assert_eq!(code(uid, "GET /api/v1/runs HTTP/1.1"), see, "{uid}");
        assert_eq!(code(uid, "POST /api/v1/runs HTTP/1.1"), ask, "{uid}");
        assert_eq!(code(uid, "POST /api/v1/platform/stop HTTP/1.1"), decide, "{uid}");
    }
    // One asks, another agrees; none does so as somebody else, whatever they say.
    let asked = json!({"wish": {"kind": "budget", "inputs": {"team": "data", "amount": 120}, "reason": "more data"}});
    let typed = "\r\nContent-Type: application/json";
    let post = |uid, path: &str, more: &str, body: &Value| {
        let head = format!("POST /api/v1/requests{path} HTTP/1.1{typed}{more}");
        let answer = as_user_with(uid, &socket, &head, &body.to_string()).expect("an answer");
        let status = answer.split(' ').nth(1).expect("a status").parse::<u16>().expect("a number");
        (status, answer)
    };
    let (status, answer) = post(bin, "", "", &asked);
    assert_eq!(status, 201, "{answer}");
    let waits = || as_user(sys, &socket, "GET /api/v1/requests/1 HTTP/1.1").expect("an answer");
    eventually("it waits", || waits().contains("\"state\":\"pending_approval\"").then_some(()));
    let own = post(bin, "/1/approve", "", &json!({}));
    assert!(own.0 == 403 && own.1.contains("role-missing"), "{own:?}");
    for pretending in ["\r\nX-Forwarded-User: sys", "\r\nX-Remote-User: sys", "\r\nAuthorization: Bearer sys"] {
        let refused = post(bin, "/1/approve", pretending, &json!({}));
        assert!(matches!(refused.0, 401 | 403), "{refused:?}");
    }
    assert_eq!(post(games, "/1/approve", "", &json!({})).0, 403);
    assert!(waits().contains("\"requester\":\"ana\""), "{}", waits());
    let agreed = post(sys, "/1/approve", "", &json!({}));
    assert_eq!(agreed.0, 200, "{agreed:?}");
    eventually("it is done", || waits().contains("\"state\":\"fulfilled\"").then_some(()));
    assert!(waits().contains("\"self_attested\":false"), "{}", waits());
    // None of them gets at what it keeps.
    let kept = home.paths();
    let plans = kept.runs().with_file_name("plans.key");
    assert!(plans.exists() && kept.runs().exists(), "there is a key of plans");
    for path in [kept.database(), kept.key(), plans, kept.checkpoints(), kept.runs(), kept.socket()] {
        let read = std::thread::spawn(move || {
            let user = rustix::process::Uid::from_raw(2);
            rustix::thread::set_thread_res_uid(user, user, user).expect("somebody else");
            std::fs::metadata(&path).err().map(|error| error.kind())
        });
        assert_eq!(read.join().expect("joined"), Some(std::io::ErrorKind::PermissionDenied));
    }
    // A plain command finds it through the file, and acts as who it is.
    home.write("platform/terrace.yaml", &format!("server: unix:{}\n", socket.display()));
    let card: Value =
        serde_json::from_str(&home.terrace(&["status", "--format", "json"]).succeeds().out).expect("JSON");
    assert_eq!((&card["solo"], &card["role"]), (&json!(false), &json!("admin")));
    let records = home.terrace(&["audit", "list", "--format", "json"]).succeeds();
    let records: Vec<Value> = serde_json::from_str(&records.out).expect("JSON");
    let signed_in = |name: &str| {
        records.iter().filter(|r| r["action"] == json!("access.signed_in") && r["actor"] == json!(name)).count()
    };
    assert_eq!((signed_in("daemon"), signed_in("ana"), signed_in("bin"), signed_in("games")), (1, 1, 0, 0));
    assert!(records.iter().any(|r| r["action"] == json!("access.refused") && r["actor"] == json!("uid:5")));
    assert!(records.iter().all(|r| r["self_attested"].is_null()), "the machine vouches for them");
    kill(i32::try_from(process.0.id()).expect("a number"), rustix::process::Signal::TERM);
    assert!(eventually("it ends", || process.0.try_wait().expect("ours")).success());
}

#[test]
fn a_shared_platform_is_reached_by_tls_and_token_and_never_by_plain_http_from_elsewhere() {
    let home = Home::new();
    let plain = home.terrace(&["serve", "--shared", "--listen", "0.0.0.0:0"]);
    assert_eq!(plain.exit, 1, "{plain:?}");
    assert!(plain.err.contains("without TLS") && plain.err.contains("--tls-cert"), "{plain:?}");
    assert_eq!(home.terrace(&["serve", "--shared"]).exit, 2, "it must listen somewhere");

    let (cert, key) = (home.path("cert.pem"), home.path("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        println!("skipped: needs openssl, to make a certificate");
        return;
    }
    home.terrace(&["serve", "--background"]).succeeds();
    let secret = home.terrace(&["token", "create", "ann", "--role", "developer"]).succeeds().out.trim().to_owned();
    home.terrace(&["stop"]).succeeds();
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address").port();
    let mut command = home.command(&["serve", "--shared", "--listen"]);
    command.arg(format!("127.0.0.1:{port}")).arg("--tls-cert").arg(&cert).arg("--tls-key").arg(&key);
    let _process = Shared(command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("ran"));
    eventually("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
    // Somebody who says nothing keeps nobody waiting.
    let _silent = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connected");
    let with = |token: Option<&str>, trusted: bool| {
        let mut command = home.command(&["status", "--format", "json", "--server"]);
        command.arg(format!("https://localhost:{port}"));
        if trusted {
            command.env("SSL_CERT_FILE", &cert);
        }
        if let Some(token) = token {
            command.env("TERRACE_TOKEN", token);
        }
        let output = command.output().expect("ran");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (exit, text) = with(Some(&secret), true);
    assert_eq!(exit, Some(0), "{text}");
    let card: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&card["user"], &card["role"], &card["solo"]), (&json!("ann"), &json!("developer"), &json!(false)));
    assert_eq!(with(None, true).0, Some(3), "no token");
    assert_eq!(with(Some(&secret), false).0, Some(4), "a certificate that nobody vouches for");
    let refused = home
        .command(&["status", "--server", "http://192.0.2.1:7443"])
        .env("TERRACE_TOKEN", &secret)
        .output()
        .expect("ran");
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("without TLS"), "{refused:?}");
    // A file of the estate does not decide where a person's token goes.
    home.write("platform/terrace.yaml", &format!("server: https://localhost:{port}\n"));
    let refused = home.command(&["status"]).env("TERRACE_TOKEN", &secret).output().expect("ran");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("TERRACE_SERVER"), "{refused:?}");
}

/// Only who is known by name is known twice: the platform itself mints for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_minted_is_told() {
    let home = Home::new();
    let served = home.serve().await;
    let store = served.platform.store("tokens").expect("a store");
    let request = TokenRequest { name: "ann".to_owned(), role: Role::Approver, teams: Vec::new(), days: Some(1) };
    let key = served.platform.public_key().expect("a key").to_owned();
    let made = tokens::mint(&**store, served.platform.clock(), &key, &Actor::platform(), &request).await.expect("made");
    let event = until("its event", || async {
        let events = served.client.recent_events(10).await.expect("events");
        events.into_iter().find(|event| event.event_type == "dev.terrace.token.created")
    })
    .await;
    assert_eq!(event.subject, format!("token/{}", made.token.id));
    assert!(!serde_json::to_string(&event).expect("JSON").contains(&made.secret));
    let client: &Client = &served.client;
    let record = client.audit(None, None, Some("token.created"), 1).await.expect("audit").remove(0);
    assert!(!serde_json::to_string(&record).expect("JSON").contains(&made.secret));
    served.end().await;
}
