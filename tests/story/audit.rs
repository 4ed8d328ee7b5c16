//! The audit trail as a person meets it: listed, verified without the platform, exported, tampered with.

use serde_json::{Value, json};

use crate::support::home::{Home, until};

async fn run_something(home: &Home) {
    home.terrace(&["serve", "--background"]).succeeds();
    let client = home.client();
    let mut request: terrace::domain::run::RunRequest = serde_json::from_value(
        json!({"kind": "workflow", "workflow": "greet", "workflow_file": "practice.yaml", "yes": true}),
    )
    .expect("a request");
    request.env = std::env::vars().collect();
    let run = client.start_run(&request, None).await.expect("started");
    let which = terrace::domain::id::RunRef::Id(run.id);
    until("the end", || async { client.run(which).await.expect("there").state.is_end().then_some(()) }).await;
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_is_verified_without_the_platform_and_from_an_export() {
    let home = Home::new();
    let none = home.terrace(&["audit", "verify"]);
    assert_eq!(none.exit, 2, "{none:?}");
    run_something(&home).await;
    let records = json_of(&home.terrace(&["audit", "list", "--format", "json"]).succeeds().out);
    let records = records.as_array().expect("a list").clone();
    assert!(records.len() >= 2);
    for (index, record) in records.iter().rev().enumerate() {
        assert_eq!(record["sequence"], json!(index + 1));
        assert_eq!(record["previous"].as_str().expect("chained").len(), 64);
        assert_eq!(record["self_attested"] == json!(true), record["actor"] != json!("terrace"), "{record}");
    }
    let only = home.terrace(&["audit", "list", "--action", "run.queued", "--format", "json"]).succeeds();
    let all_of_it = json_of(&only.out);
    let all_of_it = all_of_it.as_array().expect("a list");
    assert!(!all_of_it.is_empty() && all_of_it.iter().all(|record| record["action"] == json!("run.queued")));
    // While the platform writes, and when it is gone.
    let while_it_lives = json_of(&home.terrace(&["audit", "verify", "--format", "json"]).succeeds().out);
    assert_eq!(while_it_lives["verified"], json!(true));
    assert_eq!(json!(home.client().audit_verification().await.expect("asked").verified), json!(true));
    let file = home.path("trail.ndjson");
    let name = file.to_str().expect("text");
    home.terrace(&["audit", "export", name]).succeeds();
    home.terrace(&["stop"]).succeeds();
    let after = json_of(&home.terrace(&["audit", "verify", "--format", "json"]).succeeds().out);
    assert_eq!(after["records"], json!(records.len()));
    assert_eq!(after["checkpoint"]["sequence"], json!(records.len()));
    assert_eq!(home.platform_process(), None, "nothing was started");

    let text = std::fs::read_to_string(&file).expect("there");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), records.len() + 1, "the checkpoint is the last line");
    home.terrace(&["audit", "verify", name]).succeeds();
    let broken = |changed: Vec<&str>| {
        std::fs::write(&file, changed.join("\n")).expect("written");
        let answer = home.terrace(&["audit", "verify", name, "--format", "json"]);
        assert_eq!(answer.exit, 1, "{answer:?}");
        json_of(&answer.out)["broken"].clone()
    };
    let edited = lines[1].replace("\"run.", "\"ran.");
    assert_ne!(edited, lines[1]);
    let mut changed = lines.clone();
    changed[1] = &edited;
    assert_eq!((broken(changed)["sequence"].clone()), json!(2));
    let mut changed = lines.clone();
    changed.remove(1);
    assert_eq!(broken(changed)["kind"], json!("removed"));
    let mut changed = lines.clone();
    changed.swap(0, 1);
    assert_eq!(broken(changed)["kind"], json!("reordered"));
    let mut changed = lines.clone();
    changed.remove(records.len() - 1);
    assert_eq!(broken(changed)["kind"], json!("truncated"));
    let mut changed = lines.clone();
    changed.truncate(records.len() - 1);
    assert_eq!(broken(changed)["kind"], json!("unsigned"), "the checkpoint is gone with the records");
    std::fs::write(&file, &text).expect("written");
    let other = home.terrace(&["audit", "verify", name, "--key", &"00".repeat(32)]);
    assert_eq!(other.exit, 1, "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_tampered_with_is_named() {
    let home = Home::new();
    run_something(&home).await;
    home.terrace(&["stop"]).succeeds();
    let path = home.paths().database();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.expect("opened");
    for sql in ["drop trigger audit_is_append_only", "drop trigger audit_is_kept"] {
        sqlx::query(sql).execute(&pool).await.expect("dropped");
    }
    let last: i64 = sqlx::query_scalar("select max(sequence) from audit").fetch_one(&pool).await.expect("read");
    sqlx::query("delete from audit where sequence = ?").bind(last).execute(&pool).await.expect("deleted");
    let answer = home.terrace(&["audit", "verify"]);
    assert_eq!(answer.exit, 1, "{answer:?}");
    assert!(answer.out.contains("broken:") && answer.out.contains(&format!("{last}")), "{answer:?}");
    sqlx::query("update audit set record = replace(record, 'run.queued', 'run.denied') where sequence = 1")
        .execute(&pool)
        .await
        .expect("edited");
    pool.close().await;
    let answer = home.terrace(&["audit", "verify", "--format", "json"]);
    assert_eq!((answer.exit, json_of(&answer.out)["broken"]["sequence"].clone()), (1, json!(1)), "{answer:?}");
}
