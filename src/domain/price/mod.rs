//! Prices: rules that say what a resource costs, and price points that say for how much.
//!
//! A *rule* names the cost components of a resource type, each with the formula of its monthly quantity; a *point* is
//! one list price: resource type, component, unit, region, amount, where it comes from and as of when. Rules of the
//! estate (`platform/prices.yaml`) and of the embedded book have the same form. Reading files belongs to
//! `platform::estimates`, adding up to [`crate::domain::estimate`].

mod aws_list;
mod book;
mod formula;
mod parse;
mod template;

pub use aws_list::{AwsPriceList, ListedPrice, NotAPriceList};
pub use book::{Book, BookError, Component, Free, Like, Point, PointKey, PriceSource, Rule, RuleFile, Tier};
pub use formula::{Formula, Scope, Step, Value, Why, show_path};
pub use template::Template;

/// The hours of a month, as list prices are usually quoted by the month: 730.
pub const HOURS: i64 = 730;

/// Reports whether a text matches a pattern in which `*` stands for any run of characters.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("aws_iam_*", "aws_iam_role") && matches("*", "") && matches("a*c*e", "abcde"));
        assert!(!matches("aws_iam_*", "aws_instance") && !matches("a*c", "abcd") && !matches("ab*ba", "aba"));
        assert!(matches("random_pet", "random_pet") && !matches("random_pet", "random_pets"));
    }
}
