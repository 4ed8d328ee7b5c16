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
    let tables = [builtins::TABLE].into_iter().chain(sprig::TABLES.iter().copied());
    tables.flatten().map(|function| (function.name, function)).collect()
});

/// What only gomplate has.
static GOMPLATE: LazyLock<HashMap<&'static str, &'static Function>> =
    LazyLock::new(|| gomplate::TABLES.iter().copied().flatten().map(|function| (function.name, function)).collect());

/// Finds a function by its name; where sprig and gomplate have one, Atmos takes sprig's.
pub(super) fn find(name: &str) -> Option<&'static Function> {
    TABLE.get(name).or_else(|| GOMPLATE.get(name)).copied()
}

/// Returns whether there is such a function, gomplate's among them or not.
pub(super) fn exists(name: &str, gomplate: bool) -> bool {
    matches!(name, "and" | "or") || TABLE.contains_key(name) || gomplate && GOMPLATE.contains_key(name)
}

/// Returns the names of all functions, sorted.
pub(super) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLE.keys().chain(GOMPLATE.keys()).copied().chain(["and", "or"]).collect();
    names.sort_unstable();
    names
}
