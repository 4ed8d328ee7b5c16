//! Money: exact decimals with the currency beside the amount, never a float.
//!
//! Two kinds of numbers meet here. A *billed* amount keeps every digit that the provider wrote, up to 38 of them
//! ([`Exact`]); a *price* or a quantity is a [`rust_decimal::Decimal`]. Both go into a [`Money`] without loss.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// The most digits behind the point that an [`Exact`] carries.
pub const MAX_SCALE: u32 = 37;

/// An exact decimal of up to 38 digits that keeps the digits it was written with, trailing zeros too.
///
/// `rust_decimal` ends at 28 digits; FOCUS exports with 30 exist. Sums take the larger scale of both sides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Exact {
    mantissa: i128,
    scale: u32,
}

/// Why a text is no exact decimal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotExact {
    /// Nothing was written.
    #[error("the amount is empty")]
    Empty,
    /// A character that no decimal has.
    #[error("'{0}' is not a decimal number")]
    NotANumber(String),
    /// More digits than 38.
    #[error("'{0}' has more than 38 digits")]
    TooLong(String),
}

impl Exact {
    /// Zero, without digits behind the point.
    pub const ZERO: Exact = Exact { mantissa: 0, scale: 0 };

    /// Makes the decimal `mantissa / 10^scale`; `None` where the scale is past [`MAX_SCALE`].
    #[must_use]
    pub fn new(mantissa: i128, scale: u32) -> Option<Self> {
        (scale <= MAX_SCALE).then_some(Exact { mantissa, scale })
    }

    /// Returns the digits as one whole number, see [`Exact::scale`].
    #[must_use]
    pub fn mantissa(self) -> i128 {
        self.mantissa
    }

    /// Returns how many digits stand behind the point.
    #[must_use]
    pub fn scale(self) -> u32 {
        self.scale
    }

    /// Reports whether this is zero, however written.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Reports whether this is below zero: a credit, a refund.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// Returns the same value with `scale` digits behind the point; `None` where digits would be lost or do not fit.
    #[must_use]
    pub fn rescaled(self, scale: u32) -> Option<Self> {
        match scale.cmp(&self.scale) {
            Ordering::Equal => Some(self),
            Ordering::Greater if scale <= MAX_SCALE => {
                let factor = 10i128.checked_pow(scale - self.scale)?;
                Some(Exact { mantissa: self.mantissa.checked_mul(factor)?, scale })
            }
            Ordering::Greater => None,
            Ordering::Less => {
                let factor = 10i128.checked_pow(self.scale - scale)?;
                (self.mantissa % factor == 0).then_some(Exact { mantissa: self.mantissa / factor, scale })
            }
        }
    }

