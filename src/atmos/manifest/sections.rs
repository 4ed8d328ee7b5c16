//! What the sections may hold that manifests, types and components share.

use super::shape::*;

pub(super) static METADATA: Shape = Shape::Included(&closed! {
    "name": &TEXT,
    "type": &Shape::Word(&["abstract", "real"]),
    "enabled": &FLAG,
    "component": &TEXT,
    "description": &TEXT,
    "inherits": &Shape::Included(&UNIQUE_TEXTS),
    "terraform_workspace": &TEXT,
    "terraform_workspace_pattern": &TEXT,
    "custom": &OPEN,
    "locked": &FLAG,
    "tags": &TEXTS,
    "labels": &TEXT_MAP,
});

pub(super) static GLOBAL_METADATA: Shape = Shape::Included(&closed! {
    "labels": &TEXT_MAP,
    "tags": &TEXTS,
    "custom": &OPEN,
    "enabled": &FLAG,
    "locked": &FLAG,
    "terraform_workspace_pattern": &TEXT,
});

pub(super) static SETTINGS: Shape = Shape::Included(&open! {
    "validation": &Shape::Included(&named!(Component, &Shape::Included(&needing! {
        Needs::All(&["schema_type", "schema_path"]);
        "schema_type": &Shape::Word(&["jsonschema", "opa"]),
        "schema_path": &TEXT,
        "description": &TEXT,
        "disabled": &FLAG,
        "timeout": &COUNT,
        "module_paths": &UNIQUE_TEXTS,
    }))),
    "depends_on": &DEPENDS_ON,
    "spacelift": &Shape::Included(&open! {
        "workspace_enabled": &FLAG,
        "stack_destructor_enabled": &FLAG,
        "protect_from_deletion": &FLAG,
        "autodeploy": &FLAG,
        "terraform_version": &Shape::Either(&[&Shape::Number(None, None), &TEXT]),
    }),
    "atlantis": &Shape::Included(&closed! {
        "config_template_name": &TEXT,
        "config_template": &OPEN,
        "project_template_name": &TEXT,
        "project_template": &OPEN,
        "workflow_templates": &OPEN,
    }),
    "templates": &OPEN,
    "yaml": &open! {"key_delimiter": &TEXT},
});

pub(super) static DEPENDS_ON: Shape = Shape::Included(&named!(
    Component,
    &Shape::Included(&needing! {
        Needs::One(&["component", "file", "folder"]);
        "namespace": &TEXT,
        "tenant": &TEXT,
        "environment": &TEXT,
        "stage": &TEXT,
        "component": &TEXT,
        "file": &TEXT,
        "folder": &TEXT,
    })
));

pub(super) static OVERRIDES: Shape = Shape::Included(&closed! {
    "command": &TEXT,
    "vars": &OPEN,
    "env": &OPEN,
    "settings": &SETTINGS,
    "providers": &OPEN,
    "hooks": &HOOKS,
    "generate": &GENERATE,
    "secrets": &SECRETS,
    "auth": &AUTH,
    "retry": &RETRY,
    "required_providers": &REQUIRED_PROVIDERS,
    "required_version": &TEXT,
});

const BACKENDS: [&str; 14] = [
    "local",
    "s3",
    "remote",
    "vault",
    "static",
    "azurerm",
    "gcs",
    "cloud",
    "consul",
    "cos",
    "http",
    "kubernetes",
    "oss",
    "pg",
];
pub(super) static BACKEND_TYPE: Shape = Shape::Included(&Shape::Word(&BACKENDS));
pub(super) static BACKEND: Shape = Shape::Included(&closed! {
    "local": &OPEN,
    "s3": &OPEN,
    "remote": &OPEN,
    "vault": &OPEN,
    "static": &OPEN,
    "azurerm": &OPEN,
    "gcs": &OPEN,
    "cloud": &OPEN,
    "consul": &OPEN,
    "cos": &OPEN,
    "http": &OPEN,
    "kubernetes": &OPEN,
    "oss": &OPEN,
    "pg": &OPEN,
});

