//! `cargo xtask budgets`: what the platform may cost and what it does, one table from real counters.

mod counted;
mod load;
mod packages;
mod startup;

use clap::{Args, ValueEnum};

/// What to measure.
#[derive(Args)]
pub(crate) struct Budgets {
    /// Only these parts; all of them where none is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
}

/// A part of the table.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// What the tests count: the same on every machine, and gates of `cargo test`.
    Counted,
    /// Holds beside their bare transactions.
    Throughput,
    /// What `cargo xtask package` built.
    Packages,
    /// The functions' start beside a hello-world's. Builds all of them.
    StartUp,
    /// Many buyers at the embedded platform.
    Load,
}

/// One line of the table.
#[derive(Debug, PartialEq)]
struct Row {
    measure: String,
    budget: Budget,
    /// Nothing, with the reason, where it could not be measured here.
    measured: Result<f64, &'static str>,
}

/// What may be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Budget {
    AtMost(f64),
    AtLeast(f64),
    /// Measured to be known.
    None,
}

impl Row {
    fn new(measure: impl Into<String>, budget: Budget, measured: f64) -> Self {
        Self { measure: measure.into(), budget, measured: Ok(measured) }
    }

    /// Whether the budget is kept; what is not measured does not break it.
    fn is_kept(&self) -> bool {
        match (self.budget, self.measured) {
            (Budget::AtMost(most), Ok(measured)) => measured <= most,
            (Budget::AtLeast(least), Ok(measured)) => measured >= least,
            (Budget::None, Ok(_)) | (_, Err(_)) => true,
        }
    }

    fn cells(&self) -> [String; 4] {
        let budget = match self.budget {
            Budget::AtMost(most) => format!("≤ {}", number(most)),
            Budget::AtLeast(least) => format!("≥ {}", number(least)),
            Budget::None => String::new(),
        };
        let measured = self.measured.map_or_else(|_| String::new(), number);
        let verdict = match (self.measured, self.budget) {
            (Err(why), _) => why,
            (Ok(_), Budget::None) => "",
            (Ok(_), _) if self.is_kept() => "yes",
            (Ok(_), _) => "NO",
        };
        [self.measure.clone(), budget, measured, verdict.to_owned()]
    }
}

/// Three decimals, or fewer.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Measures, prints the table, and fails when a budget is broken or could not be measured.
pub(crate) fn budgets(arguments: &Budgets) -> Result<(), String> {
    let parts = if arguments.parts.is_empty() { Part::value_variants() } else { &arguments.parts };
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for part in parts {
        let measured = match part {
            Part::Counted => counted::rows(&mut rows, false),
            Part::Throughput => counted::rows(&mut rows, true),
            Part::Packages => packages::rows().map(|measured| rows.extend(measured)),
            Part::StartUp => startup::rows().map(|measured| rows.extend(measured)),
            Part::Load => load::rows().map(|measured| rows.extend(measured)),
        };
        failures.extend(measured.err());
    }
    print(&rows);
    failures.extend(rows.iter().filter(|row| !row.is_kept()).map(|row| format!("over budget: {}", row.measure)));
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}

fn print(rows: &[Row]) {
    let header = ["measure", "budget", "measured", "ok"].map(str::to_owned);
    let lines: Vec<[String; 4]> = [header].into_iter().chain(rows.iter().map(Row::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let (measure, budget, measured) = (width(0), width(1), width(2));
    println!();
    for [name, may, is, ok] in &lines {
        println!("{name:<measure$}  {may:>budget$}  {is:>measured$}  {ok}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_kept_up_to_its_bound_and_not_by_what_nobody_knows() {
        for (budget, measured, kept) in [
            (Budget::AtMost(1.0), 1.0, true),
            (Budget::AtMost(1.0), 1.1, false),
            (Budget::AtMost(1.0), f64::NAN, false),
            (Budget::AtLeast(0.7), 0.7, true),
            (Budget::AtLeast(0.7), 0.6, false),
            (Budget::None, 9.0, true),
        ] {
            assert_eq!(Row::new("it", budget, measured).is_kept(), kept, "{budget:?} {measured}");
        }
    }

    #[test]
    fn a_line_says_what_was_not_measured() {
        let row = Row { measure: "it".to_owned(), budget: Budget::AtMost(2.0), measured: Err("not built") };
        assert_eq!(row.cells(), ["it", "≤ 2", "", "not built"]);
        assert_eq!(Row::new("it", Budget::AtMost(0.1), 0.0123).cells(), ["it", "≤ 0.1", "0.012", "yes"]);
        assert_eq!(Row::new("it", Budget::AtLeast(100.0), 90.0).cells(), ["it", "≥ 100", "90", "NO"]);
    }
}
