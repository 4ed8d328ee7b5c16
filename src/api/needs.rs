//! What a request needs beside the types of its parts, stated in the OpenAPI document: an instance for a plan, a file
//! for a workflow, words for a command.

use serde_json::Value;
use utoipa::openapi::schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{Components, RefOr, Schema};

/// States in the document what each kind of run needs.
pub(super) fn state(components: &mut Components) {
    let instance = ["plan", "apply", "destroy", "drift"];
    let text = || ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).min_length(Some(1));
    let named = |kinds: &[&str], texts: &[&str]| {
        let kinds = kinds.iter().map(|kind| Value::from(*kind)).collect::<Vec<_>>();
        let kind = ObjectBuilder::new().schema_type(SchemaType::new(Type::String)).enum_values(Some(kinds));
        let mut object = ObjectBuilder::new().property("kind", kind);
        for name in texts {
            object = object.property(*name, text()).required(*name);
        }
        object
    };
    let words = utoipa::openapi::ArrayBuilder::new().items(text()).min_items(Some(1));
    let run = AnyOfBuilder::new()
        .item(named(&instance, &["component", "stack"]))
        .item(named(&["workflow"], &["workflow", "workflow_file"]))
        .item(named(&["command"], &[]).property("args", words).required("args"));
    also(components, "RunRequest", run.build().into());
    let targets = ObjectBuilder::new()
        .property("targets", utoipa::openapi::ArrayBuilder::new().min_items(Some(1)))
        .required("targets");
    let set = AnyOfBuilder::new()
        .item(targets)
        .item(ObjectBuilder::new().property("stack", text()).required("stack"))
        .item(ObjectBuilder::new().property("affected_since", text()).required("affected_since"));
    let set = AllOfBuilder::new().item(named(&instance, &[])).item(set);
    also(components, "SetRequest", set.build().into());
}

/// Adds a condition to a schema.
fn also(components: &mut Components, name: &str, condition: Schema) {
    if let Some(schema) = components.schemas.remove(name) {
        let both = AllOfBuilder::new().item(schema).item(RefOr::T(condition)).build();
        components.schemas.insert(name.to_owned(), RefOr::T(both.into()));
    }
}
