//! Which instances `plan`, `apply` and `destroy` are about, and how their runs are asked for.

use super::{Context, Failure, Outcome, ask, run};
use crate::domain::run::{RunKind, RunRequest, SetRequest};
use crate::domain::stack::InstanceRef;

/// Instances, and how their runs go.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    /// The component; several, or COMPONENT@STACK, run in the order of what they need
    #[arg(value_name = "COMPONENT", required_unless_present_any = ["all", "affected"])]
    components: Vec<String>,
    /// The stack
    #[arg(short, long)]
    stack: Option<String>,
    /// The stack file, where two make one stack name
    #[arg(long, value_name = "FILE")]
    stack_file: Option<String>,
    /// Every component of the stack
    #[arg(long, requires = "stack", conflicts_with_all = ["components", "affected"])]
    all: bool,
    /// Every instance that changes since this Git reference affect
    #[arg(long, value_name = "REF", conflicts_with = "components")]
    affected: Option<String>,
    /// Runs in a working copy of this commit; only where a remote backend keeps the state
    #[arg(long, value_name = "COMMIT", conflicts_with_all = ["all", "affected"])]
    commit: Option<String>,
    /// How many of several go at a time
    #[arg(long, value_name = "COUNT")]
    parallel: Option<u32>,
    #[command(flatten)]
    options: run::Options,
    /// Further arguments for terraform plan
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl Target {
    /// Starts runs of this kind and sees them through.
    pub(crate) fn run(self, context: &Context, kind: RunKind, yes: bool) -> Outcome {
        let targets = self.targets()?;
        // Detached, it asks nobody: the plan waits for its yes.
        if kind.applies() && !self.options.detach() {
            ask::need_an_answer(yes, kind.name())?;
        }
        if let ([one], false, None) = (targets.as_slice(), self.all, &self.affected) {
            let request = RunRequest {
                component: Some(one.component.clone()),
                stack: Some(one.stack.clone()),
                stack_file: self.stack_file,
                args: self.args,
                commit: self.commit,
                yes,
                ..RunRequest::new(kind)
            };
            return super::wait(run::start(context, &self.options, request));
        }
        if !self.args.is_empty() || self.stack_file.is_some() || self.commit.is_some() {
            return Err(
                Failure::usage("further arguments, --stack-file and --commit are for one instance at a time").into()
            );
        }
        let request = self.options.complete(RunRequest { yes, ..RunRequest::new(kind) });
        let request = SetRequest {
            kind,
            targets,
            stack: self.stack.filter(|_| self.all || self.affected.is_some()),
            affected_since: self.affected,
            parallel: self.parallel,
            yes,
            driver: request.driver,
            env: request.env,
            set_env: request.set_env,
        };
        super::wait(run::set::start(context, &self.options, request))
    }

    fn targets(&self) -> Result<Vec<InstanceRef>, Failure> {
        let one = |text: &String| match (text.rsplit_once('@'), &self.stack) {
            (Some((component, stack)), _) if !component.is_empty() && !stack.is_empty() => {
                Ok(InstanceRef { component: component.to_owned(), stack: stack.to_owned() })
            }
            (None, Some(stack)) => Ok(InstanceRef { component: text.clone(), stack: stack.clone() }),
            _ => Err(Failure::usage(format!("which stack is '{text}' in?"))
                .hint(format!("add -s STACK, or write {text}@STACK; terrace list stacks shows them"))),
        };
        self.components.iter().map(one).collect()
    }
}
