//! Reports over what was billed: totals equal the bill at each level, in every format; closed months never change.

use serde_json::Value;

use super::cost_import::Bills;

const ALLOCATION: &str = "\
rules:
  - {name: tagged, when: {tags: {team: '*'}}, team: 'tag:team'}
  - {name: tax by spend, when: {kind: tax}, share: proportional}
  - {name: support, when: {service: AWS Support}, share: {orders: 2, payments: 1}}
rates:
  - {name: platform fee, percent: 5}
";

/// October 2024, so that it has ended wherever this runs.
fn october() -> String {
    super::cost_import::fixture().replace("2026-1", "2024-1")
}

fn bills() -> Bills {
    let bills = Bills::new();
    bills.0.write("platform/allocation.yaml", ALLOCATION);
    bills.import(&bills.file("october.csv", october()));
    bills
}

fn report(bills: &Bills, more: &[&str]) -> Value {
    let arguments = [&["budget", "report", "--period", "2024-10", "--format", "json"], more].concat();
    serde_json::from_str(&bills.0.terrace(&arguments).succeeds().out).expect("JSON")
}

fn billed(of: &Value) -> &str {
    of["billed"]["amount"].as_str().expect("an amount")
}

#[test]
fn a_budget_in_another_currency_than_the_bills_says_so_and_is_not_at_zero() {
    let bills = bills();
    let teams = "teams:\n  - name: orders\n    budgets:\n      - {name: euros, amount: 1000, currency: EUR}\n      - {name: dollars, amount: 1000}\n";
    bills.0.write("platform/teams.yaml", teams);
    let list = ["budget", "list", "--period", "2024-10", "--format", "json"];
    let list: Value = serde_json::from_str(&bills.0.terrace(&list).succeeds().out).expect("JSON");
    let (euros, dollars) = (&list[0]["actual"], &list[1]["actual"]);
    assert_eq!((&euros["amount"], &euros["unknown"][0]), (&Value::Null, &"bills in USD do not count in EUR".into()));
    assert!(dollars["amount"].is_string() && dollars["unknown"].is_null(), "{list}");
}

#[test]
fn totals_equal_the_bill_and_open_level_by_level() {
    let bills = bills();
    let whole = report(&bills, &[]);
    // the row of the next billing period is not of this month
    assert_eq!(billed(&whole["total"]), "10.506000400010000000000000000001");
    assert_eq!(whole["kinds"]["tax"]["billed"]["amount"], "3.01");
    assert_eq!(whole["kinds"]["credit"]["billed"]["amount"], "-5.25");
    assert_eq!(whole["kinds"]["refund"]["billed"]["amount"], "-0.05");
    assert_eq!(whole["kinds"]["unused_commitment"]["effective"]["amount"], "1.50");
    let nobody = &whole["unallocated"];
    assert_eq!(nobody.as_array().expect("a list").len(), 1, "{nobody}");
    assert_eq!((billed(&nobody[0]), nobody[0]["why"].as_str()), ("-0.05", Some("no rule matches")));
    let fix = "terrace cost allocate 'Amazon Elastic Compute Cloud' --share proportional";
    assert_eq!(nobody[0]["fix"], fix);
    assert_eq!(whole["groups"][0]["key"], "unallocated");

    let orders = report(&bills, &["--only", "team=orders", "--by", "service,resource,charge"]);
    let team = whole["groups"].as_array().expect("a list").iter().find(|group| group["key"] == "orders");
    assert_eq!(billed(&orders["total"]), billed(team.expect("orders")));
    let compute = orders["groups"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|group| group["key"] == "Amazon Elastic Compute Cloud");
    let resource = &compute.expect("compute")["groups"][0];
    assert_eq!((resource["key"].as_str(), billed(resource)), (Some("i-0aa1"), "0.192"));
    let charge = resource["groups"][0]["key"].as_str().expect("text").rsplit_once('#').expect("a number").1;
    let lines = ["budget", "lines", charge, "--period", "2024-10", "--format", "json"];
    let lines: Value = serde_json::from_str(&bills.0.terrace(&lines).succeeds().out).expect("JSON");
    let days: Vec<(&str, &str)> = lines["lines"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|line| (line["day"].as_str().expect("a day"), line["billed"].as_str().expect("an amount")))
        .collect();
    assert_eq!(days, [("2024-10-01", "0.0960000000"), ("2024-10-02", "0.0960000000")]);
}

