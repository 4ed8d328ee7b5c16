//! A terminal that a test reads: a pseudo-terminal with the dashboard in it, and vt100 to see what it draws.

use std::collections::BTreeSet;
use std::io::{Read as _, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::stage;

/// How long a condition may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with a program in it.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<std::thread::JoinHandle<()>>,
    lost: Arc<AtomicBool>,
    headers: Arc<Mutex<BTreeSet<String>>>,
}

/// What begins and ends a frame: a synchronized update.
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Output on its way to the screen. A frame is shown whole, as terminals that know synchronized updates do: a test that
/// looks between two reads must not take half of a frame for what the program shows.
#[derive(Default)]
struct Output {
    held: Vec<u8>,
}

impl Output {
    /// Takes the next frame, or what stands before it; none when the rest of it is still to come.
    fn next(&mut self) -> Option<Vec<u8>> {
        let position = |sought: &[u8]| self.held.windows(sought.len()).position(|bytes| bytes == sought);
        let length = if self.held.starts_with(BEGIN) {
            position(END)? + END.len()
        } else {
            // What may become the beginning of a frame waits for its next byte.
            let begun = |n: &usize| self.held.ends_with(&BEGIN[..*n]);
            position(BEGIN).unwrap_or_else(|| self.held.len() - (1..BEGIN.len()).rev().find(begun).unwrap_or(0))
        };
        (length > 0).then(|| self.held.drain(..length).collect())
    }
}

impl Terminal {
    /// Opens a dashboard with the settings of a folder in a terminal of this size.
    pub(crate) fn open(settings: &Path, size: (u16, u16)) -> Self {
        Self::with(settings, size, &[])
    }

    /// Opens a dashboard with further variables.
    pub(crate) fn with(settings: &Path, size: (u16, u16), env: &[(&str, &str)]) -> Self {
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["--exact", "stage::dashboard", "--nocapture", "--quiet"]);
        command.env_clear();
        let own = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("EDITOR", "true")];
        for (name, value) in own.iter().chain(env) {
            command.env(name, value);
        }
        command.env(stage::ROLE, settings);
        command.cwd(settings);
        Self::spawn(command, size)
    }

    /// Runs a program in a terminal of this size.
    pub(crate) fn spawn(command: CommandBuilder, (width, height): (u16, u16)) -> Self {
        let size = PtySize { rows: height, cols: width, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(height, width, 0)));
        let mut terminal = pair.master.try_clone_reader().unwrap();
        let drawn = Arc::clone(&screen);
        let lost = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&lost);
        let headers = Arc::<Mutex<BTreeSet<String>>>::default();
        let seen = Arc::clone(&headers);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            let mut output = Output::default();
            let show = |bytes: &[u8]| {
                let mut parser = drawn.lock().unwrap();
                parser.process(bytes);
                seen.lock().unwrap().extend(parser.screen().rows(0, u16::MAX).next());
            };
            // The reader holds the terminal open too: a lost one is let go with the next output.
            while let Ok(n @ 1..) = terminal.read(&mut bytes)
                && !gone.load(Ordering::SeqCst)
            {
                output.held.extend(&bytes[..n]);
                while let Some(frame) = output.next() {
                    show(&frame);
                }
            }
            show(&output.held);
        });
        let writer = Some(pair.master.take_writer().unwrap());
        Terminal { child, master: Some(pair.master), writer, screen, reader: Some(reader), lost, headers }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.process_id().unwrap()).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Types characters as they stand; `\r` is enter, `\x1b` escape, `\t` tab.
    pub(crate) fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Waits until the screen holds this, and returns the screen.
    pub(crate) fn wait_for(&mut self, wanted: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if text.contains(wanted) {
                return text;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("it ended ({status}) before {wanted:?} was on the screen:\n{text}");
            }
            assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {wanted:?}\n{text}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Tells whether the line on top ever said this.
    pub(crate) fn header_said(&self, wanted: &str) -> bool {
        self.headers.lock().unwrap().iter().any(|line| line.contains(wanted))
    }

    /// Tells whether any cell has a colour.
    pub(crate) fn is_coloured(&self) -> bool {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let coloured =
            |cell: &vt100::Cell| cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default;
        (0..rows).any(|row| (0..columns).any(|column| screen.cell(row, column).is_some_and(coloured)))
    }

    pub(crate) fn resize(&mut self, width: u16, height: u16) {
        // The reader's screen changes first: what is drawn for the new size must find room.
        self.screen.lock().unwrap().screen_mut().set_size(height, width);
        let size = PtySize { rows: height, cols: width, pixel_width: 0, pixel_height: 0 };
        self.master.as_ref().unwrap().resize(size).unwrap();
    }

    /// Sends a signal to the process.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end and returns the exit code.
    pub(crate) fn end(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "it did not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Reads everything that was written, after the end.
    pub(crate) fn drain(&mut self) {
        self.writer = None;
        self.master = None;
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Takes the terminal away, as a lost SSH connection does.
    pub(crate) fn hang_up(&mut self) {
        self.lost.store(true, Ordering::SeqCst);
        self.writer = None;
        self.master = None;
    }

    pub(crate) fn alternate_screen(&self) -> bool {
        self.screen.lock().unwrap().screen().alternate_screen()
    }

    /// Asserts that nothing that the dashboard switched on is left.
    pub(crate) fn assert_restored(&self) {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen is left on");
        assert!(!screen.hide_cursor(), "the cursor is left hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is left on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is left on");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// Waits until something outside the screen holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the state letter of a process: `R`, `S`, `T`, …
pub(crate) fn process_state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
