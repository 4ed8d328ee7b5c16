//! `terrace prices`: bringing list prices into the estate.

use std::io::{self, Write as _};
use std::path::PathBuf;

use super::output::plain;
use super::{Context, Exit, Failure, Outcome, ask};
use crate::platform::prices::{self, PriceImportError};

/// Brings list prices into the estate
#[derive(Debug, clap::Args)]
pub(crate) struct Prices {
    #[command(subcommand)]
    what: What,
}

/// What to do with prices.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Checks a file of prices and writes it to platform/prices/, where estimates look first
    Import(Import),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace prices import list.csv --yes
  terrace prices import AmazonEC2-eu-west-1.json
  terrace prices import infracost.json --region eu-west-1")]
struct Import {
    /// A CSV (resource_type,cost_component,unit,region,unit_price,currency,source,date), a price list of AWS (an offer file
    /// as JSON or CSV), or Infracost's JSON output
    file: PathBuf,
    /// The region that the prices of Infracost's output hold for
    #[arg(long)]
    region: Option<String>,
    /// Answers the question ahead
    #[arg(long)]
    yes: bool,
}

impl Prices {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let What::Import(import) = self.what;
        let root = crate::atmos::Estate::discover(context.directory())?;
        let ready = prices::prepare(&root, &import.file, import.region.as_deref()).map_err(failure)?;
        ask::need_an_answer(import.yes, "prices import")?;
        let mut err = io::stderr().lock();
        for left in &ready.left_out {
            writeln!(err, "left out: {}", plain(left))?;
        }
        let verb = if ready.replaces { "replaces" } else { "writes" };
        writeln!(err, "{verb} {} with {} prices", ready.target.display(), ready.points)?;
        drop(err);
        if !import.yes && !ask::yes(context, "Go on?")? {
            return Ok(Exit::Failed);
        }
        prices::write(&root, &ready).map_err(|error| Failure::failed(error.to_string()))?;
        Ok(Exit::Done)
    }
}

fn failure(error: PriceImportError) -> Failure {
    Failure::usage(error.to_string()).hinted(error.hint)
}
