//! The small language of price rules: `usage.monthly_requests * usage.request_duration_ms / 1000 * memory_size / 1024`.
//!
//! It is total: it has no loops, no calls of its own, a bounded depth; a missing value, a division by zero, an
//! overflow or text where a number belongs is a [`Why`], never a panic and never a silent zero.
//!
//! ```text
//! expression := and ("or" and)*          and := not ("and" not)*         not := "not" not | comparison
//! comparison := sum [("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") sum]
//! sum := product (("+" | "-") product)*  product := unary (("*" | "/") unary)*
//! unary := "-" unary | default           default := primary ["??" default]
//! primary := number | 'text' | "text" | true | false | null | path | call | "[" list "]" | "(" expression ")"
//! path := name ("." name | "[" digits "]")*
//! call := min max ceil floor number lower starts_with ends_with contains part len pick
//!         known(value, default): also where the value is known only after apply
//! ```

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::parse;

/// The longest text of an expression, in bytes.
const MAX_LENGTH: usize = 4096;

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Number(Decimal),
    /// A text.
    Text(String),
    /// True or false.
    Truth(bool),
    /// A list.
    List(Vec<Value>),
    /// Nothing was given; where it is used the path says what.
    Missing(String),
}

/// Why an expression has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// A value that the rule needs was not given.
    #[error("{0} is not given")]
    Missing(String),
    /// A value that is known only after apply.
    #[error("{0} is known only after apply")]
    AfterApply(String),
    /// The rule cannot be computed.
    #[error("'{formula}' {what}")]
    Broken {
        /// The formula.
        formula: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Where paths of an expression lead.
pub trait Scope {
    /// Returns what stands at a path; `Ok(Value::Missing)` where nothing does.
    ///
    /// # Errors
    ///
    /// [`Why::AfterApply`] where the value is not known yet.
    fn get(&self, path: &[Step]) -> Result<Value, Why>;
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A name.
    Name(String),
    /// A position in a list, from 0.
    Index(usize),
}

/// Writes a path as it is written in a formula.
#[must_use]
pub fn show_path(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Name(name) if text.is_empty() => text.push_str(name),
            Step::Name(name) => {
                text.push('.');
                text.push_str(name);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// An expression, read and ready.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    text: String,
    node: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Constant(Value),
    Path(Vec<Step>),
    List(Vec<Node>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Two(Operator, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
    In,
    Plus,
    Minus,
    Times,
    Over,
    Default,
}

macro_rules! functions {
    ($( $variant:ident $name:literal $arguments:pat ),* $(,)?) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function { $( $variant, )* }

        impl Function {
            pub(super) fn named(name: &str) -> Option<Self> {
                match name { $( $name => Some(Function::$variant), )* _ => None }
            }

            fn name(self) -> &'static str {
                match self { $( Function::$variant => $name, )* }
            }

            pub(super) fn takes(self, count: usize) -> bool {
                match self { $( Function::$variant => matches!(count, $arguments), )* }
            }
        }
    };
}

functions! {
    Min "min" 1.., Max "max" 1.., Ceil "ceil" 1, Floor "floor" 1, Number "number" 1, Lower "lower" 1,
    StartsWith "starts_with" 2, EndsWith "ends_with" 2, Contains "contains" 2, Part "part" 3, Len "len" 1,
    Pick "pick" 3.., Known "known" 2,
}

impl Formula {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong and at which column.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("the formula has {} bytes, more than {MAX_LENGTH}", text.len()));
        }
        Ok(Formula { text: text.to_owned(), node: parse::node(text)? })
    }

    /// Returns the expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Calculates the expression.
    ///
    /// # Errors
    ///
    /// [`Why`] there is no answer. A missing value is no error here: it is a [`Value::Missing`].
    pub fn value(&self, scope: &dyn Scope) -> Result<Value, Why> {
        self.walk(&self.node, scope)
    }

    /// Calculates the expression, which must come to a number.
    ///
    /// # Errors
    ///
    /// [`Why`] there is none.
    pub fn number(&self, scope: &dyn Scope) -> Result<Decimal, Why> {
        let value = self.value(scope)?;
        self.as_number(value)
    }

    /// Calculates a condition; a missing value counts as false.
    ///
    /// # Errors
    ///
    /// [`Why`] there is no answer, also where it comes to something that is neither true nor false.
    pub fn truth(&self, scope: &dyn Scope) -> Result<bool, Why> {
        let value = self.value(scope)?;
        self.as_truth(&value)
    }

    /// Returns every path that the expression mentions.
    #[must_use]
    pub fn paths(&self) -> Vec<&[Step]> {
        fn collect<'a>(node: &'a Node, into: &mut Vec<&'a [Step]>) {
            match node {
                Node::Constant(_) => {}
                Node::Path(path) => into.push(path),
                Node::List(nodes) | Node::Call(_, nodes) => nodes.iter().for_each(|node| collect(node, into)),
                Node::Not(node) | Node::Minus(node) => collect(node, into),
                Node::Two(_, left, right) => {
                    collect(left, into);
                    collect(right, into);
                }
            }
        }
        let mut paths = Vec::new();
        collect(&self.node, &mut paths);
        paths
    }

    fn broken(&self, what: impl Into<String>) -> Why {
        Why::Broken { formula: self.text.clone(), what: what.into() }
    }

    fn as_number(&self, value: Value) -> Result<Decimal, Why> {
        match value {
            Value::Number(number) => Ok(number),
            Value::Missing(path) => Err(Why::Missing(path)),
            other => Err(self.broken(format!("needs a number where it has {other}"))),
        }
    }

    fn as_text(&self, value: Value) -> Result<String, Why> {
        match value {
            Value::Text(text) => Ok(text),
            Value::Missing(path) => Err(Why::Missing(path)),
            other => Err(self.broken(format!("needs a text where it has {other}"))),
        }
    }

    fn as_truth(&self, value: &Value) -> Result<bool, Why> {
        match value {
            Value::Truth(truth) => Ok(*truth),
            Value::Missing(_) => Ok(false),
            other => Err(self.broken(format!("needs true or false where it has {other}"))),
        }
    }

    fn walk(&self, node: &Node, scope: &dyn Scope) -> Result<Value, Why> {
        Ok(match node {
            Node::Constant(value) => value.clone(),
            Node::Path(path) => scope.get(path)?,
            Node::List(nodes) => {
                Value::List(nodes.iter().map(|node| self.walk(node, scope)).collect::<Result<_, _>>()?)
            }
            Node::Not(node) => Value::Truth(!self.as_truth(&self.walk(node, scope)?)?),
            Node::Minus(node) => Value::Number(-self.as_number(self.walk(node, scope)?)?),
            Node::Two(operator, left, right) => self.two(*operator, left, right, scope)?,
            // the provider fills in an attribute that nobody set: until apply, its default stands in
            Node::Call(Function::Known, nodes) => match self.walk(&nodes[0], scope) {
                Ok(Value::Missing(_)) | Err(Why::AfterApply(_)) => self.walk(&nodes[1], scope)?,
                other => other?,
            },
            Node::Call(function, nodes) => {
                let values = nodes.iter().map(|node| self.walk(node, scope)).collect::<Result<Vec<_>, _>>()?;
                self.call(*function, values)?
            }
        })
    }

    fn two(&self, operator: Operator, left: &Node, right: &Node, scope: &dyn Scope) -> Result<Value, Why> {
        use Operator as Op;
        let first = self.walk(left, scope)?;
        match operator {
            Op::Or => return Ok(Value::Truth(self.as_truth(&first)? || self.as_truth(&self.walk(right, scope)?)?)),
            Op::And => return Ok(Value::Truth(self.as_truth(&first)? && self.as_truth(&self.walk(right, scope)?)?)),
            Op::Default => {
                return if matches!(first, Value::Missing(_)) { self.walk(right, scope) } else { Ok(first) };
            }
            _ => {}
        }
        let second = self.walk(right, scope)?;
        match operator {
            Op::Equal => return Ok(Value::Truth(same(&first, &second))),
            Op::NotEqual => return Ok(Value::Truth(!same(&first, &second))),
            Op::In => {
                let Value::List(list) = second else { return Err(self.broken("needs a list after 'in'")) };
                return Ok(Value::Truth(list.iter().any(|item| same(item, &first))));
            }
            _ => {}
        }
        let (a, b) = (self.as_number(first)?, self.as_number(second)?);
        let overflows = || self.broken("comes to a number that is too large");
        Ok(match operator {
            Op::Less => Value::Truth(a < b),
            Op::LessOrEqual => Value::Truth(a <= b),
            Op::More => Value::Truth(a > b),
            Op::MoreOrEqual => Value::Truth(a >= b),
            Op::Plus => Value::Number(a.checked_add(b).ok_or_else(overflows)?),
            Op::Minus => Value::Number(a.checked_sub(b).ok_or_else(overflows)?),
            Op::Times => Value::Number(a.checked_mul(b).ok_or_else(overflows)?),
            Op::Over if b.is_zero() => return Err(self.broken("divides by zero")),
            Op::Over => Value::Number(a.checked_div(b).ok_or_else(overflows)?),
            Op::Or | Op::And | Op::Default | Op::Equal | Op::NotEqual | Op::In => {
                return Err(self.broken("cannot be computed"));
            }
        })
    }

    fn call(&self, function: Function, values: Vec<Value>) -> Result<Value, Why> {
        let mut values = values.into_iter();
        let mut next = || values.next().unwrap_or_else(|| Value::Missing(function.name().to_owned()));
        Ok(match function {
            Function::Min | Function::Max => {
                let mut best = self.as_number(next())?;
                for value in values {
                    let number = self.as_number(value)?;
                    best = if function == Function::Min { best.min(number) } else { best.max(number) };
                }
                Value::Number(best)
            }
            Function::Known => next(),
            Function::Ceil => Value::Number(self.as_number(next())?.ceil()),
            Function::Floor => Value::Number(self.as_number(next())?.floor()),
            Function::Number => match next() {
                Value::Text(text) => Value::Number(
                    text.trim().parse().map_err(|_| self.broken(format!("needs a number where it has '{text}'")))?,
                ),
                value => Value::Number(self.as_number(value)?),
            },
            Function::Lower => Value::Text(self.as_text(next())?.to_lowercase()),
            Function::StartsWith => Value::Truth(self.as_text(next())?.starts_with(&self.as_text(next())?)),
            Function::EndsWith => Value::Truth(self.as_text(next())?.ends_with(&self.as_text(next())?)),
            Function::Contains => Value::Truth(self.as_text(next())?.contains(&self.as_text(next())?)),
            Function::Part => {
                let (text, by, index) = (self.as_text(next())?, self.as_text(next())?, self.as_number(next())?);
                let index = usize::try_from(index).map_err(|_| self.broken("needs a position from 0"))?;
                let part = if by.is_empty() { None } else { text.split(by.as_str()).nth(index) };
                part.map_or_else(|| Value::Missing(format!("part {index} of '{text}'")), |p| Value::Text(p.to_owned()))
            }
            Function::Pick => {
                let key = next();
                let mut rest = values;
                while let (Some(candidate), Some(answer)) = (rest.next(), rest.next()) {
                    if same(&candidate, &key) {
                        return Ok(answer);
                    }
                }
                match key {
                    Value::Missing(path) => Value::Missing(path),
                    key => Value::Missing(format!("a name for '{key}'")),
                }
            }
            Function::Len => match next() {
                Value::List(list) => Value::Number(list.len().into()),
                Value::Missing(_) => Value::Number(Decimal::ZERO),
                other => return Err(self.broken(format!("needs a list where it has {other}"))),
            },
        })
    }
}

