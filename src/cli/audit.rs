//! `terrace audit`: the audit trail, and whether it is whole.

use std::fs::File;
use std::io::{BufReader, Read, Write as _};
use std::path::PathBuf;

use futures::StreamExt as _;

use super::output::{self, Table, plain};
use super::{Context, Exit, Failure, Outcome, local};
use crate::domain::audit::Verification;
use crate::platform::PlatformError;
use crate::platform::audit::key::PlatformKey;
use crate::platform::audit::verify;

/// Shows the audit trail, verifies it, writes it to a file
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terrace audit list --object run/01K9QZ4W9E3N3Y0M7R6Q5T8V2A
  terrace audit verify                      the database of this estate, without asking the platform
  terrace audit export trail.ndjson && terrace audit verify trail.ndjson")]
pub(crate) struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lists the newest records, newest first
    List(List),
    /// Recomputes the chain of records and names the first that is broken; exits 1 where one is
    Verify(Verify),
    /// Writes every record as one line of canonical JSON, and the signed checkpoint as the last line
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only what this person did
    #[arg(long)]
    actor: Option<String>,
    /// Only what was done to this, such as run/01K9…
    #[arg(long)]
    object: Option<String>,
    /// Only this action, such as run.confirm
    #[arg(long)]
    action: Option<String>,
    /// How many at most
    #[arg(short = 'n', long, default_value_t = 200)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// An export, `-` for standard input; without it the trail of the estate here
    file: Option<PathBuf>,
    /// The public key that must have signed it, in hexadecimal digits; else the key of the estate here, where it has one
    #[arg(long, value_name = "HEX")]
    key: Option<String>,
    /// The PostgreSQL database of a platform that was started with one, where no export is given
    #[arg(long, value_name = "URL", env = "TERRACE_DATABASE", hide_env_values = true)]
    database: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Export {
    /// The file; else standard output
    file: Option<PathBuf>,
}

impl Audit {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        match self.what {
            What::List(list) => list.execute(context),
            What::Verify(verify) => verify.execute(context),
            What::Export(export) => export.execute(context),
        }
    }
}

impl List {
    fn execute(self, context: &Context) -> Outcome {
        let records = super::runtime()?.block_on(async {
            let client = local::client(context).await?;
            let (actor, object, action) = (self.actor.as_deref(), self.object.as_deref(), self.action.as_deref());
            client.audit(actor, object, action, self.limit).await.map_err(Failure::from)
        })?;
        let mut table = Table::new(&[">#", "time", "actor", "role", "action", "object", "from"]);
        for record in &records {
            table.row(vec![
                record.sequence.to_string(),
                format!("{:.0}", record.time),
                record.actor.clone(),
                record.role.clone(),
                record.action.clone(),
                record.object.clone(),
                record.origin.clone(),
            ]);
        }
        output::print(context, &records, |out, paint| table.write(out, paint, "no audit records"))?;
        Ok(Exit::Done)
    }
}

impl Verify {
    fn execute(self, context: &Context) -> Outcome {
        let verification = match &self.file {
            Some(path) => {
                let key = self.key.clone().or_else(|| own_key(context));
                let input: Box<dyn Read> = if path.as_os_str() == "-" {
                    Box::new(std::io::stdin())
                } else {
                    let open = File::open(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
                    Box::new(open)
                };
                verify::of_export(BufReader::new(input), Vec::new(), key.as_deref()).map_err(Failure::from)?
            }
            None => super::runtime()?.block_on(self.here(context))?,
        };
        output::print(context, &verification, |out, paint| {
            writeln!(out, "{}", sentence(&verification, paint))?;
            if let Some(checkpoint) = &verification.checkpoint {
                writeln!(out, "  signed up to record {} at {:.0}", checkpoint.sequence, checkpoint.time)?;
                writeln!(out, "  by the key {}", plain(&checkpoint.key))?;
            }
            if verification.unchained > 0 {
                writeln!(out, "  {} records are older than the chain; one digest covers them", verification.unchained)?;
            }
            Ok(())
        })?;
        Ok(if verification.verified { Exit::Done } else { Exit::Failed })
    }

    /// Verifies the trail of the estate here: its database as it lies there, or what a shared platform exports.
    async fn here(&self, context: &Context) -> Result<Verification, Failure> {
        if context.server().is_some() {
            let mut pieces = local::client(context).await?.audit_export().await?;
            let mut text = Vec::new();
            while let Some(piece) = pieces.next().await {
                text.extend_from_slice(&piece?);
            }
            return Ok(verify::of_export(text.as_slice(), Vec::new(), self.key.as_deref())?);
        }
        let paths = local::paths(&context.root()?)?;
        let begun = if self.database.is_some() { paths.key() } else { paths.database() };
        if !begun.exists() {
            return Err(Failure::usage("this estate has no audit trail yet")
                .hint("whatever changes something through the platform begins it"));
        }
        let place = super::serve::place(self.database.as_deref(), &paths)?;
        let store = place.open_reading(&paths.key()).await?;
        let key = self.key.clone().unwrap_or_else(|| store.public_key());
        Ok(verify::of_store(&*store, verify::kept(&paths.checkpoints())?, Some(&key)).await?)
    }
}

/// Returns the public key of the estate here, where it has one.
fn own_key(context: &Context) -> Option<String> {
    let paths = local::paths(&context.root().ok()?).ok()?;
    PlatformKey::load(&paths.key()).ok().map(|key| key.public())
}

fn sentence(verification: &Verification, paint: output::Paint) -> String {
    match &verification.broken {
        None => format!("{} {} records, each as it was written", paint.good("whole:"), verification.records),
        Some(broken) => format!("{} {}", paint.error("broken:"), plain(&broken.message)),
    }
}

impl Export {
    fn execute(self, context: &Context) -> Outcome {
        super::runtime()?.block_on(async {
            let mut pieces = local::client(context).await?.audit_export().await.map_err(Failure::from)?;
            let mut out: Box<dyn std::io::Write> = match &self.file {
                None => Box::new(std::io::stdout().lock()),
                Some(path) => {
                    let create = File::options().write(true).create_new(true).open(path);
                    let cannot = |e| Failure::from(PlatformError::io("write the export", path)(e));
                    Box::new(create.map_err(cannot)?)
                }
            };
            while let Some(piece) = pieces.next().await {
                out.write_all(&piece.map_err(Failure::from)?)?;
            }
            out.flush()?;
            Ok(Exit::Done)
        })
    }
}
