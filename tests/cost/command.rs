//! `terrace estimate` as a person and a script use it.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Case, change, instance};

fn terrace(case: &Case, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_terrace"))
        .args(arguments)
        .current_dir(case.folder.path())
        .env_remove("TERRACE_SERVER")
        .env("XDG_STATE_HOME", case.path("state"))
        .env("XDG_CONFIG_HOME", case.path("config"))
        .env("XDG_DATA_HOME", case.path("data"))
        .env("XDG_CACHE_HOME", case.path("cache"))
        .env("XDG_RUNTIME_DIR", case.path("run"))
        .output()
        .unwrap()
}

#[test]
fn json_has_the_shape_that_programs_rely_on() {
    let case = Case::new(&[
        change("aws_instance.a", &["create"], Value::Null, instance()),
        change("acme_x.y", &["create"], Value::Null, json!({})),
    ]);
    let output = terrace(&case, &["estimate", "--plan", "plan.json", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["before"], json!({"amount": "0.00", "currency": "USD"}));
    assert_eq!(found["after"]["amount"], "742.64");
    assert_eq!(found["delta"]["amount"], "742.64");
    assert_eq!(found["unknown"], json!([{"address": "acme_x.y", "why": "no rule prices the type 'acme_x'"}]));
    let line = &found["resources"][0]["components"][0];
    assert_eq!((&line["unit"], &line["quantity"], &line["price"]), (&json!("hours"), &json!("730"), &json!("0.768")));
    assert_eq!(line["monthly"], json!({"amount": "560.64", "currency": "USD"}));
    assert_eq!(line["source"]["date"], "2026-08");
    assert_eq!(found["resources"][1]["monthly"]["amount"], Value::Null);
}

#[test]
fn text_says_at_least_and_names_the_unknown() {
    let case = Case::new(&[
        change("aws_instance.a", &["create"], Value::Null, instance()),
        change("acme_x.y", &["create"], Value::Null, json!({})),
    ]);
    let output = terrace(&case, &["estimate", "--plan", "plan.json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("unknown acme_x.y: no rule prices the type 'acme_x'"), "{text}");
    assert!(text.contains("after    at least 742.64 USD"), "{text}");
    assert!(text.contains("ebs_block_device[0]"), "{text}");
}

#[test]
fn bad_input_ends_with_2_and_prints_no_data() {
    let case = Case::new(&[]);
    case.write("binary", "PK\u{3}\u{4}");
    case.write("bad.yml", "resource_usage: [");
    for (arguments, part) in [
        (vec!["estimate"], "--plan"),
        (vec!["estimate", "--plan", "absent.json"], "cannot read absent.json"),
        (vec!["estimate", "--plan", "binary"], "a plan file itself"),
        (vec!["estimate", "--plan", "plan.json", "--usage", "bad.yml"], "bad.yml:2:"),
        (vec!["estimate", "--plan", "plan.json", "--infracost", "plan.json"], "no JSON of infracost"),
    ] {
        let output = terrace(&case, &arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(part), "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn imported_prices_are_taken_first_and_only_after_a_yes() {
    let case = Case::new(&[change("acme_box.b", &["create"], Value::Null, json!({}))]);
    case.write("atmos.yaml", "base_path: .\n");
    case.write(
        "platform/prices.yaml",
        "version: 1\nrules:\n  - resource: acme_box\n    components:\n      - {name: Box, unit: months, quantity: 1}\n",
    );
    case.write("list.csv", "resource_type,cost_component,unit,region,unit_price\nacme_box,Box,months,*,12.50\n");
    let refused = terrace(&case, &["prices", "import", "list.csv"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(!case.path("platform/prices").exists());
    case.write(
        "bad.csv",
        "resource_type,cost_component,unit,region,unit_price\nacme_box,Box,months,*,1\na,b,c,d,NULL\n",
    );
    let bad = terrace(&case, &["prices", "import", "bad.csv", "--yes"]);
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("bad.csv:3: the price: 'NULL'"), "{bad:?}");
    assert!(!case.path("platform/prices").exists());
    let done = terrace(&case, &["prices", "import", "list.csv", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(case.estimate().after.to_string(), "12.50 USD");
}

#[test]
fn prices_of_infracost_need_a_region_and_serve_another_plan() {
    let case = Case::new(&[change("aws_nat_gateway.n", &["create"], Value::Null, json!({"region": "eu-south-9"}))]);
    case.write("atmos.yaml", "base_path: .\n");
    let component = |name: &str, unit: &str, price: &str| json!({"name": name, "unit": unit, "monthlyQuantity": "730", "price": price, "monthlyCost": "1"});
    let output = json!({"version": "0.2", "currency": "USD", "projects": [{"name": "p", "breakdown": {"resources": [
        {"name": "aws_nat_gateway.n", "resourceType": "aws_nat_gateway", "costComponents": [
            component("NAT gateway", "hours", "0.05"), component("Data processed", "GB", "0.05")]}]}}]});
    case.write("infracost.json", &output.to_string());
    case.write("usage.yml", "version: 0.1\nresource_usage:\n  aws_nat_gateway.n: {monthly_data_processed_gb: 10}\n");
    let refused = terrace(&case, &["prices", "import", "infracost.json", "--yes"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--region"), "{refused:?}");
    let done = terrace(&case, &["prices", "import", "infracost.json", "--region", "eu-south-9", "--yes"]);
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(case.estimate().after.to_string(), "37.00 USD");
}

#[test]
fn a_price_list_of_aws_serves_a_plan_in_its_region_with_its_source_and_date() {
    let after = json!({"region": "eu-south-9", "instance_type": "m9.large"});
    let case = Case::new(&[change("aws_instance.i", &["create"], Value::Null, after)]);
    case.write("atmos.yaml", "base_path: .\n");
    let attributes = json!({"regionCode": "eu-south-9", "instanceType": "m9.large", "operatingSystem": "Linux",
        "tenancy": "Shared", "capacitystatus": "Used", "preInstalledSw": "NA", "licenseModel": "No License required"});
    let dimension = json!({"unit": "Hrs", "beginRange": "0", "pricePerUnit": {"USD": "0.2000000000"}});
    let list = json!({"formatVersion": "v1.0", "offerCode": "AmazonEC2", "publicationDate": "2026-08-01T00:00:00Z",
        "products": {"S": {"sku": "S", "productFamily": "Compute Instance", "attributes": attributes},
            "T": {"sku": "T", "productFamily": "Fee", "attributes": {}}},
        "terms": {"OnDemand": {"S": {"S.T": {"priceDimensions": {"S.T.D": dimension}}},
            "T": {"T.T": {"priceDimensions": {"T.T.D": dimension}}}}}});
    case.write("AmazonEC2.json", &list.to_string());
    let done = terrace(&case, &["prices", "import", "AmazonEC2.json", "--yes"]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains("left out: 1 prices of 'Fee'") && said.contains("AmazonEC2.csv with 1 prices"), "{said}");
    let figures = case.estimate();
    let component = &figures.resources[0].components[0];
    assert_eq!(component.monthly.to_string(), "146.00 USD", "{component:?}");
    let source = component.source.as_ref().expect("a source");
    assert_eq!((source.name.as_str(), source.date.as_deref()), ("AWS price list AmazonEC2", Some("2026-08-01")));
    case.write("odd.json", "{\"offerCode\": 7}");
    let refused = terrace(&case, &["prices", "import", "odd.json", "--yes"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no price list of AWS"), "{refused:?}");
}

#[test]
fn infracost_is_asked_where_it_is_installed_and_its_failure_is_no_end() {
    use std::os::unix::fs::PermissionsExt as _;
    let case = Case::new(&[change("aws_nat_gateway.n", &["create"], Value::Null, json!({"region": "eu-south-9"}))]);
    let output = json!({"version": "0.2", "currency": "USD", "projects": [{"name": "p", "breakdown": {"resources": [
        {"name": "aws_nat_gateway.n", "resourceType": "aws_nat_gateway", "costComponents": [
            {"name": "NAT gateway", "unit": "hours", "monthlyQuantity": "730", "price": "0.05", "monthlyCost": "36.5"}]}]}}]});
    case.write("said.json", &output.to_string());
    let program = |body: &str| {
        case.write("infracost", &format!("#!/bin/sh\n{body}\n"));
        std::fs::set_permissions(case.path("infracost"), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let run = |bin: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_terrace"));
        command.current_dir(case.folder.path()).env("INFRACOST_BIN", bin).env("TMPDIR", case.folder.path());
        let done = command.args(["estimate", "--plan", "plan.json", "--format", "json"]).output().unwrap();
        let figures: Value = serde_json::from_slice(&done.stdout).unwrap();
        (figures["after"]["amount"].clone(), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    let place = case.path("infracost").display().to_string();
    program("[ \"$1 $4 $5\" = 'breakdown --format json' ] && cat said.json");
    assert_eq!(run(&place).0, json!("36.50"));
    assert_eq!(run("none").0, json!("0.00"), "the book has no price there: at least nothing");
    program("exit 1");
    let (amount, said) = run(&place);
    assert!(amount == "0.00" && said.contains("Infracost could not price the plan"), "{said}");
    let left = std::fs::read_dir(case.folder.path()).unwrap().filter_map(Result::ok);
    assert!(!left.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().contains("terrace-infracost")));
}
