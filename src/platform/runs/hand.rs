//! The platform's hand on a supervisor: starting one, asking it, hearing from it.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};

use super::error::RunError;
use super::folder::RunFolder;
use super::protocol::{Ask, Hello, Progress, Say};
use crate::platform::crash;

/// How long a supervisor may take to get ready, or to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A question on its way to a supervisor.
type Question = (Ask, oneshot::Sender<Result<(), RunError>>);

/// A hand on one living supervisor; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Hand {
    questions: mpsc::Sender<Question>,
    progress: watch::Receiver<Progress>,
}

impl Hand {
    /// Asks, and waits for the answer.
    pub(super) async fn ask(&self, ask: Ask) -> Result<(), RunError> {
        let gone = || RunError::Supervisor("it is gone".to_owned());
        let (answer, answered) = oneshot::channel();
        crash::point();
        self.questions.send((ask, answer)).await.map_err(|_| gone())?;
        tokio::time::timeout(PATIENCE, answered)
            .await
            .map_err(|_| RunError::Supervisor("it does not answer".to_owned()))?
            .map_err(|_| gone())?
    }

    /// Returns what wakes whenever there is more.
    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

/// Starts the supervisor of a run, with the environment of the person who asked, and waits until it is ready.
pub(super) async fn start(program: &Path, folder: &RunFolder, hello: &Hello) -> Result<(), RunError> {
    let doing = "cannot start the run's supervisor";
    let complaints = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(folder.complaints())
        .map_err(RunError::io(doing))?;
    crash::point();
    let mut process = Command::new(program)
        .arg("run-host")
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(complaints)
        .spawn()
        .map_err(RunError::io(doing))?;
    let text = serde_json::to_vec(hello).map_err(|error| RunError::Supervisor(error.to_string()))?;
    let mut stdin = process.stdin.take();
    let mut stdout = process.stdout.take();
    let ready = async {
        if let Some(stdin) = &mut stdin {
            stdin.write_all(&text).await?;
        }
        drop(stdin.take());
        let mut answer = String::new();
        if let Some(stdout) = &mut stdout {
            stdout.read_to_string(&mut answer).await?;
        }
        Ok::<_, std::io::Error>(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, ready).await;
    let is_ready = matches!(&answer, Ok(Ok(answer)) if answer == "ready\n");
    // Whoever outlives the other: it is taken off the process table when it ends, and is not ended with us.
    tokio::spawn(async move { process.wait().await });
    crash::point();
    if is_ready {
        return Ok(());
    }
    let said = std::fs::read_to_string(folder.complaints()).unwrap_or_default();
    Err(RunError::Supervisor(format!("it did not get ready: {}", said.trim())))
}

/// Connects to a living supervisor and attaches; the returned future speaks with it until it is gone.
///
/// `on_news` is called whenever the journal has grown.
pub(super) async fn attach(
    folder: &RunFolder,
    token: u64,
) -> Result<(Hand, impl Future<Output = ()> + Send + 'static, watch::Receiver<u64>), RunError> {
    let doing = "cannot reach the run's supervisor";
    let (path, _held) = folder.control().map_err(RunError::io(doing))?;
    let stream = UnixStream::connect(path).await.map_err(RunError::io(doing))?;
    let (questions, asked) = mpsc::channel::<Question>(16);
    let (tell, progress) = watch::channel(Progress::default());
    let (news, journal) = watch::channel(0);
    let hand = Hand { questions: questions.clone(), progress };
    // Attaching is the first question.
    let (answer, _) = oneshot::channel();
    drop(questions.try_send((Ask::Attach { token }, answer)));
    drop(questions);
    Ok((hand, speak(stream, asked, tell, news), journal))
}

/// Carries questions and answers until the supervisor is gone.
async fn speak(
    stream: UnixStream,
    mut asked: mpsc::Receiver<Question>,
    tell: watch::Sender<Progress>,
    news: watch::Sender<u64>,
) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut open: std::collections::VecDeque<oneshot::Sender<Result<(), RunError>>> = std::collections::VecDeque::new();
    let mut listening = true;
    loop {
        tokio::select! {
            question = asked.recv(), if listening => match question {
                Some((ask, answer)) => {
                    let Ok(mut line) = serde_json::to_vec(&ask) else { continue };
                    line.push(b'\n');
                    if write.write_all(&line).await.is_err() {
                        break;
                    }
                    open.push_back(answer);
                }
                None => listening = false,
            },
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { break };
                match serde_json::from_str::<Say>(&line) {
                    Ok(Say::Progress(progress)) => {
                        tell.send_replace(progress);
                        news.send_if_modified(|seen| std::mem::replace(seen, progress.journal) != progress.journal);
                    }
                    Ok(Say::Done) => {
                        if let Some(answer) = open.pop_front() {
                            drop(answer.send(Ok(())));
                        }
                    }
                    Ok(Say::Refused { why }) => {
                        if let Some(answer) = open.pop_front() {
                            drop(answer.send(Err(RunError::Supervisor(why))));
                        }
                    }
                    Err(error) => tracing::warn!(%error, "a supervisor said something that is not understood"),
                }
            }
        }
    }
}
