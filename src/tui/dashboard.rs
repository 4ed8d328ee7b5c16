//! The dashboard's life: a first frame at once, then keys, answers and time until it is left.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::domain::stack::Source;

use super::app::{App, Setup, Target};
use super::config::{self, Config};
use super::effect::{Outside, Runner};
use super::message::{Answer, Effect, Message, Trouble};
use super::terminal::{self, Screen};
use super::theme::Meaning;
use super::update::update;
use super::{editor, memory};

/// Frames that nobody pressed a key for are drawn no more often than this.
const FRAME: Duration = Duration::from_millis(16);
/// How long answers are taken before the next look at the keys.
const SLICE: Duration = Duration::from_millis(4);
/// How many answers may wait: a fast log waits for the screen, not the other way round.
const QUEUE: usize = 64;

/// What a dashboard is opened with.
#[derive(Debug)]
pub struct Opening {
    /// The estate's root.
    pub root: PathBuf,
    /// The user's settings.
    pub config: Config,
    /// The way out.
    pub outside: Outside,
    /// Where to open.
    pub target: Option<Target>,
}

impl Opening {
    /// Returns the state of the dashboard that opens.
    #[must_use]
    pub fn app(&self, size: (u16, u16)) -> App {
        let mut memory = self.outside.memory.as_deref().map_or_else(memory::Memory::default, config::recall);
        if let Some(mouse) = self.config.mouse.filter(|_| memory == memory::Memory::default()) {
            memory.mouse = mouse;
        }
        let name = self.root.file_name().map_or_else(|| "/".into(), |name| name.to_string_lossy().into_owned());
        App::new(Setup {
            now: Timestamp::now(),
            zone: jiff::tz::TimeZone::system(),
            size,
            keymap: self.config.keymap.clone(),
            themes: self.config.themes.clone(),
            theme: self.config.theme,
            colors: self.config.depth != super::theme::Depth::None,
            memory,
            target: self.target.clone(),
            name,
        })
    }
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Somebody left.
    Left,
    /// A signal came; its number.
    Signal(i32),
}

/// Opens the dashboard on this process's terminal and returns when it is left.
///
/// # Errors
///
/// Where standard output is no terminal or it is gone; the terminal is given back first.
pub async fn run(opening: Opening) -> io::Result<End> {
    let size = crossterm::terminal::size()?;
    let mut app = opening.app(size);
    let mut screen = Screen::take(app.mouse)?;
    app.size = screen.size()?;
    screen.draw(&app)?;
    let (sender, messages) = mpsc::channel(QUEUE);
    let mut runner = Runner::new(opening.outside, sender.clone());
    runner.carry_out(Effect::Connect);
    let end = Loop {
        app,
        screen,
        runner,
        messages,
        sender,
        keys: Some(EventStream::new()),
        root: opening.root,
        suspended: false,
    }
    .turn()
    .await;
    if terminal::panicked() {
        return Err(io::Error::other("a part of the dashboard failed; the report stands above"));
    }
    end
}

struct Loop {
    app: App,
    screen: Screen,
    runner: Runner,
    messages: mpsc::Receiver<Message>,
    sender: mpsc::Sender<Message>,
    keys: Option<EventStream>,
    root: PathBuf,
    suspended: bool,
}

struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    stop: Signal,
    resume: Signal,
}

