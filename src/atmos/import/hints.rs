//! What to do next about a file that cannot be read.

use crate::atmos::{did_you_mean, yaml::Fault};

/// The tags that Atmos knows.
const TAGS: [&str; 14] = [
    "!include",
    "!include.raw",
    "!env",
    "!exec",
    "!template",
    "!terraform.output",
    "!terraform.state",
    "!store",
    "!store.get",
    "!append",
    "!unset",
    "!repo-root",
    "!literal",
    "!aws.account_id",
];

/// Returns the next step for a fault in a file of that text.
pub(in crate::atmos) fn hint(fault: &Fault, text: &[u8]) -> Option<String> {
    let line = || text.split(|b| *b == b'\n').nth(fault.line.saturating_sub(1) as usize).unwrap_or_default();
    let tabbed = || line().iter().take_while(|b| b.is_ascii_whitespace()).any(|b| *b == b'\t');
    let binary = || text.contains(&0) || std::str::from_utf8(text).is_err();
    Some(match fault.code {
        "yaml-syntax" if binary() => {
            "this is no text file: move it out of the folder of stacks, or name it in stacks.excluded_paths".to_owned()
        }
        "yaml-syntax" if tabbed() => "indent with spaces: YAML takes no tabs there".to_owned(),
        "yaml-syntax" if memchr::memmem::find(text, b"{{").is_some() => {
            "if this file contains Go template directives, rename it to .yaml.tmpl".to_owned()
        }
        "yaml-syntax" => "look at this line and the one before it: an indentation, a quote, or a colon".to_owned(),
        "yaml-duplicate-key" | "yaml-key-collision" => {
            "keep one of the two; what both say belongs under one key".to_owned()
        }
        "yaml-unknown-tag" => {
            let tag = fault.message.split(['\'', '"', ' ', '`']).find(|word| word.starts_with('!'));
            let meant = tag.and_then(|tag| did_you_mean(tag, TAGS.iter().map(|tag| (*tag).to_owned())));
            meant.map_or_else(
                || "remove the tag, or quote the text if the `!` belongs to it".to_owned(),
                |m| format!("did you mean {m}?"),
            )
        }
        "yaml-unknown-anchor" => "an anchor is known in its own file only; import does not bring it".to_owned(),
        "yaml-recursive-anchor" | "yaml-alias-bomb" => "write the value out instead of the alias".to_owned(),
        "yaml-too-deep" => "nothing needs to be nested as deeply: look for an opening bracket too many".to_owned(),
        "yaml-null-key" | "yaml-invalid-key" => "quote the key".to_owned(),
        "include-not-found" => "the path is relative to this file, or to base_path of atmos.yaml".to_owned(),
        "file-too-large" => "split it, or name it in stacks.excluded_paths".to_owned(),
        "unreadable-file" => "look at the file's permissions, and where a link leads".to_owned(),
        "untrusted-read" => "run `terrace trust` if you trust this estate".to_owned(),
        _ => return None,
    })
}
