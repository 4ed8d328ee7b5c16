//! Reading a FOCUS export (or an AWS Cost and Usage Report) in a stream: rows become cells (charge and day) within bounded memory.
//!
//! Lines are packed into one buffer as they come; when it is full, or the file ends, they are sorted and handed on.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, BufReader, Read};

use bytes::{Buf as _, Bytes};
use csv::ByteRecord;
use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use super::import::by_provider;
use crate::domain::cost::cur::Cur;
use crate::domain::cost::focus::Focus;
use crate::domain::cost::{Bill, RowNote, cell};
use crate::domain::money::{Currency, Exact};
use crate::platform::PlatformError;

/// How many bytes of packed lines are held before they are handed on: about a million lines.
const HELD: usize = 64 * 1024 * 1024;
/// How many cells are handed on at a time.
const CELLS: usize = 10_000;
/// How many refused rows and warnings a report lists.
const NOTES: usize = 1000;
/// What an entry of the index of held lines takes.
const ENTRY: usize = size_of::<Entry>();

/// The lines of a charge on a day; numbers count what the file brought, from 0.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) bill: u32,
    pub(super) charge: u32,
    pub(super) day: i32,
    pub(super) lines: u32,
    pub(super) billed: Exact,
    pub(super) effective: Exact,
    pub(super) rows: Vec<u8>,
}

/// Cells with the bills and charges that are new among them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) part: u32,
    pub(super) bills: Vec<Bill>,
    /// Hash and document of each.
    pub(super) charges: Vec<([u8; 16], String)>,
    pub(super) cells: Vec<Cell>,
}

/// What a whole file says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) rows: u64,
    pub(super) taken: u64,
    pub(super) refused: Vec<RowNote>,
    pub(super) refused_more: u64,
    pub(super) warnings: Vec<RowNote>,
    pub(super) currency: Currency,
    pub(super) providers: BTreeMap<String, Exact>,
    pub(super) total: Exact,
    /// What each charge bills and costs effectively.
    pub(super) charges: Vec<(Exact, Exact)>,
}

fn unusable(code: &'static str, message: impl Into<String>, hint: Option<&str>) -> PlatformError {
    PlatformError::Unusable { code, message: message.into(), hint: hint.map(str::to_owned) }
}

/// Says that a sum does not fit.
pub(super) fn too_long() -> PlatformError {
    unusable("amount-too-long", "the sum of the amounts has more than 38 digits; nothing was imported", None)
}

/// Reads a file to its end and hands its cells on.
pub(super) fn parse(
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    batches: &mpsc::Sender<Batch>,
) -> Result<Parsed, PlatformError> {
    let mut input = BufReader::with_capacity(256 * 1024, Pieces { pieces, now: Bytes::new() });
    let start = input.fill_buf().map_err(|error| broken(&error))?;
    match start {
        [] => Err(unusable("cost-file-empty", "the file is empty", Some(EXPORT))),
        [0x1f, 0x8b, ..] => read(MultiGzDecoder::new(input), batches),
        [b'P', b'A', b'R', b'1', ..] => Err(unusable(
            "cost-file-format",
            "this is a Parquet file",
            Some("export CSV, plain or gzip, or turn it: duckdb -c \"copy 'bill.parquet' to 'bill.csv'\""),
        )),
        [b'P', b'K', 3, 4, ..] => {
            Err(unusable("cost-file-format", "this is a zip archive", Some("unpack it, and import the CSV in it")))
        }
        _ => read(input, batches),
    }
}

const EXPORT: &str = "export FOCUS 1.0, 1.1 or 1.2 as CSV, plain or gzip";

fn broken(error: &io::Error) -> PlatformError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => unusable(
            "cost-file-truncated",
            "the gzip file ends in the middle; nothing was imported",
            Some("fetch it again, whole"),
        ),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            unusable("cost-file-damaged", format!("the gzip file is damaged: {error}; nothing was imported"), None)
        }
        _ => unusable("cost-file-broken", format!("the file stopped coming: {error}; nothing was imported"), None),
    }
}

