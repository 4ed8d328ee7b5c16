//! Forecasts of daily cost: seasonal-naive, linear and Holt-Winters, chosen for each series by backtest.
//!
//! Owns the methods, the choice and the interval. They compute in floating point: a forecast is no sum of money. Nothing
//! here knows a calendar; a series is one value a day, without gaps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The season: costs repeat by the week.
const WEEK: usize = 7;
/// The fewest days of which anything is said.
const FEWEST: usize = 7;
/// How many origins a backtest looks from.
const FOLDS: usize = 8;
/// The quantile of a normal distribution below which 90 % lie: 80 % lie between both sides.
const Z80: f64 = 1.281_551_565_545;

/// How a series is continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// As on the same weekday of the last weeks: the median of up to four.
    SeasonalNaive,
    /// Along the line of the last four weeks.
    Linear,
    /// Additive Holt-Winters with a damped trend and a week as season.
    HoltWinters,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 3] = [Method::SeasonalNaive, Method::Linear, Method::HoltWinters];

    /// Returns its name, as on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Method::SeasonalNaive => "seasonal-naive",
            Method::Linear => "linear",
            Method::HoltWinters => "holt-winters",
        }
    }

    /// Continues a series by so many days.
    #[must_use]
    pub fn continued(self, series: &[f64], days: usize) -> Vec<f64> {
        match self {
            Method::SeasonalNaive => seasonal_naive(series, days),
            Method::Linear => linear(series, days),
            Method::HoltWinters => holt_winters(series, days),
        }
    }
}

/// Where a series goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// The next days.
    pub days: Vec<f64>,
    /// Their sum.
    pub sum: f64,
    /// Half the width of the interval in which the sum lies four times out of five.
    pub half: f64,
    /// The method.
    pub method: Method,
    /// The mean error of sums as long as this one in the backtest, in percent of what they were; `None` where the series
    /// is too short for one.
    pub error_percent: Option<f64>,
}

/// Continues a series by so many days with the method that would have done best; `None` of less than a week.
#[must_use]
pub fn forecast(series: &[f64], days: usize) -> Option<Forecast> {
    if series.len() < FEWEST {
        return None;
    }
    let horizon = days.max(1);
    let tested = Method::ALL.map(|method| (method, backtest(method, series, horizon)));
    let mean = |errors: &[f64]| {
        let count = f64::from(u32::try_from(errors.len()).unwrap_or(u32::MAX));
        errors.iter().map(|error| error.abs()).sum::<f64>() / count
    };
    let best = tested.iter().filter(|(_, test)| !test.errors.is_empty());
    let best = best.min_by(|(_, a), (_, b)| mean(&a.errors).total_cmp(&mean(&b.errors)));
    let (method, test) = best.map_or((Method::SeasonalNaive, None), |(method, test)| (*method, Some(test)));
    let next = method.continued(series, days);
    let sum = next.iter().sum();
    let (half, error_percent) = match test {
        Some(test) => {
            let square = test.errors.iter().map(|error| error * error).collect::<Vec<_>>();
            let actual: f64 = test.actual.iter().map(|value| value.abs()).sum();
            let missed: f64 = test.errors.iter().map(|error| error.abs()).sum();
            (Z80 * mean(&square).sqrt(), (actual > 0.0).then(|| missed / actual * 100.0))
        }
        // Too short to test: the spread of the days stands for the error of each.
        None => (Z80 * spread(series) * root(horizon), None),
    };
    Some(Forecast { days: next, sum, half: if days == 0 { 0.0 } else { half }, method, error_percent })
}

struct Backtest {
    /// Forecast less actual of each fold's sum.
    errors: Vec<f64>,
    actual: Vec<f64>,
}

/// Forecasts the past from origins a few days apart, and compares sums.
fn backtest(method: Method, series: &[f64], horizon: usize) -> Backtest {
    let mut test = Backtest { errors: Vec::new(), actual: Vec::new() };
    for fold in 0..FOLDS {
        let Some(origin) = series.len().checked_sub(horizon + fold * 3) else { break };
        if origin < 2 * WEEK {
            break;
        }
        let actual: f64 = series[origin..origin + horizon].iter().sum();
        let guess: f64 = method.continued(&series[..origin], horizon).iter().sum();
        test.errors.push(guess - actual);
        test.actual.push(actual);
    }
    test
}

fn root(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)).sqrt()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Returns the standard deviation.
fn spread(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / number(values.len().max(1));
    (values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / number(values.len().max(1))).sqrt()
}

