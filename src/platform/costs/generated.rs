//! A year of bills for the demo: made up, the same for everybody on the same day, and marked as generated.
//!
//! What is live is billed by its price and under its own ids, anything else by what it usually costs.
//! Only an estate that carries the demo's marker and has no bill is given any. They come in through the importer, as
//! every bill does.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde_json::Value;

use super::{CostService, ImportRequest, Priced};
use crate::domain::stack::{InstanceRef, InstanceSummary};
use crate::platform::PlatformError;
use crate::platform::audit::Actor;
use crate::platform::estate::Snapshot;

/// The file that says that a folder holds the demo.
const MARKER: &str = ".terrace-demo";
/// What generated bills are imported as.
const NAME: &str = "generated demo data";
/// The billing account of every generated row.
const ACCOUNT: &str = "generated-0001";
const HEADER: &str = "BilledCost,EffectiveCost,ListCost,BillingCurrency,BillingAccountId,BillingAccountName,\
                      BillingPeriodStart,ChargePeriodStart,ChargePeriodEnd,ChargeCategory,ChargeDescription,ConsumedQuantity,\
                      ConsumedUnit,ProviderName,RegionId,ResourceId,ServiceName,ServiceCategory,CommitmentDiscountStatus,Tags\n";

impl CostService {
    /// Gives the demo its bills, where it has none yet.
    ///
    /// # Errors
    ///
    /// A store that cannot be written.
    pub async fn prepare(&self, snapshot: &Snapshot) -> Result<(), PlatformError> {
        if !snapshot.estate().root().join(MARKER).is_file() {
            return Ok(());
        }
        let _one = self.inner.preparing.lock().await;
        if !self.store().cost_imports(1).await?.is_empty() {
            return Ok(());
        }
        let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
        let live: HashMap<InstanceRef, Vec<Billed>> = self.priced(snapshot)?.iter().filter_map(billed).collect();
        let text = bills(&snapshot.instances(), &live, today);
        let request = ImportRequest { name: NAME.to_owned(), replace: false };
        let bytes = futures::stream::iter([Ok(bytes::Bytes::from(text))]);
        self.import(&Actor::platform(), snapshot, &request, Box::pin(bytes)).await.map(drop)
    }
}

/// What a live resource is billed as: its id, what it is, and its price in cents a day.
type Billed = (String, Kind);

/// Returns what a live instance is billed for: its priced resources, by the ids in its state.
fn billed(priced: &Priced) -> Option<(InstanceRef, Vec<Billed>)> {
    let of = |address: &str| priced.estimate.as_ref()?.resources.iter().find(|one| one.address == address);
    let of_one = |(address, kind, attributes): &(String, String, Value)| {
        let monthly = of(address)?.monthly.amount.filter(|amount| !amount.is_zero())?;
        let (service, group, unit, description) = match kind.as_str() {
            "aws_instance" => {
                ("Amazon Elastic Compute Cloud", "Compute", "Hours", "instances with their disks, on demand")
            }
            "aws_ebs_volume" => ("Amazon Elastic Block Store", "Storage", "GB-Months", "provisioned storage"),
            "aws_nat_gateway" => ("Amazon Virtual Private Cloud", "Networking", "Hours", "NAT gateway hours and data"),
            "aws_s3_bucket" => ("Amazon Simple Storage Service", "Storage", "GB-Months", "standard storage"),
            _ => return None,
        };
        let id = attributes.get("id").and_then(Value::as_str).unwrap_or(address);
        let daily = monthly.approximate() * 100.0 * 12.0 / 365.0;
        Some((id.to_owned(), (service, group, unit, description, daily)))
    };
    let found: Vec<Billed> = priced.resources.iter().filter_map(of_one).collect();
    let at = InstanceRef { component: priced.price.component.clone(), stack: priced.price.stack.clone() };
    (!found.is_empty()).then_some((at, found))
}

/// Numbers between 0 and 1, the same for the same words.
struct Dice(u64);

impl Dice {
    fn of(words: &str) -> Self {
        // FNV-1a
        Self(
            words
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)),
        )
    }

    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from(self.0 >> 33).unwrap_or_default()) / f64::from(1u32 << 31)
    }
}

/// What an instance is billed for: service, category, unit, description, cents a day.
type Kind = (&'static str, &'static str, &'static str, &'static str, f64);

