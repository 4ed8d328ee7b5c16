//! A small estate for the tests of the screen.

use jiff::Timestamp;
use serde_json::json;

use crate::domain::golden_path::GoldenPath;
use crate::domain::id::RunId;
use crate::domain::request::Request;
use crate::domain::run::{Run, RunState};
use crate::domain::service::Service;
use crate::domain::stack::{Dependency, Diagnostic, Explanation, ImportEdge, InstanceSummary, StackSummary};

use super::app::{App, Setup};
use super::keymap::Keymap;
use super::memory::Memory;
use super::message::{Answer, Card, Effect, Message, WorkflowCard};
use super::theme::{Depth, Theme};
use super::update::update;

/// An estate as the platform would tell it.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its stacks.
    pub stacks: Vec<StackSummary>,
    /// Its instances.
    pub instances: Vec<InstanceSummary>,
    /// Its imports.
    pub imports: Vec<ImportEdge>,
    /// Its problems.
    pub diagnostics: Vec<Diagnostic>,
    /// Its dependencies.
    pub dependencies: Vec<Dependency>,
    /// Its services.
    pub services: Vec<Service>,
}

/// Returns the time at which the tests take place.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_second(1_795_424_400).unwrap_or_default()
}

fn instance(component: &str, stack: &str, inherits: &[&str], is_abstract: bool) -> InstanceSummary {
    InstanceSummary {
        component: component.into(),
        stack: stack.into(),
        component_type: "terraform".into(),
        is_abstract,
        file: format!("stacks/{stack}.yaml"),
        folder: component.split('/').next().unwrap_or_default().into(),
        enabled: true,
        locked: false,
        workspace: Some(format!("{stack}-{component}")),
        inherits: inherits.iter().map(|s| (*s).into()).collect(),
        team: Some("payments".into()),
        errors: 0,
    }
}

fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|e| panic!("a fixture is wrong: {e}"))
}

/// Returns a small estate.
#[must_use]
pub fn estate() -> Told {
    let names = ["plat-ue2-dev", "plat-ue2-prod", "plat-uw1-dev", "plat-uw1-prod"];
    let stacks = names
        .iter()
        .map(|name| StackSummary {
            stack: (*name).into(),
            files: vec![format!("stacks/{name}.yaml")],
            parts: name.split('-').map(str::to_owned).collect(),
            instances: 3,
        })
        .collect();
    let mut instances = Vec::new();
    for name in names {
        instances.push(instance("database/defaults", name, &[], true));
        instances.push(instance("network", name, &[], false));
        instances.push(instance("orders", name, &[], false));
        instances.push(instance("orders-db", name, &["database/defaults"], false));
    }
    let edge = |from: &str, to: &str, line: u32| ImportEdge {
        from: from.into(),
        to: to.into(),
        source: read(json!({"file": from, "line": line, "column": 5})),
    };
    let mut imports = vec![
        edge("stacks/catalog/database.yaml", "stacks/mixins/tags.yaml", 2),
        edge("stacks/mixins/tags.yaml", "stacks/catalog/database.yaml", 2),
    ];
    for name in names {
        imports.push(edge(&format!("stacks/{name}.yaml"), "stacks/catalog/database.yaml", 3));
    }
    Told {
        stacks,
        instances,
        imports,
        diagnostics: read(json!([{
            "severity": "error", "code": "import-not-found",
            "message": "stack 'plat-uw1-prod' imports 'catalog/netwrok', which does not exist",
            "hint": "did you mean 'catalog/network'?",
            "source": {"file": "stacks/plat-uw1-prod.yaml", "line": 4, "column": 5}, "stack": "plat-uw1-prod"}])),
        dependencies: read(json!([
            {"from": {"component": "orders-db", "stack": "plat-ue2-prod"},
             "to": {"component": "network", "stack": "plat-ue2-prod"}, "kind": "depends_on",
             "source": {"file": "stacks/catalog/database.yaml", "line": 20, "column": 9}},
            {"from": {"component": "orders", "stack": "plat-ue2-prod"},
             "to": {"component": "orders-db", "stack": "plat-ue2-prod"}, "kind": "dependencies", "source": null}])),
        services: read(json!([{
            "name": "database", "type": "terraform", "folder": "components/terraform/database", "exists": true,
            "description": {"value": "A PostgreSQL database", "source": null},
            "owner": {"value": "payments", "source": {"file": "platform/teams.yaml", "line": 3, "column": 5}},
            "tier": {"value": "1", "source": null}, "lifecycle": {"value": "production", "source": null},
            "readme": "# database\n\nKeeps **orders**.\n",
            "inputs": [{"name": "size", "type": "string", "description": "How large", "default": "small",
                "required": false, "sensitive": false, "nullable": true, "validations": [],
                "source": {"file": "components/terraform/database/variables.tf", "line": 1, "column": 1}}],
            "outputs": [{"name": "url", "description": "Where it is", "sensitive": true,
                "source": {"file": "components/terraform/database/outputs.tf", "line": 1, "column": 1}}],
            "instances": [{"component": "orders-db", "stack": "plat-ue2-prod"}], "problems": []},
           {"name": "legacy", "type": "terraform", "folder": "components/terraform/legacy", "exists": true,
            "description": null, "owner": null, "tier": null, "lifecycle": null, "readme": null,
            "inputs": [], "outputs": [], "instances": [], "problems": []}])),
    }
}