#[test]
fn every_format_carries_the_same_figures() {
    let bills = bills();
    let of =
        |format: &str| bills.0.terrace(&["budget", "report", "--period", "2024-10", "--format", format]).succeeds().out;
    assert!(of("text").contains("charged to orders:"), "{}", of("text"));
    // each names what its figures are
    assert!(["text", "json", "html"].iter().all(|format| of(format).contains("BilledCost")));
    assert!(["text", "json", "html"].iter().all(|format| of(format).contains("EffectiveCost")));
    assert!(of("csv").starts_with("team,stage,service,kind,billed_cost,effective_cost,currency\n"));
    let page = of("html");
    assert!(page.contains("<svg") && !page.contains("<script") && !page.contains("src=") && !page.contains("http"));
    assert!(of("html").starts_with("<!doctype html>") && of("html").contains("10.506000400010000000000000000001 USD"));
    let csv = of("csv");
    let sum = csv.lines().skip(1).map(|line| {
        let cells: Vec<&str> = line.rsplitn(4, ',').collect();
        cells[2].parse::<terrace::domain::money::Exact>().expect("an amount")
    });
    let sum = terrace::domain::money::Exact::sum(sum).expect("a sum");
    assert_eq!(sum, "10.506000400010000000000000000001".parse().expect("an amount"));
    assert_eq!(bills.0.terrace(&["status", "--format", "csv"]).exit, 2);
    for (arguments, said) in [
        (&["budget", "report", "--period", "october"][..], "'october' is no period"),
        (&["budget", "report", "--by", "teams"][..], "is nothing to report by"),
        (&["budget", "report", "--only", "team"][..], "a value is missing"),
    ] {
        let answer = bills.0.terrace(arguments);
        assert!(answer.exit == 2 && answer.err.contains(said), "{answer:?}");
    }
}

#[test]
fn a_closed_month_stays_as_it_is_and_corrections_stand_in_the_next() {
    let bills = bills();
    let close = |month: &str| bills.0.terrace(&["budget", "close", "--period", month]);
    assert!(close("2024-11").err.contains("2024-10 has bills and is still open"));
    assert!(close("2999-01").err.contains("2999-01 has not ended"));
    close("2024-10").succeeds();
    let of = |month: &str, format: &str| {
        let by = "team,service,kind";
        bills.0.terrace(&["budget", "report", "--period", month, "--by", by, "--format", format]).succeeds().out
    };
    let formats = ["text", "csv", "json", "html"];
    let before = formats.map(|format| of("2024-10", format));
    let november = |out: &str| {
        let report: Value = serde_json::from_str(out).expect("JSON");
        (billed(&report["total"]).to_owned(), report["kinds"]["refund"]["billed"]["amount"].clone())
    };
    assert_eq!(november(&of("2024-11", "json")), ("0.20".to_owned(), Value::Null));

    // the bill is corrected, a team is renamed, the rules and rates change
    let corrected = october().replace("12.40,12.40,12.40", "13.60,13.60,13.60");
    bills.import(&bills.file("corrected.csv", corrected));
    bills.0.write("platform/teams.yaml", "teams:\n  - {name: shop, formerly: [orders], components: [orders]}\n");
    bills.0.write("platform/allocation.yaml", "rules:\n  - {name: all, team: shop}\n");
    assert_eq!(formats.map(|format| of("2024-10", format)), before, "byte for byte");
    assert_eq!(november(&of("2024-11", "json")), ("1.40".to_owned(), Value::String("1.20".to_owned())));

    // once November is closed with the correction, it is carried no further
    close("2024-11").succeeds();
    let december: Value = serde_json::from_str(&of("2024-12", "json")).expect("JSON");
    assert_eq!(billed(&december["total"]), "0.00");
    assert!(close("2024-10").err.contains("closed already"));
}

