//! Errors in a log that are known: what they mean, and the next command.

use std::ops::Range;
use std::sync::OnceLock;

use jiff::Timestamp;
use regex::Regex;

use crate::domain::run::{LogFinding, Run, StateLock};

/// How much of the end of a log is looked at; errors stand at the end.
pub const LOOKED_AT: u64 = 1024 * 1024;

/// What may stand for a blank in a message that was wrapped.
const BLANK: &str = r"[\s│|]+";

/// One kind of error.
struct Known {
    code: &'static str,
    pattern: &'static str,
    message: &'static str,
    /// `{c}` and `{s}` stand for component and stack, `{again}` for the command that asks again, `{login}` for the command that logs in.
    next: &'static str,
}

/// The kinds, those that explain others first: of one message of Terraform the first that fits counts.
const KNOWN: &[Known] = &[
    Known {
        code: "stale-plan",
        pattern: r"Saved plan is stale",
        message: "the state changed after the plan was made, so nothing was applied",
        next: "terrace {kind} {c} -s {s}",
    },
    Known {
        code: "state-not-saved",
        pattern: r"(?i)Failed to (?:save|persist|upload) state|errored\.tfstate",
        message: "something was changed, and the new state could not be sent to the backend: it lies in errored.tfstate",
        next: "terrace atmos terraform state push {c} -s {s} -- errored.tfstate, before anything else is applied",
    },
    Known {
        code: "missing-credentials",
        pattern: r"(?i)No valid credential sources found|ExpiredToken|token (?:has|is) expired|SSO session (?:has|associated)|could not find default credentials|Please run 'az login'|One of `access_key`, `sas_token`|failed to get shared config profile|InvalidClientTokenId|Unable to locate credentials|failed to refresh cached credentials",
        message: "credentials are missing or have expired",
        next: "{login}, then {again}",
    },
    Known {
        code: "state-locked",
        pattern: r"Error acquiring the state lock",
        message: "another holder has locked the state",
        next: "{again}, once its holder is gone",
    },
    Known {
        code: "version-constraint",
        pattern: r"Unsupported Terraform Core version|does not match configured version constraint|no available releases match the given constraints|no versions? match(?:es)? the given constraints",
        message: "a version constraint is not fulfilled by what is installed or locked",
        next: "terrace atmos terraform providers {c} -s {s} says who asks for which version",
    },
    Known {
        code: "module-download",
        pattern: r"Failed to download module|Error accessing remote module registry|Failed to retrieve available versions for module",
        message: "a module could not be downloaded",
        next: "{again}, once its source can be reached",
    },
    Known {
        code: "provider-download",
        pattern: r"Failed to (?:install|query available) provider|Could not retrieve the list of available versions for provider",
        message: "a provider could not be downloaded",
        next: "{again}, once the registry can be reached",
    },
    Known {
        code: BACKEND,
        pattern: r"(?i)Failed to get existing workspaces|Error (?:loading|refreshing) state|error configuring (?:the )?backend|Error inspecting states in the",
        message: "the backend that keeps the state cannot be reached",
        next: "{again}, once the backend answers",
    },
    Known {
        code: "quota",
        pattern: r"(?i)LimitExceeded|QuotaExceeded|quota exceeded|Quota (?:limit )?'[^']+' (?:has been )?exceeded|Insufficient regional quota|TooManyRequests|Throttling",
        message: "a quota or rate limit of the provider was reached",
        next: "{again}, later or after raising the quota",
    },
    Known {
        code: UNREACHABLE,
        pattern: r"dial (?:tcp|udp):? [^\n]*(?:\n[^\n]*)?(?:refused|timeout|no such host|no route to host|network is unreachable)",
        message: "a service that it needs cannot be reached",
        next: "{again}, once it answers",
    },
    Known {
        code: "needs-input",
        pattern: r"error asking for (?:approval|input)|Error: No value for required variable|asking for state migration action",
        message: "a command asked for something, and nobody could answer",
        next: "give the value by --env, a flag or a variable file, then {again}",
    },
];

const BACKEND: &str = "backend-unreachable";
const UNREACHABLE: &str = "unreachable";

fn patterns() -> &'static [Option<Regex>] {
    static PATTERNS: OnceLock<Vec<Option<Regex>>> = OnceLock::new();
    // Terraform wraps its messages, with a frame on their left: a blank may be the end of a line.
    let pattern = |known: &Known| Regex::new(&known.pattern.replace(' ', BLANK)).ok();
    PATTERNS.get_or_init(|| KNOWN.iter().map(pattern).collect())
}