fn read(input: impl Read, batches: &mpsc::Sender<Batch>) -> Result<Parsed, PlatformError> {
    let input = Watched { input, last: b'\n', quoted: false };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).buffer_capacity(256 * 1024).from_reader(input);
    let mut record = ByteRecord::new();
    let failed = |error: csv::Error| match error.into_kind() {
        csv::ErrorKind::Io(error) => broken(&error),
        other => unusable("cost-file-damaged", format!("the CSV cannot be read: {other:?}"), None),
    };
    if !reader.read_byte_record(&mut record).map_err(failed)? {
        return Err(unusable("cost-file-empty", "the file is empty", Some(EXPORT)));
    }
    let start = record.as_slice();
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) || start.contains(&0) {
        return Err(unusable(
            "cost-file-format",
            "this is a text in UTF-16, or no text at all",
            Some("a spreadsheet saves it as CSV UTF-8; or: iconv -f UTF-16 -t UTF-8 bill.csv > utf8.csv"),
        ));
    }
    let width = record.len();
    let report = Cur::of(&record);
    let mut translated = ByteRecord::new();
    if report.is_some() {
        record = Cur::header();
    }
    let focus = Focus::of(&record).map_err(|error| unusable("cost-columns", error.to_string(), Some(&error.hint)))?;
    let mut stager = Stager::default();
    let (mut refused, mut refused_more, mut rows) = (Vec::new(), 0u64, 0u64);
    let mut short = None;
    while reader.read_byte_record(&mut record).map_err(failed)? {
        rows += 1;
        let line = record.position().map_or(rows + 1, csv::Position::line);
        short = (record.len() < width).then_some(line);
        let taken = match &report {
            _ if record.len() != width => {
                Err(Refused::Row(format!("it has {} cells, and the header has {width}", record.len())))
            }
            None => stager.take(&focus, &record, line),
            Some(report) => report
                .row(&record, &mut translated)
                .map_err(Refused::Row)
                .and_then(|()| stager.take(&focus, &translated, line)),
        };
        match taken {
            Ok(()) => {}
            Err(Refused::Row(_)) if refused.len() == NOTES => refused_more += 1,
            Err(Refused::Row(reason)) => refused.push(RowNote { line, reason }),
            Err(Refused::File(error)) => return Err(error),
        }
        if stager.held() > HELD {
            stager.hand_on(batches)?;
        }
    }
    if let Some(line) = short.filter(|_| reader.get_ref().is_within_a_row()) {
        let message = format!("the file ends in the middle of line {line}; nothing was imported");
        return Err(unusable("cost-file-truncated", message, Some("fetch it again, whole")));
    }
    let Some(currency) = stager.currency.clone() else {
        return Err(match refused.first() {
            Some(first) => unusable(
                "cost-rows",
                format!("none of the {rows} rows can be taken; line {}: {}", first.line, first.reason),
                None,
            ),
            None => unusable("cost-file-empty", "the file has a header and no row", Some(EXPORT)),
        });
    };
    stager.hand_on(batches)?;
    let providers = by_provider(&stager.bills).ok_or_else(too_long)?;
    Ok(Parsed {
        rows,
        taken: rows - refused.len() as u64 - refused_more,
        refused,
        refused_more,
        warnings: stager.warnings,
        currency,
        total: Exact::sum(providers.values().copied()).ok_or_else(too_long)?,
        providers,
        charges: stager.sums,
    })
}

/// Why something is not taken: a row, or the whole file.
enum Refused {
    Row(String),
    File(PlatformError),
}

/// A line in the buffer.
#[derive(Debug, Clone, Copy)]
struct Entry {
    bill: u32,
    charge: u32,
    day: i32,
    start: u32,
    end: u32,
}

/// What is held of a file.
#[derive(Default)]
struct Stager {
    currency: Option<Currency>,
    bills: Vec<(Bill, Exact)>,
    /// The cells that name each bill, to know the next row of it by.
    bill_cells: Vec<[Vec<u8>; 4]>,
    last_bill: usize,
    charges: HashMap<u128, u32, foldhash::fast::RandomState>,
    /// The same by what they say: cells that are written otherwise (`NULL`, tags in another order) may say the same.
    said: HashMap<[u8; 16], u32, foldhash::fast::RandomState>,
    sums: Vec<(Exact, Exact)>,
    warnings: Vec<RowNote>,
    new_bills: Vec<Bill>,
    new_charges: Vec<([u8; 16], String)>,
    buffer: Vec<u8>,
    entries: Vec<Entry>,
    part: u32,
}

impl Stager {
    fn held(&self) -> usize {
        self.buffer.len() + self.entries.len() * ENTRY
    }

    /// Takes a row.
    fn take(&mut self, focus: &Focus, record: &ByteRecord, line: u64) -> Result<(), Refused> {
        let row = focus.row(record).map_err(Refused::Row)?;
        let bill = self.bill(focus, record, line)?;
        let charge = match self.charges.get(&row.charge) {
            Some(charge) => *charge,
            None => self.add_charge(focus, record, line, row.charge),
        };
        let fits = |sum: Exact, more: Exact| sum.checked_add(more).ok_or_else(|| Refused::File(too_long()));
        self.bills[bill].1 = fits(self.bills[bill].1, row.line.billed)?;
        let sums = &mut self.sums[charge as usize];
        *sums = (fits(sums.0, row.line.billed)?, fits(sums.1, row.line.effective)?);
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let start = small(self.buffer.len());
        cell::pack(&row.line, &mut self.buffer);
        let end = small(self.buffer.len());
        self.entries.push(Entry { bill: small(bill), charge, day: row.day, start, end });
        Ok(())
    }

