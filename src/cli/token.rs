//! `terrace token`: tokens for those who come through the network, and for acting as others.

use super::output::{self, Table, plain};
use super::{Context, Exit, Failure, Outcome, local};
use crate::domain::team::Role;
use crate::domain::token::TokenRequest;

/// Makes, lists and revokes tokens; for admins
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terrace token create ann --role approver --days 7
  TERRACE_TOKEN=$(terrace token create ci --role developer --team payments) terrace list runs
  terrace token revoke 01K9QZ4W9E3N3Y0M7R6Q5T8V2A")]
pub(crate) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Makes a token and prints it: the only time it is shown
    Create(Create),
    /// Lists tokens without their secrets
    List,
    /// Revokes a token at once
    Revoke {
        /// Its id
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// Whom it acts as
    name: String,
    /// As which role: viewer, developer, approver, operator or admin
    #[arg(long, value_parser = role)]
    role: Role,
    /// Binds it to the instances of a team; may be given again
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// After how many days it ends, at most 366
    #[arg(long, default_value_t = crate::domain::token::DEFAULT_DAYS)]
    days: u32,
}

/// Reads a role by the name that it has on the wire.
fn role(text: &str) -> Result<Role, String> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| "a role is viewer, developer, approver, operator or admin".to_owned())
}

impl Token {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let runtime = super::runtime()?;
        runtime.block_on(async {
            let client = local::client(context).await?;
            match self.what {
                What::Create(Create { name, role, teams, days }) => {
                    let request = TokenRequest { name, role, teams, days: Some(days) };
                    let made = client.create_token(&request).await.map_err(Failure::from)?;
                    let token = &made.token;
                    eprintln!(
                        "token {} acts as {} ({}) until {:.0}; it is shown this once",
                        token.id, token.name, token.role, token.expires_at
                    );
                    output::print(context, &made, |out, _| writeln!(out, "{}", made.secret))?;
                }
                What::List => {
                    let tokens = client.tokens().await.map_err(Failure::from)?;
                    let mut table = Table::new(&["id", "name", "role", "teams", "ends", "made by", ""]);
                    for token in &tokens {
                        table.row(vec![
                            token.id.to_string(),
                            token.name.clone(),
                            token.role.to_string(),
                            token.teams.join(" "),
                            format!("{:.0}", token.expires_at),
                            token.created_by.clone(),
                            token.revoked_by.as_ref().map(|by| format!("revoked by {by}")).unwrap_or_default(),
                        ]);
                    }
                    output::print(context, &tokens, |out, paint| table.write(out, paint, "no tokens"))?;
                }
                What::Revoke { id } => {
                    let token = client.revoke_token(&id).await.map_err(Failure::from)?;
                    let said = format!("token {} of {} is revoked", token.id, plain(&token.name));
                    output::print(context, &token, |out, _| writeln!(out, "{said}"))?;
                }
            }
            Ok(Exit::Done)
        })
    }
}
