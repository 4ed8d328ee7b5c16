//! What allocation promises.

use proptest::prelude::*;

use super::*;
use crate::domain::cost::ChargeCategory;

fn rules(text: &str) -> Rules {
    Rules::of(serde_yaml::from_str(text).unwrap()).unwrap()
}

fn teams() -> TeamNames {
    let mut teams = TeamNames::default();
    teams.add("orders", &["shop".to_owned()]);
    teams.add("payments", &[]);
    teams.add("platform", &[]);
    teams
}

fn charge(service: &str, tags: &[(&str, &str)]) -> Charge {
    Charge {
        provider: "AWS".to_owned(),
        service: Some(service.to_owned()),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..Charge::default()
    }
}

fn item<'a>(charge: &'a Charge, amount: &str) -> Item<'a> {
    let amount: Exact = amount.parse().unwrap();
    Item { charge, instance: None, owner: None, stage: None, billed: amount, effective: amount }
}

fn said(parts: &[Part]) -> Vec<String> {
    parts
        .iter()
        .map(|part| format!("{} {} {}", part.team.as_deref().unwrap_or("-"), part.billed.trimmed(2), part.rule))
        .collect()
}

#[test]
fn the_first_rule_that_can_name_a_team_takes_a_charge() {
    let rules = rules(
        "rules:\n  - {name: tagged, when: {tags: {team: '*'}}, team: 'tag:team'}\n  - {name: queues, when: {service: '*Queue*'}, team: platform}\n",
    );
    let charges = [
        charge("Simple Queue Service", &[("team", "Shop")]),
        charge("Simple Queue Service", &[("team", "gone")]),
        charge("Compute", &[("team", "gone")]),
        charge("Compute", &[]),
    ];
    let items: Vec<Item<'_>> = charges.iter().map(|charge| item(charge, "1.00")).collect();
    let parts = allocate(&rules, &teams(), &items);
    assert_eq!(parts.iter().map(|part| unknown_team(&part.rule)).collect::<Vec<_>>(), [None, None, Some("gone"), None]);
    assert_eq!(
        said(&parts),
        [
            "orders 1.00 tagged",
            "platform 1.00 queues",
            "- 1.00 'gone' is no team (rule 'tagged')",
            "- 1.00 no rule matches"
        ]
    );
}

#[test]
fn shared_cost_is_split_after_everything_else() {
    let rules = rules(
        "rules:\n  - {name: tagged, when: {tags: {team: '*'}}, team: 'tag:team'}\n  - {name: support, when: {service: Support}, share: proportional}\n  - {name: tax, when: {kind: tax}, share: {orders: 1, payments: 2}}\n  - {name: rest, share: even, among: [orders, payments]}\n",
    );
    let mut tax = charge("Tax", &[]);
    tax.category = ChargeCategory::Tax;
    let charges = [
        charge("Support", &[]),
        charge("Compute", &[("team", "orders")]),
        charge("Compute", &[("team", "payments")]),
        tax,
        charge("Other", &[]),
    ];
    let amounts = ["10.00", "30.00", "10.00", "0.10", "0.01"];
    let items: Vec<Item<'_>> = charges.iter().zip(amounts).map(|(charge, amount)| item(charge, amount)).collect();
    assert_eq!(
        said(&allocate(&rules, &teams(), &items)),
        [
            "orders 30.00 tagged",
            "payments 10.00 tagged",
            "orders 7.50 support",
            "payments 2.50 support",
            "platform 0.00 support",
            "orders 0.033333333333 tax",
            "payments 0.066666666667 tax",
            "orders 0.005 rest",
            "payments 0.005 rest",
        ]
    );
}

#[test]
fn rules_that_cannot_be_are_refused() {
    let error = |text: &str| Rules::of(serde_yaml::from_str(text).unwrap()).unwrap_err().to_string();
    assert_eq!(error("rules: [{name: a}]"), "rule 'a': it needs either `team` or `share`");
    assert_eq!(error("rules: [{name: a, share: {x: 0}}]"), "rule 'a': every share is zero");
    assert!(error("rules: [{name: a, team: b, when: {service: 'a['}}]").contains("is not a pattern"));
    assert!(error("rules: [{name: a, team: b}, {name: a, team: b}]").contains("two rules"));
    assert!(serde_yaml::from_str::<AllocationFile>("rules: [{name: a, share: odd}]").is_err());
}

/// Any rules over a few services and teams.
fn any_rules() -> impl Strategy<Value = String> {
    let takes = prop_oneof![
        Just("team: orders".to_owned()),
        Just("team: gone".to_owned()),
        Just("team: 'tag:team'".to_owned()),
        Just("team: owner".to_owned()),
        Just("share: even".to_owned()),
        Just("share: proportional".to_owned()),
        Just("share: even, among: [gone]".to_owned()),
        (0u32..9, 0u32..9, 1u32..9).prop_map(|(a, b, c)| format!("share: {{orders: {a}, payments: {b}, gone: {c}}}")),
    ];
    let when = prop_oneof![
        Just(String::new()),
        "[ab]".prop_map(|service| format!(", when: {{service: {service}}}")),
        Just(", when: {kind: usage}".to_owned()),
    ];
    proptest::collection::vec((takes, when), 1..6).prop_map(|rules| {
        let rules = rules.into_iter().enumerate();
        let rules = rules.map(|(index, (takes, when))| format!("{{name: r{index}, {takes}{when}}}"));
        format!("rules: [{}]", rules.collect::<Vec<_>>().join(", "))
    })
}

proptest! {
    #[test]
    fn allocation_conserves_every_cent(
        text in any_rules(),
        amounts in proptest::collection::vec((any::<i64>(), 0u32..15, "[abc]", 0usize..3, any::<bool>()), 0..40),
    ) {
        let kinds = [ChargeCategory::Usage, ChargeCategory::Tax, ChargeCategory::Credit];
        let charges: Vec<Charge> = amounts
            .iter()
            .map(|(_, _, service, kind, tagged)| {
                let mut charge = charge(service, if *tagged { &[("team", "payments")] } else { &[] });
                charge.category = kinds[*kind];
                charge
            })
            .collect();
        let items: Vec<Item<'_>> = charges
            .iter()
            .zip(&amounts)
            .map(|(charge, (mantissa, scale, ..))| {
                let amount = Exact::new((*mantissa).into(), *scale).unwrap();
                Item { charge, instance: None, owner: None, stage: None, billed: amount, effective: amount }
            })
            .collect();
        let parts = allocate(&rules(&text), &teams(), &items);
        for (index, item) in items.iter().enumerate() {
            let own = || parts.iter().filter(|part| part.item == index);
            prop_assert_eq!(Exact::sum(own().map(|part| part.billed)), Some(item.billed));
            prop_assert_eq!(Exact::sum(own().map(|part| part.effective)), Some(item.effective));
        }
    }
}
