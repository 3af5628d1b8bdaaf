//! What the tests count: they are the gates, and print what they saw.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{Budget, Row};
use crate::run::root;

/// What the line of a row begins with: `testkit::budget::MARK`.
const MARK: &str = "BUDGET {";
/// The test programs that have budgets, in modules of that name.
const TESTS: [&str; 10] =
    ["test", "--workspace", "--locked", "--test", "booking", "--test", "queue", "--test", "it", "budgets::"];
/// What they print is what we are after.
const ALOUD: [&str; 2] = ["--nocapture", "--test-threads=1"];

/// Adds the rows of the gates or, with `timed`, of the tests that are no gates because they measure time.
pub(super) fn rows(rows: &mut Vec<Row>, timed: bool) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command.args(TESTS).arg("--").args(ALOUD).args(timed.then_some("--ignored"));
    println!("\n== budgets: {}", TESTS.join(" "));
    let child = command.current_dir(root()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|why| format!("cargo does not start: {why}"))?;
    let before = rows.len();
    for line in child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
        let line = line.map_err(|why| format!("the tests' output: {why}"))?;
        match row(&line) {
            Some(row) => rows.push(row?),
            None => println!("{line}"),
        }
    }
    let status = child.wait().map_err(|why| format!("the tests: {why}"))?;
    match (status.success(), rows.len() > before) {
        (true, true) => Ok(()),
        (false, _) => Err("not every test of the budgets passed".to_owned()),
        (true, false) => Err("no test told a budget".to_owned()),
    }
}

/// The row in a line. What the test program itself wrote may stand before it.
fn row(line: &str) -> Option<Result<Row, String>> {
    let json = &line[line.find(MARK)? + MARK.len() - 1..];
    let read = || {
        let row: Value = serde_json::from_str(json).ok()?;
        let budget = match (row["bound"].as_str(), row["budget"].as_f64()) {
            (Some("at most"), Some(budget)) => Budget::AtMost(budget),
            (Some("at least"), Some(budget)) => Budget::AtLeast(budget),
            (None, None) => Budget::None,
            _ => return None,
        };
        // JSON has no NaN: what the engine could not tell arrives as null.
        Some(Row::new(row["measure"].as_str()?, budget, row["measured"].as_f64().unwrap_or(f64::NAN)))
    };
    Some(read().ok_or_else(|| format!("not a budget: {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_behind_what_the_test_program_wrote() {
        let line = r#"test budgets::it ... BUDGET {"measure":"units","bound":"at most","budget":8.0,"measured":7.5}"#;
        assert_eq!(row(line), Some(Ok(Row::new("units", Budget::AtMost(8.0), 7.5))));
        let told = r#"BUDGET {"measure":"rate","bound":null,"budget":null,"measured":1.0}"#;
        assert_eq!(row(told), Some(Ok(Row::new("rate", Budget::None, 1.0))));
        assert_eq!(row("test budgets::it ... ok"), None);
        assert!(row("BUDGET {").unwrap().is_err());
        assert!(row(r#"BUDGET {"measure":"x","bound":"about","budget":1.0,"measured":1.0}"#).unwrap().is_err());
    }

    #[test]
    fn what_nobody_knows_keeps_no_budget() {
        let unknown = row(r#"BUDGET {"measure":"units","bound":"at most","budget":8.0,"measured":null}"#);
        assert!(!unknown.unwrap().unwrap().is_kept());
    }
}
