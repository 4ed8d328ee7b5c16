//! The service catalog: what the files of the components say, and who owns them by `platform/teams.yaml`.
//!
//! Owns the join of both. Leaves reading the files to [`crate::atmos::catalog`], whose table says where each fact is
//! taken from; a team of `platform/teams.yaml` comes before all of them.

use std::collections::HashMap;

use super::estate::Snapshot;
use super::teams::Teams;
use crate::atmos::catalog;
use crate::atmos::files::Disk;
use crate::domain::service::{Attribute, Service};
use crate::domain::stack::Diagnostic;

/// Returns every component as a service, by name; only the one of that name where one is given.
///
/// Reads the folders of the components from the disk, as they are now.
#[must_use]
pub fn services(snapshot: &Snapshot, only: Option<&str>) -> Vec<Service> {
    let mut services = catalog::services(snapshot.estate(), &Disk, only);
    for service in &mut services {
        if let Some(owner) = owner(snapshot.teams(), service) {
            service.owner = Some(owner);
        }
    }
    services
}

/// Returns what is missing or broken in the folders of the components.
#[must_use]
pub fn problems(snapshot: &Snapshot) -> Vec<Diagnostic> {
    catalog::problems(snapshot.estate(), &Disk)
}

/// Returns the team that owns most instances, among equals the first of the file; of a component that no stack uses, the
/// team whose patterns hold for its name in any stack.
fn owner(teams: &Teams, service: &Service) -> Option<Attribute> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for instance in &service.instances {
        if let Some(team) = teams.owner(&instance.component, &instance.stack) {
            *counts.entry(team.name.as_str()).or_default() += 1;
        }
    }
    let name = match teams.all().iter().rev().max_by_key(|team| counts.get(team.name.as_str()).copied().unwrap_or(0)) {
        Some(team) if counts.contains_key(team.name.as_str()) => Some(team.name.as_str()),
        _ if service.instances.is_empty() => teams.owner(&service.name, "").map(|team| team.name.as_str()),
        _ => None,
    }?;
    Some(Attribute { value: name.to_owned(), source: teams.place(name).cloned() })
}
