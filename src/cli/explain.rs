//! `terrace explain`: which line set each value, and what that overrode.

use std::io::{self, Write};

use super::output::{Paint, plain};
use super::{Context, Exit, Failure, Outcome, local};
use crate::api::client::Client;
use crate::domain::stack::{ExplainedValue, Explanation, PathSegment, Source, Via};

/// Says for each value of an instance which file and line set it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  terrace explain orders-db -s plat-ue2-prod
  terrace explain orders-db -s plat-ue2-prod --path vars.size
  terrace explain orders-db -s plat-ue2-prod --path '[\"vars\", \"a key.with dots\"]'")]
pub(crate) struct Explain {
    /// The component
    component: String,
    /// The stack
    #[arg(short, long)]
    stack: String,
    /// The stack file, where two make one stack name
    #[arg(long, value_name = "FILE")]
    stack_file: Option<String>,
    /// Only what stands at or below this path: vars.tags, or a JSON list where keys with dots leave it open
    #[arg(long)]
    path: Option<String>,
}

impl Explain {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let explanation = super::runtime()?.block_on(async {
            let client = local::reading(context)?;
            match &self.path {
                None => self.ask(&client, None).await,
                Some(path) => self.below(&client, path).await,
            }
        })?;
        super::output::print(context, &explanation, |out, paint| write(out, paint, &explanation))?;
        Ok(Exit::Done)
    }

    async fn ask(&self, client: &Client, path: Option<&[PathSegment]>) -> Result<Explanation, Failure> {
        let path = path.map(|path| serde_json::to_string(path).unwrap_or_default());
        Ok(client.explain(&self.component, &self.stack, self.stack_file.as_deref(), path.as_deref()).await?)
    }

    /// Explains what stands at a path as a person types it: `0` may be a key or a place in a list.
    async fn below(&self, client: &Client, path: &str) -> Result<Explanation, Failure> {
        let readings = readings(path)?;
        for reading in &readings {
            let explanation = self.ask(client, Some(reading)).await?;
            if !explanation.values.is_empty() {
                return Ok(explanation);
            }
        }
        // Keys may have dots: then the path is taken as the list shows it, or with its quotes left out.
        let mut all = self.ask(client, None).await?;
        all.values.retain(|value| stands_below(&value.path, path));
        if !all.values.is_empty() {
            return Ok(all);
        }
        let failure = Failure::usage(format!("nothing stands at '{path}'"));
        for reading in readings {
            let in_vars: Vec<PathSegment> = std::iter::once(PathSegment::Key("vars".into())).chain(reading).collect();
            if !self.ask(client, Some(&in_vars)).await?.values.is_empty() {
                return Err(failure.hint(format!("did you mean 'vars.{path}'?")));
            }
        }
        Err(failure.hint("a path begins with its section, as in vars.size; without --path, every value is listed"))
    }
}

/// Tells whether a value stands at or below a path as it is shown, keys with dots in quotes or not.
fn stands_below(value: &[PathSegment], path: &str) -> bool {
    let bare = value.iter().map(|segment| match segment {
        PathSegment::Key(key) => key.clone(),
        PathSegment::Index(index) => index.to_string(),
    });
    let bare = bare.collect::<Vec<_>>().join(".");
    let below = |text: &str| text.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    below(&bare) || below(&dotted(value))
}

