//! The process in the pseudo-terminal: this test binary again, as a dashboard on a platform that answers from memory.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _};
use serde_json::json;
use terrace::domain::event::Event;
use terrace::domain::id::RunId;
use terrace::domain::stack::{Explanation, InstanceSummary, StackSummary};
use terrace::tui::config::Config;
use terrace::tui::dashboard::{self, End, Opening};
use terrace::tui::effect::{Connection, Outside, Platform};
use terrace::tui::message::{Answer, Card, Effect, Fact, Trouble};

/// The variable that makes this test binary a dashboard; its value is the folder with the user's settings.
pub(crate) const ROLE: &str = "TERRACE_TEST_STAGE";
/// The variable that makes the platform panic on the first question.
pub(crate) const FAULT: &str = "TERRACE_TEST_FAULT";

/// Not a test: the dashboard that the tests open.
#[test]
fn dashboard() {
    let Ok(folder) = std::env::var(ROLE) else { return };
    let config = match Config::load(folder.as_ref(), |name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(e) => {
            println!("{e}");
            std::process::exit(2);
        }
    };
    let connector = Arc::new(|| async { Ok(Arc::new(Memory) as Connection) }.boxed());
    let memory = Some(std::path::Path::new(&folder).join("remembered.json"));
    let opening = Opening {
        root: "/srv/orchard".into(),
        config,
        outside: Outside { connector, memory, live: true },
        target: None,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let end = runtime.block_on(dashboard::run(opening));
    runtime.shutdown_background();
    std::process::exit(match end {
        Ok(End::Left) => 0,
        Ok(End::Signal(number)) => 128 + number,
        Err(e) => {
            println!("ended: {e}");
            1
        }
    });
}

/// A platform with one stack.
struct Memory;

impl Platform for Memory {
    fn ask(&self, effect: Effect) -> BoxFuture<'static, Option<Answer>> {
        async move {
            assert!(std::env::var_os(FAULT).is_none(), "the fault that was asked for");
            let card =
                Card { name: "orchard".into(), user: "alice".into(), role: "operator".into(), ..Card::default() };
            Some(match effect {
                Effect::Load(Fact::Card) => Answer::Card(Ok(card)),
                Effect::Load(Fact::Stacks) => Answer::Stacks(Ok(vec![stack()])),
                Effect::Load(Fact::Instances) => Answer::Instances(Ok(vec![instance()])),
                Effect::Explain(key) => Answer::Explained(key, Ok(Box::new(explanation()))),
                _ => return None,
            })
        }
        .boxed()
    }

    fn log(&self, _: RunId, _: u64, _: bool) -> BoxStream<'static, Result<Vec<u8>, Trouble>> {
        stream::empty().boxed()
    }

    fn events(&self, _: Option<String>) -> BoxStream<'static, Result<Event, Trouble>> {
        // The connection holds as long as any test.
        stream::once(tokio::time::sleep(Duration::from_secs(600))).filter_map(|()| async { None }).boxed()
    }
}

fn stack() -> StackSummary {
    StackSummary {
        stack: "plat-ue2-dev".into(),
        files: vec!["stacks/dev.yaml".into()],
        parts: ["plat", "ue2", "dev"].map(String::from).into(),
        instances: 1,
    }
}

fn instance() -> InstanceSummary {
    serde_json::from_value(json!({"component": "network", "stack": "plat-ue2-dev", "type": "terraform",
        "abstract": false, "file": "stacks/dev.yaml", "folder": "network", "enabled": true, "locked": false,
        "workspace": "plat-ue2-dev", "inherits": [], "team": null, "errors": 0}))
    .unwrap()
}

fn explanation() -> Explanation {
    serde_json::from_value(json!({"component": "network", "stack": "plat-ue2-dev", "values": [
        {"path": ["vars", "size"], "value": "large", "source": {"file": "stacks/dev.yaml", "line": 7, "column": 9},
         "chain": []}]}))
    .unwrap()
}