/// Returns where the values of `orders-db` in `plat-ue2-prod` come from.
#[must_use]
pub fn explanation() -> Explanation {
    read(json!({"component": "orders-db", "stack": "plat-ue2-prod", "values": [
        {"path": ["vars", "engine"], "value": "postgres",
         "source": {"file": "stacks/catalog/database.yaml", "line": 9, "column": 15}, "chain": [
            {"value": "postgres", "source": {"file": "stacks/catalog/database.yaml", "line": 9, "column": 15},
             "section": "components.terraform.database/defaults.vars.engine", "via": "inherits"}]},
        {"path": ["vars", "size"], "value": "large",
         "source": {"file": "stacks/plat-ue2-prod.yaml", "line": 23, "column": 15}, "chain": [
            {"value": "small", "source": {"file": "stacks/catalog/database.yaml", "line": 10, "column": 15},
             "section": "components.terraform.database/defaults.vars.size", "via": "inherits"},
            {"value": "large", "source": {"file": "stacks/plat-ue2-prod.yaml", "line": 23, "column": 15},
             "section": "components.terraform.orders-db.vars.size", "via": "component"}]},
        {"path": ["vars", "storage", "gb"], "value": 200,
         "source": {"file": "stacks/plat-ue2-prod.yaml", "line": 24, "column": 15}, "chain": []},
        {"path": ["vars", "subnet"], "value": "!terraform.output network subnet",  "unevaluated": true,
         "source": {"file": "stacks/plat-ue2-prod.yaml", "line": 25, "column": 15}, "chain": []},
        {"path": ["metadata", "workspace"], "value": "plat-ue2-prod-orders-db", "source": null,
         "computed": "workspace", "chain": []}]}))
}

/// Returns a run.
#[must_use]
pub fn run(number: u64, state: RunState) -> Run {
    let id = ulid::Ulid::from_parts(1_795_424_000_000 + number, u128::from(number));
    let mut value = serde_json::to_value(template(RunId(id))).unwrap_or_default();
    value["number"] = json!(number);
    value["state"] = json!(state);
    read(value)
}

