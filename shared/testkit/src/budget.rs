//! Budgets: what something may cost and what it did, as rows of the table that `cargo xtask budgets` prints.

use serde_json::json;

/// What the line of a row begins with. The rest is JSON.
pub const MARK: &str = "BUDGET ";

/// `measured` may not be above `budget`.
///
/// # Panics
/// It is, or nobody knows (NaN).
pub fn at_most(measure: &str, budget: f64, measured: f64) {
    row(measure, &json!("at most"), &json!(budget), measured);
    assert!(measured <= budget, "{measure}: {measured}, at most {budget}");
}

/// `measured` may not be below `budget`.
///
/// # Panics
/// It is, or nobody knows (NaN).
pub fn at_least(measure: &str, budget: f64, measured: f64) {
    row(measure, &json!("at least"), &json!(budget), measured);
    assert!(measured >= budget, "{measure}: {measured}, at least {budget}");
}

/// Something to know that has no budget.
pub fn told(measure: &str, measured: f64) {
    row(measure, &json!(null), &json!(null), measured);
}

fn row(measure: &str, bound: &serde_json::Value, budget: &serde_json::Value, measured: f64) {
    println!("{MARK}{}", json!({"measure": measure, "bound": bound, "budget": budget, "measured": measured}));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "units: NaN")]
    fn what_nobody_knows_is_within_no_budget() {
        at_most("units", 1.0, f64::NAN);
    }

    #[test]
    #[should_panic(expected = "units: 2, at most 1")]
    fn more_is_too_much() {
        at_most("units", 1.0, 1.0);
        at_least("units", 1.0, 1.0);
        at_most("units", 1.0, 2.0);
    }

    #[test]
    #[should_panic(expected = "rate: 0.5, at least 0.7")]
    fn less_is_too_little() {
        at_least("rate", 0.7, 0.5);
    }
}
