//! The terminal is as before, whatever ends or interrupts the dashboard.

use tempfile::{TempDir, tempdir};

use crate::pty::{Terminal, process_state, until};
use crate::stage;

const SIZE: (u16, u16) = (120, 40);

fn open() -> (TempDir, Terminal) {
    let settings = tempdir().unwrap();
    let mut terminal = Terminal::open(settings.path(), SIZE);
    terminal.wait_for("● live");
    terminal.wait_for("dev");
    (settings, terminal)
}

#[test]
fn leaving_and_signals_give_the_terminal_back() {
    for (key, signal, code) in [("q", None, 0), ("", Some("TERM"), 143), ("", Some("HUP"), 129), ("", Some("INT"), 0)] {
        let (_settings, mut terminal) = open();
        assert!(terminal.alternate_screen());
        // The mouse is given back too.
        terminal.keys(":mouse\r");
        terminal.wait_for("the mouse works here");
        terminal.keys(key);
        if let Some(signal) = signal {
            terminal.signal(signal);
        }
        assert_eq!(terminal.end(), code, "{key:?} {signal:?}");
        terminal.drain();
        terminal.assert_restored();
    }
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_reported() {
    let settings = tempdir().unwrap();
    let mut terminal = Terminal::with(settings.path(), SIZE, &[(stage::FAULT, "1")]);
    assert_eq!(terminal.end(), 1);
    terminal.drain();
    terminal.assert_restored();
    assert!(terminal.text().contains("the fault that was asked for"), "{}", terminal.text());
}

#[test]
fn a_suspended_dashboard_gives_the_terminal_back_and_comes_again() {
    let (_settings, mut terminal) = open();
    let pid = terminal.pid();
    for way in ["\x1a", ""] {
        terminal.keys(way);
        if way.is_empty() {
            terminal.signal("TSTP");
        }
        until("it is stopped", || process_state(pid) == Some('T'));
        until(&format!("the terminal is given back after {way:?}"), || !terminal.alternate_screen());
        terminal.assert_restored();
        terminal.signal("CONT");
        until("it has the terminal again", || terminal.alternate_screen());
        terminal.wait_for("orchard ▸ Stacks");
    }
    terminal.keys("?");
    terminal.wait_for("Help: Stacks");
    terminal.keys("qq");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn an_editor_has_the_terminal_and_gives_it_back() {
    let settings = tempdir().unwrap();
    let mut terminal = Terminal::with(settings.path(), SIZE, &[("VISUAL", "sh -c 'echo editing $0 $1; read answer'")]);
    terminal.wait_for("dev");
    terminal.keys("/network\rG");
    terminal.wait_for("size: large");
    terminal.keys("\te");
    terminal.wait_for("editing +7 /srv/orchard/stacks/dev.yaml");
    assert!(!terminal.alternate_screen());
    terminal.keys("done\n");
    terminal.wait_for("size: large");
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_lost_terminal_ends_the_dashboard() {
    let (_settings, mut terminal) = open();
    terminal.hang_up();
    terminal.end();
}

#[test]
fn small_screens_and_resize_storms_are_survived() {
    let (_settings, mut terminal) = open();
    for i in 0..300u16 {
        terminal.resize(1 + (i * 37) % 160, 1 + (i * 13) % 60);
        terminal.keys(["j", "]", "3", "1", "\t", "z"][usize::from(i) % 6]);
    }
    terminal.resize(20, 5);
    terminal.wait_for("Terrace needs");
    terminal.resize(80, 24);
    terminal.keys("1");
    let screen = terminal.wait_for("orchard ▸ Stacks");
    assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
    terminal.keys("q");
    assert_eq!(terminal.end(), 0);
    let mut tiny = Terminal::open(tempdir().unwrap().path(), (20, 5));
    tiny.wait_for("Terrace needs");
    tiny.keys("q");
    assert_eq!(tiny.end(), 0);
}

#[test]
fn nothing_is_lost_by_a_kill() {
    let (settings, mut terminal) = open();
    terminal.keys("/network\rG");
    terminal.wait_for("size: large");
    let remembered = settings.path().join("remembered.json");
    let network = || std::fs::read_to_string(&remembered).is_ok_and(|text| text.contains("plat-ue2-dev/network"));
    until("what is selected is remembered", network);
    terminal.signal("KILL");
    terminal.end();
    let mut again = Terminal::open(settings.path(), SIZE);
    again.wait_for("▸ plat-ue2-dev ▸ network");
    again.keys("q");
    assert_eq!(again.end(), 0);
}

#[test]
fn a_mistake_in_the_users_keys_is_said_before_the_screen_is_taken() {
    let settings = tempdir().unwrap();
    std::fs::write(settings.path().join("keymap.toml"), "[stacks]\np = 'plann'\n").unwrap();
    let mut terminal = Terminal::open(settings.path(), SIZE);
    assert_eq!(terminal.end(), 2);
    terminal.drain();
    let said = terminal.text().replace(['\n', '\r'], "");
    assert!(said.contains("no action named 'plann' (did you mean 'plan'?)"), "{said}");
}
