//! `terrace serve`: the platform process.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use super::local::Handshake;
use super::{Context, Exit, Failure, Outcome, local};
use crate::api::client::Client;
use crate::api::listen::{self, Listening};
use crate::api::{AppState, server};
use crate::atmos::LoadOptions;
use crate::platform::identity::Identity;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::paths::{self, Paths};
use crate::platform::singleton::{self, Singleton};
use crate::platform::store::Place;
use crate::platform::{Platform, PlatformError, limits, session};

/// How long the platform goes on when nobody is connected and nothing is due.
const IDLE_SECONDS: u64 = 600;
/// How long another one that starts at the same time is waited for.
const PATIENCE: Duration = Duration::from_secs(45);

/// Runs the platform process of the estate; the dashboard and the commands start it by themselves
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  terrace serve                 here, until ctrl-c\n  terrace serve --background    ready when it returns\n  terrace serve --install       a systemd user unit that starts it at login\n  terrace serve --shared --socket /run/terrace/shop.sock --group staff\n  terrace serve --shared --listen 0.0.0.0:7443 --tls-cert chain.pem --tls-key key.pem\n  terrace serve --shared --socket /run/terrace/shop.sock --database postgres://terrace@db.example.com/terrace"
)]
pub(crate) struct Serve {
    /// For this user on this machine, over a Unix socket; ends after ten idle minutes (the default)
    #[arg(long)]
    local: bool,
    /// Starts it where none runs, and returns when it is ready
    #[arg(long, conflicts_with_all = ["install", "handshake", "idle"])]
    background: bool,
    /// For several people, under an account of its own: platform/teams.yaml says who has which role; never idle
    #[arg(long, conflicts_with_all = ["local", "background", "install"], requires = "places")]
    shared: bool,
    #[command(flatten)]
    shares: Shares,
    /// Writes a systemd user unit for this estate and says how to switch it on; where a database is named, it stands in a
    /// file beside it that only this user can read
    #[arg(long, conflicts_with = "local")]
    install: bool,
    /// A PostgreSQL database in the place of the file in the state folder; a password is safer in the environment
    /// (TERRACE_DATABASE, PGPASSWORD) or in ~/.pgpass than here, where every process list shows it
    #[arg(long, value_name = "URL", env = "TERRACE_DATABASE", hide_env_values = true)]
    database: Option<String>,
    /// Ends after so many idle seconds; 0 never ends
    #[arg(long, value_name = "SECONDS", default_value_t = IDLE_SECONDS, hide_default_value = true)]
    idle: u64,
    /// Says on standard output when it is ready, for the process that started it, and lives on without it
    #[arg(long, hide = true)]
    handshake: bool,
}

/// Where a shared platform listens.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "places", multiple = true)]
struct Shares {
    /// A Unix socket for the users of this machine (mode 0660), known by the kernel's word
    #[arg(long, value_name = "PATH", requires = "shared")]
    socket: Option<PathBuf>,
    /// The group that may use the socket; else this account's own
    #[arg(long, value_name = "GROUP", requires = "socket")]
    group: Option<String>,
    /// An address for those with tokens, such as 0.0.0.0:7443; without TLS only on loopback
    #[arg(long, value_name = "ADDRESS:PORT", requires = "shared")]
    listen: Option<SocketAddr>,
    /// The chain of certificates for TLS, PEM
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_cert"])]
    tls_key: Option<PathBuf>,
}

impl Shares {
    /// Listens everywhere that was asked for.
    async fn listen(&self, lifecycle: &Lifecycle) -> Result<Vec<Listening>, Failure> {
        let mut places = Vec::new();
        if let Some(path) = &self.socket {
            let listener = singleton::listen_for_group(path, self.group.as_deref())?;
            tracing::info!(socket = %path.display(), "shared");
            places.push(Listening::unix(listener, lifecycle));
        }
        if let Some(address) = self.listen {
            let tls = match (&self.tls_cert, &self.tls_key) {
                (Some(certificate), Some(key)) => Some(listen::tls(certificate, key)?),
                _ => None,
            };
            let (listening, bound) = Listening::network(address, tls, lifecycle).await?;
            tracing::info!(address = %bound, "shared");
            places.push(listening);
        }
        Ok(places)
    }
}