#[test]
fn what_stands_beside_something_unallocated_is_the_command_that_allocates_it() {
    let bills = bills();
    let before = report(&bills, &[]);
    let done = bills.0.terrace(&["cost", "allocate", "Amazon Elastic Compute Cloud", "--share", "proportional"]);
    assert!(done.succeeds().out.contains("platform/allocation.yaml"));
    let after = report(&bills, &[]);
    assert_eq!((&after["unallocated"], billed(&after["total"])), (&serde_json::json!([]), billed(&before["total"])));
    for (arguments, said) in [
        (&["cost", "allocate", "--rest", "--team", "ordres"][..], "there is no team 'ordres'"),
        (&["cost", "allocate", "--rest"][..], "--team"),
        (&["cost", "allocate", "--share", "even"][..], "SERVICE"),
    ] {
        let answer = bills.0.terrace(arguments);
        assert!(answer.exit == 2 && answer.err.contains(said), "{answer:?}");
    }
}

#[test]
fn a_team_that_is_renamed_keeps_its_money_and_that_of_a_removed_one_is_shown_first() {
    let bills = bills();
    let of = |more: &[&str]| report(&bills, &[&["--by", "team"], more].concat());
    let before = of(&[]);
    let team = |of: &Value, name: &str| {
        let groups = of["groups"].as_array().expect("a list");
        groups.iter().find(|group| group["key"] == name).map(|group| billed(group).to_owned())
    };
    let total = billed(&before["total"]).to_owned();
    // renamed without a word: what is tagged with the old name belongs to nobody, and says how it would
    let rules = ALLOCATION.replace("orders: 2", "shop: 2");
    bills.0.write("platform/allocation.yaml", &rules);
    bills.0.write("platform/teams.yaml", "teams:\n  - {name: shop}\n  - {name: payments, components: [payments]}\n");
    let lost = of(&[]);
    assert_eq!((billed(&lost["total"]), &lost["groups"][0]["key"]), (total.as_str(), &Value::from("unallocated")));
    let fix = "terrace cost allocate --formerly 'orders' --team TEAM";
    assert!(lost["unallocated"].as_array().expect("a list").iter().any(|entry| entry["fix"] == fix), "{lost}");
    bills.0.terrace(&["cost", "allocate", "--formerly", "orders", "--team", "shop"]).succeeds();
    let renamed = of(&[]);
    assert_eq!(team(&renamed, "shop"), team(&before, "orders"), "to the last digit");
    assert_eq!(billed(&renamed["total"]), total);
    // removed: its open month is nobody's, its closed one stays as it was
    bills.0.terrace(&["budget", "close", "--period", "2024-10"]).succeeds();
    bills.0.write("platform/teams.yaml", "teams:\n  - {name: payments, components: [payments]}\n");
    assert_eq!(team(&of(&[]), "shop"), team(&before, "orders"));
    assert_eq!(billed(&of(&[])["total"]), total);
}

#[tokio::test]
async fn a_day_far_outside_becomes_an_event_with_the_lines_that_caused_it() {
    let bills = Bills::new();
    let header = super::cost_import::fixture().lines().next().expect("a header").to_owned();
    let mut text = header + "\n";
    for day in 1..=60 {
        let date = format!("2024-{:02}-{:02}", 9 + (day - 1) / 30, (day - 1) % 30 + 1);
        for (resource, usual) in [("i-1", 40), ("i-2", 60)] {
            let cost = if day == 50 && resource == "i-2" { 400 } else { usual };
            let period = &date[..7];
            text += &format!(
                "{cost}.00,{cost}.00,{cost}.00,NULL,USD,4410,{period}-01,NULL,{date},NULL,Usage,NULL,hours,1,Hours,AWS,x,{resource},Compute,1,NULL,NULL,NULL,1\n"
            );
        }
    }
    bills.import(&bills.file("series.csv", &text));
    let found = bills.0.client().cost_anomalies().await.expect("anomalies");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].day.as_str(), found[0].amount.to_string().as_str()), ("2024-10-20", "440.00 USD"));
    assert_eq!(found[0].causes[0].resource.as_deref(), Some("i-2"));
    assert_eq!(found[0].causes[0].usual.to_string(), "60.00 USD");
    let told = async || {
        let events = bills.0.client().recent_events(50).await.expect("events");
        events.iter().filter(|event| event.event_type == "dev.terrace.cost.anomaly").count()
    };
    assert_eq!(told().await, 1);
    // the same bills in another order tell of nothing new
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    bills.import(&bills.file("turned.csv", lines.join("\n")));
    assert_eq!(told().await, 1);
}
