//! The supervisor alone, without a platform: it needs nobody.

use terrace::atmos::driver::script::{Action, Output};
use terrace::domain::run::TerminalSize;
use terrace::platform::runs::journal::{Note, Outcome};
use terrace::platform::runs::log::LogReader;
use terrace::platform::runs::protocol::{Ask, Patience, Say};

use crate::support::host::{Host, IMPATIENT, end, eventually, shell};

#[test]
fn both_outputs_come_in_order_byte_for_byte() {
    let mut host = Host::start();
    let entries = host.run(&[
        r#"printf 'out 1\n'; printf 'err 1\n' >&2; printf '\033[31mred\033[0m\r\n'; printf '\377\376 no utf-8'; printf ' open' >&2"#,
        "echo; echo second step",
    ]);
    assert_eq!(end(&entries), (Outcome::Succeeded, None));
    let expected: &[u8] = b"out 1\nerr 1\n\x1b[31mred\x1b[0m\r\n\xff\xfe no utf-8 open\nsecond step\n";
    assert_eq!(host.log(), expected);
    let starts: Vec<u64> = entries
        .iter()
        .filter_map(|entry| match entry.note {
            Note::Step { log_offset, .. } => Some(log_offset),
            _ => None,
        })
        .collect();
    assert_eq!(starts, [0, expected.len() as u64 - 13]);
}

#[test]
fn a_failing_step_stops_what_follows_and_says_which() {
    let mut host = Host::start();
    let entries = host.run(&["echo first", "echo second; exit 3", "echo never"]);
    let (outcome, reason) = end(&entries);
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(reason.as_deref(), Some("step1 failed with exit code 3"));
    assert_eq!(host.log(), b"first\nsecond\n");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut host = Host::start();
    let mut script = shell(&host.work(), &["true"]);
    if let Action::Exec(exec) = &mut script.actions[0] {
        exec.argv = vec!["no-such-program".to_owned()];
    }
    host.begin(script);
    let (outcome, reason) = end(&host.finish());
    assert_eq!(outcome, Outcome::Failed);
    assert!(
        reason.as_deref().is_some_and(|reason| reason.contains("'no-such-program' is not on the PATH")),
        "{reason:?}"
    );
}

#[test]
fn hidden_output_shows_only_where_the_command_fails() {
    let mut host = Host::start();
    let mut script = shell(&host.work(), &["echo chatter", "echo shown", "echo why >&2; exit 1"]);
    for at in [0, 2] {
        if let Action::Exec(exec) = &mut script.actions[at] {
            exec.output = Output::Hidden;
        }
    }
    host.begin(script);
    assert_eq!(end(&host.finish()).0, Outcome::Failed);
    assert_eq!(host.log(), b"shown\nwhy\n");
}

#[test]
fn what_is_tried_otherwise_is_tried() {
    let mut host = Host::start();
    let mut script = shell(&host.work(), &["exit 1", "echo on"]);
    let Action::Exec(other) = shell(&host.work(), &["echo otherwise"]).actions.remove(0) else { unreachable!() };
    if let Action::Exec(exec) = &mut script.actions[0] {
        exec.otherwise = Some(Box::new(other));
    }
    host.begin(script);
    assert_eq!(end(&host.finish()).0, Outcome::Succeeded);
    assert_eq!(host.log(), b"otherwise\non\n");
}

