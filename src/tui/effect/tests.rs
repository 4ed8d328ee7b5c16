use std::sync::Mutex;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::time::timeout;

use super::*;
use crate::domain::run::RunState;
use crate::tui::app::Link;
use crate::tui::fixtures;
use crate::tui::message::Fact;
use crate::tui::update::update;

/// A platform that answers from the small estate, and whose connection a test can cut.
#[derive(Default)]
struct Fake {
    cut: Mutex<Vec<mpsc::Sender<()>>>,
    connections: AtomicUsize,
    log: Vec<u8>,
}

impl Fake {
    fn connector(self: &Arc<Self>) -> Connector {
        let fake = Arc::clone(self);
        Arc::new(move || {
            fake.connections.fetch_add(1, Ordering::SeqCst);
            let connection: Connection = Arc::new(Handle(Arc::clone(&fake)));
            async move { Ok(connection) }.boxed()
        })
    }
}

struct Handle(Arc<Fake>);

impl Platform for Handle {
    fn ask(&self, effect: Effect) -> BoxFuture<'static, Option<Answer>> {
        let told = fixtures::estate();
        async move {
            Some(match effect {
                Effect::Load(Fact::Stacks) => Answer::Stacks(Ok(told.stacks)),
                Effect::Load(Fact::Instances) => Answer::Instances(Ok(told.instances)),
                Effect::Load(Fact::Runs) => Answer::Runs(Ok(vec![fixtures::run(1, RunState::Succeeded)])),
                Effect::Explain(key) => Answer::Explained(key, Ok(Box::new(fixtures::explanation()))),
                _ => return None,
            })
        }
        .boxed()
    }

    fn log(&self, _: RunId, offset: u64, _: bool) -> BoxStream<'static, Result<Vec<u8>, Trouble>> {
        let rest = self.0.log[offset as usize..].to_vec();
        let pieces: Vec<_> = rest.chunks(700_000).map(|piece| Ok(piece.to_vec())).collect();
        stream::iter(pieces).boxed()
    }

    fn events(&self, _: Option<String>) -> BoxStream<'static, Result<Event, Trouble>> {
        let (sender, mut receiver) = mpsc::channel::<()>(1);
        self.0.cut.lock().unwrap().push(sender);
        stream::once(async move { receiver.recv().await }).filter_map(|_| async { None }).boxed()
    }
}

fn outside(connector: Connector, live: bool) -> Outside {
    Outside { connector, memory: None, live }
}

/// Takes messages until the state holds.
async fn until(
    app: &mut crate::tui::app::App,
    runner: &mut Runner,
    messages: &mut mpsc::Receiver<Message>,
    holds: impl Fn(&crate::tui::app::App) -> bool,
) {
    while !holds(app) {
        let message = timeout(Duration::from_secs(20), messages.recv()).await.expect("in time").expect("a message");
        for effect in update(app, message) {
            runner.carry_out(effect);
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_the_last_answer_stays() {
    let fake = Arc::new(Fake::default());
    let (sender, mut messages) = mpsc::channel(8);
    let mut runner = Runner::new(outside(fake.connector(), true), sender);
    let mut app = fixtures::fresh(120, 40);
    runner.carry_out(Effect::Connect);
    until(&mut app, &mut runner, &mut messages, |app| !app.instances.items().is_empty()).await;
    assert_eq!(app.link, Link::Live);
    fake.cut.lock().unwrap().clear();
    until(&mut app, &mut runner, &mut messages, |app| matches!(app.link, Link::Lost { .. })).await;
    assert!(!app.instances.items().is_empty());
    until(&mut app, &mut runner, &mut messages, |app| app.link == Link::Live).await;
    assert_eq!(fake.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_log_waits_for_the_screen_and_loses_nothing() {
    let log: Vec<u8> = (0..200_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
    let fake = Arc::new(Fake { log: log.clone(), ..Fake::default() });
    let (sender, mut messages) = mpsc::channel(2);
    let mut runner = Runner::new(outside(fake.connector(), true), sender);
    let mut app = fixtures::fresh(120, 40);
    app.view = crate::tui::app::View::Runs;
    runner.carry_out(Effect::Connect);
    until(&mut app, &mut runner, &mut messages, |app| app.runs.log.ended).await;
    assert_eq!(app.runs.log.buffer.received(), log.len() as u64);
    assert_eq!(app.runs.log.buffer.lines(), 200_000);
    assert!(fixtures::draw(&app).contains("line 199999"));
}

#[tokio::test]
async fn a_snapshot_is_drawn_once_everything_has_come() {
    use crate::tui::{config::Config, dashboard::Opening, headless, keymap};
    let fake = Arc::new(Fake::default());
    let folder = tempfile::tempdir().unwrap();
    let opening = Opening {
        root: "/srv/orchard".into(),
        config: Config::load(folder.path(), |_| None).unwrap(),
        outside: outside(fake.connector(), false),
        target: None,
    };
    let keys: Vec<_> = "/ p r o d space d b enter G".split(' ').filter_map(keymap::key_event).collect();
    let drawn = headless::draw(opening, (100, 30), &keys).await.unwrap();
    let text = drawn.text();
    assert_eq!(text.lines().count(), 30);
    assert!(text.contains("size: large"), "{text}");
    assert!(drawn.svg().contains("</svg>"));
}
