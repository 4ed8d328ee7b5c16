//! Each rule with what it finds and what it leaves alone.

use super::*;

fn live(stage: &str, resources: &[(&str, Value)]) -> LiveInstance {
    LiveInstance {
        instance: InstanceRef { component: "app".to_owned(), stack: format!("plat-{stage}") },
        team: None,
        stage: Some(stage.to_owned()),
        settings: Value::Null,
        vars: Value::Null,
        twins: Vec::new(),
        resources: resources
            .iter()
            .map(|(address, attributes)| LiveResource {
                address: (*address).to_owned(),
                kind: address.split('.').next().unwrap_or_default().to_owned(),
                attributes: attributes.clone(),
            })
            .collect(),
        billed: BTreeMap::new(),
    }
}

fn found(live: &LiveInstance, rule: &str) -> Vec<Proposal> {
    propose(live, &[]).into_iter().filter(|(by, _)| by.name == rule).map(|(_, proposal)| proposal).collect()
}

fn addresses(live: &LiveInstance, rule: &str) -> Vec<String> {
    found(live, rule).into_iter().map(|proposal| proposal.address).collect()
}

#[test]
fn gp2_becomes_gp3_in_volumes_and_disks() {
    let live = live(
        "prod",
        &[
            ("aws_ebs_volume.old", json!({"type": "gp2", "size": 100, "iops": 300})),
            ("aws_ebs_volume.new", json!({"type": "gp3", "size": 100})),
            ("aws_instance.a", json!({"instance_type": "m5.large", "root_block_device": [{"volume_type": "gp2"}]})),
        ],
    );
    assert_eq!(addresses(&live, "gp3"), ["aws_ebs_volume.old", "aws_instance.a"]);
    let Change::Attributes(changed) = &found(&live, "gp3")[0].change else { panic!("attributes") };
    assert_eq!((&changed["type"], &changed["iops"], &changed["size"]), (&json!("gp3"), &Value::Null, &json!(100)));
}

#[test]
fn older_generations_have_successors() {
    let live = live(
        "prod",
        &[
            ("aws_instance.a", json!({"instance_type": "m4.xlarge"})),
            ("aws_instance.b", json!({"instance_type": "m6i.large"})),
            ("aws_db_instance.c", json!({"instance_class": "db.t2.medium"})),
        ],
    );
    assert_eq!(addresses(&live, "generation"), ["aws_instance.a", "aws_db_instance.c"]);
    let Change::Attributes(changed) = &found(&live, "generation")[1].change else { panic!("attributes") };
    assert_eq!(changed["instance_class"], "db.t3.medium");
}

#[test]
fn what_nothing_uses_is_found() {
    let live = live(
        "prod",
        &[
            ("aws_ebs_volume.used", json!({"id": "vol-1"})),
            ("aws_ebs_volume.free", json!({"id": "vol-2"})),
            ("aws_volume_attachment.a", json!({"volume_id": "vol-1"})),
            ("aws_eip.used", json!({"id": "eip-1", "instance": "i-1"})),
            ("aws_eip.free", json!({"id": "eip-2", "instance": ""})),
        ],
    );
    assert_eq!(addresses(&live, "unattached"), ["aws_ebs_volume.free", "aws_eip.free"]);
}

#[test]
fn only_development_sleeps_and_shares_its_gateway() {
    let resources = [
        ("aws_instance.a", json!({"instance_type": "m5.large"})),
        ("aws_instance.b", json!({"instance_type": "m5.large", "tags": {"Schedule": "office"}})),
        ("aws_nat_gateway.one[0]", json!({})),
        ("aws_nat_gateway.one[1]", json!({})),
    ];
    let (dev, prod) = (live("dev", &resources), live("prod", &resources));
    assert_eq!(addresses(&dev, "night"), ["aws_instance.a"]);
    assert_eq!(addresses(&dev, "nat"), ["aws_nat_gateway.one[1]"]);
    assert!(found(&prod, "night").is_empty() && found(&prod, "nat").is_empty());
}

#[test]
fn idle_machines_become_a_size_smaller() {
    let mut live = live("prod", &[("aws_instance.a", json!({"instance_type": "m5.xlarge"}))]);
    assert!(found(&live, "oversized").is_empty(), "nothing is known of its usage");
    live.settings = json!({"usage": {"cpu_percent": 45}});
    assert!(found(&live, "oversized").is_empty());
    live.settings = json!({"usage": {"cpu_percent": 7.5}});
    let Change::Attributes(changed) = &found(&live, "oversized")[0].change else { panic!("attributes") };
    assert_eq!(changed["instance_type"], "m5.large");
}

