//! What can be said of the PostgreSQL store without a server; the stories run on one.

use std::fs;
use std::path::Path;

use super::Server;
use crate::platform::PlatformError;
use crate::platform::store::sqlite;

/// A noun brings a migration for each database.
#[test]
fn both_databases_have_the_same_migrations() {
    let names = |migrator: &sqlx::migrate::Migrator| -> Vec<(i64, String)> {
        migrator.iter().map(|migration| (migration.version, migration.description.to_string())).collect()
    };
    assert_eq!(names(&super::open::MIGRATIONS), names(&sqlite::MIGRATIONS));
}

/// What SQLite forgives and PostgreSQL does not.
#[test]
fn statements_are_in_words_that_both_understand() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/platform/store/sql");
    let questions = regex::Regex::new(r#"(?s)"(?:select|insert|update|delete|with)\b[^"]*(\?|insert or |json_)"#);
    let questions = questions.expect("a pattern");
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a source");
        let found = questions.find(&text).map(|found| found.as_str());
        assert_eq!(found, None, "{}: `?`, `insert or …` and JSON are not for both databases", path.display());
    }
}

#[test]
fn a_url_is_shown_without_its_secrets() {
    for (text, name) in [
        ("postgres://ann:hush@db.example.com/shop", "postgres://ann@db.example.com:5432/shop"),
        ("postgresql://ann@[::1]:6432/shop?password=hush&sslmode=disable", "postgres://ann@[::1]:6432/shop"),
        ("postgres:///shop?host=/run/pg&user=ann&password=hush", "postgres://ann@/run/pg:5432/shop"),
        ("postgres://ann:hush@db/shop?connect_timeout=3", "postgres://ann@db:5432/shop"),
    ] {
        let server: Server = text.parse().expect(text);
        assert_eq!(server.to_string(), name);
        assert!(!format!("{server:?}").contains("hush"), "{server:?}");
    }
}

#[test]
fn a_url_that_cannot_be_used_is_refused_without_repeating_its_secrets() {
    for text in [
        "mysql://ann:hush@db/shop",
        "hush",
        "postgres://ann:hush@db:99999/shop",
        "postgres://ann:hush@db/shop?sslmode=hush",
        "postgres://ann@db/shop?passwd=hush",
        "postgres://ann@db/shop?port=hush",
    ] {
        let error = text.parse::<Server>().expect_err(text);
        assert!(matches!(error, PlatformError::Unusable { code: "database-url", .. }), "{error:?}");
        assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("hush"), "{error:?}");
    }
}
