//! Reading the language of price rules: text to tokens to a tree, with a bounded depth.
//!
//! What the tree means belongs to [`super::formula`].

use std::fmt;

use rust_decimal::Decimal;

use super::formula::{Function, Node, Operator, Step, Value};

/// The deepest nesting of an expression.
const MAX_DEPTH: usize = 48;

/// Reads a whole expression.
pub(super) fn node(text: &str) -> Result<Node, String> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0, text };
    let node = reader.expression(0)?;
    match reader.peek() {
        None => Ok(node),
        Some(token) => Err(reader.wrong(&format!("expects an operator before {}", token.kind))),
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
