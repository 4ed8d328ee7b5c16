//! Periods of money: months, quarters and years, with a fiscal year that may begin in any month.

use std::fmt;
use std::str::FromStr;

use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long a period is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodKind {
    /// A calendar month.
    #[default]
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

impl PeriodKind {
    /// Returns how many months it has.
    #[must_use]
    pub fn months(self) -> i8 {
        match self {
            PeriodKind::Month => 1,
            PeriodKind::Quarter => 3,
            PeriodKind::Year => 12,
        }
    }
}

/// A month (`2026-10`), a quarter (`2026-Q4`) or a year (`2026`), from its first day to the one before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    first: Date,
    months: i8,
}

impl Period {
    /// Returns the period of this kind that holds a day; years and quarters count from the month `fiscal_start`.
    #[must_use]
    pub fn containing(day: Date, kind: PeriodKind, fiscal_start: i8) -> Self {
        let months = kind.months();
        let since = (day.month() - fiscal_start.clamp(1, 12)).rem_euclid(12);
        let first = day.first_of_month().checked_sub(i64::from(since % months).months()).unwrap_or(day);
        Self { first, months }
    }

    /// Returns its first day.
    #[must_use]
    pub fn first(self) -> Date {
        self.first
    }

    /// Returns the first day after it.
    #[must_use]
    pub fn end(self) -> Date {
        self.first.checked_add(i64::from(self.months).months()).unwrap_or(Date::MAX)
    }

    /// Returns how many months it has.
    #[must_use]
    pub fn months(self) -> i8 {
        self.months
    }

    /// Returns how many days it has.
    #[must_use]
    pub fn days(self) -> i32 {
        self.first.until(self.end()).map_or(0, |span| span.get_days())
    }

    /// Returns the period of the same length before it.
    #[must_use]
    pub fn previous(self) -> Self {
        let first = self.first.checked_sub(i64::from(self.months).months()).unwrap_or(Date::MIN);
        Self { first, months: self.months }
    }

    /// Returns the period of the same length after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self { first: self.end(), months: self.months }
    }

    /// Says whether it is one calendar month.
    #[must_use]
    pub fn is_month(self) -> bool {
        self.months == 1
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.first.year(), self.first.month());
        let text = match self.months {
            3 if month % 3 == 1 => format!("{year}-Q{}", (month + 2) / 3),
            12 if month == 1 => format!("{year}"),
            1 => format!("{year:04}-{month:02}"),
            months => format!("{year:04}-{month:02}+{months}m"),
        };
        f.pad(&text)
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("'{text}' is no period: write 2026-10, 2026-Q4 or 2026");
        let (year, rest) = text.split_once('-').map_or((text, None), |(year, rest)| (year, Some(rest)));
        let year: i16 = year.parse().ok().filter(|_| year.len() == 4).ok_or_else(wrong)?;
        let (month, months) = match rest {
            None => (1, 12),
            Some(rest) => match rest.strip_prefix(['Q', 'q']) {
                Some(quarter) => {
                    (quarter.parse::<i8>().ok().filter(|q| (1..=4).contains(q)).ok_or_else(wrong)? * 3 - 2, 3)
                }
                None => match rest.split_once('+') {
                    // as a fiscal period is written
                    Some((month, months)) => {
                        let months = months.strip_suffix('m').and_then(|months| months.parse().ok());
                        (
                            month.parse().ok().ok_or_else(wrong)?,
                            months.filter(|m| [3, 12].contains(m)).ok_or_else(wrong)?,
                        )
                    }
                    None => (rest.parse().ok().filter(|_| rest.len() == 2).ok_or_else(wrong)?, 1),
                },
            },
        };
        if !(1..=12).contains(&month) || !(1970..=9000).contains(&year) {
            return Err(wrong());
        }
        Ok(Self { first: date(year, month, 1), months })
    }
}

impl Serialize for Period {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_written_as_they_are_read() {
        for text in ["2026-10", "2026-Q4", "2026", "2026-04+12m", "2026-02+3m"] {
            assert_eq!(text.parse::<Period>().unwrap().to_string(), text);
        }
        for text in ["", "26", "2026-13", "2026-0", "2026-Q5", "2026-10-01", "october", "2026-10+2m", "-2026"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn fiscal_years_begin_where_they_should() {
        let of = |day: &str, kind, start| Period::containing(day.parse().unwrap(), kind, start).first().to_string();
        assert_eq!(of("2026-10-23", PeriodKind::Month, 4), "2026-10-01");
        assert_eq!(of("2026-10-23", PeriodKind::Quarter, 1), "2026-10-01");
        assert_eq!(of("2026-03-31", PeriodKind::Year, 4), "2025-04-01");
        assert_eq!(of("2026-04-01", PeriodKind::Year, 4), "2026-04-01");
        assert_eq!(of("2026-01-31", PeriodKind::Quarter, 2), "2025-11-01");
    }

    #[test]
    fn neighbours_join() {
        let october: Period = "2026-10".parse().unwrap();
        assert_eq!((october.days(), october.next().days()), (31, 30));
        assert_eq!(october.next().previous(), october);
        assert_eq!("2024-Q1".parse::<Period>().unwrap().days(), 91);
    }
}
