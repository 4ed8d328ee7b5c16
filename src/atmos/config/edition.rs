//! `edition`: a date that keeps Atmos' defaults as they were then.
//!
//! Which defaults changed when, was read in Atmos' `pkg/edition/journal.go` (2026-08).

/// When bases began to pass metadata on.
const METADATA: &str = "2025-12-06";
/// When `describe component` began to leave computed keys out.
const DESCRIBE: &str = "2026-07-17";

/// The last day whose defaults hold, as `2026-07-16`; none where today's do.
pub(super) struct Edition(Option<String>);

impl Edition {
    /// Reads `2026`, `2026-07` or `2026-07-16`; a year and a month last to their end. `None` where it is no such day.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let day = |text: &str| text.parse::<jiff::civil::Date>().ok();
        let last = match text.len() {
            0 => return Some(Self(None)),
            4 => day(&format!("{text}-12-31"))?,
            7 => day(&format!("{text}-01"))?.last_of_month(),
            10 => day(text)?,
            _ => return None,
        };
        Some(Self(Some(last.to_string())))
    }

    /// Today's defaults.
    pub(super) fn today() -> Self {
        Self(None)
    }

    fn knows(&self, change: &str) -> bool {
        self.0.as_deref().is_none_or(|day| change <= day)
    }

    /// Says whether bases pass metadata on where `stacks.inherit.metadata` does not say so.
    pub(super) fn inherits_metadata(&self) -> bool {
        self.knows(METADATA)
    }

    /// Says whether `describe component` shows every key.
    pub(super) fn describes_all(&self, filter: &str) -> bool {
        if filter.is_empty() { !self.knows(DESCRIBE) } else { filter == "full" }
    }
}