/// Finds known errors in the end of a log: of each message the kind that explains it, and each kind once.
///
/// `first_line` is the number of the first line of `text`.
#[must_use]
pub fn find(text: &[u8], first_line: u64, run: &Run, now: Timestamp) -> Vec<LogFinding> {
    let text = plain(&String::from_utf8_lossy(text));
    let mut findings: Vec<LogFinding> = Vec::new();
    for message in messages(&text) {
        let Some((mut known, found)) = kind(&text[message.clone()]) else { continue };
        if known.code == UNREACHABLE && configures_backend(&text[..message.start]) {
            known = KNOWN.iter().find(|known| known.code == BACKEND).unwrap_or(known);
        }
        if findings.iter().any(|finding| finding.code == known.code) {
            continue;
        }
        let at = message.start + found;
        let line = first_line + text[..at].matches('\n').count() as u64;
        let message = &text[message];
        let (mut told, mut next) = (known.message.to_owned(), fill(known.next, run, message));
        let mut lock = None;
        if known.code == "state-locked" {
            lock = state_lock(message);
            if let Some(lock) = &lock {
                told = describe(lock, now);
                next = format!("terrace runs unlock {} {}, once its holder is known to be gone", run.number, lock.id);
            }
        }
        findings.push(LogFinding { code: known.code.to_owned(), message: told, next: Some(next), line, lock });
    }
    findings
}

/// Splits a log into what stands before the first error, and each error of Terraform with all its lines.
fn messages(text: &str) -> Vec<Range<usize>> {
    let begins = |line: &str| line.trim_start_matches(['│', '|', ' ']).starts_with("Error: ");
    let (mut starts, mut at) = (vec![0], 0);
    for line in text.split_inclusive('\n') {
        if at > 0 && begins(line) {
            starts.push(at);
        }
        at += line.len();
    }
    starts.iter().zip(starts.iter().skip(1).chain([&text.len()])).map(|(start, end)| *start..*end).collect()
}

/// Returns the kind of a message, and where it says so.
fn kind(message: &str) -> Option<(&'static Known, usize)> {
    KNOWN.iter().zip(patterns()).find_map(|(known, pattern)| Some((known, pattern.as_ref()?.find(message)?.start())))
}

/// Tells whether Terraform was about to reach the backend, and nothing else, when it said what follows.
fn configures_backend(before: &str) -> bool {
    before.rfind("Initializing ").is_some_and(|at| before[at..].starts_with("Initializing the backend"))
        && !before.contains("Terraform has been successfully initialized")
}

fn fill(next: &str, run: &Run, message: &str) -> String {
    let kind = if run.kind.plans() { run.kind.name() } else { "plan" };
    next.replace("{kind}", kind)
        .replace("{c}", run.component.as_deref().unwrap_or("COMPONENT"))
        .replace("{s}", run.stack.as_deref().unwrap_or("STACK"))
        .replace("{again}", &run.again())
        .replace("{login}", login(message))
}

/// Returns the command that logs in where this message comes from.
fn login(message: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match () {
        () if has(&["google", "gcloud", "googleapis"]) => "gcloud auth application-default login",
        () if has(&["az login", "azure", "Azure", "`access_key`"]) => "az login",
        () => "aws sso login",
    }
}

/// Says who holds a lock, since when, and its id.
fn describe(lock: &StateLock, now: Timestamp) -> String {
    let since = lock.since.map_or_else(String::new, |since| {
        let minutes = now.duration_since(since).as_mins().max(0);
        let age = match minutes {
            0 => "less than a minute".to_owned(),
            1..=119 => format!("{minutes} min"),
            120..=2879 => format!("{} h", minutes / 60),
            _ => format!("{} days", minutes / 1440),
        };
        format!(" for {age}, since {}", since.strftime("%Y-%m-%d %H:%M:%S UTC"))
    });
    let doing = lock.operation.as_deref().map_or_else(String::new, |operation| format!(", {operation}"));
    format!("{} has locked the state{since} (lock {}{doing})", lock.who, lock.id)
}

/// Reads Terraform's "Lock Info".
fn state_lock(text: &str) -> Option<StateLock> {
    let since = lock_info(text, "Created").and_then(|created| {
        // As Go prints it: 2026-11-23 09:00:01.123456789 +0000 UTC.
        let mut words = created.split(' ');
        let (date, time) = (words.next()?, words.next()?);
        format!("{date}T{time}Z").parse().ok()
    });
    let who = lock_info(text, "Who").unwrap_or_else(|| "somebody".to_owned());
    // The backend `http` names the lock that is held here, and shows the one it could not get below.
    if let Some(held) = held_elsewhere(text) {
        return Some(StateLock { id: held, who: "somebody".to_owned(), operation: None, since: None });
    }
    Some(StateLock { id: lock_info(text, "ID")?, who, operation: lock_info(text, "Operation"), since })
}

fn held_elsewhere(text: &str) -> Option<String> {
    static HELD: OnceLock<Option<Regex>> = OnceLock::new();
    let pattern = format!("already locked:{BLANK}ID=([0-9A-Za-z-]+)");
    let held = HELD.get_or_init(|| Regex::new(&pattern).ok()).as_ref()?;
    Some(held.captures(text)?.get(1)?.as_str().to_owned())
}

