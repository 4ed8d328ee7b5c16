//! What is wrong with a file or a stack as a whole.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    path::Path,
    sync::Arc,
};

use foldhash::fast::RandomState;

use crate::{
    atmos::{
        import::{Doc, hints::hint},
        node::{Key, Node, Value},
        resolve::{Instance, Stack},
    },
    domain::stack::{Diagnostic, Severity, Source},
};

/// What is wrong with a file as a whole, whether a stack or not.
pub(super) fn whole_file(doc: &Doc) -> Option<Diagnostic> {
    let problem = |code: &str, message: String, line: u32, column: u32| {
        Some(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message,
            hint: None,
            source: Some(Source { file: doc.name.as_str().to_owned(), line, column }),
            stack: None,
        })
    };
    let empty = |found| Diagnostic { hint: Some("write {} into it, or remove it".to_owned()), ..found };
    match &doc.parsed {
        Err(fault) => {
            let message = format!("invalid stack manifest: {}", fault.message);
            let found = problem(fault.code, message, fault.line, fault.column);
            found.map(|found| Diagnostic { hint: hint(fault, &doc.text), ..found })
        }
        Ok(None) if !doc.text.is_empty() => {
            problem("stack-null", "(root): expected object, but got null".to_owned(), 1, 1).map(empty)
        }
        Ok(Some(node)) if node.is_null() => {
            problem("stack-null", "(root): expected object, but got null".to_owned(), 1, 1).map(empty)
        }
        Ok(Some(node)) if node.map().is_none() => problem(
            "stack-not-a-map",
            format!(
                "yaml: line {}: cannot unmarshal {} into map[string]interface {{}}",
                node.pos().line,
                if node.list().is_some() { "!!seq" } else { "!!str" }
            ),
            node.pos().line,
            node.pos().column,
        ),
        Ok(Some(node)) => {
            let odd = not_finite(node)?;
            problem("json-unsupported-value", "unsupported value: +Inf".to_owned(), odd.pos().line, odd.pos().column)
        }
        Ok(None) => None,
    }
}

fn not_finite(node: &Node) -> Option<&Node> {
    match node.value() {
        Value::Float(f) if !f.is_finite() => Some(node),
        Value::Map(m) => m.entries().iter().find_map(|(_, v)| not_finite(v)),
        Value::List(l) => l.iter().find_map(not_finite),
        _ => None,
    }
}

/// Keys that differ between the files of one stack, or follow from others.
const DERIVED: [&str; 7] =
    ["atmos_component", "atmos_stack", "stack", "atmos_stack_file", "atmos_manifest", "workspace", "component_info"];

/// The first instance of each name in each stack, and the pairs of files of which it was said that they share a name.
#[derive(Default)]
struct Known<'a> {
    first: HashMap<(Key, &'static str, Key), (&'a Stack, &'a Instance), RandomState>,
    told: HashSet<(&'a Path, &'a Path)>,
}

/// Components that two files of one stack write; `shared` are the stacks that several files make.
pub(super) fn duplicates(stacks: &[Arc<Stack>], shared: &HashSet<Key>) -> Vec<Diagnostic> {
    let mut known = Known::default();
    let makers = stacks.iter().filter(|stack| stack.makes.iter().any(|(name, _)| shared.contains(name)));
    let all = makers.flat_map(|s| s.instances.iter().map(move |i| (&**s, &**i)));
    all.filter_map(|(stack, i)| duplicate(&mut known, stack, i)).collect()
}

/// The same for one instance.
pub(super) fn duplicates_of(stacks: &[Arc<Stack>], instance: &Instance) -> Vec<Diagnostic> {
    let mut known = Known::default();
    let all = stacks.iter().flat_map(|s| s.instances.iter().map(move |i| (&**s, &**i)));
    all.filter(|(_, i)| i.stack == instance.stack && i.name == instance.name && i.kind == instance.kind)
        .filter_map(|(stack, i)| duplicate(&mut known, stack, i))
        .collect()
}

fn duplicate<'a>(known: &mut Known<'a>, stack: &'a Stack, i: &'a Instance) -> Option<Diagnostic> {
    if i.is_abstract || !matches!(i.kind, "terraform" | "helmfile") {
        return None;
    }
    let (first, other) = match known.first.entry((i.stack, i.kind, i.name)) {
        Entry::Vacant(e) => {
            e.insert((stack, i));
            return None;
        }
        Entry::Occupied(e) => *e.get(),
    };
    let component = stack.merged.config.at_path(&["components", i.kind, i.name.as_str()]);
    if i.sections.without(&DERIVED).entries() == other.sections.without(&DERIVED).entries() {
        // A name that files share by mistake is to be corrected where it is written.
        let named = stack.merged.config.get("name").filter(|node| node.pos().is_some());
        return known.told.insert((&stack.path, &first.path)).then(|| Diagnostic {
            severity: Severity::Warning,
            code: "shared-stack-name".to_owned(),
            message: format!(
                "{} and {} both make the stack '{}' and both have '{}'",
                first.file.as_str(),
                stack.file.as_str(),
                i.stack.as_str(),
                i.name.as_str()
            ),
            hint: Some("give them names of their own; until then --stack-file says which is meant".to_owned()),
            source: named.or(component).and_then(|n| n.pos().source()),
            stack: Some(i.stack.as_str().to_owned()),
        });
    }
    Some(Diagnostic {
        severity: Severity::Error,
        code: "duplicate-component".to_owned(),
        message: format!(
            "The Atmos component '{}' in the stack '{}' is defined in more than one top-level stack manifest file: {}, {}. The component configurations in the stack manifests are different.",
            i.name.as_str(),
            i.stack.as_str(),
            first.file.as_str(),
            stack.file.as_str()
        ),
        hint: Some("define it in one file, or give the stacks names of their own".to_owned()),
        source: component.and_then(|n| n.pos().source()),
        stack: Some(i.stack.as_str().to_owned()),
    })
}
