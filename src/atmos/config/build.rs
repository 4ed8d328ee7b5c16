//! From the merged tree to typed values, with the environment on top.

use super::{AtmosConfig, ComponentType, Loader, auth::auth, clean, display, edition::Edition, sources::Found, stores};
use crate::{
    atmos::{
        AtmosError,
        files::Kind,
        node::{Map, Node, Pos, Value},
    },
    domain::stack::Diagnostic,
};

/// What `logs.level` may say, in any case.
const LEVELS: [&str; 8] = ["", "trace", "debug", "info", "warn", "warning", "error", "off"];
/// What Atmos refuses a configuration for before it looks for stacks.
const REFUSALS: [&str; 4] = ["invalid-edition", "config-wrong-type", "store-unusable", "invalid-log-level"];

/// Returns the first problem for which Atmos refuses the whole configuration.
fn refusal(problems: &[Diagnostic]) -> Option<AtmosError> {
    problems.iter().find_map(|problem| {
        let code = REFUSALS.into_iter().find(|code| *code == problem.code)?;
        let (hint, source_at) = (problem.hint.clone(), problem.source.clone());
        Some(AtmosError { hint, source_at, ..AtmosError::new(code, &problem.message) })
    })
}

/// Makes the configuration.
pub(super) fn build(loader: &mut Loader<'_>, found: &Found) -> Result<AtmosConfig, AtmosError> {
    let root = loader.root;
    let Found { merged, main, folder, env } = found;
    let mut wrong: Vec<(String, Pos, &'static str)> = Vec::new();
    let mut text = |path: &[&str], name: &str| -> String {
        if let Some(v) = env.get(name).filter(|v| !v.is_empty()) {
            return v.clone();
        }
        match merged.at_path(path) {
            Some(n) => match n.value() {
                Value::Str(s) => s.to_string(),
                Value::Null => String::new(),
                Value::Bool(b) => if *b { "1" } else { "0" }.to_owned(),
                Value::Map(_) | Value::List(_) => {
                    let what = if n.map().is_some() { "map[string]interface {}" } else { "[]interface {}" };
                    wrong.push((path.join("."), n.pos(), what));
                    String::new()
                }
                _ => n.to_json().to_string(),
            },
            None => String::new(),
        }
    };
    let list = |path: &[&str], name: &str| -> Vec<String> {
        if let Some(v) = env.get(name).filter(|v| !v.is_empty()) {
            return v.split(',').map(str::to_owned).collect();
        }
        match merged.at_path(path).map(Node::value) {
            Some(Value::List(l)) => l.iter().filter_map(|n| n.str().map(str::to_owned)).collect(),
            Some(Value::Str(s)) => s.split(',').map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let flag = |path: &[&str], default: bool| match merged.at_path(path).map(Node::value) {
        Some(Value::Bool(b)) => *b,
        Some(Value::Str(s)) => !matches!(&**s, "false" | "0" | "F" | "f" | "False" | "FALSE"),
        _ => default,
    };
    let edition_text = match merged.get("edition").filter(|_| env.get("ATMOS_EDITION").is_none_or(String::is_empty)) {
        // A whole date without quotes is a time, which is no text.
        Some(node) if node.map().is_some() => "a time".to_owned(),
        _ => text(&["edition"], "ATMOS_EDITION"),
    };
    let logs_level = text(&["logs", "level"], "");
    let base_text = text(&["base_path"], "ATMOS_BASE_PATH");
    let stacks_text = text(&["stacks", "base_path"], "ATMOS_STACKS_BASE_PATH");
    let name_pattern = text(&["stacks", "name_pattern"], "ATMOS_STACKS_NAME_PATTERN");
    let name_template = text(&["stacks", "name_template"], "ATMOS_STACKS_NAME_TEMPLATE");
    let list_merge_strategy = text(&["settings", "list_merge_strategy"], "ATMOS_SETTINGS_LIST_MERGE_STRATEGY");
    let key_delimiter = text(&["settings", "yaml", "key_delimiter"], "");
    let prefix_separator = text(&["components", "terraform", "workspace", "prefix_separator"], "");
    let workflows_text = text(&["workflows", "base_path"], "ATMOS_WORKFLOWS_BASE_PATH");
    let describe_filter = text(&["describe", "component", "filter"], "ATMOS_DESCRIBE_COMPONENT_FILTER");
    let manifest_schema = text(&["schemas", "atmos", "manifest"], "ATMOS_SCHEMAS_ATMOS_MANIFEST");
    let mut types: Vec<(String, String, String)> = Vec::new();
    let mut names: Vec<&str> = vec!["terraform", "helmfile", "packer", "ansible", "kubernetes", "helm"];
    if let Some(m) = merged.get("components").and_then(Node::map) {
        names.extend(m.entries().iter().filter(|(_, v)| v.map().is_some()).map(|(k, _)| k.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    for name in names {
        // The environment speaks of three types only.
        let variable = |what: &str| match name {
            "terraform" | "helmfile" | "packer" => format!("ATMOS_COMPONENTS_{}_{what}", name.to_uppercase()),
            _ => String::new(),
        };
        let base = text(&["components", name, "base_path"], &variable("BASE_PATH"));
        let command = text(&["components", name, "command"], &variable("COMMAND"));
        types.push((name.to_owned(), base, command));
    }
    let edition = Edition::of(&edition_text).unwrap_or_else(|| {
        let message = format!(
            "apply edition defaults: invalid edition: expected YYYY, YYYY-MM, or YYYY-MM-DD: \"{}\"",
            edition_text.trim()
        );
        let source = merged.get("edition").and_then(|node| node.pos().source());
        loader.problem("invalid-edition", message, Some("write a year, a month or a day in quotes"), source);
        Edition::today()
    });
    if let Some((path, pos, what)) = wrong.first() {
        let message = format!(
            "decoding failed due to the following error(s): '{path}' expected type 'string', got unconvertible type '{what}'"
        );
        loader.problem("config-wrong-type", message, Some("write a text there"), pos.source());
    }
    stores::check(loader, merged, env);
    if !LEVELS.contains(&logs_level.trim().to_lowercase().as_str()) {
        let message = format!(
            "invalid log level: the log level '{}' is not recognized. Valid options are: [Trace Debug Info Warning Error Off]",
            logs_level.trim()
        );
        let source = merged.at_path(&["logs", "level"]).and_then(|node| node.pos().source());
        loader.problem("invalid-log-level", message, Some("correct logs.level"), source);
    }
    // Atmos tells these before it looks for stacks.
    let refusal = refusal(&loader.problems);
    let fatal = |error: AtmosError| refusal.clone().unwrap_or(error);
    if stacks_text.is_empty() {
        let at = main.pos();
        let error = AtmosError::new(
            "no-stacks-base-path",
            "stack base path must be provided in 'stacks.base_path' config or ATMOS_STACKS_BASE_PATH' ENV variable",
        )
        .hint("add `stacks: {base_path: stacks, included_paths: [\"**/*\"]}` to atmos.yaml");
        return Err(fatal(at.source().map_or(error.clone(), |s| error.at(s))));
    }
    let included_paths = list(&["stacks", "included_paths"], "ATMOS_STACKS_INCLUDED_PATHS");
    // What the environment says is relative to where one stands, what a file says to that file.
    let anchor = if env.get("ATMOS_BASE_PATH").is_some_and(|v| !v.is_empty()) { root } else { folder.as_path() };
    let missing =
        loader.files().kind(&clean(&loader.resolve(&base_text, anchor, Some(&stacks_text)).join(&stacks_text)))
            != Some(Kind::Folder);
    if included_paths.is_empty() && !missing {
        return Err(fatal(AtmosError::new(
            "no-included-paths",
            "at least one path must be provided in 'stacks.included_paths' config or ATMOS_STACKS_INCLUDED_PATHS' ENV variable",
        )));
    }
    let base_path = loader.resolve(&base_text, anchor, Some(&stacks_text));
    let stacks_path = clean(&base_path.join(&stacks_text));
    if loader.files().kind(&stacks_path) != Some(Kind::Folder) {
        let error = AtmosError::new(
            "no-stacks-folder",
            format!(
                "Missing Configuration: the atmos.yaml CLI config file specifies the directory for Atmos stacks as {stacks_text}, but the directory does not exist"
            ),
        );
        return Err(fatal(error.hint(format!("create {} or correct stacks.base_path", display(root, &stacks_path)))));
    }
    let components = types
        .into_iter()
        .map(|(name, base, command)| {
            let folder = (!base.is_empty()).then(|| clean(&base_path.join(&base)));
            let command = (!command.is_empty()).then_some(command);
            (name, ComponentType { base_path: folder, base_path_text: base, command })
        })
        .collect();
    let delimiters = list(&["templates", "settings", "delimiters"], "");
    let env_texts = merged.get("env").and_then(Node::map).map(|m| {
        let entries = m.entries().iter().map(|(k, v)| {
            let text = match v.value() {
                Value::Str(s) => s.to_string(),
                Value::Null => String::new(),
                _ => v.to_json().to_string(),
            };
            (*k, Node::new(Value::Str(text.into()), v.pos()))
        });
        Node::new(Value::Map(Map::sorted(entries.collect())), Pos::none())
    });
    let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
    let auth = auth(merged.get("auth"), env, folder);
    Ok(AtmosConfig {
        workflows_path: (!workflows_text.is_empty()).then(|| clean(&base_path.join(&workflows_text))),
        stacks_path,
        base_path,
        base_path_text: base_text,
        components,
        included_paths,
        excluded_paths: list(&["stacks", "excluded_paths"], "ATMOS_STACKS_EXCLUDED_PATHS"),
        name_pattern,
        name_template,
        list_merge_strategy,
        key_delimiter,
        inherit_metadata: flag(&["stacks", "inherit", "metadata"], edition.inherits_metadata()),
        inherit_source: flag(&["stacks", "inherit", "source"], true),
        git_root: loader.git_root.clone(),
        workspaces_enabled: flag(&["components", "terraform", "workspaces_enabled"], true),
        prefix_separator: or(prefix_separator, "-"),
        templates_enabled: flag(&["templates", "settings", "enabled"], false),
        ignore_missing: flag(&["templates", "settings", "ignore_missing_template_values"], false),
        delimiters: match delimiters.as_slice() {
            [l, r] => (l.clone(), r.clone()),
            _ => ("{{".to_owned(), "}}".to_owned()),
        },
        include_empty: flag(&["describe", "settings", "include_empty"], true),
        env: env_texts,
        auth,
        github: merged.at_path(&["integrations", "github"]).filter(|n| n.map().is_some_and(|m| !m.is_empty())).cloned(),
        manifest_schema,
        files: loader.read.clone(),
        describe_full: edition.describes_all(describe_filter.as_str()),
        raw: merged.to_json(),
    })
}