    /// Returns the sum; `None` where it has more than 38 digits.
    #[must_use]
    pub fn checked_add(self, other: Exact) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let sum = self.rescaled(scale)?.mantissa.checked_add(other.rescaled(scale)?.mantissa)?;
        Some(Exact { mantissa: sum, scale })
    }

    /// Returns the difference; `None` where it has more than 38 digits.
    #[must_use]
    pub fn checked_sub(self, other: Exact) -> Option<Self> {
        self.checked_add(Exact { mantissa: other.mantissa.checked_neg()?, scale: other.scale })
    }

    /// Adds up amounts; `None` where what is above or below zero has more than 38 digits.
    ///
    /// Both sides of zero are added apart at the largest scale, so that the order decides neither the sum nor whether
    /// there is one.
    pub fn sum(amounts: impl IntoIterator<Item = Exact>) -> Option<Self> {
        let amounts: Vec<Exact> = amounts.into_iter().collect();
        let scale = amounts.iter().map(|amount| amount.scale).max().unwrap_or(0);
        let (mut above, mut below) = (0i128, 0i128);
        for amount in amounts {
            let side = if amount.is_negative() { &mut below } else { &mut above };
            *side = side.checked_add(amount.rescaled(scale)?.mantissa)?;
        }
        Some(Exact { mantissa: above + below, scale })
    }

    /// Returns the value rounded half away from zero to `scale` digits behind the point, for people to read.
    #[must_use]
    pub fn rounded(self, scale: u32) -> Self {
        if self.scale <= scale {
            return self.rescaled(scale).unwrap_or(self);
        }
        let Some(factor) = 10i128.checked_pow(self.scale - scale) else { return Exact { mantissa: 0, scale } };
        let (whole, rest) = (self.mantissa / factor, self.mantissa % factor);
        let up = rest.unsigned_abs() >= factor.unsigned_abs().div_ceil(2);
        Exact { mantissa: if up { whole + rest.signum() } else { whole }, scale }
    }

    /// Returns the value without zeros at its end, but with at least `least` digits behind the point.
    #[must_use]
    pub fn trimmed(self, least: u32) -> Self {
        let mut shorter = self;
        while shorter.scale > least && shorter.mantissa % 10 == 0 {
            shorter = Exact { mantissa: shorter.mantissa / 10, scale: shorter.scale - 1 };
        }
        shorter.rescaled(least.max(shorter.scale)).unwrap_or(shorter)
    }

    /// Returns the nearest `f64`, for drawing and for statistics only.
    #[must_use]
    pub fn approximate(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "for pictures and forecasts, never for sums")]
        let mantissa = self.mantissa as f64;
        mantissa / 10f64.powi(i32::try_from(self.scale).unwrap_or(i32::MAX))
    }

    /// Shares this amount over `weights` so that the shares add up to it exactly.
    ///
    /// Each share has the scale of the amount, or 12 digits where it has fewer; what rounding leaves goes, one last
    /// digit each, to the largest remainders (ties: the earlier one). Negative weights count as zero; where all are
    /// zero the amount is shared evenly; without weights there is nobody to give it to and the answer is empty.
    #[must_use]
    pub fn share(self, weights: &[Exact]) -> Vec<Exact> {
        let Some(count) = i128::try_from(weights.len()).ok().filter(|count| *count > 0) else { return Vec::new() };
        let total = self.rescaled(self.scale.max(12)).unwrap_or(self);
        let scale = weights.iter().map(|weight| weight.scale).max().unwrap_or(0);
        let mut parts: Vec<i128> =
            weights.iter().map(|weight| weight.rescaled(scale).map_or(0, |weight| weight.mantissa.max(0))).collect();
        // The products must fit: weights are brought down to 15 digits, which moves a share by less than 1 in 10^14.
        while parts.iter().try_fold(0i128, |sum, part| sum.checked_add(*part)).is_none_or(|sum| sum > 10i128.pow(15)) {
            parts.iter_mut().for_each(|part| *part /= 10);
        }
        let mut sum: i128 = parts.iter().sum();
        if sum == 0 {
            parts.iter_mut().for_each(|part| *part = 1);
            sum = count;
        }
        // whole and rest apart, so that no product passes 38 digits
        let (whole, rest) = (total.mantissa / sum, total.mantissa % sum);
        let mut shares: Vec<i128> = Vec::with_capacity(parts.len());
        let mut remainders: Vec<(i128, usize)> = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let product = rest * part;
            shares.push(whole * part + product / sum);
            remainders.push(((product % sum).abs(), index));
        }
        remainders.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        let mut left = total.mantissa - shares.iter().sum::<i128>();
        for (_, index) in remainders.iter().cycle() {
            if left == 0 {
                break;
            }
            shares[*index] += left.signum();
            left -= left.signum();
        }
        shares.into_iter().map(|mantissa| Exact { mantissa, scale: total.scale }).collect()
    }
}

impl FromStr for Exact {
    type Err = NotExact;

