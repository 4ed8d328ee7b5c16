//! Cuts a template into tokens, by the rules of Go's `text/template`: delimiters with trim markers, comments, literals.

use std::borrow::Cow;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The rest can't be cut; the text says why.
    Error,
    Bool,
    /// A printable character that means nothing but itself, such as a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    Str,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    /// Returns whether it is a word with a meaning of its own (Go prints those differently in errors).
    fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Block
                | Self::Break
                | Self::Continue
                | Self::Dot
                | Self::Define
                | Self::Else
                | Self::End
                | Self::If
                | Self::Nil
                | Self::Range
                | Self::Template
                | Self::With
        )
    }
}

/// A token and where it stands, as a byte offset.
#[derive(Debug, Clone)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: Cow<'a, str>,
    pub(super) pos: usize,
}

impl std::fmt::Display for Token<'_> {
    /// Prints it as Go's parser names it in an error.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.kind {
            Kind::Eof => f.write_str("EOF"),
            Kind::Error => f.write_str(&self.text),
            kind if kind.is_keyword() => write!(f, "<{}>", self.text),
            _ if self.text.chars().count() > 10 => {
                let start: String = self.text.chars().take(10).collect();
                write!(f, "{}...", super::print::quote(&start))
            }
            _ => f.write_str(&super::print::quote(&self.text)),
        }
    }
}

/// Cuts the whole text; the last token is [`Kind::Eof`] or [`Kind::Error`].
pub(super) fn tokens<'a>(input: &'a str, left: &'a str, right: &'a str) -> Vec<Token<'a>> {
    let mut lexer = Lexer { input, left, right, pos: 0, start: 0, parens: 0, tokens: Vec::new() };
    if let Err((pos, message)) = lexer.run() {
        lexer.tokens.push(Token { kind: Kind::Error, text: message.into(), pos });
    }
    lexer.tokens
}

struct Lexer<'a> {
    input: &'a str,
    left: &'a str,
    right: &'a str,
    pos: usize,
    start: usize,
    parens: usize,
    tokens: Vec<Token<'a>>,
}

type Step = Result<(), (usize, String)>;

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

fn trims_left(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next() == Some('-') && chars.next().is_some_and(is_space)
}

