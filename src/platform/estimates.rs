//! Estimates of plans: finding the prices of an estate and reading the files that an estimate is made of.
//!
//! Owns where prices lie: `platform/prices.yaml` (own rules), `platform/prices/*.csv` (price points, in the order of
//! their names), the book in this program. Leaves what a resource costs to [`crate::domain::estimate`].

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::domain::estimate::{Estimate, Infracost, Pricing};
use crate::domain::plan::Plan;
use crate::domain::price::{Book, BookError, PriceSource};
use crate::domain::usage::Usage;

/// The largest file that is read: plans of tens of thousands of resources stay well below it.
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// The usage figures of all plans of an estate, relative to its root.
pub const USAGE_FILE: &str = "platform/usage.yml";

/// What an estimate is made of.
#[derive(Debug, Clone, Default)]
pub struct EstimateRequest {
    /// The output of `terraform show -json` for a plan or a state, or of `infracost breakdown --format json`.
    pub plan: PathBuf,
    /// Usage figures in Infracost's format; those of the estate ([`USAGE_FILE`]) where none are given.
    pub usage: Option<PathBuf>,
    /// What the stack says of usage, in the same keys: `settings.price` of the instance.
    pub hints: Option<serde_json::Value>,
    /// Infracost's JSON output for the same plan, whose figures go before the embedded book.
    pub infracost: Option<PathBuf>,
}

/// Why there is no estimate.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    /// A file that cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A file that is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        message: String,
        /// What to do.
        hint: String,
    },
    /// Prices that cannot be read.
    #[error(transparent)]
    Prices(#[from] BookError),
    /// A usage file that cannot be read.
    #[error("{0}")]
    Usage(String),
}

impl EstimateError {
    /// Returns the next step.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            EstimateError::Content { hint, .. } => Some(hint),
            EstimateError::Usage(_) => Some("the format is Infracost's: version, resource_usage by address"),
            EstimateError::File { .. } | EstimateError::Prices(_) => None,
        }
    }
}

/// Returns the price book in this program.
///
/// # Errors
///
/// [`BookError`] never happens in a program whose tests passed: they read every file of the book.
pub fn embedded_book() -> Result<&'static Book, BookError> {
    static BOOK: OnceLock<Result<Book, BookError>> = OnceLock::new();
    BOOK.get_or_init(|| {
        let mut book = Book::default();
        let source = PriceSource {
            name: "price book of terrace, from Infracost's public test outputs".to_owned(),
            date: Some("2026-08".to_owned()),
            how: None,
        };
        for (file, text) in [
            ("assets/prices/aws.yaml", include_str!("../../assets/prices/aws.yaml")),
            ("assets/prices/google.yaml", include_str!("../../assets/prices/google.yaml")),
            ("assets/prices/azure.yaml", include_str!("../../assets/prices/azure.yaml")),
            ("assets/prices/free.yaml", include_str!("../../assets/prices/free.yaml")),
        ] {
            book.add_rules(file, text)?;
        }
        book.add_points("assets/prices/points.csv", include_str!("../../assets/prices/points.csv"), &source)?;
        Ok(book)
    })
    .as_ref()
    .map_err(Clone::clone)
}

/// Reads the prices of an estate: its own rules and its price points; an estate without any has an empty book.
///
/// # Errors
///
/// [`EstimateError`] with the file and the line where one of them is wrong.
pub fn estate_book(root: &Path) -> Result<Book, EstimateError> {
    let mut book = Book::default();
    let rules = root.join("platform/prices.yaml");
    if rules.is_file() {
        book.add_rules("platform/prices.yaml", &read_text(&rules)?)?;
    }
    let folder = root.join("platform/prices");
    let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(EstimateError::File { path: folder, why: error.to_string() }),
    };
    files.retain(|path| path.extension().is_some_and(|extension| extension == "csv"));
    files.sort();
    for path in files {
        let name = format!("platform/prices/{}", path.file_name().unwrap_or_default().to_string_lossy());
        let source = PriceSource { name: name.clone(), date: None, how: None };
        book.add_points(&name, &read_text(&path)?, &source)?;
    }
    Ok(book)
}

/// Reads the usage figures of an estate; one without any has none.
///
/// # Errors
///
/// [`EstimateError`] with the line where the file is no usage file.
pub fn estate_usage(root: &Path) -> Result<Usage, EstimateError> {
    let path = root.join(USAGE_FILE);
    if !path.is_file() {
        return Ok(Usage::default());
    }
    Ok(Usage::parse(USAGE_FILE, &read_text(&path)?).map_err(EstimateError::Usage)?.shared())
}

/// Estimates what a plan costs a month, with the prices of the estate at `root` where there is one.
///
/// # Errors
///
/// [`EstimateError`] where a file cannot be read or is not what it should be; a price that is missing is no error but
/// an unknown in the estimate.
pub fn estimate(root: Option<&Path>, request: &EstimateRequest) -> Result<Estimate, EstimateError> {
    let bytes = read(&request.plan)?;
    if Infracost::looks_like(&bytes) {
        return Ok(read_infracost(&request.plan, &bytes)?.estimate());
    }
    let plan = Plan::read(&bytes).map_err(|error| EstimateError::Content {
        path: request.plan.clone(),
        message: error.message,
        hint: error.hint,
    })?;
    let mut usage = match &request.usage {
        Some(path) => Usage::parse(&path.display().to_string(), &read_text(path)?).map_err(EstimateError::Usage)?,
        None => root.map(estate_usage).transpose()?.unwrap_or_default(),
    };
    if let Some(hints) = &request.hints {
        usage.add_hints(hints);
    }
    let own = root.map(estate_book).transpose()?.unwrap_or_default();
    let infracost = match &request.infracost {
        Some(path) => Some(read_infracost(path, &read(path)?)?),
        None => None,
    };
    Ok(Estimate::of(&plan, &usage, &Pricing::new(&own, infracost.as_ref(), embedded_book()?)))
}

fn read_infracost(path: &Path, bytes: &[u8]) -> Result<Infracost, EstimateError> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Infracost::read(&file, bytes).map_err(|error| EstimateError::Content {
        path: path.to_path_buf(),
        message: error.to_string(),
        hint: "make it with: infracost breakdown --path plan.json --format json".to_owned(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, EstimateError> {
    let wrong = |why: String| EstimateError::File { path: path.to_path_buf(), why };
    let size = std::fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
    if size.is_dir() {
        return Err(wrong("it is a folder".to_owned()));
    }
    if size.len() > MAX_BYTES {
        return Err(wrong(format!("it has {} bytes, more than {MAX_BYTES}", size.len())));
    }
    std::fs::read(path).map_err(|error| wrong(error.to_string()))
}

fn read_text(path: &Path) -> Result<String, EstimateError> {
    String::from_utf8(read(path)?).map_err(|error| EstimateError::File {
        path: path.to_path_buf(),
        why: format!("it is no UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_embedded_book_reads() {
        let (rules, points) = super::embedded_book().unwrap().size();
        assert!(rules > 60 && points > 150, "{rules} rules, {points} points");
    }
}