    /// Reads `-0.00640`, `12`, `.5`, `1e-7`, `1.5E+3`; thousands separators and currency signs are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(NotExact::Empty);
        }
        let not_a_number = || NotExact::NotANumber(text.chars().take(60).collect());
        let too_long = || NotExact::TooLong(text.chars().take(60).collect());
        let bytes = text.as_bytes();
        let (negative, mut index) = match bytes[0] {
            b'-' => (true, 1),
            b'+' => (false, 1),
            _ => (false, 0),
        };
        let (mut scale, mut digits, mut point) = (0i64, 0u32, false);
        let mut exponent = 0i64;
        // Nearly every amount has at most 18 digits, which fit a machine word: a bill has millions of them.
        let mut small = 0u64;
        while digits < 18 && index < bytes.len() {
            match bytes[index] {
                digit @ b'0'..=b'9' => {
                    small = small * 10 + u64::from(digit - b'0');
                    digits += 1;
                    scale += i64::from(point);
                }
                b'.' if !point => point = true,
                _ => break,
            }
            index += 1;
        }
        let mut mantissa = i128::from(small);
        while index < bytes.len() {
            match bytes[index] {
                digit @ b'0'..=b'9' => {
                    mantissa = mantissa
                        .checked_mul(10)
                        .and_then(|mantissa| mantissa.checked_add(i128::from(digit - b'0')))
                        .ok_or_else(too_long)?;
                    digits += 1;
                    scale += i64::from(point);
                }
                b'.' if !point => point = true,
                b'e' | b'E' if digits > 0 => {
                    exponent = text[index + 1..].parse::<i16>().map_err(|_| not_a_number())?.into();
                    break;
                }
                _ => return Err(not_a_number()),
            }
            index += 1;
        }
        if digits == 0 {
            return Err(not_a_number());
        }
        scale -= exponent;
        if scale < 0 {
            let factor = u32::try_from(-scale).ok().and_then(|power| 10i128.checked_pow(power)).ok_or_else(too_long)?;
            mantissa = mantissa.checked_mul(factor).ok_or_else(too_long)?;
            scale = 0;
        }
        let scale = u32::try_from(scale).ok().filter(|scale| *scale <= MAX_SCALE).ok_or_else(too_long)?;
        Ok(Exact { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.mantissa.unsigned_abs().to_string();
        let scale = self.scale as usize;
        let padded = if digits.len() <= scale { format!("{digits:0>width$}", width = scale + 1) } else { digits };
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        let number = if scale == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") };
        f.pad_integral(self.mantissa >= 0, "", &number)
    }
}

impl From<Decimal> for Exact {
    fn from(decimal: Decimal) -> Self {
        Exact { mantissa: decimal.mantissa(), scale: decimal.scale() }
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Exact {}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.rescaled(scale), other.rescaled(scale)) {
            (Some(a), Some(b)) => a.mantissa.cmp(&b.mantissa),
            // One of them does not fit at the larger scale, so it is the larger in size and its sign decides.
            (None, _) => self.mantissa.signum().cmp(&0).then(Ordering::Greater),
            (_, None) => 0.cmp(&other.mantissa.signum()).then(Ordering::Less),
        }
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl serde::de::Visitor<'_> for Digits {
            type Value = Exact;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a decimal number")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Exact, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Exact, E> {
                Ok(Exact { mantissa: number.into(), scale: 0 })
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Exact, E> {
                Ok(Exact { mantissa: number.into(), scale: 0 })
            }

            // A float in YAML or JSON: its shortest form is what was written, for up to 17 digits.
            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Exact, E> {
                number.to_string().parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Digits)
    }
}

/// A currency by its ISO 4217 code, such as `USD`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, example = "USD")]
pub struct Currency(String);

impl Currency {
    /// The US dollar, in which the embedded prices are.
    #[must_use]
    pub fn usd() -> Self {
        Currency("USD".to_owned())
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0
    }
}

impl FromStr for Currency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let code = text.trim().to_ascii_uppercase();
        let right = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic());
        right.then_some(Currency(code)).ok_or_else(|| format!("'{text}' is not a currency code of three letters"))
    }
}

impl TryFrom<String> for Currency {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An amount of money; what is not known is `null` with the reasons, never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Money {
    /// The amount, or the known part of it where `unknown` has entries; `None` where nothing of it is known.
    #[schema(value_type = Option<String>, example = "913.20")]
    pub amount: Option<Exact>,
    /// Its currency.
    pub currency: Currency,
    /// Why it is not known, or not known whole: then the amount is an "at least".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Money {
    /// Makes a known amount.
    #[must_use]
    pub fn known(amount: Exact, currency: Currency) -> Self {
        Money { amount: Some(amount), currency, unknown: Vec::new() }
    }

    /// Makes an amount of which nothing is known but the reason.
    #[must_use]
    pub fn unknown(why: impl Into<String>, currency: Currency) -> Self {
        Money { amount: None, currency, unknown: vec![why.into()] }
    }

    /// Tells whether there is an amount and nothing is missing from it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.amount.is_some() && self.unknown.is_empty()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.amount, self.unknown.is_empty()) {
            (Some(amount), true) => f.pad(&format!("{} {}", grouped(amount.rounded(2)), self.currency)),
            (Some(amount), false) => f.pad(&format!("at least {} {}", grouped(amount.rounded(2)), self.currency)),
            (None, _) => f.pad("unknown"),
        }
    }
}

