//! `terrace grep`: where something is written, in the resolved values of every instance.

use std::io::{self, Write as _};

use super::diagnostics::counted;
use super::output::{self, plain};
use super::{Context, Exit, Failure, Outcome};

/// Searches the path and value of every leaf of every instance, and names the line that sets it
///
/// Several words must all hold for a leaf. PATH=VALUE asks for a value at the end of a path, where * stands for any text
/// and ? for any character; PATH!=VALUE for any other value; PATH= for any value; /EXPRESSION/ is a regular expression.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terrace grep payments
  terrace grep vars.tags.team=payments
  terrace grep 'vars.size!=small' plat")]
pub(crate) struct Grep {
    /// What to look for
    #[arg(required = true, value_name = "PATTERN")]
    words: Vec<String>,
    /// At most so many; else all
    #[arg(short, long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: Option<u32>,
}

impl Grep {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let query = self.words.join(" ");
        let client = super::local::reading(context)?;
        let asking = async {
            match self.limit {
                Some(limit) => client.search(&query, limit).await,
                None => client.search_all(&query).await.map(|hits| (hits, false)),
            }
        };
        let (hits, more) = super::runtime()?.block_on(asking).map_err(Failure::from)?;
        output::print(context, &hits, |out, paint| {
            for hit in &hits {
                let value = plain(&hit.value.to_string());
                let path = plain(&super::diff::path(&hit.path));
                let place = super::diff::place(&hit.source);
                writeln!(out, "{} {path}: {value}{}", paint.bold(plain(&hit.instance.to_string())), paint.dim(place))?;
            }
            Ok(())
        })?;
        let more = if more { ", and there are more" } else { "" };
        writeln!(io::stderr().lock(), "{}{more}", counted(hits.len(), "hit"))?;
        Ok(Exit::Done)
    }
}
