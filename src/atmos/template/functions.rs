//! The table of functions: what Go's templates bring, and what gomplate and sprig (both version 3) add, but for those
//! whose answer is never the same twice (dates, random values, keys, look-ups of names) or comes from outside.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use super::{budget::Budget, builtins, gomplate, sprig, value::Value};

/// The Go type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    Any,
    Str,
    Int,
    Float,
    Bool,
    Map,
}

impl Param {
    /// Returns the name of the Go type.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Str => "string",
            Self::Int => "int",
            Self::Float => "float64",
            Self::Bool => "bool",
            Self::Map => "map[string]interface {}",
        }
    }
}

/// What a function may use besides its arguments.
pub(super) struct Call<'c> {
    pub(super) budget: &'c mut Budget,
    pub(super) env: &'c BTreeMap<String, String>,
}

/// What a function answers: its value, or the text of its error.
pub(super) type Answer = Result<Value, String>;

/// The code of a function; its arguments have been counted and checked against its parameters.
pub(super) type Body = fn(&mut Call<'_>, &[Value]) -> Answer;

/// A function of templates.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) params: &'static [Param],
    /// The type of further arguments, where any number may follow.
    pub(super) rest: Option<Param>,
    pub(super) body: Body,
}

/// Declares a function with a fixed number of parameters.
pub(super) const fn fixed(name: &'static str, params: &'static [Param], body: Body) -> Function {
    Function { name, params, rest: None, body }
}

/// Declares a function that takes more arguments after its parameters.
pub(super) const fn variadic(name: &'static str, params: &'static [Param], rest: Param, body: Body) -> Function {
    Function { name, params, rest: Some(rest), body }
}

static TABLE: LazyLock<HashMap<&'static str, &'static Function>> = LazyLock::new(|| {
    // Where sprig and gomplate have one name, Atmos takes sprig's.
    let tables = [builtins::TABLE].into_iter().chain(gomplate::TABLES.iter().copied());
    let tables = tables.chain(sprig::TABLES.iter().copied());
    tables.flatten().map(|function| (function.name, function)).collect()
});

/// Finds a function by its name.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLE.get(name).copied()
}

/// Returns whether there is such a function.
pub(super) fn exists(name: &str) -> bool {
    matches!(name, "and" | "or") || TABLE.contains_key(name)
}

/// Returns the names of all functions, sorted.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLE.keys().copied().chain(["and", "or"]).collect();
    names.sort_unstable();
    names
}
