//! The way to the platform process on this machine: found, started where none runs, replaced where it is older.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::{Context, Failure};
use crate::api::client::{Client, ClientError};
use crate::api::types::{Build, PlatformCard, StopRequest};
use crate::api::{AppState, router};
use crate::atmos::LoadOptions;
use crate::platform::identity::Identity;
use crate::platform::paths::Paths;
use crate::platform::settings::Settings;
use crate::platform::{Platform, PlatformError, singleton};

/// A platform that has not answered within this time is not going to.
const PATIENCE: Duration = Duration::from_secs(20);
/// A platform that was started and has not said within this time that it is ready is not going to be: a new database
/// on a busy disk takes its time.
const READY: Duration = Duration::from_secs(60);
/// How often is looked whether another process has ended.
const LOOK: Duration = Duration::from_millis(5);
/// A log of the platform process beyond this is put aside when the next one begins.
const LOG_LIMIT: u64 = 4 * 1024 * 1024;

/// What a platform process that was started says on its standard output, as one line of JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Handshake {
    /// It listens, or another one does.
    Ready,
    /// It cannot.
    Failed {
        /// Why.
        message: String,
        /// What to do.
        hint: Option<String>,
    },
}

impl From<PlatformError> for Failure {
    fn from(error: PlatformError) -> Self {
        let failure = match &error {
            PlatformError::Atmos(inner) => return inner.clone().into(),
            PlatformError::Configuration(problem) => {
                let place = problem.source.as_ref().map(|at| format!("{}:{}:{}: ", at.file, at.line, at.column));
                Failure::usage(place.unwrap_or_default() + &problem.message)
            }
            _ => Failure::failed(error.to_string()),
        };
        failure.hinted(error.hint())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let failure = match &error {
            ClientError::Unreachable { .. } => Failure::unreachable(error.to_string()),
            ClientError::Problem(problem) => match problem.status {
                401 | 403 => Failure::denied(error.to_string()),
                400 | 404 | 422 => {
                    let place = problem.place.as_ref().map(|at| format!("{}:{}:{}: ", at.file, at.line, at.column));
                    Failure::usage(place.unwrap_or_default() + &error.to_string())
                }
                _ => Failure::failed(error.to_string()),
            },
            ClientError::Protocol(_) => Failure::failed(error.to_string()),
        };
        failure.hinted(error.hint())
    }
}

/// Returns a client of the platform that the context names: the shared one, or the one on this machine, which is started
/// where none runs.
pub(crate) async fn client(context: &Context) -> Result<Client, Failure> {
    match shared(context)? {
        Some(client) => Ok(client),
        None => connect(&context.root()?).await,
    }
}

/// Returns a client of a router in this process: for commands that only read the files, and start nothing.
pub(crate) fn offline(context: &Context) -> Result<Client, Failure> {
    let options =
        LoadOptions { trusted: context.trust(), env: super::context::environment(), ..LoadOptions::default() };
    let platform = Platform::reading(&context.root()?, options)?;
    Ok(Client::in_process(router(AppState::new(platform.into()))))
}

/// Returns a client for a command that only reads: of the platform that `--server` names, else of a router in this
/// process, which reads the files here even where `platform/terrace.yaml` names a platform that several share.
pub(crate) fn reading(context: &Context) -> Result<Client, Failure> {
    match context.server() {
        Some(address) => Ok(Client::at(address, token())?),
        None => offline(context),
    }
}

/// Says whether the platform is one that several share: it is waited for, never started.
pub(crate) fn is_shared(context: &Context) -> bool {
    // What cannot be told has been said already, where the first client was asked for.
    shared(context).is_ok_and(|client| client.is_some())
}

/// Returns a client of the shared platform: the one that the context names, else the one in `platform/terrace.yaml`.
///
/// A file of the estate does not decide who is sent a person's token: through the network the person names the platform.
fn shared(context: &Context) -> Result<Option<Client>, Failure> {
    if let Some(address) = context.server() {
        return Ok(Some(Client::at(address, token())?));
    }
    let Ok(root) = context.root() else { return Ok(None) };
    let Some(address) = Settings::read(&root)?.server else { return Ok(None) };
    if !address.starts_with("unix:") && token().is_some() {
        return Err(Failure::usage(format!("platform/terrace.yaml names {address}, and TERRACE_TOKEN is set"))
            .hint(format!("if that is where your token belongs: export TERRACE_SERVER={address}")));
    }
    Ok(Some(Client::at(&address, token())?))
}

/// Returns the token that says whom to act as, where there is one.
fn token() -> Option<String> {
    std::env::var("TERRACE_TOKEN").ok().filter(|token| !token.is_empty())
}

