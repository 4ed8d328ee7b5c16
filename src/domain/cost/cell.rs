//! The lines of one charge on one day, packed: small enough to keep millions, and equal bytes where lines are equal.
//!
//! A line begins with its time, so that sorted lines stand by time and those of one time side by side. The format is
//! kept in databases: change it only with a migration.

use std::cmp::Ordering;

use super::BillLine;
use crate::domain::money::Exact;

/// What packed lines are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("packed bill lines are damaged")]
pub struct Damaged;

/// Appends a line.
pub fn pack(line: &BillLine, out: &mut Vec<u8>) {
    unsigned(u128::from(line.start), out);
    unsigned(u128::from(line.seconds), out);
    for amount in [Some(line.billed), Some(line.effective), line.list, line.contracted, line.quantity] {
        match amount {
            // Scales end at 37, so 255 is free.
            None => out.push(u8::MAX),
            Some(amount) => {
                out.push(u8::try_from(amount.scale()).unwrap_or(u8::MAX - 1));
                let mantissa = amount.mantissa();
                unsigned(((mantissa << 1) ^ (mantissa >> 127)).cast_unsigned(), out);
            }
        }
    }
}

/// Reads packed lines.
///
/// # Errors
///
/// Bytes that [`pack`] did not write.
pub fn unpack(bytes: &[u8]) -> Result<Vec<BillLine>, Damaged> {
    split(bytes)?.into_iter().map(|line| read(&mut &*line)).collect()
}

/// Cuts packed lines into single ones.
fn split(bytes: &[u8]) -> Result<Vec<&[u8]>, Damaged> {
    let mut rest = bytes;
    let mut lines = Vec::new();
    while !rest.is_empty() {
        let before = rest;
        read(&mut rest)?;
        lines.push(&before[..before.len() - rest.len()]);
    }
    Ok(lines)
}

fn read(rest: &mut &[u8]) -> Result<BillLine, Damaged> {
    let start = u32::try_from(take_unsigned(rest)?).map_err(|_| Damaged)?;
    let seconds = u64::try_from(take_unsigned(rest)?).map_err(|_| Damaged)?;
    let mut amount = || -> Result<Option<Exact>, Damaged> {
        let (scale, after) = rest.split_first().ok_or(Damaged)?;
        *rest = after;
        if *scale == u8::MAX {
            return Ok(None);
        }
        let zigzag = take_unsigned(rest)?;
        let mantissa = (zigzag >> 1).cast_signed() ^ -((zigzag & 1).cast_signed());
        Exact::new(mantissa, u32::from(*scale)).map(Some).ok_or(Damaged)
    };
    let (billed, effective) = (amount()?.ok_or(Damaged)?, amount()?.ok_or(Damaged)?);
    let (list, contracted, quantity) = (amount()?, amount()?, amount()?);
    Ok(BillLine { start, seconds, billed, effective, list, contracted, quantity })
}

fn unsigned(number: u128, out: &mut Vec<u8>) {
    let Ok(mut small) = u64::try_from(number) else { return large(number, out) };
    while small >= 0x80 {
        out.push(0x80 | u8::try_from(small & 0x7f).unwrap_or_default());
        small >>= 7;
    }
    out.push(u8::try_from(small).unwrap_or_default());
}

