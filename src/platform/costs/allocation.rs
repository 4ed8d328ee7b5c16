//! `platform/allocation.yaml`, and what the estate knows of a charge's resource.

use std::collections::HashMap;

use serde_json::Value;

use super::Priced;
use crate::domain::allocation::{AllocationFile, Item, Rules, TeamNames};
use crate::domain::cost::Charge;
use crate::domain::money::Exact;
use crate::domain::showback::Rate;
use crate::domain::stack::{Diagnostic, InstanceRef, Severity, Source};
use crate::platform::estate::Snapshot;
use crate::platform::settings::parse_yaml;

/// Where the rules lie, relative to the estate's root.
pub const FILE: &str = "platform/allocation.yaml";

/// Tags by which a resource names its instance.
const STACK_TAGS: [&str; 3] = ["atmos_stack", "terrace_stack", "stack"];
const COMPONENT_TAGS: [&str; 3] = ["atmos_component", "terrace_component", "component"];
/// Tags by which a resource names its stage.
const STAGE_TAGS: [&str; 3] = ["stage", "environment", "env"];

/// What `platform/allocation.yaml` says: who pays, and what chargeback adds.
#[derive(Debug, Clone, Default)]
pub struct AllocationRules {
    /// Who pays, in order.
    pub rules: Rules,
    /// What chargeback adds.
    pub rates: Vec<Rate>,
}

/// Reads the rules from the text of the file.
///
/// # Errors
///
/// The first problem, with its line where one is known.
pub fn parse_rules(bytes: &[u8]) -> Result<AllocationRules, Box<Diagnostic>> {
    let file: AllocationFile = parse_yaml(FILE, bytes)?;
    let rates = file.rates.clone();
    Rules::of(file).map(|rules| AllocationRules { rules, rates }).map_err(|error| {
        let text = String::from_utf8_lossy(bytes);
        let named = text.lines().enumerate().filter(|(_, line)| line.contains(&error.rule)).last();
        let line = named.map_or(1, |(line, _)| line + 1);
        Box::new(Diagnostic {
            severity: Severity::Error,
            code: "allocation-yaml".to_owned(),
            message: format!("{FILE}: {error}"),
            hint: None,
            source: Some(Source { file: FILE.to_owned(), line: u32::try_from(line).unwrap_or(u32::MAX), column: 1 }),
            stack: None,
        })
    })
}

/// What is known of resources: which instance made them, who owns it, in which stage it is.
#[derive(Debug, Default)]
pub struct Facts {
    teams: TeamNames,
    owners: HashMap<InstanceRef, Option<String>>,
    stages: HashMap<String, String>,
    resources: HashMap<String, InstanceRef>,
}

impl Facts {
    /// Gathers what a snapshot of the estate knows.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut facts = Self { teams: snapshot.teams().names(), ..Self::default() };
        for stack in snapshot.estate().stacks() {
            if let Some(stage) = stack.parts.last() {
                facts.stages.insert(stack.stack.clone(), stage.clone());
            }
        }
        for instance in snapshot.instances().into_iter().filter(|instance| !instance.is_abstract) {
            let at = InstanceRef { component: instance.component, stack: instance.stack };
            facts.owners.insert(at, instance.team);
        }
        facts
    }

    /// Learns which instance made which resource, by the ids in the states.
    pub(super) fn know(&mut self, priced: &[Priced]) {
        for instance in priced {
            let at = InstanceRef { component: instance.price.component.clone(), stack: instance.price.stack.clone() };
            for (_, _, attributes) in &instance.resources {
                for name in ["id", "arn", "self_link"] {
                    let id = attributes.get(name).and_then(Value::as_str).filter(|id| id.len() > 3);
                    if let Some(id) = id {
                        self.resources.entry(id.to_owned()).or_insert_with(|| at.clone());
                    }
                }
            }
        }
    }

    /// Returns the teams by all their names.
    #[must_use]
    pub fn teams(&self) -> &TeamNames {
        &self.teams
    }

    /// Returns the stage of a stack.
    #[must_use]
    pub fn stage(&self, stack: &str) -> Option<&str> {
        self.stages.get(stack).map(String::as_str)
    }

    /// Returns a charge with everything that is known of it.
    #[must_use]
    pub fn item<'a>(&'a self, charge: &'a Charge, billed: Exact, effective: Exact) -> Item<'a> {
        let tag = |names: &[&str]| names.iter().find_map(|name| charge.tag(name));
        let instance = tag(&STACK_TAGS).zip(tag(&COMPONENT_TAGS)).and_then(|(stack, component)| {
            let at = InstanceRef { component: component.to_owned(), stack: stack.to_owned() };
            self.owners.get_key_value(&at)
        });
        let by_id = || {
            let at = self.resources.get(charge.resource.as_deref()?)?;
            self.owners.get_key_value(at)
        };
        let instance = by_id().or(instance);
        let stage = instance.and_then(|(at, _)| self.stage(&at.stack)).or_else(|| tag(&STAGE_TAGS));
        Item {
            charge,
            instance: instance.map(|(at, _)| at),
            owner: instance.and_then(|(_, owner)| owner.as_deref()),
            stage,
            billed,
            effective,
        }
    }
}
