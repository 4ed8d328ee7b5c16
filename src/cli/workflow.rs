//! `terrace workflow`: the steps of a workflow, one after the other, as a run.

use super::output::plain;
use super::{Context, Exit, Failure, Outcome, ask, local, run};
use crate::api::types::WorkflowCard;
use crate::domain::run::{RunKind, RunRequest};

/// Runs the steps of a workflow, and follows the log
///
/// It shows the steps and asks first.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace workflow greet -f practice
  terrace workflow orders -f deploy -s plat-ue2-dev --yes
  terrace workflow drill -f practice --from-step restore      goes on after what failed")]
pub(crate) struct Workflow {
    /// The workflow's name
    name: String,
    /// Its file, relative to the folder of workflows; .yaml may be left out
    #[arg(short, long)]
    file: String,
    /// The stack of its steps, before what the file says
    #[arg(short, long)]
    stack: Option<String>,
    /// Begins with this step; those before it are skipped
    #[arg(long, value_name = "STEP")]
    from_step: Option<String>,
    /// Answers ahead
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    options: run::Options,
}

impl Workflow {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        ask::need_an_answer(self.yes, "a workflow")?;
        super::wait(async {
            if !self.yes {
                self.show(context).await?;
                if !ask::later(context, "Run these steps?").await.unwrap_or(false) {
                    eprintln!("nothing was started");
                    return Ok(Exit::Failed);
                }
            }
            let request = RunRequest {
                workflow: Some(self.name),
                workflow_file: Some(self.file),
                stack: self.stack,
                from_step: self.from_step,
                yes: true,
                ..RunRequest::new(RunKind::Workflow)
            };
            run::start(context, &self.options, request).await
        })
    }

    /// Shows what would run, and where.
    async fn show(&self, context: &Context) -> Result<(), Failure> {
        let cards = local::client(context).await?.workflows().await?;
        let paint = context.paint_stderr();
        let Some(card) = cards.iter().find(|card| self.is(card)) else {
            // Which file or name is wrong, and what there is, the platform says where the run is asked for.
            return Ok(());
        };
        eprintln!(
            "{} {}  {}",
            paint.bold("what: "),
            plain(&card.name),
            plain(card.description.as_deref().unwrap_or(""))
        );
        let stack = self.stack.as_deref().or(card.stack.as_deref());
        eprintln!("{} {}", paint.bold("where:"), plain(stack.unwrap_or("as the steps say")));
        let mut skipped = self.from_step.is_some();
        for step in &card.steps {
            skipped &= self.from_step.as_deref() != Some(step.name.as_str());
            let program = if step.kind == "atmos" { "atmos " } else { "" };
            let command: Vec<String> = step.command.as_deref().unwrap_or("").trim().lines().map(plain).collect();
            let text = format!("  {}  {program}{}", plain(&step.name), command.join("\n    "));
            eprintln!("{}", if skipped { paint.dim(format!("{text}  (skipped)")) } else { text });
        }
        Ok(())
    }

    fn is(&self, card: &WorkflowCard) -> bool {
        let bare = |file: &str| file.trim_end_matches(".yaml").trim_end_matches(".yml").to_owned();
        card.name == self.name && bare(&card.file) == bare(&self.file)
    }
}
