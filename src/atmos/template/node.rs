//! The parsed template, and how Go prints its parts in errors.

use std::fmt;

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Node {
    Text(Box<str>),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { pos: usize, name: Box<str>, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// `if`, `with` or `range` with its bodies.
#[derive(Debug)]
pub(super) struct Branch {
    pub(super) pipe: Pipe,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Option<Vec<Node>>,
}

/// Commands joined by `|`, and the variables that take the result.
#[derive(Debug)]
pub(super) struct Pipe {
    pub(super) pos: usize,
    /// `=` rather than `:=`.
    pub(super) assigns: bool,
    pub(super) variables: Vec<Box<str>>,
    pub(super) commands: Vec<Command>,
}

/// A function or a value with its arguments.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) pos: usize,
    pub(super) args: Vec<Expr>,
}

/// An operand and where it stands (a byte offset).
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) pos: usize,
    pub(super) kind: ExprKind,
}

/// What an operand is.
#[derive(Debug)]
pub(super) enum ExprKind {
    Dot,
    Nil,
    Bool(bool),
    Number {
        text: Box<str>,
        number: Number,
    },
    Str {
        text: Box<str>,
        value: Box<str>,
    },
    Field(Vec<Box<str>>),
    /// The name with its `$`, then the fields.
    Variable(Vec<Box<str>>),
    Identifier(Box<str>),
    Pipe(Pipe),
    Chain(Box<Expr>, Vec<Box<str>>),
}

/// A number constant in every reading that its syntax allows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Number {
    pub(super) int: Option<i64>,
    pub(super) uint: Option<u64>,
    pub(super) float: Option<f64>,
    /// Whether it is a `float64` where nothing else is known.
    pub(super) prefers_float: bool,
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            f.write_str(&self.variables.join(", "))?;
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match &arg.kind {
                ExprKind::Pipe(pipe) => write!(f, "({pipe})")?,
                _ => arg.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Dot => f.write_str("."),
            ExprKind::Nil => f.write_str("nil"),
            ExprKind::Bool(value) => value.fmt(f),
            ExprKind::Number { text, .. } | ExprKind::Str { text, .. } => f.write_str(text),
            ExprKind::Field(fields) => fields.iter().try_for_each(|field| write!(f, ".{field}")),
            ExprKind::Variable(names) => f.write_str(&names.join(".")),
            ExprKind::Identifier(name) => f.write_str(name),
            ExprKind::Pipe(pipe) => pipe.fmt(f),
            ExprKind::Chain(inner, fields) => {
                match &inner.kind {
                    ExprKind::Pipe(pipe) => write!(f, "({pipe})")?,
                    _ => inner.fmt(f)?,
                }
                fields.iter().try_for_each(|field| write!(f, ".{field}"))
            }
        }
    }
}
