//! The evaluator's surroundings: builtins that are refused, and builtins that are kept from taking all memory.

use std::fmt;

use regorus::{Engine, Value};

use super::syntax::FORBIDDEN;
use crate::domain::policy::Dialect;

/// The stack of threads that read or evaluate Rego: both follow a policy's depth on it. Only what is used is taken.
pub(super) const STACK: usize = 256 << 20;

/// Does something on a thread with a deep stack; `None` where no thread could be had or it broke down.
pub(super) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK);
        thread.spawn_scoped(scope, work).ok().and_then(|handle| handle.join().ok())
    })
}

/// How many elements one call may make.
const MAX_ELEMENTS: u64 = 1_000_000;

/// Why a builtin refuses.
#[derive(Debug, thiserror::Error)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns an evaluator without policies.
///
/// In Terrace's own dialect a builtin that fails makes the evaluation fail, and so denies; the others keep what their
/// tools do, which is to go on as if the rule had said nothing.
pub(super) fn engine(dialect: Dialect) -> Engine {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(dialect == Dialect::Terrace);
    for (name, what) in FORBIDDEN {
        let arguments = if name == "opa.runtime" || name == "time.now_ns" { 0 } else { 1 };
        let refusal = format!("'{name}' is refused inside policies: it lets in {what}");
        let refuse = move |_: Vec<Value>| Err(Refused(refusal.clone()).into());
        // It fails only where the name is taken, and the names are distinct.
        drop(engine.add_extension(name.to_owned(), arguments, Box::new(refuse)));
    }
    let range = |arguments: Vec<Value>| Ok(range(arguments.first(), arguments.get(1), 1)?);
    drop(engine.add_extension("numbers.range".to_owned(), 2, Box::new(range)));
    let range_step = |arguments: Vec<Value>| {
        let step = arguments.get(2).and_then(|step| step.as_i64().ok()).unwrap_or(0);
        Ok(self::range(arguments.first(), arguments.get(1), step)?)
    };
    drop(engine.add_extension("numbers.range_step".to_owned(), 3, Box::new(range_step)));
    let expand = |_: Vec<Value>| Err(Refused("'net.cidr_expand' is refused: use net.cidr_contains".to_owned()).into());
    drop(engine.add_extension("net.cidr_expand".to_owned(), 1, Box::new(expand)));
    // The evaluator's own calendar needs chrono; these read a time that the input carries.
    for (name, read) in CALENDAR {
        let read = *read;
        let extension = move |arguments: Vec<Value>| Ok(read(arguments.first().unwrap_or(&Value::Undefined))?);
        drop(engine.add_extension((*name).to_owned(), 1, Box::new(extension)));
    }
    engine
}

/// A function of the calendar.
type OfTime = fn(&Value) -> Result<Value, Refused>;

/// What policies may ask about a time that they were given, as OPA names it.
const CALENDAR: &[(&str, OfTime)] = &[
    ("time.parse_rfc3339_ns", |text| {
        let text = text.as_string().map_err(|_| Refused("time.parse_rfc3339_ns needs a text".to_owned()))?;
        let time: jiff::Timestamp =
            text.parse().map_err(|error| Refused(format!("'{text}' is no RFC 3339 time: {error}")))?;
        Ok(Value::from(time.as_nanosecond()))
    }),
    ("time.weekday", |time| Ok(Value::from(format!("{:?}", zoned(time)?.weekday())))),
    ("time.clock", |time| {
        let time = zoned(time)?;
        Ok(Value::from([time.hour(), time.minute(), time.second()].map(|part| Value::from(i64::from(part))).to_vec()))
    }),
    ("time.date", |time| {
        let time = zoned(time)?;
        let parts = [i64::from(time.year()), i64::from(time.month()), i64::from(time.day())];
        Ok(Value::from(parts.map(Value::from).to_vec()))
    }),
];

/// Reads nanoseconds since 1970, or those and the name of a time zone.
fn zoned(value: &Value) -> Result<jiff::Zoned, Refused> {
    let unknown = || Refused("a time is nanoseconds since 1970, or those and a time zone".to_owned());
    let (nanoseconds, zone) = match value {
        Value::Array(_) => (&value[0], value[1].as_string().map_err(|_| unknown())?.to_string()),
        other => (other, "UTC".to_owned()),
    };
    let nanoseconds = nanoseconds.as_i128().map_err(|_| unknown())?;
    let time = jiff::Timestamp::from_nanosecond(nanoseconds).map_err(|error| Refused(error.to_string()))?;
    let zone = if zone.is_empty() { "UTC" } else { &zone };
    time.in_tz(zone).map_err(|error| Refused(error.to_string()))
}

/// Counts from one number to another, both included, up or down.
fn range(from: Option<&Value>, to: Option<&Value>, step: i64) -> Result<Value, Refused> {
    let whole = |value: Option<&Value>| {
        value.and_then(|value| value.as_i64().ok()).ok_or_else(|| Refused("a range needs whole numbers".to_owned()))
    };
    let (from, to) = (whole(from)?, whole(to)?);
    if step < 1 {
        return Err(Refused("a range's step is a whole number from 1".to_owned()));
    }
    let count = from.abs_diff(to) / step.unsigned_abs();
    if count >= MAX_ELEMENTS {
        return Err(Refused(format!("a range of {count} numbers is refused, {MAX_ELEMENTS} are the most")));
    }
    let signed = if from <= to { step } else { -step };
    let mut values = Vec::new();
    let mut next = from;
    for _ in 0..=count {
        values.push(Value::from(next));
        next = next.saturating_add(signed);
    }
    Ok(Value::from(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(query: &str) -> Option<String> {
        let mut engine = engine(Dialect::Terrace);
        let results = engine.eval_query(query.to_owned(), false).ok()?;
        results
            .result
            .first()?
            .expressions
            .first()?
            .value
            .to_json_str()
            .ok()
            .map(|text| text.split_whitespace().collect())
    }

    #[test]
    fn a_given_time_can_be_read_and_the_clock_cannot() {
        let friday = "time.parse_rfc3339_ns(\"2026-11-27T23:30:00Z\")";
        assert_eq!(ask(&format!("time.weekday({friday})")).as_deref(), Some("\"Friday\""));
        assert_eq!(ask(&format!("time.clock({friday})")).as_deref(), Some("[23,30,0]"));
        assert_eq!(ask(&format!("time.date([{friday}, \"Europe/Berlin\"])")).as_deref(), Some("[2026,11,28]"));
        assert_eq!(ask("time.now_ns()"), None);
        assert_eq!(ask("rand.intn(\"a\", 6)"), None);
    }

    #[test]
    fn a_range_goes_both_ways_and_has_an_end() {
        assert_eq!(ask("numbers.range(3, 1)").as_deref(), Some("[3,2,1]"));
        assert_eq!(ask("numbers.range_step(1, 6, 2)").as_deref(), Some("[1,3,5]"));
        assert_eq!(ask("numbers.range_step(1, 6, 0)"), None);
        assert_eq!(ask("numbers.range(1, 1000001)"), None);
    }
}
