//! Diagnostics as SARIF 2.1.0, which editors and CI services show beside the lines.

use std::path::Path;

use serde_json::{Value, json};

use crate::domain::stack::{Diagnostic, Severity, Source};

/// Returns the log of one run of `terrace check`; sources are relative to the estate's root.
pub(super) fn log(diagnostics: &[Diagnostic], root: &Path) -> Value {
    let mut rules: Vec<&str> = diagnostics.iter().map(|d| d.code.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    let result = |diagnostic: &Diagnostic| {
        let text = match &diagnostic.hint {
            Some(hint) => format!("{}\n{hint}", diagnostic.message),
            None => diagnostic.message.clone(),
        };
        let locations: Vec<Value> = diagnostic.source.iter().map(location).collect();
        json!({
            "ruleId": diagnostic.code,
            "ruleIndex": rules.binary_search(&diagnostic.code.as_str()).unwrap_or_default(),
            "level": match diagnostic.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": {"text": text},
            "locations": locations,
            "properties": {"stack": diagnostic.stack},
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "terrace",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|code| json!({"id": code, "name": code})).collect::<Vec<_>>(),
            }},
            "originalUriBaseIds": {"ROOT": {"uri": format!("file://{}/", encode(&root.to_string_lossy()))}},
            "columnKind": "unicodeCodePoints",
            "results": diagnostics.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn location(source: &Source) -> Value {
    let artifact = if source.file.starts_with('/') {
        json!({"uri": format!("file://{}", encode(&source.file))})
    } else {
        json!({"uri": encode(&source.file), "uriBaseId": "ROOT"})
    };
    json!({"physicalLocation": {
        "artifactLocation": artifact,
        "region": {"startLine": source.line.max(1), "startColumn": source.column.max(1)},
    }})
}

/// Writes a path as a URI does: everything but letters, digits and `-._~/` as its bytes.
fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_its_rule_and_its_place() {
        let problem = |code: &str, file: &str| Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message: "wrong".to_owned(),
            hint: Some("mend it".to_owned()),
            source: Some(Source { file: file.to_owned(), line: 3, column: 7 }),
            stack: None,
        };
        let log = log(&[problem("b", "stacks/a b.yaml"), problem("a", "/etc/x.yaml")], Path::new("/estate"));
        let run = &log["runs"][0];
        assert_eq!(run["tool"]["driver"]["rules"][1]["id"], "b");
        let first = &run["results"][0];
        assert_eq!((&first["ruleIndex"], &first["level"]), (&json!(1), &json!("error")));
        assert_eq!(first["message"]["text"], "wrong\nmend it");
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"], json!({"uri": "stacks/a%20b.yaml", "uriBaseId": "ROOT"}));
        assert_eq!(place["region"], json!({"startLine": 3, "startColumn": 7}));
        assert_eq!(
            run["results"][1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            "file:///etc/x.yaml"
        );
    }
}