pub(super) static GENERATE: Shape = Shape::Included(&each!(&Shape::Either(&[&TEXT, &OBJECT])));

pub(super) static RETRY_KEYS: [&str; 3] = ["constant", "linear", "exponential"];
pub(super) static JITTER: Shape = Shape::Number(Some((0.0, false)), Some(1.0));

/// How often and how long a step or a download is tried again.
pub(super) static STEP_RETRY: Shape = Shape::Included(&closed! {
    "max_attempts": &ATTEMPTS,
    "initial_delay": &TEXT,
    "max_delay": &TEXT,
    "backoff_strategy": &Shape::Word(&RETRY_KEYS),
    "multiplier": &Shape::Number(Some((1.0, false)), None),
    "random_jitter": &JITTER,
    "max_elapsed_time": &TEXT,
});

pub(super) static RETRY: Shape = Shape::Included(&closed! {
    "max_attempts": &ATTEMPTS,
    "backoff_strategy": &Shape::Word(&RETRY_KEYS),
    "initial_delay": &TEXT,
    "max_delay": &TEXT,
    "max_elapsed_time": &TEXT,
    "multiplier": &Shape::Number(Some((0.0, true)), None),
    "random_jitter": &JITTER,
    "conditions": &TEXTS,
});

pub(super) static SOURCE: Shape = Shape::Either(&[
    &TEXT,
    &needing! {
        Needs::All(&["uri"]);
        "type": &TEXT,
        "uri": &TEXT,
        "version": &TEXT,
        "included_paths": &TEXTS,
        "excluded_paths": &TEXTS,
        "retry": &STEP_RETRY,
        "ttl": &TEXT,
    },
]);

pub(super) static PROVISION: Shape = Shape::Included(&open! {
    "workdir": &Shape::Included(&closed! {"enabled": &FLAG}),
    "default": &TEXT,
    "targets": &each!(&Shape::Map(&Map {
        keys: &[
            ("kind", &TEXT),
            ("repository", &TEXT),
            ("path", &TEXT),
            ("split", &FLAG),
            ("auth", &closed! {"identity": &TEXT}),
            ("commit", &closed! {"message": &TEXT, "signing": &Shape::Word(&["auto", "always", "never"])}),
            ("pull_request", &closed! {"enabled": &FLAG}),
        ],
        others: Others::Any,
        needs: Needs::All(&["kind"]),
    })),
});

/// `dependencies` of a manifest, a component or a workflow.
pub(super) static DEPENDENCIES: Shape = Shape::Included(&closed! {
    "tools": &Shape::Included(&TEXT_MAP),
    "components": &Shape::Included(&list!(&needing! {
        Needs::Any(&[&["name"], &["component"], &["kind", "path"]]);
        "name": &TEXT,
        "component": &TEXT,
        "stack": &TEXT,
        "kind": &TEXT,
        "path": &TEXT,
    })),
    "files": &INCLUDED_TEXTS,
    "folders": &INCLUDED_TEXTS,
    "commands": &UNITS,
    "workflows": &UNITS,
});

pub(super) static UNITS: Shape = list!(&Shape::Either(&[
    &TEXT,
    &needing! {
        Needs::All(&["name"]);
        "name": &TEXT,
        "file": &TEXT,
        "flags": &TEXT_MAP,
        "args": &TEXTS,
        "fail": &Shape::Word(&["wait_all", "fail_fast", "best_effort"]),
    },
]));

pub(super) static REQUIRED_PROVIDERS: Shape = Shape::Included(&named!(
    Provider,
    &needing! {
        Needs::All(&["source"]);
        "source": &TEXT,
        "version": &TEXT,
        "configuration_aliases": &TEXTS,
    }
));

