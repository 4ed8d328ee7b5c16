//! `terrace events`: what happens, as a list or a stream, and its deliveries to webhooks.

use std::io::Write as _;

use futures::StreamExt as _;

use super::output::{self, Table, plain};
use super::{Context, Exit, Failure, Outcome, local};
use crate::domain::delivery::DeliveryState;

/// Shows what happens, and how it is delivered to webhooks
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terrace events list -n 20
  terrace events follow | jq .type
  terrace events deliveries --state dead
  terrace events redeliver 01K9QZ4W9E3N3Y0M7R6Q5T8V2A")]
pub(crate) struct Events {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Lists the newest events, newest first
    List {
        /// How many at most
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: u32,
    },
    /// Prints each event as it happens, one CloudEvent a line, until interrupted
    Follow {
        /// Begins after the event of this sequence; 0 begins with the first
        #[arg(long, value_name = "SEQUENCE")]
        after: Option<u64>,
    },
    /// Lists deliveries to webhooks; dead ones arrived nowhere
    Deliveries {
        /// Only those in this state: pending, delivered or dead
        #[arg(long, value_parser = state)]
        state: Option<DeliveryState>,
        /// How many at most
        #[arg(short = 'n', long, default_value_t = 50)]
        limit: u32,
    },
    /// Tries a delivery again at once
    Redeliver {
        /// Its id
        id: String,
    },
}

/// Reads a state by the name that it has on the wire.
fn state(text: &str) -> Result<DeliveryState, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| "a delivery is pending, delivered or dead".to_owned())
}

impl Events {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        super::runtime()?.block_on(async {
            let client = local::client(context).await?;
            match self.what {
                What::List { limit } => {
                    let events = client.recent_events(limit).await.map_err(Failure::from)?;
                    let mut table = Table::new(&[">#", "time", "type", "about", "open it by"]);
                    for event in &events {
                        table.row(vec![
                            event.sequence.clone(),
                            format!("{:.0}", event.time),
                            event.event_type.clone(),
                            event.subject.clone(),
                            event.command.clone(),
                        ]);
                    }
                    output::print(context, &events, |out, paint| table.write(out, paint, "no events"))?;
                }
                What::Follow { after } => {
                    let mut events = Box::pin(client.follow_events(after));
                    while let Some(event) = events.next().await {
                        match event {
                            Ok(event) => {
                                let mut out = std::io::stdout().lock();
                                writeln!(out, "{}", serde_json::to_string(&event)?)?;
                                out.flush()?;
                            }
                            // It comes back by itself where it left.
                            Err(error) if error.is_unreachable() => eprintln!("{error}; trying again"),
                            Err(error) => return Err(Failure::from(error).into()),
                        }
                    }
                }
                What::Deliveries { state, limit } => {
                    let found = client.deliveries(state, limit).await.map_err(Failure::from)?;
                    let mut table = Table::new(&["id", "webhook", ">event", "type", "state", ">tries", "next", "why"]);
                    for delivery in &found {
                        table.row(vec![
                            delivery.id.to_string(),
                            delivery.webhook.clone(),
                            delivery.sequence.to_string(),
                            delivery.event_type.clone(),
                            delivery.state.name().to_owned(),
                            delivery.attempts.to_string(),
                            delivery.next_at.map(|at| format!("{at:.0}")).unwrap_or_default(),
                            delivery.error.clone().unwrap_or_default(),
                        ]);
                    }
                    output::print(context, &found, |out, paint| table.write(out, paint, "no deliveries"))?;
                }
                What::Redeliver { id } => {
                    let delivery = client.redeliver(&id).await.map_err(Failure::from)?;
                    let said = format!("delivery {} to {} is tried again", delivery.id, plain(&delivery.webhook));
                    output::print(context, &delivery, |out, _| writeln!(out, "{said}"))?;
                }
            }
            Ok(Exit::Done)
        })
    }
}