/// Appends what a machine word does not hold.
fn large(mut number: u128, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(0x80 | u8::try_from(number & 0x7f).unwrap_or_default());
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

fn take_unsigned(rest: &mut &[u8]) -> Result<u128, Damaged> {
    let mut small = 0u64;
    for (at, byte) in rest.iter().take(9).enumerate() {
        small |= u64::from(byte & 0x7f) << (at * 7);
        if byte & 0x80 == 0 {
            *rest = &rest[at + 1..];
            return Ok(u128::from(small));
        }
    }
    let mut number = 0u128;
    for shift in (0..128).step_by(7) {
        let (byte, after) = rest.split_first().ok_or(Damaged)?;
        *rest = after;
        number |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

/// Returns where the time of a packed line ends: two lines of one time are two words on one thing.
fn time(line: &[u8]) -> &[u8] {
    let mut rest = line;
    let read = take_unsigned(&mut rest).and_then(|_| take_unsigned(&mut rest));
    if read.is_ok() { &line[..line.len() - rest.len()] } else { line }
}

/// Joins packed lines into one cell, sorted.
///
/// # Errors
///
/// Damaged lines.
pub fn join(parts: &[&[u8]]) -> Result<Vec<u8>, Damaged> {
    let mut lines = Vec::new();
    for part in parts {
        lines.extend(split(part)?);
    }
    lines.sort_unstable();
    Ok(lines.concat())
}

/// How the lines of a file stand to those that are kept for the same charge and day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Lines that both have.
    pub both: u64,
    /// Lines that only the file has.
    pub only_new: u64,
    /// Lines that only were kept.
    pub only_old: u64,
    /// Whether they contradict each other: for one time, each has a line that the other has not.
    pub contradicts: bool,
    /// The lines of both together, each as often as the one that has it more often.
    pub union: Vec<u8>,
}

/// Compares the sorted lines of a file with those kept; a line that stands twice counts twice.
///
/// # Errors
///
/// Damaged lines.
pub fn compare(old: &[u8], new: &[u8]) -> Result<Comparison, Damaged> {
    let (old, new) = (split(old)?, split(new)?);
    let mut found = Comparison::default();
    let (mut o, mut n) = (0, 0);
    // the times of lines that only one side has
    let (mut alone_old, mut alone_new): (Vec<&[u8]>, Vec<&[u8]>) = (Vec::new(), Vec::new());
    while o < old.len() || n < new.len() {
        let order = match (old.get(o), new.get(n)) {
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Equal => {
                found.both += 1;
                found.union.extend(old[o]);
                (o, n) = (o + 1, n + 1);
            }
            Ordering::Less => {
                found.only_old += 1;
                alone_old.push(time(old[o]));
                found.union.extend(old[o]);
                o += 1;
            }
            Ordering::Greater => {
                found.only_new += 1;
                alone_new.push(time(new[n]));
                found.union.extend(new[n]);
                n += 1;
            }
        }
    }
    // both in order, because a line begins with its time
    found.contradicts = alone_old.iter().any(|time| alone_new.binary_search(time).is_ok());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(start: u32, billed: &str) -> BillLine {
        let amount: Exact = billed.parse().unwrap();
        BillLine { start, seconds: 3600, billed: amount, effective: amount, ..BillLine::default() }
    }

    fn packed(lines: &[BillLine]) -> Vec<u8> {
        let each: Vec<Vec<u8>> = lines
            .iter()
            .map(|line| {
                let mut out = Vec::new();
                pack(line, &mut out);
                out
            })
            .collect();
        join(&each.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn an_overlap_is_joined_and_a_correction_contradicts() {
        let (a, b, c) = (line(0, "1.0"), line(3600, "2.0"), line(7200, "3.0"));
        let overlap = compare(&packed(&[a.clone(), b.clone()]), &packed(&[b.clone(), c.clone()])).unwrap();
        assert_eq!((overlap.both, overlap.only_new, overlap.only_old, overlap.contradicts), (1, 1, 1, false));
        assert_eq!(overlap.union, packed(&[a.clone(), b.clone(), c]));
        let corrected = compare(&packed(&[a.clone(), b]), &packed(&[a, line(3600, "2.1")])).unwrap();
        assert_eq!((corrected.both, corrected.only_new, corrected.only_old, corrected.contradicts), (1, 1, 1, true));
    }

    #[test]
    fn a_line_that_stands_twice_counts_twice() {
        let a = line(0, "1.0");
        let twice = compare(&packed(std::slice::from_ref(&a)), &packed(&[a.clone(), a.clone()])).unwrap();
        assert_eq!((twice.both, twice.only_new, twice.contradicts), (1, 1, false));
        assert_eq!(unpack(&twice.union).unwrap(), [a.clone(), a]);
    }

    #[test]
    fn damaged_bytes_are_no_lines() {
        let good = packed(&[line(5, "-0.30")]);
        for end in 1..good.len() {
            assert_eq!(unpack(&good[..end]), Err(Damaged), "{end}");
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_reads_back(
            start in 0u32..86_400, seconds in 0u64..10_000_000,
            amounts in proptest::collection::vec(proptest::option::of((any::<i128>(), 0u32..37)), 5),
        ) {
            let amount = |index: usize| amounts[index].and_then(|(mantissa, scale)| Exact::new(mantissa / 4, scale));
            let line = BillLine {
                start, seconds,
                billed: amount(0).unwrap_or_default(), effective: amount(1).unwrap_or_default(),
                list: amount(2), contracted: amount(3), quantity: amount(4),
            };
            let mut bytes = Vec::new();
            pack(&line, &mut bytes);
            let back = unpack(&bytes).unwrap();
            prop_assert_eq!(&back[0], &line);
            prop_assert_eq!(back[0].billed.scale(), line.billed.scale());
        }
    }
}