pub(super) static HOOKS: Shape = Shape::Included(&each!(&Shape::Included(&open! {
    "kind": &Shape::Word(&[
        "store", "command", "infracost", "checkov", "kics", "trivy", "tflint", "tfmigrate", "git", "step", "steps", "ci.check",
        "ci.output", "ci.summary", "ci.upload", "ci.download",
    ]),
    "command": &TEXT,
    "events": &TEXTS,
    "on_failure": &Shape::Word(&["warn", "fail", "ignore"]),
    "when": &CONDITION,
    "args": &TEXTS,
    "env": &TEXT_MAP,
    "format": &TEXT,
    "type": &TEXT,
    "with": &Shape::Either(&[&OBJECT, &OBJECTS]),
    "retry": &STEP_RETRY,
    "name": &TEXT,
    "outputs": &TEXT_MAP,
    "repository": &TEXT,
    "commit": &OBJECT,
    "push": &FLAG,
    "migration": &TEXT,
    "config": &TEXT,
    "backend_config": &TEXTS,
    "mode": &Shape::Word(&["dynamic", "plan", "apply"]),
})));

/// When a hook or a step runs.
pub(super) static CONDITION: Shape = Shape::Either(&[
    &TEXT,
    &list!(&CONDITION, least 1),
    &needing! {
        Needs::One(&["all", "any", "not"]);
        "all": &Shape::Either(&[&CONDITION, &list!(&CONDITION, least 1)]),
        "any": &list!(&CONDITION, least 1),
        "not": &CONDITION,
    },
]);

pub(super) static SECRETS: Shape = Shape::Included(&closed! {
    "providers": &Shape::Included(&named!(Plain, &Shape::Included(&Shape::Map(&Map {
        keys: &[("kind", &TEXT), ("identity", &TEXT), ("spec", &OBJECT)],
        others: Others::Any,
        needs: Needs::All(&["kind"]),
    })))),
    "vars": &Shape::Included(&named!(Some, &Shape::Included(&needing! {
        Needs::One(&["store", "sops"]);
        "description": &TEXT,
        "store": &TEXT,
        "sops": &TEXT,
        "reference": &TEXT,
        "required": &FLAG,
        "scope": &Shape::Word(&["instance", "stack", "global"]),
    }))),
});

pub(super) static AUTH: Shape = Shape::Included(&open! {
    "require_identity": &FLAG,
    "realm": &TEXT,
    "providers": &Shape::Included(&named!(Plain, &Shape::Included(&Shape::Map(&Map {
        keys: &[
            ("kind", &TEXT),
            ("start_url", &TEXT),
            ("url", &TEXT),
            ("region", &TEXT),
            ("default", &FLAG),
            ("session", &AUTH_SESSION),
            ("console", &Shape::Included(&closed! {"session_duration": &TEXT})),
            ("auto_provision_identities", &FLAG),
            ("spec", &OBJECT),
            ("tags", &TEXTS),
        ],
        others: Others::Any,
        needs: Needs::All(&["kind"]),
    })))),
    "identities": &Shape::Included(&named!(Plain, &Shape::Included(&open! {
        "kind": &TEXT,
        "default": &FLAG,
        "required": &FLAG,
        "provider": &TEXT,
        "via": &Shape::Included(&closed! {"provider": &TEXT, "identity": &TEXT}),
        "principal": &open! {"name": &TEXT, "account": &open! {"name": &TEXT, "id": &TEXT}},
        "credentials": &OBJECT,
        "alias": &TEXT,
        "env": &list!(&Shape::Map(&Map {
            keys: &[("key", &TEXT), ("value", &TEXT)],
            others: Others::Any,
            needs: Needs::All(&["key", "value"]),
        })),
        "session": &AUTH_SESSION,
        "tags": &TEXTS,
    }))),
    "integrations": &OBJECT,
});
pub(super) static AUTH_SESSION: Shape = Shape::Included(&closed! {"duration": &TEXT});
