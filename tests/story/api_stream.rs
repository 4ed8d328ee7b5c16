//! The stream of events: from any place, without a gap, without a repetition, past lost connections.

use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use serde_json::json;
use terrace::domain::event::Event;
use terrace::platform::audit::{Actor, AuditDraft};
use terrace::platform::events::EventDraft;
use terrace::platform::store::Change;

use crate::support::home::{Home, Served};
use crate::support::host::DEADLINE;

async fn happen(served: &Served, count: usize) {
    for number in 0..count {
        let store = served.platform.store("events").expect("a store");
        let event = EventDraft::about("thing", "changed", &number.to_string(), json!({"text": "a\nb\r\u{1b}[2Jü"}));
        let audit = AuditDraft::new(Actor::platform(), "thing.change", "thing/1", json!({}));
        store
            .begin()
            .await
            .expect("begun")
            .commit(Change::new(Timestamp::now(), event, audit))
            .await
            .expect("committed");
    }
}

fn sequence(event: &Event) -> u64 {
    event.sequence.parse().expect("a number")
}

async fn take(served: &Served, after: u64, count: u64) -> Vec<Event> {
    let stream = served.client.events(Some(after)).await.expect("a stream");
    let count = usize::try_from(count).expect("few");
    let taken = stream.take(count).map(|event| event.expect("an event")).collect::<Vec<_>>();
    tokio::time::timeout(DEADLINE, taken).await.expect("in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_after_any_event() {
    let home = Home::new();
    let served = home.serve().await;
    happen(&served, 40).await;
    let latest = served.platform.store("events").expect("a store").bell().latest();
    assert!(latest >= 40);
    let all = take(&served, 0, latest).await;
    for after in 0..latest {
        let events = take(&served, after, latest - after).await;
        let expected: Vec<u64> = (after + 1..=latest).collect();
        assert_eq!(events.iter().map(sequence).collect::<Vec<_>>(), expected);
        assert_eq!(events.last(), all.last(), "the same event, byte for byte");
    }
    assert_eq!(all.last().expect("some").data, json!({"text": "a\nb\r\u{1b}[2Jü"}));
    // Without a place, and from a place that is not there yet: what comes next.
    for after in [None, Some(1_000_000)] {
        let mut stream = served.client.events(after).await.expect("a stream");
        let before = served.platform.store("events").expect("a store").bell().latest();
        happen(&served, 1).await;
        let event = tokio::time::timeout(DEADLINE, stream.next()).await.expect("in time").expect("one").expect("whole");
        assert_eq!(sequence(&event), before + 1);
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_readers_of_any_pace_see_everything_once() {
    let home = Home::new();
    let served = home.serve().await;
    let mut readers = Vec::new();
    for pace in 0..12_u64 {
        let client = served.client.clone();
        readers.push(tokio::spawn(async move {
            let mut stream = client.events(Some(0)).await.expect("a stream");
            let mut seen = Vec::new();
            while seen.len() < 600 {
                let event = tokio::time::timeout(DEADLINE, stream.next()).await.expect("in time").expect("one");
                seen.push(sequence(&event.expect("whole")));
                if pace > 0 && seen.len() % 50 == 0 {
                    tokio::time::sleep(Duration::from_millis(pace)).await;
                }
            }
            seen
        }));
    }
    futures::future::join_all((0..4).map(|_| happen(&served, 150))).await;
    for reader in readers {
        let seen = reader.await.expect("read");
        assert_eq!(seen, (1..=600).collect::<Vec<u64>>());
    }
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_comes_back_where_it_left() {
    let home = Home::new();
    let mut served = home.serve().await;
    let stream = served.client.follow_events(Some(0));
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let reading = tokio::spawn(async move {
        let mut stream = Box::pin(stream);
        let mut lost = 0;
        while let Some(event) = stream.next().await {
            match event {
                Ok(event) => sender.send(sequence(&event)).expect("somebody listens"),
                Err(error) => {
                    assert!(error.is_unreachable(), "{error}");
                    lost += 1;
                }
            }
        }
        lost
    });
    let mut expected = 0;
    for round in 0..4 {
        happen(&served, 25).await;
        let latest = served.platform.store("events").expect("a store").bell().latest();
        while expected < latest {
            let sequence = tokio::time::timeout(DEADLINE, seen.recv()).await.expect("in time").expect("one");
            expected += 1;
            assert_eq!(sequence, expected, "round {round}");
        }
        served.end().await;
        served = home.serve().await;
    }
    reading.abort();
    served.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_what_happened_go_page_by_page() {
    let home = Home::new();
    let served = home.serve().await;
    happen(&served, 30).await;
    let events = served.client.recent_events(10).await.expect("events");
    assert_eq!(events.len(), 10);
    assert!(events.windows(2).all(|pair| sequence(&pair[0]) == sequence(&pair[1]) + 1), "newest first");
    let audit = served.client.recent_audit(100).await.expect("audit");
    assert_eq!(audit.iter().map(|record| record.sequence).collect::<Vec<_>>(), (1..=30).rev().collect::<Vec<u64>>());
    served.end().await;
}
