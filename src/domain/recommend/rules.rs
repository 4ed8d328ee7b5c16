//! The rules, one function each.

use serde_json::{Value, json};

use super::{Change, Confidence, Effort, LiveInstance, LiveResource, Proposal};

/// A rule: what it is called, what it looks for, and the looking.
#[derive(Debug)]
pub struct Rule {
    /// Its name, by which it is switched off.
    pub name: &'static str,
    /// What it looks for, one sentence.
    pub about: &'static str,
    pub(super) look: fn(&LiveInstance) -> Vec<Proposal>,
}

/// Every rule.
pub const RULES: &[Rule] = &[
    Rule { name: "gp3", about: "gp2 volumes cost a quarter more than gp3 ones of the same size.", look: gp3 },
    Rule { name: "generation", about: "Newer instance generations do the same for less.", look: generation },
    Rule {
        name: "unattached",
        about: "Volumes and addresses that nothing uses are paid all the same.",
        look: unattached,
    },
    Rule { name: "night", about: "What nobody uses at night and at weekends need not run then.", look: night },
    Rule {
        name: "oversized",
        about: "Machines that idle by the usage figures do as well a size smaller.",
        look: oversized,
    },
    Rule {
        name: "lifecycle",
        about: "Buckets without lifecycle rules keep everything in the dearest class.",
        look: lifecycle,
    },
    Rule { name: "nat", about: "One NAT gateway a zone is for production.", look: nat },
    Rule { name: "twin", about: "Two environments of development that are alike do as well as one.", look: twin },
];

fn text<'v>(attributes: &'v Value, name: &str) -> Option<&'v str> {
    attributes.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn of_kind<'l>(live: &'l LiveInstance, kind: &'l str) -> impl Iterator<Item = &'l LiveResource> {
    live.resources.iter().filter(move |resource| resource.kind == kind)
}

/// Says whether a stage is one that nobody's customers use.
fn is_development(live: &LiveInstance) -> bool {
    let stage = live.stage.as_deref().unwrap_or_default().to_ascii_lowercase();
    ["dev", "test", "staging", "sandbox", "qa", "preview"].iter().any(|name| stage.starts_with(name))
}

/// gp2 to gp3: the same size, the same 3,000 operations a second, a fifth cheaper. Volumes, and disks of instances.
fn gp3(live: &LiveInstance) -> Vec<Proposal> {
    let propose = |resource: &LiveResource, attributes: Value| Proposal {
        address: resource.address.clone(),
        title: format!("{} is gp2; gp3 costs less", resource.address),
        change: Change::Attributes(attributes),
        confidence: Confidence::High,
        effort: Effort::Small,
        evidence: vec!["volume type gp2 in the state".to_owned()],
        edit: "set the volume's type to gp3; it changes while in use".to_owned(),
        swap: Some(["gp2".to_owned(), "gp3".to_owned()]),
        knobs: Vec::new(),
    };
    let mut found = Vec::new();
    for resource in of_kind(live, "aws_ebs_volume").filter(|volume| text(&volume.attributes, "type") == Some("gp2")) {
        let mut attributes = resource.attributes.clone();
        attributes["type"] = json!("gp3");
        // what gp2 sets by size is not what gp3 would be billed for
        attributes["iops"] = Value::Null;
        found.push(propose(resource, attributes));
    }
    for resource in of_kind(live, "aws_instance") {
        let mut attributes = resource.attributes.clone();
        let mut changed = false;
        for block in ["root_block_device", "ebs_block_device"] {
            for disk in attributes.get_mut(block).and_then(Value::as_array_mut).into_iter().flatten() {
                if text(disk, "volume_type") == Some("gp2") {
                    disk["volume_type"] = json!("gp3");
                    disk["iops"] = Value::Null;
                    changed = true;
                }
            }
        }
        if changed {
            found.push(propose(resource, attributes));
        }
    }
    found
}

/// Families with a successor of the same processor architecture and the same sizes.
const SUCCESSORS: &[(&str, &str)] =
    &[("t2", "t3"), ("m3", "m5"), ("m4", "m5"), ("c3", "c5"), ("c4", "c5"), ("r3", "r5"), ("r4", "r5"), ("i2", "i3")];

