//! Semantic versions and constraints as sprig knows them (Masterminds/semver 3.5): `v` and missing parts are fine.

use std::{cmp::Ordering, fmt, sync::LazyLock};

use regex::Regex;

use super::print::quote;

/// How long a constraint may be, in bytes.
const MAX_CONSTRAINT: usize = 512;
/// How many alternatives (`||`) a constraint may have.
const MAX_ALTERNATIVES: usize = 32;

const TAIL: &str = r"(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?";
/// A version in a constraint, where parts may be `x` or `*`; without groups.
const PARTIAL: &str = r"v?[0-9xX|*]+(?:\.[0-9xX|*]+)?(?:\.[0-9xX|*]+)?(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";

/// Compiles an expression of this file; `None` never happens and means that nothing matches.
fn regex(text: &str) -> Option<Regex> {
    Regex::new(text).ok()
}

static VERSION: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(&format!(r"^v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?{TAIL}$")));
static RANGE: LazyLock<Option<Regex>> = LazyLock::new(|| regex(&format!(r"\s*({PARTIAL})\s+-\s+({PARTIAL})\s*")));
static FIND: LazyLock<Option<Regex>> = LazyLock::new(|| regex(&format!(r"(?:{OPERATORS})\s*(?:{PARTIAL})")));
static GROUP: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let one = format!(r"(?:{OPERATORS})\s*(?:{PARTIAL})\s*");
    regex(&format!(r"^(?:\s*{one})(?:(?:\s+|,\s*){one})*$"))
});
static ONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let part = "[0-9xX|*]+";
    regex(&format!(r"^\s*({OPERATORS})\s*v?({part})(?:\.({part}))?(?:\.({part}))?{TAIL}\s*$"))
});

/// A semantic version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Version {
    pub(super) major: u64,
    pub(super) minor: u64,
    pub(super) patch: u64,
    pub(super) pre: String,
    pub(super) metadata: String,
    /// The text that was read.
    pub(super) original: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

impl Version {
    /// Reads a version.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let found = VERSION.as_ref().and_then(|regex| regex.captures(text));
        let Some(found) = found.filter(|_| text.len() <= 256) else { return Err("invalid semantic version".into()) };
        let part = |i: usize| found.get(i).map_or("", |part| part.as_str());
        let number = |i: usize| match part(i) {
            "" => Ok(0),
            digits => digits.parse().map_err(|_| {
                let digits = quote(digits);
                format!("error parsing version segment: strconv.ParseUint: parsing {digits}: value out of range")
            }),
        };
        let version = Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            pre: part(4).trim_start_matches('-').to_owned(),
            metadata: part(5).to_owned(),
            original: text.to_owned(),
        };
        let zeros = |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|c| c.is_ascii_digit());
        if version.pre.split('.').any(zeros) {
            return Err("version segment starts with 0".into());
        }
        Ok(version)
    }

    /// Returns the next version that raises `part` (0 the major one).
    fn raised(&self, part: usize) -> Self {
        let (major, minor, patch) = match part {
            0 => (self.major.saturating_add(1), 0, 0),
            1 => (self.major, self.minor.saturating_add(1), 0),
            _ if self.pre.is_empty() => (self.major, self.minor, self.patch.saturating_add(1)),
            _ => (self.major, self.minor, self.patch),
        };
        let mut next = Self { major, minor, patch, ..Self::default() };
        next.original = format!("{}{next}", if self.original.starts_with('v') { "v" } else { "" });
        next
    }

    /// Returns what a field or method of this name answers.
    pub(super) fn field(&self, name: &str) -> Option<Field> {
        Some(match name {
            "Major" => Field::Number(self.major),
            "Minor" => Field::Number(self.minor),
            "Patch" => Field::Number(self.patch),
            "Prerelease" => Field::Text(self.pre.clone()),
            "Metadata" => Field::Text(self.metadata.clone()),
            "Original" => Field::Text(self.original.clone()),
            "String" => Field::Text(self.to_string()),
            "IncMajor" => Field::Version(self.raised(0)),
            "IncMinor" => Field::Version(self.raised(1)),
            "IncPatch" => Field::Version(self.raised(2)),
            _ => return None,
        })
    }

    fn numbers(&self) -> (u64, u64, u64) {
        (self.major, self.minor, self.patch)
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.numbers().cmp(&other.numbers()).then_with(|| match (self.pre.as_str(), other.pre.as_str()) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (own, other) => compare_pre(own, other),
        })
    }
}

/// What a method of a version answers.
pub(super) enum Field {
    Number(u64),
    Text(String),
    Version(Version),
}

