//! Billed cost comes in through the program and the platform: exact, whole or not at all, and twice is once.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::home::{Answer, Home};

const TEAMS: &str = "teams:\n  - {name: orders, components: [orders]}\n  - {name: payments, components: [payments]}\n";

pub(crate) fn fixture() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cost/focus.csv");
    std::fs::read_to_string(path).expect("the fixture")
}

/// A home with two teams, and files to import.
pub(crate) struct Bills(pub(crate) Home);

impl Bills {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        home.write("platform/teams.yaml", TEAMS);
        Self(home)
    }

    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    fn try_import(&self, file: &Path, more: &[&str]) -> Answer {
        let file = file.to_str().expect("text");
        self.0.terrace(&[&["cost", "import", file, "--format", "json"], more].concat())
    }

    pub(crate) fn import(&self, file: &Path) -> Value {
        serde_json::from_str(&self.try_import(file, &[]).succeeds().out).expect("JSON")
    }

    /// What the bills say in all, asked by importing a row without money.
    fn counts(&self, report: &Value) -> [u64; 4] {
        ["rows", "added", "unchanged", "replaced"].map(|name| report[name].as_u64().expect(name))
    }
}

#[test]
fn the_report_adds_up_to_the_last_digit() {
    let bills = Bills::new();
    let report = bills.import(&bills.file("focus.csv", fixture()));
    assert_eq!(bills.counts(&report), [12, 12, 0, 0]);
    assert_eq!(report["refused"], json!([]));
    assert_eq!(report["currency"], "USD");
    assert_eq!(report["billed_cost"]["AWS"], "10.698000400010000000000000000001");
    assert_eq!(report["billed_cost"]["Microsoft"], "0.0080000000");
    assert_eq!(report["total"], "10.706000400010000000000000000001");
    // support, its credit, tax, and the refund belong to nobody without a rule
    assert_eq!(report["unallocated"], "10.110000000000000000000000000000");
}

#[test]
fn the_sample_of_the_finops_foundation_is_exact() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cost/focus_sample.csv");
    if !path.is_file() {
        println!("skipped: ../shared/cost is not there");
        return;
    }
    let bills = Bills::new();
    let report = bills.import(&path);
    assert_eq!(bills.counts(&report), [1000, 1000, 0, 0]);
    assert_eq!(
        report["billed_cost"],
        json!({"AWS": "18.00663861840", "Microsoft": "1.97651418586", "Oracle": "0.53707392473"})
    );
    assert_eq!(report["total"], "20.52022672899");
    assert_eq!(bills.counts(&bills.import(&path)), [1000, 0, 1000, 0]);

    // two files that overlap, cut where no day ends
    let text = std::fs::read_to_string(&path).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let part = |from: usize, to: usize| [&lines[..1], &lines[from..to]].concat().join("\n");
    let bills = Bills::new();
    assert_eq!(bills.counts(&bills.import(&bills.file("a.csv", part(1, 601)))), [600, 600, 0, 0]);
    assert_eq!(bills.counts(&bills.import(&bills.file("b.csv", part(401, 1001)))), [600, 400, 200, 0]);
    assert_eq!(bills.counts(&bills.import(&path)), [1000, 0, 1000, 0]);
}

#[test]
fn twice_is_once_and_a_correction_takes_its_days() {
    let bills = Bills::new();
    let text = fixture();
    let first = bills.file("focus.csv", &text);
    bills.import(&first);
    let again = bills.import(&first);
    assert_eq!(bills.counts(&again), [12, 0, 12, 0]);
    assert!(again["imported_before"].is_string());

    // the same rows in another order are another file, and nothing new
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    assert_eq!(bills.counts(&bills.import(&bills.file("turned.csv", lines.join("\n")))), [12, 0, 12, 0]);

    // another amount for the same hour: the file is a correction, and what it lacks on its days is gone
    let corrected = text.replace("12.40,12.40,12.40", "12.50,12.50,12.50");
    let without: Vec<&str> = corrected.lines().filter(|line| !line.contains("a credit for support")).collect();
    let report = bills.import(&bills.file("corrected.csv", without.join("\n")));
    assert_eq!(bills.counts(&report), [11, 0, 10, 1]);
    assert_eq!(report["removed"], 1);

    // the older file again says nothing new: it was heard, and corrected
    assert_eq!(bills.counts(&bills.import(&first)), [12, 0, 12, 0]);
    let back = bills.try_import(&first, &["--replace"]).succeeds();
    let back: Value = serde_json::from_str(&back.out).expect("JSON");
    assert_eq!(bills.counts(&back), [12, 1, 10, 1]);
}

