//! `terrace api`: the description of the HTTP API.

use std::io::Write as _;

use super::{Context, Exit, Failure, Format, Outcome, local};

/// Prints the OpenAPI 3.1 document of the HTTP API
#[derive(Debug, clap::Args)]
pub(crate) struct Api {}

impl Api {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let document = match context.server() {
            None => serde_json::to_value(crate::api::openapi())?,
            Some(_) => {
                super::runtime()?.block_on(async { Ok::<_, Failure>(local::reading(context)?.openapi().await?) })?
            }
        };
        let text = match context.format() {
            Format::Yaml => serde_yaml::to_string(&document)?,
            Format::Csv | Format::Html => return Err(super::output::no_table().into()),
            Format::Text | Format::Json | Format::Sarif => serde_json::to_string_pretty(&document)? + "\n",
        };
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(Exit::Done)
    }
}
