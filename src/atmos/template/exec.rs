//! Executes a parsed template over data: Go's rules for fields, variables, arguments and missing keys, with its words.

use std::{collections::HashMap, rc::Rc};

use super::{
    MissingKey, TemplateOptions,
    budget::{Bounded, Budget, TEXT},
    functions::{self, Call, Function, Param},
    node::{Branch, Command, Expr, ExprKind, Node, Pipe},
    print,
    value::Value,
    version::Field,
};

/// How deep templates may call each other (Go: 100,000), counting their blocks.
const MAX_DEPTH: usize = 400;

/// An error of the execution: where (a byte offset), on which piece, why, and the function that failed.
#[derive(Debug)]
pub(super) struct ExecError {
    pub(super) pos: usize,
    pub(super) context: String,
    pub(super) template: String,
    pub(super) message: String,
    pub(super) function: Option<String>,
}

enum Flow {
    Error(Box<ExecError>),
    Break,
    Continue,
}

type Run<T = ()> = Result<T, Flow>;

/// The piece that an error names.
#[derive(Clone, Copy)]
enum At<'t> {
    Expr(&'t Expr),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Action(&'t Pipe),
    Range(&'t Branch),
    Template(usize, &'t str),
    Start,
}

struct Exec<'t> {
    templates: &'t HashMap<Box<str>, Vec<Node>>,
    options: &'t TemplateOptions,
    budget: Budget,
    out: Bounded,
    variables: Vec<(&'t str, Value)>,
    template: &'t str,
    /// Whether the dot is an item of a list or map, which Go holds as an interface.
    dot_is_item: bool,
    depth: usize,
    at: At<'t>,
}

/// Executes the template `name` and returns its text.
pub(super) fn execute(
    templates: &HashMap<Box<str>, Vec<Node>>,
    name: &str,
    data: Value,
    options: &TemplateOptions,
) -> Result<String, ExecError> {
    let mut exec = Exec {
        templates,
        options,
        budget: Budget::default(),
        out: Bounded::new(TEXT),
        variables: vec![("$", data.clone())],
        template: name,
        dot_is_item: false,
        depth: 0,
        at: At::Start,
    };
    let Some(nodes) = templates.get(name) else { return Ok(String::new()) };
    match exec.nodes(nodes, &data) {
        Err(Flow::Error(error)) => Err(*error),
        _ => Ok(exec.out.into_string()),
    }
}

impl<'t> Exec<'t> {
    fn error<T>(&self, message: impl Into<String>) -> Run<T> {
        self.failed(None, message)
    }

    fn failed<T>(&self, function: Option<&str>, message: impl Into<String>) -> Run<T> {
        let (pos, context) = match self.at {
            At::Expr(expr) => (expr.pos, expr.to_string()),
            At::Pipe(pipe) => (pipe.pos, pipe.to_string()),
            At::Command(command) => (command.pos, command.to_string()),
            At::Action(pipe) => (pipe.pos, format!("{{{{{pipe}}}}}")),
            At::Range(branch) => (branch.pipe.pos, format!("{{{{range {}}}}}", branch.pipe)),
            At::Template(pos, name) => (pos, format!("{{{{template {}}}}}", print::quote(name))),
            At::Start => (0, String::new()),
        };
        Err(Flow::Error(Box::new(ExecError {
            pos,
            context,
            template: self.template.to_owned(),
            message: message.into(),
            function: function.map(str::to_owned),
        })))
    }

    fn checked<T>(&self, result: Result<T, String>) -> Run<T> {
        result.or_else(|message| self.error(message))
    }

    fn step(&mut self) -> Run {
        let result = self.budget.steps(1);
        self.checked(result)
    }

    fn nodes(&mut self, nodes: &'t [Node], dot: &Value) -> Run {
        nodes.iter().try_for_each(|node| self.node(node, dot))
    }

    fn node(&mut self, node: &'t Node, dot: &Value) -> Run {
        self.step()?;
        match node {
            Node::Text(text) => {
                let result = self.out.push(text);
                self.checked(result)
            }
            Node::Action(pipe) => {
                self.at = At::Action(pipe);
                let value = self.pipeline(pipe, dot)?;
                if pipe.variables.is_empty() {
                    self.at = At::Action(pipe);
                    let result = print::value(&mut self.out, &value, true);
                    self.checked(result)?;
                }
                Ok(())
            }
            Node::If(branch) => self.branch(branch, dot, false),
            Node::With(branch) => self.branch(branch, dot, true),
            Node::Range(branch) => {
                self.at = At::Range(branch);
                self.scoped(|exec| match exec.range(branch, dot) {
                    Err(Flow::Break) => Ok(()),
                    other => other,
                })
            }
            Node::Template { pos, name, pipe } => {
                self.at = At::Template(*pos, name);
                self.call_template(name, pipe.as_ref(), dot)
            }
            Node::Break => Err(Flow::Break),
            Node::Continue => Err(Flow::Continue),
        }
    }

    /// Runs something one level deeper and forgets its variables.
    fn scoped<T>(&mut self, run: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        if self.depth >= MAX_DEPTH {
            return self.error(format!("exceeded maximum template depth ({MAX_DEPTH})"));
        }
        self.depth += 1;
        let mark = self.variables.len();
        let result = run(self);
        self.variables.truncate(mark);
        self.depth -= 1;
        result
    }

    fn branch(&mut self, branch: &'t Branch, dot: &Value, moves_dot: bool) -> Run {
        self.scoped(|exec| {
            let value = exec.pipeline(&branch.pipe, dot)?;
            if value.truth() {
                if !moves_dot {
                    return exec.nodes(&branch.body, dot);
                }
                let outer = std::mem::replace(&mut exec.dot_is_item, false);
                let result = exec.nodes(&branch.body, &value);
                exec.dot_is_item = outer;
                result
            } else {
                branch.otherwise.as_ref().map_or(Ok(()), |nodes| exec.nodes(nodes, dot))
            }
        })
    }

    fn range(&mut self, branch: &'t Branch, dot: &Value) -> Run {
        let value = self.pipeline(&branch.pipe, dot)?;
        let mut ran = false;
        match &value {
            Value::Int(_) | Value::Int64(_) | Value::Uint(_) => {
                if branch.pipe.variables.len() > 1 {
                    let text = print::sprint(&value, TEXT).unwrap_or_default();
                    return self.error(format!("can't use {text} to iterate over more than one variable"));
                }
                let (count, make): (u64, fn(u64) -> Value) = match value {
                    Value::Int(count) => (u64::try_from(count).unwrap_or(0), |i| Value::Int(i.cast_signed())),
                    Value::Int64(count) => (u64::try_from(count).unwrap_or(0), |i| Value::Int64(i.cast_signed())),
                    Value::Uint(count) => (count, Value::Uint),
                    _ => (0, Value::Uint),
                };
                for i in 0..count {
                    ran = true;
                    self.iteration(branch, Value::Missing, make(i))?;
                }
            }
            Value::List(list) => {
                for (i, item) in list.items().iter().enumerate() {
                    ran = true;
                    let index = Value::Int(i64::try_from(i).unwrap_or(i64::MAX));
                    self.iteration(branch, index, item.clone())?;
                }
            }
            Value::Map(map) => {
                for (key, item) in map.entries() {
                    ran = true;
                    self.iteration(branch, Value::Str(key), item)?;
                }
            }
            Value::Missing | Value::Nil => {}
            other => {
                let text = print::sprint(other, TEXT).unwrap_or_default();
                return self.error(format!("range can't iterate over {text}"));
            }
        }
        match &branch.otherwise {
            Some(nodes) if !ran => self.nodes(nodes, dot),
            _ => Ok(()),
        }
    }

    fn iteration(&mut self, branch: &'t Branch, index: Value, item: Value) -> Run {
        self.step()?;
        let mark = self.variables.len();
        let pipe = &branch.pipe;
        if pipe.assigns {
            match pipe.variables.as_slice() {
                [one] => self.assign(one, item.clone())?,
                [first, second] => {
                    self.assign(first, index)?;
                    self.assign(second, item.clone())?;
                }
                _ => {}
            }
        } else {
            // The pipeline declared its variables when it was evaluated: they are on top.
            match pipe.variables.len() {
                1 => self.variables[mark - 1].1 = item.clone(),
                2 => {
                    self.variables[mark - 1].1 = item.clone();
                    self.variables[mark - 2].1 = index;
                }
                _ => {}
            }
        }
        let outer = std::mem::replace(&mut self.dot_is_item, true);
        let result = self.nodes(&branch.body, &item);
        self.dot_is_item = outer;
        self.variables.truncate(mark);
        match result {
            Err(Flow::Continue) => Ok(()),
            other => other,
        }
    }

    fn call_template(&mut self, name: &'t str, pipe: Option<&'t Pipe>, dot: &Value) -> Run {
        let Some(nodes) = self.templates.get(name) else {
            return self.error(format!("template {} not defined", print::quote(name)));
        };
        let dot = match pipe {
            Some(pipe) => self.pipeline(pipe, dot)?,
            None => Value::Missing,
        };
        let caller = std::mem::replace(&mut self.template, name);
        let variables = std::mem::replace(&mut self.variables, vec![("$", dot.clone())]);
        let outer = std::mem::replace(&mut self.dot_is_item, false);
        let result = self.scoped(|exec| exec.nodes(nodes, &dot));
        self.dot_is_item = outer;
        self.variables = variables;
        if result.is_ok() {
            self.template = caller;
        }
        result
    }

    fn assign(&mut self, name: &str, value: Value) -> Run {
        match self.variables.iter_mut().rev().find(|(own, _)| *own == name) {
            Some(variable) => {
                variable.1 = value;
                Ok(())
            }
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn pipeline(&mut self, pipe: &'t Pipe, dot: &Value) -> Run<Value> {
        self.at = At::Pipe(pipe);
        let mut value = None;
        for command in &pipe.commands {
            let result = self.command(command, dot, value)?;
            value = Some(if matches!(result, Value::Nil) { Value::Missing } else { result });
        }
        let value = value.unwrap_or(Value::Missing);
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, command: &'t Command, dot: &Value, piped: Option<Value>) -> Run<Value> {
        self.step()?;
        let first = &command.args[0];
        let has_args = command.args.len() > 1 || piped.is_some();
        match &first.kind {
            ExprKind::Field(fields) => {
                self.at = At::Expr(first);
                self.fields(dot.clone(), fields, has_args, self.dot_is_item)
            }
            ExprKind::Chain(inner, fields) => self.chain(first, inner, fields, dot, has_args),
            ExprKind::Variable(names) => self.variable(first, names, has_args),
            ExprKind::Identifier(name) => {
                self.at = At::Expr(first);
                let node = if name.contains('.') { At::Expr(first) } else { At::Command(command) };
                self.call(name, node, &command.args[1..], dot, piped)
            }
            ExprKind::Pipe(pipe) => {
                self.no_arguments(first, has_args)?;
                self.scope_free_pipeline(pipe, dot)
            }
            _ => {
                self.at = At::Expr(first);
                self.no_arguments(first, has_args)?;
                match &first.kind {
                    ExprKind::Dot => Ok(dot.clone()),
                    ExprKind::Nil => self.error("nil is not a command"),
                    _ => self.constant(first),
                }
            }
        }
    }

    /// Evaluates a parenthesised pipeline one level deeper.
    fn scope_free_pipeline(&mut self, pipe: &'t Pipe, dot: &Value) -> Run<Value> {
        if self.depth >= MAX_DEPTH {
            return self.error(format!("exceeded maximum template depth ({MAX_DEPTH})"));
        }
        self.depth += 1;
        let result = self.pipeline(pipe, dot);
        self.depth -= 1;
        result
    }

    fn no_arguments(&self, expr: &Expr, has_args: bool) -> Run {
        if has_args {
            return self.error(format!("can't give argument to non-function {expr}"));
        }
        Ok(())
    }

    /// Evaluates a literal where nothing says which type is wanted.
    fn constant(&self, expr: &'t Expr) -> Run<Value> {
        match &expr.kind {
            ExprKind::Bool(value) => Ok(Value::Bool(*value)),
            ExprKind::Str { value, .. } => Ok(Value::str(value)),
            ExprKind::Number { text, number } => match (number.float, number.int) {
                (Some(value), _) if number.prefers_float => Ok(Value::Float(value)),
                (_, Some(value)) => Ok(Value::Int(value)),
                _ => self.error(format!("{text} overflows int")),
            },
            _ => self.error(format!("can't evaluate command {}", print::quote(&expr.to_string()))),
        }
    }

    fn variable(&mut self, expr: &'t Expr, names: &'t [Box<str>], has_args: bool) -> Run<Value> {
        self.at = At::Expr(expr);
        let found = self.variables.iter().rev().find(|(name, _)| **name == *names[0]);
        let Some((_, value)) = found else {
            return self.error(format!("undefined variable: {}", names[0]));
        };
        let value = value.clone();
        if names.len() == 1 {
            self.no_arguments(expr, has_args)?;
            return Ok(value);
        }
        self.fields(value, &names[1..], has_args, false)
    }

    fn chain(
        &mut self,
        expr: &'t Expr,
        inner: &'t Expr,
        fields: &'t [Box<str>],
        dot: &Value,
        has_args: bool,
    ) -> Run<Value> {
        self.at = At::Expr(expr);
        if matches!(inner.kind, ExprKind::Nil) {
            return self.error(format!("indirection through explicit nil in {expr}"));
        }
        let value = self.argument(inner, None, dot)?;
        self.fields(value, fields, has_args, false)
    }

    fn fields(&self, mut receiver: Value, fields: &[Box<str>], has_args: bool, is_item: bool) -> Run<Value> {
        for (i, field) in fields.iter().enumerate() {
            let last = i + 1 == fields.len();
            receiver = match &receiver {
                Value::Missing if self.options.missing_key == MissingKey::Error => {
                    return self.error(format!("nil data; no entry for key {}", print::quote(field)));
                }
                Value::Missing => Value::Missing,
                Value::Nil => {
                    return self.error(format!("nil pointer evaluating interface {{}}.{field}"));
                }
                Value::Map(_) if last && has_args => {
                    return self.error(format!("{field} is not a method but has arguments"));
                }
                Value::Map(map) => match map.get(field) {
                    Some(value) => value,
                    None if self.options.missing_key == MissingKey::Error => {
                        return self.error(format!("map has no entry for key {}", print::quote(field)));
                    }
                    None => Value::Missing,
                },
                Value::Version(version) => match version.field(field) {
                    Some(_) if last && has_args => {
                        return self.error(format!("wrong number of args for {field}: want 0 got 1"));
                    }
                    Some(Field::Number(number)) => Value::Uint(number),
                    Some(Field::Text(text)) => Value::str(text),
                    Some(Field::Version(version)) => Value::Version(Rc::new(version)),
                    None => return self.error(format!("can't evaluate field {field} in type *semver.Version")),
                },
                other => {
                    let type_name = if i == 0 && !is_item { other.type_name() } else { "interface {}" };
                    return self.error(format!("can't evaluate field {field} in type {type_name}"));
                }
            };
        }
        Ok(receiver)
    }

    fn call(&mut self, name: &'t str, node: At<'t>, args: &'t [Expr], dot: &Value, piped: Option<Value>) -> Run<Value> {
        if matches!(name, "and" | "or") {
            return self.short_circuit(name, args, dot, piped);
        }
        let Some(function) = functions::find(name) else {
            return self.failed(Some(name), format!("{} is not a defined function", print::quote(name)));
        };
        let count = args.len() + usize::from(piped.is_some());
        let wanted = function.params.len();
        // A method goes by its own name, without its namespace.
        let called = name.rsplit('.').next().unwrap_or(name);
        if function.rest.is_some() && count < wanted {
            let got = args.len();
            return self.error(format!("wrong number of args for {called}: want at least {wanted} got {got}"));
        }
        if function.rest.is_none() && count != wanted {
            return self.error(format!("wrong number of args for {called}: want {wanted} got {count}"));
        }
        let param = |i: usize| function.params.get(i).copied().or(function.rest).unwrap_or(Param::Any);
        let mut values = Vec::with_capacity(count);
        for (i, arg) in args.iter().enumerate() {
            values.push(self.argument(arg, Some(param(i)), dot)?);
        }
        if let Some(piped) = piped {
            values.push(self.validate(piped, param(values.len()))?);
        }
        if let ("call", [first, ..]) = (name, args) {
            self.at = node;
            let got = values[0].type_name();
            let message = format!("error calling call: non-function {first} of type {got}");
            return self.failed(Some(name), message);
        }
        self.run(function, node, &values)
    }

    fn run(&mut self, function: &Function, node: At<'t>, values: &[Value]) -> Run<Value> {
        let read: usize = values.iter().filter_map(Value::as_str).map(str::len).sum();
        let mut call = Call { budget: &mut self.budget, env: &self.options.env };
        let result = (call.budget.steps(1 + read / 256))
            .and_then(|()| (function.body)(&mut call, values))
            .and_then(|value| call.budget.bytes(value.weight()).map(|()| value));
        match result {
            Ok(value) => Ok(value),
            Err(message) => {
                self.at = node;
                let name = function.name;
                let method = name.rsplit('.').next().unwrap_or(name);
                self.failed(Some(name), format!("error calling {method}: {message}"))
            }
        }
    }

    /// Evaluates `and` and `or`, which stop at the argument that decides.
    fn short_circuit(&mut self, name: &str, args: &'t [Expr], dot: &Value, piped: Option<Value>) -> Run<Value> {
        if args.is_empty() && piped.is_none() {
            return self.error(format!("wrong number of args for {name}: want at least 1 got 0"));
        }
        let mut last = Value::Missing;
        for arg in args {
            last = self.argument(arg, Some(Param::Any), dot)?;
            if last.truth() == (name == "or") {
                return Ok(last);
            }
        }
        Ok(piped.unwrap_or(last))
    }

    fn argument(&mut self, expr: &'t Expr, param: Option<Param>, dot: &Value) -> Run<Value> {
        self.step()?;
        self.at = At::Expr(expr);
        let value = match &expr.kind {
            ExprKind::Dot => dot.clone(),
            ExprKind::Nil => {
                return match param {
                    Some(Param::Any) | None => Ok(Value::Nil),
                    Some(Param::Map) => Ok(Value::map([])),
                    Some(param) => self.error(format!("cannot assign nil to {}", param.type_name())),
                };
            }
            ExprKind::Field(fields) => self.fields(dot.clone(), fields, false, self.dot_is_item)?,
            ExprKind::Variable(names) => self.variable(expr, names, false)?,
            ExprKind::Pipe(pipe) => {
                self.at = At::Pipe(pipe);
                self.scope_free_pipeline(pipe, dot)?
            }
            ExprKind::Identifier(name) => self.call(name, At::Expr(expr), &[], dot, None)?,
            ExprKind::Chain(inner, fields) => self.chain(expr, inner, fields, dot, false)?,
            ExprKind::Bool(_) | ExprKind::Number { .. } | ExprKind::Str { .. } => {
                return self.literal(expr, param.unwrap_or(Param::Any));
            }
        };
        match param {
            Some(param) => self.validate(value, param),
            None => Ok(value),
        }
    }

    /// Evaluates a literal argument, which takes the type that the parameter has.
    fn literal(&self, expr: &'t Expr, param: Param) -> Run<Value> {
        let wanted = match (param, &expr.kind) {
            (Param::Any, _) => return self.constant(expr),
            (Param::Str, ExprKind::Str { value, .. }) => return Ok(Value::str(value)),
            (Param::Int, ExprKind::Number { number, .. }) => match number.int {
                Some(value) => return Ok(Value::Int(value)),
                None => "integer",
            },
            (Param::Float, ExprKind::Number { number, .. }) => match number.float {
                Some(value) => return Ok(Value::Float(value)),
                None => "float",
            },
            (Param::Bool, ExprKind::Bool(value)) => return Ok(Value::Bool(*value)),
            (Param::Str, _) => "string",
            (Param::Bool, _) => "boolean",
            (Param::Int, _) => "integer",
            (Param::Float, _) => "float",
            (Param::Map, _) => {
                return self.error(format!("can't handle {expr} for arg of type {}", param.type_name()));
            }
        };
        self.error(format!("expected {wanted}; found {expr}"))
    }

    /// Checks a value against the type of a parameter.
    fn validate(&self, value: Value, param: Param) -> Run<Value> {
        let fits = match (&value, param) {
            (_, Param::Any)
            | (Value::Str(_), Param::Str)
            | (Value::Int(_), Param::Int)
            | (Value::Float(_), Param::Float)
            | (Value::Bool(_), Param::Bool)
            | (Value::Map(_), Param::Map) => true,
            (Value::Missing, Param::Map) => return Ok(Value::map([])),
            (Value::Missing, _) => {
                return self.error(format!("invalid value; expected {}", param.type_name()));
            }
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        let got = if value.is_nil() { "interface {}" } else { value.type_name() };
        self.error(format!("wrong type for value; expected {}; got {got}", param.type_name()))
    }
}