fn trims_right(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(is_space) && chars.next() == Some('-')
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    fn emit(&mut self, kind: Kind) {
        self.tokens.push(Token { kind, text: Cow::Borrowed(&self.input[self.start..self.pos]), pos: self.start });
        self.start = self.pos;
    }

    fn fail(&self, message: impl Into<String>) -> Step {
        Err((self.start, message.into()))
    }

    fn run(&mut self) -> Step {
        loop {
            let Some(at) = self.rest().find(self.left) else {
                self.pos = self.input.len();
                if self.pos > self.start {
                    self.emit(Kind::Text);
                }
                self.emit(Kind::Eof);
                return Ok(());
            };
            let delim = self.pos + at;
            let after = &self.input[delim + self.left.len()..];
            let text = &self.input[self.start..delim];
            let text = if trims_left(after) { text.trim_end_matches(is_space) } else { text };
            if !text.is_empty() {
                self.tokens.push(Token { kind: Kind::Text, text: text.into(), pos: self.start });
            }
            (self.start, self.pos) = (delim, delim + self.left.len());
            let marker = if trims_left(after) { 2 } else { 0 };
            if self.input[self.pos + marker..].starts_with("/*") {
                self.pos += marker;
                self.comment()?;
                continue;
            }
            self.emit(Kind::LeftDelim);
            self.pos += marker;
            self.start = self.pos;
            self.parens = 0;
            while !self.action()? {}
        }
    }

    /// Skips a comment and its closing delimiter.
    fn comment(&mut self) -> Step {
        let Some(end) = self.rest()[2..].find("*/") else { return self.fail("unclosed comment") };
        self.pos += 2 + end + 2;
        match self.right_delim() {
            None => return self.fail("comment ends before closing delimiter"),
            Some(trim) => self.skip_right(trim),
        }
        self.start = self.pos;
        Ok(())
    }

    /// Returns whether a closing delimiter stands here, and whether it trims.
    fn right_delim(&self) -> Option<bool> {
        let rest = self.rest();
        if trims_right(rest) && rest[2..].starts_with(self.right) {
            Some(true)
        } else {
            rest.starts_with(self.right).then_some(false)
        }
    }

    fn skip_right(&mut self, trim: bool) {
        self.pos += self.right.len() + if trim { 2 } else { 0 };
        if trim {
            self.pos = self.input.len() - self.rest().trim_start_matches(is_space).len();
        }
    }

    /// Emits the next token of an action; true once the action is closed.
    fn action(&mut self) -> Result<bool, (usize, String)> {
        if let Some(trim) = self.right_delim() {
            if self.parens > 0 {
                self.fail("unclosed left paren")?;
            }
            let pos = self.start + if trim { 2 } else { 0 };
            self.skip_right(trim);
            self.tokens.push(Token { kind: Kind::RightDelim, text: self.right.into(), pos });
            self.start = self.pos;
            return Ok(true);
        }
        let Some(c) = self.bump() else {
            self.fail("unclosed action")?;
            return Ok(true);
        };
        match c {
            _ if is_space(c) => {
                while self.peek().is_some_and(is_space) && self.right_delim() != Some(true) {
                    self.bump();
                }
                // A single blank before a trimming delimiter is the delimiter's own.
                self.emit(Kind::Space);
            }
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.bump() != Some('=') {
                    self.fail("expected :=")?;
                }
                self.emit(Kind::Declare);
            }
            '|' => self.emit(Kind::Pipe),
            '"' => self.quoted('"', Kind::Str, "unterminated quoted string")?,
            '\'' => self.quoted('\'', Kind::CharConstant, "unterminated character constant")?,
            '`' => {
                let Some(end) = self.rest().find('`') else {
                    return Err((self.start, "unterminated raw quoted string".into()));
                };
                self.pos += end + 1;
                self.emit(Kind::RawString);
            }
            '$' => self.field(Kind::Variable, Kind::Variable)?,
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => self.field(Kind::Field, Kind::Dot)?,
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            _ if is_word(c) => self.identifier()?,
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen);
            }
            ')' => {
                if self.parens == 0 {
                    self.fail("unexpected right paren")?;
                }
                self.parens -= 1;
                self.emit(Kind::RightParen);
            }
            ' '..='~' => self.emit(Kind::Char),
            _ => self.fail(format!("unrecognized character in action: {}", code_point(c)))?,
        }
        Ok(false)
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Step {
        loop {
            match self.bump() {
                Some('\\') => {
                    if matches!(self.bump(), None | Some('\n')) {
                        return self.fail(unterminated);
                    }
                }
                None | Some('\n') => return self.fail(unterminated),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.emit(kind);
        Ok(())
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(self.right),
        }
    }

    fn word(&mut self) -> Step {
        while self.peek().is_some_and(is_word) {
            self.bump();
        }
        if self.at_terminator() {
            return Ok(());
        }
        let c = self.peek().unwrap_or('\0');
        self.fail(format!("bad character {}", code_point(c)))
    }

    fn field(&mut self, kind: Kind, bare: Kind) -> Step {
        if self.at_terminator() {
            self.emit(bare);
            return Ok(());
        }
        self.word()?;
        self.emit(kind);
        Ok(())
    }

    fn identifier(&mut self) -> Step {
        self.word()?;
        let kind = match &self.input[self.start..self.pos] {
            "true" | "false" => Kind::Bool,
            "block" => Kind::Block,
            "break" => Kind::Break,
            "continue" => Kind::Continue,
            "define" => Kind::Define,
            "else" => Kind::Else,
            "end" => Kind::End,
            "if" => Kind::If,
            "range" => Kind::Range,
            "nil" => Kind::Nil,
            "template" => Kind::Template,
            "with" => Kind::With,
            _ => Kind::Identifier,
        };
        self.emit(kind);
        Ok(())
    }

    fn accept(&mut self, set: &str) -> bool {
        let found = self.peek().is_some_and(|c| set.contains(c));
        if found {
            self.bump();
        }
        found
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn number(&mut self) -> Step {
        self.pos = self.start;
        let mut good = self.scan_number();
        let mut kind = Kind::Number;
        if good && matches!(self.peek(), Some('+' | '-')) {
            kind = Kind::Complex;
            good = self.scan_number() && self.input[..self.pos].ends_with('i');
        }
        if !good {
            let text = super::print::quote(&self.input[self.start..self.pos]);
            return self.fail(format!("bad number syntax: {text}"));
        }
        self.emit(kind);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        self.accept("+-");
        let mut digits = "0123456789_";
        if self.accept("0") {
            if self.accept("xX") {
                digits = "0123456789abcdefABCDEF_";
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits.len() == 11 && self.accept("eE") || digits.len() == 23 && self.accept("pP") {
            self.accept("+-");
            self.accept_run("0123456789_");
        }
        self.accept("i");
        if self.peek().is_some_and(is_word) {
            self.bump();
            return false;
        }
        true
    }
}

/// Prints a character as Go's `%#U` does.
fn code_point(c: char) -> String {
    if c.is_control() { format!("U+{:04X}", c as u32) } else { format!("U+{:04X} '{c}'", c as u32) }
}
