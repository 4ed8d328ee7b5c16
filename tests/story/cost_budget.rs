//! Budgets, reservations, recommendations and the demo's bills, through the program, the client and the services.

use jiff::Timestamp;
use serde_json::{Value, json};
use terrace::domain::budget::{Claim, Level};
use terrace::domain::money::{Currency, Exact, Money};

use super::support::home::Home;

const TEAMS: &str = "\
teams:
  - name: web
    components: [cache]
    budgets:
      - {amount: 1000, thresholds: {warn: 80, approve: 90, refuse: 100}}
      - {name: a year of web, amount: 20000, period: year, fiscal_start: 4, stacks: ['prod*']}
    quota: {instances: 1, sizes: {small: 0}}
  - {name: ground, components: [network], recommendations_off: [gp3]}
";

/// A state as Terraform writes it: a machine with a disk, and a volume that nothing uses.
fn state(volume: &str) -> String {
    let machine =
        json!({"instance_type": "m5.4xlarge", "root_block_device": [{"volume_size": 50, "volume_type": "gp2"}]});
    let volume = json!({"id": "vol-0123", "size": 100, "type": volume});
    let resource = |kind: &str, name: &str, attributes: Value| {
        json!({"mode": "managed", "type": kind, "name": name, "instances": [{"attributes": attributes}],
            "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]"})
    };
    let resources = [resource("aws_instance", "web", machine), resource("aws_ebs_volume", "data", volume)];
    json!({"version": 4, "serial": 1, "lineage": "x", "resources": resources}).to_string()
}

const STATE: &str = "components/terraform/cache/terraform.tfstate.d/dev/terraform.tfstate";

fn home() -> Home {
    let home = Home::new();
    home.write("platform/teams.yaml", TEAMS);
    home.write("stacks/deploy/dev.yaml", "vars: {stage: dev, region: us-east-1}\ncomponents:\n  terraform:\n    network: {vars: {cidr: 10.0.0.0/16}}\n    cache: {vars: {size: small}}\n");
    home.write(STATE, &state("gp2"));
    home
}

fn json_of(home: &Home, arguments: &[&str]) -> Value {
    let answer = home.terrace(&[arguments, &["--format", "json"]].concat()).succeeds();
    serde_json::from_str(&answer.out).expect("JSON")
}

#[test]
fn live_instances_are_priced_by_their_state_and_count_against_the_budget() {
    let home = home();
    let prices = json_of(&home, &["estimate", "--all"]);
    let cache = prices.as_array().expect("a list").iter().find(|price| price["component"] == "cache").expect("cache");
    // m5.4xlarge 560.64, 50 GB of gp2 5.00, 100 GB of gp2 10.00
    assert_eq!((&cache["monthly"]["amount"], &cache["from"]), (&json!("575.64"), &json!("state")), "{cache}");
    assert_eq!((&cache["team"], &cache["resources"]), (&json!("web"), &json!(2)));
    let text = home.terrace(&["estimate", "--all"]).succeeds().out;
    assert!(
        text.contains("total  575.64 USD a month, 0 without a price") && text.contains("1 more instances are not live"),
        "{text}"
    );

    let budgets = json_of(&home, &["budget", "list"]);
    let web = &budgets[0];
    assert_eq!((&web["committed"]["amount"], &web["reserved"]["amount"]), (&json!("575.64"), &json!("0.00")));
    assert_eq!((&web["promised_percent"], &web["level"]), (&json!("57.5"), &json!("ok")));
    assert_eq!(web["forecast"]["amount"], Value::Null);
    assert_eq!(budgets[1]["committed"]["amount"], "0.00", "dev is outside of its scope");
    assert_eq!(json_of(&home, &["list", "budgets"]), budgets);
    assert!(home.terrace(&["budget", "show", "web"]).succeeds().out.contains("(57.5 % with what is reserved)"));
    let missing = home.terrace(&["budget", "show", "wbe"]);
    assert!(missing.exit == 2 && missing.err.contains("there is: web, a year of web"), "{missing:?}");

    let parts = json_of(&home, &["budget", "parts", "web"]);
    assert_eq!(parts["committed"].as_array().map(Vec::len), Some(1), "{parts}");
    assert_eq!(parts["committed"][0]["monthly"], cache["monthly"]);
    assert_eq!(home.terrace(&["budget", "parts", "wbe"]).exit, 2);

    // a change of the state is seen at once, and one that cannot be read is counted
    home.write(STATE, "{");
    let broken = json_of(&home, &["budget", "list"]);
    assert_eq!((&broken[0]["unpriced"], &broken[0]["committed"]["amount"]), (&json!(1), &json!("0.00")));
}