#[test]
fn a_process_that_ignores_interrupts_is_killed_and_each_signal_is_noted() {
    let mut host = Host::start();
    let script = shell(&host.work(), &["trap '' INT TERM; echo deaf; while :; do sleep 0.05; done"]);
    host.begin(script);
    eventually("it runs", || (host.log() == b"deaf\n").then_some(()));
    assert_eq!(host.ask(&Ask::Cancel { token: 1, by: "alice".to_owned() }), Say::Done);
    let entries = host.finish();
    let signals: Vec<String> = entries
        .iter()
        .filter_map(|entry| match &entry.note {
            Note::Signaled { signal, .. } => Some(signal.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(signals, ["SIGINT", "SIGTERM", "SIGKILL"]);
    let (outcome, reason) = end(&entries);
    assert_eq!(outcome, Outcome::Canceled);
    assert!(
        reason.as_deref().is_some_and(|reason| reason.contains("alice") && reason.contains("SIGKILL")),
        "{reason:?}"
    );
}

#[test]
fn an_interrupt_lets_a_command_finish_its_work() {
    let mut host = Host::start_with(Patience { interrupt: 60_000, ..IMPATIENT });
    let script = shell(
        &host.work(),
        &["trap 'echo saving; exit 1' INT; echo begun; while :; do sleep 0.02; done", "echo never"],
    );
    host.begin(script);
    eventually("it runs", || (host.log() == b"begun\n").then_some(()));
    host.ask(&Ask::Cancel { token: 1, by: "alice".to_owned() });
    let entries = host.finish();
    assert_eq!(end(&entries).0, Outcome::Canceled);
    assert_eq!(host.log(), b"begun\nsaving\n");
}

#[test]
fn a_waiting_run_is_canceled_without_having_begun() {
    let mut host = Host::start();
    host.ask(&Ask::Cancel { token: 1, by: "alice".to_owned() });
    assert_eq!(end(&host.finish()).0, Outcome::Canceled);
    assert!(host.log().is_empty());
}

#[test]
fn what_a_child_writes_after_its_parent_ended_is_kept() {
    // The first writes within the patience of a step, the second when the run has ended long ago.
    let mut host = Host::start_with(Patience { linger: 3_000, ..IMPATIENT });
    let later = "(while [ ! -e ended ]; do sleep 0.05; done; echo later) & echo end";
    let script = shell(&host.work(), &["(sleep 0.1; echo late) & echo early", later]);
    host.begin(script);
    eventually("the run ends", || {
        host.entries().iter().any(|entry| matches!(entry.note, Note::Ended { .. })).then_some(())
    });
    assert_eq!(host.log(), b"early\nlate\nend\n");
    std::fs::write(host.work().join("ended"), "").expect("written");
    let entries = host.finish();
    assert_eq!(end(&entries).0, Outcome::Succeeded);
    assert_eq!(host.log(), b"early\nlate\nend\nlater\n");
    assert!(entries.iter().any(|entry| matches!(entry.note, Note::LeftBehind { step: 1, .. })));
    assert!(matches!(entries.last().expect("some").note, Note::Drained { log_bytes: 21, .. }), "{entries:#?}");
}

#[test]
fn canceling_takes_the_children_along() {
    let mut host = Host::start();
    let work = host.work();
    let script = shell(
        &work,
        &["trap 'exit 1' INT; sh -c 'trap \"\" INT; echo $$ > child; while :; do sleep 0.05; done' & echo begun; wait"],
    );
    host.begin(script);
    let child = eventually("the child runs", || {
        std::fs::read_to_string(work.join("child")).ok().and_then(|text| text.trim().parse::<i32>().ok())
    });
    host.ask(&Ask::Cancel { token: 1, by: "alice".to_owned() });
    assert_eq!(end(&host.finish()).0, Outcome::Canceled);
    let child = rustix::process::Pid::from_raw(child).expect("a process");
    eventually("the child is gone", || rustix::process::test_kill_process(child).is_err().then_some(()));
}

#[test]
fn an_older_platform_is_refused() {
    let mut host = Host::start();
    assert_eq!(host.ask(&Ask::Attach { token: 5 }), Say::Done);
    assert!(matches!(host.ask(&Ask::Cancel { token: 4, by: "old".to_owned() }), Say::Refused { .. }));
    assert_eq!(host.ask(&Ask::Cancel { token: 5, by: "new".to_owned() }), Say::Done);
    host.finish();
}

/// `TERRACE_OUTPUT_MB` says how much comes behind the long line (100 where it is not set).
#[test]
fn a_line_of_50_mb_and_much_output_stay_whole() {
    let megabytes = std::env::var("TERRACE_OUTPUT_MB").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(100);
    let lines = megabytes * 10_000;
    let mut host = Host::start();
    let numbered = format!("echo; seq -f '%099.0f' 1 {lines}");
    let entries = host.run(&["head -c 52428800 /dev/zero | tr '\\0' x", &numbered]);
    assert_eq!(end(&entries).0, Outcome::Succeeded);
    let reader = LogReader::open(&host.folder.log(), &host.folder.index()).expect("opened");
    let first = reader.lines(1, 1, 10).expect("read").lines.remove(0);
    assert_eq!(first.length, 52_428_800);
    assert_eq!(first.bytes, b"xxxxxxxxxx");
    let Some(Note::Ended { log_bytes, log_lines, log_lost, .. }) = entries.last().map(|entry| entry.note.clone())
    else {
        panic!("no end: {entries:#?}");
    };
    assert_eq!((log_bytes, log_lines, log_lost), (52_428_801 + lines * 100, lines + 1, 0));
    assert_eq!(reader.bytes().expect("read"), log_bytes);
    for number in [1, lines / 3, lines / 2, lines - 1, lines] {
        let line = reader.lines(number + 1, 1, 200).expect("read").lines.remove(0);
        assert_eq!(
            (line.number, String::from_utf8_lossy(&line.bytes).into_owned()),
            (number + 1, format!("{number:099}"))
        );
    }
}

#[test]
fn a_full_disk_loses_only_what_it_does_not_take_and_says_so() {
    // A limit on the size of files stands for the full disk: writes fail beyond 1 MiB. It stays below what fits in the
    // binary's own needs.
    let mut host =
        Host::start_by(&["sh", "-c", r#"ulimit -f 1024; exec "$0" "$@""#, env!("CARGO_BIN_EXE_terrace")], IMPATIENT);
    let entries = host.run(&["head -c 3000000 /dev/zero | tr '\\0' x | fold -w 99; echo; echo done > done"]);
    assert_eq!(end(&entries).0, Outcome::Succeeded, "the run goes on");
    assert!(host.work().join("done").exists());
    let written = host.log().len() as u64;
    assert!((500_000..=1_048_576).contains(&written), "{written}");
    let total = 3_000_000 + 3_000_000u64.div_ceil(99);
    let Some(Note::Ended { log_lost, log_bytes, log_lines, .. }) = entries.last().map(|entry| entry.note.clone())
    else {
        panic!("no end: {entries:#?}");
    };
    assert_eq!((log_bytes, log_bytes + log_lost), (written, total));
    assert_eq!(log_lines, 3_000_000u64.div_ceil(99), "lines that are missing are counted");
    let reader = LogReader::open(&host.folder.log(), &host.folder.index()).expect("opened");
    assert_eq!(reader.gaps().expect("read"), [(written, log_lost)]);
    assert!(entries.iter().any(|entry| matches!(&entry.note, Note::Gap { bytes, .. } if *bytes == log_lost)));
}

#[test]
fn a_person_can_type_into_a_command_with_a_terminal() {
    let mut host = Host::start();
    let mut script = shell(&host.work(), &["test -t 0 && printf 'name? '; read name; echo \"hello $name\""]);
    if let Action::Exec(exec) = &mut script.actions[0] {
        exec.terminal = true;
    }
    host.begin(script);
    eventually("it asks", || host.log().starts_with(b"name? ").then_some(()));
    let data = "YWxpY2UK".to_owned();
    assert_eq!(host.ask(&Ask::Input { token: 1, data }), Say::Done);
    let entries = host.finish();
    assert_eq!(end(&entries).0, Outcome::Succeeded);
    let log = String::from_utf8(host.log()).expect("text");
    assert!(log.ends_with("hello alice\r\n"), "{log:?}");
}

#[test]
fn a_terminal_has_the_size_that_was_said_before_and_while_it_runs() {
    let mut host = Host::start();
    let resize = |columns, rows| Ask::Resize { token: 1, size: TerminalSize { columns, rows } };
    assert_eq!(host.ask(&resize(100, 30)), Say::Done);
    let text = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done";
    let mut script = shell(&host.work(), &[text]);
    if let Action::Exec(exec) = &mut script.actions[0] {
        exec.terminal = true;
    }
    host.begin(script);
    eventually("it runs", || (host.log() == b"30 100\r\n").then_some(()));
    assert_eq!(host.ask(&resize(80, 24)), Say::Done);
    assert_eq!(end(&host.finish()).0, Outcome::Succeeded);
    assert_eq!(String::from_utf8_lossy(&host.log()), "30 100\r\n24 80\r\n");
}

#[test]
fn hang_ups_and_a_dead_starter_do_not_matter() {
    let mut host = Host::start();
    let script = shell(&host.work(), &["echo one; sleep 0.4; echo two"]);
    host.begin(script);
    let pid = rustix::process::Pid::from_child(&host.process);
    eventually("it runs", || (host.log() == b"one\n").then_some(()));
    assert_eq!(rustix::process::getsid(Some(pid)).expect("session"), pid, "a session of its own");
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("sent");
    let entries = host.finish();
    assert_eq!(end(&entries).0, Outcome::Succeeded);
    assert_eq!(host.log(), b"one\ntwo\n");
}