    fn bill(&mut self, focus: &Focus, record: &ByteRecord, line: u64) -> Result<usize, Refused> {
        let cells = focus.bill_cells(record);
        let same = |known: &[Vec<u8>; 4]| known.iter().zip(cells).all(|(known, cell)| known == cell);
        if self.bill_cells.get(self.last_bill).is_some_and(same) {
            return Ok(self.last_bill);
        }
        if let Some(found) = self.bill_cells.iter().position(same) {
            self.last_bill = found;
            return Ok(found);
        }
        let bill = focus.bill(record).map_err(Refused::Row)?;
        if let Some(currency) = self.currency.as_ref().filter(|currency| **currency != bill.currency) {
            let message = format!(
                "line {line} is in {}, and the rows before it are in {currency}; nothing was imported",
                bill.currency
            );
            let hint = "amounts of two currencies cannot be added: export a file for each";
            return Err(Refused::File(unusable("mixed-currencies", message, Some(hint))));
        }
        self.currency.get_or_insert_with(|| bill.currency.clone());
        self.new_bills.push(bill.clone());
        self.bills.push((bill, Exact::ZERO));
        self.bill_cells.push(cells.map(<[u8]>::to_vec));
        self.last_bill = self.bills.len() - 1;
        Ok(self.last_bill)
    }

    fn add_charge(&mut self, focus: &Focus, record: &ByteRecord, line: u64, hash: u128) -> u32 {
        let (charge, warning) = focus.charge(record);
        if let Some(reason) = warning.filter(|_| self.warnings.len() < NOTES) {
            self.warnings.push(RowNote { line, reason });
        }
        // A charge is text and a map of text: it can always be written.
        let document = serde_json::to_string(&charge).unwrap_or_default();
        let digest: [u8; 32] = Sha256::digest(document.as_bytes()).into();
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        let next = u32::try_from(self.sums.len()).unwrap_or(u32::MAX);
        let number = *self.said.entry(short).or_insert(next);
        if number == next {
            self.new_charges.push((short, document));
            self.sums.push((Exact::ZERO, Exact::ZERO));
        }
        self.charges.insert(hash, number);
        number
    }

    /// Sorts what is held into cells, hands them on, and forgets them.
    fn hand_on(&mut self, batches: &mpsc::Sender<Batch>) -> Result<(), PlatformError> {
        let buffer = std::mem::take(&mut self.buffer);
        let mut entries = std::mem::take(&mut self.entries);
        let bytes = |entry: &Entry| &buffer[entry.start as usize..entry.end as usize];
        entries.sort_unstable_by(|a, b| {
            (a.bill, a.charge, a.day).cmp(&(b.bill, b.charge, b.day)).then_with(|| bytes(a).cmp(bytes(b)))
        });
        let send = |batch: Batch| {
            let gone = || PlatformError::Interrupted("the import was given up".to_owned());
            batches.blocking_send(batch).map_err(|_| gone())
        };
        let mut batch = Batch {
            part: self.part,
            bills: std::mem::take(&mut self.new_bills),
            charges: std::mem::take(&mut self.new_charges),
            cells: Vec::new(),
        };
        for group in entries.chunk_by(|a, b| (a.bill, a.charge, a.day) == (b.bill, b.charge, b.day)) {
            let rows = group.iter().map(bytes).collect::<Vec<_>>().concat();
            let lines = cell::unpack(&rows).map_err(|error| PlatformError::Interrupted(error.to_string()))?;
            let billed = Exact::sum(lines.iter().map(|line| line.billed)).ok_or_else(too_long)?;
            let effective = Exact::sum(lines.iter().map(|line| line.effective)).ok_or_else(too_long)?;
            let Entry { bill, charge, day, .. } = group[0];
            let lines = u32::try_from(group.len()).unwrap_or(u32::MAX);
            batch.cells.push(Cell { bill, charge, day, lines, billed, effective, rows });
            if batch.cells.len() == CELLS {
                send(std::mem::replace(&mut batch, Batch { part: self.part, ..Batch::default() }))?;
            }
        }
        send(batch)?;
        self.part += 1;
        Ok(())
    }
}

/// A reader that remembers how what came through it ends.
struct Watched<R> {
    input: R,
    last: u8,
    /// Whether the number of quotes is odd.
    quoted: bool,
}

impl<R> Watched<R> {
    fn is_within_a_row(&self) -> bool {
        self.quoted || !matches!(self.last, b'\n' | b'\r')
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        if let Some(last) = out[..count].last() {
            self.last = *last;
            self.quoted ^= memchr::memchr_iter(b'"', &out[..count]).count() % 2 == 1;
        }
        Ok(count)
    }
}

/// Pieces that come through a channel, as a reader.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    now: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.now.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.now = piece?,
                None => return Ok(0),
            }
        }
        let count = self.now.len().min(out.len());
        self.now.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}
