//! Which variables a shell command reads that nothing sets.
//!
//! A scan, no shell: it knows quotes, comments, assignments, loops, `read` and defaults. What it does not understand it
//! takes for set, so that it asks for too little rather than in vain.

use std::collections::BTreeSet;

/// Variables that a shell sets by itself.
const OWN: &[&str] = &[
    "BASH",
    "BASHPID",
    "BASH_REMATCH",
    "BASH_SOURCE",
    "BASH_VERSION",
    "COLUMNS",
    "EPOCHSECONDS",
    "EUID",
    "FUNCNAME",
    "HOSTNAME",
    "IFS",
    "LINENO",
    "LINES",
    "MACHTYPE",
    "OLDPWD",
    "OPTARG",
    "OPTIND",
    "OSTYPE",
    "PIPESTATUS",
    "PPID",
    "PWD",
    "RANDOM",
    "REPLY",
    "SECONDS",
    "SHELL",
    "SHELLOPTS",
    "SHLVL",
    "SRANDOM",
    // Set by us, for every run.
    "TERRACE_RUN",
    "UID",
];

/// Returns the variables that a command reads and neither sets nor gets, sorted.
#[must_use]
pub fn unset(command: &str, is_set: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut set = assigned(command);
    let mut missing = BTreeSet::new();
    for (name, has_default) in read(command) {
        if has_default {
            // `${X:=default}` and the like: whoever wrote it thought of it.
            set.insert(name);
        } else if !set.contains(&name) && !OWN.contains(&name.as_str()) && !is_set(&name) {
            missing.insert(name);
        }
    }
    missing.into_iter().filter(|name| !set.contains(name)).collect()
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Finds names that the command assigns anywhere: `X=…`, `for X in`, `read X`, `export X=`, `local X`, `mapfile X`.
fn assigned(command: &str) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    let words: Vec<&str> = command
        .split(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | ')' | '{' | '}' | '|' | '&' | '`'))
        .collect();
    let mut takes_names = false;
    for (index, word) in words.iter().enumerate() {
        let word = word.trim_matches(|c| c == '"' || c == '\'');
        let name = word.split(['=', '+', '[']).next().unwrap_or_default();
        if is_name(name) && word.len() > name.len() && word[name.len()..].contains('=') {
            set.insert(name.to_owned());
        }
        if index > 0 && matches!(words[index - 1], "for" | "select") {
            set.insert(word.to_owned());
        }
        if takes_names && is_name(name) {
            set.insert(name.to_owned());
        }
        takes_names = matches!(word, "read" | "mapfile" | "readarray" | "local" | "declare" | "typeset" | "getopts")
            || (takes_names && !word.is_empty());
        if word.is_empty() {
            takes_names = false;
        }
    }
    set
}

/// Finds names that the command reads, each with whether it says what happens where it is not set.
fn read(command: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let letters: Vec<char> = command.chars().collect();
    let (mut at, mut single, mut double) = (0, false, false);
    while at < letters.len() {
        let before = at.checked_sub(1).map(|at| letters[at]);
        match letters[at] {
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            '\\' if !single => at += 1,
            '#' if !single && !double && before.is_none_or(char::is_whitespace) => {
                while at < letters.len() && letters[at] != '\n' {
                    at += 1;
                }
            }
            '$' if !single => {
                let braced = letters.get(at + 1) == Some(&'{');
                let begin = at + 1 + usize::from(braced);
                let name: String = letters[begin.min(letters.len())..]
                    .iter()
                    .take_while(|c| c.is_ascii_alphanumeric() || **c == '_')
                    .collect();
                if is_name(&name) {
                    let after = letters.get(begin + name.len()).copied();
                    // `${X-…}`, `${X:-…}`, `${X:=…}`, `${X:+…}`; `${X:1}` is a part of it.
                    let then = letters.get(begin + name.len() + 1).copied();
                    let default = braced
                        && match after {
                            Some('-' | '=' | '+' | '?') => true,
                            Some(':') => matches!(then, Some('-' | '=' | '+' | '?')),
                            _ => false,
                        };
                    at = begin + name.len() - 1;
                    found.push((name, default));
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(command: &str) -> Vec<String> {
        unset(command, &|name| name == "HOME")
    }

    #[test]
    fn what_is_read_and_never_set_is_missing() {
        assert_eq!(missing("deploy --to $STAGE --version \"${RELEASE}\""), ["RELEASE", "STAGE"]);
        assert_eq!(missing("echo ${NAME:1:2} $HOME/$NAME"), ["NAME"]);
    }

    #[test]
    fn what_is_set_has_a_default_or_is_only_text_is_not() {
        for command in [
            "X=1; echo $X",
            "export X=1 && echo $X",
            "for X in a b; do echo $X; done",
            "while read -r A B; do echo $A $B; done",
            "echo ${X:-1} ${Y-2} ${Z:?missing}",
            "echo '$X' \\$X $1 $? $$ $(date) $PWD # $X",
            "i=0; while [ $i -lt 3 ]; do i=$((i+1)); done",
            ": ${X:=1}; echo $X",
            "local x; echo $x",
        ] {
            assert_eq!(missing(command), Vec::<String>::new(), "{command}");
        }
    }
}