fn template(id: RunId) -> Run {
    read(json!({
        "id": id, "number": 1, "kind": "plan", "state": "running", "version": 3, "driver": "terraform",
        "command": "terrace plan orders-db -s plat-ue2-prod", "commands": [
            {"step": "plan", "argv": ["terraform", "plan", "-input=false"], "folder": "components/terraform/database"}],
        "component": "orders-db", "stack": "plat-ue2-prod", "waiting_for": null, "reason": null, "next": null,
        "exit_code": null, "plan_summary": null, "summary": null, "plan_digest": null, "steps": [
            {"name": "init", "command": "terraform init", "state": "succeeded", "log_offset": 0, "exit_code": 0},
            {"name": "plan", "command": "terraform plan", "state": "running", "log_offset": 12, "exit_code": null}],
        "findings": [], "stood_on": {"commit": "4f2a91c0", "dirty": false, "tree_digest": null,
            "config_digest": null, "tools": ["terraform 1.11.4"]},
        "actor": "alice", "retry_of": null, "set": null, "after": [],
        "resolves": null, "workspace": null, "confirmed_by": null, "cancel_asked": false, "changing_command": false,
        "log_lost": 0, "expires_at": null,
        "targets": [{"component": "orders-db", "stack": "plat-ue2-prod"}],
        "log_bytes": 0, "log_lines": 0,
        "queued_at": "2026-11-23T09:00:00Z", "started_at": "2026-11-23T09:00:01Z", "ended_at": null
    }))
}

/// Returns a dashboard that has just opened, before anything was answered.
#[must_use]
pub fn fresh(width: u16, height: u16) -> App {
    App::new(Setup {
        now: now(),
        zone: jiff::tz::TimeZone::UTC,
        size: (width, height),
        keymap: Keymap::shipped("default").unwrap_or_default(),
        themes: ["dark", "light", "terminal"].iter().filter_map(|n| Theme::shipped(n, Depth::True).ok()).collect(),
        theme: 0,
        colors: true,
        memory: Memory::default(),
        target: None,
        name: "orchard".into(),
    })
}

/// Tells a dashboard about the small estate, as a platform would, and returns what it asks for then.
pub fn tell(app: &mut App) -> Vec<Effect> {
    let told = estate();
    let card = Card {
        name: "orchard".into(),
        root: "/srv/orchard".into(),
        driver: Some("terraform 1.11.4".into()),
        user: "alice".into(),
        role: "operator".into(),
        solo: true,
        ..Card::default()
    };
    let workflows = vec![WorkflowCard {
        name: "deploy".into(),
        file: "deploy.yaml".into(),
        description: Some("Deploys everything".into()),
        steps: vec!["terraform apply network".into()],
        needs_stack: true,
        asks: Vec::new(),
    }];
    let mut effects = Vec::new();
    for answer in [
        Answer::Connected,
        Answer::Card(Ok(card)),
        Answer::Stacks(Ok(told.stacks)),
        Answer::Instances(Ok(told.instances)),
        Answer::Diagnostics(Ok(told.diagnostics)),
        Answer::Imports(Ok(told.imports)),
        Answer::Dependencies(Ok(told.dependencies)),
        Answer::Services(Ok(told.services)),
        Answer::Workflows(Ok(workflows)),
        Answer::Runs(Ok(Vec::new())),
    ] {
        effects.extend(update(app, Message::Answer(Box::new(answer))));
    }
    effects
}

/// Presses keys, written as `--keys` takes them.
pub fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let events = keys.split_whitespace().filter_map(super::keymap::key_event).collect::<Vec<_>>();
    events.into_iter().flat_map(|event| update(app, Message::Key(event))).collect()
}

/// Draws a dashboard as text, line by line.
#[must_use]
pub fn draw(app: &App) -> String {
    let backend = ratatui::backend::TestBackend::new(app.size.0, app.size.1);
    let Ok(mut terminal) = ratatui::Terminal::new(backend);
    let Ok(_) = terminal.draw(|frame| super::view::view(app, frame));
    super::snapshot::text(terminal.backend().buffer())
}