impl Loop {
    async fn turn(mut self) -> io::Result<End> {
        let mut signals = Signals {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
            resume: signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?,
        };
        let mut clock = interval(Duration::from_secs(1));
        clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut drawn = Instant::now();
        let mut due: Option<Instant> = None;
        loop {
            let keys = self.keys.get_or_insert_with(EventStream::new);
            let mut urgent = false;
            let mut end = None;
            tokio::select! {
                biased;
                _ = signals.terminate.recv() => end = Some(End::Signal(rustix::process::Signal::TERM.as_raw())),
                _ = signals.hangup.recv() => end = Some(End::Signal(rustix::process::Signal::HUP.as_raw())),
                _ = signals.interrupt.recv() => end = Some(End::Left),
                _ = signals.stop.recv() => self.suspended = true,
                _ = signals.resume.recv() => self.screen.retake()?,
                event = keys.next() => {
                    urgent = true;
                    match event {
                        Some(Ok(event)) => end = self.event(event).await?,
                        // The terminal is gone.
                        Some(Err(_)) | None => end = Some(End::Signal(rustix::process::Signal::HUP.as_raw())),
                    }
                    // Keys that came together are drawn together: a held key never lags behind.
                    while end.is_none() && let Some(Ok(event)) = self.waiting_event().await {
                        end = self.event(event).await?;
                    }
                }
                Some(message) = self.messages.recv() => {
                    end = self.take(message).await?;
                    let until = Instant::now() + SLICE;
                    while end.is_none() && Instant::now() < until && let Ok(message) = self.messages.try_recv() {
                        end = self.take(message).await?;
                    }
                }
                _ = clock.tick() => end = self.take(Message::Tick(Timestamp::now())).await?,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
            if std::mem::take(&mut self.suspended) && end.is_none() {
                self.suspend(&mut signals.resume).await?;
            }
            if let Some(end) = end {
                self.runner.carry_out(Effect::Remember(Box::new(self.app.memory())));
                return Ok(end);
            }
            if terminal::panicked() {
                return Ok(End::Left);
            }
            // A change of size that came while an editor or the shell had the terminal was announced to them.
            let size = self.screen.size()?;
            if size != self.app.size && self.take(Message::Resize(size.0, size.1)).await?.is_some() {
                return Ok(End::Left);
            }
            let now = Instant::now();
            if urgent || now >= drawn + FRAME {
                self.screen.draw(&self.app)?;
                drawn = Instant::now();
                due = None;
            } else {
                due = Some(drawn + FRAME);
            }
        }
    }

    /// Returns the next event that is there already.
    ///
    /// It is asked for with this task's own waker: with another, the key after it would wake nobody.
    async fn waiting_event(&mut self) -> Option<io::Result<Event>> {
        let keys = self.keys.as_mut()?;
        poll_fn(|context| match keys.poll_next_unpin(context) {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    async fn event(&mut self, event: Event) -> io::Result<Option<End>> {
        let message = match event {
            Event::Key(key) => Message::Key(key),
            Event::Paste(text) => Message::Paste(text),
            Event::Mouse(mouse) => Message::Mouse(mouse),
            Event::Resize(width, height) => Message::Resize(width, height),
            Event::FocusGained | Event::FocusLost => return Ok(None),
        };
        self.take(message).await
    }

    async fn take(&mut self, message: Message) -> io::Result<Option<End>> {
        for effect in update(&mut self.app, message) {
            let Some(own) = self.runner.carry_out(effect) else { continue };
            match own {
                Effect::Leave => return Ok(Some(End::Left)),
                Effect::Edit(source) => self.edit(&source).await?,
                Effect::Copy(text) => {
                    if let Err(e) = self.screen.copy(&text) {
                        self.app.complain(e.to_string());
                    }
                }
                Effect::Mouse(on) => self.screen.set_mouse(on)?,
                Effect::Redraw => self.screen.clear()?,
                Effect::Suspend => self.suspended = true,
                _ => {}
            }
        }
        Ok(None)
    }

    /// Stops as job control wants it, with the terminal given back; goes on where it was.
    ///
    /// The signal may take effect on another thread first: only the one that lets it go on again counts as its end.
    async fn suspend(&mut self, resume: &mut Signal) -> io::Result<()> {
        self.keys = None;
        self.screen.give()?;
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        resume.recv().await;
        self.screen.retake()
    }

    /// Gives the terminal to the user's editor, at a line.
    async fn edit(&mut self, source: &Source) -> io::Result<()> {
        let file = self.root.join(&source.file);
        let variable = |name: &str| std::env::var(name).ok();
        let words = match editor::command(&file, source.line, source.column, variable) {
            Ok(words) => words,
            Err(why) => {
                self.app.complain(why);
                return Ok(());
            }
        };
        // Nobody but the editor reads the keys now.
        self.keys = None;
        self.screen.give()?;
        let status = tokio::process::Command::new(&words[0]).args(&words[1..]).status().await;
        self.screen.retake()?;
        self.app.size = self.screen.size()?;
        let answer = match status {
            Ok(status) if status.success() => Answer::Resumed,
            Ok(status) => Answer::Failed(trouble(format!("{} ended with {status}", words[0]))),
            Err(e) => Answer::Failed(Trouble {
                hint: Some("set EDITOR to yours".into()),
                ..trouble(format!("{} cannot be started: {e}", words[0]))
            }),
        };
        let sender = self.sender.clone();
        tokio::spawn(async move { sender.send(Message::Answer(Box::new(answer))).await });
        Ok(())
    }
}

fn trouble(message: String) -> Trouble {
    Trouble { message, hint: None, unreachable: false }
}

/// Returns the style of the ground, for pictures.
#[must_use]
pub fn is_light(app: &App) -> bool {
    use ratatui::style::Color;
    matches!(app.theme.style(Meaning::Text).bg, Some(Color::Rgb(r, g, b)) if u32::from(r) + u32::from(g) + u32::from(b) > 384)
}
