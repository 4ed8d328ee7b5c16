//! What `workflows` of a manifest may hold; files of workflows may lie among the stacks.

use super::sections::{CONDITION, DEPENDENCIES, STEP_RETRY};
use super::shape::*;

macro_rules! map {
    ($others:expr; $($key:literal : $shape:expr),* $(,)?) => {
        Shape::Map(&Map { keys: &[$(($key, $shape)),*], others: $others, needs: NOTHING })
    };
}

static WHOLE: Shape = Shape::Whole(i64::MIN);
static WHOLES: Shape = list!(&WHOLE);

/// The section `workflows`.
pub(super) static WORKFLOWS: Shape =
    Shape::Included(&Shape::Map(&Map { keys: &[], others: Others::Named(Name::Component, &WORKFLOW), needs: NOTHING }));

static WORKFLOW: Shape = Shape::Included(&Shape::Map(&Map {
    keys: &[
        ("description", &TEXT),
        ("stack", &TEXT),
        ("dependencies", &DEPENDENCIES),
        ("steps", &STEPS),
        ("working_directory", &TEXT),
        ("env", &TEXT_MAP),
        ("container", &CONTAINER),
        ("output", &TEXT),
        ("viewport", &VIEWPORT),
        ("show", &SHOW),
    ],
    others: Others::Refused,
    needs: Needs::All(&["steps"]),
}));

static STEPS: Shape = Shape::Included(&Shape::List(&List { items: &STEP, unique: false, least: 0 }));
static VIEWPORT: Shape = Shape::Included(&map! {Others::Refused; "height": &WHOLE, "width": &WHOLE});
static SHOW: Shape = Shape::Included(&map! {
    Others::Refused;
    "header": &FLAG,
    "flags": &FLAG,
    "command": &FLAG,
    "count": &FLAG,
    "progress": &FLAG,
    "labels": &FLAG,
});
static CONTAINER: Shape = Shape::Either(&[
    &FLAG,
    &Shape::Included(&map! {
        Others::Any;
        "image": &TEXT,
        "shell": &TEXT,
        "provider": &TEXT,
        "runtime_auto_start": &FLAG,
        "pull": &TEXT,
        "workspace": &TEXT,
        "workspace_read_only": &FLAG,
        "cleanup": &TEXT,
        "user": &TEXT,
        "run_args": &TEXTS,
        "mounts": &OBJECTS,
        "ports": &OBJECTS,
        "env": &TEXT_MAP,
    }),
]);

static STEP: Shape = map! {
    Others::Any;
    "name": &TEXT, "command": &TEXT, "args": &TEXTS, "mode": &TEXT, "rate": &TEXT, "write_rate": &TEXT, "text": &TEXT,
    "prompt": &Shape::Either(&[&TEXT, &map! {
        Others::Refused;
        "text": &TEXT,
        "style": &Shape::Word(&["command", "label", "muted", "info", "notice"]),
    }]),
    "stack": &TEXT, "type": &TEXT, "retry": &STEP_RETRY, "working_directory": &TEXT, "identity": &TEXT,
    "when": &CONDITION, "continue": &CONDITION,
    "inputs": &map! {Others::Refused; "sources": &TEXTS},
    "artifacts": &map! {Others::Refused; "paths": &TEXTS},
    "preconditions": &map! {Others::Refused; "tools": &TEXTS},
    "timeout": &TEXT, "env": &TEXT_MAP,
    "needs": &Shape::List(&List { items: &TEXT, unique: true, least: 0 }),
    "max_concurrency": &COUNT,
    "fail": &map! {
        Others::Refused;
        "mode": &Shape::Word(&["wait_all", "fail_fast", "best_effort"]),
        "max_failures": &COUNT,
    },
    "output": &Shape::Either(&[&TEXT, &map! {
        Others::Refused;
        "mode": &Shape::Word(&["", "grouped", "prefixed", "none"]),
        "order": &Shape::Word(&["completion", "definition"]),
        "show_summary": &FLAG, "prefix": &TEXT, "cast": &TEXT, "gif": &TEXT, "mp4": &TEXT, "html": &TEXT, "ascii": &TEXT,
        "png": &TEXT, "jpg": &TEXT,
    }]),
    "matrix": &map! {Others::Each(&Shape::List(&List { items: &TEXT, unique: false, least: 1 }));},
    "steps": &STEPS, "script": &TEXT, "interpreter": &TEXT, "interactive": &FLAG, "tty": &FLAG, "options": &TEXTS,
    "default": &TEXT, "placeholder": &TEXT, "password": &FLAG, "multiple": &FLAG, "limit": &WHOLE, "content": &TEXT,
    "title": &TEXT, "data": &OBJECTS, "columns": &TEXTS, "separator": &TEXT, "path": &TEXT,
    "source": &Shape::Either(&[&TEXT, &OBJECT]),
    "reset": &FLAG, "extensions": &TEXTS, "height": &WHOLE, "viewport": &VIEWPORT, "count": &WHOLE, "foreground": &TEXT,
    "background": &Shape::Either(&[&TEXT, &FLAG]),
    "border": &TEXT, "border_foreground": &TEXT, "border_background": &TEXT, "padding": &TEXT, "margin": &TEXT,
    "width": &WHOLE, "align": &TEXT, "bold": &FLAG, "italic": &FLAG, "underline": &FLAG, "strikethrough": &FLAG,
    "faint": &FLAG, "markdown": &FLAG, "level": &TEXT, "fields": &TEXT_MAP, "voice": &TEXTS, "print": &TEXT,
    "vars": &TEXT_MAP, "export": &FLAG, "code": &WHOLE, "url": &TEXT, "method": &TEXT, "headers": &TEXT_MAP,
    "query": &TEXT_MAP, "body": &TEXT, "form": &TEXT_MAP,
    "expect": &map! {Others::Any; "status": &WHOLES, "response": &TEXTS},
    "shell": &TEXT, "key_interval": &TEXT, "jitter": &Shape::Number(None, None), "cursor": &FLAG, "regex": &TEXT,
    "key": &TEXT, "duration": &TEXT, "interval": &TEXT, "repeat": &WHOLE, "defaults": &OBJECT, "action": &TEXT,
    "with": &OBJECT, "runtime_auto_start": &FLAG, "runtime": &OBJECT, "provider": &TEXT, "container": &CONTAINER,
    "component": &TEXT, "ephemeral": &FLAG, "format": &TEXT, "destination": &TEXT, "subpath": &TEXT, "include": &TEXTS,
    "exclude": &TEXTS, "mtime": &TEXT, "files": &TEXTS, "tools": &TEXTS, "dirs": &TEXTS, "hint": &TEXT,
    "outputs": &TEXT_MAP, "show": &SHOW,
    "for": &Shape::Either(&[&TEXT, &TEXTS]),
};
