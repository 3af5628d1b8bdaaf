//! The promises of SEMANTICS.md, as far as a text can be held.

use std::{collections::BTreeSet, path::Path};

use crate::logs::sources;

/// What SEMANTICS.md says happens when a step breaks is proved by tests that exist.
#[test]
fn every_test_that_the_promises_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let promises = std::fs::read_to_string(root.join("SEMANTICS.md")).unwrap();
    let rows = promises.lines().filter(|line| line.starts_with("| ") && line.matches(": `").count() == 4);
    let named: BTreeSet<&str> =
        rows.flat_map(|row| row.split(": `").skip(1)).filter_map(|rest| rest.split('`').next()).collect();
    assert!(named.len() > 30, "{named:?}");
    let mut found = Vec::new();
    for folder in ["functions", "shared", "tests"] {
        sources(&root.join(folder), &mut found);
    }
    let tests: String = found.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "{name} is no test");
    }
}