fn compare_pre(own: &str, other: &str) -> Ordering {
    let (own, other): (Vec<&str>, Vec<&str>) = (own.split('.').collect(), other.split('.').collect());
    for i in 0..own.len().max(other.len()) {
        let (a, b) = (own.get(i).copied().unwrap_or_default(), other.get(i).copied().unwrap_or_default());
        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
            _ if a == b => Ordering::Equal,
            _ if a.is_empty() => Ordering::Less,
            _ if b.is_empty() => Ordering::Greater,
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// One comparison of a constraint.
struct Bound {
    operator: String,
    version: Version,
    /// A part is missing or `x`.
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

impl Bound {
    fn parse(text: &str) -> Result<Self, String> {
        let found = ONE.as_ref().and_then(|regex| regex.captures(text));
        let Some(found) = found else { return Err(format!("improper constraint: {}", quote(text))) };
        let part = |i: usize| found.get(i).map_or("", |part| part.as_str());
        let open = |i: usize| matches!(part(i), "" | "x" | "X" | "*");
        let (written, minor_dirty, patch_dirty, dirty) = if open(2) {
            (format!("0.0.0{}", part(5)), false, false, true)
        } else if open(3) {
            (format!("{}.0.0{}", part(2), part(5)), true, false, true)
        } else if open(4) {
            (format!("{}.{}.0{}", part(2), part(3), part(5)), false, true, true)
        } else {
            (format!("{}.{}.{}{}", part(2), part(3), part(4), part(5)), false, false, false)
        };
        let version = Version::parse(&written).map_err(|_| "constraint parser error".to_owned())?;
        Ok(Self { operator: part(1).to_owned(), version, dirty, minor_dirty, patch_dirty })
    }

    fn holds(&self, version: &Version, with_pre: bool) -> bool {
        if !version.pre.is_empty() && !with_pre {
            return false;
        }
        let own = &self.version;
        let order = version.compare(own);
        match self.operator.as_str() {
            "" | "=" if !self.dirty => order == Ordering::Equal,
            "" | "=" | "~" | "~>" => self.near(version, order),
            "!=" => self.differs(version, order),
            ">" => match version.major.cmp(&own.major) {
                _ if !self.dirty => order == Ordering::Greater,
                Ordering::Greater => true,
                Ordering::Less => false,
                Ordering::Equal if self.minor_dirty => false,
                Ordering::Equal if self.patch_dirty => version.minor > own.minor,
                Ordering::Equal => order == Ordering::Greater,
            },
            "<" => order == Ordering::Less,
            ">=" | "=>" => order != Ordering::Less,
            "<=" | "=<" if !self.dirty => order != Ordering::Greater,
            "<=" | "=<" => {
                let same_major = version.major == own.major;
                version.major <= own.major && !(same_major && version.minor > own.minor && !self.minor_dirty)
            }
            _ => self.compatible(version, order),
        }
    }

    /// Answers `~`: the last part that is written may rise.
    fn near(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if own.numbers() == (0, 0, 0) && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        version.major == own.major && (version.minor == own.minor || self.minor_dirty)
    }

    fn differs(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if !self.dirty {
            return order != Ordering::Equal;
        }
        if version.major != own.major || version.minor != own.minor && !self.minor_dirty {
            return true;
        }
        if self.minor_dirty {
            return false;
        }
        if version.patch != own.patch && !self.patch_dirty {
            return true;
        }
        if self.patch_dirty {
            return compare_pre(&version.pre, &own.pre) != Ordering::Equal;
        }
        order != Ordering::Equal
    }

    /// Answers `^`: what stands right of the first part that is not 0 may rise.
    fn compatible(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if own.major > 0 || self.minor_dirty {
            return version.major == own.major;
        }
        if version.major > 0 {
            return false;
        }
        if own.minor > 0 || self.patch_dirty {
            return version.minor == own.minor;
        }
        version.minor == 0 && version.patch == own.patch
    }
}

/// Returns whether a version satisfies a constraint (`>=1.2, <2 || ^3`).
pub(super) fn satisfies(constraint: &str, version: &str) -> Result<bool, String> {
    if constraint.len() > MAX_CONSTRAINT {
        return Err(format!("constraint string is too long (max {MAX_CONSTRAINT} bytes)"));
    }
    let ranges = RANGE.as_ref().map(|regex| regex.replace_all(constraint, ">= $1, <= $2 "));
    let constraint = ranges.as_deref().unwrap_or(constraint);
    let alternatives: Vec<&str> = constraint.split("||").collect();
    if alternatives.len() > MAX_ALTERNATIVES {
        return Err(format!("too many constraint groups (max {MAX_ALTERNATIVES})"));
    }
    let mut groups = Vec::with_capacity(alternatives.len());
    for alternative in alternatives {
        if !GROUP.as_ref().is_some_and(|regex| regex.is_match(alternative)) {
            return Err(format!("improper constraint: {}", quote(alternative)));
        }
        let found = FIND.as_ref().map(|regex| regex.find_iter(alternative).map(|one| Bound::parse(one.as_str())));
        groups.push(found.into_iter().flatten().collect::<Result<Vec<_>, _>>()?);
    }
    let version = Version::parse(version)?;
    Ok(groups.iter().any(|bounds| {
        let with_pre = bounds.iter().any(|bound| !bound.version.pre.is_empty());
        bounds.iter().all(|bound| bound.holds(&version, with_pre))
    }))
}
