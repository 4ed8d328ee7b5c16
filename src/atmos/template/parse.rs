//! Builds the tree of a template from its tokens, refusing what Go's parser refuses, in its words.

use std::collections::HashMap;

use super::{
    functions,
    lex::{Kind, Token, tokens},
    literal,
    node::{Branch, Command, Expr, ExprKind, Node, Number, Pipe},
    value::Uses,
};

/// How deep blocks and parentheses may nest (Go: 10,000 parentheses; the stack of a thread here holds fewer).
const MAX_NESTING: usize = 150;

/// A template that can't be parsed: where (a byte offset), why, and the function it names in vain.
#[derive(Debug)]
pub(super) struct ParseError {
    pub(super) pos: usize,
    pub(super) message: String,
    pub(super) function: Option<String>,
}

/// What a text parses to: named templates, the main one under the template's own name.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) templates: HashMap<Box<str>, Vec<Node>>,
    pub(super) uses: Uses,
}

/// Parses `text`, with gomplate's functions or without; its main part gets the name `name`.
pub(super) fn parse(name: &str, text: &str, (left, right): (&str, &str), gomplate: bool) -> Result<Parsed, ParseError> {
    let mut parser = Parser {
        tokens: tokens(text, left, right),
        at: 0,
        templates: HashMap::new(),
        variables: vec!["$".into()],
        range_depth: 0,
        nesting: 0,
        action_start: None,
        text,
        name,
        gomplate,
        uses: Uses::default(),
    };
    let root = parser.top()?;
    parser.add(name, root, text.len())?;
    Ok(Parsed { templates: parser.templates, uses: parser.uses })
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    templates: HashMap<Box<str>, Vec<Node>>,
    variables: Vec<Box<str>>,
    range_depth: usize,
    nesting: usize,
    action_start: Option<usize>,
    text: &'a str,
    name: &'a str,
    gomplate: bool,
    uses: Uses,
}

type Parse<T> = Result<T, ParseError>;

/// What ended a list of nodes.
enum Ending {
    End,
    Else,
}

fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
}

impl<'a> Parser<'a> {
    fn fail<T>(&self, pos: usize, message: impl Into<String>) -> Parse<T> {
        Err(ParseError { pos, message: message.into(), function: None })
    }

