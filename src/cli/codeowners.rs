//! `CODEOWNERS` as GitHub and GitLab read it: which team a path belongs to.

use std::path::Path;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// Where the file may lie; the first counts.
const PLACES: [&str; 4] = [".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"];

/// The rules, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct CodeOwners {
    rules: Vec<(GlobSet, Option<String>)>,
}

impl CodeOwners {
    /// Reads the file of a repository; none is as good as an empty one.
    pub(crate) fn read(root: &Path) -> Self {
        let text = PLACES.iter().find_map(|place| std::fs::read_to_string(root.join(place)).ok());
        Self::parse(&text.unwrap_or_default())
    }

    /// Reads rules; a line that cannot be understood is passed over.
    fn parse(text: &str) -> Self {
        let rules = text.lines().filter_map(|line| {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with(['#', '[', '^']) {
                return None;
            }
            let mut words = line.split_whitespace();
            Some((pattern(words.next()?)?, words.next().map(team)))
        });
        Self { rules: rules.collect() }
    }

    /// Returns the team of a path: the last rule that matches counts, as there.
    pub(crate) fn team(&self, path: &str) -> Option<String> {
        let rule = self.rules.iter().rev().find(|(pattern, _)| pattern.is_match(path));
        rule.and_then(|(_, team)| team.clone())
    }
}

/// Reads a pattern: with a slash before its end it begins at the root, else it matches at any depth; a folder's holds for
/// everything below it.
fn pattern(text: &str) -> Option<GlobSet> {
    let bare = text.trim_end_matches('/');
    let from_root = if bare.contains('/') { bare.trim_start_matches('/').to_owned() } else { format!("**/{bare}") };
    let mut set = GlobSetBuilder::new();
    for glob in [from_root.clone(), format!("{from_root}/**")] {
        set.add(GlobBuilder::new(&glob).literal_separator(true).build().ok()?);
    }
    set.build().ok()
}

/// Returns the name of a team: `@acme/payments` is `payments`, `@mara` is `mara`, an address its first part.
fn team(owner: &str) -> String {
    let bare = owner.trim_start_matches('@');
    let bare = bare.rsplit_once('/').map_or(bare, |(_, team)| team);
    bare.split('@').next().unwrap_or(bare).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_counts() {
        let owners = CodeOwners::parse(
            "# who\n* @acme/platform\n/components/terraform/orders*/ @acme/orders @mara # them\n\
             components/terraform/billing/ pay@example.com\n/components/terraform/orders-old/\n",
        );
        let team = |path: &str| owners.team(path);
        assert_eq!(team("components/terraform/network").as_deref(), Some("platform"));
        assert_eq!(team("components/terraform/orders-db").as_deref(), Some("orders"));
        assert_eq!(team("components/terraform/billing").as_deref(), Some("pay"));
        assert_eq!(team("components/terraform/orders-old"), None, "a rule without an owner takes it back");
    }
}