/// Writes an amount with commas between thousands: `1,361.31`.
#[must_use]
pub fn grouped(amount: Exact) -> String {
    let text = amount.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let mut out = String::from(sign);
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exact(text: &str) -> Exact {
        text.parse().unwrap()
    }

    #[test]
    fn keeps_the_digits_of_the_file() {
        for text in ["18.00663861840", "0.00000000000", "-2.61370000000", "12", "0.123456789012345678901234567890"] {
            assert_eq!(exact(text).to_string(), text);
        }
        assert_eq!(exact("1e-7").to_string(), "0.0000001");
        assert_eq!(exact("1.5E+3").to_string(), "1500");
        assert_eq!(exact(".5").to_string(), "0.5");
    }

    #[test]
    fn refuses_what_is_no_decimal() {
        for text in ["", "NULL", "1,000.00", "$5", "1.2.3", "-", ".", "1e", "12345678901234567890123456789012345678901"]
        {
            assert!(text.parse::<Exact>().is_err(), "{text}");
        }
        assert!("1e9999".parse::<Exact>().is_err());
        assert!("0.0000000000000000000000000000000000000001".parse::<Exact>().is_err());
    }

    #[test]
    fn rounds_half_away_from_zero_for_people() {
        assert_eq!(exact("1361.3075").rounded(2).to_string(), "1361.31");
        assert_eq!(exact("-0.005").rounded(2).to_string(), "-0.01");
        assert_eq!(exact("0.0049").rounded(2).to_string(), "0.00");
        assert_eq!(grouped(exact("-1234567.891").rounded(2)), "-1,234,567.89");
        assert_eq!(exact("5.100").trimmed(2).to_string(), "5.10");
        assert_eq!(exact("436.667500").trimmed(2).to_string(), "436.6675");
        assert_eq!(exact("5").trimmed(2).to_string(), "5.00");
    }

    #[test]
    fn money_says_at_least_where_a_part_is_unknown() {
        let mut money = Money::known(exact("1485.28"), Currency::usd());
        assert_eq!(money.to_string(), "1,485.28 USD");
        money.unknown.push("no usage figure".into());
        assert_eq!(money.to_string(), "at least 1,485.28 USD");
        assert_eq!(
            serde_json::to_value(Money::unknown("why", Currency::usd())).unwrap(),
            serde_json::json!({"amount": null, "currency": "USD", "unknown": ["why"]})
        );
    }

    #[test]
    fn a_sum_that_is_too_long_is_none_in_either_order() {
        let amounts =
            [(3_978_009_039_703_679_664, 0), (7_894_387_311_935_942_194, 0), (0, 19), (5_141_721_994_407_301_316, 0)];
        let amounts = amounts.map(|(mantissa, scale)| Exact::new(mantissa, scale).unwrap());
        assert_eq!(Exact::sum(amounts.into_iter().chain([Exact::new(-1, 0).unwrap()])), None);
        assert_eq!(Exact::sum([Exact::new(-1, 0).unwrap()].into_iter().chain(amounts)), None);
    }

    proptest! {
        #[test]
        fn sums_do_not_depend_on_the_order(mut amounts in proptest::collection::vec((any::<i64>(), 0u32..20), 0..40)) {
            let forward = Exact::sum(amounts.iter().map(|(m, s)| Exact::new((*m).into(), *s).unwrap()));
            amounts.reverse();
            let backward = Exact::sum(amounts.iter().map(|(m, s)| Exact::new((*m).into(), *s).unwrap()));
            prop_assert_eq!(forward, backward);
        }

        #[test]
        fn what_is_written_reads_back(mantissa in any::<i64>(), scale in 0u32..30) {
            let amount = Exact::new(mantissa.into(), scale).unwrap();
            prop_assert_eq!(exact(&amount.to_string()), amount);
        }

        #[test]
        fn sharing_conserves_the_last_digit(
            mantissa in -(10i128.pow(22))..10i128.pow(22), scale in 0u32..14,
            weights in proptest::collection::vec((any::<i64>(), 0u32..12), 1..30),
        ) {
            let amount = Exact::new(mantissa, scale).unwrap();
            let weights: Vec<Exact> = weights.iter().map(|(m, s)| Exact::new((*m).into(), *s).unwrap()).collect();
            let shares = amount.share(&weights);
            prop_assert_eq!(shares.len(), weights.len());
            prop_assert_eq!(Exact::sum(shares), Some(amount));
        }
    }
}
