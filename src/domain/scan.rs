//! What scanners found, read from SARIF 2.1.0 as trivy, checkov, tflint and kics write it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::stack::Source;

/// How grave a scanner holds something to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScanLevel {
    /// It should not go on like this.
    Error,
    /// A person should look.
    Warning,
    /// Good to know.
    Note,
}

/// One thing that a scanner found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct ScanFinding {
    /// How grave.
    pub level: ScanLevel,
    /// The scanner, such as `Trivy`.
    pub tool: String,
    /// Its rule, such as `AVD-AWS-0088`.
    pub rule: String,
    /// What it says.
    pub message: String,
    /// Where.
    pub location: Option<Source>,
    /// Where more is to be read, or what to do.
    pub help: Option<String>,
}

/// Why a text is no SARIF.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotSarif(pub String);

/// How many findings one file may bring.
const MOST: usize = 10_000;

/// Reads a SARIF document; the gravest first, doubles once.
///
/// # Errors
///
/// Where it is no JSON, of another version, or has no runs.
pub fn read_sarif(bytes: &[u8]) -> Result<Vec<ScanFinding>, NotSarif> {
    let document: Value = serde_json::from_slice(bytes).map_err(|error| NotSarif(format!("it is no JSON: {error}")))?;
    let version = document["version"].as_str().unwrap_or_default();
    if !version.starts_with("2.") {
        return Err(NotSarif(format!("it is no SARIF of version 2 (its version is '{version}')")));
    }
    let runs = document["runs"].as_array().ok_or_else(|| NotSarif("it has no runs".to_owned()))?;
    let mut found: Vec<ScanFinding> = runs
        .iter()
        .flat_map(|run| run["results"].as_array().into_iter().flatten().map(move |result| finding(run, result)))
        .flatten()
        .collect();
    found.sort();
    found.dedup();
    if found.len() > MOST {
        return Err(NotSarif(format!("it has {} findings, {MOST} are the most", found.len())));
    }
    Ok(found)
}

/// Reads one result; none where it is suppressed or says that something is in order.
fn finding(run: &Value, result: &Value) -> Option<ScanFinding> {
    let suppressed = result["suppressions"].as_array().is_some_and(|all| !all.is_empty());
    let kind = result["kind"].as_str().unwrap_or("fail");
    if suppressed || !matches!(kind, "fail" | "open" | "review") {
        return None;
    }
    let rules = run["tool"]["driver"]["rules"].as_array();
    let id = result["ruleId"].as_str().or_else(|| result["rule"]["id"].as_str());
    let rule = match (result["ruleIndex"].as_u64(), id) {
        (Some(index), _) => rules.and_then(|rules| rules.get(usize::try_from(index).ok()?)),
        (None, Some(id)) => rules.and_then(|rules| rules.iter().find(|rule| rule["id"] == id)),
        (None, None) => None,
    };
    let of_rule = |pointer: &str| rule.and_then(|rule| rule.pointer(pointer)).and_then(Value::as_str);
    let level = result["level"].as_str().or_else(|| of_rule("/defaultConfiguration/level")).unwrap_or("warning");
    let level = match level {
        "error" => ScanLevel::Error,
        "warning" => ScanLevel::Warning,
        _ => ScanLevel::Note,
    };
    let message =
        result["message"]["text"].as_str().or_else(|| of_rule("/shortDescription/text")).unwrap_or("no message");
    let place = &result["locations"][0]["physicalLocation"];
    let number = |name: &str| place["region"][name].as_u64().and_then(|number| u32::try_from(number).ok());
    let location = place["artifactLocation"]["uri"].as_str().map(|uri| Source {
        file: uri.trim_start_matches("file://").trim_start_matches("./").to_owned(),
        line: number("startLine").unwrap_or(1).max(1),
        column: number("startColumn").unwrap_or(1).max(1),
    });
    let help = of_rule("/helpUri").or_else(|| of_rule("/help/text")).map(str::to_owned);
    Some(ScanFinding {
        level,
        tool: run["tool"]["driver"]["name"].as_str().unwrap_or("scanner").to_owned(),
        rule: id.or_else(|| of_rule("/id")).unwrap_or("unknown").to_owned(),
        message: message.lines().next().unwrap_or_default().to_owned(),
        location,
        help,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_read_with_what_their_rules_say() {
        let document = json!({"version": "2.1.0", "runs": [{
            "tool": {"driver": {"name": "Trivy", "rules": [
                {"id": "AVD-1", "shortDescription": {"text": "Open"}, "helpUri": "https://example.com/1", "defaultConfiguration": {"level": "error"}},
                {"id": "AVD-2", "shortDescription": {"text": "Old"}}]}},
            "results": [
                {"ruleId": "AVD-2", "level": "note", "message": {"text": "an old thing\nmore"}},
                {"ruleId": "AVD-1", "ruleIndex": 0, "message": {"text": "a port is open"}, "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": "./main.tf"}, "region": {"startLine": 7, "startColumn": 3}}}]},
                {"ruleId": "AVD-1", "message": {"text": "seen"}, "suppressions": [{"kind": "inSource"}]},
                {"ruleId": "AVD-2", "kind": "pass", "message": {"text": "in order"}}]}]});
        let found = read_sarif(document.to_string().as_bytes()).unwrap();
        assert_eq!(found.len(), 2);
        let first = &found[0];
        assert_eq!(
            (first.level, first.rule.as_str(), first.message.as_str()),
            (ScanLevel::Error, "AVD-1", "a port is open")
        );
        assert_eq!(first.location, Some(Source { file: "main.tf".into(), line: 7, column: 3 }));
        assert_eq!(first.help.as_deref(), Some("https://example.com/1"));
        assert_eq!((found[1].level, found[1].message.as_str()), (ScanLevel::Note, "an old thing"));
    }

    #[test]
    fn what_is_no_sarif_is_refused() {
        for (text, why) in [("x", "no JSON"), ("{}", "version is ''"), ("{\"version\": \"2.1.0\"}", "no runs")] {
            let error = read_sarif(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        assert_eq!(read_sarif(br#"{"version": "2.1.0", "runs": [{"results": null}]}"#), Ok(vec![]));
    }
}
