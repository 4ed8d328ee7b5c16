use serde_json::{Value, json};

use super::*;

/// Writes an offer of products, each with its family, attributes, unit and price.
fn offer(code: &str, products: &[(&str, Value, &str, &str)]) -> Vec<u8> {
    let (mut all, mut terms) = (serde_json::Map::new(), serde_json::Map::new());
    for (i, (family, attributes, unit, price)) in products.iter().enumerate() {
        let sku = format!("SKU{i}");
        all.insert(sku.clone(), json!({"sku": sku, "productFamily": family, "attributes": attributes}));
        let term = json!({"priceDimensions": {"d": {"unit": unit, "beginRange": "0", "pricePerUnit": {"USD": price}}}});
        terms.insert(sku, json!({"t": term}));
    }
    let terms = json!({"OnDemand": terms, "Reserved": {"SKU0": {"anything": [1]}}});
    let offer = json!({"formatVersion": "v1.0", "offerCode": code, "version": "20260801",
        "publicationDate": "2026-08-01T10:00:00Z", "products": all, "terms": terms});
    offer.to_string().into_bytes()
}

fn instance(system: &str, tenancy: &str, status: &str) -> Value {
    json!({"regionCode": "eu-west-1", "instanceType": "m5.large", "operatingSystem": system, "tenancy": tenancy,
        "capacitystatus": status, "preInstalledSw": "NA", "licenseModel": "No License required"})
}

#[test]
fn prices_get_the_names_that_the_book_looks_up() {
    let disk = |name: &str| json!({"regionCode": "eu-west-1", "volumeApiName": name});
    let usage = |name: &str| json!({"regionCode": "eu-west-1", "usagetype": name});
    let bytes = offer(
        "AmazonEC2",
        &[
            ("Compute Instance", instance("Linux", "Shared", "Used"), "Hrs", "0.1070000000"),
            ("Compute Instance", instance("Linux", "Shared", "AllocatedCapacityReservation"), "Hrs", "0.2"),
            ("Storage", disk("gp3"), "GB-Mo", "0.0880000000"),
            ("Provisioned Throughput", disk("gp3"), "GiBps-mo", "45.0560000000"),
            ("NAT Gateway", usage("EU-NatGateway-Hours"), "Hrs", "0.0480000000"),
            ("Dedicated Host", usage("EU-HostUsage:m5"), "Hrs", "5"),
        ],
    );
    assert!(AwsPriceList::looks_like(&bytes));
    let list = AwsPriceList::read(&bytes).unwrap();
    let found: Vec<String> =
        list.prices.iter().map(|p| format!("{} {} {} {}", p.resource, p.component, p.unit, p.price)).collect();
    let expected = [
        "aws_ebs_volume Provisioned gp3 throughput Mbps 0.044",
        "aws_ebs_volume Storage (general purpose SSD, gp3) GB 0.088",
        "aws_instance Instance usage (Linux/UNIX, on-demand, m5.large) hours 0.107",
        "aws_nat_gateway NAT gateway hours 0.048",
    ];
    assert_eq!(found, expected);
    assert_eq!((list.service.as_str(), list.published.as_str()), ("AmazonEC2", "2026-08-01"));
    assert!(list.left_out.iter().any(|said| said.contains("1 prices of 'Dedicated Host'")), "{:?}", list.left_out);
    let balancer = json!({"regionCode": "eu-west-1", "usagetype": "EU-LCUUsage"});
    let list = AwsPriceList::read(&offer("AWSELB", &[("Load Balancer-Application", balancer, "LCU-Hrs", "0.008")]));
    assert_eq!(list.unwrap().prices[0].price.to_string(), "5.84", "730 hours are a month");
}

#[test]
fn what_has_two_prices_or_no_region_is_left_out_and_said() {
    let nowhere = json!({"volumeApiName": "gp2"});
    let disk = json!({"volumeApiName": "st1", "regionCode": "eu-west-1"});
    let products = [
        ("Storage", nowhere, "GB-Mo", "0.1"),
        ("Storage", disk.clone(), "GB-Mo", "0.05"),
        ("Storage", disk, "GB-Mo", "0.06"),
    ];
    let list = AwsPriceList::read(&offer("AmazonEC2", &products)).unwrap();
    assert_eq!(list.prices, []);
    let said = list.left_out.join("\n");
    assert!(said.contains("says no region code") && said.contains("has several prices in eu-west-1"), "{said}");
}

#[test]
fn the_same_list_is_read_as_csv() {
    let text = "\"FormatVersion\",\"v1.0\"\n\"Disclaimer\",\"x\"\n\"Publication Date\",\"2026-08-01T10:00:00Z\"\n\
        \"Version\",\"20260801\"\n\"OfferCode\",\"AmazonRDS\"\n\
        \"SKU\",\"TermType\",\"StartingRange\",\"Unit\",\"PricePerUnit\",\"Currency\",\"Product Family\",\"Region Code\",\"Instance Type\",\"Database Engine\",\"Deployment Option\"\n\
        \"A\",\"OnDemand\",\"0\",\"Hrs\",\"0.3560000000\",\"USD\",\"Database Instance\",\"us-east-1\",\"db.m5.xlarge\",\"PostgreSQL\",\"Single-AZ\"\n\
        \"A\",\"Reserved\",\"\",\"Quantity\",\"1000\",\"USD\",\"Database Instance\",\"us-east-1\",\"db.m5.xlarge\",\"PostgreSQL\",\"Single-AZ\"\n";
    assert!(AwsPriceList::looks_like(text.as_bytes()));
    let list = AwsPriceList::read(text.as_bytes()).unwrap();
    let name = "Database instance (postgres, no licence, on-demand, Single-AZ, db.m5.xlarge)";
    assert_eq!((list.prices.len(), list.prices[0].component.as_str()), (1, name));
    assert_eq!(list.prices[0].price.to_string(), "0.356");
    for bad in ["{\"offerCode\": 7}", "\"FormatVersion\",\"v1.0\"\n\"OfferCode\",\"X\"\n"] {
        assert!(AwsPriceList::read(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(!AwsPriceList::looks_like(b"resource_type,cost_component\n"));
}
