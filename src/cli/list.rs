//! `terrace list`: what there is, as tables or JSON arrays.

use super::output::{self, Table};
use super::{Context, Exit, Failure, Outcome};
use crate::domain::service::Attribute;
use crate::domain::stack::InstanceSummary;

/// Lists what there is: stacks, components, instances, services
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lists the stacks with their files
    Stacks,
    /// Lists the components with the stacks they are in
    Components,
    /// Lists the instances: each component in each stack
    Instances(Instances),
    /// Lists the services: every component with its owner, those that no stack uses too
    Services,
}

#[derive(Debug, clap::Args)]
struct Instances {
    /// Only those in this stack
    #[arg(short, long)]
    stack: Option<String>,
    /// Only those of this component
    #[arg(short, long)]
    component: Option<String>,
    /// Abstract ones too: those that are there only to be inherited from
    #[arg(long = "abstract")]
    with_abstract: bool,
}

impl Instances {
    fn holds(&self, instance: &InstanceSummary) -> bool {
        (self.with_abstract || !instance.is_abstract)
            && self.stack.as_ref().is_none_or(|stack| *stack == instance.stack)
            && self.component.as_ref().is_none_or(|component| *component == instance.component)
    }
}

/// A component by name, wherever it stands.
#[derive(Debug, serde::Serialize)]
struct Component {
    component: String,
    #[serde(rename = "type")]
    component_type: String,
    folder: String,
    stacks: Vec<String>,
}

impl List {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        if matches!(self.what, What::Services) {
            return services(context);
        }
        let estate = context.estate()?;
        match self.what {
            What::Services => {}
            What::Stacks => {
                let stacks = estate.stacks();
                let mut table = Table::new(&["stack", ">instances", "files"]);
                for stack in &stacks {
                    table.row(vec![stack.stack.clone(), stack.instances.to_string(), stack.files.join(" ")]);
                }
                output::print(context, &stacks, |out, paint| table.write(out, paint, "no stacks"))?;
            }
            What::Components => {
                let components = components(&estate.instances());
                let mut table = Table::new(&["component", "type", "folder", ">stacks"]);
                for component in &components {
                    table.row(vec![
                        component.component.clone(),
                        component.component_type.clone(),
                        component.folder.clone(),
                        component.stacks.len().to_string(),
                    ]);
                }
                output::print(context, &components, |out, paint| table.write(out, paint, "no components"))?;
            }
            What::Instances(wanted) => {
                let mut instances = estate.instances();
                instances.retain(|instance| wanted.holds(instance));
                let mut table = Table::new(&["component", "stack", "type", "team", "file", ""]);
                for instance in &instances {
                    table.row(vec![
                        instance.component.clone(),
                        instance.stack.clone(),
                        instance.component_type.clone(),
                        instance.team.clone().unwrap_or_default(),
                        instance.file.clone(),
                        marks(instance),
                    ]);
                }
                output::print(context, &instances, |out, paint| table.write(out, paint, "no instances"))?;
            }
        }
        Ok(Exit::Done)
    }
}

fn services(context: &Context) -> Outcome {
    let services = super::runtime()?.block_on(super::local::reading(context)?.services()).map_err(Failure::from)?;
    let mut table = Table::new(&["service", "type", "owner", "tier", "lifecycle", ">instances", "folder", ""]);
    for service in &services {
        let text = |attribute: &Option<Attribute>| attribute.as_ref().map(|a| a.value.clone()).unwrap_or_default();
        let note = match (service.exists, service.instances.is_empty(), service.problems.is_empty()) {
            (false, ..) => "no folder",
            (_, true, _) => "no stack uses it",
            (_, _, false) => "has problems",
            _ => "",
        };
        table.row(vec![
            service.name.clone(),
            service.component_type.clone(),
            text(&service.owner),
            text(&service.tier),
            text(&service.lifecycle),
            service.instances.len().to_string(),
            service.folder.clone(),
            note.to_owned(),
        ]);
    }
    output::print(context, &services, |out, paint| table.write(out, paint, "no services"))?;
    Ok(Exit::Done)
}

fn marks(instance: &InstanceSummary) -> String {
    let marks = [
        (instance.is_abstract, "abstract"),
        (!instance.enabled, "disabled"),
        (instance.locked, "locked"),
        (instance.errors > 0, "has errors"),
    ];
    marks.iter().filter(|(holds, _)| *holds).map(|(_, word)| *word).collect::<Vec<_>>().join(", ")
}

fn components(instances: &[InstanceSummary]) -> Vec<Component> {
    let mut components: Vec<Component> = Vec::new();
    let mut instances: Vec<&InstanceSummary> = instances.iter().filter(|instance| !instance.is_abstract).collect();
    instances.sort_by_key(|i| (&i.component, &i.component_type, &i.stack));
    for instance in instances {
        match components.last_mut() {
            Some(last) if last.component == instance.component && last.component_type == instance.component_type => {
                last.stacks.push(instance.stack.clone());
            }
            _ => components.push(Component {
                component: instance.component.clone(),
                component_type: instance.component_type.clone(),
                folder: instance.folder.clone(),
                stacks: vec![instance.stack.clone()],
            }),
        }
    }
    components
}
