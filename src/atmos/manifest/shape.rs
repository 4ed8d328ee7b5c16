//! What a value of a stack manifest may be, and how that is written down.
//!
//! The facts, in [`super::kinds`] and [`super::sections`], were taken from Atmos' published description of stack manifests (version 1.0, August 2026) and from its
//! recorded refusals. A section that is not here may hold anything.

/// What a value may be.
#[derive(Debug)]
pub(super) enum Shape {
    /// A text.
    Text,
    /// A boolean.
    Flag,
    /// A whole number, at least this.
    Whole(i64),
    /// A number: at least the first (more than it, where the flag is set), at most the second.
    Number(Option<(f64, bool)>, Option<f64>),
    /// One of these texts.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static List),
    /// A map.
    Map(&'static Map),
    /// Any one of these.
    Either(&'static [&'static Shape]),
    /// A section that `!include` may fill.
    Included(&'static Shape),
}

/// What a list may hold.
#[derive(Debug)]
pub(super) struct List {
    pub(super) items: &'static Shape,
    /// Whether no item may recur.
    pub(super) unique: bool,
    /// How many items there must be.
    pub(super) least: usize,
}

/// What a map may hold.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) keys: &'static [(&'static str, &'static Shape)],
    pub(super) others: Others,
    pub(super) needs: Needs,
}

/// What keys that are not listed may be.
#[derive(Debug)]
pub(super) enum Others {
    /// None is allowed.
    Refused,
    /// Any, with any value.
    Any,
    /// Any, with values of this shape.
    Each(&'static Shape),
    /// Those whose name is made of such characters, with values of this shape.
    Named(Name, &'static Shape),
}

/// Which characters a name is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name {
    /// Letters, digits and `/-_{}. `; it is not empty.
    Component,
    /// Letters, digits and `/_-`; it is not empty.
    Plain,
    /// Letters, digits and `_-`; it is not empty.
    Provider,
    /// Anything that is not empty.
    Some,
}

impl Name {
    pub(super) fn fits(self, name: &str) -> bool {
        let more = match self {
            Name::Some => return name.chars().any(|c| c != '\n'),
            Name::Component => "/-_{}. ",
            Name::Plain => "/_-",
            Name::Provider => "_-",
        };
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
    }
}

/// Which keys there must be.
#[derive(Debug)]
pub(super) enum Needs {
    /// All of these.
    All(&'static [&'static str]),
    /// Exactly one of these.
    One(&'static [&'static str]),
    /// One of these sets, at least.
    Any(&'static [&'static [&'static str]]),
}

/// No key is needed.
pub(super) const NOTHING: Needs = Needs::All(&[]);

/// A map with these keys and no others.
macro_rules! closed {
    ($($key:literal : $shape:expr),* $(,)?) => {
        Shape::Map(&Map { keys: &[$(($key, $shape)),*], others: Others::Refused, needs: NOTHING })
    };
}

/// A map with these keys, and any others.
macro_rules! open {
    ($($key:literal : $shape:expr),* $(,)?) => {
        Shape::Map(&Map { keys: &[$(($key, $shape)),*], others: Others::Any, needs: NOTHING })
    };
}

/// A map with these keys and no others, some of which it needs.
macro_rules! needing {
    ($needs:expr; $($key:literal : $shape:expr),* $(,)?) => {
        Shape::Map(&Map { keys: &[$(($key, $shape)),*], others: Others::Refused, needs: $needs })
    };
}

/// A map of any keys with values of one shape.
macro_rules! each {
    ($shape:expr) => {
        Shape::Map(&Map { keys: &[], others: Others::Each($shape), needs: NOTHING })
    };
}

/// A map of names with values of one shape.
macro_rules! named {
    ($name:ident, $shape:expr) => {
        Shape::Map(&Map { keys: &[], others: Others::Named(Name::$name, $shape), needs: NOTHING })
    };
}

/// A list of one shape.
macro_rules! list {
    ($shape:expr) => {
        Shape::List(&List { items: $shape, unique: false, least: 0 })
    };
    ($shape:expr, unique) => {
        Shape::List(&List { items: $shape, unique: true, least: 0 })
    };
    ($shape:expr, least $least:literal) => {
        Shape::List(&List { items: $shape, unique: false, least: $least })
    };
}

pub(super) use {closed, each, list, named, needing, open};

pub(super) static TEXT: Shape = Shape::Text;
pub(super) static FLAG: Shape = Shape::Flag;
pub(super) static COUNT: Shape = Shape::Whole(0);
pub(super) static ATTEMPTS: Shape = Shape::Whole(1);
pub(super) static OBJECT: Shape = open! {};
pub(super) static OPEN: Shape = Shape::Included(&OBJECT);
pub(super) static TEXTS: Shape = list!(&TEXT);
pub(super) static UNIQUE_TEXTS: Shape = list!(&TEXT, unique);
pub(super) static INCLUDED_TEXTS: Shape = Shape::Included(&TEXTS);
pub(super) static TEXT_MAP: Shape = each!(&TEXT);
pub(super) static OBJECTS: Shape = list!(&OBJECT);
