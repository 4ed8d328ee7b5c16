//! The dashboard: how soon it shows something, and what it holds. The program itself runs in a pseudo-terminal.

use std::error::Error;
use std::fs;
use std::io::{Read as _, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::Figure;
use crate::generate::{self, Shape};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;
/// What ends a frame.
const FRAME: &[u8] = b"\x1b[?2026l";
/// How long a dashboard may take before a figure of it would mean nothing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long nothing is drawn between a key and the next one.
const QUIET: Duration = Duration::from_millis(25);
/// Keys, pressed one after the other, each of which changes what is shown.
const KEYS: [&str; 8] = ["j", "j", "\x1b[6~", "j", "k", "\x1b[5~", "j", "l"];
const PRESSES: usize = 400;

/// Measures the dashboard on the demo, and its memory on the generated estate.
pub(crate) fn figures() -> Result<Vec<Figure>> {
    let home = tempfile::Builder::new().prefix("terrace-bench-").tempdir()?;
    let demo = home.path().join("demo");
    terrace(home.path(), &["demo", "--no-dashboard", &demo.to_string_lossy()])?;
    let (mut frame, mut cold, mut warm, mut budgets) = (Duration::MAX, Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        // Without a platform: one is started, reads the estate and answers.
        let opened = Dashboard::open(home.path(), &demo)?;
        (frame, cold) = (frame.min(opened.frame), cold.min(opened.content));
        drop(opened);
        let mut opened = Dashboard::open(home.path(), &demo)?;
        (frame, warm) = (frame.min(opened.frame), warm.min(opened.content));
        opened.rest()?;
        // The demo comes with a year of bills, of which forecasts are made.
        budgets = budgets.min(opened.press("5", |screen| screen.contains("→"))?);
        drop(opened);
        stop(home.path(), &demo)?;
    }
    let estate = home.path().join("estate");
    let written = generate::write(&estate, &Shape::default())?;
    let mut opened = Dashboard::open(home.path(), &estate)?;
    let held = opened.memory(home.path(), &estate)?;
    let keys = opened.keys()?;
    drop(opened);
    stop(home.path(), &estate)?;
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    Ok(vec![
        Figure::new("first frame of the dashboard", ms(frame), "50 ms"),
        Figure::new("values of an instance of the demo on the screen, nothing running before", ms(cold), "300 ms"),
        Figure::new("the same with the platform running", ms(warm), "100 ms"),
        Figure::new("budgets of the demo on the screen, a year of bills", ms(budgets), "100 ms"),
        Figure::new(
            format!("from a key to its frame, {} instances open, 99th percentile", written.instances),
            format!("{:.1} ms", keys.as_secs_f64() * 1000.0),
            "8 ms",
        ),
        Figure::new(
            format!("memory of dashboard and platform, {} instances open", written.instances),
            format!("{} MB", held / 1000),
            "300 MB",
        ),
    ])
}

/// What keeps a home apart from the real one.
const FOLDERS: [(&str, &str); 6] = [
    ("HOME", "home"),
    ("XDG_STATE_HOME", "state"),
    ("XDG_DATA_HOME", "data"),
    ("XDG_CONFIG_HOME", "config"),
    ("XDG_CACHE_HOME", "cache"),
    ("XDG_RUNTIME_DIR", "run"),
];

fn terrace(home: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
    for (variable, folder) in FOLDERS {
        fs::create_dir_all(home.join(folder))?;
        command.env(variable, home.join(folder));
    }
    let output = command.args(arguments).stdin(Stdio::null()).output()?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("terrace {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into())
    }
}

fn stop(home: &Path, estate: &Path) -> Result<()> {
    terrace(home, &["-C", &estate.to_string_lossy(), "stop", "--force"]).map(drop)
}

/// A dashboard in a terminal that has shown an instance's values.
struct Dashboard {
    child: Box<dyn Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
    input: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    frame: Duration,
    content: Duration,
}

impl Dashboard {
    fn open(home: &Path, estate: &Path) -> Result<Self> {
        let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_terrace"));
        command.arg("-C");
        command.arg(estate);
        command.env("TERM", "xterm-256color");
        for (variable, folder) in FOLDERS {
            command.env(variable, home.join(folder));
        }
        // Each is a first visit: nothing is remembered of the one before.
        drop(fs::remove_dir_all(home.join("state/terrace/dashboard")));
        let (mut reader, input) = (pair.master.try_clone_reader()?, pair.master.take_writer()?);
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 65536];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        let begun = Instant::now();
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let mut screen = vt100::Parser::new(40, 120, 0);
        let (mut seen, mut frame, mut content) = (Vec::new(), None, None);
        while content.is_none() {
            let bytes = output.recv_timeout(PATIENCE)?;
            let now = begun.elapsed();
            screen.process(&bytes);
            if frame.is_none() {
                seen.extend_from_slice(&bytes);
                frame = seen.windows(FRAME.len()).any(|w| w == FRAME).then_some(now);
            }
            // A line of a file beside a value.
            content = screen.screen().contents().contains(".yaml:").then_some(now);
        }
        let (frame, content) = (frame.ok_or("no frame ended")?, content.unwrap_or_default());
        Ok(Dashboard { child, _master: pair.master, input, output, screen, frame, content })
    }

    /// Waits until nothing is drawn for a moment.
    fn rest(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            match self.output.recv_timeout(QUIET) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
            if begun.elapsed() > PATIENCE {
                return Err("it does not come to rest".into());
            }
        }
    }

    /// Presses a key, and returns how long it takes until a frame has ended that shows what is wanted.
    fn press(&mut self, key: &str, shows: impl Fn(&str) -> bool) -> Result<Duration> {
        let begun = Instant::now();
        self.input.write_all(key.as_bytes())?;
        self.input.flush()?;
        let mut drawn = Vec::new();
        loop {
            let bytes = self.output.recv_timeout(PATIENCE)?;
            let took = begun.elapsed();
            self.screen.process(&bytes);
            drawn.extend_from_slice(&bytes);
            if drawn.windows(FRAME.len()).any(|w| w == FRAME) && shows(&self.screen.screen().contents()) {
                return Ok(took);
            }
            if took > PATIENCE {
                return Err(format!("after {key:?} it never shows what is wanted").into());
            }
        }
    }

    /// Returns the 99th percentile from a key to its frame.
    fn keys(&mut self) -> Result<Duration> {
        let mut times = Vec::new();
        for at in 0..PRESSES {
            self.rest()?;
            times.push(self.press(KEYS[at % KEYS.len()], |_| true)?);
        }
        times.sort();
        Ok(times[PRESSES * 99 / 100])
    }

    /// Returns the kilobytes that dashboard and platform hold once both are at rest; what they share counts once.
    fn memory(&self, home: &Path, estate: &Path) -> Result<u64> {
        let begun = Instant::now();
        // At rest: nothing but the clock is drawn for a while.
        let mut quiet = 0;
        while quiet < 3 && begun.elapsed() < PATIENCE {
            match self.output.recv_timeout(Duration::from_secs(1)) {
                Ok(bytes) if bytes.len() > 400 => quiet = 0,
                Ok(_) | Err(RecvTimeoutError::Timeout) => quiet += 1,
                Err(e) => return Err(e.into()),
            }
        }
        let card = terrace(home, &["-C", &estate.to_string_lossy(), "status", "--format", "json"])?;
        let card: serde_json::Value = serde_json::from_slice(&card)?;
        let platform = card["pid"].as_u64().ok_or("the platform names no process")?;
        let own = u64::from(self.child.process_id().ok_or("the dashboard is gone")?);
        Ok(proportional(platform)? + proportional(own)?)
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Returns the kilobytes of a process, of shared pages its share.
fn proportional(pid: u64) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).ok_or("the kernel does not tell Pss")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}