#[test]
fn a_newer_version_of_an_export_replaces_it_and_a_part_does_not() {
    let bills = Bills::new();
    let text = fixture();
    let lines: Vec<&str> = text.lines().collect();
    let without = |part: &str| lines.iter().filter(|line| !line.contains(part)).copied().collect::<Vec<_>>().join("\n");
    bills.import(&bills.file("october.csv", &text));
    // another file that only lacks a row might be a part of the bill: nothing is lost, and the report says so
    let part = bills.import(&bills.file("part.csv", without("a credit for support")));
    assert_eq!((bills.counts(&part), &part["lacking"]), ([11, 0, 11, 0], &json!(1)));

    let bills = Bills::new();
    bills.import(&bills.file("october.csv", &text));
    // the same export, written anew: what it lacks is gone, and tags that changed are not billed twice
    let newer = without("a credit for support").replacen("\"\"payments\"\"", "\"\"orders\"\"", 1);
    let report = bills.import(&bills.file("october.csv", newer));
    assert_eq!((bills.counts(&report), &report["removed"]), ([11, 0, 10, 1], &json!(1)), "{report}");
    let after = bills.0.terrace(&["budget", "report", "--period", "2026", "--format", "json"]).succeeds();
    let after: Value = serde_json::from_str(&after.out).expect("JSON");
    assert_eq!(after["total"]["billed"]["amount"], report["total"]);
    // one of the same name that has few of its rows is no version of it
    let few = [lines[0], lines[1], lines[lines.len() - 1]].join("\n");
    assert_eq!(bills.import(&bills.file("october.csv", few))["removed"], Value::Null);
}

#[test]
fn an_aws_cost_and_usage_report_is_read_as_focus() {
    let bills = Bills::new();
    let header = "bill/PayerAccountId,bill/BillingPeriodStartDate,lineItem/LineItemType,lineItem/UsageStartDate,\
                  lineItem/UsageEndDate,lineItem/UnblendedCost,lineItem/CurrencyCode,lineItem/ProductCode,\
                  savingsPlan/SavingsPlanEffectiveCost,resourceTags/user:team";
    let row = |kind: &str, cost: &str, effective: &str| {
        format!(
            "1,2026-10-01T00:00:00Z,{kind},2026-10-02T00:00:00Z,2026-10-02T01:00:00Z,{cost},USD,AmazonEC2,{effective},orders"
        )
    };
    let rows = [
        header.to_owned(),
        row("SavingsPlanCoveredUsage", "1.0000000001", "0.70"),
        row("SavingsPlanNegation", "-1.0000000001", ""),
        row("SavingsPlanRecurringFee", "0.70", ""),
        row("Tax", "0.05", ""),
        row("Usage", "much", ""),
    ];
    let report = bills.import(&bills.file("cur.csv", rows.join("\n")));
    assert_eq!((bills.counts(&report), report["total"].as_str()), ([5, 4, 0, 0], Some("0.7500000000")), "{report}");
    assert_eq!(report["refused"][0]["line"], 6);
    let text = bills.0.terrace(&["budget", "report", "--period", "2026-10", "--by", "team,kind", "--format", "json"]);
    let report: Value = serde_json::from_str(&text.succeeds().out).expect("JSON");
    assert_eq!(report["groups"][0]["key"], "orders", "{report}");
    assert_eq!(report["total"]["effective"]["amount"], "0.75", "{report}");
}