/// Reads one field of Terraform's "Lock Info".
fn lock_info(text: &str, name: &str) -> Option<String> {
    text.lines().take(40).find_map(|line| {
        let line = line.trim_start_matches(['│', '|', ' ']);
        let value = line.strip_prefix(name)?.strip_prefix(':')?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    })
}

/// Takes colours and the frame of Terraform's messages away, keeping lines.
fn plain(text: &str) -> String {
    static COLOURS: OnceLock<Option<Regex>> = OnceLock::new();
    match COLOURS.get_or_init(|| Regex::new(r"\x1b\[[0-9;?]*[A-Za-z]").ok()) {
        Some(colours) => colours.replace_all(text, "").into_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::takeover::tests::run;
    use super::*;

    /// As `terraform plan` printed it with a state that another process had locked (local backend, 1.11.4).
    const LOCKED: &str = "\u{1b}[31m╷\u{1b}[0m\n│ Error: Error acquiring the state lock\n│ \n│ Error message: resource temporarily unavailable\n│ Lock Info:\n│   ID:        6fbb1a3d-8f2c-2f7e-0a3b-1d2d7d9a0c11\n│   Path:      terraform.tfstate.d/dev/terraform.tfstate\n│   Who:       mara@bastion\n│   Version:   1.11.4\n│   Operation: OperationTypeApply\n│   Created:   2026-11-23 09:00:01.123456789 +0000 UTC\n│   Info:      \n╵\n";

    #[test]
    fn a_lock_is_told_with_holder_age_and_id() {
        let lock = state_lock(&plain(LOCKED)).expect("a lock");
        assert_eq!(lock.id, "6fbb1a3d-8f2c-2f7e-0a3b-1d2d7d9a0c11");
        let now: Timestamp = "2026-11-23T09:42:30Z".parse().expect("a time");
        assert_eq!(
            describe(&lock, now),
            "mara@bastion has locked the state for 42 min, since 2026-11-23 09:00:01 UTC \
             (lock 6fbb1a3d-8f2c-2f7e-0a3b-1d2d7d9a0c11, OperationTypeApply)"
        );
        let http = "Error acquiring the state lock\n\nError message: HTTP remote state already locked:\n│ ID=aaaa-bbbb\nLock Info:\n  ID: own\n  Who: me@here\n";
        let lock = state_lock(http).expect("a lock");
        assert_eq!((lock.id.as_str(), lock.who.as_str(), lock.since), ("aaaa-bbbb", "somebody", None));
    }

    /// Each file is what Terraform (1.11.4) printed, or a provider; its name says the one thing that is to be found.
    #[test]
    fn what_terraform_prints_is_found_and_explained_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/findings");
        let mut kinds = std::collections::BTreeSet::new();
        for file in std::fs::read_dir(folder).expect("a folder").flatten() {
            let name = file.file_name().into_string().expect("text");
            let (code, _) = name.split_once('.').expect("code.what.log");
            let text = std::fs::read(file.path()).expect("a file");
            let found = find(&text, 101, &run("apply", "planning"), Timestamp::UNIX_EPOCH);
            let codes: Vec<&str> = found.iter().map(|finding| finding.code.as_str()).collect();
            assert_eq!(codes, [code], "{name}");
            let lines = String::from_utf8(text).expect("text");
            let line = usize::try_from(found[0].line - 101).expect("small");
            assert!(lines.lines().nth(line).is_some_and(|line| line.contains('E') || line.contains('e')), "{name}");
            assert!(found[0].next.as_ref().is_some_and(|next| !next.contains('{')), "{found:?}");
            kinds.insert(code.to_owned());
        }
        assert!(kinds.len() >= 10, "{kinds:?}");
    }

    #[test]
    fn the_login_is_that_of_the_cloud_which_refused() {
        let of = |name: &str| {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/findings");
            let text = std::fs::read(format!("{folder}/missing-credentials.{name}.log")).expect("a file");
            find(&text, 1, &run("apply", "planning"), Timestamp::UNIX_EPOCH).remove(0).next.expect("a command")
        };
        assert_eq!(of("s3"), "aws sso login, then terrace runs retry 1");
        assert_eq!(of("gcs"), "gcloud auth application-default login, then terrace runs retry 1");
        assert_eq!(of("azurerm"), "az login, then terrace runs retry 1");
    }

    #[test]
    fn messages_of_tools_are_known_by_their_kind() {
        for (text, code) in [
            ("Error: Saved plan\n│ is stale", "stale-plan"),
            ("Error: Failed to install provider", "provider-download"),
            ("Error: Failed to get existing workspaces: Unable to list objects in S3 bucket", BACKEND),
            ("no available releases match the given constraints ~> 99.0", "version-constraint"),
            ("Error: Failed to save state", "state-not-saved"),
            ("Error: No value for required variable", "needs-input"),
        ] {
            assert_eq!(kind(text).map(|(known, _)| known.code), Some(code), "{text}");
        }
        assert!(kind("Apply complete! Resources: 1 added, 0 changed, 0 destroyed.").is_none());
        assert!(patterns().iter().all(Option::is_some), "every pattern is one");
    }
}