#[test]
fn buckets_without_rules_are_found() {
    let live = live(
        "prod",
        &[
            ("aws_s3_bucket.ruled", json!({"bucket": "one"})),
            ("aws_s3_bucket_lifecycle_configuration.r", json!({"bucket": "one"})),
            ("aws_s3_bucket.inline", json!({"bucket": "two", "lifecycle_rule": [{}]})),
            ("aws_s3_bucket.bare", json!({"bucket": "three"})),
        ],
    );
    assert_eq!(addresses(&live, "lifecycle"), ["aws_s3_bucket.bare"]);
}

#[test]
fn rules_can_be_switched_off_and_ids_stay() {
    let live = live("dev", &[("aws_instance.a", json!({"instance_type": "m4.large"}))]);
    let names = |off: &[String]| propose(&live, off).iter().map(|(rule, _)| rule.name).collect::<Vec<_>>();
    assert_eq!(names(&[]), ["generation", "night"]);
    assert_eq!(names(&["night".to_owned()]), ["generation"]);
    assert_eq!(identity("gp3", &live.instance, "x"), identity("gp3", &live.instance, "x"));
    assert_ne!(identity("gp3", &live.instance, "x"), identity("nat", &live.instance, "x"));
}

#[test]
fn a_twin_in_development_could_go() {
    let mut live = live("dev", &[]);
    assert_eq!(found(&live, "twin"), []);
    live.twins = vec![InstanceRef { component: "app".to_owned(), stack: "plat-test".to_owned() }];
    assert_eq!(found(&live, "twin").len(), 1);
    let wish = ready(&live, &found(&live, "twin")[0]).unwrap();
    assert_eq!((wish.kind, wish.instance.as_ref()), (RequestKind::Retire, Some(&live.instance)));
    live.stage = Some("prod".to_owned());
    assert_eq!(found(&live, "twin"), []);
}

#[test]
fn the_one_variable_that_says_it_makes_a_ready_request() {
    let mut live = live("prod", &[("aws_instance.a", json!({"instance_type": "m4.xlarge"}))]);
    let proposal = &found(&live, "generation")[0];
    assert_eq!(ready(&live, proposal), None, "no variable says it");
    live.vars = json!({"size": "small", "nodes": [{"the.type": "m4.xlarge"}]});
    let wish = ready(&live, proposal).unwrap();
    assert_eq!(wish.inputs, *json!({"vars.nodes.0.\"the.type\"": "m5.xlarge"}).as_object().unwrap());
    live.vars["other"] = json!("m4.xlarge");
    assert_eq!(ready(&live, proposal), None, "which of two is not known");
}

#[test]
fn a_variable_that_is_made_for_it_makes_a_ready_request_too() {
    let two = [("aws_nat_gateway.one[0]", json!({})), ("aws_nat_gateway.one[1]", json!({}))];
    let mut nat = live("dev", &two);
    let proposal = found(&nat, "nat").remove(0);
    assert_eq!(ready(&nat, &proposal), None, "its configuration has no such variable");
    nat.vars = json!({"single_nat_gateway": false});
    let inputs = |live: &LiveInstance, proposal| ready(live, proposal).map(|wish| Value::Object(wish.inputs));
    assert_eq!(inputs(&nat, &proposal), Some(json!({"vars.single_nat_gateway": true})));
    nat.vars = json!({"single_nat_gateway": true});
    assert_eq!(inputs(&nat, &proposal), None, "it says so already");

    let mut night = live("dev", &[("aws_instance.a", json!({"instance_type": "m5.large"}))]);
    let proposal = found(&night, "night").remove(0);
    assert_eq!(ready(&night, &proposal), None);
    night.vars = json!({"tags": {"team": "orders"}});
    assert_eq!(inputs(&night, &proposal), Some(json!({"vars.tags.Schedule": "office-hours"})));

    let mut bucket = live("prod", &[("aws_s3_bucket.b", json!({"bucket": "b"}))]);
    bucket.vars = json!({"lifecycle_enabled": false});
    let proposal = found(&bucket, "lifecycle").remove(0);
    assert_eq!(inputs(&bucket, &proposal), Some(json!({"vars.lifecycle_enabled": true})));

    let free = live("prod", &[("aws_ebs_volume.v", json!({"id": "vol-1"}))]);
    let wish = ready(&free, &found(&free, "unattached")[0]).unwrap();
    assert_eq!(wish.kind, RequestKind::Retire, "nothing else is left of it");
}