impl Serve {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        if self.install {
            return install(context, self.database.as_deref());
        }
        if self.background {
            super::runtime()?
                .block_on(async { local::connect_to(&context.root()?, self.database.as_deref()).await })?;
            return Ok(Exit::Done);
        }
        if self.handshake {
            // A session of its own: what ends the terminal does not end it. It fails only where we lead one already.
            let _ = rustix::process::setsid();
        }
        let filter = tracing_subscriber::EnvFilter::try_from_env("TERRACE_LOG");
        let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
        // Installing fails only where one stands already.
        let _ =
            tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).try_init();
        limits::raise();
        let runtime = super::runtime()?;
        let served = runtime.block_on(self.serve(context));
        runtime.shutdown_timeout(Duration::from_secs(1));
        match served {
            Err(failure) if self.handshake => {
                tracing::error!(%failure, "cannot start");
                let (message, hint) = failure.into_parts();
                self.say(context, &Handshake::Failed { message, hint });
                Ok(Exit::Failed)
            }
            served => Ok(served?),
        }
    }

    async fn serve(&self, context: &Context) -> Result<Exit, Failure> {
        let identity = Identity::of(&context.root()?)?;
        let paths = Paths::from_environment(&identity)?;
        let Some(singleton) = take(&paths).await? else {
            self.say(context, &Handshake::Ready);
            return Ok(Exit::Done);
        };
        let options =
            LoadOptions { trusted: context.trust(), env: super::context::environment(), ..LoadOptions::default() };
        let program = std::env::current_exe()
            .map_err(|e| Failure::failed(format!("it is not known where this program lies: {e}")))?;
        let place = place(self.database.as_deref(), &paths)?;
        let platform = Platform::open(identity, paths.clone(), place, options, program, cache()).await?;
        let platform = Arc::new(if self.shared { platform.sharing() } else { platform });
        let lifecycle = platform.lifecycle();
        let mut places = vec![Listening::unix(singleton.listen()?, lifecycle)];
        places.extend(self.shares.listen(lifecycle).await?);
        let idle = if self.shared { 0 } else { self.idle };
        tracing::info!(root = %platform.identity().root.display(), socket = %paths.socket().display(), "ready");
        self.say(context, &Handshake::Ready);
        let ending = tokio::spawn(end_when_due(Arc::clone(&platform), Duration::from_secs(idle)));
        let served = server::serve(places, AppState::new(Arc::clone(&platform))).await;
        ending.abort();
        platform.close().await;
        drop(singleton);
        tracing::info!("ended");
        served.map(|()| Exit::Done).map_err(|e| Failure::failed(format!("the socket failed: {e}")))
    }

    /// Says how the start went: to the process that started it, or to a person.
    fn say(&self, context: &Context, handshake: &Handshake) {
        let mut out = std::io::stdout().lock();
        if !self.handshake {
            eprintln!("{} serves this estate; ctrl-c ends it, runs go on", context.paint_stderr().good("ready:"));
            return;
        }
        // Who started it may be gone already.
        let _ = serde_json::to_writer(&mut out, handshake).map_err(drop).and_then(|()| writeln!(out).map_err(drop));
        let _ = out.flush();
        if let Ok(nowhere) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdout(&nowhere);
        }
    }
}

/// Returns where the database is.
pub(super) fn place(database: Option<&str>, paths: &Paths) -> Result<Place, PlatformError> {
    database.map_or_else(|| Ok(Place::File(paths.database())), |url| url.parse().map(Place::Server))
}