fn readings(path: &str) -> Result<Vec<Vec<PathSegment>>, Failure> {
    if path.starts_with('[') {
        let segments = serde_json::from_str(path).map_err(|error| {
            Failure::usage(format!("'{path}' is no JSON list of keys and numbers: {error}"))
                .hint(r#"such as ["vars", "a.b", 0]"#)
        })?;
        return Ok(vec![segments]);
    }
    let keys = path.split('.').map(|key| PathSegment::Key(key.to_owned())).collect();
    let indices = path
        .split('.')
        .map(|key| key.parse().map_or_else(|_| PathSegment::Key(key.to_owned()), PathSegment::Index))
        .collect();
    Ok(if keys == indices { vec![keys] } else { vec![keys, indices] })
}

fn write(out: &mut dyn Write, paint: Paint, explanation: &Explanation) -> io::Result<()> {
    let title = format!("{} in {}", explanation.component, explanation.stack);
    writeln!(out, "{}", paint.bold(plain(&title)))?;
    if explanation.values.is_empty() {
        return writeln!(out, "  nothing is set");
    }
    let lines: Vec<(String, String, &ExplainedValue)> =
        explanation.values.iter().map(|value| (dotted(&value.path), shown(&value.value), value)).collect();
    // Columns stay together for most lines; the few very long ones stick out.
    let widest =
        |most: usize, widths: &mut dyn Iterator<Item = usize>| widths.filter(|w| *w <= most).max().unwrap_or(0);
    let paths = widest(48, &mut lines.iter().map(|(path, _, _)| path.chars().count()));
    let values = widest(32, &mut lines.iter().map(|(_, value, _)| value.chars().count()));
    for (path, value, explained) in &lines {
        let from = match (&explained.source, &explained.computed) {
            (Some(source), _) => paint.hint(place(source)),
            (None, Some(computed)) => paint.dim(format!("computed: {computed}")),
            (None, None) => paint.dim("no line wrote it"),
        };
        let mark = if explained.unevaluated { paint.warning("  as written, not evaluated") } else { String::new() };
        writeln!(out, "  {path:paths$}  {value:values$}  {from}{mark}")?;
        let overridden = explained.chain.len().saturating_sub(1);
        for entry in explained.chain.iter().take(overridden).rev() {
            let text = format!("overrides {}", shown(&entry.value));
            let line = format!("  {:paths$}  {text:values$}  {} ({})", "", place(&entry.source), via(entry.via));
            writeln!(out, "{}", paint.dim(line))?;
        }
    }
    Ok(())
}

fn place(source: &Source) -> String {
    format!("{}:{}", plain(&source.file), source.line)
}

fn dotted(path: &[PathSegment]) -> String {
    let words = path.iter().map(|segment| match segment {
        PathSegment::Key(key) if key.is_empty() || key.contains('.') => format!("{key:?}"),
        PathSegment::Key(key) => plain(key),
        PathSegment::Index(index) => index.to_string(),
    });
    words.collect::<Vec<_>>().join(".")
}

/// Shows a value on one line, cut where it is long: `--format json` has it whole.
fn shown(value: &serde_json::Value) -> String {
    const MOST: usize = 60;
    let text = match value {
        // A string that would read as something else keeps its quotes: "17" is no number.
        serde_json::Value::String(text) if text.trim() == text && is_plain_word(text) => plain(text),
        other => plain(&other.to_string()),
    };
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST - 1).chain(['…']).collect() }
}

fn is_plain_word(text: &str) -> bool {
    !text.is_empty() && serde_json::from_str::<serde_json::Value>(text).is_err()
}

fn via(via: Via) -> &'static str {
    match via {
        Via::Config => "atmos.yaml",
        Via::Global => "the stack's top level",
        Via::Type => "the type's section",
        Via::Inherits => "inherited",
        Via::Component => "the component",
        Via::Overrides => "overrides",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_keys_and_as_places_in_lists() {
        let key = |key: &str| PathSegment::Key(key.to_owned());
        assert_eq!(readings("vars.size").unwrap(), [vec![key("vars"), key("size")]]);
        assert_eq!(
            readings("vars.0").unwrap(),
            [vec![key("vars"), key("0")], vec![key("vars"), PathSegment::Index(0)]]
        );
        assert_eq!(readings(r#"["vars", "a.b", 1]"#).unwrap(), [vec![key("vars"), key("a.b"), PathSegment::Index(1)]]);
        assert!(readings("[vars").is_err());
    }

    #[test]
    fn keys_with_dots_are_found_as_they_are_shown() {
        let key = |key: &str| PathSegment::Key(key.to_owned());
        let value = [key("vars"), key("a.b"), key("c.d"), PathSegment::Index(0)];
        for path in ["vars", "vars.a.b", "vars.a.b.c.d", "vars.\"a.b\"", "vars.\"a.b\".\"c.d\".0", "vars.a.b.c.d.0"] {
            assert!(stands_below(&value, path), "{path}");
        }
        for path in ["", "var", "vars.a.bc", "vars.\"a.b\".c", "a.b"] {
            assert!(!stands_below(&value, path), "{path}");
        }
    }
}
