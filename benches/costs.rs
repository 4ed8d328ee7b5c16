//! Billed cost at size: import of a million FOCUS rows, reports over them, drill-down, memory.
//!
//! The rows go the whole way: a file on disk, the client, the Unix socket, the platform, SQLite.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on says where")]

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use terrace::api::client::Client;
use terrace::api::listen::Listening;
use terrace::api::{AppState, server};
use terrace::atmos::LoadOptions;
use terrace::platform::Platform;
use terrace::platform::identity::Identity;
use terrace::platform::paths::Paths;
use terrace::platform::store::Place;

const ROWS: usize = 1_000_000;
/// Each is billed for three things, every hour of a month.
const RESOURCES: usize = 460;

fn main() {
    let temp = tempfile::tempdir().unwrap();
    let estate = temp.path().join("estate");
    std::fs::create_dir_all(estate.join("stacks")).unwrap();
    std::fs::create_dir_all(estate.join("platform")).unwrap();
    std::fs::write(
        estate.join("atmos.yaml"),
        "base_path: .\nstacks: {base_path: stacks, included_paths: ['**/*'], name_pattern: '{stage}'}\n",
    )
    .unwrap();
    std::fs::write(estate.join("stacks/dev.yaml"), "vars: {stage: dev}\n").unwrap();
    let teams: String = (0..12).map(|team| format!("  - name: team-{team}\n")).collect();
    std::fs::write(estate.join("platform/teams.yaml"), format!("teams:\n{teams}")).unwrap();
    let file = temp.path().join("focus.csv");
    let bytes = write_rows(&file);
    println!("{ROWS} rows, {} MB", bytes / 1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(temp.path(), &estate, &file));
}

async fn measure(base: &Path, estate: &Path, file: &Path) {
    let identity = Identity::of(estate).unwrap();
    let paths = Paths::new(&base.join("state"), base, &identity);
    let program = PathBuf::from("terrace");
    let place = Place::File(paths.database());
    let options = LoadOptions::default();
    let platform = Platform::open(identity, paths.clone(), place, options, program, base.join("cache")).await;
    let platform = Arc::new(platform.unwrap());
    let listener = tokio::net::UnixListener::bind(paths.socket()).unwrap();
    let listening = Listening::unix(listener, platform.lifecycle());
    let serving = tokio::spawn(server::serve(vec![listening], AppState::new(Arc::clone(&platform))));
    let client = Client::unix(paths.socket());
    let before = peak();

    let began = Instant::now();
    let opened = tokio::fs::File::open(file).await.unwrap();
    let report = client.import_cost(file, false, opened).await.unwrap();
    said("import", began.elapsed(), Duration::from_secs(6));
    assert_eq!(report.added, ROWS as u64);
    println!("  memory: peak {} MB, {} MB before (at most 200)", peak() / 1024, before / 1024);

    let began = Instant::now();
    let opened = tokio::fs::File::open(file).await.unwrap();
    let again = client.import_cost(file, false, opened).await.unwrap();
    println!("  the same file again: {:.2} s", began.elapsed().as_secs_f64());
    assert_eq!(again.unchanged, ROWS as u64);

    let month = Some("2026-10");
    for round in ["first", "again"] {
        let began = Instant::now();
        let found = client.cost_report(month, "team,service", None, &[]).await.unwrap();
        said(&format!("report by team and service, {round}"), began.elapsed(), Duration::from_millis(300));
        assert_eq!(found.total.billed.amount.unwrap(), report.total);
    }
    let began = Instant::now();
    let level = client.cost_report(month, "resource", None, &[("team", "team-3")]).await.unwrap();
    said("drill-down: resources of a team", began.elapsed(), Duration::from_millis(50));
    let resource = level.groups[0].key.clone();
    let began = Instant::now();
    let level = client.cost_report(month, "charge", None, &[("resource", &resource)]).await.unwrap();
    said("drill-down: charges of a resource", began.elapsed(), Duration::from_millis(50));
    let charge = level.groups[0].key.rsplit_once('#').unwrap().1.parse().unwrap();
    let began = Instant::now();
    let lines = client.cost_lines(month, charge).await.unwrap();
    said(&format!("drill-down: {} lines of a charge", lines.lines.len()), began.elapsed(), Duration::from_millis(50));
    platform.lifecycle().stop();
    serving.await.unwrap().unwrap();
    platform.close().await;
}

fn said(what: &str, took: Duration, most: Duration) {
    let verdict = if took <= most { "ok" } else { "TOO SLOW" };
    println!("{what}: {:.3} s (at most {:.3}) {verdict}", took.as_secs_f64(), most.as_secs_f64());
}

/// The most memory this process ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

/// Writes rows as a provider does: hour by hour, long texts, tags in JSON.
fn write_rows(file: &Path) -> u64 {
    let mut out = BufWriter::new(std::fs::File::create(file).unwrap());
    out.write_all(
        b"BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,\
          ChargeClass,ChargeDescription,ChargeFrequency,ChargePeriodEnd,ChargePeriodStart,ConsumedQuantity,ConsumedUnit,\
          ContractedCost,EffectiveCost,ListCost,ListUnitPrice,PricingCategory,ProviderName,RegionId,ResourceId,ServiceCategory,\
          ServiceName,SkuId,SubAccountId,SubAccountName,Tags\n",
    )
    .unwrap();
    let services = ["Amazon Elastic Compute Cloud", "Amazon Elastic Block Store", "Amazon Virtual Private Cloud"];
    let mut seed = 7u64;
    let mut written = 0;
    'all: for hour in 0..744 {
        let (day, at) = (hour / 24 + 1, hour % 24);
        let (end_day, end_at) = ((hour + 1) / 24 + 1, (hour + 1) % 24);
        let end = if end_day == 32 {
            "2026-11-01T00:00:00Z".to_owned()
        } else {
            format!("2026-10-{end_day:02}T{end_at:02}:00:00Z")
        };
        for resource in 0..RESOURCES {
            for (number, service) in services.iter().enumerate() {
                if written == ROWS {
                    break 'all;
                }
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let cost = 1000 + (seed >> 40) % 90_000;
                writeln!(
                    out,
                    "0.{cost:010},\"123456789012\",\"Harborline\",USD,\"2026-11-01T00:00:00Z\",\"2026-10-01T00:00:00Z\",Usage,NULL,\
                     \"$0.096 per On Demand Linux m5.large Instance Hour, part {number}\",Usage-Based,\"{end}\",\
                     \"2026-10-{day:02}T{at:02}:00:00Z\",1.000000000000,Hours,0.{cost:010},0.{cost:010},0.{cost:010},\"0.096\",\
                     Standard,AWS,us-east-2,\"arn:aws:ec2:us-east-2:123456789012:instance/i-{resource:017x}\",Compute,\"{service}\",\
                     SKU{number:013},\"21098765432{}\",\"workload {}\",\"{{\"\"team\"\": \"\"team-{}\"\", \"\"stage\"\": \"\"prod\"\", \
                     \"\"application\"\": \"\"app-{resource}\"\"}}\"",
                    resource % 9,
                    resource % 9,
                    resource % 12,
                )
                .unwrap();
                written += 1;
            }
        }
    }
    out.flush().unwrap();
    std::fs::metadata(file).unwrap().len()
}
