//! Webhooks: signed, tried again by the clock, given up, seen, tried again by a person; targets of every bad sort.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use terrace::domain::delivery::{Delivery, DeliveryState};
use terrace::platform::audit::{Actor, AuditDraft};
use terrace::platform::clock::Clock;
use terrace::platform::events::EventDraft;
use terrace::platform::store::Change;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::home::{Home, Served, until};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A home whose estate names these webhooks (name, path, further keys), and a clock that only a story moves.
struct Ground {
    home: Home,
    target: MockServer,
    wall: Arc<Mutex<Timestamp>>,
}

impl Ground {
    async fn new(webhooks: &[(&str, &str, &str)]) -> Self {
        let (home, target) = (Home::new(), MockServer::start().await);
        std::fs::write(home.path("secret"), SECRET).expect("written");
        let mut text = "webhooks:\n".to_owned();
        for (name, path, more) in webhooks {
            let url = format!("{}{path}", target.uri());
            let secret = home.path("secret");
            text.push_str(&format!("  - {{name: {name}, url: '{url}', secret_file: '{}'{more}}}\n", secret.display()));
        }
        home.write("platform/terrace.yaml", &text);
        Self { home, target, wall: Arc::new(Mutex::new(Timestamp::now())) }
    }

    async fn serve(&self) -> Served {
        let shown = Arc::clone(&self.wall);
        let served = self.home.serve_by(Clock::of(move || *shown.lock().expect("unpoisoned"))).await;
        // Each webhook is seen before anything happens that it is to tell of.
        until("the webhooks are known", || async {
            served.platform.webhooks_are_known().await.expect("read").then_some(())
        })
        .await;
        served
    }

    fn pass(&self, seconds: i64) {
        let mut wall = self.wall.lock().expect("unpoisoned");
        *wall = wall.checked_add(SignedDuration::from_secs(seconds)).expect("a time");
    }

    async fn answers(&self, at: &str, answer: ResponseTemplate, times: u64) {
        Mock::given(method("POST")).and(path(at)).respond_with(answer).up_to_n_times(times).mount(&self.target).await;
    }
}

async fn happen(served: &Served, noun: &str, id: &str) {
    let event = EventDraft::about(noun, "changed", id, json!({"number": 7}));
    let audit = AuditDraft::new(Actor::platform(), format!("{noun}.changed"), format!("{noun}/{id}"), json!({}));
    let store = served.platform.store("events").expect("a store");
    store.begin().await.expect("begun").commit(Change::new(Timestamp::now(), event, audit)).await.expect("committed");
}

