//! `terrace trust`: lets an estate evaluate what it needs trust for.

use std::io::{self, Write as _};

use super::diagnostics::counted;
use super::output::{self, Table, plain};
use super::{Context, Exit, Failure, Outcome, local};
use crate::platform::trust::TrustStore;

/// Trusts the estate here: commands in locals run, files outside of it are read
///
/// Remembered with the estate's path and with what it needs now, which is shown. A command or a path that comes with a later
/// change is not evaluated until it is trusted again. `--trust` on any command trusts everything for that call only.
#[derive(Debug, clap::Args)]
pub(crate) struct Trust {
    /// Forgets it again
    #[arg(long, conflicts_with = "list")]
    revoke: bool,
    /// Lists every estate that is trusted
    #[arg(long)]
    list: bool,
}

impl Trust {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        if self.list {
            let grants = TrustStore::from_environment().map(|store| store.all()).unwrap_or_default();
            let mut table = Table::new(&["estate", "trusted at", ">needs"]);
            for grant in &grants {
                let at = grant.granted_at.strftime("%Y-%m-%d %H:%M").to_string();
                table.row(vec![grant.path.display().to_string(), at, grant.needs.len().to_string()]);
            }
            output::print(context, &grants, |out, paint| table.write(out, paint, "no estate is trusted"))?;
            return Ok(Exit::Done);
        }
        if context.server().is_some() {
            return Err(Failure::usage("a shared platform's estate is trusted where it runs").into());
        }
        let card = super::runtime()?.block_on(async {
            let client = local::offline(context)?;
            if self.revoke {
                return Ok::<_, Failure>(client.distrust().await?);
            }
            let needs = client.trust().await?.needs;
            Ok(client.grant_trust(needs).await?)
        })?;
        output::print(context, &card, |out, _| {
            for need in &card.needs {
                writeln!(out, "{}", plain(need))?;
            }
            Ok(())
        })?;
        let (path, needs) = (plain(&card.path.display().to_string()), counted(card.needs.len(), "need"));
        let said = if self.revoke {
            format!("{path} is no longer trusted")
        } else {
            format!("{path} is trusted with {needs}")
        };
        writeln!(io::stderr().lock(), "{said}")?;
        Ok(Exit::Done)
    }
}
