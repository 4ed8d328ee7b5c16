//! `terrace cost`: bringing billed cost in.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use super::output::{self, plain};
use super::{Context, Exit, Failure, Outcome, local};
use crate::domain::cost::{ImportReport, RowNote};
use crate::domain::money::grouped;
use crate::platform::costs::amend::{self, Payer};

/// Brings billed cost in
#[derive(Debug, clap::Args)]
pub(crate) struct Cost {
    #[command(subcommand)]
    what: What,
}

/// What to do with billed cost.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Imports a FOCUS export (1.0 to 1.2) or an AWS Cost and Usage Report: CSV, plain or gzip
    ///
    /// The same file a second time, or one that overlaps, changes nothing that is there. A file that contradicts a
    /// bill (another amount for the same charge at the same time) is a correction: for its provider, account and
    /// billing period, it takes the place of everything from its first to its last day. So does a newer version of the
    /// same file: its name, no day fewer, most of the same rows. Rows that cannot be read are refused and listed; a file
    /// that ends in the middle, lacks columns or has two currencies is refused whole.
    Import(Import),
    /// Lists the days on which a service cost far more than expected, with what caused it
    Anomalies,
    /// Says who pays for what is unallocated: writes a rule into platform/allocation.yaml, to be committed
    ///
    /// The rule comes last, so that it takes only what no other does.
    Allocate(Allocate),
}

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "terrace cost allocate SERVICE|--rest --team TEAM|--share even|proportional\n       terrace cost allocate --formerly NAME --team TEAM",
    after_help = "Example: terrace cost allocate 'AWS Support' --share proportional"
)]
struct Allocate {
    /// The service, as reports write it
    #[arg(required_unless_present_any = ["rest", "formerly"], conflicts_with_all = ["rest", "formerly"])]
    service: Option<String>,
    /// Everything that no other rule takes
    #[arg(long, conflicts_with = "formerly")]
    rest: bool,
    /// What this team was called before: what is billed to that name is its own
    #[arg(long, value_name = "NAME", requires = "team", conflicts_with = "share")]
    formerly: Option<String>,
    /// The team that pays
    #[arg(long, required_unless_present = "share", conflicts_with = "share")]
    team: Option<String>,
    /// Split among all teams: even, or proportional to what each spends
    #[arg(long, value_parser = ["even", "proportional"])]
    share: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example: terrace cost import focus-2026-10.csv.gz")]
struct Import {
    /// The file; - reads standard input
    file: PathBuf,
    /// The file is all there is for its days: what it lacks is removed
    #[arg(long)]
    replace: bool,
}

impl Cost {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let import = match self.what {
            What::Import(import) => import,
            What::Anomalies => return anomalies(context),
            What::Allocate(allocate) => return allocate.execute(context),
        };
        let report = super::runtime()?.block_on(send(context, &import))?;
        let paint = context.paint_stderr();
        let mut err = io::stderr().lock();
        let mut list = |word: String, notes: &[RowNote], more: u64| -> io::Result<()> {
            for note in notes.iter().take(20) {
                writeln!(err, "{word} line {}: {}", note.line, plain(&note.reason))?;
            }
            let more = notes.len().saturating_sub(20) as u64 + more;
            if more > 0 {
                writeln!(err, "{word} {more} more; --format json lists them")?;
            }
            Ok(())
        };
        list(paint.error("refused:"), &report.refused, report.refused_more)?;
        list(paint.warning("warning:"), &report.warnings, 0)?;
        if let Some(before) = report.imported_before {
            writeln!(err, "this very file was imported at {before}; nothing was changed")?;
        }
        if report.lacking > 0 {
            let hint = paint.hint("hint:");
            writeln!(err, "on its days the bills have {} rows that the file has not; they stay", report.lacking)?;
            writeln!(err, "{hint} where the file is all there is for its days, add --replace")?;
        }
        drop(err);
        output::print(context, &report, |out, _| write(out, &report))?;
        Ok(Exit::Done)
    }
}

