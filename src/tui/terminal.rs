//! The user's terminal: taken, given back, and given back whatever happens.
//!
//! What is switched on here is switched off here: raw mode, the alternate screen, bracketed paste, the mouse. That
//! holds after a panic, a signal, a suspension, and while an editor has the terminal.

use std::io::{self, Stdout, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

/// Whether the terminal is ours now.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// Whether some thread panicked: the screen cannot be trusted any more.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The longest text that terminals take by OSC 52, in bytes before encoding.
const CLIPBOARD: usize = 74_000;

/// The user's terminal while the dashboard has it; given back when dropped.
#[derive(Debug)]
pub struct Screen {
    terminal: Terminal<Quiet>,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// Where standard output is no terminal, or it does not obey.
    pub fn take(mouse: bool) -> io::Result<Self> {
        restore_on_panic();
        enter(mouse)?;
        let terminal = Terminal::new(Quiet(CrosstermBackend::new(io::stdout())))?;
        Ok(Screen { terminal, mouse })
    }

    /// Gives the terminal back for a while, to an editor or the shell.
    ///
    /// # Errors
    ///
    /// Where the terminal does not obey.
    pub fn give(&mut self) -> io::Result<()> {
        leave()
    }

    /// Takes the terminal again; the next frame is drawn anew.
    ///
    /// # Errors
    ///
    /// Where the terminal does not obey.
    pub fn retake(&mut self) -> io::Result<()> {
        enter(self.mouse)?;
        self.terminal.clear()
    }

    /// Turns the mouse on or off.
    ///
    /// # Errors
    ///
    /// Where the terminal does not obey.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on { execute!(io::stdout(), EnableMouseCapture) } else { execute!(io::stdout(), DisableMouseCapture) }
    }

    /// Forgets what is on the screen, so that the next frame is drawn anew.
    ///
    /// # Errors
    ///
    /// Where the terminal does not obey.
    pub fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Returns the terminal's size.
    ///
    /// # Errors
    ///
    /// Where the terminal does not say.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.terminal.size()?;
        Ok((size.width, size.height))
    }

    /// Draws a frame; the terminal shows it at once.
    ///
    /// # Errors
    ///
    /// Where the terminal is gone.
    pub fn draw(&mut self, app: &super::app::App) -> io::Result<()> {
        queue!(io::stdout(), crossterm::terminal::BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| super::view::view(app, frame))?;
        execute!(io::stdout(), crossterm::terminal::EndSynchronizedUpdate)
    }

    /// Puts text into the clipboard of the terminal that the user sits at, over SSH and tmux too (OSC 52).
    ///
    /// # Errors
    ///
    /// Where the text is too long for terminals, or the terminal is gone.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        if text.len() > CLIPBOARD {
            return Err(io::Error::other(format!("{} bytes are too much for a terminal's clipboard", text.len())));
        }
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        let mut out = io::stdout();
        write!(out, "\x1b]52;c;{encoded}\x07")?;
        out.flush()
    }
}

/// The backend, without the one question that is answered through the keys: where the cursor is.
///
/// Ratatui asks it with each change of size; over a slow line that stalls for seconds and swallows what is typed.
/// The dashboard hides the cursor and covers the whole screen, so the answer is of no use to it.
#[derive(Debug)]
struct Quiet(CrosstermBackend<Stdout>);

impl Backend for Quiet {
    type Error = io::Error;

    fn draw<'a, I: Iterator<Item = (u16, u16, &'a Cell)>>(&mut self, content: I) -> io::Result<()> {
        self.0.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.0.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.0.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    fn clear_region(&mut self, kind: ClearType) -> io::Result<()> {
        self.0.clear_region(kind)
    }

    fn size(&self) -> io::Result<Size> {
        self.0.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.0.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.0)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(leave());
    }
}

fn enter(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    execute!(out, EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse {
        execute!(out, EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back, once; what fails does not keep the rest from being undone.
fn leave() -> io::Result<()> {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return Ok(());
    }
    let mut out = io::stdout();
    let drawn = execute!(
        out,
        crossterm::terminal::EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let raw = disable_raw_mode();
    drawn.and(raw)
}

/// Tells whether some thread panicked while the dashboard had the terminal.
#[must_use]
pub fn panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

/// Gives the terminal back before a panic is reported, whichever thread it is in.
fn restore_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICKED.store(true, Ordering::SeqCst);
            drop(leave());
            report(panic);
        }));
    });
}