#[test]
fn gzip_is_read_and_one_that_ends_in_the_middle_is_refused_whole() {
    let bills = Bills::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(fixture().as_bytes()).expect("packed");
    let packed = gzip.finish().expect("packed");
    let cut = bills.file("cut.csv.gz", &packed[..packed.len() - 20]);
    let refused = bills.try_import(&cut, &[]);
    assert_eq!((refused.exit, refused.out.as_str()), (2, ""), "{refused:?}");
    assert!(refused.err.contains("the gzip file ends in the middle; nothing was imported"), "{refused:?}");
    let report = bills.import(&bills.file("focus.csv.gz", &packed));
    assert_eq!(bills.counts(&report), [12, 12, 0, 0]);
}

#[test]
fn what_cannot_be_used_is_named_and_nothing_is_half_imported() {
    let bills = Bills::new();
    let text = fixture();
    let euro = text.replacen("USD,\"ms-7\"", "EUR,\"ms-7\"", 1);
    let (whole, last) = text.trim_end().rsplit_once('\n').expect("rows");
    for (name, content, said) in [
        ("empty.csv", String::new(), "the file is empty"),
        ("header.csv", text.lines().next().expect("a header").to_owned(), "no row"),
        ("columns.csv", "a,b\n1,2\n".to_owned(), "it has no column BilledCost"),
        ("euro.csv", euro, "line 11 is in EUR, and the rows before it are in USD"),
        ("dates.csv", text.replace("2026-1", "2026/1"), "none of the 12 rows can be taken; line 2: "),
        ("parquet", "PAR1....".to_owned(), "this is a Parquet file"),
        (
            "cut.csv",
            format!("{whole}\n{}", &last[..40]),
            "the file ends in the middle of line 13; nothing was imported",
        ),
        ("quote.csv", format!("{whole}\n1,1,USD,\"ms-\n"), "the file ends in the middle of line 13"),
    ] {
        let answer = bills.try_import(&bills.file(name, content), &[]);
        assert_eq!((answer.exit, answer.out.as_str()), (2, ""), "{name}: {answer:?}");
        assert!(answer.err.contains(said) && answer.err.contains(&format!("{name}: ")), "{name}: {answer:?}");
    }
    // As a spreadsheet saves "Unicode text", with its mark and without.
    for mark in [&[0xff, 0xfe][..], &[]] {
        let wide = [mark, &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()].concat();
        let answer = bills.try_import(&bills.file("wide.csv", wide), &[]);
        assert!(answer.exit == 2 && answer.err.contains("wide.csv: this is a text in UTF-16"), "{answer:?}");
    }
    assert_eq!(bills.try_import(Path::new("absent.csv"), &[]).exit, 2);
    // nothing of them is there: the whole file is new
    assert_eq!(bills.counts(&bills.import(&bills.file("focus.csv", &text))), [12, 12, 0, 0]);
}

#[test]
fn rows_that_cannot_be_read_are_refused_with_their_line() {
    let bills = Bills::new();
    let text = fixture()
        .replacen("0.0960000000,0.0960000000", "12345678901234567890123456789012345678901,0", 1)
        .replacen("{\"\"team\"\": \"\"payments\"\", \"\"stage\"\": \"\"dev\"\"}", "team=payments", 1)
        .replacen(",12\n", ",12,one more\n", 1);
    let report = bills.import(&bills.file("focus.csv", text));
    let refused = report["refused"].as_array().expect("a list");
    let lines: Vec<u64> = refused.iter().map(|note| note["line"].as_u64().expect("a line")).collect();
    assert_eq!(lines, [2, 13], "{report}");
    assert!(refused[0]["reason"].as_str().expect("text").contains("has more than 38 digits"), "{report}");
    assert_eq!(refused[1]["reason"], "it has 25 cells, and the header has 24");
    assert_eq!(report["warnings"][0]["line"], 4);
    assert_eq!(bills.counts(&report), [12, 10, 0, 0]);
}

