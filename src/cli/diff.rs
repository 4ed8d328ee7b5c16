//! `terrace diff`: what differs between two stacks, two instances or two Git refs.

use std::io::{self, Write as _};

use super::diagnostics::counted;
use super::output::{self, plain};
use super::{Context, Exit, Failure, Outcome};
use crate::atmos::diff::Narrow;
use crate::domain::stack::{DiffEntry, PathSegment, Source};

/// Compares two stacks, two instances or two Git refs: the resolved values, and the lines that set them
///
/// The working tree is not touched: a ref is read from Git's objects.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  terrace diff orders-db@plat-ue2-dev orders-db@plat-ue2-prod
  terrace diff stack:plat-ue2-dev stack:plat-ue2-prod
  terrace diff ref:main worktree
  terrace diff --ref v1.4 --ref v1.5 -s plat-ue2-prod")]
pub(crate) struct Diff {
    /// The left side: stack:NAME, COMPONENT@STACK, ref:GITREF or worktree
    #[arg(required_unless_present = "refs", requires = "b", conflicts_with = "refs")]
    a: Option<String>,
    /// The right side, likewise
    b: Option<String>,
    /// A Git ref; given twice both are compared, given once it is compared with the files as they are
    #[arg(long = "ref", value_name = "GITREF")]
    refs: Vec<String>,
    /// The stack file of COMPONENT@STACK, where two make one stack name; given twice, of the left and the right side
    #[arg(long, value_name = "FILE", num_args = 1, conflicts_with = "refs")]
    stack_file: Vec<String>,
    /// Of two refs, only this stack
    #[arg(short, long)]
    stack: Option<String>,
    /// Of two refs, only this component
    #[arg(short, long)]
    component: Option<String>,
}

impl Diff {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        let in_file = |side: String, file: Option<&String>| match file {
            Some(file) if side.contains('@') => format!("{side}#{file}"),
            _ => side,
        };
        let (left, right) = match self.stack_file.as_slice() {
            [] => (None, None),
            [one] => (Some(one), Some(one)),
            [left, right] => (Some(left), Some(right)),
            _ => return Err(Failure::usage("--stack-file is for two sides, no more").into()),
        };
        let (a, b) = match (self.a, self.b, self.refs.as_slice()) {
            (Some(a), Some(b), _) => (in_file(a, left), in_file(b, right)),
            (_, _, [a]) => (format!("ref:{a}"), "worktree".to_owned()),
            (_, _, [a, b]) => (format!("ref:{a}"), format!("ref:{b}")),
            _ => return Err(Failure::usage("two sides are compared, no more and no fewer").into()),
        };
        let narrow = Narrow { stack: self.stack, component: self.component };
        let client = super::local::reading(context)?;
        let entries = super::runtime()?.block_on(client.diff(&a, &b, &narrow)).map_err(Failure::from)?;
        output::print(context, &entries, |out, paint| {
            let mut last = None;
            for entry in &entries {
                if last != Some(&entry.instance) {
                    writeln!(out, "{}", paint.bold(plain(&entry.instance.to_string())))?;
                    last = Some(&entry.instance);
                }
                writeln!(out, "  {}", plain(&path(&entry.path)))?;
                if let Some(value) = &entry.before {
                    writeln!(
                        out,
                        "    {}{}",
                        paint.error(format!("- {}", plain(&value.to_string()))),
                        place(&entry.before_source)
                    )?;
                }
                if let Some(value) = &entry.after {
                    writeln!(
                        out,
                        "    {}{}",
                        paint.good(format!("+ {}", plain(&value.to_string()))),
                        place(&entry.after_source)
                    )?;
                }
            }
            Ok(())
        })?;
        writeln!(io::stderr().lock(), "{}", summary(&entries))?;
        Ok(Exit::Done)
    }
}

fn summary(entries: &[DiffEntry]) -> String {
    let mut instances: Vec<_> = entries.iter().map(|entry| &entry.instance).collect();
    instances.dedup();
    format!("{} in {}", counted(entries.len(), "difference"), counted(instances.len(), "instance"))
}

/// Returns a path with dots.
pub(super) fn path(path: &[PathSegment]) -> String {
    let text = |segment: &PathSegment| match segment {
        PathSegment::Key(key) => key.clone(),
        PathSegment::Index(index) => index.to_string(),
    };
    path.iter().map(text).collect::<Vec<_>>().join(".")
}

/// Returns a place as editors and terminals can jump to it, with space before it.
pub(super) fn place(source: &Option<Source>) -> String {
    source.as_ref().map(|at| format!("   {}:{}:{}", plain(&at.file), at.line, at.column)).unwrap_or_default()
}
