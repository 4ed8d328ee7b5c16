//! Bringing prices into an estate: a file of list prices becomes `platform/prices/NAME.csv`.
//!
//! Owns what is accepted and how it is written (whole or not at all). Git keeps the history of it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::domain::estimate::Infracost;
use crate::domain::price::{AwsPriceList, Book, PriceSource};

/// Prices that are ready to be written.
#[derive(Debug, Clone)]
pub struct PriceImport {
    /// Where they go, below the estate's root.
    pub target: PathBuf,
    /// How many price points there are.
    pub points: usize,
    /// Whether a file is there already, which would be replaced.
    pub replaces: bool,
    /// What was left out, one sentence each.
    pub left_out: Vec<String>,
    text: String,
}

/// Why prices cannot be brought in.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PriceImportError {
    message: String,
    /// The next step.
    pub hint: Option<String>,
}

fn wrong(message: impl Into<String>, hint: Option<&str>) -> PriceImportError {
    PriceImportError { message: message.into(), hint: hint.map(str::to_owned) }
}

/// Reads a file of prices, checks every row, and says what would be written.
///
/// A CSV has the columns `resource_type, cost_component, unit, region, unit_price` (or `unit_price_usd`) and may have
/// `currency, source, date, how`. Infracost's JSON output gives the prices of its components; it does not say their
/// region, so `region` must. An AWS price list (an offer file, JSON or CSV) gives the on-demand prices that a rule of the
/// book looks up.
///
/// # Errors
///
/// [`PriceImportError`] with the line where a row is wrong; nothing has been written then.
pub fn prepare(root: &Path, file: &Path, region: Option<&str>) -> Result<PriceImport, PriceImportError> {
    let shown = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|error| wrong(format!("cannot read {shown}: {error}"), None))?;
    let mut left_out = Vec::new();
    let text = if AwsPriceList::looks_like(&bytes) {
        if region.is_some() {
            return Err(wrong("--region is for Infracost's output; a price list of AWS says the region itself", None));
        }
        let list = AwsPriceList::read(&bytes).map_err(|error| wrong(format!("{shown}: {error}"), None))?;
        if list.prices.is_empty() {
            let message = format!("{shown} has no price that a rule of the book looks up ({})", list.service);
            return Err(wrong(message, list.left_out.first().map(String::as_str)));
        }
        left_out.clone_from(&list.left_out);
        from_aws(&list)?
    } else if Infracost::looks_like(&bytes) {
        let hint = "name the region that the prices hold for: --region us-east-1";
        let region =
            region.ok_or_else(|| wrong("Infracost's output does not say the region of a price", Some(hint)))?;
        let infracost = Infracost::read(&shown, &bytes).map_err(|error| wrong(format!("{shown}: {error}"), None))?;
        from_infracost(&infracost, region, &mut left_out)?
    } else {
        if region.is_some() {
            return Err(wrong("--region is for Infracost's output; a CSV says the region in each row", None));
        }
        String::from_utf8(bytes).map_err(|_| wrong(format!("{shown} is neither a CSV nor JSON in UTF-8"), None))?
    };
    let source = PriceSource { name: shown.clone(), date: None, how: None };
    let points = Book::default().add_points(&shown, &text, &source).map_err(|error| {
        wrong(
            error.to_string(),
            Some("columns: resource_type,cost_component,unit,region,unit_price,currency,source,date,how"),
        )
    })?;
    if points == 0 {
        return Err(wrong(format!("{shown} has no price with a region"), None));
    }
    let stem: String = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .chars()
        .map(|letter| if letter.is_alphanumeric() || matches!(letter, '-' | '_') { letter } else { '-' })
        .collect();
    let target = PathBuf::from("platform/prices").join(format!("{stem}.csv"));
    Ok(PriceImport { replaces: root.join(&target).exists(), target, points, left_out, text })
}

/// Writes what [`prepare`] read: to a file beside the target first, then renamed, so that it is there whole or not.
///
/// # Errors
///
/// [`PriceImportError`] where the file cannot be written; a file that was there is then as it was.
pub fn write(root: &Path, import: &PriceImport) -> Result<(), PriceImportError> {
    let target = root.join(&import.target);
    let part = target.with_extension("csv.part");
    let written = (|| {
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::create(&part)?;
        file.write_all(import.text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, &target)
    })();
    written.map_err(|error| {
        // what is left of the part file is never read: it does not end in .csv
        drop(std::fs::remove_file(&part));
        wrong(format!("cannot write {}: {error}", target.display()), None)
    })
}

/// The columns of the file that is written.
const COLUMNS: [&str; 8] =
    ["resource_type", "cost_component", "unit", "region", "unit_price", "currency", "source", "date"];

fn from_aws(list: &AwsPriceList) -> Result<String, PriceImportError> {
    let failed = |error: String| wrong(format!("the prices cannot be written as CSV: {error}"), None);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| failed(error.to_string()))?;
    let source = format!("AWS price list {}", list.service);
    for price in &list.prices {
        let amount = price.price.to_string();
        let row = [
            price.resource,
            &price.component,
            price.unit,
            &price.region,
            &amount,
            &price.currency,
            &source,
            &list.published,
        ];
        writer.write_record(row).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}

fn from_infracost(infracost: &Infracost, region: &str, left_out: &mut Vec<String>) -> Result<String, PriceImportError> {
    let failed = |error: String| wrong(format!("the prices cannot be written as CSV: {error}"), None);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|error| failed(error.to_string()))?;
    let mut seen: Vec<(String, String)> = Vec::new();
    for (kind, line) in infracost.points() {
        // the rules look a disk's price up under the disk's own type
        let disk = kind.starts_with("aws_")
            && line.block.is_some()
            && (line.name.starts_with("Storage (") || line.name == "Provisioned IOPS");
        let kind = if disk { "aws_ebs_volume" } else { kind };
        let Some(price) = line.price else {
            left_out.push(format!("{kind} '{}' has no price", line.name));
            continue;
        };
        if line.name.contains("reserved") {
            left_out.push(format!("{kind} '{}' is no on-demand price", line.name));
            continue;
        }
        let row = [kind, &line.name, &line.unit, region].map(str::to_owned);
        let key = row.join("\u{0}");
        match seen.iter().find(|(known, _)| *known == key) {
            Some((_, known)) if *known == price.to_string() => continue,
            Some((_, known)) => {
                let name = &line.name;
                return Err(wrong(
                    format!("{kind} '{name}' has two prices, {known} and {price}: are there two regions?"),
                    None,
                ));
            }
            None => seen.push((key, price.to_string())),
        }
        let source = line.source.as_ref();
        let name = source.map(|source| source.name.clone()).unwrap_or_default();
        let date = source.and_then(|source| source.date.clone()).unwrap_or_default();
        let rest = [price.to_string(), line.monthly.currency.to_string(), name, date];
        writer.write_record(row.iter().chain(&rest)).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}