#[test]
fn a_budget_counts_what_its_tags_stacks_and_components_name_in_its_fiscal_period() {
    let home = home();
    let tagged = |tier: &str| {
        format!(
            "vars: {{stage: dev, region: us-east-1}}\ncomponents:\n  terraform:\n    network: {{vars: {{cidr: 10.0.0.0/16}}}}\n    cache: {{vars: {{size: small, tags: {{tier: {tier}}}}}}}\n"
        )
    };
    home.write(
        "platform/teams.yaml",
        "teams:\n  - name: web\n    components: [cache]\n    budgets:\n      - {name: gold, amount: 1000, tags: {tier: gold}}\n      - {name: dev, amount: 900, stacks: ['d*'], components: ['c*'], period: quarter, fiscal_start: 2}\n      - {name: nothing, amount: 0}\n",
    );
    home.write("stacks/deploy/dev.yaml", &tagged("gold"));
    let committed = |of: &Value, at: usize| of[at]["committed"]["amount"].clone();
    let gold = json_of(&home, &["budget", "list", "--period", "2026-01"]);
    assert_eq!((committed(&gold, 0), committed(&gold, 1)), (json!("575.64"), json!("1726.92")), "three months");
    // the fiscal year begins in February: January is the last month of the last quarter
    assert_eq!(gold[1]["period"], "2025-11+3m", "{gold}");
    // of a budget of zero there is no percentage, and any cost passes it
    assert_eq!((&gold[2]["promised_percent"], &gold[2]["level"]), (&Value::Null, &json!("approve")));
    home.terrace(&["budget", "list"]).succeeds();
    home.write("stacks/deploy/dev.yaml", &tagged("silver"));
    let silver = json_of(&home, &["budget", "list", "--period", "2026-01"]);
    assert_eq!((committed(&silver, 0), committed(&silver, 1)), (json!("0.00"), json!("1726.92")));
}

#[test]
fn a_budget_that_cannot_be_is_named_with_its_line() {
    let home = home();
    for (text, said) in [
        ("teams:\n  - name: web\n    budgets: [{amount: -1}]\n", "the amount of budget 'web' is below zero"),
        ("teams:\n  - name: web\n    budgets: [{amount: 1, fiscal_start: 13}]\n", "must be a month"),
        ("teams:\n  - name: web\n    budgets: [{amount: 1}, {amount: 2}]\n", "two budgets named 'web'"),
        ("teams:\n  - name: web\n    budgets: [{amount: a lot}]\n", "platform/teams.yaml"),
    ] {
        home.write("platform/teams.yaml", text);
        let answer = home.terrace(&["check"]);
        assert!(format!("{}{}", answer.out, answer.err).contains(said), "{text}: {answer:?}");
        let list = home.terrace(&["budget", "list"]);
        assert!(
            list.exit == 2 && list.err.contains("the budgets cannot be read") && list.err.contains(said),
            "{list:?}"
        );
    }
}

