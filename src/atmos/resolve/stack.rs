//! All components of one stack file, and what they share.

use std::{collections::HashSet, path::Path, sync::Arc};

use foldhash::fast::RandomState;

use super::{
    Instance, Stack, TYPES,
    component::one,
    custom::custom,
    derived::unnamed,
    sections::{GLOBAL_METADATA, Job, MAPS, Parts, applies, has_generate},
};
use crate::atmos::{
    import::{Engine, Files, Merged},
    merge::merge_all,
    node::{Key, Map, Node, Value},
};

/// What all components of one type in one stack share.
pub(super) struct Shared {
    pub(super) maps: Parts,
    pub(super) metadata: Node,
    pub(super) source: Node,
    pub(super) command: String,
    pub(super) backend_type: String,
    pub(super) remote_type: String,
    pub(super) provider: String,
    pub(super) section: Node,
}

/// Resolves every component of one stack file.
pub(in crate::atmos) fn resolve_stack(
    engine: &Engine<'_>,
    path: &Path,
    file: &str,
    merged: Arc<Merged>,
    only: Option<&str>,
) -> Stack {
    let file = Key::new(file);
    let config = merged.config.clone();
    let mut job = Job { engine, shared: &engine.common, only, file, problems: Vec::new(), of_components: Vec::new() };
    let mut instances = Vec::new();
    let name = config.get("name").and_then(Node::str).filter(|n| !n.is_empty()).map(str::to_owned);
    let mut metadata = job.section(Some(&config), "metadata", "global ");
    if let Some(map) = metadata.map() {
        let odd: Vec<&(Key, Node)> =
            map.entries().iter().filter(|(k, _)| !GLOBAL_METADATA.contains(&k.as_str())).collect();
        if let Some((key, node)) = odd.first() {
            let message = format!("metadata field is not allowed at global (stack-wide) scope: '{}'", key.as_str());
            let mut problem = job.refuse("global-metadata-key", message, node.pos());
            problem.hint = Some(
                "Global metadata only supports: labels, tags, custom, enabled, locked, terraform_workspace_pattern"
                    .into(),
            );
            job.problems.push(*problem);
            let odd: Vec<&str> = odd.iter().map(|(k, _)| k.as_str()).collect();
            metadata = Node::new(Value::Map(map.without(&odd)), metadata.pos());
        }
    }
    let mut globals = Parts::default();
    for key in ["vars", "hooks", "settings", "env", "generate", "auth", "secrets", "dependencies"] {
        let node = job.section(Some(&config), key, "");
        globals.set(key, node);
    }
    let components = job.section(Some(&config), "components", "");
    for kind in TYPES {
        let Some(all) = components.get(kind) else {
            // What is wrong with a type's sections is wrong without components of it, too.
            if config.get(kind).is_some() && !matches!(kind, "container" | "emulator") {
                shared(&mut job, kind, &config, &globals, &metadata);
            }
            continue;
        };
        let Some(all_map) = all.map() else {
            let message = format!("invalid components.{kind} section in file '{}'", file.as_str());
            let problem = job.refuse("invalid-components-section", message, all.pos());
            job.problems.push(*problem);
            continue;
        };
        if matches!(kind, "container" | "emulator") {
            custom(&mut job, kind, all_map, &globals, &metadata, name.as_deref(), &mut instances);
            continue;
        }
        let shared = shared(&mut job, kind, &config, &globals, &metadata);
        for (component, node) in all_map.entries() {
            if job.only.is_some_and(|name| component.as_str() != name) {
                continue;
            }
            match one(&job, kind, component.as_str(), node, all_map, &shared, name.as_deref()) {
                Ok((instance, problems)) => {
                    job.of_components.extend(problems.into_iter().map(|problem| (*component, problem)));
                    instances.push(Arc::new(instance));
                }
                Err(problem) => {
                    job.of_components.push((*component, *problem));
                    let kept = node.at_path(&["metadata", "type"]).and_then(Node::str) == Some("abstract");
                    let more = unnamed(&job).filter(|_| matches!(kind, "terraform" | "helmfile") && !kept);
                    job.of_components.extend(more.map(|problem| (*component, problem)));
                }
            }
        }
    }
    unlisted(&mut job, &components);
    let Job { problems, of_components, .. } = job;
    let (brings, faulty) = brought(&merged);
    Stack {
        path: path.to_path_buf(),
        file,
        makes: made(&instances),
        instances,
        problems,
        of_components,
        named: name.is_some(),
        brings,
        faulty,
        merged,
    }
}