/// Returns the median; 0 of nothing.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

fn seasonal_naive(series: &[f64], days: usize) -> Vec<f64> {
    let season = WEEK.min(series.len().max(1));
    (0..days)
        .map(|ahead| {
            let back = season - ahead % season;
            let same: Vec<f64> =
                (0..4).filter_map(|week| series.len().checked_sub(back + week * season)).map(|at| series[at]).collect();
            median(&same)
        })
        .collect()
}

fn linear(series: &[f64], days: usize) -> Vec<f64> {
    let recent = &series[series.len().saturating_sub(4 * WEEK)..];
    let count = number(recent.len());
    if recent.is_empty() {
        return vec![0.0; days];
    }
    let middle = (count - 1.0) / 2.0;
    let mean = recent.iter().sum::<f64>() / count;
    let (mut up, mut across) = (0.0, 0.0);
    for (at, value) in recent.iter().enumerate() {
        let off = number(at) - middle;
        up += off * (value - mean);
        across += off * off;
    }
    let slope = if across > 0.0 { up / across } else { 0.0 };
    (0..days).map(|ahead| mean + slope * (number(recent.len() + ahead) - middle)).collect()
}

/// The state of additive Holt-Winters.
struct Smooth {
    level: f64,
    trend: f64,
    season: [f64; WEEK],
    error: f64,
}

const DAMPING: f64 = 0.98;

fn smooth(series: &[f64], alpha: f64, beta: f64, gamma: f64) -> Smooth {
    let weeks = (series.len() / WEEK).clamp(1, 4);
    let mean = |week: usize| series[week * WEEK..(week + 1) * WEEK].iter().sum::<f64>() / number(WEEK);
    let mut season = [0.0; WEEK];
    for (day, value) in season.iter_mut().enumerate() {
        *value = (0..weeks).map(|week| series[week * WEEK + day] - mean(week)).sum::<f64>() / number(weeks);
    }
    let trend = if weeks > 1 { (mean(weeks - 1) - mean(0)) / number((weeks - 1) * WEEK) } else { 0.0 };
    let mut state = Smooth { level: mean(0) - trend * 3.0, trend, season, error: 0.0 };
    for (at, value) in series.iter().enumerate() {
        let day = at % WEEK;
        let guess = state.level + DAMPING * state.trend + state.season[day];
        state.error += (value - guess) * (value - guess);
        let level = alpha * (value - state.season[day]) + (1.0 - alpha) * (state.level + DAMPING * state.trend);
        state.trend = beta * (level - state.level) + (1.0 - beta) * DAMPING * state.trend;
        state.season[day] = gamma * (value - level) + (1.0 - gamma) * state.season[day];
        state.level = level;
    }
    state
}

fn holt_winters(series: &[f64], days: usize) -> Vec<f64> {
    if series.len() < 2 * WEEK {
        return seasonal_naive(series, days);
    }
    let mut best: Option<Smooth> = None;
    for alpha in [0.05, 0.15, 0.3, 0.5] {
        for beta in [0.0, 0.02, 0.1] {
            for gamma in [0.05, 0.2] {
                let state = smooth(series, alpha, beta, gamma);
                if best.as_ref().is_none_or(|best| state.error < best.error) {
                    best = Some(state);
                }
            }
        }
    }
    let Some(state) = best else { return vec![0.0; days] };
    let (mut damped, mut factor) = (0.0, 1.0);
    (0..days)
        .map(|ahead| {
            factor *= DAMPING;
            damped += factor * state.trend;
            state.level + damped + state.season[(series.len() + ahead) % WEEK]
        })
        .collect()
}

/// A day far outside of what the days before it let expect.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier {
    /// Its place in the series.
    pub day: usize,
    /// What it was.
    pub value: f64,
    /// What was to be expected.
    pub expected: f64,
    /// Half the width of the interval in which it should have been.
    pub half: f64,
}

