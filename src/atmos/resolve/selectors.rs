//! Tags and labels select components before anything is evaluated: Atmos refuses there what would need evaluation.
//!
//! Which functions, was read in Atmos' `pkg/tags` (2026-08).

use super::{
    super::{
        node::{Node, Value},
        template,
    },
    sections::Job,
};
use crate::domain::stack::Diagnostic;

/// YAML functions that ask the world.
const FUNCTIONS: [&str; 13] = [
    "!exec",
    "!secret",
    "!store",
    "!store.get",
    "!terraform.output",
    "!terraform.state",
    "!aws.account_id",
    "!aws.caller_identity_arn",
    "!aws.caller_identity_user_id",
    "!aws.region",
    "!aws.organization_id",
    "!emulator",
    "!random",
];
/// Functions of templates that ask the world, or answer otherwise each time.
const CALLS: [&str; 18] = [
    "ds",
    "datasource",
    "include",
    "datasourceExists",
    "datasourceReachable",
    "defineDatasource",
    "aws",
    "gcp",
    "net",
    "random",
    "getHostByName",
    "uuidv4",
    "randAlpha",
    "randAlphaNum",
    "randNumeric",
    "randAscii",
    "randBytes",
    "now",
];
/// Methods of `atmos` in templates that evaluate other components.
const METHODS: [&str; 4] = ["Component", "Store", "GomplateDatasource", "Resolve"];

/// Says what of `metadata.tags` and `metadata.labels` Atmos refuses; the first of it.
pub(super) fn refused(job: &Job<'_>, metadata: &Node) -> Option<Diagnostic> {
    let eager = job.engine.config.raw.pointer("/describe/settings/eager_evaluation");
    if eager.and_then(serde_json::Value::as_bool) == Some(true) {
        return None;
    }
    let left = &job.engine.config.delimiters;
    ["tags", "labels"].iter().find_map(|field| {
        let (what, at) = forbidden(metadata.get(field)?, left)?;
        let message = format!("forbidden function in a selector: \"{what}\" is not allowed in metadata.{field}");
        let mut problem = job.refuse("selector-function", message, at.pos());
        problem.hint =
            Some("move it into vars or settings: tags and labels are read before anything is evaluated".into());
        Some(*problem)
    })
}

fn forbidden<'n>(node: &'n Node, delimiters: &(String, String)) -> Option<(String, &'n Node)> {
    let of_text = |text: &str| {
        let tag = text.split_whitespace().next().filter(|tag| FUNCTIONS.contains(tag));
        tag.map(str::to_owned).or_else(|| call(text, delimiters))
    };
    match node.value() {
        Value::Str(text) => of_text(text).map(|what| (what, node)),
        Value::List(items) => items.iter().find_map(|item| forbidden(item, delimiters)),
        Value::Map(map) => map.entries().iter().find_map(|(key, value)| {
            of_text(key.as_str()).map(|what| (what, value)).or_else(|| forbidden(value, delimiters))
        }),
        _ => None,
    }
}

/// Returns the first forbidden call in the actions of a text.
fn call(text: &str, (left, right): &(String, String)) -> Option<String> {
    if !text.contains(left.as_str()) {
        return None;
    }
    let words = template::words(text, left, right);
    words.into_iter().find_map(|word| match word.strip_prefix('.') {
        Some(method) => METHODS.contains(&method).then(|| format!("atmos.{method}")),
        None => CALLS.contains(&word.as_str()).then_some(word),
    })
}
