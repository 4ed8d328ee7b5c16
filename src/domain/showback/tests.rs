//! What reports promise: sums at every level, and texts that carry them.

use proptest::prelude::*;

use super::*;
use crate::domain::cost::ChargeCategory;

fn head() -> ReportHead {
    ReportHead {
        period: ("2026-10".to_owned(), "2026-10-01".to_owned(), "2026-11-01".to_owned()),
        closed: false,
        currency: Currency::usd(),
        other_currencies: Vec::new(),
    }
}

fn charges() -> Vec<Charge> {
    let of = |service: &str, category| Charge {
        provider: "AWS".to_owned(),
        service: Some(service.to_owned()),
        category,
        ..Charge::default()
    };
    vec![
        of("Compute", ChargeCategory::Usage),
        of("=Storage<b>", ChargeCategory::Usage),
        of("Tax", ChargeCategory::Tax),
        of("Support", ChargeCategory::Credit),
    ]
}

fn row(charge: i64, team: Option<&str>, billed: &str) -> CostRow {
    CostRow {
        charge,
        team: team.map(Arc::from),
        stage: None,
        stack: None,
        component: None,
        rule: if team.is_some() { "tagged" } else { "no rule matches" }.into(),
        billed: billed.parse().unwrap(),
        effective: billed.parse().unwrap(),
        corrects: None,
    }
}

fn made(rows: &[CostRow], by: &[Dimension], rates: &[Rate]) -> Report {
    let charges = charges();
    let query = ReportQuery { by: by.to_vec(), only: Vec::new() };
    report(head(), &query, rows, |id| &charges[usize::try_from(id).unwrap()], rates).unwrap()
}

#[test]
fn what_nobody_pays_for_comes_first_with_its_fix() {
    let rows = [row(0, Some("orders"), "90.00"), row(3, None, "0.5"), row(2, Some("orders"), "3.01")];
    let report = made(&rows, &[Dimension::Team, Dimension::Service], &[]);
    let keys: Vec<&str> = report.groups.iter().map(|group| group.key.as_str()).collect();
    assert_eq!(keys, [UNALLOCATED, "orders"]);
    assert_eq!(report.unallocated[0].service, "Support");
    assert_eq!(report.unallocated[0].fix, "terrace cost allocate 'Support' --share proportional");
    let tax = &report.groups[1].kinds["tax"].billed;
    assert_eq!(tax.amount.unwrap().to_string(), "3.01");
    assert_eq!(report.total.billed.amount.unwrap().to_string(), "93.51");
}

#[test]
fn rates_are_added_in_cents() {
    let rates: Vec<Rate> = serde_json::from_value(serde_json::json!([
        {"name": "platform", "percent": "5"}, {"name": "discount", "percent": "-1.25", "teams": ["payments"]}
    ]))
    .unwrap();
    let report = made(&[row(0, Some("orders"), "10.10"), row(0, Some("payments"), "99.999")], &[], &rates);
    let charged = |at: usize| report.chargeback[at].charged.to_string();
    assert_eq!((charged(0).as_str(), charged(1).as_str()), ("10.61 USD", "103.75 USD"));
}

#[test]
fn csv_adds_up_and_holds_no_formula() {
    let rows = [row(0, Some("orders"), "1.10"), row(1, Some("orders"), "2.20"), row(2, None, "0.30")];
    let text = csv(&made(&rows, &[Dimension::Team, Dimension::Service], &[]));
    assert_eq!(
        text,
        "team,service,kind,billed_cost,effective_cost,currency\n\
         unallocated,Tax,tax,0.30,0.30,USD\n\
         orders,'=Storage<b>,usage,2.20,2.20,USD\n\
         orders,Compute,usage,1.10,1.10,USD\n"
    );
}

#[test]
fn html_needs_nothing_from_elsewhere_and_escapes_names() {
    let page = html(&made(&[row(1, Some("<script>"), "2.20")], &[Dimension::Team, Dimension::Service], &[]));
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg"));
    assert!(page.contains("&lt;script&gt;") && page.contains("=Storage&lt;b&gt;"), "{page}");
    for foreign in ["<script", "http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn dimensions_are_written_as_they_are_read() {
    for (name, dimension) in DIMENSIONS {
        assert_eq!(name.parse::<Dimension>().as_ref(), Ok(dimension));
        assert_eq!(dimension.to_string(), *name);
    }
    assert_eq!("tag:env".parse::<Dimension>().unwrap().to_string(), "tag:env");
    assert!("teams".parse::<Dimension>().unwrap_err().contains("team, stage"));
}

/// Adds the leaves of a level up and compares each sum on the way.
fn check(groups: &[Group], total: Exact) -> Result<(), TestCaseError> {
    let sum = Exact::sum(groups.iter().map(|group| group.amounts.billed.amount.unwrap()));
    prop_assert_eq!(sum, Some(total));
    for group in groups.iter().filter(|group| !group.groups.is_empty()) {
        check(&group.groups, group.amounts.billed.amount.unwrap())?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn sums_hold_at_every_level(
        amounts in proptest::collection::vec((any::<i64>(), 0u32..15, 0i64..4, proptest::option::of("[ab]")), 1..60),
        order in Just(vec![Dimension::Team, Dimension::Kind, Dimension::Service, Dimension::Rule]).prop_shuffle(),
        depth in 1usize..5,
    ) {
        let rows: Vec<CostRow> = amounts
            .iter()
            .map(|(mantissa, scale, charge, team)| {
                row(*charge, team.as_deref(), &Exact::new((*mantissa).into(), *scale).unwrap().to_string())
            })
            .collect();
        let total = Exact::sum(rows.iter().map(|row| row.billed)).unwrap();
        let report = made(&rows, &order[..depth], &[]);
        prop_assert_eq!(report.total.billed.amount, Some(total));
        check(&report.groups, total)?;
        let text = csv(&report);
        let column = text.lines().skip(1).map(|line| line.split(',').nth(depth + 1).unwrap().parse::<Exact>().unwrap());
        prop_assert_eq!(Exact::sum(column), Some(total));
        let nobody = Exact::sum(rows.iter().filter(|row| row.team.is_none()).map(|row| row.billed));
        prop_assert_eq!(Exact::sum(report.unallocated.iter().map(|entry| entry.amounts.billed.amount.unwrap())), nobody);
    }
}
