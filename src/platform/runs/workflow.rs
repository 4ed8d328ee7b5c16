//! From a workflow to a script: its steps, one by one, as Atmos would run them.

use std::collections::{BTreeMap, BTreeSet};

use super::error::RunError;
use super::work::{Ground, Work, exec, only_atmos, reference, without_stack};
use crate::atmos::driver::script::{Action, Exec, Script, StepTitle};
use crate::atmos::driver::{commands, files, instance, variables, workflow};
use crate::atmos::{AtmosError, RunTarget};
use crate::domain::run::lock::LockKey;
use crate::domain::run::{DriverKind, RunRequest};
use crate::domain::stack::InstanceRef;

impl Ground<'_> {
    pub(super) fn workflow(&self, request: &RunRequest) -> Result<Work, RunError> {
        let missing = |what: &str| RunError::invalid(format!("a workflow needs {what}"));
        let name = request.workflow.as_deref().ok_or_else(|| missing("a name"))?;
        let file = request.workflow_file.as_deref().ok_or_else(|| missing("a file (-f FILE)"))?;
        let root = self.configuration.root();
        let read = workflow::read(root, &self.configuration.workflows(), file, name)?;
        let driver = self.tools.driver(request.driver);
        let mut script = Script::default();
        let mut targets = Vec::new();
        if read.is_plain() {
            let from = self.first_step(&read, name, request)?;
            self.ask_for_variables(&read, from)?;
            if read.steps[from..].iter().any(|step| step.kind() == "atmos") {
                self.refuse_where_atmos_does(driver)?;
            }
            for (index, step) in read.steps.iter().enumerate() {
                if index < from {
                    script.steps.push(StepTitle {
                        name: read.step_name(index),
                        command: step.command.clone().unwrap_or_default(),
                        skipped: true,
                    });
                    continue;
                }
                targets.extend(self.workflow_step(&mut script, &read, index, step, request, driver)?);
            }
        } else if driver == DriverKind::Atmos {
            self.refuse_where_atmos_does(driver)?;
            let mut words = ["workflow", name, "-f", file].map(str::to_owned).to_vec();
            if let Some(stack) = &request.stack {
                words.extend(["-s".to_owned(), stack.clone()]);
            }
            if let Some(step) = &request.from_step {
                words.extend(["--from-step".to_owned(), step.clone()]);
            }
            self.atmos_step(&mut script, name, &words, None, &BTreeMap::new())?;
        } else {
            let what = read.only_atmos().unwrap_or_default();
            return Err(AtmosError::new(
                "only-atmos",
                format!("workflow '{name}' has what only Atmos can run: {what}"),
            )
            .hint("install atmos, or set ATMOS_BIN")
            .into());
        }
        let mut locks: BTreeSet<LockKey> = targets.iter().flat_map(|target| instance::locks(target, root)).collect();
        if self.gates && (!read.is_plain() || read.steps.iter().any(|step| step.kind() == "shell")) {
            let given = request.stack.as_deref();
            let named = read.steps.iter().filter_map(|step| workflow::stack_of(step, &read, given));
            let stacks: BTreeSet<String> = named.chain(given.or(read.stack.as_deref()).map(str::to_owned)).collect();
            locks.extend(stacks.iter().flat_map(|stack| self.states_of(stack)));
        }
        let references: BTreeSet<InstanceRef> = targets.iter().map(reference).collect();
        Ok(Work {
            driver,
            command: workflow::typed(name, file, request.stack.as_deref()),
            script,
            locks: locks.into_iter().collect(),
            target_locks: Vec::new(),
            targets: references.into_iter().collect(),
            workspace: None,
            changes: true,
            digest: Some(read.digest(request.stack.as_deref())),
            stood_on: self.stood_on(driver, &targets.iter().collect::<Vec<_>>()),
            leaves: Vec::new(),
        })
    }

    /// Returns the locks of every state of a stack: what no plan binds may change any of them.
    fn states_of(&self, stack: &str) -> Vec<LockKey> {
        let runnable =
            self.configuration.instances().into_iter().filter(|one| {
                one.stack == stack && !one.is_abstract && one.enabled && one.component_type == "terraform"
            });
        let target = |component: String| self.configuration.target(&component, stack, None).ok();
        let targets = runnable.filter_map(|one| target(one.component));
        let root = self.configuration.root();
        targets.flat_map(|target| instance::locks(&target, root)).filter(LockKey::is_state).collect()
    }

    fn first_step(&self, read: &workflow::Workflow, name: &str, request: &RunRequest) -> Result<usize, RunError> {
        let Some(from) = &request.from_step else {
            return Ok(0);
        };
        (0..read.steps.len()).find(|index| read.step_name(*index) == *from).ok_or_else(|| {
            let names: Vec<String> = (0..read.steps.len()).map(|index| read.step_name(index)).collect();
            RunError::Invalid {
                message: format!("workflow '{name}' has no step '{from}'"),
                hint: Some(format!("its steps: {}", names.join(", "))),
            }
        })
    }

    /// Refuses where a step reads a variable that nothing sets.
    fn ask_for_variables(&self, read: &workflow::Workflow, from: usize) -> Result<(), AtmosError> {
        let mut missing: BTreeMap<String, String> = BTreeMap::new();
        for (index, step) in read.steps.iter().enumerate().skip(from).filter(|(_, step)| step.kind() == "shell") {
            let is_set = |name: &str| {
                self.variables.contains(name) || read.env.contains_key(name) || step.env.contains_key(name)
            };
            for name in variables::unset(step.command.as_deref().unwrap_or_default(), &is_set) {
                missing.entry(name).or_insert_with(|| read.step_name(index));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let read: Vec<String> = missing.iter().map(|(name, step)| format!("step '{step}' reads ${name}")).collect();
        let give: Vec<String> = missing.keys().map(|name| format!("--env {name}=VALUE")).collect();
        Err(AtmosError::new("needs-variables", format!("{}, and nothing sets it", read.join(", ")))
            .hint(format!("give it: {}", give.join(" "))))
    }

    /// Adds one step of a workflow; returns the instance it is about, where it is about one.
    fn workflow_step(
        &self,
        script: &mut Script,
        read: &workflow::Workflow,
        index: usize,
        step: &workflow::Step,
        request: &RunRequest,
        driver: DriverKind,
    ) -> Result<Option<RunTarget>, RunError> {
        let name = read.step_name(index);
        let command = step.command.clone().unwrap_or_default();
        let env: BTreeMap<String, Option<String>> = read
            .env
            .iter()
            .chain(&step.env)
            .map(|(name, value)| (name.clone(), Some(files::env_text(value))))
            .collect();
        if step.kind() == "shell" {
            if command.contains("{{") {
                return Err(AtmosError::new(
                    "only-atmos",
                    format!("step '{name}' is a template, which Atmos renders first"),
                )
                .hint("--driver atmos runs the workflow, where Atmos is installed")
                .into());
            }
            let folder = step.working_directory.as_ref().or(read.working_directory.as_ref());
            let root = self.configuration.root();
            let folder = folder.map_or_else(|| root.to_owned(), |folder| root.join(folder));
            script.steps.push(StepTitle { name, command: command.clone(), skipped: false });
            let argv = ["bash", "-c", &command].map(str::to_owned).to_vec();
            let retry = read.retry(index)?;
            let exec = Exec { retry, ..exec(script.steps.len() - 1, argv, folder, env) };
            script.actions.push(Action::Exec(exec));
            return Ok(None);
        }
        let mut words = workflow::split(&command);
        let stack = workflow::stack_of(step, read, request.stack.as_deref());
        if let Some(stack) = &stack {
            words = without_stack(words);
            let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
            words.splice(end..end, ["-s".to_owned(), stack.clone()]);
        }
        let target = match commands::instance(&words) {
            Some((component, stack)) => Some(self.configuration.target(&component, &stack, None)?),
            None => None,
        };
        match (driver, &target) {
            (DriverKind::Atmos, target) => self.atmos_step(script, &name, &words, target.as_ref(), &env)?,
            (DriverKind::Terraform, Some(target)) => self.terraform_step(script, &name, &words, target, true)?,
            (DriverKind::Terraform, None) => return Err(only_atmos(&words).into()),
        }
        let last = script.actions.iter_mut().rev().find_map(|action| match action {
            Action::Exec(exec) => Some(exec),
            _ => None,
        });
        if let Some(exec) = last {
            exec.retry = read.retry(index)?;
        }
        Ok(target)
    }
}
