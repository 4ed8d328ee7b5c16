//! `terrace runs findings`: what scanners found about a run's code.

use std::path::PathBuf;

use super::Which;
use crate::cli::output::{self, Table};
use crate::cli::{Context, Exit, Failure, Outcome, local};
use crate::domain::scan::{ScanFinding, ScanLevel};

/// Shows what scanners found about a run's code; with a file, attaches it first
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: trivy config --format sarif . > trivy.sarif && terrace runs findings 214 --attach trivy.sarif"
)]
pub(super) struct Findings {
    #[command(flatten)]
    which: Which,
    /// SARIF as trivy, checkov, tflint and kics write it
    #[arg(long, value_name = "FILE")]
    attach: Option<PathBuf>,
}

impl Findings {
    pub(super) async fn execute(self, context: &Context) -> Outcome {
        let sarif = self.attach.map(|file| {
            std::fs::read(&file).map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))
        });
        let sarif = sarif.transpose()?;
        let client = local::client(context).await?;
        let found = match sarif {
            Some(sarif) => client.attach_findings(self.which.id, sarif).await,
            None => client.run_findings(self.which.id).await,
        };
        let found = found.map_err(Failure::from)?;
        let mut table = Table::new(&["level", "scanner", "rule", "where", "what"]);
        found.iter().for_each(|finding| table.row(row(finding)));
        output::print(context, &found, |out, paint| table.write(out, paint, "no findings"))?;
        Ok(Exit::Done)
    }
}

fn row(finding: &ScanFinding) -> Vec<String> {
    let level = match finding.level {
        ScanLevel::Error => "error",
        ScanLevel::Warning => "warning",
        ScanLevel::Note => "note",
    };
    let place = finding.location.as_ref().map(|at| format!("{}:{}", at.file, at.line));
    let texts = [level.to_owned(), finding.tool.clone(), finding.rule.clone(), place.unwrap_or_default()];
    texts.into_iter().chain([finding.message.clone()]).collect()
}