/// Older generations: an instance, database or cache whose family has a successor.
fn generation(live: &LiveInstance) -> Vec<Proposal> {
    let kinds = [
        ("aws_instance", "instance_type"),
        ("aws_db_instance", "instance_class"),
        ("aws_elasticache_cluster", "node_type"),
    ];
    let mut found = Vec::new();
    for (kind, attribute) in kinds {
        for resource in of_kind(live, kind) {
            let Some(class) = text(&resource.attributes, attribute) else { continue };
            let (prefix, bare) = match class.split_once('.') {
                Some((prefix @ ("db" | "cache"), bare)) => (format!("{prefix}."), bare),
                _ => (String::new(), class),
            };
            let Some((family, size)) = bare.split_once('.') else { continue };
            let Some((_, newer)) = SUCCESSORS.iter().find(|(older, _)| *older == family) else { continue };
            let newer = format!("{prefix}{newer}.{size}");
            let mut attributes = resource.attributes.clone();
            attributes[attribute] = json!(newer);
            found.push(Proposal {
                address: resource.address.clone(),
                title: format!("{} is {class}; {newer} does the same for less", resource.address),
                change: Change::Attributes(attributes),
                confidence: Confidence::Medium,
                effort: Effort::Medium,
                evidence: vec![format!("{attribute} {class} in the state")],
                edit: format!("set {attribute} to {newer}; the machine restarts"),
                swap: Some([class.to_owned(), newer]),
                knobs: Vec::new(),
            });
        }
    }
    found
}

/// Unattached: a volume that no attachment in the state names, an address without an instance or interface.
fn unattached(live: &LiveInstance) -> Vec<Proposal> {
    let attached: Vec<&str> =
        of_kind(live, "aws_volume_attachment").filter_map(|a| text(&a.attributes, "volume_id")).collect();
    let volumes = of_kind(live, "aws_ebs_volume")
        .filter(|volume| text(&volume.attributes, "id").is_none_or(|id| !attached.contains(&id)));
    let linked: Vec<&str> =
        of_kind(live, "aws_eip_association").filter_map(|a| text(&a.attributes, "allocation_id")).collect();
    let addresses = of_kind(live, "aws_eip").filter(|address| {
        let free = ["instance", "network_interface", "association_id"];
        free.iter().all(|name| text(&address.attributes, name).is_none())
            && text(&address.attributes, "id").is_none_or(|id| !linked.contains(&id))
    });
    let propose = |resource: &LiveResource| Proposal {
        address: resource.address.clone(),
        title: format!("nothing in this component uses {}", resource.address),
        change: Change::Removed,
        // another component might attach it
        confidence: Confidence::Medium,
        effort: Effort::Small,
        evidence: vec!["no attachment of it in the state".to_owned()],
        edit: "remove it, after a snapshot where it holds data".to_owned(),
        swap: None,
        knobs: Vec::new(),
    };
    volumes.chain(addresses).map(propose).collect()
}

/// Hours of a week in which nobody works: all but twelve hours on five days.
const ASLEEP_PERCENT: u32 = 64;

/// Sleep at night: machines and databases of stages that only people at work use.
fn night(live: &LiveInstance) -> Vec<Proposal> {
    if !is_development(live) {
        return Vec::new();
    }
    let scheduled = |resource: &LiveResource| {
        let tags = resource.attributes.get("tags").and_then(Value::as_object);
        tags.is_some_and(|tags| tags.keys().any(|name| name.to_ascii_lowercase().contains("schedule")))
    };
    let machines = live.resources.iter().filter(|resource| {
        matches!(resource.kind.as_str(), "aws_instance" | "aws_db_instance") && !scheduled(resource)
    });
    let propose = |resource: &LiveResource| Proposal {
        address: resource.address.clone(),
        title: format!("{} could sleep at night and at weekends", resource.address),
        change: Change::Percent(ASLEEP_PERCENT),
        confidence: Confidence::Low,
        effort: Effort::Medium,
        evidence: vec![
            format!("stage {}", live.stage.as_deref().unwrap_or_default()),
            "no tag of it names a schedule".to_owned(),
            "108 of the 168 hours of a week are outside of 12 hours on five days".to_owned(),
        ],
        edit: "add a schedule that stops it (AWS Instance Scheduler), and a tag that names it".to_owned(),
        swap: None,
        knobs: vec![("tags.Schedule", json!("office-hours"))],
    };
    machines.map(propose).collect()
}

const SIZES: &[&str] = &["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"];
/// Below so many percent of its processors a machine is oversized.
const IDLE_PERCENT: f64 = 20.0;