/// Equality: numbers by value, texts by letters; a missing value equals only `null`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Missing(_), Value::Missing(_)) => true,
        (a, b) => a == b,
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{}", number.normalize()),
            Value::Text(text) => f.write_str(text),
            Value::Truth(truth) => write!(f, "{truth}"),
            Value::List(list) => write!(f, "a list of {}", list.len()),
            Value::Missing(_) => f.write_str("nothing"),
        }
    }
}

impl<'de> Deserialize<'de> for Formula {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Formula;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a formula or a number")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Formula, E> {
                Formula::parse(text).map_err(E::custom)
            }

            fn visit_bool<E: serde::de::Error>(self, truth: bool) -> Result<Formula, E> {
                Formula::parse(&truth.to_string()).map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Formula, E> {
                Formula::parse(&number.to_string()).map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Formula, E> {
                Formula::parse(&number.to_string()).map_err(E::custom)
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Formula, E> {
                Formula::parse(&number.to_string()).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl Serialize for Formula {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Flat;

    impl Scope for Flat {
        fn get(&self, path: &[Step]) -> Result<Value, Why> {
            Ok(match show_path(path).as_str() {
                "size" => Value::Number(Decimal::new(50, 0)),
                "zero" => Value::Number(Decimal::ZERO),
                "kind" => Value::Text("m5.4xlarge".into()),
                "disks[1].iops" => Value::Number(Decimal::new(800, 0)),
                "later" => return Err(Why::AfterApply("later".into())),
                other => Value::Missing(other.to_owned()),
            })
        }
    }

    fn number(text: &str) -> Result<String, Why> {
        Formula::parse(text).unwrap().number(&Flat).map(|number| number.normalize().to_string())
    }

    fn truth(text: &str) -> bool {
        Formula::parse(text).unwrap().truth(&Flat).unwrap()
    }

    #[test]
    fn calculates() {
        assert_eq!(number("size * 0.1").unwrap(), "5");
        assert_eq!(number("2 + 3 * -4").unwrap(), "-10");
        assert_eq!(number("(absent ?? 8) + min(3, size) + ceil(1.2)").unwrap(), "13");
        assert_eq!(number("max(disks[1].iops - 3_000, 0)").unwrap(), "0");
        assert_eq!(number("known(later, 3) + known(absent, 4) + known(size, 1)").unwrap(), "57");
        assert_eq!(number("number(part('db.8', '.', 1))").unwrap(), "8");
        assert!(truth("starts_with(kind, 'm5.') and not (size < 50) or false"));
        assert!(truth("kind in ['x', \"m5.4xlarge\"]"));
        assert!(truth("absent == null") && !truth("absent") && !truth("absent == 'x'"));
    }

    #[test]
    fn says_why_there_is_no_answer() {
        assert_eq!(number("usage.requests / 2").unwrap_err().to_string(), "usage.requests is not given");
        assert_eq!(number("later ?? 3").unwrap_err().to_string(), "later is known only after apply");
        assert_eq!(number("size / zero").unwrap_err().to_string(), "'size / zero' divides by zero");
        assert!(number("kind + 1").unwrap_err().to_string().contains("needs a number"));
        assert!(number("79228162514264337593543950335 * 10").unwrap_err().to_string().contains("too large"));
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for (text, part) in [
            ("1 +", "ends too early at column 4"),
            ("1 2", "expects an operator before '2' at column 3"),
            ("exec('rm')", "calls 'exec', which is unknown"),
            ("'abc", "has no end"),
            ("a.[", "expects a name after '.'"),
            ("min()", "gives 0 argument(s) to 'min'"),
            ("a # b", "means nothing here"),
        ] {
            let error = Formula::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Formula::parse(&"(".repeat(5000)).unwrap_err().contains("more than"));
        assert!(Formula::parse(&"(".repeat(500)).unwrap_err().contains("nested deeper"));
        assert!(Formula::parse(&"-".repeat(500)).unwrap_err().contains("nested deeper"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-a-z0-9 .()+*/<>=!?,\\[\\]'\"]{0,60}") {
            if let Ok(formula) = Formula::parse(&text) {
                drop(formula.value(&Flat));
            }
        }
    }
}
