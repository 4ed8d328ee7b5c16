//! One instance without the rest: only the stack files that make it are resolved.
//!
//! Which file makes a stack is known only from the variables of its components, so every stack file is merged, but only
//! with the components that the one asked for may inherit from; merging goes key by key, so leaving the others out changes
//! nothing for these. The files that turn out to make the stack are then resolved as a whole. Whatever is not found this
//! way is left to the whole estate, which knows why.

use std::{path::Path, sync::Arc};

use rayon::prelude::*;

use super::{
    Estate,
    load::{Reading, stack_name},
};
use crate::atmos::{
    AtmosError, InstanceId, LoadOptions,
    import::{Engine, Kept, each_component, named_bases},
    node::Key,
    resolve,
};

impl Estate {
    /// Resolves what is needed to answer for one instance, and returns it with the instance.
    ///
    /// The snapshot holds the stack files that make the instance, with their diagnostics, and no others; it answers for
    /// the instance as the whole estate would.
    ///
    /// # Errors
    /// As [`Estate::load`] and [`Estate::find`].
    pub fn load_instance(
        root: &Path,
        options: &LoadOptions,
        component: &str,
        stack: &str,
        stack_file: Option<&str>,
    ) -> Result<(Self, InstanceId), AtmosError> {
        let reading = Arc::new(Reading::begin(root, options)?);
        let engine = reading.engine(Kept::default());
        reading.read_all(&engine);
        let files = making(&engine, &reading, component, stack);
        let kept = engine.into_kept();
        if !files.is_empty() {
            let part = reading.some(kept, &files);
            if let Ok(id) = part.find(component, stack, stack_file) {
                return Ok((part, id));
            }
        }
        let whole = Self::load(root, options)?;
        let id = whole.find(component, stack, stack_file)?;
        Ok((whole, id))
    }
}

/// Returns the stack files, of those selected, that make that component in that stack.
fn making(engine: &Engine<'_>, reading: &Reading, component: &str, stack: &str) -> Vec<String> {
    let mut names = engine.related(Key::new(component));
    loop {
        let only = engine.narrowed(names.clone());
        let merged: Vec<_> = reading
            .selected()
            .par_iter()
            .map(|file| {
                let path = reading.path(file);
                let merged = only.stack(&path);
                (file, path, merged)
            })
            .collect();
        let before = names.len();
        for (.., merged) in &merged {
            each_component(&merged.config, &mut |_, node| names.extend(named_bases(node)));
        }
        if names.len() > before {
            continue;
        }
        return merged
            .into_par_iter()
            .filter(|(file, path, merged)| {
                let name = stack_name(file);
                let found = resolve::resolve_stack(&only, path, name, merged.clone(), Some(component));
                found.instances.iter().any(|i| i.stack.as_str() == stack)
                    || (name == stack && !found.instances.is_empty())
            })
            .map(|(file, ..)| file.clone())
            .collect();
    }
}
