//! The promises of SEMANTICS.md and docs/security.md, as far as a text can be held.

use std::{collections::BTreeSet, path::Path};

use crate::logs::sources;

fn root() -> &'static Path {
    Path::new(env!("CHECKOUT"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// What is in backticks and looks like the name of a test: at least four words.
fn tests_named(text: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        word.matches('_').count() >= 3 && word.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    };
    text.split('`').skip(1).step_by(2).filter(is_name).collect()
}

/// What a document says a test proves is proved by a test that exists.
#[track_caller]
fn exist(named: &BTreeSet<&str>) {
    let mut found = Vec::new();
    for folder in ["functions", "infra", "shared", "tests"] {
        sources(&root().join(folder), &mut found);
    }
    let tests: String = found.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "{name} is no test");
    }
}

#[test]
fn every_test_that_the_promises_name_exists() {
    let promises = text("SEMANTICS.md");
    let rows = promises.lines().filter(|line| line.starts_with("| ") && line.matches(": `").count() == 4);
    let named: BTreeSet<&str> =
        rows.flat_map(|row| row.split(": `").skip(1)).filter_map(|rest| rest.split('`').next()).collect();
    assert!(named.len() > 30, "{named:?}");
    exist(&named);
}

#[test]
fn every_threat_is_met_by_a_test_that_exists() {
    let model = text("docs/security.md");
    let rows: Vec<&str> = model.lines().filter(|line| line.starts_with("| API") || line.starts_with("| T")).collect();
    assert!(
        (1..=10).all(|number| rows.iter().any(|row| row.starts_with(&format!("| API{number} ")))),
        "all ten of OWASP"
    );
    for row in rows {
        let named = tests_named(row);
        assert!(!named.is_empty(), "no test: {row}");
        exist(&named);
    }
}