/// Finds days above four times the usual distance from what the same weekdays before them let expect.
///
/// The distance is robust (median absolute deviation of the eight weeks before), at least a tenth of what was expected:
/// a steady series does not cry over cents.
#[must_use]
pub fn outliers(series: &[f64]) -> Vec<Outlier> {
    let mut found: Vec<Outlier> = Vec::new();
    // what was found is replaced by what was expected, so that one day does not hide the next
    let mut clean = series.to_vec();
    for day in 2 * WEEK..series.len() {
        let expected = seasonal_naive(&clean[..day], 1).first().copied().unwrap_or_default();
        let residuals: Vec<f64> =
            (day.saturating_sub(8 * WEEK).max(WEEK)..day).map(|at| (clean[at] - clean[at - WEEK]).abs()).collect();
        let half = 4.0 * (1.4826 * median(&residuals)).max(expected.abs() * 0.1).max(1.0);
        if series[day] - expected > half {
            found.push(Outlier { day, value: series[day], expected, half });
            clean[day] = expected;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A generator that needs no crate: the same numbers for everybody.
    struct Dice(u64);

    impl Dice {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f64::from(u32::try_from(self.0 >> 33).unwrap_or_default()) / f64::from(1u32 << 31)
        }

        /// Roughly normal, deviation 1.
        fn noise(&mut self) -> f64 {
            (0..12).map(|_| self.next()).sum::<f64>() - 6.0
        }
    }

    /// Half a year of cost with a weekday pattern, growth, a step, and noise; the kind decides how much of each.
    fn series(seed: u64) -> Vec<f64> {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let base = 50.0 + dice.next() * 400.0;
        let growth = (dice.next() - 0.3) * 0.6;
        let weekend = 0.5 + dice.next() * 0.5;
        let noise = 0.01 + dice.next() * 0.05;
        let step =
            if seed.is_multiple_of(4) { (60 + usize::try_from(seed % 50).unwrap_or_default(), 1.3) } else { (0, 1.0) };
        (0..180)
            .map(|day| {
                let season = if day % 7 >= 5 { weekend } else { 1.0 };
                let level = base * (1.0 + growth * number(day) / 180.0) * if day >= step.0 { step.1 } else { 1.0 };
                level * season * (1.0 + noise * dice.noise())
            })
            .collect()
    }

    #[test]
    fn the_end_of_a_month_is_known_from_its_middle_on() {
        let mut errors = Vec::new();
        let (mut inside, mut all) = (0, 0);
        for seed in 1..=200 {
            let series = series(seed);
            for known in [15, 20, 25] {
                let (first, end) = (150, 180);
                let now = first + known;
                let truth: f64 = series[first..end].iter().sum();
                let so_far: f64 = series[first..now].iter().sum();
                let next = forecast(&series[..now], end - now).unwrap();
                let guess = so_far + next.sum;
                errors.push((guess - truth).abs() / truth * 100.0);
                all += 1;
                inside += i32::from((guess - truth).abs() <= next.half);
            }
        }
        let (middle, share) = (median(&errors), f64::from(inside) / f64::from(all) * 100.0);
        println!("month-end error from day 15 on: {middle:.2} % at the median; {share:.0} % within the 80 % interval");
        assert!(middle < 5.0, "{middle}");
        assert!((65.0..=97.0).contains(&share), "{share}");
    }

    #[test]
    fn each_method_is_at_home_somewhere() {
        let straight: Vec<f64> = (0..90).map(|day| 100.0 + 2.0 * number(day)).collect();
        let weekly: Vec<f64> = (0..90).map(|day| if day % 7 >= 5 { 10.0 } else { 100.0 }).collect();
        let line = forecast(&straight, 7).unwrap();
        assert!((line.sum - (0..7).map(|day| 280.0 + 2.0 * number(day)).sum::<f64>()).abs() < 1.0, "{line:?}");
        let weeks = forecast(&weekly, 7).unwrap();
        assert!((weeks.sum - 520.0).abs() < 1.0, "{weeks:?}");
        assert!(weeks.error_percent.unwrap() < 0.1 && weeks.half < 1.0, "{weeks:?}");
    }

    #[test]
    fn too_little_says_nothing_and_nothing_says_nothing_wrong() {
        assert_eq!(forecast(&[1.0; 6], 10), None);
        assert!(forecast(&[1.0; 7], 10).unwrap().error_percent.is_none());
        let zeros = forecast(&[0.0; 60], 10).unwrap();
        assert_eq!((zeros.sum, zeros.half, zeros.error_percent), (0.0, 0.0, None));
        let over = forecast(&[5.0; 60], 0).unwrap();
        assert_eq!((over.days.len(), over.half), (0, 0.0));
    }

    #[test]
    fn a_day_far_outside_is_found_and_weekends_are_none() {
        let mut series: Vec<f64> = (0..60).map(|day| if day % 7 >= 5 { 40.0 } else { 100.0 }).collect();
        assert_eq!(outliers(&series), []);
        series[45] = 260.0;
        let found = outliers(&series);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].day, found[0].expected), (45, 100.0));
    }
}