async fn delivery(served: &Served, what: &str, is: impl Fn(&Delivery) -> bool) -> Delivery {
    until(what, || async {
        served.client.deliveries(None, 100).await.expect("listed").into_iter().find(|delivery| is(delivery))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_arrives_signed_and_leads_to_the_screen() {
    let ground = Ground::new(&[
        ("all", "/all", ", events: [dev.terrace.run.]"),
        ("chat", "/chat", ", events: [dev.terrace.run.], format: slack"),
        ("mail", "/mail", ", events: [dev.terrace.run.], format: mail, to: ann@example.com"),
    ])
    .await;
    ground.answers("/all", ResponseTemplate::new(204), 9).await;
    ground.answers("/chat", ResponseTemplate::new(200), 9).await;
    ground.answers("/mail", ResponseTemplate::new(200), 9).await;
    let served = ground.serve().await;
    happen(&served, "thing", "1").await;
    happen(&served, "run", "7").await;
    for name in ["all", "chat", "mail"] {
        delivery(&served, "it arrives", |d| d.webhook == name && d.state == DeliveryState::Delivered).await;
    }
    let requests = ground.target.received_requests().await.expect("recorded");
    assert_eq!(requests.len(), 3, "only what was asked for");
    for request in requests {
        let header = |name: &str| request.headers[name].to_str().expect("text").to_owned();
        let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
        let sent: i64 = time.parse().expect("seconds");
        assert!((Timestamp::now().as_second() - sent).abs() < 60);
        let body = std::str::from_utf8(&request.body).expect("text");
        let secret = base64::engine::general_purpose::STANDARD.decode(&SECRET[6..]).expect("base64");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret);
        let signature = header("webhook-signature");
        let tag = base64::engine::general_purpose::STANDARD.decode(&signature[3..]).expect("base64");
        ring::hmac::verify(&key, format!("{id}.{time}.{body}").as_bytes(), &tag).expect("signed by the secret");
        if request.url.path() == "/mail" {
            assert_eq!(header("content-type"), "message/rfc822");
            let (head, text) = body.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.contains("To: ann@example.com\r\nSubject: [terrace] run changed"), "{head}");
            let text = base64::engine::general_purpose::STANDARD.decode(text.replace("\r\n", "")).expect("base64");
            assert!(String::from_utf8_lossy(&text).contains("terrace open run/7"));
            continue;
        }
        let body: Value = serde_json::from_str(body).expect("JSON");
        if request.url.path() == "/all" {
            assert!(header("content-type").starts_with("application/cloudevents+json"));
            assert_eq!(
                (&body["type"], &body["command"]),
                (&json!("dev.terrace.run.changed"), &json!("terrace open run/7"))
            );
            assert_eq!(body["id"], json!(id));
        } else {
            assert!(body["text"].as_str().expect("text").contains("`terrace open run/7`"), "{body}");
        }
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_fails_is_tried_again_by_the_clock_and_across_restarts() {
    let ground = Ground::new(&[("down", "/down", "")]).await;
    ground.answers("/down", ResponseTemplate::new(500), 2).await;
    ground.answers("/down", ResponseTemplate::new(200), 9).await;
    let served = ground.serve().await;
    happen(&served, "thing", "1").await;
    let first = delivery(&served, "it fails", |d| d.attempts == 1).await;
    assert_eq!(
        (first.state, first.error.as_deref()),
        (DeliveryState::Pending, Some("it answered 500 Internal Server Error"))
    );
    ground.pass(5);
    delivery(&served, "it fails again", |d| d.id == first.id && d.attempts == 2).await;
    served.end().await;
    let served = ground.serve().await;
    ground.pass(299);
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(delivery(&served, "it is there", |d| d.id == first.id).await.attempts, 2, "not before its time");
    ground.pass(2);
    let done = delivery(&served, "it arrives", |d| d.id == first.id && d.state == DeliveryState::Delivered).await;
    assert_eq!((done.attempts, done.error), (3, None));
    let ids: Vec<_> = ground.target.received_requests().await.expect("recorded");
    let ids: Vec<_> = ids.iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert!(ids.len() >= 3 && ids[..3].iter().all(|id| *id == ids[0]), "one id over all attempts: {ids:?}");
    served.end().await;
}

/// A target that hangs holds up nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_hangs_leaves_the_others_alone() {
    const EVENTS: usize = 40;
    let ground = Ground::new(&[("hangs", "/hangs", ""), ("fine", "/fine", "")]).await;
    ground.answers("/hangs", ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(60)), 99).await;
    ground.answers("/fine", ResponseTemplate::new(204), 99).await;
    let served = ground.serve().await;
    for number in 0..EVENTS {
        happen(&served, "thing", &number.to_string()).await;
    }
    let all = until("the others have theirs", || async {
        let all = served.client.deliveries(None, 100).await.expect("listed");
        let taken = all.iter().filter(|d| d.webhook == "fine" && d.state == DeliveryState::Delivered).count();
        (taken == EVENTS).then_some(all)
    })
    .await;
    // Eight at a time are given ten seconds each.
    let untried = all.iter().filter(|d| d.webhook == "hangs" && d.attempts == 0).count();
    assert!(untried >= EVENTS / 2, "{untried} of {EVENTS}");
    let now = *ground.wall.lock().expect("unpoisoned");
    let rests = |d: &Delivery| d.webhook == "hangs" && d.attempts == 0 && d.next_at > Some(now);
    delivery(&served, "what was not tried rests", rests).await;
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redirects_hangs_or_is_gone_is_said_and_dead_letters_are_seen() {
    let ground = Ground::new(&[("moved", "/moved", ""), ("hangs", "/hangs", ""), ("gone", "/gone", "")]).await;
    let elsewhere = MockServer::start().await;
    let moved = ResponseTemplate::new(302).insert_header("location", elsewhere.uri());
    ground.answers("/moved", moved, 99).await;
    ground.answers("/hangs", ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(60)), 99).await;
    ground.answers("/gone", ResponseTemplate::new(410), 99).await;
    let served = ground.serve().await;
    happen(&served, "thing", "1").await;
    let of = |name: &'static str| move |d: &Delivery| d.webhook == name && d.attempts == 1;
    let moved = delivery(&served, "it is not followed", of("moved")).await;
    assert!(moved.error.expect("said").contains("redirects are not followed"));
    assert!(elsewhere.received_requests().await.expect("recorded").is_empty());
    let hangs = delivery(&served, "it is given up on for now", of("hangs")).await;
    assert!(hangs.error.expect("said").contains("timed out") && hangs.state == DeliveryState::Pending);
    let gone = delivery(&served, "it is dead", of("gone")).await;
    assert_eq!((gone.state, gone.next_at), (DeliveryState::Dead, None));
    // A target that stays down is given up in the end.
    for wait in [5, 300, 1_800, 7_200, 18_000, 36_000, 18_000, 10_800, 7_200] {
        let before = delivery(&served, "it is there", |d| d.id == moved.id).await.attempts;
        ground.pass(wait);
        delivery(&served, "it is tried", |d| d.id == moved.id && d.attempts == before + 1).await;
    }
    assert_eq!(delivery(&served, "it is there", |d| d.id == moved.id).await.state, DeliveryState::Dead);
    let health = served.client.platform().await.expect("a card").health;
    assert!(health.iter().any(|finding| finding.code == "webhook-dead"), "{health:?}");
    let list = ground.home.terrace(&["events", "deliveries", "--state", "dead", "--format", "json"]).succeeds();
    let list: Vec<Value> = serde_json::from_str(&list.out).expect("JSON");
    assert_eq!(list.len(), 2);
    ground.home.terrace(&["events", "redeliver", &moved.id.to_string()]).succeeds();
    delivery(&served, "it is tried anew", |d| d.id == moved.id && d.state == DeliveryState::Pending && d.attempts == 1)
        .await;
    assert_eq!(ground.home.terrace(&["events", "redeliver", "01K9QZ4W9E3N3Y0M7R6Q5T8V2A"]).exit, 2);
    served.end().await;
}