#[tokio::test]
async fn of_two_that_fit_only_one_by_one_the_second_is_refused() {
    let home = home();
    let served = home.serve().await;
    let snapshot = served.platform.estate().current().await.expect("a snapshot");
    let budgets = served.platform.budgets().expect("budgets");
    let claim = |claimant: &str, amount: &str| Claim {
        claimant: claimant.to_owned(),
        team: "web".to_owned(),
        component: "cache".to_owned(),
        stack: "dev".to_owned(),
        monthly: Money::known(amount.parse().expect("an amount"), Currency::usd()),
        adds: ["instances", "component cache", "size small", "stage dev"].map(str::to_owned).to_vec(),
    };
    let reserve = async |claim: &Claim| {
        let mut tx = served.platform.store("budgets").expect("a store").begin().await.expect("a transaction");
        let verdict = budgets.reserve(tx.as_mut(), &snapshot, claim, Timestamp::now()).await.expect("a verdict");
        tx.commit_bookkeeping().await.expect("committed");
        verdict
    };
    let (one, two) = (claim("request/1", "300"), claim("request/2", "300"));
    // each fits by itself; the quota of small instances is passed by what is there
    let checked = budgets.check(&snapshot, std::slice::from_ref(&two)).await.expect("a verdict");
    let by_budget = |verdict: &terrace::domain::budget::Verdict| verdict.judged[0].clone();
    assert_eq!(by_budget(&checked).level, Level::Warn);
    let quota = checked.judged.last().expect("the quota");
    assert_eq!((quota.by.as_str(), quota.reason.as_str()), ("quota of web", "1 of 0 size small"));
    home.write("platform/teams.yaml", &TEAMS.replace(", sizes: {small: 0}", ""));
    let snapshot = served.platform.estate().current().await.expect("a snapshot");
    let reserve_on = async |claim: &Claim| {
        let mut tx = served.platform.store("budgets").expect("a store").begin().await.expect("a transaction");
        let verdict = budgets.reserve(tx.as_mut(), &snapshot, claim, Timestamp::now()).await.expect("a verdict");
        tx.commit_bookkeeping().await.expect("committed");
        verdict
    };
    assert_eq!(reserve(&one).await.level, Level::Refuse, "the snapshot of before still has the quota");
    assert_eq!(reserve_on(&one).await.level, Level::Warn);
    assert_eq!(reserve_on(&one).await.level, Level::Warn, "its own reservation does not count against it");
    let refused = reserve_on(&two).await;
    assert_eq!(refused.level, Level::Refuse);
    assert_eq!(
        by_budget(&refused).reason,
        "committed 575.64 + reserved 300.00 + this 300.00 = 1,175.64 of 1,000.00 USD a month (117.5 %)"
    );
    // each level adds up to the one above it
    let parts = served.client.budget_parts("web").await.expect("parts");
    assert_eq!(parts.reserved[0].claimant, "request/1");
    let estimate = served.client.instance_estimate("cache", "dev").await.expect("an estimate");
    assert_eq!(Some(&estimate.after), parts.committed.first().map(|price| &price.monthly));
    let resources = Exact::sum(estimate.resources.iter().filter_map(|resource| resource.monthly.amount));
    assert_eq!(resources, estimate.after.amount);
    for resource in &estimate.resources {
        let components = Exact::sum(resource.components.iter().filter_map(|part| part.monthly.amount));
        assert_eq!(components, resource.monthly.amount, "{}", resource.address);
    }
    assert!(served.client.instance_estimate("network", "dev").await.is_err(), "nothing of it is live");
    let figures = served.client.budgets(None).await.expect("budgets");
    assert_eq!(figures[0].reserved.amount, Some("300.00".parse().expect("an amount")));
    let mut tx = served.platform.store("budgets").expect("a store").begin().await.expect("a transaction");
    budgets.release(tx.as_mut(), "request/1").await.expect("released");
    tx.commit_bookkeeping().await.expect("committed");
    assert_eq!(reserve_on(&two).await.level, Level::Warn);
    served.end().await;
}