/// Oversized: `settings.usage.cpu_percent` (the 95th percentile) below 20.
fn oversized(live: &LiveInstance) -> Vec<Proposal> {
    let cpu = live.settings.pointer("/usage/cpu_percent").and_then(Value::as_f64);
    let Some(cpu) = cpu.filter(|cpu| *cpu < IDLE_PERCENT) else { return Vec::new() };
    let mut found = Vec::new();
    for (kind, attribute) in [("aws_instance", "instance_type"), ("aws_db_instance", "instance_class")] {
        for resource in of_kind(live, kind) {
            let Some((family, size)) = text(&resource.attributes, attribute).and_then(|class| class.rsplit_once('.'))
            else {
                continue;
            };
            let at = SIZES.iter().position(|known| *known == size);
            let Some(smaller) = at.and_then(|at| at.checked_sub(1)).and_then(|at| SIZES.get(at)) else { continue };
            let smaller = format!("{family}.{smaller}");
            let mut attributes = resource.attributes.clone();
            attributes[attribute] = json!(smaller);
            found.push(Proposal {
                address: resource.address.clone(),
                title: format!("{} is idle; {smaller} would do", resource.address),
                change: Change::Attributes(attributes),
                confidence: Confidence::Medium,
                effort: Effort::Medium,
                evidence: vec![format!("settings.usage.cpu_percent is {cpu}")],
                edit: format!("set {attribute} to {smaller}; the machine restarts"),
                swap: Some([format!("{family}.{size}"), smaller]),
                knobs: Vec::new(),
            });
        }
    }
    found
}

/// Lifecycle: a bucket that no lifecycle configuration in the state names.
fn lifecycle(live: &LiveInstance) -> Vec<Proposal> {
    let ruled: Vec<&str> = of_kind(live, "aws_s3_bucket_lifecycle_configuration")
        .filter_map(|rules| text(&rules.attributes, "bucket"))
        .collect();
    let bare = of_kind(live, "aws_s3_bucket").filter(|bucket| {
        let inline = bucket.attributes.get("lifecycle_rule").and_then(Value::as_array);
        inline.is_none_or(Vec::is_empty)
            && ["bucket", "id"].iter().all(|name| text(&bucket.attributes, name).is_none_or(|id| !ruled.contains(&id)))
    });
    let propose = |resource: &LiveResource| Proposal {
        address: resource.address.clone(),
        title: format!("{} has no lifecycle rules", resource.address),
        change: Change::PercentOfBill(30),
        confidence: Confidence::Low,
        effort: Effort::Small,
        evidence: vec!["no lifecycle configuration of it in the state".to_owned()],
        edit: "add aws_s3_bucket_lifecycle_configuration: infrequent access after 30 days, old versions expire"
            .to_owned(),
        swap: None,
        knobs: vec![("lifecycle_enabled", json!(true)), ("enable_lifecycle_rules", json!(true))],
    };
    bare.map(propose).collect()
}

/// NAT: more than one gateway in a stage of development.
fn nat(live: &LiveInstance) -> Vec<Proposal> {
    if !is_development(live) {
        return Vec::new();
    }
    let propose = |resource: &LiveResource| Proposal {
        address: resource.address.clone(),
        title: format!("{} is one NAT gateway too many for this stage", resource.address),
        change: Change::Removed,
        confidence: Confidence::High,
        effort: Effort::Medium,
        evidence: vec![format!("stage {} has more than one", live.stage.as_deref().unwrap_or_default())],
        edit: "route every zone through the first gateway (single_nat_gateway)".to_owned(),
        swap: None,
        knobs: vec![
            ("single_nat_gateway", json!(true)),
            ("one_nat_gateway_per_az", json!(false)),
            ("nat_gateway_count", json!(1)),
        ],
    };
    of_kind(live, "aws_nat_gateway").skip(1).map(propose).collect()
}

/// Twin: the same component with the same values, live in another stack of development.
fn twin(live: &LiveInstance) -> Vec<Proposal> {
    let Some(other) = live.twins.first().filter(|_| is_development(live)) else { return Vec::new() };
    vec![Proposal {
        address: String::new(),
        title: format!("{} is live in {}, too, with the same values", live.instance.component, other.stack),
        change: Change::Retired,
        // two people may need one each
        confidence: Confidence::Low,
        effort: Effort::Large,
        evidence: vec![format!("the same variables as {other}, but for names, places and tags")],
        edit: format!("retire {}, and let its users share {other}", live.instance),
        swap: None,
        knobs: Vec::new(),
    }]
}
