//! `terrace open`: from a page or a chat message to the screen.

use super::{Context, Failure, Outcome, dashboard};
use crate::tui::app::Target;

/// Opens the dashboard on a run, a request or an instance
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  terrace open run/214\n  terrace open request/57\n  terrace open orders-db@plat-ue2-prod"
)]
pub(crate) struct Open {
    /// run/ID, by number or ULID; request/N; or COMPONENT@STACK
    what: String,
}

impl Open {
    pub(crate) fn execute(self, context: &Context) -> Outcome {
        dashboard::open(context, Some(target(&self.what)?))
    }
}

/// Reads what shall be opened.
fn target(what: &str) -> Result<Target, Failure> {
    if what.starts_with('#') || what.starts_with("run/") {
        return what.trim_start_matches("run/").parse().map(Target::Run).map_err(Failure::usage);
    }
    if let Some(number) = what.strip_prefix("request/") {
        let number = number.trim_start_matches('#').parse();
        return number.map(Target::Request).map_err(|_| {
            Failure::usage(format!("'{what}' names no request by its number")).hint("terrace open request/57")
        });
    }
    match what.rsplit_once('@') {
        Some((component, stack)) if !component.is_empty() && !stack.is_empty() => {
            Ok(Target::Instance(component.to_owned(), stack.to_owned()))
        }
        _ => Err(Failure::usage(format!("'{what}' is neither run/ID nor request/N nor COMPONENT@STACK"))
            .hint("terrace open run/214, terrace open request/57, or terrace open orders-db@plat-ue2-prod")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_and_instances_are_told_apart() {
        assert_eq!(target("run/214").unwrap(), Target::Run("214".parse().unwrap()));
        assert_eq!(target("#214").unwrap(), Target::Run("214".parse().unwrap()));
        assert_eq!(target("a/b@c-d").unwrap(), Target::Instance("a/b".into(), "c-d".into()));
        assert_eq!(target("request/57").unwrap(), Target::Request(57));
        for wrong in ["run/", "run/x", "request/", "request/x", "orders", "@x", "x@", ""] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }
}