#[test]
fn what_is_live_is_priced_with_the_same_usage_figures_as_a_plan_of_it() {
    let home = home();
    let gateway = state("gp2").replace("aws_ebs_volume", "aws_nat_gateway");
    home.write(STATE, &gateway);
    let cache = || {
        let prices = json_of(&home, &["estimate", "--all"]);
        prices.as_array().expect("a list").iter().find(|price| price["component"] == "cache").expect("cache")["monthly"]
            .clone()
    };
    let unknown = cache();
    assert!(unknown["unknown"][0].as_str().expect("why").contains("monthly_data_processed_gb"), "{unknown}");
    let figures = "resource_type_default_usage:\n  aws_nat_gateway: {monthly_data_processed_gb: 100}\n";
    home.write("platform/usage.yml", &format!("version: 0.1\n{figures}"));
    // 560.64 and 5.00 of the machine, 32.85 of the gateway, 4.50 of what goes through it
    assert_eq!(cache(), json!({"amount": "602.99", "currency": "USD"}));
    let stack = std::fs::read_to_string(home.root().join("stacks/deploy/dev.yaml")).expect("a stack");
    let hint = "cache: {settings: {price: {resource_type_default_usage: {aws_nat_gateway: {monthly_data_processed_gb: 200}}}}, ";
    home.write("stacks/deploy/dev.yaml", &stack.replace("cache: {", hint));
    home.terrace(&["check"]).succeeds();
    assert_eq!(cache(), json!({"amount": "607.49", "currency": "USD"}));
}

#[test]
fn recommendations_are_priced_decided_on_and_measured() {
    let home = home();
    let list = json_of(&home, &["recommend", "list"]);
    let of = |rule: &str| list.as_array().expect("a list").iter().find(|one| one["rule"] == rule).cloned();
    let volume = list
        .as_array()
        .expect("a list")
        .iter()
        .find(|one| one["address"] == "aws_ebs_volume.data" && one["rule"] == "gp3");
    let volume = volume.expect("gp3");
    assert_eq!((&volume["saving"]["amount"], &volume["confidence"]), (&json!("2.00"), &json!("high")), "{list}");
    assert_eq!(of("night").expect("night")["saving"]["amount"], "362.01", "64 % of 565.64");
    assert_eq!(of("unattached").expect("unattached")["saving"]["amount"], "10.00");
    let id = volume["id"].as_str().expect("an id");
    assert_eq!(home.terrace(&["recommend", "dismiss", id]).exit, 2, "a reason is needed");
    assert_eq!(home.terrace(&["recommend", "accept", "nothing"]).exit, 2);
    let night = of("night").expect("night")["id"].as_str().expect("an id").to_owned();
    home.terrace(&["recommend", "dismiss", &night, "--reason", "tests run at night"]).succeeds();
    home.terrace(&["recommend", "accept", id]).succeeds();
    let open = json_of(&home, &["recommend", "list"]);
    assert!(open.as_array().expect("a list").iter().all(|one| one["id"] != *night));
    let all = json_of(&home, &["recommend", "list", "--all"]);
    let dismissed = all.as_array().expect("a list").iter().find(|one| one["id"] == *night).expect("it is kept");
    assert_eq!(dismissed["decision"]["reason"], "tests run at night");

    // done: what it realised is measured by the state
    home.write(STATE, &state("gp3"));
    let after = json_of(&home, &["recommend", "list"]);
    let done = after.as_array().expect("a list").iter().find(|one| one["id"] == *id).expect("it is kept");
    assert_eq!(
        (&done["realised"]["amount"], &done["decision"]["promised"]["amount"]),
        (&json!("2.00"), &json!("2.00"))
    );
}

