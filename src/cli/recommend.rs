//! `terrace recommend`: what could be saved, and what is decided on it.

use std::io::{self, Write};

use super::output::{self, Paint, plain};
use super::{Context, Exit, Failure, Outcome, local, run};
use crate::api::types::DecisionRequest;
use crate::domain::recommend::{Confidence, DecisionWord, Effort, Recommendation};

/// Lists what could be saved, and decides on it
#[derive(Debug, clap::Args)]
pub(crate) struct Recommend {
    #[command(subcommand)]
    what: What,
}

/// What to do with recommendations.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lists what could be saved, the largest saving first
    List {
        /// Those that are dismissed or snoozed, too
        #[arg(long)]
        all: bool,
    },
    /// Says that it will be done, and sends the request that does it where one is ready; what it realises is measured
    Accept {
        /// The recommendation's id
        id: String,
    },
    /// Says that it will not be done, and why
    Dismiss {
        /// The recommendation's id
        id: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Puts it off
    Snooze {
        /// The recommendation's id
        id: String,
        /// Until this day, such as 2027-01-31
        #[arg(long)]
        until: String,
    },
}

impl Recommend {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let runtime = super::runtime()?;
        let (id, word, reason, until) = match self.what {
            What::List { all } => {
                let found = runtime.block_on(async {
                    let client = local::client(context).await?;
                    Ok::<_, Failure>(client.recommendations().await?)
                })?;
                let today = jiff::Zoned::now().date().to_string();
                let shown: Vec<&Recommendation> = found.iter().filter(|one| all || is_open(one, &today)).collect();
                output::print(context, &shown, |out, paint| write(out, paint, &shown))?;
                return Ok(Exit::Done);
            }
            What::Accept { id } => (id, DecisionWord::Accepted, None, None),
            What::Dismiss { id, reason } => (id, DecisionWord::Dismissed, Some(reason), None),
            What::Snooze { id, until } => (id, DecisionWord::Snoozed, None, Some(until)),
        };
        let decided = runtime.block_on(async {
            let client = local::client(context).await?;
            Ok::<_, Failure>(
                client
                    .decide_recommendation(&id, &DecisionRequest { word, reason, until, env: run::surroundings() })
                    .await?,
            )
        })?;
        output::print(context, &decided, |out, paint| write(out, paint, &[&decided]))?;
        Ok(Exit::Done)
    }
}

/// Says whether somebody should look at it.
fn is_open(one: &Recommendation, today: &str) -> bool {
    match &one.decision {
        None => true,
        Some(decision) => match decision.word {
            DecisionWord::Accepted => true,
            DecisionWord::Dismissed => false,
            DecisionWord::Snoozed => decision.until.as_deref().is_none_or(|until| until <= today),
        },
    }
}

fn write(out: &mut dyn Write, paint: Paint, found: &[&Recommendation]) -> io::Result<()> {
    if found.is_empty() {
        return writeln!(out, "nothing to save by what is live and known");
    }
    for one in found {
        let confidence = match one.confidence {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        };
        let effort = match one.effort {
            Effort::Small => "small",
            Effort::Medium => "medium",
            Effort::Large => "large",
        };
        writeln!(out, "{}  {} a month  {}", paint.dim(&one.id), paint.bold(&one.saving), plain(&one.title))?;
        let at = format!("{} in {}", plain(&one.component), plain(&one.stack));
        writeln!(out, "  {at}; rule {}, confidence {confidence}, effort {effort}", one.rule)?;
        for evidence in &one.evidence {
            writeln!(out, "  because {}", plain(evidence))?;
        }
        writeln!(out, "  {} {}", paint.hint("edit:"), plain(&one.edit))?;
        if one.request.is_some() && one.decision.is_none() {
            writeln!(out, "  {} terrace recommend accept {}", paint.hint("ready as a request:"), one.id)?;
        }
        if let Some(decision) = &one.decision {
            let word = match decision.word {
                DecisionWord::Accepted => "accepted",
                DecisionWord::Dismissed => "dismissed",
                DecisionWord::Snoozed => "snoozed",
            };
            let why =
                decision.reason.as_ref().or(decision.until.as_ref()).map_or_else(String::new, |why| format!(": {why}"));
            writeln!(out, "  {word} by {}{}", plain(&decision.by), plain(&why))?;
            if let Some(number) = decision.request {
                writeln!(out, "  {} terrace request show {number}", paint.hint("request:"))?;
            }
        }
        if let Some(realised) = &one.realised {
            writeln!(out, "  {} {realised} a month", paint.good("realised"))?;
        }
    }
    Ok(())
}
