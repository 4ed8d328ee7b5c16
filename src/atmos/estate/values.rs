//! Templates in values, as far as they can be rendered without Atmos: by the instance's own sections.
//!
//! Nothing that is described goes this way; it tells what needs what, and what a change reaches, as Atmos does by default.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value as Json;

use super::Estate;
use crate::atmos::{
    node::{Map, Node, Value},
    resolve::Instance,
    template::{self, MissingKey, TemplateOptions},
};

impl Estate {
    /// Returns the environment that templates see.
    pub(in crate::atmos) fn env(&self) -> Arc<BTreeMap<String, String>> {
        self.reading.env()
    }

    /// Renders a text that an instance writes; what cannot be rendered without Atmos stays as it is written.
    pub(in crate::atmos) fn rendered(&self, instance: &Instance, text: &str) -> String {
        self.evaluated(instance, &Node::text(text)).str().unwrap_or(text).to_owned()
    }

    /// Renders the templates of a value by the instance's own sections, where they are switched on; what cannot be rendered
    /// without Atmos stays as it is written.
    pub(in crate::atmos) fn evaluated(&self, instance: &Instance, node: &Node) -> Node {
        let config = self.config();
        let is_template = |text: &str| text.contains(&config.delimiters.0);
        if !config.templates_enabled || !any_text(node, &is_template) {
            return node.clone();
        }
        let sections = instance.sections.entries().iter().map(|(key, node)| (key.as_str().to_owned(), node.to_json()));
        let data = Json::Object(sections.collect());
        let options = TemplateOptions {
            missing_key: if config.ignore_missing { MissingKey::NoValue } else { MissingKey::Error },
            delimiters: config.delimiters.clone(),
            env: self.env(),
            gomplate: config.raw.pointer("/templates/settings/gomplate/enabled").and_then(Json::as_bool) == Some(true),
        };
        with_texts(node, &|text| {
            let template = is_template(text).then_some(text)?;
            template::render("value", template, &data, &options).ok()
        })
    }
}

fn any_text(node: &Node, is: &dyn Fn(&str) -> bool) -> bool {
    match node.value() {
        Value::Str(text) => is(text),
        Value::List(items) => items.iter().any(|item| any_text(item, is)),
        Value::Map(map) => map.entries().iter().any(|(_, value)| any_text(value, is)),
        _ => false,
    }
}

/// Returns a value with those texts replaced that the function has something else for.
fn with_texts(node: &Node, new: &dyn Fn(&str) -> Option<String>) -> Node {
    let value = match node.value() {
        Value::Str(text) => match new(text) {
            Some(text) => Value::Str(text.into()),
            None => return node.clone(),
        },
        Value::List(items) => Value::List(items.iter().map(|item| with_texts(item, new)).collect()),
        Value::Map(map) => {
            Value::Map(Map::sorted(map.entries().iter().map(|(key, value)| (*key, with_texts(value, new))).collect()))
        }
        _ => return node.clone(),
    };
    Node::new(value, node.pos())
}