/// Takes the right to be the platform process; `None` where another one answers.
async fn take(paths: &Paths) -> Result<Option<Singleton>, Failure> {
    let began = Instant::now();
    loop {
        if let Some(singleton) = Singleton::take(paths)? {
            return Ok(Some(singleton));
        }
        // The other one may just be starting, or ending: then the lock will be free.
        if Client::unix(paths.socket()).healthz().await.is_ok() {
            return Ok(None);
        }
        if began.elapsed() > PATIENCE {
            return Err(Failure::unreachable("another platform process holds the lock and does not answer")
                .hint(format!("its log is {}, its process id in {}", paths.log().display(), paths.lock().display())));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Stops the platform on a signal, or when nobody has been connected for as long as `idle` and no run lives.
async fn end_when_due(platform: Arc<Platform>, idle: Duration) {
    let signals = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].map(signal);
    let signals = signals.into_iter().filter_map(Result::ok).map(|mut signal| {
        Box::pin(async move {
            signal.recv().await;
        })
    });
    let signaled = futures::future::select_all(signals);
    let idle = async {
        if idle.is_zero() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep((idle / 4).min(Duration::from_secs(15))).await;
            if platform.lifecycle().quiet_for() < idle {
                continue;
            }
            match platform.runs() {
                // Time counts anew from the end of the last run.
                Ok(runs)
                    if runs.live().await.is_ok_and(|runs| runs.is_empty())
                        && platform.delivers_within(idle).await.is_ok_and(|due| !due) =>
                {
                    return;
                }
                _ => platform.lifecycle().touch(),
            }
        }
    };
    tokio::select! {
        _ = signaled => tracing::info!("a signal asks to end"),
        () = idle => tracing::info!("idle"),
    }
    platform.lifecycle().stop();
}

/// Returns the provider cache that runs share.
fn cache() -> PathBuf {
    let folders = directories::ProjectDirs::from("", "", "terrace");
    folders.map_or_else(std::env::temp_dir, |folders| folders.cache_dir().to_owned()).join("providers")
}

/// Writes a systemd user unit that serves this estate, and a file with the URL of its database, which may hold a password.
fn install(context: &Context, database: Option<&str>) -> Outcome {
    let root = context.root()?;
    let identity = Identity::of(&root).map_err(Failure::from)?;
    let folders =
        directories::BaseDirs::new().ok_or_else(|| Failure::usage("no home folder is known for this user"))?;
    let folder = folders.config_dir().join("systemd/user");
    let name = format!("terrace-{}.service", identity.key);
    let path = folder.join(&name);
    let program = std::env::current_exe()?;
    std::fs::create_dir_all(&folder)?;
    let secrets = folder.join(format!("terrace-{}.env", identity.key));
    match database {
        Some(url) => {
            // What cannot be used is said now, and not at the next login.
            url.parse::<crate::platform::store::Server>().map_err(Failure::from)?;
            write_secret(&secrets, &format!("TERRACE_DATABASE={}\n", quoted(url)))?;
            eprintln!("wrote {} (mode 0600): where its database is", secrets.display());
        }
        None => match std::fs::remove_file(&secrets) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        },
    }
    let (program, root) = (program.display().to_string(), identity.root.display().to_string());
    let unit = unit(&identity.name, &program, &root, database.map(|_| secrets.as_path()));
    if std::fs::read_to_string(&path).is_ok_and(|there| there != unit) {
        std::fs::rename(&path, path.with_extension("service.old"))?;
    }
    std::fs::write(&path, unit)?;
    eprintln!("wrote {}", path.display());
    eprintln!("switch it on: systemctl --user daemon-reload && systemctl --user enable --now {name}");
    if session::ends_with_login() {
        eprintln!("this system ends your processes when you log out, runs included; keep them: loginctl enable-linger");
    }
    Ok(Exit::Done)
}

/// Returns the text of a systemd user unit.
///
/// `KillMode=process`: stopping the platform leaves the supervisors of runs alone.
fn unit(name: &str, program: &str, root: &str, secrets: Option<&Path>) -> String {
    let quote = |text: &str| {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$"))
    };
    // Its path is not quoted there, and specifiers are expanded in it.
    let secrets = secrets.map(|path| format!("EnvironmentFile={}\n", path.display().to_string().replace('%', "%%")));
    let name: String = name.chars().map(|c| if c.is_control() || c == '%' { ' ' } else { c }).collect();
    format!(
        "[Unit]\nDescription=Terrace for {name}\n\n[Service]\nExecStart={} -C {} serve --local --idle 0\n{}\
         KillMode=process\nRestart=on-failure\n\n[Install]\nWantedBy=default.target\n",
        quote(program),
        quote(root),
        secrets.unwrap_or_default(),
    )
}

/// Writes a file that only its owner can read, whole, also where one lies there that others can.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    paths::private_file(&beside)?.write_all(text.as_bytes())?;
    std::fs::rename(&beside, path)
}

/// Quotes a value as systemd reads it in an environment file.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        if matches!(c, '\\' | '"' | '`' | '$') {
            text.push('\\');
        }
        text.push(c);
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_quotes_what_systemd_would_read() {
        let unit = unit("100% é", "/opt/a b/terrace", "/srv/50%/$x\"y", Some(Path::new("/home/a/50%/terrace.env")));
        assert!(unit.contains("\nEnvironmentFile=/home/a/50%%/terrace.env\n"), "{unit}");
        assert_eq!(quoted(r#"postgres://a:p"$\x@h/d"#), r#""postgres://a:p\"\$\\x@h/d""#);
        assert!(
            unit.contains("ExecStart=\"/opt/a b/terrace\" -C \"/srv/50%%/$$x\\\"y\" serve --local --idle 0\n"),
            "{unit}"
        );
        assert!(unit.contains("Description=Terrace for 100  é\n") && unit.contains("KillMode=process\n"), "{unit}");
    }
}
