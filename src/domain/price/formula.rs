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

/// The deepest nesting of an expression.
const MAX_DEPTH: usize = 48;
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
enum Node {
    Constant(Value),
    Path(Vec<Step>),
    List(Vec<Node>),
    Not(Box<Node>),
    Minus(Box<Node>),
    Two(Operator, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
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
        enum Function { $( $variant, )* }

        impl Function {
            fn named(name: &str) -> Option<Self> {
                match name { $( $name => Some(Function::$variant), )* _ => None }
            }

            fn name(self) -> &'static str {
                match self { $( Function::$variant => $name, )* }
            }

            fn takes(self, count: usize) -> bool {
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
        let mut reader = Reader { tokens: tokens(text)?, at: 0, text };
        let node = reader.expression(0)?;
        match reader.peek() {
            None => Ok(Formula { text: text.to_owned(), node }),
            Some(token) => Err(reader.wrong(&format!("expects an operator before {}", token.kind))),
        }
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

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Number(Decimal),
    Text(String),
    Name(String),
    Sign(&'static str),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Number(number) => write!(f, "'{number}'"),
            Kind::Text(text) => write!(f, "the text '{text}'"),
            Kind::Name(name) => write!(f, "'{name}'"),
            Kind::Sign(sign) => write!(f, "'{sign}'"),
        }
    }
}

struct Token {
    kind: Kind,
    column: usize,
}

const SIGNS: [&str; 18] =
    ["??", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "(", ")", "[", "]", ",", ".", "!"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = text[at..].chars().next() {
        let column = text[..at].chars().count() + 1;
        let rest = &text[at..];
        if first.is_whitespace() {
            at += first.len_utf8();
        } else if first.is_ascii_digit() {
            let length = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(rest.len());
            let digits: String = rest[..length].chars().filter(|c| *c != '_').collect();
            let number = digits.parse().map_err(|_| format!("'{digits}' at column {column} is no number"))?;
            tokens.push(Token { kind: Kind::Number(number), column });
            at += length;
        } else if first.is_alphabetic() || first == '_' {
            let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            tokens.push(Token { kind: Kind::Name(rest[..length].to_owned()), column });
            at += length;
        } else if first == '"' || first == '\'' {
            let end = rest[1..].find(first).ok_or_else(|| format!("the text at column {column} has no end"))?;
            tokens.push(Token { kind: Kind::Text(rest[1..=end].to_owned()), column });
            at += end + 2;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token { kind: Kind::Sign(sign), column });
            at += sign.len();
        } else {
            return Err(format!("'{first}' at column {column} means nothing here"));
        }
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: Vec<Token>,
    at: usize,
    text: &'a str,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn wrong(&self, what: &str) -> String {
        let column = self.peek().map_or(self.text.chars().count() + 1, |token| token.column);
        format!("the formula '{}' {what} at column {column}", self.text)
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token { kind: Kind::Sign(s), .. }) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token { kind: Kind::Name(name), .. }) if name == word);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(self.wrong(&format!("expects '{sign}'"))) }
    }

    fn expression(&mut self, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(format!("the formula is nested deeper than {MAX_DEPTH}"));
        }
        let mut left = self.and(depth)?;
        while self.word("or") {
            left = two(Operator::Or, left, self.and(depth)?);
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Node, String> {
        let mut left = self.not(depth)?;
        while self.word("and") {
            left = two(Operator::And, left, self.not(depth)?);
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Node, String> {
        let mut negations = 0;
        while self.word("not") || self.sign("!") {
            negations += 1;
        }
        let node = self.comparison(depth)?;
        Ok(match negations {
            0 => node,
            n if n % 2 == 1 => Node::Not(Box::new(node)),
            _ => Node::Not(Box::new(Node::Not(Box::new(node)))),
        })
    }

    fn comparison(&mut self, depth: usize) -> Result<Node, String> {
        let left = self.sum(depth)?;
        let operator = [
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::MoreOrEqual),
            ("<", Operator::Less),
            (">", Operator::More),
        ]
        .into_iter()
        .find(|(sign, _)| self.sign(sign))
        .map(|(_, operator)| operator)
        .or_else(|| self.word("in").then_some(Operator::In));
        match operator {
            Some(operator) => Ok(two(operator, left, self.sum(depth)?)),
            None => Ok(left),
        }
    }

    fn sum(&mut self, depth: usize) -> Result<Node, String> {
        let mut left = self.product(depth)?;
        loop {
            left = if self.sign("+") {
                two(Operator::Plus, left, self.product(depth)?)
            } else if self.sign("-") {
                two(Operator::Minus, left, self.product(depth)?)
            } else {
                return Ok(left);
            };
        }
    }

    fn product(&mut self, depth: usize) -> Result<Node, String> {
        let mut left = self.unary(depth)?;
        loop {
            left = if self.sign("*") {
                two(Operator::Times, left, self.unary(depth)?)
            } else if self.sign("/") {
                two(Operator::Over, left, self.unary(depth)?)
            } else {
                return Ok(left);
            };
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Node, String> {
        if self.sign("-") {
            if depth > MAX_DEPTH {
                return Err(format!("the formula is nested deeper than {MAX_DEPTH}"));
            }
            return Ok(Node::Minus(Box::new(self.unary(depth + 1)?)));
        }
        let first = self.primary(depth)?;
        let mut all = vec![first];
        while self.sign("??") {
            all.push(self.primary(depth)?);
        }
        let mut node = all.pop().unwrap_or(Node::Constant(Value::Missing("null".into())));
        while let Some(left) = all.pop() {
            node = two(Operator::Default, left, node);
        }
        Ok(node)
    }

    fn primary(&mut self, depth: usize) -> Result<Node, String> {
        if self.sign("(") {
            let node = self.expression(depth + 1)?;
            self.need(")")?;
            return Ok(node);
        }
        if self.sign("[") {
            return Ok(Node::List(self.list("]", depth)?));
        }
        let Some(token) = self.tokens.get(self.at) else { return Err(self.wrong("ends too early")) };
        let node = match &token.kind {
            Kind::Number(number) => Node::Constant(Value::Number(*number)),
            Kind::Text(text) => Node::Constant(Value::Text(text.clone())),
            Kind::Name(name) if name == "true" => Node::Constant(Value::Truth(true)),
            Kind::Name(name) if name == "false" => Node::Constant(Value::Truth(false)),
            Kind::Name(name) if name == "null" => Node::Constant(Value::Missing("null".into())),
            Kind::Name(name) => {
                let name = name.clone();
                self.at += 1;
                return if self.sign("(") { self.call(&name, depth) } else { self.path(name) };
            }
            Kind::Sign(sign) => return Err(self.wrong(&format!("has '{sign}' where a value belongs"))),
        };
        self.at += 1;
        Ok(node)
    }

    fn call(&mut self, name: &str, depth: usize) -> Result<Node, String> {
        let function =
            Function::named(name).ok_or_else(|| self.wrong(&format!("calls '{name}', which is unknown,")))?;
        let arguments = self.list(")", depth)?;
        if !function.takes(arguments.len()) {
            return Err(self.wrong(&format!("gives {} argument(s) to '{name}'", arguments.len())));
        }
        Ok(Node::Call(function, arguments))
    }

    fn list(&mut self, end: &str, depth: usize) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        if self.sign(end) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.expression(depth + 1)?);
            if self.sign(end) {
                return Ok(nodes);
            }
            self.need(",")?;
        }
    }

    fn path(&mut self, first: String) -> Result<Node, String> {
        let mut path = vec![Step::Name(first)];
        loop {
            if self.sign(".") {
                let Some(Token { kind: Kind::Name(name), .. }) = self.peek() else {
                    return Err(self.wrong("expects a name after '.'"));
                };
                path.push(Step::Name(name.clone()));
                self.at += 1;
            } else if self.sign("[") {
                let index = match self.peek() {
                    Some(Token { kind: Kind::Number(number), .. }) => usize::try_from(*number).ok(),
                    _ => None,
                };
                path.push(Step::Index(index.ok_or_else(|| self.wrong("expects a position from 0 in '[]'"))?));
                self.at += 1;
                self.need("]")?;
            } else {
                return Ok(Node::Path(path));
            }
        }
    }
}

fn two(operator: Operator, left: Node, right: Node) -> Node {
    Node::Two(operator, Box::new(left), Box::new(right))
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
