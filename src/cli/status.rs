//! `terrace status`: whether a platform process runs, for whom, and how it is.

use jiff::Timestamp;

use super::output::{self, plain};
use super::{Context, Exit, Outcome, local};
use crate::api::types::Gravity;

/// Says whether a platform process runs for this estate, and how it is; exits 4 where none does
#[derive(Debug, clap::Args)]
pub(crate) struct Status {}

impl Status {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let runtime = super::runtime()?;
        let Some((_, card)) = runtime.block_on(local::running(context))? else {
            eprintln!(
                "no platform process runs for this estate; the dashboard and the commands start one when they need it"
            );
            return Ok(Exit::Unreachable);
        };
        output::print(context, &card, |out, paint| {
            let up = Timestamp::now().duration_since(card.started_at).as_secs().max(0);
            writeln!(out, "{} {}  {}", paint.good("runs:"), paint.bold(plain(&card.name)), card.root.display())?;
            writeln!(out, "  process {} for {} min, version {}", card.pid, up / 60, plain(&card.build.version))?;
            writeln!(out, "  {} ({}){}", plain(&card.user), card.role, if card.solo { ", solo" } else { "" })?;
            let driver =
                card.driver.as_deref().map_or_else(|| "none: neither atmos nor terraform is found".to_owned(), plain);
            writeln!(out, "  driver {driver}")?;
            writeln!(out, "  {} connected", card.connections)?;
            if let Some(folder) = &card.state_folder {
                writeln!(out, "  keeps things in {}", folder.display())?;
            }
            for run in &card.runs {
                writeln!(out, "  #{} {}  {}", run.number, run.state, plain(&run.command))?;
            }
            for finding in &card.health {
                let word = match finding.gravity {
                    Gravity::Error => paint.error("error:"),
                    Gravity::Warning => paint.warning("warning:"),
                };
                writeln!(out, "{word} {}", plain(&finding.message))?;
                if let Some(hint) = &finding.hint {
                    writeln!(out, "  {} {}", paint.hint("hint:"), plain(hint))?;
                }
            }
            Ok(())
        })?;
        Ok(Exit::Done)
    }
}
