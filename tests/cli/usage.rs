//! Wrong usage, help, colours, the manual page.

use std::io::Read as _;
use std::process::Stdio;

use crate::support::Home;

#[test]
fn wrong_usage_exits_with_two_and_says_what_is_meant() {
    let home = Home::new();
    home.terrace(&["dmeo"]).exits(2).says("demo");
    home.terrace(&["demo", "--no-dashbord"]).exits(2).says("--no-dashboard");
    home.terrace(&["--format", "xml", "man"]).exits(2).says("json");
    home.terrace(&["man", "nosuch"]).exits(2).says("no command 'nosuch'");
}

#[test]
fn help_and_version_go_to_standard_output() {
    let home = Home::new();
    let help = home.terrace(&["--help"]).succeeds();
    assert!(help.out.contains("Exit codes: 0 done") && help.err.is_empty());
    assert!(home.terrace(&["--version"]).succeeds().out.starts_with("terrace "));
}

#[test]
fn errors_are_coloured_only_where_that_is_wanted() {
    let home = Home::new();
    let error = |set: &[(&str, &str)], arguments: &[&str]| {
        let output = home.command().envs(set.iter().copied()).args(arguments).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let esc = '\u{1b}';
    assert!(!error(&[], &["man", "nosuch"]).contains(esc), "no terminal, no colour");
    assert!(error(&[], &["--color", "always", "man", "nosuch"]).contains(esc));
    assert!(!error(&[("NO_COLOR", "1")], &["--color", "auto", "man", "nosuch"]).contains(esc));
    assert!(!error(&[], &["--color", "never", "man", "nosuch"]).contains(esc));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let home = Home::new();
    let mut child =
        home.command().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(said, "");
    assert!(status.success(), "{status}");
}

#[test]
fn the_manual_page_and_the_completions_know_every_command() {
    let home = Home::new();
    let man = home.terrace(&["man"]).succeeds().out;
    let zsh = home.terrace(&["completions", "zsh"]).succeeds().out;
    for command in ["demo", "plan", "apply", "workflow", "runs", "init", "completions", "man"] {
        assert!(man.contains(command) && zsh.contains(command), "{command}");
    }
    assert!(home.terrace(&["man", "demo"]).succeeds().out.contains("no\\-dashboard"));
}