/// Returns the stacks that instances are in, each with its instances by component and type.
fn made(instances: &[Arc<Instance>]) -> Box<[(Key, Box<[u32]>)]> {
    let mut ordered: Vec<(u32, &Instance)> = (0_u32..).zip(instances.iter().map(|i| &**i)).collect();
    ordered.sort_unstable_by_key(|(_, i)| (i.stack, i.name, i.kind));
    let of_one_stack = ordered.chunk_by(|(_, a), (_, b)| a.stack == b.stack);
    of_one_stack.map(|chunk| (chunk[0].1.stack, chunk.iter().map(|(at, _)| *at).collect())).collect()
}

/// Returns the files that come in by imports, and what of them has problems.
fn brought(merged: &Merged) -> (Box<[Files]>, Box<[Arc<Merged>]>) {
    let (mut brings, mut faulty) = (Vec::new(), Vec::new());
    let (mut seen, mut listed) = (HashSet::<_, RandomState>::default(), HashSet::<_, RandomState>::default());
    let mut todo: Vec<&Arc<Merged>> = merged.imported().rev().collect();
    while let Some(merged) = todo.pop() {
        if !seen.insert(Arc::as_ptr(merged)) {
            continue;
        }
        if listed.insert(merged.files.as_ptr()) {
            brings.push(Arc::clone(&merged.files));
        }
        if !merged.problems.is_empty() {
            faulty.push(Arc::clone(merged));
        }
        todo.extend(merged.imported().rev());
    }
    (brings.into(), faulty.into())
}

/// Checks components of types that are not described: they must be maps all the same.
fn unlisted(job: &mut Job<'_>, components: &Node) {
    for (kind, all) in components.map().into_iter().flat_map(Map::entries) {
        if TYPES.contains(&kind.as_str()) {
            continue;
        }
        for (name, node) in all.map().into_iter().flat_map(Map::entries).filter(|(_, node)| node.map().is_none()) {
            let (name, kind) = (name.as_str(), kind.as_str());
            let message =
                format!("invalid component map type: custom component '{name}' in type '{kind}' must be a map");
            let problem = job.refuse("invalid-component", message, node.pos());
            job.problems.push(*problem);
        }
    }
}

fn shared(job: &mut Job<'_>, kind: &'static str, config: &Node, globals: &Parts, metadata: &Node) -> Shared {
    let section = job.section(Some(config), kind, "");
    let lists = job.engine.lists;
    let empty = Node::empty();
    let mut maps = Parts::default();
    let what = format!("{kind}.");
    for key in MAPS {
        let typed = match key {
            "secrets" | "locals" | "test" | "mocks" | "retry" | "required_providers" => false,
            "hooks" | "generate" => has_generate(kind),
            _ => applies(key, kind),
        };
        if !applies(key, kind) {
            continue;
        }
        let global = match key {
            "hooks" | "generate" if !has_generate(kind) => &empty,
            _ => globals.get(key).unwrap_or(&empty),
        };
        let own = if typed { job.section(Some(&section), key, &what) } else { empty.clone() };
        let own = if key == "provision" && !matches!(kind, "terraform" | "kubernetes" | "helm") {
            empty.clone()
        } else {
            own
        };
        let mut layers = vec![global, &own];
        if key == "env"
            && let Some(env) = &job.engine.config.env
        {
            layers.insert(0, env);
        }
        maps.set(key, merge_all(&layers, lists));
    }
    let source = if matches!(kind, "terraform" | "kubernetes" | "helm") {
        job.section(Some(&section), "source", &what)
    } else {
        empty.clone()
    };
    let terraform = kind == "terraform";
    Shared {
        command: job.text(&section, "command", &what),
        backend_type: if terraform { job.text(&section, "backend_type", &what) } else { String::new() },
        remote_type: if terraform { job.text(&section, "remote_state_backend_type", &what) } else { String::new() },
        provider: if kind == "kubernetes" { job.text(&section, "provider", &what) } else { String::new() },
        maps,
        metadata: metadata.clone(),
        source,
        section,
    }
}
