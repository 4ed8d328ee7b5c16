//! What live instances cost a month, as lists show it: a price beside each instance, a sum beside each service.
//!
//! What is not known is said and never counted as nothing; what is not live has no price.

use std::collections::HashMap;

use crate::domain::budget::InstancePrice;
use crate::domain::money::{Exact, Money};
use crate::domain::stack::InstanceRef;

use super::panes::requests::money;
use super::theme::Meaning;
use super::widgets::list::{Piece, piece};

/// The prices of live instances.
#[derive(Debug, Default, Clone)]
pub struct Prices {
    own: HashMap<String, HashMap<String, InstancePrice>>,
}

/// What the instances of a service cost together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    /// What is known of it.
    pub monthly: Option<Money>,
    /// How many instances are live.
    pub live: usize,
    /// How many of them have no price, or none for a part.
    pub unpriced: usize,
}

impl Prices {
    /// Takes what the platform knows.
    #[must_use]
    pub fn of(prices: Vec<InstancePrice>) -> Self {
        let mut own: HashMap<String, HashMap<String, InstancePrice>> = HashMap::new();
        for price in prices.into_iter().filter(|price| price.from != "none") {
            own.entry(price.stack.clone()).or_default().insert(price.component.clone(), price);
        }
        Prices { own }
    }

    /// Returns the price of an instance; `None` where nothing of it is live.
    #[must_use]
    pub fn get(&self, component: &str, stack: &str) -> Option<&InstancePrice> {
        self.own.get(stack)?.get(component)
    }

    /// Adds up the prices of instances.
    #[must_use]
    pub fn sum<'i>(&self, instances: impl IntoIterator<Item = &'i InstanceRef>) -> Sum {
        let live: Vec<&InstancePrice> =
            instances.into_iter().filter_map(|one| self.get(&one.component, &one.stack)).collect();
        let unpriced = live.iter().filter(|price| !price.monthly.is_known()).count();
        let known: Vec<Exact> = live.iter().filter_map(|price| price.monthly.amount).collect();
        let first = live.first().map(|price| price.monthly.currency.clone());
        let mixed = live.iter().any(|price| Some(&price.monthly.currency) != first.as_ref());
        let amount = if known.is_empty() || mixed { None } else { Exact::sum(known) };
        let reasons = (unpriced > 0 || mixed).then(|| "some have no price".to_owned());
        let monthly = first.map(|currency| Money { amount, currency, unknown: reasons.into_iter().collect() });
        Sum { monthly, live: live.len(), unpriced }
    }
}

/// Returns a price as it stands on the right of a row.
#[must_use]
pub fn beside(money: &Money) -> Piece {
    let meaning = if money.amount.is_some() { Meaning::Dim } else { Meaning::Unknown };
    piece(format!("{} ", money::short(money)), meaning)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sums_say_what_they_do_not_know_and_leave_out_what_is_not_live() {
        let price = |component: &str, amount: Option<&str>, from: &str| {
            let unknown: Vec<&str> = if amount.is_none() { vec!["no price"] } else { Vec::new() };
            serde_json::from_value(json!({"component": component, "stack": "s", "team": null, "resources": 1,
                "monthly": {"amount": amount, "currency": "USD", "unknown": unknown}, "from": from}))
            .unwrap()
        };
        let prices = Prices::of(vec![
            price("a", Some("10.50"), "state"),
            price("b", Some("2.25"), "plan"),
            price("c", None, "state"),
            price("d", Some("99"), "none"),
        ]);
        let of = |names: &[&str]| {
            let instances: Vec<InstanceRef> =
                names.iter().map(|name| InstanceRef { component: (*name).into(), stack: "s".into() }).collect();
            prices.sum(&instances)
        };
        let known = of(&["a", "b", "d", "missing"]);
        assert_eq!((known.live, known.unpriced), (2, 0));
        assert_eq!(money::amount(&known.monthly.unwrap()), "$12.75");
        let some = of(&["a", "c"]);
        assert_eq!((money::amount(&some.monthly.unwrap()), some.unpriced), ("≥ $10.50".to_owned(), 1));
        assert_eq!(money::amount(&of(&["c"]).monthly.unwrap()), "unknown");
        assert_eq!(of(&["d"]).monthly, None);
    }
}