impl Allocate {
    fn execute(self, context: &Context) -> Outcome {
        let root = crate::atmos::Estate::discover(context.directory())?;
        let failure = |error: crate::platform::PlatformError| Failure::usage(error.to_string()).hinted(error.hint());
        let mut out = io::stdout().lock();
        if let Some(former) = &self.formerly {
            let team = self.team.unwrap_or_default();
            let file = amend::add_former_name(&root, former, &team).map_err(failure)?;
            writeln!(out, "{file}: team {} was formerly {}; commit it", plain(&team), plain(former))?;
            return Ok(Exit::Done);
        }
        let payer = match (self.team, self.share.as_deref()) {
            (Some(team), _) => Payer::Team(team),
            (None, Some("even")) => Payer::Shared("even"),
            (None, _) => Payer::Shared("proportional"),
        };
        let (file, rule) = amend::add_rule(&root, self.service.as_deref(), &payer).map_err(failure)?;
        writeln!(out, "{file}: added rule '{}'; commit it", plain(&rule))?;
        Ok(Exit::Done)
    }
}

fn anomalies(context: &Context) -> Outcome {
    let found = super::runtime()?.block_on(async {
        let client = local::client(context).await?;
        Ok::<_, Failure>(client.cost_anomalies().await?)
    })?;
    output::print(context, &found, |out, paint| {
        if found.is_empty() {
            return writeln!(out, "no day is far outside of what was to be expected");
        }
        for anomaly in &found {
            let (service, amount) = (paint.bold(plain(&anomaly.service)), paint.warning(&anomaly.amount));
            writeln!(out, "{}  {service}  {amount}, where {} was to be expected", anomaly.day, anomaly.expected)?;
            for cause in &anomaly.causes {
                let name = cause.description.as_deref().or(cause.resource.as_deref()).unwrap_or_default();
                let resource = cause.resource.as_deref().unwrap_or_default();
                writeln!(
                    out,
                    "  {} instead of {}: {} {} (terrace budget lines {})",
                    cause.amount,
                    cause.usual,
                    plain(name),
                    plain(resource),
                    cause.charge
                )?;
            }
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

async fn send(context: &Context, import: &Import) -> Result<ImportReport, Failure> {
    let name = import.file.display();
    if import.file.as_os_str() == "-" {
        let input = io::stdin().as_fd().try_clone_to_owned();
        let input = input.map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
        let input = tokio::fs::File::from_std(std::fs::File::from(input));
        let client = local::client(context).await?;
        return Ok(client.import_cost(&import.file, import.replace, input).await?);
    }
    let cannot = |error: io::Error| Failure::usage(format!("cannot read {name}: {error}"));
    // Before a platform is started for nothing.
    let file = tokio::fs::File::open(&import.file).await.map_err(cannot)?;
    if file.metadata().await.map_err(cannot)?.is_dir() {
        return Err(Failure::usage(format!("{name} is a folder")).hint("name the CSV in it"));
    }
    let client = local::client(context).await?;
    Ok(client.import_cost(&import.file, import.replace, file).await?)
}

fn write(out: &mut dyn io::Write, report: &ImportReport) -> io::Result<()> {
    let refused = report.refused.len() as u64 + report.refused_more;
    write!(out, "{} rows: {} added, {} unchanged", report.rows, report.added, report.unchanged)?;
    write!(out, ", {} replaced", report.replaced)?;
    if report.removed > 0 {
        write!(out, ", {} removed", report.removed)?;
    }
    writeln!(out, ", {refused} refused")?;
    let currency = &report.currency;
    for (provider, billed) in &report.billed_cost {
        writeln!(out, "  {:<20} {:>20} {currency}", plain(provider), grouped(*billed))?;
    }
    writeln!(out, "  {:<20} {:>20} {currency}", "total", grouped(report.total))?;
    writeln!(out, "  {:<20} {:>20} {currency}", "unallocated", grouped(report.unallocated))
}