#[test]
fn cells_that_are_written_otherwise_and_say_the_same_are_one_charge() {
    let bills = Bills::new();
    let header = "BilledCost,EffectiveCost,BillingCurrency,BillingAccountId,BillingPeriodStart,ChargePeriodStart,\
                  ChargePeriodEnd,ChargeCategory,ProviderName,ServiceName,ResourceId,Tags";
    let row = |cost: &str, resource: &str, tags: &str| {
        format!("{cost},{cost},USD,42,2025-03-01,2025-03-02,2025-03-03,Usage,AWS,EC2,{resource},\"{tags}\"")
    };
    let one = r#"{""team"": ""orders"", ""stage"": ""prod""}"#;
    let two = r#"{""stage"": ""prod"", ""team"": ""orders""}"#;
    let rows = [
        header.to_owned(),
        row("1.5", "i-1", one),
        row("-2.5E-1", "i-1", two),
        row("4", "", ""),
        row("8", "NULL", "{team: none}"),
    ];
    let file = bills.file("alike.csv", rows.join("\n"));
    let report = bills.import(&file);
    assert_eq!((bills.counts(&report), report["total"].as_str()), ([4, 4, 0, 0], Some("13.25")), "{report}");
    assert_eq!(report["warnings"][0]["line"], 5, "{report}");
    let by = ["budget", "report", "--period", "2025-03", "--by", "team,charge", "--format", "json"];
    let report: Value = serde_json::from_str(&bills.0.terrace(&by).succeeds().out).expect("JSON");
    let charges = |at: usize| report["groups"][at]["groups"].as_array().map(Vec::len);
    assert_eq!((charges(0), charges(1)), (Some(1), Some(1)), "{report}");
    // the same rows, written the other way round, are nothing new
    let turned = [header.to_owned(), row("1.5", "i-1", two), row("-0.25", "i-1", one), row("8", "", "NULL")];
    assert_eq!(bills.counts(&bills.import(&bills.file("turned.csv", turned.join("\n")))), [3, 0, 3, 0]);
}

#[test]
fn every_bad_row_says_its_line_and_what_is_wrong_with_it() {
    let bills = Bills::new();
    let header = "BilledCost,EffectiveCost,BillingCurrency,BillingAccountId,BillingPeriodStart,ChargePeriodStart,\
                  ChargePeriodEnd,ChargeCategory,ProviderName";
    let row = |cost: &str, start: &str, end: &str, category: &str| {
        format!("\"{cost}\",1,USD,42,2025-03-01,{start},{end},{category},AWS")
    };
    let bad = [
        (row("1", "2025-03-05", "2025-03-04", "Usage"), "ChargePeriodEnd is before ChargePeriodStart"),
        (row("1", "31/03/2025", "", "Usage"), "ChargePeriodStart: '31/03/2025' is no date"),
        (row("1", "2025-02-30", "", "Usage"), "ChargePeriodStart: '2025-02-30' is no date"),
        (row("", "2025-03-05", "", "Usage"), "BilledCost is empty"),
        (row("1,000.5", "2025-03-05", "", "Usage"), "BilledCost: "),
        (row("NaN", "2025-03-05", "", "Usage"), "BilledCost: "),
        (row("1", "2025-03-05", "", "Usge"), "ChargeCategory: 'Usge' is none of"),
    ];
    let mut text = format!("{header}\n");
    for (row, _) in &bad {
        text += &format!("{row}\n");
    }
    // thirty digits and a credit are no mistake, and the days may come in any order
    text += &format!("{}\n", row("-123456.678901234567891234567891", "2025-03-09", "", "Credit"));
    text += &format!("{}\n", row("0.000000000000000000000001", "2025-03-01", "2025-03-02", "Usage"));
    let report = bills.import(&bills.file("bad.csv", text));
    assert_eq!(bills.counts(&report), [9, 2, 0, 0], "{report}");
    assert_eq!(report["total"], "-123456.678901234567891234567890");
    let refused = report["refused"].as_array().expect("a list");
    for (at, (_, said)) in bad.iter().enumerate() {
        assert_eq!(refused[at]["line"], at + 2, "{report}");
        assert!(refused[at]["reason"].as_str().is_some_and(|reason| reason.contains(said)), "{said}: {report}");
    }
    let answer = bills.try_import(&bills.file("x.parquet", "PAR1....PAR1"), &[]);
    assert!(answer.err.contains("this is a Parquet file") && answer.err.contains("duckdb -c"), "{answer:?}");
}