#[test]
fn the_demo_is_given_a_year_of_bills_that_are_marked_as_generated() {
    let home = home();
    home.write(".terrace-demo", "");
    let by = ["budget", "report", "--period", "2026", "--by", "team,tag:generated"];
    let year = jiff::Zoned::now().year().to_string();
    let last = (jiff::Zoned::now().year() - 1).to_string();
    let mut groups = Vec::new();
    for year in [&year, &last] {
        let report = json_of(&home, &[by[0], by[1], by[2], year, by[4], by[5]]);
        groups.extend(report["groups"].as_array().expect("a list").clone());
    }
    assert!(
        groups.iter().any(|group| group["key"] == "web") && groups.iter().any(|group| group["key"] == "unallocated")
    );
    for group in &groups {
        assert_eq!(group["groups"].as_array().expect("a list").len(), 1);
        assert_eq!(group["groups"][0]["key"], "true", "{group}");
    }
    assert!(home.terrace(&["cost", "anomalies"]).succeeds().out.contains("no day is far outside"));
    let budgets = json_of(&home, &["budget", "list"]);
    assert!(budgets[0]["forecast"]["amount"].is_string() && budgets[0]["interval"].is_array(), "{budgets}");
}

#[tokio::test]
async fn screen_command_and_api_say_the_same_figures() {
    let home = home();
    home.write(".terrace-demo", "");
    let budgets = json_of(&home, &["budget", "list"]);
    assert_eq!(serde_json::to_value(home.client().budgets(None).await.expect("budgets")).expect("JSON"), budgets);
    let report = json_of(&home, &["budget", "report", "--by", "team,service"]);
    let asked = home.client().cost_report(None, "team,service", None, &[]).await.expect("a report");
    assert_eq!(serde_json::to_value(asked).expect("JSON"), report);

    // beside what is not live stands what was billed for it last month
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let month = today.first_of_month().yesterday().expect("a day").strftime("%Y-%m").to_string();
    let prices = json_of(&home, &["estimate", "--all"]);
    for component in ["cache", "network"] {
        let price = prices.as_array().expect("a list").iter().find(|price| price["component"] == component);
        let only = format!("component={component}");
        let billed = json_of(&home, &["budget", "report", "--period", &month, "--only", &only, "--by", "component"]);
        assert_eq!(price.expect(component)["billed"], billed["total"]["effective"], "{component}");
    }

    let screen = |keys: &str| home.terrace(&["snapshot", "--size", "160x40", "--keys", keys]).succeeds().out;
    let shown = |money: &Value, digits: u32| {
        let amount: Exact = money["amount"].as_str().expect("an amount").parse().expect("an amount");
        terrace::domain::money::grouped(amount.rounded(digits))
    };
    let list = screen("5");
    for one in budgets.as_array().expect("a list") {
        let spent = format!("{} of {}", shown(&one["actual"], 0), shown(&one["budget"]["amount"], 0));
        // where nothing is billed nothing is forecast
        let known = one["forecast"]["amount"].is_string();
        let ahead = if known { format!("→ {}", shown(&one["forecast"], 0)) } else { String::new() };
        assert!(list.contains(&spent) && list.contains(&ahead), "{spent} {ahead}\n{list}");
    }
    let nobody = &report["groups"][0];
    assert_eq!(nobody["key"], "unallocated");
    let amount = format!("▌unallocated   {} USD", shown(&nobody["billed"], 2));
    assert!(list.contains(&amount), "{amount}\n{list}");
    assert!(list.contains("terrace cost allocate"), "{list}");
    let web = screen("5 j");
    for name in ["committed", "reserved", "forecast"] {
        let fact = format!("{name:<12}{} USD", shown(&budgets[0][name], 2));
        assert!(web.contains(&fact), "{fact}\n{web}");
    }
    let group = report["groups"].as_array().expect("a list").iter().find(|group| group["key"] == "web").expect("web");
    for service in group["groups"].as_array().expect("a list") {
        let row = format!("{:>14}  {}", shown(&service["billed"], 2), service["key"].as_str().expect("a name"));
        assert!(web.contains(&row), "{row}\n{web}");
    }
}