/// Returns a client of the platform process that runs, with its card; `None` where none does.
pub(crate) async fn running(context: &Context) -> Result<Option<(Client, PlatformCard)>, Failure> {
    if let Some(client) = shared(context)? {
        let card = client.platform().await?;
        return Ok(Some((client, card)));
    }
    let paths = paths(&context.root()?)?;
    let began = Instant::now();
    loop {
        match reach(&paths).await {
            Ok(found) => return Ok(Some(found)),
            Err(error) if error.is_unreachable() => match singleton::holder(&paths)? {
                // It is on its way up or down: a moment later it answers, or is gone.
                Some(_) if began.elapsed() < PATIENCE => tokio::time::sleep(LOOK).await,
                Some(pid) => {
                    return Err(Failure::unreachable(format!("process {pid} is the platform, and does not answer"))
                        .hint(format!("its log is {}; if it hangs: kill {pid}", paths.log().display())));
                }
                None => return Ok(None),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns the paths of the estate at `root` for this user.
pub(super) fn paths(root: &Path) -> Result<Paths, Failure> {
    Ok(Paths::from_environment(&Identity::of(root)?)?)
}

/// Asks the platform process for its card.
async fn reach(paths: &Paths) -> Result<(Client, PlatformCard), ClientError> {
    let client = Client::unix(paths.socket()).with_token(token());
    if let Err(error) = paths.check_socket_folder() {
        return Err(ClientError::Unreachable { place: client.place(), message: error.to_string() });
    }
    // A process that is stopped takes connections all the same, and answers none.
    let asked = tokio::time::timeout(PATIENCE, client.platform()).await;
    let silent = |_| ClientError::Unreachable {
        place: client.place(),
        message: format!("it takes connections, and has not answered within {} s", PATIENCE.as_secs()),
    };
    let card = asked.map_err(silent)??;
    Ok((client, card))
}

/// Returns a client of the platform process of the estate at `root`: the one that runs, else one that is started now.
///
/// An older build that nobody uses is replaced. Two that start at a time end with one process, and both reach it.
pub(crate) async fn connect(root: &Path) -> Result<Client, Failure> {
    connect_to(root, None).await
}

/// The same, where one that is started uses this database in the place of the file or of what `TERRACE_DATABASE` says.
pub(super) async fn connect_to(root: &Path, database: Option<&str>) -> Result<Client, Failure> {
    let paths = paths(root)?;
    let began = Instant::now();
    loop {
        match reach(&paths).await {
            Ok((client, card)) => {
                if !Build::this().is_newer_than(&card.build) {
                    return Ok(client);
                }
                let request = StopRequest { unless_runs: true, unless_busy: true };
                match client.stop(request).await {
                    Ok(_) => {}
                    // Somebody uses the older one: it speaks the same API.
                    Err(error) if error.code() == Some("busy") => return Ok(client),
                    // It stopped by itself meanwhile.
                    Err(error) if error.is_unreachable() => {}
                    Err(error) => return Err(error.into()),
                }
                drop(client);
                gone(&paths).await?;
            }
            Err(error) if error.is_unreachable() => {}
            Err(error) => return Err(error.into()),
        }
        start(root, &paths, database).await?;
        if began.elapsed() > READY {
            return Err(Failure::unreachable("the platform process starts and is gone again before it can be asked")
                .hint(format!("its log is {}", paths.log().display())));
        }
    }
}

/// Waits until no process is the platform.
pub(super) async fn gone(paths: &Paths) -> Result<(), Failure> {
    let began = Instant::now();
    while let Some(pid) = singleton::holder(paths)? {
        if began.elapsed() > PATIENCE {
            return Err(Failure::failed(format!("the platform process {pid} was asked to stop, and has not ended"))
                .hint(format!("its log is {}; if it hangs: kill {pid}", paths.log().display())));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Starts a platform process that outlives this one, and waits until it says that it is ready.
async fn start(root: &Path, paths: &Paths, database: Option<&str>) -> Result<(), Failure> {
    paths.prepare()?;
    let log = open_log(&paths.log())?;
    let cannot = |e: std::io::Error| Failure::failed(format!("the platform process cannot be started: {e}"));
    let mut child = tokio::process::Command::new(std::env::current_exe().map_err(cannot)?)
        .arg("-C")
        .arg(root)
        .args(["serve", "--local", "--handshake"])
        // The environment that was given for this call is none of the process that outlives it.
        .env_remove("TERRACE_SERVER")
        .env_remove("TERRACE_TOKEN")
        .envs(database.map(|url| ("TERRACE_DATABASE", url)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(cannot)?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        let mut out = BufReader::new(out);
        let read = tokio::time::timeout(READY, out.read_line(&mut line)).await;
        read.map_err(|_| {
            Failure::unreachable(format!("the platform process has not become ready within {} s", READY.as_secs()))
                .hint(format!("its log is {}", paths.log().display()))
        })?
        .map_err(cannot)?;
    }
    match serde_json::from_str(&line) {
        Ok(Handshake::Ready) => Ok(()),
        Ok(Handshake::Failed { message, hint }) => {
            Err(Failure::unreachable(format!("the platform process cannot start: {message}")).hinted(hint))
        }
        Err(_) => Err(Failure::unreachable("the platform process ended before it was ready")
            .hint(format!("its log is {}", paths.log().display()))),
    }
}

/// Opens the log to be appended to; one that has grown large is put aside first.
fn open_log(path: &PathBuf) -> Result<std::fs::File, PlatformError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    if std::fs::metadata(path).is_ok_and(|about| about.len() > LOG_LIMIT) {
        // Where this fails the log only grows.
        let _ = std::fs::rename(path, path.with_extension("log.1"));
    }
    let open = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    open.map_err(PlatformError::io("open the log", path))
}