    /// Returns the next token without taking it; the last one stays for ever.
    fn peek(&self) -> &Token<'a> {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn skip_space(&mut self) {
        while self.peek().kind == Kind::Space {
            self.at += 1;
        }
    }

    fn peek_word(&mut self) -> Kind {
        self.skip_space();
        self.peek().kind
    }

    fn take_word(&mut self) -> Token<'a> {
        self.skip_space();
        self.take()
    }

    fn unexpected<T>(&self, token: &Token<'a>, context: &str) -> Parse<T> {
        if token.kind != Kind::Error {
            return self.fail(token.pos, format!("unexpected {token} in {context}"));
        }
        let line = |pos: usize| self.text[..pos].matches('\n').count() + 1;
        let extra = match self.action_start {
            Some(start) if line(start) != line(token.pos) => {
                let verb = if token.text.ends_with(" action") { "" } else { " in action" };
                format!("{verb} started at {}:{}", self.name, line(start))
            }
            _ => String::new(),
        };
        self.fail(token.pos, format!("{token}{extra}"))
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parse<Token<'a>> {
        let token = self.take_word();
        if token.kind == kind { Ok(token) } else { self.unexpected(&token, context) }
    }

    fn enter(&mut self, pos: usize) -> Parse<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.fail(pos, "max expression depth exceeded");
        }
        Ok(())
    }

    fn add(&mut self, name: &str, body: Vec<Node>, pos: usize) -> Parse<()> {
        match self.templates.get(name) {
            Some(old) if !is_empty(old) => {
                if is_empty(&body) {
                    return Ok(());
                }
                let name = super::print::quote(name);
                self.fail(pos, format!("template: multiple definition of template {name}"))
            }
            _ => {
                self.templates.insert(name.into(), body);
                Ok(())
            }
        }
    }

    fn top(&mut self) -> Parse<Vec<Node>> {
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let start = self.at;
                self.at += 1;
                if self.peek_word() == Kind::Define {
                    self.at += 1;
                    self.define()?;
                    continue;
                }
                self.at = start;
            }
            let pos = self.peek().pos;
            match self.node()? {
                Ok(node) => nodes.push(node),
                Err(Ending::End) => return self.fail(pos, "unexpected {{end}}"),
                Err(Ending::Else) => return self.fail(pos, "unexpected {{else}}"),
            }
        }
        Ok(nodes)
    }

    fn define(&mut self) -> Parse<()> {
        let context = "define clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        self.expect(Kind::RightDelim, context)?;
        self.definition(&name, token.pos, context)
    }

    /// Parses the body of `define` or `block`, which sees no variables from outside.
    fn definition(&mut self, name: &str, pos: usize, context: &str) -> Parse<()> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (body, ending) = self.list()?;
        if matches!(ending, Ending::Else) {
            return self.fail(pos, format!("unexpected {{{{else}}}} in {context}"));
        }
        self.variables = variables;
        self.range_depth = range_depth;
        self.add(name, body, pos)
    }

    fn template_name(&mut self, token: &Token<'a>, context: &str) -> Parse<Box<str>> {
        match token.kind {
            Kind::Str | Kind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquote(&self, token: &Token<'a>) -> Parse<Box<str>> {
        match literal::unquote(&token.text) {
            Some(text) => Ok(text.into()),
            None => self.fail(token.pos, "invalid syntax"),
        }
    }

    /// Parses up to an `end` or `else`.
    fn list(&mut self) -> Parse<(Vec<Node>, Ending)> {
        let pos = self.peek().pos;
        self.enter(pos)?;
        let mut nodes = Vec::new();
        while self.peek_word() != Kind::Eof {
            match self.node()? {
                Ok(node) => nodes.push(node),
                Err(ending) => {
                    self.nesting -= 1;
                    return Ok((nodes, ending));
                }
            }
        }
        self.fail(self.text.len(), "unexpected EOF")
    }

    fn node(&mut self) -> Parse<Result<Node, Ending>> {
        let token = self.take_word();
        match token.kind {
            Kind::Text => Ok(Ok(Node::Text(token.text.as_ref().into()))),
            Kind::LeftDelim => {
                self.action_start = Some(token.pos);
                let node = self.action()?;
                self.action_start = None;
                Ok(node)
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parse<Result<Node, Ending>> {
        let kind = self.peek_word();
        let start = self.at;
        let token = self.take();
        Ok(Ok(match kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => {
                let word = token.text.as_ref();
                let close = self.take_word();
                if close.kind != Kind::RightDelim {
                    return self.unexpected(&close, &format!("{{{{{word}}}}}"));
                }
                if self.range_depth == 0 {
                    return self.fail(token.pos, format!("{{{{{word}}}}} outside {{{{range}}}}"));
                }
                if kind == Kind::Break { Node::Break } else { Node::Continue }
            }
            Kind::Else => {
                if !matches!(self.peek_word(), Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Err(Ending::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Err(Ending::End));
            }
            Kind::If => Node::If(self.branch("if")?),
            Kind::With => Node::With(self.branch("with")?),
            Kind::Range => Node::Range(self.branch("range")?),
            Kind::Template => {
                let context = "template clause";
                let token = self.take_word();
                let name = self.template_name(&token, context)?;
                let pipe = if self.peek_word() == Kind::RightDelim {
                    self.at += 1;
                    None
                } else {
                    Some(self.pipeline(context, Kind::RightDelim)?)
                };
                Node::Template { pos: token.pos, name, pipe }
            }
            _ => {
                self.at = start;
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        }))
    }

    fn block(&mut self) -> Parse<Node> {
        let context = "block clause";
        let token = self.take_word();
        let name = self.template_name(&token, context)?;
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        self.definition(&name, token.pos, context)?;
        Ok(Node::Template { pos: token.pos, name, pipe: Some(pipe) })
    }

    fn branch(&mut self, context: &str) -> Parse<Branch> {
        let pos = self.peek().pos;
        self.enter(pos)?;
        let variables = self.variables.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let ranges = usize::from(context == "range");
        self.range_depth += ranges;
        let (body, ending) = self.list()?;
        self.range_depth -= ranges;
        let mut otherwise = None;
        if matches!(ending, Ending::Else) {
            otherwise = Some(match self.peek().kind {
                Kind::If if context == "if" => {
                    self.at += 1;
                    vec![Node::If(self.branch("if")?)]
                }
                Kind::With if context == "with" => {
                    self.at += 1;
                    vec![Node::With(self.branch("with")?)]
                }
                _ => {
                    let pos = self.peek().pos;
                    let (nodes, ending) = self.list()?;
                    if matches!(ending, Ending::Else) {
                        return self.fail(pos, "expected end; found {{else}}");
                    }
                    nodes
                }
            });
        }
        self.variables.truncate(variables);
        self.nesting -= 1;
        Ok(Branch { pipe, body, otherwise })
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Parse<Pipe> {
        self.skip_space();
        let mut pipe = Pipe { pos: self.peek().pos, assigns: false, variables: Vec::new(), commands: Vec::new() };
        self.declarations(&mut pipe, context)?;
        loop {
            let token = self.take_word();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::Str
                | Kind::Variable
                | Kind::LeftParen => {
                    self.at -= 1;
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.fail(pipe.pos, format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            use ExprKind as E;
            if matches!(command.args[0].kind, E::Bool(_) | E::Dot | E::Nil | E::Number { .. } | E::Str { .. }) {
                return self.fail(command.pos, format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(pipe)
    }

    /// Parses `$x :=`, `$x =` and `$i, $x :=`.
    fn declarations(&mut self, pipe: &mut Pipe, context: &str) -> Parse<()> {
        while self.peek_word() == Kind::Variable {
            let start = self.at;
            let variable = self.take();
            self.skip_space();
            let next = self.peek().clone();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assigns = next.kind == Kind::Assign;
                    self.at += 1;
                    self.declare(pipe, &variable);
                    break;
                }
                Kind::Char if next.text == "," => {
                    self.at += 1;
                    self.declare(pipe, &variable);
                    if context != "range" || pipe.variables.len() >= 2 {
                        return self.fail(next.pos, format!("too many declarations in {context}"));
                    }
                    if !matches!(self.peek_word(), Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return self.fail(next.pos, "range can only initialize variables");
                    }
                }
                _ => {
                    self.at = start;
                    break;
                }
            }
        }
        Ok(())
    }

    fn declare(&mut self, pipe: &mut Pipe, variable: &Token<'a>) {
        pipe.variables.push(variable.text.as_ref().into());
        self.variables.push(variable.text.as_ref().into());
    }

    fn command(&mut self) -> Parse<Command> {
        self.skip_space();
        let mut command = Command { pos: self.peek().pos, args: Vec::new() };
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let token = self.take();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.at -= 1;
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if command.args.is_empty() {
            return self.fail(command.pos, "empty command");
        }
        Ok(command)
    }

    fn operand(&mut self) -> Parse<Option<Expr>> {
        let Some(mut expr) = self.term()? else { return Ok(None) };
        if self.peek().kind == Kind::Field {
            let pos = self.peek().pos;
            let mut fields: Vec<Box<str>> = Vec::new();
            while self.peek().kind == Kind::Field {
                fields.push(self.take().text[1..].into());
            }
            match &mut expr.kind {
                ExprKind::Field(names) | ExprKind::Variable(names) => {
                    names.append(&mut fields);
                    expr.pos = pos;
                }
                ExprKind::Bool(_) | ExprKind::Str { .. } | ExprKind::Number { .. } | ExprKind::Nil | ExprKind::Dot => {
                    let term = super::print::quote(&expr.to_string());
                    return self.fail(pos, format!("unexpected . after term {term}"));
                }
                _ => expr = Expr { pos, kind: ExprKind::Chain(Box::new(expr), fields) },
            }
        }
        match &expr.kind {
            ExprKind::Dot => self.uses.all = true,
            ExprKind::Field(path) => self.uses.paths.push(path.clone()),
            ExprKind::Variable(names) if &*names[0] == "$" => match &names[1..] {
                [] => self.uses.all = true,
                path => self.uses.paths.push(path.to_vec()),
            },
            _ => {}
        }
        Ok(Some(expr))
    }

    fn term(&mut self) -> Parse<Option<Expr>> {
        let token = self.take_word();
        let mut pos = token.pos;
        let kind = match token.kind {
            Kind::Identifier => {
                if let Some(method) = self.method(&token) {
                    // Go's errors about methods point at the dot.
                    pos += token.text.len();
                    ExprKind::Identifier(method)
                } else if functions::exists(&token.text, self.gomplate) {
                    ExprKind::Identifier(token.text.as_ref().into())
                } else {
                    return self.undefined(&token);
                }
            }
            Kind::Dot => ExprKind::Dot,
            Kind::Nil => ExprKind::Nil,
            Kind::Variable => {
                if !self.variables.iter().any(|name| **name == *token.text) {
                    let name = super::print::quote(&token.text);
                    return self.fail(pos, format!("undefined variable {name}"));
                }
                ExprKind::Variable(vec![token.text.as_ref().into()])
            }
            Kind::Field => ExprKind::Field(vec![token.text[1..].into()]),
            Kind::Bool => ExprKind::Bool(token.text == "true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                match literal::number(&token.text, token.kind == Kind::CharConstant) {
                    Ok(number) => ExprKind::Number { text: token.text.as_ref().into(), number },
                    Err(message) => return self.fail(pos, message),
                }
            }
            Kind::LeftParen => {
                self.enter(pos)?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.nesting -= 1;
                return Ok(Some(Expr { pos: pipe.pos, kind: ExprKind::Pipe(pipe) }));
            }
            Kind::Str | Kind::RawString => {
                let value = self.unquote(&token)?;
                ExprKind::Str { text: token.text.as_ref().into(), value }
            }
            _ => {
                self.at -= 1;
                return Ok(None);
            }
        };
        Ok(Some(Expr { pos, kind }))
    }

    /// Takes the field after a namespace (`strings.ToUpper`) where both together are a function.
    fn method(&mut self, namespace: &Token<'a>) -> Option<Box<str>> {
        let field = self.peek();
        if field.kind != Kind::Field {
            return None;
        }
        let name = [namespace.text.as_ref(), field.text.as_ref()].concat();
        functions::exists(&name, self.gomplate).then(|| {
            self.at += 1;
            name.into()
        })
    }

    /// Refuses a function that doesn't exist, with the fields of a namespace (`atmos.Component`) in its name.
    fn undefined<T>(&mut self, token: &Token<'a>) -> Parse<T> {
        let mut function = token.text.to_string();
        while self.peek().kind == Kind::Field {
            function.push_str(&self.take().text);
        }
        Err(ParseError {
            pos: token.pos,
            message: format!("function {} not defined", super::print::quote(&token.text)),
            // What is known elsewhere is as unknown to Atmos here.
            function: (!functions::exists(&function, true)).then_some(function),
        })
    }
}

/// A number constant that is none.
pub(super) fn bad_number(text: &str) -> String {
    format!("illegal number syntax: {}", super::print::quote(text))
}

/// Returns the reading of a whole constant.
pub(super) fn whole(value: i128) -> Number {
    Number {
        int: i64::try_from(value).ok(),
        uint: u64::try_from(value).ok(),
        #[expect(clippy::cast_precision_loss, reason = "Go's conversion rounds alike")]
        float: Some(value as f64),
        prefers_float: false,
    }
}