fn kinds(folder: &str) -> &'static [Kind] {
    match folder {
        "cluster" => &[
            ("Amazon Elastic Kubernetes Service", "Compute", "Hours", "cluster hours", 240.0),
            ("Amazon Elastic Compute Cloud", "Compute", "Hours", "m5.large, on demand", 920.0),
        ],
        "network" => &[
            ("Amazon Virtual Private Cloud", "Networking", "Hours", "NAT gateway hours", 324.0),
            ("Amazon Virtual Private Cloud", "Networking", "GB", "NAT gateway data", 110.0),
        ],
        "database" => &[
            ("Amazon Relational Database Service", "Databases", "Hours", "db.m5.large, PostgreSQL", 410.0),
            ("Amazon Relational Database Service", "Databases", "GB-Months", "gp2 storage", 75.0),
        ],
        "cache" => &[("Amazon ElastiCache", "Databases", "Hours", "cache.m5.large, Redis", 374.0)],
        "queue" => &[("Amazon Simple Queue Service", "Integration", "Requests", "standard requests", 22.0)],
        "bucket" => &[("Amazon Simple Storage Service", "Storage", "GB-Months", "standard storage", 95.0)],
        "monitoring" => &[("AmazonCloudWatch", "Management and Governance", "Metrics", "custom metrics", 130.0)],
        _ => &[("Amazon Elastic Compute Cloud", "Compute", "Hours", "t3.medium, on demand", 210.0)],
    }
}

/// Makes the rows of the 365 days before `today`.
fn bills(instances: &[InstanceSummary], live: &HashMap<InstanceRef, Vec<Billed>>, today: Date) -> String {
    let mut out = String::from(HEADER);
    let paid: Vec<&InstanceSummary> =
        instances.iter().filter(|one| !one.is_abstract && one.enabled && one.component_type == "terraform").collect();
    let first = today.checked_sub(365.days()).unwrap_or(today);
    for (age, day) in first.series(1.day()).take_while(|day| *day < today).enumerate() {
        let age = f64::from(u32::try_from(age).unwrap_or_default());
        let weekend = matches!(day.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday);
        for one in &paid {
            let production = one.stack.contains("prod");
            let at = InstanceRef { component: one.component.clone(), stack: one.stack.clone() };
            let name = at.to_string();
            if let Some(resources) = live.get(&at) {
                for (id, kind) in resources {
                    let mut daily = Dice::of(&format!("{id}{day}"));
                    row(&mut out, day, kind.4 * (0.97 + daily.next() * 0.06), "Usage", *kind, id, &tagged(one));
                }
                continue;
            }
            for (at, kind) in kinds(&one.folder).iter().enumerate() {
                let mut dice = Dice::of(&format!("{name}{at}"));
                let (size, growth) = (0.6 + dice.next() * 0.8, dice.next() * 0.5);
                let mut daily = Dice::of(&format!("{name}{at}{day}"));
                let mut cents = kind.4 * size * if production { 3.0 } else { 1.0 } * (1.0 + growth * age / 365.0);
                cents *= if weekend && !production { 0.55 } else { 1.0 } * (0.97 + daily.next() * 0.06);
                // three bad days: a loop that copied data across zones
                if kind.2 == "GB" && production && (345.0..348.0).contains(&age) {
                    cents *= 9.0;
                }
                let tags = if dice.next() < 0.85 {
                    tagged(one)
                } else {
                    let team = one.team.as_deref().unwrap_or_default();
                    format!(r#"{{""team"": ""{team}"", ""generated"": ""true""}}"#)
                };
                row(&mut out, day, cents, "Usage", *kind, &format!("generated/{name}/{at}"), &tags);
            }
        }
        let marked = r#"{""generated"": ""true""}"#;
        let logs: Kind =
            ("Amazon Simple Storage Service", "Storage", "GB-Months", "access logs, nobody tagged them", 64.0);
        row(&mut out, day, logs.4 * (1.0 + age / 200.0), "Usage", logs, "generated/access-logs", marked);
        if day.day() == 1 {
            let support: Kind = ("AWS Support", "Other", "Months", "business support", 0.0);
            row(&mut out, day, 29_000.0, "Usage", support, "", marked);
            let tax: Kind = ("Tax", "Other", "Months", "value added tax", 0.0);
            row(&mut out, day, 41_250.0, "Tax", tax, "", marked);
        }
        if day.day() == 3 && day.month() % 4 == 0 {
            let credit: Kind = ("AWS Credits", "Other", "Months", "migration credit", 0.0);
            row(&mut out, day, -15_000.0, "Credit", credit, "", marked);
        }
    }
    out
}

/// Returns the tags of what an instance made.
fn tagged(one: &InstanceSummary) -> String {
    format!(
        r#"{{""atmos_stack"": ""{}"", ""atmos_component"": ""{}"", ""generated"": ""true""}}"#,
        one.stack, one.component
    )
}

fn row(out: &mut String, day: Date, cents: f64, category: &str, kind: Kind, resource: &str, tags: &str) {
    let (service, group, unit, description, _) = kind;
    let (cost, next) = (cents / 100.0, day.tomorrow().unwrap_or(day));
    let period = day.first_of_month();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{cost:.10},{cost:.10},{cost:.10},USD,{ACCOUNT},Harborline (generated),{period}T00:00:00Z,{day}T00:00:00Z,\
         {next}T00:00:00Z,{category},\"{description}\",{:.4},{unit},AWS,us-east-2,{resource},{service},{group},,\"{tags}\"",
        cost * 10.0,
    );
}
