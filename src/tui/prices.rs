//! What live instances cost a month, as lists show it: a price beside each instance, a sum beside each service.
//!
//! What is not known is said and never counted as nothing; what is not known to be live has no price, but what was billed
//! for it last month.

use std::collections::HashMap;

use crate::domain::budget::InstancePrice;
use crate::domain::money::{Exact, Money};
use crate::domain::stack::InstanceRef;

use super::panes::requests::money;
use super::theme::Meaning;
use super::widgets::list::{Piece, piece};

/// The prices of instances that are live, or were billed for.
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
    /// What was billed for all of them last month.
    pub billed: Option<Money>,
}

impl Prices {
    /// Takes what the platform knows.
    #[must_use]
    pub fn of(prices: Vec<InstancePrice>) -> Self {
        let mut own: HashMap<String, HashMap<String, InstancePrice>> = HashMap::new();
        for price in prices.into_iter().filter(|price| price.is_live() || price.billed.is_some()) {
            own.entry(price.stack.clone()).or_default().insert(price.component.clone(), price);
        }
        Prices { own }
    }

    /// Returns what is known of an instance; `None` where nothing of it is live and nothing was billed for it.
    #[must_use]
    pub fn get(&self, component: &str, stack: &str) -> Option<&InstancePrice> {
        self.own.get(stack)?.get(component)
    }

    /// Returns what stands beside an instance: its price, else what was billed for it.
    #[must_use]
    pub fn beside(&self, component: &str, stack: &str) -> Option<Piece> {
        let price = self.get(component, stack)?;
        let monthly = Some(&price.monthly).filter(|_| price.is_live());
        either(monthly, price.billed.as_ref())
    }

    /// Adds up the prices of instances.
    #[must_use]
    pub fn sum<'i>(&self, instances: impl IntoIterator<Item = &'i InstanceRef>) -> Sum {
        let all: Vec<&InstancePrice> =
            instances.into_iter().filter_map(|one| self.get(&one.component, &one.stack)).collect();
        let (billed, _) = together(all.iter().filter_map(|price| price.billed.as_ref()));
        let live: Vec<&InstancePrice> = all.into_iter().filter(|price| price.is_live()).collect();
        let unpriced = live.iter().filter(|price| !price.monthly.is_known()).count();
        let (monthly, mixed) = together(live.iter().map(|price| &price.monthly));
        let reasons = (unpriced > 0 || mixed).then(|| "some have no price".to_owned());
        let monthly = monthly.map(|monthly| Money { unknown: reasons.into_iter().collect(), ..monthly });
        Sum { monthly, live: live.len(), unpriced, billed }
    }
}

impl Sum {
    /// Returns what stands beside the service.
    #[must_use]
    pub fn beside(&self) -> Option<Piece> {
        either(self.monthly.as_ref(), self.billed.as_ref())
    }
}

/// Adds up what is known of amounts, and says whether they are of several currencies, which are never added.
fn together<'m>(amounts: impl Iterator<Item = &'m Money>) -> (Option<Money>, bool) {
    let amounts: Vec<&Money> = amounts.collect();
    let Some(first) = amounts.first().map(|money| money.currency.clone()) else { return (None, false) };
    let mixed = amounts.iter().any(|money| money.currency != first);
    let known: Vec<Exact> = amounts.iter().filter_map(|money| money.amount).collect();
    let amount = if known.is_empty() || mixed { None } else { Exact::sum(known) };
    (Some(Money { amount, currency: first, unknown: Vec::new() }), mixed)
}

/// Writes a price for the right of a row; where none is known, what was billed, with a sign that says so.
fn either(monthly: Option<&Money>, billed: Option<&Money>) -> Option<Piece> {
    let shown = |money: &Money| money::short(money);
    match (monthly, billed.filter(|billed| billed.amount.is_some())) {
        (Some(monthly), _) if monthly.amount.is_some() => Some(piece(format!("{} ", shown(monthly)), Meaning::Dim)),
        (_, Some(billed)) => Some(piece(format!("~{} ", shown(billed)), Meaning::Dim)),
        (Some(monthly), None) => Some(piece(format!("{} ", shown(monthly)), Meaning::Unknown)),
        (None, None) => None,
    }
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

    #[test]
    fn what_is_not_known_to_be_live_shows_what_was_billed_for_it() {
        let price = |component: &str, amount: Option<&str>, from: &str, billed: Option<&str>| {
            let mut price = json!({"component": component, "stack": "s", "team": null, "resources": 0,
                "monthly": {"amount": amount, "currency": "USD"}, "from": from});
            if let Some(billed) = billed {
                price["billed"] = json!({"amount": billed, "currency": "USD"});
            }
            serde_json::from_value(price).unwrap()
        };
        let prices = Prices::of(vec![
            price("live", Some("10"), "state", Some("99")),
            price("unread", None, "unread", Some("310.2")),
            price("dark", None, "unread", None),
            price("gone", Some("0"), "none", Some("4")),
            price("never", Some("0"), "none", None),
        ]);
        let shown = |component: &str| prices.beside(component, "s").map(|piece| piece.text);
        let all = ["live", "unread", "dark", "gone", "never"].map(shown);
        assert_eq!(all.map(|text| text.unwrap_or_default()), ["$10 ", "~$310 ", "? ", "~$4 ", ""]);
        let of = |component: &str| InstanceRef { component: component.into(), stack: "s".into() };
        let both = prices.sum(&[of("gone"), of("never")]);
        assert_eq!((both.live, both.beside().map(|piece| piece.text)), (0, Some("~$4 ".to_owned())));
    }
}