/// A charge: its resource and day, what it costs in cents, whose it is.
type Random = ((u8, u8), (i64, u8));

/// Writes charges by resource and day, in an account of their own.
fn random(account: usize, rows: &[Random]) -> String {
    let mut text = "BilledCost,EffectiveCost,BillingCurrency,BillingAccountId,BillingPeriodStart,ChargePeriodStart,\
                    ChargePeriodEnd,ChargeCategory,ProviderName,ResourceId,Tags\n"
        .to_owned();
    for ((resource, day), (cents, team)) in rows {
        let (cost, team) =
            (format!("{}.{:02}", cents / 100, cents % 100), ["orders", "payments", "nobody"][usize::from(*team)]);
        text += &format!(
            "{cost},{cost},USD,{account},2025-03-01,2025-03-{day:02},2025-03-{:02},Usage,AWS,i-{resource},\"{{\"\"team\"\": \"\"{team}\"\"}}\"\n",
            day + 1
        );
    }
    text
}

#[test]
fn importing_twice_in_parts_or_in_another_order_is_importing_once() {
    use proptest::prelude::*;
    let bills = Bills::new();
    bills.import(&bills.file("first.csv", fixture()));
    let client = bills.0.client();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let count = std::cell::Cell::new(0usize);
    let rows = proptest::collection::btree_map((0u8..5, 1u8..28), (0i64..1_000_000, 0u8..3), 1..40);
    proptest!(ProptestConfig::with_cases(12), |(rows in rows, cut in 0usize..40, seed in any::<u64>())| {
        let rows: Vec<Random> = rows.into_iter().collect();
        let import = |account: usize, name: &str, rows: &[Random]| {
            let bytes = std::io::Cursor::new(random(account, rows).into_bytes());
            let name = PathBuf::from(format!("{account}-{name}.csv"));
            runtime.block_on(client.import_cost(&name, false, bytes)).expect("imported")
        };
        let report = |account: usize| {
            let (by, only) = ("team,resource", account.to_string());
            let report = runtime.block_on(client.cost_report(Some("2025-03"), by, None, &[("account", only.as_str())]));
            let report = report.expect("a report");
            (report.total, report.groups)
        };
        let (whole, parts) = (count.get() + 1, count.get() + 2);
        count.set(parts);
        let once = import(whole, "whole", &rows);
        prop_assert_eq!(once.added, rows.len() as u64);
        let first = report(whole);
        prop_assert_eq!(&first.0.billed.amount.map(|sum| sum.trimmed(2)), &Some(once.total.trimmed(2)));
        let mut turned = rows.clone();
        turned.rotate_left(usize::try_from(seed % rows.len() as u64).expect("small"));
        for name in ["turned", "again"] {
            let again = import(whole, name, &turned);
            prop_assert_eq!((again.added, again.unchanged, again.removed), (0, rows.len() as u64, 0));
            prop_assert_eq!(report(whole), first.clone());
        }
        // two parts that overlap come to the same, in another account
        let cut = cut.min(rows.len());
        for (name, part) in [("late", &rows[cut / 2..]), ("early", &rows[..cut]), ("late-again", &rows[cut / 2..])] {
            if !part.is_empty() {
                import(parts, name, part);
            }
        }
        prop_assert_eq!(report(parts), first);
    });
}

#[tokio::test]
async fn an_import_is_audited_and_tells_of_itself() {
    let bills = Bills::new();
    bills.import(&bills.file("focus.csv", fixture()));
    let client = bills.0.client();
    let audit = client.recent_audit(5).await.expect("audit");
    assert_eq!((audit[0].action.as_str(), audit[0].object.as_str()), ("cost.import", "cost/1"));
    assert_eq!(audit[0].detail["total"], "10.706000400010000000000000000001");
    let events = client.recent_events(5).await.expect("events");
    assert!(events.iter().any(|event| event.event_type == "dev.terrace.cost.imported"));
}
