//! `terrace list`: what there is, as tables or JSON arrays.

use super::output::{self, Table};
use super::{Context, Exit, Failure, Outcome, local, run};
use crate::api::client::Client;
use crate::domain::service::Attribute;
use crate::domain::stack::InstanceSummary;

/// Lists what there is: stacks, components, instances, services, workflows, teams, budgets, policies, golden paths, requests, runs
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
    /// Lists the workflows with their steps
    Workflows,
    /// Lists the teams with what they own
    Teams,
    /// Lists the budgets: committed, reserved, actual, forecast
    Budgets,
    /// Lists the rules of policy in force
    Policies,
    /// Lists the golden paths with what each asks for
    GoldenPaths,
    /// Lists the newest requests, newest first
    Requests {
        /// How many at most
        #[arg(short = 'n', long, default_value_t = 200, hide_default_value = true)]
        limit: u32,
    },
    /// Lists the newest runs, newest first
    Runs {
        /// How many at most
        #[arg(short = 'n', long, default_value_t = 200, hide_default_value = true)]
        limit: u32,
    },
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
        self.stack.as_ref().is_none_or(|stack| *stack == instance.stack)
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
        match self.what {
            What::Budgets => {
                super::budget::print_list(context, None)?;
                return Ok(Exit::Done);
            }
            What::Policies => return super::policy::list(context),
            _ => {}
        }
        super::wait(async {
            if let What::Runs { limit } = self.what {
                runs(context, &local::client(context).await?, limit).await?;
                return Ok(Exit::Done);
            }
            if let What::Requests { limit } = self.what {
                return super::request::list(context, &local::client(context).await?, None, limit).await;
            }
            let client = local::reading(context)?;
            match self.what {
                What::GoldenPaths => return super::request::golden_paths(context, &client).await,
                What::Stacks => stacks(context, &client).await,
                What::Components => components(context, &client).await,
                What::Instances(wanted) => instances(context, &client, &wanted).await,
                What::Services => services(context, &client).await,
                What::Workflows => workflows(context, &client).await,
                What::Teams => teams(context, &client).await,
                What::Runs { .. } | What::Budgets | What::Policies | What::Requests { .. } => Ok(()),
            }?;
            Ok(Exit::Done)
        })
    }
}

async fn stacks(context: &Context, client: &Client) -> color_eyre::Result<()> {
    let stacks = client.stacks().await.map_err(Failure::from)?;
    let mut table = Table::new(&["stack", ">instances", "files"]);
    for stack in &stacks {
        table.row(vec![stack.stack.clone(), stack.instances.to_string(), stack.files.join(" ")]);
    }
    output::print(context, &stacks, |out, paint| table.write(out, paint, "no stacks"))
}

async fn components(context: &Context, client: &Client) -> color_eyre::Result<()> {
    let components = by_component(&client.instances(false).await.map_err(Failure::from)?);
    let mut table = Table::new(&["component", "type", "folder", ">stacks"]);
    for component in &components {
        table.row(vec![
            component.component.clone(),
            component.component_type.clone(),
            component.folder.clone(),
            component.stacks.len().to_string(),
        ]);
    }
    output::print(context, &components, |out, paint| table.write(out, paint, "no components"))
}

async fn instances(context: &Context, client: &Client, wanted: &Instances) -> color_eyre::Result<()> {
    let mut instances = client.instances(wanted.with_abstract).await.map_err(Failure::from)?;
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
    output::print(context, &instances, |out, paint| table.write(out, paint, "no instances"))
}

async fn services(context: &Context, client: &Client) -> color_eyre::Result<()> {
    let services = client.services().await.map_err(Failure::from)?;
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
    output::print(context, &services, |out, paint| table.write(out, paint, "no services"))
}

async fn workflows(context: &Context, client: &Client) -> color_eyre::Result<()> {
    let workflows = client.workflows().await.map_err(Failure::from)?;
    let mut table = Table::new(&["workflow", "file", ">steps", "stack", "what it does"]);
    for workflow in &workflows {
        table.row(vec![
            workflow.name.clone(),
            workflow.file.clone(),
            workflow.steps.len().to_string(),
            workflow.stack.clone().unwrap_or_default(),
            workflow.description.clone().unwrap_or_default(),
        ]);
    }
    output::print(context, &workflows, |out, paint| table.write(out, paint, "no workflows"))
}

async fn teams(context: &Context, client: &Client) -> color_eyre::Result<()> {
    let teams = client.teams().await.map_err(Failure::from)?;
    let mut table = Table::new(&["team", ">members", "components", "stacks", "what it does"]);
    for team in &teams {
        table.row(vec![
            team.name.clone(),
            team.members.len().to_string(),
            team.components.join(" "),
            team.stacks.join(" "),
            team.description.clone().unwrap_or_default(),
        ]);
    }
    output::print(context, &teams, |out, paint| table.write(out, paint, "no teams"))
}

async fn runs(context: &Context, client: &Client, limit: u32) -> color_eyre::Result<()> {
    let runs = client.recent_runs(limit).await.map_err(Failure::from)?;
    let mut table = Table::new(&[">run", "state", "what", "driver", "by", "asked at", "took", "changes"]);
    for run in &runs {
        table.row(vec![
            format!("#{}", run.number),
            run.state.to_string(),
            run::subject(run),
            run.driver.name().to_owned(),
            run.actor.clone(),
            run.queued_at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
            run::took(run).unwrap_or_default(),
            run::changes(run).unwrap_or_default(),
        ]);
    }
    output::print(context, &runs, |out, paint| table.write(out, paint, "no runs yet"))
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

fn by_component(instances: &[InstanceSummary]) -> Vec<Component> {
    let mut components: Vec<Component> = Vec::new();
    let mut instances: Vec<&InstanceSummary> = instances.iter().collect();
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
