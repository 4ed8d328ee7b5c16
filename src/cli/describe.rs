//! `terrace describe`: what stacks resolve to, as Atmos prints it.

use std::io::{self, Write as _};

use futures::StreamExt as _;

use super::{Context, Exit, Failure, Format, Outcome, diagnostics, local};
use crate::api::client::Client;
use crate::atmos::DescribeFilter;
use crate::atmos::driver::evaluate::Evaluation;
use crate::domain::stack::{Diagnostic, Severity};

/// Prints resolved stacks or one instance, as Atmos does
#[derive(Debug, clap::Args)]
pub(crate) struct Describe {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Prints every stack; what is wrong goes to standard error, everything else is printed all the same
    #[command(after_help = "Example: terrace describe stacks -s plat-ue2-dev --format json")]
    Stacks {
        /// Only this stack
        #[arg(short, long)]
        stack: Option<String>,
        /// Only these components
        #[arg(long, value_delimiter = ',')]
        components: Vec<String>,
        /// Only components of these types, such as terraform
        #[arg(long, value_delimiter = ',')]
        component_types: Vec<String>,
        /// Only these sections, such as vars
        #[arg(long, value_delimiter = ',')]
        sections: Vec<String>,
        /// Stacks without components too
        #[arg(long)]
        include_empty_stacks: bool,
    },
    /// Prints one component in one stack
    #[command(after_help = "Example: terrace describe component network -s plat-ue2-dev")]
    Component {
        /// The component
        component: String,
        /// The stack
        #[arg(short, long)]
        stack: String,
        /// The stack file, where two make one stack name
        #[arg(long, value_name = "FILE")]
        stack_file: Option<String>,
        /// Lets Atmos render the templates in its values
        #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL")]
        process_templates: bool,
        /// Lets Atmos run the YAML functions in its values
        #[arg(long, num_args = 0..=1, require_equals = true, default_value_t = false, default_missing_value = "true", value_name = "BOOL")]
        process_functions: bool,
    },
}

impl Describe {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        super::wait(async {
            let client = local::reading(context)?;
            match self.what {
                What::Stacks { stack, components, component_types, sections, include_empty_stacks } => {
                    let filter = DescribeFilter { stack, components, component_types, sections, include_empty_stacks };
                    stacks(context, &client, &filter).await
                }
                What::Component { component, stack, stack_file, process_templates, process_functions }
                    if process_templates || process_functions =>
                {
                    let what = Evaluation { templates: process_templates, functions: process_functions };
                    let evaluated = client.evaluate_component(&component, &stack, stack_file.as_deref(), what).await;
                    print(context, &evaluated.map_err(Failure::from)?)?;
                    Ok(Exit::Done)
                }
                What::Component { component, stack, stack_file, .. } => {
                    let described = client.describe_component(&component, &stack, stack_file.as_deref()).await;
                    print(context, &described.map_err(Failure::from)?)?;
                    let found = client.diagnostics_of(&component, &stack, stack_file.as_deref()).await;
                    let found = found.map_err(Failure::from)?;
                    let errors: Vec<&Diagnostic> = found.iter().filter(|d| d.severity == Severity::Error).collect();
                    let broken = !errors.is_empty();
                    diagnostics::write(&mut io::stderr().lock(), context.paint_stderr(), errors)?;
                    Ok(if broken { Exit::Failed } else { Exit::Done })
                }
            }
        })
    }
}

async fn stacks(context: &Context, client: &Client, filter: &DescribeFilter) -> Outcome {
    let mut document = client.describe_stacks(filter).await.map_err(Failure::from)?;
    if context.format() == Format::Json {
        let mut out = io::stdout().lock();
        while let Some(bytes) = document.next().await {
            out.write_all(&bytes.map_err(Failure::from)?)?;
        }
        out.flush()?;
    } else {
        let mut json = Vec::new();
        while let Some(bytes) = document.next().await {
            json.extend_from_slice(&bytes.map_err(Failure::from)?);
        }
        print(context, &serde_json::from_slice(&json)?)?;
    }
    let found = client.diagnostics().await.map_err(Failure::from)?;
    diagnostics::write(&mut io::stderr().lock(), context.paint_stderr(), &found)?;
    Ok(if diagnostics::count(&found).0 > 0 { Exit::Failed } else { Exit::Done })
}

/// Prints a document: as Atmos, people get YAML.
fn print(context: &Context, document: &serde_json::Value) -> color_eyre::Result<()> {
    super::output::print(context, document, |out, _| {
        out.write_all(serde_yaml::to_string(document).map_err(io::Error::other)?.as_bytes())
    })
}
