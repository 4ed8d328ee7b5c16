//! Errors in a log that are known: what they mean, and the next command.

use std::sync::OnceLock;

use regex::Regex;

use crate::domain::run::{LogFinding, Run};

/// How much of the end of a log is looked at; errors stand at the end.
pub const LOOKED_AT: u64 = 1024 * 1024;

/// One kind of error.
struct Known {
    code: &'static str,
    pattern: &'static str,
    message: &'static str,
    /// `{c}` and `{s}` stand for component and stack, `{1}` for the first group.
    next: &'static str,
}

const KNOWN: &[Known] = &[
    Known {
        code: "stale-plan",
        pattern: r"Saved plan is stale",
        message: "the state changed after the plan was made, so nothing was applied",
        next: "terrace {kind} {c} -s {s}",
    },
    Known {
        code: "missing-credentials",
        pattern: r"(?i)No valid credential sources found|ExpiredToken|token (?:has|is) expired|SSO session (?:has|associated)|could not find default credentials|Please run 'az login'|InvalidClientTokenId|Unable to locate credentials|failed to refresh cached credentials",
        message: "credentials are missing or have expired",
        next: "aws sso login (or gcloud auth application-default login, az login), then terrace runs retry {n}",
    },
    Known {
        code: "state-locked",
        pattern: r"Error acquiring the state lock",
        message: "another holder has locked the state",
        next: "terrace atmos terraform force-unlock {c} -s {s} -- LOCK-ID, once its holder is known to be gone",
    },
    Known {
        code: "backend-unreachable",
        pattern: r"(?i)Failed to get existing workspaces|Error (?:loading|refreshing) state|error configuring (?:the )?backend|Error inspecting states in the|dial tcp [^\n]*(?:refused|timeout|no such host)",
        message: "the backend that keeps the state cannot be reached",
        next: "terrace runs retry {n}, once the backend answers",
    },
    Known {
        code: "provider-download",
        pattern: r"Failed to (?:install|query available) provider|Could not retrieve the list of available versions for provider",
        message: "a provider could not be downloaded",
        next: "terrace runs retry {n}, once the registry can be reached",
    },
    Known {
        code: "version-constraint",
        pattern: r"Unsupported Terraform Core version|does not match configured version constraint|no available releases match the given constraints",
        message: "a version constraint is not fulfilled by what is installed",
        next: "terraform version",
    },
    Known {
        code: "quota",
        pattern: r"LimitExceeded|QuotaExceeded|quota exceeded|TooManyRequests|RequestLimitExceeded|Throttling",
        message: "a quota or rate limit of the provider was reached",
        next: "terrace runs retry {n}, later or after raising the quota",
    },
    Known {
        code: "needs-input",
        pattern: r"error asking for (?:approval|input)|Error: No value for required variable|asking for state migration action",
        message: "a command asked for something, and nobody could answer",
        next: "give the value by --env, a flag or a variable file, then terrace runs retry {n}",
    },
];

fn patterns() -> &'static [Option<Regex>] {
    static PATTERNS: OnceLock<Vec<Option<Regex>>> = OnceLock::new();
    PATTERNS.get_or_init(|| KNOWN.iter().map(|known| Regex::new(known.pattern).ok()).collect())
}

/// Finds known errors in the end of a log. `first_line` is the number of its first line.
#[must_use]
pub fn find(text: &[u8], first_line: u64, run: &Run) -> Vec<LogFinding> {
    let text = plain(&String::from_utf8_lossy(text));
    let mut findings = Vec::new();
    for (known, pattern) in KNOWN.iter().zip(patterns()) {
        let Some(found) = pattern.as_ref().and_then(|pattern| pattern.find(&text)) else {
            continue;
        };
        let line = first_line + text[..found.start()].matches('\n').count() as u64;
        let mut message = known.message.to_owned();
        let mut next = fill(known.next, run);
        if known.code == "state-locked" {
            let about = |name: &str| lock_info(&text[found.start()..], name);
            if let (Some(who), Some(since)) = (about("Who"), about("Created")) {
                message = format!("{who} has locked the state since {since}");
            }
            if let Some(id) = about("ID") {
                message.push_str(&format!(" (lock {id})"));
                next = next.replace("LOCK-ID", &id);
            }
        }
        findings.push(LogFinding { code: known.code.to_owned(), message, next: Some(next), line });
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

fn fill(next: &str, run: &Run) -> String {
    let kind = if run.kind.plans() { run.kind.name() } else { "plan" };
    next.replace("{kind}", kind)
        .replace("{c}", run.component.as_deref().unwrap_or("COMPONENT"))
        .replace("{s}", run.stack.as_deref().unwrap_or("STACK"))
        .replace("{n}", &run.number.to_string())
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
