//! One moment of an estate: what Atmos says, and what `platform/` adds to it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::atmos::Estate;
use crate::atmos::driver::workflow::{self, Workflow};
use crate::atmos::files::Files;
use crate::domain::allocation::Rules;
use crate::domain::showback::Rate;
use crate::domain::stack::{Diagnostic, InstanceSummary, Severity};
use crate::platform::costs::{self, AllocationRules};
use crate::platform::policies::{CONFIG_FILE, Config, LIMIT, Switch};
use crate::platform::runs::configuration::Configuration;
use crate::platform::settings::{self, Settings};
use crate::platform::teams::{self, Teams};

/// An immutable snapshot, shared by everybody who asked at the time.
#[derive(Debug)]
pub struct Snapshot {
    estate: Arc<Estate>,
    settings: Settings,
    teams: Teams,
    lifted: Vec<Switch>,
    gates: bool,
    allocation: AllocationRules,
    workflows: Vec<(String, String, Workflow)>,
    diagnostics: Vec<Diagnostic>,
    needs: Vec<String>,
    trusted: bool,
    revision: u64,
    loaded_at: Timestamp,
}

impl Snapshot {
    /// Reads `platform/` beside a resolved estate; a file of it that cannot be read becomes a diagnostic.
    pub(super) fn new(
        estate: Arc<Estate>,
        (needs, trusted): (Vec<String>, bool),
        files: &dyn Files,
        revision: u64,
        loaded_at: Timestamp,
    ) -> Self {
        let mut diagnostics = estate.diagnostics().to_vec();
        let read = |file: &str| files.read(&estate.root().join(file)).unwrap_or_default();
        let settings = Settings::parse(&read(settings::FILE)).unwrap_or_else(|problem| {
            diagnostics.push(*problem);
            Settings::default()
        });
        let teams = Teams::parse(&read(teams::FILE)).unwrap_or_else(|problem| {
            diagnostics.push(*problem);
            Teams::default()
        });
        let allocation = costs::parse_rules(&read(costs::ALLOCATION_FILE)).unwrap_or_else(|problem| {
            diagnostics.push(*problem);
            AllocationRules::default()
        });
        let lifted = Config::switches_of(&String::from_utf8_lossy(&read(CONFIG_FILE)), LIMIT);
        // Also a file that cannot be read puts gates in force: nobody passes them then.
        let gates = files.kind(&estate.root().join(teams::FILE)).is_some();
        let workflows =
            workflow::list(estate.root(), &Configuration::workflows(estate.as_ref()), files, &mut diagnostics);
        Self {
            estate,
            settings,
            teams,
            lifted,
            gates,
            allocation,
            workflows,
            diagnostics,
            needs,
            trusted,
            revision,
            loaded_at,
        }
    }

    /// Returns what Atmos says.
    #[must_use]
    pub fn estate(&self) -> &Arc<Estate> {
        &self.estate
    }

    /// Returns what `platform/terrace.yaml` says.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the teams.
    #[must_use]
    pub fn teams(&self) -> &Teams {
        &self.teams
    }

    /// Returns why the teams cannot be read; [`Self::teams`] has none then.
    #[must_use]
    pub fn teams_problem(&self) -> Option<&Diagnostic> {
        let about = |problem: &&Diagnostic| {
            problem.severity == Severity::Error
                && problem.source.as_ref().is_some_and(|source| source.file == teams::FILE)
        };
        self.diagnostics.iter().find(about)
    }

    /// Returns why no budget of a team refuses or asks: `platform/policies.yaml` switches the limit off for it.
    #[must_use]
    pub fn limit_lifted(&self, team: &str) -> Option<&str> {
        let lifted = self.lifted.iter().find(|switch| switch.team.as_deref().is_none_or(|named| named == team));
        lifted.map(|switch| switch.reason.as_str())
    }

    /// Returns who pays for what, as `platform/allocation.yaml` says.
    #[must_use]
    pub fn allocation(&self) -> &Rules {
        &self.allocation.rules
    }

    /// Returns what chargeback adds.
    #[must_use]
    pub fn rates(&self) -> &[Rate] {
        &self.allocation.rates
    }

    /// Tells whether gates are in force: approvals start with `platform/teams.yaml`.
    #[must_use]
    pub fn has_gates(&self) -> bool {
        self.gates
    }

    /// Returns the workflows by file and in its order: file (relative to the workflows folder), name, workflow.
    #[must_use]
    pub fn workflows(&self) -> &[(String, String, Workflow)] {
        &self.workflows
    }

    /// Returns every problem of the stacks and of `platform/`.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Returns the instances with the teams that own them.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceSummary> {
        let mut instances = self.estate.instances();
        if !self.teams.all().is_empty() {
            for instance in &mut instances {
                let owner = self.teams.owner(&instance.component, &instance.stack);
                instance.team = owner.map(|team| team.name.clone()).or(instance.team.take());
            }
        }
        instances
    }

    /// Returns what the estate needs trust for, whether it is trusted or not.
    #[must_use]
    pub fn needs(&self) -> &[String] {
        &self.needs
    }

    /// Says whether what it needs trust for is evaluated.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Returns how often the estate was loaded in this process, from 1.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns when it was loaded.
    #[must_use]
    pub fn loaded_at(&self) -> Timestamp {
        self.loaded_at
    }
}