/// Returns a request for a database by dan, planned, priced and judged.
#[must_use]
pub fn request(number: u64, state: &str) -> Request {
    let digest = "4f2a91c0".repeat(8);
    let money = |amount: &str| json!({"amount": amount, "currency": "USD"});
    let resource = |address: &str, monthly: serde_json::Value| {
        json!({"address": address, "type": address.split('.').next(), "action": "create", "region": null,
            "monthly": monthly, "before": money("0.00"), "delta": monthly, "components": []})
    };
    let unknown = json!({"amount": null, "currency": "USD", "unknown": ["no price for aws_kms_key"]});
    let after = json!({"amount": "913.20", "currency": "USD", "unknown": ["aws_kms_key.db: no price for aws_kms_key"]});
    let verdict = json!({"gate": "plan", "outcome": "needs_approval", "findings": [
        {"code": "no-multi-az", "message": "single zone in prod", "weight": "warn", "address": "aws_db_instance.this",
         "location": null, "fix": "turn on multi_az", "policy": "builtin/zones.rego"}],
        "approvals": [{"count": 2, "group": "payments", "code": "protected-stage",
            "message": "billing-db@plat-ue2-prod is in a protected stage", "policy": "terrace"}],
        "switched_off": [], "passed": 14, "bundle": digest});
    let estimate = json!({"before": money("0.00"), "after": after, "delta": after, "fixed": money("913.20"),
        "unknown": [], "resources": [
            resource("aws_db_instance.this", money("913.20")), resource("aws_kms_key.db", unknown)]});
    let instance = json!({"component": "billing-db", "stack": "plat-ue2-prod"});
    read(json!({
        "number": number, "kind": "provision", "title": "PostgreSQL database billing", "state": state, "version": 4,
        "requester": "dan", "reason": null, "next": null,
        "revisions": [{"wish": {"kind": "provision", "golden_path": "postgres-database",
            "inputs": {"name": "billing", "stack": "plat-ue2-prod", "team": "payments"}, "reason": "invoices"},
            "written_at": "2026-11-23T08:46:00Z"}],
        "check": {"files": [{"path": "stacks/plat-ue2-prod.yaml", "before": "", "after": "", "diff": "--- a\n+++ b\n@@ -1 +1,2 @@\n components:\n+    billing-db:\n"}],
            "instances": [{"component": "billing-db", "stack": "plat-ue2-prod", "action": "create"}],
            "plans": [{"instance": instance, "action": "create", "on_branch": true, "run": RunId(ulid::Ulid::from_parts(1_795_424_000_000, 9)), "number": 9,
                "digest": digest, "summary": {"add": 2, "change": 0, "destroy": 0, "replace": 0}, "variables": digest,
                "estimate": estimate, "verdict": verdict}],
            "price": {"before": money("0.00"), "after": after, "delta": after}, "verdict": verdict,
            "binding": {"revision": 1, "commit": "c0ffee", "plans": {"billing-db@plat-ue2-prod": digest},
                "policy": digest, "estimate": digest, "variables": digest},
            "checked_at": "2026-11-23T08:47:00Z"},
        "decisions": [], "comments": [{"actor": "erin", "text": "Why production at once?", "at": "2026-11-23T08:50:00Z"}],
        "runs": [], "merged": null, "outputs": [], "submitted_at": "2026-11-23T08:46:10Z",
        "waiting_since": "2026-11-23T08:47:00Z", "waited_seconds": 0, "expires_at": "2026-11-30T08:47:00Z",
        "ended_at": null}))
}

/// Returns a golden path.
#[must_use]
pub fn golden_path() -> GoldenPath {
    read(
        json!({"name": "postgres-database", "title": "PostgreSQL database", "description": "A PostgreSQL of your own.",
        "owner": "platform", "tier": "1", "service": "database", "file": "platform/golden-paths/postgres-database/template.yaml",
        "inputs": {"type": "object", "required": ["name", "stack", "team"], "additionalProperties": false, "properties": {
            "name": {"type": "string", "title": "Name", "description": "Its name", "pattern": "^[a-z]+$", "simple": true},
            "stack": {"type": "string", "title": "Where", "simple": true,
                "enum": ["plat-ue2-dev", "plat-ue2-prod", "plat-uw1-dev", "plat-uw1-prod"]},
            "team": {"type": "string", "title": "Team", "enum": ["orders", "payments"], "simple": true},
            "size": {"type": "string", "title": "Size", "enum": ["small", "large"], "default": "small", "simple": true},
            "storage_gb": {"type": "integer", "title": "Room", "minimum": 10, "default": 20, "group": "How much"},
            "backup_days": {"type": "integer", "title": "Backups", "default": 7, "group": "How much"}}}}),
    )
}
