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
        let number = |part: &str, count: usize| -> Option<i8> {
            let is = part.len() == count && part.bytes().all(|b| b.is_ascii_digit());
            is.then(|| part.parse().unwrap_or(1))
        };
        let date = |year: &str, month: i8, day: i8| {
            jiff::civil::Date::new(year.parse().ok()?, month, day).ok().filter(|_| year.len() == 4)
        };
        let parts: Vec<&str> = text.split('-').collect();
        let day = match parts.as_slice() {
            [""] => return Some(Self(None)),
            [year] if number(year, 4).is_some() => date(year, 12, 31)?,
            [year, month] if number(year, 4).is_some() => date(year, number(month, 2)?, 1)?.last_of_month(),
            [year, month, day] if number(year, 4).is_some() => date(year, number(month, 2)?, number(day, 2)?)?,
            _ => return None,
        };
        Some(Self(Some(day.to_string())))
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
