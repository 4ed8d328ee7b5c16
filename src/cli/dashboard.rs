//! The dashboard, which opens where no command is named; and what `open` and `snapshot` share with it.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::FutureExt as _;

use super::{Context, Exit, Failure, Outcome, local};
use crate::api::client::Client;
use crate::platform::identity::Identity;
use crate::tui::app::Target;
use crate::tui::config::Config;
use crate::tui::dashboard::{self, End, Opening};
use crate::tui::effect::{Connector, Outside, ask};
use crate::tui::message::Trouble;

/// Opens the dashboard on the estate of the context, on a run or an instance where one is named.
pub(super) fn open(context: &Context, target: Option<Target>) -> Outcome {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the dashboard needs a terminal")
            .hint("`terrace snapshot` draws it without one; `terrace list` prints what there is")
            .into());
    }
    let mut opening = opening(context, platform(context))?;
    opening.target = target;
    let runtime = super::runtime()?;
    let end = runtime.block_on(dashboard::run(opening));
    // What is still asked of the platform is nobody's concern any more.
    runtime.shutdown_background();
    match end? {
        End::Left => Ok(Exit::Done),
        // As a shell reports a process that a signal ended; the terminal has been given back.
        End::Signal(number) => std::process::exit(128 + number),
    }
}

/// Returns what a dashboard of the context's estate is opened with.
pub(super) fn opening(context: &Context, connector: Connector) -> Result<Opening, Failure> {
    let root = match context.root() {
        Ok(root) => root.canonicalize().unwrap_or(root),
        // A shared platform has the estate; here there need be none.
        Err(_) if context.server().is_some() => context.directory().to_owned(),
        Err(failure) => return Err(failure),
    };
    let folders = directories::ProjectDirs::from("", "", "terrace");
    let settings = folders.as_ref().map_or(Path::new(""), |folders| folders.config_dir());
    let config = Config::load(settings, |name| std::env::var(name).ok())
        .map_err(|e| Failure::usage(e.to_string()).hint(format!("your own settings lie in {}", settings.display())))?;
    let memory = folders.as_ref().and_then(|folders| memory(folders, &root));
    Ok(Opening { root, config, outside: Outside { connector, memory, live: true }, target: None })
}

/// Returns where what is remembered of an estate lies.
fn memory(folders: &directories::ProjectDirs, root: &Path) -> Option<PathBuf> {
    let state = folders.state_dir().unwrap_or_else(|| folders.data_local_dir());
    let key = Identity::of(root).ok()?.key;
    Some(state.join("dashboard").join(format!("{key}.json")))
}

/// Returns the way to the platform that the context names, which is started where none runs.
pub(super) fn platform(context: &Context) -> Connector {
    let context = context.clone();
    Arc::new(move || {
        let context = context.clone();
        async move { reach(local::client(&context).await).await }.boxed()
    })
}

/// Returns the way to a router in this process, which reads the files and starts nothing.
pub(super) fn offline(context: &Context) -> Connector {
    let context = context.clone();
    Arc::new(move || {
        let context = context.clone();
        async move { reach(local::offline(&context)).await }.boxed()
    })
}

async fn reach(client: Result<Client, Failure>) -> Result<crate::tui::effect::Connection, Trouble> {
    match client {
        Ok(client) => ask::connection(client).await,
        Err(failure) => {
            let (message, hint) = failure.into_parts();
            Err(Trouble { message, hint, unreachable: true })
        }
    }
}
