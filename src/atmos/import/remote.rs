//! Which paths name something that would have to be fetched.
//!
//! The rules were read in Atmos' `pkg/stack/imports/uri.go` (2026-08): a folder with a dot in its name may look like a host.

use std::sync::LazyLock;

use regex::Regex;

/// Endings of hosts that Atmos knows.
const SUFFIXES: [&str; 18] =
    ["com", "org", "net", "io", "dev", "co", "edu", "gov", "mil", "uk", "de", "fr", "jp", "cn", "au", "ca", "nl", "se"];
/// Where Git repositories lie.
const HOSTS: [&str; 3] = ["github.com", "gitlab.com", "bitbucket.org"];

static SCP: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^(([\w.-]+)@)?([\w.-]+\.[\w.-]+):([\w./-]+)(\.git)?(.*)$").ok());
static VERSION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[vV]?\d+(\.\d+)*$").ok());

/// Tells whether the path of an import names something that would have to be fetched.
pub(super) fn is_remote(path: &str) -> bool {
    let local = ["/", "./", "../"].iter().any(|prefix| path.starts_with(prefix));
    !local && (has_scheme(path) || has_subfolder(path) || is_git(path) || is_domain(path))
}

/// Tells whether the path of an include names something that would have to be fetched.
pub(super) fn is_url(path: &str) -> bool {
    has_scheme(path) || HOSTS.iter().any(|host| path.strip_prefix(host).is_some_and(|rest| rest.starts_with('/')))
}

fn has_scheme(path: &str) -> bool {
    path.contains("://") || path.contains("::")
}

/// A `//` divides a repository from a folder in it.
fn has_subfolder(path: &str) -> bool {
    path.find("//").is_some_and(|at| at == 0 || !path[..at].ends_with(':') || path[at + 2..].contains("//"))
}

fn is_git(path: &str) -> bool {
    if SCP.as_ref().is_some_and(|scp| scp.is_match(path)) {
        return true;
    }
    let (host, rest) = path.split_at(path.find(['/', '?', '#']).unwrap_or(path.len()));
    // What cannot be a host is no address.
    if host.contains([' ', '{', '}', '<', '>', '"', '|', '\\', '^', '`', '%']) {
        return false;
    }
    let host = host.rsplit('@').next().unwrap_or(host).to_lowercase();
    let known = |known: &str| host == known || host.strip_suffix(known).is_some_and(|before| before.ends_with('.'));
    let rest = rest.split(['?', '#']).next().unwrap_or("");
    HOSTS.iter().any(|host| known(host)) || rest.contains(".git") || rest.contains("/_git/")
}

fn is_domain(path: &str) -> bool {
    let (host, slash) = path.split_once('/').map_or((path, false), |(host, _)| (host, true));
    let Some((before, after)) = host.split_once('.') else { return false };
    if before.is_empty() || after.is_empty() {
        return false;
    }
    let lower = after.to_lowercase();
    let known = |suffix: &str| lower == suffix || lower.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.'));
    if SUFFIXES.into_iter().chain(["no"]).any(known) {
        return true;
    }
    after.len() >= 2 && slash && VERSION.as_ref().is_none_or(|version| !version.is_match(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_paths_are_told_from_folders() {
        let remote = [
            "https://example.com/x.yaml",
            "git::ssh://host/repo",
            "github.com/acme/repo//stacks/x?ref=v1",
            "gitlab.com/acme/repo",
            "git@github.com:acme/repo.git",
            "catalog//vpc",
            "git.company.internal/repo",
            "catalog.v2/vpc",
            "catalog/vpc.git",
            "{{ .x }}.y/z",
        ];
        for path in remote {
            assert!(is_remote(path), "{path}");
        }
        let local = [
            "catalog/vpc",
            "catalog/v1.2/vpc",
            "v1.2/vpc",
            "./catalog.v2/vpc",
            "/catalog.v2/vpc",
            "vpc.yaml",
            "catalog/{{ .x }}",
            ".hidden/vpc",
            "mixins/region/us-east-2",
        ];
        for path in local {
            assert!(!is_remote(path), "{path}");
        }
    }
}
