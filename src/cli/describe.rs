//! `terrace describe`: what stacks resolve to, as Atmos prints it.

use std::io::{self, Write as _};

use super::{Context, Exit, Failure, Format, Outcome, diagnostics};
use crate::atmos::{DescribeFilter, Estate};
use crate::domain::stack::{Diagnostic, Severity};

/// How much is gathered before it is written.
const BUFFER: usize = 1 << 20;

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
    },
}

impl Describe {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let estate = context.estate()?;
        match self.what {
            What::Stacks { stack, components, component_types, sections } => {
                let filter = DescribeFilter { stack, components, component_types, sections };
                stacks(context, &estate, &filter)
            }
            What::Component { component, stack, stack_file } => {
                let id = estate.find(&component, &stack, stack_file.as_deref()).map_err(Failure::from)?;
                print(context, &estate.describe_component(id))?;
                let of_this = |d: &&Diagnostic| d.severity == Severity::Error && d.stack.as_deref() == Some(&*stack);
                let found: Vec<&Diagnostic> = estate.diagnostics().iter().filter(of_this).collect();
                diagnostics::write(&mut io::stderr().lock(), context.paint_stderr(), found)?;
                let instances = estate.instances();
                let broken = instances.iter().any(|i| i.component == component && i.stack == stack && i.errors > 0);
                Ok(if broken { Exit::Failed } else { Exit::Done })
            }
        }
    }
}

fn stacks(context: &Context, estate: &Estate, filter: &DescribeFilter) -> Outcome {
    if context.format() == Format::Json {
        let mut out = io::BufWriter::with_capacity(BUFFER, io::stdout().lock());
        estate.describe_stacks(filter, &mut out)?;
        out.flush()?;
    } else {
        let mut json = Vec::new();
        estate.describe_stacks(filter, &mut json)?;
        print(context, &serde_json::from_slice(&json)?)?;
    }
    let found = estate.diagnostics();
    diagnostics::write(&mut io::stderr().lock(), context.paint_stderr(), found)?;
    Ok(if diagnostics::count(found).0 > 0 { Exit::Failed } else { Exit::Done })
}

/// Prints a document: as Atmos, people get YAML.
fn print(context: &Context, document: &serde_json::Value) -> color_eyre::Result<()> {
    super::output::print(context, document, |out, _| {
        out.write_all(serde_yaml::to_string(document).map_err(io::Error::other)?.as_bytes())
    })
}
